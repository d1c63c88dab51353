"""Pooling."""

from __future__ import annotations

from tapeloom import Tensor

from .. import functional as F
from ..arguments import settings
from ..module import Module
from .common import Pair

__all__ = ["AvgPool2d", "MaxPool2d"]


class MaxPool2d(Module):
    """The largest element of each window.

    Args:
        kernel_size: height and width of the window.
        stride: step of the window; the kernel size if None.
        padding: rows and columns of -inf added on each side; at most half the kernel size.
        dilation: distance of the window's elements.
        return_indices: give (output, indices), the indices being flat positions in the input plane.
        ceil_mode: round output sizes up instead of down.

    Shape:
        (N, C, H, W) -> (N, C, H', W') with
        H' = floor((H + 2 * padding - dilation * (kernel_size - 1) - 1) / stride + 1); N may be left out.

    Raises:
        ShapeError: when called, an input of neither three nor four axes, or one that no window fits into.
        ArgumentError: when called, a kernel_size, stride or dilation below 1, a padding below 0 or above half the
            kernel size.
        ArgumentTypeError: when called, a setting that is neither one int nor two.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> nn.MaxPool2d(2)(tl.arange(16.0).reshape(1, 1, 4, 4)).tolist()
        [[[[5.0, 7.0], [13.0, 15.0]]]]

    Source: the output's size is relationship 15 of V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep
    learning", 2016.
    """

    @settings
    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        dilation: Pair = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        output: Tensor | tuple[Tensor, Tensor] = F.max_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )
        return output

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(Module):
    """The mean of each window.

    Args:
        kernel_size: height and width of the window.
        stride: step of the window; the kernel size if None.
        padding: rows and columns of zeros added on each side; at most half the kernel size.
        ceil_mode: round output sizes up instead of down.
        count_include_pad: count the padding as elements of the mean.
        divisor_override: divide by this instead of the number of elements.

    Shape:
        (N, C, H, W) -> (N, C, H', W') with H' = floor((H + 2 * padding - kernel_size) / stride + 1); N may be left out.

    Raises:
        ShapeError: when called, an input of neither three nor four axes, or one that no window fits into.
        ArgumentError: when called, a kernel_size or stride below 1, a padding below 0 or above half the
            kernel size, or a divisor_override of 0.
        ArgumentTypeError: when called, a setting that is neither one int nor two.
        DTypeError: when called, an input that is not floating.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> nn.AvgPool2d(2)(tl.arange(16.0).reshape(1, 1, 4, 4)).tolist()
        [[[[2.5, 4.5], [10.5, 12.5]]]]

    Source: the output's size is relationship 6 of V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep
    learning", 2016.
    """

    @settings
    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = F.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )
        return output

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
