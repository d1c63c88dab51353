"""The standard's extension for linear algebra; the results of several parts are those of ``tapeloom.linalg``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import tapeloom as tl
from tapeloom import DType, Tensor
from tapeloom.array_api.data_types import together
from tapeloom.array_api.statistics import Axis, sum
from tapeloom.errors import ShapeError

__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]


def cholesky(x: Tensor, /, *, upper: bool = False) -> Tensor:
    """The triangular factors of positive definite matrices."""
    return tl.linalg.cholesky(x, upper=upper)


def cross(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """The cross products of vectors of length 3."""
    return tl.linalg.cross(*together("cross", x1, x2), dim=axis)


def det(x: Tensor, /) -> Tensor:
    """The determinants."""
    return tl.linalg.det(x)


def diagonal(x: Tensor, /, *, offset: int = 0) -> Tensor:
    """The diagonals of matrices."""
    return tl.diagonal(x, offset, -2, -1)


def eig(x: Tensor, /) -> Any:
    """``(eigenvalues, eigenvectors)`` of square matrices, complex."""
    return tl.linalg.eig(x)


def eigh(x: Tensor, /) -> Any:
    """``(eigenvalues, eigenvectors)`` of symmetric or Hermitian matrices."""
    return tl.linalg.eigh(x)


def eigvals(x: Tensor, /) -> Tensor:
    """The eigenvalues of square matrices, complex."""
    return tl.linalg.eigvals(x)


def eigvalsh(x: Tensor, /) -> Tensor:
    """The eigenvalues of symmetric or Hermitian matrices."""
    return tl.linalg.eigvalsh(x)


def inv(x: Tensor, /) -> Tensor:
    """The inverses."""
    return tl.linalg.inv(x)


def matmul(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The matrix products."""
    return tl.matmul(*together("matmul", x1, x2))


def matrix_norm(x: Tensor, /, *, keepdims: bool = False, ord: float | Literal["fro", "nuc"] | None = "fro") -> Tensor:
    """The norms of matrices."""
    return tl.linalg.matrix_norm(x, "fro" if ord is None else ord, keepdim=keepdims)


def matrix_power(x: Tensor, n: int, /) -> Tensor:
    """The matrices to the power ``n``."""
    return tl.linalg.matrix_power(x, n)


def matrix_rank(x: Tensor, /, *, rtol: float | Tensor | None = None) -> Tensor:
    """How many singular values exceed ``rtol`` times the largest."""
    return tl.linalg.matrix_rank(x, rtol=rtol)


def matrix_transpose(x: Tensor, /) -> Tensor:
    """``x`` with its last two dimensions swapped."""
    if x.ndim < 2:
        raise ShapeError(f"matrix_transpose: expected at least two dimensions, got shape {x.shape}.")
    return x.mT


def outer(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The products of all elements of two vectors."""
    return tl.outer(*together("outer", x1, x2))


def pinv(x: Tensor, /, *, rtol: float | Tensor | None = None) -> Tensor:
    """The pseudoinverses; singular values up to ``rtol`` times the largest count as 0."""
    return tl.linalg.pinv(x, rtol=rtol)


def qr(x: Tensor, /, *, mode: Literal["reduced", "complete"] = "reduced") -> Any:
    """``(Q, R)``, the orthogonal and the upper triangular factor."""
    return tl.linalg.qr(x, mode)


def slogdet(x: Tensor, /) -> Any:
    """``(sign, logabsdet)`` of the determinants."""
    return tl.linalg.slogdet(x)


def solve(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The solution of ``x1 @ x = x2``; a 1-d ``x2`` is one vector, any other one holds matrices."""
    left, right = together("solve", x1, x2)
    if right.ndim == 1:
        return tl.linalg.solve(left, right.unsqueeze(-1)).squeeze(-1)
    return tl.linalg.solve(left, right.reshape((1,) * (left.ndim - right.ndim) + right.shape))


def svd(x: Tensor, /, *, full_matrices: bool = True) -> Any:
    """``(U, S, Vh)`` of the singular value decomposition."""
    return tl.linalg.svd(x, full_matrices)


def svdvals(x: Tensor, /) -> Tensor:
    """The singular values."""
    return tl.linalg.svdvals(x)


def tensordot(x1: Tensor, x2: Tensor, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2) -> Tensor:
    """The products summed over so many last and first, or over these dimensions."""
    left, right = together("tensordot", x1, x2)
    return tl.tensordot(left, right, axes)


def trace(x: Tensor, /, *, offset: int = 0, dtype: DType | None = None) -> Tensor:
    """The sums of diagonals."""
    return sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def vecdot(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """The dot products of vectors, of which the first is conjugated."""
    return tl.linalg.vecdot(*together("vecdot", x1, x2), dim=axis)


def vector_norm(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Tensor:
    """The norms of vectors."""
    return tl.linalg.vector_norm(x, ord, axis, keepdims)
