"""Sampling at places that are values: a grid names, for each result, where in the input it is read."""

from __future__ import annotations

from functools import reduce
from itertools import product
from math import prod
from operator import and_, mul
from typing import Any

from tapeloom import dtypes
from tapeloom.backend.array import Array
from tapeloom.backend.kernels.marks import composed
from tapeloom.backend.kernels.resize import cubic_weights

Ints = tuple[int, ...]


class Grid:
    """The kernel of ``grid_sample``; its gradient is that of this text."""

    @composed
    def sample_grid(
        self: Any, x: Array, grid: Array, starts: Array, mode: str, padding_mode: str, align_corners: bool
    ) -> Array:
        """``starts``: how many places stand before each sample, (batch, 1)."""
        batch, channels, *size = x.shape
        rank, count = len(size), prod(grid.shape[1:-1])
        table = self.reshape(self.permute(x, (0, *range(2, rank + 2), 1)), (batch * prod(size), channels))
        along = []  # for each axis of ``size`` the places that the filter reaches, and their weights
        for axis, length in enumerate(size):
            place = self.reshape(self.narrow(grid, rank + 1, rank - 1 - axis, 1), (batch, count))
            place = (place + 1) * ((length - 1) / 2) if align_corners else (place + 1) * (length / 2) - 0.5
            if mode != "bicubic":
                place = self._brought_inside(place, length, padding_mode, align_corners)
            if mode == "nearest":
                along.append([(self.round(place), None)])
                continue
            low = self.floor(place)
            away = place - low
            if mode == "bilinear":
                along.append([(low, 1 - away), (low + 1, away)])
                continue
            places = (self._brought_inside(low + i, length, padding_mode, align_corners) for i in range(-1, 3))
            along.append(list(zip(places, cubic_weights(away), strict=True)))
        total: Any = None
        for met in product(*along):
            part = self._read_at(table, starts, [place for place, _ in met], size)
            inside = reduce(and_, [(at >= 0) & (at <= n - 1) for (at, _), n in zip(met, size, strict=True)])
            part = self.where(self.unsqueeze(inside, 2), part, self.zero_of(part))
            if mode != "nearest":
                part = part * self.unsqueeze(reduce(mul, [weight for _, weight in met]), 2)
            total = part if total is None else total + part
        return self.reshape(self.permute(total, (0, 2, 1)), (batch, channels, *grid.shape[1:-1]))

    def _read_at(self: Any, table: Array, starts: Array, places: list[Array], size: list[int]) -> Array:
        """The rows of ``table`` at ``places``, counted along each axis; of those outside some row."""
        row = starts
        for axis, (place, length) in enumerate(zip(places, size, strict=True)):
            inside = (place >= 0) & (place <= length - 1)
            own = self.cast(self.where(inside, place, self.zero_of(place)), dtypes.int64)
            row = row + own * prod(size[axis + 1 :])
        return self.embedding_rows(table, row, None)

    def _brought_inside(self: Any, place: Array, length: int, padding_mode: str, align_corners: bool) -> Array:
        """Places brought into the input as ``padding_mode`` says. No gradient flows where they are held at an end."""
        if padding_mode == "zeros":
            return place
        zero = self.zero_of(place)
        if padding_mode == "reflection":
            first, span = (0.0, length - 1.0) if align_corners else (-0.5, float(length))
            if not span:
                return self.full_of(place, 0)
            far = place - first
            far = self.where(far < 0, -far, far)
            far = far - self.floor(far / (2 * span)) * (2 * span)
            place = self.where(far > span, 2 * span - far, far) + first
        return self.where(place > 0, self.where(place < length - 1, place, zero + (length - 1)), zero)
