"""Searching, sorting, sets, and indexing by tensors of integers."""

from __future__ import annotations

from typing import Literal, NamedTuple

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.array_api.data_types import together
from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.shapes import normalize_dim

__all__ = [
    "argmax",
    "argmin",
    "argsort",
    "isin",
    "nonzero",
    "searchsorted",
    "sort",
    "take",
    "take_along_axis",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
    "where",
]


class UniqueAll(NamedTuple):
    """What ``unique_all`` gives."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """What ``unique_counts`` gives."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """What ``unique_inverse`` gives."""

    values: Tensor
    inverse_indices: Tensor


def argmax(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Where the first largest element is; without ``axis``, in the flattened tensor."""
    return _kept(tl.argmax(x, axis, keepdims and axis is not None), x, axis, keepdims)


def argmin(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Where the first smallest element is; without ``axis``, in the flattened tensor."""
    return _kept(tl.argmin(x, axis, keepdims and axis is not None), x, axis, keepdims)


def argsort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """Where the elements in ascending order are found."""
    return tl.argsort(x, axis, descending, stable=stable)


def isin(x1: Tensor | int, x2: Tensor | int, /, *, invert: bool = False) -> Tensor:
    """Whether each element of ``x1`` is among those of ``x2``."""
    return tl.isin(*together("isin", x1, x2), invert=invert)


def nonzero(x: Tensor, /) -> tuple[Tensor, ...]:
    """The indices of the elements that are not 0, one tensor for each dimension."""
    if not x.ndim:
        raise ShapeError("nonzero: a 0-d tensor has no indices. Use x.reshape((1,)).")
    return tuple(tl.nonzero(x, as_tuple=True))


def searchsorted(
    x1: Tensor, x2: Tensor | float, /, *, side: Literal["left", "right"] = "left", sorter: Tensor | None = None
) -> Tensor:
    """Where in the ascending ``x1`` (as ``sorter`` orders it) the values of ``x2`` belong."""
    values, wanted = together("searchsorted", x1, x2)
    return tl.searchsorted(values, wanted, side=side, sorter=None if sorter is None else sorter.to(tl.int64))


def sort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The elements in ascending order."""
    return tl.sort(x, axis, descending, stable=stable).values


def take(x: Tensor, indices: Tensor, /, *, axis: int | None = None) -> Tensor:
    """The elements at ``indices`` along ``axis``; negative ones count from the end."""
    if axis is None:
        if x.ndim != 1:
            raise ArgumentError(f"take: axis must be given for a tensor of {x.ndim} dimensions.")
        axis = 0
    return tl.index_select(x, axis, _from_start("take", x, indices, axis))


def take_along_axis(x: Tensor, indices: Tensor, /, *, axis: int = -1) -> Tensor:
    """The elements at ``indices``, row by row along ``axis``; negative ones count from the end."""
    return tl.take_along_dim(x, _from_start("take_along_axis", x, indices, axis), axis)


def unique_all(x: Tensor, /) -> UniqueAll:
    """The different values, where each first stands in the flattened tensor, which one each element is, and how many."""
    values, inverse, counts = tl.unique(x, return_inverse=True, return_counts=True)
    order = tl.argsort(inverse.flatten(), stable=True)
    return UniqueAll(values, order[tl.cumsum(counts, 0) - counts], inverse, counts)


def unique_counts(x: Tensor, /) -> UniqueCounts:
    """The different values and how many of each there are."""
    return UniqueCounts(*tl.unique(x, return_counts=True))


def unique_inverse(x: Tensor, /) -> UniqueInverse:
    """The different values and which one each element is."""
    return UniqueInverse(*tl.unique(x, return_inverse=True))


def unique_values(x: Tensor, /) -> Tensor:
    """The different values, in ascending order."""
    return tl.unique(x)


def where(condition: Tensor, x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """``x1`` where the condition is true, ``x2`` elsewhere."""
    return tl.where(condition, *together("where", x1, x2))


def _from_start(name: str, x: Tensor, indices: Tensor, axis: int) -> Tensor:
    """``indices`` along ``axis`` as int64, none of them counted from the end."""
    length = x.shape[normalize_dim(name, axis, x.ndim)]
    places = indices.to(tl.int64)
    return tl.where(places < 0, places + length, places)


def _kept(found: Tensor, x: Tensor, axis: int | None, keepdims: bool) -> Tensor:
    return found.reshape((1,) * x.ndim) if keepdims and axis is None else found
