"""Samples of masks and positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.testing.inputs import M, T, V
from tapeloom.testing.table import EVERY, case, fails, row

MOVED: dict[str, Any] = {"dtypes": EVERY, "budget": "exact"}


def _filled(x: Any, mask: Any, source: Any) -> Any:
    result = np.broadcast_to(x, np.broadcast_shapes(x.shape, mask.shape)).copy()
    values = iter(source.reshape(-1))
    for place in np.ndindex(result.shape):
        if np.broadcast_to(mask, result.shape)[place]:
            result[place] = next(values)
    return result


row("masked_scatter", [T(3, 4), M(3, 4), T(2, 4)], [T(3, 4), M(4), T(7)], [T(4), M(3, 1), T(8)], [T(), M(), T(1)], [T(0, 3), M(3), T(0)],
    reference=_filled, **MOVED)
fails("masked_scatter", [T(3), V([True, False, True], dtypes.bool_), T(1)], ShapeError,
      "masked_scatter: mask is true at 2 places and source has 1 elements. It needs at least as many.")
fails("masked_scatter", [T(3, 2), V([True, False], dtypes.bool_), T(2)], ShapeError,
      "masked_scatter: mask is true at 3 places and source has 2 elements. It needs at least as many.")
fails("masked_scatter", [T(3), M(2), T(3)], ShapeError,
      "masked_scatter: shapes (3,) and (2,) do not broadcast (axis -1: 3 vs 2). Reshape one operand, or give that axis the size 1.")
fails("masked_scatter", [T(3), T(3), T(3)], DTypeError, "masked_scatter: mask must be a bool tensor, got float32. Cast it with .bool().")


def _nonzero(x: Any) -> Any:
    found = [place for place in np.ndindex(x.shape) if x[place]]
    return np.array(found, np.int64).reshape(len(found), x.ndim)


def _static(x: Any, *, size: int, fill_value: int = -1) -> Any:
    found = _nonzero(x)[:size]
    return np.concatenate([found, np.full((size - len(found), x.ndim), fill_value)])


SOME = V([[0, 1, 0], [2, 0, 1]])
row("argwhere", [SOME], [T(3, 4, low=0, high=1.4)], [V(1)], [V(0)], [T(0, 3)], reference=_nonzero, gives="int64", grad=0, **MOVED)
fails("argwhere", [[1, 0]], ArgumentTypeError, "argwhere: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")
row("nonzero_static", case(SOME, size=2), case(SOME, size=5, fill_value=7), case(V(1), size=2), case(T(0, 3), size=2), case(SOME, size=0),
    reference=_static, gives="int64", grad=0, **MOVED)
fails("nonzero_static", case(SOME, size=-1), ArgumentError, "nonzero_static: size must not be negative, got -1.")
