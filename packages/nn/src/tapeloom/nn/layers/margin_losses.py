"""Losses with a margin: they are content once a score, a distance or an angle is right by so much."""

from __future__ import annotations

from collections.abc import Callable

from tapeloom import Tensor
from tapeloom.errors import ArgumentError, ShapeError

from .. import functional as F
from ..arguments import settings
from .losses import Loss

__all__ = [
    "CosineEmbeddingLoss",
    "HingeEmbeddingLoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]


class SoftMarginLoss(Loss):
    """log(1 + exp(-y * x)) with targets y of 1 or -1, by default averaged over all elements.

    Shape:
        input and target (*) -> (), or (*) with reduction="none".

    Raises:
        ArgumentError: an unknown reduction.
        ShapeError: when called, input and target of different shapes.

    Source: T. Hastie, R. Tibshirani, J. Friedman, "The elements of statistical learning", Springer 2009, eq. 10.18.
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        output: Tensor = F.soft_margin_loss(input, target, reduction=self.reduction)
        return output


class _Margin(Loss):
    """What most of them share: the margin."""

    margin: float

    def _check_margin(self, margin: float) -> None:
        if not margin > 0:
            raise ArgumentError(f"{type(self).__name__}: margin must be above 0, got {margin}.")


class HingeEmbeddingLoss(_Margin):
    """The distance x where the target is 1, max(0, margin - x) where it is -1.

    Args:
        margin: from what distance two unlike ones are content.
        reduction: "mean", "sum", or "none" for the terms themselves.

    Shape:
        input and target (*) -> (), or (*) with reduction="none".

    Raises:
        ArgumentError: an unknown reduction.
        ShapeError: when called, shapes that do not broadcast.

    Source: R. Hadsell, S. Chopra, Y. LeCun, "Dimensionality reduction by learning an invariant mapping", CVPR 2006.
    """

    @settings
    def __init__(self, margin: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        output: Tensor = F.hinge_embedding_loss(input, target, self.margin, reduction=self.reduction)
        return output


class MarginRankingLoss(_Margin):
    """max(0, -y * (x1 - x2) + margin): with y = 1 the first shall be greater, with y = -1 the second.

    Args:
        margin: by how much.
        reduction: "mean", "sum", or "none" for the terms themselves.

    Shape:
        two inputs and target (*) -> (), or (*) with reduction="none".

    Raises:
        ArgumentError: an unknown reduction.
        ShapeError: when called, inputs and target of different numbers of axes.

    Source: R. Herbrich, T. Graepel, K. Obermayer, "Support vector learning for ordinal regression", ICANN 1999.
    """

    @settings
    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        output: Tensor = F.margin_ranking_loss(input1, input2, target, self.margin, reduction=self.reduction)
        return output


class CosineEmbeddingLoss(_Margin):
    """1 - cos(x1, x2) where the target is 1, max(0, cos(x1, x2) - margin) where it is -1.

    Args:
        margin: up to what cosine two unlike ones are content.
        reduction: "mean", "sum", or "none" for the terms themselves.

    Shape:
        two inputs (N, D) and target (N,) -> (), or (N,) with reduction="none"; N may be left out.

    Raises:
        ArgumentError: an unknown reduction.
        ShapeError: when called, shapes that do not fit.
    """

    @settings
    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        output: Tensor = F.cosine_embedding_loss(input1, input2, target, self.margin, reduction=self.reduction)
        return output


class MultiMarginLoss(_Margin):
    """sum_i max(0, margin - x[y] + x[i])^p / C over the classes i other than the target y.

    Args:
        p: 1 or 2.
        margin: by how much the target's score shall be greatest.
        weight: of shape (C,), a factor for each class.
        reduction: "mean", "sum", or "none" for the terms themselves.

    Shape:
        input (N, C) or (C,), target integers (N,) or () -> (), or the target's shape with reduction="none".

    Raises:
        ArgumentError: another p, or an unknown reduction.
        ShapeError: a weight that is no vector; when called, shapes that do not fit.
        IndexingError: when called, a target that is no class.

    Source: K. Crammer, Y. Singer, "On the algorithmic implementation of multiclass kernel-based vector machines",
    JMLR 2, 2001; the sum instead of the maximum: J. Weston, C. Watkins, "Multi-class support vector machines", 1998.
    """

    weight: Tensor | None

    @settings
    def __init__(
        self, p: int = 1, margin: float = 1.0, weight: Tensor | None = None, *, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        if p not in (1, 2):
            raise ArgumentError(f"MultiMarginLoss: p must be 1 or 2, got {p!r}.")
        if weight is not None and weight.ndim != 1:
            raise ShapeError(f"MultiMarginLoss: weight must be a vector, got shape {tuple(weight.shape)}.")
        self.register_buffer("weight", weight)
        self.p = p
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        output: Tensor = F.multi_margin_loss(input, target, self.p, self.margin, self.weight, reduction=self.reduction)
        return output


class MultiLabelMarginLoss(Loss):
    """sum max(0, 1 - x[y] + x[i]) / C over the targets y of a sample and the classes i that are none.

    Shape:
        input (N, C) or (C,), target integers of the same shape, the classes first and -1 behind them
        -> (), or (N,) with reduction="none".

    Raises:
        ArgumentError: an unknown reduction.
        ShapeError: when called, shapes that do not fit.
        IndexingError: when called, a target that is no class.
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        output: Tensor = F.multilabel_margin_loss(input, target, reduction=self.reduction)
        return output


class MultiLabelSoftMarginLoss(Loss):
    """`BCEWithLogitsLoss` of each class, averaged over the classes of a sample first.

    Args:
        weight: of shape (C,), a factor for each class.
        reduction: "mean", "sum", or "none" for the terms of the samples.

    Shape:
        input and target (N, C) or (C,) -> (), or (N,) with reduction="none".

    Raises:
        ArgumentError: an unknown reduction.
        ShapeError: when called, shapes that do not fit.
    """

    weight: Tensor | None

    @settings
    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        output: Tensor = F.multilabel_soft_margin_loss(input, target, self.weight, reduction=self.reduction)
        return output


class TripletMarginLoss(_Margin):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), with the p-norm as the distance d.

    Args:
        margin: by how much the negative shall be farther; above 0.
        p: which norm.
        eps: added to the differences.
        swap: take d(positive, negative) where it is less than d(anchor, negative).
        reduction: "mean", "sum", or "none" for the terms themselves.

    Shape:
        three inputs (N, D) or (D,) -> (), or (N,) with reduction="none".

    Raises:
        ArgumentError: a margin that is not above 0, or an unknown reduction.
        ShapeError: when called, shapes that do not fit.

    Source: V. Balntas et al., "Learning local feature descriptors with triplets and shallow convolutional neural
    networks", BMVC 2016, sections 2.1 and 2.2.
    """

    @settings
    def __init__(
        self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False, *, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        self._check_margin(margin)
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        output: Tensor = F.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, reduction=self.reduction
        )
        return output


class TripletMarginWithDistanceLoss(_Margin):
    """`TripletMarginLoss` with a distance of one's own; errors and source as there.

    Args:
        distance_function: of two tensors; `PairwiseDistance` if None.
        margin: by how much the negative shall be farther; above 0.
        swap: take d(positive, negative) where it is less than d(anchor, negative).
        reduction: "mean", "sum", or "none" for the terms themselves.

    Shape:
        three inputs that the function takes -> (), or its result's shape with reduction="none".
    """

    @settings
    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self._check_margin(margin)
        self.distance_function = distance_function
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        output: Tensor = F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )
        return output
