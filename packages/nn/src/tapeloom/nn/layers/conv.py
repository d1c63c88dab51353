"""Convolution, and its transpose."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tapeloom import Tensor
from tapeloom.errors import ArgumentError, ArgumentTypeError, ShapeError
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.shapes import as_ints

from .. import functional as F
from .. import init
from ..arguments import settings
from ..module import Module
from ..parameter import Parameter
from .common import DeviceLike, DTypeLike, Each, as_count, as_int, new_parameter, per_axis

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class Convolution(Module):
    """What the convolutions share: their settings and parameters."""

    weight: Parameter
    bias: Parameter | None
    padding: tuple[int, ...] | str
    _axes: int  # the number of spatial axes

    def _set(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Each,
        stride: Each,
        padding: Each | str,
        dilation: Each,
        output_padding: Each,
        groups: int,
        padding_mode: str,
    ) -> None:
        name = type(self).__name__
        self.in_channels = as_count(name, "in_channels", in_channels)
        self.out_channels = as_count(name, "out_channels", out_channels)
        self.kernel_size = per_axis(name, "kernel_size", kernel_size, self._axes)
        self.stride = per_axis(name, "stride", stride, self._axes)
        self.padding = padding if isinstance(padding, str) else per_axis(name, "padding", padding, self._axes)
        self.dilation = per_axis(name, "dilation", dilation, self._axes)
        self.output_padding = per_axis(name, "output_padding", output_padding, self._axes)
        self.groups = as_int(name, "groups", groups)
        self.padding_mode = padding_mode
        if min(self.kernel_size) < 0:
            raise ArgumentError(f"{name}: kernel_size must be 0 or more, got {self.kernel_size}.")
        if self.groups < 1 or self.in_channels % self.groups or self.out_channels % self.groups:
            raise ArgumentError(
                f"{name}: groups={self.groups} must divide in_channels={self.in_channels} and "
                f"out_channels={self.out_channels}."
            )

    def _add_parameters(self, channels: tuple[int, int], bias: bool, device: DeviceLike, dtype: DTypeLike) -> None:
        """Makes the weight, whose first two axes are `channels`, and the bias."""
        self.weight = new_parameter(*channels, *self.kernel_size, device=device, dtype=dtype)
        self.register_parameter("bias", new_parameter(self.out_channels, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new values for the parameters."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        fan_in = math.prod(self.weight.shape[1:])
        if self.bias is not None and fan_in:
            init.uniform_(self.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        for name, usual in (("padding", 0), ("dilation", 1), ("output_padding", 0)):
            if getattr(self, name) != (usual,) * self._axes:
                text += f", {name}={getattr(self, name)}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class _Conv(Convolution):
    """Convolution over any number of axes."""

    @settings
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Each,
        stride: Each = 1,
        padding: Each | str = 0,
        dilation: Each = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: DeviceLike = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__()
        self._set(in_channels, out_channels, kernel_size, stride, padding, dilation, 0, groups, padding_mode)
        name = type(self).__name__
        if isinstance(self.padding, str) and self.padding not in ("same", "valid"):
            raise ArgumentError(f"{name}: padding must be 'same', 'valid' or numbers, got {self.padding!r}.")
        if self.padding == "same" and self.stride != (1,) * self._axes:
            raise ArgumentError(f"{name}: padding='same' needs stride 1, got {self.stride}. Give padding in numbers.")
        if self.padding_mode not in _PADDING_MODES:
            raise ArgumentError(f"{name}: padding_mode must be one of {_PADDING_MODES}, got {self.padding_mode!r}.")
        self._add_parameters((self.out_channels, self.in_channels // self.groups), bias, device, dtype)

    def _sides(self) -> list[int]:
        """The padding as `F.pad` takes it: the two sides of each axis, the last axis first."""
        if self.padding == "valid":
            return [0] * (2 * self._axes)
        sides = []
        for axis in reversed(range(self._axes)):
            if isinstance(self.padding, str):
                total = self.dilation[axis] * (self.kernel_size[axis] - 1)
                sides += [total // 2, total - total // 2]  # an odd total has the longer side last
            else:
                sides += [self.padding[axis]] * 2
        return sides

    def forward(self, input: Tensor) -> Tensor:
        padding: Each | str = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._sides(), mode=self.padding_mode), 0
        convolve = (F.conv1d, F.conv2d, F.conv3d)[self._axes - 1]
        output: Tensor = convolve(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        return output


class Conv1d(_Conv):
    """Slides learned kernels over sequences; arguments, attributes, errors and sources as for `Conv2d`.

    Shape:
        (N, in_channels, L) -> (N, out_channels, L') with
        L' = floor((L + 2 * padding - dilation * (kernel_size - 1) - 1) / stride + 1); N may be left out.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> nn.Conv1d(3, 8, 3, padding="same")(tl.ones(1, 3, 9)).shape
        (1, 8, 9)
    """

    _axes = 1


class Conv2d(_Conv):
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

    _axes = 2


class Conv3d(_Conv):
    """Slides learned kernels over volumes; arguments, attributes, errors and sources as for `Conv2d`.

    Shape:
        (N, in_channels, D, H, W) -> (N, out_channels, D', H', W') with
        D' = floor((D + 2 * padding - dilation * (kernel_size - 1) - 1) / stride + 1); N may be left out.
    """

    _axes = 3


class _ConvTranspose(Convolution):
    """The transpose of a convolution over any number of axes."""

    padding: tuple[int, ...]

    @settings
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Each,
        stride: Each = 1,
        padding: Each = 0,
        output_padding: Each = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Each = 1,
        padding_mode: str = "zeros",
        device: DeviceLike = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if padding_mode != "zeros":
            raise ArgumentError(f"{name}: padding_mode must be 'zeros', got {padding_mode!r}.")
        if isinstance(padding, str):
            raise ArgumentTypeError(f"{name}: padding must be in numbers, got {padding!r}.")
        self._set(
            in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding, groups, padding_mode
        )
        self._add_parameters((self.in_channels, self.out_channels // self.groups), bias, device, dtype)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        spread = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[self._axes - 1]
        extra = self.output_padding if output_size is None else self._extra(input, output_size)
        output: Tensor = spread(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )
        return output

    def _extra(self, input: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        """The output padding that gives `output_size`."""
        name, axes = type(self).__name__, self._axes
        wanted = as_ints(name, "output_size", output_size)
        leading = as_tensor_of(name, input).ndim - axes
        if leading not in (1, 2):
            raise ShapeError(
                f"{name}: needs an input of {axes + 1} or {axes + 2} axes, got shape {tuple(input.shape)}."
            )
        if len(wanted) not in (axes, axes + leading):
            raise ArgumentError(f"{name}: output_size must have {axes} or {axes + leading} numbers, got {wanted}.")
        wanted = wanted[-axes:]
        each = zip(input.shape[leading:], self.stride, self.padding, self.dilation, self.kernel_size, strict=True)
        least = [(n - 1) * step - 2 * pad + gap * (kernel - 1) + 1 for n, step, pad, gap, kernel in each]
        extra = tuple(size - low for size, low in zip(wanted, least, strict=True))
        if not all(0 <= more < step for more, step in zip(extra, self.stride, strict=True)):
            most = [low + step - 1 for low, step in zip(least, self.stride, strict=True)]
            raise ArgumentError(
                f"{name}: output_size must lie between {least} and {most} for this input, got {wanted}."
            )
        return extra


class ConvTranspose1d(_ConvTranspose):
    """The transpose of `Conv1d`; arguments, attributes, errors and sources as for `ConvTranspose2d`.

    Shape:
        (N, in_channels, L) -> (N, out_channels, L') with
        L' = (L - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1; N may be left out.
    """

    _axes = 1


class ConvTranspose2d(_ConvTranspose):
    """Sets a learned kernel, times each element of the input, at that element's place, and adds them up.

    It maps the shape of the output of a `Conv2d` of the same settings back to that of its input, and is its gradient.

    Args:
        in_channels, out_channels: channels of the input and of the output.
        kernel_size: height and width of the kernel.
        stride: distance of the places.
        padding: rows and columns cut off on each side, for those that the convolution adds.
        output_padding: rows and columns added on one side, where a stride leaves several sizes.
        groups: the channels are split into so many groups that do not see each other; must divide both numbers.
        bias: whether to add a number to each output channel.
        dilation: distance of the kernel's elements.
        padding_mode: "zeros" alone.
        device, dtype: where the parameters live, and their dtype.

    Shape:
        (N, in_channels, H, W) -> (N, out_channels, H', W') with
        H' = (H - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1; N may be left out.
        `forward` takes `output_size`, which stands for `output_padding`.

    Attributes:
        weight: of shape (in_channels, out_channels / groups, *kernel_size), from U(-r, r) with r = 1 / sqrt(fan),
            fan = out_channels / groups * prod(kernel_size).
        bias: of shape (out_channels,), from the same distribution, or None.

    Raises:
        ArgumentError: groups that do not divide, another padding_mode; when called, an output_size that no padding
            gives, a stride or dilation below 1, or a negative padding.
        ArgumentTypeError: a setting that is neither one int nor two.
        ShapeError: when called, an input of other channels or of neither three nor four axes.
        DTypeError: a `dtype` that is not floating.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> layer = nn.ConvTranspose2d(8, 3, 3, stride=2, padding=1)
        >>> layer(tl.ones(1, 8, 5, 5)).shape, layer(tl.ones(1, 8, 5, 5), output_size=(10, 10)).shape
        ((1, 3, 9, 9), (1, 3, 10, 10))

    Source: M. Zeiler et al., "Deconvolutional networks", CVPR 2010; the output's size: V. Dumoulin, F. Visin, "A guide
    to convolution arithmetic for deep learning", 2016, relationship 14.
    """

    _axes = 2


class ConvTranspose3d(_ConvTranspose):
    """The transpose of `Conv3d`; arguments, attributes, errors and sources as for `ConvTranspose2d`.

    Shape:
        (N, in_channels, D, H, W) -> (N, out_channels, D', H', W') with
        D' = (D - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1; N may be left out.
    """

    _axes = 3
