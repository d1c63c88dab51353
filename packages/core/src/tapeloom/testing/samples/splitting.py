"""Samples of splitting."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapeloom.errors import ArgumentError, ArgumentTypeError, IndexingError, ShapeError
from tapeloom.testing.inputs import P, T
from tapeloom.testing.references import built
from tapeloom.testing.samples.movement import MOVED, X, squeezed
from tapeloom.testing.table import NUMBERS, case, fails, row


def _part(x: Any, dim: int, start: int, length: int) -> Any:
    axis = dim % x.ndim
    begin = start % x.shape[axis] if start < 0 else start
    shape = (*x.shape[:axis], length, *x.shape[axis + 1 :])
    return built(shape, lambda place: x[(*place[:axis], begin + place[axis], *place[axis + 1 :])], x)


row("narrow", [X, 1, 1, 2], [X, -1, 0, 3], [X, 0, -1, 1], [X, 2, 4, 0], [T(0, 3), 1, 1, 1], reference=_part, without="0d", **MOVED)
fails("narrow", [X, 1, 2, 2], ShapeError, "narrow: start 2 and length 2 do not lie within dim 1 of length 3.")
fails("narrow", [T(), 0, 0, 1], ShapeError, "narrow: a 0-d tensor has no dimension to take a part of.")


def _within(x: Any, dim: int, start: int, total: int) -> Any:
    result = np.zeros((*x.shape[:dim], total, *x.shape[dim + 1 :]), x.dtype)
    for place in np.ndindex(x.shape):
        result[(*place[:dim], start + place[dim], *place[dim + 1 :])] = x[place]
    return result


row("place", [X, 1, 2, 6], [X, 0, 0, 2], [T(0, 3), 1, 1, 5], reference=_within, without="0d", **MOVED)


def _selected(x: Any, dim: int, index: int) -> Any:
    axis = dim % x.ndim
    return squeezed(_part(x, axis, index, 1), (axis,))


row("select", [X, 1, 2], [X, -1, -4], [T(0, 3), 1, 0], reference=_selected, without="0d", **MOVED)
fails("select", [X, 1, 3], IndexingError, "select: index 3 is out of range for dim 1 of length 3 (shape (2, 3, 4)).")
fails("select", [[1, 2], 0, 0], ArgumentTypeError, "select: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")


def _split(x: Any, sizes: Any, dim: int = 0) -> tuple[Any, ...]:
    axis = dim % x.ndim
    total = x.shape[axis]
    if isinstance(sizes, int):
        sizes = [min(sizes, total - begin) for begin in range(0, total, sizes)] or [0]
    return tuple(_part(x, axis, sum(sizes[:i]), length) for i, length in enumerate(sizes))


MANY = ("same",) * 4
row("split", [T(5, 3), 2], [T(5, 3), (1, 4)], [T(3, 4), 2, 1], [T(0, 3), 2], reference=_split, gives=MANY, without="0d", **MOVED)
fails("split", [T(5), (1, 3)], ShapeError, "split: the lengths (1, 3) do not add up to 5, the length of dim 0.")
fails("split", [T(5), 0], ArgumentError, "split: split_size must be positive, got 0.")
fails("split", [[1, 2], 1], ArgumentTypeError, "split: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")
fails("split", [T(), 1], ShapeError, "split: a 0-d tensor has no dimension to split.")
row("split_with_sizes", [T(5, 3), (1, 4)], case(T(3, 4), split_sizes=(0, 4), dim=-1), [T(0, 3), (0,)], gives=MANY, without="0d",
    reference=lambda x, split_sizes, dim=0: _split(x, split_sizes, dim), **MOVED)
fails("split_with_sizes", [T(5), (6, -1)], ShapeError, "split_with_sizes: the lengths (6, -1) do not add up to 5, the length of dim 0.")
row("chunk", [T(5, 3), 2], [T(3, 4), 3, 1], [T(2, 3), 4], case(T(0, 3), 2, expect=(np.zeros((0, 3)), np.zeros((0, 3)))), gives=MANY,
    reference=lambda x, chunks, dim=0: _split(x, -(-x.shape[dim] // chunks), dim), without="0d", **MOVED)
fails("chunk", [T(5), 0], ArgumentError, "chunk: chunks must be at least 1, got 0.")
fails("chunk", [[1, 2], 1], ArgumentTypeError, "chunk: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")
fails("chunk", [T(), 1], ShapeError, "chunk: a 0-d tensor has no dimension to split.")
row("unbind", [T(2, 3)], [X, -1], [T(3), 0], [T(2, 0)], gives=MANY, without="0d",
    reference=lambda x, dim=0: tuple(_selected(x, dim, i) for i in range(x.shape[dim])), **MOVED)
fails("unbind", [T()], ShapeError, "unbind: a 0-d tensor has no dimension to take apart.")
fails("unbind", [[1, 2]], ArgumentTypeError, "unbind: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")


def _cut(x: Any, places: Any, axis: int) -> tuple[Any, ...]:
    """What Python's slices between the places are."""
    own = list(range(x.shape[axis]))
    parts = [own[slice(*ends)] for ends in zip([0, *places], [*places, None], strict=True)]
    return tuple(_part(x, axis, part[0] if part else 0, len(part)) for part in parts)


