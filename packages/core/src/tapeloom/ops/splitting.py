"""Splitting: parts of a tensor along a dimension. They share with it."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.call.op import function, op, primitive
from tapeloom.errors import ArgumentError, ArgumentTypeError, ShapeError
from tapeloom.keys import parse, part
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, dim_of
from tapeloom.ops.conversion import converted
from tapeloom.tensors.tensor import is_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tapeloom.op.parameter import Amounts, Dim, Position
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor


def _narrow_range(op: OpSchema, input: Any, dim: Any, start: Any, length: Any) -> tuple[Any, ...]:
    shape = as_tensor_of(op.name, input).shape
    axis = shapes.normalize_dim(op.name, dim, len(shape))
    if not shape:
        raise ShapeError(f"{op.name}: a 0-d tensor has no dimension to take a part of.")
    start = shapes.as_int(op.name, "start", start)
    length = shapes.as_int(op.name, "length", length)
    begin = start + shape[axis] if start < 0 else start
    if not 0 <= begin <= shape[axis] or length < 0 or begin + length > shape[axis]:
        raise ShapeError(
            f"{op.name}: start {start} and length {length} do not lie within dim {axis} of length {shape[axis]}."
        )
    return input, axis, begin, length


@op(moves=True, prepare=_narrow_range, view=True)
def narrow(input: Tensor, dim: Dim, start: Position, length: int) -> Tensor:
    """``length`` places along ``dim`` from ``start``."""
narrow.gradient(input=lambda g, dim, start, input_shape, ops: ops.place(g, dim, start, input_shape[dim]))
narrow.write = lambda base, value, dim, start, length: OPS.slice_put(base, value, part(base.shape, dim, start, length))


@primitive(moves=True)
def place(input: Tensor, dim: Dim, start: Position, total: int) -> Tensor:
    """``input`` within zeros: along ``dim``, of length ``total``, from ``start``. The adjoint of ``narrow``."""
place.gradient(input=lambda g, dim, start, input_shape, ops: ops.narrow(g, dim, start, input_shape[dim]))


@function()
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """One place along ``dim``, and that dimension taken away."""
    axis = shapes.normalize_dim("select", dim, as_tensor_of("select", input).ndim)
    return input[(slice(None),) * axis + (shapes.as_int("select", "index", index),)]


@function()
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """``input`` with ``src`` put at one place along ``dim``; ``src`` has the shape of ``select(input, dim, index)``."""
    return _scattered("select_scatter", input, src, dim, shapes.as_int("select_scatter", "index", index))


@function()
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """``input`` with ``src`` put at the places ``start:end:step`` along ``dim``; ``src`` has the shape of that slice."""
    return _scattered("slice_scatter", input, src, dim, slice(start, end, step))


def _scattered(name: str, input: Any, src: Any, dim: int, places: int | slice) -> Any:
    axis = dim_of(name, input, dim, "put anything along")
    key, _ = parse(name, (slice(None),) * axis + (places,), input.shape, is_tensor)
    key = key or part(input.shape, axis, 0, input.shape[axis])
    if as_tensor_of(name, src, "src").shape != key.shape():
        raise ShapeError(f"{name}: src has shape {src.shape}, and its place in input {key.shape()}. They must agree.")
    return OPS.slice_put(input, converted(src, input.dtype), key)


@function()
def split(input: Tensor, split_size_or_sections: Amounts, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts along ``dim``: of one length (the last may be shorter), or of the lengths given, which must add up."""
    if isinstance(split_size_or_sections, (tuple, list)):
        return split_with_sizes(input, split_size_or_sections, dim)
    axis = dim_of("split", input, dim, "split")
    total = input.shape[axis]
    size = shapes.as_int("split", "split_size", split_size_or_sections)
    if size <= 0 and (total or size < 0):
        raise ArgumentError(f"split: split_size must be positive, got {size}.")
    return _parts(input, axis, list(range(size, total, size or 1)))


