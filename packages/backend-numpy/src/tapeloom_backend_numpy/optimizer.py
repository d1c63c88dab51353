"""Optimizer steps over NumPy: few passes, in parts that stay in the cache, into memory that nobody else sees.

The arithmetic is that of the shared kernels with factors drawn together, so results may differ in the last place.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from tapeloom.backend.arrayapi.optimizer import Optimizer
from tapeloom_backend_numpy.memory import exclusive

Array = Any
Arrays = list[Array]

_PART = 2**17  # elements: small enough for the cache, large enough that a call's own cost vanishes

_scratch = threading.local()


def _temporary(like: Array) -> Array:
    """Memory for one intermediate, in the shape of ``like``: kept between steps, one for each thread and dtype."""
    held = _scratch.__dict__.get(like.dtype.char)
    if held is None:
        held = _scratch.__dict__[like.dtype.char] = np.empty(_PART, like.dtype)
    if like.size > _PART:  # an array that is not contiguous comes whole
        return np.empty_like(like)
    return held[: like.size].reshape(like.shape)


def _targets(arrays: Arrays) -> Arrays:
    """Where the new values go: the arrays themselves where nobody else sees them, else new ones."""
    return [array if alone else np.empty_like(array) for array, alone in zip(arrays, exclusive(arrays), strict=True)]


def _plain(array: Array) -> bool:
    """Whether results can be written into an array like this one: no half type, no 0-d array."""
    return type(array) is np.ndarray and array.dtype.char in "fd" and array.ndim > 0


def _parts(arrays: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Arrays of one shape cut alike into parts of the cache's size; None stays None."""
    first = arrays[0]
    if first.size <= _PART or not all(array is None or array.flags.c_contiguous for array in arrays):
        return [arrays]
    flat = [None if array is None else array.reshape(-1) for array in arrays]
    return [
        tuple([None if array is None else array[start : start + _PART] for array in flat])
        for start in range(0, first.size, _PART)
    ]


class InPlaceOptimizer(Optimizer):
    """Overrides of the optimizer kernels."""

    def exclusive(self, arrays: Arrays) -> list[bool]:
        return exclusive(arrays)

    def sgd_step(
        self,
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
        new_params = _targets(params)
        new_momenta = _targets(momenta) if momenta else [np.empty_like(param) for param in params] if momentum else []
        sign = -1.0 if maximize else 1.0
        for i, param in enumerate(params):
            held = momenta[i] if momenta else None
            new_held = new_momenta[i] if momentum else None
            if not _plain(param):
                one = ([param], [grads[i]], [] if held is None else [held])
                [new_params[i]], made = super().sgd_step(
                    *one, lr, momentum, dampening, weight_decay, nesterov, maximize
                )
                new_momenta[i : i + 1] = made
                continue
            for p, g, m, new_p, new_m in _parts((param, grads[i], held, new_params[i], new_held)):
                t = _temporary(g)
                np.multiply(g, -lr * sign if not momentum else sign, out=t)  # all that follows is scaled alike
                scale = -lr if not momentum else 1.0
                if weight_decay:
                    t += p * (weight_decay * scale)
                if not momentum:
                    np.add(p, t, out=new_p)
                    continue
                if m is None:
                    np.copyto(new_m, t)
                else:
                    np.multiply(m, momentum, out=new_m)
                    if nesterov:
                        new_m += t if not dampening else t * (1 - dampening)
                    else:
                        if dampening:
                            t *= 1 - dampening
                        new_m += t
                if nesterov:
                    t += new_m * momentum
                    t *= -lr
                else:
                    np.multiply(new_m, -lr, out=t)
                np.add(p, t, out=new_p)
        return new_params, new_momenta

    def adam_step(
        self,
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
        new_params, new_avgs, new_sqs = _targets(params), _targets(exp_avgs), _targets(exp_avg_sqs)
        new_tops = _targets(max_exp_avg_sqs) if amsgrad else []
        # lr / c1 * m / (sqrt(v) / root + eps) = (lr * root / c1) * m / (sqrt(v) + eps * root)
        root = (1 - beta2**step) ** 0.5
        rate = -lr * root / (1 - beta1**step)
        given_eps, eps = eps, eps * root
        keep1, keep2 = 1 - beta1, 1 - beta2
        shrink = 1 - lr * weight_decay if decoupled else 1.0
        decay = 0.0 if decoupled else weight_decay
        for i, param in enumerate(params):
            if not _plain(param):
                one = ([param], [grads[i]], [exp_avgs[i]], [exp_avg_sqs[i]], max_exp_avg_sqs[i : i + 1])
                [new_params[i]], [new_avgs[i]], [new_sqs[i]], new_tops[i : i + 1] = super().adam_step(
                    *one, step, lr, beta1, beta2, given_eps, weight_decay, decoupled, amsgrad, maximize
                )
                continue
            top, new_top = (max_exp_avg_sqs[i], new_tops[i]) if amsgrad else (None, None)
            arrays = (
                param,
                grads[i],
                exp_avgs[i],
                exp_avg_sqs[i],
                top,
                new_params[i],
                new_avgs[i],
                new_sqs[i],
                new_top,
            )
            for p, g, m, v, top, new_p, new_m, new_v, new_top in _parts(arrays):
                if decay:
                    g = p * decay - g if maximize else p * decay + g
                elif maximize:
                    g = -g
                t = np.subtract(g, m, out=_temporary(g))
                t *= keep1
                np.add(m, t, out=new_m)
                np.multiply(g, g, out=t)
                t *= keep2
                np.multiply(v, beta2, out=new_v)
                new_v += t
                if amsgrad:
                    np.maximum(top, new_v, out=new_top)
                np.sqrt(new_v if new_top is None else new_top, out=t)
                t += eps
                np.divide(new_m, t, out=t)
                t *= rate
                if shrink != 1.0:
                    np.multiply(p, shrink, out=new_p)
                    new_p += t
                else:
                    np.add(p, t, out=new_p)
        return new_params, new_avgs, new_sqs, new_tops
