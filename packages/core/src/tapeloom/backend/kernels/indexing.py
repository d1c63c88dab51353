"""Indexing kernels. Keys are ``keys.Key``; index arrays are int64 and lie in range."""

from __future__ import annotations

from typing import Any

from tapeloom.backend.array import Array
from tapeloom.keys import Key

Ints = tuple[int, ...]


class Indexing:
    """Kernels that pick elements out and put them in. Arrays are mutable here; a library without that overrides."""

    xp: Any

    def at(self: Any, x: Array, key: Any, value: Array, how: str = "set", owned: bool = False) -> Array:
        """``x`` with ``value`` put at ``key`` (how "set"), or added there ("add"), what meets at one place added up.

        A new array; ``x`` itself where it is ``owned``: nobody else holds it. All writes of the shared kernels come here.
        """
        result: Any = x if owned else self.copy(x)
        if how == "add" and all(part is Ellipsis or isinstance(part, slice) for part in key):
            result[key] += value  # no two of them meet
        elif how == "add":
            self.xp.add.at(result, key, value)
        else:
            result[key] = value
        return result

    def slice_get(self: Any, x: Array, key: Key) -> Array:
        return x[key.native()]

    def unslice(self: Any, x: Array, key: Key, size: Ints) -> Array:
        return self.at(self.xp.zeros(size, dtype=x.dtype), key.native(), x, owned=True)

    def slice_put(self: Any, x: Array, value: Array, key: Key) -> Array:
        return self.at(x, key.native(), value)

    def zero_of(self: Any, like: Array) -> Array:
        return self.zero_like(like)

    def index(self: Any, x: Array, indices: list[Array], dims: Ints) -> Array:
        return x[advanced(x.ndim, indices, dims)]

    def index_put(
        self: Any, x: Array, indices: list[Array], value: Array, dims: Ints, accumulate: bool = False
    ) -> Array:
        return self.at(x, advanced(x.ndim, indices, dims), value, "add" if accumulate else "set")

    def gather(self: Any, x: Array, dim: int, index: Array) -> Array:
        if 0 in index.shape:
            return self.xp.zeros(index.shape, dtype=x.dtype)
        if not x.ndim:
            return self.copy(self.xp.broadcast_to(x, index.shape))
        return x[self._along(x.ndim, dim, index)]

    def scatter_add(self: Any, x: Array, dim: int, index: Array, src: Array) -> Array:
        if 0 in index.shape:
            return self.copy(x)
        part = src[tuple(slice(0, length) for length in index.shape)]
        if not x.ndim:
            return x + self.sum(part, tuple(range(part.ndim)))
        return self.at(x, self._along(x.ndim, dim, index), part, "add")

    def _along(self: Any, ndim: int, dim: int, index: Array) -> tuple[Array, ...]:
        """Index arrays that read ``index`` along ``dim`` and each position itself along the other dimensions."""
        key = []
        for axis in range(ndim):
            if axis == dim:
                key.append(index)
            else:
                places = self.xp.arange(index.shape[axis])
                key.append(self.xp.reshape(places, (1,) * axis + (-1,) + (1,) * (ndim - axis - 1)))
        return tuple(key)

    def index_select(self: Any, x: Array, dim: int, index: Array) -> Array:
        if not x.ndim:
            return x
        return self.xp.take(x, self.xp.reshape(index, (-1,)), axis=dim)

    def index_add(self: Any, x: Array, dim: int, index: Array, source: Array) -> Array:
        if not x.ndim:
            return x + self.reshape(source, ())
        return self.at(x, (slice(None),) * dim + (self.xp.reshape(index, (-1,)),), source, "add")

    def nonzero(self: Any, x: Array) -> Array:
        return self.as_int64(self.xp.stack(self.xp.nonzero(x), axis=1)) if x.ndim else self._nonzero_scalar(x)

    def _nonzero_scalar(self: Any, x: Array) -> Array:
        return self.xp.zeros((int(bool(x)), 0), dtype=self.xp.int64)

    def select_column(self: Any, x: Array, column: int) -> Array:
        return x[:, column]

    def tril(self: Any, x: Array, diagonal: int) -> Array:
        return self.xp.tril(x, k=diagonal)

    def triu(self: Any, x: Array, diagonal: int) -> Array:
        return self.xp.triu(x, k=diagonal)


def advanced(ndim: int, indices: list[Array], dims: Ints) -> tuple[Any, ...]:
    """The key that indexes ``dims`` by ``indices``."""
    key: list[Any] = [slice(None)] * ndim
    for dim, index in zip(dims, indices, strict=True):
        key[dim] = index
    return tuple(key)
