"""What the layers share: the types of their settings, and how they make a parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import tapeloom as tl
from tapeloom.devices import Device
from tapeloom.dtypes import DType
from tapeloom.errors import ArgumentTypeError

from ..parameter import Parameter, settle

__all__ = ["DTypeLike", "DeviceLike", "Pair", "Shape", "as_pair", "new_parameter"]

DeviceLike: TypeAlias = Device | str | None
DTypeLike: TypeAlias = DType | None
Pair: TypeAlias = int | tuple[int, int]
"""One int for both spatial axes (height, width), or one for each."""
Shape: TypeAlias = Sequence[int]


def as_pair(layer: str, name: str, value: Pair) -> tuple[int, int]:
    """(height, width) of a spatial setting."""
    if isinstance(value, int):
        return (value, value)
    pair = tuple(value)
    if len(pair) != 2:
        raise ArgumentTypeError(f"{layer}: {name} must be one int or two, got {value!r}.")
    return (pair[0], pair[1])


def new_parameter(*size: int, device: DeviceLike, dtype: DTypeLike) -> Parameter:
    """A parameter that is still to be initialised."""
    return settle(Parameter(tl.empty(size, device=device, dtype=dtype)))
