"""Kernels of shrinkage and thresholds."""

from __future__ import annotations

from typing import Any

from tapeloom.backend.array import Array


class Shrinking:
    """Small elements, each by itself, become 0 or another value; nan stays."""

    def hardshrink(self: Any, x: Array, lambd: float) -> Array:
        return self.where(self.logical_and(self.ge(x, -lambd), self.le(x, lambd)), 0, x)

    def softshrink(self: Any, x: Array, lambd: float) -> Array:
        beyond = self.where(self.lt(x, -lambd), x + lambd, x * 0)
        return self.where(self.gt(x, lambd), x - lambd, beyond)

    def threshold(self: Any, x: Array, threshold: float, value: float) -> Array:
        if not self.dtype_of(x).inexact:
            threshold, value = int(threshold), int(value)
        return self.where(self.le(x, threshold), value, x)
