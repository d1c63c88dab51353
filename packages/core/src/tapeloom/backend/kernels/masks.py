"""Kernels of masks and the positions of what is true."""

from __future__ import annotations

from math import prod
from typing import Any

from tapeloom import dtypes, shapes
from tapeloom.backend.array import Array
from tapeloom.backend.kernels.marks import composed


class Masks:
    """Kernels that follow masks, in shapes that are known before."""

    xp: Any

    @composed
    def masked_scatter(self: Any, x: Array, mask: Array, source: Array) -> Array:
        size = shapes.broadcast("masked_scatter", x.shape, mask.shape)
        x, mask = self.expand(x, size), self.expand(mask, size)
        if 0 in source.shape:
            return self.clone(x)
        turn = self.cumsum(self.cast(self.reshape(mask, (-1,)), dtypes.int64), 0) - 1
        turn = self.where(self.reshape(mask, (-1,)), turn, 0)
        taken = self.index(self.reshape(source, (-1,)), [turn], (0,))
        return self.where(mask, self.reshape(taken, size), x)

    def nonzero_static(self: Any, x: Array, size: int, fill_value: int) -> Array:
        native = self.native(dtypes.int64)
        found = self.reshape(self.cast(x, dtypes.bool_), (-1,))
        here = self.xp.arange(found.shape[0], dtype=native)
        count = self.cumsum(self.as_int64(found), 0)
        # what is not found, or found too late, goes to a place of its own behind the others
        row = self.xp.where(found & (count <= size), count - 1, size)
        flat = self.at(self.xp.zeros((size + 1,), dtype=native), (row,), here)[:size]
        valid = self.xp.arange(size) < self.sum(self.as_int64(found), (0,))
        columns = [flat // max(prod(x.shape[axis + 1 :]), 1) % max(n, 1) for axis, n in enumerate(x.shape)]
        filling = self.xp.asarray(fill_value, dtype=native)
        columns = [self.xp.where(valid, column, filling) for column in columns]
        return self.xp.stack(columns, axis=1) if columns else self.xp.zeros((size, 0), dtype=native)
