"""Elementwise ops: arithmetic, exponentials, trigonometry, rounding. Shapes broadcast, dtypes promote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.call.op import function, op, primitive
from tapeloom.call.promote import promoted
from tapeloom.errors import ArgumentError, DTypeError
from tapeloom.host import python_number
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, shape_of
from tapeloom.tensors.tensor import is_tensor

if TYPE_CHECKING:
    from tapeloom.op.parameter import DType, Number, TensorLike
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor

def _none(g: Any, ops: Any) -> Any:
    """The gradient 0, also where ``g`` is infinite."""
    return ops.zeros_of(g.shape, g)


# arithmetic


@op(complex="as written", inplace=True)
def add(input: TensorLike, other: TensorLike) -> Tensor:
    """``input + other``; with ``alpha=`` it is ``input + alpha * other``."""
add.gradient(input=lambda g: g, other=lambda g: g)


@add.extend
def _(input: TensorLike, other: TensorLike, *, alpha: Number = 1) -> Tensor:
    return OPS.add_scaled(input, other, _scale(OPS.add, input, other, alpha))


@primitive(complex="analytic")
def add_scaled(input: TensorLike, other: TensorLike, alpha: TensorLike) -> Tensor:
    """``input + alpha * other``, rounded once: ``add`` with ``alpha=``; no gradient flows to ``alpha``."""
add_scaled.gradient(input=lambda g: g, other=lambda g, alpha: g * alpha)


@op(takes="no bool", complex="as written", aliases=("sub",), inplace=True)
def subtract(input: TensorLike, other: TensorLike) -> Tensor:
    """``input - other``; with ``alpha=`` it is ``input - alpha * other``."""
subtract.gradient(input=lambda g: g, other=lambda g: -g)


@subtract.extend
def _(input: TensorLike, other: TensorLike, *, alpha: Number = 1) -> Tensor:
    return OPS.subtract_scaled(input, other, _scale(OPS.subtract, input, other, alpha))


@primitive(takes="no bool", complex="analytic")
def subtract_scaled(input: TensorLike, other: TensorLike, alpha: TensorLike) -> Tensor:
    """``input - alpha * other``, rounded once: ``subtract`` with ``alpha=``; no gradient flows to ``alpha``."""
subtract_scaled.gradient(input=lambda g: g, other=lambda g, alpha: -g * alpha)


def _scale(op: OpSchema, input: Any, other: Any, alpha: Any) -> Any:
    """``alpha`` as a number that leaves the dtype of the result as it is."""
    number = as_number(op.name, "alpha", alpha, dtypes.NUMBERS)
    dtype = promoted(op, input, other)
    if dtype is dtypes.bool_ and isinstance(number, int):
        return bool(number)
    if isinstance(number, bool) or dtypes.of_number(number).category > dtype.category:
        raise DTypeError(f"{op.name}: alpha={number} does not fit {dtype.name}, the dtype of the result. Cast one of the inputs first.")
    return number


@op(complex="analytic", aliases=("mul",), inplace=True)
def multiply(input: TensorLike, other: TensorLike) -> Tensor:
    """``input * other``, element by element."""
multiply.gradient(input=lambda g, other: g * other, other=lambda g, input: g * input)


@op(gives="float", complex="analytic", aliases=("div", "true_divide"), inplace=True)
def divide(input: TensorLike, other: TensorLike) -> Tensor:
    """``input / other``; integers give floats. ``rounding_mode="trunc"`` or ``"floor"`` rounds and keeps integers."""
divide.gradient(input=lambda g, other: g / other, other=lambda g, other, out: -g * (out / other))


@divide.extend
def _(input: TensorLike, other: TensorLike, *, rounding_mode: str | None = None) -> Tensor:
    if rounding_mode is None:
        return OPS.divide(input, other)
    if rounding_mode == "floor":
        return OPS.floor_divide(input, other)
    if rounding_mode == "trunc":
        return OPS.trunc_divide(input, other)
    raise ArgumentError(f"divide: rounding_mode must be None, 'trunc' or 'floor', got {rounding_mode!r}.")


@op(takes="no bool", inplace=True)
def floor_divide(input: TensorLike, other: TensorLike) -> Tensor:
    """``floor(input / other)`` in the promoted dtype; its gradient is 0."""
floor_divide.gradient(input=_none, other=_none)


@primitive(takes="no bool")
def trunc_divide(input: TensorLike, other: TensorLike) -> Tensor:
    """``trunc(input / other)`` in the promoted dtype: ``divide(input, other, rounding_mode="trunc")``; its gradient is 0."""
trunc_divide.gradient(input=_none, other=_none)


@op(takes="no bool", inplace=True)
def remainder(input: TensorLike, other: TensorLike) -> Tensor:
    """``input - other * floor(input / other)``: the remainder with the sign of ``other``."""
remainder.gradient(input=lambda g: g, other=lambda g, input, other, ops: -g * ops.floor_divide(input, other))


@op(takes="no bool", inplace=True)
def fmod(input: TensorLike, other: TensorLike) -> Tensor:
    """``input - other * trunc(input / other)``: the remainder with the sign of ``input``."""
fmod.gradient(input=lambda g: g, other=lambda g, input, other, ops: -g * ops.trunc(input / other))


def _integer_powers(op: Any, input: Any, exponent: Any) -> tuple[Any, Any]:
    if is_tensor(input) and not input.dtype.inexact:
        number = python_number(exponent)
        if isinstance(number, int) and number < 0:
            raise ArgumentError(
                f"{op.name}: integers to negative integer powers are no integers. Cast one of them first, for instance with .float()."
            )
    return input, exponent


@op(takes="no bool", complex="analytic", prepare=_integer_powers, inplace=True)
def pow(input: TensorLike, exponent: TensorLike) -> Tensor:
    """``input ** exponent``.

    At ``input = 0`` the gradients are those of PyTorch: 0 for ``exponent = 0``, and 0 for ``exponent`` where it is not negative.
    Of integers to negative powers in a tensor, 1 and -1 alone have one, and the others give 0; to a negative number they are
    refused.
    """
pow.gradient(
    input=lambda g, input, exponent, ops: ops.where(
        ops.eq(exponent, 0), 0, g * (exponent * ops.pow(input, ops.where(ops.eq(exponent, 0), 1, exponent) - 1))
    ),
    exponent=lambda g, input, exponent, out, input_dtype, ops: (
        g * (out * _log_of_base(input, exponent, input_dtype.is_complex, ops))
    ),
)


def _log_of_base(input: Any, exponent: Any, complex: bool, ops: Any) -> Any:
    zero = ops.eq(input, 0)
    base = ops.log(ops.where(zero, 1, input))
    below = ops.lt(ops.real(exponent) if complex else exponent, 0)
    return ops.where(zero, ops.where(below, float("-inf"), ops.zero_of(input)), base)


@op(takes="no bool", complex="as written", aliases=("neg",), inplace=True)
def negative(input: Tensor) -> Tensor:
    """``-input``."""
negative.gradient(input=lambda g: -g)


@function()
def positive(input: Tensor) -> Tensor:
    """``+input``: the tensor itself."""
    if as_tensor_of("positive", input).dtype.category == dtypes.BOOL:
        raise DTypeError("positive: bool tensors are not supported. Use a logical operation, or cast with .to(tapeloom.int64).")
    return input


@op(takes="no bool", gives="real", complex="as written", aliases=("absolute",), inplace=True)
def abs(input: Tensor) -> Tensor:
    """The absolute value, real; its gradient at 0 is 0."""
abs.gradient(input=lambda g, input, ops: g * ops.sgn(input))


@op(inplace=True)
def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1 by the sign; its gradient is 0. For complex numbers there is ``sgn``."""
sign.gradient(input=_none)


