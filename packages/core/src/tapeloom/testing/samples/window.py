"""Samples of convolution and pooling: loops over every window."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.testing.inputs import P, T, V
from tapeloom.testing.references import INF, NAN, built
from tapeloom.testing.table import FLOATS, case, fails, row


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def _length(length: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool = False) -> int:
    """How many windows begin within the input or its left padding and end within the padded input."""
    reach = dilation * (kernel - 1) + 1
    starts = [start for start in range(-padding, length + padding, stride) if start + reach <= length + padding]
    count = len(starts)
    following = -padding + count * stride
    if ceil_mode and following + reach > length + padding and (count * stride - padding + reach - stride) < length + padding and following < length:
        count += 1
    return count


def _terms(x_shape: Any, w_shape: Any, out_shape: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """All (output place, input place, weight place) whose products a convolution sums."""
    (sh, sw), (ph, pw), (dh, dw) = _pair(stride), _pair(padding), _pair(dilation)
    out_a_group, in_a_group = w_shape[0] // groups, w_shape[1]
    for n, o, i, j in product(*(range(length) for length in out_shape)):
        for c, a, b in product(range(in_a_group), range(w_shape[2]), range(w_shape[3])):
            y, z = i * sh - ph + a * dh, j * sw - pw + b * dw
            if 0 <= y < x_shape[2] and 0 <= z < x_shape[3]:
                yield (n, o, i, j), (n, (o // out_a_group) * in_a_group + c, y, z), (o, c, a, b)


def _out_shape(x: Any, w: Any, stride: Any, padding: Any, dilation: Any) -> tuple[int, ...]:
    sizes = zip(x[2:], w[2:], _pair(stride), _pair(padding), _pair(dilation), strict=True)
    return (x[0], w[0], *(_length(*size) for size in sizes))


def _conv(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1) -> Any:
    if x.ndim == 3:
        return _conv(x[None], weight, bias, stride, padding, dilation, groups)[0]
    if padding == "valid":
        padding = 0
    if padding == "same":
        totals = [d * (k - 1) for d, k in zip(_pair(dilation), weight.shape[2:], strict=True)]
        grown = np.zeros((*x.shape[:2], *(n + t for n, t in zip(x.shape[2:], totals, strict=True))), x.dtype)
        top, left = (total // 2 for total in totals)
        grown[:, :, top : top + x.shape[2], left : left + x.shape[3]] = x
        x, padding = grown, 0
    shape = _out_shape(x.shape, weight.shape, stride, padding, dilation)
    out = np.zeros(shape, x.dtype)
    for o, i, w in _terms(x.shape, weight.shape, shape, stride, padding, dilation, groups):
        out[o] += x[i] * weight[w]
    return out if bias is None else out + bias.reshape(-1, 1, 1)


def _input_gradient(g: Any, weight: Any, x_size: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    out = np.zeros(x_size)
    for o, i, w in _terms(x_size, weight.shape, g.shape, stride, padding, dilation, groups):
        out[i] += g[o] * weight[w]
    return out


def _weight_gradient(g: Any, x: Any, weight_size: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    out = np.zeros(weight_size)
    for o, i, w in _terms(x.shape, weight_size, g.shape, stride, padding, dilation, groups):
        out[w] += g[o] * x[i]
    return out


IMAGE, KERNEL = T(1, 2, 4, 5), T(2, 2, 3, 2)
NEVER = {"without": "0d"}
SUMMED: dict[str, Any] = {"budget": "sum"} | NEVER
row("conv2d", [IMAGE, KERNEL, T(2)], [IMAGE, KERNEL, None, 2, 1], [IMAGE, KERNEL, None, (2, 1), (0, 1), (1, 2)], [T(1, 4, 3, 3), T(4, 2, 2, 2), T(4), 1, 0, 1, 2],
    [T(2, 4, 4), KERNEL], [IMAGE, T(3, 2, 1, 1)], case(IMAGE, T(2, 2, 2, 2), padding="same"), case(IMAGE, KERNEL, padding="valid"),
    case(IMAGE, T(4, 1, 3, 3), T(4), padding=1, groups=2), [T(0, 2, 4, 5), KERNEL, T(2)], reference=_conv, magnitude=_conv, **SUMMED)
fails("conv2d", [T(4, 5), KERNEL], ShapeError,
      "conv2d: expected x (batch, channels, height, width) or (channels, height, width), got shape (4, 5).")
fails("conv2d", [IMAGE, T(2, 3, 3, 3)], ShapeError,
      "conv2d: x of shape (1, 2, 4, 5) has 2 channels, and weight of shape (2, 3, 3, 3) with groups=1 takes 3.")
fails("conv2d", [IMAGE, T(2, 2, 5, 5)], ShapeError,
      "conv2d: a kernel of (5, 5) with dilation (1, 1) does not fit into the input of (4, 5) with padding (0, 0).")
fails("conv2d", [IMAGE, KERNEL, T(3)], ShapeError, "conv2d: bias must have shape (2,), got (3,).")
fails("conv2d", [IMAGE, KERNEL, None, 0], ArgumentError, "conv2d: stride must be at least 1, got (0, 0).")
fails("conv2d", [IMAGE, KERNEL, None, 1, -1], ArgumentError, "conv2d: padding must not be negative, got (-1, -1).")
fails("conv2d", case(IMAGE, T(2, 1, 3, 3), groups=3), ArgumentError, "conv2d: groups 3 must divide the 2 output channels.")
fails("conv2d", case(IMAGE, KERNEL, padding="full"), ArgumentError, "conv2d: padding must be a number, a pair, 'same' or 'valid', got 'full'.")
fails("conv2d", case(IMAGE, KERNEL, stride=2, padding="same"), ArgumentError, "conv2d: padding 'same' needs stride 1, got (2, 2).")
fails("conv2d", [1, KERNEL], ArgumentTypeError, "conv2d: x must be a tensor, got int.")

UP = T(1, 2, 2, 4)
row("conv2d_input_gradient", [UP, KERNEL, (1, 2, 4, 5), 1, 0, 1, 1], [T(1, 2, 2, 3), KERNEL, (1, 2, 4, 5), 2, 1, 1, 1],
    [T(1, 4, 2, 2), T(4, 2, 2, 2), (1, 4, 3, 3), 1, 0, 1, 2], [T(0, 2, 2, 4), KERNEL, (0, 2, 4, 5), 1, 0, 1, 1],
    reference=_input_gradient, magnitude=_input_gradient, **SUMMED)
row("conv2d_weight_gradient", [UP, IMAGE, (2, 2, 3, 2), 1, 0, 1, 1], [T(1, 2, 2, 3), IMAGE, (2, 2, 3, 2), 2, 1, 1, 1],
    [T(1, 4, 2, 2), T(1, 4, 3, 3), (4, 2, 2, 2), 1, 0, 1, 2], [T(0, 2, 2, 4), T(0, 2, 4, 5), (2, 2, 3, 2), 1, 0, 1, 1],
    reference=_weight_gradient, magnitude=_weight_gradient, **SUMMED)

# pooling


def _windows(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> Any:
    """The output's shape, and for a place in it the rows and columns of its window, padding included."""
    kernel, stride, padding, dilation = _pair(kernel), _pair(stride or kernel), _pair(padding), _pair(dilation)
    settings = list(zip(kernel, stride, padding, dilation, strict=True))
    shape = (*x.shape[:2], *(_length(n, k, s, p, d, ceil_mode) for n, (k, s, p, d) in zip(x.shape[2:], settings, strict=True)))

    def reach(place: tuple[int, ...]) -> list[list[int]]:
        return [[i * s - p + a * d for a in range(k)] for i, (k, s, p, d) in zip(place[2:], settings, strict=True)]

    return shape, reach


