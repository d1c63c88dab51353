"""Normalisation on NumPy: each array as a matrix, passed over as few times as possible, in blocks that stay in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapeloom.backend.arrayapi.normalization import Need, Normalization

Array = Any

_BLOCK = 2**16  # elements
_LONG_ROW = 2**13  # elements: beyond, sums by einsum, which adds one after the other, lose digits
_WIDE = 512  # elements: shorter rows are laid side by side, as each row costs NumPy an inner loop


def _plain(*arrays: Array | None) -> bool:
    """Whether the kernels here take these arrays: no half types, no scalars, nothing empty, one dtype."""
    first = arrays[0]
    return (
        type(first) is np.ndarray
        and first.dtype.char in "fd"
        and first.size > 0
        and all([array is None or array.dtype == first.dtype for array in arrays])
    )


def _rows(array: Array, length: int) -> Array | None:
    """``array`` as a matrix with rows of ``length``, without a copy; None where that is not possible."""
    return array.reshape(-1, length) if array.flags.c_contiguous else None


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
        step = max(_BLOCK // length, 1)
        for start in range(0, len(rows), step):
            block = slice(start, start + step)
            part, o, m, s = rows[block], out[block], mean[block], scale[block]
            np.add.reduce(part, axis=1, keepdims=True, out=m)
            m *= 1 / length
            np.subtract(part, m, out=o)
            np.einsum("ij,ij->i", o, o, out=s[:, 0])
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
        dweight, dbias = np.zeros(length, x.dtype), np.zeros(length, x.dtype)
        step = max(_BLOCK // length, 1)
        for start in range(0, len(rows), step):
            block = slice(start, start + step)
            up, o, s = upstream[block], dx[block], scales[block]
            normal = rows[block] - means[block]
            normal *= s
            if need[1]:
                dweight += np.einsum("ij,ij->j", up, normal)
            if need[2]:
                dbias += np.add.reduce(up, axis=0)
            if need[0]:
                inner = up if weight is None else up * weight.reshape(-1)
                along = np.einsum("ij,ij->i", inner, normal)[:, None]
                along *= 1 / length
                normal *= along
                level = np.add.reduce(inner, axis=1, keepdims=True)
                level *= 1 / length
                np.subtract(inner, level, out=o)
                o -= normal
                o *= s
        return (
            dx.reshape(x.shape) if need[0] else None,
            dweight.reshape(normalized_shape) if need[1] else None,
            dbias.reshape(normalized_shape) if need[2] else None,
        )
