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

#: up to so many numbers are too few for a product of their own: then more axes of a window are gathered at once
_FEW = 48


class _Plan:
    """The sizes of one convolution: all that follows from shapes and settings alone."""

    __slots__ = ("around", "gathered", "inside", "keys", "matrix", "order", "out", "padded", "panel", "strides", "view")

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
        #: how many axes of the windows are gathered, from the last one on
        self.gathered = next((n for n in range(1, len(out)) if prod(kernel[-n:]) * channels > _FEW), len(out))
        whole, kept = len(out) - self.gathered, slice(-self.gathered, None)
        self.view: Ints = (batch, *grown[:whole], *out[kept], *kernel[kept], channels)
        self.strides: Ints = (along_batch, *along[:whole], *steps[kept], *spreads[kept], along_channels)
        row = prod(kernel[kept]) * channels
        self.panel: Ints = (batch, *grown[:whole], *out[kept], row)
        #: for each element of the kernel's other axes the key of its windows in the panel
        self.keys = [
            (slice(None), *reached(lead, stride, dilation, out)) for lead in product(*map(range, kernel[:whole]))
        ]
        # with stride 1 these axes are one already; to put more of them together would be a copy
        lines = (batch, *out[: whole - 1], prod(out[whole - 1 :])) if whole else (batch * prod(out),)
        self.matrix: Ints = (*lines, row)

    def windows(self, np: Any, x: Array) -> Iterator[Any]:
        """The windows as matrices, one for each element of the kernel's axes that are not gathered.

        The others are gathered once, for the whole input; these read slices of that.
        """
        moved = x.transpose(self.order)
        if self.inside is None:
            padded = np.ascontiguousarray(moved)
        else:
            padded = np.zeros(self.padded, dtype=x.dtype)
            padded[self.inside] = moved
        panel = np.ndarray(self.view, padded.dtype, padded, 0, self.strides).reshape(self.panel)
        for key in self.keys:
            yield panel[key].reshape(self.matrix)


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
        out: Any = None
        for windows, rows in zip(plan.windows(np, x), _rows(np, weight, plan.gathered), strict=True):
            part = np.matmul(windows, rows)
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
        rows = np.empty((len(plan.keys), plan.panel[-1], channels_out), dtype=upstream.dtype)
        for windows, target in zip(plan.windows(np, x), rows, strict=True):
            np.matmul(windows.reshape(-1, plan.panel[-1]).T, g, out=target)
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
        rows = _rows(np, weight, 1)
        for number, lead in enumerate(product(*map(range, kernel[:-1]))):
            part = np.matmul(g, rows[number].T).reshape(batch, *out, kernel[-1], x_size[1])
            for j in range(kernel[-1]):
                padded[(slice(None), *reached((*lead, j), stride, dilation, out))] += part[..., j, :]
        return unframed(_first(padded), padding, x_size)


def _first(array: Array) -> Array:
    """A view of ``array``, whose channels are last, with the channels first."""
    return array.transpose(0, array.ndim - 1, *range(1, array.ndim - 1))


def _rows(np: Any, weight: Array, gathered: int) -> Array:
    """The kernels as matrices (elements of the last ``gathered`` axes * channels, out channels), one for each element of the others."""
    out, channels, *kernel = weight.shape
    last = np.ascontiguousarray(weight.transpose(*range(2, weight.ndim), 1, 0))
    return last.reshape(prod(kernel[:-gathered]), prod(kernel[-gathered:]) * channels, out)
