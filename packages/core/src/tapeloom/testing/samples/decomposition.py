"""Samples of matrix decompositions: factors by their definitions, and of what is not unique that which does not depend on the choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tapeloom as tl
from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, LinAlgError, ShapeError
from tapeloom.testing import matrices
from tapeloom.testing.inputs import P, T, V
from tapeloom.testing.matrices import each_matrix, empty_or
from tapeloom.testing.references import NAN, matrix_product
from tapeloom.testing.table import COMPLEX, case, fails, row

LAPACK = (dtypes.float32, dtypes.float64, *COMPLEX)
M = [[4.0, 1.0, -2.0], [1.5, -3.0, 0.5], [-5.0, 2.0, 5.0]]
TALL = [*M, [0.5, 1.0, 1.5]]
WIDE = [[1.0, 2.0, -1.0, 0.5], [-3.0, 1.0, 2.0, 1.0]]
Z = [[4.0 + 1j, 1.0, -2j], [1.5, -3.0 + 2j, 0.5], [-5.0, 2.0 + 1j, 5.0]]
BATCH, EMPTY, NONE = V([M, [[2.0, 1.0, 0.0], [1.0, 3.0, 1.0], [-1.0, 0.5, 2.5]]]), T(0, 0), T(0, 3, 3)
SINGULAR = [[1.0, 2.0], [2.0, 4.0]]
COMPLEX_CASE = case(V(Z), only=COMPLEX, grad=True)
MATRIX: dict[str, Any] = {"dtypes": LAPACK, "budget": "series", "without": "0d", "magnitude": lambda *given, **settings: 10.0}
#: of rows that call an op with a row of its own, and hand over what it gives: the gradient is proven there
ALIKE: dict[str, Any] = {"grad": 0}

#: rows whose results are not unique, or whose argument must be made symmetric: what is called instead, around the function
AROUND: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {}


def around(names: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Enter ``wrap`` for the rows of these names."""
    AROUND.update(dict.fromkeys(names.split(), wrap))


def unique(name: str, function: Callable[..., Any], *cases: Any, **settings: Any) -> None:
    """A row of ``function``, with what ``AROUND`` has for it."""
    row(name, *cases, calls=AROUND[name](function), **(MATRIX | settings))


# Cholesky: of x @ x.mH, which is symmetric and positive definite

around(
    "cholesky_factor linalg.cholesky linalg.cholesky_ex cholesky",
    lambda call: lambda x, *rest, **settings: call(x @ x.mH, *rest, **settings),
)


def _cholesky(x: Any, upper: bool = False) -> Any:
    L = empty_or(each_matrix(matrices.cholesky))(matrix_product(x, np.conj(np.swapaxes(x, -1, -2))))
    return np.conj(np.swapaxes(L, -1, -2)) if upper else L


def _with_info(x: Any, upper: bool = False) -> Any:
    return _cholesky(x, upper), np.zeros(x.shape[:-2], np.int64)


CHOLESKY = [[V(M)], [BATCH], case(V(M), upper=True), COMPLEX_CASE, [EMPTY], [NONE]]
_info: dict[str, Any] = {"reference": _with_info, "gives": ("same", "int32")}
unique("cholesky_factor", tl.ops.cholesky_factor, *CHOLESKY, **_info)
unique("linalg.cholesky_ex", tl.linalg.cholesky_ex, *CHOLESKY[:3], [EMPTY], **ALIKE, **_info)
unique("linalg.cholesky", tl.linalg.cholesky, *CHOLESKY[:3], [EMPTY], reference=_cholesky, **ALIKE)
unique("cholesky", tl.cholesky, [V(M)], [V(M), True], [EMPTY], reference=_cholesky, **ALIKE)
_NOT_POSITIVE = "is not positive definite: its leading minor of order {} is not positive."
_ZERO = V([[0.0, 0.0], [0.0, 1.0]])
fails("linalg.cholesky", [_ZERO], LinAlgError, f"cholesky: the matrix {_NOT_POSITIVE.format(1)}")
fails("cholesky", [_ZERO], LinAlgError, f"cholesky: the matrix {_NOT_POSITIVE.format(1)}")
fails("linalg.cholesky_ex", case(_ZERO, check_errors=True), LinAlgError, f"cholesky_ex: the matrix {_NOT_POSITIVE.format(1)}")
_LOST = np.array([[NAN, 0.0], [NAN, NAN]])
row(
    "cholesky of what has none",
    case(V([[1.0, 2.0], [2.0, 4.0]]), expect=(_LOST, np.array(2))),
    case(V([[[-1.0, 0.0], [0.0, 1.0]], [[4.0, 0.0], [0.0, 4.0]]]),
         expect=(np.array([_LOST, [[2.0, 0.0], [0.0, 2.0]]]), np.array([1, 0]))),
    calls=tl.linalg.cholesky_ex, gives=("same", "int32"), grad=0, dtypes=LAPACK[:2], without="0d empty",
)  # fmt: skip
fails("cholesky of what has none", [T(3)], ShapeError, "cholesky_ex: expected matrices, a tensor of at least 2 dimensions, got shape (3,).")
fails("cholesky of what has none", [T(2, 3)], ShapeError, "cholesky_ex: expected square matrices, (…, n, n), got shape (2, 3).")
fails("cholesky of what has none", [T(2, 2)], DTypeError,
      "cholesky_ex: float16 is too narrow for this, as in PyTorch. Cast with .float().", dtypes.float16)

