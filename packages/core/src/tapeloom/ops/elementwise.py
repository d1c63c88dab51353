"""Elementwise ops: arithmetic, exponentials, trigonometry. Shapes broadcast, dtypes promote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import dtypes
from tapeloom.call.op import function, op, primitive
from tapeloom.call.promote import promoted
from tapeloom.errors import ArgumentError, DTypeError
from tapeloom.host import python_number
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.tensors.tensor import is_tensor

if TYPE_CHECKING:
    from tapeloom.op.parameter import DType, Number, TensorLike
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor

def zero_gradient(g: Any, ops: Any) -> Any:
    """The gradient 0, also where ``g`` is infinite."""
    return ops.zeros_of(g.shape, g)


# arithmetic


@op(complex="as written", inplace=True)
def add(input: TensorLike, other: TensorLike) -> Tensor:
    """``input + other``; with ``alpha=`` it is ``input + alpha * other``."""
add.gradient(input=lambda g: g, other=lambda g: g)


@add.extend
def _(input: TensorLike, other: TensorLike, *, alpha: Number = 1) -> Tensor:
    return OPS.add_scaled(input, other, _scale(OPS.add, alpha, input, other))


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
    return OPS.subtract_scaled(input, other, _scale(OPS.subtract, alpha, input, other))


@primitive(takes="no bool", complex="analytic")
def subtract_scaled(input: TensorLike, other: TensorLike, alpha: TensorLike) -> Tensor:
    """``input - alpha * other``, rounded once: ``subtract`` with ``alpha=``; no gradient flows to ``alpha``."""
subtract_scaled.gradient(input=lambda g: g, other=lambda g, alpha: -g * alpha)


def _scale(op: OpSchema, scale: Any, *inputs: Any) -> Any:
    """``alpha`` or ``value`` as a number that leaves the dtype of the result as it is."""
    name = "alpha" if len(inputs) == 2 else "value"
    number = as_number(op.name, name, scale, dtypes.NUMBERS)
    dtype = promoted(op, *inputs)
    if dtype is dtypes.bool_ and isinstance(number, int):
        return bool(number)
    if isinstance(number, bool) or dtypes.of_number(number).category > dtype.category:
        raise DTypeError(f"{op.name}: {name}={number} does not fit {dtype.name}, the dtype of the result. Cast one of the inputs first.")
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
floor_divide.gradient(input=zero_gradient, other=zero_gradient)


@primitive(takes="no bool")
def trunc_divide(input: TensorLike, other: TensorLike) -> Tensor:
    """``trunc(input / other)`` in the promoted dtype: ``divide(input, other, rounding_mode="trunc")``; its gradient is 0."""
trunc_divide.gradient(input=zero_gradient, other=zero_gradient)


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


@op(takes="no bool", complex="analytic", prepare=_integer_powers, inplace=True, autocast={"cuda": "float32"})
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
sign.gradient(input=zero_gradient)


@op(gives="float", complex="analytic", inplace=True, autocast={"cuda": "float32"})
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


@op(gives="float", complex="analytic", inplace=True, autocast={"cuda": "float32"})
def rsqrt(input: Tensor) -> Tensor:
    """``1 / sqrt(input)``."""
rsqrt.gradient(input=lambda g, out: g * (-0.5 * out * out * out))


@op(gives="float", inplace=True)
def hypot(input: TensorLike, other: TensorLike) -> Tensor:
    """``sqrt(input**2 + other**2)`` without overflow in between."""
hypot.gradient(input=lambda g, input, out: g * (input / out), other=lambda g, other, out: g * (other / out))


@op(complex="analytic", inplace=True, autocast={"cuda": "promote"})
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor) -> Tensor:
    """``input + tensor1 * tensor2``; with ``value=`` it is ``input + value * tensor1 * tensor2``."""
addcmul.gradient(
    input=lambda g: g,
    tensor1=lambda g, tensor2: g * tensor2,
    tensor2=lambda g, tensor1: g * tensor1,
)


@addcmul.extend
def _(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    return OPS.addcmul_scaled(input, tensor1, tensor2, _scale(OPS.addcmul, value, input, tensor1, tensor2))


@primitive(complex="analytic", autocast={"cuda": "promote"})
def addcmul_scaled(input: Tensor, tensor1: Tensor, tensor2: Tensor, value: TensorLike) -> Tensor:
    """``input + value * tensor1 * tensor2``: ``addcmul`` with ``value=``, to which no gradient flows."""
addcmul_scaled.gradient(
    input=lambda g: g,
    tensor1=lambda g, tensor2, value: g * (value * tensor2),
    tensor2=lambda g, tensor1, value: g * (value * tensor1),
)


@op(takes="inexact", complex="analytic", inplace=True, autocast={"cuda": "promote"})
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor) -> Tensor:
    """``input + tensor1 / tensor2``; with ``value=`` it is ``input + value * tensor1 / tensor2``."""
addcdiv.gradient(
    input=lambda g: g,
    tensor1=lambda g, tensor2: g / tensor2,
    tensor2=lambda g, tensor1, tensor2: -g * (tensor1 / (tensor2 * tensor2)),
)


@addcdiv.extend
def _(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    return OPS.addcdiv_scaled(input, tensor1, tensor2, _scale(OPS.addcdiv, value, input, tensor1, tensor2))


@primitive(takes="inexact", complex="analytic", autocast={"cuda": "promote"})
def addcdiv_scaled(input: Tensor, tensor1: Tensor, tensor2: Tensor, value: TensorLike) -> Tensor:
    """``input + value * tensor1 / tensor2``: ``addcdiv`` with ``value=``, to which no gradient flows."""
addcdiv_scaled.gradient(
    input=lambda g: g,
    tensor1=lambda g, tensor2, value: g * (value / tensor2),
    tensor2=lambda g, tensor1, tensor2, value: -g * (value * tensor1 / (tensor2 * tensor2)),
)


@op(takes="inexact", complex="analytic", inplace=True)
def lerp(input: Tensor, end: Tensor, weight: TensorLike) -> Tensor:
    """``input + weight * (end - input)``, exact at the weights 0 and 1."""
lerp.gradient(
    input=lambda g, weight: g * (1 - weight),
    end=lambda g, weight: g * weight,
    weight=lambda g, input, end: g * (end - input),
)


@op(gives="float", inplace=True)
def deg2rad(input: Tensor) -> Tensor:
    """Degrees as radians: ``input * pi / 180``."""
deg2rad.gradient(input=lambda g: g * 0.017453292519943295)


@op(gives="float", inplace=True)
def rad2deg(input: Tensor) -> Tensor:
    """Radians as degrees: ``input * 180 / pi``."""
rad2deg.gradient(input=lambda g: g * 57.29577951308232)


# exponentials and logarithms


@function(inplace=True)
def float_power(input: TensorLike, exponent: TensorLike) -> Tensor:
    """``input ** exponent`` computed in float64, or in complex128 where one of them is complex."""
    dtype = promoted(OPS.pow, input, exponent)
    wide = dtypes.complex128 if dtype.is_complex else dtypes.float64
    return OPS.pow(*[OPS.cast(value, wide) if is_tensor(value) else value for value in (input, exponent)])


@op(gives="float", complex="analytic", inplace=True, autocast={"cuda": "float32"})
def exp(input: Tensor) -> Tensor:
    """``e ** input``."""
exp.gradient(input=lambda g, out: g * out)


@op(gives="float", complex="analytic", inplace=True)
def exp2(input: Tensor) -> Tensor:
    """``2 ** input``."""
exp2.gradient(input=lambda g, out: g * (out * 0.6931471805599453))


@op(gives="float", complex="analytic", inplace=True, autocast={"cuda": "float32"})
def expm1(input: Tensor) -> Tensor:
    """``exp(input) - 1``, exact for small ``input``."""
expm1.gradient(input=lambda g, out: g * (out + 1))


@op(gives="float", complex="analytic", inplace=True, autocast={"cuda": "float32"})
def log(input: Tensor) -> Tensor:
    """The natural logarithm; -inf at 0, nan below."""
log.gradient(input=lambda g, input: g / input)


@op(gives="float", complex="analytic", inplace=True, autocast={"cuda": "float32"})
def log2(input: Tensor) -> Tensor:
    """The logarithm to base 2."""
log2.gradient(input=lambda g, input: g / (input * 0.6931471805599453))


@op(gives="float", complex="analytic", inplace=True, autocast={"cuda": "float32"})
def log10(input: Tensor) -> Tensor:
    """The logarithm to base 10."""
log10.gradient(input=lambda g, input: g / (input * 2.302585092994046))


@op(gives="float", complex="analytic", inplace=True, autocast={"cuda": "float32"})
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


@op(gives="float")
def logaddexp2(input: TensorLike, other: TensorLike) -> Tensor:
    """``log2(2**input + 2**other)`` without overflow."""
logaddexp2.gradient(
    input=lambda g, input, other, ops: g / (1 + ops.exp2(other - input)),
    other=lambda g, input, other, ops: g / (1 + ops.exp2(input - other)),
)


# trigonometric and hyperbolic functions


@op(gives="float", complex="analytic", inplace=True)
def sin(input: Tensor) -> Tensor:
    """The sine; ``input`` in radians."""
sin.gradient(input=lambda g, input, ops: g * ops.cos(input))


@op(gives="float", complex="analytic", inplace=True)
def cos(input: Tensor) -> Tensor:
    """The cosine; ``input`` in radians."""
cos.gradient(input=lambda g, input, ops: -g * ops.sin(input))


@op(gives="float", complex="analytic", inplace=True, autocast={"cuda": "float32"})
def tan(input: Tensor) -> Tensor:
    """The tangent; ``input`` in radians."""
tan.gradient(input=lambda g, out: g * (1 + out * out))


@op(gives="float", complex="analytic", aliases=("arcsin",), inplace=True, autocast={"cuda": "float32"})
def asin(input: Tensor) -> Tensor:
    """The angle in radians whose sine is ``input``; nan outside -1..1."""
asin.gradient(input=lambda g, input, ops: g * ops.rsqrt(1 - input * input))


@op(gives="float", complex="analytic", aliases=("arccos",), inplace=True, autocast={"cuda": "float32"})
def acos(input: Tensor) -> Tensor:
    """The angle in radians whose cosine is ``input``; nan outside -1..1."""
acos.gradient(input=lambda g, input, ops: -g * ops.rsqrt(1 - input * input))


@op(gives="float", complex="analytic", aliases=("arctan",), inplace=True)
def atan(input: Tensor) -> Tensor:
    """The angle in radians whose tangent is ``input``."""
atan.gradient(input=lambda g, input: g / (1 + input * input))


@op(gives="float", aliases=("arctan2",), inplace=True, autocast={"cuda": "promote"})
def atan2(input: TensorLike, other: TensorLike) -> Tensor:
    """The angle in radians of the point (``other``, ``input``): the first argument is the height, as in PyTorch."""
atan2.gradient(
    input=lambda g, input, other, ops: g * (other / _square_of_radius(input, other, ops)),
    other=lambda g, input, other, ops: g * (-input / _square_of_radius(input, other, ops)),
)


def _square_of_radius(input: Any, other: Any, ops: Any) -> Any:
    square = input * input + other * other
    return ops.where(ops.eq(square, 0), 1, square)  # at the origin the gradient is 0


@op(gives="float", complex="analytic", inplace=True, autocast={"cuda": "float32"})
def sinh(input: Tensor) -> Tensor:
    """The hyperbolic sine."""
sinh.gradient(input=lambda g, input, ops: g * ops.cosh(input))


@op(gives="float", complex="analytic", inplace=True, autocast={"cuda": "float32"})
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
