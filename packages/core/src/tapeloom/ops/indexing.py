"""Indexing and assignment: ``input[key]``, ``input[key] = value``, gather and scatter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, host, shapes
from tapeloom.backend.kernels.indexing import advanced_key
from tapeloom.call.inplace import check_writable, shared_by_samples, write
from tapeloom.call.op import among_levels, function, op, primitive
from tapeloom.call_site import entry, trim
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    DeviceError,
    DTypeError,
    IndexingError,
    ShapeError,
    TapeloomError,
)
from tapeloom.keys import parse
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, as_tensors_of, first_outside, require, within
from tapeloom.ops.creation import index_tensor, tensor
from tapeloom.tape.levels import LEVELS, lifted
from tapeloom.tensors.tensor import Tensor, is_tensor, make, read_array

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tapeloom.op.parameter import Axes, Dim, Index, Key, Number, Position, Size
    from tapeloom.op.schema import OpSchema

# basic keys: ints, slices, None


@primitive(moves=True, view=True)
def slice_get(input: Tensor, key: Key) -> Tensor:
    """``input[key]`` for a basic ``keys.Key``."""
slice_get.gradient(input=lambda g, key, input_shape, ops: ops.unslice(g, key, input_shape))
slice_get.write = lambda base, value, key: OPS.slice_put(base, value, key)


@primitive(moves=True)
def unslice(input: Tensor, key: Key, size: Size) -> Tensor:
    """``input`` at ``key`` within zeros of shape ``size``: the adjoint of ``slice_get``."""
unslice.gradient(input=lambda g, key, ops: ops.slice_get(g, key))


@primitive(moves=True)
def slice_put(input: Tensor, value: Tensor, key: Key) -> Tensor:
    """``input`` with ``value`` (broadcast) at ``key``."""
slice_put.gradient(
    input=lambda g, key, ops: ops.slice_put(g, ops.zero_of(g), key),
    value=lambda g, key, ops: ops.slice_get(g, key),
)


@primitive(moves=True, constants=("out",))
def zero_of(like: Tensor) -> Tensor:
    """A 0-d zero in the dtype and on the device of ``like``: for gradient rules."""


# integer tensors


@primitive(moves=True)
def index(input: Tensor, indices: Sequence[Index], dims: Axes) -> Tensor:
    """``input`` with ``dims`` indexed by integer tensors of one shape, as advanced indexing does."""


def _index_gradient(g: Any, indices: Any, dims: Any, input_shape: Any, ops: Any) -> Any:
    return ops.index_put(ops.zeros_of(input_shape, g), indices, g, dims, True)


index.gradient(input=_index_gradient)


@primitive(moves=True)
def index_put(input: Tensor, indices: Sequence[Index], value: Tensor, dims: Axes, accumulate: bool = False) -> Tensor:
    """``input`` with ``value`` (broadcast) put, or added, where ``index(input, indices, dims)`` reads."""
index_put.gradient(
    input=lambda g, indices, dims, accumulate, ops: (
        g if accumulate else ops.index_put(g, indices, ops.zero_of(g), dims, False)
    ),
    value=lambda g, indices, dims, ops: ops.index(g, indices, dims),
)


def _positions(what: str, input: Any, size: tuple[int, ...], advanced: list[tuple[int, Any]]) -> tuple[list[Any], tuple[int, ...]]:
    """The ``advanced`` part of a key, of an ``input`` of ``size`` after the basic part: integer tensors, and their dims."""
    indices: list[Any] = []
    dims: list[int] = []
    for dim, item in advanced:
        if isinstance(item, bool):
            item = index_tensor([0] if item else [], input)
        elif not is_tensor(item):
            item = _as_index(what, input, item)
        if item.device is not input.device:
            raise DeviceError(f"{what}: the index is on {item.device}, and the tensor on {input.device}. Move one with .to(device).")
        if item.dtype.name == "bool":
            if item.shape != size[dim : dim + item.ndim]:
                raise IndexingError(
                    f"{what}: a bool index of shape {item.shape} does not fit the dimensions {size[dim : dim + item.ndim]} "
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
            check_range(what, item, size[dim], dim)
            indices[position] = OPS.expand(item, shape) if item.shape != shape else item
    return indices, tuple(dims)


def _picked_shape(size: tuple[int, ...], indices: list[Any], dims: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of ``index(input, indices, dims)``: that of the indices where they are, or first if others lie between."""
    rest = [length for dim, length in enumerate(size) if dim not in dims]
    together = dims[-1] - dims[0] == len(dims) - 1
    place = dims[0] if together else 0
    return (*rest[:place], *indices[0].shape, *rest[place:])


