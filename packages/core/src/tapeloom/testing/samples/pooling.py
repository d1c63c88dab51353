"""Samples of pooling: loops over every window, for any number of spatial dimensions."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.testing.inputs import P, T, V
from tapeloom.testing.references import INF, NAN, built
from tapeloom.testing.samples.convolution import each_axis, windows_along
from tapeloom.testing.table import FLOATS, case, fails, row


def _windows(size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> Any:
    """The shape of the output, and for a place in it the places along each axis of its window, padding included."""
    rank = len(size) - 2
    settings = list(zip(*(each_axis(value, rank) for value in (kernel, stride or kernel, padding, dilation)), strict=True))
    shape = (*size[:2], *(windows_along(n, k, s, p, d, ceil_mode) for n, (k, s, p, d) in zip(size[2:], settings, strict=True)))

    def reach(place: tuple[int, ...]) -> list[list[int]]:
        return [[i * s - p + a * d for a in range(k)] for i, (k, s, p, d) in zip(place[2:], settings, strict=True)]

    return shape, reach


def _inside(size: Any, reach: Any) -> list[tuple[int, ...]]:
    """The places of a window that are not padding."""
    return [place for place in product(*reach) if all(0 <= i < n for i, n in zip(place, size[2:], strict=True))]


def _max_pool(
    x: Any, kernel: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False, return_indices: bool = False, *, rank: int
) -> Any:
    if x.ndim == rank + 1:
        found = _max_pool(x[None], kernel, stride, padding, dilation, ceil_mode, return_indices, rank=rank)
        return tuple(part[0] for part in found) if return_indices else found[0]
    shape, reach = _windows(x.shape, kernel, stride, padding, dilation, ceil_mode)
    out, indices = np.zeros(shape), np.zeros(shape, np.int64)
    for place in np.ndindex(shape):
        first, *others = _inside(x.shape, reach(place))
        best = first
        for other in others:
            value, top = x[(*place[:2], *other)], x[(*place[:2], *best)]
            if value > top or (value != value and top == top):
                best = other
        out[place] = x[(*place[:2], *best)]
        for i, length in zip(best, x.shape[2:], strict=True):
            indices[place] = indices[place] * length + i
    return (out, indices) if return_indices else out


def _with_indices(x: Any, *settings: Any) -> Any:
    return _max_pool(x, *settings, True, rank=x.ndim - 2)


def _scattered(upstream: Any, indices: Any, x_size: Any) -> Any:
    out = np.zeros((*x_size[:2], math.prod(x_size[2:])))
    for place in np.ndindex(upstream.shape):
        out[(*place[:2], indices[place])] += upstream[place]
    return out.reshape(x_size)


def _shares(size: Any, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, include: bool, divisor: Any) -> Any:
    """The output's shape, and for a place in it the input places of its window and its divisor."""
    shape, reach = _windows(size, kernel, stride, padding, 1, ceil_mode)
    ends = [n + p for n, p in zip(size[2:], each_axis(padding, len(size) - 2), strict=True)]

    def share(place: tuple[int, ...]) -> Any:
        inside = [(*place[:2], *own) for own in _inside(size, reach(place))]
        padded = math.prod(sum(i < end for i in along) for along, end in zip(reach(place), ends, strict=True))
        return inside, divisor or (padded if include else len(inside))

    return shape, share


def _avg_pool(
    x: Any, kernel: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: Any = None, *, rank: int
) -> Any:
    if x.ndim == rank + 1:
        return _avg_pool(x[None], kernel, stride, padding, ceil_mode, count_include_pad, divisor_override, rank=rank)[0]
    shape, share = _shares(x.shape, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override)

    def element(place: tuple[int, ...]) -> float:
        inside, divisor = share(place)
        if x.dtype == np.int64:
            return int(sum(int(x[own]) for own in inside) / divisor)  # towards 0
        return math.fsum(x[own] for own in inside) / divisor

    return built(shape, element)


