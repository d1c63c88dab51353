"""Pooling to a given size: the windows follow from the sizes of input and output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from tapeloom import Tensor
from tapeloom.errors import ArgumentError

from .. import functional as F
from ..arguments import settings
from ..module import Module
from .common import Each, per_axis

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
]

Sizes: TypeAlias = int | Sequence[int | None] | None
"""One int for all spatial axes, or one for each; None keeps the size of the input."""


class _AdaptiveAvgPool(Module):
    """The mean of the region of each output element, over any number of axes."""

    _axes: int

    @settings
    def __init__(self, output_size: Sizes) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        pool: Any = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)[self._axes - 1]
        output: Tensor = pool(input, self.output_size)
        return output

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means over a sequence to a given length; arguments and errors as for `AdaptiveAvgPool2d`.

    Shape:
        (N, C, L) -> (N, C, output_size); N may be left out.
    """

    _axes = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means over an image to a given size: output i of n is the mean of rows floor(i * H / n) to ceil((i + 1) * H / n).

    Args:
        output_size: height and width of the output; None keeps that of the input.

    Shape:
        (N, C, H, W) -> (N, C, *output_size); N may be left out.

    Raises:
        ShapeError: when called, an input of neither three nor four axes, or an empty one.
        ArgumentTypeError: when called, a size that is neither one int nor two.
        DTypeError: when called, an input that is not floating.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> nn.AdaptiveAvgPool2d((1, 2))(tl.arange(8.0).reshape(1, 2, 4)).tolist()
        [[[2.5, 4.5]]]

    Source: K. He et al., "Spatial pyramid pooling in deep convolutional networks for visual recognition", ECCV 2014,
    section 2.2.
    """

    _axes = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Means over a volume to a given size; arguments and errors as for `AdaptiveAvgPool2d`.

    Shape:
        (N, C, D, H, W) -> (N, C, *output_size); N may be left out.
    """

    _axes = 3


class _AdaptiveMaxPool(Module):
    """The largest element of the region of each output element, over any number of axes."""

    _axes: int

    @settings
    def __init__(self, output_size: Sizes, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        pool: Any = (F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d)[self._axes - 1]
        output: Tensor | tuple[Tensor, Tensor] = pool(input, self.output_size, self.return_indices)
        return output

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Maxima over a sequence to a given length; arguments and errors as for `AdaptiveMaxPool2d`.

    Shape:
        (N, C, L) -> (N, C, output_size); N may be left out.
    """

    _axes = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Maxima over an image to a given size, of the regions of `AdaptiveAvgPool2d`; errors and source as there.

    Args:
        output_size: height and width of the output; None keeps that of the input.
        return_indices: give (output, indices), the indices being flat positions in the input plane.

    Shape:
        (N, C, H, W) -> (N, C, *output_size); N may be left out.
    """

    _axes = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Maxima over a volume to a given size; arguments and errors as for `AdaptiveMaxPool2d`.

    Shape:
        (N, C, D, H, W) -> (N, C, *output_size); N may be left out.
    """

    _axes = 3


class _FractionalMaxPool(Module):
    """Maxima of windows at random places, over any number of axes."""

    _axes: int
    output_ratio: tuple[float, ...] | None
    _random_samples: Tensor | None

    @settings
    def __init__(
        self,
        kernel_size: Each,
        output_size: Each | None = None,
        output_ratio: float | tuple[float, ...] | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if (output_size is None) == (output_ratio is None):
            raise ArgumentError(f"{name}: needs either output_size or output_ratio.")
        self.kernel_size = per_axis(name, "kernel_size", kernel_size, self._axes)
        self.output_size = None if output_size is None else per_axis(name, "output_size", output_size, self._axes)
        self.output_ratio = None
        if output_ratio is not None:
            ratios = output_ratio if isinstance(output_ratio, Sequence) else (output_ratio,) * self._axes
            if len(ratios) != self._axes or not all(0 < ratio < 1 for ratio in ratios):
                raise ArgumentError(
                    f"{name}: output_ratio must be one number between 0 and 1, or {self._axes}, got {output_ratio}."
                )
            self.output_ratio = tuple(ratios)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        pool = (F.fractional_max_pool2d, F.fractional_max_pool3d)[self._axes - 2]
        output: Tensor | tuple[Tensor, Tensor] = pool(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples
        )
        return output


class FractionalMaxPool2d(_FractionalMaxPool):
    """Maxima of windows whose steps are drawn, so that the size may shrink by any factor between 1 and 2.

    Args:
        kernel_size: height and width of the window.
        output_size: height and width of the output, or
        output_ratio: the output's sizes as parts of the input's.
        return_indices: give (output, indices), the indices being flat positions in the input plane.

    Shape:
        (N, C, H, W) -> (N, C, *output_size); N may be left out.

    Raises:
        ArgumentError: both or neither of output_size and output_ratio, or a ratio that is not between 0 and 1.
        ArgumentTypeError: a setting that is neither one number nor two.
        ShapeError: when called, an input of neither three nor four axes, or one that is too small.

    Source: B. Graham, "Fractional max-pooling", 2014, section 2.
    """

    _axes = 2


class FractionalMaxPool3d(_FractionalMaxPool):
    """Maxima over a volume with drawn steps; arguments, errors and source as for `FractionalMaxPool2d`.

    Shape:
        (N, C, D, H, W) -> (N, C, *output_size); N may be left out.
    """

    _axes = 3
