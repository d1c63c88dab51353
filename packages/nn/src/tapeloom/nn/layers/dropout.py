"""Dropout."""

from __future__ import annotations

from tapeloom import Tensor
from tapeloom.errors import ArgumentError

from .. import functional as F
from ..arguments import settings
from ..module import Module

__all__ = ["Dropout"]


class Dropout(Module):
    """In training sets each element to 0 with probability `p` and divides the others by 1 - p; else does nothing.

    Args:
        p: the probability of an element to become 0, from 0 to 1.
        inplace: give the input handle the new value, too.

    Shape:
        (*) -> (*).

    Raises:
        ArgumentError: `p` is no probability.
        DTypeError: when called in training, an input that is not floating.
        InplaceError: with `inplace`, in training, a leaf that requires a gradient, or a view that cannot be written.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> nn.Dropout(0.5).eval()(tl.ones(3)).tolist()
        [1.0, 1.0, 1.0]

    Source: N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15, 2014;
    the division in training is in its section 10.
    """

    @settings
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ArgumentError(f"Dropout: p is {p!r}; a probability lies between 0 and 1.")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = F.dropout(input, self.p, self.training, self.inplace)
        return output

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
