"""Kernels of what depends on the order of the elements along a dimension, and of counts in bins."""

from __future__ import annotations

from math import prod
from typing import Any

from tapeloom import dtypes
from tapeloom.backend.array import Array
from tapeloom.backend.kernels.marks import composed


class Statistics:
    """Order statistics and counts. nan comes after all numbers."""

    xp: Any

    def median_values(self: Any, x: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
        return self._picked(x, self._place_of_median(x, dim, skip_nan=False), dim, keepdim)

    def nanmedian_values(self: Any, x: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
        return self._picked(x, self._place_of_median(x, dim, skip_nan=True), dim, keepdim)

    def _place_of_median(self: Any, x: Array, dim: int, skip_nan: bool) -> Array:
        """Where the median is in a stable order; its value is found first, for to sort is faster than to argsort."""
        if not x.ndim:
            return self.as_int64(self.zero_like(x))
        rank, median = self._median(x, dim, skip_nan)
        same, gone = x == median, x != x
        turn = rank - self.sum(self.as_int64(x < median), (dim,), True)  # which one it is of those equal to it
        found = same & (self.cumsum(self.as_int64(same), dim) == turn + 1)
        return self.argmax_along(found | (gone & (median != median)), dim, True)

    def _median(self: Any, x: Array, dim: int, skip_nan: bool) -> tuple[Array, Array]:
        """The lower one of the middle elements, and how many come before it; nan where one is, unless they are skipped."""
        missing, length = self.sum(self.as_int64(x != x), (dim,), True), x.shape[dim]
        if skip_nan:
            rank = self.maximum((length - 1 - missing) // 2, self.zero_like(missing))
        else:
            rank = self.where(missing > 0, length - 1, self.full_of(missing, (length - 1) // 2))
        return rank, self.gather(self.xp.sort(x, axis=dim), dim, rank)

    def median_of_all(self: Any, x: Array) -> Array:
        return self._median_of_all(x, skip_nan=False)

    def nanmedian_of_all(self: Any, x: Array) -> Array:
        return self._median_of_all(x, skip_nan=True)

    def _median_of_all(self: Any, x: Array, skip_nan: bool) -> Array:
        flat = self.reshape(x, (-1,))
        if not flat.shape[0]:
            return self.mean(flat, (0,))  # that of none is nan
        return self.reshape(self._median(flat, 0, skip_nan)[1], ())

    def mode(self: Any, x: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
        order = self.argsort(x, dim, False)
        if not x.ndim:
            return self.copy(x), order
        ordered, places, length = self.gather(x, dim, order), self.places(x, dim), x.shape[dim]
        fresh = self.narrow(ordered, dim, 1, length - 1) != self.narrow(ordered, dim, 0, length - 1)
        starts = self.place(self.where(fresh, self.narrow(places, dim, 1, length - 1), 0), dim, 1, length)
        before = places - self.accumulate("maximum", starts, dim)  # how many equal ones come before each
        last = self.argmax_along(before, dim, True)
        return self._picked(x, self.gather(order, dim, last), dim, keepdim)

    @composed
    def quantile_of_lines(self: Any, x: Array, q: Array, interpolation: str, skip_nan: bool) -> Array:
        dim = x.ndim - 1
        last, gone, one = x.shape[dim] - 1, self.isnan(x), self.full_of(x, 1)
        if skip_nan:
            found = self.sum(self.where(gone, 0, one), (dim,), True)
            ranks = q * self.where(found > 0, found - 1, 0)
        else:
            ranks = self.where(self.any(gone, (dim,), True), last, q * last)
        order = self.argsort(x, dim, False)

        def at(places: Array) -> Array:
            return self.gather(x, dim, self.gather(order, dim, self.cast(places, dtypes.int64)))

        if interpolation == "nearest":
            return at(self.round(ranks))
        floor, ceil = self.floor(ranks), self.ceil(ranks)
        if interpolation in ("lower", "higher"):
            return at(floor if interpolation == "lower" else ceil)
        below, above = at(floor), at(ceil)
        gap = above - below
        if interpolation == "midpoint":
            return above - gap * 0.5
        weight = ranks - floor
        return self.where(weight < 0.5, below + gap * weight, above - gap * (1 - weight))  # exact at both ends

    def bins_of(self: Any, x: Array, edges: Array) -> Array:
        return self.as_int64(self.xp.searchsorted(edges, x, side="right")) - 1

    @composed
    def counted_in_grid(self: Any, points: Array, edges: list[Array], weight: Array) -> Array:
        index, inside, size = 0, True, []
        for place, each in enumerate(edges):
            bins = each.shape[0] - 1
            low, high = self.narrow(each, 0, 0, 1), self.narrow(each, 0, bins, 1)
            column = self.select_column(points, place)
            inside = (column >= low) & (column <= high) & inside
            found = self.bins_of(column, each)
            found = self.where(found < bins, found, bins - 1)  # the last one holds its upper edge too
            index = index * bins + self.where(inside, found, 0)
            size.append(bins)
        empty = self.zeros_of((prod(size),), weight)
        return self.reshape(self.index_add(empty, 0, index, self.where(inside, weight, 0)), tuple(size))

    def counted_evenly(self: Any, x: Array, bins: int, min: float, max: float) -> Array:
        flat = self.reshape(x, (-1,))
        within = (flat >= min) & (flat <= max)
        place = self.where(within, (flat - min) * bins / (max - min), self.zero_like(flat))
        index = self.minimum(self.as_int64(place), self.as_int64(self.full_of(place, bins - 1)))
        empty = self.xp.zeros((bins,), dtype=x.dtype)
        return self.at(empty, (index,), self.cast(within, self.dtype_of(x)), "add", owned=True)

    def counted(self: Any, x: Array, weights: Array, minlength: int) -> Array:
        length = max(minlength, int(self.xp.max(x)) + 1 if x.shape[0] else 0)
        return self.at(self.xp.zeros((length,), dtype=weights.dtype), (x,), weights, "add", owned=True)
