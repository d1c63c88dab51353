"""Elementwise functions, products and loops where XLA has its own, or where the shared text would be slower here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from tapeloom import dtypes
from tapeloom.backend.kernels import ArrayKernels
from tapeloom.backend.kernels.activation import CUBIC, ROOT_HALF, ROOT_TWO_OVER_PI
from tapeloom.dtypes import DType

Array = Any
_config: Any = jax.config

#: XLA's own running results, each one instruction; see ``accumulate``
_RUNNING: dict[str, Any] = {"maximum": lax.cummax, "minimum": lax.cummin, "logaddexp": lax.cumlogsumexp}


class Numeric:
    """Overrides of shared kernels; stands before ArrayKernels among the bases of the kernels."""

    def _over_time(self, step: Any, carry: Any, steps: Sequence[Array | None], reverse: bool) -> tuple[Array, ...]:
        # one loop in the program, where the shared text would be compiled again for each time step
        found: tuple[Array, ...] = lax.scan(
            lambda carry, here: step(carry, *here), carry, tuple(steps), reverse=reverse
        )[1]
        return found

    def erf(self, x: Array) -> Array:
        return lax.erf(x)  # one instruction, where the shared text has a dozen

    def gelu(self, x: Array, approximate: str) -> Array:
        # erf + 1 and tanh + 1 lose digits for negative x, and XLA's erf and tanh are less exact than others to begin with
        if approximate == "tanh":
            return x * jax.nn.sigmoid(x * (x * x * CUBIC + 1) * (2 * ROOT_TWO_OVER_PI))
        return x * 0.5 * lax.erfc(x * -ROOT_HALF)

    def _incomplete(self, a: Array, x: Array, upper: bool) -> Array:
        return lax.igammac(a, x) if upper else lax.igamma(a, x)  # whose loops end by themselves

    def _most(self, n: Array) -> Array:
        return jnp.max(n).astype(jnp.int64)  # ``iterate`` takes a number that is not known yet

    def pow(self: Any, x: Array, y: Array) -> Array:
        result = ArrayKernels.pow(self, x, y)
        if not self.dtype_of(x).is_complex:
            return result
        return self.where((x == 0) & (y.real > 0), self.zero_like(result), result)  # where XLA has nan

    def integer_power(self, x: Array, y: Array) -> Array:
        # jnp.power looks at six bits of the exponent alone
        def step(held: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            result, base, rest = held
            return jnp.where(rest & 1 != 0, result * base, result), base * base, rest >> 1

        base, exponent = jnp.broadcast_arrays(x, y)
        start = jnp.ones_like(base), base, exponent
        return lax.while_loop(lambda held: jnp.any(held[2] > 0), step, start)[0]

    def accumulate(self: Any, how: str, x: Array, dim: int) -> Array:
        if self.dtype_of(x).is_complex:  # of which lax.cumlogsumexp knows nothing
            return ArrayKernels.accumulate(self, how, x, dim)
        return _RUNNING[how](x, dim)

    # JAX's arrays have no memory to look at as another dtype

    def complex(self: Any, real: Array, imag: Array) -> Array:
        part = self.native(self.dtype_of(real).complex.real)  # half types have no complex counterpart
        return lax.complex(*jnp.broadcast_arrays(real.astype(part), imag.astype(part)))

    def view_as_complex(self: Any, x: Array) -> Array:
        return self.complex(x[..., 0], x[..., 1])

    def bitcast(self: Any, x: Array, dtype: DType, size: tuple[int, ...]) -> Array:
        old = self.dtype_of(x)
        if old.is_complex:
            x, old = self.view_as_real(x), old.real
        if old is dtypes.bool_:
            x = x.astype(jnp.uint8)
        part = dtype.real if dtype.is_complex else dtypes.uint8 if dtype is dtypes.bool_ else dtype
        raw = lax.bitcast_convert_type(x, jnp.uint8)
        units = (*size, *(2,) * dtype.is_complex, *(part.itemsize,) * (part.itemsize > 1))
        result = lax.bitcast_convert_type(raw.reshape(units), self.native(part))
        if dtype is dtypes.bool_:
            return result != 0
        return self.view_as_complex(result) if dtype.is_complex else result

    def _precision(self) -> Any:
        """Full float32 products, unless the user told JAX otherwise: its default is TF32 on GPUs, bfloat16 on TPUs."""
        return lax.Precision.HIGHEST if _config.jax_default_matmul_precision is None else None

    def matmul(self, x: Array, y: Array) -> Array:
        return jnp.matmul(x, y, precision=self._precision())

    def _pad(self, x: Array, amounts: Sequence[tuple[int, int]], value: Any = 0) -> Array:
        return jnp.pad(x, amounts, constant_values=value)

    def constant_pad(self, x: Array, pad: tuple[int, ...], value: Any) -> Array:
        amounts = [(0, 0, 0)] * x.ndim  # XLA crops by negative amounts itself
        for position in range(0, len(pad), 2):
            amounts[x.ndim - 1 - position // 2] = (pad[position], pad[position + 1], 0)
        return lax.pad(x, jnp.asarray(value, x.dtype), amounts)

    def tril(self, x: Array, diagonal: int) -> Array:
        return jnp.where(_offsets(x) <= diagonal, x, jnp.zeros_like(x))  # jnp.tril compiles for each diagonal

    def triu(self, x: Array, diagonal: int) -> Array:
        return jnp.where(_offsets(x) >= diagonal, x, jnp.zeros_like(x))

    def iterate(self, times: int, step: Callable[..., tuple[Any, ...]], state: tuple[Any, ...]) -> tuple[Any, ...]:
        return lax.fori_loop(0, times, lambda _, held: tuple(step(*held)), tuple(state))  # type: ignore[no-any-return]

    def gcd(self, x: Array, y: Array) -> Array:
        # jnp.gcd never ends beside the smallest integer, which has no absolute value
        def step(held: tuple[Any, ...]) -> tuple[Any, ...]:
            x, y = held
            return jnp.where(y == 0, x, y), jnp.where(y == 0, y, lax.rem(x, jnp.where(y == 0, 1, y)))

        start: tuple[Any, ...] = tuple(jnp.broadcast_arrays(x, y))
        return jnp.abs(lax.while_loop(lambda held: jnp.any(held[1] != 0), step, start)[0])

    def copy(self, array: Array) -> Array:
        return array  # arrays never change, so that one may stand for both


def _offsets(x: Array) -> Array:
    """On which diagonal each element of the last two dimensions stands: 0 on the main one, more above."""
    rows, columns = x.shape[-2:]
    return jnp.arange(columns) - jnp.arange(rows)[:, None]