@op(gives="float", complex="analytic", inplace=True)
def reciprocal(input: Tensor) -> Tensor:
    """``1 / input``."""
reciprocal.gradient(input=lambda g, out: -g * out * out)


@op(gives="number", complex="analytic", inplace=True)
def square(input: Tensor) -> Tensor:
    """``input * input``; bool gives int64."""
square.gradient(input=lambda g, input: g * (2 * input))


@op(gives="float", complex="analytic", inplace=True)
def sqrt(input: Tensor) -> Tensor:
    """The square root; nan below 0."""
sqrt.gradient(input=lambda g, out: g / (2 * out))


@op(gives="float", complex="analytic", inplace=True)
def rsqrt(input: Tensor) -> Tensor:
    """``1 / sqrt(input)``."""
rsqrt.gradient(input=lambda g, out: g * (-0.5 * out * out * out))


@op(gives="float")
def hypot(input: TensorLike, other: TensorLike) -> Tensor:
    """``sqrt(input**2 + other**2)`` without overflow in between."""
hypot.gradient(input=lambda g, input, out: g * (input / out), other=lambda g, other, out: g * (other / out))


# exponentials and logarithms


@op(gives="float", complex="analytic", inplace=True)
def exp(input: Tensor) -> Tensor:
    """``e ** input``."""
