"""Normalisation of each sample: over its last axes, over groups of its channels, or over neighbouring channels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tapeloom import Tensor
from tapeloom.errors import ArgumentError

from .. import functional as F
from .. import init
from ..arguments import settings
from ..module import Module
from ..parameter import Parameter
from .common import DeviceLike, DTypeLike, Shape, as_count, as_int, new_parameter

__all__ = ["GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


class _Affine(Module):
    """What they share: a weight and a bias, each of which may be absent."""

    weight: Parameter | None
    bias: Parameter | None

    def _add_parameters(
        self, size: tuple[int, ...], weight: bool, bias: bool, device: DeviceLike, dtype: DTypeLike
    ) -> None:
        for name, wanted in (("weight", weight), ("bias", bias)):
            self.register_parameter(name, new_parameter(*size, device=device, dtype=dtype) if wanted else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the weight to 1 and the bias to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


def _last_axes(name: str, given: Any) -> tuple[int, ...]:
    """The sizes of the last axes, of which one may stand alone."""
    sizes = given if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    return tuple(as_count(name, "normalized_shape", size) for size in sizes)


class LayerNorm(_Affine):
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
        self.normalized_shape = _last_axes("LayerNorm", normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._add_parameters(self.normalized_shape, elementwise_affine, elementwise_affine and bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """Divides the last axes of each sample by their root mean square: x / sqrt(mean(x^2) + eps) * weight.

    Args:
        normalized_shape: the sizes of the last axes, or the size of the last one.
        eps: added to the mean; None is the smallest step of the input's dtype at 1.
        elementwise_affine: whether there is a weight.
        device, dtype: where the weight lives, and its dtype.

    Shape:
        (*, *normalized_shape) -> the same.

    Attributes:
        weight: of shape normalized_shape, 1 at first, or None.

    Raises:
        ShapeError: when called, an input whose last axes have other sizes.
        DTypeError: a `dtype` that is not floating; when called, an input that is not.

    Source: B. Zhang, R. Sennrich, "Root mean square layer normalization", NeurIPS 2019, eq. 4.
    """

    weight: Parameter | None

    @settings
    def __init__(
        self,
        normalized_shape: int | Shape,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: DeviceLike = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _last_axes("RMSNorm", normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        weight = new_parameter(*self.normalized_shape, device=device, dtype=dtype) if elementwise_affine else None
        self.register_parameter("weight", weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the weight to 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = F.rms_norm(input, self.normalized_shape, self.weight, self.eps)
        return output

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(_Affine):
    """Normalises groups of channels of each sample: (x - mean) / sqrt(var + eps) * weight + bias.

    Args:
        num_groups: into how many groups the channels are split.
        num_channels: channels C; num_groups must divide it.
        eps: added to the variance.
        affine: whether there is a weight.
        device, dtype: where the parameters live, and their dtype.
        bias: whether there is a bias beside the weight.

    Shape:
        (N, C, *) -> the same.

    Attributes:
        weight, bias: of shape (C,), 1 and 0 at first, or None.

    Raises:
        ArgumentError: num_groups does not divide num_channels.
        ShapeError: when called, an input of other channels.
        DTypeError: a `dtype` that is not floating; when called, an input that is not.

    Source: Y. Wu, K. He, "Group normalization", ECCV 2018, section 3.1.
    """

    @settings
    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: DeviceLike = None,
        dtype: DTypeLike = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_groups = as_int("GroupNorm", "num_groups", num_groups)
        self.num_channels = as_count("GroupNorm", "num_channels", num_channels)
        if self.num_groups < 1 or self.num_channels % self.num_groups:
            raise ArgumentError(f"GroupNorm: num_groups={num_groups} must divide num_channels={num_channels}.")
        self.eps = eps
        self.affine = affine
        self._add_parameters((self.num_channels,), affine, affine and bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)
        return output

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """Divides each element by (k + alpha / size * s)^beta, where s sums the squares of `size` neighbouring channels.

    Args:
        size: how many channels are neighbours.
        alpha, beta, k: see the formula.

    Shape:
        (N, C, *) -> the same.

    Raises:
        ShapeError: when called, an input of fewer than three axes.
        DTypeError: when called, an input that is not floating.

    Source: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet classification with deep convolutional neural networks",
    NIPS 2012, section 3.3; the division by `size` is PyTorch's.
    """

    @settings
    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)
        return output

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
