"""What public functions over ops ask of their arguments before they look into them, in the words of the ops' own checks."""

from __future__ import annotations

from typing import Any

from tapeloom.dtypes import REAL_NUMBERS
from tapeloom.errors import ArgumentTypeError
from tapeloom.tape.roles import number
from tapeloom.tape.tensor import is_tensor


def as_tensor_of(name: str, value: Any, parameter: str = "x") -> Any:
    """``value``, which must be a tensor."""
    if not is_tensor(value):
        raise ArgumentTypeError(f"{name}: {parameter} must be a tensor, got {type(value).__name__}.")
    return value


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


def as_number(name: str, value: Any, parameter: str, types: tuple[type, ...] = REAL_NUMBERS) -> Any:
    """``value`` as a Python number of ``types``; a tensor or host array of one element stands for it."""
    if getattr(value, "shape", ()) != () and not is_tensor(value):
        raise ArgumentTypeError(
            f"{name}: {parameter} must be a number, got {type(value).__name__} of shape {value.shape}."
        )
    return number(name, parameter, value, types)


def no_more(name: str, names: dict[str, Any]) -> None:
    """Refuse keywords that are left over."""
    if names:
        raise ArgumentTypeError(f"{name}: unexpected argument {next(iter(names))!r}.")
