"""The kernel of attention."""

from __future__ import annotations

from math import inf
from typing import Any

from tapeloom.backend.array import Array
from tapeloom.backend.kernels.marks import composed


class Attention:
    """Queries, keys and values are (…, length, size)."""

    @composed
    def attend(
        self: Any,
        query: Array,
        key: Array,
        value: Array,
        bias: Array | None,
        mask: Array | None,
        keep: Array | None,
        is_causal: bool,
        scale: float,
        keep_scale: float,
    ) -> Array:
        key, value = (self._for_heads(query, array) for array in (key, value))
        scores = self.matmul(query * scale, self.swap_last(key))
        if bias is not None:
            scores = scores + bias
        if is_causal:
            mask = self.ne(self.tril(self.full_of(scores, 1), 0), 0)
        if mask is not None:
            scores = self.where(mask, scores, -inf)
        if not scores.shape[-1]:
            return self.matmul(scores, value)
        alone = None
        if bias is not None or mask is not None:
            alone = self.eq(self.amax(scores, (scores.ndim - 1,), True), -inf)
            scores = self.where(alone, 0.0, scores)
        weights = self.softmax(scores, scores.ndim - 1)
        if alone is not None:
            weights = self.where(alone, 0.0, weights)
        if keep is not None:
            weights = self.where(keep, weights, 0) * keep_scale
        return self.matmul(weights, value)

    def _for_heads(self: Any, query: Array, array: Array) -> Array:
        """``array`` with each of its heads repeated, so that there are as many as in ``query``."""
        if array.ndim < 3 or query.ndim < 3 or array.shape[-3] in (1, query.shape[-3]) or query.shape[-3] == 1:
            return array
        lead, heads, behind = tuple(array.shape[:-3]), array.shape[-3], tuple(array.shape[-2:])
        each = query.shape[-3] // heads
        spread = self.expand(self.unsqueeze(array, array.ndim - 2), (*lead, heads, each, *behind))
        return self.reshape(spread, (*lead, heads * each, *behind))
