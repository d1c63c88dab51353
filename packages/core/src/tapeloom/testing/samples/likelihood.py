"""Samples of the losses by likelihood: each term by its formula, in Python floats."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.testing.inputs import P, T, V
from tapeloom.testing.references import INF, each
from tapeloom.testing.samples.loss import CHAIN, _cross_entropy, _reduced
from tapeloom.testing.table import case, fails, row

X, Y = T(3, 4), T(3, 4, low=0.1, high=2.1)


def _kl(x: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Any:
    def term(x: float, t: float) -> float:
        return math.exp(t) * (t - x) if log_target else (t * math.log(t) if t else 0.0) - t * x

    terms = each(term)(x, target)
    return _reduced(terms, "sum") / x.shape[0] if reduction == "batchmean" else _reduced(terms, reduction)


row("kl_div", [X, Y], case(X, T(4), reduction="batchmean", log_target=True), case(X, Y, reduction="sum"), case(T(), T(low=0.5, high=1), reduction="none"),
    case(T(0, 3), T(0, 3), reduction="sum"), case(V([1.0, 2.0]), V([0.0, 1.0]), reduction="none", expect=[0.0, -2.0]), reference=_kl, **CHAIN)
fails("kl_div", case(X, Y, reduction="max"), ArgumentError, "kl_div: reduction must be 'none', 'mean', 'sum' or 'batchmean', got 'max'.")


def _huber(x: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    def term(a: float, b: float) -> float:
        distance = abs(a - b)
        return distance**2 / 2 if distance < delta else delta * (distance - delta / 2)

    terms = each(term)(x, target)
    return _reduced(terms if weight is None else each(lambda a, b: a * b)(terms, weight), reduction)


row("huber_loss", [X, Y], [X, T(4), "none", 0.7], [X, Y, "sum", 2.0, T(3, 4)], [T(), T()], [T(0, 3), T(0, 3), "sum"],
    case(V([INF, -INF]), V([0.0, 0.0]), "none", expect=[INF, INF]), reference=_huber, **CHAIN)
fails("huber_loss", [X, Y, "mean", 0.0], ArgumentError, "huber_loss: delta must be positive, got 0.0.")
fails("huber_loss", [X, Y, "mean", 1.0, T(4)], ShapeError, "huber_loss: weight must have the shape (3, 4) of input, got (4,).")


def _poisson(x: Any, target: Any, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean") -> Any:
    def term(x: float, t: float) -> float:
        stirling = t * math.log(t) - t + math.log(2 * math.pi * t) / 2 if full and t > 1 else 0.0
        return stirling + (math.exp(x) - t * x if log_input else x - t * math.log(x + eps))

    return _reduced(each(term)(x, target), reduction)


row("poisson_nll_loss", [X, Y], case(T(3, 4, low=0.5, high=2), T(4, low=1.5, high=5), False, True, reduction="none", eps=1e-3),
    case(V([0.0, 1.0]), V([0.0, 1.0]), full=True, reduction="none", expect=[1.0, math.e - 1]), [T(), T()],
    case(T(0, 3), T(0, 3), reduction="sum"), reference=_poisson, **CHAIN)
fails("poisson_nll_loss", case(X, Y, reduction="max"), ArgumentError, "poisson_nll_loss: reduction must be 'none', 'mean' or 'sum', got 'max'.")


def _gaussian(x: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> Any:
    var = np.broadcast_to(np.asarray(var)[..., None] if np.ndim(var) and np.ndim(var) < x.ndim else var, x.shape)

    def term(x: float, t: float, v: float) -> float:
        v = max(v, eps)
        return (math.log(v) + (x - t) ** 2 / v + (math.log(2 * math.pi) if full else 0.0)) / 2

    return _reduced(each(term)(x, target, var), reduction)


VARIANCES = T(3, 4, low=0.3, high=2)
row("raised", [T(3, low=1, high=2), 0.5], case(V([-1.0, 2.0, 0.5]), 1.0, expect=[1.0, 2.0, 1.0]), case(V(0.0), 1.0, expect=1.0), case(T(0, 3), 1.0, expect=np.zeros((0, 3))), reference=lambda x, least: x, budget="exact")
row("gaussian_nll", [X, Y, VARIANCES, True, 1e-6, "mean"], [X, Y, T(3, 1, low=0.3, high=2), False, 1e-6, "none"], [T(), T(), T(low=0.3, high=2), False, 1e-6, "sum"],
    [T(0, 3), T(0, 3), T(0, 3), False, 1e-6, "sum"], reference=_gaussian, **CHAIN)
row("gaussian_nll_loss", [X, Y, VARIANCES], [X, Y, T(3, low=0.3, high=2), True, 1e-6, "none"], [X, Y, 0.5], [T(), T(), 2.0], [T(0, 3), T(0, 3), T(0, 1), False, 1e-6, "sum"],
    case(V([2.0]), V([0.0]), V([0.0]), False, 0.5, expect=4 + math.log(0.5) / 2), reference=_gaussian, **CHAIN)
fails("gaussian_nll_loss", [X, Y, V([[-1.0]] * 3)], ArgumentError, "gaussian_nll_loss: var must not be negative.")
fails("gaussian_nll_loss", [X, Y, T(2)], ShapeError,
      "gaussian_nll_loss: var must have the shape (3, 4) of input, the same with one dimension of length 1, or without the last dimension, got (2,).")


def _linear(x: Any, table: Any, target: Any, linear_bias: Any = None, ignore_index: Any = None, **rest: Any) -> Any:
    logits = np.tensordot(x, table, (-1, -1)) + (0.0 if linear_bias is None else linear_bias)
    return _cross_entropy(np.asarray(logits), target, ignore_index=-100 if ignore_index is None else ignore_index, **rest)


LABELS = P([0, 2, 1])
row("linear_cross_entropy", [T(3, 5), T(4, 5), LABELS], case(T(3, 5), T(4, 5), LABELS, linear_bias=T(4), weight=T(4, low=0.5, high=2, grad=False), ignore_index=2, reduction="sum"),
    [T(3, 5), T(4, 2, 5), P([[0, 1], [3, 2], [1, 1]])], [T(5), T(4, 5), P(2)], case(T(0, 5), T(4, 5), P([]), reduction="sum"),
    case(T(3, 5), T(4, 5), T(3, 4, low=0, high=1), label_smoothing=0.1, reduction="none"), reference=_linear, without="0d", **CHAIN)
fails("linear_cross_entropy", [T(3, 5), T(4, 6), LABELS], ShapeError,
      "linear_cross_entropy: linear_weight must have the shape (classes, …, 5) for input of shape (3, 5), got (4, 6).")
fails("linear_cross_entropy", case(T(3, 5), T(4, 5), T(3, 4), ignore_index=-100), ArgumentError,
      "linear_cross_entropy: ignore_index is not supported for class probabilities. Leave it out.")
