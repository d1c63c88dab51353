"""The CUDA kernels of the CuPy backend: a source file, its launchers and their NumPy twins for each family.

A *launcher* takes cupy arrays. Its *twin* has the same signature plus ``_twin`` in the name and does the kernel's index
arithmetic in NumPy: it says in a second language what the kernel means, it is what the tests compare the kernel with,
and it lets the whole backend run over NumPy where there is no GPU. ``functions_for(xp)`` picks between the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from . import embedding, gemm, optimizer, philox, pooling, rows

FAMILIES = (pooling.FAMILY, rows.FAMILY, embedding.FAMILY, philox.FAMILY, optimizer.FAMILY)


class Functions(NamedTuple):
    """One function for each kernel, all launchers or all twins."""

    max_pool2d_with_indices: Callable[..., tuple[Any, Any]]
    max_pool2d_backward: Callable[..., Any]
    softmax: Callable[[Any, int], Any]
    log_softmax: Callable[[Any, int], Any]
    cross_entropy_forward: Callable[..., tuple[Any, Any, Any]]
    cross_entropy_backward: Callable[..., Any]
    embedding_backward: Callable[..., Any]
    random_words: Callable[[int, int, int], Any]
    fused_sgd: Callable[..., list[list[Any]]]
    fused_adam: Callable[..., list[list[Any]]]
    matmul: Callable[..., Any]


LAUNCHERS = Functions(
    pooling.max_pool2d_with_indices,
    pooling.max_pool2d_backward,
    rows.softmax,
    rows.log_softmax,
    rows.cross_entropy_forward,
    rows.cross_entropy_backward,
    embedding.embedding_backward,
    philox.random_words,
    optimizer.fused_sgd,
    optimizer.fused_adam,
    gemm.matmul,
)

TWINS = Functions(
    pooling.max_pool2d_with_indices_twin,
    pooling.max_pool2d_backward_twin,
    rows.softmax_twin,
    rows.log_softmax_twin,
    rows.cross_entropy_forward_twin,
    rows.cross_entropy_backward_twin,
    embedding.embedding_backward_twin,
    philox.random_words_twin,
    optimizer.fused_sgd_twin,
    optimizer.fused_adam_twin,
    gemm.matmul_twin,
)


def functions_for(xp: Any) -> Functions:
    """The launchers for the cupy module, the twins for any other (NumPy)."""
    return LAUNCHERS if xp.__name__ == "cupy" else TWINS
