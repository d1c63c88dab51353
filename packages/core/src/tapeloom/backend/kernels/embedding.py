"""Embedding kernels."""

from __future__ import annotations

from typing import Any

from tapeloom.backend.array import Array


class Embedding:
    """Kernels of the table look-up. Row numbers lie in range."""

    xp: Any

    def embedding_rows(self: Any, weight: Array, indices: Array, padding_idx: int | None) -> Array:
        rows = self.xp.take(weight, self.reshape(indices, (-1,)), axis=0)
        return self.reshape(rows, (*indices.shape, *weight.shape[1:]))

    def embedding_backward(
        self: Any, upstream: Array, indices: Array, num_embeddings: int, padding_idx: int | None
    ) -> Array:
        width = upstream.shape[-1]
        flat = self.reshape(indices, (-1,))
        rows = self.reshape(upstream, (flat.shape[0], width))
        if padding_idx is not None:
            rows = self.where(self.unsqueeze(flat == padding_idx, 1), self.zero_like(rows), rows)
        return self.index_add(self.zeros_of((num_embeddings, width), upstream), 0, flat, rows)
