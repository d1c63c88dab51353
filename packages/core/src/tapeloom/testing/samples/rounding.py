"""Samples of rounding, and of what a number is made of."""

from __future__ import annotations

import math
from typing import Any

from tapeloom import dtypes
from tapeloom.errors import ArgumentTypeError, DTypeError
from tapeloom.testing.inputs import T, V
from tapeloom.testing.references import INF, NAN, each, either
from tapeloom.testing.samples.elementwise import binary, no_bool, unary
from tapeloom.testing.table import ALL, COMPLEX, FLOATS, INTEGERS, NUMBERS, case, fails, row

ROUNDING = {"gives": "same", "dtypes": NUMBERS, "budget": "exact"}
unary("floor", math.floor, {-1.5: -2.0, 2.0: 2.0, INF: INF, NAN: NAN}, kinks="integers", **ROUNDING)
unary("ceil", math.ceil, {-1.5: -1.0, 2.0: 2.0, -INF: -INF}, kinks="integers", **ROUNDING)
unary("trunc", math.trunc, {-1.5: -1.0, 1.5: 1.0, INF: INF}, kinks="integers", **ROUNDING)
unary("round", round, {0.5: 0.0, 1.5: 2.0, 2.5: 2.0, -0.5: -0.0, INF: INF}, kinks="halves", **ROUNDING)
for _name in ("floor", "ceil", "trunc", "round"):
    no_bool(_name)


def _to_places(x: float, decimals: int) -> float:
    scale = 10.0 ** abs(decimals)
    return round(x * scale) / scale if decimals > 0 else round(x / scale) * scale


row("round_decimals", [T(3, 4), 1], [T(3, 4, low=-300, high=300), -2], [T(), 1], [T(0, 3), 1], case(V([0.5, -64.0, 40960.0]), 3, expect=[0.5, -64.0, 40960.0]),
    case(V([1.5, INF]), 400, expect=[NAN, NAN], only=FLOATS), reference=each(_to_places), kinks="halves")

unary("frac", lambda x: x - math.trunc(x), {-1.5: -0.5, 2.0: 0.0, INF: NAN}, gives="same", dtypes=FLOATS, kinks="integers")

# sign

binary("copysign", math.copysign, {(0.0, -1.0): -0.0, (2.0, -0.0): -2.0, (INF, -1.0): -INF}, gives="float", budget="exact", kinks=(0,))
unary("signbit", lambda x: math.copysign(1, x) < 0, [(-0.0, True), (0.0, False), (-INF, True)], gives="bool", budget="exact", grad=0)


def _step(x: Any, value: Any) -> Any:
    return value if x == 0 else type(value)(x > 0)


row(
    "heaviside",
    [T(3, 4), T(3, 4)],
    [T(3, 1), T(4)],
    [V([-1, 0, 2]), T()],
    [T(0, 3), T(3)],
    case(V([NAN, -0.0, -INF]), V([5.0, 7.0, 5.0]), expect=[0.0, 7.0, 0.0], only=FLOATS),
    reference=each(_step),
    dtypes=ALL,
    budget="exact",
    grad=0,
)
fails("heaviside", [T(3), T(3, dtype=dtypes.int64)], DTypeError,
      "heaviside: input is float32, and values is int64; they must be the same. Cast one of them with .to(dtype).")

# nan and infinities


def _replaced(x: float, nan: float = 0.0, posinf: float = 1.0, neginf: float = 2.0) -> float:
    return nan if x != x else posinf if x == INF else neginf if x == -INF else x


