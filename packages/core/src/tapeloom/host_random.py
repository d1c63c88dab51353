"""The host's share of drawing: settings checked and rounded in plain Python, native words, and normal numbers.

Nothing here imports an array library; the functions that need NumPy are given it.
"""

from __future__ import annotations

import math
from threading import local
from typing import Any

from tapeloom.dtypes import DType
from tapeloom.errors import ArgumentError

_NORMAL_BLOCK = 2**15  # words; a multiple of four
_cache = local()


# --- settings


def uniform_words(n: int, dtype: DType) -> int:
    """How many words ``n`` uniform numbers of ``dtype`` take."""
    return 2 * n if dtype.significand > 32 else n


def uniform_bounds(op: str, low: float, high: float, dtype: DType) -> tuple[float, float, float]:
    """``(low, scale, top)`` for the kernel ``uniform_from_words``, which draws from [low, high).

    ``low`` and ``high`` are first rounded to ``dtype``. ``top`` is the largest number of ``dtype`` below ``high``, or
    ``low`` itself where the interval is empty. Raises ArgumentError where a bound is not finite, where low > high,
    or where high - low overflows float64.
    """
    try:
        start, stop = _rounded(low, dtype), _rounded(high, dtype)
    except OverflowError:
        start = stop = math.inf
    scale = stop - start
    if not math.isfinite(scale):
        raise ArgumentError(
            f"{op}: low={low} and high={high} must be finite in {dtype}, and so must high - low. Give smaller bounds."
        )
    if low > high:
        raise ArgumentError(f"{op}: low={low} is above high={high}. Give low <= high.")
    if start == stop:
        return start, 0.0, start
    if dtype.significand <= 24:
        # 29 bits times the 24 of a draw are exact in float64: a compiler that contracts the product and the sum
        # after it into one operation, as XLA does, cannot change the result.
        fraction, exponent = math.frexp(scale)
        scale = math.ldexp(round(fraction * 2**29), exponent - 29)
    return start, scale, _below(stop, dtype)


def probability_threshold(op: str, p: float) -> int:
    """round(p * 2**32): a word is below it with probability ``p``. Raises ArgumentError unless 0 <= p <= 1."""
    if not 0 <= p <= 1:
        raise ArgumentError(f"{op}: the probability must be from 0 to 1, got p={p}.")
    return round(p * 2**32)


def integer_range(op: str, low: int, high: int) -> tuple[int, bool]:
    """``(span, wide)`` for the kernel ``integers_from_words``, which draws from [low, high).

    ``wide`` says that one number takes two words. Raises ArgumentError unless -2**63 <= low < high <= 2**63.
    """
    if low >= high:
        raise ArgumentError(f"{op}: low must be below high, got low={low} and high={high}; high itself is never drawn.")
    if low < -(2**63) or high > 2**63:
        raise ArgumentError(f"{op}: low={low} and high={high} exceed int64. Give -2**63 <= low < high <= 2**63.")
    span = min(high - low, 2**64 - 1)  # of all 2**64 integers the kernel leaves out the last
    return span, span > 2**16  # with one word some numbers are more likely than others, here by at most 2**-16


def _spacing(value: float, dtype: DType) -> float:
    """The distance of the numbers of ``dtype`` in the binade of ``value``."""
    least = math.frexp(dtype.smallest_normal)[1]
    exponent = max(math.frexp(value)[1], least) if value else least
    return math.ldexp(1.0, exponent - dtype.significand)


def _rounded(value: float, dtype: DType) -> float:
    """The nearest number of ``dtype``, ties to even. Raises OverflowError where that would be infinite."""
    value = float(value)
    if not math.isfinite(value):
        return value
    step = _spacing(value, dtype)
    value = math.copysign(round(value / step) * step, value)
    if abs(value) > dtype.max:
        raise OverflowError
    return value


def _below(value: float, dtype: DType) -> float:
    """The largest number below ``value``, which is a finite number of ``dtype``."""
    step = _spacing(value, dtype)
    if value > dtype.smallest_normal and math.frexp(value)[0] == 0.5:  # below a power of two they lie closer
        step /= 2
    return value - step


# --- numbers


def native_words(np: Any, seed: int, offset: int, n: int) -> Any:
    """The kernel ``random_words`` by NumPy's own Philox: ``n`` words (uint32) of the stream, from block ``offset``."""
    try:
        stream, state = _cache.stream
    except AttributeError:
        # One bit generator a thread, set anew for each draw: making one costs ten times as much as setting it.
        stream = np.random.Philox(key=0)
        state = stream.state
        _cache.stream = stream, state
    # The rest of the state stays that of a new generator: an empty buffer, so that the next block is the counter's.
    state["state"]["key"][0] = seed
    state["state"]["counter"][0] = offset
    stream.state = state
    raw = stream.random_raw(-(-n // 8) * 4)
    return raw.astype("<u8", copy=False).view("<u4")[:n]  # low half first on any machine


def normal_words(n: int) -> int:
    """How many words ``n`` normal numbers take: four a pair."""
    return 4 * -(-n // 2)


def normal_from_words(np: Any, words: Any, mean: float, std: float) -> Any:
    """Normal numbers in float64, two from every four words (Box and Muller's method).

    They are made on the host for every device: log, sin and cos differ in the last bit from library to library.
    """
    pairs = np.empty((len(words) // 4, 2))
    for start in range(0, len(words), _NORMAL_BLOCK):  # in parts that stay in the cache: half the time
        part = words[start : start + _NORMAL_BLOCK]
        low, high = part[0::2], part[1::2].astype(np.uint64)
        uniform = (((high << 32) | low) >> 11) * 2.0**-53
        radius = np.sqrt(-2.0 * np.log(1.0 - uniform[0::2]))  # 1 - u is exact and never 0
        angle = uniform[1::2] * (2.0 * math.pi)
        rows = pairs[start // 4 : (start + _NORMAL_BLOCK) // 4]
        np.multiply(radius, np.cos(angle), out=rows[:, 0])
        np.multiply(radius, np.sin(angle), out=rows[:, 1])
        rows *= std
        rows += mean
    return pairs.reshape(-1)
