"""Convolution on NumPy: logically NCHW, physically channels-last.

With the channels last, a window's row of ``kw * channels`` numbers lies together in memory, so windows are gathered by
plain copies and every product is one BLAS call. The results are views whose memory is channels-last too; NumPy's
elementwise functions keep that order, so it travels through a network by itself. Grouped convolution takes the shared
text.
"""

from __future__ import annotations

from typing import Any

from tapeloom.backend.kernels.window import Ints, Pair, Window, out_size

Array = Any

#: below this many numbers a window row is too short for a product of its own: whole windows are gathered instead
_SHORT_ROW = 48


class ChannelsLast(Window):
    """The convolutions of one group."""

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
        if groups != 1:
            return Window.conv2d(self, x, weight, bias, stride, padding, dilation, groups)
        np = self.xp
        height, width = out_size(x.shape, weight.shape[2:], stride, padding, dilation)
        padded = _last(np, x, padding)
        rows = _filter_rows(np, weight)
        out: Any = None
        for i, windows in _row_windows(np, padded, weight.shape[2:], stride, dilation, (height, width)):
            part = np.matmul(windows, rows.reshape(-1, rows.shape[2]) if i is None else rows[i])
            out = part if out is None else np.add(out, part, out=out)
        out = out.reshape(x.shape[0], height, width, weight.shape[0])
        if bias is not None:
            out += bias
        return out.transpose(0, 3, 1, 2)

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
        if groups != 1:
            return Window.conv2d_weight_gradient(self, upstream, x, weight_size, stride, padding, dilation, groups)
        np = self.xp
        channels_out, channels, kernel_height, kernel_width = weight_size
        g = upstream.transpose(0, 2, 3, 1).reshape(-1, channels_out)
        padded = _last(np, x, padding)
        size = (upstream.shape[2], upstream.shape[3])
        rows = np.empty((kernel_height, kernel_width * channels, channels_out), dtype=upstream.dtype)
        for i, windows in _row_windows(np, padded, (kernel_height, kernel_width), stride, dilation, size):
            target = rows.reshape(-1, channels_out) if i is None else rows[i]
            np.matmul(windows.reshape(-1, target.shape[0]).T, g, out=target)
        return rows.reshape(kernel_height, kernel_width, channels, channels_out).transpose(3, 2, 0, 1)

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
        around = tuple(
            spread * (length - 1) - amount
            for spread, length, amount in zip(dilation, weight.shape[2:], padding, strict=True)
        )
        if groups != 1 or min(around) < 0:
            return Window.conv2d_input_gradient(self, upstream, weight, x_size, stride, padding, dilation, groups)
        np = self.xp
        if stride == (1, 1):  # the turned kernel slid over the upstream gradient
            turned = weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
            return self.conv2d(upstream, turned, None, stride, around, dilation, 1)
        batch, channels, height, width = x_size
        kernel_height, kernel_width = weight.shape[2:]
        out_height, out_width = upstream.shape[2:]
        g = upstream.transpose(0, 2, 3, 1).reshape(-1, upstream.shape[1])
        padded = np.zeros((batch, height + 2 * padding[0], width + 2 * padding[1], channels), dtype=upstream.dtype)
        rows = _filter_rows(np, weight)
        for i in range(kernel_height):
            part = np.matmul(g, rows[i].T).reshape(batch, out_height, out_width, kernel_width, channels)
            down = slice(i * dilation[0], i * dilation[0] + stride[0] * (out_height - 1) + 1, stride[0])
            for j in range(kernel_width):
                across = slice(j * dilation[1], j * dilation[1] + stride[1] * (out_width - 1) + 1, stride[1])
                padded[:, down, across] += part[:, :, :, j]
        return padded[:, padding[0] : padding[0] + height, padding[1] : padding[1] + width].transpose(0, 3, 1, 2)


def _last(np: Any, x: Array, padding: Pair) -> Array:
    """``x`` with its channels last in memory and zeros around its planes."""
    moved = x.transpose(0, 2, 3, 1)
    if padding == (0, 0):
        return np.ascontiguousarray(moved)
    batch, height, width, channels = moved.shape
    down, across = padding
    padded = np.zeros((batch, height + 2 * down, width + 2 * across, channels), dtype=x.dtype)
    padded[:, down : down + height, across : across + width] = moved
    return padded


def _filter_rows(np: Any, weight: Array) -> Array:
    """The kernels as one matrix a kernel row: (kh, kw * channels, out channels)."""
    out, channels, height, width = weight.shape
    return np.ascontiguousarray(weight.transpose(2, 3, 1, 0)).reshape(height, width * channels, out)


def _row_windows(np: Any, padded: Array, kernel: Pair, stride: Pair, dilation: Pair, out: Pair) -> Any:
    """The windows of each kernel row as matrices, (kernel row, windows); one whole set (None, windows) where rows are short.

    Windows along the width are gathered once, for every row of the input; the kernel rows then read slices of that.
    """
    batch, height, _, channels = padded.shape
    along_batch, along_height, along_width, along_channels = padded.strides
    row = kernel[1] * channels
    view = np.lib.stride_tricks.as_strided
    if row <= _SHORT_ROW:
        windows = view(
            padded,
            (batch, out[0], out[1], kernel[0], kernel[1], channels),
            (
                along_batch,
                along_height * stride[0],
                along_width * stride[1],
                along_height * dilation[0],
                along_width * dilation[1],
                along_channels,
            ),
            writeable=False,
        )
        yield None, windows.reshape(batch * out[0] * out[1], kernel[0] * row)
        return
    panel = view(
        padded,
        (batch, height, out[1], kernel[1], channels),
        (along_batch, along_height, along_width * stride[1], along_width * dilation[1], along_channels),
        writeable=False,
    ).reshape(batch, height, out[1], row)
    for i in range(kernel[0]):
        top = i * dilation[0]
        windows = panel[:, top : top + stride[0] * (out[0] - 1) + 1 : stride[0]]
        yield i, windows.reshape(batch, out[0] * out[1], row)
