"""Elementwise ops: arithmetic, exponentials, trigonometry, rounding. Shapes broadcast, dtypes promote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import shapes
from tapeloom.dtypes import as_dtype
from tapeloom.errors import ArgumentError
from tapeloom.tape.op import OPS, op
from tapeloom.tape.policy import FLOAT, GIVEN, NUMERIC

if TYPE_CHECKING:
    from tapeloom.tape.roles import DType, TensorLike
    from tapeloom.tape.tensor import Tensor

# arithmetic


@op(inplace=True)
def add(x: TensorLike, y: TensorLike) -> Tensor:
    """``x + y``; with ``alpha=`` it is ``x + alpha * y``."""
add.gradient(x=lambda g: g, y=lambda g: g)


@add.options
def _(x: Any, y: Any, *, alpha: Any = 1) -> Any:
    return OPS.add(x, OPS.multiply(y, alpha) if hasattr(y, "kind") else y * alpha)


@op(dtype=NUMERIC, aliases=("sub",), inplace=True)
def subtract(x: TensorLike, y: TensorLike) -> Tensor:
    """``x - y``; with ``alpha=`` it is ``x - alpha * y``."""
subtract.gradient(x=lambda g: g, y=lambda g: -g)


@subtract.options
def _(x: Any, y: Any, *, alpha: Any = 1) -> Any:
    return OPS.subtract(x, OPS.multiply(y, alpha) if hasattr(y, "kind") else y * alpha)


@op(aliases=("mul",), inplace=True)
def multiply(x: TensorLike, y: TensorLike) -> Tensor:
    """``x * y``, element by element."""
multiply.gradient(x=lambda g, y: g * y, y=lambda g, x: g * x)


@op(dtype=FLOAT, aliases=("div", "true_divide"), inplace=True)
def divide(x: TensorLike, y: TensorLike) -> Tensor:
    """``x / y``; integers give floats. ``rounding_mode="trunc"`` or ``"floor"`` rounds and keeps integers."""
divide.gradient(x=lambda g, y: g / y, y=lambda g, y, out: -g * (out / y))


@divide.options
def _(x: Any, y: Any, *, rounding_mode: str | None = None) -> Any:
    if rounding_mode is None:
        return OPS.divide(x, y)
    if rounding_mode == "floor":
        return OPS.floor_divide(x, y)
    if rounding_mode == "trunc":
        return OPS.trunc_divide(x, y)
    raise ArgumentError(f"divide: rounding_mode must be None, 'trunc' or 'floor', got {rounding_mode!r}.")


@op(inplace=True)
def floor_divide(x: TensorLike, y: TensorLike) -> Tensor:
    """``floor(x / y)`` in the promoted dtype; its gradient is 0."""
floor_divide.gradient(x=lambda g: g * 0, y=lambda g: g * 0)


@op(method=False)
def trunc_divide(x: TensorLike, y: TensorLike) -> Tensor:
    """``trunc(x / y)`` in the promoted dtype: ``divide(x, y, rounding_mode="trunc")``; its gradient is 0."""
trunc_divide.gradient(x=lambda g: g * 0, y=lambda g: g * 0)


@op(inplace=True)
def remainder(x: TensorLike, y: TensorLike) -> Tensor:
    """``x - y * floor(x / y)``: the remainder with the sign of ``y``."""
remainder.gradient(x=lambda g: g, y=lambda g, x, y, ops: -g * ops.floor_divide(x, y))


@op(inplace=True)
def fmod(x: TensorLike, y: TensorLike) -> Tensor:
    """``x - y * trunc(x / y)``: the remainder with the sign of ``x``."""
fmod.gradient(x=lambda g: g, y=lambda g, x, y, ops: -g * ops.trunc(x / y))


@op(inplace=True)
def pow(x: TensorLike, y: TensorLike) -> Tensor:
    """``x ** y``. At ``x = 0`` the gradients are those of PyTorch: 0 for ``y = 0``, and 0 for ``y`` where ``y >= 0``."""
pow.gradient(
    x=lambda g, x, y, ops: ops.where(ops.equal(y, 0), 0, g * (y * ops.pow(x, ops.where(ops.equal(y, 0), 1, y) - 1))),
    y=lambda g, x, y, out, ops: g * (out * _log_of_base(x, y, ops)),
)


def _log_of_base(x: Any, y: Any, ops: Any) -> Any:
    zero = ops.equal(x, 0)
    return ops.where(zero, ops.where(ops.less(y, 0), float("-inf"), ops.zero_of(x)), ops.log(ops.where(zero, 1, x)))


@op(dtype=NUMERIC, aliases=("neg",), inplace=True)
def negative(x: Tensor) -> Tensor:
    """``-x``."""
negative.gradient(x=lambda g: -g)


@op(dtype=NUMERIC, method=True)
def positive(x: Tensor) -> Tensor:
    """``+x``: the tensor itself."""
positive.gradient(x=lambda g: g)


@op(dtype=NUMERIC, aliases=("absolute",), inplace=True)
def abs(x: Tensor) -> Tensor:
    """The absolute value; its gradient at 0 is 0."""
abs.gradient(x=lambda g, x, ops: g * ops.sign(x))


@op(inplace=True)
def sign(x: Tensor) -> Tensor:
    """-1, 0 or 1 by the sign; its gradient is 0."""
sign.gradient(x=lambda g: g * 0)


@op(dtype=FLOAT, inplace=True)
def reciprocal(x: Tensor) -> Tensor:
    """``1 / x``."""
reciprocal.gradient(x=lambda g, out: -g * out * out)


@op(inplace=True)
def square(x: Tensor) -> Tensor:
    """``x * x``."""
square.gradient(x=lambda g, x: g * (2 * x))


@op(dtype=FLOAT, inplace=True)
def sqrt(x: Tensor) -> Tensor:
    """The square root; nan below 0."""
sqrt.gradient(x=lambda g, out: g / (2 * out))


@op(dtype=FLOAT, inplace=True)
def rsqrt(x: Tensor) -> Tensor:
    """``1 / sqrt(x)``."""
rsqrt.gradient(x=lambda g, out: g * (-0.5 * out * out * out))


@op(dtype=FLOAT)
def hypot(x: TensorLike, y: TensorLike) -> Tensor:
    """``sqrt(x**2 + y**2)`` without overflow in between."""
hypot.gradient(x=lambda g, x, out: g * (x / out), y=lambda g, y, out: g * (y / out))


# exponentials and logarithms


@op(dtype=FLOAT, inplace=True)
def exp(x: Tensor) -> Tensor:
    """``e ** x``."""
exp.gradient(x=lambda g, out: g * out)


@op(dtype=FLOAT, inplace=True)
def exp2(x: Tensor) -> Tensor:
    """``2 ** x``."""
exp2.gradient(x=lambda g, out: g * (out * 0.6931471805599453))


@op(dtype=FLOAT, inplace=True)
def expm1(x: Tensor) -> Tensor:
    """``exp(x) - 1``, exact for small ``x``."""
expm1.gradient(x=lambda g, out: g * (out + 1))


@op(dtype=FLOAT, inplace=True)
def log(x: Tensor) -> Tensor:
    """The natural logarithm; -inf at 0, nan below."""
log.gradient(x=lambda g, x: g / x)


@op(dtype=FLOAT, inplace=True)
def log2(x: Tensor) -> Tensor:
    """The logarithm to base 2."""
log2.gradient(x=lambda g, x: g / (x * 0.6931471805599453))


@op(dtype=FLOAT, inplace=True)
def log10(x: Tensor) -> Tensor:
    """The logarithm to base 10."""
log10.gradient(x=lambda g, x: g / (x * 2.302585092994046))


@op(dtype=FLOAT, inplace=True)
def log1p(x: Tensor) -> Tensor:
    """``log(1 + x)``, exact for small ``x``."""
log1p.gradient(x=lambda g, x: g / (x + 1))


@op(dtype=FLOAT)
def logaddexp(x: TensorLike, y: TensorLike) -> Tensor:
    """``log(exp(x) + exp(y))`` without overflow."""
logaddexp.gradient(x=lambda g, x, y, ops: g / (1 + ops.exp(y - x)), y=lambda g, x, y, ops: g / (1 + ops.exp(x - y)))


@op(dtype=FLOAT, inplace=True)
def erf(x: Tensor) -> Tensor:
    """The error function, 2/sqrt(pi) times the integral of exp(-t**2) from 0 to ``x``.

    Source: NIST Digital Library of Mathematical Functions, eq. 7.2.1.
    """
erf.gradient(x=lambda g, x, ops: g * (ops.exp(-x * x) * 1.1283791670955126))


# trigonometric and hyperbolic functions


@op(dtype=FLOAT, inplace=True)
def sin(x: Tensor) -> Tensor:
    """The sine; ``x`` in radians."""
sin.gradient(x=lambda g, x, ops: g * ops.cos(x))


@op(dtype=FLOAT, inplace=True)
def cos(x: Tensor) -> Tensor:
    """The cosine; ``x`` in radians."""
cos.gradient(x=lambda g, x, ops: -g * ops.sin(x))


@op(dtype=FLOAT, inplace=True)
def tan(x: Tensor) -> Tensor:
    """The tangent; ``x`` in radians."""
tan.gradient(x=lambda g, out: g * (1 + out * out))


@op(dtype=FLOAT, aliases=("arcsin",), inplace=True)
def asin(x: Tensor) -> Tensor:
    """The angle in radians whose sine is ``x``; nan outside -1..1."""
asin.gradient(x=lambda g, x, ops: g * ops.rsqrt(1 - x * x))


@op(dtype=FLOAT, aliases=("arccos",), inplace=True)
def acos(x: Tensor) -> Tensor:
    """The angle in radians whose cosine is ``x``; nan outside -1..1."""
acos.gradient(x=lambda g, x, ops: -g * ops.rsqrt(1 - x * x))


@op(dtype=FLOAT, aliases=("arctan",), inplace=True)
def atan(x: Tensor) -> Tensor:
    """The angle in radians whose tangent is ``x``."""
atan.gradient(x=lambda g, x: g / (1 + x * x))


@op(dtype=FLOAT, aliases=("arctan2",), inplace=True)
def atan2(x: TensorLike, y: TensorLike) -> Tensor:
    """The angle in radians of the point (``y``, ``x``): the first argument is the height, as in PyTorch."""
atan2.gradient(
    x=lambda g, x, y, ops: g * (y / _square_of_radius(x, y, ops)),
    y=lambda g, x, y, ops: g * (-x / _square_of_radius(x, y, ops)),
)


def _square_of_radius(x: Any, y: Any, ops: Any) -> Any:
    square = x * x + y * y
    return ops.where(ops.equal(square, 0), 1, square)  # at the origin the gradient is 0


@op(dtype=FLOAT, inplace=True)
def sinh(x: Tensor) -> Tensor:
    """The hyperbolic sine."""
sinh.gradient(x=lambda g, x, ops: g * ops.cosh(x))


@op(dtype=FLOAT, inplace=True)
def cosh(x: Tensor) -> Tensor:
    """The hyperbolic cosine."""
cosh.gradient(x=lambda g, x, ops: g * ops.sinh(x))


@op(dtype=FLOAT, inplace=True)
def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent."""
tanh.gradient(x=lambda g, out: g * (1 - out * out))


