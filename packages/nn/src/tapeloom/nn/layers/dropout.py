"""Dropout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tapeloom import Tensor
from tapeloom.errors import ArgumentError

from .. import functional as F
from ..arguments import settings
from ..module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _Dropout(Module):
    """What they share; they differ in what falls out together, and in what stands in its place."""

    _drop: ClassVar[Callable[..., Any]]

    @settings
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ArgumentError(f"{type(self).__name__}: p is {p!r}; a probability lies between 0 and 1.")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = type(self)._drop(input, self.p, self.training, self.inplace)
        return output

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
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

    _drop = staticmethod(F.dropout)


class Dropout1d(_Dropout):
    """Dropout of whole channels of sequences; arguments, errors and source as for `Dropout2d`.

    Shape:
        (N, C, L) or (C, L) -> the same.
    """

    _drop = staticmethod(F.dropout1d)


class Dropout2d(_Dropout):
    """Dropout of whole channels of images: neighbours in a channel are alike, so single elements would tell little.

    Args:
        p: the probability of a channel to become 0, from 0 to 1.
        inplace: give the input handle the new value, too.

    Shape:
        (N, C, H, W) or (C, H, W) -> the same.

    Raises:
        ArgumentError: `p` is no probability.
        ShapeError, DTypeError, InplaceError: when called, as for `Dropout`.

    Source: J. Tompson et al., "Efficient object localization using convolutional networks", CVPR 2015, section 3.2.
    """

    _drop = staticmethod(F.dropout2d)


class Dropout3d(_Dropout):
    """Dropout of whole channels of volumes; arguments, errors and source as for `Dropout2d`.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) -> the same.
    """

    _drop = staticmethod(F.dropout3d)


class AlphaDropout(_Dropout):
    """Dropout for `SELU`: what falls out becomes SELU's lower bound, and mean and variance are kept.

    Arguments and errors as for `Dropout`.

    Shape:
        (*) -> (*).

    Source: G. Klambauer et al., "Self-normalizing neural networks", NIPS 2017, section "New dropout technique".
    """

    _drop = staticmethod(F.alpha_dropout)


class FeatureAlphaDropout(_Dropout):
    """`AlphaDropout` of whole channels; arguments and errors as for `Dropout`.

    Shape:
        (N, C, *) or (C, *) -> the same.

    Source: G. Klambauer et al., "Self-normalizing neural networks", NIPS 2017, section "New dropout technique".
    """

    _drop = staticmethod(F.feature_alpha_dropout)