def _as_index(what: str, input: Any, item: Any) -> Any:
    made = tensor(item if not isinstance(item, range) else list(item), device=input.device)
    return made.long() if not made.numel() else made


def check_range(what: str, index: Any, length: int, dim: int) -> None:
    """Raise IndexingError for a position outside -length..length-1."""
    require(within(index, -length, length), lambda: _outside(what, index, -length, length, dim))


def _outside(what: str, index: Any, low: int, length: int, dim: int) -> IndexingError:
    worst = first_outside(index, low, length)
    return IndexingError(f"{what}: index {worst} is out of range for dim {dim} of length {length}.")


def getitem(input: Tensor, key: Any) -> Tensor:
    """``input[key]``: ints, slices, None and ``...`` give views; integer and bool tensors (or lists) give copies.

    Raises IndexingError for what is out of range and ArgumentTypeError for what is no index.
    """
    try:
        basic, advanced = parse("index", key, input.shape, is_tensor)
        base = input if basic is None else OPS.slice_get(input, basic)
        if advanced:
            return OPS.index(base, *_positions("index", input, base.shape, advanced))
        return base if basic is not None else OPS.reshape(input, input.shape)
    except TapeloomError as error:
        parts = key if isinstance(key, tuple) else (key,)
        met = among_levels(error, (input, *parts), {})
        if met is not None:
            input, *lifted_parts = met[0]
            return getitem(input, tuple(lifted_parts) if isinstance(key, tuple) else lifted_parts[0])
        trim(error)
        raise


@entry
def setitem(input: Tensor, key: Any, value: Any) -> None:
    """``input[key] = value`` in place; the value is broadcast, and cast to the dtype of ``input``.

    Raises as ``input[key]`` does, ShapeError for a value that does not broadcast, DTypeError for a number that the dtype
    cannot hold, InplaceError for a leaf that needs a gradient while recording.
    """
    check_writable("index_put", input)
    if LEVELS.get():
        key, value = _at_level_of(input, key, value)
    if not is_tensor(value):
        value = _constant(input, value)
    if value.device is input.device and value.dtype is not input.dtype:
        dtypes.warn_of_discarding(value.dtype, input.dtype)
        value = OPS.cast(value, input.dtype)
    write("index_put", input, *_writing(input, key, value, False))


def _at_level_of(input: Tensor, key: Any, value: Any) -> tuple[Any, Any]:
    """``key`` and ``value`` at the level of vmap that ``input`` is at; InplaceError where they are deeper."""
    parts = list(key) if isinstance(key, tuple) else [key]
    raised = [lifted(part, input.device) if is_tensor(part) else part for part in (*parts, value)]
    if any(is_tensor(part) and part.device is not input.device and part.device == input.device for part in raised):
        raise shared_by_samples("index_put")
    return (tuple(raised[:-1]) if isinstance(key, tuple) else raised[0]), raised[-1]


