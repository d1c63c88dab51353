"""Decompositions of matrices: Cholesky, QR, LU, singular values, eigenvalues.

Each is a primitive with its rule, and functions over it that are named and called as in PyTorch. A gradient of factors that
are not unique (the signs of singular vectors, their order where values are equal) is that of a loss which does not
depend on the choice; where values are equal it divides by 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tapeloom.call.op import function, primitive
from tapeloom.errors import ArgumentError, GradientError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.ops.matrices import (
    adjoint,
    columns,
    converged,
    diagonal_matrix,
    diagonal_of,
    diagonal_part,
    differences,
    leading,
    matrices,
    rows,
    square_matrices,
    succeeded,
    trailing_columns,
)

if TYPE_CHECKING:
    from tapeloom.op.parameter import Index
    from tapeloom.tensors.tensor import Tensor


# Cholesky


class CholeskyEx(NamedTuple):
    """The factor, and for each matrix 0, or the order of the first leading minor that is not positive."""

    L: Tensor
    info: Tensor


@primitive(outputs=CholeskyEx, takes="inexact", complex="as written", check=square_matrices)
def cholesky_factor(A: Tensor, upper: bool = False) -> CholeskyEx:
    """The triangular ``L`` with ``A = L @ L.mH``, or, ``upper``, ``A = L.mH @ L``; only that triangle of ``A`` is read.

    Source: of the gradient, I. Murray, "Differentiation of the Cholesky decomposition", arXiv:1602.07527, 2016.
    """


def _cholesky_gradient(g: Any, upper: bool, out: Any, ops: Any) -> Any:
    L, gL = (adjoint(out.L, ops), adjoint(g.L, ops)) if upper else (out.L, g.L)
    whole = adjoint(L, ops)
    lower = ops.tril(ops.matmul(whole, gL), 0)
    lower = lower - diagonal_part(lower, ops) * 0.5
    inner = ops.solve_triangle(whole, (lower + adjoint(lower, ops)) * 0.5, True, False)
    return adjoint(ops.solve_triangle(whole, adjoint(inner, ops), True, False), ops)


cholesky_factor.gradient(A=_cholesky_gradient)


@function(namespace="linalg")
def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> CholeskyEx:
    """The Cholesky factor ``L``, and ``info``: 0, or the order of the first leading minor that is not positive.

    Without ``check_errors`` nothing is raised, and nothing waits for the device; such a matrix has a factor of nan.
    """
    result = OPS.cholesky_factor(A, upper)
    if check_errors:
        _positive("cholesky_ex", result.info)
    return result


def _positive(name: str, info: Any) -> None:
    succeeded(name, info, "is not positive definite: its leading minor of order {info} is not positive.")


@function(namespace="linalg")
def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The lower triangular ``L`` with ``A = L @ L.mH``, or, ``upper``, its adjoint. Raises LinAlgError where there is none.

    ``A`` (…, n, n) is symmetric or Hermitian, and positive definite; only one triangle of it is read.
    """
    result = OPS.cholesky_factor(A, upper)
    _positive("cholesky", result.info)
    return result.L


@function(name="cholesky")
def cholesky_of(input: Tensor, upper: bool = False) -> Tensor:
    """The Cholesky factor; see ``linalg.cholesky``."""
    return cholesky(input, upper=upper)


# QR


class QR(NamedTuple):
    """Orthonormal columns and an upper triangle: ``A = Q @ R``."""

    Q: Tensor
    R: Tensor


@primitive(outputs=QR, takes="inexact", complex="as written", check=matrices)
def qr_factors(A: Tensor, complete: bool = False) -> QR:
    """``A = Q @ R``: with the first min(m, n) columns of Q, or ``complete`` with all m.

    Source: of the gradient, S. Walter, L. Lehmann, "Algorithmic differentiation of linear algebra functions with application
    in optimum experimental design", arXiv:1001.1654, 2010; of wide matrices, D. Roberts, L. Roberts, "QR and LQ
    decomposition matrix backpropagation algorithms", arXiv:2009.10071, 2020.
    """


