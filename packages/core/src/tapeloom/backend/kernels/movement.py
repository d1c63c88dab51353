"""Movement kernels: shapes, joining, splitting, padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tapeloom.backend.array import Array
from tapeloom.dtypes import DType

Ints = tuple[int, ...]


class Movement:
    """Kernels that rearrange elements without computing."""

    xp: Any

    def reshape(self: Any, x: Array, shape: Ints) -> Array:
        return self.xp.reshape(x, shape)

    def bitcast(self: Any, x: Array, dtype: DType, size: Ints) -> Array:
        flat = self.xp.reshape(x, (-1,))
        try:
            bits = flat.view(self.native(dtype))
        except ValueError:  # its elements are apart, and have another size
            bits = self.copy(flat).view(self.native(dtype))
        return self.xp.reshape(bits, size)

    def permute(self: Any, x: Array, dims: Ints) -> Array:
        return self.xp.permute_dims(x, dims)

    def expand(self: Any, x: Array, size: Ints) -> Array:
        return self.xp.broadcast_to(x, size)

    def spread(self: Any, x: Array, size: Ints) -> Array:
        return self.xp.broadcast_to(x, size)

    def squeeze(self: Any, x: Array, dim: Ints) -> Array:
        return self.xp.squeeze(x, axis=dim)

    def unsqueeze(self: Any, x: Array, dim: int) -> Array:
        return self.xp.expand_dims(x, axis=dim)

    def cat(self: Any, tensors: list[Array], dim: int) -> Array:
        return self.xp.concat(tensors, axis=dim)

    def stack(self: Any, tensors: list[Array], dim: int) -> Array:
        return self.xp.stack(tensors, axis=dim)

    def roll_along(self: Any, x: Array, shift: int, dim: int) -> Array:
        return self.xp.roll(x, shift, axis=dim)

    def narrow(self: Any, x: Array, dim: int, start: int, length: int) -> Array:
        return x[(slice(None),) * dim + (slice(start, start + length), ...)]

    def place(self: Any, x: Array, dim: int, start: int, total: int) -> Array:
        amounts = [(0, 0)] * x.ndim
        amounts[dim] = (start, total - start - x.shape[dim])
        return self._pad(x, amounts)

    def constant_pad(self: Any, x: Array, pad: Ints, value: float) -> Array:
        if not pad:
            return x
        amounts = [(0, 0)] * x.ndim
        crop = [slice(None)] * x.ndim
        for position in range(0, len(pad), 2):
            before, after = pad[position : position + 2]
            axis = x.ndim - 1 - position // 2
            amounts[axis] = (max(before, 0), max(after, 0))
            crop[axis] = slice(-before if before < 0 else 0, x.shape[axis] + after if after < 0 else None)
        return self._pad(x[tuple(crop)], amounts, value)

    def _pad(self: Any, x: Array, amounts: Sequence[tuple[int, int]], value: float = 0) -> Array:
        """``x`` with ``value`` around it: for each axis how often before and after."""
        size = tuple(before + length + after for length, (before, after) in zip(x.shape, amounts, strict=True))
        inside = tuple(slice(before, before + length) for length, (before, _) in zip(x.shape, amounts, strict=True))
        around = self.xp.asarray(value, dtype=x.dtype)  # unlike ``full`` it refuses a number that does not fit
        framed = self.at(self.xp.empty(size, dtype=x.dtype), (...,), around, owned=True)
        return self.at(framed, inside, x, owned=True)

    def flip(self: Any, x: Array, dims: Ints) -> Array:
        return self.xp.flip(x, axis=dims) if dims else x

    def zeros_of(self: Any, size: Ints, like: Array) -> Array:
        return self.xp.zeros(size, dtype=like.dtype)

    def zero_like(self: Any, like: Array) -> Array:
        """A 0-d zero in the dtype of ``like``."""
        return self.xp.zeros((), dtype=like.dtype)

    def full_of(self: Any, like: Array, value: float) -> Array:
        return self.xp.full(like.shape, value, dtype=like.dtype)