exp.gradient(input=lambda g, out: g * out)


@op(gives="float", complex="analytic", inplace=True)
def exp2(input: Tensor) -> Tensor:
    """``2 ** input``."""
exp2.gradient(input=lambda g, out: g * (out * 0.6931471805599453))


@op(gives="float", complex="analytic", inplace=True)
def expm1(input: Tensor) -> Tensor:
    """``exp(input) - 1``, exact for small ``input``."""
expm1.gradient(input=lambda g, out: g * (out + 1))


@op(gives="float", complex="analytic", inplace=True)
def log(input: Tensor) -> Tensor:
    """The natural logarithm; -inf at 0, nan below."""
log.gradient(input=lambda g, input: g / input)


@op(gives="float", complex="analytic", inplace=True)
def log2(input: Tensor) -> Tensor:
    """The logarithm to base 2."""
log2.gradient(input=lambda g, input: g / (input * 0.6931471805599453))


@op(gives="float", complex="analytic", inplace=True)
def log10(input: Tensor) -> Tensor:
    """The logarithm to base 10."""
log10.gradient(input=lambda g, input: g / (input * 2.302585092994046))


@op(gives="float", complex="analytic", inplace=True)
def log1p(input: Tensor) -> Tensor:
    """``log(1 + input)``, exact for small ``input``."""
log1p.gradient(input=lambda g, input: g / (input + 1))


@op(gives="float", complex="analytic")
def logaddexp(input: TensorLike, other: TensorLike) -> Tensor:
    """``log(exp(input) + exp(other))`` without overflow."""
logaddexp.gradient(
    input=lambda g, input, other, ops: g * ops.sigmoid(input - other),
    other=lambda g, input, other, ops: g * ops.sigmoid(other - input),
)


@op(gives="float", inplace=True)
def erf(input: Tensor) -> Tensor:
    """The error function, 2/sqrt(pi) times the integral of exp(-t**2) from 0 to ``input``.

    Source: NIST Digital Library of Mathematical Functions, eq. 7.2.1.
    """
erf.gradient(input=lambda g, input, ops: g * (ops.exp(-input * input) * 1.1283791670955126))


# trigonometric and hyperbolic functions


@op(gives="float", complex="analytic", inplace=True)
def sin(input: Tensor) -> Tensor:
    """The sine; ``input`` in radians."""
sin.gradient(input=lambda g, input, ops: g * ops.cos(input))


@op(gives="float", complex="analytic", inplace=True)
def cos(input: Tensor) -> Tensor:
    """The cosine; ``input`` in radians."""
