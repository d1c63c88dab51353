"""The larger and the smaller of two, and bounds. Shapes broadcast, dtypes promote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import shapes
from tapeloom.call.op import function, op
from tapeloom.errors import ArgumentError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import shape_of

if TYPE_CHECKING:
    from tapeloom.op.parameter import TensorLike
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor

@op
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


@op
def fmax(input: TensorLike, other: TensorLike) -> Tensor:
    """The larger of the two, and where one is nan the other. Of equal elements ``input`` gets the gradient."""
fmax.gradient(
    input=lambda g, input, other, ops: ops.where(_first(ops.ge(input, other), other, ops), g, 0),
    other=lambda g, input, other, ops: ops.where(_first(ops.ge(input, other), other, ops), 0, g),
)


@op
def fmin(input: TensorLike, other: TensorLike) -> Tensor:
    """The smaller of the two, and where one is nan the other. Of equal elements ``input`` gets the gradient."""
fmin.gradient(
    input=lambda g, input, other, ops: ops.where(_first(ops.le(input, other), other, ops), g, 0),
    other=lambda g, input, other, ops: ops.where(_first(ops.le(input, other), other, ops), 0, g),
)


def _first(wins: Any, other: Any, ops: Any) -> Any:
    """Where the first operand is the result: where it ``wins``, or the other is nan."""
    return ops.logical_or(wins, ops.ne(other, other))


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




@function(inplace=True)
def clamp_min(input: Tensor, min: TensorLike) -> Tensor:
    """``input`` kept at or above ``min``: ``clamp`` with one bound."""
    return OPS.clamp(input, min, None)


@function(inplace=True)
def clamp_max(input: Tensor, max: TensorLike) -> Tensor:
    """``input`` kept at or below ``max``: ``clamp`` with one bound."""
    return OPS.clamp(input, None, max)
