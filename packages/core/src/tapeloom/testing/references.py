"""How references are written: loops over single elements, in Python's own numbers.

No array function that a kernel might call computes an expected value; NumPy only holds the elements.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np

INF, NAN = math.inf, math.nan


def built(shape: Sequence[int], element: Callable[..., Any], like: Any = None) -> Any:
    """An array of ``shape`` whose element at each position (a tuple) is ``element(position)``."""
    values = [element(place) for place in product(*(range(length) for length in shape))]
    kind = like.dtype if like is not None else _kind(values)
    return np.array(values, dtype=kind).reshape(tuple(shape))


def _kind(values: list[Any]) -> Any:
    if values and all(isinstance(value, (bool, np.bool_)) for value in values):
        return np.bool_
    if values and all(isinstance(value, (int, np.integer)) and not isinstance(value, bool) for value in values):
        return np.int64
    return np.complex128 if any(isinstance(value, complex) for value in values) else np.float64


def either(real: Callable[..., Any], of_complex: Callable[..., Any]) -> Callable[..., Any]:
    """``of_complex`` where an argument (or a number in a list) is complex, else ``real``: ``math`` and ``cmath``."""

    def function(*arguments: Any) -> Any:
        numbers = [n for argument in arguments for n in (argument if isinstance(argument, list) else [argument])]
        return (of_complex if any(isinstance(n, complex) for n in numbers) else real)(*arguments)

    return function


def each(function: Callable[..., Any]) -> Callable[..., Any]:
    """A reference that applies ``function`` to Python numbers, element by element; operands broadcast.

    Where ``function`` refuses an argument the result is nan.
    """

    def reference(*operands: Any) -> Any:
        arrays = [np.asarray(operand) for operand in operands]
        shape = broadcast_shape(*(array.shape for array in arrays))
        spread = [read_broadcast(array, shape) for array in arrays]

        def element(place: tuple[int, ...]) -> Any:
            try:
                return function(*(read(place) for read in spread))
            except (ValueError, ZeroDivisionError):
                return NAN
            except OverflowError:
                return INF

        return built(shape, element)

    return reference


def broadcast_shape(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape that ``shapes`` broadcast to."""
    ndim = max(len(shape) for shape in shapes)
    padded = [(1,) * (ndim - len(shape)) + tuple(shape) for shape in shapes]
    return tuple(next((length for length in lengths if length != 1), 1) for lengths in zip(*padded, strict=True))


def read_broadcast(array: Any, shape: Sequence[int]) -> Callable[[tuple[int, ...]], Any]:
    """Reads a Python number from ``array`` at a position of the broadcast ``shape``."""
    lead = len(shape) - array.ndim

    def read(place: tuple[int, ...]) -> Any:
        own = tuple(0 if array.shape[axis] == 1 else place[lead + axis] for axis in range(array.ndim))
        return array[own].item()

    return read


def dims_of(x: Any, dim: Any) -> tuple[int, ...]:
    """``dim`` (None, an int or several) as axes counted from 0."""
    if dim is None or dim == () or x.ndim == 0:
        return tuple(range(x.ndim))
    given = (dim,) if isinstance(dim, int) else tuple(dim)
    return tuple(axis % x.ndim for axis in given)


def folded(function: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    """A reduction ``(x, dim=None, keepdim=False, **rest)`` whose elements are ``function`` of a list of numbers."""

    def reference(x: Any, dim: Any = None, keepdim: bool = False, **rest: Any) -> Any:
        axes = dims_of(x, dim)
        kept = [1 if axis in axes else length for axis, length in enumerate(x.shape)]

        def element(place: tuple[int, ...]) -> Any:
            ranges = [range(x.shape[axis]) if axis in axes else (place[axis],) for axis in range(x.ndim)]
            return function([x[position].item() for position in product(*ranges)])

        result = built(kept, element)
        return result if keepdim else result.reshape([n for axis, n in enumerate(x.shape) if axis not in axes])

    return reference


def scanned(function: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    """A running reduction ``(x, dim, **rest)``: ``function`` of the elements up to each place along ``dim``."""

    def reference(x: Any, dim: int, **rest: Any) -> Any:
        if not x.ndim:
            return built((), lambda place: function([x.item()]))
        axis = dim % x.ndim

        def element(place: tuple[int, ...]) -> Any:
            return function([x[(*place[:axis], i, *place[axis + 1 :])].item() for i in range(place[axis] + 1)])

        return built(x.shape, element)

    return reference


def matrix_product(x: Any, y: Any) -> Any:
    """``x @ y`` by its definition, vectors and batches included."""
    left = x.reshape(1, -1) if x.ndim == 1 else x
    right = y.reshape(-1, 1) if y.ndim == 1 else y
    batch = broadcast_shape(left.shape[:-2], right.shape[:-2])

    def part(array: Any, place: tuple[int, ...]) -> Any:
        lead = array.shape[:-2]
        own = place[len(place) - len(lead) :]
        return array[tuple(0 if n == 1 else i for n, i in zip(lead, own, strict=True))]

    def element(place: tuple[int, ...]) -> Any:
        *lead, i, j = place
        row, column = part(left, tuple(lead))[i], part(right, tuple(lead))[:, j]
        products = [a.item() * b.item() for a, b in zip(row, column, strict=True)]
        return sum(products) if any(isinstance(value, complex) for value in products) else math.fsum(products)

    out = built((*batch, left.shape[-2], right.shape[-1]), element)
    if x.ndim == 1:
        out = out[..., 0, :]
    return out[..., 0] if y.ndim == 1 else out


def fourier(x: Any, axis: int, sign: float, phases: bool = True) -> Any:
    """The Fourier transform along ``axis`` by its definition; without ``phases`` the sums that all terms add up to."""
    n = x.shape[axis]
    powers = np.exp(sign * 2j * np.pi / n * np.outer(np.arange(n), np.arange(n)) * phases)
    return np.moveaxis(np.tensordot(powers, x, (1, axis)), 0, axis)
