"""Losses: how far a prediction is from its target. ``reduction`` is "mean", "sum", or "none" for the terms themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.call.op import function, op, primitive
from tapeloom.errors import ArgumentError, DTypeError, GradientError, IndexingError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, first_outside, require, within

if TYPE_CHECKING:
    from tapeloom.op.parameter import Index, Position
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor

REDUCTIONS = ("none", "mean", "sum")


def check_reduction(name: str, reduction: Any) -> None:
    """Raise ArgumentError for anything but "none", "mean" and "sum"."""
    if reduction not in REDUCTIONS:
        raise ArgumentError(f"{name}: reduction must be 'none', 'mean' or 'sum', got {reduction!r}.")


def _reduced(terms: Any, reduction: str) -> Any:
    if reduction == "mean":
        return OPS.mean(terms)
    return OPS.sum(terms) if reduction == "sum" else terms


# classification. The ops take rows: input (rows, classes), target (rows,); the public functions bring the rest to this form.


@primitive(takes="floating", composite=True, residuals=("top", "log_sum", "total"), autocast="float32")
def cross_entropy_rows(
    input: Tensor,
    target: Index,
    weight: Tensor | None,
    ignore_index: Position,
    reduction: str,
    label_smoothing: float | None,
) -> Tensor:
    """The cross-entropy of each row of logits ``input`` (rows, classes) with its class in ``target`` (rows,), reduced.

    ``label_smoothing`` is None for none, so that whether there is any is known where its amount is not.
    """
cross_entropy_rows.gradient(
    input=lambda g, input, target, weight, ignore_index, reduction, label_smoothing, top, log_sum, total, ops: (
        ops.cross_entropy_backward(
            g, input, target, weight, top, log_sum, total, ignore_index, reduction, label_smoothing
        )
    )
)


@function(method=False, autocast="float32")
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """``-log softmax(input)[target]``, the loss of a classifier; ``input`` are logits.

    ``input`` has shape (classes,), (n, classes) or (n, classes, d1, …); ``target`` holds the class numbers, without the
    class dimension, or floating class probabilities in the shape of ``input``. ``weight`` has one factor a class; "mean"
    divides by the sum of the factors used. Rows whose target is ``ignore_index`` count for nothing. ``label_smoothing``
    s mixes the target with the uniform distribution: (1 - s) * target + s / classes.

    Raises ShapeError, DTypeError, IndexingError for a class out of range, ArgumentError for settings out of range.

    Source: C. Bishop, "Pattern recognition and machine learning", Springer 2006, eq. 4.108; the smoothing: C. Szegedy
    et al., "Rethinking the Inception architecture for computer vision", CVPR 2016, section 7.
    """
    as_tensor_of("cross_entropy", input)
    as_tensor_of("cross_entropy", target, "target")
    check_reduction("cross_entropy", reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ArgumentError(f"cross_entropy: label_smoothing must be from 0 to 1, got {label_smoothing}.")
    if target.dtype.is_floating_point:
        return _with_probabilities(input, target, weight, ignore_index, reduction, label_smoothing)
    rows, labels = _as_rows("cross_entropy", input, target, weight, ignore_index)
    if not rows.shape[1]:  # no class: then every row there is has been ignored
        losses = OPS.sum(rows, 1)
        return OPS.sum(losses) / 0.0 if reduction == "mean" else _reduced(OPS.reshape(losses, target.shape), reduction)
    loss = OPS.cross_entropy_rows(rows, labels, weight, ignore_index, reduction, label_smoothing or None)
    return OPS.reshape(loss, target.shape) if reduction == "none" and loss.shape != target.shape else loss


def _target_advice(shape: tuple[int, ...], axis: int, target: Any) -> str:
    """What to do with a target of class numbers that has another shape than wanted, where it is a common mistake."""
    if target.shape == shape and not target.kind.inexact:
        return f" Where it holds one-hot rows, take target.argmax({axis}), or target.float() for probabilities."
    if target.shape == (*shape[:axis], 1, *shape[axis + 1 :]):
        return f" Take its dimension of length 1 away: target.squeeze({axis})."
    return ""


def _as_rows(name: str, input: Any, target: Any, weight: Any, ignore_index: int) -> tuple[Any, Any]:
    """``input`` as (rows, classes) and ``target`` as (rows,), checked."""
    shape = input.shape
    if not shape:
        raise ShapeError(f"{name}: input must have a dimension of classes, got a 0-d tensor.")
    axis = 1 if len(shape) > 1 else 0
    classes = shape[axis]
    wanted = shape[:axis] + shape[axis + 1 :]
    if target.shape != wanted:
        raise ShapeError(
            f"{name}: input of shape {shape} has {classes} classes in dim {axis}, so target must have the shape {wanted}, "
            f"got {target.shape}.{_target_advice(shape, axis, target)}"
        )
    if target.kind.dtype is not dtypes.int64:
        if target.kind.dtype is dtypes.bool_:
            raise DTypeError(f"{name}: target must hold class numbers, got bool. Cast it with .long().")
        target = OPS.cast(target, dtypes.int64)  # wide enough for ignore_index
    if weight is not None:
        _check_weight(name, weight, classes)
    if not within(target, 0, classes):
        counts = OPS.ne(target, ignore_index)  # the shape stays where there are classes, so that a batch of targets will do
        kept = OPS.where(counts, target, 0) if classes else target[counts]
        require(within(kept, 0, classes), lambda: _no_class(name, kept, shape, axis, ignore_index))
    if len(shape) == 1:
        return OPS.reshape(input, (1, classes)), OPS.reshape(target, (1,))
    if len(shape) > 2:
        order = (0, *range(2, len(shape)), 1)
        input = OPS.reshape(OPS.permute(input, order), (target.numel(), classes))
        target = OPS.reshape(target, (target.numel(),))
    return input, target


def _no_class(name: str, labels: Any, shape: tuple[int, ...], axis: int, ignore_index: int) -> IndexingError:
    classes = shape[axis]
    worst = first_outside(labels, 0, classes)
    if not classes:
        return IndexingError(
            f"{name}: target {worst} names no class, for input of shape {shape} has 0 classes in dim {axis}. "
            f"Give input at least one class."
        )
    return IndexingError(
        f"{name}: target {worst} is out of range for {classes} classes, which count from 0 to {classes - 1}; "
        f"only ignore_index={ignore_index} may lie outside."
    )


def _check_weight(name: str, weight: Any, classes: int) -> None:
    if as_tensor_of(name, weight, "weight").shape != (classes,):
        raise ShapeError(f"{name}: weight must have the shape ({classes},), one factor a class, got {weight.shape}.")
    if weight.requires_grad:
        raise GradientError(f"{name}: weight has no gradient here, but requires one. Give weight.detach().")


def _with_probabilities(
    input: Any, target: Any, weight: Any, ignore_index: int, reduction: str, label_smoothing: float
) -> Any:
    if target.shape != input.shape or not input.ndim:
        raise ShapeError(
            f"cross_entropy: a floating target holds class probabilities and must have the shape {input.shape} of input, got "
            f"{target.shape}. For class numbers, cast it with .long()."
        )
    if ignore_index >= 0:
        raise ArgumentError("cross_entropy: ignore_index is not supported for class probabilities. Leave it out.")
    axis = 1 if input.ndim > 1 else 0
    if weight is not None:
        _check_weight("cross_entropy", weight, input.shape[axis])
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / (input.shape[axis] or 1)
    terms = OPS.log_softmax(input, axis) * target
    if weight is not None:
        terms = terms * OPS.reshape(weight, (weight.shape[0],) + (1,) * (input.ndim - axis - 1))
    losses = -OPS.sum(terms, axis)
    if reduction == "mean":
        return OPS.sum(losses) / losses.numel() if losses.numel() else OPS.mean(losses)
    return _reduced(losses, reduction)


@function(method=False)
def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """``-input[target]`` for log-probabilities ``input``; shapes, settings and errors are those of ``cross_entropy``."""
    as_tensor_of("nll_loss", input)
    as_tensor_of("nll_loss", target, "target")
    check_reduction("nll_loss", reduction)
    if target.dtype.is_floating_point:
        raise DTypeError(f"nll_loss: target must hold class numbers, got {target.dtype.name}. Cast it with .long().")
    rows, labels = _as_rows("nll_loss", input, target, weight, ignore_index)
    loss = OPS.nll_loss_rows(rows, labels, weight, ignore_index, reduction)
    return OPS.reshape(loss, target.shape) if reduction == "none" and loss.shape != target.shape else loss


@primitive(takes="floating", composite=True, autocast="float32")
def nll_loss_rows(input: Tensor, target: Index, weight: Tensor | None, ignore_index: Position, reduction: str) -> Tensor:
    """``-input[target]`` of each row of log-probabilities ``input`` (rows, classes), reduced."""


# regression


def _same_shape(op: OpSchema, input: Tensor, target: Tensor, reduction: str, *rest: Any) -> None:
    check_reduction(op.name, reduction)
    if input.shape != target.shape:
        raise ShapeError(
            f"{op.name}: input has shape {input.shape}, and target {target.shape}; they must be the same. "
            f"Reshape one of them, for instance with .squeeze(-1) or .view_as(other)."
        )


def _share(g: Any, shape: tuple[int, ...], reduction: str) -> Any:
    """The gradient of each term: with "mean" its share of ``g``."""
    return g * (1 / (shapes.element_count(shape) or 1)) if reduction == "mean" else g


@op(takes="floating", check=_same_shape, method=False, autocast="float32")
def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """``(input - target)**2``, reduced. Raises ShapeError unless the shapes are the same."""
mse_loss.gradient(
    input=lambda g, input, target, reduction: _share(g, input.shape, reduction) * ((input - target) * 2),
    target=lambda g, input, target, reduction: _share(g, input.shape, reduction) * ((target - input) * 2),
)


@op(takes="inexact", gives="real", complex="as written", check=_same_shape, method=False, autocast="float32")
def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """``|input - target|``, reduced; the gradient where they are equal is 0. Raises ShapeError unless the shapes are the same."""
l1_loss.gradient(
    input=lambda g, input, target, reduction, ops: _share(g, input.shape, reduction) * ops.sgn(input - target),
    target=lambda g, input, target, reduction, ops: _share(g, input.shape, reduction) * ops.sgn(target - input),
)


@function(method=False)
def smooth_l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """``d**2 / (2 * beta)`` where ``d = |input - target|`` is below ``beta``, else ``d - beta / 2``; reduced.

    Raises ShapeError unless the shapes are the same, ArgumentError for a negative ``beta``.

    Source: R. Girshick, "Fast R-CNN", ICCV 2015, eq. 3.
    """
    if not beta >= 0:
        raise ArgumentError(f"smooth_l1_loss: beta is {beta}; it must not be negative.")
    return OPS.smooth_l1(input, target, reduction, beta) if beta else OPS.l1_loss(input, target, reduction=reduction)


@primitive(takes="floating", check=_same_shape, autocast="float32")
def smooth_l1(input: Tensor, target: Tensor, reduction: str, beta: float) -> Tensor:
    """``smooth_l1_loss`` for a positive ``beta``."""
smooth_l1.gradient(
    input=lambda g, input, target, reduction, beta, ops: _share(g, input.shape, reduction) * _bent(input - target, beta, ops),
    target=lambda g, input, target, reduction, beta, ops: _share(g, input.shape, reduction) * _bent(target - input, beta, ops),
)


def _bent(difference: Any, beta: float, ops: Any) -> Any:
    return ops.clamp(difference / beta, -1.0, 1.0)


# two classes


def _logits_fit(name: str, input: Any, target: Any, reduction: str, **factors: Any) -> None:
    check_reduction(name, reduction)
    if as_tensor_of(name, input).shape != as_tensor_of(name, target, "target").shape:
        raise ShapeError(f"{name}: input has shape {input.shape}, and target {target.shape}; they must be the same.")
    for parameter, value in factors.items():
        if value is not None and shapes.broadcast(name, input.shape, as_tensor_of(name, value, parameter).shape) != input.shape:
            raise ShapeError(f"{name}: {parameter} of shape {value.shape} is larger than input, which has shape {input.shape}.")


@function(method=False)
def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean", pos_weight: Tensor | None = None
) -> Tensor:
    """``-(target * log(p) + (1 - target) * log(1 - p))`` for p = sigmoid(input), computed from the logits without overflow.

    ``weight`` is a factor for each term, ``pos_weight`` one for its part of ``target``; both broadcast to the shape of
    ``input``. Raises ShapeError unless input and target have the same shape.

    Source: C. Bishop, "Pattern recognition and machine learning", Springer 2006, eq. 4.90.
    """
    _logits_fit("binary_cross_entropy_with_logits", input, target, reduction, weight=weight, pos_weight=pos_weight)
    return OPS.logits_loss(input, target, weight, pos_weight, reduction)


@primitive(takes="floating", composite=True, autocast="float32")
def logits_loss(
    input: Tensor, target: Tensor, weight: Tensor | None, pos_weight: Tensor | None, reduction: str
) -> Tensor:
    """The loss of ``binary_cross_entropy_with_logits``."""


def _logits_gradient(
    g: Any, need: Any, input: Any, target: Any, weight: Any, pos_weight: Any, reduction: str, ops: Any
) -> tuple[Any, ...]:
    terms = _share(g, input.shape, reduction)
    share = terms if weight is None else terms * weight
    factor = target if pos_weight is None else target * pos_weight
    dinput = dtarget = dweight = dpositive = None
    if need[0]:
        dinput = share * ((1 - target) * ops.sigmoid(input) - factor * ops.sigmoid(-input))
    if need[1] and pos_weight is None:
        dtarget = share * -input
    elif need[1]:
        dtarget = share * (pos_weight * _softened(-input, ops) - _softened(input, ops))
    if need[2]:
        dweight = terms * (factor * _softened(-input, ops) + (1 - target) * _softened(input, ops))
    if need[3]:
        dpositive = share * (target * _softened(-input, ops))
    return dinput, dtarget, dweight, dpositive


def _softened(x: Any, ops: Any) -> Any:
    """``-log(sigmoid(-x))``."""
    return ops.softplus(x, 1.0, float("inf"))


logits_loss.gradient(_logits_gradient)


@primitive(takes="floating", autocast="float32")
def binary_cross_entropy_terms(input: Tensor, target: Tensor) -> Tensor:
    """The terms of ``binary_cross_entropy``: logarithms are kept above -100, the slope's divisor above 1e-12."""
