"""Samples of linear algebra: products by their definition, as sums of products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapeloom.errors import ArgumentError, ArgumentTypeError, ShapeError
from tapeloom.testing.inputs import T
from tapeloom.testing.references import INF, built, dims_of, folded, matrix_product
from tapeloom.testing.table import COMPLEX, EVERY, INEXACT, NUMBERS, case, fails, row


def _product(x: Any, y: Any) -> Any:
    result = matrix_product(x, y)
    return result.astype(np.int64) if x.dtype == np.int64 else result


SUMMED: dict[str, Any] = {"budget": "sum", "dtypes": (*NUMBERS, *COMPLEX), "reference": _product, "magnitude": _product}
SMALL = {"low": -3, "high": 3}
row(
    "swap_last",
    [T(3, 4)],
    [T(2, 3, 4)],
    [T(0, 3)],
    reference=lambda x: built((*x.shape[:-2], x.shape[-1], x.shape[-2]), lambda i: x[(*i[:-2], i[-1], i[-2])], x),
    dtypes=EVERY,
    budget="exact",
    without="0d",
)
row(
    "matmul",
    [T(3, 4, **SMALL), T(4, 2, **SMALL)],
    [T(4), T(4)],
    [T(3, 4), T(4)],
    [T(4), T(4, 2)],
    [T(2, 3, 4), T(4, 2)],
    [T(3, 4), T(2, 4, 3)],
    [T(2, 1, 3, 4), T(3, 4, 2)],
    [T(4), T(2, 4, 3)],
    [T(2, 3, 4), T(4)],
    [T(0, 4), T(4, 2)],
    [T(3, 0), T(0, 2)],
    without="0d",
    **SUMMED,
)
fails(
    "matmul",
    [T(3, 4), T(3, 4)],
    ShapeError,
    "matmul: shapes (3, 4) and (3, 4) do not fit: the last dimension of the first is 4, and the second-to-last one of the "
    "second is 3. Transpose one with .mT, or reshape it.",
)
fails(
    "matmul",
    [T(3, 4), T(3)],
    ShapeError,
    "matmul: shapes (3, 4) and (3,) do not fit: the last dimension of the first is 4, and the only one of the second is 3. "
    "Transpose one with .mT, or reshape it.",
)
fails(
    "matmul",
    [T(), T(3)],
    ShapeError,
    "matmul: shapes () and (3,): both need at least one dimension. Use * for products with a 0-d tensor.",
)
fails(
    "matmul",
    [T(2, 3, 4), T(3, 4, 2)],
    ShapeError,
    "matmul: shapes (2,) and (3,) do not broadcast (axis -1: 2 vs 3). Reshape one operand, or give that axis the size 1.",
)
row("linalg.matmul", [T(3, 4, **SMALL), T(4, 2, **SMALL)], [T(4), T(4)], [T(0, 4), T(4, 2)], without="0d", **SUMMED)
fails("linalg.matmul", [T(3), 2.0], ArgumentTypeError, "matmul: other must be a tensor, got float. Make it one with tapeloom.tensor(...).")
row("mm", [T(3, 4), T(4, 2)], [T(0, 4), T(4, 2)], without="0d", **SUMMED)
fails("mm", [T(3), T(3)], ShapeError, "mm: expected 2-d and 2-d tensors, got shapes (3,) and (3,). Use matmul.")
row("bmm", [T(2, 3, 4), T(2, 4, 2)], [T(0, 3, 4), T(0, 4, 2)], without="0d", **SUMMED)
fails("bmm", [T(2, 3, 4), T(1, 4, 2)], ShapeError, "bmm: the batches of shapes (2, 3, 4) and (1, 4, 2) differ. Use matmul to broadcast them.")
row("mv", [T(3, 4), T(4)], [T(0, 4), T(4)], without="0d", **SUMMED)
fails("mv", [T(4), T(4)], ShapeError, "mv: expected 2-d and 1-d tensors, got shapes (4,) and (4,). Use matmul.")
row("dot", [T(4), T(4)], [T(0), T(0)], without="0d", **SUMMED)
fails("dot", [T(2, 2), T(2)], ShapeError, "dot: expected 1-d and 1-d tensors, got shapes (2, 2) and (2,). Use matmul.")
row(
    "outer",
    [T(3), T(4)],
    [T(0), T(4)],
    reference=lambda x, y: built((len(x), len(y)), lambda i: x[i[0]] * y[i[1]]),
    dtypes=(*NUMBERS, *COMPLEX),
    without="0d",
)
fails("outer", [T(2, 2), T(2)], ShapeError, "outer: expected 1-d tensors, got shapes (2, 2) and (2,).")


def _affine(x: Any, weight: Any, bias: Any = None) -> Any:
    product = matrix_product(x, weight.T) if x.ndim != 1 else matrix_product(weight, x)
    return product if bias is None else product + bias


row(
    "linear",
    [T(3, 4), T(2, 4), T(2)],
    [T(3, 4), T(2, 4)],
    [T(4), T(2, 4), T(2)],
    [T(2, 3, 4), T(2, 4), T(2)],
    case(T(3, 4), weight=T(2, 4), bias=T(2)),
    [T(0, 4), T(2, 4), T(2)],
    reference=_affine,
    magnitude=_affine,
    budget="sum",
    dtypes=INEXACT,
    without="0d",
)
fails("linear", [T(3, 4), T(4)], ShapeError, "linear: weight must have shape (out, in), got (4,).")
fails(
    "linear",
    [T(3, 4), T(2, 3)],
    ShapeError,
    "linear: the last dimension of input of shape (3, 4) must be 3, as weight has shape (2, 3). A Linear(4, 2) would take it.",
)
fails("linear", [T(5, 2, 3), T(4, 6)], ShapeError,
      "linear: the last dimension of input of shape (5, 2, 3) must be 6, as weight has shape (4, 6). Flatten it first: input.flatten(1).")
fails("linear", [T(), T(4, 6)], ShapeError, "linear: the last dimension of input of shape () must be 6, as weight has shape (4, 6).")
fails(
    "linear",
    [T(3, 4), T(2, 4), T(4)],
    ShapeError,
    "linear: bias must have shape (2,) for a weight of shape (2, 4), got (4,).",
)
for _name in ("mm", "bmm", "mv", "dot", "outer"):
    fails(_name, [[1.0], T(1)], ArgumentTypeError, f"{_name}: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")

# the namespace linalg


def _vector_norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False) -> Any:
    def norm(values: list[float]) -> float:
        if ord in (INF, -INF):
            return (max if ord > 0 else min)(abs(value) for value in values)
        return math.fsum(abs(value) ** ord for value in values) ** (1 / ord)

    return folded(norm)(x, dim, keepdim)


def _matrix_norm(x: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False) -> Any:
    if ord == "fro":
        return _vector_norm(x, 2, dim, keepdim)
    rows, columns = dims_of(x, dim)
    inner, outer = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = folded(lambda values: math.fsum(map(abs, values)))(x, inner, True)
    result = folded(max if ord > 0 else min)(sums, outer, True)
    return result if keepdim else result.reshape([n for axis, n in enumerate(x.shape) if axis not in (rows, columns)])


def _norm(A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False) -> Any:
    axes = dims_of(A, dim)
    if ord is None or len(axes) == 1:
        return _vector_norm(A, 2 if ord is None else ord, dim, keepdim)
    return _matrix_norm(A, ord, axes, keepdim)


X = T(2, 3, 4)
NORMS: dict[str, Any] = {"budget": "chain", "kinks": (0,)}
row("linalg.matrix_norm", [X], *[[X, ord] for ord in (1, -1, INF, -INF)], [X, 1, (2, 0), True], [X, INF, (0, 1)], [T(0, 3, 4)],
    reference=_matrix_norm, without="0d", **NORMS)
row("linalg.norm", [X], [X, None, 1], [T(3), 3], [T(3, 4), 1], [T(3, 4), "fro"], [X, INF, 2], [X, -INF, (0, 2), True], [T()], [T(0, 3), 2, 1],
    reference=_norm, **NORMS)
row("linalg.vecdot", [X, X], [X, T(4)], [T(2, 3), T(2, 1)], case(X, X, dim=0), [T(0, 3), T(3)], [T(3, 0), T(3, 0)],
    reference=lambda x, y, dim=-1: folded(math.fsum)(x * y, dim), magnitude=lambda x, y, dim=-1: folded(math.fsum)(x * y, dim),
    budget="sum", without="0d")
fails("linalg.vecdot", [T(3), 2.0], ArgumentTypeError, "vecdot: y must be a tensor, got float. Make it one with tapeloom.tensor(...).")
row("frobenius_norm", [X, (0, 2)], [X, 1, True], [T(2, 3), ()], [T(0, 3), 1], [T(), ()], reference=lambda x, dim, keepdim=False: _vector_norm(x, 2, dim, keepdim), **NORMS)
fails("frobenius_norm", [X, (0, 1, 2)], ArgumentError, "frobenius_norm: dim may name at most two dimensions, got (0, 1, 2).")
fails("linalg.matrix_norm", [X, "fro", 0], ShapeError, "matrix_norm: dim must name two dimensions of A, got dim 0 for shape (2, 3, 4).")
fails("linalg.matrix_norm", [X, 3], ArgumentError, "matrix_norm: ord must be 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got 3.")
fails("linalg.norm", [X, 1], ShapeError, "norm: ord without dim needs a tensor of 1 or 2 dimensions, got shape (2, 3, 4). Give dim.")
fails("linalg.norm", [X, "fro", 1], ArgumentError, "norm: ord 'fro' is a norm of matrices, and dim (1,) names one dimension. Give two.")
