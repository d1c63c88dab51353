"""Samples of functions of matrices: determinants by expansion, the exponential by its series."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import tapeloom as tl
from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, LinAlgError, ShapeError
from tapeloom.testing import matrices
from tapeloom.testing.inputs import T, V
from tapeloom.testing.matrices import each_matrix, empty_or
from tapeloom.testing.references import INF, NAN, matrix_product
from tapeloom.testing.samples.decomposition import (
    ALIKE,
    BATCH,
    COMPLEX_CASE,
    EMPTY,
    LAPACK,
    MATRIX,
    NONE,
    TALL,
    M,
    Z,
)
from tapeloom.testing.samples.solve import LOW
from tapeloom.testing.samples.spectrum import values_of
from tapeloom.testing.table import COMPLEX, NUMBERS, case, fails, row

HUNDRED: dict[str, Any] = MATRIX | {"magnitude": lambda *given, **settings: 100.0}
SINGULAR = V([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [5.0, 7.0, 9.0]])
SQUARES: list[Any] = [[V(M)], [BATCH], COMPLEX_CASE, [EMPTY], [NONE]]


def _determinant(x: Any) -> Any:
    return each_matrix(matrices.determinant)(x) if x.size else np.ones(x.shape[:-2])


row("determinant", *SQUARES, case(V([[1.0, 2.0], [2.0, 4.0]]), expect=np.array(0.0)), reference=_determinant, **HUNDRED)
row("linalg.det", [V(M)], [BATCH], [EMPTY], reference=_determinant, **ALIKE, **HUNDRED)
row("det", [V(M)], [EMPTY], reference=_determinant, **ALIKE, **HUNDRED)
row("det of a singular matrix", [SINGULAR], case(V(np.zeros((2, 2)))), reference=_determinant, calls=tl.linalg.det, grad=1, **HUNDRED | {"without": "0d empty"})
row("cofactors", *SQUARES, reference=empty_or(each_matrix(matrices.cofactors)), **HUNDRED)
fails("det of a singular matrix", [T(3)], ShapeError, "det: expected matrices, a tensor of at least 2 dimensions, got shape (3,).")


def _sign_and_log(x: Any) -> Any:
    value = _determinant(x)
    return value / np.abs(value), np.array([math.log(abs(v)) for v in value.reshape(-1).tolist()]).reshape(value.shape)


_two: dict[str, Any] = {"reference": _sign_and_log, "gives": ("same", "real"), **MATRIX}
row("sign_and_log", *SQUARES, case(V(np.zeros((2, 2))), expect=(np.array(0.0), np.array(-INF))), **_two)
row("linalg.slogdet", [V(M)], [BATCH], [EMPTY], **ALIKE, **_two)
row("slogdet", [V(M)], [EMPTY], **ALIKE, **_two)
row("logdet", [V([[3.0, 1.0], [-1.0, 2.0]])], case(V([[0.0, 1.0], [1.0, 0.0]]), expect=np.array(NAN), only=LAPACK[:2]), COMPLEX_CASE, [EMPTY],
    reference=lambda x: np.log(_determinant(x)), **MATRIX)


row("matrix_exponential", [V(M)], COMPLEX_CASE, [V([M, np.zeros((3, 3))])], [EMPTY],
    reference=empty_or(each_matrix(matrices.exponential)), **MATRIX | {"magnitude": lambda *given: 2000.0})
row("linalg.matrix_exp", [V(M)], [V([[0.0, 30.0], [-30.0, 0.0]])], [EMPTY], reference=empty_or(each_matrix(matrices.exponential)), **ALIKE, **MATRIX | {"magnitude": lambda *given: 2000.0})
row("matrix_exp", [V(M)], [EMPTY], reference=empty_or(each_matrix(matrices.exponential)), **ALIKE, **MATRIX | {"magnitude": lambda *given: 2000.0})


def _power(x: Any, n: int) -> Any:
    if n < 0:
        x, n = empty_or(each_matrix(matrices.inverse))(x), -n
    out = np.broadcast_to(np.eye(x.shape[-1]), x.shape).astype(x.dtype)
    for _ in range(n):
        out = matrix_product(out, x).astype(x.dtype) if x.size else out
    return out


SMALL = {"low": -2, "high": 2}
row("linalg.matrix_power", [T(3, 3, **SMALL), 3], [T(2, 3, 3, **SMALL), 0], case(V(M), -2, only=LAPACK, grad=True), [T(2, 2, **SMALL), 1], [EMPTY, 4],
    reference=_power, dtypes=(*NUMBERS, *COMPLEX), budget="series", without="0d", magnitude=lambda x, n: np.array(10.0) if n < 0 else _power(x, n))
row("matrix_power", [T(3, 3, **SMALL), 5], [EMPTY, 2], reference=_power, **ALIKE, dtypes=LAPACK, budget="series", without="0d", magnitude=_power)
fails("linalg.matrix_power", [V([[1.0, 2.0], [2.0, 4.0]]), -1], LinAlgError, "matrix_power: the matrix is singular: pivot 2 of its LU decomposition is 0.")
fails("matrix_power", [T(2, 2), 1.5], ArgumentTypeError, "matrix_power: n must be an int, got 1.5 of type float.")
fails("matrix_power", [T(2, 3), 2], ShapeError, "matrix_power: expected square matrices, (…, n, n), got shape (2, 3).")

for _name in ("linalg.det", "det", "linalg.slogdet", "slogdet", "logdet", "linalg.matrix_exp", "matrix_exp"):
    _own = _name.removeprefix("linalg.")
    fails(_name, [T(2, 3)], ShapeError, f"{_own}: expected square matrices, (…, n, n), got shape (2, 3).")
    fails(_name, [T(2, 2)], DTypeError, f"{_own}: float16 is too narrow for this, as in PyTorch. Cast with .float().", dtypes.float16)

# rank and condition

row("linalg.matrix_rank", case(V(TALL), expect=np.array(3)), case(LOW, expect=np.array(1)), case(V(M), atol=100.0, expect=np.array(0)),
    case(V([[[2.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 0.0]]]), hermitian=True, expect=np.array([2, 1])),
    case(V([[[2.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 0.5]]]), atol=V([1.5, 0.1]), expect=np.array([1, 2]), only=LAPACK[:2]),
    case(T(0, 2), expect=np.array(0)), gives="int64", grad=0, **MATRIX)
fails("linalg.matrix_rank", [T(3)], ShapeError, "matrix_rank: A must have at least 2 dimensions, got shape (3,).")


def _condition(x: Any, p: Any = None) -> Any:
    both = [each_matrix(lambda A: _norm(A, p))(y) for y in (x, each_matrix(matrices.inverse)(x))]
    return both[0] * both[1]


def _norm(A: Any, p: Any) -> float:
    sizes = [[abs(value) for value in line] for line in A]
    if p == "fro":
        return math.sqrt(math.fsum(value * value for line in sizes for value in line))
    sums = [math.fsum(line) for line in (zip(*sizes, strict=True) if p == 1 else sizes)]
    return max(sums)


row("linalg.cond", case(V([[3.0, 0.0], [0.0, -2.0]]), expect=np.array(1.5), grad=True), case(V([[3.0, 0.0], [0.0, -2.0]]), -2, expect=np.array(2 / 3)),
    *[[V(M), p] for p in ("fro", 1, INF)], case(V([[1.0, 2.0], [2.0, 4.0]]), 1, expect=np.array(INF)), case(T(0, 2, 2), 1), [T(2, 0, 3)],
    reference=lambda x, p=None: _condition(x, p) if x.size else np.zeros(x.shape[:-2]), gives="real", **HUNDRED)
fails("linalg.cond", [V(M), 3], ArgumentError, "cond: p must be None, 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got 3.")

# norms by singular values

_of: dict[Any, Any] = {"nuc": sum, 2: max, -2: min}


def _by_values(x: Any, ord: Any = "nuc", dim: Any = (-2, -1), keepdim: bool = False) -> Any:
    x = np.moveaxis(x, dim, (-2, -1))
    out = each_matrix(lambda A: _of[ord](values_of(A)))(x) if x.size else np.zeros(x.shape[:-2])
    return np.expand_dims(out, sorted(d % (out.ndim + 2) for d in dim)) if keepdim else out


row("matrix norms by singular values", *[[BATCH, ord] for ord in _of], case(T(2, 3, 4), "nuc", (0, 2), True), case(V(Z), 2, only=COMPLEX, grad=True), [T(0, 2, 2), 2], [T(2, 0, 3), 2],
    reference=_by_values, gives="real", calls=tl.linalg.matrix_norm, **MATRIX)
row("norm by singular values", [V(TALL), "nuc"], [V([TALL]), "nuc", (0, 2)], [T(0, 2), "nuc"],
    reference=lambda x, p, dim=(-2, -1): _by_values(x, "nuc", dim), gives="real", calls=tl.norm, **MATRIX)
fails("norm by singular values", [T(2, 2), "nuc"], DTypeError, "norm: float16 is too narrow for this, as in PyTorch. Cast with .float().", dtypes.float16)
row("nuclear_norm", [V(TALL)], [V([TALL]), (0, 2), True], [V(M), True], [T(0, 2)],
    reference=lambda x, dim=None, keepdim=False: _by_values(x, "nuc", (-2, -1) if dim in (None, True) else dim, keepdim or dim is True), gives="real", **MATRIX)
for _name, _own in (("matrix norms by singular values", "matrix_norm"), ("nuclear_norm", "nuclear_norm")):
    fails(_name, [T(2, 2), *(["nuc"] if _own == "matrix_norm" else [])], DTypeError, f"{_own}: float16 is too narrow for this, as in PyTorch. Cast with .float().", dtypes.float16)
