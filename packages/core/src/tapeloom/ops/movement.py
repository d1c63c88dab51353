"""Movement: ops that rearrange, join and split without computing. Those marked ``view`` share with their input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.call.op import function, op, primitive
from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.keys import part
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, as_tensors_of
from tapeloom.ops.creation import index_tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.op.parameter import Amounts, Axes, Dim, NewDim, Number, Order, Position, Size
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor


def _shape_of(op: OpSchema, input: Any) -> tuple[int, ...]:
    return as_tensor_of(op.name, input).shape


def _dim_of(name: str, input: Any, dim: Any, what: str) -> int:
    """``dim`` of ``input`` counted from 0; a 0-d tensor, which has none to do ``what`` with, is refused."""
    axis = shapes.normalize_dim(name, dim, as_tensor_of(name, input).ndim)
    if not input.ndim:
        raise ShapeError(f"{name}: a 0-d tensor has no dimension to {what}.")
    return axis


def _inferred(op: OpSchema, input: Any, shape: Any) -> tuple[Any, ...]:
    return input, shapes.infer_reshape(op.name, _shape_of(op, input), shapes.as_ints(op.name, "shape", shape))


@op(moves=True, prepare=_inferred, view=True, aliases=("view",))
def reshape(input: Tensor, *shape: Amounts) -> Tensor:
    """The same elements, in row-major order, in another shape; one length may be -1, to be inferred."""
reshape.gradient(input=lambda g, input_shape, ops: ops.reshape(g, input_shape))
reshape.write = lambda base, value, shape: OPS.reshape(value, base.shape)


@function()
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """``input`` in the shape of ``other``."""
    return OPS.reshape(as_tensor_of("view_as", input), as_tensor_of("view_as", other, "other").shape)


@function()
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """``input`` in the shape of ``other``."""
    return OPS.reshape(as_tensor_of("reshape_as", input), as_tensor_of("reshape_as", other, "other").shape)


@function()
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions ``start_dim`` to ``end_dim`` joined into one."""
    shape = as_tensor_of("flatten", input).shape
    start = shapes.normalize_dim("flatten", start_dim, len(shape))
    end = shapes.normalize_dim("flatten", end_dim, len(shape))
    if start > end:
        raise ArgumentError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}.")
    if len(shape) == 1:
        return input
    joined = shapes.element_count(shape[start : end + 1])
    return OPS.reshape(input, (*shape[:start], joined, *shape[end + 1 :]))


@function()
def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension."""
    return OPS.reshape(as_tensor_of("ravel", input), (-1,))


@function()
def unflatten(input: Tensor, dim: int, sizes: Amounts) -> Tensor:
    """One dimension split into several; one of ``sizes`` may be -1."""
    axis = shapes.normalize_dim("unflatten", dim, as_tensor_of("unflatten", input).ndim)
    if not input.ndim:
        raise ShapeError("unflatten: a 0-d tensor has no dimension to split. Use .reshape(sizes).")
    sizes = shapes.as_ints("unflatten", "sizes", sizes)
    if not sizes:
        raise ShapeError("unflatten: sizes is empty. Give a length for each new dimension, or use .squeeze(dim).")
    inner = shapes.infer_reshape("unflatten", (input.shape[axis],), sizes)
    return OPS.reshape(input, (*input.shape[:axis], *inner, *input.shape[axis + 1 :]))


def _inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    result = [0] * len(order)
    for position, axis in enumerate(order):
        result[axis] = position
    return tuple(result)


@op(moves=True, view=True)
def permute(input: Tensor, *dims: Order) -> Tensor:
    """The dimensions in the order ``dims``."""
permute.gradient(input=lambda g, dims, ops: ops.permute(g, _inverse(dims)))
permute.write = lambda base, value, dims: OPS.permute(value, _inverse(dims))


@function(aliases=("swapaxes", "swapdims"))
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions swapped."""
    ndim = as_tensor_of("transpose", input).ndim
    first, second = (shapes.normalize_dim("transpose", dim, ndim) for dim in (dim0, dim1))
    order = list(range(ndim))
    if order:
        order[first], order[second] = second, first
    return OPS.permute(input, tuple(order))


