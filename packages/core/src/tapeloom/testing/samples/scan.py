"""Samples of running results: Python's own sum, product or maximum of the elements up to each place."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from typing import Any

from tapeloom import dtypes
from tapeloom.errors import IndexingError
from tapeloom.testing.inputs import T, V
from tapeloom.testing.references import INF, NAN, either, scanned
from tapeloom.testing.table import ALL, COMPLEX, EVERY, FLOATS, case, fails, row

X = T(2, 3, 4)
LINES = [[X, 1], [X, -1], case(X, dim=0), [T(), 0], [T(0, 3), 0], [T(3, 0), 1]]
RUNS = [*LINES, case(X, 1, dtype=dtypes.float64, only=FLOATS)]


def _sum(values: list[Any]) -> Any:
    return math.fsum(values) if all(isinstance(value, float) for value in values) else sum(values)


row("cumsum", *RUNS, reference=scanned(_sum), gives="sum", dtypes=EVERY, budget="sum", magnitude=scanned(_sum))
row("cumprod", *RUNS, case(V([[2.0, 0.0, 3.0, 0.0], [1.0, 2.0, 0.0, 4.0]]), 1, only=FLOATS), reference=scanned(math.prod), gives="sum",
    dtypes=EVERY, budget="sum")


def _logsumexp(values: list[Any]) -> Any:
    if any(value != value for value in values):
        return NAN
    top = max(values)
    return top if math.isinf(top) else top + math.log(math.fsum(math.exp(value - top) for value in values))


def _complex_logsumexp(values: list[complex]) -> complex:
    return cmath.log(sum(cmath.exp(value) for value in values))


row("logcumsumexp", *LINES, case(V([[1000.0, 1001.0, -1000.0], [-INF, 1.0, INF]]), 1, only=FLOATS[2:], grad=False),
    case(V([-INF, NAN, 2.0]), 0, only=FLOATS, grad=False), reference=scanned(either(_logsumexp, _complex_logsumexp)),
    dtypes=(*FLOATS, *COMPLEX), budget="chain", magnitude=lambda x, *rest, **named: scanned(sum)(x, *rest, **named) + 8)


def _met(better: Callable[[Any, Any], bool]) -> Callable[..., Any]:
    """The best value so far and where it was met last; nan is better than all others."""

    def place(values: list[Any]) -> int:
        best = 0
        for position, value in enumerate(values):
            if value != value or (values[best] == values[best] and better(value, values[best])):
                best = position
        return best

    def reference(x: Any, dim: int) -> Any:
        return scanned(lambda values: values[place(values)])(x, dim), scanned(place)(x, dim)

    return reference


SPECIAL = case(V([[1.0, 1.0, NAN, 3.0, NAN, 2.0], [-INF, 0.0, INF, -INF, INF, 0.0]]), 1, only=FLOATS, grad=False)
EXTREMES: dict[str, Any] = {"gives": ("same", "int64"), "dtypes": ALL, "budget": "exact"}
row("cummax", *LINES, case(V([3, 1, 3, 3, 0]), 0, only=[dtypes.int64]), SPECIAL, reference=_met(lambda a, b: a >= b), **EXTREMES)
row("cummin", *LINES, case(V([1, 3, 1, 1, 4]), 0, only=[dtypes.int64]), SPECIAL, reference=_met(lambda a, b: a <= b), **EXTREMES)
for _name in ("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin"):
    text = f"{_name}: dim -4 is out of range for a tensor of 3 dimensions. Give a dim from -3 to 2."
    fails(_name, [X, -4], IndexingError, text)