def _writing(
    input: Tensor, key: Any, value: Any, accumulate: bool
) -> tuple[Tensor, Callable[[Any, Any], object], Callable[[], Tensor]]:
    """What ``call.inplace.write`` needs to put ``value`` (broadcast) at ``key``, or to add it there."""
    if value.device is not input.device:
        raise DeviceError(f"index_put: the value is on {value.device}, and the tensor on {input.device}. Move one with .to(device).")
    basic, advanced = parse("index_put", key, input.shape, is_tensor)
    size = input.shape if basic is None else basic.shape()
    indices, dims = _positions("index_put", input, size, advanced)
    target = _picked_shape(size, indices, dims) if indices else size
    while value.ndim > len(target) and value.shape[0] == 1:
        value = OPS.reshape(value, value.shape[1:])  # leading ones are dropped, as in PyTorch
    try:
        fits = shapes.broadcast("index_put", value.shape, target) == target
    except ShapeError:
        fits = False
    if not fits:
        raise ShapeError(f"index_put: a value of shape {value.shape} does not broadcast to the indexed shape {target}.")
    call, places, how = input.kind.backend.call, [read_array(index) for index in indices], "add" if accumulate else "set"

    def into(array: Any, new: Any) -> None:
        if indices:
            part = array if basic is None else call("slice_get", array, basic)
            key = advanced_key(len(size), places, dims)
        else:
            part, key = array, (...,) if basic is None else basic.native()
        result = call("at", part, key, new, how, True)
        if result is not part:  # added up in another dtype
            call("at", part, (...,), result, "set", True)

    def changed() -> Tensor:
        part = input if basic is None else OPS.slice_get(input, basic)
        if indices:
            part = OPS.index_put(part, indices, value, dims, accumulate)
        else:
            part = OPS.add(part, value) if accumulate else OPS.expand(value, part.shape)
        return part if basic is None else OPS.slice_put(input, part, basic)

    return value, into, changed


def _putting(name: str, input: Any, indices: Any, values: Any, accumulate: Any) -> Any:
    """``_writing`` for both call forms of PyTorch's ``index_put``."""
    key = tuple(as_tensors_of(name, indices, "indices"))
    if not key:
        raise ArgumentError(f"{name}: indices is empty. Give a tensor for each dimension to index.")
    if as_tensor_of(name, values, "values").dtype is not as_tensor_of(name, input).dtype:
        raise DTypeError(
            f"{name}: input is {input.dtype.name}, and values is {values.dtype.name}; they must be the same. "
            f"Cast one of them with .to(dtype)."
        )
    return _writing(input, key, values, accumulate)


@function(name="index_put", autocast={"cuda": "promote"})
def put_at(input: Tensor, indices: Sequence[Tensor], values: Tensor, accumulate: bool = False) -> Tensor:
    """``input`` with ``values`` (broadcast) put where ``input[indices]`` reads; with ``accumulate`` they are added.

    ``indices`` is a tuple of integer or bool tensors. Where two of them meet at one place, one is kept, or with
    ``accumulate`` both are added. Raises IndexingError for a place out of range, ShapeError for values that do not
    broadcast, DTypeError for values of another dtype.
    """
    _, _, changed = _putting("index_put", input, indices, values, accumulate)
    return changed()


@function()
def index_put_(self: Tensor, indices: Sequence[Tensor], values: Tensor, accumulate: bool = False) -> Tensor:
    """In place: ``index_put``."""
    check_writable("index_put", as_tensor_of("index_put_", self, "self"))
    write("index_put", self, *_putting("index_put_", self, indices, values, accumulate))
    return self


def _constant(input: Tensor, value: Any) -> Tensor:
    number, kind = host.python_number(value), input.kind
    if isinstance(number, dtypes.NUMBERS):
        return make(kind.backend.scalar(dtypes.storable("index_put", number, kind.dtype), kind.dtype, kind.device), kind)
    return tensor(value, dtype=None if host.is_array(value) else kind.dtype, device=kind.device)


# gather and scatter


def check_gather(op: OpSchema, input: Tensor, dim: int, index: Tensor, *rest: Any) -> None:
    """``index`` lies beside ``input`` along all dimensions but ``dim``, within a source that follows, and names places of ``dim``."""
    if not index.numel():  # PyTorch takes an empty index of any shape
        return
    size, own = (tensor.shape or (1,) for tensor in (input, index))
    if len(own) != len(size):
        raise ShapeError(f"{op.name}: index has shape {index.shape} and input has {input.shape}; they need as many dimensions.")
    for axis, (have, most) in enumerate(zip(own, size, strict=True)):
        if axis != dim and have > most:
            raise ShapeError(f"{op.name}: index of shape {index.shape} is longer than input of shape {input.shape} in dim {axis}.")
    source = rest[0].shape or (1,) if rest and is_tensor(rest[0]) else own
    if len(source) != len(own) or any(a > b for a, b in zip(own, source, strict=True)):
        raise ShapeError(f"{op.name}: index of shape {index.shape} does not lie within the source of shape {rest[0].shape}.")
    _check_places(op, input, dim, index)


