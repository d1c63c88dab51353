"""Scatter kernels: elements put, or folded, where index arrays say; these are int64, in range, negative ones from the end."""

from __future__ import annotations

from math import prod
from typing import Any

from tapeloom import dtypes, shapes
from tapeloom.backend.array import Array
from tapeloom.backend.kernels.marks import composed

Ints = tuple[int, ...]

#: a reduction -> how ``at`` folds what meets at one place
FOLDS = {"sum": "add", "mean": "add", "prod": "multiply", "amax": "maximum", "amin": "minimum"}


class Scatter:
    """Kernels that write along one dimension, or to the flattened array."""

    xp: Any

    def scatter(self: Any, x: Array, dim: int, index: Array, src: Array) -> Array:
        if 0 in index.shape:
            return self.copy(x)
        part = self._over(index, src) if src.ndim else src
        if not x.ndim:
            return self.reshape(part, (-1,))[-1, ...]
        return self.at(x, self._along(x.ndim, dim, index), part)

    def scatter_reduce(
        self: Any, x: Array, dim: int, index: Array, src: Array, reduce: str, include_self: bool
    ) -> Array:
        if 0 in index.shape:
            return self.copy(x)
        if not x.ndim:
            line = [self.reshape(array, (-1,)) for array in (x, index, self._over(index, src))]
            return self.reshape(self.scatter_reduce(line[0], 0, *line[1:], reduce, include_self), ())
        key, part = self._along(x.ndim, dim, index), self._over(index, src)
        if not include_self:
            neutral = self.cast(self.xp.asarray(reduce == "prod"), self.dtype_of(x))
            x = self.at(x, key, part if reduce in ("amax", "amin") else neutral)
        result = self.at(x, key, part, FOLDS[reduce])
        return self._mean_of_scattered(result, key, include_self) if reduce == "mean" else result

    def _mean_of_scattered(self: Any, total: Array, key: Any, include_self: bool) -> Array:
        dtype = self.dtype_of(total)
        counted = dtype if dtype.inexact else dtypes.int64
        one = self.cast(self.xp.asarray(1), counted)
        count = self.at(self.xp.full(total.shape, int(include_self), dtype=self.native(counted)), key, one, "add")
        count = self.where(count == 0, one, count)
        if dtype.inexact:
            return total / count
        return self.cast(self.floor_divide(self.as_int64(total), count), dtype)

    @composed
    def index_reduce(
        self: Any, x: Array, dim: int, index: Array, source: Array, reduce: str, include_self: bool
    ) -> Array:
        size = (*(1,) * dim, -1, *(1,) * (source.ndim - dim - 1))
        places = self.expand(self.reshape(index, size), source.shape) if source.ndim else self.reshape(index, ())
        return self.scatter_reduce(x, dim, places, source, reduce, include_self=include_self)

    @composed
    def index_copy(self: Any, x: Array, dim: int, index: Array, source: Array) -> Array:
        line = x if x.ndim else self.reshape(x, (1,))
        source = source if source.ndim else self.reshape(source, (1,))
        return self.reshape(self.index_put(line, [self.reshape(index, (-1,))], source, (dim,)), x.shape)

    def index_fill(self: Any, x: Array, dim: int, index: Array, value: Array) -> Array:
        line = x if x.ndim else self.reshape(x, (1,))
        key = (slice(None),) * dim + (self.reshape(index, (-1,)),)
        return self.reshape(self.at(line, key, value), x.shape)

    @composed
    def take(self: Any, x: Array, index: Array) -> Array:
        return self.index(self.reshape(x, (-1,)), [index], (0,))

    @composed
    def put(self: Any, x: Array, index: Array, source: Array, accumulate: bool) -> Array:
        flat, places, values = (self.reshape(array, (-1,)) for array in (x, index, source))
        return self.reshape(self.index_put(flat, [places], values, (0,), accumulate), x.shape)

    def folded(self: Any, x: Array, key: tuple[Any, ...], value: Array, how: str) -> Array:
        """``at`` for a library that cannot write at index arrays, or not in this way.

        What meets at one place is sorted together, and folded within each group by steps of doubled width; then each element
        of ``x`` reads what is there for it.

        Source: D. Hillis, G. Steele, "Data parallel algorithms", Communications of the ACM 29(12), 1986: the scan.
        """
        places = self.places_of(key, x.shape)
        if 0 in places.shape:
            return self.copy(x)
        values = self.reshape(self.expand(value, places.shape), (-1,))
        places = self.reshape(places, (-1,))
        order = self._sorted_places(places, 0)  # stable: what meets at one place stays in order
        places, values = self.xp.take(places, order), self.xp.take(values, order)
        if how != "set":
            fold, width = getattr(self, how), 1
            while width < places.shape[0]:
                more = fold(values[:-width], values[width:])
                more = self.where(places[width:] == places[:-width], more, values[width:])
                values, width = self.xp.concat([values[:width], more]), 2 * width
        flat = self.reshape(x, (-1,))
        here = self.xp.arange(flat.shape[0])
        first, behind = (self.xp.searchsorted(places, here, side=side) for side in ("left", "right"))
        last = self.xp.take(values, self.maximum(behind - 1, self.zero_like(behind)))
        put = last if how == "set" else getattr(self, how)(flat, last)
        return self.reshape(self.where(behind > first, put, flat), x.shape)

    def places_of(self: Any, key: tuple[Any, ...], shape: Ints) -> Array:
        """Where the elements of ``x[key]`` stand in the flattened ``x`` of ``shape``, for a key of index arrays and ``:`` alone."""
        axes = [axis for axis, part in enumerate(key) if not isinstance(part, slice)]
        sliced = [axis for axis in range(len(shape)) if axis not in axes]
        together = axes[-1] - axes[0] == len(axes) - 1
        lead = axes[0] if together else 0  # where the dimensions of the index arrays come: in place, or first
        spread = shapes.broadcast("index", *(key[axis].shape for axis in axes))
        size = (*(shape[axis] for axis in sliced[:lead]), *spread, *(shape[axis] for axis in sliced[lead:]))
        places = self.xp.zeros(size, dtype=self.xp.int64)
        for axis, length in enumerate(shape):
            if axis in axes:
                own, behind = key[axis], len(sliced) - lead
                own = self.xp.where(own < 0, own + length, own)
            else:
                number = sliced.index(axis)
                own, behind = self.xp.arange(length), len(sliced) - number - 1 + (len(spread) if number < lead else 0)
            places = places + self.reshape(own, (*own.shape, *(1,) * behind)) * prod(shape[axis + 1 :])
        return places