def _max_pool(x: Any, kernel: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False, return_indices: bool = False) -> Any:
    if x.ndim == 3:
        found = _max_pool(x[None], kernel, stride, padding, dilation, ceil_mode, return_indices)
        return tuple(part[0] for part in found) if return_indices else found[0]
    shape, reach = _windows(x, kernel, stride, padding, dilation, ceil_mode)
    out, indices = np.zeros(shape), np.zeros(shape, np.int64)
    for place in np.ndindex(shape):
        rows, columns = reach(place)
        inside = [(i, j) for i in rows for j in columns if 0 <= i < x.shape[2] and 0 <= j < x.shape[3]]
        best = inside[0]
        for i, j in inside[1:]:
            value, top = x[(*place[:2], i, j)], x[(*place[:2], *best)]
            if value > top or (value != value and top == top):
                best = (i, j)
        out[place], indices[place] = x[(*place[:2], *best)], best[0] * x.shape[3] + best[1]
    return (out, indices) if return_indices else out


def _with_indices(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> Any:
    return _max_pool(x, kernel, stride, padding, dilation, ceil_mode, True)


PLANE = T(1, 2, 4, 5)
POOLED: dict[str, Any] = {"budget": "exact"} | NEVER
row("max_pool2d_with_indices", [PLANE, 2, 2, 0, 1, False], [PLANE, (2, 3), (1, 2), (1, 1), 1, True], [PLANE, 2, 1, 0, (2, 1), False],
    case(V([[[[1, 1], [1, 1]]]]), 2, 2, 0, 1, False, grad=False), case(V([[[[1.0, NAN], [-INF, INF]]]]), 2, 2, 0, 1, False, only=FLOATS, grad=False),
    case(V([[[[-INF, -INF]]]]), (1, 2), 2, 0, 1, False, only=FLOATS, grad=False),
    [T(0, 2, 4, 5), 2, 2, 0, 1, False], reference=_with_indices, gives=("same", "int64"), **POOLED)


def _scattered(upstream: Any, indices: Any, x_size: Any) -> Any:
    out = np.zeros(x_size)
    for place in np.ndindex(upstream.shape):
        i, j = divmod(indices[place], x_size[3])
        out[(*place[:2], i, j)] += upstream[place]
    return out


row("max_pool2d_backward", [T(1, 2, 1, 2), P([[[[0, 5]], [[3, 3]]]]), (1, 2, 2, 3)], [T(0, 2, 1, 2), P(np.zeros((0, 2, 1, 2))), (0, 2, 2, 3)],
    reference=_scattered, budget="rounded", **NEVER)
row("max_pool2d", [PLANE, 2], [PLANE, 3, 1, 1], [T(2, 4, 5), (2, 3), None, 0, 1, True], case(PLANE, 2, stride=(1, 2)), [T(0, 2, 4, 5), 2],
    reference=_max_pool, **POOLED)
row("max_pool2d indices", [PLANE, 2], [T(2, 4, 5), 2], calls=lambda x, kernel: _public("max_pool2d")(x, kernel, return_indices=True),
    reference=lambda x, kernel: _max_pool(x, kernel, return_indices=True), gives=("same", "int64"), budget="exact", grad=0, without="0d empty")
fails("max_pool2d", [PLANE, 2, 2, 2], ArgumentError, "max_pool2d: padding (2, 2) must lie between 0 and half of kernel_size (2, 2).")
fails("max_pool2d", [PLANE, 6], ShapeError, "max_pool2d: a window of (6, 6) does not fit into the input of (4, 5) with padding (0, 0).")
fails("max_pool2d", [T(4, 5), 2], ShapeError,
      "max_pool2d: expected x (batch, channels, height, width) or (channels, height, width), got shape (4, 5).")


def _public(name: str) -> Any:
    import tapeloom

    return getattr(tapeloom, name)


def _shares(x: Any, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, include: bool, divisor: Any) -> Any:
    """The output's shape, and for a place in it the input places of its window and its divisor."""
    shape, reach = _windows(x, kernel, stride, padding, 1, ceil_mode)
    pad = _pair(padding)

    def share(place: tuple[int, ...]) -> Any:
        rows, columns = reach(place)
        inside = [(*place[:2], i, j) for i in rows for j in columns if 0 <= i < x.shape[2] and 0 <= j < x.shape[3]]
        padded = sum(i < x.shape[2] + pad[0] for i in rows) * sum(j < x.shape[3] + pad[1] for j in columns)
        return inside, divisor or (padded if include else len(inside))

    return shape, share


def _avg_pool(x: Any, kernel: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: Any = None) -> Any:
    if x.ndim == 3:
        return _avg_pool(x[None], kernel, stride, padding, ceil_mode, count_include_pad, divisor_override)[0]
    shape, share = _shares(x, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override)

    def element(place: tuple[int, ...]) -> float:
        inside, divisor = share(place)
        return math.fsum(x[own] for own in inside) / divisor

    return built(shape, element)


def _avg_gradient(g: Any, x_size: Any, *settings: Any) -> Any:
    out = np.zeros(x_size)
    _, share = _shares(out, *settings)
    for place in np.ndindex(g.shape):
        inside, divisor = share(place)
        for own in inside:
            out[own] += g[place] / divisor
    return out


AVERAGED: dict[str, Any] = {"budget": "sum"} | NEVER
row("avg_pool2d", [PLANE, 2], [PLANE, 3, 2, 1], [PLANE, 3, 2, 1, True, False], [T(2, 4, 5), (2, 3), (1, 2)], case(PLANE, 3, 2, padding=1, ceil_mode=True),
    case(PLANE, 2, divisor_override=3), [T(0, 2, 4, 5), 2], reference=_avg_pool, magnitude=_avg_pool, **AVERAGED)
fails("avg_pool2d", case(PLANE, 2, divisor_override=0), ArgumentError, "avg_pool2d: divisor_override must not be 0.")
fails("avg_pool2d", [PLANE, 2, 0], ArgumentError, "avg_pool2d: stride must be at least 1, got (0, 0).")
fails("avg_pool2d", [PLANE, 2], DTypeError, "avg_pool2d: expected floating tensors, got int64. Cast with .float() or .to(tapeloom.float64).", dtypes.int64)
row("avg_pool2d_backward", [T(1, 2, 2, 2), (1, 2, 4, 5), 2, 2, 0, False, True, None], [T(1, 2, 2, 3), (1, 2, 4, 5), 3, 2, 1, False, False, None],
    [T(1, 2, 2, 2), (1, 2, 4, 5), 2, 2, 0, False, True, 3], [T(0, 2, 2, 2), (0, 2, 4, 5), 2, 2, 0, False, True, None],
    reference=_avg_gradient, magnitude=_avg_gradient, **AVERAGED)


def _adaptive(x: Any, output_size: Any) -> Any:
    wanted = [n if want is None else want for want, n in zip(output_size if isinstance(output_size, tuple) else (output_size,) * 2, x.shape[-2:], strict=True)]

    def span(i: int, count: int, length: int) -> range:
        return range(i * length // count, -(-(i + 1) * length // count))

    def element(place: tuple[int, ...]) -> float:
        rows, columns = (span(i, n, length) for i, n, length in zip(place[-2:], wanted, x.shape[-2:], strict=True))
        values = [x[(*place[:-2], i, j)] for i in rows for j in columns]
        return math.fsum(values) / len(values)

    return built((*x.shape[:-2], *wanted), element)


row("adaptive_avg_pool2d", [PLANE, 1], [PLANE, (2, 3)], [PLANE, (None, 5)], [T(2, 4, 5), 2], [T(0, 2, 4, 5), 1], reference=_adaptive, magnitude=_adaptive, **AVERAGED)

# what all of them refuse

for _name in ("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d"):
    fails(_name, case(PLANE, 2, size=2), ArgumentTypeError, f"{_name}: unexpected argument 'size'.")
    fails(_name, [3, 2], ArgumentTypeError, f"{_name}: x must be a tensor, got int.")
fails("adaptive_avg_pool2d", [T(3), 2], ShapeError, "adaptive_avg_pool2d: expected x (..., height, width), got shape (3,).")
fails("adaptive_avg_pool2d", [PLANE, 0], ArgumentError, "adaptive_avg_pool2d: output_size must be at least 1, got 0.")
fails("adaptive_avg_pool2d", [PLANE, (2, -1)], ArgumentError, "adaptive_avg_pool2d: output_size must be at least 1, got (2, -1).")
fails("adaptive_avg_pool2d", [PLANE, (1, 2, 3)], ArgumentTypeError, "adaptive_avg_pool2d: output_size must be one int or two, got (1, 2, 3).")
fails("adaptive_avg_pool2d", [PLANE, 2.5], ArgumentTypeError, "adaptive_avg_pool2d: output_size must be an int, got 2.5 of type float.")
fails("conv2d", case(T(1, 1, 3, 3), T(1, 1, 2, 2), strides=2), ArgumentTypeError, "conv2d: unexpected argument 'strides'.")
fails("conv2d", case(T(1, 1, 3, 3), 3, padding="same"), ArgumentTypeError, "conv2d: weight must be a tensor, got int.")
