"""Samples of bags of embeddings: the rows of each bag, one after the other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapeloom.errors import ArgumentError, DTypeError, IndexingError, ShapeError
from tapeloom.testing.inputs import P, T
from tapeloom.testing.table import case, fails, row


def _bag(lines: list[Any], mode: str) -> Any:
    columns = list(zip(*lines, strict=True))
    if mode == "max":
        return [max(float(value) for value in column) for column in columns]
    return [math.fsum(float(value) for value in column) / (len(lines) if mode == "mean" else 1) for column in columns]


def _bags(x: Any, weight: Any, offsets: Any = None, max_norm: Any = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False,
          per_sample_weights: Any = None, include_last_offset: bool = False, padding_idx: Any = None) -> Any:
    factors = np.ones(x.shape) if per_sample_weights is None else per_sample_weights
    if offsets is None:
        bags = [list(zip(*pair, strict=True)) for pair in zip(x, factors, strict=True)]
    else:
        ends = [*offsets[1:]] if include_last_offset else [*offsets[1:], len(x)]
        bags = [list(zip(x[start:end], factors[start:end], strict=True)) for start, end in zip(offsets, ends, strict=False)]
    out = np.zeros((len(bags), weight.shape[1]))
    for place, bag in enumerate(bags):
        lines = [weight[i] * f for i, f in bag if padding_idx is None or i != padding_idx % len(weight)]
        if lines:
            out[place] = _bag(lines, mode)
    return out


TABLE, ROWS, STARTS = T(5, 3), P([1, 4, 1, 0, 2]), P([0, 2, 2, 4])
row("scaled_back", [T(3), T(3, low=1, high=1, grad=False)], case(T(3), T(3), grad=False), case(T(), T(), grad=False), case(T(0, 3), T(1), grad=False), reference=lambda x, factor: x, budget="exact")
row("embedding_bag", [ROWS, TABLE, STARTS], case(ROWS, TABLE, STARTS, mode="sum", per_sample_weights=T(5)), case(P([[1, 4], [2, 0], [3, 1]]), TABLE, mode="max"),
    case(ROWS, TABLE, P([0, 3, 5]), mode="sum", include_last_offset=True), case(ROWS, TABLE, STARTS, padding_idx=-4, grad=False), case(ROWS, TABLE, STARTS, mode="max", padding_idx=1, grad=False),
    case(P([]), TABLE, P([0, 0])), case(P(np.zeros((2, 0))), TABLE, mode="max"),
    case(P([1, 1, 0]), TABLE, P([0]), scale_grad_by_freq=True, grad=False),
    reference=_bags, without="0d", budget="series")
_S = "embedding_bag"
fails(_S, [ROWS, TABLE], ArgumentError, f"{_S}: offsets must be a tensor of integers with one dimension, where each bag of input begins.")
fails(_S, [ROWS, TABLE, P([1, 2])], ArgumentError, f"{_S}: offsets must begin with 0, must not fall, and must be at most 5, the length of input, got [1, 2].")
fails(_S, [P([[1, 2]]), TABLE, P([0])], ArgumentError, f"{_S}: input of shape (1, 2) has a bag in each row. Leave offsets out, or flatten it.")
fails(_S, [P([1, 5]), TABLE, P([0])], IndexingError, f"{_S}: row 5 is out of range for a table of 5 rows, which count from 0.")
fails(_S, [TABLE, TABLE], DTypeError, f"{_S}: input must hold row numbers, got float32. Cast it with .long(); the table is the second argument.")
fails(_S, case(ROWS, TABLE, STARTS, per_sample_weights=T(5)), ArgumentError, f"{_S}: per_sample_weights go with mode='sum' alone, got 'mean'.")
fails(_S, case(ROWS, TABLE, STARTS, mode="sum", per_sample_weights=T(4)), ShapeError, f"{_S}: per_sample_weights must have the shape (5,) of input, got (4,).")
fails(_S, case(ROWS, TABLE, STARTS, mode="last"), ArgumentError, f"{_S}: mode must be 'sum', 'mean' or 'max', got 'last'.")
