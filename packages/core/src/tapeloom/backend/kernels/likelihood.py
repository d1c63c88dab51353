"""Kernels of the losses by likelihood."""

from __future__ import annotations

from math import inf, log, pi
from typing import Any

from tapeloom.backend.array import Array
from tapeloom.backend.kernels.marks import composed


class Likelihood:
    """Losses of an input and its target, element by element."""

    @composed
    def kl_div(self: Any, x: Array, target: Array, reduction: str, log_target: bool) -> Array:
        if log_target:
            terms = self.exp(target) * (target - x)
        else:
            none = self.eq(target, 0)
            terms = self.where(none, 0, target * self.log(self.where(none, 1, target))) - target * x
        if reduction == "batchmean":
            return self._reduced(terms, "sum") / (x.shape[0] if x.ndim else 1)
        return self._reduced(terms, reduction)

    @composed
    def huber_loss(self: Any, x: Array, target: Array, reduction: str, delta: float, weight: Array | None) -> Array:
        difference = x - target
        near = self.clamp(difference, -delta, delta)
        terms = near * (difference - near * 0.5)
        return self._reduced(terms if weight is None else terms * weight, reduction)

    @composed
    def poisson_nll_loss(
        self: Any, x: Array, target: Array, log_input: bool, full: bool, eps: float, reduction: str
    ) -> Array:
        terms = self.exp(x) - target * x if log_input else x - target * self.log(x + eps)
        if full:
            many = self.gt(target, 1)
            t = self.where(many, target, 1)
            terms = terms + self.where(many, t * self.log(t) - t + 0.5 * self.log(t * (2 * pi)), 0)
        return self._reduced(terms, reduction)

    def raised(self: Any, x: Array, least: Array) -> Array:
        return self.maximum(x, least)

    @composed
    def gaussian_nll(self: Any, x: Array, target: Array, var: Array, full: bool, eps: float, reduction: str) -> Array:
        var, difference = self.raised(var, eps), x - target
        terms = (self.log(var) + difference * difference / var) * 0.5
        return self._reduced(terms + 0.5 * log(2 * pi) if full else terms, reduction)

    @composed
    def soft_margin_loss(self: Any, x: Array, target: Array, reduction: str) -> Array:
        return self._reduced(self.softplus(-(target * x), 1.0, inf), reduction)

    @composed
    def multilabel_soft_margin(self: Any, x: Array, target: Array, weight: Array | None, reduction: str) -> Array:
        terms = target * self.softplus(-x, 1.0, inf) + (1 - target) * self.softplus(x, 1.0, inf)
        terms = terms if weight is None else terms * weight
        return self._reduced(self.sum(terms, (terms.ndim - 1,)) / x.shape[-1], reduction)
