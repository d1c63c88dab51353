"""Samples of sampling at the places of a grid: each place worked out by itself."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, DTypeError, ShapeError
from tapeloom.testing.inputs import P, T, V
from tapeloom.testing.references import built
from tapeloom.testing.samples.resize import FILTERS
from tapeloom.testing.table import case, fails, row


def _inside(place: float, length: int, padding_mode: str, aligned: bool) -> float:
    if padding_mode == "reflection":
        low, high = (0.0, length - 1.0) if aligned else (-0.5, length - 0.5)
        while not low <= place <= high:
            place = 2 * low - place if place < low else 2 * high - place
    return place if padding_mode == "zeros" else min(max(place, 0.0), length - 1.0)


def _met(place: float, length: int, mode: str, padding_mode: str, aligned: bool) -> list[tuple[int, float]]:
    """The elements along one axis that a place is made of, and their weights."""
    place = (place + 1) / 2 * (length - 1) if aligned else ((place + 1) * length - 1) / 2
    if mode == "bicubic":
        low, curve = math.floor(place), FILTERS["cubic"][0]
        return [(int(_inside(low + i, length, padding_mode, aligned)), curve(place - low - i)) for i in range(-1, 3)]
    place = _inside(place, length, padding_mode, aligned)
    low = math.floor(place)
    return [(round(place), 1.0)] if mode == "nearest" else [(low, low + 1 - place), (low + 1, place - low)]


def _sampled(x: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: Any = None, weigh: Any = float, where: Any = None) -> Any:
    where = grid if where is None else where

    def element(place: tuple[int, ...]) -> float:
        batch, channel, *own = place
        at = where[(batch, *own)][::-1]
        parts = product(*(_met(float(p), n, mode, padding_mode, bool(align_corners)) for p, n in zip(at, x.shape[2:], strict=True)))
        total = 0.0
        for part in parts:
            if all(0 <= i < n for (i, _), n in zip(part, x.shape[2:], strict=True)):
                total += math.prod(weigh(weight) for _, weight in part) * x[(batch, channel, *(i for i, _ in part))]
        return total

    return built((*x.shape[:2], *grid.shape[1:-1]), element)


def _from_starts(x: Any, grid: Any, starts: Any, *settings: Any) -> Any:
    return _sampled(x, grid, *settings)


def _affine(theta: Any, size: Any, align_corners: Any = None) -> Any:
    def element(place: tuple[int, ...]) -> float:
        batch, *own, row = place
        at = [0.0 if n == 1 else (2 * i / (n - 1) - 1) * (1 if align_corners else (n - 1) / n) for i, n in zip(own, size[2:], strict=True)]
        return math.fsum(weight * value for weight, value in zip(theta[batch, row], [*at[::-1], 1.0], strict=True))

    return built((*size[:1], *size[2:], len(size) - 2), element)


PLANE, SOLID = T(2, 2, 3, 4), T(1, 2, 2, 3, 2)
#: eighths, away from where the result has a kink: exact in every dtype, so that every dtype reads at the same places
FLAT = V([[[[-0.625, 0.375], [0.125, -0.375], [1.375, -0.125]]], [[[0.625, -1.75], [-0.125, 0.875], [-2.625, 0.125]]]])
DEEP = V([[[[[-0.75, 0.375, 0.125], [0.125, -0.375, 0.625], [1.375, -0.125, -1.375]]]]])


ABOUT: dict[str, Any] = {"budget": "chain", "magnitude": lambda x, *rest, **named: 4 * np.max(np.abs(x), initial=0), "without": "0d"}
row("sample_grid", [PLANE, FLAT, P([[0], [12]]), "bilinear", "zeros", False], [T(0, 2, 3, 4), T(0, 1, 3, 2), P(np.zeros((0, 1))), "nearest", "zeros", False],
    reference=_from_starts, **ABOUT)
row("grid_sample", [PLANE, FLAT], [PLANE, FLAT, "nearest", "reflection"], case(PLANE, FLAT, "bilinear", "reflection"), case(PLANE, FLAT, mode="bicubic", padding_mode="reflection", align_corners=True),
    case(PLANE, FLAT, "bicubic", "zeros", False), [SOLID, DEEP, "bilinear", "border", True], [SOLID, DEEP, "nearest", "border"], [T(0, 2, 3, 4), T(0, 1, 3, 2)],
    reference=_sampled, **ABOUT)
row("affine_grid", [T(2, 2, 3), (2, 1, 2, 3)], [T(2, 2, 3), (2, 1, 1, 3), True], case(T(1, 3, 4), (1, 2, 2, 1, 3), align_corners=False),
    reference=_affine, budget="sum", magnitude=lambda theta, size, *rest, **named: np.sum(theta), without="0d empty")

fails("grid_sample", [PLANE, T(2, 3, 3, 3)], ShapeError,
      "grid_sample: expected input (batch, channels, height, width) with grid (batch, height, width, 2), or one spatial dimension more in both with 3, "
      "got the shapes (2, 2, 3, 4) and (2, 3, 3, 3).")
fails("grid_sample", [T(1, 2, 0, 4), T(1, 3, 3, 2)], ShapeError, "grid_sample: input of shape (1, 2, 0, 4) has a spatial dimension of length 0.")
fails("grid_sample", [SOLID, T(1, 1, 1, 3, 3), "bicubic"], ShapeError,
      "grid_sample: mode 'bicubic' needs input (batch, channels, height, width), got shape (1, 2, 2, 3, 2).")
fails("grid_sample", [PLANE, T(2, 1, 3, 2), "linear"], ArgumentError, "grid_sample: mode must be one of bilinear, nearest, bicubic, got 'linear'.")
fails("grid_sample", [PLANE, T(2, 1, 3, 2), "nearest", "wrap"], ArgumentError, "grid_sample: padding_mode must be one of zeros, border, reflection, got 'wrap'.")
fails("grid_sample", [PLANE, T(2, 1, 3, 2)], DTypeError, "grid_sample: expected floating tensors, got int64. Cast with .float() or .to(tapeloom.float64).", dtypes.int64)
fails("affine_grid", [T(2, 2, 3), (2, 1, 3)], ShapeError, "affine_grid: size must be 4 or 5 lengths of at least 1, got (2, 1, 3).")
fails("affine_grid", [T(2, 2, 3), (1, 1, 3, 3)], ShapeError, "affine_grid: theta must have shape (1, 2, 3) for the size (1, 1, 3, 3), got (2, 2, 3).")
fails("affine_grid", [T(1, 2, 3), (1, 1, 3, 3)], DTypeError,
      "affine_grid: expected floating tensors, got int64. Cast with .float() or .to(tapeloom.float64).", dtypes.int64)
