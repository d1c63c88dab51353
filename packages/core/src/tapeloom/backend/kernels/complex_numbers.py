"""Complex kernels; ``real``, ``imag`` and ``conj`` are the array library's own (see ``elementwise.DIRECT``)."""

from __future__ import annotations

from typing import Any

from tapeloom import shapes

Array = Any


class ComplexNumbers:
    """Kernels that take complex numbers apart and put them together. A library whose arrays are immutable overrides ``complex``."""

    xp: Any

    def complex(self: Any, real: Array, imag: Array) -> Array:
        shape = shapes.broadcast("complex", real.shape, imag.shape)
        out = self.xp.empty(shape, dtype=self.native(self.dtype_of(real).complex))
        out.real, out.imag = real, imag
        return out

    def view_as_complex(self: Any, x: Array) -> Array:
        return self.complex(x[..., 0], x[..., 1])

    def view_as_real(self: Any, x: Array) -> Array:
        return self.xp.stack((self.real(x), self.imag(x)), axis=-1)

    def sgn(self: Any, x: Array) -> Array:
        if not self.dtype_of(x).is_complex:
            return self.sign(x)
        size = self.abs(x)
        return self.where(size == 0, self.zero_like(x), x / self.where(size == 0, 1, size))
