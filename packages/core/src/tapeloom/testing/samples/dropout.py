"""Samples of dropout and its like: recorded masks of seed 7, the same on every device."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.dtypes import float32, float64
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.testing.inputs import T, V
from tapeloom.testing.samples.random import UNIFORM, seeded
from tapeloom.testing.table import case, fails, row

KEPT = [0] + [1] * 7
row("dropout", case(T(8, low=3, high=3), 0.25, expect=[4.0 * kept for kept in KEPT], grad=True), case(T(8, low=3, high=3), 0.25, False, expect=[3.0] * 8, grad=True),
    case(T(2, 4, low=3, high=3), 1.0, expect=np.zeros((2, 4))), case(T(low=1, high=1), 0.0, expect=1.0, grad=True), case(T(0, 3), expect=np.zeros((0, 3))),
    calls=seeded("dropout"), budget="rounded")
fails("dropout", [T(3), 1.5], ArgumentError, "dropout: the probability must be from 0 to 1, got p=1.5.")
fails("dropout", [T(3), "0.5"], ArgumentTypeError, "dropout: p must be a number, got '0.5' of type str.")
fails("dropout", [T(3)], DTypeError, "dropout: only floating tensors can hold these numbers, got int64. Give a floating dtype.", dtypes.int64)

# whole channels: of seed 7 the first is dropped


def _first_dropped(shape: tuple[int, ...], leading: int) -> Any:
    out = np.full(shape, 4.0)
    out[(0,) * leading] = 0
    return out


for _name, _shapes, _wrong in (
    ("dropout1d", {(2, 3, 2): 2, (3, 2): 1}, "2 or 3"),
    ("dropout2d", {(2, 3, 2, 1): 2, (2, 3, 2): 2}, "3 or 4"),
    ("dropout3d", {(1, 2, 1, 2, 2): 2, (3, 1, 1, 2): 1}, "4 or 5"),
):
    _cases = [case(T(*shape, low=3, high=3), 0.25, expect=_first_dropped(shape, lead), grad=True) for shape, lead in _shapes.items()]
    _least = next(reversed(_shapes))
    row(_name, *_cases, case(T(*_least, low=3, high=3), 1.0, expect=np.zeros(_least)), case(T(*_least, low=3, high=3), 0.25, False, expect=np.full(_least, 3.0)),
        case(T(*_least[:-1], 0), expect=np.zeros((*_least[:-1], 0))), calls=seeded(_name), without="0d")  # fmt: skip
    fails(_name, [T(3)], ShapeError, f"{_name}: expected an input of {_wrong} dimensions, got shape (3,). Reshape it, or use dropout.")
    fails(_name, [T(*_least), 1.5], ArgumentError, f"{_name}: the probability must be from 0 to 1, got p=1.5.")
row("feature_dropout", case(T(2, 3, low=3, high=3), 0.25, True, expect=_first_dropped((2, 3), 2), grad=True), case(T(2, 3, low=3, high=3), 0.25, False, expect=np.full((2, 3), 3.0)),
    case(T(2, 0, 3), 0.5, True, expect=np.zeros((2, 0, 3))), calls=seeded("feature_dropout"), without="0d")  # fmt: skip
_text = "expected an input of at least 2 dimensions, got shape (3,). Reshape it, or use dropout."
fails("feature_dropout", [T(3), 0.5, True], ShapeError, f"feature_dropout: {_text}")
LOWEST = 1.0507009873554804934193349852946 * 1.6732632423543772848170429916717
FACTOR = 1 / math.sqrt((LOWEST**2 * 0.25 + 1) * 0.75)
DROPPED, STAYED = -LOWEST * FACTOR * 0.75, (3 + LOWEST * 0.25) * FACTOR
ALPHA: dict[str, Any] = {"dtypes": (float32, float64), "budget": "chain"}
row("alpha_dropout", case(T(8, low=3, high=3), 0.25, True, expect=[DROPPED] + [STAYED] * 7, grad=True), case(T(8, low=3, high=3), expect=[3.0] * 8),
    case(T(2, 4), 1.0, True, expect=np.zeros((2, 4))), case(T(low=3, high=3), 0.0, True, expect=3.0), case(T(0, 3), 0.5, True, expect=np.zeros((0, 3))),
    calls=seeded("alpha_dropout"), **ALPHA)  # fmt: skip
row("feature_alpha_dropout", case(T(2, 4, 2, low=3, high=3), 0.25, True, expect=[[[DROPPED] * 2, *[[STAYED] * 2] * 3], [[STAYED] * 2] * 4], grad=True),
    case(T(2, 0), 0.5, True, expect=np.zeros((2, 0))), calls=seeded("feature_alpha_dropout"), without="0d", **ALPHA)  # fmt: skip
fails("feature_alpha_dropout", [T(3), 0.5, True], ShapeError, f"feature_alpha_dropout: {_text}")
for _name in ("alpha_dropout", "feature_alpha_dropout"):
    fails(_name, [T(3, 3), 1.5], ArgumentError, f"{_name}: the probability must be from 0 to 1, got p=1.5.")
    text = "only floating tensors can hold these numbers, got int64. Give a floating dtype."
    fails(_name, [T(3, 3), 0.5, True], DTypeError, f"{_name}: {text}", dtypes.int64)

for _name, _expect in (("dropout_", 4.0), ("feature_dropout_", 4.0), ("alpha_dropout_", STAYED), ("feature_alpha_dropout_", STAYED)):
    _gone = DROPPED if "alpha" in _name else 0.0
    row(_name, case(T(2, 2, low=3, high=3), 0.25, True, expect=[[_gone, _expect], [_expect, _expect]]), case(T(2, 2, low=3, high=3), 0.25, False, expect=np.full((2, 2), 3.0)),
        case(T(0, 3), 0.25, True, expect=np.zeros((0, 3))), calls=seeded(_name, True), without="0d", grad=0, **ALPHA)  # fmt: skip
    fails(_name, [T(3, 3), 1.5, True], ArgumentError, f"{_name}: the probability must be from 0 to 1, got p=1.5.")

# random slopes and classes

SLOPES = {kind: [0.25 + 0.5 * u for u in UNIFORM[kind]] for kind in (float32, float64)}
for _name in ("rrelu", "rrelu_"):
    row(_name, *[case(V([-1.0, -2.0, 3.0, 0.0, -0.5]), 0.25, 0.75, True, only=[kind], grad=_name == "rrelu" and None,
                      expect=[-slopes[0], -2 * slopes[1], 3.0, 0.0, -0.5 * slopes[4]]) for kind, slopes in SLOPES.items()],
        case(V([-1.0, 2.0]), 0.25, 0.75, expect=[-0.5, 2.0]), case(T(low=-2, high=-2), 0.5, 0.5, True, expect=-1.0), case(T(0, 3), 0.25, 0.75, True, expect=np.zeros((0, 3))),
        calls=seeded(_name, _name == "rrelu_"), dtypes=(float32, float64), grad=2 if _name == "rrelu" else 0)  # fmt: skip
    fails(_name, [T(3), 0.5, 0.25], ArgumentError, f"{_name}: lower=0.5 is above upper=0.25. Give lower <= upper.")
    fails(_name, [T(3)], DTypeError, f"{_name}: {text}", dtypes.int64)
GUMBEL = [-math.log(-math.log1p(-(u + 2**-54))) for u in UNIFORM[float64]]


def _softmax(x: Any, tau: float = 1.0, dim: int = -1) -> Any:
    powers = np.exp((x + np.array(GUMBEL[: x.size]).reshape(x.shape)) / tau)
    return powers / powers.sum(dim, keepdims=True)


LOGITS = [[-1.0, -2.0, 3.0], [0.0, -1.0, 2.0]]
row("gumbel_softmax", case(V(LOGITS), expect=_softmax(np.array(LOGITS)), grad=True), case(V(LOGITS), tau=0.5, dim=0, expect=_softmax(np.array(LOGITS), 0.5, 0)),
    case(V(LOGITS), hard=True, expect=[[0.0, 0.0, 1.0]] * 2), case(T(), hard=True, expect=1.0), case(T(0, 3), expect=np.zeros((0, 3))),
    calls=seeded("gumbel_softmax"), dtypes=(float32, float64), budget="chain")  # fmt: skip
fails("gumbel_softmax", [T(3)], DTypeError, f"gumbel_softmax: {text}", dtypes.int64)
fails("gumbel_softmax", [T(3), "1"], ArgumentTypeError, "gumbel_softmax: tau must be a number, got '1' of type str.")
