"""Max-pooling: forward with indices, and a backward whose sums have one fixed order (no atomics).

Arrays are ``(..., height, width)``; spatial settings are pairs ``(vertical, horizontal)`` of ints. Indices are int64
flat positions in the input plane.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tapeloom.shapes import window_length

from .launch import THREADS, Family, accumulator, check_dtype, cupy, function, grid_for, index_type

Pair = tuple[int, int]

FAMILY = Family(
    "pooling.cu",
    (
        "max_pool2d_forward<{T}, int>",
        "max_pool2d_forward<{T}, i64>",
        "max_pool2d_gather<{T}, int>",
        "max_pool2d_gather<{T}, i64>",
        "max_pool2d_scatter<{T}>",
    ),
)


def _pooled(size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool) -> Pair:
    vertical, horizontal = zip(size, kernel, stride, padding, dilation, strict=True)
    return window_length(*vertical, ceil_mode), window_length(*horizontal, ceil_mode)


def _window_arguments(
    count: int, size: Pair, out_size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> tuple[str, tuple[Any, ...]]:
    """The index type that holds every place and reach, and the sizes in it, in the order of the kernels' parameters."""
    reach = [s + 2 * p + k * d + t for s, k, t, p, d in zip(size, kernel, stride, padding, dilation, strict=True)]
    index = index_type(count, size[0] * size[1], out_size[0] * out_size[1], *reach)
    as_index = np.int32 if index == "int" else np.int64
    return index, tuple(map(as_index, (count, *size, *out_size, *kernel, *stride, *padding, *dilation)))


