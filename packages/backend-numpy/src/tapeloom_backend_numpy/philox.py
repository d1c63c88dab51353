"""The random family on NumPy: words from NumPy's own Philox, and numbers made in parts that stay in the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapeloom.backend.kernels.random import Random
from tapeloom.dtypes import DType
from tapeloom.host_random import native_words

_PART = 2**14  # words; even, so that no pair is cut


class NativeRandom(Random):
    """Overrides of the random kernels; stands before ArrayAPIBackend among the bases of the NumPy backend."""

    def random_words(self, seed: int, offset: int, n: int) -> Any:
        return native_words(np, seed, offset, n)  # a tenth of the time of the array arithmetic

    def join_words(self, words: Any) -> Any:
        return np.ascontiguousarray(words, "<u4").view("<u8")  # no arithmetic: the low half comes first in memory

    # NumPy compares uint32 with a Python int of any size, so the words need no wider copy.

    def bernoulli_from_words(self, words: Any, threshold: Any) -> Any:
        return words < threshold

    def keep_from_words(self, words: Any, threshold: Any) -> Any:
        return words >= threshold

    # These make several temporaries; over a whole large array they cost six times as much.

    def uniform_from_words(self, words: Any, low: Any, scale: Any, top: Any, dtype: DType) -> Any:
        draw = super().uniform_from_words
        return _in_parts(lambda part: draw(part, low, scale, top, dtype), words)

    def integers_from_words(self, words: Any, low: Any, span: Any, wide: bool) -> Any:
        draw = super().integers_from_words
        return _in_parts(lambda part: draw(part, low, span, wide), words)


def _in_parts(draw: Callable[[Any], Any], words: Any) -> Any:
    if len(words) <= _PART:
        return draw(words)
    return np.concatenate([draw(words[start : start + _PART]) for start in range(0, len(words), _PART)])
