"""Special functions over the functions of the Array API alone. float32 is computed in float64, and rounded once."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tapeloom import dtypes
from tapeloom.backend.array import Array
from tapeloom.backend.kernels import coefficients as table

C = TypeVar("C", bound=Callable[..., Any])

ROOT_HALF = 0.7071067811865476  # sqrt(1 / 2)
HALF_LOG_TWO_PI_LESS_HALF = 0.4189385332046727  # (log(2 pi) - 1) / 2
LOG_PI = 1.1447298858494002
SHIFT = 10  # terms of the zeta function that are added one by one


def in_double(kernel: C) -> C:
    """Give ``kernel`` float64 arrays for float32 ones, and round its result: one text is exact enough for both."""

    @functools.wraps(kernel)
    def widened(self: Any, *values: Any) -> Any:
        dtype = next(self.dtype_of(value) for value in values if hasattr(value, "dtype"))
        if dtype is dtypes.float64:
            return kernel(self, *values)
        wide = [self.cast(value, dtypes.float64) if hasattr(value, "dtype") else value for value in values]
        return self.cast(kernel(self, *wide), dtype)

    return widened  # type: ignore[return-value]


def _powers(coefficients: Sequence[float], x: Array) -> Array:
    """The polynomial in ``x``, highest power first."""
    result = x * coefficients[0] + coefficients[1]
    for coefficient in coefficients[2:]:
        result = result * x + coefficient
    return result


def _chebyshev(coefficients: Sequence[float], t: Array) -> Array:
    """The series in Chebyshev polynomials of ``t``. Source: C. Clenshaw, Mathematical Tables and Other Aids 9, 1955."""
    double = t + t
    before, result = coefficients[-1], double * coefficients[-1] + coefficients[-2]
    for coefficient in coefficients[-3:0:-1]:
        before, result = result, double * result - before + coefficient
    return t * result - before + coefficients[0]


class Special:
    """Kernels of the special functions."""

    xp: Any

    # the error function and the normal distribution

    def _gauss(self: Any, x: Array, sign: int) -> Array:
        """``exp(sign * x**2)`` to the last digits: the square of few bits is exact, and what is left is small."""
        head = self.floor(x * 16) / 16
        return self.exp(sign * (head * head)) * self.exp(sign * ((x - head) * (x + head)))

    def _erfcx(self: Any, x: Array) -> Array:
        """``exp(x**2) * erfc(x)`` for x >= 0."""
        return _chebyshev(table.ERFCX, 1 - 8 / (x + 4)) / (x + x + 1)

    @in_double
    def erfc(self: Any, x: Array) -> Array:
        size = self.minimum(self.abs(x), 28.0)  # beyond, it is 0 in float64
        tail = self._gauss(size, -1) * self._erfcx(size)
        return self.where(x < 0, 2 - tail, tail)

    @in_double
    def erfcx(self: Any, x: Array) -> Array:
        size = self.abs(x)
        right = self._erfcx(size)
        return self.where(x < 0, 2 * self._gauss(self.minimum(size, 27.0), 1) - right, right)  # beyond, it is infinite

    def _quantile(self: Any, middle: Array, tail: Array) -> Array:
        """The normal quantile, by the distance of the probability from 1/2 and, for precision there, from 0 or 1."""
        square = 0.180625 - middle * middle
        central = middle * (_powers(table.QUANTILE_CENTRAL[0], square) / _powers(table.QUANTILE_CENTRAL[1], square))
        depth = self.sqrt(-self.log(tail))
        near, far = depth - 1.6, depth - 5
        outside = self.where(
            far <= 0,
            _powers(table.QUANTILE_TAIL[0], near) / _powers(table.QUANTILE_TAIL[1], near),
            _powers(table.QUANTILE_FAR[0], far) / _powers(table.QUANTILE_FAR[1], far),
        )
        outside = self.where(tail == 0, math.inf, outside)
        return self.where(square >= 0, central, self.where(middle < 0, -outside, outside))

    @in_double
    def erfinv(self: Any, x: Array) -> Array:
        return self._quantile(x / 2, (1 - self.abs(x)) / 2) * ROOT_HALF

    @in_double
    def ndtri(self: Any, x: Array) -> Array:
        return self._quantile(x - 0.5, self.minimum(x, 1 - x))

    @in_double
    def ndtr(self: Any, x: Array) -> Array:
        return self.erfc(x * -ROOT_HALF) / 2

    @in_double
    def log_ndtr(self: Any, x: Array) -> Array:
        below = self.minimum(x, -1.0)
        deep = self.log(self._erfcx(below * -ROOT_HALF) / 2) - below * below / 2
        return self.where(x < -1, deep, self.log1p(self.erfc(x * ROOT_HALF) / -2))

    # the gamma function and its derivatives

    def _mapped(self: Any, x: Array) -> tuple[Array, Array]:
        """``u`` between 0 and 7, x where that is below 1 and x - 1 above, and what the series of ``table`` take for it."""
        u = self.minimum(self.where(x < 1, x, x - 1), 7.0)
        return u, u / (u + 3) * (20 / 7) - 1

    def _fraction(self: Any, x: Array) -> Array:
        """How far a positive number is from the nearest integer, with the sign of what is left."""
        rest = x - self.floor(x)
        return self.where(rest > 0.5, rest - 1, rest)

    @in_double
    def lgamma(self: Any, x: Array) -> Array:
        size = self.abs(x)
        y = self.where(x < 0, size + 1, x)
        u, t = self._mapped(y)
        near = u * (u - 1) * _chebyshev(table.LGAMMA, t) - self.where(y < 1, self.log(y), 0.0)
        inverse = 1 / self.maximum(y, 8.0)
        far = (y - 0.5) * (self.log(y) - 1) + HALF_LOG_TWO_PI_LESS_HALF
        far = far + inverse * _powers(table.STIRLING, inverse * inverse)
        right = self.where(y < 8, near, far)
        mirrored = LOG_PI - self.log(self.abs(self.sin(self._fraction(size) * math.pi))) - right
        return self.where(self.isinf(x), math.inf, self.where(x < 0, mirrored - self.log(size), right))

    @in_double
    def digamma(self: Any, x: Array) -> Array:
        size = self.abs(x)
        y = self.where(x < 0, size + 1, x)
        u, t = self._mapped(y)
        root, rest = table.DIGAMMA_ROOT
        near = ((u - root) - rest) * _chebyshev(table.DIGAMMA, t) - self.where(y < 1, 1 / y, 0.0)
        inverse = 1 / self.maximum(y, 8.0)
        square = inverse * inverse
        far = self.log(y) - inverse / 2 - square * _powers(table.DIGAMMA_FAR, square)
        right = self.where(y < 8, near, far)
        left = self._fraction(size)
        mirrored = self.where(left == 0, math.nan, right + math.pi / self.tan(left * math.pi))
        return self.where(x < 0, mirrored, right)

    def _zeta(self: Any, s: Any, q: Array) -> Array:
        """The Hurwitz zeta function for s > 1 and q > 0. Source: the Euler-Maclaurin formula, DLMF eq. 25.11.28."""
        total = q**-s
        for shift in range(1, SHIFT):
            total = total + (q + shift) ** -s
        beyond = q + SHIFT
        power = beyond**-s
        total = total + power * (beyond / (s - 1) + 0.5)
        square, factor = beyond * beyond, s * power / beyond
        for number, coefficient in enumerate(table.EULER_MACLAURIN):
            total = total + factor * coefficient
            factor = factor * ((s + (2 * number + 1)) * (s + (2 * number + 2))) / square
        return total

    @in_double
    def zeta(self: Any, x: Array, q: Array) -> Array:
        within = (x > 1) & (q > 0)
        result = self._zeta(self.where(within, x, 2.0), self.where(within, q, 1.0))
        pole = (x == 1) | ((x > 1) & (q <= 0) & (q == self.floor(q)))
        result = self.where(q == math.inf, 0.0, result)
        return self.where(pole, math.inf, self.where(within, result, math.nan))

    @in_double
    def polygamma_of(self: Any, x: Array, n: int) -> Array:
        if n == 0:
            return self.digamma(x)
        sign = 1 if n % 2 else -1
        size = self.abs(x)
        right = self._zeta(n + 1.0, self.where(x < 0, size + 1, x)) * (sign * _factorial(n))
        right = self.where(size == math.inf, 0.0, right)
        cot = 1 / self.tan(self._fraction(size) * -math.pi)
        slope = _powers(_cotangent_derivative(n), cot) * math.pi ** (n + 1)
        mirrored = -slope - sign * right
        pole = (x <= 0) & (x == self.floor(x))
        return self.where(pole, sign * math.inf, self.where(x < 0, mirrored, right))

    # Bessel functions

    def _scaled_bessel(self: Any, size: Array, near: Sequence[float], far: Sequence[float], factor: Any) -> Array:
        """``exp(-x) I(x)`` for x >= 0: ``factor`` times one series, beyond 8 another over the root."""
        distant = self.maximum(size, 8.0)
        beyond = _chebyshev(far, 16 / distant - 1) / self.sqrt(distant)
        return self.where(size < 8, factor * _chebyshev(near, self.minimum(size, 8.0) / 4 - 1), beyond)

    @in_double
    def i0e(self: Any, x: Array) -> Array:
        return self._scaled_bessel(self.abs(x), table.I0E_NEAR, table.I0E_FAR, 1)

    @in_double
    def i1e(self: Any, x: Array) -> Array:
        size = self.abs(x)
        result = self._scaled_bessel(size, table.I1E_NEAR, table.I1E_FAR, size)
        return self.where(x < 0, -result, result)

    @in_double
    def i0(self: Any, x: Array) -> Array:
        return self.exp(self.abs(x)) * self.i0e(x)

    @in_double
    def i1(self: Any, x: Array) -> Array:
        return self.exp(self.abs(x)) * self.i1e(x)

    # logarithms and quotients that have a limit

    def xlogy(self: Any, x: Array, y: Array) -> Array:
        return self.where((x == 0) & (y == y), 0.0, x * self.log(y))

    def xlog1py(self: Any, x: Array, y: Array) -> Array:
        return self.where((x == 0) & (y == y), 0.0, x * self.log1p(y))

    def entr(self: Any, x: Array) -> Array:
        inside = self.where(x == 0, 0.0, -x * self.log(x))
        return self.where(x < 0, -math.inf, inside)

    def logit(self: Any, x: Array, eps: float | None) -> Array:
        if eps is not None:
            x = self.minimum(self.maximum(x, eps), 1 - eps)
        return self.log(x / (1 - x))

    def sinc(self: Any, x: Array) -> Array:
        angle = x * math.pi
        zero = angle == 0
        return self.where(zero, 1.0, self.sin(angle) / self.where(zero, 1.0, angle))


@functools.cache
def _cotangent_derivative(n: int) -> tuple[float, ...]:
    """The ``n``-th derivative of the cotangent as a polynomial in the cotangent, highest power first."""
    rising = [0.0, 1.0]  # lowest power first
    for _ in range(n):
        slope = [power * value for power, value in enumerate(rising)][1:]
        rising = [0.0] * (len(slope) + 2)
        for power, value in enumerate(slope):  # times -(1 + cot**2)
            rising[power] -= value
            rising[power + 2] -= value
    return tuple(reversed(rising))


def _factorial(n: int) -> float:
    """``n!``, infinite where float64 has no number for it."""
    return float(math.factorial(n)) if n <= 170 else math.inf
