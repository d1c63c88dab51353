"""What public functions over ops ask of their arguments before they look into them, in the words of the ops' own checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapeloom import shapes
from tapeloom.call.explain import not_a_tensor
from tapeloom.errors import ArgumentTypeError, ShapeError
from tapeloom.tape.levels import outside
from tapeloom.tensors.tensor import is_tensor, read_array


def as_tensor_of(name: str, value: Any, parameter: str = "input") -> Any:
    """``value``, which must be a tensor."""
    if not is_tensor(value):
        raise ArgumentTypeError(not_a_tensor(name, parameter, value))
    return value


def within(values: Any, low: float, high: float) -> bool:
    """Whether all elements of a tensor lie in low <= v < high."""
    return not values.numel() or values.kind.backend.in_range(read_array(values), low, high)


def require(condition: bool, explain: Callable[[], Exception]) -> None:
    """Raise ``explain()`` unless ``condition``: every check that looks at values comes here.

    In one place, so that a captured step, which has no values yet, can put such checks off.
    """
    if not condition:
        raise explain()


def first_outside(values: Any, low: float, high: float) -> Any:
    """The first element of a tensor that does not lie in low <= v < high, for messages."""
    return next(value for value in outside(values).reshape(-1).tolist() if not low <= value < high)


def shape_of(value: Any) -> tuple[int, ...]:
    """The shape of a tensor, or of a number that stands for one."""
    return getattr(value, "shape", ())


def as_tensors_of(name: str, values: Any, parameter: str = "tensors") -> list[Any]:
    """``values`` as a list, which must be one of tensors."""
    if isinstance(values, str) or is_tensor(values) or not hasattr(values, "__iter__"):
        raise ArgumentTypeError(f"{name}: {parameter} must be a list or tuple of tensors, got {type(values).__name__}.")
    given = list(values)
    for position, value in enumerate(given):
        if not is_tensor(value):
            raise ArgumentTypeError(
                f"{name}: {parameter} must be tensors, got {type(value).__name__} at position {position}."
            )
    return given


def dim_of(name: str, input: Any, dim: Any, what: str) -> int:
    """``dim`` of ``input`` counted from 0; a 0-d tensor, which has none to do ``what`` with, is refused."""
    axis = shapes.normalize_dim(name, dim, as_tensor_of(name, input).ndim)
    if not input.ndim:
        raise ShapeError(f"{name}: a 0-d tensor has no dimension to {what}.")
    return axis
