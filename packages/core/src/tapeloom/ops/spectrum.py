"""Singular values and eigenvalues, and the vectors that belong to them.

The vectors are not unique: they have a sign, or a direction, of their own, and where values are equal any basis of a space
serves. A gradient is that of a loss which does not depend on the choice; where values are equal it divides by 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tapeloom.call.op import function, primitive
from tapeloom.errors import ArgumentError
from tapeloom.op.registry import OPS
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
)

if TYPE_CHECKING:
    from tapeloom.tensors.tensor import Tensor

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


@function(namespace="linalg", autocast={"cpu": "float32"})
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


@function(namespace="linalg", autocast={"cpu": "float32"})
def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values, (…, min(m, n)), descending. Raises LinAlgError where the matrix holds nan or inf."""
    _no_driver("svdvals", driver)
    return converged("svdvals", A, OPS.singular_values(A))


class OldSVD(NamedTuple):
    """``input = U @ diag(S) @ V.mH``."""

    U: Tensor
    S: Tensor
    V: Tensor


@function(name="svd", autocast={"cpu": "float32"})
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


@function(namespace="linalg", autocast={"cpu": "float32"})
def eigh(A: Tensor, UPLO: str = "L") -> Eigen:
    """Eigenvalues (…, n), real and ascending, and orthonormal eigenvectors (…, n, n) of symmetric or Hermitian matrices.

    Only the lower triangle is read, or with ``UPLO="U"`` the upper. Raises LinAlgError where it holds nan or inf.
    """
    upper = _triangle("eigh", UPLO)
    result = OPS.eigh_factors(A, upper)
    converged("eigh", (OPS.triu if upper else OPS.tril)(A, 0), result.eigenvalues)
    return result


@function(namespace="linalg", autocast={"cpu": "float32"})
def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of symmetric or Hermitian matrices, real and ascending; see ``eigh``."""
    upper = _triangle("eigvalsh", UPLO)
    values = OPS.eigh_values(A, upper)
    return converged("eigvalsh", (OPS.triu if upper else OPS.tril)(A, 0), values)


@function(namespace="linalg", autocast={"cpu": "float32"})
def eig(A: Tensor) -> Eigen:
    """Eigenvalues (…, n) and eigenvectors (…, n, n) of length 1, both complex, of square matrices, in no certain order.

    Raises LinAlgError where the matrix holds nan or inf.
    """
    result = OPS.eig_factors(A)
    converged("eig", A, result.eigenvalues)
    return result


@function(namespace="linalg", autocast={"cpu": "float32"})
def eigvals(A: Tensor) -> Tensor:
    """The eigenvalues of square matrices, complex; see ``eig``."""
    return converged("eigvals", A, OPS.eig_factors(A).eigenvalues)
