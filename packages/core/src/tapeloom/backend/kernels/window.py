"""Window kernels over (batch, channels, *spatial): convolution as one matrix product, pooling as strided slices.

There may be any number of spatial axes; all settings are tuples with one int for each. Arrays are mutable here; a
library without that overrides.
"""

from __future__ import annotations

from functools import lru_cache, reduce
from itertools import product
from math import prod
from operator import and_
from typing import Any

from tapeloom.backend.array import Array
from tapeloom.dtypes import iinfo
from tapeloom.shapes import window_length

Ints = tuple[int, ...]


# Sizes repeat from step to step, and working them out costs as much as a small kernel: so they are remembered.


@lru_cache(maxsize=1024)
def taps(kernel: Ints, stride: Ints, dilation: Ints, out: Ints) -> tuple[tuple[Ints, tuple[Any, ...]], ...]:
    """Each place in the kernel, and the key of the inputs that it meets in the padded planes, one in each window."""
    return tuple((place, (Ellipsis, *reached(place, stride, dilation, out))) for place in product(*map(range, kernel)))


def reached(place: Ints, stride: Ints, dilation: Ints, out: Ints) -> tuple[slice, ...]:
    """For each axis of ``place``, an element of the kernel: the inputs that it meets, one in each of the ``out`` windows."""
    return tuple(
        slice(i * spread, i * spread + step * (count - 1) + 1, step)
        for i, step, spread, count in zip(place, stride, dilation, out, strict=False)
    )


@lru_cache(maxsize=1024)
def out_size(x_size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool = False) -> Ints:
    """How many windows fit along each spatial axis."""
    settings = zip(x_size[2:], kernel, stride, padding, dilation, strict=True)
    return tuple(window_length(*own, ceil_mode) for own in settings)


@lru_cache(maxsize=1024)
def frame(x_size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, out: Ints) -> Any:
    """What to pad before and after each axis so that all windows lie inside (with ceil_mode beyond the padding), or None."""
    amounts = [(0, 0), (0, 0)]
    for length, size, step, around, spread, count in zip(
        x_size[2:], kernel, stride, padding, dilation, out, strict=True
    ):
        reach = (count - 1) * step + (size - 1) * spread + 1
        amounts.append((around, max(0, reach - around - length)))
    return tuple(amounts) if any(map(any, amounts)) else None


@lru_cache(maxsize=1024)
def divisors(x_size: Ints, out: Ints, kernel: Ints, stride: Ints, padding: Ints, include_pad: bool) -> Any:
    """How many places each window counts: one number where all are equal, else all of them in a list."""
    settings = zip(x_size[2:], out, kernel, stride, padding, strict=True)
    counts = [averages(*own, include_pad) for own in settings]
    if all(len({*along}) == 1 for along in counts):
        return prod(along[0] for along in counts)
    return [prod(own) for own in product(*counts)]


def averages(length: int, out: int, kernel: int, stride: int, padding: int, include_pad: bool) -> list[int]:
    """How many places each window along one axis counts."""
    counts = []
    for position in range(out):
        start = position * stride - padding
        end = min(start + kernel, length + padding)
        counts.append(end - start if include_pad else min(end, length) - max(start, 0))
    return counts


def unframed(framed: Array, padding: Ints, x_size: Ints) -> Array:
    """The part of ``framed`` that is not padding."""
    inside = (slice(around, around + length) for around, length in zip(padding, x_size[2:], strict=True))
    return framed[(slice(None), slice(None), *inside)]


