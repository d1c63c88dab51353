"""Window kernels over (batch, channels, height, width): convolution as one matrix product, pooling as strided slices.

All settings are pairs (height, width). Arrays are mutable here; a library without that overrides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tapeloom.dtypes import iinfo
from tapeloom.shapes import window_length

Array = Any
Pair = tuple[int, int]
Ints = tuple[int, ...]


def taps(kernel: Pair, stride: Pair, dilation: Pair, out: Pair) -> Iterator[tuple[int, int, Any]]:
    """For each place in the kernel: its row and column, and the key of the inputs it meets in the padded planes."""
    for i in range(kernel[0]):
        rows = slice(i * dilation[0], i * dilation[0] + stride[0] * (out[0] - 1) + 1, stride[0])
        for j in range(kernel[1]):
            columns = slice(j * dilation[1], j * dilation[1] + stride[1] * (out[1] - 1) + 1, stride[1])
            yield i, j, (Ellipsis, rows, columns)


def out_size(x_size: Ints, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool = False) -> Pair:
    """How many windows fit, down and across."""
    height, width = (
        window_length(x_size[2 + axis], kernel[axis], stride[axis], padding[axis], dilation[axis], ceil_mode)
        for axis in (0, 1)
    )
    return height, width


def averages(length: int, out: int, kernel: int, stride: int, padding: int, include_pad: bool) -> list[int]:
    """How many places each window along one axis counts."""
    counts = []
    for position in range(out):
        start = position * stride - padding
        end = min(start + kernel, length + padding)
        counts.append(end - start if include_pad else min(end, length) - max(start, 0))
    return counts


class Window:
    """Convolution and pooling."""

    xp: Any

    # convolution

    def _columns(self: Any, x: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Array:
        """The windows of ``x`` as rows: (groups, batch * out height * out width, channels / groups * kh * kw)."""
        xp = self.xp
        out = out_size(x.shape, kernel, stride, padding, dilation)
        padded = self._padded(x, padding)
        parts = xp.stack([padded[key] for _, _, key in taps(kernel, stride, dilation, out)], axis=2)
        batch, channels = x.shape[:2]
        area = kernel[0] * kernel[1]
        parts = xp.reshape(parts, (batch, groups, channels // groups, area, out[0] * out[1]))
        parts = xp.transpose(parts, (1, 0, 4, 2, 3))
        return xp.reshape(parts, (groups, batch * out[0] * out[1], channels // groups * area))

    def _padded(self: Any, x: Array, padding: Pair) -> Array:
        if padding == (0, 0):
            return x
        return self.xp.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))

    def conv2d(
        self: Any,
        x: Array,
        weight: Array,
        bias: Array | None,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        groups: int,
    ) -> Array:
        xp = self.xp
        kernel = weight.shape[2:]
        out = out_size(x.shape, kernel, stride, padding, dilation)
        columns = self._columns(x, kernel, stride, padding, dilation, groups)
        filters = xp.reshape(weight, (groups, weight.shape[0] // groups, weight.shape[1] * kernel[0] * kernel[1]))
        product = self.matmul(columns, self.swap_last(filters))  # (groups, rows, out channels / groups)
        product = xp.reshape(product, (groups, x.shape[0], *out, weight.shape[0] // groups))
        result = xp.reshape(xp.transpose(product, (1, 0, 4, 2, 3)), (x.shape[0], weight.shape[0], *out))
        return result if bias is None else result + xp.reshape(bias, (1, -1, 1, 1))

    def conv2d_input_gradient(
        self: Any,
        upstream: Array,
        weight: Array,
        x_size: Ints,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        groups: int,
    ) -> Array:
        xp = self.xp
        kernel = weight.shape[2:]
        batch, out_channels, *out = upstream.shape
        inner = weight.shape[1]
        rows = xp.reshape(upstream, (batch, groups, out_channels // groups, out[0] * out[1]))
        filters = xp.reshape(weight, (groups, out_channels // groups, inner * kernel[0] * kernel[1]))
        spread = self.matmul(self.swap_last(filters), rows)  # (batch, groups, inner * kh * kw, out height * out width)
        spread = xp.reshape(spread, (batch, groups * inner, kernel[0] * kernel[1], *out))
        height, width = x_size[2:]
        padded = xp.zeros(
            (batch, groups * inner, height + 2 * padding[0], width + 2 * padding[1]), dtype=upstream.dtype
        )
        for i, j, key in taps(kernel, stride, dilation, (out[0], out[1])):
            padded[key] += spread[:, :, i * kernel[1] + j]
        return padded[:, :, padding[0] : padding[0] + height, padding[1] : padding[1] + width]

    def conv2d_weight_gradient(
        self: Any,
        upstream: Array,
        x: Array,
        weight_size: Ints,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        groups: int,
    ) -> Array:
        xp = self.xp
        batch, out_channels, *out = upstream.shape
        columns = self._columns(x, weight_size[2:], stride, padding, dilation, groups)
        rows = xp.reshape(upstream, (batch, groups, out_channels // groups, out[0] * out[1]))
        size = (groups, out_channels // groups, batch * out[0] * out[1])
        rows = xp.reshape(xp.transpose(rows, (1, 2, 0, 3)), size)
        return xp.reshape(self.matmul(rows, columns), weight_size)

    # pooling

    def _framed(
        self: Any, x: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, out: Pair, value: Any
    ) -> Array:
        """``x`` with ``value`` around it, as far as the windows reach (with ceil_mode beyond the padding)."""
        amounts = [(0, 0), (0, 0)]
        for axis in (0, 1):
            reach = (out[axis] - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1
            amounts.append((padding[axis], max(0, reach - padding[axis] - x.shape[2 + axis])))
        if amounts[2] == amounts[3] == (0, 0):
            return x
        return self.xp.pad(x, amounts, constant_values=value)

    def lowest(self: Any, x: Array) -> Any:
        """The value that every other of this dtype beats."""
        dtype = self.dtype_of(x)
        return float("-inf") if dtype.is_floating_point else iinfo(dtype).min

    def max_pool2d_with_indices(
        self: Any, x: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
    ) -> tuple[Array, Array]:
        xp = self.xp
        out = out_size(x.shape, kernel_size, stride, padding, dilation, ceil_mode)
        framed = self._framed(x, kernel_size, stride, padding, dilation, out, self.lowest(x))
        whole = framed is x  # no window reaches outside
        height, width = x.shape[2:]
        best: Any = None
        indices: Any = None
        seen: Any = None
        for i, j, key in taps(kernel_size, stride, dilation, out):
            value = framed[key]
            rows = xp.reshape(xp.arange(out[0]), (-1, 1)) * stride[0] + (i * dilation[0] - padding[0])
            columns = xp.arange(out[1]) * stride[1] + (j * dilation[1] - padding[1])
            place = rows * width + columns
            inside = None if whole else (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
            if best is None:
                best, indices, seen = value, xp.broadcast_to(place, value.shape), inside
                continue
            # the first of equal values stays, nan wins, and the frame is never chosen: all as in PyTorch
            better = (value > best) | (value != value)
            if not whole:
                better = inside & (better | ~seen)
                seen = seen | inside
            best = xp.where(better, value, best)
            indices = xp.where(better, place, indices)
        return best, self.as_int64(indices)

    def max_pool2d_backward(self: Any, upstream: Array, indices: Array, x_size: Ints) -> Array:
        xp = self.xp
        planes = x_size[0] * x_size[1]
        area = x_size[2] * x_size[3]
        windows = indices.shape[2] * indices.shape[3]
        places = xp.reshape(indices, (planes, windows)) + xp.reshape(xp.arange(planes) * area, (planes, 1))
        flat = xp.zeros((planes * area,), dtype=upstream.dtype)
        flat = self.at(flat, xp.reshape(places, (-1,)), xp.reshape(upstream, (-1,)), "add", owned=True)
        return xp.reshape(flat, x_size)

    def _divisor(
        self: Any,
        x_size: Ints,
        out: Pair,
        kernel: Pair,
        stride: Pair,
        padding: Pair,
        include_pad: bool,
        override: int | None,
        like: Array,
    ) -> Any:
        """What each window is divided by: a number where all are equal, else an array (out height, out width)."""
        if override is not None:
            return override
        rows, columns = (
            averages(x_size[2 + axis], out[axis], kernel[axis], stride[axis], padding[axis], include_pad)
            for axis in (0, 1)
        )
        if len({*rows}) == 1 and len({*columns}) == 1:
            return rows[0] * columns[0]
        table = [[row * column for column in columns] for row in rows]
        return self.xp.asarray(table, dtype=like.dtype)

    def avg_pool2d(
        self: Any,
        x: Array,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair,
        ceil_mode: bool,
        count_include_pad: bool,
        divisor_override: int | None,
    ) -> Array:
        out = out_size(x.shape, kernel_size, stride, padding, (1, 1), ceil_mode)
        framed = self._framed(x, kernel_size, stride, padding, (1, 1), out, 0)
        total = None
        for _, _, key in taps(kernel_size, stride, (1, 1), out):
            total = framed[key] if total is None else total + framed[key]
        return total / self._divisor(x.shape, out, kernel_size, stride, padding, count_include_pad, divisor_override, x)

    def avg_pool2d_backward(
        self: Any,
        upstream: Array,
        x_size: Ints,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair,
        ceil_mode: bool,
        count_include_pad: bool,
        divisor_override: int | None,
    ) -> Array:
        out = (upstream.shape[2], upstream.shape[3])
        share = upstream / self._divisor(
            x_size, out, kernel_size, stride, padding, count_include_pad, divisor_override, upstream
        )
        empty = self.xp.zeros(x_size, dtype=upstream.dtype)
        framed = self._framed(empty, kernel_size, stride, padding, (1, 1), out, 0)
        for _, _, key in taps(kernel_size, stride, (1, 1), out):
            framed[key] += share
        return framed[:, :, padding[0] : padding[0] + x_size[2], padding[1] : padding[1] + x_size[3]]
