"""The shared kernels over batches: what their texts ask for beyond the Array API is here."""

from __future__ import annotations

import functools
from typing import Any

from tapeloom import dtypes
from tapeloom.backend.batches.array import Batch, aligned, depth_of, inside, is_array, samples, spread, within
from tapeloom.backend.batches.functions import Functions
from tapeloom.backend.fallback import mapped
from tapeloom.backend.kernels import ArrayKernels
from tapeloom.backend.kernels.standard import StandardKernels
from tapeloom.backend.runtime import Kernel
from tapeloom.dtypes import DType

Key = tuple[Any, ...]
#: kernels that ask more of arrays than the Array API does, or that libraries have a better way for, and that take more
#: dimensions in front by themselves: those of the inner backend
INNER = ("complex", "conj", "erf", "imag", "real", "swap_last")


class BatchedKernels(ArrayKernels):
    """The shared kernels over batches of ``depth``. ``inner`` are the kernels of the arrays that hold the samples."""

    def __init__(self, inner: Any, depth: int, loops: set[str]) -> None:
        self._holders = inner
        self._depth = depth
        super().__init__(Functions(inner.xp, depth, loops))
        for name in INNER:
            kernel = getattr(inner, name, None)
            if kernel is not None:
                setattr(self, name, functools.partial(self._called_once, kernel))

    def _called_once(self, kernel: Kernel, *values: Any) -> Any:
        if depth_of(values) < self._depth:
            return kernel(*values)
        return mapped(kernel(*aligned(values, self._depth)), lambda array: Batch(array, self._depth))

    def native_dtype(self, dtype: DType) -> Any:
        return self._holders.native_dtype(dtype)

    def _astype(self, x: Any, native: Any) -> Any:
        return within(x, self._depth, lambda array: self._holders._astype(array, native))

    def copy(self, array: Any) -> Any:
        return within(array, self._depth, self._holders.copy)

    # reads and writes: all of the shared kernels come here

    def read(self, x: Any, key: Key) -> Any:
        if depth_of([x, *key]) < self._depth:
            return self._holders.read(x, key)
        count = samples([x, *key], self._depth)
        places, order = self._sample_key(x.ndim, key, count)
        found = self._holders.read(self._all_samples(x, count), places)
        return Batch(self._holders.permute(found, order) if order else found, self._depth)

    def at(self, x: Any, key: Any, value: Any, how: str = "set", owned: bool = False) -> Any:
        key = key if isinstance(key, tuple) else (key,)
        if depth_of([x, value, *key]) < self._depth:
            return self._holders.at(x, key, value, how, owned)
        count = samples([x, value, *key], self._depth)
        places, order = (slice(None), *key), None
        if any(is_array(part) for part in key):
            places, order = self._sample_key(x.ndim, key, count)
        if is_array(value):
            value = spread(value.held if inside(value, self._depth) else value[None, ...], _ndim_at(x.ndim, key))
        if order:  # the samples' dimensions in the order in which the key meets them
            value = self._holders.permute(value, tuple(order.index(axis) for axis in range(len(order))))
        if inside(x, self._depth):
            return Batch(self._holders.at(x.held, places, value, how, owned), self._depth)
        return Batch(
            self._holders.at(self._holders.copy(self._all_samples(x, count)), places, value, how, True), self._depth
        )

    def _all_samples(self, x: Any, count: int) -> Any:
        """An array with all samples, also of one that they share."""
        return x.held if inside(x, self._depth) else self._holders.expand(x, (count, *x.shape))

    def _sample_key(self, ndim: int, key: Key, count: int) -> tuple[Key, tuple[int, ...] | None]:
        """A key with index arrays, for arrays that hold samples; and how to order the dimensions of what it reads.

        The samples are indexed by their numbers. That brings the dimensions of the index arrays to the front, right behind
        the samples, while in a sample they stay in their place if they stand together.
        """
        key = _explicit(ndim, key)
        axes = [axis for axis, part in enumerate(key) if not isinstance(part, slice)]
        most = max(len(key[axis].shape) for axis in axes)
        parts: list[Any] = [self._holders.reshape(self._holders.xp.arange(count), (-1, *(1,) * most))]
        for part in key:
            if isinstance(part, slice):
                parts.append(part)
            elif part.dtype == self._native[dtypes.bool_]:
                raise TypeError("a mask picks another number of elements from each sample")
            else:
                parts.append(spread(part.held, most) if inside(part, self._depth) else part[None, ...])
        lead = axes[0] if axes[-1] - axes[0] == len(axes) - 1 else 0
        if not lead:
            return tuple(parts), None
        # (samples, index dims, others) -> (samples, others before, index dims, others after)
        behind, total = most + 1 + lead, most + 1 + len(key) - len(axes)
        return tuple(parts), (0, *range(most + 1, behind), *range(1, most + 1), *range(behind, total))


class StandardBatchedKernels(BatchedKernels, StandardKernels):
    """Those over a library that has nothing beyond the Array API."""


def batched_kernels(inner: Any, depth: int, loops: set[str]) -> BatchedKernels:
    """The kernels of batches that ``inner`` holds; ``loops`` learns which functions run for one sample after the other."""
    return (StandardBatchedKernels if isinstance(inner, StandardKernels) else BatchedKernels)(inner, depth, loops)


def _ndim_at(ndim: int, key: Key) -> int:
    """How many dimensions ``x[key]`` has."""
    arrays = [part for part in key if is_array(part)]
    picked = sum(isinstance(part, int) for part in key) + len(arrays)
    return ndim - picked + sum(part is None for part in key) + max([len(part.shape) for part in arrays], default=0)


def _explicit(ndim: int, key: Key) -> Key:
    """A key with a part for each dimension."""
    if any(part is Ellipsis for part in key):
        place = next(place for place, part in enumerate(key) if part is Ellipsis)
        key = (*key[:place], *(slice(None),) * (ndim - len(key) + 1), *key[place + 1 :])
    return (*key, *(slice(None),) * (ndim - len(key)))
