"""Convolution on NumPy: logically (batch, channels, *spatial), physically channels-last.

With the channels last, a window's row of ``width * channels`` numbers lies together in memory, so windows are gathered
by plain copies and every product is one BLAS call. The results are views whose memory is channels-last too; NumPy's
elementwise functions keep that order, so it travels through a network by itself. Grouped convolution takes the shared
text.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

from tapeloom.backend.kernels.window import Ints, Window, out_size, reached, unframed

Array = Any

#: below this many numbers a window row is too short for a product of its own: whole windows are gathered instead
_SHORT_ROW = 48


class _Plan:
    """The sizes of one convolution: all that follows from shapes and settings alone."""

    __slots__ = ("around", "inside", "keys", "matrix", "order", "out", "padded", "panel", "strides", "view")

    def __init__(self, x_size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, itemsize: int) -> None:
        batch, channels, *lengths = x_size
        self.out = out = out_size(x_size, kernel, stride, padding, dilation)
        #: the axes of an array with its channels last
        self.order = (0, *range(2, len(x_size)), 1)
        #: the padding that turns the gradient for the input into a convolution, at stride 1
        self.around = tuple(
            spread * (length - 1) - amount for spread, length, amount in zip(dilation, kernel, padding, strict=True)
        )
        grown = [length + 2 * amount for length, amount in zip(lengths, padding, strict=True)]
        #: the padded input with its channels last, and the key of what is not padding
        self.padded = (batch, *grown, channels)
        inside = (slice(amount, amount + length) for length, amount in zip(lengths, padding, strict=True))
        self.inside = (slice(None), *inside) if any(padding) else None
        size = [prod(self.padded[axis:]) * itemsize for axis in range(1, len(self.padded) + 1)]
        along_batch, *along, along_channels = size
        steps = [one * step for one, step in zip(along, stride, strict=True)]
        spreads = [one * spread for one, spread in zip(along, dilation, strict=True)]
        row = kernel[-1] * channels
        #: the key of the windows that each row of the kernel meets in the panel; None where rows are short
        self.keys: tuple[Any, ...] | None = None
        if row <= _SHORT_ROW:
            self.view: Ints = (batch, *out, *kernel, channels)
            self.strides: Ints = (along_batch, *steps, *spreads, along_channels)
            self.panel: Ints = (batch * prod(out), prod(kernel) * channels)
            self.matrix: Ints = self.panel
            return
        self.view = (batch, *grown[:-1], out[-1], kernel[-1], channels)
        self.strides = (along_batch, *along[:-1], steps[-1], spreads[-1], along_channels)
        self.panel = (*self.view[:-2], row)
        self.keys = tuple(
            (slice(None), *reached(lead, stride, dilation, out)) for lead in product(*map(range, kernel[:-1]))
        )
        # the last two axes as one: with stride 1 a view, where more of them would be a copy
        self.matrix = (batch, *out[:-2], prod(out[-2:]), row)

    def windows(self, np: Any, x: Array) -> Iterator[Any]:
        """The windows of each row of the kernel as matrices, (its number, windows); or all at once, (None, windows).

        Windows along the last axis are gathered once, for the whole input; the rows of the kernel then read slices of
        that.
        """
        moved = x.transpose(self.order)
        if self.inside is None:
            padded = np.ascontiguousarray(moved)
        else:
            padded = np.zeros(self.padded, dtype=x.dtype)
            padded[self.inside] = moved
        panel = np.ndarray(self.view, padded.dtype, padded, 0, self.strides).reshape(self.panel)
        if self.keys is None:
            yield None, panel
            return
        for number, key in enumerate(self.keys):
            yield number, panel[key].reshape(self.matrix)


#: sizes repeat from step to step
_plan = lru_cache(maxsize=1024)(_Plan)


class ChannelsLast(Window):
    """The convolutions of one group."""

    def convolution(
        self: Any,
        x: Array,
        weight: Array,
        bias: Array | None,
        stride: Ints,
        padding: Ints,
        dilation: Ints,
        groups: int,
    ) -> Array:
        if groups != 1:
            return Window.convolution(self, x, weight, bias, stride, padding, dilation, groups)
        np = self.xp
        plan = _plan(x.shape, weight.shape[2:], stride, padding, dilation, x.itemsize)
        rows = _filter_rows(np, weight)
        out: Any = None
        for number, windows in plan.windows(np, x):
            part = np.matmul(windows, rows.reshape(-1, rows.shape[2]) if number is None else rows[number])
            out = part if out is None else np.add(out, part, out=out)
        out = out.reshape(x.shape[0], *plan.out, weight.shape[0])
        if bias is not None:
            out += bias
        return _first(out)

    def convolution_weight_gradient(
        self: Any,
        upstream: Array,
        x: Array,
        weight_size: Ints,
        stride: Ints,
        padding: Ints,
        dilation: Ints,
        groups: int,
    ) -> Array:
        if groups != 1:
            return Window.convolution_weight_gradient(self, upstream, x, weight_size, stride, padding, dilation, groups)
        np = self.xp
        channels_out, channels, *kernel = weight_size
        plan = _plan(x.shape, weight_size[2:], stride, padding, dilation, x.itemsize)
        g = upstream.transpose(plan.order).reshape(-1, channels_out)
        rows = np.empty((prod(kernel[:-1]), kernel[-1] * channels, channels_out), dtype=upstream.dtype)
        for number, windows in plan.windows(np, x):
            target = rows.reshape(-1, channels_out) if number is None else rows[number]
            np.matmul(windows.reshape(-1, target.shape[0]).T, g, out=target)
        axes = len(kernel)
        return rows.reshape(*kernel, channels, channels_out).transpose(axes + 1, axes, *range(axes))

    def convolution_input_gradient(
        self: Any,
        upstream: Array,
        weight: Array,
        x_size: Ints,
        stride: Ints,
        padding: Ints,
        dilation: Ints,
        groups: int,
    ) -> Array:
        kernel = weight.shape[2:]
        plan = _plan(x_size, kernel, stride, padding, dilation, upstream.itemsize)
        if groups != 1 or min(plan.around) < 0:
            return Window.convolution_input_gradient(self, upstream, weight, x_size, stride, padding, dilation, groups)
        np = self.xp
        if max(stride) == 1:  # the turned kernel slid over the upstream gradient
            turned = weight[(slice(None), slice(None), *(slice(None, None, -1) for _ in kernel))].swapaxes(0, 1)
            return self.convolution(upstream, turned, None, stride, plan.around, dilation, 1)
        batch, out = x_size[0], upstream.shape[2:]
        g = upstream.transpose(plan.order).reshape(-1, upstream.shape[1])
        padded = np.zeros(plan.padded, dtype=upstream.dtype)
        rows = _filter_rows(np, weight)
        for number, lead in enumerate(product(*map(range, kernel[:-1]))):
            part = np.matmul(g, rows[number].T).reshape(batch, *out, kernel[-1], x_size[1])
            for j in range(kernel[-1]):
                padded[(slice(None), *reached((*lead, j), stride, dilation, out))] += part[..., j, :]
        return unframed(_first(padded), padding, x_size)


def _first(array: Array) -> Array:
    """A view of ``array``, whose channels are last, with the channels first."""
    return array.transpose(0, array.ndim - 1, *range(1, array.ndim - 1))


def _filter_rows(np: Any, weight: Array) -> Array:
    """The kernels as one matrix for each row of a kernel: (rows, width * channels, out channels)."""
    out, channels, *kernel = weight.shape
    last = np.ascontiguousarray(weight.transpose(*range(2, weight.ndim), 1, 0))
    return last.reshape(prod(kernel[:-1]), kernel[-1] * channels, out)
