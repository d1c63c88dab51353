"""Samples of differences and integrals: formulas of the neighbours at each place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, IndexingError, ShapeError
from tapeloom.testing.inputs import P, T, V
from tapeloom.testing.references import broadcast_shape, built, read_broadcast
from tapeloom.testing.table import COMPLEX, EVERY, FLOATS, INEXACT, INTEGERS, case, fails, row

X = T(2, 3, 4)


def _moved(place: tuple[int, ...], axis: int, by: int) -> tuple[int, ...]:
    return (*place[:axis], place[axis] + by, *place[axis + 1 :])


def _shorter(shape: tuple[int, ...], axis: int, by: int = 1) -> tuple[int, ...]:
    return (*shape[:axis], max(shape[axis] - by, 0), *shape[axis + 1 :])


def _diff(x: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    axis = dim % x.ndim
    prepend, append = (prepend, append) if n else (None, None)
    length = sum(part.shape[axis] for part in (prepend, x, append) if part is not None)
    joined = np.empty((*x.shape[:axis], length, *x.shape[axis + 1 :]), np.result_type(*(part for part in (prepend, x, append) if part is not None)))
    start = 0
    for part in (prepend, x, append):
        if part is not None:
            joined[(slice(None),) * axis + (slice(start, start + part.shape[axis]),)] = part
            start += part.shape[axis]
    for _ in range(min(n, length)):
        old = joined

        def element(place: tuple[int, ...], old: Any = old) -> Any:
            ahead, behind = old[_moved(place, axis, 1)].item(), old[place].item()
            return ahead != behind if isinstance(ahead, bool) else ahead - behind

        joined = built(_shorter(old.shape, axis), element, old)
    return joined


row("diff", [X], [X, 2], case(X, dim=0), case(X, n=9, dim=1), case(T(3, 4), 0, append=T(3, 1)), [T(0, 3)], [T(3, 0)],
    case(T(3, 4), 1, -2, T(1, 4), append=T(2, 4)), reference=_diff, dtypes=EVERY[:1] + tuple(d for d in EVERY[1:] if d.signed or d.inexact),
    budget="sum", magnitude=lambda *args, **named: np.float64(8.0), without="0d")
fails("diff", [T()], ShapeError, "diff: a 0-d tensor has no neighbours. Give a tensor of at least one dimension.")
fails("diff", [X, -1], ArgumentError, "diff: n must not be negative, got -1.")
fails("diff", case(X, dim=3), IndexingError, "diff: dim 3 is out of range for a tensor of 3 dimensions. Give a dim from -3 to 2.")
fails("diff", case(T(2, 3), prepend=T(3, 3)), ShapeError, "diff: prepend has shape (3, 3); it must have that of input, (2, 3), but for dim 1.")


def _strips(y: Any, x: Any, dx: Any, axis: int) -> Any:
    if x is not None and x.ndim == 1:
        x = x.reshape((-1,) + (1,) * (y.ndim - axis - 1))
    read = None if x is None else read_broadcast(x, broadcast_shape(x.shape, y.shape))

    def element(place: tuple[int, ...]) -> Any:
        after = _moved(place, axis, 1)
        width = (1 if dx is None else dx) if read is None else read(after) - read(place)
        return (y[place].item() + y[after].item()) / 2 * width

    return built(_shorter(y.shape, axis), element)


def _trapezoid(y: Any, x: Any = None, dx: Any = None, dim: int = -1) -> Any:
    strips = _strips(y, x, dx, dim % y.ndim)
    size = strips.shape[: dim % y.ndim] + strips.shape[dim % y.ndim + 1 :]
    return built(size, lambda place: sum(strips[(*place[: dim % y.ndim], i, *place[dim % y.ndim :])].item() for i in range(strips.shape[dim % y.ndim])))


def _running(y: Any, x: Any = None, dx: Any = None, dim: int = -1) -> Any:
    strips, axis = _strips(y, x, dx, dim % y.ndim), dim % y.ndim
    return built(strips.shape, lambda place: sum(strips[_moved(place, axis, -i)].item() for i in range(place[axis] + 1)))


SPACED = [[T(2, 3)], case(X, dx=0.5, dim=1), case(X, T(3), dim=1), case(X, T(3, 4)), case(T(0), only=FLOATS), [T(2, 1)]]
INTEGRALS: dict[str, Any] = {"dtypes": (*INTEGERS, *INEXACT), "gives": "float", "budget": "sum", "without": "0d",
                             "magnitude": lambda *args, **named: np.float64(64.0)}
row("trapezoid", *SPACED, reference=_trapezoid, **INTEGRALS)
row("cumulative_trapezoid", *SPACED, reference=_running, **INTEGRALS)
for _name in ("trapezoid", "cumulative_trapezoid"):
    fails(_name, [T()], ShapeError, f"{_name}: a 0-d tensor has no dimension to integrate along. Give y at least one.")
    fails(_name, [T(3)], DTypeError, f"{_name}: bool tensors are not supported. Cast them with .float().", dtypes.bool_)
    fails(_name, case(T(3), T(3), dx=2), ArgumentError, f"{_name}: x and dx were given. Give one of them.")
    text = f"{_name}: x of shape (2,) must have one value for each of the 3 of y of shape (3,) along dim 0."
    fails(_name, [T(3), T(2)], ShapeError, text)
    fails(_name, [T(3), T(2, 3)], ShapeError, f"{_name}: x of shape (2, 3) does not broadcast to y of shape (3,).")


def _slopes(x: Any, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> Any:
    axes = tuple(range(x.ndim)) if dim is None else tuple(d % x.ndim for d in ((dim,) if isinstance(dim, int) else dim))
    given = spacing if isinstance(spacing, (list, tuple)) else [spacing] * len(axes)
    return tuple(_slope(x, axis, each, edge_order) for axis, each in zip(axes, given, strict=True))


def _slope(x: Any, axis: int, spacing: Any, order: int) -> Any:
    """The derivative of the polynomial through two or three neighbours, in the form of Lagrange."""
    length = x.shape[axis]
    places = [i * spacing for i in range(length)] if np.ndim(spacing) == 0 else spacing.tolist()

    def element(place: tuple[int, ...]) -> Any:
        i = place[axis]
        inner = 0 < i < length - 1
        near = [i - 1, i, i + 1] if inner else list(range(order + 1)) if i == 0 else list(range(length - order - 1, length))
        total = 0
        for k in near:
            others = [j for j in near if j != k]
            below = math.prod(places[k] - places[j] for j in others)
            above = sum(math.prod(places[i] - places[j] for j in others if j != skipped) for skipped in others)
            total += x[_moved(place, axis, k - i)].item() * above / below
        return total

    return built(x.shape, element)


row("gradient", [T(2, 3)], case(T(3, 4), dim=-1, spacing=2, edge_order=2), case(T(2, 3), dim=(1, 0), spacing=(0.5, 2.0)), case(T(3, 0), dim=0),
    case(T(5), spacing=[V([0, 1, 3, 4, 6])], edge_order=2), case(T(4), spacing=[T(4)], only=[dtypes.float64]), case(T(2, 3), spacing=[P([0, 2]), P([0, 1, 3])], only=[dtypes.float32]),
    reference=_slopes, dtypes=(*INTEGERS[1:], *FLOATS, *COMPLEX), gives=("float", "float"), budget="chain", without="0d",
    magnitude=lambda *args, **named: (np.float64(64.0),) * 2)
fails("gradient", case(T(3), edge_order=3), ArgumentError, "gradient: edge_order must be 1 or 2, got 3.")
fails("gradient", [T(1)], ShapeError, "gradient: dim 0 of input of shape (1,) needs at least 2 places for edge_order 1.")
fails("gradient", case(T(3, 3), spacing=[1.0]), ArgumentError, "gradient: spacing has 1 entries for 2 dimensions. Give one for each.")
fails("gradient", case(T(3), spacing=[T(4)]), ShapeError, "gradient: spacing for dim 0 has shape (4,); it must hold the 3 places along it.")
fails("gradient", case(T(3), spacing=T(3)), ArgumentTypeError,
      "gradient: spacing must be a number, or a list of numbers or of vectors, got a tensor. Put it into a list.")
fails("gradient", [T(3)], DTypeError, "gradient: bool tensors are not supported: they have no negative numbers. Cast it with .float().", dtypes.bool_)
