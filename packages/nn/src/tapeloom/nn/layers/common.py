"""What the layers share: the types of their settings, and how they make a parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import tapeloom as tl
from tapeloom.devices import DeviceLike
from tapeloom.dtypes import DTypeLike
from tapeloom.errors import ArgumentError
from tapeloom.op.parameter import as_number
from tapeloom.shapes import as_int, per_axis

from ..parameter import Parameter, drop_aliases

__all__ = ["DTypeLike", "DeviceLike", "Each", "Shape", "as_count", "as_int", "as_number", "new_parameter", "per_axis"]

Each: TypeAlias = int | tuple[int, ...]
"""One int for all spatial axes, or one for each."""
Shape: TypeAlias = Sequence[int]


def as_count(layer: str, name: str, value: Any) -> int:
    """A number of features, channels or rows: an int of 0 or more."""
    count = as_int(layer, name, value)
    if count < 0:
        raise ArgumentError(f"{layer}: {name} must be 0 or more, got {count}.")
    return count


def new_parameter(*size: int, device: DeviceLike, dtype: DTypeLike) -> Parameter:
    """A parameter that is still to be initialised."""
    return drop_aliases(Parameter(tl.empty(size, device=device, dtype=dtype)))
