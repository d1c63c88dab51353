"""The functions of neural networks under PyTorch's names: the core's ops, and what is made of them."""

from __future__ import annotations

import tapeloom as tl
from tapeloom import (
    Tensor,
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    batch_norm,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    celu,
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    cross_entropy,
    dropout,
    elu,
    embedding,
    gelu,
    glu,
    group_norm,
    hardsigmoid,
    hardswish,
    hardtanh,
    l1_loss,
    layer_norm,
    leaky_relu,
    linear,
    log_softmax,
    logsigmoid,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    mish,
    mse_loss,
    nll_loss,
    one_hot,
    pad,
    prelu,
    relu,
    relu6,
    rms_norm,
    selu,
    sigmoid,
    silu,
    softmax,
    softmin,
    softplus,
    softsign,
    tanh,
    tanhshrink,
)
from tapeloom.call.op import explained
from tapeloom.errors import ArgumentError, ShapeError

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "gelu",
    "glu",
    "group_norm",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "mish",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "prelu",
    "relu",
    "relu6",
    "rms_norm",
    "selu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softmin",
    "softplus",
    "softsign",
    "tanh",
    "tanhshrink",
]


@explained
def smooth_l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """d^2 / (2 * beta) where d = |input - target| is below `beta`, else d - beta / 2; then "mean", "sum" or "none".

    Source: R. Girshick, "Fast R-CNN", ICCV 2015, eq. 3.

    Raises:
        ShapeError: the shapes are not the same; broadcasting here is nearly always a mistake.
        ArgumentError: a negative `beta`, or a reduction other than "mean", "sum" and "none".
    """
    if input.shape != target.shape:
        raise ShapeError(
            f"smooth_l1_loss: input has shape {input.shape}, target {target.shape}; they must be the same. "
            "Reshape one of them, for instance with .squeeze(-1) or .view_as(other)."
        )
    if reduction not in ("none", "mean", "sum"):
        raise ArgumentError(f"smooth_l1_loss: reduction must be 'none', 'mean' or 'sum', got {reduction!r}.")
    if not beta >= 0:
        raise ArgumentError(f"smooth_l1_loss: beta is {beta}; it must not be negative.")
    distance = (input - target).abs()
    if beta > 0:
        distance = tl.where(distance < beta, distance * distance * (0.5 / beta), distance - 0.5 * beta)
    if reduction == "none":
        return distance
    return distance.mean() if reduction == "mean" else distance.sum()


@explained
def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """`input` divided by its p-norm along `dim`, or by `eps` where the norm is smaller; the shape stays.

    Raises:
        IndexingError: `input` has no dimension `dim`.

    Example:
        >>> import tapeloom as tl
        >>> import tapeloom.nn.functional as F
        >>> [round(value, 4) for value in F.normalize(tl.tensor([3.0, 4.0]), dim=0).tolist()]
        [0.6, 0.8]
    """
    norm = (input.abs() ** p).sum(dim, keepdim=True) ** (1.0 / p)
    return input / norm.clamp(min=eps)
