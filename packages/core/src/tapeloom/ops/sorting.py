"""Order: sorting, searching in what is sorted, and sets. nan comes after all numbers, and sorts are stable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tapeloom import dtypes, shapes
from tapeloom.call.op import function, op, primitive
from tapeloom.errors import ArgumentError, DTypeError, IndexingError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, first_outside, require, shape_of, within
from tapeloom.ops.reduction import ValuesAndIndices, selected_gradient
from tapeloom.tensors.tensor import Tensor

if TYPE_CHECKING:
    from tapeloom.op.parameter import Dim, Index, Position, TensorLike
    from tapeloom.op.schema import OpSchema


def _sorted_gradient(g: Any, dim: int, out: Any, input_shape: Any, ops: Any) -> Any:
    return selected_gradient(g, dim, True, out, input_shape, ops)


@op(outputs=ValuesAndIndices)
def sort(input: Tensor, dim: Dim = -1, descending: bool = False) -> ValuesAndIndices:
    """The elements in order along ``dim``, and where they were: (values, indices). Equal ones keep their order always."""
sort.gradient(input=_sorted_gradient)


@sort.extend
def _(input: Tensor, dim: Dim = -1, descending: bool = False, *, stable: bool | None = None) -> ValuesAndIndices:
    return OPS.sort(input, dim, descending)


@op(gives="int64")
def argsort(input: Tensor, dim: Dim = -1, descending: bool = False) -> Tensor:
    """The ``indices`` of ``sort``. int64."""


@argsort.extend
def _(input: Tensor, dim: Dim = -1, descending: bool = False, *, stable: bool = False) -> Tensor:
    return OPS.argsort(input, dim, descending)


@function()
def msort(input: Tensor) -> Tensor:
    """The elements in order along the first dimension."""
    return OPS.sort(input, 0).values


def _check_top(op: OpSchema, input: Tensor, k: int, dim: int, *rest: Any) -> None:
    length = input.shape[dim] if input.ndim else 1
    if not 0 <= k <= length:
        raise ArgumentError(f"{op.name}: k must be from 0 to the length {length} of dim {dim}, got {k}.")


@op(takes="no bool", outputs=ValuesAndIndices, check=_check_top)
def topk(input: Tensor, k: int, dim: Dim = -1, largest: bool = True, sorted: bool = True) -> ValuesAndIndices:
    """The ``k`` largest, or smallest, elements along ``dim`` in order, and where they are: (values, indices).

    nan is the largest. Of equal elements the first come first. They are in order without ``sorted`` too.
    """
topk.gradient(input=_sorted_gradient)


def _check_kth(op: OpSchema, input: Tensor, k: int, dim: int, keepdim: bool) -> None:
    length = input.shape[dim] if input.ndim else 1
    if not length:
        raise ShapeError(f"{op.name}: dim {dim} of a tensor of shape {input.shape} is empty. Take a dimension that has elements.")
    if not 1 <= k <= length:
        raise ArgumentError(f"{op.name}: k must be from 1 to the length {length} of dim {dim}, got {k}.")


@op(takes="no bool", outputs=ValuesAndIndices, check=_check_kth)
def kthvalue(input: Tensor, k: Position, dim: Dim = -1, keepdim: bool = False) -> ValuesAndIndices:
    """The ``k``-th smallest element along ``dim``, counted from 1, and where it is: (values, indices). nan is the largest."""
kthvalue.gradient(input=selected_gradient)

# searching


@primitive(takes="no bool", gives="int64")
def searchsorted_rows(sequence: TensorLike, values: TensorLike, sorter: Index | None, right: bool) -> Tensor:
    """Where ``values`` belong in the rows of ``sequence``, which ``sorter`` sorts; see ``searchsorted``."""


@function(method=False)
def searchsorted(
    sorted_sequence: Tensor, input: TensorLike, *, out_int32: bool = False, right: bool = False, side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Where ``input`` would stand in ``sorted_sequence``, ascending along its last dimension: as many elements are smaller.

    The sequence is one for all, or one for each row of ``input``. With ``right`` (or ``side="right"``) as many are smaller or
    equal. ``sorter`` are the places that sort a sequence which is not in order. int64, or int32 with ``out_int32``.
    """
    sequence = as_tensor_of("searchsorted", sorted_sequence, "sorted_sequence")
    size, own = sequence.shape, shape_of(input)
    if side not in (None, "left", "right"):
        raise ArgumentError(f"searchsorted: side must be 'left' or 'right', got {side!r}.")
    if side == "left" and right:
        raise ArgumentError("searchsorted: side='left' and right=True were given. Give one of them.")
    if not size or (len(size) > 1 and (len(own) != len(size) or own[:-1] != size[:-1])):
        raise ShapeError(
            f"searchsorted: sorted_sequence has shape {size} and input has {own}. The sequence must have one dimension, or all but "
            f"the last alike."
        )
    if sorter is not None:
        if as_tensor_of("searchsorted", sorter, "sorter").shape != size:
            raise ShapeError(f"searchsorted: sorter has shape {sorter.shape}; it must be that of sorted_sequence, {size}.")
        if sorter.dtype.category != dtypes.INTEGER:
            raise DTypeError(f"searchsorted: sorter must hold integers, got {sorter.dtype.name}. Give what argsort returns.")
        require(
            within(sorter, 0, size[-1]),
            lambda: IndexingError(
                f"searchsorted: sorter holds {first_outside(sorter, 0, size[-1])}, which is no place in rows of length {size[-1]}."
            ),
        )
    found = OPS.searchsorted_rows(sequence, input, sorter, right or side == "right")
    return OPS.cast(found, dtypes.int32) if out_int32 else found


