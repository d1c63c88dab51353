"""Comparison and logic: results are bool and have no gradient; ``where`` chooses by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.call.op import function, op
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import FUNCTIONS, OPS
from tapeloom.ops.arguments import as_tensor_of, shape_of
from tapeloom.tensors.tensor import is_tensor

if TYPE_CHECKING:
    from tapeloom.op.parameter import Mask, TensorLike
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor


@op(gives="bool", complex="as written", inplace=True)
def eq(input: TensorLike, other: TensorLike) -> Tensor:
    """``input == other``, element by element; ``equal`` is one answer for two tensors."""


@op(gives="bool", complex="as written", aliases=("not_equal",), inplace=True)
def ne(input: TensorLike, other: TensorLike) -> Tensor:
    """``input != other``, element by element."""


@op(gives="bool", aliases=("less",), inplace=True)
def lt(input: TensorLike, other: TensorLike) -> Tensor:
    """``input < other``, element by element."""


@op(gives="bool", aliases=("less_equal",), inplace=True)
def le(input: TensorLike, other: TensorLike) -> Tensor:
    """``input <= other``, element by element."""


@op(gives="bool", aliases=("greater",), inplace=True)
def gt(input: TensorLike, other: TensorLike) -> Tensor:
    """``input > other``, element by element."""


@op(gives="bool", aliases=("greater_equal",), inplace=True)
def ge(input: TensorLike, other: TensorLike) -> Tensor:
    """``input >= other``, element by element."""


@op(gives="bool", complex="as written", inplace=True)
def logical_and(input: TensorLike, other: TensorLike) -> Tensor:
    """Whether both are true (not zero)."""


@op(gives="bool", complex="as written", inplace=True)
def logical_or(input: TensorLike, other: TensorLike) -> Tensor:
    """Whether at least one is true (not zero)."""


@op(gives="bool", complex="as written", inplace=True)
def logical_xor(input: TensorLike, other: TensorLike) -> Tensor:
    """Whether exactly one is true (not zero)."""


@op(gives="bool", complex="as written", inplace=True)
def logical_not(input: Tensor) -> Tensor:
    """Whether it is zero."""


@op(takes="integral", inplace=True)
def bitwise_and(input: TensorLike, other: TensorLike) -> Tensor:
    """The bits set in both; for bool, and."""


@op(takes="integral", inplace=True)
def bitwise_or(input: TensorLike, other: TensorLike) -> Tensor:
    """The bits set in either; for bool, or."""


@op(takes="integral", inplace=True)
def bitwise_xor(input: TensorLike, other: TensorLike) -> Tensor:
    """The bits set in exactly one."""


@op(takes="integer", inplace=True)
def bitwise_left_shift(input: TensorLike, other: TensorLike) -> Tensor:
    """The bits of ``input`` moved up by ``other`` places, ``input << other``; 0 where that is negative or moves all of them out."""


@op(takes="integer", inplace=True)
def bitwise_right_shift(input: TensorLike, other: TensorLike) -> Tensor:
    """The bits of ``input`` moved down by ``other`` places, ``input >> other``, the sign kept; all of them where that is negative."""


@op(takes="integral", inplace=True)
def bitwise_not(input: Tensor) -> Tensor:
    """All bits turned; for bool, not."""


@op(gives="bool", complex="as written")
def isnan(input: Tensor) -> Tensor:
    """Whether it is nan."""


@op(gives="bool", complex="as written")
def isinf(input: Tensor) -> Tensor:
    """Whether it is an infinity of either sign."""


@op(gives="bool", complex="as written")
def isfinite(input: Tensor) -> Tensor:
    """Whether it is neither nan nor an infinity."""


def _broadcasting(op: OpSchema, *values: Any) -> None:
    shapes.broadcast(op.name, *map(shape_of, values))


@op(complex="as written", method=False, check=_broadcasting)
def where(condition: Mask, input: TensorLike, other: TensorLike) -> Tensor:
    """``input`` where ``condition`` (bool) is true, else ``other``; shapes broadcast. Of one tensor, ``nonzero`` as a tuple."""
where.gradient(
    input=lambda g, condition, ops: ops.where(condition, g, 0),
    other=lambda g, condition, ops: ops.where(condition, 0, g),
)
where.public.overloads = (
    "(condition: Tensor, input: TensorLike, other: TensorLike) -> Tensor",
    "(condition: Tensor) -> tuple[Tensor, ...]",
)


@where.extend
def _(condition: Mask, input: TensorLike | None = None, other: TensorLike | None = None) -> Tensor | tuple[Tensor, ...]:
    if input is None and other is None:
        return FUNCTIONS["nonzero"].call(condition, as_tuple=True)
    if input is None or other is None:
        raise ArgumentTypeError("where: give both input and other, or neither for the positions of what is not zero.")
    return OPS.where(condition, input, other)


def where_method(self: Tensor, condition: Mask, other: TensorLike) -> Tensor:
    """This tensor where ``condition`` (bool) is true, else ``other``; shapes broadcast."""
    return OPS.where(condition, self, other)


def fillable(name: str, input: Any, value: Any) -> Any:
    """``value`` as something that takes the dtype of ``input``, which must be able to hold it, as in PyTorch."""
    if isinstance(value, dtypes.NUMBERS):
        return dtypes.storable(name, value, as_tensor_of(name, input).dtype)
    if is_tensor(value) and is_tensor(input) and value.dtype is not input.dtype and not value.ndim:
        if value.is_complex() and not input.is_complex():
            raise DTypeError(
                f"{name}: a {value.dtype.name} value cannot be put into {input.dtype.name}. Cast the tensor to a complex dtype first."
            )
        if input.dtype.category == dtypes.INTEGER:
            dtypes.fitting(name, value.item(), input.dtype)
    return value


def _filling(op: OpSchema, input: Any, mask: Any, value: Any) -> tuple[Any, Any, Any]:
    return input, mask, fillable(op.name, input, value)


def _mask_fits(op: OpSchema, input: Tensor, mask: Tensor, value: Any) -> None:
    if shape_of(value):
        raise ShapeError(f"masked_fill: value must be a number or a 0-d tensor, got shape {value.shape}. Use tapeloom.where.")
    shapes.broadcast(op.name, input.shape, mask.shape)


@op(gives="first", complex="as written", inplace=True, prepare=_filling, check=_mask_fits)
def masked_fill(input: Tensor, mask: Mask, value: TensorLike) -> Tensor:
    """``input`` with ``value`` where ``mask`` (bool, broadcast to ``input``) is true; the dtype stays that of ``input``."""
masked_fill.gradient(
    input=lambda g, mask, ops: ops.where(mask, 0, g),
    value=lambda g, mask, ops: ops.where(mask, g, 0),
)


@function()
def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """Whether ``|input - other| <= atol + rtol * |other|``, element by element; infinities must be equal."""
    shapes.broadcast("isclose", as_tensor_of("isclose", input).shape, as_tensor_of("isclose", other, "other").shape)
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if not as_number("isclose", name, tolerance) >= 0:
            raise ArgumentError(f"isclose: {name} must not be negative, got {tolerance!r}.")
    exact = not (input.dtype.inexact or other.dtype.inexact)
    if exact:
        input, other = OPS.cast(input, dtypes.int64), OPS.cast(other, dtypes.int64)
    size = OPS.abs(OPS.cast(other, dtypes.float64) if exact else other)
    room = OPS.add(OPS.multiply(size, rtol), atol)
    if exact:
        larger, smaller = OPS.maximum(input, other), OPS.minimum(input, other)
        apart = OPS.subtract(larger, smaller)  # where it passes the largest number it is negative, and there not exact
        wide = OPS.subtract(OPS.cast(larger, dtypes.float64), OPS.cast(smaller, dtypes.float64))
        return OPS.logical_or(OPS.eq(input, other), OPS.le(OPS.where(OPS.lt(apart, 0), wide, apart), room))
    near = OPS.logical_and(OPS.le(OPS.abs(OPS.subtract(input, other)), room), OPS.isfinite(input))
    close = OPS.logical_or(OPS.eq(input, other), OPS.logical_and(near, OPS.isfinite(other)))
    return OPS.logical_or(close, OPS.logical_and(OPS.isnan(input), OPS.isnan(other))) if equal_nan else close


@function()
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape."""
    return as_tensor_of("is_same_size", input).shape == as_tensor_of("is_same_size", other, "other").shape


@function()
def is_nonzero(input: Tensor) -> bool:
    """Whether the one element of ``input`` is not zero."""
    if as_tensor_of("is_nonzero", input).numel() != 1:
        raise ShapeError(f"is_nonzero: expected one element, got shape {input.shape}. Reduce it with .any() or .all() first.")
    return bool(input)


@function()
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape and equal elements: one bool; ``eq`` compares element by element."""
    return as_tensor_of("equal", input).shape == as_tensor_of("equal", other, "other").shape and bool(OPS.eq(input, other).all())


@function()
def allclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether all elements are close in the sense of ``isclose``."""
    as_tensor_of("allclose", input)
    as_tensor_of("allclose", other, "other")
    return bool(isclose(input, other, rtol, atol, equal_nan).all())
