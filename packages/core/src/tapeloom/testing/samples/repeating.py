"""Samples of padding, turning and repeating."""

from __future__ import annotations

from typing import Any

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, IndexingError, ShapeError
from tapeloom.testing.inputs import T, V
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
