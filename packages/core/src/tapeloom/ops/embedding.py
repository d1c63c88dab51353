"""Embedding: rows of a table, looked up by number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom.errors import ArgumentError, DTypeError, IndexingError, ShapeError
from tapeloom.ops.arguments import as_tensor_of, no_more
from tapeloom.tape.op import OPS, function, op
from tapeloom.tape.policy import KEEP

if TYPE_CHECKING:
    from tapeloom.tape.roles import Index
    from tapeloom.tape.tensor import Tensor


@op(dtype=KEEP, method=False)
def embedding_(weight: Tensor, indices: Index, padding_idx: int | None) -> Tensor:
    """The rows ``indices`` (any shape, from 0) of the table ``weight`` (rows, size); see the function ``embedding``."""
embedding_.gradient(
    weight=lambda g, indices, padding_idx, weight_shape, ops: ops.embedding_backward(
        g, indices, weight_shape[0], padding_idx
    )
)


def _without_padding(g: Any, indices: Any, padding_idx: int | None, ops: Any) -> Any:
    rows = ops.embedding(g, indices, None)
    if padding_idx is None:
        return rows
    return ops.where(ops.unsqueeze(ops.equal(indices, padding_idx), len(indices.shape)), 0, rows)


@op(dtype=KEEP, method=False)
def embedding_backward(upstream: Tensor, indices: Index, num_embeddings: int, padding_idx: int | None) -> Tensor:
    """A table of ``num_embeddings`` rows: the rows of ``upstream`` added up where ``indices`` says, 0 at ``padding_idx``."""
embedding_backward.gradient(
    upstream=lambda g, indices, padding_idx, ops: _without_padding(g, indices, padding_idx, ops)
)


@function(method=False)
def embedding(x: Any, weight: Any, padding_idx: int | None = None, **names: Any) -> Tensor:
    """The rows of the table ``weight`` (rows, size) that the integers ``x`` number: shape (*x.shape, size).

    ``padding_idx`` is a row that gets no gradient; negative counts from the end. Raises IndexingError for a number
    that is no row, DTypeError for ``x`` that holds no integers.
    """
    no_more("embedding", names)
    as_tensor_of("embedding", x)
    as_tensor_of("embedding", weight, "weight")
    if weight.ndim != 2:
        raise ShapeError(f"embedding: weight must be a table of shape (rows, size), got shape {weight.shape}.")
    if x.dtype.is_floating_point or x.dtype.name == "bool":
        raise DTypeError(
            f"embedding: x must hold row numbers, got {x.dtype.name}. Cast it with .long(); the table is the second argument."
        )
    rows = weight.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise ArgumentError(f"embedding: padding_idx={padding_idx} is no row of a table of {rows} rows.")
        padding_idx %= rows
    if x.numel() and not x.kind.backend.in_range(x.array, 0, rows):
        worst = [number for number in x.reshape(-1).tolist() if not 0 <= number < rows][0]
        raise IndexingError(f"embedding: row {worst} is out of range for a table of {rows} rows, which count from 0.")
    return OPS.embedding(weight, x, padding_idx)
