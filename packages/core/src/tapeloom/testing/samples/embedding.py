"""Samples of the embedding: rows by number, and the sums of what comes back to each row."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, IndexingError, ShapeError
from tapeloom.testing.inputs import I, P, T
from tapeloom.testing.references import built
from tapeloom.testing.table import FLOATS, case, fails, row


def _rows(weight: Any, indices: Any) -> Any:
    return built((*indices.shape, weight.shape[1]), lambda place: weight[indices[place[:-1]], place[-1]], weight)


def _gathered(upstream: Any, indices: Any, count: int, padding: Any) -> Any:
    result = np.zeros((count, upstream.shape[-1]))
    for place in np.ndindex(indices.shape):
        if indices[place] != padding:
            result[indices[place]] += upstream[place]
    return result


TABLE = T(5, 3)
FEW: dict[str, Any] = {"dtypes": FLOATS, "without": "0d"}
row("embedding_rows", [TABLE, P([1, 4, 1]), None], case(TABLE, I(2, 3, below=5), 1, grad=False), [TABLE, P(2), None], [TABLE, I(0, below=5), None], budget="exact",
    reference=lambda weight, indices, padding: _rows(weight, indices), **FEW | {"without": ""})
row("embedding_backward", [T(3, 3), P([1, 4, 1]), 5, None], [T(2, 3, 3), I(2, 3, below=5), 5, 1], [T(0, 3), I(0, below=5), 5, None],
    reference=_gathered, budget="sum", **FEW)


def _looked_up(x: Any, weight: Any, padding_idx: Any = None) -> Any:
    return _rows(weight, x)


# where padding_idx is met, the gradient is not that of the function: by definition it is left out
row("embedding", [P([1, 4, 1]), TABLE], case(I(2, 3, below=5), TABLE, -1, grad=False), [P(2), TABLE], [I(0, below=5), TABLE],
    [P([1, 0], dtypes.int32), TABLE], reference=_looked_up, budget="exact", **FEW | {"without": ""})
fails("embedding", [P([1, 5]), TABLE], IndexingError, "embedding: row 5 is out of range for a table of 5 rows, which count from 0.")
fails("embedding", [P([-1]), TABLE], IndexingError, "embedding: row -1 is out of range for a table of 5 rows, which count from 0.")
fails("embedding", [P([1]), T(5)], ShapeError, "embedding: weight must be a table of shape (rows, size), got shape (5,).")
fails("embedding", [TABLE, TABLE], DTypeError,
      "embedding: input must hold row numbers, got float32. Cast it with .long(); the table is the second argument.")
fails("embedding", [P([1]), TABLE, 5], ArgumentError, "embedding: padding_idx=5 is no row of a table of 5 rows.")
fails("embedding", [1, TABLE], ArgumentTypeError, "embedding: input must be a tensor, got int. Make it one with tapeloom.tensor(...).")
