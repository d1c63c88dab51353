"""Joining: tensors end to end, side by side and in all combinations."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.call.op import function, op
from tapeloom.errors import ArgumentError, DTypeError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, as_tensors_of
from tapeloom.ops.conversion import converted
from tapeloom.ops.creation import arange, empty
from tapeloom.ops.movement import transpose
from tapeloom.tensors.tensor import is_tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.dtypes import DType
    from tapeloom.op.parameter import Dim, NewDim
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor


def _joinable(op: OpSchema, tensors: Any, dim: Any) -> tuple[Any, ...]:
    tensors = as_tensors_of(op.name, tensors)
    if not tensors:
        raise ArgumentError(f"{op.name}: expected at least one tensor, got none.")
    first = tensors[0].shape
    if first == (0,):
        first = next((tensor.shape for tensor in tensors if tensor.shape != (0,)), first)
    if not first:
        raise ShapeError(f"{op.name}: 0-d tensors cannot be joined. Use tapeloom.stack.")
    axis = shapes.normalize_dim(op.name, dim, len(first))
    if len(first) > 1:  # empty vectors join with tensors of any shape, as in PyTorch
        empty = (*first[:axis], 0, *first[axis + 1 :])
        tensors = [OPS.reshape(tensor, empty) if tensor.shape == (0,) else tensor for tensor in tensors]
    for position, tensor in enumerate(tensors):
        shape = tensor.shape
        if len(shape) != len(first) or any(a != b for i, (a, b) in enumerate(zip(shape, first, strict=True)) if i != axis):
            raise ShapeError(
                f"{op.name}: tensor {position} has shape {shape} and tensor 0 has {first}; "
                f"they may differ only in dim {axis}."
            )
    most = tensors[0].kind.backend.most_operands
    while most is not None and len(tensors) > most and all(tensor.kind is tensors[0].kind for tensor in tensors):
        tensors = [cat(tensors[start : start + most], axis) for start in range(0, len(tensors), most)]
    return tensors, axis


def _split_gradient(g: Any, dim: int, tensors_shape: Any, ops: Any) -> list[Any]:
    parts, start = [], 0
    for shape in tensors_shape:
        parts.append(ops.narrow(g, dim, start, shape[dim]))
        start += shape[dim]
    return parts


@op(complex="as written", prepare=_joinable, method=False, aliases=("concat", "concatenate"))
def cat(tensors: Sequence[Tensor], dim: Dim = 0) -> Tensor:
    """The tensors joined along an existing dimension; their other lengths agree, their dtypes promote."""
cat.gradient(tensors=_split_gradient)


def _stackable(op: Any, tensors: Any, dim: Any) -> tuple[Any, ...]:
    tensors = as_tensors_of(op.name, tensors)
    if not tensors:
        raise ArgumentError(f"{op.name}: expected at least one tensor, got none.")
    first = tensors[0].shape
    for position, tensor in enumerate(tensors):
        if tensor.shape != first:
            raise ShapeError(
                f"{op.name}: tensor {position} has shape {tensor.shape} and tensor 0 has {first}; all must agree."
            )
    return tensors, dim


def _unstacked(g: Any, dim: int, tensors_shape: Any, ops: Any) -> list[Any]:
    return [ops.squeeze(ops.narrow(g, dim, place, 1), (dim,)) for place in range(len(tensors_shape))]


@op(complex="as written", prepare=_stackable, method=False)
def stack(tensors: Sequence[Tensor], dim: NewDim = 0) -> Tensor:
    """The tensors, all of one shape, joined along a new dimension."""
stack.gradient(tensors=_unstacked)


@function(method=False, aliases=("row_stack",))
def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors joined by rows."""
    return OPS.cat([_with_dims(input, 2) for input in as_tensors_of("vstack", tensors)], 0)


@function(method=False)
def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors joined by columns (1-d tensors end to end)."""
    tensors = [_with_dims(input, 1) for input in as_tensors_of("hstack", tensors)]
    return OPS.cat(tensors, 0 if tensors and tensors[0].ndim == 1 else 1)


@function(method=False)
def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors joined along dim 2, to which those of less dimensions are brought first, as by ``atleast_3d``."""
    return OPS.cat([_with_dims(input, 3) for input in as_tensors_of("dstack", tensors)], 2)


