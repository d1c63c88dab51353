"""Which arrays own their memory, and which nobody else can see, so that it may be written to."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapeloom.references import ALONE, references

Array = Any

_OWN_AND_WRITEABLE = 0x0004 | 0x0400  # NPY_ARRAY_OWNDATA, NPY_ARRAY_WRITEABLE: one attribute read instead of two


def owned(array: Array) -> bool:
    """Whether ``array`` holds its memory itself, and it can be written to."""
    return type(array) is np.ndarray and array.flags.num & _OWN_AND_WRITEABLE == _OWN_AND_WRITEABLE


def exclusive(arrays: list[Array]) -> list[bool]:
    """For each array, whether the list and one owner hold the only references to it and its memory.

    Such an array may be overwritten: nobody could tell. The owner is the Tensor whose new value it then becomes. Aliases,
    views, kept values and lent arrays all hold a reference, or own no memory.
    """
    return [  # ``owned``, without a call for each
        count == ALONE and type(array) is np.ndarray and array.flags.num & _OWN_AND_WRITEABLE == _OWN_AND_WRITEABLE
        for count, array in zip(references(arrays), arrays, strict=True)
    ]
