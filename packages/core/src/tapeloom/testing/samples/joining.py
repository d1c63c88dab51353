"""Samples of joining."""

from __future__ import annotations

from itertools import combinations as chosen
from itertools import combinations_with_replacement as chosen_again
from itertools import product
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.testing.inputs import I, T
from tapeloom.testing.references import built
from tapeloom.testing.samples.movement import MOVED, in_order, unsqueezed
from tapeloom.testing.table import FLOATS, case, fails, row


def _joined(tensors: list[Any], dim: int = 0) -> Any:
    kept = [x for x in tensors if x.shape != (0,)] or tensors
    axis = dim % kept[0].ndim
    pieces = [(x, i) for x in kept for i in range(x.shape[axis])]
    shape = (*kept[0].shape[:axis], len(pieces), *kept[0].shape[axis + 1 :])
    kind = np.result_type(*tensors) if len({x.dtype for x in tensors}) > 1 else kept[0].dtype

    def element(place: tuple[int, ...]) -> Any:
        x, i = pieces[place[axis]]
        return x[(*place[:axis], i, *place[axis + 1 :])]

    return built(shape, element, np.empty(0, kind))


MIXED = case((T(2, 3), T(2, 3, dtype=dtypes.float64)), 0, only=FLOATS)
row("cat", [(T(2, 3), T(1, 3))], [(T(2, 3), T(2, 1), T(2, 2)), 1], [(T(3, 4), T(3, 4)), -1], [(T(0, 3), T(2, 3))], [(T(0), T(2, 3))],
    case((T(0, dtype=dtypes.float64), T(2, 3)), 1, only=FLOATS),
    case((T(3), T(2)), dim=0), case(tensors=(T(3), T(2))), MIXED, reference=_joined, without="0d", **MOVED)
fails("cat", [()], ArgumentError, "cat: expected at least one tensor, got none.")
fails("cat", [(T(2, 3), T(2, 4))], ShapeError, "cat: tensor 1 has shape (2, 4) and tensor 0 has (2, 3); they may differ only in dim 0.")
fails("cat", [(T(), T())], ShapeError, "cat: 0-d tensors cannot be joined. Use tapeloom.stack.")
fails("cat", [T(2, 3)], ArgumentTypeError, "cat: tensors must be a list or tuple of tensors, got Tensor.")


def _stacked(tensors: list[Any], dim: int = 0) -> Any:
    axis = dim % (tensors[0].ndim + 1)
    return _joined([unsqueezed(x, axis) for x in tensors], axis)


row("stack", [(T(2, 3), T(2, 3))], [(T(2, 3), T(2, 3)), 1], [(T(2, 3), T(2, 3)), -1], [(T(), T())], [(T(0, 3),)], reference=_stacked, **MOVED)
fails("stack", [(T(2, 3), T(3, 2))], ShapeError, "stack: tensor 1 has shape (3, 2) and tensor 0 has (2, 3); all must agree.")
fails("stack", [()], ArgumentError, "stack: expected at least one tensor, got none.")
fails("stack", [3], ArgumentTypeError, "stack: tensors must be a list or tuple of tensors, got int.")


def _rows(tensors: list[Any]) -> Any:
    return _joined([in_order(x, (1, x.size)) if x.ndim < 2 else x for x in tensors], 0)


def _columns(tensors: list[Any]) -> Any:
    tensors = [in_order(x, (1,)) if not x.ndim else x for x in tensors]
    return _joined(tensors, 0 if tensors[0].ndim == 1 else 1)


row("vstack", [(T(3), T(3))], [(T(2, 3), T(3))], [(T(), T())], [(T(0, 3), T(2, 3))], reference=_rows, **MOVED)
row("hstack", [(T(3), T(2))], [(T(2, 3), T(2, 1))], [(T(), T())], [(T(0), T(2))], reference=_columns, **MOVED)
fails("vstack", [(T(2, 3), T(4))], ShapeError, "vstack: tensor 1 has shape (1, 4) and tensor 0 has (2, 3); they may differ only in dim 0.")
fails("hstack", [(T(2, 3), T(3, 3))], ShapeError, "hstack: tensor 1 has shape (3, 3) and tensor 0 has (2, 3); they may differ only in dim 1.")
for _name in ("vstack", "hstack"):
    fails(_name, [(T(3), 1)], ArgumentTypeError, f"{_name}: tensors must be tensors, got int at position 1.")
    fails(_name, [3], ArgumentTypeError, f"{_name}: tensors must be a list or tuple of tensors, got int.")


def _with_dims(x: Any, least: int) -> Any:
    shape = x.shape if x.ndim or least == 1 else (1,)
    shape = (1, *shape) if len(shape) < 2 <= least else shape
    return in_order(x, (*shape, *(1,) * (least - len(shape))))


