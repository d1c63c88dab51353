"""Choosing by masks on NumPy, with bit operations instead of branches.

``numpy.where`` takes a branch for each element: on masks without a pattern, as those of relu and dropout, it costs ten
times as much as passing over the arrays with vector instructions a few times.
"""

from __future__ import annotations

from math import gcd
from typing import Any

import numpy as np

from tapeloom.backend.kernels import ArrayKernels

Array = Any

_SMALL = 2048  # elements; below, the number of calls counts more than the branches
_BOOL = np.dtype(np.bool_)
_INTEGERS = {size: np.dtype(f"i{size}") for size in (1, 2, 4, 8)}

# 0-d arrays: NumPy takes them up in half the time of Python's numbers
_ONE = np.array(1, np.int8)
_ZERO = {char: np.zeros((), char) for char in "fd"}
_ZEROS = {char: np.zeros(4096, char) for char in "fd"}


def _kept(bits: Array, x: Array) -> Array:
    """``x`` where ``bits`` (overwritten) is -1, 0 where it is 0."""
    bits &= x.view(bits.dtype)
    return bits.view(x.dtype)


def keep(mask: Array, x: Array) -> Array:
    """``x`` where ``mask`` is true, 0 elsewhere; both of one shape."""
    bits = mask.view(np.int8).astype(_INTEGERS[x.itemsize])
    return _kept(np.negative(bits, out=bits), x)


def drop(mask: Array, x: Array) -> Array:
    """0 where ``mask`` is true, ``x`` elsewhere; both of one shape."""
    bits = np.subtract(mask.view(np.int8), _ONE).astype(_INTEGERS[x.itemsize])  # in bytes, which is cheaper
    return _kept(bits, x)


def _is_zero(value: Any) -> bool:
    """Whether ``value`` is one number and that is +0, all of whose bits are 0."""
    return np.ndim(value) == 0 and bool(value == 0) and not np.signbit(value)


def _is_complex(value: Any) -> bool:
    return getattr(value, "dtype", _BOOL).kind == "c"


def _joins(value: Any, array: Array) -> bool:
    """Whether one number leaves the dtype of ``array`` as it is."""
    return type(value) in (int, float) or value.dtype == array.dtype


class Masking(ArrayKernels):
    """Overrides of the kernels that choose by masks."""

    def where(self, condition: Array, x: Array, y: Array) -> Array:
        if type(condition) is not np.ndarray or condition.size < _SMALL or _is_complex(x) or _is_complex(y):
            return np.where(condition, x, y)
        if type(x) is np.ndarray and x.shape == condition.shape:
            if _is_zero(y) and _joins(y, x):
                return keep(condition, x)
            if type(y) is np.ndarray and y.shape == condition.shape and y.dtype == x.dtype:
                chosen = drop(condition, y).view(_INTEGERS[y.itemsize])
                chosen |= keep(condition, x).view(chosen.dtype)
                return chosen.view(x.dtype)
        elif type(y) is np.ndarray and y.shape == condition.shape and _is_zero(x) and _joins(x, y):
            return drop(condition, y)
        return np.where(condition, x, y)

    def relu(self, x: Array) -> Array:
        # against an array ``maximum`` uses vector instructions, against one number it does not
        row = gcd(x.size, 4096)
        if row < 512 or type(x) is not np.ndarray or x.dtype.char not in "fd" or not x.flags.c_contiguous:
            return np.maximum(x, 0)
        return np.maximum(x.reshape(-1, row), _ZEROS[x.dtype.char][:row]).reshape(x.shape)

    def relu_backward(self, upstream: Array, y: Array) -> Array:
        if type(y) is not np.ndarray or upstream.shape != y.shape or y.size < _SMALL:
            return super().relu_backward(upstream, y)
        return drop(np.less_equal(y, _ZERO.get(y.dtype.char, 0)), upstream)

    def masked_scale(self, x: Array, mask: Array, scale: float) -> Array:
        if type(x) is not np.ndarray or x.shape != mask.shape:
            return super().masked_scale(x, mask, scale)
        return keep(mask, x * scale)
