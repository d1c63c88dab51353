"""Shape arithmetic: pure functions on tuples of ints. Nothing here knows arrays or tensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from tapeloom.errors import ArgumentTypeError, IndexingError, ShapeError

Shape = tuple[int, ...]


def as_int(op: str, name: str, value: object) -> int:
    """``value`` as an int (anything with ``__index__``), or an ArgumentTypeError naming ``op`` and ``name``."""
    if type(value) is int:
        return value
    index = getattr(type(value), "__index__", None)
    if index is not None and not isinstance(value, bool):
        with suppress(TypeError):  # an array that is not one integer
            return int(index(value))
    shape = getattr(value, "shape", None)
    got = f"{value!r} of type {type(value).__name__}" if shape is None else f"{type(value).__name__} of shape {shape}"
    raise ArgumentTypeError(f"{op}: {name} must be an int, got {got}.")


def as_ints(op: str, name: str, value: object) -> Shape:
    """``value`` (an int or a sequence of ints) as a tuple of ints."""
    if type(value) is tuple and all(type(item) is int for item in value):
        return value
    if isinstance(value, (tuple, list)) or (
        isinstance(value, Iterable) and not isinstance(value, str) and not hasattr(value, "__index__")
    ):
        return tuple(as_int(op, name, item) for item in value)
    return (as_int(op, name, value),)


def as_size(op: str, value: object) -> Shape:
    """``value`` as the size of a new tensor: no negative lengths."""
    size = as_ints(op, "size", value)
    for length in size:
        if length < 0:
            raise ShapeError(f"{op}: size {size} has the negative length {length}. Give lengths of 0 or more.")
    return size


def normalize_dim(op: str, dim: object, ndim: int) -> int:
    """``dim`` counted from 0; a 0-d tensor takes 0 and -1, as in PyTorch."""
    index = dim if type(dim) is int else as_int(op, "dim", dim)
    limit = ndim or 1
    if -limit <= index < limit:
        return index if index >= 0 else index + limit
    raise IndexingError(
        f"{op}: dim {index} is out of range for a tensor of {ndim} dimensions. Give a dim from {-limit} to {limit - 1}."
    )


def normalize_dims(op: str, dims: object, ndim: int) -> Shape:
    """``dims`` (None or empty for all, an int, or a sequence) counted from 0, each at most once."""
    if dims is None:
        return tuple(range(ndim))
    if type(dims) is int:
        return (normalize_dim(op, dims, ndim),) if ndim else _scalar_dims(op, (dims,))
    given = as_ints(op, "dim", dims)
    if not given:
        return tuple(range(ndim))
    if not ndim:
        return _scalar_dims(op, given)
    result = tuple(normalize_dim(op, dim, ndim) for dim in given)
    if len(set(result)) != len(result):
        raise _named_twice(op, given)
    return result


def normalize_axes(op: str, name: str, dims: object, ndim: int) -> Shape:
    """Like ``normalize_dims``, but empty is none of them."""
    given = as_ints(op, name, dims)
    return normalize_dims(op, given, ndim) if given else ()


def normalize_order(op: str, name: str, dims: object, ndim: int) -> Shape:
    """``dims`` counted from 0: all dimensions, each once."""
    given = as_ints(op, name, dims)
    order = tuple(normalize_dim(op, dim, ndim) for dim in given)
    if sorted(order) != list(range(ndim)):
        raise ShapeError(f"{op}: {name} {given} do not name each of the {ndim} dimensions once.")
    return order


def per_axis(op: str, name: str, value: object, count: int) -> Shape:
    """``value`` for each of ``count`` spatial dimensions: one int for all of them, or one for each."""
    if type(value) is int:
        return (value,) * count
    given = as_ints(op, name, value)
    if len(given) == 1:
        return given * count
    if len(given) != count:
        others = ("", " or two", " or three")[count - 1] if 1 <= count <= 3 else f" or {count}"
        raise ArgumentTypeError(f"{op}: {name} must be one int{others}, got {value!r}.")
    return given


def _scalar_dims(op: str, dims: Shape) -> Shape:
    for dim in dims:
        normalize_dim(op, dim, 0)
    if len(dims) > 1:
        raise _named_twice(op, dims)
    return ()


def _named_twice(op: str, dims: Shape) -> ShapeError:
    return ShapeError(f"{op}: dim {dims} names a dimension more than once. Name each dimension once.")


def broadcast(op: str, *shapes: Shape) -> Shape:
    """The shape that ``shapes`` broadcast to, or a ShapeError naming the first axis that does not fit."""
    ndim = max((len(shape) for shape in shapes), default=0)
    result = [1] * ndim
    for shape in shapes:
        offset = ndim - len(shape)
        for axis, length in enumerate(shape):
            have = result[offset + axis]
            if have == length or length == 1:
                continue
            if have != 1:
                names = " and ".join(str(tuple(s)) for s in shapes)
                raise ShapeError(
                    f"{op}: shapes {names} do not broadcast (axis {offset + axis - ndim}: {have} vs {length}). "
                    f"Reshape one operand, or give that axis the size 1."
                )
            result[offset + axis] = length
    return tuple(result)


def element_count(shape: Iterable[int]) -> int:
    """How many elements a tensor of ``shape`` has."""
    count = 1
    for length in shape:
        count *= length
    return count


def infer_reshape(op: str, shape: Sequence[int], size: Shape) -> Shape:
    """``size`` with its one -1, if any, replaced by the length that fits ``shape``."""
    count = element_count(shape)
    unknown = [axis for axis, length in enumerate(size) if length == -1]
    if any(length < -1 for length in size):
        raise ShapeError(f"{op}: size {size} has a negative length. Only one -1, for a length to infer, is allowed.")
    if len(unknown) > 1:
        raise ShapeError(f"{op}: size {size} has more than one -1. Only one length can be inferred.")
    if unknown:
        known = element_count(length for length in size if length != -1)
        if known and count % known == 0:
            axis = unknown[0]
            return (*size[:axis], count // known, *size[axis + 1 :])
        if not known:
            raise ShapeError(
                f"{op}: the -1 in size {size} is ambiguous for a tensor of shape {tuple(shape)}. Give the length."
            )
    elif element_count(size) == count:
        return size
    raise ShapeError(
        f"{op}: a tensor of shape {tuple(shape)} has {count} elements and cannot take the size {size}. "
        f"Give a size with {count} elements."
    )


def reduced(shape: Shape, dims: Shape, keepdim: bool) -> Shape:
    """The shape left after reducing ``shape`` over ``dims``."""
    if keepdim:
        return tuple(1 if axis in dims else length for axis, length in enumerate(shape))
    return tuple(length for axis, length in enumerate(shape) if axis not in dims)


def window_length(length: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool = False) -> int:
    """How many windows fit along one axis (the formula of PyTorch's conv and pooling pages)."""
    span = length + 2 * padding - dilation * (kernel - 1) - 1
    if ceil_mode:
        count = -(-span // stride) + 1
        if (count - 1) * stride >= length + padding:  # a window may not start in the right-hand padding
            count -= 1
        return count
    return span // stride + 1
