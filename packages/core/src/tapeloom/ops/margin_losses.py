"""Losses with a margin: they vanish where a score, or the difference of two, is on the right side of it by more than that.

``reduction`` is "mean", "sum", or "none" for the terms themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import dtypes
from tapeloom.call.op import function, op, primitive
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, GradientError, IndexingError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, first_outside, require, within
from tapeloom.ops.creation import arange
from tapeloom.ops.loss import check_reduction

if TYPE_CHECKING:
    from collections.abc import Callable

    from tapeloom.op.parameter import Index, Mask
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor


def _check_two(op: OpSchema, input: Tensor, target: Tensor, *rest: Any) -> None:
    check_reduction(op.name, rest[-1])


@op(takes="floating", composite=True, check=_check_two, method=False, autocast="float32")
def soft_margin_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """``log(1 + exp(-target * input))`` for targets 1 and -1, without overflow; reduced."""


@op(takes="floating", composite=True, check=_check_two, method=False, autocast="float32")
def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, *, reduction: str = "mean") -> Tensor:
    """``input`` where target is 1, ``max(0, margin - input)`` where it is -1 (the sum of both for any other target); reduced.

    Source: R. Hadsell, S. Chopra, Y. LeCun, "Dimensionality reduction by learning an invariant mapping", CVPR 2006, without
    the squares.
    """


def _check_ranking(op: OpSchema, input1: Tensor, input2: Tensor, target: Tensor, margin: float, reduction: str) -> None:
    check_reduction(op.name, reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise ShapeError(
            f"{op.name}: all tensors must have the same number of dimensions, got shapes {input1.shape}, {input2.shape} and "
            f"{target.shape}."
        )


@op(takes="floating", composite=True, check=_check_ranking, method=False, autocast="float32")
def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """``max(0, margin - target * (input1 - input2))``: with target 1 the first shall be larger, with -1 the second; reduced.

    Raises ShapeError unless all have the same number of dimensions.
    """


def _check_cosine(op: OpSchema, input1: Tensor, input2: Tensor, target: Tensor, margin: float, reduction: str) -> None:
    check_reduction(op.name, reduction)
    wanted = target.ndim + 1
    if target.ndim > 1 or input1.ndim != wanted or input2.ndim != wanted:
        raise ShapeError(
            f"{op.name}: expected inputs (n, size) with a target (n,), or inputs (size,) with a 0-d target, got shapes {input1.shape}, "
            f"{input2.shape} and {target.shape}."
        )


@op(takes="floating", composite=True, check=_check_cosine, method=False, autocast="float32")
def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """``1 - cos`` where target is 1, ``max(0, cos - margin)`` where it is -1, of the angle between rows; reduced.

    Inputs are (n, size) with a target (n,), or (size,) with a 0-d target. Raises ShapeError for others.
    """


# triplets


def _check_triplet(name: str, anchor: Tensor, positive: Tensor, negative: Tensor, margin: float, reduction: str) -> None:
    check_reduction(name, reduction)
    if not margin > 0:
        raise ArgumentError(f"{name}: margin must be above 0, got {margin}.")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ShapeError(
            f"{name}: anchor, positive and negative must have the same number of dimensions, got shapes {anchor.shape}, "
            f"{positive.shape} and {negative.shape}."
        )


def _triplet_fits(op: OpSchema, anchor: Any, positive: Any, negative: Any, margin: float, *rest: Any) -> None:
    _check_triplet(op.name, anchor, positive, negative, margin, rest[-1])
    if not anchor.ndim:
        raise ShapeError(f"{op.name}: the tensors must have a last dimension, which the distance is taken over, got 0-d tensors.")


@op(takes="inexact", gives="real", complex="as written", composite=True, check=_triplet_fits, method=False, autocast="float32")
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, d(anchor, positive) - d(anchor, negative) + margin)`` for the ``pairwise_distance`` d of order ``p``; reduced.

    With ``swap`` the distance from positive to negative is taken where it is the smaller one. Raises ArgumentError unless
    ``margin`` is positive, ShapeError unless all have the same number of dimensions.

    Source: V. Balntas, E. Riba, D. Ponsa, K. Mikolajczyk, "Learning local feature descriptors with triplets and shallow
    convolutional neural networks", BMVC 2016.
    """


@function(method=False)
def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """``triplet_margin_loss`` with a distance of your own: a function of two tensors; ``pairwise_distance`` unless given."""
    name = "triplet_margin_with_distance_loss"
    for parameter, value in {"anchor": anchor, "positive": positive, "negative": negative}.items():
        as_tensor_of(name, value, parameter)
    _check_triplet(name, anchor, positive, negative, margin, reduction)
    distance: Any = distance_function or OPS.pairwise_distance
    if not callable(distance):
        raise ArgumentTypeError(f"{name}: distance_function must be a function of two tensors, got {type(distance).__name__}.")
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = OPS.minimum(far, distance(positive, negative))
    terms = OPS.clamp(near - far + margin, 0.0, None)
    return terms if reduction == "none" else OPS.mean(terms) if reduction == "mean" else OPS.sum(terms)


# several classes. The ops take rows: input (rows, classes).


