"""Samples of singular values and eigenvalues: roots of other matrices, and of the vectors what does not depend on their direction."""

from __future__ import annotations

from typing import Any

import numpy as np

import tapeloom as tl
from tapeloom import dtypes
from tapeloom.errors import ArgumentError, DTypeError, LinAlgError, ShapeError
from tapeloom.testing import matrices
from tapeloom.testing.inputs import T, V
from tapeloom.testing.matrices import each_matrix
from tapeloom.testing.references import NAN, matrix_product
from tapeloom.testing.samples.decomposition import (
    ALIKE,
    BATCH,
    COMPLEX_CASE,
    EMPTY,
    MATRIX,
    NONE,
    TALL,
    WIDE,
    M,
    around,
    unique,
)
from tapeloom.testing.table import case, fails, row

# singular values: of the vectors their sizes, which have no direction, and what they are the factors of

around("svd_factors linalg.svd", lambda call: lambda *given: _of_svd(*call(*given)))
around("svd", lambda call: lambda *given: _of_svd(*_with_adjoint(*call(*given))))


def _with_adjoint(U: Any, S: Any, V: Any) -> Any:
    return U, S, V.mH


def _of_svd(U: Any, S: Any, Vh: Any) -> Any:
    k = S.shape[-1]
    return S, U[..., :k].abs().square(), Vh[..., :k, :].abs().square(), (U[..., :k] * S[..., None, :]) @ Vh[..., :k, :]


def values_of(A: Any) -> Any:
    """Singular values, as the eigenvalues of a Hermitian matrix: those above 0."""
    A = np.array(A)
    m, n = A.shape
    whole = np.block([[np.zeros((m, m)), A], [A.conj().T, np.zeros((n, n))]])
    return sorted(np.linalg.eigvals(whole).real.tolist(), reverse=True)[: min(m, n)]


def _svd_parts(A: Any) -> Any:
    """Squares of the singular vectors: of each value the eigenvectors of A @ A.mH, by the adjugate of what is left of it."""
    A = np.array(A)
    squares = []
    for gram in (matrix_product(A, A.conj().T), matrix_product(A.conj().T, A)):
        rows = []
        for value in values_of(A):
            minors = np.abs(np.array([matrices.cofactors((gram - value**2 * np.eye(len(gram))).tolist())[i][i] for i in range(len(gram))]))
            rows.append(minors / minors.sum())
        squares.append(np.array(rows))
    return squares[0].T, squares[1]


def _svd(x: Any, *rest: Any) -> Any:
    m, n = x.shape[-2:]
    k = min(m, n)
    if not x.size:
        return np.zeros((*x.shape[:-2], k)), np.zeros((*x.shape[:-2], m, k)), np.zeros((*x.shape[:-2], k, n)), x
    parts = [each_matrix(lambda A, part=part: _svd_parts(A)[part])(x) for part in (0, 1)]
    return each_matrix(values_of)(x), *parts, x


_svd_gives: dict[str, Any] = {"reference": _svd, "gives": ("real", "real", "real", "same")}
unique("svd_factors", tl.ops.svd_factors, [V(TALL)], [V(WIDE)], [BATCH], [V(TALL), True], COMPLEX_CASE, [T(0, 2)], [NONE], **_svd_gives)
unique("linalg.svd", tl.linalg.svd, [V(TALL)], [V(WIDE), False], [T(0, 2)], **ALIKE, **_svd_gives)
unique("svd", tl.svd, [V(TALL)], [V(WIDE), False], [T(0, 2)], **_svd_gives)
_of_values: dict[str, Any] = {"reference": lambda x: each_matrix(values_of)(x) if x.size else np.zeros((*x.shape[:-2], min(x.shape[-2:]))), "gives": "real"}
row("singular_values", [V(TALL)], [V(WIDE)], [BATCH], COMPLEX_CASE, [T(0, 2)], [NONE], **_of_values, **MATRIX)
row("linalg.svdvals", [V(TALL)], [BATCH], [T(0, 2)], **_of_values, **ALIKE, **MATRIX)
_NAN = V([[NAN, 1.0], [1.0, 2.0]])
for _name in ("linalg.svd", "linalg.svdvals", "svd"):
    _own = _name.removeprefix("linalg.")
    fails(_name, [_NAN], LinAlgError, f"{_own}: it did not converge: the matrix holds nan or inf, or is too badly scaled.")
fails("linalg.svdvals", case(V(M), driver="gesvd"), ArgumentError, "svdvals: driver must be None, got 'gesvd': there is one algorithm on each device.")

# eigenvalues: of x + x.mH, which is symmetric, and of any matrix; of the vectors what they are the factors of

around("eigh_factors linalg.eigh", lambda call: lambda x, *rest: _of_eigh(*call(x + x.mH, *rest)))
around("eigh_values linalg.eigvalsh", lambda call: lambda x, *rest: call(x + x.mH, *rest))
around("eig_factors linalg.eig", lambda call: lambda x: _of_eig(*call(x)))
around("linalg.eigvals", lambda call: lambda x: _sums(call(x)))


