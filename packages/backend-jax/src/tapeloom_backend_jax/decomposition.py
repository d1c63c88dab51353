"""Linear algebra by XLA's own decompositions, which raise nothing: what is wrong with a matrix is found from the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax

from tapeloom.backend.kernels import ArrayKernels
from tapeloom.shapes import broadcast

Array = Any
_linalg: Any = lax.linalg  # its annotations are not complete


class Decomposition:
    """Overrides of shared kernels; stands before ArrayKernels among the bases of the kernels."""

    def lu_decomposition(self: Any, x: Array, pivot: bool) -> tuple[Array, Array, Array]:
        if not pivot or 0 in x.shape:  # XLA's always swaps
            return ArrayKernels.lu_decomposition(self, x, pivot)
        LU, pivots, _ = _linalg.lu(x)
        return LU, pivots + 1, self._zero_pivot(LU)

    def solve_triangle(self: Any, x: Array, y: Array, upper: bool, unitriangular: bool) -> Array:
        batch = broadcast("solve_triangular", x.shape[:-2], y.shape[:-2])
        x, y = (jnp.broadcast_to(t, (*batch, *t.shape[-2:])) for t in (x, y))
        if 0 in y.shape:
            return y
        return _linalg.triangular_solve(x, y, left_side=True, lower=not upper, unit_diagonal=unitriangular)

    def _times(self, count: Array) -> Array:
        return count.astype(int)  # the bound of a loop within the program

    def _checked(
        self: Any, function: Callable[[Array], Array], x: Array, explain: Callable[[Array], Array]
    ) -> tuple[Array, Array]:
        result = function(x)
        return result, self._explained(result, x, explain)

    def _solved(self: Any, compute: Callable[[], Array], x: Array, y: Array) -> tuple[Array, Array]:
        result = compute()
        return result, self._explained(result, x, lambda x: self.lu_decomposition(x, True)[2])

    def _explained(self: Any, result: Array, x: Array, explain: Callable[[Array], Array]) -> Array:
        """0 for each matrix, or, where the result is not finite, what ``explain`` says."""
        fine = jnp.all(jnp.isfinite(result))
        return lax.cond(fine, lambda: self._whole(x.shape[:-2]), lambda: explain(x))
