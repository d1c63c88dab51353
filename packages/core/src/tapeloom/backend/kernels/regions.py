"""Pooling over regions that follow from the size of the result, and its inverse. Places count through the flattened planes."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

from tapeloom.backend.array import Array

Ints = tuple[int, ...]


class Regions:
    """Kernels over (batch, channels, *spatial)."""

    xp: Any

    def _regions(self: Any, length: int, count: int) -> tuple[Array, Array, int]:
        """The first and the last place of each of ``count`` regions that cover ``length``, and how long they are at most."""
        here = self.xp.arange(count)
        reach = length // count if count and length % count == 0 else min(length // (count or 1) + 2, length)
        return here * length // (count or 1), ((here + 1) * length - 1) // (count or 1), reach

    def _members(self: Any, x: Array, length: int, count: int) -> tuple[Array, Array, Array]:
        """Of each region the places, which of them are its own, both (reach, regions), and how many these are."""
        first, last, reach = self._regions(length, count)
        met = first + self.xp.reshape(self.xp.arange(reach), (-1, 1))
        return self.minimum(met, last), met <= last, self.cast(last - first + 1, self.dtype_of(x))

    def region_means(self: Any, x: Array, dim: int, count: int) -> Array:
        xp = self.xp
        behind = x.shape[dim + 1 :]
        places, own, counts = self._members(x, x.shape[dim], count)
        ones = (1,) * len(behind)
        met = xp.reshape(self.index_select(x, dim, xp.reshape(places, (-1,))), (*x.shape[:dim], *places.shape, *behind))
        met = self.where(xp.reshape(own, (*own.shape, *ones)), met, self.zero_like(met))
        return self.sum(met, (dim,)) / xp.reshape(counts, (count, *ones))

    def region_means_backward(self: Any, upstream: Array, dim: int, length: int) -> Array:
        places, own, counts = self._members(upstream, length, upstream.shape[dim])

        def shares(g: Array) -> Array:
            share = g / self.xp.expand_dims(counts, axis=1)
            return self.where(self.xp.expand_dims(own, axis=2), share, self.zero_like(share))

        return self._returned(upstream, dim, length, places, shares)

    def adaptive_max_pool(self: Any, x: Array, output_size: Ints) -> tuple[Array, Array]:
        xp = self.xp
        best, places, area = x, None, 1
        for axis in range(x.ndim - 1, 1, -1):  # the largest of each row, then of these in each column
            length, count = x.shape[axis], output_size[axis - 2]
            first, last, reach = self._regions(length, count)
            met = self.minimum(xp.expand_dims(first, axis=1) + xp.arange(reach), xp.expand_dims(last, axis=1))
            size = (*best.shape[:axis], count, reach, *best.shape[axis + 1 :])
            ravelled = xp.reshape(met, (-1,))
            best = xp.reshape(self.index_select(best, axis, ravelled), size)
            chosen = self._first_largest(best, axis + 1)
            best = xp.squeeze(self.gather(best, axis + 1, chosen), axis=axis + 1)
            along = (count, *(1 for _ in x.shape[axis + 1 :]))
            own = self.minimum(xp.reshape(first, along) + xp.squeeze(chosen, axis=axis + 1), xp.reshape(last, along))
            if places is not None:
                inner = self.gather(xp.reshape(self.index_select(places, axis, ravelled), size), axis + 1, chosen)
                own = own * area + xp.squeeze(inner, axis=axis + 1)
            places, area = own, area * length
        return best, self.as_int64(places)

    def _first_largest(self: Any, x: Array, axis: int) -> Array:
        """Where the largest element stands along ``axis``: the first of equal ones, but the last nan; the axis is kept."""
        xp = self.xp
        numbers = xp.reshape(xp.arange(1, x.shape[axis] + 1), (-1, *(1 for _ in x.shape[axis + 1 :])))
        nans = self.where(x != x, numbers, xp.zeros((), dtype=numbers.dtype))
        lost = xp.max(nans, axis=axis, keepdims=True)
        return self.where(lost > 0, lost - 1, xp.argmax(x, axis=axis, keepdims=True))

    def fractional_max_pool(
        self: Any, x: Array, samples: Array, kernel_size: Ints, output_size: Ints
    ) -> tuple[Array, Array]:
        xp = self.xp
        planes, size, rank = x.shape[:2], x.shape[2:], x.ndim - 2
        flat = xp.reshape(x, (*planes, prod(size)))
        starts = []
        for axis, (length, window, count) in enumerate(zip(size, kernel_size, output_size, strict=True)):
            shift = samples[:, :, (1 - axis if rank == 2 else axis)][
                ..., None
            ]  # in two dimensions that of the width is first
            step = (length - window) / max(count - 1, 1)
            here = xp.arange(count)
            start = self.trunc((self.cast(here, self.dtype_of(x)) + shift) * step) - self.trunc(shift * step)
            last = self.full_of(start, length - window)
            starts.append(
                self.as_int64(self.where(here == count - 1, last, self.clamp(start, self.zero_like(start), last)))
            )
        best: Any = None
        indices: Any = None
        for tap in product(*map(range, kernel_size)):
            place: Any = 0
            for axis, (start, i) in enumerate(zip(starts, tap, strict=True)):
                shape = (*planes, *(output_size[axis] if other == axis else 1 for other in range(rank)))
                place = place * size[axis] + xp.reshape(start + i, shape)
            value = xp.reshape(self.gather(flat, 2, xp.reshape(place, (*planes, prod(output_size)))), place.shape)
            if best is None:
                best, indices = value, place
                continue
            better = (value > best) | (value != value)
            best, indices = self.where(better, value, best), self.where(better, place, indices)
        return best, indices

    def max_unpool(self: Any, x: Array, indices: Array, output_size: Ints) -> Array:
        xp = self.xp
        planes, area = prod(x.shape[:2]), prod(output_size)
        places = xp.reshape(indices, (planes, prod(x.shape[2:]))) + xp.reshape(xp.arange(planes) * area, (-1, 1))
        flat = xp.zeros((planes * area,), dtype=x.dtype)
        flat = self.at(flat, (xp.reshape(places, (-1,)),), xp.reshape(x, (-1,)), "set", owned=True)
        return xp.reshape(flat, (*x.shape[:2], *output_size))
