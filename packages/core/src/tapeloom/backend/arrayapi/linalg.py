"""Linear algebra kernels."""

from __future__ import annotations

from typing import Any

Array = Any


class Linalg:
    """Matrix products."""

    xp: Any

    def matmul(self: Any, x: Array, y: Array) -> Array:
        return self.xp.matmul(x, y)

    def swap_last(self: Any, x: Array) -> Array:
        return self.xp.swapaxes(x, -1, -2)

    def linear(self: Any, x: Array, weight: Array, bias: Array | None) -> Array:
        out = self.matmul(x, self.swap_last(weight))
        return out if bias is None else out + bias
