"""Loss kernels. The classification losses take rows: x (rows, classes), target (rows,)."""

from __future__ import annotations

from typing import Any

from tapeloom.backend.array import Array
from tapeloom.backend.kernels.marks import composed


class Loss:
    """Kernels of the losses."""

    xp: Any

    @composed
    def cross_entropy_rows(
        self: Any,
        x: Array,
        target: Array,
        weight: Array | None,
        ignore_index: int,
        reduction: str,
        label_smoothing: float | None,
    ) -> tuple[Array, tuple[Array, Array, Array]]:
        """Residuals: each row's maximum, the log of its sum of exponentials, and what "mean" divides by.

        The first two stay apart because their sum would round away the small parts of large logits.
        """
        classes = x.shape[1]
        top = self.amax(x, (1,), True)
        lowered = x - top
        log_sum = self.log(self.sum(self.exp(lowered), (1,), True))
        counts = self.ne(target, ignore_index)
        safe = self.where(counts, target, 0)
        picked = self.gather(lowered, 1, self.unsqueeze(safe, 1))
        losses = self.squeeze(log_sum - picked, (1,))
        factors = self.full_of(losses, 1) if weight is None else self.index_select(weight, 0, safe)
        factors = self.where(counts, factors, 0)
        losses = self.where(counts, losses, 0) * factors
        if label_smoothing is not None:
            others = log_sum - lowered
            if weight is not None:
                others = others * weight
            spread = self.where(counts, self.sum(others, (1,)), 0)
            losses = losses * (1 - label_smoothing) + spread * (label_smoothing / classes)
        total = self.sum(factors, (0,))
        if reduction == "mean":
            losses = self.sum(losses, (0,)) / total
        elif reduction == "sum":
            losses = self.sum(losses, (0,))
        return losses, (top, log_sum, total)

    def cross_entropy_backward(
        self: Any,
        g: Array,
        x: Array,
        target: Array,
        weight: Array | None,
        top: Array,
        log_sum: Array,
        total: Array,
        ignore_index: int,
        reduction: str,
        label_smoothing: float | None,
    ) -> Array:
        """The gradient of the logits: (softmax - target distribution), times each row's factor."""
        classes = x.shape[1]
        if reduction == "mean":
            g = g / total
        counts = self.ne(target, ignore_index)
        safe = self.where(counts, target, 0)
        rows = self.where(counts, g, 0)  # what each row gets; an ignored one nothing
        own = rows if weight is None else rows * self.index_select(weight, 0, safe)
        own = self.unsqueeze(own if label_smoothing is None else own * (1 - label_smoothing), 1)
        whole = own  # the factor of the softmax: the sum of the row's target distribution
        if label_smoothing is not None:
            share = self.unsqueeze(rows, 1) * (label_smoothing / classes)
            whole = own + share * (classes if weight is None else self.sum(weight, (0,)))
        slope = self.exp(x - top - log_sum) * whole
        if label_smoothing is not None:
            slope = slope - (share if weight is None else share * weight)
        return self.scatter_add(slope, 1, self.unsqueeze(safe, 1), -own)

    @composed
    def nll_loss_rows(
        self: Any, x: Array, target: Array, weight: Array | None, ignore_index: int, reduction: str
    ) -> Array:
        counts = self.ne(target, ignore_index)
        safe = self.where(counts, target, 0)
        # without classes every row is an ignored one
        picked = self.squeeze(self.gather(x, 1, self.unsqueeze(safe, 1)), (1,)) if x.shape[1] else self.sum(x, (1,))
        factors = self.full_of(picked, 1) if weight is None else self.index_select(weight, 0, safe)
        factors = self.where(counts, factors, 0)
        losses = self.where(counts, -picked * factors, 0)
        if reduction == "mean":
            return self.sum(losses, (0,)) / self.sum(factors, (0,))
        return self.sum(losses, (0,)) if reduction == "sum" else losses

    @composed
    def logits_loss(
        self: Any, x: Array, target: Array, weight: Array | None, pos_weight: Array | None, reduction: str
    ) -> Array:
        # -log(sigmoid(x)) and -log(1 - sigmoid(x)) by themselves: where one vanishes, its digits would be lost in a sum
        yes, no = self.softplus(-x, 1.0, float("inf")), self.softplus(x, 1.0, float("inf"))
        losses = (target if pos_weight is None else target * pos_weight) * yes + (1 - target) * no
        return self._reduced(losses if weight is None else losses * weight, reduction)

    def mse_loss(self: Any, x: Array, target: Array, reduction: str) -> Array:
        difference = x - target
        return self._reduced(difference * difference, reduction)

    def l1_loss(self: Any, x: Array, target: Array, reduction: str) -> Array:
        return self._reduced(self.abs(x - target), reduction)

    def smooth_l1(self: Any, x: Array, target: Array, reduction: str, beta: float) -> Array:
        distance = self.abs(x - target)
        terms = self.where(self.lt(distance, beta), distance * distance * 0.5 / beta, distance - 0.5 * beta)
        return self._reduced(terms, reduction)

    def _reduced(self: Any, terms: Array, reduction: str) -> Array:
        if reduction == "none":
            return terms
        dims = tuple(range(terms.ndim))
        return self.mean(terms, dims) if reduction == "mean" else self.sum(terms, dims)

    def binary_cross_entropy_terms(self: Any, x: Array, target: Array) -> Array:
        positive, negative = self.maximum(self.log(x), -100.0), self.maximum(self.log1p(-x), -100.0)
        return (target - 1) * negative - target * positive
