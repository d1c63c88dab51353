"""Samples of splitting."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapeloom.errors import ArgumentError, ArgumentTypeError, IndexingError, ShapeError
from tapeloom.testing.inputs import T
from tapeloom.testing.references import built
from tapeloom.testing.samples.movement import MOVED, X, squeezed
from tapeloom.testing.table import case, fails, row


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
row("chunk", [T(5, 3), 2], [T(3, 4), 3, 1], [T(2, 3), 4], case(T(0, 3), 2, expect=(np.zeros((0, 3)), np.zeros((0, 3)))), gives=MANY,
    reference=lambda x, chunks, dim=0: _split(x, -(-x.shape[dim] // chunks), dim), without="0d", **MOVED)
fails("chunk", [T(5), 0], ArgumentError, "chunk: chunks must be at least 1, got 0.")
fails("chunk", [[1, 2], 1], ArgumentTypeError, "chunk: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")
fails("chunk", [T(), 1], ShapeError, "chunk: a 0-d tensor has no dimension to split.")
row("unbind", [T(2, 3)], [X, -1], [T(3), 0], [T(2, 0)], gives=MANY, without="0d",
    reference=lambda x, dim=0: tuple(_selected(x, dim, i) for i in range(x.shape[dim])), **MOVED)
fails("unbind", [T()], ShapeError, "unbind: a 0-d tensor has no dimension to take apart.")
fails("unbind", [[1, 2]], ArgumentTypeError, "unbind: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")
