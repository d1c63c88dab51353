"""Losses: how far a prediction is from its target. ``reduction`` is "mean", "sum", or "none" for the terms themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.errors import ArgumentError, DTypeError, GradientError, IndexingError, ShapeError
from tapeloom.ops.arguments import as_tensor_of, no_more
from tapeloom.tape.op import OPS, function, op
from tapeloom.tape.policy import FLOATING_ONLY

if TYPE_CHECKING:
    from tapeloom.tape.roles import Index
    from tapeloom.tape.tensor import Tensor

REDUCTIONS = ("none", "mean", "sum")


def check_reduction(name: str, reduction: Any) -> None:
    """Raise ArgumentError for anything but "none", "mean" and "sum"."""
    if reduction not in REDUCTIONS:
        raise ArgumentError(f"{name}: reduction must be 'none', 'mean' or 'sum', got {reduction!r}.")


def _reduced(terms: Any, reduction: str) -> Any:
    if reduction == "mean":
        return OPS.mean(terms)
    return OPS.sum(terms) if reduction == "sum" else terms


# classification. The ops take rows: x (rows, classes), target (rows,); the public functions bring the rest to this form.


@op(dtype=FLOATING_ONLY, composite=True, residuals=("top", "log_sum", "total"), method=False)
def cross_entropy_(
    x: Tensor, target: Index, weight: Tensor | None, ignore_index: int, reduction: str, label_smoothing: Any
) -> Tensor:
    """The cross-entropy of each row of logits ``x`` (rows, classes) with its class in ``target`` (rows,), reduced."""
cross_entropy_.gradient(
    x=lambda g, x, target, weight, ignore_index, reduction, label_smoothing, top, log_sum, total, ops: (
        ops.cross_entropy_backward(
            g, x, target, weight, top, log_sum, total, ignore_index, reduction, label_smoothing
        )
    )
)


@function(method=False)
def cross_entropy(
    x: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    **names: Any,
) -> Tensor:
    """``-log softmax(x)[target]``, the loss of a classifier; ``x`` are logits.

    ``x`` has shape (classes,), (n, classes) or (n, classes, d1, …); ``target`` holds the class numbers, without the
    class dimension, or floating class probabilities in the shape of ``x``. ``weight`` has one factor a class; "mean"
    divides by the sum of the factors used. Rows whose target is ``ignore_index`` count for nothing. ``label_smoothing``
    s mixes the target with the uniform distribution: (1 - s) * target + s / classes.

    Raises ShapeError, DTypeError, IndexingError for a class out of range, ArgumentError for settings out of range.

    Source: C. Bishop, "Pattern recognition and machine learning", Springer 2006, eq. 4.108; the smoothing: C. Szegedy
    et al., "Rethinking the Inception architecture for computer vision", CVPR 2016, section 7.
    """
    as_tensor_of("cross_entropy", x)
    as_tensor_of("cross_entropy", target, "target")
    no_more("cross_entropy", names)
    check_reduction("cross_entropy", reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ArgumentError(f"cross_entropy: label_smoothing must be from 0 to 1, got {label_smoothing}.")
    if target.dtype.is_floating_point:
        return _with_probabilities(x, target, weight, ignore_index, reduction, label_smoothing)
    rows, labels = _as_rows("cross_entropy", x, target, weight, ignore_index)
    if not rows.shape[1]:  # no class: then every row there is has been ignored
        losses = OPS.sum(rows, 1)
        return OPS.sum(losses) / 0.0 if reduction == "mean" else _reduced(OPS.reshape(losses, target.shape), reduction)
    loss = OPS.cross_entropy(rows, labels, weight, ignore_index, reduction, label_smoothing)
    return OPS.reshape(loss, target.shape) if reduction == "none" and loss.shape != target.shape else loss


def _as_rows(name: str, x: Any, target: Any, weight: Any, ignore_index: int) -> tuple[Any, Any]:
    """``x`` as (rows, classes) and ``target`` as (rows,), checked."""
    shape = x.array.shape
    if not shape:
        raise ShapeError(f"{name}: x must have a dimension of classes, got a 0-d tensor.")
    axis = 1 if len(shape) > 1 else 0
    classes = shape[axis]
    wanted = shape[:axis] + shape[axis + 1 :]
    if target.array.shape != wanted:
        raise ShapeError(
            f"{name}: x of shape {shape} has {classes} classes in dim {axis}, so target must have the shape {wanted}, "
            f"got {target.shape}."
        )
    if target.kind.dtype is not dtypes.int64:
        if target.kind.dtype is dtypes.bool_:
            raise DTypeError(f"{name}: target must hold class numbers, got bool. Cast it with .long().")
        target = OPS.cast(target, dtypes.int64)  # wide enough for ignore_index
    if weight is not None:
        _check_weight(name, weight, classes)
    backend = target.kind.backend
    if 0 not in wanted and not backend.in_range(target.array, 0, classes):
        kept = target[target != ignore_index]
        if kept.numel() and not backend.in_range(kept.array, 0, classes):
            worst = [label for label in kept.tolist() if not 0 <= label < classes][0]
            if not classes:
                raise IndexingError(
                    f"{name}: target {worst} names no class, for x of shape {shape} has 0 classes in dim {axis}. "
                    f"Give x at least one class."
                )
            raise IndexingError(
                f"{name}: target {worst} is out of range for {classes} classes, which count from 0 to {classes - 1}; "
                f"only ignore_index={ignore_index} may lie outside."
            )
    if len(shape) == 1:
        return OPS.reshape(x, (1, classes)), OPS.reshape(target, (1,))
    if len(shape) > 2:
        order = (0, *range(2, len(shape)), 1)
        x = OPS.reshape(OPS.permute(x, order), (target.numel(), classes))
        target = OPS.reshape(target, (target.numel(),))
    return x, target


def _check_weight(name: str, weight: Any, classes: int) -> None:
    if as_tensor_of(name, weight, "weight").shape != (classes,):
        raise ShapeError(f"{name}: weight must have the shape ({classes},), one factor a class, got {weight.shape}.")
    if weight.requires_grad:
        raise GradientError(f"{name}: weight has no gradient here, but requires one. Give weight.detach().")


def _with_probabilities(
    x: Any, target: Any, weight: Any, ignore_index: int, reduction: str, label_smoothing: float
) -> Any:
    if target.shape != x.shape or not x.ndim:
        raise ShapeError(
            f"cross_entropy: a floating target holds class probabilities and must have the shape {x.shape} of x, got "
            f"{target.shape}. For class numbers, cast it with .long()."
        )
    if ignore_index >= 0:
        raise ArgumentError("cross_entropy: ignore_index is not supported for class probabilities. Leave it out.")
    axis = 1 if x.ndim > 1 else 0
    if weight is not None:
        _check_weight("cross_entropy", weight, x.shape[axis])
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / x.shape[axis]
    terms = OPS.log_softmax(x, axis) * target
    if weight is not None:
        terms = terms * OPS.reshape(weight, (weight.shape[0],) + (1,) * (x.ndim - axis - 1))
    losses = -OPS.sum(terms, axis)
    if reduction == "mean":
        return OPS.sum(losses) / losses.numel() if losses.numel() else OPS.mean(losses)
    return _reduced(losses, reduction)


@function(method=False)
def nll_loss(
    x: Any, target: Any, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean", **names: Any
) -> Tensor:
    """``-x[target]`` for log-probabilities ``x``; shapes, settings and errors are those of ``cross_entropy``."""
    as_tensor_of("nll_loss", x)
    as_tensor_of("nll_loss", target, "target")
    no_more("nll_loss", names)
    check_reduction("nll_loss", reduction)
    if target.dtype.is_floating_point:
        raise DTypeError(f"nll_loss: target must hold class numbers, got {target.dtype.name}. Cast it with .long().")
    rows, labels = _as_rows("nll_loss", x, target, weight, ignore_index)
    counts = OPS.not_equal(labels, ignore_index)
    safe = OPS.where(counts, labels, 0)
    picked = OPS.squeeze(OPS.gather(rows, 1, OPS.unsqueeze(safe, 1)), 1) if rows.shape[1] else OPS.sum(rows, 1)
    factors = OPS.full_of(picked, 1) if weight is None else OPS.index_select(weight, 0, safe)
    factors = OPS.where(counts, factors, 0)
    losses = OPS.where(counts, -picked * factors, 0)
    if reduction == "mean":
        return OPS.sum(losses) / OPS.sum(factors)
    return OPS.sum(losses) if reduction == "sum" else OPS.reshape(losses, target.shape)


# regression


def _same_shape(op: Any, x: Any, target: Any, reduction: str) -> None:
    check_reduction(op.name, reduction)
    if x.shape != target.shape:
        raise ShapeError(
            f"{op.name}: x has shape {x.shape}, and target {target.shape}; they must be the same. "
            f"Reshape one of them, for instance with .squeeze(-1) or .view_as(other)."
        )


def _share(g: Any, shape: tuple[int, ...], reduction: str) -> Any:
    """The gradient of each term: with "mean" its share of ``g``."""
    return g * (1 / (shapes.element_count(shape) or 1)) if reduction == "mean" else g


@op(dtype=FLOATING_ONLY, check=_same_shape, method=False)
def mse_loss(x: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """``(x - target)**2``, reduced. Raises ShapeError unless the shapes are the same."""
mse_loss.gradient(
    x=lambda g, x, target, reduction: _share(g, x.shape, reduction) * ((x - target) * 2),
    target=lambda g, x, target, reduction: _share(g, x.shape, reduction) * ((target - x) * 2),
)


@op(dtype=FLOATING_ONLY, check=_same_shape, method=False)
def l1_loss(x: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """``|x - target|``, reduced; the gradient where they are equal is 0. Raises ShapeError unless the shapes are the same."""
l1_loss.gradient(
    x=lambda g, x, target, reduction, ops: _share(g, x.shape, reduction) * ops.sign(x - target),
    target=lambda g, x, target, reduction, ops: _share(g, x.shape, reduction) * ops.sign(target - x),
)


# two classes


def _logits_fit(name: str, x: Any, target: Any, reduction: str) -> None:
    check_reduction(name, reduction)
    if as_tensor_of(name, x).shape != as_tensor_of(name, target, "target").shape:
        raise ShapeError(f"{name}: x has shape {x.shape}, and target {target.shape}; they must be the same.")


@function(method=False)
def binary_cross_entropy_with_logits(
    x: Any, target: Any, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None, **names: Any
) -> Tensor:
    """``-(target * log(p) + (1 - target) * log(1 - p))`` for p = sigmoid(x), computed from the logits without overflow.

    ``weight`` is a factor for each term, ``pos_weight`` one for its part of ``target``; both broadcast. Raises
    ShapeError unless x and target have the same shape.

    Source: C. Bishop, "Pattern recognition and machine learning", Springer 2006, eq. 4.90.
    """
    no_more("binary_cross_entropy_with_logits", names)
    _logits_fit("binary_cross_entropy_with_logits", x, target, reduction)
    softened = OPS.softplus(-x, 1.0, float("inf"))  # -log(sigmoid(x))
    if pos_weight is not None:
        softened = softened * (target * (pos_weight - 1) + 1)
    losses = (1 - target) * x + softened
    return _reduced(losses if weight is None else losses * weight, reduction)


@op(dtype=FLOATING_ONLY, method=False)
def binary_cross_entropy_terms(x: Tensor, target: Tensor) -> Tensor:
    """The terms of ``binary_cross_entropy``: logarithms are kept above -100, the slope's divisor above 1e-12."""
