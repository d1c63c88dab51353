"""The kernel of the bags of embeddings."""

from __future__ import annotations

from typing import Any

from tapeloom.backend.array import Array


class Bags:
    """What is done to gradients alone."""

    def scaled_back(self: Any, x: Array, factor: Array) -> Array:
        return x
