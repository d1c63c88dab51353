"""Kernels of matrix decompositions: the library's own, and LU, which no array library has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapeloom import dtypes
from tapeloom.backend.array import Array
from tapeloom.errors import LinAlgError

#: what there is to say of an iteration that found no singular or eigenvalues
NOT_CONVERGED = "{}: it did not converge: the matrix holds nan or inf, or is too badly scaled."


class Decomposition:
    """Factors of matrices (…, m, n)."""

    xp: Any

    def cholesky_factor(self: Any, x: Array, upper: bool) -> tuple[Array, Array]:
        lower = self._hermitian(x, upper)
        L, info = self._checked(self.xp.linalg.cholesky, lower, self._minors)
        L = self.tril(L, 0)  # also of what is nan
        return (self._adjoint(L) if upper else L), info

    def qr_factors(self: Any, x: Array, complete: bool) -> tuple[Array, Array]:
        Q, R = self.xp.linalg.qr(x, mode="complete" if complete else "reduced")
        return Q, R

    def svd_factors(self: Any, x: Array, full_matrices: bool) -> tuple[Array, Array, Array]:
        U, S, Vh = self._converging("svd", x, lambda x: self.xp.linalg.svd(x, full_matrices=full_matrices))
        return U, S, Vh

    def singular_values(self: Any, x: Array) -> Array:
        return self._converging("svd", x, self.xp.linalg.svdvals)

    def eigh_factors(self: Any, x: Array, upper: bool) -> tuple[Array, Array]:
        L, V = self._converging("eigh", self._hermitian(x, upper), self.xp.linalg.eigh)
        return L, V

    def eigh_values(self: Any, x: Array, upper: bool) -> Array:
        return self._converging("eigvalsh", self._hermitian(x, upper), self.xp.linalg.eigvalsh)

    def eig_factors(self: Any, x: Array) -> tuple[Array, Array]:
        L, V = self._converging("eig", x, self.xp.linalg.eig)
        kind = self.dtype_of(x).complex
        return self.cast(L, kind), self.cast(V, kind)  # real eigenvalues come as real numbers

    def lu_decomposition(self: Any, x: Array, pivot: bool) -> tuple[Array, Array, Array]:
        m, n = x.shape[-2:]
        k = min(m, n)
        if not k:
            return x, self._whole((*x.shape[:-2], 0)), self._whole(x.shape[:-2])
        LU, pivots, order = self._panel(x[..., :k], pivot)
        if n > k:
            LU = self.cat([LU, self._above(LU, self._reordered(x[..., k:], order))], x.ndim - 1)
        return LU, self.cast(pivots + 1, dtypes.int32), self._zero_pivot(LU)

    def _panel(self: Any, x: Array, pivot: bool) -> tuple[Array, Array, Array]:
        """LU of a tall matrix by halves of its columns: the factors, the swaps from 0, the order of rows that they lead to."""
        n, axis = x.shape[-1], x.ndim - 1
        if n == 1:
            return self._pivot_column(x, pivot)
        half = n // 2
        left, swaps, order = self._panel(x[..., :half], pivot)
        right = self._reordered(x[..., half:], order)
        above = self._above(left[..., :half, :], right[..., :half, :])
        below = right[..., half:, :] - self.matmul(left[..., half:, :], above)
        corner, later, reorder = self._panel(below, pivot)
        left = self.cat([left[..., :half, :], self._reordered(left[..., half:, :], reorder)], axis - 1)
        order = self.cat([order[..., :half], self.gather(order[..., half:], axis - 1, reorder)], axis - 1)
        LU = self.cat([left, self.cat([above, corner], axis - 1)], axis)
        return LU, self.cat([swaps, later + half], axis - 1), order

    def _pivot_column(self: Any, x: Array, pivot: bool) -> tuple[Array, Array, Array]:
        """One column: its largest element (of complex numbers by |re| + |im|, as in LAPACK) first, the others divided by it."""
        column = x[..., 0]
        places = self.expand(self.as_int64(self.xp.arange(column.shape[-1])), column.shape)
        if not pivot:
            swap, order = places[..., :1], places
        else:
            size = self.abs(self._real_part(column)) + self.abs(self._imaginary(column))
            swap = self.argmax_along(size, column.ndim - 1, True)
            order = self.where(places == swap, 0, places)
            order = self.where(places == 0, swap, order)
            column = self.gather(column, column.ndim - 1, order)
        first = column[..., :1]
        rest = column[..., 1:] / self.where(first == 0, self.full_of(first, 1), first)
        return self.unsqueeze(self.cat([first, rest], column.ndim - 1), x.ndim - 1), swap, order

    def _above(self: Any, LU: Array, x: Array) -> Array:
        """``inv(L) @ x`` for the L of square factors."""
        return x if LU.shape[-1] == 1 else self.solve_triangle(LU[..., : x.shape[-2], :], x, False, True)

    def _reordered(self: Any, x: Array, order: Array) -> Array:
        return self.gather(x, x.ndim - 2, self.expand(self.unsqueeze(order, order.ndim), x.shape))

    def permute_rows(self: Any, x: Array, pivots: Array, inverse: bool) -> Array:
        m, k = x.shape[-2], pivots.shape[-1]
        if not k:
            return x
        places = self.as_int64(self.xp.arange(m))
        swap = self.unsqueeze(self.as_int64(pivots) - 1, pivots.ndim)
        turn = self.unsqueeze(self.as_int64(self.xp.arange(k)), 1)
        orders = self.where(places == turn, swap, self.where(places == swap, turn, places))  # each swap by itself
        while orders.shape[-2] > 1:  # swaps one after the other, joined in pairs
            odd = orders.shape[-2] % 2
            even = orders[..., : orders.shape[-2] - odd, :]
            joined = self.gather(even[..., ::2, :], orders.ndim - 1, even[..., 1::2, :])
            orders = self.cat([joined, orders[..., -1:, :]], orders.ndim - 2) if odd else joined
        order = orders[..., 0, :]
        if inverse:
            order = self.as_int64(self.xp.argsort(order, axis=-1))
        return self._reordered(x, self.expand(order, (*x.shape[:-2], m)))

    def geqrf(self: Any, x: Array) -> tuple[Array, Array]:
        m, n = x.shape[-2:]
        k = min(m, n)
        rows, columns = self.unsqueeze(self.xp.arange(m), 1), self.xp.arange(n)

        def step(a: Array, tau: Array, turn: Array) -> tuple[Array, Array, Array]:
            first, nothing = self.zero_like(a[..., :1]), self.zero_like(a[..., :1, :1])
            column = self.sum(self.where(columns == turn, a, self.zero_like(a)), (a.ndim - 1,), True)
            alpha = self.sum(self.where(rows == turn, column, first), (a.ndim - 2,), True)
            below = self.where(rows > turn, column, first)
            size = self.order_norm(self.where(rows >= turn, column, first), 2, (a.ndim - 2,), True)
            sign = self.where(self._real_part(alpha) < 0, self.full_of(size, 1), self.full_of(size, -1))
            beta = self.cast(sign * size, self.dtype_of(x))
            done = ~self.any((below != 0) | (self._imaginary(alpha) != 0), (a.ndim - 2,), True)
            beta = self.where(done, alpha, beta)
            one = self.full_of(alpha, 1)
            factor = self.where(done, nothing, (beta - alpha) / self.where(done, one, beta))
            v = below / self.where(done, one, alpha - beta) + self.where(rows == turn, self.full_of(first, 1), first)
            turned = self.matmul(self._adjoint(v), self.where(columns > turn, a, self.zero_like(a)))
            a = a - (v * self._conjugate(factor)) * turned
            held = self.where(rows > turn, v, self.where(rows == turn, beta, column))
            a = self.where(columns == turn, held, a)
            here = self.xp.arange(k) == turn
            return a, self.where(here, factor[..., 0], tau), turn + 1

        tau = self.xp.zeros((*x.shape[:-2], k), dtype=x.dtype)
        return self.iterate(k, step, (x, tau, self.as_int64(self.xp.asarray(0))))[:2]

    # what went wrong

    def _checked(
        self: Any, function: Callable[[Array], Array], x: Array, explain: Callable[[Array], Array]
    ) -> tuple[Array, Array]:
        """``function(x)``, and 0 for each matrix; where it cannot be, nan, and what ``explain`` says of each matrix."""
        try:
            return function(x), self._whole(x.shape[:-2])
        except ValueError:  # of the whole batch
            info = explain(x)
            fine = self.reshape(info == 0, (*info.shape, 1, 1))
            result = function(self.where(fine, x, self._identity(x)))
            return self.where(fine, result, self.full_of(result, float("nan"))), info

    def _converging(self: Any, name: str, x: Array, decompose: Callable[[Array], Any]) -> Any:
        try:
            return decompose(x)
        except ValueError as error:
            raise LinAlgError(NOT_CONVERGED.format(name)) from error

    def _minors(self: Any, x: Array) -> Array:
        """The order of the first leading minor that is not positive, 0 if there is none: Cholesky's column by column."""
        n = x.shape[-1]
        places = self.xp.arange(n)

        def step(rest: Array, turn: Array, info: Array) -> tuple[Array, Array, Array]:
            here = places == turn
            column = self.sum(self.where(here, rest, self.zero_like(rest)), (rest.ndim - 1,))
            pivot = self.sum(self.where(here, column, self.zero_like(column)), (column.ndim - 1,), True)
            positive = self._real_part(pivot) > 0
            info = self.where((info == 0) & ~positive[..., 0], self.cast(turn + 1, dtypes.int32), info)
            scaled = self._conjugate(column) / self.where(positive, pivot, self.full_of(pivot, 1))
            rest = rest - self.unsqueeze(column, column.ndim) * self.unsqueeze(scaled, column.ndim - 1)
            return rest, turn + 1, info

        return self.iterate(n, step, (x, self.as_int64(self.xp.asarray(0)), self._whole(x.shape[:-2])))[2]

    def _zero_pivot(self: Any, LU: Array) -> Array:
        """The place of the first 0 on the diagonal, from 1, or 0."""
        k = min(LU.shape[-2:])
        if not k:
            return self._whole(LU.shape[:-2])
        square = LU[..., :k, :k]
        zero = self.any((square == 0) & (self._identity(square) != 0), LU.ndim - 1)
        place = self.where(zero, self.as_int64(self.xp.arange(k)) + 1, k + 1)
        first = self.amin(place, (place.ndim - 1,))
        return self.cast(self.where(first > k, self.zero_like(first), first), dtypes.int32)

    # parts

    def _whole(self: Any, shape: tuple[int, ...]) -> Array:
        """Zeros of int32."""
        return self.xp.zeros(shape, dtype=self.native(dtypes.int32))

    def _conjugate(self: Any, x: Array) -> Array:
        return self.conj(x) if self.dtype_of(x).is_complex else x

    def _adjoint(self: Any, x: Array) -> Array:
        return self.swap_last(self._conjugate(x))

    def _real_part(self: Any, x: Array) -> Array:
        return self.real(x) if self.dtype_of(x).is_complex else x

    def _imaginary(self: Any, x: Array) -> Array:
        return self.imag(x) if self.dtype_of(x).is_complex else self.zero_like(x)

    def _hermitian(self: Any, x: Array, upper: bool) -> Array:
        """The Hermitian matrix whose lower, or upper, triangle is that of ``x``: libraries differ in what they read."""
        lower = self.tril(self._adjoint(x) if upper else x, 0)
        return lower + self._adjoint(self.tril(lower, -1))

    def _identity(self: Any, x: Array) -> Array:
        """The identity, in the shape and dtype of square matrices ``x``."""
        return self.expand(self.xp.eye(x.shape[-1], dtype=x.dtype), x.shape)
