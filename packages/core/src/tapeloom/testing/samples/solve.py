"""Samples of linear equations: solutions by elimination, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

import tapeloom as tl
from tapeloom import dtypes
from tapeloom.errors import ArgumentError, DTypeError, LinAlgError, ShapeError
from tapeloom.testing import matrices
from tapeloom.testing.inputs import P, T, V
from tapeloom.testing.matrices import each_matrix, empty_or
from tapeloom.testing.references import matrix_product
from tapeloom.testing.samples.decomposition import (
    ALIKE,
    BATCH,
    COMPLEX_CASE,
    EMPTY,
    MATRIX,
    NONE,
    PIVOTS,
    TALL,
    WIDE,
    M,
    Z,
    around,
    unique,
)
from tapeloom.testing.samples.spectrum import values_of
from tapeloom.testing.table import COMPLEX, case, fails, row

SINGULAR = V([[[4.0, 0.0], [0.0, 2.0]], [[1.0, 2.0], [2.0, 4.0]]])
WRONG = "is singular: pivot 2 of its LU decomposition is 0."


def _swapped(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def _solution(A: Any, B: Any, left: bool = True) -> Any:
    vector = B.ndim == 1 or B.shape == A.shape[:-1]
    if vector:
        return _solution(A, B[..., None])[..., 0]
    if not left:
        return _swapped(_solution(_swapped(A), _swapped(B)))
    shape = np.broadcast_shapes(A.shape[:-2], B.shape[:-2])
    return each_matrix(matrices.solution)(A, B) if A.size and B.size else np.zeros((*shape, *B.shape[-2:]))


# triangular


def _triangle(A: Any, upper: bool, unit: bool) -> Any:
    A = np.where(np.arange(A.shape[-1]) >= np.arange(A.shape[-1])[:, None] if upper else np.arange(A.shape[-1]) <= np.arange(A.shape[-1])[:, None], A, 0)
    return np.where(np.eye(A.shape[-1], dtype=bool), 1, A) if unit else A


def _triangular(A: Any, B: Any, upper: bool = False, unitriangular: bool = False, left: bool = True) -> Any:
    return _solution(_triangle(A, upper, unitriangular), B, left)


COLUMNS, BOTH = T(3, 2), case(V(Z), T(3, 2), only=COMPLEX, grad=True)
row("solve_triangle", [V(M), COLUMNS, True], [V(M), COLUMNS, False], [V(M), T(2, 3, 1), True, True], [BATCH, COLUMNS, False, True],
    case(V(Z), T(3, 2), True, only=COMPLEX, grad=True), [EMPTY, T(0, 2), True], [V(M), T(3, 0), True], reference=_triangular, **MATRIX)
row("linalg.solve_triangular", case(V(M), COLUMNS, upper=True), case(V(M), T(2, 3), upper=False, left=False, unitriangular=True), case(EMPTY, T(0, 2), upper=True),
    case(V([[2.0, 1.0], [0.0, 0.0]]), V([[1.0], [2.0]]), upper=True, expect=np.array([[-np.inf], [np.inf]]), only=MATRIX["dtypes"][:2]),
    reference=_triangular, **MATRIX)
fails("linalg.solve_triangular", case(V(M), T(3), upper=True), ShapeError, "solve_triangular: B must have at least 2 dimensions, got shape (3,).")
fails("linalg.solve_triangular", case(V(M), T(2, 2), upper=True), ShapeError,
      "solve_triangular: A of shape (3, 3) and B of shape (2, 2) do not fit: B must have 3 rows, or columns where it stands on the left.")

# square


def _with_info(function: Any) -> Any:
    return lambda A, *rest, **settings: (function(A, *rest, **settings), np.zeros(A.shape[:-2], np.int64))


_inverse = empty_or(each_matrix(matrices.inverse))
_info: dict[str, Any] = {"gives": ("same", "int32"), **MATRIX}
SYSTEMS: list[Any] = [[V(M), COLUMNS], [BATCH, COLUMNS], [V(M), T(2, 3, 1)], BOTH, [EMPTY, T(0, 2)], [NONE, T(3, 2)]]
row("solve_system", *SYSTEMS, reference=_with_info(_solution), **_info)
row("linalg.solve_ex", *SYSTEMS[:2], [V(M), T(3)], SYSTEMS[4], reference=_with_info(_solution), **ALIKE, **_info)
row("linalg.solve", *SYSTEMS[:2], [V(M), T(3)], [BATCH, T(2, 3)], case(V(M), T(2, 3), left=False), SYSTEMS[4], reference=_solution, **MATRIX)
fails("linalg.solve", [SINGULAR, T(2, 1)], LinAlgError, f"solve: matrix 1 of 2 {WRONG}")
fails("linalg.solve_ex", case(SINGULAR, T(2, 1), check_errors=True), LinAlgError, f"solve_ex: matrix 1 of 2 {WRONG}")
fails("linalg.solve", [V(M), T(2, 2)], ShapeError,
      "solve: A of shape (3, 3) and B of shape (2, 2) do not fit: B must have 3 rows, or columns where it stands on the left.")
fails("linalg.solve", [T(2, 3), T(2)], ShapeError, "solve: expected square matrices, (…, n, n), got shape (2, 3).")
fails("linalg.solve", [T(2, 2), T(2)], DTypeError, "solve: float16 is too narrow for this, as in PyTorch. Cast with .float().", dtypes.float16)
INVERTED: list[Any] = [[V(M)], [BATCH], COMPLEX_CASE, [EMPTY], [NONE]]
row("inverse_info", *INVERTED, reference=_with_info(_inverse), **_info)
row("linalg.inv_ex", [V(M)], [EMPTY], reference=_with_info(_inverse), **ALIKE, **_info)
row("linalg.inv", *INVERTED[:2], [EMPTY], reference=_inverse, **ALIKE, **MATRIX)
row("inverse", *INVERTED[:2], [EMPTY], reference=_inverse, **ALIKE, **MATRIX)
fails("linalg.inv_ex", case(SINGULAR, check_errors=True), LinAlgError, f"inv_ex: matrix 1 of 2 {WRONG}")
fails("linalg.inv", [SINGULAR], LinAlgError, f"inv: matrix 1 of 2 {WRONG}")
fails("inverse", [SINGULAR], LinAlgError, f"inverse: matrix 1 of 2 {WRONG}")
row("what singular matrices give", case(SINGULAR, expect=np.array([0, 2])), calls=lambda A: tl.linalg.inv_ex(A).info, gives="int32", grad=0,
    **MATRIX | {"without": "0d empty"})
fails("what singular matrices give", [T(3)], ShapeError, "inv_ex: expected matrices, a tensor of at least 2 dimensions, got shape (3,).")

CUBE = V(np.array([[*row, 0.5, -0.5, 1.0] for row in M] + [[1.0, 0.0, 2.0, 3.0, -1.0, 0.0], [0.5, 1.0, 0.0, 1.0, 4.0, 0.0], [0.0, 2.0, 1.0, 0.0, 1.0, -3.0]]).reshape(2, 3, 6))
row("linalg.tensorinv", case(CUBE, ind=2), case(T(0, 0), ind=1),
    reference=lambda A, ind=2: _inverse(A.reshape(6, 6)).reshape(6, 2, 3) if A.size else A, **MATRIX)
fails("linalg.tensorinv", [T(2, 3, 4)], ShapeError, "tensorinv: the first 2 lengths of shape (2, 3, 4) must have the product of the others: 6 against 4.")
fails("linalg.tensorinv", [T(2, 2), 0], ArgumentError, "tensorinv: ind must lie between 1 and 2, the dimensions of A, got 0.")
row("linalg.tensorsolve", [CUBE, T(2, 3)], case(CUBE, T(6), dims=(0, 1)), [T(0, 0), T(0)],
    reference=lambda A, B, dims=None: (_solution(A.reshape(6, 6), B.reshape(6)) if dims is None else _solution(A.reshape(6, 6).T, B).reshape(2, 3)) if A.size else B, **MATRIX)
fails("linalg.tensorsolve", [T(2, 3), T(2)], ShapeError,
      "tensorsolve: A of shape (2, 3) must hold a square matrix: its first 1 lengths, and the others, must have the product 2 of the lengths of B.")

# by factors: of LU and of Cholesky


def _joined(LU: Any, pivots: Any) -> Any:
    eye = np.broadcast_to(np.eye(LU.shape[-1]), LU.shape).copy()
    for place in np.ndindex(eye.shape[:-2]):
        for i, j in reversed(list(enumerate(pivots[place]))):
            eye[place][[i, j - 1]] = eye[place][[j - 1, i]]
    return matrix_product(eye, matrix_product(_triangle(LU, False, True), _triangle(LU, True, False)))


def _lu_solved(LU: Any, pivots: Any, B: Any, left: bool = True, adjoint: bool = False) -> Any:
    A = _joined(LU, pivots)
    return _solution(np.conj(_swapped(A)) if adjoint else A, B, left)


row("linalg.lu_solve", [V(M), PIVOTS, COLUMNS], case(V(M), PIVOTS, T(2, 3), left=False), case(BATCH, P([[1, 3, 3], [2, 2, 3]], dtypes.int32), COLUMNS, adjoint=True),
    case(V(Z), PIVOTS, T(2, 3), left=False, adjoint=True, only=COMPLEX, grad=True), [EMPTY, P(np.zeros(0), dtypes.int32), T(0, 2)], reference=_lu_solved, **MATRIX)
fails("linalg.lu_solve", [V(M), PIVOTS, T(3)], ShapeError, "lu_solve: B must have at least 2 dimensions, got shape (3,).")
row("lu_solve", [COLUMNS, V(M), PIVOTS], [T(0, 2), EMPTY, P(np.zeros(0), dtypes.int32)], reference=lambda B, LU, pivots: _lu_solved(LU, pivots, B), **ALIKE, **MATRIX)
fails("lu_solve", [T(3), V(M), PIVOTS], ShapeError, "lu_solve: B must have at least 2 dimensions, got shape (3,).")


def _squared(L: Any, upper: bool) -> Any:
    L = _triangle(L, upper, False)
    return matrix_product(np.conj(_swapped(L)), L) if upper else matrix_product(L, np.conj(_swapped(L)))


# the factor is made triangular around the call: PyTorch gives the triangle that is not read a gradient, too
around("cholesky_solve", lambda call: lambda B, L, upper=False: call(B, L.triu() if upper else L.tril(), upper))
around("cholesky_inverse", lambda call: lambda L, upper=False: call(L.triu() if upper else L.tril(), upper))
FACTOR = [[2.0, 0.0, 0.0], [1.5 + 1j, 3.0, 0.0], [-1.0, 2.0 - 1j, 4.0]]
unique("cholesky_solve", tl.cholesky_solve, [COLUMNS, V(M)], [COLUMNS, V(M), True], case(T(3, 2), V(FACTOR), only=COMPLEX, grad=True), [T(0, 2), EMPTY],
       reference=lambda B, L, upper=False: _solution(_squared(L, upper), B))
fails("cholesky_solve", [T(3), V(M)], ShapeError, "cholesky_solve: input must have at least 2 dimensions, got shape (3,).")
unique("cholesky_inverse", tl.cholesky_inverse, [V(M)], [V(M), True], case(V(FACTOR), only=COMPLEX, grad=True), [EMPTY],
       reference=lambda L, upper=False: _inverse(_squared(L, upper)) if L.size else L)
fails("cholesky_inverse", [T(2, 2)], DTypeError, "cholesky_inverse: float16 is too narrow for this, as in PyTorch. Cast with .float().", dtypes.float16)

# least squares: of matrices of full rank by the normal equations


def _pseudo(A: Any, *rest: Any, **settings: Any) -> Any:
    Ah = np.conj(_swapped(A))
    if not A.size:
        return Ah
    return matrix_product(_inverse(matrix_product(Ah, A)), Ah) if A.shape[-2] >= A.shape[-1] else matrix_product(Ah, _inverse(matrix_product(A, Ah)))


LOW = V([[1.0, 2.0], [2.0, 4.0], [0.0, 0.0]])  # of rank 1
CUT = (0.0, 1e-6)
row("pseudo_inverse", [V(TALL), *CUT], [V(WIDE), *CUT], [BATCH, *CUT], case(V(Z), *CUT, only=COMPLEX, grad=True), [T(0, 2), *CUT], [T(2, 0), *CUT],
    reference=_pseudo, **MATRIX)
_of_low = np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0]]) / 25
row("linalg.pinv", [V(TALL)], [V(WIDE)], case(LOW, expect=_of_low), case(LOW, rtol=1e-3, expect=_of_low), [T(0, 2)], reference=_pseudo, **MATRIX)
row("pinverse", [V(TALL)], case(LOW, 1e-3, expect=_of_low), [T(0, 2)], reference=_pseudo, **ALIKE, **MATRIX)
row("linalg.pinv of a Hermitian matrix", [V(M)], COMPLEX_CASE, [EMPTY], reference=lambda x: _pseudo(x + np.conj(_swapped(x))),
    calls=lambda x: tl.linalg.pinv(x + x.mH, hermitian=True), **MATRIX)
fails("linalg.pinv", [T(2, 2)], DTypeError, "pinv: expected floating or complex matrices, got int64. Cast with .float().", dtypes.int64)
fails("linalg.solve", case(V(M), T(3), left=False), ShapeError,
      "solve: B of shape (3,) is a vector for each matrix, which cannot stand on the left. Leave left=False out.")
fails("linalg.pinv", case(T(3, 1), hermitian=True), ShapeError, "pinv: expected square matrices, (…, n, n), with hermitian=True, got shape (3, 1).")
fails("linalg.pinv", [T(3)], ShapeError, "pinv: A must have at least 2 dimensions, got shape (3,).")
fails("pinverse", [T(3)], ShapeError, "pinverse: A must have at least 2 dimensions, got shape (3,).")
fails("linalg.pinv of a Hermitian matrix", [T(2, 2)], DTypeError,
      "pinv: float16 is too narrow for this, as in PyTorch. Cast with .float().", dtypes.float16)


def _least(A: Any, B: Any, rcond: Any = None, driver: Any = None) -> Any:
    X, none = matrix_product(_pseudo(A), B), np.zeros(0)
    error = np.abs(matrix_product(A, X) - B) ** 2
    given = driver in ("gels", "gelsd") and A.shape[-2] > A.shape[-1]
    residuals = np.array([sum(column) for column in error.reshape(len(error), -1).T.tolist()]) if given else none
    rank = none if driver == "gels" else np.full(A.shape[:-2], min(A.shape[-2:]))
    return X, residuals, rank, np.array(values_of(A)) if driver == "gelsd" else none


row("linalg.lstsq", [V(TALL), T(4, 2)], [V(WIDE), T(2, 1)], case(V(TALL), T(4, 2), driver="gelsd", grad=False), case(V(TALL), T(4), driver="gels"), [T(0, 2, 3), T(0, 2, 1)],
    reference=_least, gives=("same", "real", "int64", "real"), **MATRIX)
fails("linalg.lstsq", [V(TALL), T(3, 2)], ShapeError, "lstsq: A of shape (4, 3) and B of shape (3, 2) do not fit: B must have 4 rows, and as many dimensions.")
fails("linalg.lstsq", case(V(TALL), T(4, 2), driver="qr"), ArgumentError, "lstsq: driver must be 'gels', 'gelsy', 'gelsd' or 'gelss', got 'qr'.")