@op(dtype=FLOAT, aliases=("arcsinh",), inplace=True)
def asinh(x: Tensor) -> Tensor:
    """The inverse of ``sinh``."""
asinh.gradient(x=lambda g, x, ops: g * ops.rsqrt(x * x + 1))


@op(dtype=FLOAT, aliases=("arccosh",), inplace=True)
def acosh(x: Tensor) -> Tensor:
    """The inverse of ``cosh``; nan below 1."""
acosh.gradient(x=lambda g, x, ops: g * ops.rsqrt(x * x - 1))


@op(dtype=FLOAT, aliases=("arctanh",), inplace=True)
def atanh(x: Tensor) -> Tensor:
    """The inverse of ``tanh``; nan outside -1..1."""
atanh.gradient(x=lambda g, x: g / (1 - x * x))


# rounding: the gradient is 0 almost everywhere


@op(dtype=NUMERIC, inplace=True)
def floor(x: Tensor) -> Tensor:
    """The largest integer not above ``x``."""
floor.gradient(x=lambda g: g * 0)


@op(dtype=NUMERIC, inplace=True)
def ceil(x: Tensor) -> Tensor:
    """The smallest integer not below ``x``."""
ceil.gradient(x=lambda g: g * 0)


@op(dtype=NUMERIC, aliases=("fix",), inplace=True)
def trunc(x: Tensor) -> Tensor:
    """The integer part."""
