"""Activations that bend or bound: one function of each element, without parameters."""

from __future__ import annotations

from typing import Any, ClassVar

from tapeloom import Tensor
from tapeloom.call.inplace import inplace as put
from tapeloom.errors import ArgumentError

from .. import functional as F
from ..arguments import settings
from ..module import Module

__all__ = [
    "Hardshrink",
    "Hardsigmoid",
    "Hardtanh",
    "LogSigmoid",
    "Sigmoid",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
]


class Activation(Module):
    """What the activations share: how they print their settings, and the form that changes its input.

    A layer of this kind has its function in `formula`, and in `_shown` the names of the settings that it prints.
    """

    inplace: bool = False
    _shown: ClassVar[tuple[str, ...]] = ()

    def formula(self, input: Tensor) -> Any:
        """The function."""
        raise NotImplementedError

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self.formula(input)
        return put(type(self).__name__, input, output) if self.inplace else output

    def extra_repr(self) -> str:
        shown = [f"{name}={getattr(self, name)}" for name in self._shown]
        return ", ".join([*shown, "inplace=True"] if self.inplace else shown)


class InplaceActivation(Activation):
    """An activation whose only setting is `inplace`."""

    @settings
    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class Sigmoid(Activation):
    """1 / (1 + exp(-x)).

    Shape:
        (*) -> (*).
    """

    def formula(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)


class LogSigmoid(Activation):
    """The logarithm of the sigmoid, computed without overflow.

    Shape:
        (*) -> (*).

    Raises:
        DTypeError: the input is not floating.
    """

    def formula(self, input: Tensor) -> Any:
        return F.logsigmoid(input)


class Hardsigmoid(InplaceActivation):
    """min(max(x + 3, 0), 6) / 6, a sigmoid of straight lines.

    Args:
        inplace: give the input handle the new value, too.

    Shape:
        (*) -> (*).

    Raises:
        DTypeError: the input is not floating.

    Source: A. Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2.
    """

    def formula(self, input: Tensor) -> Any:
        return F.hardsigmoid(input)

    def extra_repr(self) -> str:
        return ""  # as in PyTorch, which shows no `inplace` here


class Tanh(Activation):
    """The hyperbolic tangent.

    Shape:
        (*) -> (*).
    """

    def formula(self, input: Tensor) -> Tensor:
        return F.tanh(input)


class Hardtanh(Activation):
    """x kept within two bounds.

    Args:
        min_val, max_val: the bounds.
        inplace: give the input handle the new value, too.

    Shape:
        (*) -> (*).

    Raises:
        ArgumentError: `min_val` is not below `max_val`.
        DTypeError: when called, a bool input.

    Source: R. Collobert, "Large scale machine learning", doctoral thesis, Paris VI, 2004.
    """

    _shown = ("min_val", "max_val")

    @settings
    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        if not min_val < max_val:
            raise ArgumentError(f"Hardtanh: min_val must be below max_val, got {min_val} and {max_val}.")
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace

    def formula(self, input: Tensor) -> Any:
        return F.hardtanh(input, self.min_val, self.max_val)


class Tanhshrink(Activation):
    """x - tanh(x).

    Shape:
        (*) -> (*).
    """

    def formula(self, input: Tensor) -> Any:
        return F.tanhshrink(input)


class _Shrink(Activation):
    """What the two shrinking functions share: how far they shrink."""

    @settings
    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        return str(self.lambd)


class Hardshrink(_Shrink):
    """x where |x| > lambd, 0 elsewhere.

    Args:
        lambd: the bound.

    Shape:
        (*) -> (*).

    Raises:
        DTypeError: the input is not floating.

    Source: D. Donoho, I. Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81, 1994, eq. 5.
    """

    def formula(self, input: Tensor) -> Any:
        return F.hardshrink(input, self.lambd)


class Softshrink(_Shrink):
    """x moved by lambd towards 0, where it stops.

    Args:
        lambd: the distance, 0 or more.

    Shape:
        (*) -> (*).

    Raises:
        ArgumentError: when called, a negative `lambd`.
        DTypeError: the input is not floating.

    Source: D. Donoho, I. Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81, 1994, eq. 6.
    """

    def formula(self, input: Tensor) -> Any:
        return F.softshrink(input, self.lambd)


class Softplus(Activation):
    """log(1 + exp(beta * x)) / beta, a smooth rectifier.

    Args:
        beta: how sharply it bends.
        threshold: where beta * x is above it, x itself is given.

    Shape:
        (*) -> (*).

    Raises:
        DTypeError: the input is not floating.

    Source: C. Dugas et al., "Incorporating second-order functional knowledge for better option pricing", NIPS 2000.
    """

    _shown = ("beta", "threshold")

    @settings
    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def formula(self, input: Tensor) -> Any:
        return F.softplus(input, self.beta, self.threshold)


class Softsign(Activation):
    """x / (1 + |x|).

    Shape:
        (*) -> (*).

    Source: X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    AISTATS 2010, section 2.3.
    """

    def formula(self, input: Tensor) -> Any:
        return F.softsign(input)
