"""Samples of the special functions: by series, integrals and bisection, number by number."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tapeloom.errors import ArgumentError, ArgumentTypeError
from tapeloom.testing.inputs import T, V
from tapeloom.testing.references import INF, NAN, each
from tapeloom.testing.samples.elementwise import binary, unary
from tapeloom.testing.table import ALL, FLOATS, case, fails, row

NORMAL = math.sqrt(2 * math.pi)
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)


def inverse(function: Callable[[float], float], low: float, high: float) -> Callable[[float], float]:
    """The number between ``low`` and ``high`` at which a rising function has a given value, by bisection."""

    def found(value: float) -> float:
        if not function(low) <= value <= function(high):
            return NAN
        below, above = low, high
        while below < (middle := (below + above) / 2) < above:
            below, above = (middle, above) if function(middle) < value else (below, middle)
        return above

    return found


# the error function and the normal distribution


def ndtr(x: float) -> float:
    """The normal distribution function."""
    return math.erfc(-x / math.sqrt(2)) / 2


unary("erf", math.erf, {INF: 1.0, -INF: -1.0, 0.0: 0.0, NAN: NAN}, low=-3, high=3, budget="function")
unary("erfc", math.erfc, {INF: 0.0, -INF: 2.0, 0.0: 1.0, NAN: NAN, 9.0: math.erfc(9)}, low=-3, high=3, budget="function")
unary("erfcx", lambda x: math.exp(x * x) * math.erfc(x), {INF: 0.0, -INF: INF, 0.0: 1.0, NAN: NAN}, dtypes=FLOATS, low=-2, high=2, budget="chain")
unary("erfinv", inverse(math.erf, -6, 6), {1.0: INF, -1.0: -INF, 1.5: NAN, 0.0: 0.0}, low=-0.9, high=0.9, budget="chain")
unary("ndtr", ndtr, {INF: 1.0, -INF: 0.0, NAN: NAN}, dtypes=FLOATS, low=-3, high=3, budget="chain")
unary("log_ndtr", lambda x: math.log(ndtr(x)), {INF: 0.0, -INF: -INF, NAN: NAN, -1e4: -50000010.12927892}, dtypes=FLOATS, low=-3, high=3, budget="series")
unary("ndtri", inverse(ndtr, -9, 9), {0.0: -INF, 1.0: INF, 0.5: 0.0, -1.0: NAN}, dtypes=FLOATS, low=0.02, high=0.98, budget="chain")

# the gamma function


def zeta(s: float, q: float) -> float:
    """The sum of (k + q) ** -s, 30 terms of it one by one, the others by the Euler-Maclaurin formula."""
    if s < 1 or q <= 0:
        raise ValueError
    if s == 1:
        return INF
    total, end = math.fsum((q + k) ** -s for k in range(30)), q + 30
    total += end ** (1 - s) / (s - 1) + end**-s / 2
    rising = s
    for k, number in enumerate(BERNOULLI, 1):
        total += number / math.factorial(2 * k) * rising * end ** (-s - 2 * k + 1)
        rising *= (s + 2 * k - 1) * (s + 2 * k)
    return total


def digamma(x: float) -> float:
    """By 30 steps of its recurrence, and Stirling's series."""
    if x <= 0:
        return -INF if x == 0 else NAN if x == math.floor(x) else digamma(1 - x) - math.pi / math.tan(math.pi * x)
    total, end = -math.fsum(1 / (x + k) for k in range(30)), x + 30
    return total + math.log(end) - 1 / (2 * end) - math.fsum(b / (2 * k * end ** (2 * k)) for k, b in enumerate(BERNOULLI, 1))


def lgamma(x: float) -> float:
    """Python's own, with its poles."""
    return INF if x <= 0 and x == math.floor(x) else math.lgamma(x)


def polygamma(x: float, n: int) -> float:
    """By the zeta function, left of 0 by its sum."""
    if n == 0:
        return digamma(x)
    sign = 1 if n % 2 else -1
    if x <= 0 and x == math.floor(x):
        return sign * INF
    steps = max(0, math.ceil(1 - x))
    return sign * math.factorial(n) * (zeta(n + 1, x + steps) + math.fsum((x + k) ** (-n - 1) for k in range(steps)))


