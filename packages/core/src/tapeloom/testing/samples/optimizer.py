"""Samples of the optimizer steps: one number at a time, by the formulas of PyTorch's SGD, Adam and AdamW."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.testing.inputs import T
from tapeloom.testing.references import each
from tapeloom.testing.table import FLOATS, case, fails, row


def _copies(tensors: Any) -> list[Any]:
    return [tensor.clone() for tensor in tensors]


def _sgd(params: Any, grads: Any, momenta: Any, **settings: Any) -> tuple[Any, ...]:
    from tapeloom.ops.optimizer import sgd_step

    params, momenta = _copies(params), _copies(momenta)
    held = sgd_step(params, grads, momenta or [None] * len(params), **settings)
    return (*params, *(tensor for tensor in held if tensor is not None))


def _sgd_reference(params: Any, grads: Any, momenta: Any, *, lr: float, momentum: float = 0.0, dampening: float = 0.0, weight_decay: float = 0.0,
                   nesterov: bool = False, maximize: bool = False) -> tuple[Any, ...]:
    new, held = [], []
    for i, (param, grad) in enumerate(zip(params, grads, strict=True)):
        g = each(lambda p, d: (-d if maximize else d) + weight_decay * p)(param, grad)
        if momentum:
            buffer = each(lambda b, d: momentum * b + (1 - dampening) * d)(momenta[i], g) if momenta else g
            held.append(buffer)
            g = each(lambda d, b: d + momentum * b if nesterov else b)(g, buffer)
        new.append(each(lambda p, d: p - lr * d)(param, g))
    return (*new, *held)


ONE, TWO, SMALL = (T(3, 4),), (T(3, 4), T(5)), (T(), T(0, 3))  # the last: a number, and nothing at all
SETTINGS: dict[str, Any] = {"dtypes": FLOATS, "budget": "chain", "grad": 0, "without": "0d empty", "magnitude": lambda *args, **named: np.float64(2.0)}
row("sgd_step", case(TWO, TWO, (), lr=0.1), case(TWO, TWO, (), lr=0.1, momentum=0.9), case(TWO, TWO, TWO, lr=0.1, momentum=0.9, dampening=0.5, weight_decay=0.01),
    case(SMALL, SMALL, (), lr=0.1, weight_decay=0.1), case(SMALL, SMALL, (), lr=0.1, momentum=0.9), case(SMALL, SMALL, SMALL, lr=0.1, momentum=0.9, dampening=0.5),
    case(SMALL, SMALL, SMALL, lr=0.1, momentum=0.9, nesterov=True), case(ONE, ONE, ONE, lr=0.1, momentum=0.9, nesterov=True), case(ONE, ONE, (), lr=0.1, weight_decay=0.1, maximize=True),
    calls=_sgd, reference=_sgd_reference, gives=("same",) * 4, **SETTINGS)
fails("sgd_step", case(TWO, ONE, (), lr=0.1), ArgumentError, "sgd_step: 2 parameters and 1 gradients were given. Give one for each.")
fails("sgd_step", case(ONE, (T(4, 3),), (), lr=0.1), ShapeError, "sgd_step: parameter 0 has shape (3, 4), and its entry in gradients has (4, 3).")


def _adam(params: Any, grads: Any, averages: Any, squares: Any, tops: Any, **settings: Any) -> tuple[Any, ...]:
    from tapeloom.ops.optimizer import adam_step

    params, averages, squares, tops = (_copies(tensors) for tensors in (params, averages, squares, tops))
    adam_step(params, grads, averages, squares, tops, **settings)
    return (*params, *averages, *squares, *tops)


def _adam_reference(params: Any, grads: Any, averages: Any, squares: Any, tops: Any, *, step: float, lr: float, beta1: float = 0.9, beta2: float = 0.999,
                    eps: float = 1e-8, weight_decay: float = 0.0, decoupled: bool = False, amsgrad: bool = False, maximize: bool = False) -> tuple[Any, ...]:
    results: tuple[list[Any], ...] = ([], [], [], [])
    for i, param in enumerate(params):
        g = each(lambda d: -d if maximize else d)(grads[i])
        if decoupled:
            param = each(lambda p: p - lr * weight_decay * p)(param)
        else:
            g = each(lambda d, p: d + weight_decay * p)(g, param)
        average = each(lambda m, d: beta1 * m + (1 - beta1) * d)(averages[i], g)
        square = each(lambda v, d: beta2 * v + (1 - beta2) * d * d)(squares[i], g)
        top = each(max)(tops[i], square) if amsgrad else square

        def moved(p: float, m: float, v: float) -> float:
            corrected = m / (1 - beta1**step)
            return float(p - lr * corrected / ((v / (1 - beta2**step)) ** 0.5 + eps))

        for result, value in zip(results, (each(moved)(param, average, top), average, square, top), strict=True):
            result.append(value)
    return tuple(value for result in results[: 4 if amsgrad else 3] for value in result)


SQUARES = T(3, 4, low=0.1, high=2), T(5, low=0.1, high=2)
SMALL_SQUARES = T(low=0.1, high=2), T(0, 3, low=0.1, high=2)
ADAM = {"step": 3.0, "lr": 0.1}
row("adam_step", case(TWO, TWO, TWO, SQUARES, (), **ADAM), case(ONE, ONE, ONE, SQUARES[:1], (), beta1=0.8, beta2=0.9, eps=0.1, **ADAM),
    case(ONE, ONE, ONE, SQUARES[:1], (), weight_decay=0.1, **ADAM), case(ONE, ONE, ONE, SQUARES[:1], (), weight_decay=0.1, decoupled=True, **ADAM),
    case(SMALL, SMALL, SMALL, SMALL_SQUARES, (), weight_decay=0.1, **ADAM), case(SMALL, SMALL, SMALL, SMALL_SQUARES, SMALL_SQUARES, amsgrad=True, decoupled=True, weight_decay=0.1, **ADAM),
    case(ONE, ONE, ONE, SQUARES[:1], SQUARES[:1], amsgrad=True, **ADAM), case(ONE, ONE, ONE, SQUARES[:1], (), maximize=True, **ADAM),
    calls=_adam, reference=_adam_reference, gives=("same",) * 8, **SETTINGS)
fails("adam_step", case(ONE, ONE, (), (), (), **ADAM), ArgumentError, "adam_step: 1 parameters and 0 exp_avgs were given. Give one for each.")
