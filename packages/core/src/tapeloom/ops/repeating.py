"""Padding, turning and repeating."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.call.op import function, op, primitive
from tapeloom.errors import ArgumentError, DTypeError, ShapeError
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, dim_of, first_outside, require, within
from tapeloom.ops.creation import index_tensor
from tapeloom.ops.movement import transpose
from tapeloom.tensors.tensor import is_tensor

if TYPE_CHECKING:
    from tapeloom.op.parameter import Amounts, Axes, Dim, Number, Position, Size
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor


def _padding(op: OpSchema, input: Any, pad: Any, value: Any) -> tuple[Any, ...]:
    shape = as_tensor_of(op.name, input).shape
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
def fliplr(input: Tensor) -> Tensor:
    """The order along dim 1 reversed: the columns of a matrix from right to left."""
    if as_tensor_of("fliplr", input).ndim < 2:
        raise ShapeError(f"fliplr: expected at least 2 dimensions, got shape {input.shape}.")
    return OPS.flip(input, (1,))


@function()
def flipud(input: Tensor) -> Tensor:
    """The order along dim 0 reversed: the rows of a matrix from bottom to top."""
    if not as_tensor_of("flipud", input).ndim:
        raise ShapeError("flipud: expected at least 1 dimension, got a 0-d tensor.")
    return OPS.flip(input, (0,))


@function()
def rot90(input: Tensor, k: int = 1, dims: Axes = (0, 1)) -> Tensor:
    """The plane of two ``dims`` turned by ``k`` quarters, from the first of them towards the second."""
    given = shapes.as_ints("rot90", "dims", dims)
    if as_tensor_of("rot90", input).ndim < 2 or len(given) != 2:
        raise ShapeError(f"rot90: expected two dims of a tensor that has as many, got dims {given} for shape {input.shape}.")
    first, second = shapes.normalize_dims("rot90", given, input.ndim)
    turns = shapes.as_int("rot90", "k", k) % 4
    if turns in (0, 2):
        return OPS.flip(input, (first, second)) if turns else OPS.clone(input)
    return transpose(OPS.flip(input, (second if turns == 1 else first,)), first, second)


@function()
def roll(input: Tensor, shifts: Amounts, dims: Axes | None = None) -> Tensor:
    """Elements shifted along ``dims``, those that fall off coming in at the other end; without ``dims``, flattened."""
    if dims is None or dims in ((), []):
        return OPS.reshape(roll(OPS.reshape(input, (-1,)), shifts, 0), input.shape)
    amounts = shapes.as_ints("roll", "shifts", shifts)
    axes = tuple(dim_of("roll", input, dim, "roll along") for dim in shapes.as_ints("roll", "dims", dims))
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


@primitive(moves=True)
def spread(input: Tensor, size: Size) -> Tensor:
    """``input`` expanded to ``size``, as a value of its own, which shares with nothing and can be written to."""
spread.gradient(input=lambda g: g)  # the walk sums back over what was repeated


@function()
def repeat(input: Tensor, *repeats: Size) -> Tensor:
    """The tensor repeated ``repeats`` times along each dimension; more numbers than dimensions add dimensions in front."""
    times = shapes.as_size("repeat", repeats[0] if len(repeats) == 1 and not isinstance(repeats[0], int) else repeats)
    if len(times) < as_tensor_of("repeat", input).ndim:
        raise ShapeError(f"repeat: {len(times)} sizes were given for {input.ndim} dimensions. Give at least one for each.")
    shape = (1,) * (len(times) - input.ndim) + input.shape
    interleaved = tuple(n for pair in zip(times, shape, strict=True) for n in pair)
    apart = OPS.reshape(input, tuple(n for length in shape for n in (1, length)))
    return OPS.reshape(OPS.spread(apart, interleaved), tuple(a * b for a, b in zip(times, shape, strict=True)))


@function()
def tile(input: Tensor, *dims: Size) -> Tensor:
    """Like ``repeat``; missing sizes are 1."""
    times = shapes.as_size("tile", dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims)
    return repeat(input, (1,) * (as_tensor_of("tile", input).ndim - len(times)) + times)


@primitive(takes="integer", gives="int64")
def repeated_places(repeats: Tensor, total: int) -> Tensor:
    """Each place of the vector ``repeats`` as often as it says there, ``total`` of them in all."""


@function(
    overloads=(
        "(input: Tensor, repeats: int | Tensor, dim: int | None = None, *, output_size: int | None = None) -> Tensor",
        "(repeats: Tensor, *, output_size: int | None = None) -> Tensor",
    )
)
def repeat_interleave(input: Any = None, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None) -> Tensor:
    """Each place along ``dim`` as often as ``repeats`` says, one after the other; without ``dim``, of all elements in one row.

    ``repeats`` is one number for all places or an integer tensor with one for each. ``repeat_interleave(repeats)`` gives
    the places themselves. ``output_size`` is the sum of ``repeats``, for those who know it.
    Raises ShapeError for ``repeats`` or an ``output_size`` that do not fit, ArgumentError for negative ``repeats``.
    """
    if input is None or repeats is None:
        given = as_tensor_of("repeat_interleave", repeats if input is None else input, "repeats")
        if given.ndim != 1:
            raise ShapeError(f"repeat_interleave: repeats alone must have one dimension, got shape {given.shape}.")
        return OPS.cast(_places(given, output_size), given.dtype)
    if dim is None:
        input, dim = OPS.reshape(as_tensor_of("repeat_interleave", input), (-1,)), 0
    axis = dim_of("repeat_interleave", input, dim, "repeat along")
    length = input.shape[axis]
    if is_tensor(repeats) and (repeats.ndim > 1 or (repeats.numel() != 1 and repeats.shape != (length,))):
        raise ShapeError(
            f"repeat_interleave: repeats has shape {repeats.shape}; for dim {axis} of length {length} it must have one element, "
            f"or shape ({length},)."
        )
    if is_tensor(repeats) and repeats.numel() != 1:
        return OPS.index_select(input, axis, _places(repeats, output_size))
    each = shapes.as_int("repeat_interleave", "repeats", repeats.item() if is_tensor(repeats) else repeats)
    if each < 0:
        raise ArgumentError(f"repeat_interleave: repeats must not be negative, got {each}.")
    if output_size is not None and output_size != length * each:
        raise _other_size(output_size)
    lead, rest = input.shape[:axis], input.shape[axis + 1 :]
    repeated = OPS.spread(OPS.unsqueeze(input, axis + 1), (*lead, length, each, *rest))
    return OPS.reshape(repeated, (*lead, length * each, *rest))


def _places(repeats: Tensor, output_size: int | None) -> Any:
    if repeats.dtype.category != dtypes.INTEGER:
        raise DTypeError(f"repeat_interleave: repeats must hold integers, got {repeats.dtype.name}. Cast them with .long().")
    times, most = OPS.cast(repeats, dtypes.int64), 2**62
    require(
        within(times, 0, most),
        lambda: ArgumentError(f"repeat_interleave: repeats must not be negative, got {first_outside(times, 0, most)}."),
    )
    if output_size is None:
        return OPS.repeated_places(times, int(OPS.sum(times).item()))
    total = shapes.as_int("repeat_interleave", "output_size", output_size)
    require(within(OPS.sum(times), total, total + 1), lambda: _other_size(total))
    return OPS.repeated_places(times, total)


def _other_size(given: int) -> ShapeError:
    return ShapeError(f"repeat_interleave: output_size is {given}, and repeats add up to another one. Leave it out.")


@function(method=False)
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """The channels, dim 1, of which ``groups`` lie one after the other, with those of the groups in turn.

    Source: X. Zhang, X. Zhou, M. Lin, J. Sun, "ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile
    Devices", CVPR 2018, section 3.1.
    """
    groups = shapes.as_int("channel_shuffle", "groups", groups)
    if as_tensor_of("channel_shuffle", input).ndim < 3:
        raise ShapeError(f"channel_shuffle: expected (batch, channels, …) with at least 3 dimensions, got shape {input.shape}.")
    batch, channels, *rest = input.shape
    if groups < 1 or channels % groups:
        raise ArgumentError(f"channel_shuffle: {channels} channels do not make {groups} groups. Give a number that divides them.")
    in_turn = transpose(OPS.reshape(input, (batch, groups, channels // groups, *rest)), 1, 2)
    return OPS.reshape(OPS.spread(in_turn, in_turn.shape), input.shape)
