"""What is said of a kernel: whether it is composed of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

C = TypeVar("C", bound=Callable[..., Any])


def composed(kernel: C) -> C:
    """Mark a kernel as written over other kernels and operators alone, so that it runs on Tensors too."""
    kernel.composed = True  # type: ignore[attr-defined]
    return kernel


def is_composed(kernel: Callable[..., Any]) -> bool:
    """Whether a kernel is marked so."""
    return getattr(kernel, "composed", False)
