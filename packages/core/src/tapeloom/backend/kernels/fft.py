"""Fourier transforms: the array library's own, which the Array API standard has as the extension ``fft``."""

from __future__ import annotations

from typing import Any

from tapeloom.backend.array import Array

Ints = tuple[int, ...]


class Fourier:
    """Transforms along several dimensions, and the weights of half a transform."""

    xp: Any

    def fft_complex(self, x: Array, dim: Ints, inverse: bool, norm: str) -> Array:
        transform = self.xp.fft.ifftn if inverse else self.xp.fft.fftn
        return transform(x, axes=dim, norm=norm)

    def fft_real(self, x: Array, dim: Ints, norm: str) -> Array:
        return self.xp.fft.rfftn(x, axes=dim, norm=norm)

    def fft_half(self, x: Array, dim: Ints, n: int, norm: str) -> Array:
        lengths = (*(x.shape[axis] for axis in dim[:-1]), n)
        return self.xp.fft.irfftn(x, s=lengths, axes=dim, norm=norm)

    def scale_mirrored(self: Any, x: Array, dim: int, n: int, factor: float) -> Array:
        places = self.xp.arange(x.shape[dim])
        mirrored = (places > 0) & (2 * places < n)
        return self.where(self.xp.reshape(mirrored, (-1,) + (1,) * (x.ndim - 1 - dim)), x * factor, x)
