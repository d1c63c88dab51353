"""Elementwise kernels. Most are the array library's own function of the same name (``DIRECT``)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tapeloom import dtypes
from tapeloom.backend.array import Array

#: kernels that are the array library's own functions: kernel name -> name there (the Array API standard's names)
DIRECT = {
    name: name
    for name in (
        "add subtract multiply divide negative abs floor ceil trunc exp expm1 log log1p log2 log10 sqrt square "
        "reciprocal sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh atan2 hypot maximum minimum "
        "remainder fmod floor_divide where "
        "logical_and logical_or logical_xor logical_not "
        "isnan isinf isfinite bitwise_and bitwise_or bitwise_xor exp2 matmul real imag conj "
        "copysign nextafter frexp gcd logaddexp2"
    ).split()
} | {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "bitwise_not": "bitwise_invert",
}
#: those among them that the standard does not have; ``Direct`` has them written out, for a library without them
EXTRAS = frozenset({"exp2", "fmod", "frexp", "gcd", "logaddexp2"})


LOG_2 = 0.6931471805599453


def _direct(kernel: str, name: str) -> Callable[..., Any]:
    """The method that calls ``xp.name``: a real one, so that ``super().exp(x)`` works in an override."""

    def run(self: Any, *arrays: Array) -> Array:
        return getattr(self.xp, name)(*arrays)

    run.__name__ = run.__qualname__ = kernel
    return run


class Direct:
    """The kernels of ``DIRECT``, and the texts of ``EXTRAS``."""

    xp: Any

    def exp2(self: Any, x: Array) -> Array:
        return self.xp.pow(2, x)

    def fmod(self: Any, x: Array, y: Array) -> Array:
        if self.dtype_of(x).is_floating_point:
            return self.xp.copysign(self.remainder(self.abs(x), self.abs(y)), x)
        rest = self.remainder(x, y)  # has the sign of y, and is to have that of x
        return self.where((rest != 0) & ((x < 0) != (y < 0)), rest - y, rest)

    def frexp(self: Any, x: Array) -> tuple[Array, Array]:
        ordinary = self.isfinite(x) & (x != 0)
        size = self.where(ordinary, self.abs(x), 0.5)
        exponent = self.floor(self.log2(size)) + 1  # may be one off
        half = self.floor(exponent / 2)  # in two steps, for the whole power may be beyond all numbers
        size = size * self.exp2(-half) * self.exp2(half - exponent)
        step = self.where(size >= 1, 1.0, self.where(size < 0.5, -1.0, self.zero_like(size)))
        mantissa = self.where(ordinary, self.xp.copysign(size * self.exp2(-step), x), x)
        return mantissa, self.cast(self.where(ordinary, exponent + step, self.zero_like(x)), dtypes.int32)

    def gcd(self: Any, x: Array, y: Array) -> Array:
        signed = self.dtype_of(x).is_signed
        x, y = (self.abs(x), self.abs(y)) if signed else (x, y)
        x, y = self.xp.broadcast_arrays(x, y)
        while bool(self.xp.any(y != 0)):  # Euclid's algorithm, until the last has ended
            x, y = self.where(y == 0, x, y), self.where(y == 0, y, x % self.where(y == 0, self.xp.ones_like(y), y))
        return self.abs(x) if signed else x  # the smallest integer has no absolute value

    def lcm(self: Any, x: Array, y: Array) -> Array:
        divisor = self.gcd(x, y)
        return self.abs(x // self.where(divisor == 0, self.xp.ones_like(divisor), divisor) * y)

    def logaddexp2(self: Any, x: Array, y: Array) -> Array:
        return self.xp.logaddexp(x * LOG_2, y * LOG_2) / LOG_2


for _kernel in DIRECT.keys() - EXTRAS:
    setattr(Direct, _kernel, _direct(_kernel, DIRECT[_kernel]))


class Elementwise(Direct):
    """Kernels that act on each element by itself."""

    xp: Any

    def add_scaled(self: Any, x: Array, y: Array, alpha: Array) -> Array:
        return x + alpha * y

    def subtract_scaled(self: Any, x: Array, y: Array, alpha: Array) -> Array:
        return x - alpha * y

    def pow(self: Any, x: Array, y: Array) -> Array:
        if self.dtype_of(x).inexact:
            return self.xp.pow(x, y)
        below = y < 0  # where 1 and -1 give 1, or -1 for odd powers, and all other integers 0, as in PyTorch
        result = self.integer_power(x, self.where(below, y & 1, y))
        return self.where(below & (self.abs(x) != 1), self.zero_like(result), result)

    def integer_power(self: Any, x: Array, y: Array) -> Array:
        """Integers to powers that are not negative; what is too large wraps."""
        return self.xp.pow(x, y)

    def sign(self: Any, x: Array) -> Array:
        if self.dtype_of(x) is dtypes.bool_:
            return self.copy(x)
        out = self.xp.sign(x)
        return self.where(out == out, out, self.zero_like(out))  # 0 for nan, as in PyTorch

    def round(self: Any, x: Array) -> Array:
        return self.xp.round(x)

    def round_decimals(self: Any, x: Array, decimals: int) -> Array:
        scale = float(f"1e{abs(decimals)}")  # inf, where ``**`` would raise
        scale = scale if scale <= self.dtype_of(x).max else float("inf")  # here, for libraries warn of it
        return self.round(x * scale) / scale if decimals > 0 else self.round(x / scale) * scale

    def rsqrt(self: Any, x: Array) -> Array:
        return 1 / self.sqrt(x)

    def logaddexp(self: Any, x: Array, y: Array) -> Array:
        if not self.dtype_of(x).is_complex:
            return self.xp.logaddexp(x, y)
        ahead = self.real(x) >= self.real(y)
        top, below = self.where(ahead, x, y), self.where(ahead, y, x)
        gap = self.where(x == y, self.zero_like(x), below - top)  # keeps inf - inf away
        return top + self.log1p(self.exp(gap))

    def clamp(self: Any, x: Array, min: Array | None, max: Array | None) -> Array:
        if min is not None:
            x = self.maximum(x, min)
        if max is not None:
            x = self.minimum(x, max)  # last, so that max wins where min > max, as in PyTorch
        return x

    def fmax(self: Any, x: Array, y: Array) -> Array:
        return self.where(self.ge(x, y) | (y != y), x, y)

    def fmin(self: Any, x: Array, y: Array) -> Array:
        return self.where(self.le(x, y) | (y != y), x, y)

    def addcmul(self: Any, x: Array, y: Array, z: Array) -> Array:
        return x + y * z

    def addcmul_scaled(self: Any, x: Array, y: Array, z: Array, value: Array) -> Array:
        return x + value * y * z

    def addcdiv(self: Any, x: Array, y: Array, z: Array) -> Array:
        return x + y / z

    def addcdiv_scaled(self: Any, x: Array, y: Array, z: Array, value: Array) -> Array:
        return x + value * y / z

    def lerp(self: Any, x: Array, y: Array, weight: Array) -> Array:
        way = y - x
        return self.where(self.abs(weight) < 0.5, x + weight * way, y - way * (1 - weight))

    def deg2rad(self: Any, x: Array) -> Array:
        return x * 0.017453292519943295

    def rad2deg(self: Any, x: Array) -> Array:
        return x * 57.29577951308232

    def frac(self: Any, x: Array) -> Array:
        return x - self.trunc(x)

    def signbit(self: Any, x: Array) -> Array:
        return self.xp.signbit(x) if self.dtype_of(x).inexact else self.lt(x, self.zero_like(x))

    def heaviside(self: Any, x: Array, values: Array) -> Array:
        return self.where(self.logical_not(x), values, self.cast(self.gt(x, self.zero_like(x)), self.dtype_of(x)))

    def isposinf(self: Any, x: Array) -> Array:
        return self.isinf(x) & self.gt(x, self.zero_like(x))

    def isneginf(self: Any, x: Array) -> Array:
        return self.isinf(x) & self.lt(x, self.zero_like(x))

    def nan_to_num(self: Any, x: Array, nan: float, posinf: float, neginf: float) -> Array:
        dtype = self.dtype_of(x)
        if dtype.is_complex:
            return self.complex(*[self.nan_to_num(part, nan, posinf, neginf) for part in (self.real(x), self.imag(x))])
        if not dtype.inexact:
            return self.copy(x)
        x = self.where(x == math.inf, posinf, self.where(x == -math.inf, neginf, x))
        return self.where(x != x, nan, x)

    def bitwise_left_shift(self: Any, x: Array, y: Array) -> Array:
        within = (y >= 0) & (y < self._bits(x))  # array libraries promise nothing for more, or for less than none
        shifted = self.xp.bitwise_left_shift(x, self.where(within, y, self.zero_like(y)))
        return self.where(within, shifted, self.zero_like(x))

    def bitwise_right_shift(self: Any, x: Array, y: Array) -> Array:
        within = (y >= 0) & (y < self._bits(x))
        signs = x >> (self._bits(x) - 1) >> 1
        return self.where(within, self.xp.bitwise_right_shift(x, self.where(within, y, self.zero_like(y))), signs)

    def _bits(self: Any, x: Array) -> int:
        return 8 * self.dtype_of(x).itemsize

    def clone(self: Any, x: Array) -> Array:
        return self.copy(x)

    def masked_fill(self: Any, x: Array, mask: Array, value: Array) -> Array:
        return self.where(mask, value, x)

    def trunc_divide(self: Any, x: Array, y: Array) -> Array:
        if self.dtype_of(x).inexact:
            return self.trunc(x / y)
        # the quotient rounded down, plus one where that overshot: exact for integers
        down = self.floor_divide(x, y)
        return self.where(((x < 0) != (y < 0)) & (down * y != x), down + 1, down)

    def alias(self: Any, x: Array) -> Array:
        return x