@function(method=False)
def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors joined along dim 1; those of at most one dimension are columns."""
    given = as_tensors_of("column_stack", tensors)
    return OPS.cat([OPS.reshape(input, (-1, 1)) if input.ndim < 2 else input for input in given], 1)


def _with_dims(input: Tensor, least: int) -> Any:
    """``input`` with at least so many dimensions: a vector is a row, and a matrix has one place in dim 2."""
    if input.ndim >= least:
        return input
    lead = (1,) if least > 1 and input.ndim < 2 else ()
    size = (*lead, *input.shape)
    return OPS.reshape(input, (*size, *(1,) * (least - len(size))))


def _at_least(least: int, doc: str) -> None:
    """Declare one of the functions that bring tensors to a number of dimensions."""
    name = f"atleast_{least}d"

    def atleast(*tensors: Any) -> Any:
        if len(tensors) == 1 and is_tensor(tensors[0]):
            return _with_dims(tensors[0], least)
        given = tensors[0] if len(tensors) == 1 else tensors
        return tuple(_with_dims(input, least) for input in as_tensors_of(name, given))

    atleast.__name__ = atleast.__qualname__ = name
    atleast.__doc__ = f"{doc} Several tensors, or a list of them, give a tuple."
    overloads = "(input: Tensor, /) -> Tensor", "(*tensors: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]"
    function(method=False, overloads=overloads)(atleast)


_at_least(1, "The tensor, with one dimension where it has none.")
_at_least(2, "The tensor, with a new dimension in front until it has two.")
_at_least(3, "The tensor, with three dimensions: (1, n, 1) of a vector, (n, m, 1) of a matrix.")


@function(method=False)
def block_diag(*tensors: Tensor) -> Tensor:
    """The matrix with the ``tensors`` along its diagonal and zeros elsewhere; those of at most one dimension are rows.

    Raises ShapeError for a tensor of more than two dimensions.
    """
    blocks = as_tensors_of("block_diag", tensors) or [empty(1, 0)]
    for place, block in enumerate(blocks):
        if block.ndim > 2:
            raise ShapeError(f"block_diag: expected at most 2 dimensions, got shape {block.shape} at position {place}.")
    common = _promoted(blocks)
    blocks = [converted(_with_dims(block, 2), common) for block in blocks]
    before, after = 0, sum(block.shape[1] for block in blocks)
    rows = []
    for block in blocks:
        after -= block.shape[1]
        rows.append(OPS.constant_pad(block, (before, after)))
        before += block.shape[1]
    return OPS.cat(rows, 0)


def _promoted(tensors: list[Any]) -> DType:
    """What the dtypes promote to; those of 0-d tensors matter only by a higher category."""
    strong = [tensor.dtype for tensor in tensors if tensor.ndim]
    weak = [tensor.dtype for tensor in tensors if not tensor.ndim]
    common = reduce(dtypes.promote_types, strong) if strong else None
    return dtypes.weak_result(common, weak) if weak else common  # type: ignore[return-value]


# in all combinations


@function(
    method=False,
    overloads=(
        "(*tensors: Tensor, indexing: str = 'ij') -> tuple[Tensor, ...]",
        "(tensors: Sequence[Tensor], /, *, indexing: str = 'ij') -> tuple[Tensor, ...]",
    ),
)
def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """For each of the vectors a tensor of their lengths, in which its elements lie along its own dimension.

    With ``indexing="xy"`` the first two dimensions are swapped. A 0-d tensor is a vector of one element.
    Raises ShapeError for tensors of more dimensions, DTypeError where their dtypes differ.
    """
    if indexing not in ("ij", "xy"):
        raise ArgumentError(f"meshgrid: indexing must be 'ij' or 'xy', got {indexing!r}.")
    given = tensors[0] if len(tensors) == 1 and not is_tensor(tensors[0]) else tensors
    vectors = [_with_dims(input, 1) for input in as_tensors_of("meshgrid", given)]
    if not vectors:
        raise ArgumentError("meshgrid: expected at least one tensor, got none.")
    for place, vector in enumerate(vectors):
        if vector.ndim > 1:
            raise ShapeError(f"meshgrid: expected at most 1 dimension, got shape {vector.shape} at position {place}.")
        if vector.dtype is not vectors[0].dtype:
            raise DTypeError(
                f"meshgrid: the tensors must be of one dtype, got {vectors[0].dtype.name} and {vector.dtype.name}. "
                f"Cast them with .to(dtype)."
            )
    size = tuple(vector.shape[0] for vector in vectors)
    grids = []
    for place, vector in enumerate(vectors):
        along = OPS.reshape(vector, (*(1,) * place, -1, *(1,) * (len(size) - place - 1)))
        grid = OPS.expand(along, size)
        grids.append(transpose(grid, 0, 1) if indexing == "xy" and len(size) > 1 else grid)
    return tuple(grids)


@function(method=False)
def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of one element of each of the vectors, a row each, the last varying fastest; of one vector, itself.

    Raises ShapeError for what is no vector, DTypeError where their dtypes differ.
    """
    for input in as_tensors_of("cartesian_prod", tensors):
        if input.ndim != 1:
            raise ShapeError(f"cartesian_prod: expected vectors, got shape {input.shape}.")
    if len(tensors) == 1:
        return tensors[0]
    return OPS.stack([OPS.reshape(grid, (-1,)) for grid in meshgrid(*tensors)], 1)


@function(method=False)
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """The ways to choose ``r`` elements of a vector, in order, a row each: shape (ways, r), or (0,) for no ``r``.

    With ``with_replacement`` an element may be chosen again. Raises ShapeError for what is no vector.
    """
    if as_tensor_of("combinations", input).ndim != 1:
        raise ShapeError(f"combinations: expected a vector, got shape {input.shape}.")
    count = shapes.as_int("combinations", "r", r)
    if count < 0:
        raise ArgumentError(f"combinations: r must not be negative, got {count}.")
    if not count:
        return empty(0, dtype=input.dtype, device=input.device)
    places = meshgrid(*[arange(input.shape[0], device=input.device)] * count)
    ordered = OPS.le if with_replacement else OPS.lt
    chosen = OPS.ge(places[0], 0)
    for one, next in pairwise(places):
        chosen = OPS.logical_and(chosen, ordered(one, next))
    rows = OPS.nonzero(chosen)
    return OPS.reshape(OPS.index_select(input, 0, OPS.reshape(rows, (-1,))), rows.shape)
