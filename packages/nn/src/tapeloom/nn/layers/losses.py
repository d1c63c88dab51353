"""Losses: layers that compare a prediction with a target and give one number to make small; those of classes and values."""

from __future__ import annotations

from tapeloom import Tensor
from tapeloom.errors import ArgumentError

from .. import functional as F
from ..arguments import settings
from ..module import Module

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "HuberLoss",
    "L1Loss",
    "MSELoss",
    "NLLLoss",
    "SmoothL1Loss",
]


class Loss(Module):
    """What the losses share: how the terms become the result."""

    _reductions: tuple[str, ...] = ("none", "mean", "sum")

    @settings
    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in self._reductions:
            *names, last = map(repr, self._reductions)
            raise ArgumentError(
                f"{type(self).__name__}: reduction must be {', '.join(names)} or {last}, got {reduction!r}."
            )
        self.reduction = reduction


class CrossEntropyLoss(Loss):
    """The loss of a classifier, -log softmax(input)[target]; the input are logits, without a softmax.

    Args:
        weight: of shape (C,), a factor for each class; "mean" divides by the sum of the factors used.
        ignore_index: a target that counts for nothing.
        reduction: "mean", "sum", or "none" for the terms themselves.
        label_smoothing: mixes the target with the uniform distribution: (1 - s) * target + s / C.

    Shape:
        input (C,), (N, C) or (N, C, *); target integers (), (N,) or (N, *), or probabilities of the input's shape;
        the result is (), or the target's shape with "none".

    Raises:
        ArgumentError: an unknown reduction, or a label_smoothing outside 0 … 1; when called, an ignore_index of 0
            or more together with probabilities.
        ShapeError: when called, shapes of input, target and weight that do not fit.
        DTypeError: when called, an input that is not floating, or a bool target.
        IndexingError: when called, a target that is no class.
        GradientError: when called, a weight that requires a gradient.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> round(nn.CrossEntropyLoss()(tl.zeros(2, 4), tl.tensor([1, 3])).item(), 4)
        1.3863

    Source: C. Bishop, "Pattern recognition and machine learning", Springer 2006, eq. 4.108; the smoothing: C. Szegedy
    et al., "Rethinking the Inception architecture for computer vision", CVPR 2016, section 7.
    """

    weight: Tensor | None

    @settings
    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction=reduction)
        if not 0.0 <= label_smoothing <= 1.0:
            raise ArgumentError(f"CrossEntropyLoss: label_smoothing is {label_smoothing!r}; it lies between 0 and 1.")
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        output: Tensor = F.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
        return output


class NLLLoss(Loss):
    """The negative log-likelihood, -input[target], of log-probabilities such as `LogSoftmax` gives.

    Arguments are those of `CrossEntropyLoss`, without smoothing and with integer targets alone.

    Shape:
        input (C,), (N, C) or (N, C, *); target integers (), (N,) or (N, *); the result is (), or the target's shape
        with reduction="none".

    Raises:
        ArgumentError: an unknown reduction.
        ShapeError: when called, shapes of input, target and weight that do not fit.
        DTypeError: when called, a target that holds no integers.
        IndexingError: when called, a target that is no class.
        GradientError: when called, a weight that requires a gradient.
    """

    weight: Tensor | None

    @settings
    def __init__(self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        output: Tensor = F.nll_loss(
            input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )
        return output


class MSELoss(Loss):
    """The squared error (input - target)^2, by default averaged over all elements.

    Shape:
        input and target (*) -> (), or (*) with reduction="none".

    Raises:
        ArgumentError: an unknown reduction.
        ShapeError: when called, input and target of different shapes; they do not broadcast.
        DTypeError: when called, neither input nor target is floating.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> nn.MSELoss()(tl.tensor([1.0, 2.0]), tl.tensor([1.0, 4.0])).item()
        2.0
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(Loss):
    """The absolute error |input - target|, by default averaged over all elements.

    Shape:
        input and target (*) -> (), or (*) with reduction="none".

    Raises:
        ArgumentError: an unknown reduction.
        ShapeError: when called, input and target of different shapes; they do not broadcast.
        DTypeError: when called, neither input nor target is floating.
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(Loss):
    """The squared error / (2 * beta) where it is below beta, |error| - beta / 2 elsewhere; shapes and errors of `MSELoss`.

    Args:
        reduction: "mean", "sum", or "none" for the terms themselves.
        beta: where the two meet; 0 or more.

    Source: R. Girshick, "Fast R-CNN", ICCV 2015, eq. 3, with beta = 1.
    """

    @settings
    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(Loss):
    """Half the squared error where |error| is below delta, delta * (|error| - delta / 2) elsewhere.

    Shapes and errors as for `MSELoss`.

    Args:
        reduction: "mean", "sum", or "none" for the terms themselves.
        delta: where the two meet; above 0.

    Source: P. Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35, 1964.
    """

    @settings
    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        output: Tensor = F.huber_loss(input, target, self.reduction, self.delta)
        return output


class BCELoss(Loss):
    """The cross-entropy of two classes, -(t * log(x) + (1 - t) * log(1 - x)), of probabilities x; logarithms end at -100.

    Args:
        weight: a factor for each element; it broadcasts.
        reduction: "mean", "sum", or "none" for the terms themselves.

    Shape:
        input and target (*) -> (), or (*) with reduction="none".

    Raises:
        ArgumentError: an unknown reduction; when called, an input outside 0 … 1.
        ShapeError: when called, input and target of different shapes.
        DTypeError: when called, tensors that are not floating.

    Source: C. Bishop, "Pattern recognition and machine learning", Springer 2006, eq. 4.90.
    """

    weight: Tensor | None

    @settings
    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        output: Tensor = F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)
        return output


class BCEWithLogitsLoss(Loss):
    """`BCELoss` of sigmoid(input), computed without overflow; source as there.

    Args:
        weight: a factor for each element; it broadcasts.
        reduction: "mean", "sum", or "none" for the terms themselves.
        pos_weight: a factor for the terms of positive targets; it broadcasts.

    Shape:
        input and target (*) -> (), or (*) with reduction="none".

    Raises:
        ArgumentError: an unknown reduction.
        ShapeError: when called, input and target of different shapes.
        DTypeError: when called, tensors that are not floating.
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    @settings
    def __init__(
        self, weight: Tensor | None = None, *, reduction: str = "mean", pos_weight: Tensor | None = None
    ) -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        output: Tensor = F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )
        return output