@function()
def t(input: Tensor) -> Tensor:
    """The transpose of a tensor of at most two dimensions."""
    if as_tensor_of("t", input).ndim > 2:
        raise ShapeError(f"t: expected at most 2 dimensions, got shape {input.shape}. Use .transpose(dim0, dim1) or .mT.")
    return OPS.permute(input, tuple(range(input.ndim - 1, -1, -1)))


@function(aliases=("moveaxis",))
def movedim(input: Tensor, source: Axes, destination: Axes) -> Tensor:
    """Dimensions ``source`` moved to the places ``destination``; the others keep their order."""
    as_tensor_of("movedim", input)
    sources = [shapes.normalize_dim("movedim", dim, input.ndim) for dim in shapes.as_ints("movedim", "source", source)]
    targets = [shapes.normalize_dim("movedim", dim, input.ndim) for dim in shapes.as_ints("movedim", "destination", destination)]
    if len(sources) != len(targets) or len(set(sources)) != len(sources) or len(set(targets)) != len(targets):
        raise ShapeError(f"movedim: source {source} and destination {destination} must name as many different dimensions.")
    if not input.ndim:
        return OPS.permute(input, ())
    order = [axis for axis in range(input.ndim) if axis not in sources]
    for target, origin in sorted(zip(targets, sources, strict=True)):
        order.insert(target, origin)
    return OPS.permute(input, tuple(order))


def _expandable(op: OpSchema, input: Any, size: Any) -> tuple[Any, ...]:
    shape = _shape_of(op, input)
    size = shapes.as_ints(op.name, "size", size)
    lead = len(size) - len(shape)
    fits = lead >= 0
    result = list(size)
    for axis, length in enumerate(shape):
        if not fits:
            break
        if size[lead + axis] == -1:
            result[lead + axis] = length
        fits = result[lead + axis] == length or length == 1
    if not fits or any(length < 0 for length in result):
        raise ShapeError(
            f"{op.name}: shape {shape} cannot be expanded to {size}. Only dimensions of length 1, and new ones in front, "
            f"can be expanded."
        )
    return input, tuple(result)


@op(moves=True, prepare=_expandable, view=True, aliases=("broadcast_to",))
def expand(input: Tensor, *size: Amounts) -> Tensor:
    """Dimensions of length 1, and new ones in front, repeated to ``size``; -1 keeps a length."""
expand.gradient(input=lambda g: g)  # the walk sums back over what was repeated


@function()
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """``input`` expanded to the shape of ``other``."""
    return OPS.expand(as_tensor_of("expand_as", input), as_tensor_of("expand_as", other, "other").shape)


@function(method=False)
def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors, all expanded to the shape that they broadcast to."""
    shape = shapes.broadcast("broadcast_tensors", *(tensor.shape for tensor in as_tensors_of("broadcast_tensors", tensors)))
    return tuple(OPS.expand(tensor, shape) for tensor in tensors)


def _squeezable(op: OpSchema, input: Any, dim: Any) -> tuple[Any, ...]:
    shape = _shape_of(op, input)
    if not dim:
        given = tuple(range(len(shape)))
    else:  # an empty tuple is none of them, also where a view is taken anew
        given = () if dim[0] in ((), []) else shapes.normalize_dims(op.name, dim, len(shape))
    return input, tuple(axis for axis in given if shape[axis] == 1)


@op(moves=True, prepare=_squeezable, view=True)
def squeeze(input: Tensor, *dim: Axes | None) -> Tensor:
    """Dimensions of length 1 taken away: all, or those of ``dim`` that have length 1."""
squeeze.gradient(input=lambda g, input_shape, ops: ops.reshape(g, input_shape))
squeeze.write = lambda base, value, dim: OPS.reshape(value, base.shape)


@op(moves=True, view=True)
def unsqueeze(input: Tensor, dim: NewDim) -> Tensor:
    """A new dimension of length 1 at ``dim``."""
unsqueeze.gradient(input=lambda g, input_shape, ops: ops.reshape(g, input_shape))
unsqueeze.write = lambda base, value, dim: OPS.reshape(value, base.shape)


# joining


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


@function(method=False)
def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors joined by rows."""
    return OPS.cat([OPS.reshape(input, (1, -1)) if input.ndim < 2 else input for input in as_tensors_of("vstack", tensors)], 0)


