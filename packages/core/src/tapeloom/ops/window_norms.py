"""Norms over windows: of spatial dimensions, which pools them, and of neighbouring channels, which scales by it."""

from __future__ import annotations

from math import inf, prod
from typing import TYPE_CHECKING, Any

from tapeloom import shapes
from tapeloom.call.op import function
from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops import pooling
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.ops.window import setting

if TYPE_CHECKING:
    from tapeloom.op.parameter import Window
    from tapeloom.tensors.tensor import Tensor

_AVERAGED = {1: pooling.avg_pool1d, 2: pooling.avg_pool2d, 3: pooling.avg_pool3d}
_LARGEST = {1: pooling.max_pool1d, 2: pooling.max_pool2d, 3: pooling.max_pool3d}


def _lp_pool(rank: int, input: Any, norm_type: Any, kernel_size: Any, stride: Any, ceil_mode: bool) -> Tensor:
    name = f"lp_pool{rank}d"
    as_tensor_of(name, input)
    order = as_number(name, "norm_type", norm_type)
    kernel = setting(name, rank, "kernel_size", kernel_size)
    if order in (inf, -inf):
        sign = 1 if order > 0 else -1
        largest: Any = _LARGEST[rank](sign * OPS.abs(input), kernel, stride, 0, 1, ceil_mode)
        return sign * largest
    if order == 0:
        raise ArgumentError(f"{name}: norm_type must not be 0.")
    mean = _AVERAGED[rank](OPS.pow(input, order), kernel, stride, 0, ceil_mode)
    # written as in PyTorch, for the same gradient where the mean is 0
    total = OPS.sign(mean) * OPS.relu(OPS.abs(mean)) * prod(kernel)
    return OPS.pow(total, 1.0 / order)


@function(method=False)
def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Window, stride: Window | None = None, ceil_mode: bool = False
) -> Tensor:
    """The norm of order ``norm_type`` of each window of ``input`` (batch, channels, length).

    As ``lp_pool2d``, over one spatial dimension.
    """
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


@function(method=False)
def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Window, stride: Window | None = None, ceil_mode: bool = False
) -> Tensor:
    """``sum(x ** p) ** (1 / p)`` over each window of ``input`` (batch, channels, height, width), p being ``norm_type``.

    Without absolute values, so that a sum that is negative gives nan, as in PyTorch. The order inf gives the largest
    absolute value. The windows are those of ``avg_pool2d``; one that reaches beyond the input (``ceil_mode``) counts its
    mean for what is missing. Raises ShapeError where no window fits, ArgumentError for settings out of range.
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


@function(method=False)
def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Window, stride: Window | None = None, ceil_mode: bool = False
) -> Tensor:
    """The norm of order ``norm_type`` of each window of ``input`` (batch, channels, depth, height, width).

    As ``lp_pool2d``, over three spatial dimensions.
    """
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


@function(method=False)
def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """``input / (k + alpha * mean) ** beta``: the mean of the squares in ``size`` neighbouring channels, zeros around them.

    ``input`` is (batch, channels, …) of three dimensions or more. Raises ShapeError for fewer.

    Source: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet classification with deep convolutional neural networks",
    NeurIPS 2012, section 3.3, with a mean in place of the sum.
    """
    if as_tensor_of("local_response_norm", input).ndim < 3:
        raise ShapeError(
            f"local_response_norm: expected input (batch, channels, …) of three dimensions or more, got shape {input.shape}."
        )
    width = shapes.as_int("local_response_norm", "size", size)
    if width < 1:
        raise ArgumentError(f"local_response_norm: size must be at least 1, got {width}.")
    if not input.numel():
        return input
    batch, channels, *spatial = input.shape
    squares = OPS.reshape(input * input, (batch, 1, channels, prod(spatial)))
    padded = OPS.constant_pad(squares, (0, 0, width // 2, (width - 1) // 2), 0)
    mean = OPS.reshape(pooling.avg_pool2d(padded, (width, 1), 1), input.shape)
    return input / OPS.pow(mean * alpha + k, beta)
