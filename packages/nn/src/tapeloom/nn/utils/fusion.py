"""Batch norm folded into the layer before it, for evaluation."""

from __future__ import annotations

import copy
from typing import TypeVar

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.errors import ArgumentError, StateError

from ..layers.batch_norm import ChannelNorm
from ..layers.conv import Convolution
from ..layers.linear import Linear
from ..parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]

C = TypeVar("C", bound=Convolution)
L = TypeVar("L", bound=Linear)


def fuse_conv_bn_eval(conv: C, bn: ChannelNorm, transpose: bool = False) -> C:
    """A convolution that does what `bn(conv(x))` does, both in evaluation.

    Args:
        conv: the convolution; it is copied.
        bn: the batch norm, which has running statistics.
        transpose: whether it is a transposed convolution.

    Raises:
        StateError: one of them is in training mode, or there are no running statistics.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> conv, norm = nn.Conv2d(1, 2, 3).eval(), nn.BatchNorm2d(2).eval()
        >>> fused, x = nn.utils.fuse_conv_bn_eval(conv, norm), tl.ones(1, 1, 4, 4)
        >>> bool(tl.allclose(fused(x), norm(conv(x)), atol=1e-6))
        True
    """
    mean, var = _statistics("fuse_conv_bn_eval", conv, bn)
    fused = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, mean, var, bn.eps, bn.weight, bn.bias, transpose
    )
    return fused


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the fused convolution, from those of the convolution and what the batch norm has."""
    shape = (1, -1) if transpose else (-1, 1)
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, shape + (1,) * (conv_w.ndim - 2))


def fuse_linear_bn_eval(linear: L, bn: ChannelNorm) -> L:
    """A linear map that does what `bn(linear(x))` does, both in evaluation; errors as for `fuse_conv_bn_eval`.

    Raises:
        ArgumentError: a batch norm of another number of features, but for 1.
    """
    mean, var = _statistics("fuse_linear_bn_eval", linear, bn)
    if bn.num_features not in (linear.out_features, 1):
        raise ArgumentError(
            f"fuse_linear_bn_eval: the batch norm has {bn.num_features} features, and the layer {linear.out_features}."
        )
    fused = copy.deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(linear.weight, linear.bias, mean, var, bn.eps, bn.weight, bn.bias)
    return fused


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the fused linear map, from those of the map and what the batch norm has."""
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, (-1, 1))


def _statistics(name: str, layer: Convolution | Linear, bn: ChannelNorm) -> tuple[Tensor, Tensor]:
    if layer.training or bn.training:
        raise StateError(f"{name}: both must be in evaluation. Call eval() on them first.")
    if bn.running_mean is None or bn.running_var is None:
        raise StateError(f"{name}: the batch norm has no running statistics.")
    return bn.running_mean, bn.running_var


def _fused(
    weight: Tensor,
    bias: Tensor | None,
    mean: Tensor,
    var: Tensor,
    eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    shape: tuple[int, ...],
) -> tuple[Parameter, Parameter]:
    with tl.no_grad():
        scale = tl.rsqrt(var + eps) if bn_w is None else tl.rsqrt(var + eps) * bn_w
        moved = (-mean if bias is None else bias - mean) * scale
        moved = moved if bn_b is None else moved + bn_b
        new_weight = (weight * scale.reshape(shape)).to(weight.dtype)
        new_bias = moved.to(weight.dtype if bias is None else bias.dtype)
    return Parameter(new_weight, weight.requires_grad), Parameter(
        new_bias, bias.requires_grad if bias is not None else weight.requires_grad
    )