binary_cross_entropy_terms.gradient(
    input=lambda g, input, target, ops: g * ((input - target) / ops.maximum(input * (1 - input), 1e-12)),
    target=lambda g, input, ops: g * (ops.maximum(ops.log1p(-input), -100.0) - ops.maximum(ops.log(input), -100.0)),
)


@function(method=False)
def binary_cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean") -> Tensor:
    """``-(target * log(input) + (1 - target) * log(1 - input))`` for probabilities ``input``; logarithms are kept above -100.

    Raises ShapeError unless input and target have the same shape, ArgumentError for an input outside 0 to 1. For logits
    ``binary_cross_entropy_with_logits`` is exact.

    Source: C. Bishop, "Pattern recognition and machine learning", Springer 2006, eq. 4.90.
    """
    _logits_fit("binary_cross_entropy", input, target, reduction, weight=weight)
    require(
        not input.dtype.inexact or within(input, 0, 1 + input.dtype.eps),
        lambda: ArgumentError(
            "binary_cross_entropy: input must hold probabilities, from 0 to 1. Apply sigmoid, or use the form with_logits."
        ),
    )
    require(
        not target.dtype.inexact or within(target, 0, 1 + target.dtype.eps),
        lambda: ArgumentError("binary_cross_entropy: target must hold probabilities, from 0 to 1."),
    )
    losses = OPS.binary_cross_entropy_terms(input, target)
    return _reduced(losses if weight is None else losses * weight, reduction)