@function(method=False)
def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors joined by columns (1-d tensors end to end)."""
    tensors = [OPS.reshape(input, (1,)) if input.ndim == 0 else input for input in as_tensors_of("hstack", tensors)]
    return OPS.cat(tensors, 0 if tensors and tensors[0].ndim == 1 else 1)


# splitting


def _narrow_range(op: OpSchema, input: Any, dim: Any, start: Any, length: Any) -> tuple[Any, ...]:
    shape = _shape_of(op, input)
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
def split(input: Tensor, split_size_or_sections: Amounts, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts along ``dim``: of one length (the last may be shorter), or of the lengths given, which must add up."""
    axis = _dim_of("split", input, dim, "split")
    total = input.shape[axis]
    if isinstance(split_size_or_sections, (tuple, list)):
        lengths = shapes.as_ints("split", "sections", split_size_or_sections)
        if _total(lengths) != total or any(length < 0 for length in lengths):
            raise ShapeError(f"split: the lengths {lengths} do not add up to {total}, the length of dim {axis}.")
    else:
        size = shapes.as_int("split", "split_size", split_size_or_sections)
        if size <= 0 and (total or size < 0):
            raise ArgumentError(f"split: split_size must be positive, got {size}.")
        lengths = tuple(size if begin + size <= total else total - begin for begin in range(0, total, size or 1)) or (0,)
    starts, start = [], 0
    for length in lengths:
        starts.append(start)
        start += length
    return tuple(OPS.narrow(input, axis, begin, length) for begin, length in zip(starts, lengths, strict=True))


def _total(lengths: tuple[int, ...]) -> int:
    total = 0
    for length in lengths:
        total += length
    return total


@function()
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most ``chunks`` parts of equal length along ``dim``; the last may be shorter."""
    if shapes.as_int("chunk", "chunks", chunks) < 1:
        raise ArgumentError(f"chunk: chunks must be at least 1, got {chunks}.")
    axis = _dim_of("chunk", input, dim, "split")
    total = input.shape[axis]
    if not total:
        return split(input, [0] * chunks, axis)
    return split(input, -(-total // chunks), axis)


@function()
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The places along ``dim``, each without that dimension."""
    axis = _dim_of("unbind", input, dim, "take apart")
    return tuple(select(input, axis, index) for index in range(input.shape[axis]))


# padding, turning and repeating


def _padding(op: OpSchema, input: Any, pad: Any, value: Any) -> tuple[Any, ...]:
    shape = _shape_of(op, input)
    flat = shapes.as_ints(op.name, "pad", pad)
    if len(flat) % 2 or len(flat) > 2 * len(shape):
        raise ArgumentError(
            f"{op.name}: pad {flat} must hold two numbers, before and after, for each padded dimension from the last one "
            f"on; shape {shape} takes at most {2 * len(shape)}."
        )
    for position, (before, after) in enumerate(zip(flat[::2], flat[1::2], strict=True)):
        length = shape[-1 - position]
        if length + before + after < 0 or length + before < 0 or length + after < 0:
            raise ShapeError(f"{op.name}: pad {flat} takes more from dim {len(shape) - 1 - position} than its length {length}.")
    return input, flat, dtypes.storable(op.name, as_number(op.name, "value", value), input.dtype)


def _unpad(g: Any, pad: tuple[int, ...], ops: Any) -> Any:
    return ops.constant_pad(g, tuple(-amount for amount in pad), 0)


@primitive(moves=True, prepare=_padding)
def constant_pad(input: Tensor, pad: Amounts, value: Number = 0) -> Tensor:
    """``input`` with ``value`` around it; negative amounts crop.

    ``pad`` holds (before, after) of the last dimension, then of the one before it, and so on.
    """
constant_pad.gradient(input=_unpad)


@function(method=False)
def pad(input: Tensor, pad: Amounts, mode: str = "constant", value: Number | None = None) -> Tensor:
    """``input`` padded: mode ``constant`` with ``value``, ``reflect`` (without the edge), ``replicate`` or ``circular``."""
    if mode == "constant":
        return OPS.constant_pad(input, pad, 0 if value is None else value)
    if value is not None and value != 0:
        raise ArgumentError(f"pad: mode {mode!r} takes no value.")
    _, amounts, _ = _padding(OPS.constant_pad, input, pad, 0)
    for position in range(0, len(amounts), 2):
        before, after = amounts[position : position + 2]
        axis = input.ndim - 1 - position // 2
        places = _pad_places(mode, input.shape[axis], before, after)
        input = OPS.index_select(input, axis, index_tensor(places, input))
    return input