GAMMA = {"low": 0.2, "high": 4, "budget": "chain"}
unary("lgamma", lgamma, [(0.0, INF), (-2.0, INF), (1.0, 0.0), (2.0, 0.0), (-INF, INF), (INF, INF), (-0.5, 1.2655121234846454), (20.0, math.lgamma(20))], **GAMMA | {"low": 2.2})
unary("digamma", digamma, [(0.0, -INF), (-0.0, INF), (-2.0, NAN), (INF, INF), (-0.25, digamma(-0.25)), (20.0, digamma(20))], **GAMMA)
row(
    "polygamma_of",
    [T(3, 4), 1],
    [T(), 2],
    [T(0, 3), 0],
    case(V([-0.25, -2.0, 0.0, INF]), 1, expect=[polygamma(-0.25, 1), INF, INF, 0.0], only=FLOATS),
    case(V([-1.25, -2.0, 12.0]), 3, expect=[polygamma(-1.25, 3), INF, polygamma(12, 3)], only=FLOATS),
    reference=lambda x, n: each(lambda value: polygamma(value, n))(x),
    gives="float",
    dtypes=ALL,
    low=0.3,
    high=4,
    budget="chain",
)
row("polygamma", [2, T(3, 4)], [0, T()], [1, T(0, 3)], reference=lambda n, x: each(lambda value: polygamma(value, n))(x), gives="float", low=0.3, high=4, budget="chain")
for _name, _wrong, _text in (
    ("polygamma", [-1, T(3)], "n must not be negative, got -1."),
    ("polygamma", [1.5, T(3)], "n must be an int, got 1.5 of type float."),
):
    fails(_name, _wrong, ArgumentError if "negative" in _text else ArgumentTypeError, f"{_name}: {_text}")
row(
    "mvlgamma",
    [T(3, 4), 3],
    [T(), 1],
    case(T(0, 3), p=2),
    reference=lambda x, p: each(lambda v: math.fsum(math.lgamma(v - k / 2) for k in range(p)) + p * (p - 1) / 4 * math.log(math.pi))(x),
    gives="float",
    low=2,
    high=5,
    budget="series",
)
fails("mvlgamma", [T(3), 0], ArgumentError, "mvlgamma: p must be at least 1, got 0.")
row(
    "zeta",
    [T(3, 4, grad=False), T(3, 4, low=0.3, high=3)],
    [T(4, grad=False), T(low=0.3, high=3)],
    case(2.5, T(3, low=0.3, high=3)),
    [T(0, 3, grad=False), T(3)],
    case(V([1.0, 0.5, 2.0, 2.0, 3.0, INF]), V([2.0, 2.0, -1.0, -1.5, INF, 1.0]), expect=[INF, NAN, INF, NAN, 0.0, 1.0], only=FLOATS),
    reference=each(zeta),
    gives="float",
    low=1.3,
    high=5,
    budget="chain",
)


def lower(a: float, x: float) -> float:
    """The lower incomplete gamma function, by its series."""
    if a <= 0 or x <= 0:
        raise ValueError
    term = total = 1 / a
    for k in range(1, 400):
        term *= x / (a + k)
        total += term
    return total * math.exp(a * math.log(x) - x - math.lgamma(a))


for _name, _flip in (("igamma", 0), ("igammac", 1)):
    row(
        _name,
        [T(3, 4, grad=False), T(3, 4)],
        [T(3, 1, grad=False), T()],
        [T(0, 3, grad=False), T(3)],
        case(V([0.0, 2.0, 2.0, INF, -1.0, 2.0, NAN]), V([1.0, 0.0, INF, 1.0, 1.0, -1.0, 1.0]),
             expect=[abs(_flip - value) for value in (1.0, 0.0, 1.0, 0.0, NAN, NAN, NAN)], only=FLOATS),
        reference=each(lambda a, x, flip=_flip: 1 - lower(a, x) if flip else lower(a, x)),
        low=0.4,
        high=5,
        budget="series",
        magnitude=lambda a, x: 1.0,
    )

# logarithms and quotients that have a limit


def _times(logarithm: Callable[[float], float]) -> Callable[[float, float], float]:
    return lambda x, y: 0.0 if x == 0 else -x * INF if y == 0 and logarithm is math.log else x * logarithm(y)


binary("xlogy", _times(math.log), {(0.0, 0.0): 0.0, (0.0, -1.0): 0.0, (0.0, NAN): NAN, (1.0, 0.0): -INF}, {"low": 0.5, "high": 3.5}, gives="float", budget="function")
binary("xlog1py", _times(math.log1p), {(0.0, -1.0): 0.0, (0.0, -2.0): 0.0, (0.0, NAN): NAN, (1.0, -1.0): -INF}, {"low": -0.5, "high": 3.5}, gives="float", budget="function")
unary("entr", lambda x: 0.0 if x == 0 else -INF if x < 0 else -x * math.log(x), {0.0: 0.0, -1.0: -INF, INF: -INF, NAN: NAN}, dtypes=FLOATS, low=0.3, high=4, budget="function")


