"""Samples of comparison, logic and bits."""

from __future__ import annotations

import cmath
from collections.abc import Callable
from typing import Any

from tapeloom import dtypes
from tapeloom.dtypes import DType
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.testing.inputs import M, T, V
from tapeloom.testing.references import INF, NAN, each
from tapeloom.testing.table import ALL, COMPLEX, EVERY, FLOATS, INTEGERS, NUMBERS, case, fails, row

UNFIT = (
    "{}: shapes (3, 4) and (2, 4) do not broadcast (axis -2: 3 vs 2). Reshape one operand, or give that axis the size 1."
)
BITS = (dtypes.bool_, *INTEGERS)
SIGNED_INTEGERS = tuple(dtype for dtype in INTEGERS if dtype.is_signed)


def compared(name: str, function: Callable[[Any, Any], bool], with_nan: bool, kinds: Any = ALL) -> None:
    """The row of a comparison; ``with_nan`` is what nan against itself gives."""
    row(
        name,
        [T(3, 4, low=-2, high=2), T(3, 4, low=-2, high=2)],
        [T(3, 1), T(4)],
        [T(4), T()],
        case(T(3, 4), 1, only=NUMBERS),
        [T(), T()],
        [T(0, 3), T(3)],
        case(V([NAN, INF, 0.0]), V([NAN, INF, -0.0]), expect=[with_nan, function(1, 1), function(0, 0)], only=FLOATS),
        case(V([1j, 1 + 1j, 2]), V([1j, 1 - 1j, 2]), only=COMPLEX),
        reference=each(function),
        gives="bool",
        dtypes=kinds,
        budget="exact",
        grad=0,
    )
    fails(name, [T(3, 4), T(2, 4)], ShapeError, UNFIT.format(name))
    fails(name, [T(3), "text"], ArgumentTypeError, f"{name}: other must be a tensor or a number, got str.")


compared("eq", lambda x, y: x == y, False, EVERY)
compared("ne", lambda x, y: x != y, True, EVERY)
compared("lt", lambda x, y: x < y, False)
compared("le", lambda x, y: x <= y, False)
compared("gt", lambda x, y: x > y, False)
compared("ge", lambda x, y: x >= y, False)


def logical(name: str, function: Callable[..., bool]) -> None:
    """The row of a logical op on two tensors."""
    row(
        name,
        [T(3, 4, low=-1, high=1), T(3, 4, low=-1, high=1)],
        [T(3, 1), T(4)],
        [T(), T()],
        [T(0, 3), T(3)],
        case(V([NAN, 0.0, 0.0]), V([0.0, INF, 0.0]), expect=[function(True, False), function(False, True), False], only=FLOATS),
        reference=each(lambda x, y: function(bool(x), bool(y))),
        gives="bool",
        dtypes=EVERY,
        budget="exact",
        grad=0,
    )
    fails(name, [T(3, 4), T(2, 4)], ShapeError, UNFIT.format(name))


logical("logical_and", lambda x, y: x and y)
logical("logical_or", lambda x, y: x or y)
logical("logical_xor", lambda x, y: x != y)
ONE = [[T(3, 4, low=-1, high=1)], [T()], [T(0, 3)]]
row("logical_not", *ONE, reference=each(lambda x: not x), gives="bool", dtypes=EVERY, budget="exact", grad=0)


def bitwise(name: str, function: Callable[[int, int], int]) -> None:
    """The row of an op on the bits of two tensors."""
    row(
        name,
        [T(3, 4, low=-100, high=100), T(3, 4, low=-100, high=100)],
        [T(3, 1), T(4)],
        case(T(3, 4), 5, only=INTEGERS),
        [T(), T()],
        [T(0, 3), T(3)],
        reference=each(function),
        dtypes=BITS,
        budget="exact",
        grad=0,
    )
    fails(name, [T(3, 4), T(2, 4)], ShapeError, UNFIT.format(name), dtypes.int64)
    refuses_floats(name, [T(3), T(3)])


def refuses_floats(name: str, arguments: list[Any]) -> None:
    """``name`` takes integers and bool only."""
    text = f"{name}: expected integer or bool tensors, got float32. Cast with .to(tapeloom.int64)."
    fails(name, arguments, DTypeError, text)


bitwise("bitwise_and", lambda x, y: x & y)
bitwise("bitwise_or", lambda x, y: x | y)
bitwise("bitwise_xor", lambda x, y: x ^ y)