def _of_eigh(L: Any, V: Any) -> Any:
    return L, (V * (L * L * L)[..., None, :]) @ V.mH, V.abs().square().sum(-2)


def _of_eig(L: Any, V: Any) -> Any:
    return *_sums(L), V.abs().square().sum(-2), V.abs().square().prod(-2).sum(-1)


def _sums(L: Any) -> Any:
    """Numbers that the order of eigenvalues does not change."""
    return L.sum(-1), (L * L * L).sum(-1), L.prod(-1)


def _hermitian(x: Any) -> Any:
    return x + np.conj(np.swapaxes(x, -1, -2))


def _cubed(x: Any) -> Any:
    return matrix_product(x, matrix_product(x, x))


def _eigenvalues(x: Any, upper: Any = False) -> Any:
    sorted_values = each_matrix(lambda A: sorted(np.linalg.eigvals(np.array(A)).real.tolist()))
    return sorted_values(_hermitian(x)) if x.size else np.zeros(x.shape[:-1])


def _eigh(x: Any, upper: Any = False) -> Any:
    return _eigenvalues(x), _cubed(_hermitian(x)), np.ones(x.shape[:-1])


HERMITIAN = [[V(M)], [BATCH], [V(M), True], COMPLEX_CASE, [EMPTY], [NONE]]
_eigh_parts: dict[str, Any] = {"reference": _eigh, "gives": ("real", "same", "real"), "magnitude": lambda *given: 1000.0}
unique("eigh_factors", tl.ops.eigh_factors, *HERMITIAN, **_eigh_parts)
unique("linalg.eigh", tl.linalg.eigh, [V(M)], [V(M), "U"], [EMPTY], **ALIKE, **_eigh_parts)
unique("eigh_values", tl.ops.eigh_values, *HERMITIAN, reference=_eigenvalues, gives="real")
unique("linalg.eigvalsh", tl.linalg.eigvalsh, [V(M)], [V(M), "U"], [EMPTY], reference=_eigenvalues, gives="real", **ALIKE)
row("one triangle", case(V([[2.0, 100.0], [1.0, 2.0]]), expect=np.array([1.0, 3.0])), case(V([[2.0, 1.0], [100.0, 2.0]]), "U", expect=np.array([1.0, 3.0])),
    calls=tl.linalg.eigvalsh, gives="real", grad=0, **MATRIX | {"without": "0d empty"})
fails("one triangle", [V(M), "X"], ArgumentError, "eigvalsh: UPLO must be 'L' or 'U', the triangle to read, got 'X'.")


def _eig_sums(x: Any) -> Any:
    if not x.size:
        return np.zeros(x.shape[:-2]), np.zeros(x.shape[:-2]), np.ones(x.shape[:-2])
    traces = [np.einsum("...ii->...", y) for y in (x, _cubed(x))]
    return *traces, each_matrix(matrices.determinant)(x)


def _spread_of_vectors(A: Any) -> float:
    total = 0.0
    for value in np.linalg.eigvals(np.array(A)):
        column = np.abs(np.array(matrices.cofactors((np.array(A) - value * np.eye(len(A))).tolist())))
        square = column[np.argmax(column.sum(1))] ** 2  # a row of cofactors, which is a column of the adjugate
        total += float(np.prod(square / square.sum()))
    return total


def _eig(x: Any) -> Any:
    lengths = np.ones(x.shape[:-1])
    return *_eig_sums(x), lengths, each_matrix(_spread_of_vectors)(x) if x.size else np.zeros(x.shape[:-2])


unique("eig_factors", tl.ops.eig_factors, [V(M)], [BATCH], COMPLEX_CASE, [EMPTY], [NONE], reference=_eig,
       gives=("complex",) * 3 + ("real",) * 2, magnitude=lambda *given: 1000.0)
unique("linalg.eig", tl.linalg.eig, [V(M)], [EMPTY], reference=_eig, gives=("complex",) * 3 + ("real",) * 2, magnitude=lambda *given: 1000.0, **ALIKE)
unique("linalg.eigvals", tl.linalg.eigvals, [V(M)], [EMPTY], reference=_eig_sums, gives="complex", magnitude=lambda *given: 1000.0, **ALIKE)
for _name in ("linalg.eigh", "linalg.eigvalsh", "linalg.eig", "linalg.eigvals"):
    _own = _name.removeprefix("linalg.")
    fails(_name, [_NAN], LinAlgError, f"{_own}: it did not converge: the matrix holds nan or inf, or is too badly scaled.")
fails("linalg.eig", [T(2, 3)], ShapeError, "eig: expected square matrices, (…, n, n), got shape (2, 3).")
for _name in ("svd_factors", "eigh_factors", "eigh_values", "eig_factors"):
    fails(_name, [T(2, 2)], DTypeError, f"{_name}: float16 is too narrow for this, as in PyTorch. Cast with .float().", dtypes.float16)
