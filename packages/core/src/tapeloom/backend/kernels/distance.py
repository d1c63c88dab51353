"""Kernels of the distances."""

from __future__ import annotations

from typing import Any

from tapeloom.backend.array import Array
from tapeloom.backend.kernels.marks import composed


class Distance:
    """Vectors lie along one dimension, the last one unless said."""

    @composed
    def cosine(self: Any, x: Array, y: Array, dim: int, eps: float) -> Array:
        if not x.ndim:
            return x / self.raised(self.abs(x), eps) * (y / self.raised(self.abs(y), eps))
        x, y = (part / self.raised(self.order_norm(part, 2.0, (dim,), True), eps) for part in (x, y))
        return self.sum(x * y, (dim,))

    @composed
    def pairwise_distance(self: Any, x: Array, y: Array, p: float, eps: float, keepdim: bool) -> Array:
        difference = x - y + eps
        return self.order_norm(difference, p, (difference.ndim - 1,) if difference.ndim else (), keepdim)

    @composed
    def all_distances(self: Any, x: Array, y: Array, p: float) -> Array:
        return self._length(self.unsqueeze(x, x.ndim - 1) - self.unsqueeze(y, y.ndim - 2), p)

    @composed
    def all_distances_by_products(self: Any, x: Array, y: Array) -> Array:
        """``|x - y|**2`` is ``|x|**2 - 2 * x @ y + |y|**2``; at 0, or below it by rounding, there is no gradient."""
        across = self.swap_last(y)
        squares = self.sum(x * x, (x.ndim - 1,), True) + self.sum(across * across, (y.ndim - 2,), True)
        squares = squares - self.matmul(x, across) * 2
        apart = self.gt(squares, 0)
        return self.where(apart, self.sqrt(self.where(apart, squares, 1)), self.where(self.le(squares, 0), 0, squares))

    def all_distances_backward(self: Any, g: Array, x: Array, y: Array, out: Array) -> Array:
        """The gradient of x: of each distance its direction."""
        share = self.where(self.eq(out, 0), 0, g / self.where(self.eq(out, 0), 1, out))
        return self.sum(share, (share.ndim - 1,), True) * x - self.matmul(share, y)

    @composed
    def distances_within(self: Any, x: Array, first: Array, second: Array, p: float) -> Array:
        return self._length(self.index_select(x, 0, first) - self.index_select(x, 0, second), p)

    def _length(self: Any, difference: Array, p: float) -> Array:
        dims = (difference.ndim - 1,)
        if not difference.shape[-1]:
            return self.sum(difference, dims)
        if p == 0:  # how many differ, as order_norm has it, but nan where one is nan
            return self.sum(self.minimum(self.ceil(self.abs(difference)), 1), dims)
        return self.order_norm(difference, p, dims, False)
