"""Samples of indexing: ``x[key]``, assignment, gather and scatter, masks. Keys are tried against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np

import tapeloom as tl
from tapeloom import dtypes, keys
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, IndexingError, ShapeError
from tapeloom.testing.inputs import I, M, P, T, V
from tapeloom.testing.references import built
from tapeloom.testing.table import EVERY, case, fails, row

X = T(2, 3, 4)
PICKED: dict[str, Any] = {"dtypes": EVERY, "budget": "exact"}
FIRST, LAST = slice(None, 1), slice(1, None)

# x[key] and x[key] = value. References walk the positions that Python's own ranges give for basic keys, and read
# positions one by one for the others: NumPy is asked only which positions a key means, of an array of positions.


def _positions(x: Any, key: Any) -> Any:
    """For each element of ``x[key]`` its flat position in ``x``."""
    plain = tuple(np.asarray(item) if isinstance(item, list) else item for item in key) if isinstance(key, tuple) else key
    return np.arange(x.size).reshape(x.shape)[np.asarray(plain) if isinstance(plain, list) else plain]


def _read(x: Any, key: Any) -> Any:
    flat = x.reshape(-1)
    found = np.asarray(_positions(x, key))
    return built(found.shape, lambda place: flat[found[place]], x)


def _get(x: Any, key: Any) -> Any:
    return x[tuple(key) if isinstance(key, list) else key]


def _key(*parts: Any) -> list[Any]:
    """A key whose parts may be Inputs: as a list, which the table fills in, and which the call turns into a tuple."""
    return list(parts)


BASIC = [(0,), (-1,), (LAST,), (slice(None, None, 2),), (0, 1, 2), (..., 1), (None,), (slice(None), None, 0), (FIRST, ..., LAST), (..., slice(3, 1)), ()]
ADVANCED = [
    _key(I(2, below=2)),
    _key(slice(None), I(3, below=3)),
    _key(I(2, below=2), I(2, below=3)),
    _key(I(2, 1, below=2), I(3, below=3)),
    _key(I(2, below=2), slice(None), I(2, below=4)),
    _key(0, I(2, below=3)),
    _key(..., I(2, 2, below=4)),
    _key(P([-1, 0])),
    _key(M(2)),
    _key(M(2, 3)),
    _key(slice(None), M(3), 0),
    _key(None, I(2, below=2)),
]
row(
    "x[key]",
    *[[X, key] for key in BASIC],
    *[[X, key] for key in ADVANCED],
    [T(), (None,)],
    [T(), ()],
    [T(0, 3), (LAST,)],
    [T(3, 4), (slice(0, 0), 1)],
    case(T(3), _key(P([])), expect=np.zeros(0)),
    reference=lambda x, key: _read(x, tuple(key)),
    calls=_get,
    **PICKED,
)
fails("x[key]", [X, (2,)], IndexingError, "index: index 2 is out of range for dim 0 of length 2 (shape (2, 3, 4)).")
fails("x[key]", [X, (0, 0, 0, 0)], IndexingError, "index: 4 indices were given for a tensor of 3 dimensions (shape (2, 3, 4)).")
fails("x[key]", [X, (..., ...)], IndexingError, "index: an index can have only one Ellipsis ('...'), got 2.")
fails("x[key]", [X, (slice(None, None, -1),)], IndexingError, "index: slice step must be positive, got -1. Use .flip() to turn the order.")
fails("x[key]", [X, (1.5,)], ArgumentTypeError,
      "index: 1.5 of type float cannot be an index. Use ints, slices, None, ..., or integer or bool tensors.")
fails("x[key]", [X, _key(P([0, 2]))], IndexingError, "index: index 2 is out of range for dim 0 of length 2.")
fails("x[key]", [X, _key(P([0, -3]))], IndexingError, "index: index -3 is out of range for dim 0 of length 2.")
fails("x[key]", [X, _key(T(2))], ArgumentTypeError, "index: a float32 tensor cannot be an index. Cast it with .long().")
fails("x[key]", [X, _key(M(3))], IndexingError,
      "index: a bool index of shape (3,) does not fit the dimensions (2,) that it indexes. They must agree.")
fails("x[key]", [X, _key(I(2, below=1), I(3, below=1))], IndexingError,
      "index: index tensors do not broadcast: index: shapes (2,) and (3,) do not broadcast (axis -1: 2 vs 3). "
      "Reshape one operand, or give that axis the size 1.")


def _put(x: Any, key: Any, value: Any) -> Any:
    x = x.clone()
    x[tuple(key)] = value
    return x


def _written(x: Any, key: Any, value: Any) -> Any:
    result = x.copy()
    found = np.asarray(_positions(x, tuple(key)))
    spread = np.broadcast_to(np.asarray(value).reshape(np.asarray(value).shape[-found.ndim :] if found.ndim else ()), found.shape)
    for place in np.ndindex(found.shape):
        result[np.unravel_index(found[place], x.shape)] = spread[place]
    return result


row(
    "x[key] = value",
    [X, (0,), T(3, 4)],
    [X, (LAST,), T(4)],
    [X, (..., slice(None, None, 2)), T(2, 3, 2)],
    [X, (0, 1, 2), T()],
    [X, (0,), 1],
    [X, (..., 1), T(1, 2, 3)],
    [X, _key(slice(None), P([2, 0])), T(2, 4)],
    [X, _key(P([1, 0]), P([0, 2])), T(2, 4)],
    [X, _key(0, P([2, 0]), slice(1, 3)), T(2, 2)],
    [X, _key(M(2, 3)), T(4)],
    [X, (), T(3, 4)],
    [T(), (), T()],
    [T(0, 3), (LAST,), T(3)],
    reference=_written,
    calls=_put,
    **PICKED,
)
fails("x[key] = value", [X, (0,), T(4, 3)], ShapeError, "index_put: a value of shape (4, 3) does not broadcast to the indexed shape (3, 4).")
fails("x[key] = value", [X, (5,), 1], IndexingError, "index_put: index 5 is out of range for dim 0 of length 2 (shape (2, 3, 4)).")

# the ops behind them

KEY = keys.parse("index", (1, slice(0, 3, 2), None), (2, 3, 4), lambda item: False)[0]
NATIVE = (1, slice(0, 3, 2), None)
PICKS = {"without": "empty 0d", **PICKED}


def _unsliced(x: Any, key: Any, size: Any) -> Any:
    return _written(np.zeros(size, x.dtype), NATIVE, x)


row("slice_get", [X, KEY], reference=lambda x, key: _read(x, NATIVE), **PICKS)
row("unslice", [T(2, 1, 4), KEY, (2, 3, 4)], reference=_unsliced, **PICKS)
row("slice_put", [X, T(2, 1, 4), KEY], [X, T(4), KEY], reference=lambda x, value, key: _written(x, NATIVE, value), **PICKS)
row("zero_of", [T(3, 4)], [T()], [T(0, 3)], reference=lambda like: np.zeros(()), grad=0, **PICKED)


def _at(x: Any, indices: Any, dims: Any) -> tuple[Any, ...]:
    key: list[Any] = [slice(None)] * x.ndim
    for dim, index in zip(dims, indices, strict=True):
        key[dim] = index
    return tuple(key)


def _indexed_put(x: Any, indices: Any, value: Any, dims: Any, accumulate: bool = False) -> Any:
    return _put_at(x, _at(x, indices, dims), value, accumulate)


def _put_at(x: Any, key: Any, value: Any, accumulate: bool = False) -> Any:
    if not accumulate:
        return _written(x, key, value)
    result = x.copy()
    found = _positions(x, tuple(key))
    spread = np.broadcast_to(value, found.shape)
    for place in np.ndindex(found.shape):
        target = np.unravel_index(found[place], x.shape)
        result[target] = result[target] or spread[place] if x.dtype == np.bool_ else result[target] + spread[place]
    return result


PAIR = (P([1, 0, 1]), P([2, 0, 2]))
DISTINCT = (P([1, 0]), P([2, 0]))
row("index", [X, PAIR, (0, 1)], [X, PAIR[:1], (0,)], [X, PAIR, (0, 2)], [T(2, 0), PAIR[:1], (0,)], without="0d",
    reference=lambda x, indices, dims: _read(x, _at(x, indices, dims)), **PICKED)
row("index_put", [X, DISTINCT, T(2, 4), (0, 1)], case(X, PAIR, T(3, 4), (0, 1), True), case(X, PAIR[:1], T(3, 4), (0,), accumulate=True),
    [X, DISTINCT, T(), (0, 2)], [T(2, 0), DISTINCT[:1], T(2, 0), (0,)], without="0d", reference=_indexed_put, dtypes=EVERY, budget="sum")


for _name, _call in {
    "index_put as in PyTorch": lambda x, *args, **kwargs: tl.index_put(x, *args, **kwargs),
    "index_put_": lambda x, *args, **kwargs: x.clone().index_put_(*args, **kwargs),
}.items():
    row(_name, [X, DISTINCT, T(2, 4)], case(X, PAIR, T(3, 4), True), case(X, PAIR[:1], T(), accumulate=True), [X, [M(2, 3)], T(4)],
        case(X, [P(1)], T(4), accumulate=True), case(X, [P(1), P([0, 0])], T(4), accumulate=True),
        [T(2, 0), DISTINCT[:1], T(2, 0)], reference=_put_at, calls=_call, dtypes=EVERY, budget="sum")  # fmt: skip
    _own = _name.split()[0]
    fails(_name, [X, P([1, 0]), T(4)], ArgumentTypeError, f"{_own}: indices must be a list or tuple of tensors, got Tensor.")
    fails(_name, [X, (0,), T(4)], ArgumentTypeError, f"{_own}: indices must be tensors, got int at position 0.")
    fails(_name, [X, (), T(4)], ArgumentError, f"{_own}: indices is empty. Give a tensor for each dimension to index.")
    fails(_name, [X, PAIR, 1.0], ArgumentTypeError, f"{_own}: values must be a tensor, got float. Make it one with tapeloom.tensor(...).")
    fails(_name, [X, PAIR, T(4, dtype=dtypes.float64)], DTypeError,
          f"{_own}: input is float32, and values is float64; they must be the same. Cast one of them with .to(dtype).")
    fails(_name, [X, PAIR, T(5)], ShapeError, f"{_own}: a value of shape (5,) does not broadcast to the indexed shape (3, 4).")
    fails(_name, [X, (P([2]),), T()], IndexingError, f"{_own}: index 2 is out of range for dim 0 of length 2.")

# gather and scatter


def _gathered(x: Any, dim: int, index: Any) -> Any:
    if not index.size:
        return np.zeros(index.shape, x.dtype)
    if not x.ndim:
        return np.broadcast_to(x, index.shape)
    axis = dim % x.ndim
    return built(index.shape, lambda place: x[(*place[:axis], index[place], *place[axis + 1 :])], x)


def _scattered(x: Any, dim: int, index: Any, src: Any) -> Any:
    result = x.copy()
    for place in np.ndindex(index.shape):
        if not x.ndim:
            result = result + src[place]
            continue
        axis = dim % x.ndim
        result[(*place[:axis], index[place], *place[axis + 1 :])] += src[place]
    return result


def bad_indices(name: str, arguments: list[Any]) -> None:
    """An index out of range, and one that holds no integers."""
    out = [P([[0, 3]]) if item == "index" else item for item in arguments]
    fails(name, out, IndexingError, f"{name}: index 3 is out of range for dim 0 of length 3.")
    floating = [T(1, 2) if item == "index" else item for item in arguments]
    fails(name, floating, DTypeError, f"{name}: index must hold integers, got float32. Cast it with .long().")


row("gather", [T(3, 4), 0, I(2, 4, below=3)], [X, -1, I(2, 2, 5, below=4)], [T(3, 4), 1, I(0, 2, below=4)], [T(), 0, I(below=1)],
    [T(), 0, I(1, below=1)], [T(), 0, I(3, below=1)], [T(3, 4), 0, I(0, below=3)], [T(3, 4), 0, I(5, 0, 9, below=3)],
    reference=_gathered, **PICKED)
bad_indices("gather", [T(3, 4), 0, "index"])
fails("gather", [T(3, 4), 0, I(2, below=3)], ShapeError, "gather: index has shape (2,) and input has (3, 4); they need as many dimensions.")
fails("gather", [T(3, 4), 0, I(2, 5, below=3)], ShapeError, "gather: index of shape (2, 5) is longer than input of shape (3, 4) in dim 1.")
row("scatter_add", [T(3, 4), 0, I(2, 4, below=3), T(2, 4)], [T(3, 4), 1, I(2, 3, below=4), T(3, 4)], [X, -1, I(2, 2, 5, below=4), T(2, 2, 5)],
    [T(3, 4), 1, I(0, 2, below=4), T(0, 2)], [T(), 0, I(below=1), T()], [T(), 0, I(3, below=1), T(3)], [T(3, 4), 0, I(0, below=3), T(2, 2)],
    reference=_scattered, dtypes=EVERY[1:], budget="sum")
bad_indices("scatter_add", [T(3, 4), 0, "index", T(1, 2)])
fails("scatter_add", [T(3, 4), 0, I(2, 4, below=3), T(1, 4)], ShapeError,
      "scatter_add: index of shape (2, 4) does not lie within the source of shape (1, 4).")


def _chosen(x: Any, dim: int, index: Any) -> Any:
    if not x.ndim:
        return x
    axis, places = dim % x.ndim, index.reshape(-1)
    shape = (*x.shape[:axis], len(places), *x.shape[axis + 1 :])
    return built(shape, lambda place: x[(*place[:axis], places[place[axis]], *place[axis + 1 :])], x)


def _added(x: Any, dim: int, index: Any, source: Any, alpha: int = 1) -> Any:
    if not x.ndim:
        return x + alpha * source.reshape(())
    result, axis, places = x.copy(), dim % x.ndim, index.reshape(-1)
    for place in np.ndindex(source.shape):
        result[(*place[:axis], places[place[axis]], *place[axis + 1 :])] += alpha * source[place]
    return result


row("index_select", [T(3, 4), 0, I(5, below=3)], [X, -1, I(2, below=4)], [T(3, 4), 1, I(0, below=4)], [T(3), 0, I(below=3)], [T(), 0, I(1, below=1)], [T(3, 4), 0, P([2, 0], dtypes.int32)],
    reference=_chosen, **PICKED)
fails("index_select", [T(3, 4), 0, I(2, 2, below=3)], ShapeError, "index_select: index must have at most one dimension, got shape (2, 2).")
fails("index_select", [T(), 0, P([0, 0])], ShapeError, "index_select: a 0-d tensor has one place to index, and 2 were given.")
fails("index_select", [T(3, 4), 1, P([4])], IndexingError, "index_select: index 4 is out of range for dim 1 of length 4.")
row("index_add", [T(3, 4), 0, P([2, 0, 2]), T(3, 4)], [X, -1, I(2, below=4), T(2, 3, 2)], [T(3, 4), 1, I(0, below=4), T(3, 0)],
    [T(), 0, I(1, below=1), T(1)], case(T(3, 4), 0, P([2, 0, 2]), T(3, 4), alpha=2), reference=_added, dtypes=EVERY[1:], budget="sum")
fails("index_add", [T(3, 4), 1, P([4]), T(3, 1)], IndexingError, "index_add: index 4 is out of range for dim 1 of length 4.")
fails("index_add", [T(3, 4), 1, P([0, 1]), T(3, 3)], ShapeError,
      "index_add: source has shape (3, 3); for 2 places along dim 1 of input of shape (3, 4) it must have (3, 2).")
fails("index_add", case(T(3, 4), 0, P([2]), T(1, 4), alpha=2.5), DTypeError,
      "index_add: input is int64, and source is float32; they must be the same. Cast one of them with .to(dtype).", dtype=dtypes.int64)
fails("index_add", case(T(3, 4), 0, P([2]), T(1, 4), alpha="2"), ArgumentTypeError, "index_add: alpha must be a number, got '2' of type str.")
row("take_along_dim", [T(3, 4), I(2, 4, below=3), 0], [T(3, 4), I(1, 2, below=4), 1], [T(3, 4), I(5, below=12)], [T(3, 1), I(1, 4, below=3), 0],
    [T(3, 4), I(0, below=12)], [T(3, 4), P([[-1, 0, -3, 2]]), 0], without="0d",
    reference=lambda x, indices, dim=None: _taken(x, indices, dim), **PICKED)
fails("take_along_dim", [T(3, 4), I(2, 4, below=3), 2], IndexingError,
      "take_along_dim: dim 2 is out of range for a tensor of 2 dimensions. Give a dim from -2 to 1.")
fails("take_along_dim", [T(3, 4), I(4, below=3), 0], ShapeError,
      "take_along_dim: indices has shape (4,) and input has (3, 4); along a dim they need as many dimensions, at least one.")
fails("take_along_dim", [T(3, 4), I(2, 5, below=3), 0], ShapeError,
      "take_along_dim: shapes (1, 4) and (1, 5) do not broadcast (axis -1: 4 vs 5). Reshape one operand, or give that axis the size 1.")
fails("take_along_dim", [T(3, 4), P([[3]]), 0], IndexingError, "take_along_dim: index 3 is out of range for dim 0 of length 3.")
fails("take_along_dim", [T(3, 4), P([[-4]]), 0], IndexingError, "take_along_dim: index -4 is out of range for dim 0 of length 3.")
fails("take_along_dim", [T(3, 4), P([-1])], IndexingError, "take_along_dim: index -1 is out of range for dim 0 of length 12.")
fails("take_along_dim", [T(3, 4), T(1, 4), 0], DTypeError, "take_along_dim: index must hold integers, got float32. Cast it with .long().")
fails("take_along_dim", [T(3, 4), [0, 1]], ArgumentTypeError, "take_along_dim: indices must be a tensor, got list. Make it one with tapeloom.tensor(...).")


def _taken(x: Any, indices: Any, dim: Any) -> Any:
    if dim is None:
        return _gathered(x.reshape(-1), 0, indices.reshape(-1))
    shape = [max(a, b) for a, b in zip(x.shape, indices.shape, strict=True)]
    own, other = list(shape), list(shape)
    own[dim], other[dim] = x.shape[dim], indices.shape[dim]
    return _gathered(np.broadcast_to(x, own), dim, np.broadcast_to(indices, other))


# masks


def _nonzero(x: Any) -> Any:
    found = [place for place in np.ndindex(x.shape) if x[place]]
    return np.array(found, np.int64).reshape(len(found), x.ndim)


row("nonzero", [T(3, 4, low=0, high=1.4)], [V([[0, 1], [2, 0]])], [V(1)], [V(0)], [T(0, 3)], reference=_nonzero, gives="int64", grad=0, **PICKED)
row("nonzero as a tuple", [T(3, 4, low=0, high=1.4)], [V([[0, 1], [2, 0]])], [V(1)], [V(0)], [T(0, 3)], gives="int64", grad=0,
    reference=lambda x: tuple(_nonzero(np.atleast_1d(x)).T), calls=lambda x: tl.nonzero(x, as_tuple=True), **PICKED)
fails("nonzero as a tuple", [[1.0]], ArgumentTypeError, "nonzero: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")
row("select_column", [T(5, 2), 1], [T(0, 2), 0], reference=lambda x, column: built((len(x),), lambda i: x[i[0], column], x), grad=0,
    without="0d", **PICKED)


def _masked(x: Any, mask: Any) -> Any:
    shape = np.broadcast_shapes(x.shape, mask.shape)
    x, mask = np.broadcast_to(x, shape), np.broadcast_to(mask, shape)
    values = [x[place] for place in np.ndindex(shape) if mask[place]]
    return np.array(values, x.dtype)


row("masked_select", [T(3, 4), M(3, 4)], [T(3, 4), M(4)], [T(4), M(3, 1)], [T(), M()], [T(0, 3), M(3)], reference=_masked, **PICKED)
fails("masked_select", [T(3, 4), M(3)], ShapeError,
      "masked_select: shapes (3, 4) and (3,) do not broadcast (axis -1: 4 vs 3). Reshape one operand, or give that axis the size 1.")
fails("masked_select", [T(3), T(3)], DTypeError, "masked_select: mask must be a bool tensor, got float32. Cast it with .bool().")
fails("masked_select", [T(3), I(3, below=3)], DTypeError, "masked_select: mask must be a bool tensor, got int64. Cast it with .bool().")
fails("masked_select", [T(3), True], ArgumentTypeError, "masked_select: mask must be a tensor, got bool. Make it one with tapeloom.tensor(...).")


def _unraveled(indices: Any, shape: Any) -> tuple[Any, ...]:
    size = (shape,) if isinstance(shape, int) else shape
    places = list(np.ndindex(*size)) or [()]
    return tuple(built(indices.shape, lambda i, axis=axis: places[indices[i] % len(places)][axis], indices) for axis in range(len(size)))


row("unravel_index", [I(2, 3, below=24), (2, 3, 4)], [P(5), 6], [P([-1, 7]), (2, 3)], [I(0, below=1), (0, 3)], reference=_unraveled,
    gives=("int64",) * 3, grad=0, dtypes=[dtypes.int64], budget="exact")
fails("unravel_index", [P([1]), (0, 3)], ShapeError, "unravel_index: a tensor of shape (0, 3) has no elements.")
fails("unravel_index", [P([1]), (-1, 3)], ShapeError, "unravel_index: size (-1, 3) has the negative length -1. Give lengths of 0 or more.")
fails("unravel_index", [T(3), (3,)], DTypeError, "unravel_index: indices must hold integers, got float32. Cast them with .long().")
