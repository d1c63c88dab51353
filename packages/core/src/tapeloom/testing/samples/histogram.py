"""Samples of histograms: one element after the other is put into its bin."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.op.registry import FUNCTIONS
from tapeloom.testing.inputs import I, P, T, V
from tapeloom.testing.references import INF, NAN
from tapeloom.testing.table import FLOATS, NUMBERS, case, fails, row


def _counted(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    sums = [0 if weights is None else weights.dtype.type(0)] * max([minlength, *(value + 1 for value in x.tolist())])
    for value, weight in zip(x.tolist(), [1] * len(x) if weights is None else weights, strict=True):
        sums[value] = sums[value] + weight
    return np.array(sums, np.int64 if weights is None else weights.dtype)


row("counted", [I(7, below=5), T(7), 0], [I(7, below=5), T(7), 8], [I(0, below=1), T(0), 3], reference=_counted, dtypes=NUMBERS, budget="sum",
    magnitude=_counted, without="0d")
row("bincount", [P([3, 1, 1, 6])], case(P([3, 1, 1], dtypes.uint8), minlength=6), [P([])], case(P([]), None, 3), reference=_counted,
    gives="int64", dtypes=[dtypes.int64], budget="exact", grad=0, without="0d")
row("bincount with weights", [P([3, 1, 1]), T(3)], [P([2, 0]), T(2), 5], calls=lambda *args: FUNCTIONS["bincount"].call(*args),
    reference=_counted, dtypes=FLOATS[2:], budget="sum", magnitude=_counted, without="0d empty")
fails("bincount", [T(3)], DTypeError, "bincount: expected integers, got float32. Cast them with .long().")
fails("bincount", [P([[1]])], ShapeError, "bincount: expected a vector, got shape (1, 1). Flatten it first.")
fails("bincount", [P([1, -1])], ArgumentError, "bincount: input must not hold negative numbers.")
fails("bincount", case(P([1]), minlength=-1), ArgumentError, "bincount: minlength must not be negative, got -1.")
fails("bincount with weights", [P([1]), T(2)], ShapeError, "bincount: weights has shape (2,), and input (1,); they must be the same.")


def _evenly(x: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    values, low, high = x.ravel().tolist(), min, max
    if low == high and values:
        low, high = sorted(values)[0], sorted(values)[-1]
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts = [0.0] * bins
    for value in values:
        if low <= value <= high:
            counts[int((value - low) * bins / (high - low)) if value < high else -1] += 1
    return np.array(counts)


EVENLY: dict[str, Any] = {"reference": _evenly, "dtypes": FLOATS, "budget": "exact"}
STRAY = case(V([0.0, 1.0, NAN, INF, 4.0, 3.9, -0.1]), 4, 0, 4, only=FLOATS, grad=False)
row("counted_evenly", case(T(3, 4), 4, -1.7, 1.1, grad=False), case(T(), 3, -2.0, 3.0, grad=False), case(T(0), 2, 0.0, 1.0), STRAY, grad=1, **EVENLY)
row("histc", case(V([1.0, 2.0, 1.0, 2.7, 1.6]), 4), [T(3, 4), 5, -2.5, 1.6], [T(0), 2], case(V([3.0, 3.0]), 3), [T(), 4], STRAY, grad=0, **EVENLY)
fails("histc", [T(3)], DTypeError, "histc: expected a floating tensor, got int64. Cast it with .float(), or use bincount.", dtypes.int64)
fails("histc", [T(3), 0], ArgumentError, "histc: bins must be at least 1, got 0.")
fails("histc", [T(3), 4, 3, 0], ArgumentError, "histc: the range 3.0..0.0 ends before it begins.")
fails("histc", [V([1.0, INF]), 4], ArgumentError, "histc: the range 1.0..inf is not finite. Give a finite one.")


def _bin(edges: Any, value: float) -> int:
    return sum(edge <= value for edge in edges) - 1


row("bins_of", [T(3, 4), V([0, 1, 1, 2])], [T(), V([0, 1])], [T(0), V([0, 1])], case(V([NAN, INF, -INF]), V([0.0, 1.0]), only=FLOATS[2:]),
    reference=lambda x, edges: np.array([_bin(edges.tolist(), v) if v == v else len(edges) - 1 for v in x.ravel().tolist()], np.int64).reshape(x.shape),
    gives="int64", dtypes=NUMBERS, budget="exact", grad=0)


def _grid(points: Any, bins: list[Any], range: Any, weight: Any, density: bool) -> tuple[Any, list[Any]]:
    edges = []
    for place, given in enumerate(bins):
        column = [point[place] for point in points]
        low, high = range[2 * place : 2 * place + 2] if range is not None else (min(column), max(column)) if column else (0.0, 1.0)
        low, high = (low, high) if low < high else (low - 0.5, high + 0.5)
        edges.append([low + (high - low) * i / given for i in np.arange(given).tolist()] + [high] if isinstance(given, int) else np.asarray(given).tolist())
    counts = np.zeros([len(line) - 1 for line in edges])
    for point, one in zip(points, weight, strict=True):
        if all(line[0] <= value <= line[-1] for value, line in zip(point, edges, strict=True)):
            counts[tuple(min(_bin(line, value), len(line) - 2) for value, line in zip(point, edges, strict=True))] += one
    total = sum(counts.ravel().tolist())
    for cell in product(*(np.arange(length).tolist() for length in counts.shape)) if density else ():
        size = math.prod(line[i + 1] - line[i] for i, line in zip(cell, edges, strict=True)) * total
        counts[cell] = counts[cell] / size if size else NAN
    return counts, [np.array(line) for line in edges]


row("counted_in_grid", [T(6, 2), [V([-1, 0, 1]), V([-2, 1, 2])], T(6)], [T(4, 1), [V([0, 1, 1, 2])], T(4)], [T(0, 1), [V([0, 1])], T(0)],
    reference=lambda x, edges, weight: _grid(x.tolist(), edges, None, weight.tolist(), False)[0], dtypes=FLOATS, budget="sum",
    magnitude=lambda *args: np.float64(8.0), without="0d")


def _histogram(x: Any, bins: Any = 100, range: Any = None, weight: Any = None, density: bool = False) -> Any:
    flat = [1.0] * x.size if weight is None else weight.ravel().tolist()
    counts, edges = _grid([(value,) for value in x.ravel().tolist()], [bins], range, flat, density)
    return counts, edges[0]


WIDE: dict[str, Any] = {"dtypes": FLOATS[2:], "budget": "sum", "magnitude": lambda *args, **named: (np.float64(8.0), *[np.float64(4.0)] * 2)}
row("histogram", [T(3, 4), 5], [T(7)], [T(7), V([-1.5, -0.2, 0.3, 1.8])], case(T(3, 4), 3, range=(-1.5, 1), weight=T(3, 4), density=True), [T(), 4], [T(0), 2],
    reference=_histogram, grad=0, gives=("same", "same"), **WIDE)
fails("histogram", [T(3), 4], DTypeError, "histogram: expected a floating tensor, got int64. Cast it with .float().", dtypes.int64)
fails("histogram", [T(3), 0], ArgumentError, "histogram: bins must be at least 1, got 0.")
fails("histogram", [T(3), 2.5], ArgumentTypeError, "histogram: bins must be an int, got 2.5 of type float.")
fails("histogram", case(T(3), 2, weight=T(2)), ShapeError, "histogram: weight has shape (2,), and input (3,); they must be the same.")
fails("histogram", case(T(3), 2, weight=T(3, dtype=dtypes.float64)), DTypeError,
      "histogram: weight is float64, and input float32; they must be the same.")
fails("histogram", [T(3), P([0, 1])], DTypeError, "histogram: the edges are int64, and input float32; they must be the same.")
fails("histogram", [T(3), V([0.0])], ShapeError, "histogram: edges must be a vector of at least 2, got shape (1,).")
fails("histogram", case(T(3), 2, range=(1, 0)), ArgumentError, "histogram: the range 1.0..0.0 ends before it begins.")
fails("histogram", case(T(3), V([0.0, 1.0]), range=(0, 1)), ArgumentTypeError, "histogram: range and edges were given. Give one of them.")


def _points(x: Any, bins: Any, range: Any = None, weight: Any = None, density: bool = False) -> Any:
    each = list(bins) if isinstance(bins, (list, tuple)) else [bins] * x.shape[-1]
    points = x.reshape(-1, x.shape[-1]).tolist()
    return _grid(points, each, range, [1.0] * len(points) if weight is None else weight.ravel().tolist(), density)


def _flattened(*args: Any, **named: Any) -> Any:
    """The two results of ``histogramdd``, the second of which is a tuple, in one."""
    hist, edges = FUNCTIONS["histogramdd"].call(*args, **named)
    return hist, *edges


def _expected(*args: Any, **named: Any) -> Any:
    hist, edges = _points(*args, **named)
    return hist, *edges


row("histogramdd", [T(6, 2), [2, 3]], [T(2, 3, 2), 2], case(T(6, 2), [2, 2], [-1.0, 1.0, 0.0, 2.0], T(6), density=True), [T(0, 2), [2, 1]],
    case(T(6, 2), [V([-1.0, 0.0, 0.5]), V([0.0, 2.0])]), calls=_flattened, reference=_expected, grad=0, gives=("same", "same", "same"),
    without="0d", **WIDE)
fails("histogramdd", [T(3), 2], ShapeError, "histogramdd: input must have a shape (…, D) of at least 2 dimensions, with D > 0, got (3,).")
fails("histogramdd", [T(3, 2), [2]], ShapeError, "histogramdd: bins has 1 entries, and the points of input 2 coordinates.")
fails("histogramdd", [T(3, 2), 2, [0, 1]], ArgumentError, "histogramdd: range must hold 4 numbers, the two ends for each coordinate, got 2.")
fails("histogramdd", [T(3, 2), 2, None, T(2)], ShapeError, "histogramdd: weight has shape (2,); for input of shape (3, 2) it must have (3,).")
