"""The differences that are meant: each with its reason and the section of docs/differences.md that says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from comparing import Find


class Allowed:
    """One difference: where it is said, why it is, and which finds it explains."""

    def __init__(self, section: str, reason: str, when: Callable[[Find], Any]) -> None:
        self.section = section
        self.reason = reason
        self.when = when


def says(find: Find, *parts: str) -> bool:
    """Whether PyTorch's error says one of ``parts``."""
    return isinstance(find.theirs, Exception) and any(part in str(find.theirs) for part in parts)


ALLOWED = [
    Allowed(
        "Dtypes and numbers",
        "PyTorch's CPU kernels lack the dtype",
        lambda f: says(f, "not implemented for", "does not support", "not supported for", "is not supported on"),
    ),
]


def allowance(find: Find) -> Allowed | None:
    """The entry that explains the find, if one does."""
    return next((entry for entry in ALLOWED if entry.when(find)), None)
