"""Samples of joining."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, ShapeError
from tapeloom.testing.inputs import T
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
