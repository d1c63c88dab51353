"""Kernels of diagonals, windows and repeated places: elements at regular distances."""

from __future__ import annotations

from typing import Any

from tapeloom.backend.array import Array

Ints = tuple[int, ...]


class Diagonals:
    """Kernels that read and write every so many elements."""

    xp: Any

    def diagonal(self: Any, x: Array, offset: int, dim1: int, dim2: int) -> Array:
        return self._rows(x, dim1, dim2)[_along(x.shape[dim1], x.shape[dim2], offset)]

    def diagonal_put(self: Any, x: Array, src: Array, offset: int, dim1: int, dim2: int) -> Array:
        key = _along(x.shape[dim1], x.shape[dim2], offset)
        order = _last(x.ndim, dim1, dim2)
        written = self.xp.reshape(self.at(self._rows(x, dim1, dim2), key, src), tuple(x.shape[axis] for axis in order))
        return self.xp.permute_dims(written, tuple(order.index(axis) for axis in range(x.ndim)))

    def _rows(self: Any, x: Array, dim1: int, dim2: int) -> Array:
        """``x`` with ``dim1`` and ``dim2`` joined into one dimension, the last."""
        last = self.xp.permute_dims(x, _last(x.ndim, dim1, dim2))
        return self.xp.reshape(last, (*last.shape[:-2], last.shape[-2] * last.shape[-1]))

    def unfold_along(self: Any, x: Array, dim: int, size: int, step: int) -> Array:
        places = self._windows(x.shape[dim], size, step)
        lead, rest = x.shape[:dim], x.shape[dim + 1 :]
        windows = self.xp.reshape(self.index_select(x, dim, places), (*lead, *places.shape, *rest))
        return self.xp.moveaxis(windows, dim + 1, -1)

    def fold_along(self: Any, x: Array, dim: int, step: int, total: int) -> Array:
        lead, rest = x.shape[:dim], x.shape[dim + 1 : -1]
        key = (slice(None),) * dim + (self._windows(total, x.shape[-1], step),)
        zeros = self.xp.zeros((*lead, total, *rest), dtype=x.dtype)
        return self.at(zeros, key, self.xp.moveaxis(x, -1, dim + 1), "add", owned=True)

    def _windows(self: Any, length: int, size: int, step: int) -> Array:
        """The places of the windows, a row each."""
        starts = self.xp.arange(0, length - size + 1, step)
        return self.xp.expand_dims(starts, axis=1) + self.xp.arange(size)

    def repeated_places(self: Any, repeats: Array, total: int) -> Array:
        ends = self.cumsum(repeats, 0)
        return self.as_int64(self.xp.searchsorted(ends, self.xp.arange(total, dtype=ends.dtype), side="right"))


def _last(ndim: int, dim1: int, dim2: int) -> Ints:
    """The order of dimensions in which ``dim1`` and ``dim2`` are the last two."""
    return (*(axis for axis in range(ndim) if axis not in (dim1, dim2)), dim1, dim2)


def _along(rows: int, columns: int, offset: int) -> tuple[Any, ...]:
    """The key of a diagonal in the joined rows of matrices: from one of its elements to the next is a row and a column."""
    start = offset if offset >= 0 else -offset * columns
    count = max(min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns), 0)
    step = columns + 1
    return (..., slice(start, start + (count - 1) * step + 1, step) if count else slice(0, 0))
