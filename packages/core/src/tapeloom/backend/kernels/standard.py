"""StandardKernels: the shared kernels over a library that has the Array API standard and nothing beyond it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapeloom import dtypes
from tapeloom.backend.array import Array
from tapeloom.backend.kernels import ArrayKernels
from tapeloom.backend.kernels.indexing import is_basic


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
    # read by ``take``, and written to by ``folded``.

    def read(self, x: Array, key: tuple[Any, ...]) -> Array:
        places = self.places_of(key, x.shape)
        return self.reshape(self.xp.take(self.reshape(x, (-1,)), self.reshape(places, (-1,))), places.shape)

    def at(self, x: Array, key: tuple[Any, ...], value: Array, how: str = "set", owned: bool = False) -> Array:
        if is_basic(key):
            return super().at(x, key, value, how, owned)
        return self.folded(x, key, value, how)
