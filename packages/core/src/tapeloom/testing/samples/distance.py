"""Samples of the distances: the norm of each difference by its definition."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.testing.inputs import P, T, V
from tapeloom.testing.references import INF, broadcast_shape, built
from tapeloom.testing.table import INEXACT, case, fails, row


def distance_of(line: Any, p: float) -> float:
    """The norm of order ``p`` of a list of differences."""
    sizes = [abs(complex(value)) for value in line]
    if p == 0:
        return float(sum(size != 0 for size in sizes))
    if p == INF:
        return max(sizes, default=0.0)
    return math.fsum(size**p for size in sizes) ** (1 / p)


def _pairwise(x: Any, y: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    difference = np.asarray(x - y + eps)
    difference = difference if difference.ndim else difference[None]
    out = built(difference.shape[:-1], lambda place: distance_of(difference[place], p))
    return out[..., None] if keepdim else out


def _all(x: Any, y: Any, p: float = 2.0, *rest: Any, **named: Any) -> Any:
    lead = broadcast_shape(x.shape[:-2], y.shape[:-2])
    x, y = (np.broadcast_to(part, (*lead, *part.shape[-2:])) for part in (x, y))
    return built((*lead, x.shape[-2], y.shape[-2]), lambda place: distance_of(x[place[:-1]] - y[(*place[:-2], place[-1])], p))


def _within(x: Any, p: float = 2.0) -> Any:
    return np.array([distance_of(x[i] - x[j], p) for i in range(len(x)) for j in range(i + 1, len(x))], np.float64)


def _cosine(x: Any, y: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    x, y = (np.moveaxis(part, dim, -1) if part.ndim else part[None] for part in np.broadcast_arrays(x, y))
    lengths = [_pairwise(part, 0.0, 2.0, 0.0) for part in (x, y)]
    return built(x.shape[:-1], lambda place: math.fsum(x[place] * y[place]) / math.prod(max(float(length[place]), eps) for length in lengths))


CHAIN: dict[str, Any] = {"budget": "chain", "magnitude": lambda *args, **named: np.float64(4.0)}
X, Y = T(3, 4), T(3, 4)
row("pairwise_distance", [X, Y], [X, T(4), 1.0, 0.0, True], [X, Y, 3.0], case(X, T(), INF, grad=False), [T(), T(), 1.0, 0.0], [T(0, 3), T(0, 3)], reference=_pairwise, gives="real", dtypes=INEXACT, **CHAIN)
row("cosine", [X, Y, 1, 1e-8], [T(2, 3), T(2, 3), 0, 0.1], [T(0, 3), T(0, 3), 1, 1e-8], case(T(), T(), 0, 9.0, grad=False), reference=_cosine, **CHAIN)
row("cosine_similarity", [X, Y], [X, T(4), -1], case(T(1, 4), X, 0, 5.0, grad=False), [T(0, 3), T(0, 3)], [T(3), T(), 0], reference=_cosine, **CHAIN)
fails("cosine_similarity", [X, T(3)], ShapeError, "cosine_similarity: shapes (3, 4) and (3,) do not broadcast (axis -1: 4 vs 3). Reshape one operand, or give that axis the size 1.")
row("all_distances", [X, T(2, 4), 2.0], [T(2, 3, 4), T(2, 4), 1.0], [T(0, 3), T(2, 3), 2.0], reference=_all, without="0d", **CHAIN)
row("all_distances_by_products", [X, T(2, 4)], [T(2, 3, 4), T(2, 4)], [T(0, 3), T(2, 3)], case(V([[1.0, 2.0]]), V([[1.0, 2.0]]), expect=[[0.0]]),
    reference=_all, without="0d", **CHAIN)
row("cdist", [X, T(2, 4)], [T(2, 3, 4), T(2, 4), 3.0], case(X, T(2, 4), 0.0), [X, T(2, 4), INF], case(X, T(2, 4), compute_mode="use_mm_for_euclid_dist"), case(T(0, 3), T(2, 3), grad=False),
    case(T(2, 0), T(3, 0), grad=False), reference=_all, without="0d", **CHAIN)
fails("cdist", [X, T(2, 3)], ShapeError, "cdist: the last dimensions must be the same, got shapes (3, 4) and (2, 3).")
fails("cdist", [X, T(4)], ShapeError, "cdist: x2 must have at least two dimensions, (…, rows, size), got shape (4,).")
fails("cdist", [X, Y, -1.0], ArgumentError, "cdist: p must not be negative, got -1.0.")
fails("cdist", case(X, Y, compute_mode="fast"), ArgumentError,
      "cdist: compute_mode must be None or one of 'use_mm_for_euclid_dist_if_necessary', 'use_mm_for_euclid_dist', 'donot_use_mm_for_euclid_dist', got 'fast'.")
row("distances_within", [T(3, 2), P([0, 0, 1]), P([1, 2, 2]), 2.0], [T(0, 2), P([]), P([]), 2.0], reference=lambda x, first, second, p: _within(x, p), without="0d", **CHAIN)
row("pdist", [T(4, 3)], [T(3, 2), 1.0], [T(3, 2), INF], case(T(0, 3), grad=False), case(T(1, 3), grad=False), reference=_within, without="0d", **CHAIN)
fails("pdist", [T(3)], ShapeError, "pdist: input must have two dimensions, (rows, size), got shape (3,).")
