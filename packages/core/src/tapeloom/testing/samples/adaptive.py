"""Samples of pooling to a given size, of its inverse, and of norms over windows: loops over every region."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, IndexingError, ShapeError
from tapeloom.testing.inputs import P, T, V
from tapeloom.testing.references import INF, NAN, built
from tapeloom.testing.samples.convolution import each_axis, windows_along
from tapeloom.testing.table import FLOATS, case, fails, row


def _largest(x: Any, regions: Any) -> Any:
    """The largest element of each region and its place; ``regions(place)`` lists the places of a region along each axis."""
    out, indices = np.zeros(regions.shape), np.zeros(regions.shape, np.int64)
    for place in np.ndindex(regions.shape):
        best: Any = None
        for own in product(*regions(place)):
            value = x[(*place[:2], *own)]
            if best is None or value > x[(*place[:2], *best)] or value != value:
                best = own
        out[place] = x[(*place[:2], *best)]
        for i, length in zip(best, x.shape[2:], strict=True):
            indices[place] = indices[place] * length + i
    return out, indices


class _Covering:
    """The regions that adaptive pooling takes: as even as whole elements allow."""

    def __init__(self, size: Any, output_size: Any) -> None:
        rank = len(size) - 2
        wanted = output_size if isinstance(output_size, tuple) else (output_size,) * rank
        self.lengths = size[2:]
        self.shape = (*size[:2], *(n if want is None else want for want, n in zip(wanted, self.lengths, strict=True)))

    def __call__(self, place: Any) -> Any:
        for i, count, n in zip(place[2:], self.shape[2:], self.lengths, strict=True):
            yield range(i * n // count, -(-(i + 1) * n // count))


class _Fractional:
    """The windows that fractional pooling takes: their starts, rounded down, a step apart that is no whole number."""

    def __init__(self, size: Any, samples: Any, kernel_size: Any, output_size: Any) -> None:
        self.rank = len(size) - 2
        self.kernel, self.samples, self.lengths = each_axis(kernel_size, self.rank), samples, size[2:]
        self.shape = (*size[:2], *each_axis(output_size, self.rank))

    def __call__(self, place: Any) -> Any:
        for axis, (i, count, k, n) in enumerate(zip(place[2:], self.shape[2:], self.kernel, self.lengths, strict=True)):
            shift = float(self.samples[(*place[:2], 1 - axis if self.rank == 2 else axis)])
            step = (n - k) / max(count - 1, 1)
            start = n - k if i == count - 1 else int((i + shift) * step) - int(shift * step)
            yield range(start, start + k)


def _adaptive(x: Any, output_size: Any, return_indices: bool = False, *, rank: int = 0) -> Any:
    if rank and x.ndim == rank + 1:
        found = _adaptive(x[None], output_size, True)
        found = (found[0][0], found[1][0])
    else:
        found = _largest(x, _Covering(x.shape, output_size))
    return found if return_indices or not rank else found[0]


def _fractional(x: Any, samples: Any, kernel_size: Any, output_size: Any) -> Any:
    return _largest(x, _Fractional(x.shape, samples, kernel_size, output_size))


def _fractional_of(x: Any, kernel: Any, size: Any = None, output_ratio: Any = None, return_indices: bool = True, _random_samples: Any = None) -> Any:
    samples = _random_samples
    whole = x if x.ndim == samples.shape[-1] + 2 else x[None]
    wanted = size if size is not None else tuple(int(n * ratio) for n, ratio in zip(whole.shape[2:], output_ratio, strict=True))
    found = _fractional(whole, samples, kernel, wanted)
    return found if whole is x else (found[0][0], found[1][0])


def _put_back(x: Any, indices: Any, size: Any) -> Any:
    out = np.zeros((*x.shape[:2], math.prod(size)), x.dtype)
    for place in np.ndindex(x.shape):
        out[(*place[:2], indices[place])] = x[place]
    return out.reshape(*x.shape[:2], *size)


def _unpooled(x: Any, indices: Any, kernel: Any, stride: Any = None, padding: Any = 0, output_size: Any = None, *, rank: int) -> Any:
    if x.ndim == rank + 1:
        return _unpooled(x[None], indices[None], kernel, stride, padding, output_size, rank=rank)[0]
    settings = (each_axis(value, rank) for value in (kernel, stride or kernel, padding))
    least = tuple((n - 1) * s + k - 2 * p for n, k, s, p in zip(x.shape[2:], *settings, strict=True))
    return _put_back(x, indices, least if output_size is None else tuple(output_size)[-rank:])


def _lp_pool(x: Any, order: float, kernel: Any, stride: Any = None, ceil_mode: bool = False, *, rank: int) -> Any:
    if x.ndim == rank + 1:
        return _lp_pool(x[None], order, kernel, stride, ceil_mode, rank=rank)[0]
    settings = list(zip(each_axis(kernel, rank), each_axis(stride or kernel, rank), strict=True))
    shape = (*x.shape[:2], *(windows_along(n, k, s, 0, 1, ceil_mode) for n, (k, s) in zip(x.shape[2:], settings, strict=True)))

    def element(place: tuple[int, ...]) -> float:
        reach = [range(i * s, min(i * s + k, n)) for i, (k, s), n in zip(place[2:], settings, x.shape[2:], strict=True)]
        values = [float(x[(*place[:2], *own)]) for own in product(*reach)]
        if order == INF:
            return max(map(abs, values))
        mean = math.fsum(value**order for value in values) / len(values)
        return (mean * math.prod(k for k, _ in settings)) ** (1 / order)

    return built(shape, element)


def _response(x: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    def element(place: tuple[int, ...]) -> float:
        near = range(max(place[1] - size // 2, 0), min(place[1] + (size - 1) // 2 + 1, x.shape[1]))
        mean = math.fsum(x[(place[0], c, *place[2:])] ** 2 for c in near) / size
        return float(x[place] / (k + alpha * mean) ** beta)

    return built(x.shape, element)


def _public(name: str) -> Any:
    import tapeloom

    return getattr(tapeloom, name)


def _of_rank(reference: Any, rank: int) -> Any:
    return lambda *args, **kwargs: reference(*args, **kwargs, rank=rank)


def _indexed(name: str) -> Any:
    """A function of this name with its indices."""
    return lambda x, *args: _public(name)(x, *args, return_indices=True)


LINE, PLANE, SOLID = T(2, 2, 5), T(1, 2, 4, 5), T(1, 2, 3, 4, 3)
CHOSEN: dict[str, Any] = {"budget": "exact", "without": "0d"}
FIRST: dict[str, Any] = {"gives": ("same", "int64")} | CHOSEN
SAMPLES, DEEP = T(1, 2, 2, low=0.05, high=0.95, grad=False), T(1, 2, 3, low=0.05, high=0.95, grad=False)

# pooling to a size

row("adaptive_max_pool", [PLANE, (2, 3)], case(V([[[[1.0, 2.0], [2.0, 0.0]]]]), (1, 1), grad=False),
    case(V([[[[1.0, NAN, NAN], [-INF, INF, 0.0]]]]), (1, 2), only=FLOATS, grad=False), case(V([[[-INF, -INF]]]), (1,), only=FLOATS, grad=False),
    case(PLANE, (0, 2), grad=False), [T(0, 2, 4, 5), (2, 2)], reference=_adaptive, **FIRST)
row("adaptive_max_pool1d", [LINE, 3], [T(2, 6), (2,)], [T(0, 2, 5), 1], reference=_of_rank(_adaptive, 1), **CHOSEN)
row("adaptive_max_pool2d", [PLANE, 1], [PLANE, (None, 3)], [T(2, 4, 5), (3, 7)], [T(0, 2, 4, 5), 1], reference=_of_rank(_adaptive, 2), **CHOSEN)
row("adaptive_max_pool3d", [SOLID, (2, None, 3)], [T(2, 3, 4, 3), 2], [T(0, 2, 3, 4, 3), 2], reference=_of_rank(_adaptive, 3), **CHOSEN)
row("adaptive_max_pool2d indices", [PLANE, 2], [T(2, 4, 5), 2], calls=_indexed("adaptive_max_pool2d"),
    reference=lambda x, size: _adaptive(x, size, True, rank=2), gives=("same", "int64"), budget="exact", grad=0, without="0d empty")
row("fractional_max_pool", [PLANE, SAMPLES, (2, 2), (2, 3)], [SOLID, DEEP, (1, 2, 1), (2, 2, 1)], [T(0, 2, 4, 5), T(0, 2, 2, grad=False), (2, 2), (2, 2)],
    reference=_fractional, **FIRST)
row("fractional_max_pool2d", case(PLANE, 2, (3, 2), return_indices=True, _random_samples=SAMPLES), case(T(2, 4, 5), (1, 2), None, (0.5, 0.5), True, _random_samples=SAMPLES),
    reference=_fractional_of, **FIRST | {"without": "0d empty"})
row("fractional_max_pool3d", case(SOLID, 2, (1, 2, 1), return_indices=True, _random_samples=DEEP), reference=_fractional_of, **FIRST | {"without": "0d empty"})

fails("adaptive_max_pool1d", [LINE, (1, 2)], ArgumentTypeError, "adaptive_max_pool1d: output_size must be one int, got (1, 2).")
fails("adaptive_max_pool2d", [PLANE, -1], ArgumentError, "adaptive_max_pool2d: output_size must not be negative, got -1.")
fails("adaptive_max_pool2d", [T(4, 5), 2], ShapeError,
      "adaptive_max_pool2d: expected input (batch, channels, height, width) or (channels, height, width), got shape (4, 5).")
fails("adaptive_max_pool2d", [PLANE, 2], DTypeError, "adaptive_max_pool2d: expected floating tensors, got int64. Cast with .float() or .to(tapeloom.float64).", dtypes.int64)
fails("adaptive_max_pool2d indices", [PLANE, (1, 2, 3)], ArgumentTypeError, "adaptive_max_pool2d: output_size must be one int or two, got (1, 2, 3).")
fails("adaptive_max_pool3d", [T(2, 0, 4, 3), 2], ShapeError, "adaptive_max_pool3d: input of shape (2, 0, 4, 3) has a spatial dimension of length 0.")
fails("fractional_max_pool3d", [SOLID, 0, 1], ArgumentError, "fractional_max_pool3d: kernel_size must be at least 1, got (0, 0, 0).")
fails("fractional_max_pool2d", [PLANE, 2], ArgumentError, "fractional_max_pool2d: give output_size or output_ratio.")
fails("fractional_max_pool2d", [PLANE, 2, 4], ShapeError, "fractional_max_pool2d: (4, 4) different windows of (2, 2) do not fit into the input of (4, 5).")
fails("fractional_max_pool2d", case(PLANE, 2, 2, _random_samples=DEEP), ShapeError, "fractional_max_pool2d: _random_samples must have the shape (1, 2, 2), got (1, 2, 3).")

# the inverse

PLACES = P([[[[0, 7], [3, 14]], [[5, 6], [8, 15]]]])
row("max_unpool", [T(1, 2, 2, 2), PLACES, (4, 4)], [T(1, 1, 3), P([[[4, 0, 2]]]), (5,)], [T(0, 2, 1, 1), P(np.zeros((0, 2, 1, 1))), (2, 2)], reference=_put_back, **CHOSEN)
row("max_unpool1d", [T(1, 2, 2), P([[[1, 3], [0, 2]]]), 2], case(T(1, 2), P([[4, 1]]), 3, stride=2, output_size=(6,)), [T(0, 2, 2), P(np.zeros((0, 2, 2))), 2],
    reference=_of_rank(_unpooled, 1), **CHOSEN)
row("max_unpool2d", [T(1, 2, 2, 2), PLACES, 2], [T(1, 2, 2, 2), PLACES, 2, (2, 3), (0, 1), (1, 2, 4, 4)], case(T(1, 1, 2), P([[[9, 1]]]), (2, 3), output_size=(2, 5)),
    [T(0, 2, 1, 1), P(np.zeros((0, 2, 1, 1))), 2], reference=_of_rank(_unpooled, 2), **CHOSEN)
row("max_unpool3d", [T(1, 1, 1, 2, 1), P([[[[[3], [9]]]]]), 2], case(T(1, 1, 1, 1), P([[[[4]]]]), (1, 2, 3), padding=(0, 0, 1), output_size=(1, 3, 2)), [T(0, 1, 1, 1, 1), P(np.zeros((0, 1, 1, 1, 1))), 2],
    reference=_of_rank(_unpooled, 3), **CHOSEN)

fails("max_unpool2d", [T(1, 2, 2, 2), P([[[[0, 7], [3, 16]], [[5, 6], [8, 15]]]]), 2], IndexingError, "max_unpool2d: index 16 is out of range for planes of the size (4, 4).")
fails("max_unpool2d", [T(1, 2, 2, 2), P([[[[0]]]]), 2], ShapeError, "max_unpool2d: indices must have the shape of input, (1, 2, 2, 2), got (1, 1, 1, 1).")
fails("max_unpool2d", [T(1, 2, 2, 2), PLACES, 1 << 40], ArgumentError,
      "max_unpool2d: planes of the size (2199023255552, 2199023255552) are more than memory can hold.")
fails("max_unpool2d", [T(1, 2, 2, 2), T(1, 2, 2, 2), 2], DTypeError, "max_unpool2d: indices must be int64, as max_pool2d returns them, got float32.")
fails("max_unpool2d", [T(1, 2, 2, 2), PLACES, 2, 2, 0, (6, 4)], ArgumentError,
      "max_unpool2d: output_size (6, 4) must lie less than the stride (2, 2) from (4, 4), the size that the windows give.")
fails("max_unpool1d", [T(1, 1, 2), P([[[0, 1]]]), 1, 1, 1], ArgumentError, "max_unpool1d: the spatial size of the result must be at least 1, got (0,).")
fails("max_unpool3d", [T(1, 1, 2), P([[[0, 1]]]), 2], ShapeError,
      "max_unpool3d: expected input (batch, channels, depth, height, width) or (channels, depth, height, width), got shape (1, 1, 2).")

# norms over windows

POSITIVE: dict[str, Any] = {"budget": "series", "without": "0d", "low": 0.5, "high": 2.0}
row("lp_pool1d", [LINE, 2, 2], [T(2, 5), 3, 2, 1, True], case(LINE, INF, 3, ceil_mode=True), [T(0, 2, 5), 2, 2], reference=_of_rank(_lp_pool, 1), **POSITIVE)
row("lp_pool2d", [PLANE, 2, 2], [PLANE, 2.5, (2, 3), 2, True], [T(2, 4, 5), -1, (1, 2)], [T(0, 2, 4, 5), 2, 2], reference=_of_rank(_lp_pool, 2), **POSITIVE)
row("lp_pool3d", [SOLID, 2, 2], case(SOLID, 1, (1, 2, 3), stride=1), [T(0, 2, 3, 4, 3), 2, 2], reference=_of_rank(_lp_pool, 3), **POSITIVE)
row("local_response_norm", [T(2, 5, 3), 3], [T(1, 4, 2, 3), 2, 0.5, 0.75, 2.0], case(T(1, 3, 1, 2, 2), size=5, alpha=0.1, k=0.5), [T(0, 2, 3), 2], reference=_response, budget="series", without="0d")

fails("lp_pool1d", [LINE, 2, 6], ShapeError, "lp_pool1d: a window of (6,) does not fit into the input of (5,) with padding (0,).")
fails("lp_pool2d", [PLANE, 0, 2], ArgumentError, "lp_pool2d: norm_type must not be 0.")
fails("lp_pool3d", [SOLID, 2, (2, 2)], ArgumentTypeError, "lp_pool3d: kernel_size must be one int or three, got (2, 2).")
fails("local_response_norm", [T(3, 4), 2], ShapeError, "local_response_norm: expected input (batch, channels, …) of three dimensions or more, got shape (3, 4).")
fails("local_response_norm", [T(1, 3, 4), 0], ArgumentError, "local_response_norm: size must be at least 1, got 0.")