def _average(x: Any, *settings: Any) -> Any:
    return _avg_pool(x, *settings, rank=x.ndim - 2)


def _avg_gradient(g: Any, x_size: Any, *settings: Any) -> Any:
    out = np.zeros(x_size)
    _, share = _shares(x_size, *settings)
    for place in np.ndindex(g.shape):
        inside, divisor = share(place)
        for own in inside:
            out[own] += g[place] / divisor
    return out


def _adaptive(x: Any, output_size: Any, *, rank: int) -> Any:
    sizes = output_size if isinstance(output_size, tuple) else (output_size,) * rank
    wanted = [n if want is None else want for want, n in zip(sizes, x.shape[-rank:], strict=True)]

    def span(i: int, count: int, length: int) -> range:
        return range(i * length // count, -(-(i + 1) * length // count))

    def element(place: tuple[int, ...]) -> float:
        spans = (span(*own) for own in zip(place[-rank:], wanted, x.shape[-rank:], strict=True))
        values = [x[(*place[:-rank], *own)] for own in product(*spans)]
        return math.fsum(values) / len(values)

    return built((*x.shape[:-rank], *wanted), element)


def _regions(length: int, count: int) -> list[range]:
    return [range(i * length // count, -(-(i + 1) * length // count)) for i in range(count)]


def _means(x: Any, dim: int, count: int) -> Any:
    moved = np.moveaxis(x, dim, -1)
    regions = _regions(moved.shape[-1], count)
    out = built((*moved.shape[:-1], count), lambda place: math.fsum(moved[(*place[:-1], i)] for i in regions[place[-1]]) / len(regions[place[-1]]))
    return np.moveaxis(out, -1, dim)


def _means_returned(g: Any, dim: int, length: int) -> Any:
    moved = np.moveaxis(g, dim, -1)
    out = np.zeros((*moved.shape[:-1], length))
    for place in np.ndindex(moved.shape):
        region = _regions(length, moved.shape[-1])[place[-1]]
        for i in region:
            out[(*place[:-1], i)] += moved[place] / len(region)
    return np.moveaxis(out, -1, dim)


def _of_rank(reference: Any, rank: int) -> Any:
    return lambda *args, **kwargs: reference(*args, **kwargs, rank=rank)


def _public(name: str) -> Any:
    import tapeloom

    return getattr(tapeloom, name)


LINE, PLANE, SOLID = T(2, 2, 5), T(1, 2, 4, 5), T(1, 2, 3, 4, 3)
NONE: dict[str, Any] = {"without": "0d"}
CHOSEN: dict[str, Any] = {"budget": "exact"} | NONE
AVERAGED: dict[str, Any] = {"budget": "sum"} | NONE
WITH_INTEGERS: dict[str, Any] = {"dtypes": (*FLOATS, dtypes.int64)} | AVERAGED

# the ops

row("max_pool_with_indices", [PLANE, 2, 2, 0, 1, False], [PLANE, (2, 3), (1, 2), (1, 1), 1, True], [PLANE, 2, 1, 0, (2, 1), False], [LINE, 3, 2, 1, 1, True],
    [SOLID, 2, 1, (0, 1, 1), (2, 1, 1), False], [SOLID, (3, 2, 2), 2, 1, 1, True], case(V([[[[1, 1], [1, 1]]]]), 2, 2, 0, 1, False, grad=False),
    case(V([[[[[1, 2], [2, 0]], [[2, 0], [2, 1]]]]]), 2, 2, 0, 1, False, grad=False),
    case(V([[[[1.0, NAN], [-INF, INF]]]]), 2, 2, 0, 1, False, only=FLOATS, grad=False),
    case(V([[[[[1.0, NAN], [0.0, 2.0]], [[3.0, 1.0], [NAN, 0.0]]]]]), (2, 2, 1), 1, 0, 1, False, only=FLOATS, grad=False),
    case(V([[[[-INF, -INF]]]]), (1, 2), 2, 0, 1, False, only=FLOATS, grad=False), case(V([[[-INF, -INF]]]), 2, 1, 1, 1, False, only=FLOATS, grad=False),
    [T(0, 2, 4, 5), 2, 2, 0, 1, False], reference=_with_indices, gives=("same", "int64"), **CHOSEN)
row("max_pool_backward", [T(1, 2, 1, 2), P([[[[0, 5]], [[3, 3]]]]), (1, 2, 2, 3)], [T(1, 2, 3), P([[[0, 2, 2], [3, 0, 3]]]), (1, 2, 4)],
    [T(1, 2, 1, 2, 1), P([[[[[7], [0]]], [[[3], [3]]]]]), (1, 2, 2, 2, 2)], [T(0, 2, 1, 2), P(np.zeros((0, 2, 1, 2))), (0, 2, 2, 3)],
    reference=_scattered, budget="rounded", **NONE)
row("avg_pool", [PLANE, 2, 2, 0, False, True, None], [LINE, 3, 2, 1, True, False, None], [SOLID, (2, 3, 2), (1, 2, 1), (1, 1, 0), True, True, None],
    [SOLID, 2, 2, 1, False, False, None], [PLANE, 2, 1, 0, False, True, 3], [T(0, 2, 4, 5), 2, 2, 0, False, True, None], reference=_average, magnitude=_average, **WITH_INTEGERS)
row("avg_pool_backward", [T(1, 2, 2, 2), (1, 2, 4, 5), 2, 2, 0, False, True, None], [T(1, 2, 2, 3), (1, 2, 4, 5), 3, 2, 1, False, False, None],
    [T(2, 2, 3), (2, 2, 5), 3, 2, 1, True, False, None], [T(1, 2, 4, 3, 2), (1, 2, 3, 4, 3), (2, 3, 2), (1, 2, 1), (1, 1, 0), True, True, None],
    [T(1, 2, 2, 2), (1, 2, 4, 5), 2, 2, 0, False, True, 3], [T(0, 2, 2, 2), (0, 2, 4, 5), 2, 2, 0, False, True, None],
    reference=_avg_gradient, magnitude=_avg_gradient, **AVERAGED)

# the largest

row("max_pool1d", [LINE, 2], [LINE, 3, 1, 1], [T(2, 5), (2,), None, 0, 2, True], case(LINE, 3, stride=2, padding=1, ceil_mode=True), [T(1, 1, 3), 4, 9, 2, 4, True], [T(0, 2, 5), 2],
    reference=_of_rank(_max_pool, 1), **CHOSEN)
row("max_pool2d", [PLANE, 2], [PLANE, 3, 1, 1], [T(2, 4, 5), (2, 3), None, 0, 1, True], case(PLANE, 2, stride=(1, 2)), [T(0, 2, 4, 5), 2],
    reference=_of_rank(_max_pool, 2), **CHOSEN)
row("max_pool3d", [SOLID, 2], [SOLID, 3, 1, 1], [T(2, 3, 4, 3), (2, 3, 1), None, 0, 1, True], case(SOLID, 2, stride=(1, 2, 1), dilation=(1, 3, 2)), [T(0, 2, 3, 4, 3), 2],
    reference=_of_rank(_max_pool, 3), **CHOSEN)
for _rank, _whole, _single in ((1, LINE, T(2, 5)), (2, PLANE, T(2, 4, 5)), (3, SOLID, T(2, 3, 4, 3))):
    row(f"max_pool{_rank}d indices", [_whole, 2], [_single, 2], calls=lambda x, kernel, name=f"max_pool{_rank}d": _public(name)(x, kernel, return_indices=True),
        reference=lambda x, kernel, rank=_rank: _max_pool(x, kernel, return_indices=True, rank=rank), gives=("same", "int64"), budget="exact", grad=0, without="0d empty")

fails("max_pool2d", [PLANE, 2, 2, 2], ArgumentError, "max_pool2d: padding (2, 2) must lie between 0 and half of kernel_size (2, 2).")
fails("max_pool1d", [LINE, 2, 2, -1], ArgumentError, "max_pool1d: padding (-1,) must lie between 0 and half of kernel_size (2,).")
fails("max_pool2d", [PLANE, 6], ShapeError, "max_pool2d: a window of (6, 6) does not fit into the input of (4, 5) with padding (0, 0).")
fails("max_pool2d", [T(1, 1, 2, 2), 2, 1, 1, 3], ShapeError,
      "max_pool2d: with dilation (3, 3) and padding (1, 1) a window misses the input of (2, 2). Give a dilation of at most its length, or no padding.")
fails("max_pool1d", [T(5), 2], ShapeError, "max_pool1d: expected input (batch, channels, length) or (channels, length), got shape (5,).")
fails("max_pool2d", [T(4, 5), 2], ShapeError,
      "max_pool2d: expected input (batch, channels, height, width) or (channels, height, width), got shape (4, 5).")
fails("max_pool3d", [T(2, 0, 4, 3), 2, 1, 1], ShapeError, "max_pool3d: input of shape (2, 0, 4, 3) has a spatial dimension of length 0.")
fails("max_pool3d", [SOLID, (2, 2)], ArgumentTypeError, "max_pool3d: kernel_size must be one int or three, got (2, 2).")
fails("max_pool1d", [LINE, (2, 2)], ArgumentTypeError, "max_pool1d: kernel_size must be one int, got (2, 2).")
fails("max_pool3d", [SOLID, 2, 0], ArgumentError, "max_pool3d: stride must be at least 1, got (0, 0, 0).")
fails("max_pool2d", [PLANE, 2], DTypeError, "max_pool2d: bool tensors are not supported. Use a logical operation, or cast with .to(tapeloom.int64).", dtypes.bool_)

# the mean

row("avg_pool1d", [LINE, 2], [LINE, 3, 2, 1], [LINE, 3, 2, 1, True, False], [T(2, 5), (2,), (1,)], case(LINE, 3, 3, padding=1, ceil_mode=True), [T(0, 2, 5), 2],
    reference=_of_rank(_avg_pool, 1), magnitude=_of_rank(_avg_pool, 1), **WITH_INTEGERS)
row("avg_pool2d", [PLANE, 2], [PLANE, 3, 2, 1], [PLANE, 3, 2, 1, True, False], [T(2, 4, 5), (2, 3), (1, 2)], case(PLANE, 3, 2, padding=1, ceil_mode=True),
    case(PLANE, 2, divisor_override=3), [T(0, 2, 4, 5), 2], reference=_of_rank(_avg_pool, 2), magnitude=_of_rank(_avg_pool, 2), **WITH_INTEGERS)
row("avg_pool3d", [SOLID, 2], [SOLID, 3, 2, 1], [SOLID, (3, 2, 3), 2, 1, True, False], [T(2, 3, 4, 3), (2, 3, 1), (1, 1, 2)], case(SOLID, 3, 2, padding=1, ceil_mode=True),
    case(SOLID, 2, divisor_override=-3), [T(0, 2, 3, 4, 3), 2], reference=_of_rank(_avg_pool, 3), magnitude=lambda *args, **kwargs: np.abs(_avg_pool(*args, **kwargs, rank=3)), **WITH_INTEGERS)
row("region_means", [T(2, 5), 1, 3], [T(3, 2), 0, 5], [T(0, 5), -1, 2], reference=_means, magnitude=_means, **AVERAGED)
row("region_means_backward", [T(2, 3), 1, 5], [T(5, 2), 0, 3], [T(0, 2), -1, 5], reference=_means_returned, magnitude=_means_returned, **AVERAGED)
row("adaptive_avg_pool1d", [LINE, 1], [LINE, 3], [T(2, 6), (2,)], [LINE, None], [T(0, 2, 5), 1], reference=_of_rank(_adaptive, 1), magnitude=_of_rank(_adaptive, 1), **AVERAGED)
row("adaptive_avg_pool2d", [PLANE, 1], [PLANE, (2, 3)], [PLANE, (None, 5)], [T(2, 4, 5), 2], case(PLANE, (0, 2), grad=False), case(PLANE, (0, 1), grad=False), [T(2, 4, 6), (2, 3)], [T(0, 2, 4, 5), 1],
    reference=_of_rank(_adaptive, 2), magnitude=_of_rank(_adaptive, 2), **AVERAGED)
row("adaptive_avg_pool3d", [SOLID, 1], [SOLID, (2, None, 3)], [T(2, 3, 4, 3), (1, 2, 2)], [T(2, 4, 2, 2), (2, 1, 1)], [T(0, 2, 3, 4, 3), 2],
    reference=_of_rank(_adaptive, 3), magnitude=_of_rank(_adaptive, 3), **AVERAGED)

fails("avg_pool1d", [LINE, 3, 1, 2], ArgumentError, "avg_pool1d: padding (2,) must lie between 0 and half of kernel_size (3,).")
fails("avg_pool2d", case(PLANE, 2, divisor_override=0), ArgumentError, "avg_pool2d: divisor_override must not be 0.")
fails("avg_pool2d", [PLANE, 2, 0], ArgumentError, "avg_pool2d: stride must be at least 1, got (0, 0).")
fails("avg_pool2d", [PLANE, 2], DTypeError, "avg_pool2d: expected floating or int64 tensors, got int32. Cast with .float() or .to(tapeloom.float64).", dtypes.int32)
fails("avg_pool3d", [SOLID, 4], ShapeError, "avg_pool3d: a window of (4, 4, 4) does not fit into the input of (3, 4, 3) with padding (0, 0, 0).")
fails("adaptive_avg_pool1d", [LINE, 2**40], ArgumentError, f"adaptive_avg_pool1d: output_size {2**40} is more than memory can hold.")
fails("adaptive_avg_pool1d", [LINE, (1, 2)], ArgumentTypeError, "adaptive_avg_pool1d: output_size must be one int, got (1, 2).")
fails("adaptive_avg_pool2d", [T(4, 5), 2], ShapeError,
      "adaptive_avg_pool2d: expected input (batch, channels, height, width) or (channels, height, width), got shape (4, 5).")
fails("adaptive_avg_pool2d", [T(2, 0, 4), 2], ShapeError, "adaptive_avg_pool2d: input of shape (2, 0, 4) has a spatial dimension of length 0.")
fails("adaptive_avg_pool2d", [PLANE, (2, -1)], ArgumentError, "adaptive_avg_pool2d: output_size must not be negative, got (2, -1).")
fails("adaptive_avg_pool2d", [PLANE, (1, 2, 3)], ArgumentTypeError, "adaptive_avg_pool2d: output_size must be one int or two, got (1, 2, 3).")
fails("adaptive_avg_pool2d", [PLANE, 2.5], ArgumentTypeError, "adaptive_avg_pool2d: output_size must be an int, got 2.5 of type float.")
fails("adaptive_avg_pool3d", [SOLID, 1], DTypeError,
      "adaptive_avg_pool3d: expected floating tensors, got int64. Cast with .float() or .to(tapeloom.float64).", dtypes.int64)

# what all of them refuse

for _name in [f"{_family}{_rank}d" for _family in ("max_pool", "avg_pool", "adaptive_avg_pool") for _rank in (1, 2, 3)]:
    fails(_name, [3, 2], ArgumentTypeError, f"{_name}: input must be a tensor, got int. Make it one with tapeloom.tensor(...).")