def _in_parts(x: Any, given: Any, dim: int = 0) -> tuple[Any, ...]:
    axis = dim % x.ndim
    given = given.tolist() if isinstance(given, np.ndarray) else given
    if not isinstance(given, int):
        return _cut(x, given, axis)
    lengths = [(x.shape[axis] + given - 1 - i) // given for i in range(given)]
    return _split(x, lengths, axis)


row("tensor_split", [T(5, 3), 3], [T(5, 3), (-3, 9, 1), 0], case(T(3, 4), indices=(1,), dim=-1), [T(5), P(2)], [T(5), P([1, 3])], [T(0, 3), 2],
    reference=lambda x, *given, **named: _in_parts(x, *given, *named.values()), gives=MANY, without="0d", **MOVED)
fails("tensor_split", [T(5), 0], ArgumentError, "tensor_split: the number of parts must be at least 1, got 0.")
fails("tensor_split", [T(5), P([[1]])], ArgumentTypeError,
      "tensor_split: a tensor of places or of their number is int64 of at most one dimension, got int64 of shape (1, 1).")
fails("tensor_split", [T(), 1], ShapeError, "tensor_split: a 0-d tensor has no dimension to split.")
for _name, _least, _axis in (("hsplit", 1, 1), ("vsplit", 2, 0), ("dsplit", 3, 2)):
    _shape = (4, 4, 4)[:max(_least, 2)]
    row(_name, [T(*_shape), 2], [T(*_shape), (1, 3)], [T(0, 2, 2), 1], *[[T(4), 4]] * (_least == 1), gives=MANY, without="0d", **MOVED,
        reference=lambda x, given, axis=_axis: _in_parts(x, given, min(axis, x.ndim - 1)))
    fails(_name, [T(*_shape), 3], ArgumentError, f"{_name}: dim {_axis} of length 4 cannot be split into 3 equal parts. "
          f"Give a number that divides it, or use tensor_split.")
    fails(_name, [T(*[2] * (_least - 1)), 1], ShapeError,
          f"{_name}: expected at least {_least} dimension{'s' * (_least > 1)}, got shape {(2,) * (_least - 1)}.")


def _scattered(x: Any, src: Any, dim: int, places: Any) -> Any:
    result = x.copy()
    for number, place in enumerate(places):
        for own in np.ndindex(*x.shape[:dim], 1, *x.shape[dim + 1 :]):
            result[(*own[:dim], place, *own[dim + 1 :])] = src[(*own[:dim], number, *own[dim + 1 :])]
    return result


row("select_scatter", [X, T(2, 4), 1, 2], [X, T(3, 4), 0, -1], [T(0, 3), T(0), 1, 0], without="0d", **MOVED,
    reference=lambda x, src, dim, index: _scattered(x, np.expand_dims(src, dim), dim, [index % x.shape[dim]]))
row("slice_scatter", [X, T(2, 2, 4), 1, 1], [X, T(2, 3, 2), -1, 0, 9, 3], case(T(3), T(3)), case(T(4), T(1), start=-2, end=-1), [T(0, 3), T(0, 3)],
    without="0d", **MOVED,
    reference=lambda x, src, dim=0, start=None, end=None, step=1: _scattered(x, src, dim % x.ndim, range(x.shape[dim])[start:end:step]))
fails("select_scatter", [X, T(4), 1, 2], ShapeError, "select_scatter: src has shape (4,), and its place in input (2, 4). They must agree.")
fails("select_scatter", [X, T(2, 4), 1, 3], IndexingError, "select_scatter: index 3 is out of range for dim 1 of length 3 (shape (2, 3, 4)).")
fails("slice_scatter", [X, T(1, 4), 0, 1], ShapeError, "slice_scatter: src has shape (1, 4), and its place in input (1, 3, 4). They must agree.")
fails("slice_scatter", [T(), T()], ShapeError, "slice_scatter: a 0-d tensor has no dimension to put anything along.")

# windows


def _windows(x: Any, dim: int, size: int, step: int) -> Any:
    if not x.ndim:
        return built((size,), lambda i: x[()], x)
    axis = dim % x.ndim
    shape = (*x.shape[:axis], (x.shape[axis] - size) // step + 1, *x.shape[axis + 1 :], size)
    return built(shape, lambda i: x[(*i[:axis], i[axis] * step + i[-1], *i[axis + 1 : -1])], x)


def _folded(windows: Any, dim: int, step: int, total: int) -> Any:
    result = np.zeros((*windows.shape[:dim], total, *windows.shape[dim + 1 : -1]), windows.dtype)
    for i in np.ndindex(windows.shape):
        result[(*i[:dim], i[dim] * step + i[-1], *i[dim + 1 : -1])] += windows[i]
    return result


row("unfold", [T(5, 3), 0, 2, 1], [T(3, 5), -1, 2, 3], [T(3), 0, 0, 1], [T(), 0, 1, 1], [T(0, 3), 1, 2, 1], reference=_windows,
    calls=lambda x, *window: x.unfold(*window), **MOVED)
row("unfold_along", [T(5, 3), 0, 2, 1], [T(3, 5), -1, 2, 3], [T(0, 3), 1, 2, 1], reference=_windows, without="0d", **MOVED)
row("fold_along", [T(4, 3, 2), 0, 1, 5], [T(3, 2, 2), 1, 3, 6], [T(0, 2, 2), 1, 1, 3], reference=_folded, without="0d", budget="sum",
    dtypes=NUMBERS)
fails("unfold", [T(3), 0, 4, 1], ShapeError, "unfold: size 4 does not lie within dim 0 of length 3.")
fails("unfold", [T(3), 0, 2, 0], ArgumentError, "unfold: step must be at least 1, got 0.")
