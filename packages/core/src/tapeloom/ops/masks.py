"""Masks and positions: elements put where a mask is true, and where the elements are that are not zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom import shapes
from tapeloom.call.op import function, op
from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, require
from tapeloom.tensors.tensor import read_array

if TYPE_CHECKING:
    from tapeloom.op.parameter import Mask, Position
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor


def _check_source(op: OpSchema, input: Tensor, mask: Tensor, source: Tensor) -> None:
    size = shapes.broadcast(op.name, input.shape, mask.shape)
    if not mask.numel() or not shapes.element_count(size):
        return
    backend, copies = mask.kind.backend, shapes.element_count(size) // mask.numel()
    count = backend.call("count_nonzero", read_array(mask), tuple(range(mask.ndim)))
    require(
        backend.in_range(count, 0, source.numel() // copies + 1),
        lambda: ShapeError(
            f"{op.name}: mask is true at {int(backend.to_host(count)) * copies} places and source has {source.numel()} elements. "
            f"It needs at least as many."
        ),
    )


@op(moves=True, composite=True, check=_check_source, inplace=True)
def masked_scatter(input: Tensor, mask: Mask, source: Tensor) -> Tensor:
    """``input`` with the elements of ``source``, one after the other, where ``mask`` (bool) is true; both are broadcast."""


def _check_size(op: OpSchema, input: Tensor, size: int, fill_value: int) -> None:
    if size < 0:
        raise ArgumentError(f"{op.name}: size must not be negative, got {size}.")


@op(gives="int64", complex="as written", check=_check_size)
def nonzero_static(input: Tensor, *, size: int, fill_value: Position = -1) -> Tensor:
    """The first ``size`` rows of ``nonzero``; rows of ``fill_value`` where there are fewer. The shape depends on no value."""


@function()
def argwhere(input: Tensor) -> Tensor:
    """The positions of the elements that are not zero, one row each: int64 of shape (count, ndim)."""
    return OPS.nonzero(as_tensor_of("argwhere", input))
