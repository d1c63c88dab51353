"""Bessel functions of the orders 0 and 1, and the Airy function, by Chebyshev series. float32 is computed in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tapeloom.backend.array import Array
from tapeloom.backend.kernels import coefficients as table
from tapeloom.backend.kernels.special import ROOT_HALF, chebyshev, in_double

TWO_OVER_PI = 0.6366197723675814


class Bessel:
    """Kernels of the Bessel functions; arguments from which on a series would be another one are kept out of it."""

    xp: Any

    # modified, of the first kind

    def _scaled_bessel(self: Any, size: Array, near: Sequence[float], far: Sequence[float], factor: Any) -> Array:
        """``exp(-x) I(x)`` for x >= 0: ``factor`` times one series, beyond 8 another over the root."""
        distant = self.maximum(size, 8.0)
        beyond = chebyshev(far, 16 / distant - 1) / self.sqrt(distant)
        return self.where(size < 8, factor * chebyshev(near, self.minimum(size, 8.0) / 4 - 1), beyond)

    @in_double
    def i0e(self: Any, x: Array) -> Array:
        return self._scaled_bessel(self.abs(x), table.I0E_NEAR, table.I0E_FAR, 1)

    @in_double
    def i1e(self: Any, x: Array) -> Array:
        size = self.abs(x)
        return self._with_sign(self._scaled_bessel(size, table.I1E_NEAR, table.I1E_FAR, size), x)

    @in_double
    def i0(self: Any, x: Array) -> Array:
        return self.exp(self.abs(x)) * self.i0e(x)

    @in_double
    def i1(self: Any, x: Array) -> Array:
        return self.exp(self.abs(x)) * self.i1e(x)

    def _with_sign(self: Any, result: Array, x: Array) -> Array:
        return self.where(x < 0, -result, result)

    # modified, of the second kind

    def _scaled_k(self: Any, x: Array, near: Array, far: Sequence[float]) -> Array:
        """``exp(x) K(x)``: up to 2 from ``near``, K itself; inf at 0, nan below."""
        distant = self.maximum(x, 2.0)
        beyond = chebyshev(far, 4 / distant - 1) / self.sqrt(distant)
        result = self.where(x <= 2, self.exp(self.minimum(x, 2.0)) * near, beyond)
        return self.where(x > 0, result, self.where(x == 0, math.inf, x * math.nan))

    def _near_0(self: Any, x: Array) -> tuple[Array, Array]:
        """Numbers between 0 and 2, and what the series for there takes."""
        small = self.minimum(self.where(x > 0, x, 1.0), 2.0)
        return small, small * small / 2 - 1

    @in_double
    def scaled_modified_bessel_k0(self: Any, x: Array) -> Array:
        small, t = self._near_0(x)
        return self._scaled_k(x, chebyshev(table.K0_NEAR, t) - self.log(small / 2) * self.i0(small), table.K0_FAR)

    @in_double
    def scaled_modified_bessel_k1(self: Any, x: Array) -> Array:
        small, t = self._near_0(x)
        near = chebyshev(table.K1_NEAR, t) / small + self.log(small / 2) * self.i1(small)
        return self._scaled_k(x, near, table.K1_FAR)

    @in_double
    def modified_bessel_k0(self: Any, x: Array) -> Array:
        return self.exp(-x) * self.scaled_modified_bessel_k0(x)

    @in_double
    def modified_bessel_k1(self: Any, x: Array) -> Array:
        return self.exp(-x) * self.scaled_modified_bessel_k1(x)

    # of the first and second kind

    def _wave(self: Any, x: Array, order: int, second: bool) -> Array:
        """J or Y for x >= 8: a wave whose size and phase are slow functions."""
        p, q = (table.JY0_P, table.JY0_Q) if order == 0 else (table.JY1_P, table.JY1_Q)
        t = 128 / (x * x) - 1
        along, across = chebyshev(p, t), chebyshev(q, t) / x
        sine, cosine = self.sin(x), self.cos(x)
        # the phase is x - pi / 4 for order 0, x - 3 pi / 4 for order 1; its difference would lose digits
        cos, sin = (cosine + sine, sine - cosine) if order == 0 else (sine - cosine, -sine - cosine)
        wave = along * sin + across * cos if second else along * cos - across * sin
        return wave * (ROOT_HALF * self.sqrt(TWO_OVER_PI / x))

    def _two_ranges(self: Any, size: Array) -> tuple[Array, Array, Array]:
        """Numbers between 0 and 8, what the series for there takes, and numbers from 8 on."""
        near = self.minimum(size, 8.0)
        return near, near * near / 32 - 1, self.maximum(size, 8.0)

    @in_double
    def bessel_j0(self: Any, x: Array) -> Array:
        _, t, far = self._two_ranges(self.abs(x))
        return self.where(self.abs(x) <= 8, chebyshev(table.J0_NEAR, t), self._wave(far, 0, False))

    @in_double
    def bessel_j1(self: Any, x: Array) -> Array:
        near, t, far = self._two_ranges(self.abs(x))
        result = self.where(self.abs(x) <= 8, near * chebyshev(table.J1_NEAR, t), self._wave(far, 1, False))
        return self._with_sign(result, x)

    @in_double
    def bessel_y0(self: Any, x: Array) -> Array:
        near, t, far = self._two_ranges(self.where(x > 0, x, 1.0))
        result = chebyshev(table.Y0_NEAR, t) + TWO_OVER_PI * (self.log(near) * chebyshev(table.J0_NEAR, t))
        return self._right_of_0(x, self.where(x <= 8, result, self._wave(far, 0, True)))

    @in_double
    def bessel_y1(self: Any, x: Array) -> Array:
        near, t, far = self._two_ranges(self.where(x > 0, x, 1.0))
        result = self.log(near) * (near * chebyshev(table.J1_NEAR, t)) - 1 / near
        result = near * chebyshev(table.Y1_NEAR, t) + TWO_OVER_PI * result
        return self._right_of_0(x, self.where(x <= 8, result, self._wave(far, 1, True)))

    def _right_of_0(self: Any, x: Array, result: Array) -> Array:
        return self.where(x > 0, result, self.where(x == 0, -math.inf, x * math.nan))

    @in_double
    def spherical_bessel_j0(self: Any, x: Array) -> Array:
        usual = (x != 0) & (self.abs(x) < math.inf)
        angle = self.where(usual, x, 1.0)
        return self.where(usual, self.sin(angle) / angle, self.where(x == 0, 1.0, 0 * (1 / self.where(x == 0, 1.0, x))))

    # the Airy function

    @in_double
    def airy_ai(self: Any, x: Array) -> Array:
        middle = chebyshev(table.AIRY_MIDDLE, (2 * self.minimum(self.maximum(x, -8.0), 1.0) + 7) / 9)
        size = self.where(x < 0, self.maximum(-x, 8.0), self.maximum(x, 1.0))
        root = self.sqrt(size)
        angle = size * root * (2 / 3)
        right = chebyshev(table.AIRY_RIGHT, 4 / (3 * self.maximum(angle, 2 / 3)) - 1) * self.exp(-angle)
        distant = self.maximum(angle, 15.0)
        t = 450 / (distant * distant) - 1
        sine, cosine = self.sin(angle), self.cos(angle)
        along, across = chebyshev(table.AIRY_F, t), chebyshev(table.AIRY_G, t) / distant
        left = ((sine + cosine) * along - (cosine - sine) * across) * (ROOT_HALF / math.sqrt(math.pi))
        return self.where((x >= -8) & (x <= 1), middle, self.where(x < 0, left, right) / self.sqrt(root))