cos.gradient(input=lambda g, input, ops: -g * ops.sin(input))


@op(gives="float", complex="analytic", inplace=True)
def tan(input: Tensor) -> Tensor:
    """The tangent; ``input`` in radians."""
tan.gradient(input=lambda g, out: g * (1 + out * out))


@op(gives="float", complex="analytic", aliases=("arcsin",), inplace=True)
def asin(input: Tensor) -> Tensor:
    """The angle in radians whose sine is ``input``; nan outside -1..1."""
asin.gradient(input=lambda g, input, ops: g * ops.rsqrt(1 - input * input))


@op(gives="float", complex="analytic", aliases=("arccos",), inplace=True)
def acos(input: Tensor) -> Tensor:
    """The angle in radians whose cosine is ``input``; nan outside -1..1."""
acos.gradient(input=lambda g, input, ops: -g * ops.rsqrt(1 - input * input))


@op(gives="float", complex="analytic", aliases=("arctan",), inplace=True)
def atan(input: Tensor) -> Tensor:
    """The angle in radians whose tangent is ``input``."""
atan.gradient(input=lambda g, input: g / (1 + input * input))


@op(gives="float", aliases=("arctan2",), inplace=True)
def atan2(input: TensorLike, other: TensorLike) -> Tensor:
    """The angle in radians of the point (``other``, ``input``): the first argument is the height, as in PyTorch."""
atan2.gradient(
    input=lambda g, input, other, ops: g * (other / _square_of_radius(input, other, ops)),
    other=lambda g, input, other, ops: g * (-input / _square_of_radius(input, other, ops)),
)


def _square_of_radius(input: Any, other: Any, ops: Any) -> Any:
    square = input * input + other * other
    return ops.where(ops.eq(square, 0), 1, square)  # at the origin the gradient is 0


@op(gives="float", complex="analytic", inplace=True)
def sinh(input: Tensor) -> Tensor:
    """The hyperbolic sine."""
sinh.gradient(input=lambda g, input, ops: g * ops.cosh(input))


@op(gives="float", complex="analytic", inplace=True)
def cosh(input: Tensor) -> Tensor:
    """The hyperbolic cosine."""
cosh.gradient(input=lambda g, input, ops: g * ops.sinh(input))


@op(gives="float", complex="analytic", inplace=True)
def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""
tanh.gradient(input=lambda g, out: g * (1 - out * out))


@op(gives="float", complex="analytic", aliases=("arcsinh",), inplace=True)
def asinh(input: Tensor) -> Tensor:
    """The inverse of ``sinh``."""
asinh.gradient(input=lambda g, input, ops: g * ops.rsqrt(input * input + 1))


@op(gives="float", complex="analytic", aliases=("arccosh",), inplace=True)
def acosh(input: Tensor) -> Tensor:
    """The inverse of ``cosh``; nan below 1."""
acosh.gradient(
    input=lambda g, input, input_dtype, ops: (
        g * (ops.rsqrt(input - 1) * ops.rsqrt(input + 1))  # of one root, the sign would be wrong left of 0
        if input_dtype.is_complex
        else g * ops.rsqrt(input * input - 1)
    )
)


@op(gives="float", complex="analytic", aliases=("arctanh",), inplace=True)
def atanh(input: Tensor) -> Tensor:
    """The inverse of ``tanh``; nan outside -1..1."""
atanh.gradient(input=lambda g, input: g / (1 - input * input))


# rounding: the gradient is 0 almost everywhere


@op(takes="no bool", inplace=True)
def floor(input: Tensor) -> Tensor:
    """The largest integer not above ``input``."""
floor.gradient(input=_none)


@op(takes="no bool", inplace=True)
def ceil(input: Tensor) -> Tensor:
    """The smallest integer not below ``input``."""
ceil.gradient(input=_none)


