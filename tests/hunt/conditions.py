"""Conditions on finds, of which ``allowed.py`` says which differences are meant."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from comparing import Find

Condition = Callable[[Find], Any]

TAKEN = "refused by PyTorch alone"
HALVES = {"float16", "bfloat16"}


def every(*conditions: Condition) -> Condition:
    """Finds that fulfil all conditions."""
    return lambda find: all(condition(find) for condition in conditions)


def some(*conditions: Condition) -> Condition:
    """Finds that fulfil one of the conditions."""
    return lambda find: any(condition(find) for condition in conditions)


def kind(*starts: str) -> Condition:
    """Finds whose kind begins so."""
    return lambda find: find.kind.startswith(starts)


def calls(*names: str) -> Condition:
    """Finds in calls of these functions, in whatever form."""
    return lambda find: find.call.subject.base.strip("_") in names


def theirs(starts: tuple[str, ...] | str, *patterns: str) -> Condition:
    """Finds of a kind where PyTorch's error says one of ``patterns``."""
    return lambda find: (
        find.kind.startswith(starts)
        and isinstance(find.theirs, Exception)
        and any(re.search(pattern, str(find.theirs)) for pattern in patterns)
    )


def ours(*patterns: str) -> Condition:
    """Finds where we alone refuse, and say one of ``patterns``."""
    return lambda find: (
        find.kind == "refused here alone" and any(re.search(pattern, str(find.ours)) for pattern in patterns)
    )


def dtypes_of(find: Find) -> set[str]:
    """The dtypes of the tensors among the arguments."""
    return {array.dtype for array in find.call.arrays()}


def dtype(*names: str) -> Condition:
    """Finds with a tensor of one of these dtypes among the arguments."""
    return lambda find: dtypes_of(find) & set(names)


def mixed(find: Find) -> bool:
    """Whether the arguments have several dtypes."""
    return len(dtypes_of(find)) > 1


def among(test: Callable[[np.ndarray], np.ndarray]) -> Condition:
    """Finds where ``test`` is true of some inexact value among the arguments."""
    return lambda find: any(
        array.values.dtype.kind in "fc" and bool(test(array.values).any()) for array in find.call.arrays()
    )


def extreme(values: np.ndarray) -> np.ndarray:
    """What is not finite, or has a square that float32 cannot hold."""
    return ~(np.abs(values) < 1e15)


def huge(find: Find) -> bool:
    """Whether integers beyond those that float32 can hold are among the arguments."""
    return any(
        array.values.dtype.kind == "i" and bool((np.abs(array.values) > 1 << 24).any()) for array in find.call.arrays()
    )


def least(find: Find) -> bool:
    """Whether the smallest integer of its dtype is among the arguments."""
    return any(
        array.values.dtype.kind == "i" and bool((array.values == np.iinfo(array.dtype).min).any())
        for array in find.call.arrays()
        if array.dtype.startswith("int")
    )


def unbounded(find: Find) -> bool:
    """Whether nan or infinities are among the values that differ in PyTorch's result."""
    return find.kind.startswith(("values", "gradient of")) and not np.isfinite(np.asarray(find.theirs)).all()


def emptied(find: Find) -> bool:
    """Whether a tensor of no elements is among the arguments."""
    return any(not array.values.size for array in find.call.arrays())


def expanded(find: Find) -> bool:
    """Whether an argument has elements that are one in memory."""
    return any(name == "expand" for array in find.call.arrays() for name, _ in array.steps)


def number(find: Find) -> bool:
    """Whether a Python number is among the arguments."""
    return any(isinstance(value, (int, float, complex)) for value in [*find.call.args, *find.call.kwargs.values()])


def nothing(find: Find) -> bool:
    """Whether PyTorch's results have no elements: it then looks at less."""
    values = find.runs[1].values
    return bool(values) and all(isinstance(value, np.ndarray) and not value.size for value in values)


def number_of(find: Find, place: int) -> float:
    """The positional argument in that place, nan if it is no real number."""
    value = find.call.args[place] if place < len(find.call.args) else None
    return value if isinstance(value, (int, float)) else float("nan")
