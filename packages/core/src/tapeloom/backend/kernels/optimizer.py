"""Optimizer kernels: lists of arrays in, lists of new arrays out. Formulas are those of PyTorch's SGD, Adam and AdamW."""

from __future__ import annotations

from typing import Any

from tapeloom import dtypes

Array = Any
Arrays = list[Array]


def widened(self: Any, *arrays: Array | None) -> tuple[Any, ...]:
    """Half types as float32, so that sums are exact enough; other arrays as they are."""
    return tuple(
        self.cast(array, dtypes.float32) if array is not None and array.dtype.itemsize < 4 else array
        for array in arrays
    )


def narrowed(self: Any, array: Array | None, like: Array) -> Array | None:
    """``array`` in the dtype of ``like`` again."""
    if array is None or array.dtype == like.dtype:
        return array
    return self.cast(array, dtypes.as_dtype(like.dtype.name))


class Optimizer:
    """Kernels of the optimizer steps. Half types are updated in float32 and rounded once."""

    xp: Any

    def sgd_step(
        self: Any,
        params: Arrays,
        grads: Arrays,
        momenta: Arrays,
        lr: float,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
        maximize: bool,
    ) -> tuple[Arrays, Arrays]:
        """``momenta`` is empty on the first step, and without momentum; then so are those that come back."""
        new_params, new_momenta = [], []
        for position, param in enumerate(params):
            wide, g, held = widened(self, param, grads[position], momenta[position] if momenta else None)
            if maximize:
                g = -g
            if weight_decay:
                g = g + wide * weight_decay
            if momentum:
                held = g if held is None else held * momentum + g * (1 - dampening)
                g = g + held * momentum if nesterov else held
                new_momenta.append(narrowed(self, held, param))
            new_params.append(narrowed(self, wide - g * lr, param))
        return new_params, new_momenta

    def adam_step(
        self: Any,
        params: Arrays,
        grads: Arrays,
        exp_avgs: Arrays,
        exp_avg_sqs: Arrays,
        max_exp_avg_sqs: Arrays,
        step: float,
        lr: float,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
        decoupled: bool,
        amsgrad: bool,
        maximize: bool,
    ) -> tuple[Arrays, Arrays, Arrays, Arrays]:
        """``step`` counts from 1. ``max_exp_avg_sqs`` is empty unless ``amsgrad``, and then what comes back is, too."""
        results: tuple[Arrays, Arrays, Arrays, Arrays] = ([], [], [], [])
        size = lr / (1 - beta1**step)
        root = (1 - beta2**step) ** 0.5
        for position, param in enumerate(params):
            wide, g, average, square, top = widened(
                self, param, grads[position], exp_avgs[position], exp_avg_sqs[position],
                max_exp_avg_sqs[position] if amsgrad else None,
            )  # fmt: skip
            if maximize:
                g = -g
            if decoupled:
                wide = wide * (1 - lr * weight_decay)
            else:
                g = g + wide * weight_decay
            average = average + (g - average) * (1 - beta1)
            square = square * beta2 + g * g * (1 - beta2)
            top = self.maximum(top, square) if amsgrad else None
            wide = wide - average / (self.sqrt(square if top is None else top) / root + eps) * size
            for result, array in zip(results, (wide, average, square, top), strict=True):
                if array is not None:
                    result.append(narrowed(self, array, param))
        return results
