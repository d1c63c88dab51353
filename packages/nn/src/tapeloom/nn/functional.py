"""The functions of neural networks under PyTorch's names: the core's ops, and losses made of them."""

from __future__ import annotations

import tapeloom as tl
from tapeloom import (
    Tensor,
    avg_pool2d,
    batch_norm,
    conv2d,
    cross_entropy,
    dropout,
    gelu,
    layer_norm,
    leaky_relu,
    linear,
    log_softmax,
    max_pool2d,
    max_pool2d_with_indices,
    nll_loss,
    one_hot,
    pad,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from tapeloom.errors import ArgumentError, ShapeError

__all__ = [
    "avg_pool2d",
    "batch_norm",
    "conv2d",
    "cross_entropy",
    "dropout",
    "embedding",
    "gelu",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool2d",
    "max_pool2d_with_indices",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "relu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
]


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """The rows of `weight` that `input` numbers.

    Args:
        input: integers of any shape (*).
        weight: the table, of shape (rows, size).
        padding_idx: a row that gets no gradient; negative counts from the end.

    Returns:
        Of shape (*, size).
    """
    return tl.embedding(weight, input, padding_idx)


def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """(input - target)^2, then "mean", "sum", or "none" of them.

    Raises:
        ShapeError: the shapes are not the same; broadcasting here is nearly always a mistake.
        ArgumentError: an unknown reduction.

    Example:
        >>> import tapeloom as tl
        >>> import tapeloom.nn.functional as F
        >>> F.mse_loss(tl.tensor([1.0, 2.0]), tl.tensor([1.0, 4.0]), reduction="sum").item()
        4.0
    """
    _check_same("mse_loss", input, target)
    difference = input - target
    return _reduced("mse_loss", difference * difference, reduction)


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """|input - target|, then "mean", "sum", or "none" of them; errors as for `mse_loss`."""
    _check_same("l1_loss", input, target)
    return _reduced("l1_loss", (input - target).abs(), reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """d^2 / (2 * beta) where d = |input - target| is below `beta`, d - beta / 2 elsewhere; errors as for `mse_loss`.

    Source: R. Girshick, "Fast R-CNN", ICCV 2015, eq. 3.
    """
    _check_same("smooth_l1_loss", input, target)
    if not beta >= 0:
        raise ArgumentError(f"smooth_l1_loss: beta is {beta}; it must not be negative.")
    distance = (input - target).abs()
    if beta > 0:
        distance = tl.where(distance < beta, distance * distance * (0.5 / beta), distance - 0.5 * beta)
    return _reduced("smooth_l1_loss", distance, reduction)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """`input` divided by its p-norm along `dim`, or by `eps` where the norm is smaller.

    Example:
        >>> import tapeloom as tl
        >>> import tapeloom.nn.functional as F
        >>> [round(value, 4) for value in F.normalize(tl.tensor([3.0, 4.0]), dim=0).tolist()]
        [0.6, 0.8]
    """
    norm = (input.abs() ** p).sum(dim, keepdim=True) ** (1.0 / p)
    return input / norm.clamp(min=eps)


def _check_same(name: str, input: Tensor, target: Tensor) -> None:
    if tuple(input.shape) != tuple(target.shape):
        raise ShapeError(
            f"{name}: input has shape {tuple(input.shape)}, target {tuple(target.shape)}; they must be the same. "
            "Reshape one of them, for instance with .squeeze(-1) or .view_as(other)."
        )


def _reduced(name: str, terms: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return terms.mean()
    if reduction == "sum":
        return terms.sum()
    if reduction == "none":
        return terms
    raise ArgumentError(f"{name}: reduction must be 'none', 'mean' or 'sum', got {reduction!r}.")
