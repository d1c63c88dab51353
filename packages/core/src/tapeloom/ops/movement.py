"""Movement: ops that rearrange, join and split without computing. Those marked ``view`` share with their input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.call.op import function, op, primitive
from tapeloom.dtypes import DType
from tapeloom.errors import ArgumentError, ArgumentTypeError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, as_tensors_of

if TYPE_CHECKING:
    from tapeloom.op.parameter import Amounts, Axes, NewDim, Number, Order, Size
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor


def _inferred(op: OpSchema, input: Any, shape: Any) -> tuple[Any, ...]:
    given = as_tensor_of(op.name, input).shape
    try:
        return input, shapes.infer_reshape(op.name, given, shapes.as_ints(op.name, "shape", shape))
    except ArgumentTypeError:
        if len(shape) != 1 or not isinstance(shape[0], (DType, str, type)):
            raise
    seen = _seen_as(input, dtypes.as_dtype(shape[0]))  # x.view(dtype)
    return seen, seen.shape


def _seen_as(input: Tensor, dtype: DType) -> Any:
    """The bits of ``input`` as numbers of ``dtype``; the last dimension is as much longer or shorter as they are."""
    size, old, new = input.shape, input.itemsize, dtype.itemsize
    if old != new:
        if not size:
            raise ShapeError(f"view: a 0-d tensor of {input.dtype.name} cannot be seen as {dtype.name}, which has another size.")
        if size[-1] * old % new:
            raise ShapeError(
                f"view: the last dimension, of {size[-1]} elements of {old} bytes, does not divide into elements of {new} bytes "
                f"({dtype.name})."
            )
        size = (*size[:-1], size[-1] * old // new)
    return OPS.bitcast(input, dtype, size)


@op(moves=True, prepare=_inferred, view=True, aliases=("view",))
def reshape(input: Tensor, *shape: Amounts) -> Tensor:
    """The same elements, in row-major order, in another shape; one length may be -1, to be inferred.

    ``view(dtype)`` sees their bits as numbers of another dtype, without a gradient.
    """
reshape.gradient(input=lambda g, input_shape, ops: ops.reshape(g, input_shape))
reshape.write = lambda base, value, shape: OPS.reshape(value, base.shape)


@reshape.extend
def _(input: Tensor, *shape: Amounts, dtype: DType | None = None) -> Tensor:
    return OPS.reshape(input, *shape) if dtype is None else OPS.reshape(input, *shape, dtype)


@primitive(moves=True, view=True, constants=("out",))
def bitcast(input: Tensor, dtype: DType, size: Size) -> Tensor:
    """The bits of ``input``, in row-major order, as numbers of ``dtype``, in the shape ``size``."""
bitcast.write = lambda base, value, dtype, size: OPS.bitcast(value, base.dtype, base.shape)


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
    shape = as_tensor_of(op.name, input).shape
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


@function(method=False)
def broadcast_shapes(*sizes: Size) -> tuple[int, ...]:
    """The shape that tensors of these ``sizes`` broadcast to; an int is one of one dimension."""
    return shapes.broadcast("broadcast_shapes", *(shapes.as_size("broadcast_shapes", size) for size in sizes))


def _squeezable(op: OpSchema, input: Any, dim: Any) -> tuple[Any, ...]:
    shape = as_tensor_of(op.name, input).shape
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


# for gradient rules


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
