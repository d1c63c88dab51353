"""Orthogonal polynomials of any order by their recurrences, which run as often as the largest order asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapeloom.backend.array import Array
from tapeloom.backend.kernels.special import in_double

#: beyond this order the Chebyshev polynomials between -1 and 1 are computed as the waves that they are, as in PyTorch
WAVES_FROM = 8
#: the largest order that a recurrence runs to; beyond, what is no wave is nan
MOST = 1 << 16

First = Callable[[Array], Array]
Step = Callable[[Array, Array, Array, Array], Array]
Wave = Callable[[Any, Array, Array], Array]


def _polynomial(first: First, step: Step, wave: Wave | None = None, shifted: bool = False) -> Callable[..., Array]:
    """The kernel of a family of polynomials: 1, ``first(x)``, then ``step(k, x, current, before)``, which is of order k + 1.

    ``wave``: what they are between -1 and 1 by the angle whose cosine is x. ``shifted``: they are those of 2 x - 1.
    Orders are truncated to integers; negative ones and infinity give 0.
    """

    @in_double
    def kernel(self: Any, x: Array, n: Array) -> Array:
        if shifted:
            x = x + x - 1
        x, n = self.xp.broadcast_arrays(x, self.trunc(n))
        if 0 in x.shape:
            return self.copy(x)
        finite = self.isfinite(n) & (n >= 0)
        waving = (n > WAVES_FROM) & (self.abs(x) < 1) if wave is not None else x != x
        beyond = finite & ~waving & (n > MOST)
        last = self.where(waving | beyond, 0.0, self.where(finite, n, 0.0))

        def advance(k: Array, before: Array, current: Array) -> tuple[Array, Array, Array]:
            further = k < last
            return (
                k + 1,
                self.where(further, current, before),
                self.where(further, step(k, x, current, before), current),
            )

        one = self.full_of(x, 1)
        state = (one, one, self.where(last > 0, first(x), one))
        result = self.iterate(self._most(last) - 1, advance, state)[2]
        if wave is not None:
            angle = self.acos(self.where(waving, x, 0.0))
            result = self.where(waving, wave(self, self.where(waving & finite, n, 1.0), angle), result)
        return self.where(beyond, float("nan"), self.where(finite, result, 0.0))

    return kernel


def _chebyshev_step(k: Array, x: Array, current: Array, before: Array) -> Array:
    return 2 * x * current - before


#: the four kinds: the polynomial of order 1, and the wave. Source: DLMF eq. 18.5.1 to 18.5.4
KINDS: dict[str, tuple[First, Wave]] = {
    "t": (lambda x: x, lambda k, n, angle: k.cos(n * angle)),
    "u": (lambda x: 2 * x, lambda k, n, angle: k.sin((n + 1) * angle) / k.sin(angle)),
    "v": (lambda x: 2 * x - 1, lambda k, n, angle: k.cos((n + 0.5) * angle) / k.cos(angle / 2)),
    "w": (lambda x: 2 * x + 1, lambda k, n, angle: k.sin((n + 0.5) * angle) / k.sin(angle / 2)),
}


class Polynomials:
    """Kernels of the orthogonal polynomials. Source of the recurrences: DLMF table 18.9.1."""

    xp: Any

    def _most(self: Any, n: Array) -> Any:
        """The largest order; what compiles hands it to ``iterate`` as it is."""
        return int(self.xp.max(n))

    hermite_polynomial_h = _polynomial(lambda x: 2 * x, lambda k, x, current, before: 2 * (x * current - k * before))
    hermite_polynomial_he = _polynomial(lambda x: x, lambda k, x, current, before: x * current - k * before)
    laguerre_polynomial_l = _polynomial(
        lambda x: 1 - x, lambda k, x, current, before: ((2 * k + 1 - x) * current - k * before) / (k + 1)
    )
    legendre_polynomial_p = _polynomial(
        lambda x: x, lambda k, x, current, before: ((2 * k + 1) * x * current - k * before) / (k + 1)
    )


for _kind, (_first, _wave) in KINDS.items():
    for _prefix in ("", "shifted_"):
        _kernel = _polynomial(_first, _chebyshev_step, _wave, shifted=bool(_prefix))
        setattr(Polynomials, f"{_prefix}chebyshev_polynomial_{_kind}", _kernel)
