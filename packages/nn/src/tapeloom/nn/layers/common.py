"""What the layers share: the types of their settings, and how they make a parameter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import index
from typing import Any, TypeAlias

import tapeloom as tl
from tapeloom.devices import DeviceLike
from tapeloom.dtypes import DTypeLike
from tapeloom.errors import ArgumentError, ArgumentTypeError

from ..parameter import Parameter, drop_aliases

__all__ = ["DTypeLike", "DeviceLike", "Pair", "Shape", "as_count", "as_int", "as_pair", "new_parameter"]

Pair: TypeAlias = int | tuple[int, int]
"""One int for both spatial axes (height, width), or one for each."""
Shape: TypeAlias = Sequence[int]


def _is_int(value: Any) -> bool:
    return hasattr(type(value), "__index__") and not isinstance(value, bool)


def as_int(layer: str, name: str, value: Any) -> int:
    """A setting that is an int."""
    if not _is_int(value):
        raise ArgumentTypeError(f"{layer}: {name} must be an int, got {value!r} of type {type(value).__name__}.")
    return index(value)


def as_count(layer: str, name: str, value: Any) -> int:
    """A number of features, channels or rows: an int of 0 or more."""
    count = as_int(layer, name, value)
    if count < 0:
        raise ArgumentError(f"{layer}: {name} must be 0 or more, got {count}.")
    return count


def as_pair(layer: str, name: str, value: Pair) -> tuple[int, int]:
    """(height, width) of a spatial setting."""
    pair = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else (value, value)
    if len(pair) != 2 or not all(_is_int(item) for item in pair):
        raise ArgumentTypeError(f"{layer}: {name} must be one int or two, got {value!r}.")
    return (index(pair[0]), index(pair[1]))


def new_parameter(*size: int, device: DeviceLike, dtype: DTypeLike) -> Parameter:
    """A parameter that is still to be initialised."""
    return drop_aliases(Parameter(tl.empty(size, device=device, dtype=dtype)))
