"""Samples of Householder reflections, one after the other, and of factors of low rank by what they are the factors of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import tapeloom as tl
from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.testing.inputs import T, V
from tapeloom.testing.matrices import each_matrix
from tapeloom.testing.references import matrix_product
from tapeloom.testing.samples.decomposition import ALIKE, BATCH, MATRIX, TALL, WIDE, M, Z, around, unique
from tapeloom.testing.samples.spectrum import values_of
from tapeloom.testing.table import COMPLEX, case, fails, row


def _reflected(A: Any, tau: Any) -> Any:
    """The product of the reflections, all its columns."""
    m = A.shape[-2]
    Q = np.broadcast_to(np.eye(m), (*A.shape[:-2], m, m))
    for i in range(tau.shape[-1]):
        v = np.where(np.arange(m) > i, A[..., :, i], 0) + (np.arange(m) == i)
        Q = matrix_product(Q, np.eye(m) - tau[..., i, None, None] * v[..., :, None] * np.conj(v)[..., None, :])
    return Q


def _reflections(A: Any) -> Any:
    """R and the vectors in one matrix, and the factors, column by column."""
    A = np.array(A)
    taus = []
    for i in range(min(A.shape)):
        alpha, below = A[i, i].item(), A[i + 1 :, i].tolist()
        if not any(below) and not np.imag(alpha):
            taus.append(0.0)
            continue
        size = math.sqrt(sum(abs(value) ** 2 for value in [alpha, *below]))
        beta = size if np.real(alpha) < 0 else -size
        v = np.array([1.0] + [value / (alpha - beta) for value in below])
        taus.append((beta - alpha) / beta)
        rest = A[i:, i + 1 :]
        A[i:, i + 1 :] = rest - np.conj(taus[-1]) * v[:, None] * matrix_product(np.conj(v)[None, :], rest)
        A[i:, i] = [beta, *v[1:].tolist()]
    return A, np.array(taus)


def _geqrf(x: Any) -> Any:
    if not x.size:
        return x, np.zeros((*x.shape[:-2], min(x.shape[-2:])))
    return tuple(each_matrix(lambda A, part=part: _reflections(A)[part])(x) for part in (0, 1))


row("geqrf", *[case(*made, grad=False) for made in ([V(TALL)], [V(WIDE)], [BATCH], [V([[2.0, 1.0], [0.0, -3.0]])], [T(0, 2)])],
    case(V(Z), only=COMPLEX, grad=False), reference=_geqrf, grad=0, **MATRIX)

TAU, PRODUCT = T(3, low=0.5, high=1.5), MATRIX | {"magnitude": lambda *given, **settings: 100.0}
HELD: list[Any] = [[V(TALL), TAU], [BATCH, T(2, 2)], case(V(Z), T(3), only=COMPLEX, grad=True), [T(2, 0), T(0)]]
row("linalg.householder_product", *HELD, reference=lambda A, tau: _reflected(A, tau)[..., : A.shape[-1]], **PRODUCT)
row("orgqr", HELD[0], HELD[3], reference=lambda A, tau: _reflected(A, tau)[..., : A.shape[-1]], **ALIKE, **PRODUCT)


def _turned(A: Any, tau: Any, C: Any, left: bool = True, transpose: bool = False) -> Any:
    Q = _reflected(A, tau)
    Q = np.conj(np.swapaxes(Q, -1, -2)) if transpose else Q
    return matrix_product(Q, C) if left else matrix_product(C, Q)


row("ormqr", [V(TALL), TAU, T(4, 2)], [V(TALL), TAU, T(2, 4), False], [V(M), TAU, T(3, 3), True, True], case(V(Z), T(3), T(2, 3), False, True, only=COMPLEX, grad=True),
    [T(2, 0), T(0), T(2, 1)], reference=_turned, **PRODUCT)
_FITS = "expected reflections (…, m, n) with m >= n and tau (…, k) with n >= k of one batch, got shapes (2, 4) and (2,)."
fails("linalg.householder_product", [V(WIDE), T(2)], ShapeError, f"householder_product: {_FITS}")
fails("orgqr", [V(M), T()], ShapeError, f"orgqr: {_FITS}".replace("(2, 4) and (2,)", "(3, 3) and ()"))
fails("orgqr", [V(WIDE), T(2)], ShapeError, f"orgqr: {_FITS}")
fails("ormqr", [V(M), T(2), T(3, 3)], ShapeError, "ormqr: tau of shape (2,) must hold a factor for each of 3 reflections.")
fails("ormqr", [V(M), TAU, T(2, 3)], ShapeError, "ormqr: input3 of shape (2, 3) does not fit reflections of 3 rows in shape (3, 3).")

# low rank: of matrices of that rank, which the factors are then equal to

around("svd_lowrank", lambda call: lambda x, *rest: _joined(*call(x, *rest)))
around("pca_lowrank", lambda call: lambda x, *rest: _joined(*call(x, *rest)))


def _joined(U: Any, S: Any, V: Any) -> Any:
    return S, (U * S[..., None, :]) @ V.mH


def _low(x: Any, *rest: Any) -> Any:
    values = each_matrix(values_of)(x) if x.size else np.zeros((*x.shape[:-2], min(x.shape[-2:])))
    return values, x


_both: dict[str, Any] = {"gives": ("real", "same"), "grad": 1, "dtypes": (dtypes.float64, dtypes.complex128)}
unique("svd_lowrank", tl.svd_lowrank, [V(TALL), 3], [V(WIDE)], case(V(Z), 3, only=COMPLEX, grad=True), [T(0, 2), 0], reference=_low, **_both)
unique("pca_lowrank", tl.pca_lowrank, [V(TALL), 3], [V(M), 3, False], [T(2, 0), 0],
       reference=lambda x, q, center=True: _low(x - (np.array([sum(c) for c in x.T.tolist()]) / len(x) if x.size and center else 0)), **_both | {"grad": 0})
fails("svd_lowrank", [V(M), -1], ArgumentError, "svd_lowrank: q must not be negative, got -1.")
fails("pca_lowrank", [V(M), 4], ArgumentError, "pca_lowrank: q must lie between 0 and 3, the shorter side of the matrices, got 4.")
