"""Complex numbers: put together, taken apart, conjugated.

The gradient of a real loss L by z = x + iy is ``dL/dx + i dL/dy``, as in PyTorch: the conjugate of the derivative, and the
direction of steepest ascent.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tapeloom import dtypes
from tapeloom.call.op import function, op, primitive
from tapeloom.errors import DTypeError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.ops.creation import full_like
from tapeloom.ops.handles import copy_
from tapeloom.ops.movement import transpose

if TYPE_CHECKING:
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor

# parts


@primitive(takes="complex", gives="real", complex="as written", view=True)
def real(input: Tensor) -> Tensor:
    """The real part."""
real.gradient(input=lambda g, input_dtype, ops: ops.cast(g, input_dtype))
real.write = lambda base, value: OPS.complex(value, OPS.imag(base))


@primitive(takes="complex", gives="real", complex="as written", view=True)
def imag(input: Tensor) -> Tensor:
    """The imaginary part."""
imag.gradient(input=lambda g, ops: ops.complex(ops.zeros_of(g.shape, g), g))
imag.write = lambda base, value: OPS.complex(OPS.real(base), value)


@op(takes="floating", gives="complex", method=False)
def complex(real: Tensor, imag: Tensor) -> Tensor:
    """``real + i * imag``; float16, bfloat16 and float32 give complex64, float64 gives complex128. Shapes broadcast."""
complex.gradient(
    real=lambda g, real_dtype, ops: ops.cast(ops.real(g), real_dtype),
    imag=lambda g, imag_dtype, ops: ops.cast(ops.imag(g), imag_dtype),
)


@primitive(complex="as written", view=True)
def conj(input: Tensor) -> Tensor:
    """The conjugate."""
conj.gradient(input=lambda g, ops: ops.conj(g))
conj.write = lambda base, value: OPS.conj(value)


@op(takes="complex", gives="real", complex="as written", method=False, view=True)
def view_as_real(input: Tensor) -> Tensor:
    """The real and imaginary parts side by side, in a last dimension of length 2."""
view_as_real.gradient(input=lambda g, ops: ops.view_as_complex(g))
view_as_real.write = lambda base, value: OPS.view_as_complex(value)


def _pairs(op: OpSchema, input: Tensor) -> None:
    if input.shape[-1:] != (2,):
        raise ShapeError(
            f"view_as_complex: the last dimension must hold real and imaginary part and have length 2, got shape {input.shape}."
        )


@op(takes="floating", gives="complex", method=False, view=True, check=_pairs, autocast={"cpu": "float32"})
def view_as_complex(input: Tensor) -> Tensor:
    """Complex numbers from their real and imaginary parts, which lie side by side in the last dimension."""
view_as_complex.gradient(input=lambda g, input_dtype, ops: ops.cast(ops.view_as_real(g), input_dtype))
view_as_complex.write = lambda base, value: OPS.cast(OPS.view_as_real(value), base.dtype)


# what users call: a real tensor is its own real part and its own conjugate


@function(name="real", method=False)
def real_part(input: Tensor) -> Tensor:
    """The real part, a view; a real tensor is its own."""
    return OPS.real(input) if as_tensor_of("real", input).is_complex() else input


@function(name="imag", method=False)
def imaginary_part(input: Tensor) -> Tensor:
    """The imaginary part, a view. Raises DTypeError for a real tensor."""
    if not as_tensor_of("imag", input).is_complex():
        raise DTypeError(f"imag: a {input.dtype.name} tensor has no imaginary part. Test with .is_complex() first.")
    return OPS.imag(input)


def set_real(input: Tensor, value: Tensor) -> None:
    """``input.real = value``."""
    copy_(real_part(input), value)


def set_imag(input: Tensor, value: Tensor) -> None:
    """``input.imag = value``."""
    copy_(imaginary_part(input), value)


@function(name="conj")
def conjugate(input: Tensor) -> Tensor:
    """The conjugate, a view; a real tensor is its own."""
    return OPS.conj(input) if as_tensor_of("conj", input).is_complex() else input


@function(inplace=True)
def conj_physical(input: Tensor) -> Tensor:
    """The conjugate as a tensor of its own; a real tensor is its own."""
    return OPS.clone(OPS.conj(input)) if as_tensor_of("conj_physical", input).is_complex() else input


@function()
def resolve_conj(input: Tensor) -> Tensor:
    """The tensor itself: when a conjugate is computed is the backend's business."""
    return as_tensor_of("resolve_conj", input)


