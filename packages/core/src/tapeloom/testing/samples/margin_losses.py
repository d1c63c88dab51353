"""Samples of the losses with a margin: each term by its formula, in Python floats."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, DTypeError, IndexingError, ShapeError
from tapeloom.testing.inputs import M, P, T, V
from tapeloom.testing.references import each
from tapeloom.testing.samples.distance import distance_of
from tapeloom.testing.samples.loss import CHAIN, _reduced
from tapeloom.testing.table import INEXACT, case, fails, row

X, Y, TRUTH = T(3, 4), T(3, 4), T(3, 4, grad=False)
row("soft_margin_loss", [X, TRUTH], case(X, T(4, grad=False), reduction="none"), [T(), T(grad=False)], case(T(0, 3), T(0, 3, grad=False), reduction="sum"),
    case(V([-1000.0]), V([1.0]), reduction="none", expect=[1000.0]),
    reference=lambda x, t, reduction="mean": _reduced(each(lambda x, t: max(-t * x, 0) + math.log1p(math.exp(-abs(t * x))))(x, t), reduction), **CHAIN)
fails("soft_margin_loss", case(X, Y, reduction="max"), ArgumentError, "soft_margin_loss: reduction must be 'none', 'mean' or 'sum', got 'max'.")


def _hinge(x: Any, target: Any, margin: float = 1.0, reduction: str = "mean") -> Any:
    return _reduced(each(lambda x, t: (x if t != -1 else 0.0) + (max(0.0, margin - x) if t != 1 else 0.0))(x, target), reduction)


row("hinge_embedding_loss", [X, P([1, -1, 1, 0])], case(X, P([1, -1, 1, -1]), 0.5, reduction="none"), [T(), P(-1)], case(T(0, 3), P([1, -1, 1]), reduction="sum"),
    reference=_hinge, **CHAIN)


def _ranking(x: Any, y: Any, target: Any, margin: float = 0.0, reduction: str = "mean") -> Any:
    return _reduced(each(lambda x, y, t: max(0.0, margin - t * (x - y)))(x, y, target), reduction)


row("margin_ranking_loss", [T(4), T(4), P([1, -1, 1, -1])], case(X, T(1, 4), P([[1, -1, 1, -1]]), 0.5, reduction="none"), [T(), T(), P(1)],
    case(T(0), T(0), P([]), reduction="sum"), case(V([1.0]), V([1.0]), P([1]), expect=0.0), reference=_ranking, **CHAIN)
fails("margin_ranking_loss", [T(4), T(4), P(1)], ShapeError,
      "margin_ranking_loss: all tensors must have the same number of dimensions, got shapes (4,), (4,) and ().")


def _cosine(x: Any, y: Any, target: Any, margin: float = 0.0, reduction: str = "mean") -> Any:
    def term(x: Any, y: Any, t: int) -> float:
        products = [math.fsum(float(a) * float(b) for a, b in zip(p, q, strict=True)) for p, q in ((x, y), (x, x), (y, y))]
        cos = products[0] / math.sqrt((products[1] + 1e-12) * (products[2] + 1e-12))
        return 1 - cos if t == 1 else max(0.0, cos - margin) if t == -1 else 0.0

    if x.ndim == 1:
        return _reduced(np.float64(term(x, y, target)), reduction)
    return _reduced(np.array([term(a, b, t) for a, b, t in zip(x, y, target, strict=True)]), reduction)


row("cosine_embedding_loss", [X, Y, P([1, -1, 0])], case(X, Y, P([1, -1, -1]), 0.1, reduction="none"), [T(4), T(4), P(1)], case(T(0, 4), T(0, 4), P([]), reduction="sum"),
    reference=_cosine, **CHAIN)
fails("cosine_embedding_loss", [X, Y, P(1)], ShapeError,
      "cosine_embedding_loss: expected inputs (n, size) with a target (n,), or inputs (size,) with a 0-d target, got shapes (3, 4), (3, 4) and ().")


def _triplet(anchor: Any, positive: Any, negative: Any, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False, reduction: str = "mean") -> Any:
    def lengths(x: Any, y: Any) -> Any:
        rows = [distance_of(line, p) for line in np.reshape(np.asarray(x - y + eps), (-1, x.shape[-1]))]
        return np.reshape(rows, x.shape[:-1])

    far = lengths(anchor, negative)
    if swap:
        far = each(min)(far, lengths(positive, negative))
    return _reduced(each(lambda a, b: max(0.0, a - b + margin))(lengths(anchor, positive), far), reduction)


Z = T(3, 4)
row("triplet_margin_loss", [X, Y, Z], case(X, Y, Z, 3.0, 1.0, 0.0, True, reduction="none"), [T(4), T(4), T(4), 4.0], case(T(0, 3), T(0, 3), T(0, 3), reduction="sum"),
    reference=_triplet, without="0d", gives="real", dtypes=INEXACT, **CHAIN)
fails("triplet_margin_loss", [X, Y, Z, 0.0], ArgumentError, "triplet_margin_loss: margin must be above 0, got 0.0.")
fails("triplet_margin_loss", [X, Y, T(4)], ShapeError,
      "triplet_margin_loss: anchor, positive and negative must have the same number of dimensions, got shapes (3, 4), (3, 4) and (4,).")
row("triplet_margin_with_distance_loss", [X, Y, Z], case(X, Y, Z, margin=3.0, swap=True, reduction="none"), case(T(0, 3), T(0, 3), T(0, 3), reduction="sum"),
    reference=_triplet, without="0d", **CHAIN)
fails("triplet_margin_with_distance_loss", case(X, Y, Z, margin=0.0), ArgumentError, "triplet_margin_with_distance_loss: margin must be above 0, got 0.0.")


def _multi(x: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None, reduction: str = "mean") -> Any:
    lines, labels = x.reshape(-1, x.shape[-1]), np.ravel(target)
    terms = [
        math.fsum(max(0.0, margin - float(line[t]) + float(v)) ** p for i, v in enumerate(line) if i != t) * (1.0 if weight is None else float(weight[t])) / len(line)
        for line, t in zip(lines, labels, strict=True)
    ]
    return _reduced(np.reshape(terms, np.shape(target)), reduction)


def _multi_rows(x: Any, own: Any, factor: Any, p: int, margin: float, reduction: str) -> Any:
    labels = np.array([list(line).index(True) for line in own], dtype=int)
    terms = _multi(x, labels, p, margin, None, "none")
    return _reduced(terms if factor is None else terms * factor, reduction)


ROWS, LABELS = T(4, 3), P([0, 2, 1, 2])
OWN = V(np.eye(3)[[0, 2, 1, 2]].astype(bool), dtypes.bool_)
row("multi_margin", [ROWS, OWN, None, 1, 1.0, "mean"], [ROWS, OWN, T(4, low=0.5, high=2), 2, 0.5, "none"], [T(0, 3), M(0, 3), None, 1, 1.0, "sum"], reference=_multi_rows, without="0d", **CHAIN)
row("multi_margin_loss", [ROWS, LABELS], case(ROWS, LABELS, 2, 0.7, T(3, low=0.5, high=2, grad=False), reduction="none"), [T(3), P(1)], case(T(0, 3), P([]), reduction="sum"),
    reference=_multi, without="0d", **CHAIN)
fails("multi_margin_loss", [ROWS, LABELS, 3], ArgumentError, "multi_margin_loss: p must be 1 or 2, got 3.")
fails("multi_margin_loss", [ROWS, P([0, 3, 1, 2])], IndexingError, "multi_margin_loss: target 3 is out of range for 3 classes, which count from 0.")
fails("multi_margin_loss", [ROWS, P([0, 1])], ShapeError, "multi_margin_loss: target must have the shape (4,) for input of shape (4, 3), got (2,).")


def _listed(target: Any) -> list[int]:
    """The classes of a row, up to the first -1."""
    found = [int(t) for t in target]
    return found[: found.index(-1)] if -1 in found else found


def _multilabel(x: Any, target: Any, reduction: str = "mean") -> Any:
    lines, lists = x.reshape(-1, x.shape[-1]), target.reshape(-1, x.shape[-1])
    terms = []
    for line, labels in zip(lines, map(_listed, lists), strict=True):
        others = [float(v) for i, v in enumerate(line) if i not in labels]
        terms.append(math.fsum(max(0.0, 1 - float(line[j]) + v) for j in labels for v in others) / len(line))
    return _reduced(np.reshape(terms, x.shape[:-1]), reduction)


LISTS = P([[0, 1, -1], [2, -1, 0], [-1, 1, 1], [1, 1, 2]])
row("multilabel_margin", [T(2, 3), P([[1, 0, 0], [2, 0, 0]]), V([[True, False, False]] * 2, dtypes.bool_), V([[False, True, False], [False, False, True]], dtypes.bool_), "mean"],
    [T(0, 3), P(np.zeros((0, 3))), M(0, 3), M(0, 3), "sum"],
    reference=lambda x, target, listed, own, reduction: _multilabel(x, np.where(listed, target, -1), reduction), without="0d", **CHAIN)
row("multilabel_margin_loss", [ROWS, LISTS], case(ROWS, LISTS, reduction="none"), [T(3), P([1, -1, 0])], case(T(0, 3), P(np.zeros((0, 3))), reduction="sum"), reference=_multilabel, without="0d", **CHAIN)
fails("multilabel_margin_loss", [ROWS, P([0, 1, 2])], ShapeError, "multilabel_margin_loss: target must have the shape (4, 3) of input, got (3,).")
fails("multilabel_margin_loss", [ROWS, T(4, 3)], DTypeError, "multilabel_margin_loss: target must hold class numbers, got float32. Cast it with .long().")
fails("multilabel_margin_loss", [T(3), P([1, -2, 0])], IndexingError, "multilabel_margin_loss: target -2 is out of range for 3 classes, which count from 0.")


def _soft(x: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Any:
    def term(x: float, t: float) -> float:
        return t * (max(-x, 0.0) + math.log1p(math.exp(-abs(x)))) + (1 - t) * (max(x, 0.0) + math.log1p(math.exp(-abs(x))))

    terms = each(term)(x, target)
    terms = terms if weight is None else each(lambda a, b: a * b)(terms, weight)
    return _reduced(np.sum(terms, -1) / x.shape[-1], reduction)


row("multilabel_soft_margin", [X, T(3, 4, low=0, high=1), T(4), "mean"], [T(0, 3), T(0, 3), None, "sum"], reference=_soft, without="0d", **CHAIN)
row("multilabel_soft_margin_loss", [X, T(3, 4, low=0, high=1)], case(X, T(4, low=0, high=1), T(4), reduction="none"), [T(4), T(4)], case(T(0, 3), T(0, 3), reduction="sum"),
    reference=_soft, without="0d", **CHAIN)
fails("multilabel_soft_margin_loss", [T(), T()], ShapeError, "multilabel_soft_margin_loss: input must have a last dimension, that of the classes, got a 0-d tensor.")