def shift(name: str, moved: Callable[[int, int], int], beyond: Callable[[int], int]) -> None:
    """The row of a shift; ``beyond`` is what it gives where all bits are moved out, and for negative places."""
    few, small = T(4, low=0, high=4), T(3, 1, low=0, high=3)
    points = []
    for dtype in INTEGERS:
        places = [place for place in (0, 1, 7, 8, 63, 64, 100, -1) if dtype.min <= place <= dtype.max]
        for x in (1, int(dtype.max), int(dtype.min)):
            results = [moved(x, y) if 0 <= y < 8 * dtype.itemsize else beyond(x) for y in places]
            points.append(case(V(x), V(places), expect=[_wrapped(value, dtype) for value in results], only=[dtype]))
    cases = [[small, few], [T(low=0, high=3), T(low=0, high=4)], [small, 2], [1, few], [T(0, 3), T(3, low=0, high=4)]]
    row(name, *cases, *points, reference=each(moved), dtypes=INTEGERS, budget="exact", grad=0)
    fails(name, [T(3, 4), T(2, 4)], ShapeError, UNFIT.format(name), dtypes.int64)
    for dtype in (dtypes.float32, dtypes.bool_):
        fails(name, [T(3), T(3)], DTypeError, f"{name}: expected integer tensors, got {dtype.name}. Cast with .to(tapeloom.int64).", dtype)


def _wrapped(value: int, dtype: DType) -> int:
    bits = 8 * dtype.itemsize
    value %= 2**bits
    return value if value <= dtype.max else value - 2**bits


shift("bitwise_left_shift", lambda x, y: x << y, lambda x: 0)
shift("bitwise_right_shift", lambda x, y: x >> y, lambda x: -1 if x < 0 else 0)
row(
    "bitwise_not",
    [T(3, 4, low=-100, high=100)],
    [T()],
    [T(0, 3)],
    case(V([0, 1, 200]), expect=[255, 254, 55], only=[dtypes.uint8]),
    reference=each(lambda x: not x if isinstance(x, bool) else ~x),
    dtypes=[dtype for dtype in BITS if dtype.is_signed or dtype is dtypes.bool_],
    budget="exact",
    grad=0,
)
refuses_floats("bitwise_not", [T(3)])

SPECIAL = V([NAN, INF, -INF, 0.0])
PARTS = case(V([complex(NAN, 1), complex(1, NAN), complex(1, INF), complex(-INF, 0), 1 + 1j]), only=COMPLEX)
PROBES = {"gives": "bool", "dtypes": EVERY, "budget": "exact", "grad": 0}
row("isnan", *ONE, case(SPECIAL, only=FLOATS), PARTS, reference=each(lambda x: x != x), **PROBES)
row("isinf", *ONE, case(SPECIAL, only=FLOATS), PARTS, reference=each(cmath.isinf), **PROBES)
row("isfinite", *ONE, case(SPECIAL, only=FLOATS), PARTS, reference=each(cmath.isfinite), **PROBES)

# choosing by a mask

row(
    "where",
    [M(3, 4), T(3, 4), T(3, 4)],
    [M(3, 1), T(4), T(3, 4)],
    case(M(3, 4), T(3, 4), 2, only=NUMBERS),
    case(M(3, 4), 0.5, T(4), only=FLOATS),
    [M(), T(), T()],
    [M(0, 3), T(3), T(0, 3)],
    case(M(4), V([NAN, INF, 1.0, 2.0]), V([0.0, 1.0, INF, NAN]), only=FLOATS, grad=False),
    reference=each(lambda condition, x, y: x if condition else y),
    dtypes=EVERY,
    budget="exact",
)
fails("where", [T(3), T(3), T(3)], DTypeError, "where: condition must be a bool tensor, got float32. Cast it with .bool().")
fails(
    "where",
    [M(3), T(3), T(2)],
    ShapeError,
    "where: shapes (3,) and (3,) and (2,) do not broadcast (axis -1: 3 vs 2). "
    "Reshape one operand, or give that axis the size 1.",
)
row(
    "masked_fill",
    [T(3, 4), M(3, 4), T()],
    case(T(3, 4), M(4), 2, only=NUMBERS),
    case(T(3, 4), M(3, 1), -INF, only=FLOATS, grad=False),
    case(V([1, 2]), V([True, False], dtypes.bool_), -3.7, expect=[-3, 2], only=SIGNED_INTEGERS),
    case(V([1, 0]), V([True, False], dtypes.bool_), 0.5, expect=[True, False], only=[dtypes.bool_]),
    case(V([1, 2]), V([True, False], dtypes.bool_), V(0.5, dtypes.float64), expect=[0, 2], only=SIGNED_INTEGERS),
    [T(), M(), T()],
    [T(0, 3), M(3), T()],
    case(T(3, 4), M(4), 2 - 1j, only=COMPLEX, grad=False),
    reference=each(lambda x, mask, value: value if mask else x),
    gives="first",
    dtypes=EVERY,
    budget="exact",
)
fails("masked_fill", [T(3), M(3), 300], DTypeError,
      "masked_fill: the number 300 does not fit uint8 (0 to 255). Cast the tensor to a wider dtype first.", dtypes.uint8)
fails("masked_fill", [T(3), M(3), V(300, dtypes.int64)], DTypeError,
      "masked_fill: the number 300 does not fit int8 (-128 to 127). Cast the tensor to a wider dtype first.", dtypes.int8)