trunc.gradient(x=lambda g: g * 0)


@op(dtype=NUMERIC, inplace=True)
def round(x: Tensor) -> Tensor:
    """The nearest integer, halves to even; with ``decimals=`` to that many decimal places."""
round.gradient(x=lambda g: g * 0)


@round.options
def _(x: Any, *, decimals: int = 0) -> Any:
    scale = 10.0 ** (decimals if decimals >= 0 else -decimals)
    if not decimals:
        return OPS.round(x)
    if decimals > 0:
        return OPS.divide(OPS.round(OPS.multiply(x, scale)), scale)
    return OPS.multiply(OPS.round(OPS.divide(x, scale)), scale)




# choosing


@op(inplace=False)
def maximum(x: TensorLike, y: TensorLike) -> Tensor:
    """The larger of the two; nan where either is. Equal elements share the gradient, half each."""
maximum.gradient(
    x=lambda g, x, y, ops: ops.where(ops.equal(x, y), g * 0.5, ops.where(ops.less(x, y), 0, g)),
    y=lambda g, x, y, ops: ops.where(ops.equal(x, y), g * 0.5, ops.where(ops.less(y, x), 0, g)),
)


@op
def minimum(x: TensorLike, y: TensorLike) -> Tensor:
    """The smaller of the two; nan where either is. Equal elements share the gradient, half each."""
