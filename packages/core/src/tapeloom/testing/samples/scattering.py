"""Samples of scattering. References walk the positions of the index one by one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, DTypeError, IndexingError, ShapeError
from tapeloom.testing.inputs import I, P, T, V
from tapeloom.testing.references import INF, NAN
from tapeloom.testing.samples.indexing import bad_indices
from tapeloom.testing.table import ALL, EVERY, FLOAT64, FLOATS, NUMBERS, case, fails, row

X = T(2, 3, 4)
ROWS = P([[2, 0, 1, 2], [0, 1, 2, 1]])  # distinct in each column
LINE = P([2, 0, 2])
MOVED: dict[str, Any] = {"dtypes": EVERY, "budget": "exact"}


def _targets(shape: Any, dim: int, index: Any) -> dict[tuple[int, ...], list[tuple[int, ...]]]:
    """For each place of the target the positions of ``index`` that name it."""
    found: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for place in np.ndindex(index.shape):
        axis = dim % max(len(shape), 1)
        target = (*place[:axis], int(index[place]), *place[axis + 1 :])
        if len(place) < len(shape):
            target = (int(index[place]),)
        found.setdefault(target if shape else (), []).append(place)
    return found


def _read(src: Any, place: tuple[int, ...]) -> Any:
    if not np.ndim(src):
        return np.asarray(src)[()]
    return src[place if len(place) == src.ndim else (0,)]


def _scattered(x: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Any:
    given = value if src is None else src
    if reduce is not None:
        return _folded(x, dim, index, np.broadcast_to(given, index.shape) if not np.ndim(given) else given, {"add": "sum", "multiply": "prod"}[reduce])
    result = x.copy()
    for target, places in _targets(x.shape, dim, index).items():
        result[target] = _read(given, places[-1])
    return result


def _fold(values: list[Any], reduce: str) -> Any:
    if reduce in ("amax", "amin"):
        if any(value != value for value in values):
            return NAN
        return (max if reduce == "amax" else min)(values)
    if all(isinstance(value, bool) for value in values):
        return any(values) if reduce == "sum" else all(values)
    if reduce == "prod":
        return math.prod(values)
    total = sum(values)
    if reduce == "sum":
        return total
    return total // len(values) if isinstance(total, int) else total / len(values)


def _folded(x: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True) -> Any:
    result = x.copy()
    for target, places in _targets(x.shape, dim, index).items():
        values = [_read(src, place).item() for place in places]
        result[target] = _fold([x[target].item(), *values] if include_self else values, reduce)
    return result


row("scatter", [T(3, 4), 0, ROWS, T(2, 4)], [X, -1, P([[[3, 0], [1, 2]]]), T(2, 3, 2)], [T(3, 4), 1, I(0, 2, below=4), T(0, 2)], [T(), 0, I(below=1), T()],
    [T(3), 0, P(1), T()], [T(3, 4), 0, I(2, 4, below=3), 2], case(T(3, 4), 0, I(2, 4, below=3), value=1),
    case(T(3, 4), 0, I(2, 4, below=3), T(2, 4), reduce="add", only=(*NUMBERS, dtypes.complex64)),
    case(T(3), 0, I(4, below=3), 2, reduce="multiply", only=(*FLOATS, dtypes.int64)),
    reference=_scattered, dtypes=EVERY, budget="sum")
bad_indices("scatter", [T(3, 4), 0, "index", T(1, 2)])
fails("scatter", [T(3, 4), 0, I(2, 4, below=3), T(1, 4)], ShapeError,
      "scatter: index of shape (2, 4) does not lie within the source of shape (1, 4).")
fails("scatter", [T(3), 0, LINE, T(3, dtype=dtypes.float64)], DTypeError,
      "scatter: input is float32, and src is float64; they must be the same. Cast one of them with .to(dtype).")
fails("scatter", [T(3), 0, LINE], ArgumentError, "scatter: give one of src and value, got none.")
fails("scatter", case(T(3), 0, LINE, T(3), value=1), ArgumentError, "scatter: give one of src and value, got both.")
fails("scatter", case(T(3), 0, LINE, T(3), reduce="sum"), ArgumentError,
      "scatter: reduce must be 'add' or 'multiply', got 'sum'. scatter_reduce has others.")
fails("scatter", [T(3), 0, LINE, 300], DTypeError,
      "scatter: the number 300 does not fit uint8 (0 to 255). Cast the tensor to a wider dtype first.", dtype=dtypes.uint8)

MANY = P([[2, 0, 1, 2, 2], [2, 0, 1, 0, 2], [1, 0, 0, 2, 0]])
row("scatter_reduce", [T(3, 4), 0, P([[2, 0, 1, 2], [2, 0, 1, 0]]), T(2, 4), "sum"],
    [T(3, 4), 1, MANY, T(3, 6), "prod"], case(T(3, 4), 1, MANY, T(3, 5), "mean", include_self=False, only=(*NUMBERS, *dtypes.COMPLEXES)),
    case(T(3, 4), -1, MANY, T(3, 5), "amax", include_self=False, only=ALL), case(T(3), 0, P(1), T(), "amin", only=ALL),
    case(T(3), 0, I(0, below=3), T(0), "mean", include_self=False, only=FLOAT64), case(T(), 0, I(3, below=1), T(3), "prod"),
    case(V([1.0, 0.0, 2.0, 0.0]), 0, P([0, 0, 1, 1, 2, 2]), V([0.0, 3.0, 2.0, 5.0, 0.0, 0.0]), "prod", only=FLOAT64),
    case(V([1.0, -INF, INF, 2.0]), 0, P([0, 1, 2, 3]), V([NAN, -INF, 3.0, 2.0]), "amin", only=FLOATS, grad=False),
    case(V([1.0, 2.0, 3.0]), 0, P([0, 0, 1]), V([1.0, 1.0, 5.0]), "amax", expect=np.array([1.0, 5.0, 3.0]), only=FLOATS),
    reference=_folded, dtypes=EVERY, budget="sum")
bad_indices("scatter_reduce", [T(3, 4), 0, "index", T(1, 2), "sum"])
fails("scatter_reduce", [T(3), 0, LINE, T(3), "add"], ArgumentError,
      "scatter_reduce: reduce must be one of sum, prod, mean, amax, amin, got 'add'.")
fails("scatter_reduce", [T(3), 0, LINE, T(3, dtype=dtypes.float64), "sum"], DTypeError,
      "scatter_reduce: input is float32, and src is float64; they must be the same. Cast one of them with .to(dtype).")
fails("scatter_reduce", [T(3), 0, LINE, T(3), "amax"], DTypeError,
      "scatter_reduce: complex numbers have no order for reduce='amax', got complex64.", dtype=dtypes.complex64)
fails("scatter_reduce", [T(3), 0, LINE, T(3), "mean"], DTypeError,
      "scatter_reduce: bool tensors have no mean. Cast them with .float().", dtype=dtypes.bool_)


def _spread(x: Any, dim: int, index: Any, source: Any) -> Any:
    """The places ``index`` along ``dim`` for each element of ``source``."""
    axis = dim % max(x.ndim, 1)
    return np.array([index.reshape(-1)[place[axis] if place else 0] for place in np.ndindex(source.shape)], int).reshape(source.shape)


def _along(x: Any, dim: int, index: Any, source: Any, *rest: Any, **named: Any) -> Any:
    return (_folded if rest else _scattered)(x, dim, _spread(x, dim, index, source), source, *rest, **named)


row("index_reduce", [T(3, 4), 0, LINE, T(3, 4), "prod"], case(X, -1, P([1, 1]), T(2, 3, 2), "mean", include_self=False, only=NUMBERS),
    case(T(3, 4), 0, LINE, T(3, 4), "amax"), case(T(3, 4), 1, P(2), T(3, 1), "amin", include_self=False), [T(), 0, P(0), T(), "prod"],
    [T(3, 2), 0, I(0, below=3), T(0, 2), "amax"], reference=_along, dtypes=ALL, budget="sum")
fails("index_reduce", [T(3), 0, LINE, T(3), "sum"], ArgumentError,
      "index_reduce: reduce must be one of prod, mean, amax, amin, got 'sum'.")
fails("index_reduce", [T(3), 0, P([3]), T(1), "prod"], IndexingError, "index_reduce: index 3 is out of range for dim 0 of length 3.")
fails("index_reduce", [T(3), 0, LINE, T(2), "prod"], ShapeError,
      "index_reduce: source has shape (2,); for 3 places along dim 0 of input of shape (3,) it must have (3,).")

row("index_copy", [T(3, 4), 0, P([2, 0]), T(2, 4)], [X, -1, P([1]), T(2, 3, 1)], [T(3, 4), 1, I(0, below=4), T(3, 0)], [T(3), 0, P(1), T()],
    [T(), 0, P([0]), T(1)], reference=_along, **MOVED)
fails("index_copy", [T(3), 0, P([-1]), T(1)], IndexingError, "index_copy: index -1 is out of range for dim 0 of length 3.")
fails("index_copy", [T(3, 4), 1, P([0, 1]), T(3, 3)], ShapeError,
      "index_copy: source has shape (3, 3); for 2 places along dim 1 of input of shape (3, 4) it must have (3, 2).")


def _filled(x: Any, dim: int, index: Any, value: Any) -> Any:
    result = x.copy()
    for place in np.ndindex(x.shape):
        if not x.ndim or place[dim % x.ndim] in index.reshape(-1) % x.shape[dim % x.ndim]:
            result[place] = value
    return result


row("index_fill", [T(3, 4), 0, P([2, 0, 2]), 1], [X, -1, P([1, -1]), T()], [T(3, 4), 1, I(0, below=4), 1], [T(), 0, P(0), T()],
    reference=_filled, **MOVED)
fails("index_fill", [T(3), 0, P([-4]), 1], IndexingError, "index_fill: index -4 is out of range for dim 0 of length 3.")
fails("index_fill", [T(3), 0, P([[0]]), 1], ShapeError, "index_fill: index must have at most one dimension, got shape (1, 1).")
fails("index_fill", [T(3), 0, P([0]), T(1)], ShapeError,
      "index_fill: value must be a number or a 0-d tensor, got shape (1,). Use index_copy.")

row("take", [T(3, 4), P([[11, 0], [-1, 5]])], [T(), P(0)], [T(0), I(0, 2, below=1)],
    reference=lambda x, index: np.array([x.reshape(-1)[i] for i in index.reshape(-1)], x.dtype).reshape(index.shape), **MOVED)
fails("take", [T(3, 4), P([12])], IndexingError, "take: index 12 is out of range for dim 0 of length 12.")
fails("take", [T(0), P([0])], IndexingError, "take: index 0 is out of range for dim 0 of length 0.")
fails("take", [T(3), T(1)], DTypeError, "take: index must hold integers, got float32. Cast it with .long().")


def _put(x: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    result = x.reshape(-1).copy()
    for place, value in zip(index.reshape(-1), source.reshape(-1), strict=True):
        old = result[place]
        result[place] = value if not accumulate else (old or value) if x.dtype == np.bool_ else old + value
    return result.reshape(x.shape)


row("put", [T(3, 4), P([[11, 0], [-2, 5]]), T(4)], case(T(3, 4), P([1, -11, 5]), T(3), accumulate=True), [T(), P([0]), T(1)],
    [T(3), I(0, below=1), T(0)], reference=_put, dtypes=EVERY, budget="sum")
fails("put", [T(3), P([0, -4]), T(2)], IndexingError, "put: index -4 is out of range for dim 0 of length 3.")
fails("put", [T(3), P([0]), T(2)], ShapeError, "put: index has 1 elements and source has 2; they need as many.")
fails("put", [T(3), P([0]), T(1, dtype=dtypes.int64)], DTypeError,
      "put: input is float32, and source is int64; they must be the same. Cast one of them with .to(dtype).")
