"""The kernels and the backend of batches."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

from tapeloom import dtypes
from tapeloom.backend.arrayapi import ArrayAPIBackend
from tapeloom.backend.batches.array import Batch, aligned, depth_of, inside, is_array, spread
from tapeloom.backend.batches.functions import Functions, looped, moved, samples
from tapeloom.backend.fallback import mapped
from tapeloom.backend.kernels import ArrayKernels
from tapeloom.backend.kernels.standard import StandardKernels
from tapeloom.backend.runtime import Backend, Kernel
from tapeloom.devices import Device
from tapeloom.dtypes import DType
from tapeloom.errors import StateError, TapeloomError, UnsupportedError
from tapeloom.op.registry import REGISTRY

#: what stops the text of a kernel on batches, but not on one sample
_STOPS = (ValueError, TypeError, IndexError, AttributeError, StateError)
#: kernels of several arrays that ask more of arrays than the Array API, or that backends have a better way for, and that
#: take more dimensions in front
LEADING = frozenset({"complex", "conj", "erf", "imag", "real", "swap_last"})


class BatchedKernels(ArrayKernels):
    """The shared kernels over batches of ``depth``. ``inner`` are the kernels of the arrays that hold the samples."""

    def __init__(self, inner: Any, depth: int, loops: set[str]) -> None:
        self.inner = inner
        self.depth = depth
        super().__init__(Functions(inner.xp, depth, loops))
        for name in LEADING:
            setattr(self, name, functools.partial(self._all_at_once, getattr(inner, name)))

    def native_dtype(self, dtype: DType) -> Any:
        return self.inner.native_dtype(dtype)

    def _astype(self, x: Any, native: Any) -> Any:
        return Batch(self.inner._astype(x.held, native), self.depth) if inside(x, self.depth) else self.inner._astype(x, native)

    def _all_at_once(self, kernel: Kernel, *values: Any) -> Any:
        if depth_of(values) < self.depth:
            return kernel(*values)
        arrays = aligned(values, self.depth)
        return mapped(kernel(*arrays), lambda array: Batch(array, self.depth))

    def copy(self, array: Any) -> Any:
        return mapped_batch(array, self.inner.copy)

    # reads and writes: all of the shared kernels come here

    def read(self, x: Any, key: tuple[Any, ...]) -> Any:
        if depth_of([x, *key]) < self.depth:
            return self.inner.read(x, key)
        count = samples([x, *key], self.depth)
        places, order = self._key(x.ndim, key, count)
        found = self.inner.read(self._whole(x, count), places)
        return Batch(self.inner.permute(found, order) if order else found, self.depth)

    def at(self, x: Any, key: Any, value: Any, how: str = "set", owned: bool = False) -> Any:
        key = key if isinstance(key, tuple) else (key,)
        if depth_of([x, value, *key]) < self.depth:
            return self.inner.at(x, key, value, how, owned)
        count = samples([x, value, *key], self.depth)
        whole = x.held if inside(x, self.depth) else self.inner.copy(self._whole(x, count))
        owned = owned or whole is not getattr(x, "array", None)
        order = None
        if any(is_array(part) for part in key):
            places, order = self._key(x.ndim, key, count)
        else:
            places = (slice(None), *key)
        if is_array(value):
            value = spread(value.held if inside(value, self.depth) else value[None, ...], _ndim_at(x.ndim, key))
        if order:  # the samples' dimensions in the order in which the key meets them
            value = self.inner.permute(value, tuple(order.index(axis) for axis in range(len(order))))
        return Batch(self.inner.at(whole, places, value, how, owned), self.depth)

    def _whole(self, x: Any, count: int) -> Any:
        """An array with all samples, also of one that they share."""
        return x.held if inside(x, self.depth) else self.inner.expand(x, (count, *x.shape))

    def _key(self, ndim: int, key: tuple[Any, ...], count: int) -> tuple[tuple[Any, ...], tuple[int, ...] | None]:
        """A key with index arrays, for arrays that hold samples; and how to order the dimensions of what it reads.

        The samples are indexed by their numbers. That brings the dimensions of the index arrays to the front, right
        behind the samples, where NumPy leaves them in their place if they stand together.
        """
        key = _explicit(ndim, key)
        axes = [axis for axis, part in enumerate(key) if not isinstance(part, slice)]
        most = max(len(key[axis].shape) for axis in axes)
        parts: list[Any] = []
        for part in key:
            if isinstance(part, slice):
                parts.append(part)
            elif part.dtype == self._native[dtypes.bool_]:
                raise TypeError("a mask picks another number of elements from each sample")
            else:
                parts.append(spread(part.held, most) if inside(part, self.depth) else part[None, ...])
        own = self.inner.reshape(self.inner.xp.arange(count), (-1, *(1,) * most))
        together = axes[-1] - axes[0] == len(axes) - 1
        lead = axes[0] if together else 0
        order = None
        if lead:  # (samples, index dims, others) -> (samples, others before, index dims, others after)
            total = most + len(key) - len(axes)
            order = (0, *range(most + 1, most + 1 + lead), *range(1, most + 1), *range(most + 1 + lead, total + 1))
        return (own, *parts), order


def mapped_batch(array: Any, function: Callable[[Any], Any]) -> Any:
    """``function`` of the array that holds the samples, as a batch again."""
    return Batch(function(array.held), array.depth) if type(array) is Batch else function(array)


def _ndim_at(ndim: int, key: tuple[Any, ...]) -> int:
    """How many dimensions ``x[key]`` has; index arrays count with theirs."""
    arrays = [part for part in key if is_array(part)]
    picked = sum(isinstance(part, int) for part in key) + len(arrays)
    return ndim - picked + sum(part is None for part in key) + max([len(part.shape) for part in arrays], default=0)


def _explicit(ndim: int, key: tuple[Any, ...]) -> tuple[Any, ...]:
    """A key with a part for each dimension."""
    if any(part is Ellipsis for part in key):
        place = next(place for place, part in enumerate(key) if part is Ellipsis)
        rest = ndim - (len(key) - 1)
        key = (*key[:place], *(slice(None),) * rest, *key[place + 1 :])
    return (*key, *(slice(None),) * (ndim - len(key)))


class BatchedBackend(ArrayAPIBackend):
    """The runtime of batches over the arrays of ``inner``, the samples of one vmap of ``depth``.

    An array of it is a ``Batch``, or one of ``inner`` itself, which all samples share.
    """

    def __init__(self, inner: Backend, depth: int, device: Any) -> None:
        self.inner = inner
        self.depth = depth
        #: the device of the batches, and that of the arrays that hold them
        self.device, self.home = device, device.home
        self.name = f"vmap of {inner.name}"
        self.device_type = device.type
        self.lacking_dtypes = inner.lacking_dtypes
        self.vectorizes = inner.vectorizes
        base = StandardKernels if isinstance(inner.kernels, StandardKernels) else ArrayKernels
        kind = BatchedKernels if base is ArrayKernels else type("BatchedKernels", (BatchedKernels, base), {})
        #: kernels, and functions of the library, of which a call has gone through the samples one by one
        self.loops: set[str] = set()
        self.kernels = kind(inner.kernels, depth, self.loops)
        self.xp = self.kernels.xp

    # what a sample is not asked for: the inner backend has it

    def native(self, dtype: DType) -> Any:
        return self.inner.native(dtype)

    def dtype_of(self, array: Any) -> DType:
        return self.dtype_of(array.held) if type(array) is Batch else self.inner.dtype_of(array)

    def device_of(self, array: Any) -> Device:
        return self.device  # type: ignore[no-any-return]

    def to_host(self, array: Any) -> Any:
        return array._unknown() if type(array) is Batch else self.inner.to_host(array)

    def from_host(self, array: Any, device: Device) -> Any:
        return self.inner.from_host(array, self.home)

    def scalar(self, value: Any, dtype: DType, device: Device) -> Any:
        return self.inner.scalar(value, dtype, self.home)

    def zeros(self, size: tuple[int, ...], dtype: DType, device: Device) -> Any:
        return self.inner.zeros(size, dtype, self.home)

    def full(self, size: tuple[int, ...], value: Any, dtype: DType, device: Device) -> Any:
        return self.inner.full(size, value, dtype, self.home)

    def arange(self, start: float, step: float, count: int, dtype: DType, device: Device) -> Any:
        return self.inner.arange(start, step, count, dtype, self.home)

    def random_words(self, seed: int, offset: int, count: int, device: Device) -> Any:
        return self.inner.random_words(seed, offset, count, self.home)

    def copy(self, array: Any) -> Any:
        return mapped_batch(array, self.inner.copy)

    def in_range(self, index: Any, low: int | float, high: int | float) -> bool:
        return self.inner.in_range(index.held if inside(index, self.depth) else index, low, high)

    # kernels

    @functools.cached_property
    def completed(self) -> Any:
        return _Guarded(self)

    def lacks(self, name: str) -> bool:
        return self.inner.lacks(name)

    def kernel(self, op: Any) -> Kernel:
        return getattr(self.completed, op.name)

    def guarded(self, name: str) -> Kernel:
        """The kernel ``name``: its text on batches, and where that does not work one sample after the other."""
        depth, inner = self.depth, functools.partial(self.inner.call, name)
        text = getattr(self.kernels, name, None)
        op = REGISTRY.get(name)
        native = self.vectorizes
        dims = () if native else self._dims_of(op)
        leading = op is not None and op.leading and not native

        def run(*values: Any) -> Any:
            if depth_of(values) < depth:
                return inner(*values)
            if op is not None and op.dynamic:
                raise UnsupportedError(
                    f"{name}: under vmap each sample would have a result of another shape, for it depends on values. Call it "
                    f"outside of the function, or keep the shape, for instance with tapeloom.where."
                )
            if leading:
                return mapped(inner(*aligned(values, depth)), lambda array: Batch(array, depth))
            if dims and values[0].ndim and depth_of(values[1:]) < 0:
                moved_values = [moved(value, 0) if place in dims else value for place, value in enumerate(values)]
                return mapped(inner(values[0].held, *moved_values[1:]), lambda array: Batch(array, depth))
            try:
                if native and op is not None:
                    return self.vectorized(name, values, ())
                if text is not None:
                    return text(*values)
            except _STOPS:
                pass  # the sample says what is wrong
            self.loops.add(name)
            return looped(inner, depth, self.inner.kernels.xp, *values)

        run.__name__ = run.__qualname__ = name
        return run

    def vectorized(self, name: str, values: Sequence[Any], levels: tuple[Any, ...]) -> Any:
        own = marked(values, self.depth)
        held = [_held(value, self.depth) for value in values]
        if depth_of(list(values)) < self.depth:  # those that share what is mapped over
            return self.inner.vectorized(name, held, levels)
        result = self.inner.vectorized(name, held, (*levels, own))
        return mapped(result, lambda array: Batch(array, self.depth))

    def _dims_of(self, op: Any) -> tuple[int, ...]:
        """The places of the dimensions, of an op that folds those of its one input away: the inner kernel does that too."""
        if op is None or op.residuals or op.dynamic:
            return ()
        passed = [p for p in op.parameters if p.passed]
        roles = [p.role for p in passed[1:]]
        plain = passed[0].role == "Tensor" and set(roles) <= {"Dims", "bool", "float"} and roles.count("Dims") == 1
        return (1 + roles.index("Dims"),) if plain else ()


def marked(value: Any, depth: int) -> Any:
    """Where ``value`` holds samples of ``depth``: True for a batch, lists and tuples item by item."""
    if type(value) in (list, tuple):
        return tuple([marked(item, depth) for item in value])
    return inside(value, depth)


def _held(value: Any, depth: int) -> Any:
    if type(value) is list:
        return [_held(item, depth) for item in value]
    return value.held if inside(value, depth) else value


class _Guarded:
    """The kernels of a backend of batches as core calls them."""

    def __init__(self, backend: BatchedBackend) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        backend = self._backend
        kernel = getattr(backend.kernels, name, None)
        made = backend.guarded(name) if name in REGISTRY or callable(kernel) else kernel
        setattr(self, name, made)
        return made
