"""Normalisation kernels."""

from __future__ import annotations

from typing import Any

from tapeloom import dtypes

Array = Any
Need = tuple[bool, ...]


def widened(self: Any, *arrays: Array | None) -> tuple[Any, ...]:
    """Half types as float32, so that sums are exact enough; other arrays as they are."""
    return tuple(
        self.cast(array, dtypes.float32) if array is not None and array.dtype.itemsize < 4 else array
        for array in arrays
    )


def narrowed(self: Any, array: Array | None, like: Array) -> Array | None:
    """``array`` in the dtype of ``like`` again."""
    if array is None or array.dtype == like.dtype:
        return array
    return self.cast(array, dtypes.as_dtype(like.dtype.name))


def other_axes(ndim: int) -> tuple[int, ...]:
    """All axes but that of the channels, 1."""
    return (0, *range(2, ndim))


class Normalization:
    """Kernels of the normalisations. Means and scales (1 / standard deviation) go from forward to backward."""

    xp: Any

    def layer_norm(
        self: Any, x: Array, normalized_shape: tuple[int, ...], weight: Array | None, bias: Array | None, eps: float
    ) -> tuple[Array, tuple[Array, Array]]:
        """Composite. The residuals have the reduced dimensions with length 1."""
        dims = tuple(range(x.ndim - len(normalized_shape), x.ndim))
        wide, weight, bias = widened(self, x, weight, bias)
        mean = self.mean(wide, dims, True)
        centred = wide - mean
        scale = self.rsqrt(self.mean(centred * centred, dims, True) + eps)
        out = centred * scale
        if weight is not None:
            out = out * weight
        if bias is not None:
            out = out + bias
        return narrowed(self, out, x), (mean, scale)

    def layer_norm_backward(
        self: Any,
        g: Array,
        x: Array,
        normalized_shape: tuple[int, ...],
        weight: Array | None,
        mean: Array,
        scale: Array,
        need: Need,
    ) -> tuple[Array | None, Array | None, Array | None]:
        """The gradients of x, weight and bias, those that are needed."""
        lead = tuple(range(x.ndim - len(normalized_shape)))
        dims = tuple(range(len(lead), x.ndim))
        wide, wide_g, wide_weight = widened(self, x, g, weight)
        normal = (wide - mean) * scale
        dx = dweight = dbias = None
        if need[0]:
            inner = wide_g if weight is None else wide_g * wide_weight
            along = self.mean(inner * normal, dims, True)
            dx = (inner - self.mean(inner, dims, True) - normal * along) * scale
        if need[1]:
            dweight = self.sum(wide_g * normal, lead) if lead else wide_g * normal
        if need[2]:
            dbias = self.sum(wide_g, lead) if lead else wide_g
        return narrowed(self, dx, g), narrowed(self, dweight, g), narrowed(self, dbias, g)

    def batch_norm_train(
        self: Any, x: Array, weight: Array | None, bias: Array | None, eps: float
    ) -> tuple[tuple[Array, Array, Array], tuple[Array, Array]]:
        """Composite. Statistics and residuals have one value a channel."""
        dims = other_axes(x.ndim)
        size = (x.shape[1], *(1,) * (x.ndim - 2))
        channels = (x.shape[1],)
        wide, weight, bias = widened(self, x, weight, bias)
        mean = self.mean(wide, dims, True)
        centred = wide - mean
        variance = self.mean(centred * centred, dims, True)
        scale = self.rsqrt(variance + eps)
        out = centred * (scale if weight is None else scale * self.reshape(weight, size))
        if bias is not None:
            out = out + self.reshape(bias, size)
        mean, scale, variance = (self.reshape(value, channels) for value in (mean, scale, variance))
        return (narrowed(self, out, x), narrowed(self, mean, x), narrowed(self, variance, x)), (mean, scale)

    def batch_norm_backward(
        self: Any, g: Array, x: Array, weight: Array | None, mean: Array, scale: Array, need: Need
    ) -> tuple[Array | None, Array | None, Array | None]:
        """The gradients of x, weight and bias, those that are needed."""
        dims = other_axes(x.ndim)
        size = (x.shape[1], *(1,) * (x.ndim - 2))
        wide, wide_g, wide_weight = widened(self, x, g, weight)
        scale = self.reshape(scale, size)
        normal = (wide - self.reshape(mean, size)) * scale
        dbias = self.sum(wide_g, dims)
        dweight = self.sum(wide_g * normal, dims)
        dx = None
        if need[0]:
            count = 1
            for axis in dims:
                count *= x.shape[axis]
            factor = scale if weight is None else scale * self.reshape(wide_weight, size)
            share = 1 / (count or 1)
            dx = (wide_g - self.reshape(dbias, size) * share - normal * (self.reshape(dweight, size) * share)) * factor
        return narrowed(self, dx, g), narrowed(self, dweight, g), narrowed(self, dbias, g)
