"""Who else holds a value: reference counts, compared with the count of a value that one owner holds."""

from __future__ import annotations

import sys
from typing import Any


class _Owner:
    """Stands for a Tensor or what belongs to one."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = object()


def references(values: list[Any]) -> list[int]:
    """The reference count of each value: ``ALONE`` where the list and one owner are all that hold it."""
    return list(map(sys.getrefcount, values))


def _calibrated() -> int:
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return 0
    owners = [_Owner(), _Owner()]
    alone = references([owner.value for owner in owners])
    held = [owner.value for owner in owners]  # a second list: one reference more each
    shared = references([owner.value for owner in owners])
    del held
    sound = alone[0] == alone[1] and shared == [count + 1 for count in alone]
    return alone[0] if sound else 0


#: the count of a value that one owner and the list of the question hold, by the very path that a question takes; 0, which
#: no value has, where counts mean nothing: without the interpreter lock other threads hold references that are not counted
ALONE = _calibrated()
