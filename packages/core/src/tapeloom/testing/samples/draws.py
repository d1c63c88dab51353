"""Samples of further distributions: made of the first uniform numbers of seed 7 by their distribution functions, or recorded."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.dtypes import float32, float64
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.testing.inputs import T, V
from tapeloom.testing.references import INF, NAN
from tapeloom.testing.samples.random import UNIFORM, seeded
from tapeloom.testing.table import FLOATS, case, fails, row

U = UNIFORM[float64]
NO_NUMBERS = "only floating tensors can hold these numbers, got int64. Give a floating dtype."

# from tensors

WEIGHTS = [0.1, 0.2, 0.0, 0.7]
row("multinomial", case(V(WEIGHTS), 6, True, expect=[3, 1, 3, 3, 0, 3]), case(V(WEIGHTS), 3, expect=[3, 1, 0]),
    case(V([WEIGHTS, WEIGHTS[::-1]]), 4, expect=[[3, 1, 0, 2], [0, 2, 3, 1]]), case(T(0, 3), 2, expect=np.zeros((0, 2))),
    calls=seeded("multinomial"), gives="int64", dtypes=FLOATS, budget="exact", grad=0, without="0d")  # fmt: skip
fails("multinomial", [T(), 1], ShapeError, "multinomial: expected weights (n) or (rows, n), got shape ().")
fails("multinomial", [T(3), 1], DTypeError, f"multinomial: {NO_NUMBERS}", dtypes.int64)
fails("multinomial", [T(3, low=0), 0], ArgumentError, "multinomial: num_samples must be positive, got 0.")
fails("multinomial", [T(3, low=0), 1.0], ArgumentTypeError, "multinomial: num_samples must be an int, got 1.0 of type float.")
fails("multinomial", [T(3, low=0), 4], ArgumentError, "multinomial: 4 samples of 3 places need replacement=True, and at least one place.")
fails("multinomial", [V([[1.0, 0.0], [0.0, 0.0]]), 1], ArgumentError, "multinomial: the weights of a row must not all be 0.")
for _weight in (-1.0, INF, NAN):
    fails("multinomial", [V([1.0, _weight]), 1], ArgumentError, "multinomial: the weights must be finite and not negative.")
row("poisson", case(V([0.0, 0.5, 3.0, 9.0, 20.0, 1000.0]), expect=[0, 0, 2, 8, 12, 1018]), case(V(0.5), expect=1), case(T(0, 3), expect=np.zeros((0, 3))),
    calls=seeded("poisson"), dtypes=(float32, float64), budget="exact", grad=0)  # fmt: skip
fails("poisson", [T(3)], DTypeError, f"poisson: {NO_NUMBERS}", dtypes.int64)
for _rate in (-1.0, INF, NAN):
    fails("poisson", [V([1.0, _rate])], ArgumentError, "poisson: the rates must be finite and not negative.")
row("binomial", case(V([0.0, 1.0, 10.0, 50.0, 1000.0]), V(0.375), expect=[0, 0, 3, 13, 384]), case(V([[30.0], [5.5]]), V([0.0, 0.875, 1.0]), expect=[[0, 27, 30], [0, 5, 5]]),
    case(V(1.0), V(1.0), expect=1), case(T(0, 3), T(3, low=0, high=1), expect=np.zeros((0, 3))), calls=seeded("binomial"), dtypes=(float32, float64), budget="exact", grad=0)  # fmt: skip
fails("binomial", [T(3), T(3)], DTypeError, f"binomial: {NO_NUMBERS}", dtypes.int64)
fails("binomial", [V([1.0]), T(1, low=0, high=1, dtype=float64)], DTypeError, "binomial: count and prob must have one dtype, got float32 and float64.")
fails("binomial", [V([1.0]), 0.5], ArgumentTypeError, "binomial: prob must be a tensor, got float. Make it one with tapeloom.tensor(...).")
for _wrong in (-1.0, NAN):
    fails("binomial", [V([_wrong]), V([0.5])], ArgumentError, "binomial: the counts must be finite and not negative.")
    fails("binomial", [V([1.0]), V([_wrong])], ArgumentError, "binomial: the probabilities must be from 0 to 1.")

# in place, on a copy

X = T(2, 3)
DRAWS: dict[str, Any] = {"dtypes": FLOATS, "budget": "function", "grad": 0}


def _entered(name: str, one: Any, usual: tuple[float, ...], other: tuple[float, ...], **settings: Any) -> None:
    """The row of ``name``, which makes ``one(u, *settings)`` of each uniform number, with these settings by default."""
    made, changed = np.array([one(u, *usual) for u in U]).reshape(2, 3), [one(u, *other) for u in U]
    given = () if usual in ((1.0,), (0.0, 1.0), (1.0, 2.0)) else usual
    row(name, case(X, *given, expect=made), case(T(6), *other, expect=changed), case(T(), *given, expect=made[0, 0]), case(T(0, 3), *given, expect=np.zeros((0, 3))),
        calls=seeded(name, True), **DRAWS | settings)  # fmt: skip


_entered("exponential_", lambda u, rate: -math.log1p(-u) / rate, (1.0,), (2.0,))
_entered("geometric_", lambda u, p: math.ceil(math.log1p(-u) / math.log1p(-p)), (0.25,), (0.5,), dtypes=(dtypes.uint8, dtypes.int64, *FLOATS))
_entered("cauchy_", lambda u, median, sigma: median + sigma * math.tan(math.pi * (u - 0.5)), (0.0, 1.0), (1.0, 2.0))
_entered("log_normal_", lambda u, mean, std: math.exp(NormalDist(mean, std).inv_cdf(u)), (1.0, 2.0), (0.0, 0.5), budget="chain")
for _name, _parameter, _given in (("exponential_", "lambd", (0.0,)), ("cauchy_", "sigma", (1.0, 0.0)), ("log_normal_", "std", (1.0, 0.0))):
    fails(_name, [T(3), *_given], ArgumentError, f"{_name}: {_parameter} must be positive, got 0.0.")
    fails(_name, [T(3)], DTypeError, f"{_name}: {NO_NUMBERS}", dtypes.int64)
    fails(_name, [T(3), *_given[:-1], "1"], ArgumentTypeError, f"{_name}: {_parameter} must be a number, got '1' of type str.")
for _p in (0.0, 1.0):
    fails("geometric_", [T(3), _p], ArgumentError, f"geometric_: p must lie between 0 and 1, got {_p}.")
fails("geometric_", [T(3), 0.5], DTypeError,
      "geometric_: a bool tensor cannot hold these numbers. Give an integer or a floating dtype.", dtypes.bool_)  # fmt: skip