@op(takes="no bool", aliases=("fix",), inplace=True)
def trunc(input: Tensor) -> Tensor:
    """The integer part."""
trunc.gradient(input=_none)


@op(takes="no bool", inplace=True)
def round(input: Tensor) -> Tensor:
    """The nearest integer, halves to even; with ``decimals=`` to that many decimal places."""
round.gradient(input=_none)


@round.extend
def _(input: Tensor, *, decimals: int = 0) -> Tensor:
    decimals = shapes.as_int("round", "decimals", decimals)
    return OPS.round_decimals(input, decimals) if decimals else OPS.round(input)


@primitive(takes="floating")
def round_decimals(input: Tensor, decimals: int) -> Tensor:
    """``input`` rounded to ``decimals`` decimal places, to tens, hundreds and so on where that is negative."""
round_decimals.gradient(input=_none)


# choosing


@op(inplace=False)
def maximum(input: TensorLike, other: TensorLike) -> Tensor:
    """The larger of the two; nan where either is. Equal elements share the gradient, half each."""
maximum.gradient(
    input=lambda g, input, other, ops: ops.where(ops.eq(input, other), g * 0.5, ops.where(ops.lt(input, other), 0, g)),
    other=lambda g, input, other, ops: ops.where(ops.eq(input, other), g * 0.5, ops.where(ops.lt(other, input), 0, g)),
)


@op
def minimum(input: TensorLike, other: TensorLike) -> Tensor:
    """The smaller of the two; nan where either is. Equal elements share the gradient, half each."""
minimum.gradient(
    input=lambda g, input, other, ops: ops.where(ops.eq(input, other), g * 0.5, ops.where(ops.gt(input, other), 0, g)),
    other=lambda g, input, other, ops: ops.where(ops.eq(input, other), g * 0.5, ops.where(ops.gt(other, input), 0, g)),
)


def _bounds(op: OpSchema, input: Any, min: Any, max: Any) -> tuple[Any, Any, Any]:
    if min is None and max is None:
        raise ArgumentError("clamp: at least one of min and max must be given.")
    return input, min, max


def _bounds_fit(op: OpSchema, input: Any, min: Any, max: Any) -> None:
    shapes.broadcast(op.name, *(shape_of(value) for value in (input, min, max) if value is not None))


def _inside(g: Any, input: Any, min: Any, max: Any, ops: Any) -> Any:
    if min is not None:
        g = ops.where(ops.ge(input, min), g, 0)
    if max is not None:
        g = ops.where(ops.le(input, max), g, 0)
    return g


@op(aliases=("clip",), prepare=_bounds, check=_bounds_fit, inplace=True)
def clamp(input: Tensor, min: TensorLike | None = None, max: TensorLike | None = None) -> Tensor:
    """``input`` kept within ``min`` and ``max`` (numbers or tensors; at least one). The bounds themselves pass the gradient."""
clamp.gradient(
    input=_inside,
    min=lambda g, input, min, max, ops: ops.where(
        ops.lt(input, min) if max is None else ops.logical_and(ops.lt(input, min), ops.lt(min, max)), g, 0
    ),
    max=lambda g, input, min, max, ops: ops.where(
        ops.gt(input, max) if min is None else ops.logical_or(ops.gt(input, max), ops.gt(min, max)), g, 0
    ),
)


# copies and dtypes


@op(complex="as written")
def clone(input: Tensor) -> Tensor:
    """A copy that shares nothing with ``input``; the gradient flows through it."""
clone.gradient(input=lambda g: g)


@primitive(complex="as written")
def alias(input: Tensor) -> Tensor:
    """Another tensor with the same value, a node of its own on the tape."""
alias.gradient(input=lambda g: g)


@primitive(moves=True)
def cast(input: Tensor, dtype: DType) -> Tensor:
    """``input`` in another dtype; the gradient is cast back."""
cast.gradient(input=lambda g, input_dtype, ops: ops.cast(g, input_dtype))