class Window:
    """Convolution and pooling."""

    xp: Any

    # convolution

    def _columns(self: Any, x: Array, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int) -> Array:
        """The windows of ``x`` as rows: (groups, batch * windows, channels / groups * elements of the kernel)."""
        xp = self.xp
        out = out_size(x.shape, kernel, stride, padding, dilation)
        padded = self._padded(x, padding)
        parts = xp.stack([padded[key] for _, key in taps(kernel, stride, dilation, out)], axis=2)
        batch, channels = x.shape[:2]
        parts = xp.reshape(parts, (batch, groups, channels // groups, prod(kernel), prod(out)))
        parts = xp.permute_dims(parts, (1, 0, 4, 2, 3))
        return xp.reshape(parts, (groups, batch * prod(out), channels // groups * prod(kernel)))

    def _padded(self: Any, x: Array, padding: Ints) -> Array:
        if not any(padding):
            return x
        return self._pad(x, ((0, 0), (0, 0), *((around, around) for around in padding)))

    def convolution(
        self: Any,
        x: Array,
        weight: Array,
        bias: Array | None,
        stride: Ints,
        padding: Ints,
        dilation: Ints,
        groups: int,
    ) -> Array:
        xp = self.xp
        kernel = weight.shape[2:]
        out = out_size(x.shape, kernel, stride, padding, dilation)
        columns = self._columns(x, kernel, stride, padding, dilation, groups)
        filters = xp.reshape(weight, (groups, weight.shape[0] // groups, weight.shape[1] * prod(kernel)))
        result = self.matmul(columns, self.swap_last(filters))  # (groups, rows, out channels / groups)
        result = xp.reshape(result, (groups, x.shape[0], prod(out), weight.shape[0] // groups))
        result = xp.reshape(xp.permute_dims(result, (1, 0, 3, 2)), (x.shape[0], weight.shape[0], *out))
        return result if bias is None else result + xp.reshape(bias, (-1, *(1 for _ in out)))

    def convolution_input_gradient(
        self: Any,
        upstream: Array,
        weight: Array,
        x_size: Ints,
        stride: Ints,
        padding: Ints,
        dilation: Ints,
        groups: int,
    ) -> Array:
        xp = self.xp
        kernel = weight.shape[2:]
        batch, out_channels, *out = upstream.shape
        inner = weight.shape[1]
        rows = xp.reshape(upstream, (batch, groups, out_channels // groups, prod(out)))
        filters = xp.reshape(weight, (groups, out_channels // groups, inner * prod(kernel)))
        spread = self.matmul(self.swap_last(filters), rows)  # (batch, groups, inner * kernel elements, windows)
        spread = xp.reshape(spread, (batch, groups * inner, prod(kernel), *out))
        around = (length + 2 * amount for length, amount in zip(x_size[2:], padding, strict=True))
        padded = xp.zeros((batch, groups * inner, *around), dtype=upstream.dtype)
        for number, (_, key) in enumerate(taps(kernel, stride, dilation, tuple(out))):
            padded = self.at(padded, key, spread[:, :, number, ...], "add", owned=True)
        return unframed(padded, padding, x_size)

    def convolution_weight_gradient(
        self: Any,
        upstream: Array,
        x: Array,
        weight_size: Ints,
        stride: Ints,
        padding: Ints,
        dilation: Ints,
        groups: int,
    ) -> Array:
        xp = self.xp
        batch, out_channels, *out = upstream.shape
        columns = self._columns(x, weight_size[2:], stride, padding, dilation, groups)
        rows = xp.reshape(upstream, (batch, groups, out_channels // groups, prod(out)))
        rows = xp.permute_dims(rows, (1, 2, 0, 3))
        rows = xp.reshape(rows, (groups, out_channels // groups, batch * prod(out)))
        return xp.reshape(self.matmul(rows, columns), weight_size)

    # pooling

    def _framed(
        self: Any, x: Array, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, out: Ints, value: Any
    ) -> Array:
        """``x`` with ``value`` around it, as far as the windows reach."""
        amounts = frame(x.shape, kernel, stride, padding, dilation, out)
        return x if amounts is None else self._pad(x, amounts, value)

    def lowest(self: Any, x: Array) -> Any:
        """The value that every other of this dtype beats."""
        dtype = self.dtype_of(x)
        return float("-inf") if dtype.is_floating_point else iinfo(dtype).min

    def max_pool_with_indices(
        self: Any, x: Array, kernel_size: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
    ) -> tuple[Array, Array]:
        xp = self.xp
        out = out_size(x.shape, kernel_size, stride, padding, dilation, ceil_mode)
        framed = self._framed(x, kernel_size, stride, padding, dilation, out, self.lowest(x))
        whole = framed is x  # no window reaches outside
        first: Any = 0  # the place of each window's first element; every other is a number further on
        inside: Any = None
        axes: list[Any] = []  # for each axis and element of the kernel: which windows have it inside the input
        for axis, (length, count) in enumerate(zip(x.shape[2:], out, strict=True)):
            start = xp.reshape(xp.arange(count), (-1, *(1 for _ in out[axis + 1 :]))) * stride[axis] - padding[axis]
            first = first * length + start
            reach = () if whole else range(0, kernel_size[axis] * dilation[axis], dilation[axis])
            axes.append([(start >= -i) & (start < length - i) for i in reach])
        best: Any = None
        indices: Any = None
        seen: Any = None
        for tap, key in taps(kernel_size, stride, dilation, out):
            value = framed[key]
            further = 0
            for i, spread, length in zip(tap, dilation, x.shape[2:], strict=True):
                further = further * length + i * spread
            place = first + further
            if not whole:
                inside = reduce(and_, (fits[i] for fits, i in zip(axes, tap, strict=True)))
            if best is None:
                best, indices, seen = value, xp.broadcast_to(place, value.shape), inside
                continue
            # the first of equal values stays, nan wins, and the frame is never chosen: all as in PyTorch
            better = (value > best) | (value != value)
            if not whole:
                better = inside & (better | ~seen)
                seen = seen | inside
            best = xp.where(better, value, best)
            indices = xp.where(better, place, indices)
        return best, self.as_int64(indices)

    def max_pool_backward(self: Any, upstream: Array, indices: Array, x_size: Ints) -> Array:
        xp = self.xp
        planes, area = prod(x_size[:2]), prod(x_size[2:])
        places = xp.reshape(indices, (planes, prod(indices.shape[2:]))) + xp.reshape(xp.arange(planes) * area, (-1, 1))
        flat = xp.zeros((planes * area,), dtype=upstream.dtype)
        flat = self.at(flat, (xp.reshape(places, (-1,)),), xp.reshape(upstream, (-1,)), "add", owned=True)
        return xp.reshape(flat, x_size)

    def _shared(self: Any, total: Array, override: int | None, *settings: Any) -> Array:
        """``total`` of each window divided by how many places it counts."""
        counts = divisors(*settings) if override is None else override
        if type(counts) is list:
            counts = self.xp.reshape(self.xp.asarray(counts, dtype=total.dtype), total.shape[2:])
        if self.dtype_of(total).is_floating_point:
            return total / counts
        return self.trunc_divide(total, self.xp.asarray(counts, dtype=total.dtype))

    def _window_sums(self: Any, framed: Array, kernel: Ints, stride: Ints, out: Ints) -> Array:
        total: Any = None
        for _, key in taps(kernel, stride, (1,) * len(out), out):
            total = framed[key] if total is None else total + framed[key]
        return total

    def avg_pool(
        self: Any,
        x: Array,
        kernel_size: Ints,
        stride: Ints,
        padding: Ints,
        ceil_mode: bool,
        count_include_pad: bool,
        divisor_override: int | None,
    ) -> Array:
        dense = (1,) * len(kernel_size)
        out = out_size(x.shape, kernel_size, stride, padding, dense, ceil_mode)
        total = self._window_sums(
            self._framed(x, kernel_size, stride, padding, dense, out, 0), kernel_size, stride, out
        )
        return self._shared(total, divisor_override, x.shape, out, kernel_size, stride, padding, count_include_pad)

    def avg_pool_backward(
        self: Any,
        upstream: Array,
        x_size: Ints,
        kernel_size: Ints,
        stride: Ints,
        padding: Ints,
        ceil_mode: bool,
        count_include_pad: bool,
        divisor_override: int | None,
    ) -> Array:
        dense, out = (1,) * len(kernel_size), upstream.shape[2:]
        share = self._shared(upstream, divisor_override, x_size, out, kernel_size, stride, padding, count_include_pad)
        empty = self.xp.zeros(x_size, dtype=upstream.dtype)
        framed = self._framed(empty, kernel_size, stride, padding, dense, out, 0)
        for _, key in taps(kernel_size, stride, dense, out):
            framed = self.at(framed, key, share, "add", owned=True)
        return unframed(framed, padding, x_size)
