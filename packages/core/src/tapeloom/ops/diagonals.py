"""Diagonals and triangles: taken, written, and where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.call.inplace import check_writable
from tapeloom.call.op import function, op, primitive
from tapeloom.errors import DTypeError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.ops.conversion import converted
from tapeloom.ops.creation import arange
from tapeloom.ops.handles import fill_

if TYPE_CHECKING:
    from tapeloom.devices import DeviceLike
    from tapeloom.dtypes import DTypeLike
    from tapeloom.op.parameter import Dim, Number, Position
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor


# diagonals


def _two_dims(op: OpSchema, input: Tensor, offset: int, dim1: int, dim2: int) -> None:
    if dim1 == dim2:
        raise ShapeError(f"{op.name}: dim1 and dim2 must differ, got {dim1} for both, for a tensor of shape {input.shape}.")


@op(moves=True, view=True, check=_two_dims)
def diagonal(input: Tensor, offset: int = 0, dim1: Dim = 0, dim2: Dim = 1) -> Tensor:
    """The diagonals of the matrices along ``dim1`` and ``dim2``, as a new last dimension.

    ``offset`` counts diagonals to the right of the main one, negative numbers those below it.
    """
diagonal.gradient(
    input=lambda g, offset, dim1, dim2, input_shape, ops: ops.diagonal_put(
        ops.zeros_of(input_shape, g), g, offset, dim1, dim2
    )
)
diagonal.write = lambda base, value, offset, dim1, dim2: OPS.diagonal_put(base, value, offset, dim1, dim2)


@primitive(moves=True)
def diagonal_put(input: Tensor, src: Tensor, offset: int, dim1: Dim, dim2: Dim) -> Tensor:
    """``input`` with ``src`` (broadcast) put where ``diagonal`` reads."""
diagonal_put.gradient(
    input=lambda g, offset, dim1, dim2, ops: ops.diagonal_put(g, ops.zero_of(g), offset, dim1, dim2),
    src=lambda g, offset, dim1, dim2, ops: ops.diagonal(g, offset, dim1, dim2),
)


@function(name="diagonal", namespace="linalg")
def linalg_diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of the matrices along the last two dimensions; see ``tapeloom.diagonal``."""
    return OPS.diagonal(A, offset, dim1, dim2)


@function()
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """``input`` with ``src`` put where ``diagonal(input, offset, dim1, dim2)`` reads; ``src`` has the shape of that."""
    place = OPS.diagonal(as_tensor_of("diagonal_scatter", input).detach(), offset, dim1, dim2).shape
    if as_tensor_of("diagonal_scatter", src, "src").shape != place:
        raise ShapeError(f"diagonal_scatter: src has shape {src.shape}, and the diagonal {place}. They must agree.")
    return OPS.diagonal_put(input, converted(src, input.dtype), offset, dim1, dim2)


@function()
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Zeros with the last dimension of ``input`` on the diagonals of the matrices along ``dim1`` and ``dim2``."""
    if not as_tensor_of("diag_embed", input).ndim:
        raise ShapeError("diag_embed: a 0-d tensor has no dimension to put on a diagonal.")
    aside = shapes.as_int("diag_embed", "offset", offset)
    *lead, length = input.shape
    first, second = (shapes.normalize_dim("diag_embed", dim, input.ndim + 1) for dim in (dim1, dim2))
    if first == second:
        raise ShapeError(f"diag_embed: dim1 and dim2 must differ, got {first} for both.")
    for axis in sorted((first, second)):
        lead.insert(axis, length + abs(aside))
    return OPS.diagonal_put(OPS.zeros_of(tuple(lead), input.detach()), input, aside, first, second)


@function()
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The matrix with a vector on a diagonal, or a copy of that diagonal of a matrix; see ``diagonal`` for which."""
    if as_tensor_of("diag", input).ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim != 2:
        raise ShapeError(f"diag: expected a vector or a matrix, got shape {input.shape}. Use .diagonal() or .diag_embed().")
    return OPS.clone(OPS.diagonal(input, diagonal, 0, 1))


