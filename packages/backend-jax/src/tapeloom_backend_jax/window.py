"""Convolution through XLA's own, and pooling gradients without writing into arrays.

Outside, arrays are (batch, channels, height, width); on the CPU XLA convolves faster with the channels last, and within
one program the transpositions around it mostly vanish. On accelerators XLA chooses the layout itself.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Array = Any
_Shape: Any = jax.ShapeDtypeStruct
Pair = tuple[int, int]
Ints = tuple[int, ...]


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

    # pooling: the forward kernels are the shared ones

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
