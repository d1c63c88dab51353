"""Normalisation: batch norm and layer norm."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.errors import ShapeError
from tapeloom.ops.arguments import as_tensor_of

from .. import functional as F
from .. import init
from ..arguments import settings
from ..module import Module
from ..parameter import Parameter
from .common import DeviceLike, DTypeLike, Shape, as_count, new_parameter

__all__ = ["BatchNorm1d", "BatchNorm2d", "LayerNorm"]


class _BatchNorm(Module):
    """What the batch norms share; they differ in the inputs they take."""

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

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


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


class LayerNorm(Module):
    """Normalises the last axes of each sample: (x - mean) / sqrt(var + eps) * weight + bias, with the biased variance.

    Args:
        normalized_shape: the sizes of the last axes, or the size of the last one.
        eps: added to the variance.
        elementwise_affine: whether there is a weight.
        bias: whether there is a bias, too.
        device, dtype: where the parameters live, and their dtype.

    Shape:
        (*, *normalized_shape) -> the same.

    Attributes:
        weight, bias: of shape normalized_shape, 1 and 0 at first, or None.

    Raises:
        ShapeError: a negative size; when called, an input whose last axes have other sizes, or sizes that are empty.
        DTypeError: a `dtype` that is not floating; when called without a weight, an input that is not.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> [round(value, 4) for value in nn.LayerNorm(2)(tl.tensor([1.0, 3.0])).tolist()]
        [-1.0, 1.0]

    Source: J. Ba, J. Kiros, G. Hinton, "Layer normalization", 2016, section 3.
    """

    weight: Parameter | None
    bias: Parameter | None

    @settings
    def __init__(
        self,
        normalized_shape: int | Shape,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__()
        given: Any = normalized_shape
        sizes = given if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
        self.normalized_shape = tuple(as_count("LayerNorm", "normalized_shape", size) for size in sizes)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        for name, wanted in (("weight", elementwise_affine), ("bias", elementwise_affine and bias)):
            self.register_parameter(
                name, new_parameter(*self.normalized_shape, device=device, dtype=dtype) if wanted else None
            )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the weight to 1 and the bias to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )
