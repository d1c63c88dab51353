"""Samples of order: sorting, searching and sets. References compare Python's own numbers, one by one."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, IndexingError, ShapeError
from tapeloom.ops.sorting import searchsorted
from tapeloom.testing.inputs import P, T, V
from tapeloom.testing.references import INF, NAN, built
from tapeloom.testing.table import ALL, FLOATS, NUMBERS, case, fails, row

SPECIAL = V([2.0, NAN, -INF, -0.0, 0.0, INF, NAN, 2.0])
TIES = V([[1, 0, 1, 0, 2], [0, 1, 1, 1, 0]])
ORDERED = {"gives": ("same", "int64"), "budget": "exact"}


def _rank(value: Any) -> tuple[bool, Any]:
    return (True, 0) if value != value else (False, value)


def _lines(x: Any, dim: int, choose: Any, length: int | None = None) -> Any:
    """``choose`` of the list of numbers along ``dim``: positions, which are read too."""
    if not x.ndim:
        return x.copy(), np.zeros((), int)
    axis = dim % x.ndim
    count = x.shape[axis] if length is None else length
    moved = np.moveaxis(x, axis, -1)
    places = np.zeros((*moved.shape[:-1], count), int)
    for place in np.ndindex(moved.shape[:-1]):
        places[place] = choose(moved[place].tolist())
    values = built(places.shape, lambda place: moved[(*place[:-1], places[place])], x)
    return np.moveaxis(values, -1, axis), np.moveaxis(places, -1, axis)


def _order(values: list[Any], descending: bool = False) -> list[int]:
    return sorted(range(len(values)), key=lambda i: _rank(values[i]), reverse=descending)  # equal ones keep their order


def _sort(x: Any, dim: int = -1, descending: bool = False, *, stable: bool | None = None) -> Any:
    return _lines(x, dim, lambda values: _order(values, descending))


SORTS = [[T(3, 4)], [T(2, 3, 4), 1, True], [T()], [T(0, 3), 0], case(TIES, dim=1, descending=True, stable=True, grad=False), case(SPECIAL, only=FLOATS, grad=False)]
row("sort", *SORTS, case(SPECIAL, descending=True, only=FLOATS, grad=False), reference=_sort, dtypes=ALL, **ORDERED)
row("argsort", *SORTS, reference=lambda *args, **kwargs: _sort(*args, **kwargs)[1], dtypes=ALL, gives="int64", grad=0)
row("msort", [T(3, 4)], [T(0)], [T()], reference=lambda x: _sort(x, 0)[0], dtypes=ALL, budget="exact")
fails("msort", [[1, 2]], ArgumentTypeError, "msort: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")
for _name in ("sort", "argsort"):
    fails(_name, [T(3), 1], IndexingError, f"{_name}: dim 1 is out of range for a tensor of 1 dimensions. Give a dim from -1 to 0.")
    fails(_name, [T(3, dtype=dtypes.complex64)], DTypeError,
          f"{_name}: complex tensors are not supported, got complex64. Take .real, .imag or .abs() first.")


def _top(x: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    return _lines(x, dim, lambda values: _order(values, largest)[:k], k)


def _kth(x: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    values, places = _lines(x, dim, lambda values: _order(values)[k - 1 : k], 1)
    return (values, places) if keepdim or not x.ndim else (values.squeeze(dim), places.squeeze(dim))


DISTINCT = V([[3, 0, 5, 1], [2, 7, 4, 6]])
row("topk", [DISTINCT, 2], [DISTINCT, 1, 0, False], [T(), 1], [T(2, 0), 0],
    case(DISTINCT, 3, dim=1, largest=False, sorted=True), case(V([2.0, NAN, INF, -1.0]), 3, only=FLOATS, grad=False), reference=_top,
    dtypes=NUMBERS, **ORDERED)
fails("topk", [T(3), 4], ArgumentError, "topk: k must be from 0 to the length 3 of dim 0, got 4.")
fails("topk", [T(2, 3), -1, 0], ArgumentError, "topk: k must be from 0 to the length 2 of dim 0, got -1.")
fails("topk", [T(3), 1], DTypeError, "topk: bool tensors are not supported. Use a logical operation, or cast with .to(tapeloom.int64).",
      dtype=dtypes.bool_)
row("kthvalue", [DISTINCT, 2], case(DISTINCT, 1, 0, keepdim=True), [T(), 1], [T(0, 3), 2],
    case(V([2.0, NAN, INF, -1.0]), 4, only=FLOATS, grad=False), reference=_kth, dtypes=NUMBERS, **ORDERED)
fails("kthvalue", [T(3), 0], ArgumentError, "kthvalue: k must be from 1 to the length 3 of dim 0, got 0.")
fails("kthvalue", [T(2, 0), 1], ShapeError, "kthvalue: dim 1 of a tensor of shape (2, 0) is empty. Take a dimension that has elements.")

# searching


def _place(line: list[Any], value: Any, right: bool) -> int:
    smaller = [v <= value if right else v < value for v in line] if value == value else [True] * len(line)
    return sum(smaller)


def _searched(sequence: Any, values: Any, sorter: Any = None, right: bool = False) -> Any:
    values = np.asarray(values)

    def element(place: tuple[int, ...]) -> int:
        line = sequence[place[:-1]] if sequence.ndim > 1 else sequence
        order = range(len(line)) if sorter is None else sorter[place[:-1]] if sorter.ndim > 1 else sorter
        return _place([line[i].item() for i in order], values[place].item(), right)

    return built(values.shape, element, np.zeros(0, int))


LINE = V([1, 2, 2, 5, 9])
ROWS = V([[1, 2, 2, 5], [0, 3, 6, 8]])
SOUGHT = V([[0, 2, 10], [6, 3, 1]])
row("searchsorted_rows", [LINE, SOUGHT, None, False], [ROWS, SOUGHT, None, True], [V([5, 1, 3]), SOUGHT, P([1, 2, 0]), False], [LINE, V(2), None, True],
    [T(2, 0), SOUGHT, None, False], case(V([1.0, 2.0]), V([NAN, 2.0, -INF]), None, False, only=FLOATS), reference=_searched,
    dtypes=NUMBERS, gives="int64", grad=0, without="0d")
row("searchsorted", [LINE, SOUGHT], case(ROWS, SOUGHT, right=True), case(V([[2, 1], [3, 7]]), V([[1], [7]]), side="right", sorter=P([[1, 0], [0, 1]])),
    [LINE, 2], [V([1, 3, 4]), 2.5], [T(0), V(1)],
    reference=lambda s, x, right=False, side=None, sorter=None: _searched(s, x, sorter, right or side == "right"),
    dtypes=NUMBERS, gives="int64", grad=0)
fails("searchsorted", case(LINE, 1, sorter=LINE), DTypeError, "searchsorted: sorter must hold integers, got float32. Give what argsort returns.")
fails("searchsorted", case(LINE, 1, side="middle"), ArgumentError, "searchsorted: side must be 'left' or 'right', got 'middle'.")
fails("searchsorted", case(LINE, 1, side="left", right=True), ArgumentError, "searchsorted: side='left' and right=True were given. Give one of them.")
for _sought, _shape in ((1, ()), (V([1, 2]), (2,)), (V([[1]]), (1, 1))):
    fails("searchsorted", [ROWS, _sought], ShapeError,
          f"searchsorted: sorted_sequence has shape (2, 4) and input has {_shape}. The sequence must have one dimension, or all but the last alike.")
fails("searchsorted", case(LINE, 1, sorter=P([0, 1])), ShapeError,
      "searchsorted: sorter has shape (2,); it must be that of sorted_sequence, (5,).")
fails("searchsorted", case(V([1, 2]), 1, sorter=P([0, 2])), IndexingError,
      "searchsorted: sorter holds 2, which is no place in rows of length 2.")
row("searchsorted in int32", [LINE, SOUGHT], reference=_searched, calls=lambda s, x: searchsorted(s, x, out_int32=True), dtypes=NUMBERS,
    gives="int32", grad=0, without="empty 0d")
fails("searchsorted in int32", [V(1), V([2])], ShapeError,
      "searchsorted: sorted_sequence has shape () and input has (1,). The sequence must have one dimension, or all but the last alike.")
row("bucketize", [SOUGHT, LINE], case(2, LINE, right=True), case(V(2), LINE), [SOUGHT, T(0)], reference=lambda x, s, right=False: _searched(s, x, None, right),
    dtypes=NUMBERS, gives="int64", grad=0)
fails("bucketize", [SOUGHT, ROWS], ShapeError, "bucketize: boundaries must have one dimension, got shape (2, 4).")


def _isin(x: Any, among: Any, *, assume_unique: bool = False, invert: bool = False) -> Any:
    x, among = np.asarray(x), np.asarray(among).reshape(-1).tolist()
    return built(x.shape, lambda place: any(x[place].item() == value for value in among) is not invert, np.zeros(0, bool))


row("isin", [SOUGHT, LINE], [SOUGHT, 3], [2, LINE], case(SOUGHT, ROWS, assume_unique=False, invert=True), case(V(1), T(0), invert=True),
    case(SPECIAL, V([NAN, 0.0, NAN, INF]), only=FLOATS), reference=_isin, dtypes=ALL, gives="bool", grad=0)
fails("isin", [2, 3], ArgumentTypeError, "isin: expected at least one tensor, got 2, 3, False, False.")

# sets


def _sets(x: Any, dim: int | None, consecutive: bool) -> Any:
    rows = x.reshape(-1, 1) if dim is None else np.moveaxis(x, dim, 0).reshape(x.shape[dim], -1)
    keys = [tuple(row.tolist()) for row in rows]
    order = list(range(len(keys)))
    if not consecutive:
        order.sort(key=lambda i: [_rank(value) for value in keys[i]])
    firsts: list[int] = []
    inverse, counts, last = [0] * len(keys), [], None
    for i in order:
        if last is None or any(a != b for a, b in zip(keys[i], keys[last], strict=True)):
            firsts.append(i)
            counts.append(0)
        inverse[i], last = len(firsts) - 1, i
        counts[-1] += 1
    shape = x.shape if dim is None else (len(keys),)
    return np.array(firsts, int), np.array(inverse, int).reshape(shape), np.array(counts, int)


def _unique(x: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None, consecutive: bool = False) -> Any:
    firsts, *rest = _sets(x, dim, consecutive)
    values = x.reshape(-1)[firsts] if dim is None else np.stack([np.take(x, i, axis=dim) for i in firsts], axis=dim) if len(firsts) else x
    more = [part for part, asked in zip(rest, (return_inverse, return_counts), strict=True) if asked]
    return (values, *more) if more else values


def _consecutive(x: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
    return _unique(x, True, return_inverse, return_counts, dim, True)


TABLE = V([[1, 0, 1], [1, 0, 1], [0, 2, 0], [1, 0, 0]])
row("unique_places", [TABLE, None, False], [TABLE, 0, False], [TABLE, 1, False], [TABLE, 0, True], [T(0, 3), None, True], [T(), None, False],
    case(SPECIAL, None, False, only=FLOATS), reference=_sets, dtypes=ALL, gives="int64", grad=0)
SETS = {"gives": ("same", "int64", "int64"), "dtypes": ALL, "budget": "exact"}
row("unique", [T(2, 3)], case(TABLE, return_inverse=True, return_counts=True, grad=False), case(TABLE, True, True, dim=-1, grad=False),
    case(T(0, 3), return_inverse=True, grad=False), case(V(3), return_inverse=True, grad=False), case(SPECIAL, only=FLOATS, grad=False), reference=_unique, **SETS)
row("unique_consecutive", [T(2, 3)], case(TABLE, grad=False), case(V(3), return_inverse=True, grad=False), case(TABLE, True, True, 0, grad=False), case(T(0, 3), return_inverse=True, grad=False),
    case(SPECIAL, return_inverse=True, only=FLOATS, grad=False), reference=_consecutive, **SETS)
for _name in ("unique", "unique_consecutive"):
    fails(_name, case(T(), dim=0), ShapeError, f"{_name}: a 0-d tensor has no dimension 0. Leave dim out.")
    fails(_name, case(T(0, 3), dim=1), ShapeError, f"{_name}: the parts of a tensor of shape (0, 3) along dim 1 are empty.")
    fails(_name, [T(3, dtype=dtypes.complex64)], DTypeError,
          f"{_name}: complex tensors are not supported, got complex64. Take .real, .imag or .abs() first.")
