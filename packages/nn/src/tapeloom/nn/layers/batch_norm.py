"""Normalisation of each channel by its mean and variance: over the batch, or over each sample."""

from __future__ import annotations

import warnings

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.errors import ShapeError
from tapeloom.ops.arguments import as_tensor_of

from .. import functional as F
from .. import init
from ..arguments import settings
from ..module import Module
from ..parameter import Parameter
from .common import DeviceLike, DTypeLike, as_count, new_parameter

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]


class ChannelNorm(Module):
    """What batch norm and instance norm share: their settings, parameters and running statistics."""

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    _ranks: tuple[int, ...]  # the numbers of axes that an input may have

    @settings
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: DeviceLike = None,
        dtype: DTypeLike = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = as_count(type(self).__name__, "num_features", num_features)
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(
                name, new_parameter(self.num_features, device=device, dtype=dtype) if wanted else None
            )
        for name in ("running_mean", "running_var"):
            self.register_buffer(
                name, tl.zeros(self.num_features, device=device, dtype=dtype) if track_running_stats else None
            )
        counter = tl.zeros((), device=device, dtype=tl.int64) if track_running_stats else None
        self.register_buffer("num_batches_tracked", counter)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Sets the running mean to 0, the running variance to 1 and the counter of batches to 0."""
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Resets the running statistics, and sets the weight to 1 and the bias to 0."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(ChannelNorm):
    """Batch norm; its kinds differ in the inputs they take."""

    def forward(self, input: Tensor) -> Tensor:
        if as_tensor_of(type(self).__name__, input).ndim not in self._ranks or input.shape[1] != self.num_features:
            ranks = " or ".join(str(rank) for rank in self._ranks)
            raise ShapeError(
                f"{type(self).__name__}: needs an input of {ranks} axes with {self.num_features} channels on axis 1, "
                f"got shape {tuple(input.shape)}."
            )
        batches = self.num_batches_tracked if self.training else None
        momentum = self.momentum
        if momentum is None:  # a plain mean over all batches
            momentum = 0.0 if batches is None else 1.0 / (batches.item() + 1)
        use_batch = self.training or self.running_mean is None
        output: Tensor = F.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, use_batch, momentum, self.eps
        )
        if batches is not None:
            batches.add_(1)
        return output


class BatchNorm1d(_BatchNorm):
    """Normalises each channel over the batch: (x - mean) / sqrt(var + eps) * weight + bias.

    In training mean and variance are those of the batch (the biased variance), and the running statistics move towards them:
    running = (1 - momentum) * running + momentum * batch, with the unbiased variance. In evaluation the running ones
    are used.

    Args:
        num_features: channels C.
        eps: added to the variance.
        momentum: weight of the newest batch; None makes the running statistics the mean over all batches.
        affine: whether there is a weight.
        track_running_stats: whether there are running statistics; without them evaluation uses the batch, too.
        device, dtype: where parameters and buffers live, and their dtype.
        bias: whether there is a bias beside the weight.

    Shape:
        (N, C) or (N, C, L) -> the same.

    Attributes:
        weight, bias: of shape (C,), 1 and 0 at first, or None.
        running_mean, running_var: buffers of shape (C,), 0 and 1 at first, or None.
        num_batches_tracked: a buffer, int64 of shape (), or None.

    Raises:
        ShapeError: another number of axes or channels; in training also a single value per channel.
        DTypeError: an input or a `dtype` that is not floating.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> norm = nn.BatchNorm1d(2)
        >>> _ = norm(tl.tensor([[0.0, 1.0], [2.0, 3.0]]))
        >>> [round(value, 4) for value in norm.running_mean.tolist()]
        [0.1, 0.2]

    Source: S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal
    covariate shift", ICML 2015, algorithms 1 and 2.
    """

    _ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch norm of images; formula, arguments and attributes as for `BatchNorm1d`.

    Shape:
        (N, C, H, W) -> the same.

    Raises:
        ShapeError: another number of axes or channels; in training also a single value per channel.
        DTypeError: an input or a `dtype` that is not floating.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> nn.BatchNorm2d(3)(tl.ones(2, 3, 4, 4)).shape
        (2, 3, 4, 4)

    Source: S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal
    covariate shift", ICML 2015, algorithms 1 and 2.
    """

    _ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch norm of volumes; formula, arguments, attributes, errors and source as for `BatchNorm1d`.

    Shape:
        (N, C, D, H, W) -> the same.
    """

    _ranks = (5,)


class _InstanceNorm(ChannelNorm):
    """Instance norm; its kinds differ in the inputs they take."""

    @settings
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: DeviceLike = None,
        dtype: DTypeLike = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        name, alone, batched = type(self).__name__, *self._ranks
        shape = as_tensor_of(name, input).shape
        if len(shape) not in self._ranks:
            raise ShapeError(f"{name}: needs an input of {alone} or {batched} axes, got shape {tuple(shape)}.")
        channels = shape[-(alone)]
        if channels != self.num_features:
            says = f"{name}: the input of shape {tuple(shape)} has {channels} channels, and num_features={self.num_features}"
            if self.affine or self.track_running_stats:
                raise ShapeError(f"{says}.")
            warnings.warn(f"{says}, which is not used with affine=False.", UserWarning, stacklevel=3)
        batch = input.unsqueeze(0) if len(shape) == alone else input
        output: Tensor = F.instance_norm(
            batch,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return output.squeeze(0) if batch is not input else output


class InstanceNorm1d(_InstanceNorm):
    """Instance norm of sequences; formula, arguments, attributes, errors and source as for `InstanceNorm2d`.

    Shape:
        (N, C, L) or (C, L) -> the same.
    """

    _ranks = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Normalises each channel of each sample: (x - mean) / sqrt(var + eps) * weight + bias.

    Args:
        num_features: channels C.
        eps: added to the variance.
        momentum: weight of the newest batch in the running statistics.
        affine: whether there is a weight.
        track_running_stats: whether there are running statistics, which evaluation then uses.
        device, dtype: where parameters and buffers live, and their dtype.
        bias: whether there is a bias beside the weight.

    Shape:
        (N, C, H, W) or (C, H, W) -> the same.

    Attributes:
        weight, bias: of shape (C,), 1 and 0 at first, or None.
        running_mean, running_var, num_batches_tracked: buffers as for `BatchNorm1d`, or None; nothing is counted.

    Raises:
        ShapeError: another number of axes or channels; also a single value per channel, where its own are used.
        DTypeError: an input or a `dtype` that is not floating.

    Source: D. Ulyanov, A. Vedaldi, V. Lempitsky, "Instance normalization: the missing ingredient for fast
    stylization", 2016, eq. 3.
    """

    _ranks = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Instance norm of volumes; formula, arguments, attributes, errors and source as for `InstanceNorm2d`.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> the same.
    """

    _ranks = (4, 5)
