"""How references of linear algebra are written: one matrix at a time, element by element, in Python's own numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tapeloom.testing.references import broadcast_shape, matrix_product

Matrix = list[list[Any]]


def each_matrix(function: Callable[..., Any]) -> Callable[..., Any]:
    """A reference that gives ``function`` each matrix of its arrays, as lists of lists; batches broadcast."""

    def reference(*arrays: Any) -> Any:
        batch = broadcast_shape(*(array.shape[:-2] for array in arrays))
        spread = [
            np.broadcast_to(array, (*batch, *array.shape[-2:])).reshape(-1, *array.shape[-2:]) for array in arrays
        ]
        found = [function(*(one.tolist() for one in each)) for each in zip(*spread, strict=True)]
        return np.array(found).reshape((*batch, *np.array(found[0]).shape))

    return reference


def empty_or(reference: Callable[..., Any]) -> Callable[..., Any]:
    """``reference``, which for an array without elements gives that array."""
    return lambda x, *rest, **settings: x if not x.size else reference(x, *rest, **settings)


def solution(A: Matrix, B: Matrix) -> Matrix:
    """``inv(A) @ B`` by the elimination of Gauss and Jordan, with the largest pivots."""
    rows = [[*a, *b] for a, b in zip(A, B, strict=True)]
    for place in range(len(rows)):
        best = max(range(place, len(rows)), key=lambda i: abs(rows[i][place]))
        rows[place], rows[best] = rows[best], rows[place]
        pivot = rows[place][place]
        rows[place] = [value / pivot for value in rows[place]]
        for i, row in enumerate(rows):
            if i != place:
                rows[i] = [a - row[place] * b for a, b in zip(row, rows[place], strict=True)]
    return [row[len(rows) :] for row in rows]


def identity(n: int) -> Matrix:
    """Ones on the diagonal."""
    return [[float(i == j) for j in range(n)] for i in range(n)]


def inverse(A: Matrix) -> Matrix:
    """The inverse."""
    return solution(A, identity(len(A)))


def determinant(A: Matrix) -> Any:
    """The determinant, by the expansion along the first row."""
    if not A:
        return 1.0
    minors = ([row[:j] + row[j + 1 :] for row in A[1:]] for j in range(len(A)))
    return sum((-1) ** j * A[0][j] * determinant(minor) for j, minor in enumerate(minors))


def cofactors(A: Matrix) -> Matrix:
    """The signed determinants of what is left without each row and column."""
    n = range(len(A))
    return [
        [(-1) ** (i + j) * determinant([[A[k][m] for m in n if m != j] for k in n if k != i]) for j in n] for i in n
    ]


def exponential(A: Matrix) -> Any:
    """The exponential, by its series at a 32nd of the matrix."""
    small = np.array(A) / 32
    total: Any = np.array(identity(len(A)))
    term = total
    for k in range(1, 36):
        term = matrix_product(term, small) / k
        total = total + term
    for _ in range(5):
        total = matrix_product(total, total)
    return total


def cholesky(A: Matrix) -> Matrix:
    """The lower triangle L with ``A = L @ L.mH``, row by row."""
    L: Matrix = [[0.0] * len(A) for _ in A]
    for i in range(len(A)):
        for j in range(i + 1):
            rest = A[i][j] - sum(L[i][k] * complex(L[j][k]).conjugate() for k in range(j))
            L[i][j] = math.sqrt(complex(rest).real) if i == j else rest / L[j][j]
    return L if isinstance(A[0][0], complex) else [[complex(value).real for value in row] for row in L]


def lu(A: Matrix, pivot: bool = True) -> tuple[Matrix, list[int]]:
    """L and U in one matrix, column by column, and the rows that were swapped with, from 1."""
    rows, pivots = [list(row) for row in A], []
    for place in range(min(len(rows), len(rows[0]))):
        size = lambda i: abs(complex(rows[i][place]).real) + abs(complex(rows[i][place]).imag)  # noqa: B023, E731
        best = max(range(place, len(rows)), key=size) if pivot else place
        rows[place], rows[best] = rows[best], rows[place]
        pivots.append(best + 1)
        for i in range(place + 1, len(rows)):
            rows[i][place] = rows[i][place] / rows[place][place]
            for j in range(place + 1, len(rows[0])):
                rows[i][j] = rows[i][j] - rows[i][place] * rows[place][j]
    return rows, pivots


def orthonormal(A: Matrix) -> tuple[Any, Any]:
    """Q and R of ``A = Q @ R`` by the procedure of Gram and Schmidt, with a positive diagonal of R."""
    columns: Any = np.array(A).T
    Q: list[Any] = []
    for column in columns[: len(A)]:
        for _ in range(2):  # once more, for what rounding left
            for q in Q:
                column = column - q * sum((q.conj() * column).tolist())
        Q.append(column / math.sqrt(math.fsum((np.abs(column) ** 2).tolist())))
    q = np.array(Q).T
    return q, matrix_product(q.conj().T, np.array(A))