def max_pool2d_with_indices(
    x: Any, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> tuple[Any, Any]:
    """The maxima of all windows and where they lie: ``(..., H, W) -> (..., H', W')`` twice.

    The first maximum of a window wins, a NaN wins over any number. Raises DTypeError for a dtype without a kernel.
    """
    cp = cupy()
    check_dtype("max_pool2d", x.dtype.name)
    x = cp.ascontiguousarray(x)
    size = x.shape[-2:]
    out_size = _pooled(size, kernel_size, stride, padding, dilation, ceil_mode)
    shape = x.shape[:-2] + out_size
    out, indices = cp.empty(shape, x.dtype), cp.empty(shape, np.int64)
    if out.size:
        # The input may need the wider type even where the output does not.
        places = max(out.size, x.size)
        index, arguments = _window_arguments(places, size, out_size, kernel_size, stride, padding, dilation)
        arguments = (type(arguments[0])(out.size), *arguments[1:])
        kernel = function(cp, FAMILY, f"max_pool2d_forward<{{T}}, {index}>", x.dtype.name)
        kernel((grid_for(out.size),), (THREADS,), (x, out, indices, *arguments))
    return out, indices


def max_pool2d_backward(
    g: Any,
    indices: Any,
    x_size: tuple[int, ...],
    kernel_size: Pair | None = None,
    stride: Pair | None = None,
    padding: Pair | None = None,
    dilation: Pair | None = None,
) -> Any:
    """The gradient with respect to the input: each value of ``g`` goes to the pixel that was its window's maximum.

    With the window's settings, each pixel gathers from the windows that cover it: fully parallel. Without them, a warp
    walks each plane in order. Both add in the same order with the same accumulator and give the same bits.
    """
    cp = cupy()
    name = g.dtype.name
    check_dtype("max_pool2d_backward", name)
    g, indices = cp.ascontiguousarray(g), cp.ascontiguousarray(indices)
    size, out_size = (x_size[-2], x_size[-1]), g.shape[-2:]
    if kernel_size is not None and stride is not None and padding is not None and dilation is not None and g.size:
        dx = cp.empty(x_size, g.dtype)
        if dx.size:
            places = max(dx.size, g.size)
            index, arguments = _window_arguments(places, size, out_size, kernel_size, stride, padding, dilation)
            arguments = (type(arguments[0])(dx.size), *arguments[1:])
            kernel = function(cp, FAMILY, f"max_pool2d_gather<{{T}}, {index}>", name)
            kernel((grid_for(dx.size),), (THREADS,), (g, indices, dx, *arguments))
        return dx

    total = cp.zeros(x_size, accumulator(name))
    if g.size and total.size:
        out_plane = out_size[0] * out_size[1]
        planes = g.size // out_plane
        arguments = tuple(map(np.int64, (planes, size[0] * size[1], out_plane)))
        kernel = function(cp, FAMILY, "max_pool2d_scatter<{T}>", name)
        kernel((grid_for(planes * 32),), (THREADS,), (g, indices, total, *arguments))
    return total.astype(g.dtype, copy=False)


def max_pool2d_with_indices_twin(
    x: Any, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> tuple[Any, Any]:
    """The forward kernel in NumPy: all outputs at once, one tap of the window after the other."""
    size = x.shape[-2:]
    out_size = _pooled(size, kernel_size, stride, padding, dilation, ceil_mode)
    planes = x.reshape(-1, *size).astype(accumulator(x.dtype.name))
    shape = x.shape[:-2] + out_size
    if 0 in shape:
        return np.empty(shape, x.dtype), np.empty(shape, np.int64)

    def taps(axis: int) -> tuple[Any, Any]:
        """For each window the first tap inside, and the end of its last tap or of the plane."""
        start = np.arange(out_size[axis], dtype=np.int64) * stride[axis] - padding[axis]
        end = np.minimum(start + (kernel_size[axis] - 1) * dilation[axis] + 1, size[axis])
        return np.where(start < 0, start % dilation[axis], start), end

    top, bottom = (t[:, None] for t in taps(0))
    left, right = (t[None, :] for t in taps(1))
    best = np.full((len(planes), *out_size), -np.inf, planes.dtype)
    at = np.broadcast_to(top * size[1] + left, best.shape).astype(np.int64)
    for tap_h in range(kernel_size[0]):
        for tap_w in range(kernel_size[1]):
            h, w = top + tap_h * dilation[0], left + tap_w * dilation[1]
            inside = (h < bottom) & (w < right)
            place = np.where(inside, h * size[1] + w, 0)
            value = planes.reshape(len(planes), -1)[:, place]
            wins = inside & ((value > best) | (value != value))
            best, at = np.where(wins, value, best), np.where(wins, place, at)
    return best.astype(x.dtype).reshape(shape), at.reshape(shape)


def max_pool2d_backward_twin(
    g: Any,
    indices: Any,
    x_size: tuple[int, ...],
    kernel_size: Pair | None = None,
    stride: Pair | None = None,
    padding: Pair | None = None,
    dilation: Pair | None = None,
) -> Any:
    """The backward kernels in NumPy: gathering where the window is known, else walking each plane in order."""
    height, width = x_size[-2:]
    out_h, out_w = g.shape[-2:]
    total = np.zeros((int(np.prod(x_size[:-2])), height, width), accumulator(g.dtype.name))
    values = g.reshape(-1, out_h, out_w).astype(total.dtype)
    places = indices.reshape(-1, out_h, out_w)
    if kernel_size is None or stride is None or padding is None or dilation is None:
        flat, each = total.reshape(-1, height * width), places.reshape(-1, out_h * out_w)
        for plane, target in enumerate(flat):
            inside = (each[plane] >= 0) & (each[plane] < height * width)
            np.add.at(target, each[plane][inside], values[plane].reshape(-1)[inside])  # adds in order
        return total.reshape(x_size).astype(g.dtype)

    def covering(axis: int, size: int, windows: int) -> tuple[Any, Any]:
        shifted = np.arange(size, dtype=np.int64) + padding[axis]
        reach = shifted - (kernel_size[axis] - 1) * dilation[axis]
        return np.where(reach > 0, -(-reach // stride[axis]), 0), np.minimum(shifted // stride[axis], windows - 1)

    first_h, last_h = covering(0, height, out_h)
    first_w, last_w = covering(1, width, out_w)
    own = np.arange(height * width, dtype=np.int64).reshape(height, width)
    for step_h in range(max(int((last_h - first_h).max(initial=-1)) + 1, 0)):
        for step_w in range(max(int((last_w - first_w).max(initial=-1)) + 1, 0)):
            h, w = (first_h + step_h)[:, None], (first_w + step_w)[None, :]
            covers = (h <= last_h[:, None]) & (w <= last_w[None, :])
            h, w = np.where(covers, h, 0), np.where(covers, w, 0)
            hit = covers & (places[:, h, w] == own)
            total += np.where(hit, values[:, h, w], 0)
    return total.reshape(x_size).astype(g.dtype)
