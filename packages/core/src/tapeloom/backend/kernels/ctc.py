"""Kernels of connectionist temporal classification. Likelihoods are logarithms, and those of nothing are very low."""

from __future__ import annotations

from math import inf
from typing import Any

from tapeloom.backend.array import Array
from tapeloom.backend.kernels.marks import composed

#: the logarithm of nothing: finite, so that differences of two are 0 and not nan
LOWEST = -1e30


class Ctc:
    """Beginnings, one pass for each time step over the whole batch, and what follows from the last of them."""

    def _behind(self: Any, x: Array, count: int, fill: float) -> Array:
        """``x`` (batch, places) moved ``count`` places on, ``fill`` before it."""
        if x.shape[1] <= count:
            return self.full_of(x, fill)
        return self.cat([self.full_of(x[:, :count], fill), x[:, :-count]], 1)

    def _ways(self: Any, alpha: Array, skips: Array) -> tuple[Array, Array, Array]:
        """The likelihoods of coming to each place: from itself, from the one before, and from the one before that."""
        return alpha, self._behind(alpha, 1, LOWEST), self.where(skips, self._behind(alpha, 2, LOWEST), LOWEST)

    def _first(self: Any, emitted: Array) -> Array:
        """Before the first step all are at the first place, from which the second one can be reached too."""
        row = emitted[0, ...]
        if row.shape[1] == 1:
            return self.full_of(row, 0)
        return self.cat([self.full_of(row[:, :1], 0), self.full_of(row[:, 1:], LOWEST)], 1)

    @composed
    def ctc_alphas(self: Any, emitted: Array, skips: Array, there: Array) -> Array:
        def step(carry: Any, here: Array, counts: Array) -> Any:
            stay, one, two = self._ways(carry[0], skips)
            carry = (self.where(counts, self.logaddexp(self.logaddexp(stay, one), two) + here, carry[0]),)
            return carry, carry

        return self._over_time(step, (self._first(emitted),), (emitted, there), False)[0]

    def ctc_alphas_backward(self: Any, g: Array, emitted: Array, skips: Array, there: Array, out: Array) -> Array:
        """The gradient of ``emitted``, against the time: each way gets its share of what comes back to its end."""
        before = self.cat([self.unsqueeze(self._first(emitted), 0), out[:-1, ...]], 0)

        def step(carry: Any, g: Array, here: Array, old: Array, new: Array, counts: Array) -> Any:
            total = carry[0] + g
            inner = self.where(counts, total, 0)
            shares = [self.exp(way - (new - here)) * inner for way in self._ways(old, skips)]
            back = shares[0]
            for count in (1, 2):
                if back.shape[1] > count:
                    share = self.where(skips, shares[2], 0) if count == 2 else shares[1]
                    back = back + self.cat([share[:, count:], self.zeros_of((share.shape[0], count), share)], 1)
            return (self.where(counts, back, total),), (inner,)

        start = self.zeros_of((emitted.shape[1], emitted.shape[2]), emitted)
        return self._over_time(step, (start,), (g, emitted, before, out, there), True)[0]

    @composed
    def ctc_terms(
        self: Any,
        log_probs: Array,
        divisor: Array,
        places: Array,
        lengths: Array,
        skips: Array,
        there: Array,
        reduction: str,
        zero_infinity: bool,
    ) -> Array:
        size = (log_probs.shape[0], *places.shape)
        emitted = self.gather(log_probs, 2, self.expand(self.unsqueeze(places, 0), size))
        last = self.ctc_alphas(self.maximum(emitted, LOWEST), skips, there)[-1, ...]
        # an alignment ends in the last label or in the blank behind it
        blank, label = (
            self.gather(last, 1, self.unsqueeze(place, 1)) for place in (lengths * 2, self.maximum(lengths * 2 - 1, 0))
        )
        label = self.where(self.unsqueeze(self.gt(lengths, 0), 1), label, LOWEST)
        losses = -self.squeeze(self.logaddexp(blank, label), (1,))
        losses = self.where(self.gt(losses, -LOWEST / 2), 0.0 if zero_infinity else inf, losses)
        return self._reduced(losses / divisor if reduction == "mean" else losses, reduction)
