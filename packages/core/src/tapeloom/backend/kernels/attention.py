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
    ) -> tuple[Array, tuple[Array]]:
        """The residual are the weights before dropout."""
        key, value = (self._for_heads(query, array) for array in (key, value))
        scores = self.matmul(query * scale, self.swap_last(key))
        if bias is not None:
            scores = scores + bias
        if is_causal:
            mask = self.ne(self.tril(self.full_of(scores, 1), 0), 0)
        if mask is not None:
            scores = self.where(mask, scores, -inf)
        if not scores.shape[-1]:
            return self.matmul(scores, value), (scores,)
        alone = None
        if bias is not None or mask is not None:
            alone = self.eq(self.amax(scores, (scores.ndim - 1,), True), -inf)
            scores = self.where(alone, 0.0, scores)
        weights = self.softmax(scores, scores.ndim - 1)
        if alone is not None:
            weights = self.where(alone, 0.0, weights)
        return self.matmul(self._dropped(weights, keep, keep_scale), value), (weights,)

    def _dropped(self: Any, weights: Array, keep: Array | None, keep_scale: float) -> Array:
        return weights if keep is None else self.where(keep, weights, 0) * keep_scale

    def attend_backward(
        self: Any,
        g: Array,
        query: Array,
        key: Array,
        value: Array,
        keep: Array | None,
        scale: float,
        keep_scale: float,
        weights: Array,
        need: tuple[bool, ...],
    ) -> tuple[Array | None, ...]:
        """The gradients of query, key, value and bias, those that are needed, and None for both masks."""
        dquery = dkey = dvalue = slope = None
        if need[2]:
            dvalue = self.matmul(self.swap_last(self._dropped(weights, keep, keep_scale)), g)
            dvalue = self._of_heads(dvalue, value)
        if need[0] or need[1] or need[3]:
            upstream = self.matmul(g, self.swap_last(self._for_heads(query, value)))
            slope = self.softmax_backward(self._dropped(upstream, keep, keep_scale), weights, weights.ndim - 1)
        if need[0]:
            dquery = self.matmul(slope, self._for_heads(query, key)) * scale
        if need[1]:
            dkey = self._of_heads(self.matmul(self.swap_last(slope), query) * scale, key)
        return dquery, dkey, dvalue, slope if need[3] else None, None, None

    def _of_heads(self: Any, gradient: Array, array: Array) -> Array:
        """The gradient of ``array`` by that of ``_for_heads`` of it: the sum over the heads that each one serves."""
        if array.ndim < 3 or array.shape[-3] in (1, gradient.shape[-3]):
            return gradient
        *lead, heads, rows, size = gradient.shape
        parts = self.reshape(gradient, (*lead, array.shape[-3], heads // array.shape[-3], rows, size))
        return self.sum(parts, (parts.ndim - 3,))

    def _for_heads(self: Any, query: Array, array: Array) -> Array:
        """``array`` with each of its heads repeated, so that there are as many as in ``query``."""
        if array.ndim < 3 or query.ndim < 3 or array.shape[-3] in (1, query.shape[-3]) or query.shape[-3] == 1:
            return array
        lead, heads, behind = tuple(array.shape[:-3]), array.shape[-3], tuple(array.shape[-2:])
        each = query.shape[-3] // heads
        spread = self.expand(self.unsqueeze(array, array.ndim - 2), (*lead, heads, each, *behind))
        return self.reshape(spread, (*lead, heads * each, *behind))
