"""The gradient of an embedding table, with duplicates summed in one fixed order.

Atomic additions would sum duplicates in the order in which threads happen to arrive. Here the indices are sorted
(stably) and every table row is summed by one thread a column, or, where a row's run crosses the edge of a chunk, by
partial sums that are added in order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .launch import MOST_BLOCKS, Family, accumulator, ceil_div, check_dtype, cupy, function

FAMILY = Family("embedding.cu", ("embedding_chunks<{T}>", "embedding_crossings<{T}>"))

SHORTEST_CHUNK, LONGEST_CHUNK = 16, 1024
MOST_COLUMN_BLOCKS = 65535


def chunk_plan(count: int) -> int:
    """Positions a chunk.

    The square root balances the two passes in the worst case, when all indices are one: it then takes as many serial
    steps within a chunk as over the chunks.
    """
    return min(max(math.isqrt(count), SHORTEST_CHUNK), LONGEST_CHUNK)


def grid_plan(count: int, width: int, chunk: int) -> tuple[tuple[int, int], int]:
    """((blocks over chunks, blocks over columns), threads over columns)."""
    threads = min(max(ceil_div(width, 32) * 32, 32), 128)
    return (min(ceil_div(count, chunk), MOST_BLOCKS), min(ceil_div(width, threads), MOST_COLUMN_BLOCKS)), threads


def embedding_backward(g: Any, indices: Any, num_embeddings: int, padding_idx: int | None) -> Any:
    """The gradient ``(num_embeddings, width)`` of a table of which ``indices`` picked rows.

    ``g`` is ``(*indices.shape, width)``; ``padding_idx`` (non-negative, or None) takes no gradient. Indices outside the
    table are left out. The sums run in float32 for the half types and are rounded once.
    """
    cp = cupy()
    name = g.dtype.name
    check_dtype("embedding_backward", name)
    width = g.shape[-1]
    table = cp.zeros((num_embeddings, width), g.dtype)
    count = indices.size
    if count == 0 or table.size == 0:
        return table
    flat = cp.ascontiguousarray(indices).reshape(-1).astype(np.int64, copy=False)
    order = cp.argsort(flat).astype(np.int64, copy=False)  # CuPy's sort is stable
    ordered = flat[order]
    g = cp.ascontiguousarray(g)

    chunk = chunk_plan(count)
    grid, threads = grid_plan(count, width, chunk)
    partial = cp.empty((ceil_div(count, chunk), 2, width), accumulator(name))
    padding = -1 if padding_idx is None else padding_idx
    sizes = tuple(map(np.int64, (count, width, chunk, num_embeddings, padding)))
    chunks = function(cp, FAMILY, "embedding_chunks<{T}>", name)
    chunks(grid, (threads,), (g, ordered, order, table, partial, *sizes))
    if count > chunk:
        crossings = function(cp, FAMILY, "embedding_crossings<{T}>", name)
        crossings(grid, (threads,), (ordered, table, partial, *sizes))
    return table


def embedding_backward_twin(g: Any, indices: Any, num_embeddings: int, padding_idx: int | None) -> Any:
    """Both kernels in NumPy: the same chunks, runs and partial sums, with all columns at once."""
    width = g.shape[-1]
    table = np.zeros((num_embeddings, width), g.dtype)
    flat = indices.reshape(-1).astype(np.int64)
    count = flat.size
    if count == 0 or table.size == 0:
        return table
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    values = g.reshape(count, width).astype(accumulator(g.dtype.name))
    chunk = chunk_plan(count)
    chunks = ceil_div(count, chunk)
    partial = np.full((chunks, 2, width), np.nan, values.dtype)

    def same_run(a: int, b: int) -> bool:
        return a >= 0 and b < count and bool(ordered[a] == ordered[b])

    def takes(row: int) -> bool:
        return 0 <= row < num_embeddings and row != (-1 if padding_idx is None else padding_idx)

    for c in range(chunks):
        begin, end = c * chunk, min(c * chunk + chunk, count)
        total = np.zeros(width, values.dtype)
        comes_in = same_run(begin - 1, begin)
        for i in range(begin, end):
            total = total + values[order[i]]
            goes_on = same_run(i, i + 1)
            if goes_on and i + 1 < end:
                continue
            if comes_in:
                partial[c, 0] = total
            elif goes_on:
                partial[c, 1] = total
            elif takes(ordered[i]):
                table[ordered[i]] = total.astype(g.dtype)
            total = np.zeros(width, values.dtype)
            comes_in = False

    for c in range(chunks - 1):
        begin, end = c * chunk, c * chunk + chunk
        row = ordered[end - 1]
        starts_here = not (ordered[begin] == row and same_run(begin - 1, begin))
        if same_run(end - 1, end) and starts_here and takes(row):
            total = partial[c, 1].copy()
            following = c + 1
            while following < chunks and ordered[following * chunk] == row:
                total = total + partial[following, 0]
                following += 1
            table[row] = total.astype(g.dtype)
    return table