fails("masked_fill", [T(3), M(3), -1e9], DTypeError,
      "masked_fill: the number -1000000000.0 does not fit float16 (-65504.0 to 65504.0). Cast the tensor to a wider dtype first.", dtypes.float16)
fails("masked_fill", [T(3), M(3), 2j], DTypeError,
      "masked_fill: the complex number 2j does not fit float32. Give a real number, or cast the tensor to a complex dtype first.")
fails("masked_fill", [T(3), M(3), V(2j, dtypes.complex64)], DTypeError,
      "masked_fill: a complex64 value cannot be put into float32. Cast the tensor to a complex dtype first.")
fails("masked_fill", [T(3), T(3), 0], DTypeError, "masked_fill: mask must be a bool tensor, got float32. Cast it with .bool().")
fails(
    "masked_fill",
    [T(3), M(3), T(3)],
    ShapeError,
    "masked_fill: value must be a number or a 0-d tensor, got shape (3,). Use tapeloom.where.",
)


def _close(x: Any, y: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    if x != x or y != y:
        return equal_nan and x != x and y != y
    return x == y or (cmath.isfinite(x) and cmath.isfinite(y) and abs(x - y) <= atol + rtol * abs(y))


NEAR = V([1.0, 1.0, 1.0, NAN, INF, INF, 0.0]), V([1.0, 1.000001, 1.1, NAN, INF, -INF, 1e-9])
row(
    "isclose",
    [T(3, 4), T(3, 4)],
    [T(), T()],
    [T(0, 3), T(3)],
    case(*NEAR, only=[dtypes.float64]),
    case(*NEAR, 1e-5, 1e-8, True, only=[dtypes.float64]),
    case(*NEAR, 0.2, 0.0, only=[dtypes.float64]),
    [V([0, 3, 3, 100]), V([1, 4, 5, 90]), 0.05, 1.0],
    case(V([-(2**63), 2**62]), V([0, 2**62 + 1]), 0.0, 1.0, expect=[False, True], only=[dtypes.int64]),
    case(V([2, 5]), V([2**62, -(2**62)]), 3, expect=[True, True], only=[dtypes.int64]),
    case(V([True, False]), V([False, False]), 0.0, 1.0, only=[dtypes.bool_]),
    case(V([1 + 1j, 1 + 1j, complex(NAN, 0)]), V([1 + 1.000001j, 1 + 2j, complex(0, NAN)]), 1e-5, 1e-8, True, only=COMPLEX),
    reference=lambda x, y, *rest: each(lambda a, b: _close(a, b, *rest))(x, y),
    gives="bool",
    dtypes=(dtypes.float32, dtypes.float64, dtypes.int64, dtypes.bool_, *COMPLEX),
    budget="exact",
    grad=0,
)
row(
    "equal",
    case(T(3, 4), T(3, 4), expect=False),
    case(T(3, 4), T(4, 3), expect=False),
    case(V([1, 0]), V([1, 0]), expect=True),
    case(V(1), V(1), expect=True),
    case(T(0, 3), T(0, 3), expect=True),
    case(V([NAN]), V([NAN]), expect=False, only=FLOATS),
    dtypes=NUMBERS,
    grad=0,
)
row(
    "allclose",
    case(T(3, 4), T(3, 4), expect=False),
    case(T(3, 4), T(3, 4), 1.0, 10.0, expect=True),
    case(*NEAR, 0.0, 1.0, True, expect=False),
    case(V(1.0), V(1.0), expect=True),
    case(T(0), T(0), expect=True),
    dtypes=(dtypes.float32, dtypes.float64),
    grad=0,
)
for _name in ("isclose", "allclose"):
    fails(_name, [T(3, 4), T(2, 4)], ShapeError, UNFIT.format(_name))
row("is_same_size", case(T(3, 4), T(3, 4), expect=True), case(T(3, 4), T(4), expect=False), case(T(), T(1), expect=False), case(T(0, 3), T(0, 3), expect=True),
    dtypes=EVERY, grad=0)
row("is_nonzero", case(V(2), expect=True), case(V([[0]]), expect=False), case(V([NAN]), expect=True, only=FLOATS), dtypes=EVERY, grad=0, without="empty")
for _shape in ((0,), (2, 1)):
    fails("is_nonzero", [T(*_shape)], ShapeError, f"is_nonzero: expected one element, got shape {_shape}. Reduce it with .any() or .all() first.")
for _name in ("isclose", "equal", "allclose", "is_same_size"):
    fails(_name, [T(3), 1.0], ArgumentTypeError, f"{_name}: other must be a tensor, got float. Make it one with tapeloom.tensor(...).")
    fails(_name, [[1.0], T(1)], ArgumentTypeError, f"{_name}: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")
fails("isclose", [T(3), T(3), -1.0], ArgumentError, "isclose: rtol must not be negative, got -1.0.")
fails("isclose", [T(3), T(3), "tight"], ArgumentTypeError, "isclose: rtol must be a number, got 'tight' of type str.")
