"""Samples of the losses: each term by its formula, in Python floats."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, IndexingError, ShapeError
from tapeloom.testing.inputs import I, P, T, V
from tapeloom.testing.references import INF, each
from tapeloom.testing.table import FLOATS, INEXACT, case, fails, row


def _reduced(terms: Any, reduction: str, divisor: Any = None) -> Any:
    values = [float(term) for term in np.ravel(terms)]
    if reduction == "none":
        return np.asarray(terms)
    if reduction == "sum":
        return np.float64(math.fsum(values))
    divisor = len(values) if divisor is None else divisor
    return np.float64(math.fsum(values) / divisor) if divisor else np.float64(math.nan)


def _log_softmax(line: list[float]) -> list[float]:
    top = max(line)
    total = math.log(math.fsum(math.exp(value - top) for value in line))
    return [value - top - total for value in line]


def _terms(x: Any, target: Any, weight: Any, ignore: int, smoothing: float, logits: bool) -> tuple[Any, float]:
    """The terms in the shape of ``target``, and the sum of the factors used."""
    out, total = np.zeros(target.shape), 0.0
    for place in np.ndindex(target.shape):
        label = int(target[place])
        if label == ignore:
            continue
        line = [float(v) for v in (x[(place[0], slice(None), *place[1:])] if place else x)]
        logs = _log_softmax(line) if logits else line
        factors = [1.0] * len(line) if weight is None else [float(w) for w in weight]
        out[place] = -(1 - smoothing) * logs[label] * factors[label]
        out[place] -= smoothing / len(line) * math.fsum(a * b for a, b in zip(logs, factors, strict=True))
        total += factors[label]
    return out, total


def _cross_entropy(x: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0) -> Any:
    if target.dtype == np.float64:
        return _by_probabilities(x, target, weight, reduction, label_smoothing)
    terms, total = _terms(x, target, weight, ignore_index, label_smoothing, True)
    return _reduced(terms, reduction, total)


def _by_probabilities(x: Any, target: Any, weight: Any, reduction: str, smoothing: float) -> Any:
    axis = 1 if x.ndim > 1 else 0
    lines, shares = np.moveaxis(x, axis, -1), np.moveaxis(target, axis, -1)
    factors = np.ones(x.shape[axis]) if weight is None else weight
    out = np.zeros(lines.shape[:-1])
    for place in np.ndindex(out.shape):
        logs = _log_softmax([float(v) for v in lines[place]])
        mixed = [(1 - smoothing) * float(p) + smoothing / len(logs) for p in shares[place]]
        out[place] = -math.fsum(a * b * float(w) for a, b, w in zip(logs, mixed, factors, strict=True))
    return _reduced(out, reduction)


CHAIN: dict[str, Any] = {"budget": "chain", "magnitude": lambda *args, **named: np.float64(4.0)}
ROWS, LABELS, FACTORS = T(4, 3), P([0, 2, 1, 2]), T(3, low=0.5, high=2, grad=False)
SHARES = T(4, 3, low=0, high=1)
row("cross_entropy_rows", [ROWS, LABELS, None, -100, "mean", 0.0], [ROWS, LABELS, FACTORS, 1, "sum", 0.1], [ROWS, LABELS, FACTORS, 2, "none", 0.0],
    [ROWS, P([1, 1, 1, 1]), None, -100, "mean", 0.25], [T(0, 3), I(0, below=3), None, -100, "sum", 0.0],
    reference=_cross_entropy, without="0d", **CHAIN)
row("cross_entropy", [ROWS, LABELS], [ROWS, LABELS, FACTORS], *[case(ROWS, LABELS, FACTORS, reduction=kind) for kind in ("sum", "none")],
    case(ROWS, LABELS, ignore_index=2), case(ROWS, P([2, 2, -100, 2]), FACTORS, label_smoothing=0.2), [T(2, 3, 2), P([[0, 1], [2, 2]])],
    case(T(2, 3, 2, 2), I(2, 2, 2, below=3), reduction="none"), [T(3), P(1)], [ROWS, SHARES], case(ROWS, SHARES, FACTORS, reduction="none", label_smoothing=0.1),
    case(T(0, 3), I(0, below=3), grad=False), case(T(2, 0), T(2, 0), reduction="none", label_smoothing=0.1, expect=[0.0, 0.0]), [V([[1000.0, 0.0], [0.0, -1000.0]]), P([0, 0])], [ROWS, P([0, 2, 1, 2], dtypes.int32)],
    reference=_cross_entropy, without="0d", **CHAIN)
fails("cross_entropy", [ROWS, P([0, 3, 1, 2])], IndexingError,
      "cross_entropy: target 3 is out of range for 3 classes, which count from 0 to 2; only ignore_index=-100 may lie outside.")
fails("cross_entropy", [ROWS, P([0, 1])], ShapeError,
      "cross_entropy: input of shape (4, 3) has 3 classes in dim 1, so target must have the shape (4,), got (2,).")
fails("cross_entropy", [ROWS, T(4)], ShapeError,
      "cross_entropy: a floating target holds class probabilities and must have the shape (4, 3) of input, got (4,). For class numbers, cast it with .long().")
fails("cross_entropy", [ROWS, LABELS, T(4)], ShapeError, "cross_entropy: weight must have the shape (3,), one factor a class, got (4,).")
fails("cross_entropy", case(ROWS, LABELS, reduction="max"), ArgumentError, "cross_entropy: reduction must be 'none', 'mean' or 'sum', got 'max'.")
fails("cross_entropy", case(ROWS, LABELS, label_smoothing=1.5), ArgumentError, "cross_entropy: label_smoothing must be from 0 to 1, got 1.5.")
fails("cross_entropy", case(ROWS, SHARES, ignore_index=1), ArgumentError,
      "cross_entropy: ignore_index is not supported for class probabilities. Leave it out.")
fails("cross_entropy", [ROWS, 1], ArgumentTypeError, "cross_entropy: target must be a tensor, got int. Make it one with tapeloom.tensor(...).")
fails("cross_entropy", [T(2, 0), P([0, 1])], IndexingError,
      "cross_entropy: target 0 names no class, for input of shape (2, 0) has 0 classes in dim 1. Give input at least one class.")


def _nll(x: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> Any:
    terms, total = _terms(x, target, weight, ignore_index, 0.0, False)
    return _reduced(terms, reduction, total)


row("nll_loss_rows", [ROWS, LABELS, None, -100, "mean"], [ROWS, LABELS, FACTORS, 1, "sum"], [ROWS, LABELS, FACTORS, 2, "none"],
    [T(0, 3), I(0, below=3), None, -100, "sum"], reference=_nll, without="0d", **CHAIN)
row("nll_loss", [ROWS, LABELS], [ROWS, LABELS, FACTORS], case(ROWS, LABELS, FACTORS, ignore_index=2, reduction="sum"), [T(2, 3, 2), P([[0, 1], [2, 2]])],
    case(ROWS, LABELS, reduction="none"), [T(3), P(1)], case(T(0, 3), I(0, below=3), reduction="sum"), reference=_nll, without="0d", **CHAIN)
fails("nll_loss", [ROWS, T(4)], DTypeError, "nll_loss: target must hold class numbers, got float32. Cast it with .long().")

for _name in ("cross_entropy", "nll_loss"):
    fails(_name, [ROWS, P([[0], [1], [2], [0]])], ShapeError,
          f"{_name}: input of shape (4, 3) has 3 classes in dim 1, so target must have the shape (4,), got (4, 1). "
          "Take its dimension of length 1 away: target.squeeze(1).")
    fails(_name, [ROWS, I(4, 3, below=2)], ShapeError,
          f"{_name}: input of shape (4, 3) has 3 classes in dim 1, so target must have the shape (4,), got (4, 3). "
          "Where it holds one-hot rows, take target.argmax(1), or target.float() for probabilities.")

# regression and two classes

X, Y = T(3, 4), T(3, 4, low=-1.9, high=2.1)
KINDS = ("mean", "sum", "none")


def _elementwise(function: Any) -> Any:
    return lambda x, target, reduction="mean": _reduced(each(function)(x, target), reduction)


for _name, _function in {"mse_loss": lambda a, b: (a - b) ** 2, "l1_loss": lambda a, b: abs(a - b)}.items():
    row(_name, [X, Y], *[case(X, Y, reduction=kind) for kind in KINDS], [T(), T()], case(T(0, 3), T(0, 3), grad=False),
        reference=_elementwise(_function), budget="sum", gives="real", dtypes=INEXACT if _name == "l1_loss" else FLOATS)
    fails(_name, [T(3, 1), T(3)], ShapeError,
          f"{_name}: input has shape (3, 1), and target (3,); they must be the same. Reshape one of them, for instance with .squeeze(-1) or .view_as(other).")
    fails(_name, case(X, Y, reduction="max"), ArgumentError, f"{_name}: reduction must be 'none', 'mean' or 'sum', got 'max'.")
    fails(_name, [X, Y, "sum"], ArgumentTypeError,  # PyTorch takes it for size_average, and gives the mean
          f"{_name}: takes 2 positional arguments, got 3. Signature: {_name}(input, target, *, reduction='mean')")


def _smooth_l1(x: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Any:
    def term(a: float, b: float) -> float:
        distance = abs(a - b)
        return distance**2 / (2 * beta) if distance < beta else distance - beta / 2

    return _reduced(each(term)(x, target), reduction)


row("smooth_l1", [X, Y, "none", 0.7], [X, Y, "mean", 2.0], [T(), T(), "sum", 1.0], case(T(0, 3), T(0, 3), "mean", 1.0, grad=False),
    case(V([INF, -INF, 300.0]), V([0.0, 0.0, 0.0]), "none", 1000.0, expect=[INF, INF, 45.0]), reference=_smooth_l1, budget="sum")
row("smooth_l1_loss", [X, Y], *[case(X, Y, reduction=kind) for kind in KINDS], case(X, Y, beta=0.3), case(X, Y, beta=0, reduction="none"), [T(), T()],
    case(T(0, 3), T(0, 3), grad=False), reference=_smooth_l1, budget="sum")
fails("smooth_l1_loss", [T(3, 1), T(3)], ShapeError,
      "smooth_l1_loss: input has shape (3, 1), and target (3,); they must be the same. Reshape one of them, for instance with .squeeze(-1) or .view_as(other).")
fails("smooth_l1_loss", case(X, Y, beta=-1.0), ArgumentError, "smooth_l1_loss: beta is -1.0; it must not be negative.")


def _bce(x: float, t: float) -> float:
    def log(value: float) -> float:
        return max(math.log(value), -100.0) if value > 0 else -100.0

    return -(t * log(x) + (1 - t) * log(1 - x))


def _logistic(x: float, t: float, factor: float = 1.0) -> float:
    softened = max(-x, 0.0) + math.log1p(math.exp(-abs(x)))
    return (1 - t) * x + (1 + (factor - 1) * t) * softened


def _weighted(function: Any) -> Any:
    def reference(x: Any, target: Any, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> Any:
        terms = each(function)(x, target) if pos_weight is None else each(function)(x, target, pos_weight)
        return _reduced(terms if weight is None else each(lambda a, b: a * b)(terms, weight), reduction)

    return reference


CHANCES, TRUTH = T(3, 4, low=0.05, high=0.95), T(3, 4, low=0.02, high=0.98)
row("binary_cross_entropy_terms", [CHANCES, TRUTH], [T(low=0.1, high=0.9), T(low=0.1, high=0.9)], [T(0, 3), T(0, 3)],
    case(V([0.0, 1.0, 0.0]), V([1.0, 0.0, 0.0]), expect=[100.0, 100.0, 0.0]), reference=each(_bce), budget="chain")
row("binary_cross_entropy", [CHANCES, TRUTH], [CHANCES, TRUTH, T(4, grad=False)], *[case(CHANCES, TRUTH, reduction=kind) for kind in KINDS[1:]],
    [T(low=0.1, high=0.9), T(low=0.1, high=0.9)], case(T(0, 3), T(0, 3), reduction="sum"), reference=_weighted(_bce), **CHAIN)
fails("binary_cross_entropy", [V([1.5]), V([1.0])], ArgumentError,
      "binary_cross_entropy: input must hold probabilities, from 0 to 1. Apply sigmoid, or use the form with_logits.")
fails("binary_cross_entropy", [V([0.5]), V([1.5])], ArgumentError, "binary_cross_entropy: target must hold probabilities, from 0 to 1.")
fails("binary_cross_entropy", [T(3), T(2)], ShapeError, "binary_cross_entropy: input has shape (3,), and target (2,); they must be the same.")
LOGITS = T(3, 4, low=-3, high=3)
row("logits_loss", [LOGITS, TRUTH, None, None, "mean"], [LOGITS, TRUTH, T(4, grad=False), None, "none"],
    [LOGITS, TRUTH, None, T(4, low=0.5, high=2, grad=False), "sum"], [T(), T(low=0, high=1), None, None, "mean"], [T(0, 3), T(0, 3), None, None, "sum"],
    reference=lambda x, target, weight, pos_weight, reduction: _weighted(_logistic)(x, target, weight, reduction, pos_weight), **CHAIN)
row("binary_cross_entropy_with_logits", [LOGITS, TRUTH], [LOGITS, TRUTH, T(4, grad=False)], case(LOGITS, TRUTH, pos_weight=T(4, low=0.5, high=2, grad=False)),
    *[case(LOGITS, TRUTH, reduction=kind) for kind in KINDS[1:]], [T(), T(low=0, high=1)], case(T(0, 3), T(0, 3), reduction="sum"),
    [V([1000.0, -1000.0]), V([1.0, 0.0])], [V([0.0, 0.0]), V([0.0, 1.0])], reference=_weighted(_logistic), **CHAIN)
fails("binary_cross_entropy_with_logits", [T(3), T(2)], ShapeError,
      "binary_cross_entropy_with_logits: input has shape (3,), and target (2,); they must be the same.")
for _name, _values in {"binary_cross_entropy": T(3, low=0.1, high=0.9), "binary_cross_entropy_with_logits": T(3)}.items():
    text = f"{_name}: weight of shape (2, 3) is larger than input, which has shape (3,)."
    fails(_name, [_values, _values, T(2, 3, grad=False)], ShapeError, text)
fails("binary_cross_entropy_with_logits", case(T(3), T(3), pos_weight=T(2, 3, grad=False)), ShapeError,
      "binary_cross_entropy_with_logits: pos_weight of shape (2, 3) is larger than input, which has shape (3,).")
