"""Random words against NumPy's own generator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tapeloom_backend_cupy.cuda import philox


def numpy_words(seed: int, offset: int, n: int) -> Any:
    raw = np.random.Philox(key=np.array([seed, 0], np.uint64), counter=offset).random_raw((n + 1) // 2)
    return np.asarray(raw).astype("<u8").view("<u4")[:n]


@pytest.mark.parametrize("seed", [0, 1, 2**63 + 12345, 2**64 - 1])
@pytest.mark.parametrize("offset", [0, 1, 2**64 - 2, 2**64 - 1, 2**128 - 3, 2**192 - 1, 2**256 - 5])
@pytest.mark.parametrize("n", [1, 7, 8, 9, 64, 1001])
def test_the_words_are_numpys(machine: Any, seed: int, offset: int, n: int) -> None:
    words = machine.get(machine.k.random_words(seed, offset, n))
    assert words.dtype == np.uint32
    np.testing.assert_array_equal(words, numpy_words(seed, offset, n))


def test_no_words(machine: Any) -> None:
    assert machine.k.random_words(0, 0, 0).shape == (0,)


def test_a_draw_goes_on_where_the_last_ended(machine: Any) -> None:
    whole = machine.get(machine.k.random_words(9, 0, 80))
    np.testing.assert_array_equal(machine.get(machine.k.random_words(9, 3, 56)), whole[24:])


def test_the_high_half_of_a_product(rng: Any) -> None:
    for a in (0, 1, 2**32 - 1, 2**32, 0xD2E7470EE14C6C93, 2**64 - 1):
        b = np.concatenate([rng.integers(0, 2**64 - 1, 50, np.uint64), np.array([0, 1, 2**32, 2**64 - 1], np.uint64)])
        assert philox._multiply_high(a, b).tolist() == [a * int(x) >> 64 for x in b]
