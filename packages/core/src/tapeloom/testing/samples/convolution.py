"""Samples of convolution and its transpose: loops over every product, for any number of spatial dimensions."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.testing.inputs import T
from tapeloom.testing.table import INEXACT, case, fails, row


def each_axis(value: Any, rank: int) -> tuple[Any, ...]:
    """A setting for each of ``rank`` axes."""
    return (value,) * rank if isinstance(value, int) else tuple(value) * (rank // len(value))


def windows_along(length: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool = False) -> int:
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
    rank = len(w_shape) - 2
    settings = list(zip(*(each_axis(value, rank) for value in (stride, padding, dilation)), strict=True))
    out_a_group, in_a_group = w_shape[0] // groups, w_shape[1]
    for n, o, *window in product(*map(range, out_shape)):
        for c, *tap in product(range(in_a_group), *map(range, w_shape[2:])):
            met = [i * s - p + a * d for i, a, (s, p, d) in zip(window, tap, settings, strict=True)]
            if all(0 <= place < length for place, length in zip(met, x_shape[2:], strict=True)):
                yield (n, o, *window), (n, (o // out_a_group) * in_a_group + c, *met), (o, c, *tap)


def _conv(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1) -> Any:
    rank = weight.ndim - 2
    if x.ndim == rank + 1:
        return _conv(x[None], weight, bias, stride, padding, dilation, groups)[0]
    if padding == "valid":
        padding = 0
    if padding == "same":
        totals = [d * (k - 1) for d, k in zip(each_axis(dilation, rank), weight.shape[2:], strict=True)]
        grown = np.zeros((*x.shape[:2], *(n + t for n, t in zip(x.shape[2:], totals, strict=True))), x.dtype)
        inside: Any = [slice(t // 2, t // 2 + n) for n, t in zip(x.shape[2:], totals, strict=True)]
        grown[(..., *inside)] = x
        x, padding = grown, 0
    settings = (each_axis(value, rank) for value in (stride, padding, dilation))
    sizes = zip(x.shape[2:], weight.shape[2:], *settings, strict=True)
    shape = (x.shape[0], weight.shape[0], *(windows_along(*size) for size in sizes))
    out = np.zeros(shape, x.dtype)
    for o, i, w in _terms(x.shape, weight.shape, shape, stride, padding, dilation, groups):
        out[o] += x[i] * weight[w]
    return out if bias is None else out + bias.reshape(-1, *[1] * rank)


def _input_gradient(g: Any, weight: Any, x_size: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    out = np.zeros(x_size, g.dtype)
    for o, i, w in _terms(x_size, weight.shape, g.shape, stride, padding, dilation, groups):
        out[i] += g[o] * weight[w]
    return out


def _weight_gradient(g: Any, x: Any, weight_size: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    out = np.zeros(weight_size, g.dtype)
    for o, i, w in _terms(x.shape, weight_size, g.shape, stride, padding, dilation, groups):
        out[w] += g[o] * x[i]
    return out


def _transposed(
    x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: int = 1, dilation: Any = 1
) -> Any:
    """Every element of ``x`` times the kernel, added where the kernel lies."""
    rank = weight.ndim - 2
    if x.ndim == rank + 1:
        return _transposed(x[None], weight, bias, stride, padding, output_padding, groups, dilation)[0]
    settings = (each_axis(value, rank) for value in (stride, padding, output_padding, dilation))
    sizes = zip(x.shape[2:], weight.shape[2:], *settings, strict=True)
    lengths = [(n - 1) * s + d * (k - 1) + 1 - 2 * p + more for n, k, s, p, more, d in sizes]
    out = _input_gradient(x, weight, (x.shape[0], weight.shape[1] * groups, *lengths), stride, padding, dilation, groups)
    return out if bias is None else out + bias.reshape(-1, *[1] * rank)


SUMMED: dict[str, Any] = {"budget": "sum", "without": "0d", "dtypes": INEXACT}
CONV: dict[str, Any] = {"reference": _conv, "magnitude": _conv} | SUMMED
TRANSPOSED: dict[str, Any] = {"reference": _transposed, "magnitude": _transposed} | SUMMED

# the ops; kernels of many channels take a path of their own on NumPy, and so do strides there

IMAGE, KERNEL = T(1, 2, 4, 5), T(2, 2, 3, 2)
row("convolution", [IMAGE, KERNEL, T(2), 1, 0, 1, 1], [T(2, 3, 6), T(4, 3, 3), None, 2, 1, 1, 1], [T(1, 2, 3, 4, 3), T(2, 2, 2, 1, 2), T(2), (1, 2, 1), 1, (2, 1, 1), 1],
    [T(1, 4, 3, 3), T(4, 2, 2, 2), T(4), 1, 0, 1, 2], [T(1, 26, 4, 3), T(1, 26, 2, 2), T(1), 1, 1, 1, 1], [T(1, 25, 2, 3, 4), T(1, 25, 2, 2, 2), None, (1, 2, 1), 1, 1, 1],
    [T(0, 2, 4, 5), KERNEL, T(2), 1, 0, 1, 1], **CONV)
fails("convolution", [T(4, 5), KERNEL, None, 1, 0, 1, 1], ShapeError, "convolution: expected (batch, channels, 1 to 3 spatial dimensions), got a tensor of 2 dimensions.")
fails("convolution", [IMAGE, KERNEL, None, (1, 2, 3), 0, 1, 1], ArgumentTypeError, "convolution: stride must be one int or two, got (1, 2, 3).")
fails("convolution", [T(1, 2, 5), KERNEL, None, (1, 2), 0, 1, 1], ArgumentTypeError, "convolution: stride must be one int, got (1, 2).")
fails("convolution", [IMAGE, T(2, 2, 3), None, 1, 0, 1, 1], ShapeError, "conv2d: expected weight (out channels, channels / groups, height, width), got shape (2, 2, 3).")
row("convolution_input_gradient", [T(1, 2, 2, 4), KERNEL, (1, 2, 4, 5), 1, 0, 1, 1], [T(1, 2, 2, 3), KERNEL, (1, 2, 4, 5), 2, 1, 1, 1], [T(2, 4, 3), T(4, 3, 3), (2, 3, 6), 2, 1, 1, 1],
    [T(1, 2, 3, 3, 4), T(2, 2, 2, 1, 2), (1, 2, 3, 4, 3), (1, 2, 1), 1, (2, 1, 1), 1], [T(1, 4, 2, 2), T(4, 2, 2, 2), (1, 4, 3, 3), 1, 0, 1, 2],
    [T(1, 25, 2, 2), T(25, 2, 2, 2), (1, 2, 3, 3), 1, 0, 1, 1], [T(1, 2, 6), T(2, 2, 2), (1, 2, 3), 1, 2, 1, 1],
    [T(0, 2, 2, 4), KERNEL, (0, 2, 4, 5), 1, 0, 1, 1], reference=_input_gradient, magnitude=_input_gradient, **SUMMED)
row("convolution_weight_gradient", [T(1, 2, 2, 4), IMAGE, (2, 2, 3, 2), 1, 0, 1, 1], [T(1, 2, 2, 3), IMAGE, (2, 2, 3, 2), 2, 1, 1, 1], [T(2, 4, 3), T(2, 3, 6), (4, 3, 3), 2, 1, 1, 1],
    [T(1, 2, 3, 3, 4), T(1, 2, 3, 4, 3), (2, 2, 2, 1, 2), (1, 2, 1), 1, (2, 1, 1), 1], [T(1, 4, 2, 2), T(1, 4, 3, 3), (4, 2, 2, 2), 1, 0, 1, 2],
    [T(2, 1, 2, 2), T(2, 26, 3, 3), (1, 26, 2, 2), 1, 0, 1, 1], [T(0, 2, 2, 4), T(0, 2, 4, 5), (2, 2, 3, 2), 1, 0, 1, 1],
    reference=_weight_gradient, magnitude=_weight_gradient, **SUMMED)

# convolution

LINE, SHORT = T(2, 3, 6), T(4, 3, 3)
row("conv1d", [LINE, SHORT, T(4)], [LINE, SHORT, None, 2, 1, 2], [T(3, 6), SHORT, T(4), (2,)], [T(1, 4, 5), T(2, 2, 2), None, 1, 1, 1, 2],
    case(LINE, T(2, 3, 2), padding="same"), case(LINE, SHORT, padding="valid"), [T(0, 3, 6), SHORT, T(4)], **CONV)
row("conv2d", [IMAGE, KERNEL, T(2)], [IMAGE, KERNEL, None, 2, 1], [IMAGE, KERNEL, None, (2, 1), (0, 1), (1, 2)], [T(1, 4, 3, 3), T(4, 2, 2, 2), T(4), 1, 0, 1, 2],
    [T(2, 4, 4), KERNEL], [IMAGE, T(3, 2, 1, 1)], case(IMAGE, T(2, 2, 2, 2), padding="same"), case(IMAGE, KERNEL, padding="valid"),
    case(IMAGE, T(4, 1, 3, 3), T(4), padding=1, groups=2), [T(0, 2, 4, 5), KERNEL, T(2)], **CONV)
SOLID, CUBE = T(1, 2, 3, 4, 3), T(2, 2, 2, 3, 2)
row("conv3d", [SOLID, CUBE, T(2)], [SOLID, CUBE, None, (1, 2, 2), (1, 0, 2), (2, 1, 1)], [T(2, 3, 3, 3), CUBE, T(2)], [SOLID, T(2, 1, 2, 2, 2), None, 1, 0, 1, 2],
    case(SOLID, CUBE, padding="same"), case(SOLID, T(1, 2, 1, 1, 1), stride=2, padding="valid"), [T(0, 2, 3, 4, 3), CUBE, T(2)], **CONV)

fails("conv1d", [T(6), SHORT], ShapeError, "conv1d: expected input (batch, channels, length) or (channels, length), got shape (6,).")
fails("conv2d", [T(4, 5), KERNEL], ShapeError,
      "conv2d: expected input (batch, channels, height, width) or (channels, height, width), got shape (4, 5).")
fails("conv3d", [T(4, 5, 6), CUBE], ShapeError,
      "conv3d: expected input (batch, channels, depth, height, width) or (channels, depth, height, width), got shape (4, 5, 6).")
fails("conv1d", [LINE, KERNEL], ShapeError, "conv1d: expected weight (out channels, channels / groups, length), got shape (2, 2, 3, 2).")
fails("conv3d", case(SOLID, KERNEL, padding="same"), ShapeError, "conv3d: expected weight (out channels, channels / groups, depth, height, width), got shape (2, 2, 3, 2).")
fails("conv1d", [T(1, 3, 0), SHORT, None, 1, 2], ShapeError, "conv1d: input of shape (1, 3, 0) has a spatial dimension of length 0.")
fails("conv1d", [LINE, T(4, 3, 0)], ShapeError, "conv1d: weight of shape (4, 3, 0) has a kernel without elements.")
fails("conv2d", [IMAGE, T(2, 3, 3, 3)], ShapeError,
      "conv2d: input of shape (1, 2, 4, 5) has 2 channels, and weight of shape (2, 3, 3, 3) with groups=1 takes 3.")
fails("conv2d", [T(5, 4, 4), T(2, 1, 3, 3)], ShapeError,
      "conv2d: input of shape (5, 4, 4) is read as (channels, height, width), 5 channels without a batch, and weight of shape (2, 1, 3, 3) with "
      "groups=1 takes 1. Where these are 5 samples of one channel, add the dimension: input.unsqueeze(1).")
fails("conv2d", [T(2, 4, 5, 3), T(2, 3, 3, 3)], ShapeError,
      "conv2d: input of shape (2, 4, 5, 3) has 4 channels, and weight of shape (2, 3, 3, 3) with groups=1 takes 3. "
      "Where the channels stand last, put them first: input.permute(0, 3, 1, 2).")
fails("conv1d", [T(9, 4), T(2, 4, 3)], ShapeError,
      "conv1d: input of shape (9, 4) is read as (channels, length), 9 channels without a batch, and weight of shape (2, 4, 3) with groups=1 "
      "takes 4. Where the channels stand last, put them first: input.permute(1, 0).")
fails("conv2d", [IMAGE, T(2, 2, 5, 5)], ShapeError,
      "conv2d: a kernel of (5, 5) with dilation (1, 1) does not fit into the input of (4, 5) with padding (0, 0).")
fails("conv2d", [IMAGE, KERNEL, T(3)], ShapeError, "conv2d: bias must have shape (2,), got (3,).")
fails("conv2d", [IMAGE, KERNEL, 3], ArgumentTypeError, "conv2d: bias must be a tensor, got int. Make it one with tapeloom.tensor(...).")
fails("conv2d", [IMAGE, KERNEL, None, 0], ArgumentError, "conv2d: stride must be at least 1, got (0, 0).")
fails("conv3d", [SOLID, CUBE, None, (1, 2)], ArgumentTypeError, "conv3d: stride must be one int or three, got (1, 2).")
fails("conv2d", [IMAGE, KERNEL, None, 1, -1], ArgumentError, "conv2d: padding must not be negative, got (-1, -1).")
fails("conv2d", case(IMAGE, T(2, 1, 3, 3), groups=3), ArgumentError, "conv2d: groups 3 must divide the 2 output channels.")
fails("conv2d", case(IMAGE, KERNEL, groups=1.5), ArgumentTypeError, "conv2d: groups must be an int, got 1.5 of type float.")
fails("conv2d", case(IMAGE, KERNEL, padding="full"), ArgumentError, "conv2d: padding must be 'same', 'valid' or numbers, got 'full'.")
fails("conv2d", case(IMAGE, KERNEL, stride=2, padding="same"), ArgumentError, "conv2d: padding 'same' needs stride 1, got (2, 2). Give padding in numbers.")
fails("conv2d", [IMAGE, KERNEL], DTypeError, "conv2d: bool tensors are not supported. Use a logical operation, or cast with .to(tapeloom.int64).", dtypes.bool_)

# transposed convolution

row("conv_transpose1d", [LINE, T(3, 2, 3), T(2)], [LINE, T(3, 2, 3), None, 2, 1, 1], [T(3, 6), T(3, 2, 2), T(2), (3,), 0, 2], [T(1, 4, 3), T(4, 1, 2), None, 1, 0, 0, 2, 2],
    [T(1, 2, 3), T(2, 1, 2), None, 1, 0, 2, 1, 3], [T(1, 2, 5), T(2, 1, 2), None, 1, 2], [T(0, 3, 6), T(3, 2, 3), T(2)], **TRANSPOSED)
row("conv_transpose2d", [IMAGE, T(2, 3, 3, 2), T(3)], [IMAGE, T(2, 2, 2, 3), None, (2, 1), (0, 1), (1, 0)], [T(2, 3, 3), T(2, 2, 2, 2), T(2), 2], [T(1, 4, 2, 2), T(4, 2, 2, 1), T(4), 2, 1, 1, 2, (2, 1)],
    case(T(1, 25, 2, 2), T(25, 1, 2, 2), padding=1), case(T(1, 2, 2, 2), T(2, 26, 2, 2), stride=2), case(IMAGE, T(2, 1, 2, 2), stride=(1, 2), dilation=(3, 1), output_padding=(2, 1)),
    [T(0, 2, 4, 5), T(2, 3, 3, 2), T(3)], **TRANSPOSED)
row("conv_transpose3d", [T(1, 2, 2, 3, 2), T(2, 1, 2, 3, 2), T(1)], [T(1, 2, 2, 2, 3), T(2, 2, 2, 2, 2), None, (2, 1, 3), 1, (1, 0, 2)], [T(2, 2, 2, 2), T(2, 1, 2, 1, 2), T(1), 2],
    case(T(1, 2, 2, 2, 2), T(2, 1, 2, 2, 2), groups=2, dilation=(1, 2, 1)), [T(0, 2, 2, 3, 2), T(2, 1, 2, 3, 2), T(1)], **TRANSPOSED)

fails("conv_transpose1d", [T(6), SHORT], ShapeError, "conv_transpose1d: expected input (batch, channels, length) or (channels, length), got shape (6,).")
fails("conv_transpose2d", [IMAGE, SHORT], ShapeError, "conv_transpose2d: expected weight (channels, out channels / groups, height, width), got shape (4, 3, 3).")
fails("conv_transpose2d", [IMAGE, T(3, 2, 2, 2)], ShapeError, "conv_transpose2d: input of shape (1, 2, 4, 5) has 2 channels, and weight of shape (3, 2, 2, 2) takes 3.")
fails("conv_transpose2d", [T(5, 4, 4), T(1, 2, 3, 3)], ShapeError,
      "conv_transpose2d: input of shape (5, 4, 4) is read as (channels, height, width), 5 channels without a batch, and weight of shape "
      "(1, 2, 3, 3) takes 1. Where these are 5 samples of one channel, add the dimension: input.unsqueeze(1).")
fails("conv_transpose2d", [IMAGE, KERNEL, T(3)], ShapeError, "conv_transpose2d: bias must have shape (2,), got (3,).")
fails("conv_transpose2d", [IMAGE, 3], ArgumentTypeError, "conv_transpose2d: weight must be a tensor, got int. Make it one with tapeloom.tensor(...).")
fails("conv_transpose1d", [LINE, T(3, 2, 3), None, 2, 0, 2], ArgumentError, "conv_transpose1d: output_padding (2,) must be smaller than stride (2,) or dilation (1,).")
fails("conv_transpose1d", [LINE, T(3, 2, 3), None, 2, 0, -1], ArgumentError, "conv_transpose1d: output_padding must not be negative, got (-1,).")
fails("conv_transpose1d", [T(1, 2, 1), T(2, 1, 2), None, 1, 1], ShapeError, "conv_transpose1d: the result would have the spatial size (0,); padding (1,) leaves nothing.")
fails("conv_transpose2d", case(IMAGE, KERNEL, groups=3), ArgumentError, "conv_transpose2d: groups 3 must divide the 2 input channels.")
fails("conv_transpose3d", case(SOLID, CUBE, dilation=0), ArgumentError, "conv_transpose3d: dilation must be at least 1, got (0, 0, 0).")
fails("conv_transpose3d", case(SOLID, CUBE, padding="same"), ArgumentTypeError, "conv_transpose3d: padding must be an int, got 'same' of type str.")
fails("conv_transpose2d", [IMAGE, KERNEL], DTypeError,
      "conv_transpose2d: bool tensors are not supported. Use a logical operation, or cast with .to(tapeloom.int64).", dtypes.bool_)
for _name in ("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"):
    fails(_name, [1, KERNEL], ArgumentTypeError, f"{_name}: input must be a tensor, got int. Make it one with tapeloom.tensor(...).")
fails("conv2d", case(T(1, 1, 3, 3), 3, padding="same"), ArgumentTypeError, "conv2d: weight must be a tensor, got int. Make it one with tapeloom.tensor(...).")
