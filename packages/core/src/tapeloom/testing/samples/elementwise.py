"""Samples of the elementwise ops: what each does to one pair of numbers, in Python's own arithmetic."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from typing import Any

from tapeloom import dtypes
from tapeloom.dtypes import as_dtype
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.op.registry import FUNCTIONS, REGISTRY
from tapeloom.testing.inputs import T, V
from tapeloom.testing.references import INF, NAN, each, either
from tapeloom.testing.table import (
    ALL,
    COMPLEX,
    EVERY,
    FLOATS,
    INEXACT,
    NUMBERS,
    SIGNED,
    Row,
    case,
    fails,
    row,
)

Numbers = dict[Any, Any]


def unary(
    name: str,
    function: Callable[..., Any],
    at: Numbers | list[tuple[float, float]] | None = None,
    of_complex: Callable[..., Any] | None = None,
    **settings: Any,
) -> Row:
    """A row of an op on one tensor; ``at`` gives its results at special points, for the floating dtypes.

    ``of_complex`` is what it does to a complex number, where it takes them.
    """
    if of_complex is not None:
        function = either(function, of_complex)
        settings["dtypes"] = (*settings.get("dtypes", ALL), *COMPLEX)
    pairs = list(at.items()) if isinstance(at, dict) else at or []  # pairs where 0.0 and -0.0, equal as keys, differ
    points = [case(V([x for x, _ in pairs]), expect=[y for _, y in pairs], only=FLOATS)] if pairs else []
    shapes = [[T(3, 4)], [T()], [T(0, 3)]]
    return row(name, *shapes, *points, reference=each(function), **{"gives": "float", "dtypes": ALL} | settings)


def binary(name: str, function: Callable[..., Any], at: Numbers | None = None, right: Numbers | None = None,
    of_complex: Callable[..., Any] | None = None, **settings: Any) -> Row:
    """A row of an op on two tensors; ``at`` gives results at special pairs, ``right`` the range of the second operand.

    ``of_complex`` is what it does to complex numbers, where it takes them.
    """
    points = []
    if of_complex is not None:
        function = either(function, of_complex)
        settings["dtypes"] = (*settings.get("dtypes", ALL), *COMPLEX)
    if at is not None:
        x, y = zip(*at, strict=True)
        points.append(case(V(list(x)), V(list(y)), expect=list(at.values()), only=FLOATS))
    second = right or {}
    shapes = [
        [T(3, 4), T(3, 4, **second)],
        [T(3, 1), T(1, 4, **second)],
        [T(3, 4), T(4, **second)],
        [T(4), T(**second)],
        case(T(3, 4), 2, only=NUMBERS),
        [T(0, 3), T(3, **second)],
    ]
    made = row(name, *shapes, *points, reference=each(function), **{"dtypes": ALL} | settings)
    fails(
        name,
        [T(3, 4), T(2, 4)],
        ShapeError,
        f"{name}: shapes (3, 4) and (2, 4) do not broadcast (axis -2: 3 vs 2). Reshape one operand, or give that axis the size 1.",
    )
    fails(name, [T(3), None], ArgumentTypeError, f"{name}: other must be a tensor or a number, got NoneType.")
    return made


def no_bool(name: str) -> None:
    """``name`` refuses bool tensors."""
    text = f"{name}: bool tensors are not supported. Use a logical operation, or cast with .to(tapeloom.int64)."
    inputs = [parameter for parameter in REGISTRY[name].parameters if parameter.input and not parameter.optional]
    fails(name, [T(3)] * len(inputs), DTypeError, text, dtype=dtypes.bool_)


# arithmetic

binary("add", lambda x, y: x or y if isinstance(x, bool) and isinstance(y, bool) else x + y, {(INF, -INF): NAN, (INF, 1): INF}, of_complex=lambda x, y: x + y)
binary("subtract", lambda x, y: x - y, {(INF, INF): NAN, (-INF, 1): -INF}, {"low": -1, "high": 0}, dtypes=SIGNED, of_complex=lambda x, y: x - y)
no_bool("subtract")
binary("multiply", lambda x, y: x and y if isinstance(x, bool) and isinstance(y, bool) else x * y, {(INF, 0): NAN, (-INF, 2): -INF},
       of_complex=lambda x, y: x * y)



def scaled(name: str, function: Callable[..., Any], numbers: Any) -> None:
    """The row of ``add`` or ``subtract`` with ``alpha``, and what these refuse of it."""
    row(
        f"{name}_scaled",
        case(T(3, 4), T(3, 4), 3, only=NUMBERS),
        case(T(3, 1), T(4), 0.25, only=INEXACT),
        case(T(3, 4), T(4), 1 - 2j, only=COMPLEX),
        [T(), T(), T(grad=False)],
        case(T(0, 3), T(3), 2, only=NUMBERS),
        reference=each(function),
        dtypes=(*numbers, *COMPLEX),
    )
    for alpha, dtype in ((0.5, dtypes.int64), (2j, dtypes.float32), (True, dtypes.float32)):
        text = f"{name}: alpha={alpha} does not fit {dtype.name}, the dtype of the result. Cast one of the inputs first."
        fails(name, case(T(3), T(3), alpha=alpha), DTypeError, text, dtype)
    fails(name, case(T(3), T(3), alpha="a"), ArgumentTypeError, f"{name}: alpha must be a number, got 'a' of type str.")


scaled("add", lambda x, y, alpha: x + alpha * y, NUMBERS)
scaled("subtract", lambda x, y, alpha: x - alpha * y, SIGNED)


def _divided(x: float, y: float) -> float:
    if y == 0:
        return NAN if x == 0 or math.isnan(x) else math.copysign(INF, x) * math.copysign(1, y)
    return x / y


AWAY_FROM_0 = {"low": 0.5, "high": 3.5}
binary("divide", _divided, {(1.0, 0.0): INF, (-1.0, 0.0): -INF, (0.0, 0.0): NAN}, AWAY_FROM_0, gives="float", of_complex=lambda x, y: x / y)
fails("divide", case(T(3), T(3), rounding_mode="up"), ArgumentError, "divide: rounding_mode must be None, 'trunc' or 'floor', got 'up'.")


def _floored(x: Any, y: Any) -> Any:
    return x // y


def _truncated(x: Any, y: Any) -> Any:
    quotient = abs(x) // abs(y)
    return quotient if (x < 0) == (y < 0) else -quotient


binary("floor_divide", _floored, {(7, 2): 3, (-7, 2): -4, (7, -2): -4}, AWAY_FROM_0, dtypes=NUMBERS, budget="exact")
binary("trunc_divide", _truncated, {(7, 2): 3, (-7, 2): -3, (7, -2): -3, (INF, -2): -INF, (1, INF): 0, (-3, 0): -INF}, AWAY_FROM_0, dtypes=NUMBERS, budget="exact")
binary("remainder", lambda x, y: x % y, {(-1.0, INF): INF, (5.0, -3.0): -1.0}, AWAY_FROM_0, dtypes=NUMBERS, budget="function")
binary("fmod", math.fmod, {(-5.0, 3.0): -2.0, (5.0, -3.0): 2.0, (1.0, INF): 1.0}, AWAY_FROM_0, dtypes=NUMBERS, budget="function")
for _name in ("floor_divide", "trunc_divide", "remainder", "fmod"):
    no_bool(_name)


WHOLE = (dtypes.int32, dtypes.int64)


def _power(x: Any, y: Any) -> Any:
    if isinstance(x, int) and y < 0:
        return x ** (y % 2) if x in (1, -1) else 0
    return x**y


row(
    "pow",
    [T(3, 4, low=0.3, high=2.5), T(3, 4)],
    [T(3, 1, low=0.3, high=2.5), T(4, low=0, high=3)],
    [T(3, 4), 2],
    [T(3, 4), 3],
    case(V([1, -1, -1, 0, 2, 3, -3]), V([-2, -2, -3, -1, -1, 4, 5]), only=WHOLE),
    case(V([3, -3, 2, -1]), V([64, 71, 63, 2**62 + 1]), expect=[8733086111712066817, -6879210024904206219, -(2**63), -1], only=[dtypes.int64]),
    case(T(3, 4, low=0.3, high=2), 0.5, only=FLOATS),
    case(2.0, T(3, 4), only=FLOATS),
    [T(low=1, high=2), T(low=1, high=2)],
    [T(0, 3), 2],
    case(T(3, 4), 2j, only=COMPLEX),
    case(T(3, 4), 3, only=COMPLEX, grad=False),
    case(V([0, 0, 1]), V([1 + 1j, 2, 2j]), expect=[0, 0, 1], only=COMPLEX, grad=False),
    case(V([0.0, 0.0, 2.0, -8.0]), V([0.0, 2.0, -1.0, 1 / 3]), expect=[1.0, 0.0, 0.5, NAN], only=FLOATS),
    reference=each(_power),
    dtypes=(*WHOLE, *INEXACT),
    budget="function",
)
no_bool("pow")
fails("pow", [T(3), -1], ArgumentError, "pow: integers to negative integer powers are no integers. Cast one of them first, for instance with .float().",
      dtypes.int64)
unary("negative", lambda x: -x, {0.0: -0.0, INF: -INF, NAN: NAN}, gives="same", dtypes=SIGNED, budget="exact", of_complex=lambda x: -x)
no_bool("negative")
unary("positive", lambda x: x, gives="same", dtypes=NUMBERS, budget="exact", of_complex=lambda x: x)
fails("positive", [T(3)], DTypeError,
      "positive: bool tensors are not supported. Use a logical operation, or cast with .to(tapeloom.int64).", dtype=dtypes.bool_)
unary("abs", abs, {-0.0: 0.0, -INF: INF, NAN: NAN}, gives="real", dtypes=NUMBERS, kinks=(0,), of_complex=abs)
no_bool("abs")
unary("sign", lambda x: (x > 0) - (x < 0), {-0.0: 0.0, -INF: -1.0, NAN: 0.0}, gives="same", budget="exact", kinks=(0,))
unary("reciprocal", lambda x: 1 / x, [(0.0, INF), (-0.0, -INF), (INF, 0.0)], low=0.5, high=3.5, of_complex=lambda x: 1 / x)
unary("square", lambda x: x * x, {-INF: INF, NAN: NAN}, gives="number", of_complex=lambda x: x * x)
unary("sqrt", math.sqrt, {0.0: 0.0, -1.0: NAN, INF: INF}, low=0.3, high=4, of_complex=cmath.sqrt)
unary("rsqrt", lambda x: 1 / math.sqrt(x), {0.0: INF, -1.0: NAN, INF: 0.0}, low=0.5, high=4, budget="function", of_complex=lambda x: 1 / cmath.sqrt(x))
binary("hypot", math.hypot, {(INF, NAN): INF, (3.0, 4.0): 5.0}, {"low": 0.5, "high": 2}, gives="float", budget="function")

unary("deg2rad", math.radians, {INF: INF, 180.0: math.pi})
unary("rad2deg", math.degrees, {-INF: -INF, NAN: NAN})


def three(name: str, function: Callable[..., Any], third: Numbers, kinds: Any) -> None:
    """The rows of ``addcmul`` or ``addcdiv``, without and with ``value``, and what these refuse of it."""
    row(name, [T(3, 4), T(3, 4), T(3, 4, **third)], [T(3, 1), T(4), T(**third)], [T(0, 3), T(3), T(3, **third)],
        reference=each(function), dtypes=kinds, budget="function")
    row(
        f"{name}_scaled",
        case(T(3, 4), T(3, 4), T(4, **third), 3, only=[kind for kind in kinds if kind is not dtypes.bool_]),
        case(T(3, 1), T(4), T(4, **third), 0.25, only=INEXACT),
        [T(), T(), T(**third), T(grad=False)],
        [T(0, 3), T(3), T(3, **third), T(grad=False)],
        reference=each(lambda x, y, z, value: function(x, value * y, z)),
        dtypes=kinds,
        budget="function",
    )
    fails(name, case(T(3), T(3), T(3), value="a"), ArgumentTypeError, f"{name}: value must be a number, got 'a' of type str.")
    text = f"{name}: value=2j does not fit float32, the dtype of the result. Cast one of the inputs first."
    fails(name, case(T(3), T(3), T(3), value=2j), DTypeError, text)


three("addcmul", lambda x, y, z: x + y * z, {}, (*NUMBERS, *COMPLEX))
three("addcdiv", lambda x, y, z: x + y / z, {"low": 0.5, "high": 3.5}, INEXACT)
row(
    "lerp",
    [T(3, 4), T(3, 4), T(3, 4)],
    [T(3, 1), T(4), 0.25],
    [T(), T(), T(low=0.6, high=2)],
    [T(0, 3), T(3), 2],
    case(V([1e30, 1.0]), V([1.0, 3.0]), V([1.0, 0.0]), expect=[1.0, 1.0], only=[dtypes.float32, dtypes.float64]),
    reference=each(lambda x, y, weight: x + weight * (y - x) if abs(weight) < 0.5 else y - (y - x) * (1 - weight)),
    dtypes=INEXACT,
    budget="function",
    magnitude=lambda x, y, weight: (abs(x) + abs(y)) * (1 + abs(weight)),
)

# exponentials and logarithms


def _log(base: Callable[[float], float]) -> Callable[[float], float]:
    return lambda x: -INF if x == 0 else base(x)


LOGS = {"low": 0.3, "high": 4, "budget": "function"}
unary("exp", math.exp, {-INF: 0.0, INF: INF, NAN: NAN}, budget="function", of_complex=cmath.exp)
unary("exp2", lambda x: 2.0**x, {-INF: 0.0, INF: INF, 3.0: 8.0}, budget="function", of_complex=lambda x: 2.0**x)
unary("expm1", math.expm1, {-INF: -1.0, 0.0: 0.0, INF: INF}, budget="function", of_complex=lambda x: cmath.exp(x) - 1)
unary("log", _log(math.log), {0.0: -INF, -1.0: NAN, INF: INF, 1.0: 0.0}, **LOGS, of_complex=cmath.log)
unary("log2", _log(math.log2), {0.0: -INF, -1.0: NAN, 8.0: 3.0}, **LOGS, of_complex=lambda x: cmath.log(x) / math.log(2))
unary("log10", _log(math.log10), {0.0: -INF, -1.0: NAN, 100.0: 2.0}, **LOGS, of_complex=cmath.log10)
unary("log1p", lambda x: math.log1p(x), {-1.0: -INF, -2.0: NAN, 0.0: 0.0}, low=-0.7, high=3, budget="function", of_complex=lambda x: cmath.log(1 + x))


def _real(x: Any) -> float:
    return x.real


binary(
    "logaddexp",
    lambda x, y: max(x, y) + math.log1p(math.exp(-abs(x - y))),
    {(-INF, -INF): -INF, (INF, 1.0): INF, (NAN, 1.0): NAN},
    gives="float",
    budget="chain",
    of_complex=lambda x, y: max(x, y, key=_real) + cmath.log(1 + cmath.exp(min(x, y, key=_real) - max(x, y, key=_real))),
)



def _add_exp2(x: float, y: float) -> float:
    return max(x, y) + math.log2(1 + 2.0 ** -abs(x - y))


binary("logaddexp2", _add_exp2, {(-INF, -INF): -INF, (INF, 1.0): INF, (NAN, 1.0): NAN}, gives="float", budget="chain")


row(
    "float_power",
    [T(3, 4, low=1, high=3), T(4, low=0, high=3)],
    [T(low=1, high=3), 2],
    [2, T(0, 3)],
    case(V([-8.0, 0.0]), 1 / 3, expect=[NAN, 0.0], only=FLOATS),
    reference=each(lambda x, y: float(x) ** float(y)),
    gives="float64",
    dtypes=ALL,
    budget="function",
)
row("complex float_power", [T(2, 2), T(2)], [T(), 2j], [T(0, 3), 3], calls=FUNCTIONS["float_power"].call,
    reference=each(lambda x, y: complex(x) ** complex(y)), gives="complex128", dtypes=COMPLEX, budget="chain", grad=1)
for _name in ("float_power", "complex float_power"):
    fails(_name, [2, 3], ArgumentTypeError, "float_power: expected at least one tensor, got 2, 3.")

# trigonometric and hyperbolic functions

unary("sin", math.sin, {0.0: 0.0, INF: NAN}, budget="function", of_complex=cmath.sin)
unary("cos", math.cos, {0.0: 1.0, INF: NAN}, budget="function", of_complex=cmath.cos)
unary("tan", math.tan, {0.0: 0.0, INF: NAN}, low=-1.2, high=1.2, budget="function", of_complex=cmath.tan)
unary("asin", math.asin, {1.5: NAN, 0.0: 0.0}, low=-0.8, high=0.8, budget="function", of_complex=cmath.asin)
unary("acos", math.acos, {1.5: NAN, 1.0: 0.0}, low=-0.8, high=0.8, budget="function", of_complex=cmath.acos)
unary("atan", math.atan, {INF: math.pi / 2, -INF: -math.pi / 2}, budget="function", of_complex=cmath.atan)
binary(
    "atan2",
    math.atan2,
    {(0.0, -1.0): math.pi, (-1.0, 0.0): -math.pi / 2, (1.0, 0.0): math.pi / 2, (0.0, 0.0): 0.0},
    AWAY_FROM_0,
    gives="float",
    budget="function",
)
unary("sinh", math.sinh, {INF: INF, -INF: -INF}, budget="function", of_complex=cmath.sinh)
unary("cosh", math.cosh, {INF: INF, -INF: INF}, budget="function", of_complex=cmath.cosh)
unary("tanh", math.tanh, {INF: 1.0, -INF: -1.0, NAN: NAN}, budget="function", of_complex=cmath.tanh)
unary("asinh", math.asinh, {INF: INF, 0.0: 0.0}, budget="function", of_complex=cmath.asinh)
unary("acosh", math.acosh, {1.0: 0.0, 0.5: NAN, INF: INF}, low=1.3, high=4, budget="function", of_complex=cmath.acosh)
unary("atanh", math.atanh, {1.0: INF, -1.0: -INF, 1.5: NAN}, low=-0.8, high=0.8, budget="function", of_complex=cmath.atanh)

# copies and dtypes

unary("clone", lambda x: x, gives="same", budget="exact", of_complex=lambda x: x)
unary("alias", lambda x: x, gives="same", budget="exact", of_complex=lambda x: x)


def _converted(x: Any, dtype: Any) -> Any:
    kind = as_dtype(dtype)
    if kind.is_complex:
        return each(complex)(x)
    convert = float if kind.inexact else bool if kind is dtypes.bool_ else int
    return each(lambda value: convert(value if kind is dtypes.bool_ else value.real))(x)


row(
    "cast",
    [T(3, 4), dtypes.float32],
    case(T(3, 4), dtypes.float64, only=FLOATS),
    *[[T(3, low=0, high=4), kind] for kind in ALL],
    *[[V([[0, 1], [1, 0]]), kind] for kind in COMPLEX],
    [T(), dtypes.float32],
    [T(0, 3), dtypes.float32],
    reference=_converted,
    gives="cast",
    dtypes=EVERY,
    budget="exact",
    grad=0,
)
fails(
    "cast",
    [T(3), "float99"],
    DTypeError,
    f"dtype: 'float99' is not a tapeloom dtype. Give one of {', '.join(dtype.name for dtype in dtypes.ALL)}, "
    "as tapeloom.float32 or by name.",
)
