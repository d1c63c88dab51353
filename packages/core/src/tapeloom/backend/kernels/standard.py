"""StandardKernels: the shared kernels over a library that has the Array API standard and nothing beyond it."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from tapeloom import dtypes, shapes
from tapeloom.backend.array import Array
from tapeloom.backend.kernels import ArrayKernels
from tapeloom.backend.kernels.indexing import is_basic

Ints = tuple[int, ...]


def _of_truth(name: str) -> Callable[..., Array]:
    """The standard's logic, which is of bools alone: of numbers, what is not 0 is true."""

    def run(self: Any, *arrays: Array) -> Array:
        return getattr(self.xp, name)(*[self.cast(array, dtypes.bool_) for array in arrays])

    run.__name__ = run.__qualname__ = name
    return run


def _of_numbers(name: str) -> Callable[..., Array]:
    """The shared kernel ``name``, which in the standard is of numbers alone: bools count as 0 and 1."""
    kernel = getattr(ArrayKernels, name)

    def run(self: Any, x: Array, *others: Any) -> Array:
        if x.dtype != self.xp.bool:
            return kernel(self, x, *others)
        numbers = [self.cast(y, dtypes.uint8) if hasattr(y, "dtype") else y for y in (x, *others)]
        result = kernel(self, *numbers)
        return self.cast(result, dtypes.bool_) if result.dtype == self.xp.uint8 else result

    run.__name__ = run.__qualname__ = name
    return run


class StandardKernels(ArrayKernels):
    """What ``ArrayKernels`` asks for beyond the standard, done with the functions of the standard; see ``kernels``."""

    logical_and, logical_or, logical_xor, logical_not = map(
        _of_truth, ("logical_and", "logical_or", "logical_xor", "logical_not")
    )
    add, multiply, maximum, minimum, amax, amin = map(
        _of_numbers, ("add", "multiply", "maximum", "minimum", "amax", "amin")
    )
    lt, le, gt, ge = map(_of_numbers, ("lt", "le", "gt", "ge"))
    isnan, isinf, isfinite = map(_of_numbers, ("isnan", "isinf", "isfinite"))
    argmax_along, argmin_along = map(_of_numbers, ("argmax_along", "argmin_along"))

    #: the two ops that every backend must give: the standard has no exact way to join the parts of complex numbers, and none to
    #: see bits as another dtype
    complex: Any = None
    bitcast: Any = None

    # The standard reads with index arrays where they stand for every axis, and never writes: so the flattened array is
    # read by ``take``, and to write is to read for each of its elements what is there for it.

    def read(self, x: Array, key: tuple[Any, ...]) -> Array:
        places = self._places(x.shape, key)
        return self.reshape(self.xp.take(self.reshape(x, (-1,)), self.reshape(places, (-1,))), places.shape)

    def at(self, x: Array, key: tuple[Any, ...], value: Array, how: str = "set", owned: bool = False) -> Array:
        if is_basic(key):
            return super().at(x, key, value, how, owned)
        places = self._places(x.shape, key)
        if 0 in places.shape:
            return self.copy(x)
        values, places = (self.reshape(array, (-1,)) for array in (self.expand(value, places.shape), places))
        order = self.xp.argsort(places)  # stable: what meets at one place stays in order
        places, values = self.xp.take(places, order), self.xp.take(values, order)
        result = self.reshape(x, (-1,))
        here = self.xp.arange(result.shape[0])
        first, behind = (self.xp.searchsorted(places, here, side=side) for side in ("left", "right"))
        if how == "set":
            first = self.maximum(first, behind - 1)  # the last one stays
        for turn in range(int(self.xp.max(behind - first))):
            more = first + turn < behind
            one = self.xp.take(values, self.xp.where(more, first + turn, 0))
            result = self.xp.where(more, one if how == "set" else self.add(result, one), result)
        return self.reshape(result, x.shape)

    def _places(self, shape: Ints, key: tuple[Any, ...]) -> Array:
        """Where the elements of ``x[key]`` stand in the flattened ``x``, for a key of index arrays and ``:`` alone."""
        axes = [axis for axis, part in enumerate(key) if not isinstance(part, slice)]
        sliced = [axis for axis in range(len(shape)) if axis not in axes]
        together = axes[-1] - axes[0] == len(axes) - 1
        lead = axes[0] if together else 0  # where the dimensions of the index arrays come: in place, or first
        spread = shapes.broadcast("index", *(key[axis].shape for axis in axes))
        size = (*(shape[axis] for axis in sliced[:lead]), *spread, *(shape[axis] for axis in sliced[lead:]))
        places = self.xp.zeros(size, dtype=self.xp.int64)
        for axis, length in enumerate(shape):
            if axis in axes:
                own, behind = key[axis], len(sliced) - lead
                own = self.xp.where(own < 0, own + length, own)
            else:
                number = sliced.index(axis)
                own, behind = self.xp.arange(length), len(sliced) - number - 1 + (len(spread) if number < lead else 0)
            places = places + self.reshape(own, (*own.shape, *(1,) * behind)) * prod(shape[axis + 1 :])
        return places
