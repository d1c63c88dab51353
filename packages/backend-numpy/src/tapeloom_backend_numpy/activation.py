"""Activations on NumPy: the shared formulas, written over their own temporaries in parts that stay in the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapeloom.backend.kernels.activation import CUBIC, DENSITY_AT_0, ERF, ROOT_HALF, ROOT_TWO_OVER_PI, TINY, Activation
from tapeloom_backend_numpy.summation import total

Array = Any

_PART = 2**16  # elements: few enough for the second-level cache, enough to outweigh the calls

_LONG_ROW = 2**13  # elements: beyond, sums by products, which add one after the other, lose digits


def _fits(*arrays: Array) -> bool:
    """Whether the kernels here take these arrays: no half types, no scalars, one shape, contiguous in one order."""
    first = arrays[0]
    return (
        type(first) is np.ndarray
        and first.ndim > 0
        and first.dtype.char in "fd"
        and len({(array.shape, array.dtype) for array in arrays}) == 1
        and (all(array.flags.c_contiguous for array in arrays) or all(array.flags.f_contiguous for array in arrays))
    )


def _in_parts(work: Callable[..., None], *arrays: Array) -> Array:
    """A new array like the first, filled by ``work(*parts, out, scratch, scratch)`` for each part of all arrays."""
    out = np.empty_like(arrays[0])
    flat = [array.reshape(-1, order="A") for array in (*arrays, out)]
    size = min(_PART, out.size)
    s, t = np.empty(size, out.dtype), np.empty(size, out.dtype)
    for start in range(0, out.size, _PART):
        parts = [array[start : start + _PART] for array in flat]
        count = parts[0].size
        work(*parts, s[:count], t[:count])
    return out


def _erf_argument(x: Array, out: Array, t: Array, q: Array, scale: float = 1.0) -> None:
    """The number whose tanh is ``erf(x * scale)``, into ``out``; ``t`` and ``q`` are overwritten."""
    limit, above, below = ERF[x.itemsize]
    np.multiply(x, x, out=t)
    if scale != 1.0:
        t *= scale * scale
    np.minimum(t, limit, out=t)
    np.multiply(t, scale * above[0], out=out)
    for coefficient in above[1:-1]:
        out += scale * coefficient
        out *= t
    out += scale * above[-1]
    np.add(t, below[0], out=q)
    for coefficient in below[1:]:
        q *= t
        q += coefficient
    out /= q
    out *= x


def _erf(x: Array, out: Array, t: Array, q: Array) -> None:
    _erf_argument(x, out, t, q)
    np.tanh(out, out=out)


def _gelu(x: Array, out: Array, t: Array, q: Array) -> None:
    _erf_argument(x, out, t, q, ROOT_HALF)
    np.tanh(out, out=out)
    out += 1
    out *= x
    out *= 0.5


def _tanh_argument(x: Array, out: Array) -> None:
    np.multiply(x, x, out=out)
    out *= CUBIC * ROOT_TWO_OVER_PI
    out += ROOT_TWO_OVER_PI
    out *= x


def _gelu_tanh(x: Array, out: Array, t: Array, q: Array) -> None:
    _tanh_argument(x, out)
    np.tanh(out, out=out)
    out += 1
    out *= x
    out *= 0.5


def _share(x: Array, y: Array, out: Array) -> None:
    """P(x) = y / x into ``out``, by its tangent near 0."""
    np.abs(x, out=out)
    tiny = np.flatnonzero(out < TINY)
    np.divide(y, x, out=out)
    if tiny.size:
        out[tiny] = x[tiny] * DENSITY_AT_0 + 0.5


def _gelu_slope(g: Array, x: Array, y: Array, out: Array, t: Array, q: Array) -> None:
    np.multiply(x, x, out=t)
    t *= -0.5
    np.exp(t, out=t)
    t *= x
    t *= DENSITY_AT_0
    _share(x, y, out)
    out += t
    out *= g


def _gelu_tanh_slope(g: Array, x: Array, y: Array, out: Array, t: Array, q: Array) -> None:
    _share(x, y, out)
    np.subtract(1, out, out=t)
    t *= out
    t *= x
    np.multiply(x, x, out=q)
    q *= 6 * CUBIC * ROOT_TWO_OVER_PI
    q += 2 * ROOT_TWO_OVER_PI
    t *= q
    out += t
    out *= g


def _sums(x: Array, dim: int) -> Array:
    """The sums over ``dim``, which stays with length 1."""
    length = x.shape[dim]
    if dim == x.ndim - 1 and length <= _LONG_ROW and x.size and x.flags.c_contiguous:
        sums = x.reshape(-1, length) @ np.ones((length, 1), x.dtype)  # BLAS is several times as fast as a sum
        return sums.reshape(*x.shape[:-1], 1)
    return total(x, (dim,), True)


class CachedActivation(Activation):
    """Overrides of the activation kernels."""

    def erf(self, x: Array) -> Array:
        return _in_parts(_erf, x) if _fits(x) else super().erf(x)

    def gelu(self, x: Array, approximate: str) -> Array:
        if not _fits(x):
            return super().gelu(x, approximate)
        return _in_parts(_gelu if approximate == "none" else _gelu_tanh, x)

    def gelu_backward(self, g: Array, x: Array, out: Array, approximate: str) -> Array:
        if not _fits(g, x, out):
            return super().gelu_backward(g, x, out, approximate)
        return _in_parts(_gelu_slope if approximate == "none" else _gelu_tanh_slope, g, x, out)

    def sigmoid(self, x: Array) -> Array:
        if not _fits(x):
            return super().sigmoid(x)
        out = np.negative(x)
        np.exp(out, out=out)
        out += 1
        return np.reciprocal(out, out=out)

    def silu(self, x: Array) -> Array:
        if not _fits(x):
            return super().silu(x)
        out = np.negative(x)
        np.exp(out, out=out)
        out += 1
        return np.divide(x, out, out=out)

    def softmax(self, x: Array, dim: int) -> Array:
        if not _fits(x) or not x.size:
            return super().softmax(x, dim)
        out = x - x.max(axis=dim, keepdims=True)
        np.exp(out, out=out)
        out /= _sums(out, dim)
        return out

    def softmax_backward(self, upstream: Array, y: Array, dim: int) -> Array:
        if not _fits(upstream, y):
            return super().softmax_backward(upstream, y, dim)
        out = upstream * y
        total = _sums(out, dim)
        np.subtract(upstream, total, out=out)
        out *= y
        return out

    def log_softmax(self, x: Array, dim: int) -> Array:
        if not _fits(x) or not x.size:
            return super().log_softmax(x, dim)
        out = x - x.max(axis=dim, keepdims=True)
        out -= np.log(_sums(np.exp(out), dim))
        return out

    def log_softmax_backward(self, upstream: Array, y: Array, dim: int) -> Array:
        if not _fits(upstream, y):
            return super().log_softmax_backward(upstream, y, dim)
        out = np.exp(y)
        out *= _sums(upstream, dim)
        return np.subtract(upstream, out, out=out)