def _check_places(op: OpSchema, input: Tensor, dim: int, index: Tensor) -> None:
    length = input.shape[dim] if input.ndim else 1
    require(within(index, 0, length), lambda: _outside(op.name, index, 0, length, dim))


@op(moves=True, check=check_gather)
def gather(input: Tensor, dim: Dim, index: Index) -> Tensor:
    """``out[i][j] = input[index[i][j]][j]`` for ``dim=0``, and so on: one element of ``input`` along ``dim`` for each index.

    ``sparse_grad`` is taken for PyTorch's spelling: gradients are dense.
    """
gather.gradient(input=lambda g, dim, index, input_shape, ops: ops.scatter_add(ops.zeros_of(input_shape, g), dim, index, g))


@gather.extend
def _(input: Tensor, dim: Dim, index: Index, *, sparse_grad: bool = False) -> Tensor:
    return OPS.gather(input, dim, index)


@op(moves=True, check=check_gather, inplace=True, autocast={"cuda": "promote"})
def scatter_add(input: Tensor, dim: Dim, index: Index, src: Tensor) -> Tensor:
    """``input`` with the elements of ``src`` added where ``gather(input, dim, index)`` reads."""
scatter_add.gradient(
    input=lambda g: g,
    src=lambda g, dim, index, src_shape, ops: gathered_in(g, dim, index, src_shape, ops),
)


def gathered_in(g: Any, dim: int, index: Any, size: tuple[int, ...], ops: Any) -> Any:
    """What ``gather`` reads, and zeros for the part of ``src`` beyond ``index``, which was not added."""
    if 0 in index.shape:
        return ops.zeros_of(size, g)
    g = ops.gather(g, dim, index)
    g = g if len(g.shape) == len(size) else ops.reshape(g, (-1,) if size else ())
    for axis, length in enumerate(size):
        if g.shape[axis] != length:
            g = ops.place(g, axis, 0, length)
    return g


def check_select(op: OpSchema, input: Tensor, dim: int, index: Tensor) -> None:
    """``index`` is a list of places of ``dim``."""
    if index.ndim > 1:
        raise ShapeError(f"{op.name}: index must have at most one dimension, got shape {index.shape}.")
    if not input.ndim and index.numel() != 1:
        raise ShapeError(f"{op.name}: a 0-d tensor has one place to index, and {index.numel()} were given.")
    _check_places(op, input, dim, index)


def check_add(op: OpSchema, input: Tensor, dim: int, index: Tensor, source: Tensor) -> None:
    """``check_select``, and ``source`` has as many places there, and the lengths of ``input`` elsewhere."""
    check_select(op, input, dim, index)
    wanted = (*input.shape[:dim], index.numel(), *input.shape[dim + 1 :]) if input.ndim else source.shape
    if source.shape != wanted or source.ndim > max(input.ndim, 1) or (source.numel() != index.numel() and not input.ndim):
        raise ShapeError(
            f"{op.name}: source has shape {source.shape}; for {index.numel()} places along dim {dim} of input of shape {input.shape} "
            f"it must have {wanted if input.ndim else (index.numel(),)}."
        )


@op(moves=True, check=check_select)
def index_select(input: Tensor, dim: Dim, index: Index) -> Tensor:
    """The places ``index`` (1-d integers) along ``dim``."""
index_select.gradient(
    input=lambda g, dim, index, input_shape, ops: ops.index_add(ops.zeros_of(input_shape, g), dim, index, g)
)


@op(moves=True, check=check_add, inplace=True)
def index_add(input: Tensor, dim: Dim, index: Index, source: Tensor) -> Tensor:
    """``input`` with the places of ``source``, times ``alpha``, along ``dim`` added at the places ``index`` (1-d integers)."""
index_add.gradient(
    input=lambda g: g,
    source=lambda g, dim, index, source_shape, ops: (
        ops.index_select(g, dim, index) if g.shape else ops.reshape(g, source_shape)
    ),
)


@index_add.extend
def _(input: Tensor, dim: Dim, index: Index, source: Tensor, *, alpha: Number = 1) -> Tensor:
    if alpha != 1:
        source = OPS.multiply(source, bool(alpha) if as_tensor_of("index_add", source, "source").dtype is dtypes.bool_ else alpha)
    return OPS.index_add(input, dim, index, source)


