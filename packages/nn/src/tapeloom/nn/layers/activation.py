"""Activations: layers without parameters that apply one function to each element or along one axis."""

from __future__ import annotations

from tapeloom import Tensor
from tapeloom.errors import ArgumentError

from .. import functional as F
from ..arguments import settings
from ..module import Module

__all__ = ["GELU", "LeakyReLU", "LogSoftmax", "ReLU", "SiLU", "Sigmoid", "Softmax", "Tanh"]


class ReLU(Module):
    """The rectifier max(x, 0).

    Args:
        inplace: give the input handle the new value, too.

    Shape:
        (*) -> (*).

    Raises:
        DTypeError: a bool input.
        InplaceError: with `inplace` a leaf that requires a gradient, or a view that cannot be written.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> nn.ReLU()(tl.tensor([-1.0, 2.0])).tolist()
        [0.0, 2.0]
    """

    @settings
    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return input.relu_() if self.inplace else F.relu(input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """x where it is positive, negative_slope * x elsewhere.

    Args:
        negative_slope: the factor below 0.

    Shape:
        (*) -> (*).

    Raises:
        DTypeError: the input is not floating.

    Source: A. Maas, A. Hannun, A. Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML 2013.
    """

    @settings
    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class GELU(Module):
    """x * P(x), where P is the standard normal distribution function.

    Args:
        approximate: "none" computes P by erf; "tanh" is the paper's approximation.

    Shape:
        (*) -> (*).

    Raises:
        ArgumentError: another value of `approximate`.
        DTypeError: the input is not floating.

    Source: D. Hendrycks, K. Gimpel, "Gaussian error linear units (GELUs)", 2016, section 2.
    """

    @settings
    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        if approximate not in ("none", "tanh"):
            raise ArgumentError(f"GELU: approximate must be 'none' or 'tanh', got {approximate!r}.")
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """x * sigmoid(x), also called swish.

    Shape:
        (*) -> (*).

    Raises:
        DTypeError: the input is not floating.

    Source: D. Hendrycks, K. Gimpel, "Gaussian error linear units (GELUs)", 2016, which named it; P. Ramachandran,
    B. Zoph, Q. Le, "Searching for activation functions", 2017, for the name swish.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.silu(input)


class Sigmoid(Module):
    """1 / (1 + exp(-x)).

    Shape:
        (*) -> (*).
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent.

    Shape:
        (*) -> (*).
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.tanh(input)


class Softmax(Module):
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

    @settings
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
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

    @settings
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
