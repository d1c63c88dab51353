"""Resizing along one dimension: every result is a weighted sum of a few elements, whose places depend on sizes alone."""

from __future__ import annotations

from collections.abc import Callable
from math import pi, prod
from typing import Any

from tapeloom import dtypes
from tapeloom.backend.array import Array


class Resize:
    """Resampling by a filter, and its adjoint.

    ``method`` names the filter, ``step`` is how far neighbours of the result lie apart in the input, ``aligned`` whether
    the first elements lie on each other or the first edges, ``taps`` how many elements the filter reaches.
    """

    xp: Any

    def resample(
        self: Any, x: Array, dim: int, length: int, method: str, aligned: bool, taps: int, step: float
    ) -> Array:
        places, weights = self._taps(x, x.shape[dim], length, method, aligned, taps, step)
        met = self.index_select(x, dim, self.xp.reshape(places, (-1,)))
        if weights is None:
            return met
        behind = x.shape[dim + 1 :]
        met = self.xp.reshape(met, (*x.shape[:dim], taps, length, *behind))
        weights = self.xp.reshape(weights, (taps, length, *(1 for _ in behind)))
        return self.sum(self._weighed(met, weights, method), (dim,))

    def resample_backward(
        self: Any, upstream: Array, dim: int, length: int, method: str, aligned: bool, taps: int, step: float
    ) -> Array:
        places, weights = self._taps(upstream, length, upstream.shape[dim], method, aligned, taps, step)

        def shares(g: Array) -> Array:
            return g if weights is None else self._weighed(g, self.xp.expand_dims(weights, axis=2), method)

        return self._returned(upstream, dim, length, places, shares)

    def _returned(
        self: Any, upstream: Array, dim: int, length: int, places: Array, shares: Callable[[Array], Array]
    ) -> Array:
        """``length`` elements along ``dim`` with the parts of ``upstream`` added up at ``places`` (taps, results).

        ``shares`` makes these parts, (taps, results, all else), of ``upstream`` as (1, results, all else).
        """
        xp = self.xp
        lead, count, behind = upstream.shape[:dim], upstream.shape[dim], upstream.shape[dim + 1 :]
        if not prod(upstream.shape):
            return xp.zeros((*lead, length, *behind), dtype=upstream.dtype)
        rest = prod(lead) * prod(behind)
        order = (dim, *(axis for axis in range(upstream.ndim) if axis != dim))
        parts = shares(xp.reshape(xp.permute_dims(upstream, order), (1, count, rest)))
        rows = xp.reshape(parts, (places.shape[0] * count, rest))
        table = self.embedding_backward(rows, xp.reshape(places, (-1,)), length, None)
        back = (*range(1, dim + 1), 0, *range(dim + 1, upstream.ndim))
        return xp.permute_dims(xp.reshape(table, (length, *lead, *behind)), back)

    def _weighed(self: Any, x: Array, weights: Array, method: str) -> Array:
        product = x * weights
        if method not in ANTIALIASED:
            return product
        return self.where(
            weights == 0, self.zero_like(product), product
        )  # what the filter does not reach may be infinite

    def _taps(
        self: Any, x: Array, length: int, count: int, method: str, aligned: bool, taps: int, step: float
    ) -> tuple[Array, Array | None]:
        """For each of ``count`` results which elements of ``length`` it is made of, and their weights: (taps, count) each."""
        xp = self.xp
        chosen = method.startswith("nearest")  # in float32 in every dtype: as in PyTorch, nearly whole counts as whole
        kind = self.native(dtypes.float32) if chosen else x.dtype
        here = xp.arange(count, dtype=kind)
        steps = xp.zeros((), dtype=kind) + step
        if chosen:
            source = here * steps if method == "nearest" else (here + 0.5) * steps
            return xp.expand_dims(self._within(self.floor(source), length), axis=0), None
        source = here * steps if aligned else (here + 0.5) * steps - 0.5
        numbers = xp.reshape(xp.arange(taps, dtype=kind), (-1, 1))
        if method in ANTIALIASED:
            stretch = self.maximum(steps, xp.ones_like(steps))
            return self._antialiased((here + 0.5) * steps, numbers, length, method, stretch)
        if method == "linear":
            source = self.maximum(source, self.zero_like(source))
        low = self.minimum(self.floor(source), self.full_of(source, length - 1))
        away = self.clamp(source - low, self.zero_like(source), xp.ones_like(source))
        places = self._within(low + numbers - (taps // 2 - 1), length)
        if method == "linear":
            return places, xp.stack([1 - away, away])
        return places, xp.stack(cubic_weights(away))

    def _antialiased(
        self: Any, centre: Array, numbers: Array, length: int, method: str, stretch: Array
    ) -> tuple[Array, Array]:
        """The filter stretched by ``stretch``, so that it reaches as many elements as one of the result stands for."""
        half, function = ANTIALIASED[method]
        reach = half * stretch
        first = self.maximum(self.trunc(centre - reach + 0.5), self.zero_like(centre))
        behind = self.minimum(self.trunc(centre + reach + 0.5), self.full_of(centre, length))
        places = first + numbers
        weights = function(self, (places - centre + 0.5) / stretch)
        weights = self.where(places < behind, weights, self.zero_like(weights))
        return self._within(places, length), weights / self.sum(weights, (0,), True)

    def _within(self: Any, places: Array, length: int) -> Array:
        return self.as_int64(self.clamp(places, self.zero_like(places), self.full_of(places, length - 1)))


def cubic_weights(away: Any) -> list[Any]:
    """The weights of four neighbours of a place ``away`` from the second: the cubic convolution of R. Keys with -3/4."""
    return [outer(away + 1), inner(away), inner(1 - away), outer(2 - away)]


def inner(x: Any, a: float = -0.75) -> Any:
    """The cubic of R. Keys from 0 to 1."""
    return ((a + 2) * x - (a + 3)) * x * x + 1


def outer(x: Any, a: float = -0.75) -> Any:
    """The cubic of R. Keys from 1 to 2."""
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a


def _triangle(kernels: Any, x: Array) -> Array:
    far = kernels.abs(x)
    return kernels.where(far < 1, 1 - far, kernels.zero_like(far))


def _keys(kernels: Any, x: Array) -> Array:
    far = kernels.abs(x)
    curve = kernels.where(far < 1, inner(far, -0.5), outer(far, -0.5))
    return kernels.where(far < 2, curve, kernels.zero_like(far))


def _lanczos(kernels: Any, x: Array) -> Array:
    zero = kernels.zero_like(x)
    place = pi * kernels.where(x == 0, zero + 1, x)
    curve = 3 * kernels.sin(place) * kernels.sin(place / 3) / (place * place)
    return kernels.where(kernels.abs(x) < 3, kernels.where(x == 0, zero + 1, curve), zero)


#: filters that are stretched where the result is smaller: how far they reach to each side, and their values
ANTIALIASED = {"triangle": (1, _triangle), "keys": (2, _keys), "lanczos": (3, _lanczos)}
