"""Indexing kernels. Keys are ``keys.Key``; index arrays are int64 and lie in range, counted from the end if negative."""

from __future__ import annotations

from typing import Any

from tapeloom.backend.array import Array
from tapeloom.keys import NEW, Key

Ints = tuple[int, ...]


class Indexing:
    """Kernels that pick elements out and put them in. Arrays are mutable here; a library without that overrides."""

    xp: Any

    def at(self: Any, x: Array, key: Any, value: Array, how: str = "set", owned: bool = False) -> Array:
        """``x`` with ``value`` put at ``key`` (how "set"), or added there ("add"), what meets at one place added up.

        With index arrays also "multiply", "maximum" and "minimum".
        A new array; ``x`` itself where it is ``owned``: nobody else holds it. All writes of the shared kernels come here.
        """
        result: Any = x if owned else self.copy(x)
        if how == "add" and is_basic(key):
            result[key] += value  # no two of them meet
        elif how != "set":
            getattr(self.xp, how).at(result, key, value)
        else:
            result[key] = value
        return result

    def read(self: Any, x: Array, key: tuple[Any, ...]) -> Array:
        """``x[key]`` for a key with index arrays. All such reads of the shared kernels come here."""
        return x[key]

    def slice_get(self: Any, x: Array, key: Key) -> Array:
        return x[key.native()]

    def unslice(self: Any, x: Array, key: Key, size: Ints) -> Array:
        if NEW in key.structure:
            key, x = self._without_new(key, x)
        return self.at(self.xp.zeros(size, dtype=x.dtype), key.native(), x, owned=True)

    def slice_put(self: Any, x: Array, value: Array, key: Key) -> Array:
        if NEW in key.structure:
            key, value = self._without_new(key, value)
        return self.at(x, key.native(), value)

    def _without_new(self: Any, key: Key, value: Array) -> tuple[Key, Array]:
        """The same places by a key as arrays are written at, and ``value`` in a shape that fits it."""
        places = key.without_new()
        return places, self.reshape(self.expand(value, key.shape()), places.shape())

    def zero_of(self: Any, like: Array) -> Array:
        return self.zero_like(like)

    def index(self: Any, x: Array, indices: list[Array], dims: Ints) -> Array:
        return self.read(x, advanced_key(x.ndim, indices, dims))

    def index_put(
        self: Any, x: Array, indices: list[Array], value: Array, dims: Ints, accumulate: bool = False
    ) -> Array:
        return self.at(x, advanced_key(x.ndim, indices, dims), value, "add" if accumulate else "set")

    def gather(self: Any, x: Array, dim: int, index: Array) -> Array:
        if 0 in index.shape:
            return self.xp.zeros(index.shape, dtype=x.dtype)
        if not x.ndim:
            return self.copy(self.expand(x, index.shape))
        return self.read(x, self._along(x.ndim, dim, index))

    def scatter_add(self: Any, x: Array, dim: int, index: Array, src: Array) -> Array:
        if 0 in index.shape:
            return self.copy(x)
        part = self._over(index, src)
        if not x.ndim:
            return x + self.sum(part, tuple(range(part.ndim)))
        return self.at(x, self._along(x.ndim, dim, index), part, "add")

    def _over(self: Any, index: Array, src: Array) -> Array:
        """The elements of ``src`` that stand over ``index``; a vector of one element counts as 0-d, and the other way."""
        if src.ndim != index.ndim:
            return self.reshape(self.reshape(src, (-1,))[:1], index.shape)
        return src[tuple(slice(0, length) for length in index.shape)]

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
        return x[:, column, ...]

    def tril(self: Any, x: Array, diagonal: int) -> Array:
        return self.xp.tril(x, k=diagonal)

    def triu(self: Any, x: Array, diagonal: int) -> Array:
        return self.xp.triu(x, k=diagonal)


def is_basic(key: tuple[Any, ...]) -> bool:
    """Whether there is no index array in a key of ``Indexing.at``, so that it names no place twice."""
    return all(part is Ellipsis or isinstance(part, (slice, int)) for part in key)


def advanced_key(ndim: int, indices: list[Array], dims: Ints) -> tuple[Any, ...]:
    """The key that indexes ``dims`` by ``indices``."""
    key: list[Any] = [slice(None)] * ndim
    for dim, index in zip(dims, indices, strict=True):
        key[dim] = index
    return tuple(key)
