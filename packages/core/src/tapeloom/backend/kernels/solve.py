"""Kernels that solve equations, invert, and compute functions of whole matrices."""

from __future__ import annotations

from collections.abc import Callable
from math import factorial
from typing import Any

from tapeloom.backend.array import Array
from tapeloom.shapes import broadcast

#: the coefficients of the Padé approximation of order 13 to exp
PADE = tuple(factorial(26 - j) * factorial(13) / (factorial(26) * factorial(j) * factorial(13 - j)) for j in range(14))
#: up to this norm of a matrix the approximation is exact to double precision (Higham 2005, table 2.3)
LARGEST = 5.371920351148152


class Solve:
    """Systems (…, n, n) by (…, n, k)."""

    xp: Any

    def solve_system(self: Any, x: Array, y: Array) -> tuple[Array, Array]:
        return self._solved(lambda: self.xp.linalg.solve(x, y), x, y)

    def inverse_info(self: Any, x: Array) -> tuple[Array, Array]:
        return self._solved(lambda: self.xp.linalg.inv(x), x, self._identity(x))

    def _solved(self: Any, compute: Callable[[], Array], x: Array, y: Array) -> tuple[Array, Array]:
        """``inv(x) @ y`` as ``compute`` gives it, and for each matrix 0, or the place of the pivot that is 0."""
        try:
            return compute(), self._whole(x.shape[:-2])
        except ValueError:  # one of the batch is singular: by the factors, where the division by 0 gives inf or nan
            LU, pivots, info = self.lu_decomposition(x, True)
            y = self.expand(y, (*broadcast("solve", x.shape[:-2], y.shape[:-2]), *y.shape[-2:]))
            y = self.solve_triangle(LU, self.permute_rows(y, pivots, False), False, True)
            return self.solve_triangle(LU, y, True, False), info

    def solve_triangle(self: Any, x: Array, y: Array, upper: bool, unitriangular: bool) -> Array:
        # By the solver of any system: of an upper triangle its LU decomposition swaps and eliminates nothing.
        if not upper:
            x, y = self.flip(x, (x.ndim - 2, x.ndim - 1)), self.flip(y, (y.ndim - 2,))
        x = self.triu(x, 1) + self._identity(x) if unitriangular else self.triu(x, 0)
        try:
            out = self.xp.linalg.solve(x, y)
        except ValueError:  # a 0 on the diagonal
            out = self._substituted(x, y)
        return out if upper else self.flip(out, (out.ndim - 2,))

    def _substituted(self: Any, x: Array, y: Array) -> Array:
        """``inv(x) @ y`` of an upper triangle, row by row from below: what a division by 0 gives stays in its rows."""
        n, axis = x.shape[-1], x.ndim - 1
        places = self.as_int64(self.xp.arange(n))
        rows = self.unsqueeze(places, 1)

        def step(rest: Array, turn: Array) -> tuple[Array, Array]:
            column = self.sum(self.where(places == turn, x, self.zero_like(x)), (axis,), True)
            pivot = self.sum(self.where(rows == turn, column, self.zero_like(column)), (axis - 1,), True)
            own = self.sum(self.where(rows == turn, rest, self.zero_like(rest)), (rest.ndim - 2,), True) / pivot
            return self.where(rows < turn, rest - column * own, self.where(rows == turn, own, rest)), turn - 1

        return self.iterate(n, step, (y, self.as_int64(self.xp.asarray(n - 1))))[0]

    def determinant(self: Any, x: Array) -> Array:
        return self.xp.linalg.det(x)

    def sign_and_log(self: Any, x: Array) -> tuple[Array, Array]:
        sign, log = self.xp.linalg.slogdet(x)
        return sign, log

    def cofactors(self: Any, x: Array) -> Array:
        U, S, Vh = self.svd_factors(x, False)
        n = x.shape[-1]
        eye = self.xp.eye(n, dtype=S.dtype)
        others = self.where(eye == 1, self.full_of(eye, 1), self.unsqueeze(S, S.ndim - 1))
        scale = self.cast(self.prod(others, (others.ndim - 1,)), self.dtype_of(x))
        turn = self.xp.linalg.det(U) * self.xp.linalg.det(Vh)
        scaled = self._conjugate(U) * self.unsqueeze(scale, scale.ndim - 1)
        return self.matmul(scaled, self._conjugate(Vh)) * self.reshape(turn, (*turn.shape, 1, 1))

    def pseudo_inverse(self: Any, x: Array, atol: Array, rtol: Array) -> Array:
        if 0 in x.shape:
            return self._adjoint(x)
        U, S, Vh = self.svd_factors(x, False)
        atol, rtol = self._real_part(atol), self._real_part(rtol)
        least = self.maximum(self.unsqueeze(atol, atol.ndim), self.unsqueeze(rtol, rtol.ndim) * S[..., :1])
        kept = least < S
        inverse = self.where(kept, 1 / self.where(kept, S, self.full_of(S, 1)), self.zero_like(S))
        scaled = self._adjoint(U) * self.cast(self.unsqueeze(inverse, S.ndim), self.dtype_of(x))
        return self.matmul(self._adjoint(Vh), scaled)

    def matrix_exponential(self: Any, x: Array) -> Array:
        if 0 in x.shape:
            return x
        norm = self.amax(self.sum(self.abs(x), (x.ndim - 2,)), (x.ndim - 2,))
        halvings = self.ceil(self.log2(self.maximum(norm / LARGEST, self.full_of(norm, 1))))
        halvings = self.where(self.isfinite(halvings), halvings, self.zero_like(halvings))
        halvings = self.reshape(halvings, (*halvings.shape, 1, 1))
        x = x * self.cast(self.exp2(-halvings), self.dtype_of(x))
        square = self.matmul(x, x)
        fourth = self.matmul(square, square)
        powers = (self._identity(x), square, fourth, self.matmul(fourth, square))

        def series(start: int) -> Array:
            """Every second term from ``start``, the higher ones by way of the sixth power."""
            low = sum(PADE[start + 2 * i] * powers[i] for i in range(4))
            high = sum(PADE[start + 6 + 2 * i] * powers[i] for i in range(1, 4))
            return low + self.matmul(powers[3], high)

        even, odd = series(0), self.matmul(x, series(1))
        out = self.xp.linalg.solve(even - odd, even + odd)

        def squared(out: Array, turn: Array) -> tuple[Array, Array]:
            return self.where(halvings > turn, self.matmul(out, out), out), turn + 1

        # as many as the largest norm was halved: its logarithm
        return self.iterate(self._times(self.xp.max(halvings)), squared, (out, self.xp.min(halvings) * 0))[0]

    def _times(self: Any, count: Any) -> int:
        """How often to do something that an array says."""
        return int(count)
