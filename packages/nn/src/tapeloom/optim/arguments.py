"""Arguments of optimizers: rates."""

from __future__ import annotations

from typing import Any, TypeAlias

import tapeloom as tl
from tapeloom import Tensor

__all__ = ["IGNORED", "Rate", "is_zero", "larger", "scalar_state"]

Rate: TypeAlias = float | Tensor
"""A number, or a 0-d Tensor, which is never read back to the host."""

#: arguments of PyTorch's optimizers that say how, not what, is computed: they are taken, and mean nothing here
IGNORED = ("foreach", "fused", "capturable")


def is_zero(rate: Any) -> bool:
    """Whether a setting is the number 0, so that a formula can leave a term out.

    A rate given as a Tensor is not looked at, and counts as different from 0.
    """
    return isinstance(rate, (int, float)) and rate == 0


def penalised(p: Any, g: Any, weight_decay: Any, maximize: bool) -> Any:
    """The gradient that a formula begins with: turned with ``maximize``, plus that of the L2 penalty."""
    g = -g if maximize else g
    return g if is_zero(weight_decay) else g + p * weight_decay


def decayed(p: Any, g: Any, lr: Any, weight_decay: Any, decoupled: bool, maximize: bool) -> tuple[Any, Any]:
    """The parameter and the gradient that a formula begins with: as ``penalised``, or the parameter smaller if ``decoupled``."""
    if not decoupled:
        return p, penalised(p, g, weight_decay, maximize)
    return p if is_zero(weight_decay) else p * (1 - lr * weight_decay), -g if maximize else g


def larger(a: Any, b: Any) -> Any:
    """The larger of two numbers, for a formula: it may not compare them, as they may be unknown when it is compiled."""
    return (a + b + abs(a - b)) / 2


def scalar_state(param: Tensor, value: Rate) -> Tensor:
    """A state of one number, on the device of a parameter and in its dtype, or in that of its parts if it is complex."""
    return tl.zeros((), dtype=param.dtype.real, device=param.device).add_(value)
