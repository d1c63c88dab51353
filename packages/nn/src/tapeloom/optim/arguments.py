"""Arguments of optimizers: rates."""

from __future__ import annotations

from typing import Any, TypeAlias

from tapeloom import Tensor

__all__ = ["Rate", "is_zero"]

Rate: TypeAlias = float | Tensor
"""A number, or a 0-d Tensor, which is never read back to the host."""


def is_zero(rate: Any) -> bool:
    """Whether a setting is the number 0, so that a formula can leave a term out.

    A rate given as a Tensor is not looked at, and counts as different from 0.
    """
    return isinstance(rate, (int, float)) and rate == 0