# QR: the columns of Q and the rows of R have a sign, or a direction, of their own

around("qr_factors linalg.qr qr", lambda call: lambda *given, **settings: _sizes(*call(*given, **settings)))


def _sizes(Q: Any, R: Any) -> Any:
    k = min(R.shape[-2:])
    return Q[..., :k].abs(), R.abs(), Q[..., :k] @ R[..., :k, :]


def _qr(x: Any, complete: Any = False) -> Any:
    if not x.size:
        k = min(x.shape[-2:])
        return np.zeros((*x.shape[:-1], k)), np.zeros((*x.shape[:-2], x.shape[-2] if complete is True else k, x.shape[-1])), x
    Q, R = (each_matrix(lambda A, part=part: matrices.orthonormal(A)[part])(x) for part in (0, 1))
    if complete is True or complete == "complete":
        R = np.concatenate([R, np.zeros((*x.shape[:-2], x.shape[-2] - R.shape[-2], x.shape[-1]))], -2)
    return np.abs(Q), np.abs(R), x


_parts: dict[str, Any] = {"reference": _qr, "gives": ("real", "real", "same")}
unique("qr_factors", tl.ops.qr_factors, [V(TALL)], [V(WIDE)], [BATCH], case(V(TALL), True, grad=False), COMPLEX_CASE, [T(2, 0)], [T(0, 3, 2)], **_parts)
unique("linalg.qr", tl.linalg.qr, [V(TALL)], [V(M), "complete"], [T(0, 2)], **ALIKE, **_parts)
unique("qr", tl.qr, [V(WIDE)], case(V(TALL), False, grad=False), [T(0, 2)],
       reference=lambda x, some=True: _qr(x, not some), gives=_parts["gives"], **ALIKE)
fails("linalg.qr", [T(3)], ShapeError, "qr: expected matrices, a tensor of at least 2 dimensions, got shape (3,).")
fails("linalg.qr", [V(M), "raw"], ArgumentError, "qr: mode must be 'reduced', 'complete' or 'r', got 'raw'.")
fails("qr", [V(M), 1], ArgumentTypeError, "qr: some must be True or False, got 1.")

# LU


def _lu(x: Any, pivot: bool = True) -> Any:
    k = min(x.shape[-2:])
    if not x.size:
        return x, np.zeros((*x.shape[:-2], k), np.int64), np.zeros(x.shape[:-2], np.int64)
    LU, pivots = (each_matrix(lambda A, part=part: matrices.lu(A, pivot)[part])(x) for part in (0, 1))
    return LU, pivots, np.zeros(x.shape[:-2], np.int64)