@function(method=False)
def bucketize(input: TensorLike, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """Which of the intervals between the ascending ``boundaries`` (1-d) ``input`` lies in: ``searchsorted(boundaries, input)``."""
    if as_tensor_of("bucketize", boundaries, "boundaries").ndim != 1:
        raise ShapeError(f"bucketize: boundaries must have one dimension, got shape {boundaries.shape}.")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


@op(gives="bool", method=False)
def isin(
    elements: TensorLike, test_elements: TensorLike, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Whether each of ``elements`` is among ``test_elements``, or with ``invert`` is not. nan is not, as it equals nothing."""

# sets


class Places(NamedTuple):
    """The results of ``unique_places``."""

    firsts: Tensor
    inverse: Tensor
    counts: Tensor


@primitive(gives="int64", outputs=Places, constants=Places._fields, dynamic=True)
def unique_places(input: Tensor, dim: int | None, consecutive: bool) -> Places:
    """Where each unique element is first, which of them each element is, how many of each there are; see ``unique``."""


def _unique(name: str, input: Any, dim: Any, consecutive: bool, return_inverse: bool, return_counts: bool) -> Any:
    if as_tensor_of(name, input).is_complex():
        raise DTypeError(f"{name}: complex tensors are not supported, got {input.dtype.name}. Take .real, .imag or .abs() first.")
    if dim is None:
        axis, rows = 0, OPS.reshape(input, (-1,))
    else:
        axis, rows = shapes.normalize_dim(name, dim, input.ndim), input
        if not input.ndim:
            raise ShapeError(f"{name}: a 0-d tensor has no dimension {dim}. Leave dim out.")
        if 0 in (*input.shape[:axis], *input.shape[axis + 1 :]):
            raise ShapeError(f"{name}: the parts of a tensor of shape {input.shape} along dim {axis} are empty.")
    found = OPS.unique_places(input, None if dim is None else axis, consecutive)
    values = OPS.index(rows, [found.firsts], (axis,))
    more = [part for part, asked in ((found.inverse, return_inverse), (found.counts, return_counts)) if asked]
    return (values, *more) if more else values


@function(
    overloads=(
        "(input: Tensor, sorted: bool = True, return_inverse: Literal[False] = False, return_counts: Literal[False] = False, "
        "dim: int | None = None) -> Tensor",
        "(input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) "
        "-> Any",
    )
)
def unique(
    input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Tensor | tuple[Tensor, ...]:
    """The elements without repetition, in order: of the flattened tensor, or its parts along ``dim``.

    With ``return_inverse`` also which of them each element is, with ``return_counts`` how many of each there are. They are in
    order without ``sorted`` too. A nan equals no other. The gradient goes to the first of equal elements.
    """
    return _unique("unique", input, dim, False, return_inverse, return_counts)


@function(
    overloads=(
        "(input: Tensor, return_inverse: Literal[False] = False, return_counts: Literal[False] = False, "
        "dim: int | None = None) -> Tensor",
        "(input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any",
    )
)
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Tensor | tuple[Tensor, ...]:
    """The first of each run of equal elements: of the flattened tensor, or of its parts along ``dim``; see ``unique``."""
    return _unique("unique_consecutive", input, dim, True, return_inverse, return_counts)
