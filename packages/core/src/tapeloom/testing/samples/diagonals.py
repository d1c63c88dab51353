"""Samples of diagonals and triangles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentTypeError, DTypeError, ShapeError
from tapeloom.testing.inputs import T
from tapeloom.testing.references import built
from tapeloom.testing.samples.movement import MOVED
from tapeloom.testing.table import case, fails, row

# diagonals


def _places(shape: Any, offset: int, dim1: int, dim2: int) -> Any:
    """The shape of the diagonals, and where in a tensor of ``shape`` a place of them is."""
    first, second = dim1 % len(shape), dim2 % len(shape)
    down, right = max(-offset, 0), max(offset, 0)
    lead = [axis for axis in range(len(shape)) if axis not in (first, second)]
    count = max(min(shape[first] - down, shape[second] - right), 0)

    def place(own: tuple[int, ...]) -> tuple[int, ...]:
        result = dict(zip(lead, own, strict=False)) | {first: own[-1] + down, second: own[-1] + right}
        return tuple(result[axis] for axis in range(len(shape)))

    return (*(shape[axis] for axis in lead), count), place


def _diagonal(x: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    shape, place = _places(x.shape, offset, dim1, dim2)
    return built(shape, lambda own: x[place(own)], x)


def _put(x: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    shape, place = _places(x.shape, offset, dim1, dim2)
    result, src = x.copy(), np.broadcast_to(src, shape)
    for own in np.ndindex(*shape):
        result[place(own)] = src[own]
    return result


def _embedded(x: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    shape = list(x.shape[:-1])
    for axis in sorted((dim1 % (x.ndim + 1), dim2 % (x.ndim + 1))):
        shape.insert(axis, x.shape[-1] + abs(offset))
    return _put(np.zeros(shape, x.dtype), x, offset, dim1, dim2)


row("diagonal", [T(3, 4)], [T(3, 4), -1], [T(2, 3, 4), 1, -1, 0], case(T(4, 3), offset=2), [T(2, 2), 5], [T(0, 3)], reference=_diagonal,
    without="0d", **MOVED)
row("linalg.diagonal", [T(2, 3, 4)], case(T(2, 3, 4), offset=-1, dim1=0), [T(0, 3)], without="0d",
    reference=lambda x, offset=0, dim1=-2, dim2=-1: _diagonal(x, offset, dim1, dim2), **MOVED)
row("diagonal_put", [T(3, 4), T(3), 0, 0, 1], [T(2, 3, 4), T(2, 2), 2, 1, 2], [T(3, 3), T(), 0, 0, 1], [T(0, 3), T(0), 0, 0, 1], reference=_put,
    **MOVED)
row("diagonal_scatter", [T(3, 4), T(3)], [T(3, 4), T(2), -1], case(T(2, 3, 4), T(3, 2), dim1=-1, dim2=0), [T(0, 3), T(0)], reference=_put,
    without="0d", **MOVED)
for _name in ("diagonal", "linalg.diagonal"):
    _short = _name.removeprefix("linalg.")
    fails(_name, case(T(3, 3), dim1=0, dim2=-2), ShapeError, f"{_short}: dim1 and dim2 must differ, got 0 for both, for a tensor of shape (3, 3).")
fails("diagonal_scatter", [T(3, 4), T(4)], ShapeError, "diagonal_scatter: src has shape (4,), and the diagonal (3,). They must agree.")
fails("diagonal_scatter", [T(3, 4), 1.0], ArgumentTypeError,
      "diagonal_scatter: src must be a tensor, got float. Make it one with tapeloom.tensor(...).")
row("diag_embed", [T(3)], [T(2, 3), 1], case(T(2, 3), -1, dim1=0, dim2=2), [T(2, 0)], reference=_embedded, without="0d", **MOVED)
fails("diag_embed", [T()], ShapeError, "diag_embed: a 0-d tensor has no dimension to put on a diagonal.")
fails("diag_embed", [T(3), 0, 1, -1], ShapeError, "diag_embed: dim1 and dim2 must differ, got 1 for both.")
row("diag", [T(3)], [T(3, 4), 1], case(T(2), diagonal=-1), [T(0)], without="0d", **MOVED,
    reference=lambda x, diagonal=0: _embedded(x, diagonal) if x.ndim == 1 else _diagonal(x, diagonal))
fails("diag", [T(2, 3, 4)], ShapeError, "diag: expected a vector or a matrix, got shape (2, 3, 4). Use .diagonal() or .diag_embed().")
row("diagflat", [T(2, 2)], [T(3), 1], [T(), -1], [T(0, 3)], reference=lambda x, offset=0: _embedded(x.reshape(-1), offset), **MOVED)
fails("diagflat", [3], ArgumentTypeError, "diagflat: input must be a tensor, got int. Make it one with tapeloom.tensor(...).")


def _with_diagonal(x: Any, value: Any, wrap: bool = False) -> Any:
    result, again = x.copy(), x.shape[-1] + 1
    for place in np.ndindex(x.shape):
        row_number = place[0] % again if wrap else place[0]
        if all(i == row_number for i in place[1:]):
            result[place] = value
    return result


row("fill_diagonal_", [T(3, 4), 1], [T(7, 3), 1, True], [T(4, 2), 0], [T(2, 2, 2), 1], [T(0, 3), 1], without="0d",
    calls=lambda x, value, wrap=False: x.clone().fill_diagonal_(value, wrap), reference=_with_diagonal, **MOVED)
fails("fill_diagonal_", [T(3), 1], ShapeError, "fill_diagonal_: expected a matrix, or a tensor of more dimensions of one length, got shape (3,).")
fails("fill_diagonal_", [T(2, 2), 300], DTypeError,
      "fill_diagonal_: the number 300 does not fit uint8 (0 to 255). Cast the tensor to a wider dtype first.", dtypes.uint8)

# triangles


def _triangle(keep: Any) -> Any:
    return lambda x, diagonal=0: built(x.shape, lambda i: x[i] if keep(i[-1] - i[-2], diagonal) else x.dtype.type(0), x)


row("tril", [T(3, 4)], [T(4, 3), 1], [T(2, 3, 3), -1], case(T(3, 4), diagonal=5), [T(0, 3)], reference=_triangle(lambda d, k: d <= k),
    without="0d", **MOVED)
row("triu", [T(3, 4)], [T(4, 3), 1], [T(2, 3, 3), -1], case(T(3, 4), diagonal=5), [T(0, 3)], reference=_triangle(lambda d, k: d >= k),
    without="0d", **MOVED)
for _name in ("tril", "triu"):
    for _shape in ((), (3,)):
        fails(_name, [T(*_shape)], ShapeError, f"{_name}: expected a matrix or a batch of them, got shape {_shape}.")


def _where(keep: Callable[[int, int], bool]) -> Callable[..., Any]:
    def reference(row: int, col: int, offset: int = 0) -> Any:
        found = [(i, j) for i in range(row) for j in range(col) if keep(j - i, offset)]
        return np.array(found, np.int64).reshape(-1, 2).T

    return reference


for _name, _keep in {"tril_indices": lambda d, k: d <= k, "triu_indices": lambda d, k: d >= k}.items():
    row(_name, [3, 4], [4, 3, 1], case(3, 3, offset=-1), [0, 3], [2, 2, 9], reference=_where(_keep), dtypes=(dtypes.int32, dtypes.int64),
        budget="exact", grad=0, maker=True, without="0d")
    fails(_name, [-1, 3], ShapeError, f"{_name}: size (-1, 3) has the negative length -1. Give lengths of 0 or more.", dtypes.int64)
    fails(_name, [2, 3], DTypeError, f"{_name}: places are integers, not float32. Give an integer dtype.")
