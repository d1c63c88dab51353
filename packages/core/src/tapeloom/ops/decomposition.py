"""Decompositions of matrices by elimination and reflection: Cholesky, QR, LU.

Each is a primitive with its rule, and functions over it that are named and called as in PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tapeloom import dtypes
from tapeloom.call.op import function, primitive
from tapeloom.errors import ArgumentError, DTypeError, GradientError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, require, within
from tapeloom.ops.matrices import (
    adjoint,
    diagonal_matrix,
    diagonal_of,
    diagonal_part,
    leading,
    matrices,
    matrices_of,
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


@function(namespace="linalg", autocast={"cpu": "float32"})
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


@function(namespace="linalg", autocast={"cpu": "float32"})
def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The lower triangular ``L`` with ``A = L @ L.mH``, or, ``upper``, its adjoint. Raises LinAlgError where there is none.

    ``A`` (…, n, n) is symmetric or Hermitian, and positive definite; only one triangle of it is read.
    """
    result = OPS.cholesky_factor(A, upper)
    _positive("cholesky", result.info)
    return result.L


@function(name="cholesky", autocast={"cpu": "float32"})
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


@function(namespace="linalg", autocast={"cpu": "float32"})
def qr(A: Tensor, mode: str = "reduced") -> QR:
    """``A = Q @ R`` of matrices (…, m, n), with orthonormal columns of ``Q`` and an upper triangular ``R``.

    ``mode``: ``"reduced"`` gives Q (…, m, k) and R (…, k, n) for k = min(m, n), ``"complete"`` (…, m, m) and (…, m, n),
    ``"r"`` an empty Q and the R of ``"reduced"``.
    """
    if mode not in ("reduced", "complete", "r"):
        raise ArgumentError(f"qr: mode must be 'reduced', 'complete' or 'r', got {mode!r}.")
    result = OPS.qr_factors(A, mode == "complete")
    return QR(OPS.zeros_of((0,), result.Q.detach()), result.R) if mode == "r" else result


@function(name="qr", autocast={"cpu": "float32"})
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
    LU = matrices_of("lu_unpack", LU_data, "LU_data")
    pivots = as_tensor_of("lu_unpack", LU_pivots, "LU_pivots")
    if unpack_pivots:
        check_pivots("lu_unpack", LU, pivots)
    return _unpacked(LU, pivots, unpack_data, unpack_pivots)


def check_pivots(name: str, LU: Any, pivots: Any) -> None:
    """Raise an error unless ``pivots`` are what ``lu_factor`` gives beside ``LU``."""
    m, n = LU.shape[-2:]
    if pivots.dtype is not dtypes.int32:
        raise DTypeError(f"{name}: pivots must be int32, as lu_factor gives them, got {pivots.dtype.name}.")
    if pivots.shape != (*LU.shape[:-2], min(m, n)):
        wanted = (*LU.shape[:-2], min(m, n))
        raise ShapeError(f"{name}: pivots of shape {pivots.shape} do not belong to factors of shape {LU.shape}: expected {wanted}.")
    require(within(pivots, 1, m + 1), lambda: ArgumentError(f"{name}: pivots must lie between 1 and {m}, the number of rows."))


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
