"""Random numbers: kernels that turn the words of the generator's stream into numbers, with the same bits everywhere.

Words are uint32 arrays of one dimension. Only integer arithmetic, exact floating-point steps and single roundings are
used, so that no library and no compiler can come to other bits. The kernels are no ops: their annotations are the roles of
``op.parameter``, by which a compiling backend knows what to trace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tapeloom.dtypes import DType
    from tapeloom.op.parameter import Number, Word

Array = Any

_LOW = 0xFFFFFFFF
# Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011). A multiplier is (high, low half).
_MULTIPLIER_0 = 0xD2E7470E, 0xE14C6C93
_MULTIPLIER_2 = 0xCA5A8263, 0x95121157
_KEY_STEP_0 = 0x9E3779B97F4A7C15
_KEY_STEP_1 = 0xBB67AE8584CAA73B
_ROUNDS = 10


class Random:
    """Kernels of the random family."""

    xp: Any

    if TYPE_CHECKING:

        def cast(self, x: Any, dtype: DType) -> Any: ...

    def iterate(self, times: int, step: Callable[..., tuple[Any, ...]], state: tuple[Any, ...]) -> tuple[Any, ...]:
        """``state = step(*state)``, ``times`` times; shapes and dtypes stay.

        A compiling backend overrides it with a loop of its own. Unrolled, XLA fuses all rounds of ``random_words``
        into the output and computes every block eight times, once for each of its words (53 ms against 1.3).
        """
        for _ in range(times):
            state = step(*state)
        return state

    def random_words(self, seed: Word, offset: Word, n: int) -> Array:
        """``n`` words of the stream of ``seed``, from block ``offset``: ints or uint64 scalars, which may be traced."""
        xp = self.xp
        # Arrays of one element, not scalars: NumPy warns when a scalar wraps around.
        key_0 = xp.reshape(xp.asarray(seed, dtype=xp.uint64), (1,))
        step_0 = xp.asarray([_KEY_STEP_0], dtype=xp.uint64)
        step_1 = xp.asarray([_KEY_STEP_1], dtype=xp.uint64)

        def philox_round(c0: Any, c1: Any, c2: Any, c3: Any, key_0: Any, key_1: Any) -> tuple[Any, ...]:
            high_0, low_0 = _multiply(c0, *_MULTIPLIER_0)
            high_2, low_2 = _multiply(c2, *_MULTIPLIER_2)
            return high_2 ^ c1 ^ key_0, low_2, high_0 ^ c3 ^ key_1, low_0, key_0 + step_0, key_1 + step_1

        first = xp.reshape(xp.asarray(offset, dtype=xp.uint64), (1,))
        # NumPy counts up before it computes a block, hence 1. The upper three words of the counter stay 0.
        counter = first + xp.arange(1, -(-n // 8) + 1, dtype=xp.uint64)
        zeros = xp.zeros_like(counter)
        state = (counter, zeros, zeros, zeros, key_0, xp.zeros_like(key_0))
        block = self.iterate(_ROUNDS, philox_round, state)[:4]
        halves = [xp.astype(half, xp.uint32) for number in block for half in (number, number >> 32)]
        return xp.reshape(xp.stack(halves, axis=1), (-1,))[:n]

    def join_words(self, words: Array) -> Array:
        """Pairs of words as uint64 numbers, low half first."""
        xp = self.xp
        pairs = xp.astype(xp.reshape(words, (-1, 2)), xp.uint64)
        return (pairs[:, 1] << 32) | pairs[:, 0]

    def unit_from_words(self, words: Array, dtype: DType) -> Array:
        """Uniform numbers in [0, 1): k * 2**-bits, exact in ``dtype``. float64 takes two words a number."""
        xp = self.xp
        bits = dtype.significand
        if bits > 32:
            return xp.astype(self.join_words(words) >> (64 - bits), xp.float64) * 2.0**-bits
        return self.cast(xp.astype(words >> (32 - bits), xp.float32) * 2.0**-bits, dtype)

    def uniform_from_words(self, words: Array, low: Number, scale: Number, top: Number, dtype: DType) -> Array:
        """Uniform numbers in [low, top], the settings being those of ``host_random.uniform_bounds``.

        The bits are the same everywhere, except that XLA flushes subnormal numbers to zero, and in float64 also
        scale * 2**-53 where that is subnormal.
        """
        xp = self.xp
        bits = dtype.significand
        if bits > 32:
            product = self.unit_from_words(words, dtype) * scale
            # No product is above scale. The minimum is there because XLA would contract a bare product and sum into
            # one operation with one rounding.
            return xp.minimum(xp.minimum(product, scale) + low, top)
        draw = xp.astype(words >> (32 - bits), xp.float64) * 2.0**-bits
        value = xp.astype(draw * scale + low, xp.float32)
        return self.cast(xp.minimum(value, xp.asarray(top, dtype=xp.float32)), dtype)

    def bernoulli_from_words(self, words: Array, threshold: Number) -> Array:
        """True where a word is below ``threshold``: an int, or an int64 array that broadcasts with ``words``."""
        return self.xp.astype(words, self.xp.int64) < threshold

    def keep_from_words(self, words: Array, threshold: Number) -> Array:
        """The mask of dropout: False with the probability that ``threshold`` stands for."""
        return self.xp.astype(words, self.xp.int64) >= threshold

    def masked_scale(self: Any, x: Array, mask: Array, scale: float) -> Array:
        """``x * scale`` where ``mask`` is true, 0 elsewhere: dropout and its gradient."""
        return self.where(mask, x * scale, self.zero_like(x))

    def probability_thresholds(self, p: Array) -> Array:
        """round(p * 2**32) of each probability, as int64; numbers outside [0, 1] count as the nearer end, NaN as 0."""
        xp = self.xp
        p = xp.astype(p, xp.float64)
        p = xp.where(p > 0, xp.minimum(p, xp.ones_like(p)), xp.zeros_like(p))
        return xp.astype(xp.round(p * 2.0**32), xp.int64)

    def integers_from_words(self, words: Array, low: Word, span: Word, wide: bool) -> Array:
        """int64 numbers in [low, low + span), the settings being those of ``host_random.integer_range``.

        A number is the upper half of word * span, from one word or, if ``wide``, from two.
        """
        xp = self.xp
        if wide:
            number, _ = _multiply(self.join_words(words), span >> 32, span & _LOW)
        else:
            number = (xp.astype(words, xp.uint64) * span) >> 32
        return xp.astype(number, xp.int64) + low

    def permutation_from_words(self, words: Array, n: int) -> Array:
        """The numbers 0 to n - 1 (int64) in the order of their random 64-bit keys, made of two words each.

        Each key carries its number in its low bits. Sorting such keys is several times faster than a stable argsort,
        leaves no ties and so needs no stable sort.
        """
        xp = self.xp
        mask = (1 << max(n - 1, 0).bit_length()) - 1
        keys = (self.join_words(words) & ~xp.asarray(mask, dtype=xp.uint64)) | xp.arange(n, dtype=xp.uint64)
        return xp.astype(xp.sort(keys) & mask, xp.int64)


def _multiply(x: Any, high: Any, low: Any) -> tuple[Any, Any]:
    """The upper and lower 64 bits of x * (high * 2**32 + low), by halves: array libraries have no wider product."""
    x_low, x_high = x & _LOW, x >> 32
    bottom = x_low * low
    middle = x_low * high + (bottom >> 32)
    other = x_high * low + (middle & _LOW)
    return x_high * high + (middle >> 32) + (other >> 32), (other << 32) | (bottom & _LOW)