def _logit(x: float, eps: float = 0.0) -> float:
    x = min(max(x, eps), 1 - eps)
    return -INF if x == 0 else INF if x == 1 else math.log(x / (1 - x))


row(
    "logit",
    [T(3, 4)],
    [T(), 0.2],
    [T(0, 3)],
    case(V([0.0, 1.0, -0.5, 1.5, NAN]), expect=[-INF, INF, NAN, NAN, NAN], only=FLOATS),
    case(V([0.0, 1.5, NAN, 0.5]), eps=0.25, expect=[-math.log(3), math.log(3), NAN, 0.0], only=FLOATS),
    reference=each(_logit),
    low=0.1,
    high=0.9,
    kinks=(0.2, 0.8, 0.5),
    budget="series",
)


def _sinc(x: Any) -> Any:
    import cmath

    if isinstance(x, complex):
        return cmath.sin(math.pi * x) / (math.pi * x) if x else 1.0
    return math.sin(math.pi * x) / (math.pi * x) if x else 1.0


unary("sinc", _sinc, {0.0: 1.0, 0.5: 2 / math.pi, NAN: NAN}, dtypes=FLOATS, low=0.1, high=0.9, budget="chain", of_complex=_sinc)

# Bessel functions


def bessel_i(x: float, order: int = 0) -> float:
    """By its series."""
    total = term = (x / 2) ** order
    for k in range(1, 60):
        term *= x * x / 4 / (k * (k + order))
        total += term
    return total


def bessel_j(x: float, order: int = 0) -> float:
    """By the integral over one period, which evenly spaced points give to the last digit."""
    points = [(k + 0.5) * math.pi / 64 for k in range(64)]
    return math.fsum(math.cos(x * math.sin(t) - order * t) for t in points) / 64


def bessel_y0(x: float) -> float:
    """By its series."""
    if x <= 0:
        return -INF if x == 0 else NAN
    total, term, harmonic = 0.0, -1.0, 0.0
    for k in range(1, 60):
        term *= -x * x / 4 / (k * k)
        harmonic += 1 / k
        total += term * harmonic
    return 2 / math.pi * ((math.log(x / 2) + 0.5772156649015329) * bessel_j(x) + total)


def bessel_y1(x: float) -> float:
    """From the others, by the Wronskian."""
    return bessel_y0(x) if x <= 0 else (bessel_j(x, 1) * bessel_y0(x) - 2 / (math.pi * x)) / bessel_j(x)


def bessel_k(x: float, order: int = 0) -> float:
    """By the integral of exp(-x cosh t) cosh(order t), which evenly spaced points give to the last digit."""
    if x <= 0:
        return INF if x == 0 else NAN
    return math.fsum(math.exp(-x * math.cosh(t / 32)) * math.cosh(order * t / 32) for t in range(1, 300)) / 32 + math.exp(-x) / 64


def airy(x: float) -> float:
    """By the two series in powers of x**3."""
    f = first = 1.0
    g = second = x
    for k in range(1, 60):
        first *= x**3 / ((3 * k - 1) * (3 * k))
        second *= x**3 / ((3 * k) * (3 * k + 1))
        f, g = f + first, g + second
    return 0.3550280538878172 * f - 0.2588194037928068 * g


