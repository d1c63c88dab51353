"""Convolution through XLA's own, and pooling gradients without writing into arrays.

Outside, arrays are (batch, channels, *spatial); on the CPU XLA convolves faster with the channels last, and within
one program the transpositions around it mostly vanish. On accelerators XLA chooses the layout itself.
"""

from __future__ import annotations

from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tapeloom.backend.kernels.window import out_size, reached

Array = Any
_Shape: Any = jax.ShapeDtypeStruct
Ints = tuple[int, ...]


def _largest(
    x: Array, places: Array, axis: int, kernel: int, stride: int, padding: int, dilation: int, out: int
) -> tuple[Array, Array]:
    """The largest of each window along one axis, and its place in the flattened planes; the last axis comes first."""
    length, spread = x.shape[axis], (-1,) + (1,) * (x.ndim - 1 - axis)
    frame = [(0, 0, 0)] * x.ndim
    reach = (out - 1) * stride + (kernel - 1) * dilation + 1
    frame[axis] = (padding, max(0, reach - padding - length), 0)  # with ceil_mode windows reach beyond the padding
    x, places = lax.pad(x, jnp.zeros((), x.dtype), frame), lax.pad(places, jnp.zeros((), places.dtype), frame)
    best: Any = None
    place: Any = None
    seen: Any = None
    for tap in range(kernel):
        start = tap * dilation
        window = (slice(None),) * axis + (slice(start, start + (out - 1) * stride + 1, stride),)
        value, its = x[window], places[window]
        position = np.arange(out) * stride + start - padding
        inside = jnp.asarray(((position >= 0) & (position < length)).reshape(spread))
        if best is None:
            best, place, seen = value, its, inside
            continue
        better = inside & ((value > best) | (value != value) | ~seen)  # nan wins, and what lies outside never
        best, place, seen = jnp.where(better, value, best), jnp.where(better, its, place), seen | inside
    return best, place


def _laid(x: Array, axes: str, wanted: str) -> Array:
    """``x``, whose axes are called ``axes``, with them in the order ``wanted``."""
    return x if axes == wanted else jnp.transpose(x, [axes.index(axis) for axis in wanted])


class Window:
    """Overrides of the shared window kernels; stands before ArrayKernels among the bases of the kernels."""

    platform: str

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
        slid = self._planes_slid if len(stride) == 3 and self.platform == "cpu" else self._slid
        out = slid(x, weight, stride, padding, dilation, groups)
        return out if bias is None else out + bias.reshape(-1, *(1 for _ in stride))

    def _slid(self: Any, x: Array, weight: Array, stride: Ints, padding: Ints, dilation: Ints, groups: int) -> Array:
        axes = "DHW"[-len(stride) :]
        inputs, filters = (f"N{axes}C", f"{axes}IO") if self.platform == "cpu" else (f"NC{axes}", f"OI{axes}")
        out = lax.conv_general_dilated(
            _laid(x, "NC" + axes, inputs),
            _laid(weight, "OI" + axes, filters),
            window_strides=stride,
            padding=[(amount, amount) for amount in padding],
            rhs_dilation=dilation,
            dimension_numbers=(inputs, filters, inputs),
            feature_group_count=groups,
            precision=self._precision(),
        )
        return _laid(out, inputs, "NC" + axes)

    def _planes_slid(
        self: Any, x: Array, weight: Array, stride: Ints, padding: Ints, dilation: Ints, groups: int
    ) -> Array:
        """Convolution over three axes as a sum of such over two, one for each plane of the kernel.

        XLA's own takes five times as long on the CPU, and its gradients eight times.
        """
        batch, channels, _, height, width = x.shape
        depth = out_size(x.shape, weight.shape[2:], stride, padding, dilation)[0]
        planes = jnp.swapaxes(jnp.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (0, 0), (0, 0))), 1, 2)
        total: Any = 0
        for number in range(weight.shape[2]):
            (met,) = reached((number,), stride, dilation, (depth,))
            part = planes[:, met].reshape(batch * depth, channels, height, width)
            total = total + self._slid(part, weight[:, :, number], stride[1:], padding[1:], dilation[1:], groups)
        return jnp.swapaxes(total.reshape(batch, depth, *total.shape[1:]), 1, 2)

    # The convolution is linear in each of its two arrays: its gradients are its transposes, which JAX knows.

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
        def forward(x: Array) -> Array:
            return self.convolution(x, weight, None, stride, padding, dilation, groups)

        return jax.linear_transpose(forward, _Shape(x_size, upstream.dtype))(upstream)[0]

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
        def forward(weight: Array) -> Array:
            return self.convolution(x, weight, None, stride, padding, dilation, groups)

        return jax.linear_transpose(forward, _Shape(weight_size, upstream.dtype))(upstream)[0]

    # pooling

    def max_pool_with_indices(
        self, x: Array, kernel_size: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
    ) -> tuple[Array, Array]:
        # Along one axis after the other: the shared text takes as many steps as a window has elements, which XLA
        # compiles one by one (15 s for a window of 28 x 28). The first of equal values wins in both.
        out = out_size(x.shape, kernel_size, stride, padding, dilation, ceil_mode)
        index = jnp.int32 if prod(x.shape[2:]) < 2**31 else jnp.int64
        places = lax.iota(index, prod(x.shape[2:])).reshape(x.shape[2:])
        places = jnp.broadcast_to(places, x.shape)
        for axis in reversed(range(len(out))):
            x, places = _largest(
                x, places, 2 + axis, kernel_size[axis], stride[axis], padding[axis], dilation[axis], out[axis]
            )
        return x, places.astype(jnp.int64)

    def _window_sums(self, framed: Array, kernel: Ints, stride: Ints, out: Ints) -> Array:
        # one axis after the other, for the same reason
        for axis, (length, step, count) in enumerate(zip(kernel, stride, out, strict=True), 2):
            taps = (slice(first, first + step * (count - 1) + 1, step) for first in range(length))
            framed = sum(framed[(slice(None),) * axis + (tap,)] for tap in taps)
        return framed

    def avg_pool_backward(
        self: Any,
        upstream: Array,
        x_size: Ints,
        kernel_size: Ints,
        stride: Ints,
        padding: Ints,
        ceil_mode: bool,
        count_include_pad: bool,
        divisor_override: int | None,
    ) -> Array:
        # the transpose of the sums above: no write for each element of the kernel
        def forward(x: Array) -> Array:
            return self.avg_pool(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)

        return jax.linear_transpose(forward, _Shape(x_size, upstream.dtype))(upstream)[0]
