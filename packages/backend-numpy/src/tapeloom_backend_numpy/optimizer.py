"""Optimizer steps over NumPy: in place where nobody else sees the memory, in parts that stay in the cache.

The arithmetic is that of the optimizers' formulas with factors drawn together, so results may differ in the last place.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy import add, divide, maximum, multiply, negative, sqrt, square

from tapeloom_backend_numpy.memory import exclusive

Array = Any
Arrays = list[Array]

_PART = 2**17  # elements: small enough for the cache, large enough that a call's own cost vanishes
_SMALL = 2**12
_held = threading.local()


def _constants(params: Arrays, *values: float) -> Arrays:
    """0-d arrays, which NumPy takes up in half the time of Python's numbers."""
    dtype = params[0].dtype
    return [_constant(value, dtype) if value else np.array(value, dtype) for value in values]  # 0.0 == -0.0


@lru_cache(maxsize=256)  # most are the same in every step
def _constant(value: float, dtype: Any) -> Array:
    array = np.array(value, dtype)
    array.flags.writeable = False
    return array


def _own(arrays: Arrays) -> Arrays:
    """What may be overwritten: the arrays themselves where nobody else sees them, else copies."""
    return [array if alone else np.array(array) for array, alone in zip(arrays, exclusive(arrays), strict=True)]


def _scratch(like: Array) -> Array:
    """Memory for one intermediate in the shape of ``like``.

    Large pieces are kept between steps, one for each thread and dtype: freed and taken anew, they may go back to the
    system each time, and the page faults then cost as much as the arithmetic.
    """
    if not _SMALL <= like.size <= _PART:
        return np.empty_like(like)
    held = _held.__dict__.get(like.dtype.char)
    if held is None:
        held = _held.__dict__[like.dtype.char] = np.empty(_PART, like.dtype)
    return held[: like.size].reshape(like.shape)


def _parts(*lists: Arrays) -> Iterator[Sequence[Array]]:
    """The arrays at each position of the lists, large ones part by part."""
    for arrays in zip(*lists, strict=True):
        size = arrays[0].size
        if size <= _PART or not all(array.flags.c_contiguous for array in arrays):
            yield arrays
            continue
        flat = [array.reshape(-1) for array in arrays]
        for start in range(0, size, _PART):
            yield [array[start : start + _PART] for array in flat]


class FusedOptimizers:
    """Kernels that stand for the formulas of SGD and Adam; see ``Backend.update``. Half types do not come here."""

    def fused_sgd(
        self,
        params: Arrays,
        grads: Arrays,
        momenta: Arrays,
        *,
        lr: float,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
        maximize: bool,
    ) -> list[Arrays]:
        """``momenta`` are all None in the first step, and come back as they are where ``momentum`` is 0."""
        sign = -1.0 if maximize else 1.0
        if not momentum:
            (rate,) = _constants(params, -lr * sign)
            decay = -lr * weight_decay
            results = []
            for param, grad, alone in zip(params, grads, exclusive(params), strict=True):
                if param.size < _SMALL:  # made anew, which costs less than to overwrite it
                    t = multiply(grad, rate)
                    results.append(add(param, t + param * decay if weight_decay else t))
                    continue
                new = param if alone else np.empty_like(param)
                parts: Iterable[Sequence[Array]] = [(new, param, grad)]  # as a generator it would cost more than a sum
                if param.size > _PART:
                    parts = _parts([new], [param], [grad])
                for out, p, g in parts:
                    t = multiply(g, rate, _scratch(g))
                    if weight_decay:
                        t += p * decay
                    add(p, t, out)
                results.append(new)
            return [results, [None] * len(params)]
        down, sign, decay, keep, share = _constants(params, -lr, sign, weight_decay, momentum, 1 - dampening)
        new_params = _own(params)
        held = momenta[0] is not None
        new_momenta = _own(momenta) if held else [np.empty_like(param) for param in params]
        for p, g, m in _parts(new_params, grads, new_momenta):
            t = multiply(g, sign, _scratch(g))
            if weight_decay:
                t += p * decay
            if held:
                multiply(m, keep, m)
                add(m, t * share if dampening else t, m)
            else:
                np.copyto(m, t)
            if nesterov:
                t += m * keep
                t *= down
            else:
                multiply(m, down, t)
            add(p, t, p)
        return [new_params, new_momenta]

    def fused_adam(
        self,
        params: Arrays,
        grads: Arrays,
        exp_avgs: Arrays,
        exp_avg_sqs: Arrays,
        max_exp_avg_sqs: Arrays,
        *,
        step: float,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        amsgrad: bool,
        maximize: bool,
        decoupled_weight_decay: bool,
    ) -> list[Arrays]:
        """``step`` counts from 1. ``max_exp_avg_sqs`` are None, and come back so, unless ``amsgrad``."""
        beta1, beta2 = betas
        # lr / c1 * m / (sqrt(v) / root + eps) = (lr * root / c1) * m / (sqrt(v) + eps * root)
        root = (1 - beta2**step) ** 0.5
        rate, floor, keep1, share1, keep2, share2 = _constants(
            params, -lr * root / (1 - beta1**step), eps * root, beta1, 1 - beta1, beta2, 1 - beta2
        )
        if weight_decay:
            decay, shrink = _constants(params, weight_decay, 1 - lr * weight_decay)
        written = [_own(arrays) for arrays in (params, exp_avgs, exp_avg_sqs, *([max_exp_avg_sqs] if amsgrad else []))]
        for g, p, m, v, *top in _parts(grads, *written):
            if maximize:
                g = negative(g)
            if weight_decay and not decoupled_weight_decay:
                g = g + p * decay
            t = multiply(g, share1, _scratch(g))
            multiply(m, keep1, m)
            add(m, t, m)
            square(g, t)
            multiply(t, share2, t)
            multiply(v, keep2, v)
            add(v, t, v)
            if top:
                maximum(top[0], v, out=top[0])
            sqrt(top[0] if top else v, t)
            add(t, floor, t)
            divide(m, t, t)
            multiply(t, rate, t)
            if weight_decay and decoupled_weight_decay:
                multiply(p, shrink, p)
            add(p, t, p)
        return written if amsgrad else [*written, [None] * len(params)]
