"""Rounding, and what a number is made of: sign, fraction, exponent, divisors. Shapes broadcast, dtypes promote."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from tapeloom import dtypes, shapes
from tapeloom.call.op import function, op, primitive
from tapeloom.call.promote import promoted
from tapeloom.errors import DTypeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.ops.elementwise import zero_gradient
from tapeloom.tensors.tensor import Tensor

if TYPE_CHECKING:
    from tapeloom.op.parameter import TensorLike
    from tapeloom.op.schema import OpSchema

# rounding: the gradient is 0 almost everywhere


@op(takes="no bool", inplace=True)
def floor(input: Tensor) -> Tensor:
    """The largest integer not above ``input``."""
floor.gradient(input=zero_gradient)


@op(takes="no bool", inplace=True)
def ceil(input: Tensor) -> Tensor:
    """The smallest integer not below ``input``."""
ceil.gradient(input=zero_gradient)


@op(takes="no bool", aliases=("fix",), inplace=True)
def trunc(input: Tensor) -> Tensor:
    """The integer part."""
trunc.gradient(input=zero_gradient)


@op(takes="no bool", inplace=True)
def round(input: Tensor) -> Tensor:
    """The nearest integer, halves to even; with ``decimals=`` to that many decimal places."""
round.gradient(input=zero_gradient)


@round.extend
def _(input: Tensor, *, decimals: int = 0) -> Tensor:
    decimals = shapes.as_int("round", "decimals", decimals)
    return OPS.round_decimals(input, decimals) if decimals else OPS.round(input)


@primitive(takes="floating")
def round_decimals(input: Tensor, decimals: int) -> Tensor:
    """``input`` rounded to ``decimals`` decimal places, to tens, hundreds and so on where that is negative."""
round_decimals.gradient(input=zero_gradient)


@op(takes="floating", inplace=True)
def frac(input: Tensor) -> Tensor:
    """The part behind the point, with the sign of ``input``: ``input - trunc(input)``."""
frac.gradient(input=lambda g: g)


# sign


@op(gives="float", inplace=True)
def copysign(input: TensorLike, other: TensorLike) -> Tensor:
    """The magnitude of ``input`` with the sign of ``other``, that of a zero included; the gradient at 0 is 0."""
copysign.gradient(
    input=lambda g, input, out, ops: ops.where(ops.eq(input, 0), 0, g * (out / ops.where(ops.eq(input, 0), 1, input))),
    other=zero_gradient,
)


@op(gives="bool")
def signbit(input: Tensor) -> Tensor:
    """Whether the sign is minus, that of -0.0 included."""


def _same_dtypes(op: OpSchema, input: Any, values: Any) -> tuple[Any, Any]:
    both = isinstance(input, Tensor) and isinstance(values, Tensor)
    if both and input.dtype is not values.dtype and not (input.is_complex() or values.is_complex()):
        raise DTypeError(
            f"{op.name}: input is {input.dtype.name}, and values is {values.dtype.name}; they must be the same. "
            f"Cast one of them with .to(dtype)."
        )
    return input, values


@op(inplace=True, prepare=_same_dtypes)
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below 0 and for nan, 1 above 0, ``values`` at 0. It has no gradient."""


# nan and infinities


def _replacements(op: OpSchema, input: Any, nan: Any, posinf: Any, neginf: Any) -> tuple[Any, Any, Any, Any]:
    dtype = as_tensor_of(op.name, input).dtype
    most, least = (dtype.real.max, dtype.real.min) if dtype.inexact else (0.0, 0.0)
    return input, 0.0 if nan is None else nan, most if posinf is None else posinf, least if neginf is None else neginf


@op(complex="as written", inplace=True, prepare=_replacements)
def nan_to_num(input: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """``input`` with numbers for nan (0) and for the infinities (the largest and the least of the dtype); their gradient is 0.

    Of complex numbers the parts are looked at one by one.
    """
nan_to_num.gradient(input=lambda g, input, ops: ops.where(ops.isfinite(input), g, 0))


@op(gives="bool")
def isposinf(input: Tensor) -> Tensor:
    """Whether it is positive infinity."""


@op(gives="bool")
def isneginf(input: Tensor) -> Tensor:
    """Whether it is negative infinity."""


# exponent and neighbours


class MantissaAndExponent(NamedTuple):
    """The two results of ``frexp``."""

    mantissa: Tensor
    exponent: Tensor


@op(takes="floating", outputs=MantissaAndExponent)
def frexp(input: Tensor) -> MantissaAndExponent:
    """``input`` as ``mantissa * 2**exponent``: a mantissa of magnitude 0.5 to 1, and an int32 exponent.

    0, infinities and nan are their own mantissa, with exponent 0.
    """
frexp.gradient(input=lambda g, out, input_dtype, ops: g.mantissa * ops.exp2(-ops.cast(out.exponent, input_dtype)))


@function(inplace=True)
def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """``input * 2**other`` in the promoted dtype, float32 for integers; ``other`` may be any tensor.

    Of integers ``other`` the power may be beyond all numbers where the result is not.
    """
    exact = not any(as_tensor_of("ldexp", x, name).dtype.inexact for x, name in ((input, "input"), (other, "other")))
    dtype = dtypes.get_default_dtype() if exact else promoted(OPS.divide, input, other)
    if other.dtype.category != dtypes.INTEGER:
        return OPS.multiply(input, OPS.exp2(OPS.cast(other, dtype)))
    most = 3 * (math.frexp(dtype.max)[1] - 2)  # with which all results are 0 or infinite; a third of it has a power
    exponent = OPS.clamp(OPS.cast(other, dtypes.float64), -most, most)
    third = OPS.trunc(exponent / 3)
    for part in (third, third, exponent - third - third):
        input = OPS.multiply(input, OPS.cast(OPS.exp2(part), dtype.real))  # rounded, as not every exp2 is exact
    return input


@op(takes="floating", inplace=True)
def nextafter(input: Tensor, other: Tensor) -> Tensor:
    """The number next to ``input`` in the direction of ``other``, ``other`` itself where they are equal."""
nextafter.gradient(input=lambda g, input, other, ops: ops.where(ops.eq(input, other), 0, g), other=zero_gradient)


# integers


@op(takes="integer", inplace=True)
def gcd(input: Tensor, other: Tensor) -> Tensor:
    """The greatest common divisor of integers, not negative; that of 0 and 0 is 0."""


@op(takes="integer", inplace=True)
def lcm(input: Tensor, other: Tensor) -> Tensor:
    """The least common multiple of integers, not negative; that of 0 and any is 0."""
