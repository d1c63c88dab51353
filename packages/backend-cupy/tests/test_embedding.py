"""The gradient of an embedding table against a loop over the indices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tapeloom_backend_cupy.cuda import embedding


def naive(g: Any, indices: Any, rows: int, padding_idx: int | None) -> Any:
    table = np.zeros((rows, g.shape[-1]))
    for place in np.ndindex(*indices.shape):
        if indices[place] != padding_idx:
            table[indices[place]] += g[place].astype(np.float64)
    return table


# Few table rows: runs that cross many chunks; one: a single run; many: hardly a duplicate.
@pytest.mark.parametrize("rows", [1, 2, 7, 300])
@pytest.mark.parametrize("width", [1, 5, 130])
@pytest.mark.parametrize("padding_idx", [None, 0])
def test_embedding_backward(machine: Any, rng: Any, rows: int, width: int, padding_idx: int | None) -> None:
    indices = rng.integers(0, rows, (5, 83))
    g = rng.standard_normal((5, 83, width))
    out = machine.k.embedding_backward(machine.put(g), machine.put(indices), rows, padding_idx)
    np.testing.assert_allclose(machine.get(out), naive(g, indices, rows, padding_idx), rtol=1e-12, atol=1e-12)


def test_every_dtype_sums_in_float(machine: Any, dtype: Any, rng: Any) -> None:
    indices = rng.integers(0, 3, 200)
    g = rng.integers(-8, 9, (200, 4)).astype(dtype)  # sums past 256, which bfloat16 could not add one by one
    g[:, 0] = 8
    out = machine.get(machine.k.embedding_backward(machine.put(g), machine.put(indices), 3, None))
    assert out.dtype == dtype
    np.testing.assert_array_equal(out, naive(g, indices, 3, None).astype(dtype))


@pytest.mark.parametrize("count", [1, 15, 16, 17, 31, 32, 33, 64])
def test_the_edges_of_chunks(machine: Any, rng: Any, count: int) -> None:
    for rows in (1, 2, 3, 40):
        indices = rng.integers(0, rows, count).astype(np.int32)
        g = rng.integers(-8, 9, (count, 2)).astype(np.float32)
        out = machine.get(machine.k.embedding_backward(machine.put(g), machine.put(indices), rows, None))
        np.testing.assert_array_equal(out, naive(g, indices, rows, None))


def test_indices_outside_the_table_are_left_out(machine: Any) -> None:
    g = np.ones((40, 3), np.float32)
    indices = np.repeat([-1, 0, 5, 2], 10)
    out = machine.get(machine.k.embedding_backward(machine.put(g), machine.put(indices), 4, None))
    assert out.tolist() == [[10] * 3, [0] * 3, [10] * 3, [0] * 3]


def test_transposed_inputs_and_a_scalar_index(machine: Any, rng: Any) -> None:
    g, indices = rng.standard_normal((6, 4, 3)), rng.integers(0, 5, (4, 6))
    out = machine.k.embedding_backward(machine.put(g).transpose(1, 0, 2), machine.put(indices), 5, None)
    np.testing.assert_allclose(machine.get(out), naive(g.transpose(1, 0, 2), indices, 5, None))
    out = machine.k.embedding_backward(machine.put(g[0, 0]), machine.put(np.array(2)), 5, None)
    np.testing.assert_array_equal(machine.get(out)[2], g[0, 0])


def test_nothing_in_zeros_out(machine: Any) -> None:
    for g, indices, rows in (
        (np.zeros((0, 3)), np.zeros(0, np.int64), 4),
        (np.zeros((2, 0)), np.zeros(2, np.int64), 4),
    ):
        out = machine.get(machine.k.embedding_backward(machine.put(g), machine.put(indices), rows, None))
        assert out.shape == (rows, g.shape[-1]) and not out.any()


def test_plans() -> None:
    assert [embedding.chunk_plan(count) for count in (1, 1000, 10**4, 10**9)] == [16, 31, 100, 1024]
    (blocks, column_blocks), threads = embedding.grid_plan(2**40, 2**40, 1024)
    assert blocks < 2**31 and column_blocks < 65536 and threads == 128
    assert embedding.grid_plan(100, 33, 16) == ((7, 1), 64)
