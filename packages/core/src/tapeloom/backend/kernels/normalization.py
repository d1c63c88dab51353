"""Normalisation kernels."""

from __future__ import annotations

from typing import Any

from tapeloom.backend.array import Array
from tapeloom.backend.kernels.marks import composed

Need = tuple[bool, ...]


def other_axes(ndim: int) -> tuple[int, ...]:
    """All axes but that of the channels, 1."""
    return (0, *range(2, ndim))


class Normalization:
    """Kernels of the normalisations. Means and scales (1 / standard deviation) go from forward to backward."""

    xp: Any

    @composed
    def layer_norm(
        self: Any, x: Array, normalized_shape: tuple[int, ...], weight: Array | None, bias: Array | None, eps: float
    ) -> tuple[Array, tuple[Array, Array]]:
        """The residuals have the reduced dimensions with length 1."""
        dims = tuple(range(x.ndim - len(normalized_shape), x.ndim))
        mean = self.mean(x, dims, True)
        centred = x - mean
        scale = self.rsqrt(self.mean(centred * centred, dims, True) + eps)
        out = centred * scale
        if weight is not None:
            out = out * weight
        if bias is not None:
            out = out + bias
        return out, (mean, scale)

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
        normal = (x - mean) * scale
        dx = dweight = dbias = None
        if need[0]:
            inner = g if weight is None else g * weight
            along = self.mean(inner * normal, dims, True)
            dx = (inner - self.mean(inner, dims, True) - normal * along) * scale
        if need[1]:
            dweight = self.sum(g * normal, lead) if lead else g * normal
        if need[2]:
            dbias = self.sum(g, lead) if lead else g
        return dx, dweight, dbias

    @composed
    def rms_norm(self: Any, x: Array, normalized_shape: tuple[int, ...], weight: Array | None, eps: float) -> Array:
        dims = tuple(range(x.ndim - len(normalized_shape), x.ndim))
        out = x * self.rsqrt(self.mean(x * x, dims, True) + eps)
        return out if weight is None else out * weight

    @composed
    def batch_norm_train(
        self: Any, x: Array, weight: Array | None, bias: Array | None, eps: float
    ) -> tuple[tuple[Array, Array, Array], tuple[Array, Array]]:
        """Statistics and residuals have one value per channel."""
        dims = other_axes(x.ndim)
        size = (x.shape[1], *(1,) * (x.ndim - 2))
        channels = (x.shape[1],)
        mean = self.mean(x, dims, True)
        centred = x - mean
        variance = self.mean(centred * centred, dims, True)
        scale = self.rsqrt(variance + eps)
        out = centred * (scale if weight is None else scale * self.reshape(weight, size))
        if bias is not None:
            out = out + self.reshape(bias, size)
        mean, scale, variance = (self.reshape(value, channels) for value in (mean, scale, variance))
        return (out, mean, variance), (mean, scale)

    def batch_norm_backward(
        self: Any, g: Array, x: Array, weight: Array | None, mean: Array, scale: Array, need: Need
    ) -> tuple[Array | None, Array | None, Array | None]:
        """The gradients of x, weight and bias, those that are needed."""
        dims = other_axes(x.ndim)
        size = (x.shape[1], *(1,) * (x.ndim - 2))
        scale = self.reshape(scale, size)
        normal = (x - self.reshape(mean, size)) * scale
        dbias = self.sum(g, dims)
        dweight = self.sum(g * normal, dims)
        dx = None
        if need[0]:
            count = 1
            for axis in dims:
                count *= x.shape[axis]
            factor = scale if weight is None else scale * self.reshape(weight, size)
            share = 1 / (count or 1)
            dx = (g - self.reshape(dbias, size) * share - normal * (self.reshape(dweight, size) * share)) * factor
        return dx, dweight, dbias
