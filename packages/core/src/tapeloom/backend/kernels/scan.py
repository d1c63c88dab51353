"""Kernels whose result at each place along a dimension is that of the elements up to it."""

from __future__ import annotations

from typing import Any

from tapeloom import dtypes
from tapeloom.backend.array import Array


class Scan:
    """Running sums, products and extremes along one axis, counted from 0."""

    xp: Any

    def accumulate(self: Any, how: str, x: Array, dim: int) -> Array:
        """The kernel ``how`` (``"maximum"``, ``"minimum"``, ``"logaddexp"``) of all elements up to each place.

        By doubling: after step k each place holds the result of the 2**k elements that end there.
        """
        join, length, by = getattr(self, how), x.shape[dim], 1
        while by < length:
            joined = join(self.narrow(x, dim, by, length - by), self.narrow(x, dim, 0, length - by))
            x = self.cat([self.narrow(x, dim, 0, by), joined], dim)
            by *= 2
        return x

    def cumsum(self: Any, x: Array, dim: int) -> Array:
        return self.xp.cumulative_sum(x, axis=dim, dtype=x.dtype) if x.ndim else x

    def cumprod(self: Any, x: Array, dim: int) -> Array:
        return self.xp.cumulative_prod(x, axis=dim, dtype=x.dtype) if x.ndim else x

    def cummax(self: Any, x: Array, dim: int) -> tuple[Array, Array]:
        return self._running_extreme("maximum", x, dim)

    def cummin(self: Any, x: Array, dim: int) -> tuple[Array, Array]:
        return self._running_extreme("minimum", x, dim)

    def _running_extreme(self: Any, how: str, x: Array, dim: int) -> tuple[Array, Array]:
        if not x.ndim:
            return self.copy(x), self.as_int64(self.zero_like(x))
        order = self.numbers(x)
        here = (order == self.accumulate(how, order, dim)) | (x != x)  # where the extreme is met (again); nan is one
        indices = self.accumulate("maximum", self.where(here, self.places(x, dim), 0), dim)
        return self.gather(x, dim, indices), indices

    def numbers(self: Any, x: Array) -> Array:
        """``x``, with bools as 0 and 1: array libraries have an order of numbers alone."""
        return self.cast(x, dtypes.uint8) if self.dtype_of(x) is dtypes.bool_ else x

    def places(self: Any, x: Array, dim: int) -> Array:
        """0, 1, … along ``dim``: int64 of shape (1, …, length, …, 1), or (1,) for a 0-d array."""
        lengths = tuple(length if axis == dim else 1 for axis, length in enumerate(x.shape)) or (1,)
        return self.reshape(self.xp.arange(lengths[dim], dtype=self.xp.int64), lengths)

    def logcumsumexp(self: Any, x: Array, dim: int) -> Array:
        return self.accumulate("logaddexp", x, dim) if x.ndim else self.copy(x)
