"""Samples of columns and of blocks as channels: where each element goes."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.ops import fold as family
from tapeloom.testing.inputs import T
from tapeloom.testing.references import built
from tapeloom.testing.samples.convolution import each_axis, windows_along
from tapeloom.testing.table import EVERY, INEXACT, case, fails, row


def _places(size: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    """The number of windows, and (row, column, place) of each element of each of them that lies inside."""
    rank = len(size) - 2
    settings = list(zip(*(each_axis(value, rank) for value in (kernel, stride, padding, dilation)), strict=True))
    counts = [windows_along(n, k, s, p, d) for n, (k, s, p, d) in zip(size[2:], settings, strict=True)]
    found = []
    for column, window in enumerate(product(*map(range, counts))):
        for tap, offsets in enumerate(product(*(range(own[0]) for own in settings))):
            at = [i * s - p + a * d for i, a, (_, s, p, d) in zip(window, offsets, settings, strict=True)]
            if all(0 <= i < n for i, n in zip(at, size[2:], strict=True)):
                found.append((tap, column, tuple(at)))
    return int(np.prod(counts)), int(np.prod([own[0] for own in settings])), found


def _columns(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    count, area, found = _places(x.shape, kernel_size, dilation, padding, stride)
    out = np.zeros((x.shape[0], x.shape[1] * area, count), x.dtype)
    for channel, (tap, column, at) in product(range(x.shape[1]), found):
        out[:, channel * area + tap, column] = x[(slice(None), channel, *at)]
    return out


def _unfold(x: Any, *settings: Any, **named: Any) -> Any:
    return _columns(x, *settings, **named) if x.ndim == 4 else _columns(x[None], *settings, **named)[0]


def _folded(g: Any, x_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    _, area, found = _places(x_size, kernel_size, dilation, padding, stride)
    out = np.zeros(x_size, g.dtype)
    for channel, (tap, column, at) in product(range(x_size[1]), found):
        out[(slice(None), channel, *at)] += g[:, channel * area + tap, column]
    return out


def _fold(x: Any, output_size: Any, kernel_size: Any, *settings: Any, **named: Any) -> Any:
    if x.ndim == 2:
        return _fold(x[None], output_size, kernel_size, *settings, **named)[0]
    channels = x.shape[1] // int(np.prod(each_axis(kernel_size, 2)))
    return _folded(x, (x.shape[0], channels, *each_axis(output_size, 2)), kernel_size, *settings, **named)


def _shuffled(x: Any, r: int) -> Any:
    *lead, channels, height, width = x.shape
    return built(
        (*lead, channels // r**2, height * r, width * r),
        lambda at: x[(*at[:-3], at[-3] * r * r + at[-2] % r * r + at[-1] % r, at[-2] // r, at[-1] // r)],
        x,
    )


def _unshuffled(x: Any, r: int) -> Any:
    *lead, channels, height, width = x.shape
    return built(
        (*lead, channels * r**2, height // r, width // r),
        lambda at: x[(*at[:-3], at[-3] // r**2, at[-2] * r + at[-3] // r % r, at[-1] * r + at[-3] % r)],
        x,
    )


PLANE = T(2, 2, 4, 5)
MOVED: dict[str, Any] = {"dtypes": EVERY, "budget": "exact", "without": "0d"}
ADDED: dict[str, Any] = {"dtypes": INEXACT, "budget": "sum", "without": "0d"}

row("columns", [PLANE, (2, 3), (1, 1), (0, 0), (1, 1)], [PLANE, (2, 2), (1, 2), (1, 0), (2, 1)], [T(1, 2, 5), (2,), (2,), (1,), (2,)], [T(0, 2, 4, 5), (2, 2), (1, 1), (0, 0), (2, 2)],
    reference=_columns, **MOVED)
row("columns_backward", [T(1, 8, 3), (1, 4, 1, 4), (1, 2), (1, 1), (0, 0), (1, 1)], [T(2, 4, 8), (2, 1, 3, 6), (2, 2), (1, 2), (0, 0), (1, 1)],
    [T(1, 4, 4), (1, 1, 3, 3), (2, 2), (1, 1), (1, 0), (2, 1)], [T(0, 4, 4), (0, 1, 4, 4), (2, 2), (1, 1), (0, 0), (2, 2)], reference=_folded, **ADDED)
row("nn.functional.unfold", [PLANE, 2], [PLANE, (2, 3), 1, (1, 0), (2, 1)], case(T(1, 4, 5), kernel_size=2, dilation=2, stride=2), [T(0, 2, 4, 5), 2], calls=family.unfold, reference=_unfold, **MOVED)
row("nn.functional.fold", [T(2, 8, 12), (4, 5), 2], [T(1, 4, 4), 3, 2, 1, (1, 0), (2, 1)], case(T(4, 4), (4, 4), kernel_size=2, dilation=2), [T(0, 4, 4), 4, 2, 1, 0, 2], calls=family.fold, reference=_fold, **ADDED)
row("pixel_shuffle", [T(2, 8, 2, 3), 2], [T(9, 1, 2), 3], [T(2, 1, 4, 1, 1), 2], [T(0, 4, 2, 2), 2], [T(1, 2, 3), 1], reference=_shuffled, **MOVED)
row("pixel_unshuffle", [T(2, 2, 4, 6), 2], [T(1, 3, 6), 3], [T(2, 1, 1, 2, 2), 2], [T(0, 1, 4, 4), 1], reference=_unshuffled, **MOVED)

fails("nn.functional.unfold", [PLANE, 6], ShapeError, "unfold: a window of (6, 6) with dilation (1, 1) does not fit into the size (4, 5) with padding (0, 0).")
fails("nn.functional.unfold", [PLANE, 0], ArgumentError, "unfold: kernel_size must be at least 1, got (0, 0).")
fails("nn.functional.unfold", [T(4, 5), 2], ShapeError, "unfold: expected input (batch, channels, height, width) or (channels, height, width), got shape (4, 5).")
fails("nn.functional.fold", [T(2, 8, 11), (4, 5), 2], ShapeError,
      "fold: expected input (batch, channels * 4, 12) for the size (4, 5), with or without the batch, got shape (2, 8, 11).")
fails("nn.functional.fold", [T(2, 8, 12), (4, 5), 2, 1, -1], ArgumentError, "fold: padding must not be negative, got (-1, -1).")
fails("pixel_shuffle", [T(2, 6, 2, 2), 2], ShapeError, "pixel_shuffle: upscale_factor 2 needs a multiple of 4 channels, got shape (2, 6, 2, 2).")
fails("pixel_shuffle", [T(4, 4), 2], ShapeError, "pixel_shuffle: expected input (…, channels, height, width), got shape (4, 4).")
fails("pixel_unshuffle", [T(1, 3, 4), 2], ShapeError, "pixel_unshuffle: downscale_factor 2 must divide height and width, got shape (1, 3, 4).")
fails("pixel_unshuffle", [T(1, 4, 4), 0], ArgumentError, "pixel_unshuffle: downscale_factor must be at least 1, got 0.")
