"""Linear algebra kernels; ``matmul`` is the array library's own (see ``elementwise.DIRECT``)."""

from __future__ import annotations

from typing import Any

from tapeloom.backend.array import Array


class Linalg:
    """Matrix products."""

    def swap_last(self: Any, x: Array) -> Array:
        return self.xp.matrix_transpose(x)

    def linear(self: Any, x: Array, weight: Array, bias: Array | None) -> Array:
        out = self.matmul(x, self.swap_last(weight))
        return out if bias is None else out + bias

    def addmm(self: Any, x: Array, y: Array, z: Array) -> Array:
        return x + self.matmul(y, z)

    def addmv(self: Any, x: Array, y: Array, z: Array) -> Array:
        return x + self.matmul(y, z)

    def baddbmm(self: Any, x: Array, y: Array, z: Array) -> Array:
        return x + self.matmul(y, z)

    def addbmm(self: Any, x: Array, y: Array, z: Array) -> Array:
        return x + self.sum(self.matmul(y, z), (0,))

    def addr(self: Any, x: Array, y: Array, z: Array) -> Array:
        return self.add(x, self.multiply(self.unsqueeze(y, 1), self.unsqueeze(z, 0)))
