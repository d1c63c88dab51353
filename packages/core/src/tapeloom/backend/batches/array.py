"""Batch: one array for each sample, the samples along the first axis of the array that holds them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from math import prod
from typing import Any

from tapeloom.errors import StateError

Shape = tuple[int, ...]


class Batch:
    """An array of the inner backend with the samples along its first axis, which shows the shape of one sample.

    ``depth`` says which of several nested vmaps it belongs to: an operation on batches of different depth is one on the
    batches of the deepest, to which all others are one array that the samples share.
    """

    __slots__ = ("depth", "held")
    __array_ufunc__ = None  # NumPy's arrays and scalars leave mixed arithmetic to us
    __hash__ = object.__hash__

    def __init__(self, held: Any, depth: int) -> None:
        self.held = held
        self.depth = depth

    @property
    def shape(self) -> Shape:
        """The shape of one sample."""
        return tuple(self.held.shape[1:])

    @property
    def ndim(self) -> int:
        """How many dimensions a sample has."""
        return len(self.held.shape) - 1

    @property
    def size(self) -> int:
        """How many elements a sample has."""
        return prod(self.shape)

    @property
    def dtype(self) -> Any:
        """The array library's dtype object."""
        return self.held.dtype

    @property
    def real(self) -> Batch:
        """The real parts."""
        return Batch(self.held.real, self.depth)

    @property
    def imag(self) -> Batch:
        """The imaginary parts."""
        return Batch(self.held.imag, self.depth)

    def view(self, dtype: Any) -> Batch:
        """The bits of the last axis of each sample as numbers of another dtype, as NumPy has it."""
        try:
            return Batch(self.held.view(dtype), self.depth)
        except ValueError:  # the samples lie along the last axis in memory
            return Batch(self.held.copy().view(dtype), self.depth)

    def __getitem__(self, key: Any) -> Batch:
        return Batch(self.held[(slice(None), *(key if isinstance(key, tuple) else (key,)))], self.depth)

    def __neg__(self) -> Batch:
        return Batch(-self.held, self.depth)

    def __invert__(self) -> Batch:
        return Batch(~self.held, self.depth)

    def __repr__(self) -> str:
        return f"Batch({self.held!r})"

    def unknown(self, *args: Any) -> Any:
        """Raise StateError: there is no one value."""
        raise StateError(
            "vmap: the values of a batched tensor cannot be read inside the function, for each sample has its own: no .item(), "
            ".tolist(), .numpy(), bool() and no shape that depends on values. Use tapeloom.where in the place of `if`, or "
            "return the tensor and read it outside."
        )

    __bool__ = __int__ = __float__ = __complex__ = __index__ = __array__ = __iter__ = unknown


def _operators(name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    compute = getattr(operator, f"__{name}__")
    return (
        lambda x, y: across(compute, x, y),
        lambda x, y: across(compute, y, x),
    )


for _name in "add sub mul truediv floordiv mod pow and or xor lshift rshift".split():
    _plain, _reflected = _operators(_name)
    setattr(Batch, f"__{_name}__", _plain)
    setattr(Batch, f"__r{_name}__", _reflected)
for _name in "lt le gt ge eq ne".split():
    setattr(Batch, f"__{_name}__", _operators(_name)[0])


def depth_of(values: Any) -> int:
    """The depth of the deepest batch in a value, lists and tuples item by item; -1 if there is none."""
    if type(values) is Batch:
        return values.depth
    if type(values) in (list, tuple):
        return max(map(depth_of, values), default=-1)
    return -1


def within(value: Any, depth: int, function: Callable[[Any], Any]) -> Any:
    """``function`` of the array that holds the samples, as a batch again; of ``value`` itself where it is none."""
    return Batch(function(value.held), depth) if inside(value, depth) else function(value)


def samples(values: Any, depth: int) -> int:
    """How many samples the batches of ``depth`` in a value hold; lists and tuples item by item."""
    if type(values) in (list, tuple):
        return max([samples(value, depth) for value in values], default=0)
    return int(values.held.shape[0]) if inside(values, depth) else 0


def is_array(value: Any) -> bool:
    """Whether ``value`` is an array, of whatever kind; a library's dtype may have a shape of its own."""
    return hasattr(value, "shape") and not isinstance(value, type)


def across(function: Callable[..., Any], *arrays: Any) -> Any:
    """``function`` of arrays and numbers, which broadcasts and takes more dimensions in front: all samples in one call."""
    depth = max(map(depth_of, arrays))
    return Batch(function(*aligned(arrays, depth)), depth)


def aligned(arrays: Any, depth: int) -> list[Any]:
    """The arrays of the inner backend that broadcast as the samples do: dimensions of length 1 come behind the samples."""
    most = max([len(array.shape) for array in arrays if is_array(array)])
    return [spread(array.held, most) if inside(array, depth) else array for array in arrays]


def inside(value: Any, depth: int) -> bool:
    """Whether ``value`` is a batch of this depth."""
    return type(value) is Batch and value.depth == depth


def spread(array: Any, ndim: int) -> Any:
    """``array``, which holds samples, with dimensions of length 1 in front of each sample, ``ndim`` in all."""
    more = ndim - (len(array.shape) - 1)
    return array[(slice(None), *(None,) * more, ...)] if more > 0 else array
