"""Activations on NumPy: the shared formulas, written over their own temporaries in parts that stay in the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapeloom.backend.arrayapi.activation import CUBIC, DENSITY_AT_0, ERF, ROOT_HALF, ROOT_TWO_OVER_PI, Activation

Array = Any

_PART = 2**13  # elements; the few arrays at work stay in the first-level cache


def _in_parts(work: Callable[..., None], *arrays: Array) -> Array:
    """A new array like the first, filled by ``work(*parts, out, scratch, scratch)`` for each part of all arrays.

    The arrays have one shape; if not all lie in memory alike, copies stand in.
    """
    first = arrays[0]
    out = np.empty_like(first)
    flat = [np.reshape(array, -1, order="A") for array in (*arrays, out)] if _alike(*arrays, out) else None
    if flat is None:
        arrays = tuple([np.ascontiguousarray(array) for array in arrays])
        out = np.empty(first.shape, first.dtype)
        flat = [array.reshape(-1) for array in (*arrays, out)]
    size = min(_PART, out.size)
    s, t = np.empty(size, out.dtype), np.empty(size, out.dtype)
    for start in range(0, out.size, _PART):
        parts = [array[start : start + _PART] for array in flat]
        count = parts[0].size
        work(*parts, s[:count], t[:count])
    return out


def _alike(*arrays: Array) -> bool:
    """Whether all arrays are contiguous in one and the same order."""
    return all([array.flags.c_contiguous for array in arrays]) or all([array.flags.f_contiguous for array in arrays])


def _erf(x: Array, out: Array, t: Array, q: Array, limit: float, above: tuple[float, ...], below: tuple[float, ...]) -> None:
    """``erf(x)`` into ``out``, which may be ``x`` itself; ``t`` and ``q`` are overwritten."""
    np.multiply(x, x, out=t)
    np.minimum(t, limit, out=t)
    np.add(t, below[0], out=q)
    for coefficient in below[1:]:
        q *= t
        q += coefficient
    np.divide(x, q, out=q)
    p = np.multiply(t, above[0])
    p += above[1]
    for coefficient in above[2:]:
        p *= t
        p += coefficient
    p *= q
    np.tanh(p, out=out)


def _wide(x: Array) -> bool:
    return type(x) is np.ndarray and x.dtype.itemsize > 2


class CachedActivation(Activation):
    """Overrides of the activation kernels."""

    def relu_backward(self, upstream: Array, y: Array) -> Array:
        return upstream * (y > 0) if _wide(upstream) else super().relu_backward(upstream, y)