def _qr_gradient(g: Any, A: Any, complete: bool, out: Any, ops: Any) -> Any:
    m, n = A.shape[-2:]
    if complete and m > n:
        raise GradientError(
            "qr: with mode='complete' and more rows than columns, Q is not unique and has no gradient. Use mode='reduced'."
        )
    Q, R = out
    gQ, gR = (ops.zeros_of(part.shape, part) if given is None else given for given, part in zip(g, out, strict=True))
    if m < n:  # the columns beyond the square part are Q.mH @ A: they lead to Q, and the square part goes its own way
        beyond = trailing_columns(gR, m, ops)
        gQ = gQ + ops.matmul(trailing_columns(A, m, ops), adjoint(beyond, ops))
        R, gR = leading(R, None, m, ops), leading(gR, None, m, ops)
    inner = ops.triu(ops.matmul(gR, adjoint(R, ops)) - ops.matmul(adjoint(Q, ops), gQ), 0)
    half = inner - diagonal_part(inner, ops) * 0.5
    gA = gQ + ops.matmul(Q, half + adjoint(half, ops))
    gA = adjoint(ops.solve_triangle(R, adjoint(gA, ops), True, False), ops)
    return gA if m >= n else ops.cat([gA, ops.matmul(Q, beyond)], len(A.shape) - 1)


qr_factors.gradient(A=_qr_gradient)


@function(namespace="linalg")
def qr(A: Tensor, mode: str = "reduced") -> QR:
    """``A = Q @ R`` of matrices (…, m, n), with orthonormal columns of ``Q`` and an upper triangular ``R``.

    ``mode``: ``"reduced"`` gives Q (…, m, k) and R (…, k, n) for k = min(m, n), ``"complete"`` (…, m, m) and (…, m, n),
    ``"r"`` an empty Q and the R of ``"reduced"``.
    """
    if mode not in ("reduced", "complete", "r"):
        raise ArgumentError(f"qr: mode must be 'reduced', 'complete' or 'r', got {mode!r}.")
    result = OPS.qr_factors(A, mode == "complete")
    return QR(OPS.zeros_of((0,), result.Q.detach()), result.R) if mode == "r" else result


@function(name="qr")
def qr_of(input: Tensor, some: bool = True) -> QR:
    """``linalg.qr``, reduced, or complete without ``some``."""
    return qr(input, "reduced" if some else "complete")


# LU


class LUFactors(NamedTuple):
    """Both factors in one matrix, the row that each was swapped with, counted from 1, and the first pivot that is 0."""

    LU: Tensor
    pivots: Tensor
    info: Tensor


@primitive(outputs=LUFactors, takes="inexact", complex="analytic", check=matrices)
def lu_decomposition(A: Tensor, pivot: bool = True) -> LUFactors:
    """L below the diagonal (whose own is 1) and U on and above it, of ``A`` with its rows swapped as ``pivots`` says.

    Source: of the algorithm, S. Toledo, "Locality of reference in LU decomposition with partial pivoting", SIAM Journal on
    Matrix Analysis and Applications 18, 1997. Of the gradient, S. Walter, L. Lehmann, arXiv:1001.1654, 2010.
    """


def _lu_gradient(g: Any, A: Any, out: Any, ops: Any) -> Any:
    m, n = A.shape[-2:]
    k = min(m, n)
    axis = len(A.shape) - 1
    LU, gLU = out.LU, g.LU
    top = leading(LU, k, k, ops)
    L, U = ops.swap_last(top), ops.swap_last(ops.triu(top, 0))  # transposed: the first is read as unit upper, above
    gtop = leading(gLU, k, k, ops)
    to_L, to_U = ops.matmul(_unit(L, ops), ops.tril(gtop, -1)), ops.matmul(ops.triu(gtop, 0), U)
    if m < n:  # U2 = inv(L) @ A2
        beyond = ops.narrow(gLU, axis, k, n - k)
        to_L = to_L - ops.matmul(beyond, ops.swap_last(ops.narrow(LU, axis, k, n - k)))
    if m > n:  # L2 = A2 @ inv(U)
        below = ops.narrow(gLU, axis - 1, k, m - k)
        to_U = to_U - ops.matmul(ops.swap_last(ops.narrow(LU, axis - 1, k, m - k)), below)
    inner = ops.solve_triangle(L, ops.tril(to_L, -1) + ops.triu(to_U, 0), True, True)

    def over_U(x: Any) -> Any:  # x @ inv(U).T
        return ops.swap_last(ops.solve_triangle(ops.swap_last(U), ops.swap_last(x), True, False))

    inner = over_U(inner)
    if m < n:
        inner = ops.cat([inner, ops.solve_triangle(L, beyond, True, True)], axis)
    if m > n:
        inner = ops.cat([inner, over_U(below)], axis - 1)
    return ops.permute_rows(inner, out.pivots, True)


def _unit(x: Any, ops: Any) -> Any:
    """The part above the diagonal, and ones on it."""
    return ops.triu(x, 1) + diagonal_matrix(ops.full_of(diagonal_of(x, ops), 1), ops)


lu_decomposition.gradient(A=_lu_gradient)


