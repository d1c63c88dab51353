"""Elementwise functions and products where XLA has its own, or where JAX's text would differ."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Array = Any


class Numeric:
    """Overrides of shared kernels; stands before ArrayAPIBackend among the bases of the backend."""

    def erf(self, x: Array) -> Array:
        return lax.erf(x)

    def erfinv(self, x: Array) -> Array:
        return lax.erf_inv(x)

    def precision(self) -> Any:
        """Full float32 products, unless the user has told JAX otherwise: its default on GPUs is TF32, on TPUs bfloat16."""
        return lax.Precision.HIGHEST if jax.config.jax_default_matmul_precision is None else None

    def matmul(self, x: Array, y: Array) -> Array:
        return jnp.matmul(x, y, precision=self.precision())

    def copy(self, array: Array) -> Array:
        return array  # arrays never change, so that one may stand for both

    def clone(self, x: Array) -> Array:
        return x
