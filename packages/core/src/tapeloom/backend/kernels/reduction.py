"""Reduction kernels. ``dim`` is a tuple of axes counted from 0 (``Dims``), of ``all`` and ``any`` also None, or one such axis (``Dim``)."""

from __future__ import annotations

from typing import Any

from tapeloom.backend.array import Array

Dims = tuple[int, ...]


class Reduction:
    """Kernels that fold dimensions away."""

    xp: Any

    def sum(self: Any, x: Array, dim: Dims, keepdim: bool = False) -> Array:
        # the dtype is given because array libraries widen small integers, and core has decided already
        return self.xp.sum(x, axis=dim, keepdims=keepdim, dtype=x.dtype)

    def mean(self: Any, x: Array, dim: Dims, keepdim: bool = False) -> Array:
        count = 1
        for axis in dim:
            count *= x.shape[axis]
        return self.sum(x, dim, keepdim) / count  # of no elements 0 / 0: nan, without NumPy's warning of its own mean

    def prod(self: Any, x: Array, dim: Dims, keepdim: bool = False) -> Array:
        return self.xp.prod(x, axis=dim, keepdims=keepdim, dtype=x.dtype)

    def amax(self: Any, x: Array, dim: Dims, keepdim: bool = False) -> Array:
        return self.xp.max(x, axis=dim, keepdims=keepdim)

    def amin(self: Any, x: Array, dim: Dims, keepdim: bool = False) -> Array:
        return self.xp.min(x, axis=dim, keepdims=keepdim)

    def max_values(self: Any, x: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
        indices = self.argmax_along(x, dim, True)
        return self._picked(x, indices, dim, keepdim)

    def min_values(self: Any, x: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
        indices = self.argmin_along(x, dim, True)
        return self._picked(x, indices, dim, keepdim)

    def _picked(self: Any, x: Array, indices: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
        values = self.gather(x, dim, indices)
        if keepdim or not x.ndim:
            return values, indices
        return self.squeeze(values, (dim,)), self.squeeze(indices, (dim,))

    def argmax_along(self: Any, x: Array, dim: int, keepdim: bool = False) -> Array:
        return self.as_int64(self.xp.argmax(x, axis=dim, keepdims=keepdim) if x.ndim else self.zero_like(x))

    def argmin_along(self: Any, x: Array, dim: int, keepdim: bool = False) -> Array:
        return self.as_int64(self.xp.argmin(x, axis=dim, keepdims=keepdim) if x.ndim else self.zero_like(x))

    def all(self: Any, x: Array, dim: Dims | None, keepdim: bool = False) -> Array:
        return self.xp.all(x, axis=dim, keepdims=keepdim)

    def any(self: Any, x: Array, dim: Dims | None, keepdim: bool = False) -> Array:
        return self.xp.any(x, axis=dim, keepdims=keepdim)

    def count_nonzero(self: Any, x: Array, dim: Dims) -> Array:
        return self.as_int64(self.xp.count_nonzero(x, axis=dim))

    def variance(self: Any, x: Array, dim: Dims, correction: float, keepdim: bool) -> Array:
        """Composite: the mean squared distance from the mean, over n - correction."""
        count = 1
        for axis in dim:
            count *= x.shape[axis]
        centred = x - self.mean(x, dim, True)
        # of too few elements nan or inf
        return self.sum(self._squares(centred), dim, keepdim) / (max(count - correction, 0) if count else 0)

    def deviation(self: Any, x: Array, dim: Dims, correction: float, keepdim: bool) -> Array:
        return self.sqrt(self.variance(x, dim, correction, keepdim))

    def order_norm(self: Any, x: Array, p: float, dim: Dims, keepdim: bool) -> Array:
        if p == 2:
            return self.sqrt(self.sum(self._squares(x), dim, keepdim))
        size = self.abs(x)
        if p == float("inf"):
            return self.amax(size, dim, keepdim)
        if p == float("-inf"):
            return self.amin(size, dim, keepdim)
        if p == 0:
            return self.sum(self.where(size != 0, self.full_of(size, 1), 0), dim, keepdim)
        return self.sum(size, dim, keepdim) if p == 1 else self.pow(self.sum(self.pow(size, p), dim, keepdim), 1 / p)

    def _squares(self: Any, x: Array) -> Array:
        if not self.dtype_of(x).is_complex:
            return x * x
        real, imag = self.real(x), self.imag(x)
        return real * real + imag * imag

    def logsumexp(self: Any, x: Array, dim: Dims, keepdim: bool) -> Array:
        if 0 in x.shape and not all(x.shape[axis] for axis in dim):
            return self.log(self.sum(x, dim, keepdim))  # -inf
        top = self.amax(self.real(x) if self.dtype_of(x).is_complex else x, dim, True)
        top = self.where(self.isfinite(top), top, self.zero_like(top))  # keeps inf - inf away
        total = self.log(self.sum(self.exp(x - top), dim, True)) + top
        return total if keepdim else self.squeeze(total, dim)

    def reduce_to(self: Any, x: Array, size: tuple[int, ...]) -> Array:
        shape = x.shape
        lead = len(shape) - len(size)
        stretched = tuple(lead + axis for axis, length in enumerate(size) if length == 1 and shape[lead + axis] != 1)
        if stretched:
            x = self.sum(x, stretched, True)
        if lead:
            x = self.sum(x, tuple(range(lead)))
        return x
