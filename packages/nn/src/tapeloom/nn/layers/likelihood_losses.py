"""Losses that are likelihoods: of distributions, of sequences without alignment, and of very many classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.errors import ArgumentError, IndexingError, ShapeError
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.shapes import as_ints

from .. import functional as F
from ..arguments import settings
from ..containers import ModuleList, Sequential
from ..module import Module
from .common import DeviceLike, DTypeLike, as_count, as_number
from .linear import Linear
from .losses import Loss

__all__ = [
    "AdaptiveLogSoftmaxWithLoss",
    "CTCLoss",
    "GaussianNLLLoss",
    "KLDivLoss",
    "LinearCrossEntropyLoss",
    "PoissonNLLLoss",
]


class KLDivLoss(Loss):
    """The divergence target * (log(target) - input) of log-probabilities from probabilities.

    Args:
        reduction: "batchmean" divides the sum by the size of the first axis, as the mathematical divergence does;
            "mean" by the number of elements; "sum", or "none" for the terms themselves.
        log_target: the target are log-probabilities, too.

    Shape:
        input and target (*) -> (), or (*) with reduction="none".

    Raises:
        ArgumentError: an unknown reduction.
        ShapeError: when called, shapes that do not broadcast.

    Source: S. Kullback, R. Leibler, "On information and sufficiency", Annals of Mathematical Statistics 22, 1951.
    """

    _reductions = ("none", "mean", "sum", "batchmean")

    @settings
    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        output: Tensor = F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)
        return output


class PoissonNLLLoss(Loss):
    """The negative log-likelihood of counts under a Poisson distribution: exp(x) - target * x.

    Args:
        log_input: the input x is the logarithm of the rate; else it is the rate: x - target * log(x + eps).
        full: add Stirling's term, target * log(target) - target + log(2 pi * target) / 2, for targets above 1.
        eps: see log_input.
        reduction: "mean", "sum", or "none" for the terms themselves.

    Shape:
        input and target (*) -> (), or (*) with reduction="none".

    Raises:
        ArgumentError: an unknown reduction.
        ShapeError: when called, shapes that do not broadcast.

    Source: C. Bishop, "Pattern recognition and machine learning", Springer 2006, section 2.1; Stirling's formula:
    M. Abramowitz, I. Stegun, "Handbook of mathematical functions", 1964, 6.1.38.
    """

    @settings
    def __init__(
        self, log_input: bool = True, full: bool = False, *, eps: float = 1e-8, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        output: Tensor = F.poisson_nll_loss(
            log_input, target, self.log_input, self.full, eps=self.eps, reduction=self.reduction
        )
        return output


class GaussianNLLLoss(Loss):
    """The negative log-likelihood of values under normal distributions: (log(var) + (input - target)^2 / var) / 2.

    Args:
        full: add log(2 pi) / 2.
        eps: the least variance.
        reduction: "mean", "sum", or "none" for the terms themselves.

    Shape:
        input and target (N, *) and var (N, *), (N, *) with a last axis of 1, or without it -> (), or the input's shape
        with reduction="none".

    Raises:
        ArgumentError: an unknown reduction; when called, a negative variance.
        ShapeError: when called, shapes that do not fit.

    Source: D. Nix, A. Weigend, "Estimating the mean and variance of the target probability distribution", ICNN 1994.
    """

    @settings
    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        output: Tensor = F.gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)
        return output


class CTCLoss(Loss):
    """The negative log-likelihood of a sequence of labels, summed over all ways to stretch it to the length of the input.

    Args:
        blank: the class that stands between labels.
        reduction: "mean" divides each loss by the length of its target first; "sum", or "none" for each loss.
        zero_infinity: give 0 instead of infinity where the input is too short for the target.

    Shape:
        log_probs (T, N, C) or (T, C); targets (N, S) or all in a row; input_lengths and target_lengths (N,)
        -> (), or (N,) with reduction="none".

    Raises:
        ArgumentError: an unknown reduction; when called, a blank that is no class, or lengths that do not fit.
        ShapeError: when called, shapes that do not fit.

    Source: A. Graves et al., "Connectionist temporal classification: labelling unsegmented sequence data with recurrent
    neural networks", ICML 2006, section 4.
    """

    @settings
    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(self, log_probs: Tensor, targets: Tensor, input_lengths: Tensor, target_lengths: Tensor) -> Tensor:
        output: Tensor = F.ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )
        return output


class LinearCrossEntropyLoss(Loss):
    """`CrossEntropyLoss` of a linear map of the input: the last layer of a classifier and its loss in one.

    Args:
        in_features: features of the input.
        num_classes: classes C.
        out_features: axes of the logits behind the classes, each of which has a target.
        bias: whether the linear map has one.
        device, dtype: where the parameters live, and their dtype.
        reduction, weight, label_smoothing: as for `CrossEntropyLoss`.
        ignore_index: a target that counts for nothing; None for none.

    Shape:
        input (N, in_features) or (in_features,); target integers (N, *out_features), or probabilities
        (N, C, *out_features) -> (), or the shape of integer targets with reduction="none".

    Attributes:
        linear: the map, a `Linear` of C * prod(out_features) outputs.

    Raises:
        ArgumentError: an unknown reduction, or a label_smoothing outside 0 … 1.
        ShapeError: a weight that is not of shape (C,); when called, shapes that do not fit.
    """

    weight: Tensor | None

    @settings
    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: DeviceLike = None,
        dtype: DTypeLike = None,
        reduction: str = "mean",
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: None = None,
    ) -> None:
        super().__init__(reduction=reduction)
        name = "LinearCrossEntropyLoss"
        self.num_classes = as_count(name, "num_classes", num_classes)
        if weight is not None and tuple(as_tensor_of(name, weight, "weight").shape) != (self.num_classes,):
            raise ShapeError(f"{name}: weight must have shape {(self.num_classes,)}, got {tuple(weight.shape)}.")
        if not 0.0 <= label_smoothing <= 1.0:
            raise ArgumentError(f"{name}: label_smoothing is {label_smoothing!r}; it lies between 0 and 1.")
        self.register_buffer("weight", weight)
        self.out_features = as_ints(name, "out_features", out_features) if out_features != () else ()
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.linear = Linear(in_features, math.prod(self.out_features, start=self.num_classes), bias, device, dtype)
        self.options = options

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        size = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        output: Tensor = F.linear_cross_entropy(
            input,
            self.linear.weight.reshape(*size, self.linear.in_features),
            target,
            linear_bias=None if bias is None else bias.reshape(size),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )
        return output

    def extra_repr(self) -> str:
        shown = ("num_classes", "out_features", "reduction", "ignore_index", "label_smoothing", "options")
        text = {name: f"{name}={getattr(self, name)}" for name in shown}
        text["out_features"] += f", bias={self.linear.bias is not None}"
        return f"in_features={self.linear.in_features}, " + ", ".join(text.values())


class OutputAndLoss(NamedTuple):
    """What `AdaptiveLogSoftmaxWithLoss` gives."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """The loss of a classifier of very many classes, the frequent ones first: rare classes stand in clusters.

    The head decides among the classes below the first cutoff and the clusters; each cluster has a smaller map of its
    own.

    Args:
        in_features: features of the input.
        n_classes: the number of classes.
        cutoffs: where the clusters begin; they rise, from 1 to n_classes - 1.
        div_value: by how much the features of each cluster are fewer than those of the one before.
        head_bias: whether the head has a bias.
        device, dtype: where the parameters live, and their dtype.

    Shape:
        input (N, in_features), target (N,), or both without N -> (output, loss): the log-probability of each target, of
        the target's shape, and the mean of their negatives.

    Raises:
        ArgumentError: cutoffs that do not rise, or no cutoffs.
        ShapeError: when called, shapes that do not fit.
        IndexingError: when called, a target that is no class.

    Source: E. Grave et al., "Efficient softmax approximation for GPUs", ICML 2017.
    """

    @settings
    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: DeviceLike = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__()
        name = "AdaptiveLogSoftmaxWithLoss"
        self.in_features = as_count(name, "in_features", in_features)
        self.n_classes = as_count(name, "n_classes", n_classes)
        given = list(as_ints(name, "cutoffs", cutoffs))
        if not given or given != sorted(set(given)) or given[0] < 1 or given[-1] > self.n_classes - 1:
            raise ArgumentError(f"{name}: cutoffs must rise, from 1 to n_classes - 1 = {n_classes - 1}, got {given}.")
        self.cutoffs = [*given, self.n_classes]
        self.div_value = as_number(name, "div_value", div_value)
        self.head_bias = head_bias
        self.shortlist_size = given[0]
        self.n_clusters = len(given)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(self.in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for number, (low, high) in enumerate(self._clusters(), 1):
            narrow = int(self.in_features // div_value**number)
            first = Linear(self.in_features, narrow, False, device, dtype)
            self.tail.append(Sequential(first, Linear(narrow, high - low, False, device, dtype)))

    def _clusters(self) -> list[tuple[int, int]]:
        """The first class of each cluster, and the one behind its last."""
        return list(zip(self.cutoffs, self.cutoffs[1:], strict=False))

    def reset_parameters(self) -> None:
        """Draws new values for the parameters."""
        for linear in self.modules():
            if isinstance(linear, Linear):
                linear.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> OutputAndLoss:
        name = "AdaptiveLogSoftmaxWithLoss"
        as_tensor_of(name, input_)
        given = as_tensor_of(name, target_, "target")
        if given.ndim > 1 or input_.ndim != given.ndim + 1 or input_.shape[:-1] != given.shape:
            raise ShapeError(
                f"{name}: needs an input (N, features) and a target (N,), or both without N, got shapes "
                f"{tuple(input_.shape)} and {tuple(given.shape)}."
            )
        input, target = (input_, given) if given.ndim else (input_.unsqueeze(0), given.unsqueeze(0))
        if bool(((target < 0) | (target >= self.n_classes)).any()):
            raise IndexingError(f"{name}: targets must lie from 0 to {self.n_classes - 1}.")
        head = F.log_softmax(self.head(input), 1)
        output = head.gather(1, target.clamp(max=self.shortlist_size - 1)[:, None])[:, 0]
        for number, (low, high) in enumerate(self._clusters()):
            rows = ((target >= low) & (target < high)).nonzero()[:, 0]
            if rows.shape[0]:
                within = F.log_softmax(self.tail[number](input.index_select(0, rows)), 1)
                own = within.gather(1, (target.index_select(0, rows) - low)[:, None])[:, 0]
                cluster = head.index_select(0, rows)[:, self.shortlist_size + number]
                output = output.index_copy(0, rows, own + cluster)
        loss = -output.mean()
        return OutputAndLoss(output if given.ndim else output[0], loss)

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes: (N, in_features) -> (N, n_classes)."""
        head = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for number, cluster in enumerate(self.tail):
            place = self.shortlist_size + number
            parts.append(F.log_softmax(cluster(input), 1) + head[:, place : place + 1])
        joined: Tensor = tl.cat(parts, 1)
        return joined

    def predict(self, input: Tensor) -> Tensor:
        """The likeliest class of each sample: (N, in_features) -> (N,)."""
        best: Tensor = self.log_prob(input).argmax(1)
        return best
