"""Samples of padding, turning and repeating."""

from __future__ import annotations

from typing import Any

import numpy as np

import tapeloom as tl
from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, IndexingError, ShapeError
from tapeloom.testing.inputs import I, P, T, V
from tapeloom.testing.references import built
from tapeloom.testing.samples.movement import MOVED, X, in_order, ints_of
from tapeloom.testing.table import FLOATS, case, fails, row


def _source(mode: str, place: int, length: int) -> int | None:
    """Where padding takes its element from; None for the fill value."""
    if 0 <= place < length:
        return place
    if mode == "constant":
        return None
    if mode == "replicate":
        return min(max(place, 0), length - 1)
    if mode == "circular":
        return place % length
    return -place if place < 0 else 2 * (length - 1) - place


def _padded(x: Any, pad: Any, mode: Any = "constant", value: Any = None) -> Any:
    if not isinstance(mode, str):  # constant_pad has no mode
        mode, value = "constant", mode
    amounts = [(0, 0)] * x.ndim
    for position in range(0, len(pad), 2):
        amounts[x.ndim - 1 - position // 2] = (pad[position], pad[position + 1])
    shape = [before + n + after for n, (before, after) in zip(x.shape, amounts, strict=True)]

    def element(place: tuple[int, ...]) -> Any:
        own = [_source(mode, i - before, n) for i, n, (before, _) in zip(place, x.shape, amounts, strict=True)]
        return (value or 0) if None in own else x[tuple(own)]

    return built(shape, element, x)


row("constant_pad", [X, (1, 2)], [X, (1, 0, 0, 2), 3], [X, (-1, 1, 2, -1)], [X, ()], [T(), ()], [T(0, 3), (1, 1, 1, 0)], reference=_padded, **MOVED)
fails("constant_pad", [T(3), (1, 2, 3)], ArgumentError,
      "constant_pad: pad (1, 2, 3) must hold two numbers, before and after, for each padded dimension from the last one on; "
      "shape (3,) takes at most 2.")
fails("constant_pad", [T(3), (-2, -2)], ShapeError, "constant_pad: pad (-2, -2) takes more from dim 0 than its length 3.")
row("pad", [X, (1, 2)], [X, (1, 0, 0, 2), "constant", 3], *[[X, (1, 2, 2, 1), mode] for mode in ("reflect", "replicate", "circular")],
    *[[T(2, 4), amounts, mode] for mode in ("reflect", "replicate") for amounts in ((-1, 2), (3, -1))],
    case(V([[1.0, 2.0, 3.0, 4.0]]), (-1, 2), "circular", expect=[[2.0, 3.0, 4.0, 2.0, 3.0]], only=FLOATS, grad=True),
    case(V([[1.0, 2.0, 3.0, 4.0]]), (3, -1), "circular", expect=[[1.0, 2.0, 3.0, 1.0, 2.0, 3.0]], only=FLOATS, grad=True),
    [T(), ()], [T(0, 3), (1, 1)], reference=_padded, **MOVED)
fails("pad", [T(1, 4), (2, -3), "circular"], ShapeError, "pad: circular padding (2, -3) is longer than what is left of the dimension, 1.")
fails("pad", [T(3), (1, 0), "constant", -3], DTypeError,
      "pad: the number -3 does not fit uint8 (0 to 255). Cast the tensor to a wider dtype first.", dtypes.uint8)
fails("pad", [T(3), (1, 0), "constant", 2**40], DTypeError,
      "pad: the number 1099511627776 does not fit int8 (-128 to 127). Cast the tensor to a wider dtype first.", dtypes.int8)
fails("pad", [T(1, 3), (3, 0), "reflect"], ShapeError, "pad: reflect padding (3, 0) must be shorter than the dimension, 3.")
fails("pad", [T(1, 3), (4, 0), "circular"], ShapeError, "pad: circular padding (4, 0) is longer than the dimension, 3.")
fails("pad", [T(3), (1, 0), "mirror"], ArgumentError, "pad: mode must be 'constant', 'reflect', 'replicate' or 'circular', got 'mirror'.")
fails("pad", [T(3), (1, 0), "reflect", 1], ArgumentError, "pad: mode 'reflect' takes no value.")


def _flipped(x: Any, *dims: Any) -> Any:
    axes = [dim % x.ndim for dim in ints_of(dims)]
    return built(x.shape, lambda place: x[tuple(x.shape[a] - 1 - i if a in axes else i for a, i in enumerate(place))], x)


row("flip", [X, 0], [X, (0, -1)], [X, 1, 2], case(X, dims=(1,)), [T(), ()], [T(0, 3), 0],
    reference=lambda x, *dims, **named: _flipped(x, *(dims or (named["dims"],))), **MOVED)
fails("flip", [X, 3], IndexingError, "flip: dim 3 is out of range for a tensor of 3 dimensions. Give a dim from -3 to 2.")


def _rolled(x: Any, shifts: Any, dims: Any = None) -> Any:
    if dims in (None, ()):
        return in_order(_rolled(in_order(x, (x.size,)), shifts, 0), x.shape)
    moves = dict(zip([dim % x.ndim for dim in ints_of((dims,))], ints_of((shifts,)), strict=True))
    return built(x.shape, lambda place: x[tuple((i - moves.get(a, 0)) % x.shape[a] for a, i in enumerate(place))], x)


row("roll", [X, 1], [X, 2, 1], [X, (1, -1), (0, 2)], [X, 7, -1], [T(), 1], [T(0, 3), 1, 0], [X, 1, ()], reference=_rolled, **MOVED)
row("roll_along", [X, 1, 1], [X, -2, -1], [X, 0, 0], [T(0, 3), 1, 0], reference=_rolled, without="0d", **MOVED)
fails("roll", [X, (1, 2), 0], ArgumentError, "roll: 2 shifts and 1 dims were given; give one shift for each dim.")
fails("roll", [T(), 1, 0], ShapeError, "roll: a 0-d tensor has no dimension to roll along.")


def _repeated(x: Any, *sizes: Any) -> Any:
    times = ints_of(sizes)
    lead = len(times) - x.ndim
    shape = [t * (1 if a < lead else x.shape[a - lead]) for a, t in enumerate(times)]
    return built(shape, lambda place: x[tuple(i % n for i, n in zip(place[lead:], x.shape, strict=True))], x)


row("repeat", [T(2, 3), 2, 1], [T(3), (2, 2)], [T(), 3], [T(2, 3), 0, 1], [T(0, 3), 2, 2], reference=_repeated, **MOVED)
fails("repeat", [X, 2], ShapeError, "repeat: 1 sizes were given for 3 dimensions. Give at least one for each.")
fails("repeat", [[1, 2], 2], ArgumentTypeError, "repeat: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")
row("tile", [T(2, 3), 2], [T(3), (2, 2)], [T(), 3], [T(0, 3), 2, 2],
    reference=lambda x, *dims: _repeated(x, (1,) * (x.ndim - len(ints_of(dims))) + ints_of(dims)), **MOVED)
fails("tile", [X, -1], ShapeError, "tile: size (-1,) has the negative length -1. Give lengths of 0 or more.")
fails("tile", [X, 1.5], ArgumentTypeError, "tile: size must be an int, got 1.5 of type float.")
fails("tile", [[1, 2], 2], ArgumentTypeError, "tile: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")


def _times(x: Any, repeats: Any = None, dim: Any = None, output_size: Any = None) -> Any:
    if repeats is None:
        return np.array([place for place, n in enumerate(x) for _ in range(n)], x.dtype)
    if dim is None:
        x, dim = in_order(x, (x.size,)), 0
    axis = dim % x.ndim
    each = np.broadcast_to(repeats, x.shape[axis : axis + 1])
    places = [place for place, n in enumerate(each) for _ in range(int(n))]
    shape = (*x.shape[:axis], len(places), *x.shape[axis + 1 :])
    return built(shape, lambda i: x[(*i[:axis], places[i[axis]], *i[axis + 1 :])], x)


row("repeat_interleave", [T(2, 3), 2], [T(2, 3), P([2, 0, 1]), -1], case(T(3), P([2, 0, 1], dtypes.int32), output_size=3), [T(2), P([3]), 0], [T(), 3],
    case(T(2, 3), repeats=0, dim=0), [T(0, 3), P(2), 1], reference=_times, **MOVED)
row("repeat_interleave of places", [P([2, 0, 1])], case(P([1, 2], dtypes.int32), output_size=3), [P([0, 0])], dtypes=[dtypes.int64], gives="first",
    calls=lambda repeats, **named: tl.repeat_interleave(repeats, **named), reference=_times, grad=0, budget="exact", without="empty 0d")
row("repeated_places", [P([2, 0, 1]), 3], [I(0, below=1), 0], reference=lambda x, total: _times(x), dtypes=[dtypes.int64], grad=0, budget="exact", without="0d")
fails("repeat_interleave of places", [P([[1, 2]])], ShapeError, "repeat_interleave: repeats alone must have one dimension, got shape (1, 2).")
fails("repeat_interleave", [T(3), -1], ArgumentError, "repeat_interleave: repeats must not be negative, got -1.")
fails("repeat_interleave", [T(3), P([1, -1, 0])], ArgumentError, "repeat_interleave: repeats must not be negative, got -1.")
fails("repeat_interleave", [T(3), P([1, 1])], ShapeError,
      "repeat_interleave: repeats has shape (2,); for dim 0 of length 3 it must have one element, or shape (3,).")
fails("repeat_interleave", case(T(3), P([1, 1, 1]), output_size=4), ShapeError,
      "repeat_interleave: output_size is 4, and repeats add up to another one. Leave it out.")
fails("repeat_interleave", [T(3)], DTypeError, "repeat_interleave: repeats must hold integers, got float32. Cast them with .long().")
fails("repeat_interleave", [T(), 2, 0], ShapeError, "repeat_interleave: a 0-d tensor has no dimension to repeat along.")


def _turned(x: Any, k: int = 1, dims: Any = (0, 1)) -> Any:
    first, second = (dim % x.ndim for dim in dims)
    for _ in range(k % 4):
        shape = list(x.shape)
        shape[first], shape[second] = shape[second], shape[first]
        last = shape[first] - 1

        def element(i: tuple[int, ...], x: Any = x, last: int = last) -> Any:
            own = list(i)
            own[first], own[second] = i[second], last - i[first]
            return x[tuple(own)]

        x = built(shape, element, x)
    return x


row("rot90", [T(2, 3)], [X, 2, (0, -1)], [X, -1, (2, 1)], case(T(2, 3), k=4), [T(0, 3)], reference=_turned, without="0d", **MOVED)
fails("rot90", [T(2, 3), 1, (0, 0)], ShapeError, "rot90: dim (0, 0) names a dimension more than once. Name each dimension once.")
fails("rot90", [T(3)], ShapeError, "rot90: expected two dims of a tensor that has as many, got dims (0, 1) for shape (3,).")
row("fliplr", [X], [T(0, 3)], reference=lambda x: _flipped(x, 1), without="0d", **MOVED)
row("flipud", [X], [T(3)], [T(0, 3)], reference=lambda x: _flipped(x, 0), without="0d", **MOVED)
fails("fliplr", [T(3)], ShapeError, "fliplr: expected at least 2 dimensions, got shape (3,).")
fails("flipud", [T()], ShapeError, "flipud: expected at least 1 dimension, got a 0-d tensor.")


def _shuffled(x: Any, groups: int) -> Any:
    size = x.shape[1] // groups
    return built(x.shape, lambda i: x[(i[0], i[1] % groups * size + i[1] // groups, *i[2:])], x)


row("channel_shuffle", [T(2, 6, 2), 3], [T(1, 4, 2, 2), 2], [T(0, 4, 2), 2], reference=_shuffled, without="0d", **MOVED)
fails("channel_shuffle", [T(1, 6, 2), 4], ArgumentError,
      "channel_shuffle: 6 channels do not make 4 groups. Give a number that divides them.")
fails("channel_shuffle", [T(6, 2), 3], ShapeError,
      "channel_shuffle: expected (batch, channels, …) with at least 3 dimensions, got shape (6, 2).")