@primitive(takes="floating", composite=True)
def multi_margin(input: Tensor, own: Mask, factor: Tensor | None, p: int, margin: float, reduction: str) -> Tensor:
    """``multi_margin_loss`` of rows: ``own`` is true at the target of each, ``factor`` (rows,) its weight."""


@primitive(takes="floating", composite=True)
def multilabel_margin(input: Tensor, target: Index, listed: Mask, own: Mask, reduction: str) -> Tensor:
    """``multilabel_margin_loss`` of rows: ``listed`` says which places of ``target`` count, ``own`` is true at its classes."""


def _classes(name: str, input: Any, target: Any) -> int:
    """How many classes there are."""
    if as_tensor_of(name, input).ndim not in (1, 2) or not input.shape[-1]:
        raise ShapeError(f"{name}: input must have the shape (classes,) or (n, classes), with a class at least, got {input.shape}.")
    if as_tensor_of(name, target, "target").dtype.inexact or target.dtype is dtypes.bool_:
        raise DTypeError(f"{name}: target must hold class numbers, got {target.dtype.name}. Cast it with .long().")
    return input.shape[-1]


def _check_range(name: str, target: Any, low: int, classes: int) -> None:
    require(
        within(target, low, classes),
        lambda: IndexingError(
            f"{name}: target {first_outside(target, low, classes)} is out of range for {classes} classes, which count from 0."
        ),
    )


@function(method=False, autocast="float32")
def multi_margin_loss(
    input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """``sum(max(0, margin - input[target] + input[i])**p) / classes`` over all classes i but the target; reduced.

    ``input`` is (n, classes) with a target (n,), or (classes,); ``p`` is 1 or 2, ``weight`` has one factor a class. Raises
    ShapeError, DTypeError, IndexingError for a class out of range, ArgumentError for another ``p``.

    Source: K. Crammer, Y. Singer, "On the algorithmic implementation of multiclass kernel-based vector machines", JMLR 2,
    2001, for the largest term instead of the sum.
    """
    name = "multi_margin_loss"
    check_reduction(name, reduction)
    if p not in (1, 2):
        raise ArgumentError(f"{name}: p must be 1 or 2, got {p!r}.")
    classes = _classes(name, input, target)
    rows = input.shape[0] if input.ndim == 2 else 1
    if target.shape != (rows,) and not (input.ndim == 1 and target.shape == ()):
        raise ShapeError(f"{name}: target must have the shape ({rows},) for input of shape {input.shape}, got {target.shape}.")
    _check_range(name, target, 0, classes)
    labels = OPS.reshape(target, (rows,))
    factor = None
    if weight is not None:
        if as_tensor_of(name, weight, "weight").shape != (classes,):
            raise ShapeError(f"{name}: weight must have the shape ({classes},), one factor a class, got {weight.shape}.")
        if weight.requires_grad:
            raise GradientError(f"{name}: weight has no gradient here, but requires one. Give weight.detach().")
        factor = OPS.index_select(weight, 0, labels)
    own = OPS.eq(OPS.unsqueeze(labels, 1), arange(classes, device=target.device))
    loss = OPS.multi_margin(OPS.reshape(input, (rows, classes)), own, factor, int(p), margin, reduction)
    return OPS.reshape(loss, target.shape) if reduction == "none" else loss


@function(method=False, autocast="float32")
def multilabel_margin_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """``sum(max(0, 1 - input[j] + input[i])) / classes`` over the classes j of the target and all others i; reduced.

    ``target`` has the shape of ``input``, (n, classes) or (classes,); each row lists its classes up to the first -1. Raises
    ShapeError, DTypeError, IndexingError for a class out of range.
    """
    name = "multilabel_margin_loss"
    check_reduction(name, reduction)
    classes = _classes(name, input, target)
    if target.shape != input.shape:
        raise ShapeError(f"{name}: target must have the shape {input.shape} of input, got {target.shape}.")
    _check_range(name, target, -1, classes)
    rows = OPS.reshape(input, (-1, classes)) if input.ndim == 1 else input
    labels = OPS.cast(OPS.reshape(target, rows.shape), dtypes.int64)
    listed = OPS.eq(OPS.cumsum(OPS.lt(labels, 0), 1), 0)
    labels = OPS.where(listed, labels, 0)
    counts = OPS.scatter_add(OPS.zeros_of(labels.shape, labels), 1, labels, OPS.cast(listed, dtypes.int64))
    loss = OPS.multilabel_margin(rows, labels, listed, OPS.gt(counts, 0), reduction)
    return OPS.reshape(loss, input.shape[:-1]) if reduction == "none" else loss


@primitive(takes="floating", composite=True)
def multilabel_soft_margin(input: Tensor, target: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """The loss of ``multilabel_soft_margin_loss``."""


@function(method=False)
def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """``-(target * log(p) + (1 - target) * log(1 - p))`` for p = sigmoid(input), times ``weight``: the mean over the last dimension.

    ``reduction`` goes over all others. Raises ShapeError for shapes that do not broadcast, or 0-d tensors.
    """
    name = "multilabel_soft_margin_loss"
    check_reduction(name, reduction)
    if not as_tensor_of(name, input).ndim:
        raise ShapeError(f"{name}: input must have a last dimension, that of the classes, got a 0-d tensor.")
    return OPS.multilabel_soft_margin(input, target, weight, reduction)