@function()
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The matrix with all elements of ``input``, in row-major order, on a diagonal."""
    return diag_embed(OPS.reshape(as_tensor_of("diagflat", input), (-1,)), offset)


@function()
def fill_diagonal_(self: Tensor, fill_value: Number, wrap: bool = False) -> Tensor:
    """Give the elements whose places are the same in all dimensions one value, in place.

    With ``wrap`` the diagonal of a matrix that is higher than wide begins again below the first, after an empty row.
    Raises ShapeError for a tensor of more than two dimensions whose lengths differ.
    """
    shape = as_tensor_of("fill_diagonal_", self, "self").shape
    check_writable("fill_diagonal", self)
    if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
        raise ShapeError(f"fill_diagonal_: expected a matrix, or a tensor of more dimensions of one length, got shape {shape}.")
    step, count = 1, 1
    for length in reversed(shape[1:]):
        count *= length
        step += count
    end = self.numel() if wrap and len(shape) == 2 else min(shape) * step
    fill_(OPS.reshape(self, (-1,))[:end:step], fill_value)
    return self


# triangles


def _check_matrix(op: OpSchema, input: Tensor, diagonal: int) -> None:
    if input.ndim < 2:
        raise ShapeError(f"{op.name}: expected a matrix or a batch of them, got shape {input.shape}.")


@op(moves=True, inplace=True, check=_check_matrix)
def tril(input: Tensor, diagonal: Position = 0) -> Tensor:
    """The lower triangle of the last two dimensions, up to ``diagonal``; zeros above."""
tril.gradient(input=lambda g, diagonal, ops: ops.tril(g, diagonal))


@op(moves=True, inplace=True, check=_check_matrix)
def triu(input: Tensor, diagonal: Position = 0) -> Tensor:
    """The upper triangle of the last two dimensions, from ``diagonal`` on; zeros below."""
triu.gradient(input=lambda g, diagonal, ops: ops.triu(g, diagonal))


def _indices(name: str, below: Any, row: int, col: int, offset: int, dtype: DTypeLike, device: DeviceLike) -> Any:
    """Rows and columns of the elements of a (``row``, ``col``) matrix whose column less their row is ``below(…, offset)``."""
    rows, columns = shapes.as_size(name, (shapes.as_int(name, "row", row), shapes.as_int(name, "col", col)))
    wanted = dtypes.int64 if dtype is None else dtypes.as_dtype(dtype)
    if wanted.category != dtypes.INTEGER:
        raise DTypeError(f"{name}: places are integers, not {wanted.name}. Give an integer dtype.")
    across = OPS.subtract(arange(columns, device=device), OPS.unsqueeze(arange(rows, device=device), 1))
    found = OPS.nonzero(below(across, shapes.as_int(name, "offset", offset)))
    return OPS.cast(OPS.permute(found, (1, 0)), wanted)


@function(method=False)
def tril_indices(row: int, col: int, offset: int = 0, *, dtype: DTypeLike = None, device: DeviceLike = None) -> Tensor:
    """Rows and columns of the lower triangle of a (``row``, ``col``) matrix, row by row: int64 of shape (2, count).

    It reaches up to the diagonal ``offset``; see ``tril``.
    """
    return _indices("tril_indices", OPS.le, row, col, offset, dtype, device)


@function(method=False)
def triu_indices(row: int, col: int, offset: int = 0, *, dtype: DTypeLike = None, device: DeviceLike = None) -> Tensor:
    """Rows and columns of the upper triangle of a (``row``, ``col``) matrix, row by row: int64 of shape (2, count).

    It begins at the diagonal ``offset``; see ``triu``.
    """
    return _indices("triu_indices", OPS.ge, row, col, offset, dtype, device)