def _unpacked(LU: Any, pivots: Any) -> Any:
    k = min(LU.shape[-2:])
    lower = np.where(np.arange(k) < np.arange(LU.shape[-2])[:, None], LU[..., :k], 0)
    upper = np.where(np.arange(LU.shape[-1]) >= np.arange(k)[:, None], LU[..., :k, :], 0)
    P = np.zeros((*LU.shape[:-2], LU.shape[-2], LU.shape[-2]))
    for place in np.ndindex(P.shape[:-2]):
        order = list(range(LU.shape[-2]))
        for i, j in enumerate(pivots[place]):
            order[i], order[j - 1] = order[j - 1], order[i]
        for i, j in enumerate(order):
            P[(*place, j, i)] = 1
    return P, lower + (np.arange(k) == np.arange(LU.shape[-2])[:, None]), upper


LU: list[Any] = [[V(M)], [V(TALL)], [V(WIDE)], [BATCH], case(V(WIDE), pivot=False), COMPLEX_CASE, [T(0, 2)], [NONE]]
_lu_parts: dict[str, Any] = {"reference": _lu, "gives": ("same", "int32", "int32")}
row("lu_decomposition", *LU, **_lu_parts, **MATRIX)
row("linalg.lu_factor_ex", *LU[:2], case(V([[1.0, 2.0], [2.0, 4.0]]), expect=(np.array([[2.0, 4.0], [0.5, 0.0]]), np.array([2, 2]), np.array(2))),
    [T(0, 2)], **_lu_parts, **ALIKE, **MATRIX)
fails("linalg.lu_factor_ex", case(V([[1.0, 2.0], [2.0, 4.0]]), check_errors=True), LinAlgError,
      "lu_factor_ex: the matrix is singular: pivot 2 of its LU decomposition is 0.")
_two: dict[str, Any] = {"reference": lambda *given, **settings: _lu(*given, **settings)[:2], "gives": ("same", "int32")}
row("linalg.lu_factor", *LU[:2], [T(0, 2)], **_two, **ALIKE, **MATRIX)
row("lu", *LU[:2], [T(0, 2)], **_two, **ALIKE, **MATRIX)
row("linalg.lu", *LU[:3], [T(0, 2)], reference=lambda x: _unpacked(*_lu(x)[:2]), gives="same", **MATRIX)
PIVOTS = P([3, 3, 3], dtypes.int32)
row("lu_unpack", [V(M), PIVOTS], [V(TALL), P([4, 2, 3], dtypes.int32)], [V([WIDE]), P([[2, 2]], dtypes.int32)], [T(0, 2), P(np.zeros(0), dtypes.int32)],
    reference=_unpacked, **MATRIX)
row("permute_rows", [V(M), PIVOTS], [V(TALL), P([4, 2, 3], dtypes.int32), True], [BATCH, P([[1, 3, 3], [2, 2, 3]], dtypes.int32)], [T(0, 2), P(np.zeros(0), dtypes.int32)],
    reference=lambda x, pivots, inverse=False: matrix_product(_turned(_unpacked(np.zeros((*x.shape[:-1], x.shape[-2])), pivots)[0], not inverse), x), **MATRIX)


def _turned(P: Any, turn: bool) -> Any:
    return np.swapaxes(P, -1, -2) if turn else P


for _name in ("linalg.lu_factor", "lu", "linalg.lu"):
    _own = _name.removeprefix("linalg.")
    fails(_name, [T(3)], ShapeError, f"{_own}: expected matrices, a tensor of at least 2 dimensions, got shape (3,).")
fails("lu_unpack", [T(3), PIVOTS], ShapeError, "lu_unpack: LU_data must have at least 2 dimensions, got shape (3,).")
fails("lu_unpack", [V(M), P([1, 2, 3])], DTypeError, "lu_unpack: pivots must be int32, as lu_factor gives them, got int64.")
fails("lu_unpack", [V(M), P([1, 2], dtypes.int32)], ShapeError,
      "lu_unpack: pivots of shape (2,) do not belong to factors of shape (3, 3): expected (3,).")
fails("lu_unpack", [V(M), P([0, 2, 3], dtypes.int32)], ArgumentError, "lu_unpack: pivots must lie between 1 and 3, the number of rows.")
fails("lu_unpack", [[1.0], PIVOTS], ArgumentTypeError, "lu_unpack: LU_data must be a tensor, got list. Make it one with tapeloom.tensor(...).")
for _name in ("cholesky_factor", "qr_factors"):
    fails(_name, [T(2, 2)], DTypeError, f"{_name}: float16 is too narrow for this, as in PyTorch. Cast with .float().", dtypes.float16)
