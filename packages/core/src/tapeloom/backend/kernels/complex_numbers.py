"""Complex kernels; ``real``, ``imag`` and ``conj`` are the array library's own (see ``elementwise.DIRECT``)."""

from __future__ import annotations

from typing import Any

Array = Any


class ComplexNumbers:
    """Kernels that take complex numbers apart and put them together."""

    xp: Any

    def complex(self: Any, real: Array, imag: Array) -> Array:
        pairs = self.xp.stack(self.xp.broadcast_arrays(real, imag), axis=-1)
        return self.view_as_complex(pairs)

    def view_as_complex(self: Any, x: Array) -> Array:
        pairs = self.xp.ascontiguousarray(x)  # the parts must be neighbours in memory
        return pairs.view(self.native(self.dtype_of(x).complex))[..., 0]

    def view_as_real(self: Any, x: Array) -> Array:
        return self.xp.stack((x.real, x.imag), axis=-1)

    def sgn(self: Any, x: Array) -> Array:
        if not self.dtype_of(x).is_complex:
            return self.sign(x)
        size = self.abs(x)
        return self.where(size == 0, self.zero_like(x), x / self.where(size == 0, 1, size))