# bool masks


@primitive(gives="int64", complex="as written", dynamic=True)
def nonzero(input: Tensor) -> Tensor:
    """The positions of the elements that are not zero, one row each: int64 of shape (count, ndim)."""


@function(
    name="nonzero",
    overloads=(
        "(input: Tensor, *, as_tuple: Literal[False] = False) -> Tensor",
        "(input: Tensor, *, as_tuple: Literal[True]) -> tuple[Tensor, ...]",
    ),
)
def find_nonzero(input: Tensor, *, as_tuple: bool = False) -> Tensor | tuple[Tensor, ...]:
    """The positions of the elements that are not zero, one row each: int64 of shape (count, ndim).

    With ``as_tuple`` a vector of positions for each dimension, so that ``input[input.nonzero(as_tuple=True)]`` are the
    elements; a 0-d tensor counts as one of one dimension.
    """
    as_tensor_of("nonzero", input)
    if not as_tuple:
        return OPS.nonzero(input)
    found = OPS.nonzero(input if input.ndim else OPS.reshape(input, (1,)))
    return tuple(OPS.select_column(found, dim) for dim in range(max(input.ndim, 1)))


@primitive(moves=True)
def select_column(input: Tensor, column: Position) -> Tensor:
    """One column of the rows that ``nonzero`` gave."""


@function()
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where ``mask`` (bool, broadcast with ``input``) is true, in one dimension."""
    if as_tensor_of("masked_select", mask, "mask").dtype.name != "bool":
        raise DTypeError(f"masked_select: mask must be a bool tensor, got {mask.dtype.name}. Cast it with .bool().")
    shape = shapes.broadcast("masked_select", as_tensor_of("masked_select", input).shape, mask.shape)
    return OPS.expand(input, shape)[OPS.expand(mask, shape)]


@function()
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Elements of ``input`` along ``dim`` by ``indices``, the other dimensions broadcast; without ``dim``, flattened.

    Along a ``dim`` negative indices count from the end. Raises IndexingError for what is out of range.
    """
    as_tensor_of("take_along_dim", input)
    as_tensor_of("take_along_dim", indices, "indices")
    if dim is None:
        return OPS.gather(OPS.reshape(input, (-1,)), 0, OPS.reshape(indices, (-1,)))
    axis = shapes.normalize_dim("take_along_dim", dim, input.ndim)
    if indices.ndim != input.ndim or not input.ndim:
        raise ShapeError(
            f"take_along_dim: indices has shape {indices.shape} and input has {input.shape}; along a dim they need as many "
            f"dimensions, at least one."
        )
    length = input.shape[axis]
    if not indices.dtype.inexact and not within(indices, 0, length):
        check_range("take_along_dim", indices, length, axis)
        indices = OPS.remainder(indices, length)
    lead = list(shapes.broadcast("take_along_dim", _without(input.shape, axis), _without(indices.shape, axis)))
    rest = lead[:axis], lead[axis + 1 :]
    input = OPS.expand(input, (*rest[0], input.shape[axis], *rest[1]))
    return OPS.gather(input, axis, OPS.expand(indices, (*rest[0], indices.shape[axis], *rest[1])))


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], 1, *shape[axis + 1 :])


@function(method=False)
def unravel_index(indices: Tensor, shape: Size) -> tuple[Tensor, ...]:
    """Where in a tensor of ``shape`` the places ``indices`` of its elements in row-major order are: one int64 tensor for each dimension.

    Places beyond its end, and negative ones, go round. Raises DTypeError for ``indices`` that are no integers.
    """
    if as_tensor_of("unravel_index", indices, "indices").dtype.category != dtypes.INTEGER:
        raise DTypeError(f"unravel_index: indices must hold integers, got {indices.dtype.name}. Cast them with .long().")
    size = shapes.as_size("unravel_index", shape)
    if 0 in size and indices.numel():
        raise ShapeError(f"unravel_index: a tensor of shape {size} has no elements.")
    rest, found = OPS.cast(indices, dtypes.int64), []
    for length in reversed(size):
        found.append(OPS.remainder(rest, length or 1))
        rest = OPS.floor_divide(rest, length or 1)
    return tuple(reversed(found))