SMOOTH = {"dtypes": FLOATS, "low": -3, "high": 3, "budget": "chain"}
unary("i0", bessel_i, {0.0: 1.0, 20.0: bessel_i(20), NAN: NAN}, **SMOOTH)
unary("i0e", lambda x: math.exp(-abs(x)) * bessel_i(x), {INF: 0.0, -12.0: math.exp(-12) * bessel_i(12)}, kinks=(0,), **SMOOTH)
unary("i1", lambda x: bessel_i(x, 1), {0.0: 0.0, -20.0: -bessel_i(20, 1), NAN: NAN}, **SMOOTH)
unary("i1e", lambda x: math.exp(-abs(x)) * bessel_i(x, 1), {-INF: -0.0, 12.0: math.exp(-12) * bessel_i(12, 1)}, kinks=(0,), **SMOOTH)
POSITIVE = {"dtypes": FLOATS, "low": 0.5, "high": 2, "budget": "series", "grad": 0}
for _name, _function, _at in (
    ("airy_ai", airy, {0.0: airy(0), -3.0: airy(-3), 3.0: 0.006591139357460719, -20.0: -0.17640612707798468, INF: 0.0}),
    ("bessel_j0", bessel_j, {0.0: 1.0, -3.0: bessel_j(3), 20.0: bessel_j(20), NAN: NAN}),
    ("bessel_j1", lambda x: bessel_j(x, 1), {0.0: 0.0, -3.0: -bessel_j(3, 1), 20.0: bessel_j(20, 1)}),
    ("bessel_y0", bessel_y0, {0.0: -INF, -1.0: NAN, 6.0: bessel_y0(6), 12.0: -0.2252373126343614}),
    ("bessel_y1", bessel_y1, {0.0: -INF, -1.0: NAN, 6.0: bessel_y1(6), 12.0: -0.05709921826089652}),
    ("modified_bessel_k0", bessel_k, {0.0: INF, -1.0: NAN, 6.0: bessel_k(6), INF: 0.0}),
    ("modified_bessel_k1", lambda x: bessel_k(x, 1), {0.0: INF, -1.0: NAN, 6.0: bessel_k(6, 1)}),
    ("scaled_modified_bessel_k0", lambda x: math.exp(x) * bessel_k(x), {0.0: INF, -1.0: NAN, INF: 0.0}),
    ("scaled_modified_bessel_k1", lambda x: math.exp(x) * bessel_k(x, 1), {0.0: INF, -1.0: NAN, INF: 0.0}),
    ("spherical_bessel_j0", lambda x: math.sin(x) / x if x else 1.0, {0.0: 1.0, -1.0: math.sin(1), INF: 0.0}),
):
    unary(_name, _function, _at, **POSITIVE)

# orthogonal polynomials: those of Chebyshev by their recurrence, the others by their explicit sums


def chebyshev(kind: str) -> Callable[[float, int], float]:
    """Of the recurrence, with whole orders."""

    def value(x: float, n: int) -> float:
        if n < 0:
            return 0.0
        before, current = 1.0, {"t": x, "u": 2 * x, "v": 2 * x - 1, "w": 2 * x + 1}[kind]
        for _ in range(int(n)):
            before, current = current, 2 * x * current - before
        return before

    return value


def _sum(n: int, term: Callable[[int], float], last: int) -> float:
    return math.fsum(term(k) for k in range(last + 1)) if n >= 0 else 0.0


POLYNOMIALS: dict[str, Callable[[float, int], float]] = {
    **{f"chebyshev_polynomial_{kind}": chebyshev(kind) for kind in "tuvw"},
    **{f"shifted_chebyshev_polynomial_{kind}": lambda x, n, kind=kind: chebyshev(kind)(2 * x - 1, n) for kind in "tuvw"},
    "hermite_polynomial_h": lambda x, n: _sum(
        n, lambda k: (-1) ** k * math.factorial(n) / (math.factorial(k) * math.factorial(n - 2 * k)) * (2 * x) ** (n - 2 * k), n // 2
    ),
    "hermite_polynomial_he": lambda x, n: _sum(
        n, lambda k: (-1) ** k * math.factorial(n) / (math.factorial(k) * math.factorial(n - 2 * k) * 2**k) * x ** (n - 2 * k), n // 2
    ),
    "laguerre_polynomial_l": lambda x, n: _sum(n, lambda k: math.comb(n, k) * (-x) ** k / math.factorial(k), n),
    "legendre_polynomial_p": lambda x, n: _sum(
        n, lambda k: (-1) ** k * math.comb(n, k) * math.comb(2 * n - 2 * k, n) * x ** (n - 2 * k) / 2**n, n // 2
    ),
}
for _name, _polynomial in POLYNOMIALS.items():
    row(
        _name,
        [T(3, 4), V([0, 1, 2, 3])],
        [T(), 5],
        [2, V([3, 0, 1])],
        [T(0, 3), T(3)],
        case(V([0.5, -0.25, 2.0]), V([12, -1, 10]), only=FLOATS[2:]),
        case(V([INF, NAN]), V([0, 0]), expect=[1.0, 1.0], only=FLOATS[2:]),
        reference=each(lambda x, n, of=_polynomial: of(float(x), int(n))),
        gives="float",
        dtypes=FLOATS[2:],
        budget="series",
        magnitude=lambda x, n: 40.0,
        grad=0,
    )
