"""Normalisation on NumPy: each array as a matrix, passed over as few times as possible, in blocks that stay in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapeloom.backend.kernels.normalization import Need, Normalization
from tapeloom_backend_numpy.summation import total

Array = Any

_BLOCK = 2**16  # elements
_SMALL = 2**14  # elements: below, batch normalisation is faster as a few calls on the whole array
_LONG_ROW = 2**13  # elements: beyond, sums by products, which add one after the other, lose digits
_WIDE = 1024  # elements: shorter rows are laid side by side, as each row costs NumPy an inner loop


def _plain(*arrays: Array | None) -> bool:
    """Whether the kernels here take these arrays: no half types, no scalars, nothing empty, one dtype."""
    first = arrays[0]
    return (
        type(first) is np.ndarray
        and first.dtype.char in "fd"
        and first.size > 0
        and all(array is None or array.dtype == first.dtype for array in arrays)
    )


class _Channels:
    """An array (batch, channels, …) as a matrix in which a channel is a column (channels last in memory) or a row.

    ``spread`` lays one value per channel along the matrix, ``sum`` adds the blocks of a matrix up to one a channel.
    """

    def __init__(self, x: Array) -> None:
        self.channels = x.shape[1]
        self.axes = (0, *range(2, x.ndim), 1)
        self.last = x.transpose(self.axes).flags.c_contiguous
        rows = x.size // self.channels
        self.side = 1  # how many rows of channels lie side by side in a row of the matrix
        if self.last:
            while rows % (2 * self.side) == 0 and 2 * self.side * self.channels <= _WIDE:
                self.side *= 2
        self.shape = (-1, self.side * self.channels) if self.last else (-1, x.size // (x.shape[0] * self.channels))
        step = max(_BLOCK // abs(x.size // self.matrix(x).shape[0]), 1)
        self.blocks = [slice(start, start + step) for start in range(0, self.matrix(x).shape[0], step)]

    @classmethod
    def of(cls, x: Array) -> _Channels | None:
        if x.size < _SMALL or not (x.flags.c_contiguous or x.transpose(0, *range(2, x.ndim), 1).flags.c_contiguous):
            return None
        return cls(x)

    def matrix(self, x: Array) -> Array:
        if not self.last:
            return np.ascontiguousarray(x).reshape(self.shape)
        return np.ascontiguousarray(x.transpose(self.axes)).reshape(self.shape)

    def spread(self, values: Array, like: Array) -> list[Array]:
        """For each block what to add to it or multiply it with, one value per channel."""
        values = values.astype(like.dtype, copy=False)
        if self.last:
            return [np.tile(values, self.side)] * len(self.blocks)
        column = np.tile(values, like.shape[0] // self.channels)[:, None]
        return [column[block] for block in self.blocks]

    def sum(self, parts: list[Array]) -> Array:
        """The results of ``line`` for all blocks summed up, one a channel, in float64."""
        total = sum([part.astype(np.float64) for part in parts]) if self.last else np.concatenate(parts)
        return total.reshape(-1, self.channels).sum(axis=0, dtype=np.float64)

    def line(self, block: Array) -> Array:
        """A block summed up to one line, by a product with ones: BLAS is several times as fast as a sum."""
        if self.last:
            return np.ones(block.shape[0], block.dtype) @ block
        if block.shape[1] > _BLOCK:  # more, added one after the other, lose digits
            return total(block, (1,))
        return block @ np.ones(block.shape[1], block.dtype)


class CachedNormalization(Normalization):
    """Overrides of the normalisation kernels."""

    def layer_norm(
        self, x: Array, normalized_shape: tuple[int, ...], weight: Array | None, bias: Array | None, eps: float
    ) -> tuple[Array, tuple[Array, Array]]:
        length = 1
        for size in normalized_shape:
            length *= size
        if not _plain(x, weight, bias) or length > _LONG_ROW or not x.flags.c_contiguous:
            return super().layer_norm(x, normalized_shape, weight, bias, eps)
        rows = x.reshape(-1, length)
        out, mean = np.empty_like(rows), np.empty((len(rows), 1), x.dtype)
        scale = np.empty_like(mean)
        average = np.full((length, 1), 1 / length, x.dtype)  # sums as products with it: BLAS is four times as fast
        step = max(_BLOCK // length, 1)
        for start in range(0, len(rows), step):
            block = slice(start, start + step)
            o, m, s = out[block], mean[block], scale[block]
            np.matmul(rows[block], average, out=m)
            np.subtract(rows[block], m, out=o)
            np.vecdot(o, o, out=s[:, 0])
            s *= 1 / length
            s += eps
            np.sqrt(s, out=s)
            np.reciprocal(s, out=s)
            o *= s
            if weight is not None:
                o *= weight.reshape(-1)
            if bias is not None:
                o += bias.reshape(-1)
        kept = x.shape[: x.ndim - len(normalized_shape)] + (1,) * len(normalized_shape)
        return out.reshape(x.shape), (mean.reshape(kept), scale.reshape(kept))

    def layer_norm_backward(
        self,
        g: Array,
        x: Array,
        normalized_shape: tuple[int, ...],
        weight: Array | None,
        mean: Array,
        scale: Array,
        need: Need,
    ) -> tuple[Array | None, Array | None, Array | None]:
        length = 1
        for size in normalized_shape:
            length *= size
        if not _plain(x, g, weight) or length > _LONG_ROW or not (x.flags.c_contiguous and g.flags.c_contiguous):
            return super().layer_norm_backward(g, x, normalized_shape, weight, mean, scale, need)
        rows, upstream = x.reshape(-1, length), g.reshape(-1, length)
        means, scales = mean.reshape(-1, 1), scale.reshape(-1, 1)
        dx = np.empty_like(rows)
        dweight, dbias = np.zeros(length, np.float64), np.zeros(length, np.float64)  # sums over the blocks
        factors = np.ones(length, x.dtype) if weight is None else weight.reshape(-1)
        average = factors[:, None] * x.dtype.type(1 / length)
        step = max(_BLOCK // length, 1)
        for start in range(0, len(rows), step):
            block = slice(start, start + step)
            up, o, s = upstream[block], dx[block], scales[block]
            ones = np.ones(len(up), x.dtype)
            normal = rows[block] - means[block]
            normal *= s
            product = np.multiply(up, normal, out=o)
            if need[1]:
                dweight += ones @ product
            if need[2]:
                dbias += ones @ up
            if need[0]:
                normal *= product @ average
                normal += up @ average
                inner = up if weight is None else np.multiply(up, factors, out=o)
                np.subtract(inner, normal, out=o)
                o *= s
        return (
            dx.reshape(x.shape) if need[0] else None,
            dweight.astype(x.dtype).reshape(normalized_shape) if need[1] else None,
            dbias.astype(x.dtype).reshape(normalized_shape) if need[2] else None,
        )

    def batch_norm_train(
        self, x: Array, weight: Array | None, bias: Array | None, eps: float
    ) -> tuple[tuple[Array, Array, Array], tuple[Array, Array]]:
        layout = _Channels.of(x) if _plain(x, weight, bias) else None
        if layout is None:
            return super().batch_norm_train(x, weight, bias, eps)
        rows, out = layout.matrix(x), np.empty_like(x)
        target, count = layout.matrix(out), x.size // layout.channels
        mean = (layout.sum([layout.line(rows[block]) for block in layout.blocks]) / count).astype(x.dtype)
        means = layout.spread(mean, rows)
        squares = []
        for block, middle in zip(layout.blocks, means, strict=True):
            part = rows[block] - middle
            part *= part
            squares.append(layout.line(part))
        variance = layout.sum(squares) / count
        scale = (1 / np.sqrt(variance + eps)).astype(x.dtype)
        factors = layout.spread(scale if weight is None else scale * weight, rows)
        summands = None if bias is None else layout.spread(bias, rows)
        for position, block in enumerate(layout.blocks):
            part = np.subtract(rows[block], means[position], out=target[block])
            part *= factors[position]
            if summands is not None:
                part += summands[position]
        return (out, mean, variance.astype(x.dtype)), (mean, scale)

    def batch_norm_backward(
        self, g: Array, x: Array, weight: Array | None, mean: Array, scale: Array, need: Need
    ) -> tuple[Array | None, Array | None, Array | None]:
        layout = _Channels.of(x) if _plain(x, g, weight) else None
        if layout is None:
            return super().batch_norm_backward(g, x, weight, mean, scale, need)
        rows, upstream = layout.matrix(x), layout.matrix(g)
        means = layout.spread(mean, rows)
        sums, products = [], []
        for block, middle in zip(layout.blocks, means, strict=True):
            sums.append(layout.line(upstream[block]))
            part = rows[block] - middle
            part *= upstream[block]
            products.append(layout.line(part))
        dbias, dweight = layout.sum(sums), layout.sum(products) * scale
        dx = None
        if need[0]:
            dx, count = np.empty_like(x), x.size // layout.channels
            target = layout.matrix(dx)
            factor = scale if weight is None else scale * weight
            factors = layout.spread(factor, rows)
            levels = layout.spread(dbias / count * factor, rows)
            slopes = layout.spread(dweight / count * factor * scale, rows)
            for position, block in enumerate(layout.blocks):
                normal = rows[block] - means[position]
                normal *= slopes[position]
                part = np.multiply(upstream[block], factors[position], out=target[block])
                part -= normal
                part -= levels[position]
        return dx, dweight.astype(x.dtype), dbias.astype(x.dtype)
