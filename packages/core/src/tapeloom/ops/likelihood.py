"""Losses by likelihood: Kullback-Leibler, Poisson, Gaussian; beside them Huber's loss and that of a linear layer's classes.

``reduction`` is "mean", "sum", or "none" for the terms themselves; input and target broadcast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom.call.op import function, op, primitive
from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, require, within
from tapeloom.ops.loss import check_reduction, cross_entropy
from tapeloom.tensors.tensor import is_tensor

if TYPE_CHECKING:
    from tapeloom.op.parameter import TensorLike
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor


def _reducible(op: OpSchema, *given: Any) -> None:
    check_reduction(op.name, next(value for value in given if isinstance(value, str)))


def _check_divergence(op: OpSchema, input: Tensor, target: Tensor, reduction: str, log_target: bool) -> None:
    if reduction not in ("none", "mean", "sum", "batchmean"):
        raise ArgumentError(f"kl_div: reduction must be 'none', 'mean', 'sum' or 'batchmean', got {reduction!r}.")


@op(takes="floating", composite=True, check=_check_divergence, method=False, autocast="float32")
def kl_div(input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """``target * (log(target) - input)`` for log-probabilities ``input``: the Kullback-Leibler divergence from them.

    With ``log_target`` the target holds logarithms too. "batchmean", the sum divided by the length of dim 0, is the
    divergence by its definition; "mean" divides by the number of elements.

    Source: S. Kullback, R. Leibler, "On information and sufficiency", Annals of Mathematical Statistics 22, 1951.
    """


def _check_huber(op: OpSchema, input: Tensor, target: Tensor, reduction: str, delta: float, weight: Tensor | None) -> None:
    check_reduction("huber_loss", reduction)
    if not delta > 0:
        raise ArgumentError(f"huber_loss: delta must be positive, got {delta}.")
    if weight is not None and weight.shape != input.shape:
        raise ShapeError(f"huber_loss: weight must have the shape {input.shape} of input, got {weight.shape}.")


@op(takes="floating", composite=True, check=_check_huber, method=False, autocast="float32")
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """``d**2 / 2`` where ``d = |input - target|`` is below ``delta``, else ``delta * (d - delta / 2)``, times ``weight``; reduced.

    Raises ArgumentError unless ``delta`` is positive, ShapeError for a weight of another shape than that of input.

    Source: P. Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35, 1964.
    """


@op(takes="inexact", complex="analytic", composite=True, check=_reducible, method=False, autocast="float32")
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    *,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """``exp(input) - target * input``, for counts ``target`` and logarithms ``input`` of their expectations; reduced.

    With ``log_input=False`` input holds the expectations: ``input - target * log(input + eps)``. ``full`` adds Stirling's
    approximation of log(target!) where target is above 1.
    """


@primitive
def raised(input: Tensor, least: TensorLike) -> Tensor:
    """``max(input, least)``, whose gradient is that of ``input`` everywhere."""
raised.gradient(input=lambda g: g)


@primitive(takes="floating", composite=True)
def gaussian_nll(input: Tensor, target: Tensor, var: Tensor, full: bool, eps: float, reduction: str) -> Tensor:
    """``gaussian_nll_loss`` of checked arguments, which broadcast."""


@function(method=False)
def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: TensorLike, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """``(log(var) + (input - target)**2 / var) / 2``, for expectations ``input`` and variances ``var`` of at least ``eps``; reduced.

    ``var`` has the shape of ``input``, the same with a last dimension of length 1 or without it, or is one float. ``full``
    adds log(2 * pi) / 2. Raises ArgumentError for a negative variance, ShapeError for another shape.

    Source: D. Nix, A. Weigend, "Estimating the mean and variance of the target probability distribution", ICNN 1994.
    """
    name = "gaussian_nll_loss"
    check_reduction(name, reduction)
    shape = as_tensor_of(name, input).shape
    as_tensor_of(name, target, "target")
    spread: Any = var
    if not is_tensor(var):
        spread = OPS.full_of(input.detach(), as_number(name, "var", var))
    elif spread.shape != shape:
        if spread.shape == shape[:-1]:
            spread = OPS.unsqueeze(spread, -1)
        elif spread.ndim != len(shape) or [own for own, length in zip(spread.shape, shape, strict=True) if own != length] != [1]:
            raise ShapeError(
                f"{name}: var must have the shape {shape} of input, the same with one dimension of length 1, or without the last "
                f"dimension, got {spread.shape}."
            )
    fits = not spread.dtype.inexact or within(spread, 0, float("inf")) or not bool((spread < 0).any())
    require(fits, lambda: ArgumentError(f"{name}: var must not be negative."))
    return OPS.gaussian_nll(input, target, spread, full, eps, reduction)


@function(method=False)
def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: None = None,
) -> Tensor:
    """``cross_entropy(linear(input, linear_weight, linear_bias), target, …)``, for ``input`` (features,) or (n, features).

    ``linear_weight`` is (classes, features) or, for n logits at several places, (classes, d1, …, features), with a bias of the
    same shape but for the features. All else is as for ``cross_entropy``; ``options`` must be None.
    Raises ShapeError for shapes that do not fit.
    """
    name = "linear_cross_entropy"
    if options is not None:
        raise ArgumentError(f"{name}: options must be None: the logits are computed at once, not in chunks.")
    if as_tensor_of(name, input).ndim not in (1, 2):
        raise ShapeError(f"{name}: input must have the shape (features,) or (n, features), got {input.shape}.")
    size = as_tensor_of(name, linear_weight, "linear_weight").shape
    if len(size) < 2 or size[-1] != input.shape[-1]:
        raise ShapeError(
            f"{name}: linear_weight must have the shape (classes, …, {input.shape[-1]}) for input of shape {input.shape}, got {size}."
        )
    if linear_bias is not None and as_tensor_of(name, linear_bias, "linear_bias").shape != size[:-1]:
        raise ShapeError(f"{name}: linear_bias must have the shape {size[:-1]}, got {linear_bias.shape}.")
    if len(size) > 2 and input.ndim == 1:
        raise ShapeError(f"{name}: a linear_weight of shape {size} needs input of shape (n, {size[-1]}), got {input.shape}.")
    if as_tensor_of(name, target, "target").shape == (*input.shape[:-1], *size[:-1]) and ignore_index is not None:
        raise ArgumentError(f"{name}: ignore_index is not supported for class probabilities. Leave it out.")
    rows = OPS.reshape(linear_weight, (-1, size[-1])) if len(size) > 2 else linear_weight
    bias = None if linear_bias is None else OPS.reshape(linear_bias, (-1,))
    logits = OPS.reshape(OPS.linear(input, rows, bias), (*input.shape[:-1], *size[:-1]))
    ignored = -100 if ignore_index is None else ignore_index
    return cross_entropy(logits, target, weight, ignore_index=ignored, reduction=reduction, label_smoothing=label_smoothing)