@primitive(moves=True)
def permute_rows(input: Tensor, pivots: Index, inverse: bool = False) -> Tensor:
    """The rows swapped as ``pivots``, counted from 1, say: row i with row ``pivots[i]``, one after the other; or back."""
permute_rows.gradient(input=lambda g, pivots, inverse, ops: ops.permute_rows(g, pivots, not inverse))


class LUFactor(NamedTuple):
    """Both factors in one matrix, and the row that each was swapped with, counted from 1."""

    LU: Tensor
    pivots: Tensor


class LUFactorEx(NamedTuple):
    """As of ``lu_factor``, and for each matrix 0, or the place of the first pivot that is 0, counted from 1."""

    LU: Tensor
    pivots: Tensor
    info: Tensor


class PLU(NamedTuple):
    """A permutation, a unit lower and an upper triangle: ``A = P @ L @ U``."""

    P: Tensor
    L: Tensor
    U: Tensor


@function(namespace="linalg")
def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> LUFactorEx:
    """``lu_factor``, and ``info``: 0, or the place, counted from 1, of the first pivot that is 0.

    Only with ``check_errors`` a LinAlgError is raised for it.
    """
    result = OPS.lu_decomposition(A, pivot)
    if check_errors:
        _pivoted("lu_factor_ex", result.info)
    return LUFactorEx(*result)


def _pivoted(name: str, info: Any) -> None:
    succeeded(name, info, "is singular: pivot {info} of its LU decomposition is 0.")


@function(namespace="linalg")
def lu_factor(A: Tensor, *, pivot: bool = True) -> LUFactor:
    """L and U in one matrix, and ``pivots`` (int32, from 1): row i was swapped with row ``pivots[i]``. For ``lu_solve``.

    The ones on the diagonal of L are not stored. ``pivot=False`` swaps no rows. A singular matrix has factors, too.
    """
    return LUFactor(*OPS.lu_decomposition(A, pivot)[:2])


@function(name="lu")
def lu_of(input: Tensor, pivot: bool = True, get_infos: bool = False) -> tuple[Tensor, ...]:
    """(LU, pivots), with ``get_infos`` also the infos of ``linalg.lu_factor_ex``."""
    result = OPS.lu_decomposition(input, pivot)
    return tuple(result) if get_infos else tuple(result[:2])


@function(namespace="linalg")
def lu(A: Tensor, *, pivot: bool = True) -> PLU:
    """``A = P @ L @ U`` of matrices (…, m, n): a permutation, a unit lower and an upper triangle. For ``pivot=False`` an empty P."""
    factors = OPS.lu_decomposition(A, pivot)
    return _unpacked(factors.LU, factors.pivots, True, pivot)


@function(method=False)
def lu_unpack(LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True) -> PLU:
    """P, L and U of what ``linalg.lu_factor`` gave; those not asked for are empty."""
    as_tensor_of("lu_unpack", LU_data, "LU_data")
    return _unpacked(LU_data, as_tensor_of("lu_unpack", LU_pivots, "LU_pivots"), unpack_data, unpack_pivots)


def _unpacked(LU: Any, pivots: Any, data: bool, swaps: bool) -> PLU:
    m, n = LU.shape[-2:]
    k, held = min(m, n), LU.detach()
    empty = OPS.zeros_of((0,), held)
    P = L = U = empty
    if data:
        ones = diagonal_part(OPS.full_of(leading(held, m, k, OPS), 1), OPS)
        L = OPS.tril(leading(LU, None, k, OPS), -1) + ones
        U = OPS.triu(leading(LU, k, None, OPS), 0)
    if swaps:
        square = OPS.zeros_of((*LU.shape[:-2], m, m), held)
        P = OPS.permute_rows(diagonal_part(OPS.full_of(square, 1), OPS), pivots, True)
    return PLU(P, L, U)


# singular values


class SVD(NamedTuple):
    """``A = U @ diag(S) @ Vh``: singular vectors in the columns of U and the rows of Vh, and singular values, descending."""

    U: Tensor
    S: Tensor
    Vh: Tensor


@primitive(outputs=SVD, takes="inexact", complex="as written", check=matrices)
def svd_factors(A: Tensor, full_matrices: bool = False) -> SVD:
    """``A = U @ diag(S) @ Vh``.

    Source: of the gradient, J. Townsend, "Differentiating the singular value decomposition", 2016; of complex matrices,
    Z. Wan, S. Zhang, "Automatic differentiation for complex valued SVD", arXiv:1909.02659, 2019.
    """


