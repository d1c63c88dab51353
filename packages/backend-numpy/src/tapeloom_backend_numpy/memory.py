"""Which arrays nobody else can see, so that their memory may be used again."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

Array = Any


class _Owner:
    """Stands for a Tensor when references are counted for comparison."""

    __slots__ = ("array",)

    def __init__(self) -> None:
        self.array = np.empty(1)


def _references(arrays: list[Array]) -> list[int]:
    return list(map(sys.getrefcount, arrays))


def _calibrated() -> int:
    """The count of an array that one owner and one list hold, by the very path that ``exclusive`` takes.

    0, which no array has, where counts mean nothing: without the interpreter lock other threads hold references that
    are not counted.
    """
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return 0
    owners = [_Owner(), _Owner()]
    alone = _references([owner.array for owner in owners])
    held = [owner.array for owner in owners]  # a second list: one reference more each
    shared = _references([owner.array for owner in owners])
    del held
    sound = alone[0] == alone[1] and shared == [count + 1 for count in alone]
    return alone[0] if sound else 0


_ALONE = _calibrated()


_OWN_AND_WRITEABLE = 0x0004 | 0x0400  # NPY_ARRAY_OWNDATA, NPY_ARRAY_WRITEABLE: one attribute read instead of two


def exclusive(arrays: list[Array]) -> list[bool]:
    """For each array, whether the list and one owner hold the only references to it and its memory.

    Such an array may be overwritten: nobody could tell. The owner is the Tensor whose new value it then becomes. Aliases,
    views, kept values and lent arrays all hold a reference, or own no memory.
    """
    return [
        count == _ALONE and type(array) is np.ndarray and array.flags.num & _OWN_AND_WRITEABLE == _OWN_AND_WRITEABLE
        for count, array in zip(_references(arrays), arrays, strict=True)
    ]
