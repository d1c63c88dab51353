"""Convolution."""

from __future__ import annotations

import math

from tapeloom import Tensor
from tapeloom.errors import ArgumentError

from .. import functional as F
from .. import init
from ..arguments import settings
from ..module import Module
from ..parameter import Parameter
from .common import DeviceLike, DTypeLike, Pair, as_count, as_int, as_pair, new_parameter

__all__ = ["Conv2d"]

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class Conv2d(Module):
    """Slides learned kernels over images: cross-correlation, called convolution in deep learning.

    Args:
        in_channels, out_channels: channels of the input and of the output.
        kernel_size: height and width of the kernel.
        stride: step of the kernel.
        padding: rows and columns added on each side; "valid" is none, "same" keeps the size (stride 1 alone).
        dilation: distance of the kernel's elements.
        groups: the channels are split into so many groups that do not see each other; must divide both numbers.
        bias: whether to add a number to each output channel.
        padding_mode: what the padding holds: "zeros", "reflect", "replicate" or "circular".
        device, dtype: where the parameters live, and their dtype.

    Shape:
        (N, in_channels, H, W) -> (N, out_channels, H', W') with
        H' = floor((H + 2 * padding - dilation * (kernel_size - 1) - 1) / stride + 1); N may be left out.

    Attributes:
        weight: of shape (out_channels, in_channels / groups, *kernel_size), from U(-r, r) with r = 1 / sqrt(fan_in),
            fan_in = in_channels / groups * prod(kernel_size).
        bias: of shape (out_channels,), from the same distribution, or None.

    Raises:
        ArgumentError: groups that do not divide, "same" with a stride, an unknown padding or padding_mode; when called,
            a stride or dilation below 1, or a negative padding.
        ArgumentTypeError: a setting that is neither one int nor two.
        ShapeError: a negative number of channels; when called, an input of other channels or of neither three nor four
            axes, or one that the kernel, or the padding of another mode than "zeros", does not fit.
        DTypeError: a `dtype` that is not floating.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> nn.Conv2d(3, 8, 3, stride=2, padding=1)(tl.ones(1, 3, 9, 9)).shape
        (1, 8, 5, 5)

    Source: I. Goodfellow, Y. Bengio, A. Courville, "Deep learning", MIT Press 2016, eq. 9.6; the output's size:
    V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016, relationship 15; the first
    weights: X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    AISTATS 2010, eq. 1.
    """

    weight: Parameter
    bias: Parameter | None

    @settings
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: DeviceLike = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__()
        self.in_channels = as_count("Conv2d", "in_channels", in_channels)
        self.out_channels = as_count("Conv2d", "out_channels", out_channels)
        self.kernel_size = as_pair("Conv2d", "kernel_size", kernel_size)
        self.stride = as_pair("Conv2d", "stride", stride)
        self.padding = padding if isinstance(padding, str) else as_pair("Conv2d", "padding", padding)
        self.dilation = as_pair("Conv2d", "dilation", dilation)
        self.groups = as_int("Conv2d", "groups", groups)
        self.padding_mode = padding_mode
        self._check()
        size = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        self.weight = new_parameter(*size, device=device, dtype=dtype)
        self.register_parameter("bias", new_parameter(self.out_channels, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def _check(self) -> None:
        if min(self.kernel_size) < 0:
            raise ArgumentError(f"Conv2d: kernel_size must be 0 or more, got {self.kernel_size}.")
        if self.groups < 1 or self.in_channels % self.groups or self.out_channels % self.groups:
            raise ArgumentError(
                f"Conv2d: groups={self.groups} must divide in_channels={self.in_channels} and "
                f"out_channels={self.out_channels}."
            )
        if isinstance(self.padding, str) and self.padding not in ("same", "valid"):
            raise ArgumentError(f"Conv2d: padding must be 'same', 'valid' or numbers, got {self.padding!r}.")
        if self.padding == "same" and self.stride != (1, 1):
            raise ArgumentError(f"Conv2d: padding='same' needs stride 1, got {self.stride}. Give padding in numbers.")
        if self.padding_mode not in _PADDING_MODES:
            raise ArgumentError(f"Conv2d: padding_mode must be one of {_PADDING_MODES}, got {self.padding_mode!r}.")

    def reset_parameters(self) -> None:
        """Draws new values for the parameters."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        fan_in = math.prod(self.weight.shape[1:])
        if self.bias is not None and fan_in:
            init.uniform_(self.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))

    def _sides(self) -> list[int]:
        """The padding as `F.pad` takes it: left, right, top, bottom."""
        if self.padding == "valid":
            return [0, 0, 0, 0]
        sides = []
        for axis in (1, 0):
            if isinstance(self.padding, str):
                total = self.dilation[axis] * (self.kernel_size[axis] - 1)
                sides += [total // 2, total - total // 2]  # an odd total has the longer side last
            else:
                sides += [self.padding[axis]] * 2
        return sides

    def forward(self, input: Tensor) -> Tensor:
        padding: Pair | str = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._sides(), mode=self.padding_mode), 0
        output: Tensor = F.conv2d(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        return output

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0, 0):
            text += f", padding={self.padding}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text
