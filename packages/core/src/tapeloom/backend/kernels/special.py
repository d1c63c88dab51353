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
EPSILON = 2.0**-51
MOST_TERMS = 100_000  # of a series or a fraction: their number grows like the root of the arguments
LARGEST_FACTORIAL = 170  # in float64
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


def powers(coefficients: Sequence[float], x: Array) -> Array:
    """The polynomial in ``x``, highest power first."""
    result: Any = x * coefficients[0] + coefficients[1]
    for coefficient in coefficients[2:]:
        result = result * x + coefficient
    return result


def chebyshev(coefficients: Sequence[float], t: Array) -> Array:
    """The series in Chebyshev polynomials of ``t``. Source: C. Clenshaw, Mathematical Tables and Other Aids 9, 1955."""
    double = t + t
    before: Any = coefficients[-1]
    result = double * coefficients[-1] + coefficients[-2]
    for coefficient in coefficients[-3:0:-1]:
        before, result = result, double * result - before + coefficient
    return t * result - before + coefficients[0]


class Special:
    """Kernels of the special functions."""

    xp: Any

    # the error function and the normal distribution

    def _gauss(self: Any, x: Array, factor: float) -> Array:
        """``exp(factor * x**2)`` to the last digits: the square of few bits is exact, and what is left is small."""
        head = self.floor(x * 16) / 16
        return self.exp(factor * (head * head)) * self.exp(factor * ((x - head) * (x + head)))

    def _erfcx(self: Any, x: Array) -> Array:
        """``exp(x**2) * erfc(x)`` for x >= 0."""
        return chebyshev(table.ERFCX, 1 - 8 / (x + 4)) / (x + x + 1)

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
        central = middle * (powers(table.QUANTILE_CENTRAL[0], square) / powers(table.QUANTILE_CENTRAL[1], square))
        depth = self.sqrt(-self.log(tail))
        near, far = depth - 1.6, depth - 5
        outside = self.where(
            far <= 0,
            powers(table.QUANTILE_TAIL[0], near) / powers(table.QUANTILE_TAIL[1], near),
            powers(table.QUANTILE_FAR[0], far) / powers(table.QUANTILE_FAR[1], far),
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
        size = self.minimum(self.abs(x), 39.0)  # beyond, the tail is 0
        tail = self._gauss(size, -0.5) * self._erfcx(size * ROOT_HALF) / 2
        return self.where(x < 0, tail, 1 - tail)

    @in_double
    def log_ndtr(self: Any, x: Array) -> Array:
        below = self.minimum(x, -1.0)
        deep = self.log(self._erfcx(below * -ROOT_HALF) / 2) - below * below / 2
        return self.where(x < -1, deep, self.log1p(-self.ndtr(-x)))

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
        near = u * (u - 1) * chebyshev(table.LGAMMA, t) + self.where(y < 1, -self.log(y), 0.0)
        inverse = 1 / self.maximum(y, 8.0)
        far = (y - 0.5) * (self.log(y) - 1) + HALF_LOG_TWO_PI_LESS_HALF
        far = far + inverse * powers(table.STIRLING, inverse * inverse)
        right = self.where(y < 8, near, far)
        mirrored = LOG_PI - self.log(self.abs(self.sin(self._fraction(size) * math.pi))) - right
        return self.where(self.isinf(x), math.inf, self.where(x < 0, mirrored, right))

    @in_double
    def digamma(self: Any, x: Array) -> Array:
        size = self.abs(x)
        y = self.where(x < 0, size + 1, x)
        u, t = self._mapped(y)
        root, rest = table.DIGAMMA_ROOT
        near = ((u - root) - rest) * chebyshev(table.DIGAMMA, t) - self.where(y < 1, 1 / y, 0.0)
        inverse = 1 / self.maximum(y, 8.0)
        square = inverse * inverse
        far = self.log(y) - inverse / 2 - square * powers(table.DIGAMMA_FAR, square)
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
        finite = self.where(within & (x < math.inf), x, 2.0)
        result = self._zeta(finite, self.where(within, q, 1.0))
        pole = (x == 1) | ((x > 1) & (q <= 0) & (q == self.floor(q)))
        result = self.where(q == math.inf, 0.0, self.where(x == math.inf, q**-x, result))
        return self.where(pole, math.inf, self.where(within, result, math.nan))

    @in_double
    def polygamma_of(self: Any, x: Array, n: int) -> Array:
        if n == 0:
            return self.digamma(x)
        sign, factorial = (1 if n % 2 else -1), _factorial(n)
        n = min(n, LARGEST_FACTORIAL + n % 2)  # beyond, the factorial alone decides
        size = self.abs(x)
        right = self._zeta(n + 1.0, self.where(x < 0, size + 1, x)) * (sign * factorial)
        right = self.where(size == math.inf, 0.0, right)
        cot = 1 / self.tan(self._fraction(size) * -math.pi)
        slope = powers(_cotangent_derivative(n), cot) * math.pi ** (n + 1)
        mirrored = -slope - sign * right
        pole = (x <= 0) & (x == self.floor(x))
        return self.where(pole, sign * math.inf, self.where(x < 0, mirrored, right))

    # the incomplete gamma functions

    @in_double
    def igamma(self: Any, a: Array, x: Array) -> Array:
        return self._incomplete_everywhere(a, x, upper=False)

    @in_double
    def igammac(self: Any, a: Array, x: Array) -> Array:
        return self._incomplete_everywhere(a, x, upper=True)

    def _incomplete_everywhere(self: Any, a: Array, x: Array, upper: bool) -> Array:
        """The lower or ``upper`` incomplete gamma function over ``gamma(a)``, at limits and outside too."""
        within = (a > 0) & (x > 0) & (a < math.inf) & (x < math.inf)
        result = self._incomplete(self.where(within, a, 1.0), self.where(within, x, 1.0), upper)
        full = ((a == 0) & (x > 0)) | ((a >= 0) & (a < math.inf) & (x == math.inf))
        none = ((x == 0) & (a > 0)) | ((a == math.inf) & (x >= 0) & (x < math.inf))
        limit = self.where(full, 0.0 if upper else 1.0, self.where(none, 1.0 if upper else 0.0, x * math.nan))
        return self.where(within, result, limit)

    def _incomplete(self: Any, a: Array, x: Array, upper: bool) -> Array:
        """Of positive and finite numbers. Source: DLMF eq. 8.7.1 and 8.7.3, series, and 8.9.2, a continued fraction."""
        left = x < a + 1
        low, high = self.where(left, x, 0.5), self.where(left, 3.0, x)
        lower = self._weight(a, low) * self._rising_series(a, low)
        bound = self.where(left, 1.0, a)
        beyond = self._weight(bound, high) * self._falling_fraction(bound, high)
        if not upper:
            return self.where(left, lower, 1 - beyond)
        small = left & (a < 1) & (x < 1.1)  # where the upper function may be as small as a is
        share, near = self.where(small, a, 0.5), self.where(small, x, 0.5)
        return self.where(left, self.where(small, self._upper_near_0(share, near), 1 - lower), beyond)

    def _weight(self: Any, a: Array, x: Array) -> Array:
        """``x**a * exp(-x) / gamma(a)``; of large numbers by Stirling's series, without their large logarithms."""
        large = self.maximum(a, 10.0)
        inverse, excess = 1 / large, (x - large) / large
        close = self.abs(excess) < 0.5
        logarithm = self.where(close, self.log1p(self.where(close, excess, 0.0)), self.log(x) - self.log(large))
        rate = large * (logarithm - excess) - inverse * powers(table.STIRLING, inverse * inverse)
        distant = self.exp(rate) * self.sqrt(large / (2 * math.pi))
        few = self.minimum(a, 10.0)
        return self.where(a > 10, distant, self.exp(few * self.log(x) - x - self.lgamma(few)))

    def _rising_series(self: Any, a: Array, x: Array) -> Array:
        """``sum(x**n / (a (a + 1) ... (a + n)))``, until nothing is added any more."""
        term = total = 1 / a
        for number in range(1, MOST_TERMS):
            term = term * (x / (a + number))
            total = total + term
            if not bool(self.xp.any(term > total * (EPSILON / 8))):
                break
        return total

    def _falling_fraction(self: Any, a: Array, x: Array) -> Array:
        """``1 / (x + 1 - a - 1 (1 - a) / (x + 3 - a - 2 (2 - a) / ...))``, until nothing changes any more.

        Source: W. Lentz, Applied Optics 15, 1976: its partial denominators, from the front.
        """
        lower = x + 1 - a
        ahead = lower * math.inf
        total = behind = 1 / lower
        for number in range(1, MOST_TERMS):
            part, lower = (a - number) * number, lower + 2
            behind, ahead = 1 / (lower + part * behind), lower + part / ahead
            change = ahead * behind
            open = self.abs(change - 1) > EPSILON
            total = self.where(open, total * change, total)
            if not bool(self.xp.any(open)):
                break
        return total

    def _upper_near_0(self: Any, a: Array, x: Array) -> Array:
        """The upper function for a < 1 and x < 1.1, where it is the small difference of two numbers."""
        power, total = -x, -x / (a + 1)
        for number in range(2, 22):
            power = power * x / -number
            total = total + power / (a + number)
        _, t = self._mapped(a)
        exponent = a * self.log(x) - a * (a - 1) * chebyshev(table.LGAMMA, t)  # less log(gamma(1 + a))
        return -self.expm1(exponent) - self.exp(exponent) * a * total

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
    return float(math.factorial(n)) if n <= LARGEST_FACTORIAL else math.inf