minimum.gradient(
    x=lambda g, x, y, ops: ops.where(ops.equal(x, y), g * 0.5, ops.where(ops.greater(x, y), 0, g)),
    y=lambda g, x, y, ops: ops.where(ops.equal(x, y), g * 0.5, ops.where(ops.greater(y, x), 0, g)),
)


def _bounds(op: Any, x: Any, min: Any, max: Any) -> tuple[Any, Any, Any]:
    if min is None and max is None:
        raise ArgumentError("clamp: at least one of min and max must be given.")
    return x, min, max


def _bounds_fit(op: Any, x: Any, min: Any, max: Any) -> None:
    shapes.broadcast(op.name, *(value.shape for value in (x, min, max) if value is not None))


@op(aliases=("clip",), prepare=_bounds, check=_bounds_fit, inplace=True)
def clamp(x: Tensor, min: TensorLike | None = None, max: TensorLike | None = None) -> Tensor:
    """``x`` kept within ``min`` and ``max`` (numbers or tensors; at least one). The bounds themselves pass the gradient."""
clamp.gradient(
    x=lambda g, x, min, max, ops: _inside(g, x, min, max, ops),
    min=lambda g, x, min, max, ops: ops.where(
        ops.less(x, min) if max is None else ops.logical_and(ops.less(x, min), ops.less(min, max)), g, 0
    ),
    max=lambda g, x, min, max, ops: ops.where(
        ops.greater(x, max) if min is None else ops.logical_or(ops.greater(x, max), ops.greater(min, max)), g, 0
    ),
)


def _inside(g: Any, x: Any, min: Any, max: Any, ops: Any) -> Any:
    if min is not None:
        g = ops.where(ops.greater_equal(x, min), g, 0)
    if max is not None:
        g = ops.where(ops.less_equal(x, max), g, 0)
    return g


# copies and dtypes


@op
def clone(x: Tensor) -> Tensor:
    """A copy that shares nothing with ``x``; the gradient flows through it."""
clone.gradient(x=lambda g: g)


@op(method=False)
def alias(x: Tensor) -> Tensor:
    """Another tensor with the same value, a node of its own on the tape."""
alias.gradient(x=lambda g: g)


def _same_dtype(op: Any, x: Any, dtype: Any) -> tuple[Any, Any]:
    return x, as_dtype(dtype)


@op(dtype=GIVEN, prepare=_same_dtype, method=False)
def cast(x: Tensor, dtype: DType) -> Tensor:
    """``x`` in another dtype; the gradient is cast back."""
cast.gradient(x=lambda g, x_dtype, ops: ops.cast(g, x_dtype))
