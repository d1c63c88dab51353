"""Distances of vectors."""

from __future__ import annotations

from tapeloom import Tensor

from .. import functional as F
from ..arguments import settings
from ..module import Module

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class CosineSimilarity(Module):
    """The cosine of the angle between two vectors: x1 . x2 / (max(|x1|, eps) * max(|x2|, eps)).

    Args:
        dim: the axis of the vectors.
        eps: the least norm that is divided by.

    Shape:
        two inputs that broadcast -> their shape without `dim`.

    Raises:
        ShapeError: when called, shapes that do not broadcast.
        IndexingError: when called, no axis `dim`.
        DTypeError: when called, inputs that are not floating.

    Source: G. Salton, M. McGill, "Introduction to modern information retrieval", McGraw-Hill 1983, section 4.1.
    """

    @settings
    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        output: Tensor = F.cosine_similarity(x1, x2, self.dim, self.eps)
        return output


class PairwiseDistance(Module):
    """The p-norm of x1 - x2 + eps, over the last axis.

    Args:
        p: which norm.
        eps: added to the difference, so that the gradient is finite where the vectors are equal.
        keepdim: keep the last axis with size 1.

    Shape:
        (*, D) and (*, D), which broadcast -> (*).

    Raises:
        ShapeError: when called, shapes that do not broadcast.
        DTypeError: when called, inputs that are not floating.
    """

    @settings
    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        output: Tensor = F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
        return output
