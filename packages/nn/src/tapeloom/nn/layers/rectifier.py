"""Rectifiers: activations that let positive values through, and their smooth relatives."""

from __future__ import annotations

from typing import Any

from tapeloom import Tensor
from tapeloom.errors import ArgumentError

from .. import functional as F
from .. import init as initialisers
from ..arguments import settings
from ..module import Module
from ..parameter import Parameter
from .activation import Activation, InplaceActivation
from .common import DeviceLike, DTypeLike, as_count, new_parameter

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "Hardswish",
    "LeakyReLU",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Threshold",
]


class ReLU(InplaceActivation):
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

    def forward(self, input: Tensor) -> Tensor:
        return input.relu_() if self.inplace else F.relu(input)


class ReLU6(InplaceActivation):
    """min(max(x, 0), 6); arguments and errors as for `ReLU`.

    Shape:
        (*) -> (*).

    Source: A. Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010.
    """

    def formula(self, input: Tensor) -> Any:
        return F.relu6(input)


class LeakyReLU(Activation):
    """x where it is positive, negative_slope * x elsewhere.

    Args:
        negative_slope: the factor below 0.
        inplace: give the input handle the new value, too.

    Shape:
        (*) -> (*).

    Raises:
        DTypeError: the input is not floating.

    Source: A. Maas, A. Hannun, A. Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML 2013.
    """

    _shown = ("negative_slope",)

    @settings
    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def formula(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope)


class PReLU(Module):
    """x where it is positive, weight * x elsewhere; the weight is learned.

    Args:
        num_parameters: 1 for one weight, or the number of channels for one each.
        init: the first value of the weight.
        device, dtype: where the weight lives, and its dtype.

    Shape:
        (*) -> (*), with the channels on axis 1.

    Attributes:
        weight: of shape (num_parameters,).

    Raises:
        ArgumentError: when called, an input of another number of channels.
        DTypeError: the input is not floating.

    Source: K. He et al., "Delving deep into rectifiers: surpassing human-level performance on ImageNet classification",
    ICCV 2015, eq. 1.
    """

    weight: Parameter

    @settings
    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: DeviceLike = None, dtype: DTypeLike = None
    ) -> None:
        super().__init__()
        self.num_parameters = as_count("PReLU", "num_parameters", num_parameters)
        self.init = init
        self.weight = new_parameter(self.num_parameters, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the weight to its first value."""
        initialisers.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = F.prelu(input, self.weight)
        return output

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(Activation):
    """x where it is positive, a * x elsewhere; in training each a is drawn from U(lower, upper), else it is their mean.

    Args:
        lower, upper: the bounds of a.
        inplace: give the input handle the new value, too.

    Shape:
        (*) -> (*).

    Raises:
        ArgumentError: when called, a `lower` above `upper`.
        DTypeError: the input is not floating.

    Source: B. Xu et al., "Empirical evaluation of rectified activations in convolutional network", 2015, section 2.4.
    """

    _shown = ("lower", "upper")

    @settings
    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = F.rrelu(input, self.lower, self.upper, self.training, self.inplace)
        return output


class Threshold(Activation):
    """x where it is above the threshold, another value elsewhere.

    Args:
        threshold: the bound.
        value: what is given at and below it.
        inplace: give the input handle the new value, too.

    Shape:
        (*) -> (*).
    """

    _shown = ("threshold", "value")

    @settings
    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def formula(self, input: Tensor) -> Any:
        return F.threshold(input, self.threshold, self.value)


class _Exponential(Activation):
    """What the exponential units share: the value that they approach at minus infinity."""

    _shown = ("alpha",)

    @settings
    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace


class ELU(_Exponential):
    """x where it is positive, alpha * (exp(x) - 1) elsewhere.

    Args:
        alpha: see the formula.
        inplace: give the input handle the new value, too.

    Shape:
        (*) -> (*).

    Raises:
        DTypeError: the input is not floating.

    Source: D. Clevert, T. Unterthiner, S. Hochreiter, "Fast and accurate deep network learning by exponential linear
    units (ELUs)", ICLR 2016, eq. 16.
    """

    def formula(self, input: Tensor) -> Any:
        return F.elu(input, self.alpha)


class CELU(_Exponential):
    """max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0), which has no corner at 0; arguments and errors as for `ELU`.

    Shape:
        (*) -> (*).

    Raises:
        ArgumentError: when called, an `alpha` of 0.

    Source: J. Barron, "Continuously differentiable exponential linear units", 2017, eq. 2.
    """

    def formula(self, input: Tensor) -> Any:
        return F.celu(input, self.alpha)


class SELU(InplaceActivation):
    """ELU with the two constants that keep mean 0 and variance 1 from layer to layer; arguments and errors as for `ReLU`.

    Shape:
        (*) -> (*).

    Source: G. Klambauer et al., "Self-normalizing neural networks", NIPS 2017, eq. 2.
    """

    def formula(self, input: Tensor) -> Any:
        return F.selu(input)


class GELU(Activation):
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

    def formula(self, input: Tensor) -> Tensor:
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(InplaceActivation):
    """x * sigmoid(x), also called swish.

    Args:
        inplace: give the input handle the new value, too.

    Shape:
        (*) -> (*).

    Raises:
        DTypeError: the input is not floating.

    Source: D. Hendrycks, K. Gimpel, "Gaussian error linear units (GELUs)", 2016, which named it; P. Ramachandran,
    B. Zoph, Q. Le, "Searching for activation functions", 2017, for the name swish.
    """

    def formula(self, input: Tensor) -> Tensor:
        return F.silu(input)


class Mish(InplaceActivation):
    """x * tanh(softplus(x)).

    Args:
        inplace: give the input handle the new value, too.

    Shape:
        (*) -> (*).

    Raises:
        DTypeError: the input is not floating.

    Source: D. Misra, "Mish: a self regularized non-monotonic activation function", BMVC 2020, section 3.
    """

    def formula(self, input: Tensor) -> Any:
        return F.mish(input)


class Hardswish(InplaceActivation):
    """x * min(max(x + 3, 0), 6) / 6.

    Args:
        inplace: give the input handle the new value, too.

    Shape:
        (*) -> (*).

    Raises:
        DTypeError: the input is not floating.

    Source: A. Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2.
    """

    def formula(self, input: Tensor) -> Any:
        return F.hardswish(input)

    def extra_repr(self) -> str:
        return ""  # as in PyTorch, which shows no `inplace` here