def _svd_gradient(g: Any, A: Any, out: Any, A_dtype: Any, ops: Any) -> Any:
    k = min(A.shape[-2:])
    U, S, Vh = leading(out.U, None, k, ops), out.S, leading(out.Vh, k, None, ops)
    values = None if g.S is None else ops.cast(diagonal_matrix(g.S, ops), A_dtype)
    if g.U is None and g.Vh is None:
        return ops.matmul(ops.matmul(U, values), Vh)
    S = ops.cast(S, A_dtype)
    apart = differences(S * S, ops)
    V, inner = adjoint(Vh, ops), values
    outer = None  # what of the gradient lies outside the spaces that U and V span
    if g.U is not None:
        gU = leading(g.U, None, k, ops)
        UgU = ops.matmul(adjoint(U, ops), gU)
        skew = UgU - adjoint(UgU, ops)
        inner = _plus(inner, skew / apart * rows(S, ops))
        if A_dtype.is_complex:
            inner = inner + diagonal_part(skew, ops) / (2 * rows(S, ops))
        if A.shape[-2] > k:
            outer = ops.matmul((gU - ops.matmul(U, UgU)) / rows(S, ops), Vh)
    if g.Vh is not None:
        gVh = leading(g.Vh, k, None, ops)
        VgV = ops.matmul(Vh, adjoint(gVh, ops))
        inner = _plus(inner, columns(S, ops) * ((VgV - adjoint(VgV, ops)) / apart))
        if A.shape[-1] > k:
            rest = (gVh - ops.matmul(ops.matmul(gVh, V), Vh)) / columns(S, ops)
            outer = _plus(outer, ops.matmul(U, rest))
    return _plus(outer, ops.matmul(ops.matmul(U, inner), Vh))


def _plus(x: Any, y: Any) -> Any:
    return y if x is None else x + y


svd_factors.gradient(A=_svd_gradient)


@primitive(takes="inexact", gives="real", complex="as written", check=matrices)
def singular_values(A: Tensor) -> Tensor:
    """The singular values, descending."""


def _singular_gradient(g: Any, A: Any, A_dtype: Any, ops: Any) -> Any:
    U, _, Vh = ops.svd_factors(A, False)
    return ops.matmul(U * ops.cast(rows(g, ops), A_dtype), Vh)


singular_values.gradient(A=_singular_gradient)


@function(namespace="linalg")
def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> SVD:
    """``A = U @ diag(S) @ Vh`` of matrices (…, m, n): U (…, m, m), S (…, min(m, n)) descending, Vh (…, n, n).

    Without ``full_matrices`` only the first min(m, n) columns of U and rows of Vh. ``driver`` names an algorithm of CUDA, and
    is None elsewhere. Raises LinAlgError where the matrix holds nan or inf.
    """
    _no_driver("svd", driver)
    result = OPS.svd_factors(A, full_matrices)
    converged("svd", A, result.S)
    return result


def _no_driver(name: str, driver: Any) -> None:
    if driver is not None:
        raise ArgumentError(f"{name}: driver must be None, got {driver!r}: there is one algorithm on each device.")


