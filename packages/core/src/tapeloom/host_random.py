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

# Quotients of polynomials, highest powers first, for the inverse of the normal distribution function, good to 16 digits:
# of the middle in 0.180625 - (p - 1/2)**2, of the near and the far tail in sqrt(-log(p)) less 1.6 and 5.
# Source: M. Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37, 1988.
_MIDDLE = (
    (
        2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
        13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608,
    ),
    (
        5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
        5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0,
    ),
)  # fmt: skip
_NEAR = (
    (
        7.7454501427834140764e-4, 2.27238449892691845833e-2, 2.4178072517745061177e-1, 1.27045825245236838258,
        3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734,
    ),
    (
        1.05075007164441684324e-9, 5.475938084995344946e-4, 1.51986665636164571966e-2, 1.4810397642748007459e-1,
        6.8976733498510000455e-1, 1.6763848301838038494, 2.05319162663775882187, 1.0,
    ),
)  # fmt: skip
_FAR = (
    (
        2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.2426609473880784386e-3, 2.6532189526576123093e-2,
        2.9656057182850489123e-1, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772,
    ),
    (
        2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
        1.48753612908506148525e-2, 1.3692988092273580531e-1, 5.9983220655588793769e-1, 1.0,
    ),
)  # fmt: skip


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


def truncated_words(n: int) -> int:
    """How many words ``n`` numbers of ``truncated_from_words`` take."""
    return 2 * n


def truncated_from_words(np: Any, words: Any, mean: float, std: float, low: float, high: float) -> Any:
    """Normal numbers from ``low`` to ``high`` in float64, one from every two words, by inversion of the distribution.

    They are made on the host for every device, as those of ``normal_from_words``.
    """
    left, right = (low - mean) / std, (high - mean) / std
    side = (
        1.0 if left + right <= 0 else -1.0
    )  # probabilities near 1 have few digits: the upper tail is the lower, mirrored
    first, last = sorted(0.5 * math.erfc(-side * bound / math.sqrt(2)) for bound in (left, right))
    numbers = np.empty(len(words) // 2)
    for start in range(0, len(words), _NORMAL_BLOCK):
        part = words[start : start + _NORMAL_BLOCK]
        uniform = (((part[1::2].astype(np.uint64) << 32) | part[0::2]) >> 11) * 2.0**-53
        quantiles = normal_quantiles(np, first + (last - first) * uniform)
        numbers[start // 2 : (start + _NORMAL_BLOCK) // 2] = quantiles * (side * std) + mean
    return np.clip(numbers, low, high)


def normal_quantiles(np: Any, p: Any) -> Any:
    """Where the normal distribution function has the values ``p``, in float64."""
    centred = p - 0.5
    out = centred * _quotient(_MIDDLE, 0.180625 - centred * centred)
    tails = np.flatnonzero(np.abs(centred) > 0.425)
    if tails.size:
        beyond = np.minimum(p[tails], 1 - p[tails])
        root = np.sqrt(-np.log(np.maximum(beyond, 5e-324)))
        size = np.where(root <= 5, _quotient(_NEAR, root - 1.6), _quotient(_FAR, root - 5))
        out[tails] = np.copysign(size, centred[tails])
    return out


def _quotient(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Any) -> Any:
    above, below = coefficients
    p, q = above[0], below[0]
    for a, b in zip(above[1:], below[1:], strict=True):
        p, q = p * x + a, q * x + b
    return p / q