binary_cross_entropy_terms.gradient(
    x=lambda g, x, target, ops: g * ((x - target) / ops.maximum(x * (1 - x), 1e-12)),
    target=lambda g, x, ops: g * (ops.maximum(ops.log1p(-x), -100.0) - ops.maximum(ops.log(x), -100.0)),
)


@function(method=False)
def binary_cross_entropy(x: Any, target: Any, weight: Any = None, *, reduction: str = "mean", **names: Any) -> Tensor:
    """``-(target * log(x) + (1 - target) * log(1 - x))`` for probabilities ``x``; logarithms are kept above -100.

    Raises ShapeError unless x and target have the same shape, ArgumentError for an x outside 0 to 1. For logits
    ``binary_cross_entropy_with_logits`` is exact.

    Source: C. Bishop, "Pattern recognition and machine learning", Springer 2006, eq. 4.90.
    """
    no_more("binary_cross_entropy", names)
    _logits_fit("binary_cross_entropy", x, target, reduction)
    if x.numel() and not bool(OPS.all(OPS.logical_and(OPS.greater_equal(x, 0), OPS.less_equal(x, 1)))):
        raise ArgumentError("binary_cross_entropy: x must hold probabilities, from 0 to 1. Apply sigmoid, or use the form with_logits.")
    losses = OPS.binary_cross_entropy_terms(x, target)
    return _reduced(losses if weight is None else losses * weight, reduction)