@function()
def split_with_sizes(input: Tensor, split_sizes: Amounts, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of the lengths ``split_sizes`` along ``dim``; they must add up to its length."""
    axis = dim_of("split_with_sizes", input, dim, "split")
    total = input.shape[axis]
    lengths = shapes.as_ints("split_with_sizes", "sections", split_sizes)
    *inner, end = accumulate(lengths, initial=0)
    if end != total or any(length < 0 for length in lengths):
        raise ShapeError(f"split_with_sizes: the lengths {lengths} do not add up to {total}, the length of dim {axis}.")
    return _parts(input, axis, inner[1:]) if lengths else ()


def _parts(input: Tensor, axis: int, places: Sequence[int]) -> tuple[Tensor, ...]:
    """The parts between ``places``, which are counted from 0: from each to the next, none where that lies before it."""
    starts, ends = (0, *places), (*places, input.shape[axis])
    return tuple(
        OPS.narrow(input, axis, start, max(end - start, 0)) for start, end in zip(starts, ends, strict=True)
    )


@function()
def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts along ``dim``: so many, of which the first may be one longer, or those between the places given.

    An int is a number of parts; places are those of slices, negative ones counted from the end. A tensor of either is
    read: a 0-d one is a number of parts, a 1-d one places. Raises ArgumentError for less than one part.
    """
    axis = dim_of("tensor_split", input, dim, "split")
    given = indices_or_sections
    if is_tensor(given):
        if given.ndim > 1 or given.dtype is not dtypes.int64:
            raise ArgumentTypeError(
                f"tensor_split: a tensor of places or of their number is int64 of at most one dimension, got {given.dtype.name} of "
                f"shape {given.shape}."
            )
        given = given.tolist()
    if isinstance(given, (tuple, list)):
        return _between("tensor_split", input, axis, given)
    return _even("tensor_split", input, axis, shapes.as_int("tensor_split", "indices_or_sections", given))


def _even(name: str, input: Tensor, axis: int, sections: int) -> tuple[Tensor, ...]:
    if sections < 1:
        raise ArgumentError(f"{name}: the number of parts must be at least 1, got {sections}.")
    if sections >= 2**31:
        raise ArgumentError(f"{name}: {sections} parts are more than memory can hold.")
    least, longer = divmod(input.shape[axis], sections)
    return _parts(input, axis, [part * least + min(part, longer) for part in range(1, sections)])


def _between(name: str, input: Tensor, axis: int, places: Any) -> tuple[Tensor, ...]:
    length = input.shape[axis]
    within = [slice(place).indices(length)[1] for place in shapes.as_ints(name, "indices", places)]
    return _parts(input, axis, within)


def _splitting(name: str, least: int, place: Callable[[int], int], doc: str) -> None:
    """Declare one of the functions that split along a certain dimension."""

    def split_along(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
        if as_tensor_of(name, input).ndim < least:
            raise ShapeError(f"{name}: expected at least {least} dimension{'s' * (least > 1)}, got shape {input.shape}.")
        axis = place(input.ndim)
        if isinstance(indices_or_sections, (tuple, list)):
            return _between(name, input, axis, indices_or_sections)
        sections = shapes.as_int(name, "indices_or_sections", indices_or_sections)
        if sections > 0 and input.shape[axis] % sections:
            raise ArgumentError(
                f"{name}: dim {axis} of length {input.shape[axis]} cannot be split into {sections} equal parts. "
                f"Give a number that divides it, or use tensor_split."
            )
        return _even(name, input, axis, sections)

    split_along.__name__ = split_along.__qualname__ = name
    split_along.__doc__ = f"{doc}: equal ones, so many, or those between the places of a list."
    function()(split_along)


_splitting("hsplit", 1, lambda ndim: min(1, ndim - 1), "Parts along dim 1 (dim 0 of a vector)")
_splitting("vsplit", 2, lambda ndim: 0, "Parts along dim 0")
_splitting("dsplit", 3, lambda ndim: 2, "Parts along dim 2")


@function()
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most ``chunks`` parts of equal length along ``dim``; the last may be shorter."""
    if shapes.as_int("chunk", "chunks", chunks) < 1:
        raise ArgumentError(f"chunk: chunks must be at least 1, got {chunks}.")
    axis = dim_of("chunk", input, dim, "split")
    total = input.shape[axis]
    if not total:
        return split(input, [0] * chunks, axis)
    return split(input, -(-total // chunks), axis)


@function()
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The places along ``dim``, each without that dimension."""
    axis = dim_of("unbind", input, dim, "take apart")
    return tuple(select(input, axis, index) for index in range(input.shape[axis]))


# windows


@primitive(moves=True, view=True)
def unfold_along(input: Tensor, dim: Dim, size: int, step: int) -> Tensor:
    """The windows of ``size`` places along ``dim``, one each ``step``; their places are a new last dimension."""
unfold_along.gradient(input=lambda g, dim, step, input_shape, ops: ops.fold_along(g, dim, step, input_shape[dim]))


@primitive(moves=True)
def fold_along(input: Tensor, dim: Dim, step: int, total: int) -> Tensor:
    """Windows along ``dim``, one each ``step``, added up where they came from; zeros elsewhere. The adjoint of ``unfold_along``."""
fold_along.gradient(input=lambda g, dim, step, input_shape, ops: ops.unfold_along(g, dim, input_shape[-1], step))


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """The windows of ``size`` places along ``dimension``, one each ``step``: their places are a new last dimension.

    What changes in ``input`` later shows in the result, as in a view, although they share no memory. The result cannot be
    written to. Raises ShapeError for a ``size`` beyond the dimension.
    """
    axis = shapes.normalize_dim("unfold", dimension, as_tensor_of("unfold", input).ndim)
    size, step = shapes.as_int("unfold", "size", size), shapes.as_int("unfold", "step", step)
    length = input.shape[axis] if input.ndim else 1
    if not 0 <= size <= length:
        raise ShapeError(f"unfold: size {size} does not lie within dim {axis} of length {length}.")
    if step < 1:
        raise ArgumentError(f"unfold: step must be at least 1, got {step}.")
    return OPS.unfold_along(input, axis, size, step) if input.ndim else OPS.reshape(input, (1,))[:size]
