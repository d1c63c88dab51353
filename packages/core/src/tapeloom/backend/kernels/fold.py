"""Windows laid out as columns, and columns added up to an image again."""

from __future__ import annotations

from math import prod
from typing import Any

from tapeloom.backend.array import Array
from tapeloom.backend.kernels.window import Ints, out_size, taps, unframed


class Fold:
    """``columns`` and its adjoint, over (batch, channels, *spatial)."""

    xp: Any

    def columns(self: Any, x: Array, kernel_size: Ints, dilation: Ints, padding: Ints, stride: Ints) -> Array:
        out = out_size(x.shape, kernel_size, stride, padding, dilation)
        padded = self._padded(x, padding)
        parts = self.xp.stack([padded[key] for _, key in taps(kernel_size, stride, dilation, out)], axis=2)
        return self.xp.reshape(parts, (x.shape[0], x.shape[1] * prod(kernel_size), prod(out)))

    def columns_backward(
        self: Any, upstream: Array, x_size: Ints, kernel_size: Ints, dilation: Ints, padding: Ints, stride: Ints
    ) -> Array:
        out = out_size(x_size, kernel_size, stride, padding, dilation)
        parts = self.xp.reshape(upstream, (*x_size[:2], prod(kernel_size), *out))
        around = (length + 2 * amount for length, amount in zip(x_size[2:], padding, strict=True))
        padded = self.xp.zeros((*x_size[:2], *around), dtype=upstream.dtype)
        for number, (_, key) in enumerate(taps(kernel_size, stride, dilation, out)):
            padded = self.at(padded, key, parts[:, :, number, ...], "add", owned=True)
        return unframed(padded, padding, x_size)
