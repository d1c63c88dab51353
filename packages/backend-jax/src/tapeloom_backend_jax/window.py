"""Convolution through XLA's own, and pooling gradients without writing into arrays.

Outside, arrays are (batch, channels, height, width); on the CPU XLA convolves faster with the channels last, and within
one program the transpositions around it mostly vanish. On accelerators XLA chooses the layout itself.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tapeloom.backend.arrayapi.window import out_size

Array = Any
_Shape: Any = jax.ShapeDtypeStruct
Pair = tuple[int, int]
Ints = tuple[int, ...]


def _largest(
    x: Array, places: Array, axis: int, kernel: int, stride: int, padding: int, dilation: int, out: int, width: int
) -> tuple[Array, Array]:
    """The largest of each window along one axis, and its place; over rows, a place is row * width + column."""
    length, spread = x.shape[axis], (-1,) + (1,) * (3 - axis)
    frame = [(0, 0, 0)] * 4
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
        if axis == 2:
            its = its + jnp.asarray((position * width).reshape(spread), its.dtype)
        inside = jnp.asarray(((position >= 0) & (position < length)).reshape(spread))
        if best is None:
            best, place, seen = value, its, inside
            continue
        better = inside & ((value > best) | (value != value) | ~seen)  # nan wins, and what lies outside never
        best, place, seen = jnp.where(better, value, best), jnp.where(better, its, place), seen | inside
    return best, place


class Window:
    """Overrides of the shared window kernels; stands before ArrayAPIBackend among the bases of the kernels."""

    platform: str

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
        last = self.platform == "cpu"
        out = lax.conv_general_dilated(
            jnp.transpose(x, (0, 2, 3, 1)) if last else x,
            jnp.transpose(weight, (2, 3, 1, 0)) if last else weight,
            window_strides=stride,
            padding=[(amount, amount) for amount in padding],
            rhs_dilation=dilation,
            dimension_numbers=("NHWC", "HWIO", "NHWC") if last else ("NCHW", "OIHW", "NCHW"),
            feature_group_count=groups,
            precision=self.precision(),
        )
        out = jnp.transpose(out, (0, 3, 1, 2)) if last else out
        return out if bias is None else out + bias.reshape(-1, 1, 1)

    # The convolution is linear in each of its two arrays: its gradients are its transposes, which JAX knows.

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
        def forward(x: Array) -> Array:
            return self.conv2d(x, weight, None, stride, padding, dilation, groups)

        return jax.linear_transpose(forward, _Shape(x_size, upstream.dtype))(upstream)[0]

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
        def forward(weight: Array) -> Array:
            return self.conv2d(x, weight, None, stride, padding, dilation, groups)

        return jax.linear_transpose(forward, _Shape(weight_size, upstream.dtype))(upstream)[0]

    # pooling

    def max_pool2d_with_indices(
        self, x: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
    ) -> tuple[Array, Array]:
        # Along the rows, then across them: the shared text takes kernel height times width steps, which XLA compiles
        # one by one (15 s for a window of 28 x 28). The first of equal values wins in both.
        out = out_size(x.shape, kernel_size, stride, padding, dilation, ceil_mode)
        height, width = x.shape[2:]
        columns = lax.broadcasted_iota(jnp.int32 if height * width < 2**31 else jnp.int64, x.shape, 3)
        for axis in (3, 2):
            side = axis - 2
            x, columns = _largest(
                x, columns, axis, kernel_size[side], stride[side], padding[side], dilation[side], out[side], width
            )
        return x, columns.astype(jnp.int64)

    def max_pool2d_backward(self, upstream: Array, indices: Array, x_size: Ints) -> Array:
        planes, area = x_size[0] * x_size[1], x_size[2] * x_size[3]
        first = jnp.arange(planes, dtype=indices.dtype) * area
        place = indices.reshape(planes, indices.shape[2] * indices.shape[3]) + first[:, None]
        flat = jnp.zeros((planes * area,), upstream.dtype)
        return flat.at[place.reshape(-1)].add(upstream.reshape(-1), mode="promise_in_bounds").reshape(x_size)

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
        def forward(x: Array) -> Array:
            return self.avg_pool2d(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)

        return jax.linear_transpose(forward, _Shape(x_size, upstream.dtype))(upstream)[0]
