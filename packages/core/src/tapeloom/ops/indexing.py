"""Indexing and assignment: ``x[key]``, ``x[key] = value``, gather and scatter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.errors import ArgumentTypeError, DeviceError, DTypeError, IndexingError, ShapeError
from tapeloom.keys import parse
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.tape.alias import check_writable, inplace
from tapeloom.tape.op import OPS, function, op
from tapeloom.tape.policy import KEEP, TO_INDEX
from tapeloom.tape.tensor import Tensor, is_tensor, make

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.tape.roles import Dim, Index, Ints, Key, Position, Size

# basic keys: ints, slices, None


@op(dtype=KEEP, view=True, method=False)
def slice_(x: Tensor, key: Key) -> Tensor:
    """``x[key]`` for a basic ``keys.Key``."""
slice_.gradient(x=lambda g, key, x_shape, ops: ops.unslice(g, key, x_shape))
slice_.write = lambda base, value, key: OPS.slice_put(base, value, key)


@op(dtype=KEEP, method=False)
def unslice(x: Tensor, key: Key, size: Size) -> Tensor:
    """``x`` at ``key`` within zeros of shape ``size``: the adjoint of ``slice``."""
unslice.gradient(x=lambda g, key, ops: ops.slice(g, key))


@op(dtype=KEEP, method=False)
def slice_put(x: Tensor, value: Tensor, key: Key) -> Tensor:
    """``x`` with ``value`` (broadcast) at ``key``."""
slice_put.gradient(
    x=lambda g, key, ops: ops.slice_put(g, ops.zero_of(g), key),
    value=lambda g, key, ops: ops.slice(g, key),
)


@op(dtype=KEEP, method=False)
def zero_of(like: Tensor) -> Tensor:
    """A 0-d zero in the dtype and on the device of ``like``: for gradient rules."""


# integer tensors


@op(dtype=KEEP, method=False)
def index(x: Tensor, indices: Sequence[Index], dims: Ints) -> Tensor:
    """``x`` with ``dims`` indexed by integer tensors of one shape, as advanced indexing does."""


def _index_gradient(g: Any, indices: Any, dims: Any, x_shape: Any, ops: Any) -> Any:
    return ops.index_put(ops.zeros_of(x_shape, g), indices, g, dims, True)


index.gradient(x=lambda g, indices, dims, x_shape, ops: _index_gradient(g, indices, dims, x_shape, ops))


@op(dtype=KEEP, method=False)
def index_put(x: Tensor, indices: Sequence[Index], value: Tensor, dims: Ints, accumulate: bool = False) -> Tensor:
    """``x`` with ``value`` (broadcast) put, or added, where ``index(x, indices, dims)`` reads."""
index_put.gradient(
    x=lambda g, indices, dims, accumulate, ops: (
        g if accumulate else ops.index_put(g, indices, ops.zero_of(g), dims, False)
    ),
    value=lambda g, indices, dims, ops: ops.index(g, indices, dims),
)


def _plan(what: str, x: Any, key: Any) -> tuple[Any, Any, list[Any], tuple[int, ...]]:
    """``x`` after the basic part of ``key``, that part, and the advanced part as integer tensors and their dims."""
    from tapeloom.ops.creation import index_tensor

    basic, advanced = parse(what, key, x.shape, is_tensor)
    base = x if basic is None else OPS.slice(x, basic)
    indices: list[Any] = []
    dims: list[int] = []
    for dim, item in advanced:
        if isinstance(item, bool):
            item = index_tensor([0] if item else [], x)
        elif not is_tensor(item):
            item = _as_index(what, x, item)
        if item.device is not x.device:
            raise DeviceError(f"{what}: the index is on {item.device}, and the tensor on {x.device}. Move one with .to(device).")
        if item.dtype.name == "bool":
            if item.shape != base.shape[dim : dim + item.ndim]:
                raise IndexingError(
                    f"{what}: a bool index of shape {item.shape} does not fit the dimensions {base.shape[dim : dim + item.ndim]} "
                    f"that it indexes. They must agree."
                )
            found = OPS.nonzero(item)
            for offset in range(item.ndim):
                indices.append(OPS.select_column(found, offset))
                dims.append(dim + offset)
            continue
        if item.dtype.inexact:
            raise ArgumentTypeError(f"{what}: a {item.dtype.name} tensor cannot be an index. Cast it with .long().")
        indices.append(item.long())
        dims.append(dim)
    if indices:
        try:
            shape = shapes.broadcast(what, *(item.shape for item in indices))
        except ShapeError as error:
            raise IndexingError(f"{what}: index tensors do not broadcast: {error}") from None
        for position, (item, dim) in enumerate(zip(indices, dims, strict=True)):
            check_range(what, item, base.shape[dim], dim)
            indices[position] = OPS.expand(item, shape) if item.shape != shape else item
    return base, basic, indices, tuple(dims)


def _as_index(what: str, x: Any, item: Any) -> Any:
    from tapeloom.ops.creation import tensor

    made = tensor(item if not isinstance(item, range) else list(item), device=x.device)
    return made.long() if not made.numel() else made


def check_range(what: str, index: Any, length: int, dim: int) -> None:
    """Raise IndexingError for a position outside -length..length-1."""
    if index.numel() and not index.kind.backend.in_range(index.array, -length, length):
        worst = [value for value in index.reshape(-1).tolist() if not -length <= value < length][0]
        raise IndexingError(f"{what}: index {worst} is out of range for dim {dim} of length {length}.")


def getitem(x: Tensor, key: Any) -> Any:
    """``x[key]``: ints, slices, None and ``...`` give views; integer and bool tensors (or lists) give copies.

    Raises IndexingError for what is out of range and ArgumentTypeError for what is no index.
    """
    base, basic, indices, dims = _plan("index", x, key)
    if indices:
        return OPS.index(base, indices, dims)
    return base if basic is not None else OPS.reshape(x, x.shape)


def setitem(x: Tensor, key: Any, value: Any) -> None:
    """``x[key] = value`` in place; the value is broadcast, and cast to the dtype of ``x``.

    Raises as ``x[key]`` does, ShapeError for a value that does not broadcast, InplaceError for a leaf that needs a
    gradient while recording.
    """
    check_writable("index_put", x)
    if not is_tensor(value):
        value = _constant(x, value)
    if value.device is not x.device:
        raise DeviceError(f"index_put: the value is on {value.device}, and the tensor on {x.device}. Move one with .to(device).")
    if value.dtype is not x.dtype:
        if value.dtype.category > x.dtype.category and value.node is not None:
            raise DTypeError(f"index_put: a {value.dtype.name} value that needs a gradient cannot be put into {x.dtype.name}.")
        dtypes.warn_of_discarding(value.dtype, x.dtype)
        value = OPS.cast(value, x.dtype)
    probe = make(x.array, x.kind)  # reading the key's shape must leave no trace on x's tape
    base, basic, indices, dims = _plan("index_put", probe, key)
    target = OPS.index(base, indices, dims).shape if indices else base.shape
    while value.ndim > len(target) and value.shape[0] == 1:
        value = OPS.reshape(value, value.shape[1:])  # leading ones are dropped, as in PyTorch
    try:
        fits = shapes.broadcast("index_put", value.shape, target) == target
    except ShapeError:
        fits = False
    if not fits:
        raise ShapeError(f"index_put: a value of shape {value.shape} does not broadcast to the indexed shape {target}.")
    if not indices:
        changed = OPS.expand(value, x.shape) if basic is None else OPS.slice_put(x, value, basic)
    elif basic is None:
        changed = OPS.index_put(x, indices, value, dims, False)
    else:
        part = OPS.index_put(OPS.slice(x, basic), indices, value, dims, False)
        changed = OPS.slice_put(x, part, basic)
    inplace("index_put", x, changed)


def _constant(x: Tensor, value: Any) -> Tensor:
    from tapeloom.ops.creation import tensor

    return tensor(value, device=x.device) if not isinstance(value, dtypes.NUMBERS) else tensor(value, dtype=x.dtype, device=x.device)


# gather and scatter


def _same_ndim(op: Any, x: Any, dim: int, index: Any, *rest: Any) -> None:
    if index.ndim != x.ndim and (x.ndim or index.ndim > 1):
        raise ShapeError(f"{op.name}: index has shape {index.shape} and x has {x.shape}; they need as many dimensions.")
    for axis, (have, most) in enumerate(zip(index.shape, x.shape, strict=False)):
        if axis != dim and have > most:
            raise ShapeError(f"{op.name}: index of shape {index.shape} is longer than x of shape {x.shape} in dim {axis}.")
    if rest and is_tensor(rest[0]) and (rest[0].ndim != index.ndim or any(a > b for a, b in zip(index.shape, rest[0].shape, strict=True))):
        raise ShapeError(f"{op.name}: index of shape {index.shape} does not lie within the source of shape {rest[0].shape}.")
    _check_places(op, x, dim, index)


def _check_places(op: Any, x: Any, dim: int, index: Any) -> None:
    length = x.shape[dim] if x.ndim else 1
    if index.numel() and not index.kind.backend.in_range(index.array, 0, length):
        worst = [value for value in index.reshape(-1).tolist() if not 0 <= value < length][0]
        raise IndexingError(f"{op.name}: index {worst} is out of range for dim {dim} of length {length}.")


@op(dtype=KEEP, check=_same_ndim)
def gather(x: Tensor, dim: Dim, index: Index) -> Tensor:
    """``out[i][j] = x[index[i][j]][j]`` for ``dim=0``, and so on: one element of ``x`` along ``dim`` for each index."""
gather.gradient(x=lambda g, dim, index, x_shape, ops: ops.scatter_add(ops.zeros_of(x_shape, g), dim, index, g))


@op(dtype=KEEP, check=_same_ndim, inplace=True)
def scatter_add(x: Tensor, dim: Dim, index: Index, src: Tensor) -> Tensor:
    """``x`` with the elements of ``src`` added where ``gather(x, dim, index)`` reads."""
scatter_add.gradient(
    x=lambda g: g,
    src=lambda g, dim, index, src_shape, ops: _pad_to(ops.gather(g, dim, index), src_shape, ops),
)


def _pad_to(g: Any, size: tuple[int, ...], ops: Any) -> Any:
    """Zeros for the part of ``src`` beyond ``index``, which was not read."""
    for axis, length in enumerate(size):
        if g.shape[axis] != length:
            g = ops.place(g, axis, 0, length)
    return g


def _check_select(op: Any, x: Any, dim: int, index: Any) -> None:
    if index.ndim > 1:
        raise ShapeError(f"{op.name}: index must have at most one dimension, got shape {index.shape}.")
    _check_places(op, x, dim, index)


def _check_add(op: Any, x: Any, dim: int, index: Any, source: Any) -> None:
    _check_select(op, x, dim, index)
    wanted = (*x.shape[:dim], index.numel(), *x.shape[dim + 1 :]) if x.ndim else source.shape
    if source.shape != wanted or source.ndim > max(x.ndim, 1) or (source.numel() != index.numel() and not x.ndim):
        raise ShapeError(
            f"{op.name}: source has shape {source.shape}; for {index.numel()} places along dim {dim} of x of shape {x.shape} "
            f"it must have {wanted if x.ndim else (index.numel(),)}."
        )


@op(dtype=KEEP, check=_check_select)
def index_select(x: Tensor, dim: Dim, index: Index) -> Tensor:
    """The places ``index`` (1-d integers) along ``dim``."""
index_select.gradient(
    x=lambda g, dim, index, x_shape, ops: ops.index_add(ops.zeros_of(x_shape, g), dim, index, g)
)


@op(dtype=KEEP, check=_check_add, inplace=True)
def index_add(x: Tensor, dim: Dim, index: Index, source: Tensor) -> Tensor:
    """``x`` with the places of ``source`` along ``dim`` added at the places ``index`` (1-d integers)."""
index_add.gradient(
    x=lambda g: g,
    source=lambda g, dim, index, source_shape, ops: (
        ops.index_select(g, dim, index) if g.shape else ops.reshape(g, source_shape)
    ),
)


# bool masks


@op(dtype=TO_INDEX)
def nonzero(x: Tensor) -> Tensor:
    """The positions of the elements that are not zero, one row each: int64 of shape (count, ndim)."""


@op(dtype=KEEP, method=False)
def select_column(x: Tensor, column: Position) -> Tensor:
    """One column of the rows that ``nonzero`` gave."""


@function()
def masked_select(x: Any, mask: Any) -> Tensor:
    """The elements where ``mask`` (bool, broadcast with ``x``) is true, in one dimension."""
    if as_tensor_of("masked_select", mask, "mask").dtype.name != "bool":
        raise DTypeError(f"masked_select: mask must be a bool tensor, got {mask.dtype.name}. Cast it with .bool().")
    shape = shapes.broadcast("masked_select", as_tensor_of("masked_select", x).shape, mask.shape)
    return OPS.expand(x, shape)[OPS.expand(mask, shape)]


@function()
def take_along_dim(x: Any, indices: Any, dim: int | None = None) -> Tensor:
    """Elements of ``x`` along ``dim`` by ``indices``, the other dimensions broadcast; without ``dim``, flattened."""
    as_tensor_of("take_along_dim", x)
    as_tensor_of("take_along_dim", indices, "indices")
    if dim is None:
        return OPS.gather(OPS.reshape(x, (-1,)), 0, OPS.reshape(indices, (-1,)))
    axis = shapes.normalize_dim("take_along_dim", dim, x.ndim)
    if indices.ndim != x.ndim or not x.ndim:
        raise ShapeError(
            f"take_along_dim: indices has shape {indices.shape} and x has {x.shape}; along a dim they need as many "
            f"dimensions, at least one."
        )
    lead = list(shapes.broadcast("take_along_dim", _without(x.shape, axis), _without(indices.shape, axis)))
    rest = lead[:axis], lead[axis + 1 :]
    x = OPS.expand(x, (*rest[0], x.shape[axis], *rest[1]))
    return OPS.gather(x, axis, OPS.expand(indices, (*rest[0], indices.shape[axis], *rest[1])))


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], 1, *shape[axis + 1 :])


# triangles


@op(dtype=KEEP, inplace=True)
def tril(x: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of the last two dimensions, up to ``diagonal``; zeros above."""
tril.gradient(x=lambda g, diagonal, ops: ops.tril(g, diagonal))


@op(dtype=KEEP, inplace=True)
def triu(x: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of the last two dimensions, from ``diagonal`` on; zeros below."""
triu.gradient(x=lambda g, diagonal, ops: ops.triu(g, diagonal))
