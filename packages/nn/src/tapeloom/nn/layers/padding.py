"""Padding: layers that add a border."""

from __future__ import annotations

from typing import ClassVar

from tapeloom import Tensor
from tapeloom.errors import ShapeError
from tapeloom.ops.arguments import as_tensor_of

from .. import functional as F
from ..arguments import settings
from ..module import Module
from .common import Each, per_axis

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Module):
    """What they share: how much is added on which side.

    One int is for all sides; a tuple has two for each spatial axis, the last axis first: left, right, top, bottom,
    front, back. A negative number cuts off.
    """

    _axes: ClassVar[int]
    _mode: ClassVar[str]

    @settings
    def __init__(self, padding: Each) -> None:
        super().__init__()
        self.padding = per_axis(type(self).__name__, "padding", padding, 2 * self._axes)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = F.pad(input, self.padding, self._mode)
        return output

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _CircularPad(_Pad):
    _mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        name, axes = type(self).__name__, self._axes
        if as_tensor_of(name, input).ndim not in (axes + 1, axes + 2):
            raise ShapeError(
                f"{name}: needs an input of {axes + 1} or {axes + 2} axes, got shape {tuple(input.shape)}."
            )
        return super().forward(input)


class CircularPad1d(_CircularPad):
    """Goes on with the other end of a sequence; arguments and errors as for `CircularPad2d`.

    Shape:
        (N, C, L) or (C, L) -> the same with L' = L + left + right.
    """

    _axes = 1


class CircularPad2d(_CircularPad):
    """Goes on with the other end of an image, as if it lay on a torus.

    Args:
        padding: rows and columns added on all sides, or (left, right, top, bottom); a negative number cuts off.

    Shape:
        (N, C, H, W) or (C, H, W) -> the same with W' = W + left + right, H' = H + top + bottom.

    Raises:
        ArgumentTypeError: a padding that is neither one int nor four.
        ShapeError: when called, an input of another number of axes, or a padding that is longer than the axis.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> nn.CircularPad2d((1, 2, 0, 0))(tl.tensor([[[1.0, 2.0, 3.0]]])).tolist()
        [[[3.0, 1.0, 2.0, 3.0, 1.0, 2.0]]]
    """

    _axes = 2


class CircularPad3d(_CircularPad):
    """Goes on with the other end of a volume; arguments and errors as for `CircularPad2d`.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> the same, longer by the padding.
    """

    _axes = 3


class _ConstantPad(_Pad):
    @settings
    def __init__(self, padding: Each, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = F.pad(input, self.padding, "constant", self.value)
        return output

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """Sets a number around a sequence; arguments and errors as for `ConstantPad2d`.

    Shape:
        (*, L) -> (*, L + left + right).
    """

    _axes = 1


class ConstantPad2d(_ConstantPad):
    """Sets a number around an image.

    Args:
        padding: rows and columns added on all sides, or (left, right, top, bottom); a negative number cuts off.
        value: the number.

    Shape:
        (*, H, W) -> (*, H + top + bottom, W + left + right).

    Raises:
        ArgumentTypeError: a padding that is neither one int nor four.
        ShapeError: when called, an input of fewer than two axes, or one that is cut off wholly.
    """

    _axes = 2


class ConstantPad3d(_ConstantPad):
    """Sets a number around a volume; arguments and errors as for `ConstantPad2d`.

    Shape:
        (*, D, H, W) -> the same, longer by the padding.
    """

    _axes = 3


class _ReflectionPad(_Pad):
    _mode = "reflect"


class ReflectionPad1d(_ReflectionPad):
    """Goes on with the mirror image of a sequence; arguments and errors as for `ReflectionPad2d`.

    Shape:
        (N, C, L) or (C, L) -> the same with L' = L + left + right.
    """

    _axes = 1


class ReflectionPad2d(_ReflectionPad):
    """Goes on with the mirror image of an image; the outermost rows and columns are not repeated.

    Args:
        padding: rows and columns added on all sides, or (left, right, top, bottom); a negative number cuts off.

    Shape:
        (N, C, H, W) or (C, H, W) -> the same with W' = W + left + right, H' = H + top + bottom.

    Raises:
        ArgumentTypeError: a padding that is neither one int nor four.
        ShapeError: when called, an input of another number of axes, or a padding as long as the axis, or longer.
    """

    _axes = 2


class ReflectionPad3d(_ReflectionPad):
    """Goes on with the mirror image of a volume; arguments and errors as for `ReflectionPad2d`.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> the same, longer by the padding.
    """

    _axes = 3


class _ReplicationPad(_Pad):
    _mode = "replicate"


class ReplicationPad1d(_ReplicationPad):
    """Repeats the ends of a sequence; arguments and errors as for `ReplicationPad2d`.

    Shape:
        (N, C, L) or (C, L) -> the same with L' = L + left + right.
    """

    _axes = 1


class ReplicationPad2d(_ReplicationPad):
    """Repeats the outermost rows and columns of an image.

    Args:
        padding: rows and columns added on all sides, or (left, right, top, bottom); a negative number cuts off.

    Shape:
        (N, C, H, W) or (C, H, W) -> the same with W' = W + left + right, H' = H + top + bottom.

    Raises:
        ArgumentTypeError: a padding that is neither one int nor four.
        ShapeError: when called, an input of another number of axes.
    """

    _axes = 2


class ReplicationPad3d(_ReplicationPad):
    """Repeats the outermost elements of a volume; arguments and errors as for `ReplicationPad2d`.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> the same, longer by the padding.
    """

    _axes = 3


class _ZeroPad(_ConstantPad):
    @settings
    def __init__(self, padding: Each) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad):
    """Sets zeros around a sequence; arguments, shapes and errors as for `ConstantPad1d`."""

    _axes = 1


class ZeroPad2d(_ZeroPad):
    """Sets zeros around an image; arguments, shapes and errors as for `ConstantPad2d`."""

    _axes = 2


class ZeroPad3d(_ZeroPad):
    """Sets zeros around a volume; arguments, shapes and errors as for `ConstantPad3d`."""

    _axes = 3
