"""Lazy layers: the number of input features is that of the first input."""

from __future__ import annotations

from typing import Any, ClassVar

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.errors import ArgumentError, ShapeError, StateError
from tapeloom.ops.arguments import as_tensor_of

from ..arguments import settings
from ..module import Module
from ..parameter import UninitializedBuffer, UninitializedParameter, is_lazy
from . import batch_norm, conv, linear
from .batch_norm import ChannelNorm
from .common import DeviceLike, DTypeLike, Each, as_count
from .conv import Convolution

__all__ = [
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
    "LazyLinear",
]


class Lazy(Module):
    """What the lazy layers share: at the first call they get their parameters, and become the layer of that name.

    Give the parameters to an optimizer after the first call, or after a load, which knows the shapes, too.
    """

    _becomes: ClassVar[type[Module]]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not args:
            raise StateError(f"{type(self).__name__}: the first input, which sets the sizes, must be given by place.")
        self.initialize_parameters(as_tensor_of(type(self).__name__, args[0]))
        self.__class__ = self._becomes  # type: ignore[assignment]
        return self(*args, **kwargs)

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer has no shape yet."""
        return any(is_lazy(value) for _, value in self._entries("parameter", "buffer"))

    def initialize_parameters(self, input: Tensor) -> None:
        """Gives the parameters the shapes that `input` asks for, and their first values."""
        fresh = self.has_uninitialized_params()
        self._see(input)
        if fresh:
            for name, value in self._entries("parameter", "buffer"):
                if is_lazy(value):
                    value.materialize(self._size_of(name))
            self._start()

    def _see(self, input: Tensor) -> None:
        """Takes the number of features from the input."""
        raise NotImplementedError

    def _size_of(self, name: str) -> tuple[int, ...]:
        """The shape of a parameter or buffer."""
        raise NotImplementedError

    def _start(self) -> None:
        self._becomes.reset_parameters(self)  # type: ignore[attr-defined]

    def reset_parameters(self) -> None:
        """Draws new values, once there are shapes."""
        if self._kinds and not self.has_uninitialized_params():
            self._start()


class LazyLinear(Lazy, linear.Linear):
    """A `Linear` whose in_features are those of its first input; the other arguments are those of `Linear`.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> layer = nn.LazyLinear(3)
        >>> _ = layer(tl.ones(2, 5))
        >>> layer
        Linear(in_features=5, out_features=3, bias=True)
    """

    _becomes = linear.Linear

    @settings
    def __init__(
        self, out_features: int, bias: bool = True, device: DeviceLike = None, dtype: DTypeLike = None
    ) -> None:
        super().__init__(0, 0, False)
        self.out_features = as_count("LazyLinear", "out_features", out_features)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def _see(self, input: Tensor) -> None:
        if not input.ndim:
            raise ShapeError("LazyLinear: needs an input of one axis or more, got shape ().")
        self.in_features = input.shape[-1]

    def _size_of(self, name: str) -> tuple[int, ...]:
        return (self.out_features, self.in_features) if name == "weight" else (self.out_features,)


class _LazyConvolution(Lazy, Convolution):
    """What the lazy convolutions share."""

    def _wait(self, out_channels: int, bias: bool, device: DeviceLike, dtype: DTypeLike) -> None:
        self.out_channels = as_count(type(self).__name__, "out_channels", out_channels)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def _see(self, input: Tensor) -> None:
        name, axes = type(self).__name__, self._axes
        if input.ndim not in (axes + 1, axes + 2):
            raise ShapeError(
                f"{name}: needs an input of {axes + 1} or {axes + 2} axes, got shape {tuple(input.shape)}."
            )
        channels = input.shape[-axes - 1]
        if channels % self.groups or self.out_channels % self.groups:
            raise ArgumentError(
                f"{name}: groups={self.groups} must divide in_channels={channels} and out_channels={self.out_channels}."
            )
        self.in_channels = channels

    def _size_of(self, name: str) -> tuple[int, ...]:
        if name == "bias":
            return (self.out_channels,)
        channels = self.in_channels, self.out_channels
        first, second = channels if issubclass(self._becomes, conv._ConvTranspose) else channels[::-1]
        return (first, second // self.groups, *self.kernel_size)


class _LazyConv(_LazyConvolution, conv._Conv):
    @settings
    def __init__(
        self,
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
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode)
        self._wait(out_channels, bias, device, dtype)


class _LazyConvTranspose(_LazyConvolution, conv._ConvTranspose):
    @settings
    def __init__(
        self,
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
        super().__init__(0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode)
        self._wait(out_channels, bias, device, dtype)


class _LazyNorm(Lazy, ChannelNorm):
    """What the lazy norms share."""

    @settings
    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: DeviceLike = None,
        dtype: DTypeLike = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias = UninitializedParameter(device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = tl.zeros((), device=device, dtype=tl.int64)

    def _see(self, input: Tensor) -> None:
        if input.ndim not in self._ranks:
            ranks = " or ".join(map(str, self._ranks))
            raise ShapeError(f"{type(self).__name__}: needs an input of {ranks} axes, got shape {tuple(input.shape)}.")
        axis = 0 if issubclass(self._becomes, batch_norm._InstanceNorm) and input.ndim == self._ranks[0] else 1
        self.num_features = input.shape[axis]

    def _size_of(self, name: str) -> tuple[int, ...]:
        return (self.num_features,)


class LazyConv1d(_LazyConv, conv.Conv1d):
    """A `Conv1d` whose in_channels are those of its first input; the other arguments are those of `Conv1d`."""

    _becomes = conv.Conv1d


class LazyConv2d(_LazyConv, conv.Conv2d):
    """A `Conv2d` whose in_channels are those of its first input; the other arguments are those of `Conv2d`."""

    _becomes = conv.Conv2d


class LazyConv3d(_LazyConv, conv.Conv3d):
    """A `Conv3d` whose in_channels are those of its first input; the other arguments are those of `Conv3d`."""

    _becomes = conv.Conv3d


class LazyConvTranspose1d(_LazyConvTranspose, conv.ConvTranspose1d):
    """A `ConvTranspose1d` whose in_channels are those of its first input; the other arguments are those of `ConvTranspose1d`."""

    _becomes = conv.ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, conv.ConvTranspose2d):
    """A `ConvTranspose2d` whose in_channels are those of its first input; the other arguments are those of `ConvTranspose2d`."""

    _becomes = conv.ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, conv.ConvTranspose3d):
    """A `ConvTranspose3d` whose in_channels are those of its first input; the other arguments are those of `ConvTranspose3d`."""

    _becomes = conv.ConvTranspose3d


class LazyBatchNorm1d(_LazyNorm, batch_norm.BatchNorm1d):
    """A `BatchNorm1d` whose num_features are those of its first input; the other arguments are those of `BatchNorm1d`.

    affine and track_running_stats are True unless given.
    """

    _becomes = batch_norm.BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, batch_norm.BatchNorm2d):
    """A `BatchNorm2d` whose num_features are those of its first input; the other arguments are those of `BatchNorm2d`.

    affine and track_running_stats are True unless given.
    """

    _becomes = batch_norm.BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, batch_norm.BatchNorm3d):
    """A `BatchNorm3d` whose num_features are those of its first input; the other arguments are those of `BatchNorm3d`.

    affine and track_running_stats are True unless given.
    """

    _becomes = batch_norm.BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, batch_norm.InstanceNorm1d):
    """An `InstanceNorm1d` whose num_features are those of its first input; the other arguments are those of `InstanceNorm1d`.

    affine and track_running_stats are True unless given.
    """

    _becomes = batch_norm.InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, batch_norm.InstanceNorm2d):
    """An `InstanceNorm2d` whose num_features are those of its first input; the other arguments are those of `InstanceNorm2d`.

    affine and track_running_stats are True unless given.
    """

    _becomes = batch_norm.InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, batch_norm.InstanceNorm3d):
    """An `InstanceNorm3d` whose num_features are those of its first input; the other arguments are those of `InstanceNorm3d`.

    affine and track_running_stats are True unless given.
    """

    _becomes = batch_norm.InstanceNorm3d
