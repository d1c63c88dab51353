"""Pooling with windows: what each window of the input gives, and the way back."""

from __future__ import annotations

from collections.abc import Sequence

from tapeloom import Tensor

from .. import functional as F
from ..arguments import settings
from ..module import Module
from .common import Each, per_axis

__all__ = [
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class _MaxPool(Module):
    """The largest element of each window, over any number of axes."""

    _axes: int

    @settings
    def __init__(
        self,
        kernel_size: Each,
        stride: Each | None = None,
        padding: Each = 0,
        dilation: Each = 1,
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
        pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[self._axes - 1]
        output: Tensor | tuple[Tensor, Tensor] = pool(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )
        return output

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest element of each window of a sequence; arguments, errors and source as for `MaxPool2d`.

    Shape:
        (N, C, L) -> (N, C, L') with
        L' = floor((L + 2 * padding - dilation * (kernel_size - 1) - 1) / stride + 1); N may be left out.
    """

    _axes = 1


class MaxPool2d(_MaxPool):
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

    _axes = 2


class MaxPool3d(_MaxPool):
    """The largest element of each window of a volume; arguments, errors and source as for `MaxPool2d`.

    Shape:
        (N, C, D, H, W) -> (N, C, D', H', W'), with the sizes of `MaxPool2d`; N may be left out.
    """

    _axes = 3


class _MaxUnpool(Module):
    """The way back from a max pool, over any number of axes."""

    _axes: int

    @settings
    def __init__(self, kernel_size: Each, stride: Each | None = None, padding: Each = 0) -> None:
        super().__init__()
        name = type(self).__name__
        self.kernel_size = per_axis(name, "kernel_size", kernel_size, self._axes)
        self.stride = self.kernel_size if stride is None else per_axis(name, "stride", stride, self._axes)
        self.padding = per_axis(name, "padding", padding, self._axes)

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        unpool = (F.max_unpool1d, F.max_unpool2d, F.max_unpool3d)[self._axes - 1]
        output: Tensor = unpool(input, indices, self.kernel_size, self.stride, self.padding, output_size)
        return output

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Puts the maxima of a `MaxPool1d` back to their places; arguments, errors and source as for `MaxUnpool2d`.

    Shape:
        (N, C, L) -> (N, C, L') with L' = (L - 1) * stride - 2 * padding + kernel_size; N may be left out.
    """

    _axes = 1


class MaxUnpool2d(_MaxUnpool):
    """Puts the maxima of a `MaxPool2d` back to their places, with 0 between them.

    It is called with the two results of the pool that has `return_indices`, and may be given `output_size`, where
    several sizes are pooled to the same one.

    Args:
        kernel_size, stride, padding: those of the pool.

    Shape:
        (N, C, H, W) -> (N, C, H', W') with H' = (H - 1) * stride - 2 * padding + kernel_size; N may be left out.

    Raises:
        ArgumentTypeError: a setting that is neither one int nor two.
        ArgumentError: when called, an `output_size` that the pool would not give this input.
        ShapeError: when called, indices of another shape, or an input of neither three nor four axes.
        IndexingError: when called, an index outside of the output.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> output, indices = nn.MaxPool2d(2, return_indices=True)(tl.arange(4.0).reshape(1, 2, 2))
        >>> nn.MaxUnpool2d(2)(output, indices).tolist()
        [[[0.0, 0.0], [0.0, 3.0]]]

    Source: M. Zeiler, R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 2.1.
    """

    _axes = 2


class MaxUnpool3d(_MaxUnpool):
    """Puts the maxima of a `MaxPool3d` back to their places; arguments, errors and source as for `MaxUnpool2d`.

    Shape:
        (N, C, D, H, W) -> (N, C, D', H', W'), with the sizes of `MaxUnpool2d`; N may be left out.
    """

    _axes = 3


class _AvgPool(Module):
    """The mean of each window, over any number of axes."""

    _axes: int

    @settings
    def __init__(
        self,
        kernel_size: Each,
        stride: Each | None = None,
        padding: Each = 0,
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
        pool = (F.avg_pool2d, F.avg_pool3d)[self._axes - 2]
        output: Tensor = pool(
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


class AvgPool1d(_AvgPool):
    """The mean of each window of a sequence; arguments, errors and source as for `AvgPool2d`, without divisor_override.

    Shape:
        (N, C, L) -> (N, C, L') with L' = floor((L + 2 * padding - kernel_size) / stride + 1); N may be left out.
    """

    _axes = 1

    @settings
    def __init__(
        self,
        kernel_size: Each,
        stride: Each | None = None,
        padding: Each = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        kernel = per_axis("AvgPool1d", "kernel_size", kernel_size, 1)
        step = kernel if stride is None else per_axis("AvgPool1d", "stride", stride, 1)
        super().__init__(kernel, step, per_axis("AvgPool1d", "padding", padding, 1), ceil_mode, count_include_pad)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = F.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )
        return output


class AvgPool2d(_AvgPool):
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

    _axes = 2


class AvgPool3d(_AvgPool):
    """The mean of each window of a volume; arguments, errors and source as for `AvgPool2d`.

    Shape:
        (N, C, D, H, W) -> (N, C, D', H', W'), with the sizes of `AvgPool2d`; N may be left out.
    """

    _axes = 3


class _LPPool(Module):
    """The p-norm of each window, over any number of axes."""

    _axes: int

    @settings
    def __init__(
        self, norm_type: float, kernel_size: Each, stride: Each | None = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        pool = (F.lp_pool1d, F.lp_pool2d, F.lp_pool3d)[self._axes - 1]
        output: Tensor = pool(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)
        return output

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """The p-norm of each window of a sequence; arguments, errors and source as for `LPPool2d`.

    Shape:
        (N, C, L) -> (N, C, L') with L' = floor((L - kernel_size) / stride + 1); N may be left out.
    """

    _axes = 1


class LPPool2d(_LPPool):
    """The p-norm of each window, sum(x^p)^(1/p), without an absolute value.

    Args:
        norm_type: p.
        kernel_size: height and width of the window.
        stride: step of the window; the kernel size if None.
        ceil_mode: round output sizes up instead of down.

    Shape:
        (N, C, H, W) -> (N, C, H', W') with H' = floor((H - kernel_size) / stride + 1); N may be left out.

    Raises:
        ShapeError: when called, an input of neither three nor four axes, or one that no window fits into.
        ArgumentError: when called, a kernel_size or stride below 1.
        DTypeError: when called, an input that is not floating.

    Source: P. Sermanet, S. Chintala, Y. LeCun, "Convolutional neural networks applied to house numbers digit
    classification", ICPR 2012, section 2.2.
    """

    _axes = 2


class LPPool3d(_LPPool):
    """The p-norm of each window of a volume; arguments, errors and source as for `LPPool2d`.

    Shape:
        (N, C, D, H, W) -> (N, C, D', H', W'), with the sizes of `LPPool2d`; N may be left out.
    """

    _axes = 3
