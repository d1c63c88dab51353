"""Comparison and logic: results are bool and have no gradient; ``where`` chooses by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import shapes
from tapeloom.errors import ShapeError
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.tape.op import OPS, function, op
from tapeloom.tape.policy import BITWISE, COMPARE, LOGICAL

if TYPE_CHECKING:
    from tapeloom.tape.roles import Mask, TensorLike
    from tapeloom.tape.tensor import Tensor


@op(dtype=COMPARE, aliases=("eq",))
def equal(x: TensorLike, y: TensorLike) -> Tensor:
    """``x == y``, element by element: public as ``eq``, for ``tapeloom.equal`` is one answer for two tensors."""


@op(dtype=COMPARE, aliases=("ne",))
def not_equal(x: TensorLike, y: TensorLike) -> Tensor:
    """``x != y``, element by element."""


@op(dtype=COMPARE, aliases=("lt",))
def less(x: TensorLike, y: TensorLike) -> Tensor:
    """``x < y``, element by element."""


@op(dtype=COMPARE, aliases=("le",))
def less_equal(x: TensorLike, y: TensorLike) -> Tensor:
    """``x <= y``, element by element."""


@op(dtype=COMPARE, aliases=("gt",))
def greater(x: TensorLike, y: TensorLike) -> Tensor:
    """``x > y``, element by element."""


@op(dtype=COMPARE, aliases=("ge",))
def greater_equal(x: TensorLike, y: TensorLike) -> Tensor:
    """``x >= y``, element by element."""


@op(dtype=LOGICAL)
def logical_and(x: TensorLike, y: TensorLike) -> Tensor:
    """Whether both are true (not zero)."""


@op(dtype=LOGICAL)
def logical_or(x: TensorLike, y: TensorLike) -> Tensor:
    """Whether at least one is true (not zero)."""


@op(dtype=LOGICAL)
def logical_xor(x: TensorLike, y: TensorLike) -> Tensor:
    """Whether exactly one is true (not zero)."""


@op(dtype=LOGICAL)
def logical_not(x: Tensor) -> Tensor:
    """Whether it is zero."""


@op(dtype=BITWISE, inplace=True)
def bitwise_and(x: TensorLike, y: TensorLike) -> Tensor:
    """The bits set in both; for bool, and."""


@op(dtype=BITWISE, inplace=True)
def bitwise_or(x: TensorLike, y: TensorLike) -> Tensor:
    """The bits set in either; for bool, or."""


@op(dtype=BITWISE, inplace=True)
def bitwise_xor(x: TensorLike, y: TensorLike) -> Tensor:
    """The bits set in exactly one."""


@op(dtype=BITWISE, inplace=True)
def bitwise_not(x: Tensor) -> Tensor:
    """All bits turned; for bool, not."""


@op(dtype=COMPARE)
def isnan(x: Tensor) -> Tensor:
    """Whether it is nan."""


@op(dtype=COMPARE)
def isinf(x: Tensor) -> Tensor:
    """Whether it is an infinity of either sign."""


@op(dtype=COMPARE)
def isfinite(x: Tensor) -> Tensor:
    """Whether it is neither nan nor an infinity."""


def _broadcasting(op: Any, *values: Any) -> None:
    shapes.broadcast(op.name, *(value.shape for value in values))


@op(method=False, check=_broadcasting)
def where(condition: Mask, x: TensorLike, y: TensorLike) -> Tensor:
    """``x`` where ``condition`` (bool) is true, else ``y``; shapes broadcast."""
where.gradient(
    x=lambda g, condition, ops: ops.where(condition, g, 0),
    y=lambda g, condition, ops: ops.where(condition, 0, g),
)


def _mask_fits(op: Any, x: Any, mask: Any, value: Any) -> None:
    if value.ndim:
        raise ShapeError(f"masked_fill: value must be a number or a 0-d tensor, got shape {value.shape}. Use tapeloom.where.")
    shapes.broadcast(op.name, x.shape, mask.shape)


@op(inplace=True, check=_mask_fits)
def masked_fill(x: Tensor, mask: Mask, value: TensorLike) -> Tensor:
    """``x`` with ``value`` where ``mask`` (bool, broadcast to ``x``) is true."""
masked_fill.gradient(
    x=lambda g, mask, ops: ops.where(mask, 0, g),
    value=lambda g, mask, ops: ops.where(mask, g, 0),
)


@function()
def isclose(x: Any, y: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """Whether ``|x - y| <= atol + rtol * |y|``, element by element; infinities must be equal."""
    shapes.broadcast("isclose", as_tensor_of("isclose", x).shape, as_tensor_of("isclose", y, "y").shape)
    close = OPS.equal(x, y)
    if x.dtype.is_floating_point or y.dtype.is_floating_point:
        near = OPS.less_equal(OPS.abs(OPS.subtract(x, y)), OPS.add(OPS.multiply(OPS.abs(y), rtol), atol))
        close = OPS.logical_or(close, OPS.logical_and(near, OPS.logical_and(OPS.isfinite(x), OPS.isfinite(y))))
        if equal_nan:
            close = OPS.logical_or(close, OPS.logical_and(OPS.isnan(x), OPS.isnan(y)))
    return close


@function(name="equal")
def equal_as_wholes(x: Any, y: Any) -> bool:
    """Whether two tensors have one shape and equal elements: one bool. Element by element it is ``eq``."""
    return as_tensor_of("equal", x).shape == as_tensor_of("equal", y, "y").shape and bool(OPS.equal(x, y).all())


@function()
def allclose(x: Any, y: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether all elements are close in the sense of ``isclose``."""
    as_tensor_of("allclose", x)
    as_tensor_of("allclose", y, "y")
    return bool(isclose(x, y, rtol, atol, equal_nan).all())
