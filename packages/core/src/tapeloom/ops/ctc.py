"""Connectionist temporal classification: the likelihood of a sequence of labels, over all its alignments to the time steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import dtypes
from tapeloom.call.op import function, primitive
from tapeloom.errors import ArgumentError, ArgumentTypeError, IndexingError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, first_outside, require, within
from tapeloom.ops.creation import arange, tensor
from tapeloom.ops.loss import check_reduction
from tapeloom.shapes import as_int
from tapeloom.tensors.tensor import Tensor, is_tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.op.parameter import Index, Mask


@primitive(takes="floating", composite=True)
def ctc_alphas(emitted: Tensor, skips: Mask, there: Mask) -> Tensor:
    """The logarithms of the likelihoods of all beginnings: those that end in each place, by each time step.

    ``emitted`` (time, batch, places) are log-probabilities of the label at each place, ``skips`` (batch, places) says where the
    place before may be left out, ``there`` (time, batch, 1) which steps a sequence has.
    """
ctc_alphas.gradient(lambda g, emitted, skips, there, out, ops: (ops.ctc_alphas_backward(g, emitted, skips, there, out), None, None))


@primitive(takes="floating", composite=True)
def ctc_terms(
    log_probs: Tensor,
    divisor: Tensor,
    places: Index,
    lengths: Index,
    skips: Mask,
    there: Mask,
    reduction: str,
    zero_infinity: bool,
) -> Tensor:
    """``ctc_loss`` of labels with blanks between them: ``places`` (batch, 2 * length + 1). "mean" divides by ``divisor`` first."""


@function(method=False, autocast={"cpu": "float32"})
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int],
    target_lengths: Tensor | Sequence[int],
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """``-log`` of the probability of the labels ``targets``, summed over all ways to align them to the time steps.

    ``log_probs`` (time, batch, classes), or (time, classes) without a batch, are the results of ``log_softmax``. ``targets`` is
    (batch, length), padded with any labels, or has all labels one after the other; the lengths are a tensor or a list of
    ints each. In an alignment each label takes one or several steps, and ``blank`` any number of them between two labels, at
    least one between equal ones. The terms (batch,) are reduced: "mean" divides each by its target's length first.
    ``zero_infinity`` makes 0 of the terms, and their gradients, where there are fewer steps than the target needs.

    Raises ShapeError, ArgumentError and IndexingError for what does not fit. The gradient is that of the function as it
    stands.

    Source: A. Graves, S. Fernández, F. Gomez, J. Schmidhuber, "Connectionist temporal classification: labelling unsegmented
    sequence data with recurrent neural networks", ICML 2006, section 4.1.
    """
    name = "ctc_loss"
    check_reduction(name, reduction)
    if as_tensor_of(name, log_probs).ndim not in (2, 3) or not log_probs.numel():
        raise ShapeError(
            f"{name}: log_probs must have the shape (time, batch, classes) or (time, classes), not empty, got {log_probs.shape}."
        )
    given = log_probs if log_probs.ndim == 3 else OPS.unsqueeze(log_probs, 1)
    time, batch, classes = given.shape
    blank = as_int(name, "blank", blank)
    if not 0 <= blank < classes:
        raise ArgumentError(f"{name}: blank is {blank}; of {classes} classes it must be one from 0 to {classes - 1}.")
    steps = _lengths(name, "input_lengths", input_lengths, batch, time)
    counts = _lengths(name, "target_lengths", target_lengths, batch, None)
    labels = _padded(name, as_tensor_of(name, targets, "targets"), counts, log_probs.ndim == 2)
    used = OPS.lt(arange(labels.shape[1], device=given.device), OPS.unsqueeze(tensor(counts, device=given.device), 1))
    labels = OPS.where(used, labels, blank)
    require(
        within(labels, 0, classes),
        lambda: IndexingError(
            f"{name}: target {first_outside(labels, 0, classes)} is out of range for {classes} classes, which count from 0."
        ),
    )
    blanks = OPS.full_of(labels, blank)
    places = OPS.reshape(OPS.stack([blanks, labels], 2), (batch, 2 * labels.shape[1]))
    places = OPS.cat([places, OPS.full_of(OPS.zeros_of((batch, 1), places), blank)], 1)
    before = OPS.cat([OPS.full_of(OPS.zeros_of((batch, 2), places), blank), places[:, :-2]], 1)[:, : places.shape[1]]
    skips = OPS.logical_and(OPS.ne(places, blank), OPS.ne(places, before))
    there = OPS.lt(OPS.unsqueeze(arange(time, device=given.device), 1), tensor(steps, device=given.device))
    divisor = OPS.cast(tensor([max(count, 1) for count in counts], device=given.device), given.dtype)
    lengths = tensor(counts, device=given.device)
    loss = OPS.ctc_terms(given, divisor, places, lengths, skips, OPS.unsqueeze(there, 2), reduction, zero_infinity)
    return OPS.reshape(loss, ()) if log_probs.ndim == 2 else loss


def _lengths(name: str, parameter: str, given: Any, batch: int, most: int | None) -> list[int]:
    """The lengths as a list of ints, one for each sequence."""
    values = given.tolist() if is_tensor(given) else given
    values = [values] if isinstance(values, int) and is_tensor(given) else values
    if not isinstance(values, (list, tuple)) or not all(type(value) is int for value in values):
        raise ArgumentTypeError(f"{name}: {parameter} must be a tensor or a list of integers, got {given!r}.")
    if len(values) != batch:
        raise ShapeError(f"{name}: {parameter} must hold {batch} lengths, one for each sequence of the batch, got {len(values)}.")
    for value in values:
        if value < 0 or (most is not None and value > most):
            limit = "" if most is None else f", and at most {most} as log_probs has"
            raise ArgumentError(f"{name}: {parameter} must not be negative{limit}, got {value}.")
    return list(values)


def _padded(name: str, targets: Tensor, counts: list[int], alone: bool) -> Tensor:
    """The labels (batch, longest), as int64."""
    labels = OPS.cast(targets, dtypes.int64)
    if alone and labels.ndim == 1:
        labels = OPS.unsqueeze(labels, 0)
    longest = max(counts)
    if labels.ndim == 2:
        if labels.shape[0] != len(counts) or labels.shape[1] < longest:
            raise ShapeError(f"{name}: targets must have the shape ({len(counts)}, at least {longest}), got {targets.shape}.")
        return OPS.narrow(labels, 1, 0, longest)
    if labels.shape != (sum(counts),):
        raise ShapeError(f"{name}: targets must hold the {sum(counts)} labels that target_lengths says, got shape {targets.shape}.")
    if not longest:
        return OPS.reshape(labels, (len(counts), 0))
    lengths = tensor(counts, device=labels.device)
    starts = OPS.unsqueeze(OPS.cumsum(lengths, 0) - lengths, 1)
    where = OPS.minimum(starts + arange(longest, device=labels.device), sum(counts) - 1)
    return OPS.reshape(OPS.index_select(labels, 0, OPS.reshape(where, (-1,))), where.shape)