row(
    "nan_to_num",
    [T(3, 4)],
    [T(), 1.0],
    [T(0, 3)],
    case(V([NAN, INF, -INF, 1.5]), 2, 3, 4, expect=[2.0, 3.0, 4.0, 1.5], only=FLOATS),
    case(V([NAN, 1.5]), posinf=3.0, expect=[0.0, 1.5], only=FLOATS),
    *[case(V([NAN, INF, -INF]), expect=[0.0, kind.max, kind.min], only=[kind]) for kind in FLOATS],
    case(V([complex(NAN, 1), complex(2, INF)]), 5.0, 7.0, expect=[5 + 1j, 2 + 7j], only=COMPLEX),
    reference=either(lambda x, *rest, **named: x, lambda x, *rest: x),
    dtypes=(*ALL, *COMPLEX),
    budget="exact",
)
unary("isposinf", lambda x: x == INF, {INF: True, -INF: False, NAN: False}, gives="bool", budget="exact", grad=0)
unary("isneginf", lambda x: x == -INF, {INF: False, -INF: True, NAN: False}, gives="bool", budget="exact", grad=0)

# exponent and neighbours


def _parts(x: Any) -> Any:
    import numpy

    made = [math.frexp(value) for value in x.reshape(-1).tolist()]
    return tuple(numpy.array([pair[part] for pair in made], kind).reshape(x.shape) for part, kind in ((0, float), (1, int)))


row(
    "frexp",
    [T(3, 4, low=0.6, high=0.9)],
    case(T(3, 4, low=-9, high=9), grad=False),
    [T(low=5, high=7)],
    [T(0, 3)],
    case(V([0.0, 1.0, -4.0, 0.75, INF, NAN]), expect=([0.0, 0.5, -0.5, 0.75, INF, NAN], [0, 1, 3, 0, 0, 0]), only=FLOATS),
    reference=_parts,
    gives=("same", "int32"),
    budget="exact",
)


row(
    "ldexp",
    [T(3, 4), T(4)],
    [T(3, 1), T(1, 4, low=0, high=4, dtype=dtypes.int64)],
    case(T(3, low=0, high=4, dtype=dtypes.uint64), T(3, low=0, high=4, dtype=dtypes.int64), only=[dtypes.int64]),
    [T(), T()],
    [T(0, 3), T(3)],
    case(V([1e-30, 0.0, 1e30]), V([200, 1 << 40, -200], dtype=dtypes.int64), expect=[1.606938044258990e30, 0.0, 6.223015277861142e-31], only=FLOATS[1:]),
    reference=each(lambda x, y: x * 2.0**y),
    gives="float",
    dtypes=(*ALL, *COMPLEX),
    budget="function",
)
fails("ldexp", [T(3), "a"], ArgumentTypeError, "ldexp: other must be a tensor, got str.")
row(
    "nextafter",
    case(T(3, 4), T(4), only=[dtypes.float64]),
    case(T(), T(3), only=[dtypes.float64]),
    case(T(0, 3), T(3), only=FLOATS),
    *[
        case(V([1.0, 1.0, 2.0, 0.0, NAN]), V([2.0, 0.0, 2.0, 1.0, 1.0]),
             expect=[1 + kind.eps, 1 - kind.eps / 2, 2.0, kind.smallest_normal * kind.eps, NAN], only=[kind])
        for kind in FLOATS
    ],
    reference=each(math.nextafter),
    budget="exact",
)

# integers

for _name, _function, _edge, _at_edge in (
    ("gcd", math.gcd, (V([-1, -(2**31)]), V([-(2**31), 0])), [1, -(2**31)]),
    ("lcm", math.lcm, (V([2**31 - 1]), V([2])), [2]),  # which wraps
):
    row(_name, [T(3, 4), T(3, 4)], [T(3, 1), T(4)], [V([6, 0, 4]), T()], [T(0, 3), T(3)], case(V([0, -12, 12]), V([0, 8, -18]), only=[dtypes.int8, dtypes.int64]),
        case(*_edge, expect=_at_edge, only=[dtypes.int32]),
        reference=each(_function), dtypes=INTEGERS, budget="exact", grad=0)
    fails(_name, [T(3), T(3)], DTypeError, f"{_name}: expected integer tensors, got float32. Cast with .to(tapeloom.int64).")
