"""Kernels of the losses with a margin."""

from __future__ import annotations

from typing import Any

from tapeloom.backend.array import Array
from tapeloom.backend.kernels.marks import composed

TINY = 1e-12  # added to the squared lengths of rows, as in PyTorch


class MarginLosses:
    """At a margin itself there is a gradient where PyTorch clamps, and none where it asks for more than 0."""

    @composed
    def hinge_embedding_loss(self: Any, x: Array, target: Array, margin: float, reduction: str) -> Array:
        apart = self.where(self.ne(target, 1), self.clamp(margin - x, 0, None), 0)
        return self._reduced(apart + self.where(self.ne(target, -1), x, 0), reduction)

    @composed
    def margin_ranking_loss(self: Any, x: Array, y: Array, target: Array, margin: float, reduction: str) -> Array:
        return self._reduced(self.clamp(-target * (x - y) + margin, 0, None), reduction)

    @composed
    def cosine_embedding_loss(self: Any, x: Array, y: Array, target: Array, margin: float, reduction: str) -> Array:
        dim = (x.ndim - 1,)
        lengths = (self.sum(x * x, dim) + TINY) * (self.sum(y * y, dim) + TINY)
        cosine = self.sum(x * y, dim) / self.sqrt(lengths)
        apart = self.where(self.eq(target, -1), self.clamp(cosine - margin, 0, None), 0)
        return self._reduced(self.where(self.eq(target, 1), 1 - cosine, 0) + apart, reduction)

    @composed
    def triplet_margin_loss(
        self: Any,
        anchor: Array,
        positive: Array,
        negative: Array,
        margin: float,
        p: float,
        eps: float,
        swap: bool,
        reduction: str,
    ) -> Array:
        near, far = (self._distance(anchor, other, p, eps) for other in (positive, negative))
        if swap:
            far = self.minimum(far, self._distance(positive, negative, p, eps))
        return self._reduced(self.clamp(near - far + margin, 0, None), reduction)

    def _distance(self: Any, x: Array, y: Array, p: float, eps: float) -> Array:
        difference = x - y + eps
        return self.order_norm(difference, p, (difference.ndim - 1,), False)

    @composed
    def multi_margin(
        self: Any, x: Array, own: Array, factor: Array | None, p: int, margin: float, reduction: str
    ) -> Array:
        target = self.sum(self.where(own, x, 0), (1,), True)
        terms = self.relu(self.where(own, 0, margin - target + x))
        terms = self.sum(terms * terms if p == 2 else terms, (1,)) / x.shape[1]
        return self._reduced(terms if factor is None else terms * factor, reduction)

    @composed
    def multilabel_margin(self: Any, x: Array, target: Array, listed: Array, own: Array, reduction: str) -> Array:
        wanted = self.unsqueeze(self.gather(x, 1, target), 2)  # (rows, listed classes, 1)
        counts = self.logical_and(self.unsqueeze(listed, 2), self.unsqueeze(self.logical_not(own), 1))
        terms = self.relu(self.where(counts, 1 - wanted + self.unsqueeze(x, 1), 0))
        return self._reduced(self.sum(terms, (1, 2)) / x.shape[1], reduction)
