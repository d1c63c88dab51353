"""Images rearranged and resized: windows as columns, channels as pixels, other sizes."""

from __future__ import annotations

from typing import TypeAlias

from tapeloom import Tensor

from .. import functional as F
from ..arguments import settings
from ..module import Module
from .common import Each, as_number

__all__ = [
    "ChannelShuffle",
    "Fold",
    "PixelShuffle",
    "PixelUnshuffle",
    "Unfold",
    "Upsample",
    "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
]

Factor: TypeAlias = float | tuple[float, ...]
"""One number for all spatial axes, or one for each."""


class Unfold(Module):
    """Lays out each window of an image as a column.

    Args:
        kernel_size: height and width of the window.
        dilation: distance of the window's elements.
        padding: rows and columns of zeros added on each side.
        stride: step of the window.

    Shape:
        (N, C, H, W) -> (N, C * prod(kernel_size), L), L being the number of windows; N may be left out.

    Raises:
        ShapeError: when called, an input of neither three nor four axes, or one that no window fits into.
        ArgumentError: when called, a kernel_size, stride or dilation below 1, or a negative padding.

    Source: K. Chellapilla, S. Puri, P. Simard, "High performance convolutional neural networks for document
    processing", IWFHR 2006, section 3.
    """

    @settings
    def __init__(self, kernel_size: Each, dilation: Each = 1, padding: Each = 0, stride: Each = 1) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)
        return output

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Fold(Module):
    """Sets each column as a window of an image, and adds what overlaps: the transpose of `Unfold`.

    Args:
        output_size: height and width of the image.
        kernel_size, dilation, padding, stride: as for `Unfold`.

    Shape:
        (N, C * prod(kernel_size), L) -> (N, C, *output_size), L being the number of windows; N may be left out.

    Raises:
        ShapeError: when called, an input of neither two nor three axes, or of another number of windows.
        ArgumentError: when called, a kernel_size, stride or dilation below 1, or a negative padding.
    """

    @settings
    def __init__(
        self, output_size: Each, kernel_size: Each, dilation: Each = 1, padding: Each = 0, stride: Each = 1
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)
        return output

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )


class PixelShuffle(Module):
    """Makes an image larger by r in both directions, with one pixel from each of r * r channels.

    Args:
        upscale_factor: r.

    Shape:
        (*, C * r * r, H, W) -> (*, C, H * r, W * r).

    Raises:
        ShapeError: when called, an input of fewer than three axes, or channels that r * r does not divide.
        ArgumentError: when called, an r below 1.

    Source: W. Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel
    convolutional neural network", CVPR 2016, eq. 4.
    """

    @settings
    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = F.pixel_shuffle(input, self.upscale_factor)
        return output

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """The inverse of `PixelShuffle`: each pixel of an r * r block becomes a channel; errors and source as there.

    Args:
        downscale_factor: r.

    Shape:
        (*, C, H * r, W * r) -> (*, C * r * r, H, W).
    """

    @settings
    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = F.pixel_unshuffle(input, self.downscale_factor)
        return output

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Takes the channels of the groups in turn: the first of each group, the second of each, and so on.

    Args:
        groups: the number of groups.

    Shape:
        (N, C, *) -> the same.

    Raises:
        ShapeError: when called, an input of fewer than three axes.
        ArgumentError: when called, groups that do not divide the channels.

    Source: X. Zhang et al., "ShuffleNet: an extremely efficient convolutional neural network for mobile devices",
    CVPR 2018, section 3.1.
    """

    @settings
    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = F.channel_shuffle(input, self.groups)
        return output

    def extra_repr(self) -> str:
        return f"groups={self.groups}"


class Upsample(Module):
    """Gives sequences, images or volumes another size.

    Args:
        size: the spatial sizes of the output, or
        scale_factor: by how much each is larger.
        mode: "nearest", "linear" (sequences), "bilinear", "bicubic" (images) or "trilinear" (volumes).
        align_corners: whether the centres of the corner elements stay in place; not with "nearest".
        recompute_scale_factor: compute the factor from the rounded size.

    Shape:
        (N, C, *sizes) -> (N, C, *size), or sizes floor(length * scale_factor).

    Raises:
        ArgumentError: when called, both or neither of size and scale_factor, an unknown mode, or align_corners with
            "nearest".
        ShapeError: when called, an input of an unfit number of axes.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> nn.Upsample(scale_factor=2)(tl.tensor([[[1.0, 2.0]]])).tolist()
        [[[1.0, 1.0, 2.0, 2.0]]]

    Source: W. Press et al., "Numerical recipes", 3rd edition, Cambridge 2007, section 3.6; the bicubic kernel: R. Keys,
    "Cubic convolution interpolation for digital image processing", IEEE TASSP 29, 1981, eq. 15 with a = -3/4.
    """

    @settings
    def __init__(
        self,
        size: Each | None = None,
        scale_factor: Factor | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.size = size
        self.scale_factor: Factor | None
        if isinstance(scale_factor, (tuple, list)):
            self.scale_factor = tuple(float(as_number(name, "scale_factor", factor)) for factor in scale_factor)
        else:
            self.scale_factor = float(as_number(name, "scale_factor", scale_factor)) if scale_factor else None
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )
        return output

    def extra_repr(self) -> str:
        given = f"size={self.size!r}" if self.scale_factor is None else f"scale_factor={self.scale_factor!r}"
        return f"{given}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """`Upsample` of images with mode "nearest".

    Args:
        size: height and width of the output, or
        scale_factor: by how much each is larger.

    Shape:
        (N, C, H, W) -> (N, C, *size).
    """

    @settings
    def __init__(self, size: Each | None = None, scale_factor: Factor | None = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """`Upsample` of images with mode "bilinear" whose corners stay in place; arguments as for `UpsamplingNearest2d`.

    Shape:
        (N, C, H, W) -> (N, C, *size).
    """

    @settings
    def __init__(self, size: Each | None = None, scale_factor: Factor | None = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