@function()
def resolve_neg(input: Tensor) -> Tensor:
    """The tensor itself: when the part of a conjugate is negated is the backend's business."""
    return as_tensor_of("resolve_neg", input)


@function()
def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions swapped and conjugated."""
    if not as_tensor_of("adjoint", input).ndim:
        return conjugate(input)
    if input.ndim < 2:
        raise ShapeError(f"adjoint: expected at least 2 dimensions, got shape {input.shape}.")
    return conjugate(transpose(input, -2, -1))


# magnitude and direction


@op(complex="as written", inplace=True)
def sgn(input: Tensor) -> Tensor:
    """The direction: ``input / |input|``, and 0 where it is 0; of real numbers the sign."""
sgn.gradient(
    input=lambda g, input, out, input_dtype, ops: (
        _turn(g, input, out, ops) if input_dtype.is_complex else ops.zeros_of(g.shape, g)
    )
)


def _turn(g: Any, input: Any, out: Any, ops: Any) -> Any:
    """What of ``g`` lies across the direction ``out``, divided by the length of ``input``: a direction can only turn."""
    size = ops.abs(input)
    across = g - out * ops.real(g * ops.conj(out))
    return ops.where(ops.eq(size, 0), 0, across / ops.where(ops.eq(size, 0), 1, size))


@function()
def angle(input: Tensor) -> Tensor:
    """The angle of a complex number in radians; of a real one 0, or pi where it is negative. nan stays nan."""
    if as_tensor_of("angle", input).is_complex():
        return OPS.atan2(OPS.imag(input), OPS.real(input))
    x = input if input.dtype.is_floating_point else OPS.cast(input, dtypes.get_default_dtype())
    return OPS.where(OPS.isnan(x), x, OPS.where(OPS.lt(x, 0), OPS.full_of(x, math.pi), 0))


@function(method=False, autocast={"cpu": "float32"})
def polar(abs: Tensor, angle: Tensor) -> Tensor:
    """The complex number of magnitude ``abs`` in the direction ``angle`` (radians)."""
    for parameter, value in (("abs", abs), ("angle", angle)):
        if not as_tensor_of("polar", value, parameter).dtype.is_floating_point:
            raise DTypeError(f"polar: {parameter} must be a floating tensor, got {value.dtype.name}. Cast it with .float().")
    return OPS.complex(OPS.multiply(abs, OPS.cos(angle)), OPS.multiply(abs, OPS.sin(angle)))


# questions


@function(method=False)
def is_complex(input: Tensor) -> bool:
    """Whether the dtype of ``input`` is complex."""
    return as_tensor_of("is_complex", input).is_complex()


@function()
def is_conj(input: Tensor) -> bool:
    """False: a tensor holds its values as they are, a conjugate too."""
    as_tensor_of("is_conj", input)
    return False


@function()
def is_neg(input: Tensor) -> bool:
    """False: a tensor holds its values as they are, a negative too."""
    as_tensor_of("is_neg", input)
    return False


@function()
def is_signed(input: Tensor) -> bool:
    """Whether the dtype of ``input`` has negative numbers."""
    return as_tensor_of("is_signed", input).dtype.is_signed


@function()
def isreal(input: Tensor) -> Tensor:
    """Whether the imaginary part is 0, element by element; real tensors are real everywhere."""
    if as_tensor_of("isreal", input).is_complex():
        return OPS.eq(OPS.imag(input), 0)
    return full_like(input, True, dtype=dtypes.bool_)
