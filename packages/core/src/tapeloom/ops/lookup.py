"""Embedding: rows of a table, looked up by number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom.call.op import function, primitive
from tapeloom.errors import ArgumentError, DTypeError, IndexingError, ShapeError
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, first_outside, require, within
from tapeloom.ops.bags import renormalised_, scaled_by_frequency

if TYPE_CHECKING:
    from tapeloom.op.parameter import Index
    from tapeloom.tensors.tensor import Tensor


@primitive(moves=True)
def embedding_rows(weight: Tensor, indices: Index, padding_idx: int | None) -> Tensor:
    """The rows ``indices`` (any shape, from 0) of the table ``weight`` (rows, size); see the function ``embedding``."""
embedding_rows.gradient(
    weight=lambda g, indices, padding_idx, weight_shape, ops: ops.embedding_backward(
        g, indices, weight_shape[0], padding_idx
    )
)


def _without_padding(g: Any, indices: Any, padding_idx: int | None, ops: Any) -> Any:
    rows = ops.embedding_rows(g, indices, None)
    if padding_idx is None:
        return rows
    return ops.where(ops.unsqueeze(ops.eq(indices, padding_idx), len(indices.shape)), 0, rows)


@primitive(moves=True)
def embedding_backward(upstream: Tensor, indices: Index, num_embeddings: int, padding_idx: int | None) -> Tensor:
    """A table of ``num_embeddings`` rows: the rows of ``upstream`` added up where ``indices`` says, 0 at ``padding_idx``."""
embedding_backward.gradient(upstream=_without_padding)


@function(method=False)
def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of the table ``weight`` (rows, size) that the integers ``input`` number: shape (*input.shape, size).

    ``padding_idx`` is a row that gets no gradient; negative counts from the end. ``max_norm`` first shortens the rows used to
    this norm of order ``norm_type``, in place. ``scale_grad_by_freq`` divides the gradient of each row by how often it is
    used. ``sparse`` gradients do not exist. Raises IndexingError for a number that is no row, DTypeError for ``input``
    that holds no integers.
    """
    as_tensor_of("embedding", input)
    as_tensor_of("embedding", weight, "weight")
    if weight.ndim != 2:
        raise ShapeError(f"embedding: weight must be a table of shape (rows, size), got shape {weight.shape}.")
    if input.dtype.inexact or input.dtype.name == "bool":
        raise DTypeError(
            f"embedding: input must hold row numbers, got {input.dtype.name}. Cast it with .long(); the table is the second argument."
        )
    rows = weight.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise ArgumentError(f"embedding: padding_idx={padding_idx} is no row of a table of {rows} rows.")
        padding_idx %= rows
    require(
        within(input, 0, rows),
        lambda: IndexingError(
            f"embedding: row {first_outside(input, 0, rows)} is out of range for a table of {rows} rows, which count from 0."
        ),
    )
    if sparse:
        raise ArgumentError("embedding: sparse gradients do not exist here. Leave sparse=False.")
    if max_norm is not None:
        renormalised_(weight, input, as_number("embedding", "max_norm", max_norm), as_number("embedding", "norm_type", norm_type))
    picked = OPS.embedding_rows(weight, input, padding_idx)
    return scaled_by_frequency(picked, input, rows) if scale_grad_by_freq else picked
