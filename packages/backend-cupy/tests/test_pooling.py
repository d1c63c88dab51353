"""Max-pooling against loops over every window."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from tapeloom_backend_cupy.cuda import pooling

# kernel, stride, padding, dilation, ceil_mode
SETTINGS = {
    "2x2": ((2, 2), (2, 2), (0, 0), (1, 1), False),
    "3x3 overlapping": ((3, 3), (1, 1), (1, 1), (1, 1), False),
    "3x2 strides apart": ((3, 2), (2, 3), (1, 0), (1, 1), False),
    "dilated": ((2, 3), (1, 2), (1, 1), (2, 2), False),
    "ceil": ((3, 3), (2, 2), (1, 1), (1, 1), True),
    "ceil, stride past the kernel": ((2, 2), (3, 4), (0, 0), (1, 1), True),
    "window of one": ((1, 1), (2, 2), (0, 0), (1, 1), False),
}


def naive_pool(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> tuple[Any, Any]:
    """Pad, cut out each window, take the first maximum of its list (the last NaN where there is one)."""
    *lead, height, width = x.shape
    count = [0, 0]
    for axis, size in enumerate((height, width)):
        start, reach = -padding[axis], (kernel[axis] - 1) * dilation[axis]
        # A window counts if it fits into the padded plane; with ceil_mode if it starts before the right padding.
        while (start < size) if ceil_mode else (start + reach < size + padding[axis]):
            count[axis] += 1
            start += stride[axis]
            if ceil_mode and start - stride[axis] + reach >= size + padding[axis] - 1:
                break
    out = np.empty((*lead, *count), x.dtype)
    indices = np.empty(out.shape, np.int64)
    for place in np.ndindex(*out.shape):
        plane = x[place[:-2]]
        best, at = None, 0
        taps = [range(kernel[axis]) for axis in (0, 1)]
        for tap in itertools.product(*taps):
            h, w = (place[-2 + a] * stride[a] - padding[a] + tap[a] * dilation[a] for a in (0, 1))
            if not (0 <= h < height and 0 <= w < width):
                continue
            value = float(plane[h, w])
            if best is None or value > best or np.isnan(value):
                best, at = value, h * width + w
        out[place], indices[place] = best, at
    return out, indices


def naive_backward(g: Any, indices: Any, x_size: tuple[int, ...]) -> Any:
    dx = np.zeros(x_size).reshape(-1, x_size[-2] * x_size[-1])
    for place in np.ndindex(*g.shape):
        plane = np.ravel_multi_index(place[:-2], x_size[:-2]) if len(place) > 2 else 0
        dx[plane, indices[place]] += float(g[place])
    return dx.reshape(x_size)


@pytest.mark.parametrize("name", SETTINGS)
def test_forward_and_backward(machine: Any, dtype: Any, rng: Any, name: str) -> None:
    settings = SETTINGS[name]
    x = rng.integers(-3, 4, (2, 3, 9, 11)).astype(dtype)  # few values: many ties
    x[0, 0, 2, 3], x[0, 1, 4, 4], x[0, 1, 4, 5] = np.nan, np.nan, np.nan
    x[1, 1] = -np.inf
    out, indices = machine.k.max_pool2d_with_indices(machine.put(x), *settings)
    expected, places = naive_pool(x, *settings)
    out, indices = machine.get(out), machine.get(indices)
    assert out.dtype == dtype and indices.dtype == np.int64
    np.testing.assert_array_equal(out.astype(np.float64), expected.astype(np.float64))
    np.testing.assert_array_equal(indices, places)

    g = rng.integers(-8, 9, out.shape).astype(dtype)  # whole numbers: every order of summing is exact
    arguments = (machine.put(g), machine.put(indices), x.shape)
    scattered = machine.get(machine.k.max_pool2d_backward(*arguments))
    gathered = machine.get(machine.k.max_pool2d_backward(*arguments, *settings[:4]))
    assert scattered.dtype == gathered.dtype == dtype
    wanted = naive_backward(g, places, x.shape)
    np.testing.assert_array_equal(scattered.astype(np.float64), wanted)
    np.testing.assert_array_equal(gathered.astype(np.float64), wanted)


def test_both_backwards_give_the_same_bits(machine: Any, dtype: Any, rng: Any) -> None:
    window = ((3, 3), (1, 1), (1, 1), (1, 1))
    x = rng.integers(0, 3, (3, 2, 13, 7)).astype(dtype)
    out, indices = machine.k.max_pool2d_with_indices(machine.put(x), *window, False)
    g = machine.put(rng.standard_normal(out.shape).astype(dtype))
    scattered = machine.get(machine.k.max_pool2d_backward(g, indices, x.shape))
    gathered = machine.get(machine.k.max_pool2d_backward(g, indices, x.shape, *window))
    assert scattered.tobytes() == gathered.tobytes()


def test_inputs_that_are_not_contiguous(machine: Any, rng: Any) -> None:
    x = rng.standard_normal((2, 6, 5, 3)).astype(np.float32)
    window = ((2, 2), (2, 2), (0, 0), (1, 1))
    out, indices = machine.k.max_pool2d_with_indices(machine.put(x).transpose(0, 3, 1, 2), *window, False)
    expected, places = naive_pool(x.transpose(0, 3, 1, 2), *window, False)
    np.testing.assert_array_equal(machine.get(out), expected)
    np.testing.assert_array_equal(machine.get(indices), places)


def test_a_window_wholly_in_the_padding(machine: Any) -> None:
    x = np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)
    window = ((2, 2), (1, 1), (1, 1), (3, 3))
    out, indices = machine.k.max_pool2d_with_indices(machine.put(x), *window, False)
    assert machine.get(out).tolist() == [[[[-np.inf]]]]
    for extra in ((), window):
        dx = machine.k.max_pool2d_backward(machine.put(np.ones((1, 1, 1, 1), np.float32)), indices, x.shape, *extra)
        assert machine.get(dx).tolist() == [[[[0, 0], [0, 0]]]]


@pytest.mark.parametrize("shape", [(0, 3, 4, 4), (2, 0, 4, 4)])
def test_nothing_in_nothing_out(machine: Any, shape: Any) -> None:
    window = ((2, 2), (2, 2), (0, 0), (1, 1))
    out, indices = machine.k.max_pool2d_with_indices(machine.put(np.zeros(shape, np.float32)), *window, False)
    assert out.shape == indices.shape == (*shape[:2], 2, 2)
    assert machine.k.max_pool2d_backward(out, indices, shape).shape == shape
    assert machine.k.max_pool2d_backward(out, indices, shape, *window).shape == shape


def test_the_pooled_size_matches_a_count() -> None:
    for size, kernel, stride, padding, dilation in itertools.product(range(1, 9), (1, 2, 3), (1, 2, 3), (0, 1), (1, 2)):
        if padding > kernel // 2 or dilation * (kernel - 1) + 1 > size + 2 * padding:
            continue
        reach = dilation * (kernel - 1)
        starts = [s for s in range(-padding, size + padding, stride) if s + reach < size + padding]
        window = tuple((setting, setting) for setting in (size, kernel, stride, padding, dilation))
        assert pooling._pooled(*window, False) == (len(starts),) * 2
        # ceil_mode: one more where something of the padded plane is left over, unless it starts in the right padding.
        left_over = starts[-1] + reach < size + padding - 1
        one_more = left_over and starts[-1] + stride < size + padding - padding
        assert pooling._pooled(*window, True) == (len(starts) + one_more,) * 2


def test_the_wide_index_is_taken_past_32_bits() -> None:
    window = ((2, 2), (2, 2), (0, 0), (1, 1))
    assert pooling._window_arguments(2**30, (4, 4), (2, 2), *window)[0] == "int"
    index, arguments = pooling._window_arguments(2**31, (4, 4), (2, 2), *window)
    assert index == "i64" and arguments[0] == 2**31