def _flat_columns(tensors: list[Any]) -> Any:
    return _joined([in_order(x, (x.size, 1)) if x.ndim < 2 else x for x in tensors], 1)


row("dstack", [(T(3), T(3))], [(T(2, 3), T(2, 3, 2))], [(T(), T())], [(T(0, 3), T(0, 3))], **MOVED,
    reference=lambda tensors: _joined([_with_dims(x, 3) for x in tensors], 2))
row("column_stack", [(T(3), T(3))], [(T(2, 3), T(2))], [(T(), T())], [(T(0), T(0, 3))], reference=_flat_columns, **MOVED)
fails("dstack", [(T(2, 3), T(3))], ShapeError, "dstack: tensor 1 has shape (1, 3, 1) and tensor 0 has (2, 3, 1); they may differ only in dim 2.")
fails("column_stack", [(T(2, 3), T(3))], ShapeError,
      "column_stack: tensor 1 has shape (3, 1) and tensor 0 has (2, 3); they may differ only in dim 1.")
for _least in (1, 2, 3):
    row(f"atleast_{_least}d", [T(2)], [T(2, 2)], [T(2, 2, 2, 2)], [T(), T(3)], [(T(0), T())], gives=("same", "same"), **MOVED,
        reference=lambda *given, least=_least: tuple(_with_dims(x, least) for x in (given[0] if isinstance(given[0], list) else given)))
    fails(f"atleast_{_least}d", [T(2), 3], ArgumentTypeError, f"atleast_{_least}d: tensors must be tensors, got int at position 1.")


def _blocks(*tensors: Any) -> Any:
    matrices = [_with_dims(x, 2) for x in tensors]
    result = np.zeros([sum(x.shape[axis] for x in matrices) for axis in (0, 1)], np.result_type(*matrices))
    down = right = 0
    for x in matrices:
        for i, j in np.ndindex(x.shape):
            result[down + i, right + j] = x[i, j]
        down, right = down + x.shape[0], right + x.shape[1]
    return result


row("block_diag", [T(2, 3), T(1, 2)], [T(3), T(), T(2, 0)], [T(0)], reference=_blocks, **MOVED)
fails("block_diag", [T(2, 3, 4)], ShapeError, "block_diag: expected at most 2 dimensions, got shape (2, 3, 4) at position 0.")

# in all combinations


def _grids(*vectors: Any, indexing: str = "ij") -> tuple[Any, ...]:
    vectors = tuple(_with_dims(x, 1) for x in (vectors[0] if isinstance(vectors[0], list) else vectors))
    size = [len(x) for x in vectors]
    axes = list(range(len(size)))
    if indexing == "xy" and len(size) > 1:
        axes[:2], size[:2] = [1, 0], size[1::-1]
    return tuple(built(size, lambda i, x=x, axis=axis: x[i[axis]], x) for x, axis in zip(vectors, axes, strict=True))


row("meshgrid", [T(2), T(3)], case(T(2), T(3), T(), indexing="xy"), [(T(2), T(3))], [T(0), T(2)], gives=("same",) * 3, reference=_grids, **MOVED)
fails("meshgrid", [T(2), T(2, 2)], ShapeError, "meshgrid: expected at most 1 dimension, got shape (2, 2) at position 1.")
fails("meshgrid", [T(2), I(2, below=2)], DTypeError,
      "meshgrid: the tensors must be of one dtype, got float32 and int64. Cast them with .to(dtype).")
fails("meshgrid", [()], ArgumentError, "meshgrid: expected at least one tensor, got none.")
fails("meshgrid", case(T(2), indexing="ji"), ArgumentError, "meshgrid: indexing must be 'ij' or 'xy', got 'ji'.")


def _rows_of(kind: Any, rows: Any, width: int) -> Any:
    return np.array(list(rows), kind).reshape(-1, width)


row("cartesian_prod", [T(2), T(3)], [T(2), T(1), T(2)], [T(3)], [T(0), T(2)], without="0d", **MOVED,
    reference=lambda *xs: _rows_of(xs[0].dtype, product(*xs), len(xs)) if len(xs) > 1 else xs[0])
fails("cartesian_prod", [T(2), T()], ShapeError, "cartesian_prod: expected vectors, got shape ().")
row("combinations", [T(4)], [T(3), 3], case(T(3), with_replacement=True), [T(2), 0], [T(2), 3], [T(0)], without="0d", **MOVED,
    reference=lambda x, r=2, with_replacement=False: (
        _rows_of(x.dtype, (chosen_again if with_replacement else chosen)(x, r), r) if r else x[:0]
    ))
fails("combinations", [T(2, 2)], ShapeError, "combinations: expected a vector, got shape (2, 2).")
fails("combinations", [T(2), -1], ArgumentError, "combinations: r must not be negative, got -1.")
