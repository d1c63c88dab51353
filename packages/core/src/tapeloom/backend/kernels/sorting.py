"""Kernels of order: sorting, searching, sets. nan comes after all numbers, and sorts are stable."""

from __future__ import annotations

from math import prod
from typing import Any

from tapeloom import dtypes
from tapeloom.backend.array import Array


class Sorting:
    """Kernels that compare elements with one another."""

    xp: Any

    def _sorted_places(self: Any, x: Array, dim: int) -> Array:
        """Where the elements stand that sort ``x`` along ``dim``, upwards and stable. All sorts of the shared kernels come here."""
        return self.xp.argsort(x, axis=dim, stable=True)

    def argsort(self: Any, x: Array, dim: int, descending: bool) -> Array:
        if not x.ndim:
            return self.as_int64(self.zero_like(x))
        x = self.numbers(x)
        if not descending:
            return self.as_int64(self._sorted_places(x, dim))
        turned = self._sorted_places(self.flip(x, (dim,)), dim)  # what is equal comes last to first, and is turned back
        return x.shape[dim] - 1 - self.flip(self.as_int64(turned), (dim,))

    def sort(self: Any, x: Array, dim: int, descending: bool) -> tuple[Array, Array]:
        places = self.argsort(x, dim, descending)
        return self.gather(x, dim, places), places

    def topk(self: Any, x: Array, k: int, dim: int, largest: bool, sorted: bool) -> tuple[Array, Array]:
        places = self.argsort(x, dim, largest)
        if x.ndim:
            places = self.narrow(places, dim, 0, k)
        return self.gather(x, dim, places), places

    def kthvalue(self: Any, x: Array, k: int, dim: int, keepdim: bool) -> tuple[Array, Array]:
        places = self.argsort(x, dim, False)
        return self._picked(x, self.narrow(places, dim, k - 1, 1) if x.ndim else places, dim, keepdim)

    # searching

    def searchsorted_rows(self: Any, sequence: Array, values: Array, sorter: Array | None, right: bool) -> Array:
        """Bisection of all rows at once, in the comparisons of PyTorch: what compares with nothing, nan, lies behind."""
        length = sequence.shape[-1]
        low = self.xp.zeros(values.shape, dtype=self.native(dtypes.int64))
        if not length:
            return low
        high = low + length
        for _ in range(length.bit_length()):
            middle = (low + high) // 2
            place = self.minimum(middle, length - 1 + self.zero_like(middle))
            if sorter is not None:
                place = self.as_int64(self._in_rows(sorter, place))
            found = self._in_rows(sequence, place)
            stays = found > values if right else found >= values
            open_ = low < high
            low = self.where(open_ & ~stays, middle + 1, low)
            high = self.where(open_ & stays, middle, high)
        return low

    def _in_rows(self: Any, rows: Array, places: Array) -> Array:
        """``rows`` at ``places`` along the last dimension; one row serves places of any shape."""
        if rows.ndim == 1:
            return self.reshape(self.xp.take(rows, self.reshape(places, (-1,))), places.shape)
        return self.gather(rows, rows.ndim - 1, places)

    def isin(self: Any, elements: Array, test_elements: Array, assume_unique: bool, invert: bool) -> Array:
        x, among = self.numbers(elements), self.reshape(self.numbers(test_elements), (-1,))
        if not among.shape[0]:
            return self.xp.full(x.shape, invert, dtype=self.native(dtypes.bool_))
        among = self.xp.take(among, self._sorted_places(among, 0))
        flat = self.reshape(x, (-1,))
        places = self.xp.searchsorted(among, flat)
        found = self.xp.take(among, self.minimum(places, among.shape[0] - 1 + self.zero_like(places)))
        return self.reshape(found != flat if invert else found == flat, x.shape)

    # sets

    def unique_places(self: Any, x: Array, dim: int | None, consecutive: bool) -> tuple[Array, Array, Array]:
        rows = self.reshape(x, (-1,)) if dim is None else self._rows_along(x, dim)
        count = rows.shape[0]
        if not count:
            empty = self.xp.zeros((0,), dtype=self.native(dtypes.int64))
            return empty, (self.reshape(empty, x.shape) if dim is None else empty), empty
        if consecutive:
            order = self.xp.arange(count)
            differs = rows[1:, ...] != rows[:-1, ...]
            differs = self.any(differs, (1,)) if dim is not None else differs
        else:
            keys = self._ranks(self.numbers(rows)) if dim is not None else self.numbers(rows)
            order = self._sorted_places(keys, 0)
            keys = self.xp.take(keys, order)
            differs = keys[1:] != keys[:-1]
        starts = self.xp.concat([self.xp.full((1,), True, dtype=differs.dtype), differs])
        inverse = self.at(self.xp.zeros((count,), dtype=order.dtype), (order,), self._turns(starts, 0), owned=True)
        firsts = self.nonzero(starts)[:, 0]
        ends = self.xp.concat([firsts[1:], self.xp.full((1,), count, dtype=firsts.dtype)])
        inverse = self.reshape(inverse, x.shape if dim is None else (count,))
        return self.as_int64(self.xp.take(order, firsts)), self.as_int64(inverse), self.as_int64(ends - firsts)

    def _rows_along(self: Any, x: Array, dim: int) -> Array:
        return self.reshape(self.xp.moveaxis(x, dim, 0), (x.shape[dim], prod(x.shape[:dim]) * prod(x.shape[dim + 1 :])))

    def _turns(self: Any, starts: Array, dim: int) -> Array:
        """Which run each element is in, from 0, for the marks of where runs start."""
        return self.cumsum(self.as_int64(starts), dim) - 1

    def _ranks(self: Any, rows: Array) -> Array:
        """The place of each row in the order of rows, equal ones alike: that of single columns, then of pairs of them, and so on.

        Source: R. Karp, R. Miller, A. Rosenberg, "Rapid identification of repeated patterns in strings, trees and arrays",
        ACM Symposium on Theory of Computing, 1972: naming by doubling.
        """
        count = rows.shape[0]
        ranks = self._column_ranks(rows)
        while ranks.shape[1] > 1:
            if ranks.shape[1] % 2:
                ranks = self.xp.concat([ranks, self.xp.zeros((count, 1), dtype=ranks.dtype)], axis=1)
            pairs = self.reshape(ranks, (count, -1, 2))
            ranks = self._column_ranks(pairs[:, :, 0] * count + pairs[:, :, 1])
        return ranks[:, 0]

    def _column_ranks(self: Any, columns: Array) -> Array:
        order = self._sorted_places(columns, 0)
        ordered = self.gather(columns, 0, order)
        starts = self.xp.concat([ordered[:1, :] != ordered[:1, :], ordered[1:, :] != ordered[:-1, :]])
        ranks = self.cumsum(self.as_int64(starts), 0)
        return self.at(self.xp.zeros(ranks.shape, dtype=ranks.dtype), self._along(2, 0, order), ranks, owned=True)
