"""What public functions over ops ask of their arguments before they look into them, in the words of the ops' own checks."""

from __future__ import annotations

from typing import Any

from tapeloom.dtypes import REAL_NUMBERS
from tapeloom.errors import ArgumentTypeError
from tapeloom.tensors.tensor import is_tensor


def as_tensor_of(name: str, value: Any, parameter: str = "input") -> Any:
    """``value``, which must be a tensor."""
    if not is_tensor(value):
        raise ArgumentTypeError(f"{name}: {parameter} must be a tensor, got {type(value).__name__}.")
    return value


def shape_of(value: Any) -> tuple[int, ...]:
    """The shape of a tensor, or of a number that stands for one."""
    return getattr(value, "shape", ())


def as_tensors_of(name: str, values: Any) -> list[Any]:
    """``values`` as a list, which must be one of tensors."""
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise ArgumentTypeError(f"{name}: tensors must be a list or tuple of tensors, got {type(values).__name__}.")
    given = list(values)
    for position, value in enumerate(given):
        if not is_tensor(value):
            raise ArgumentTypeError(
                f"{name}: tensors must be tensors, got {type(value).__name__} at position {position}."
            )
    return given
