"""Softmax and its kin: functions along one axis."""

from __future__ import annotations

from tapeloom import Tensor
from tapeloom.errors import ShapeError
from tapeloom.ops.arguments import as_tensor_of

from .. import functional as F
from ..arguments import settings
from ..module import Module

__all__ = ["GLU", "LogSoftmax", "Softmax", "Softmax2d", "Softmin"]


class _Along(Module):
    """What they share: the axis."""

    dim: int

    @settings
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_Along):
    """exp(x) / sum(exp(x)) along one axis, computed without overflow.

    Args:
        dim: the axis that sums to 1; it must be given.

    Shape:
        (*) -> (*).

    Raises:
        IndexingError: the input has no axis `dim`.
        ArgumentTypeError: `dim` is no int.
        DTypeError: the input is not floating.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> nn.Softmax(dim=-1)(tl.zeros(2, 4))[0].tolist()
        [0.25, 0.25, 0.25, 0.25]

    Source: P. Blanchard, D. Higham, N. Higham, "Accurately computing the log-sum-exp and softmax functions", IMA
    Journal of Numerical Analysis 41, 2021: the shifted formula.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim)


class LogSoftmax(_Along):
    """The logarithm of softmax along one axis, computed without overflow; source as for `Softmax`.

    Args:
        dim: the axis; it must be given.

    Shape:
        (*) -> (*).

    Raises:
        IndexingError: the input has no axis `dim`.
        ArgumentTypeError: `dim` is no int.
        DTypeError: the input is not floating.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim)


class Softmin(_Along):
    """Softmax of -x along one axis.

    Args:
        dim: the axis that sums to 1; it must be given.

    Shape:
        (*) -> (*).

    Raises:
        IndexingError: the input has no axis `dim`.
        ArgumentTypeError: `dim` is no int.
        DTypeError: the input is not floating.
    """

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = F.softmin(input, self.dim)
        return output


class Softmax2d(Module):
    """Softmax over the channels of each place of an image.

    Shape:
        (N, C, H, W) or (C, H, W) -> the same.

    Raises:
        ShapeError: an input of neither three nor four axes.
        DTypeError: the input is not floating.
    """

    def forward(self, input: Tensor) -> Tensor:
        if as_tensor_of("Softmax2d", input).ndim not in (3, 4):
            raise ShapeError(f"Softmax2d: needs an input of 3 or 4 axes, got shape {tuple(input.shape)}.")
        return F.softmax(input, -3)


class GLU(_Along):
    """a * sigmoid(b), where a and b are the two halves of an axis.

    Args:
        dim: the axis that is halved.

    Shape:
        (*, 2 * n, *) -> (*, n, *).

    Raises:
        ShapeError: when called, an axis of odd length.
        IndexingError: the input has no axis `dim`.
        DTypeError: the input is not floating.

    Source: Y. Dauphin et al., "Language modeling with gated convolutional networks", ICML 2017, eq. 1.
    """

    @settings
    def __init__(self, dim: int = -1) -> None:
        super().__init__(dim)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = F.glu(input, self.dim)
        return output
