"""Shape and order."""

from __future__ import annotations

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.array_api.data_types import together
from tapeloom.errors import IndexingError, ShapeError

__all__ = [
    "broadcast_arrays",
    "broadcast_shapes",
    "broadcast_to",
    "concat",
    "expand_dims",
    "flip",
    "moveaxis",
    "permute_dims",
    "repeat",
    "reshape",
    "roll",
    "squeeze",
    "stack",
    "tile",
    "unstack",
]

Axis = int | tuple[int, ...]
Tensors = tuple[Tensor, ...] | list[Tensor]


def broadcast_arrays(*arrays: Tensor) -> tuple[Tensor, ...]:
    """The tensors in the shape that they broadcast to."""
    return tuple(tl.broadcast_tensors(*arrays)) if arrays else ()


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that tensors of these shapes broadcast to."""
    return tuple(tl.broadcast_shapes(*shapes)) if shapes else ()


def broadcast_to(x: Tensor, /, shape: tuple[int, ...]) -> Tensor:
    """``x`` repeated to a larger shape."""
    return tl.broadcast_to(x, shape)


def concat(arrays: Tensors, /, *, axis: int | None = 0) -> Tensor:
    """The tensors one after the other along ``axis``; for None each is flattened first."""
    given = together("concat", *arrays)
    return tl.cat([x.flatten() for x in given]) if axis is None else tl.cat(given, axis)


def expand_dims(x: Tensor, /, axis: Axis) -> Tensor:
    """``x`` with new dimensions of length 1 at these places of the result."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    ndim = x.ndim + len(axes)
    if not all(-ndim <= place < ndim for place in axes) or len({place % ndim for place in axes}) < len(axes):
        raise _no_axis("expand_dims", axis, ndim)
    for place in sorted(place % ndim for place in axes):
        x = tl.unsqueeze(x, place)
    return x


def flip(x: Tensor, /, *, axis: Axis | None = None) -> Tensor:
    """The elements in the reversed order along ``axis``; for None along all."""
    return tl.flip(x, tuple(range(x.ndim)) if axis is None else axis)


def moveaxis(x: Tensor, source: Axis, destination: Axis, /) -> Tensor:
    """``x`` with dimensions moved to other places."""
    return tl.moveaxis(x, source, destination)


def permute_dims(x: Tensor, /, axes: tuple[int, ...]) -> Tensor:
    """``x`` with its dimensions in another order."""
    return tl.permute(x, axes)


def repeat(x: Tensor, repeats: int | Tensor, /, *, axis: int | None = None) -> Tensor:
    """Each element ``repeats`` times along ``axis``; for None of the flattened tensor."""
    return tl.repeat_interleave(x, repeats, axis)


def reshape(x: Tensor, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Tensor:
    """``x`` in another shape."""
    result = tl.reshape(x, shape)
    return result.clone() if copy else result


def roll(x: Tensor, /, shift: Axis, *, axis: Axis | None = None) -> Tensor:
    """The elements moved by ``shift`` places along ``axis``, what falls out at the end coming in at the front."""
    if axis is None:
        return tl.roll(x, shift)
    axes = axis if isinstance(axis, tuple) else (axis,)
    return tl.roll(x, shift if isinstance(shift, tuple) else (shift,) * len(axes), axes)


def squeeze(x: Tensor, /, axis: Axis) -> Tensor:
    """``x`` without these dimensions, which must have length 1."""
    for place in axis if isinstance(axis, tuple) else (axis,):
        if not -x.ndim <= place < x.ndim:
            raise _no_axis("squeeze", axis, x.ndim)
        if x.shape[place] != 1:
            raise ShapeError(f"squeeze: axis {place} of shape {x.shape} has length {x.shape[place]}, and must have 1.")
    return tl.squeeze(x, axis)


def stack(arrays: Tensors, /, *, axis: int = 0) -> Tensor:
    """The tensors beside one another along a new dimension."""
    return tl.stack(together("stack", *arrays), axis)


def tile(x: Tensor, repetitions: tuple[int, ...], /) -> Tensor:
    """``x`` laid out so many times along each dimension."""
    return tl.tile(x, repetitions)


def unstack(x: Tensor, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The parts of ``x`` along ``axis``."""
    return tuple(tl.unbind(x, axis))


def _no_axis(name: str, axis: Axis, ndim: int) -> Exception:
    return IndexingError(f"{name}: axis {axis} does not name different dimensions of {ndim}.")