@function(namespace="linalg")
def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values, (…, min(m, n)), descending. Raises LinAlgError where the matrix holds nan or inf."""
    _no_driver("svdvals", driver)
    return converged("svdvals", A, OPS.singular_values(A))


class OldSVD(NamedTuple):
    """``input = U @ diag(S) @ V.mH``."""

    U: Tensor
    S: Tensor
    V: Tensor


@function(name="svd")
def svd_of(input: Tensor, some: bool = True, compute_uv: bool = True) -> OldSVD:
    """``linalg.svd``, reduced where ``some``, that gives V instead of Vh; without ``compute_uv`` U and V are zeros."""
    if compute_uv:
        U, S, Vh = svd(input, not some)
        return OldSVD(U, S, adjoint(Vh, OPS) if Vh.is_complex() else OPS.swap_last(Vh))
    S = svdvals(input)
    m, n = input.shape[-2:]
    zeros = [OPS.zeros_of((*input.shape[:-2], length, length), input.detach()) for length in (m, n)]
    return OldSVD(zeros[0], S, zeros[1])


# eigenvalues


class Eigen(NamedTuple):
    """``A @ eigenvectors == eigenvectors * eigenvalues``: a column for each value."""

    eigenvalues: Tensor
    eigenvectors: Tensor


@primitive(outputs=Eigen, takes="inexact", complex="as written", check=square_matrices)
def eigh_factors(A: Tensor, upper: bool = False) -> Eigen:
    """Eigenvalues, ascending, and orthonormal eigenvectors of Hermitian matrices, of which one triangle is read.

    Source: of the gradient, M. Giles, "An extended collection of matrix derivative results for forward and reverse mode
    algorithmic differentiation", Oxford University report 08/01, 2008, section 3.1.
    """


def _eigh_gradient(g: Any, out: Any, A_dtype: Any, ops: Any) -> Any:
    L, V = out
    inner = None if g.eigenvalues is None else ops.cast(diagonal_matrix(g.eigenvalues, ops), A_dtype)
    if g.eigenvectors is not None:
        turn = ops.matmul(adjoint(V, ops), g.eigenvectors) / ops.cast(differences(L, ops), A_dtype)
        inner = _plus(inner, turn - diagonal_part(turn, ops))
    return ops.matmul(ops.matmul(V, inner), adjoint(V, ops))


eigh_factors.gradient(A=_eigh_gradient)


@primitive(takes="inexact", gives="real", complex="as written", check=square_matrices)
def eigh_values(A: Tensor, upper: bool = False) -> Tensor:
    """The eigenvalues of Hermitian matrices, ascending."""


def _eigh_values_gradient(g: Any, A: Any, upper: bool, A_dtype: Any, ops: Any) -> Any:
    V = ops.eigh_factors(A, upper)[1]
    return ops.matmul(V * ops.cast(rows(g, ops), A_dtype), adjoint(V, ops))


eigh_values.gradient(A=_eigh_values_gradient)


@primitive(outputs=Eigen, takes="inexact", gives="complex", complex="as written", check=square_matrices)
def eig_factors(A: Tensor) -> Eigen:
    """Eigenvalues and eigenvectors of length 1, complex, of any square matrices.

    Source: of the gradient, C. Boeddeker, P. Hanebrink, L. Drude, J. Heymann, R. Haeb-Umbach, "On the computation of
    complex-valued gradients with application to statistically optimum beamforming", arXiv:1701.00392, 2017, section 4.3.
    """


def _eig_gradient(g: Any, out: Any, A_dtype: Any, ops: Any) -> Any:
    L, V = out
    VH = adjoint(V, ops)
    inner = None if g.eigenvalues is None else diagonal_matrix(g.eigenvalues, ops)
    if g.eigenvectors is not None:
        turn = ops.matmul(VH, g.eigenvectors)
        length = ops.cast(ops.real(diagonal_of(turn, ops)), A_dtype.complex)  # eigenvectors keep their length
        turn = (turn - ops.matmul(VH, V) * rows(length, ops)) / ops.conj(differences(L, ops))
        inner = _plus(inner, turn - diagonal_part(turn, ops))
    gA = ops.solve_system(VH, ops.matmul(inner, VH))[0]
    return gA if A_dtype.is_complex else ops.real(gA)


eig_factors.gradient(A=_eig_gradient)


def _triangle(name: str, UPLO: Any) -> bool:
    """Whether ``UPLO`` names the upper triangle."""
    if UPLO not in ("L", "U", "l", "u"):
        raise ArgumentError(f"{name}: UPLO must be 'L' or 'U', the triangle to read, got {UPLO!r}.")
    return UPLO in ("U", "u")


@function(namespace="linalg")
def eigh(A: Tensor, UPLO: str = "L") -> Eigen:
    """Eigenvalues (…, n), real and ascending, and orthonormal eigenvectors (…, n, n) of symmetric or Hermitian matrices.

    Only the lower triangle is read, or with ``UPLO="U"`` the upper. Raises LinAlgError where it holds nan or inf.
    """
    upper = _triangle("eigh", UPLO)
    result = OPS.eigh_factors(A, upper)
    converged("eigh", (OPS.triu if upper else OPS.tril)(A, 0), result.eigenvalues)
    return result


@function(namespace="linalg")
def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of symmetric or Hermitian matrices, real and ascending; see ``eigh``."""
    upper = _triangle("eigvalsh", UPLO)
    values = OPS.eigh_values(A, upper)
    return converged("eigvalsh", (OPS.triu if upper else OPS.tril)(A, 0), values)


@function(namespace="linalg")
def eig(A: Tensor) -> Eigen:
    """Eigenvalues (…, n) and eigenvectors (…, n, n) of length 1, both complex, of square matrices, in no certain order.

    Raises LinAlgError where the matrix holds nan or inf.
    """
    result = OPS.eig_factors(A)
    converged("eig", A, result.eigenvalues)
    return result


@function(namespace="linalg")
def eigvals(A: Tensor) -> Tensor:
    """The eigenvalues of square matrices, complex; see ``eig``."""
    return converged("eigvals", A, OPS.eig_factors(A).eigenvalues)
