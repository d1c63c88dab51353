"""Windows of signal processing, made on the host in float64: log, sin and cos differ in the last bit from library to library.

Nothing here imports an array library; what needs NumPy is given it. A window of ``count`` numbers has its places k at 0,
1, …, ``count`` - 1, and is the same at 0 and at ``span``: ``count`` - 1 where it is symmetric, ``count`` where it is periodic.

Source: F. Harris, "On the use of windows for harmonic analysis with the discrete Fourier transform", Proceedings of the
IEEE 66, 1978.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any


def _cosines(np: Any, k: Any, span: int, *coefficients: float) -> Any:
    """The sum of ``(-1)**i * coefficients[i] * cos(2 pi i k / span)``."""
    if not span:
        return np.ones(len(k))
    signed = [-value if place % 2 else value for place, value in enumerate(coefficients)]
    return np.cos(2 * math.pi / span * np.outer(k, range(len(signed)))) @ np.array(signed, float)


def _triangle(np: Any, k: Any, span: int) -> Any:
    return 1 - np.abs(2 * k / span - 1) if span else np.ones(len(k))


def _arch(np: Any, k: Any, span: int) -> Any:
    return np.sin(math.pi * (k + 0.5) / (span + 1))


def _kaiser(np: Any, k: Any, span: int, beta: float) -> Any:
    return np.i0(beta * np.sqrt(1 - (2 * k / span - 1) ** 2)) / np.i0(beta) if span else np.ones(len(k))


def _exponential(np: Any, k: Any, span: int, center: float | None, tau: float) -> Any:
    return np.exp(-np.abs(k - (span / 2 if center is None else center)) / tau)


def _gaussian(np: Any, k: Any, span: int, std: float) -> Any:
    return np.exp(-(((k - span / 2) / std) ** 2) / 2)


SHAPES: dict[str, Callable[..., Any]] = {
    "cosines": _cosines,
    "triangle": _triangle,
    "arch": _arch,
    "kaiser": _kaiser,
    "exponential": _exponential,
    "gaussian": _gaussian,
}


def window(np: Any, shape: str, count: int, periodic: bool, *settings: Any) -> Any:
    """``count`` numbers of the window ``shape`` of ``SHAPES``, in float64."""
    span = count if periodic and count > 1 else max(count - 1, 0)
    return SHAPES[shape](np, np.arange(count, dtype=float), span, *settings)
