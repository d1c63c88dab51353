"""Random words: NumPy's Philox4x64-10 stream, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np

from .launch import THREADS, Family, ceil_div, cupy, function, grid_for

FAMILY = Family("philox.cu", ("philox_words",))

WORDS_A_BLOCK = 8
_MASK = 2**64 - 1
_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_KEY_STEPS = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)


def counter_words(offset: int) -> tuple[Any, Any, Any, Any]:
    """The 256-bit counter as four uint64, lowest first."""
    low, second, third, high = (np.uint64(offset >> shift & _MASK) for shift in (0, 64, 128, 192))
    return low, second, third, high


def random_words(seed: int, offset: int, n: int) -> Any:
    """``n`` uint32 from the stream with key ``(seed, 0)``, from block ``offset`` on (four uint64 a block).

    The same bits as ``np.random.Philox(key=[seed, 0], counter=offset).random_raw(...)`` read as little-endian halves.
    A draw uses up ``ceil(n / 8)`` blocks.
    """
    cp = cupy()
    out = cp.empty(n, np.uint32)
    if n:
        blocks = ceil_div(n, WORDS_A_BLOCK)
        arguments = (out, np.int64(n), np.uint64(seed & _MASK), *counter_words(offset))
        function(cp, FAMILY, "philox_words")((grid_for(blocks),), (THREADS,), arguments)
    return out


def _multiply_high(a: int, b: Any) -> Any:
    """The upper 64 bits of the 128-bit product of ``a`` and the uint64 array ``b``, by halves of 32 bits."""
    half, low_mask = np.uint64(32), np.uint64(2**32 - 1)
    a_low, a_high = np.uint64(a & 0xFFFFFFFF), np.uint64(a >> 32)
    b_low, b_high = b & low_mask, b >> half
    # Neither sum can overflow: (2^32 - 1)^2 + 2 (2^32 - 1) = 2^64 - 1.
    middle = a_high * b_low + (a_low * b_low >> half)
    other = a_low * b_high + (middle & low_mask)
    return a_high * b_high + (middle >> half) + (other >> half)


def random_words_twin(seed: int, offset: int, n: int) -> Any:
    """The kernel in NumPy's uint64 arithmetic, all blocks at once."""
    blocks = ceil_div(n, WORDS_A_BLOCK)
    add = np.arange(blocks, dtype=np.uint64) + np.uint64(1)
    counter = [np.full(blocks, word, np.uint64) for word in counter_words(offset)]
    counter[0] = counter[0] + add
    carry = counter[0] < add
    for i in range(1, 4):
        counter[i] = counter[i] + carry.astype(np.uint64)
        carry = carry & (counter[i] == 0)
    keys = [seed & _MASK, 0]
    for _ in range(10):
        high0, low0 = _multiply_high(_MULTIPLIERS[0], counter[0]), np.uint64(_MULTIPLIERS[0]) * counter[0]
        high1, low1 = _multiply_high(_MULTIPLIERS[1], counter[2]), np.uint64(_MULTIPLIERS[1]) * counter[2]
        counter = [high1 ^ counter[1] ^ np.uint64(keys[0]), low1, high0 ^ counter[3] ^ np.uint64(keys[1]), low0]
        keys = [(key + step) & _MASK for key, step in zip(keys, _KEY_STEPS, strict=True)]
    words = np.stack(counter, axis=1)
    halves = np.stack([words & np.uint64(0xFFFFFFFF), words >> np.uint64(32)], axis=2)
    return halves.astype(np.uint32).reshape(-1)[:n]
