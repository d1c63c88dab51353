"""Samples of connectionist temporal classification: the sum over every alignment there is, one by one."""

from __future__ import annotations

import math
from itertools import groupby, product
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, IndexingError, ShapeError
from tapeloom.testing.inputs import M, P, T, V
from tapeloom.testing.references import INF
from tapeloom.testing.samples.loss import CHAIN, _reduced
from tapeloom.testing.table import case, fails, row


def _term(lines: Any, labels: list[int], blank: int) -> float:
    """Of one sequence: every path whose labels, without repetitions and blanks, are those wanted."""
    total = 0.0
    for path in product(range(lines.shape[1]), repeat=len(lines)):
        if [label for label, _ in groupby(path) if label != blank] == labels:
            total += math.exp(math.fsum(float(line[label]) for line, label in zip(lines, path, strict=True)))
    return -math.log(total) if total else INF


def _ctc(log_probs: Any, targets: Any, steps: Any, counts: Any, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> Any:
    batched = log_probs if log_probs.ndim == 3 else log_probs[:, None]
    steps, counts = (np.ravel(np.asarray(lengths)) for lengths in (steps, counts))
    terms = []
    for n, (step, count) in enumerate(zip(steps, counts, strict=True)):
        labels = targets[n, :count] if targets.ndim == 2 else targets[sum(counts[:n]) : sum(counts[: n + 1])]
        loss = _term(batched[:step, n], [int(label) for label in labels], blank)
        loss = 0.0 if loss == INF and zero_infinity else loss
        terms.append(loss / max(count, 1) if reduction == "mean" else loss)
    return _reduced(np.array(terms) if log_probs.ndim == 3 else np.float64(terms[0]), reduction)


LOGS, PAIRS = T(4, 2, 3, low=-3, high=0), P([[1, 1], [2, 0]])
SKIPS = V([[False, True, False], [False, True, False]], dtypes.bool_)


def _alphas(emitted: Any, skips: Any, there: Any) -> Any:
    out = np.full(emitted.shape, -1e30)
    for n in range(emitted.shape[1]):
        old = [0.0] + [-1e30] * (emitted.shape[2] - 1)
        for t in range(len(emitted)):
            if there[t, n, 0]:
                ways = [[old[s], *old[s - 1 : s], *(old[s - 2 : s - 1] if s > 1 and skips[n, s] else [])] for s in range(len(old))]
                tops = [max(way) for way in ways]
                old = [top + math.log(math.fsum(math.exp(w - top) for w in way)) + float(e) for top, way, e in zip(tops, ways, emitted[t, n], strict=True)]
            out[t, n] = old
    return out


row("ctc_alphas", [T(3, 2, 1, low=-3, high=0), M(2, 1), M(3, 2, 1)],
    case(T(3, 2, 3, low=-3, high=0), SKIPS, V(np.ones((3, 2, 1)), dtypes.bool_), grad=False),  # nothing is too low for differences
    case(T(2, 0, 3), M(0, 3), M(2, 0, 1), expect=np.zeros((2, 0, 3))), reference=_alphas, without="0d", budget="series")
row("ctc_terms", [LOGS, V([2.0, 1.0]), P([[0, 1, 0, 1, 0], [0, 2, 0, 0, 0]]), P([2, 1]), V([[False, True, False, False, False], [False, True, False, False, False]], dtypes.bool_),
     V(np.ones((4, 2, 1)), dtypes.bool_), "none", False], reference=lambda x, divisor, places, lengths, skips, there, kind, zero: _ctc(x, places[:, 1::2], [4, 4], lengths, 0, kind, zero),
    without="0d empty", **CHAIN)
row("ctc_loss", [LOGS, PAIRS, P([4, 3]), P([2, 1])], [LOGS, P([1, 1, 2]), (4, 3), (2, 1), 0, "none"], [LOGS, PAIRS, (4, 4), (2, 0), 2, "sum"],
    case(LOGS, PAIRS, (2, 4), (2, 1), 0, "none", True, grad=False), case(LOGS, PAIRS, (2, 4), (2, 1), 0, "none", grad=False), [T(4, 3, low=-3, high=0), P([1, 2]), P(4), P(2)],
    case(LOGS, P(np.zeros((2, 0))), (4, 0), (0, 0), reduction="none"), reference=_ctc, without="0d empty", **CHAIN)
fails("ctc_loss", [LOGS, PAIRS, (5, 4), (2, 1)], ArgumentError, "ctc_loss: input_lengths must not be negative, and at most 4 as log_probs has, got 5.")
fails("ctc_loss", [LOGS, PAIRS, (4,), (2, 1)], ShapeError, "ctc_loss: input_lengths must hold 2 lengths, one for each sequence of the batch, got 1.")
fails("ctc_loss", [LOGS, PAIRS, (4, 4), (3, 1)], ShapeError, "ctc_loss: targets must have the shape (2, at least 3), got (2, 2).")
fails("ctc_loss", [LOGS, P([1, 2]), (4, 4), (2, 1)], ShapeError, "ctc_loss: targets must hold the 3 labels that target_lengths says, got shape (2,).")
fails("ctc_loss", [LOGS, P([[1, 3], [2, 0]]), (4, 4), (2, 1)], IndexingError, "ctc_loss: target 3 is out of range for 3 classes, which count from 0.")
fails("ctc_loss", [LOGS, PAIRS, (4, 4), (2, 1), 3], ArgumentError, "ctc_loss: blank is 3; of 3 classes it must be one from 0 to 2.")
