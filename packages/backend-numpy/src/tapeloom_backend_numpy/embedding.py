"""The gradient of an embedding table on NumPy, without ``numpy.add.at``, which is several times as slow."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapeloom.backend.kernels.embedding import Embedding

Array = Any

_PER_ROUND = 64  # with fewer rows for each round of additions, sums over the sorted rows are faster


class SortedEmbedding(Embedding):
    """The backward kernel takes rows in the order of their numbers, and adds them up in the order of their occurrence."""

    def embedding_rows(self, weight: Array, indices: Array, padding_idx: int | None) -> Array:
        return np.take(weight, indices, axis=0)  # NumPy's takes indices of any shape

    def embedding_backward(
        self, upstream: Array, indices: Array, num_embeddings: int, padding_idx: int | None
    ) -> Array:
        width = upstream.shape[-1]
        if not np.size(indices) or not width or upstream.dtype.itemsize < 4:
            return super().embedding_backward(upstream, indices, num_embeddings, padding_idx)
        flat, rows = np.reshape(indices, -1), upstream.reshape(-1, width)
        table = np.zeros((num_embeddings, width), upstream.dtype)
        order = np.argsort(flat, kind="stable")
        numbers = flat[order]
        first = np.empty(len(numbers), np.bool_)
        first[0] = True
        np.not_equal(numbers[1:], numbers[:-1], out=first[1:])
        starts = np.flatnonzero(first)
        lengths = np.diff(starts, append=len(numbers))
        most = int(lengths.max())
        if len(flat) < _PER_ROUND * most:
            table[numbers[starts]] = np.add.reduceat(rows[order], starts, axis=0)
        else:
            table[numbers[starts]] = rows[order[starts]]
            for turn in range(1, most):  # the second occurrence of each row, then the third, ...
                places = starts[lengths > turn] + turn
                table[numbers[places]] += rows[order[places]]
        if padding_idx is not None:
            table[padding_idx] = 0
        return table
