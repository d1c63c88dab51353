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