def _pad_places(mode: str, length: int, before: int, after: int) -> list[int]:
    wanted = range(-before, length + after)
    if mode == "replicate":
        return [place if 0 <= place < length else 0 if place < 0 else length - 1 for place in wanted]
    if mode == "circular":
        first, rest = max(-before, 0), length + min(before, 0) + min(after, 0)  # what negative amounts leave goes round
        if before > rest or after > rest:
            left = "the dimension" if rest == length else "what is left of the dimension"
            raise ShapeError(f"pad: circular padding ({before}, {after}) is longer than {left}, {rest}.")
        return [first + (place - first) % rest for place in wanted]
    if mode == "reflect":
        if before >= length or after >= length:
            raise ShapeError(f"pad: reflect padding ({before}, {after}) must be shorter than the dimension, {length}.")
        return [-place if place < 0 else 2 * (length - 1) - place if place >= length else place for place in wanted]
    raise ArgumentError(f"pad: mode must be 'constant', 'reflect', 'replicate' or 'circular', got {mode!r}.")


@op(moves=True)
def flip(input: Tensor, *dims: Axes) -> Tensor:
    """The order along ``dims`` reversed."""
flip.gradient(input=lambda g, dims, ops: ops.flip(g, dims))


@function()
def roll(input: Tensor, shifts: Amounts, dims: Axes | None = None) -> Tensor:
    """Elements shifted along ``dims``, those that fall off coming in at the other end; without ``dims``, flattened."""
    if dims is None or dims in ((), []):
        return OPS.reshape(roll(OPS.reshape(input, (-1,)), shifts, 0), input.shape)
    amounts = shapes.as_ints("roll", "shifts", shifts)
    axes = tuple(_dim_of("roll", input, dim, "roll along") for dim in shapes.as_ints("roll", "dims", dims))
    if len(amounts) != len(axes):
        raise ArgumentError(f"roll: {len(amounts)} shifts and {len(axes)} dims were given; give one shift for each dim.")
    rolled = input
    for amount, axis in zip(amounts, axes, strict=True):
        rolled = OPS.roll_along(rolled, amount % (input.shape[axis] or 1), axis)
    return OPS.clone(input) if rolled is input else rolled


@primitive(moves=True)
def roll_along(input: Tensor, shift: Position, dim: Dim) -> Tensor:
    """Elements shifted along one dimension, those that fall off coming in at the other end."""
roll_along.gradient(input=lambda g, shift, dim, ops: ops.roll_along(g, -shift, dim))


@function()
def repeat(input: Tensor, *repeats: Size) -> Tensor:
    """The tensor repeated ``repeats`` times along each dimension; more numbers than dimensions add dimensions in front."""
    times = shapes.as_size("repeat", repeats[0] if len(repeats) == 1 and not isinstance(repeats[0], int) else repeats)
    if len(times) < as_tensor_of("repeat", input).ndim:
        raise ShapeError(f"repeat: {len(times)} sizes were given for {input.ndim} dimensions. Give at least one for each.")
    shape = (1,) * (len(times) - input.ndim) + input.shape
    interleaved = tuple(n for pair in zip(times, shape, strict=True) for n in pair)
    spread = OPS.reshape(input, tuple(n for length in shape for n in (1, length)))
    return OPS.reshape(OPS.expand(spread, interleaved), tuple(a * b for a, b in zip(times, shape, strict=True)))


@function()
def tile(input: Tensor, *dims: Size) -> Tensor:
    """Like ``repeat``; missing sizes are 1."""
    times = shapes.as_size("tile", dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims)
    return repeat(input, (1,) * (as_tensor_of("tile", input).ndim - len(times)) + times)


@primitive(moves=True)
def reduce_to(input: Tensor, size: Size) -> Tensor:
    """``input`` summed over what broadcasting from ``size`` repeated: the adjoint of ``expand``."""
reduce_to.gradient(input=lambda g, input_shape, ops: ops.expand(g, input_shape))


@primitive(moves=True, constants=("out",))
def zeros_of(size: Size, like: Tensor) -> Tensor:
    """Zeros of shape ``size`` in the dtype and on the device of ``like``: for gradient rules."""


@primitive(moves=True, constants=("out",))
def full_of(like: Tensor, value: Number) -> Tensor:
    """``value`` in the shape, dtype and on the device of ``like``: for gradient rules."""
