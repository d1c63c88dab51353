"""Samples of the larger and the smaller of two, and of bounds."""

from __future__ import annotations

from typing import Any

from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.testing.inputs import T, V
from tapeloom.testing.references import INF, NAN, each
from tapeloom.testing.samples.elementwise import binary
from tapeloom.testing.table import FLOATS, SIGNED, case, fails, row


def _greater(x: Any, y: Any) -> Any:
    return NAN if x != x or y != y else x if x > y else y


def _smaller(x: Any, y: Any) -> Any:
    return NAN if x != x or y != y else x if x < y else y


binary("maximum", _greater, {(NAN, 1.0): NAN, (1.0, NAN): NAN, (INF, 1.0): INF}, budget="exact")
binary("minimum", _smaller, {(NAN, 1.0): NAN, (1.0, NAN): NAN, (INF, 1.0): 1.0}, budget="exact")


def _clamped(x: Any, min: Any = None, max: Any = None) -> Any:
    def one(value: Any, low: Any, high: Any) -> Any:
        if value != value:
            return value
        value = low if low is not None and value < low else value
        return high if high is not None and value > high else value

    if min is None or max is None:
        bound = max if min is None else min
        return each(lambda v, b: one(v, b if min is not None else None, b if max is not None else None))(x, bound)
    return each(one)(x, min, max)


row(
    "clamp",
    [T(3, 4), -1, 1],
    [T(3, 4), T(4, low=-1, high=0), T(3, 1, low=0, high=1)],
    case(T(3, 4), max=1),
    case(T(3, 4), min=T(low=-1, high=0)),
    [T(), 0, 1],
    [T(0, 3), 0, 1],
    case(V([NAN, 0.0, 5.0]), 2.0, 1.0, expect=[NAN, 1.0, 1.0], only=FLOATS),
    reference=_clamped,
    dtypes=SIGNED,
    budget="exact",
    kinks=(-1, 0, 1),
)
fails("clamp", [T(3)], ArgumentError, "clamp: at least one of min and max must be given.")
fails(
    "clamp",
    [T(3), T(2)],
    ShapeError,
    "clamp: shapes (3,) and (2,) do not broadcast (axis -1: 3 vs 2). Reshape one operand, or give that axis the size 1.",
)


def _or_other(choose: Any) -> Any:
    return lambda x, y: y if x != x else x if y != y else choose(x, y)


BESIDE_NAN = {(NAN, 1.0): 1.0, (1.0, NAN): 1.0, (NAN, NAN): NAN}
binary("fmax", _or_other(max), BESIDE_NAN | {(INF, 1.0): INF}, budget="exact")
binary("fmin", _or_other(min), BESIDE_NAN | {(INF, 1.0): 1.0}, budget="exact")
for _name, _choose in (("clamp_min", max), ("clamp_max", min)):
    row(_name, [T(3, 4), 1], [T(3, 1), T(4)], [T(), 0], [T(0, 3), 1], reference=each(_choose), dtypes=SIGNED, budget="exact", kinks=(0, 1))
    fails(_name, [T(3), None], ArgumentError, f"{_name}: at least one of min and max must be given.")
