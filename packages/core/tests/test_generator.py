"""The random stream: the same words from three implementations, exact numbers from words, and the generator's state."""

from __future__ import annotations

import copy
import inspect
import math
import pickle
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeloom import dtypes, generator, host_random
from tapeloom.backend.kernels.random import Random
from tapeloom.errors import ArgumentError, ArgumentTypeError, StateError
from tapeloom.generator import Generator

FLOATS = [dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64]
NATIVE_FLOATS = [dtypes.float16, dtypes.float32, dtypes.float64]  # NumPy's own, which need no ml_dtypes
EDGE_WORDS = np.array([0, 0, 1, 2**31 - 1, 2**31, 2**32 - 2, 0, 2**32 - 1, 2**32 - 1, 2**32 - 1], np.uint32)


STATICS = {"n", "dtype", "wide"}


class OnNumpy(Random):
    """The shared kernels over NumPy's arrays."""

    xp = np

    def cast(self, x: Any, dtype: dtypes.DType) -> Any:
        if dtype is dtypes.bfloat16:
            return x.astype(pytest.importorskip("ml_dtypes").bfloat16)
        return x.astype(dtype.name)


def make_native() -> Any:
    philox = pytest.importorskip("tapeloom_backend_numpy.philox", reason="the NumPy backend is not installed")
    return type("Native", (philox.NativeRandom, OnNumpy), {})()


class Jitted:
    """The shared kernels under jax.jit: numbers and arrays are traced, the parameters in STATICS are not."""

    def __init__(self) -> None:
        jax = pytest.importorskip("jax", reason="jax is not installed")
        jax.config.update("jax_enable_x64", True)

        class OnJax(Random):
            xp = jax.numpy

            def cast(self, x: Any, dtype: dtypes.DType) -> Any:
                return x.astype(dtype.name)

            def iterate(self, times: int, step: Callable[..., Any], state: Any) -> Any:
                return jax.lax.fori_loop(0, times, lambda _, now: step(*now), state)

        self._kernels, self._jit = OnJax(), jax.jit
        self._cache: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._cache:
            kernel = getattr(self._kernels, name)
            statics = STATICS.intersection(inspect.signature(kernel).parameters)
            self._cache[name] = self._jit(kernel, static_argnames=sorted(statics))
        return lambda *args: np.asarray(self._cache[name](*map(traceable, args)))


def traceable(value: Any) -> Any:
    """Python ints that jax would take for int64 are given as uint64 where they are too large."""
    return np.uint64(value) if type(value) is int and value >= 2**63 else value


@pytest.fixture(scope="module")
def on_numpy() -> OnNumpy:
    return OnNumpy()


@pytest.fixture(scope="module")
def native() -> Any:
    return make_native()


@pytest.fixture(scope="module")
def jitted() -> Jitted:
    return Jitted()


@pytest.fixture(scope="module", params=["numpy", "native", "jax"])
def kernels(request: pytest.FixtureRequest) -> Any:
    return {"numpy": OnNumpy, "native": make_native, "jax": Jitted}[request.param]()


def words_of(seed: int, n: int, offset: int = 0) -> Any:
    return host_random.native_words(np, seed, offset, n)


def same_bits(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())


def chi_squared(counts: Any, expected: Any) -> float:
    """In standard deviations from its mean."""
    counts = np.asarray(counts, float)
    freedom = int(counts.size) - 1
    return (float(((counts - expected) ** 2 / expected).sum()) - freedom) / math.sqrt(2 * freedom)


# --- words

# NumPy 2.4: np.random.Philox(key=seed, counter=offset).random_raw(4).view(np.uint32)
GOLDEN = {
    (0, 0): [0x08E4D89B, 0x02F4BA64, 0x9CA8C5B2, 0x3DD62B0B, 0x5D902E79, 0x1C8667A5, 0x2FD5B4DC, 0x907D7A05],
    (1, 0): [0x756282DF, 0x4DB6A27B, 0xBABE0E2F, 0xD944FA03, 0x77060D32, 0x27F872E5, 0x6A0482A2, 0x07F69769],
    (42, 1): [0x61C3E3D3, 0x5E3DAA89, 0xA04BD05C, 0x6F37DEA4, 0x26E190B9, 0x31D3A1AE, 0x0AB2A01A, 0x0FEF7FAE],
    (67280421310721, 2**32 - 1): [
        0x07AF7C6D, 0x188B9958, 0xAEA5CD6E, 0x06E62E9E, 0xD192F658, 0x350107C7, 0x0B8A5B06, 0xCBDAD9A5,
    ],
    (2**64 - 1, 2**64 - 3): [
        0x045935D4, 0x2272926F, 0x4AEC9B9B, 0xA067D560, 0x6F5FE900, 0x22F5BD40, 0x897D0935, 0x18955278,
    ],
}  # fmt: skip


@pytest.mark.parametrize(("seed", "offset"), GOLDEN)
def test_words_are_the_recorded_ones(kernels: Any, seed: int, offset: int) -> None:
    words = kernels.random_words(seed, offset, 8)
    assert words.dtype == np.uint32
    assert words.tolist() == GOLDEN[seed, offset]


SEEDS = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1]))
OFFSETS = st.one_of(st.integers(0, 2**64 - 101), st.sampled_from([0, 1, 2**32 - 2, 2**63 - 1, 2**64 - 101]))


@settings(deadline=None, max_examples=150)
@given(SEEDS, OFFSETS, st.integers(0, 800))
def test_array_arithmetic_gives_numpys_stream(native: Any, on_numpy: OnNumpy, seed: int, offset: int, n: int) -> None:
    expected = np.random.Philox(key=seed, counter=offset).random_raw(n // 2 + 1).view(np.uint32)[:n]
    assert same_bits(on_numpy.random_words(seed, offset, n), expected)
    assert same_bits(native.random_words(seed, offset, n), expected)


@settings(deadline=None, max_examples=100)
@given(SEEDS, OFFSETS, st.sampled_from([0, 1, 7, 8, 9, 100, 800]))  # each n is a compilation
def test_jax_gives_numpys_stream(jitted: Jitted, seed: int, offset: int, n: int) -> None:
    words = jitted.random_words(np.uint64(seed), np.uint64(offset), n)
    assert same_bits(words, host_random.native_words(np, seed, offset, n))


def test_a_compiled_draw_serves_every_seed_and_offset(jitted: Jitted) -> None:
    jitted.random_words(np.uint64(0), np.uint64(0), 24)
    compiled = jitted._cache["random_words"]._cache_size()
    jitted.random_words(np.uint64(2**64 - 1), np.uint64(5), 24)
    assert jitted._cache["random_words"]._cache_size() == compiled


def test_draws_continue_block_by_block(kernels: Any) -> None:
    whole = kernels.random_words(9, 3, 64)
    assert same_bits(kernels.random_words(9, 3, 21), whole[:21])
    assert same_bits(kernels.random_words(9, 6, 40), whole[24:])


def test_native_words_do_not_depend_on_earlier_draws() -> None:
    first = words_of(5, 11, offset=2)
    words_of(6, 3, offset=10**9)
    assert same_bits(words_of(5, 11, offset=2), first)


def test_native_words_of_threads_do_not_mix() -> None:
    expected = [np.random.Philox(key=seed).random_raw(5000).view(np.uint32) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert all(map(same_bits, pool.map(lambda seed: words_of(seed, 10000), range(8)), expected))


def test_bits_of_words_are_balanced() -> None:
    words = words_of(3, 2**17)
    for bit in range(32):
        ones = int(((words >> bit) & 1).sum())
        assert abs(ones - 2**16) < 4 * math.sqrt(2**15)


# --- uniform numbers


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_unit_draws_lie_below_one_on_the_grid_of_the_dtype(kernels: Any, dtype: dtypes.DType) -> None:
    words = np.concatenate([EDGE_WORDS, words_of(1, 1000)])
    values = kernels.unit_from_words(words, dtype)
    assert values.dtype.name == dtype.name
    assert len(values) == len(words) // (2 if dtype is dtypes.float64 else 1)
    exact = values.astype(np.float64)
    assert exact.min() == 0
    assert exact.max() == 1 - 2.0**-dtype.significand
    assert same_bits(values, OnNumpy().unit_from_words(words, dtype))


def test_unit_draws_are_recorded(kernels: Any) -> None:
    words = np.array(GOLDEN[42, 1], np.uint32)
    single = [w // 2**8 / 2**24 for w in GOLDEN[42, 1]]
    assert kernels.unit_from_words(words, dtypes.float32).tolist() == single
    double = [(GOLDEN[42, 1][i] + GOLDEN[42, 1][i + 1] * 2**32) // 2**11 / 2**53 for i in range(0, 8, 2)]
    assert kernels.unit_from_words(words, dtypes.float64).tolist() == double


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_unit_draws_are_uniform(on_numpy: OnNumpy, dtype: dtypes.DType) -> None:
    values = on_numpy.unit_from_words(words_of(11, 2**17), dtype).astype(np.float64)
    n = len(values)
    centre = (1 - 2.0**-dtype.significand) / 2
    assert abs(values.mean() - centre) < 4 / math.sqrt(12 * n)
    assert abs(values.var() - 1 / 12) < 4 / math.sqrt(180 * n)
    assert abs(chi_squared(np.histogram(values, 64, (0, 1))[0], n / 64)) < 4
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 4 / math.sqrt(n)


RANGES = [
    (0.0, 1.0),
    (-0.1, 0.1),
    (1000.0, 1001.0),  # a plain float32 formula reaches 1001 here
    (-1e30, 0.0),
    (0.0, 1e-30),
    (1.0, 1.0 + 2.0**-7),  # neighbours in bfloat16
    (-(1.0 + 2.0**-23), -1.0),  # neighbours in float32
    (3.0, 3.0),
    (-3.4e38, 3.4e38),
    (-1.0, 1e-40),
    (-8.9e307, 8.9e307),
    (1.0, 1.0 + 2.0**-52),
    (-65504.0, 65504.0),
    (0.1, math.nextafter(0.1, 1)),
    (-0.0, 0.0),
]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("low", "high"), RANGES)
def test_uniform_stays_in_its_interval(kernels: Any, low: float, high: float, dtype: dtypes.DType) -> None:
    try:
        bounds = host_random.uniform_bounds("uniform", low, high, dtype)
    except ArgumentError:
        assert max(-low, high) > dtypes.finfo(dtype).max or high - low > dtypes.finfo(dtypes.float64).max
        return
    words = np.concatenate([EDGE_WORDS, words_of(8, 990)])
    values = kernels.uniform_from_words(words, *bounds, dtype)
    assert values.dtype.name == dtype.name
    exact = values.astype(np.float64)
    start, stop = (float(OnNumpy().cast(np.array(bound), dtype)) for bound in (low, high))
    if start < stop:
        assert (exact >= start).all()
        assert (exact < stop).all()
    else:
        assert (exact == start).all()


def finite(dtype: dtypes.DType) -> st.SearchStrategy[float]:
    return st.floats(-dtypes.finfo(dtype).max / 2, dtypes.finfo(dtype).max / 2)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_uniform_has_the_same_bits_under_jax(
    jitted: Jitted, on_numpy: OnNumpy, dtype: dtypes.DType, data: st.DataObject
) -> None:
    low, high = sorted([data.draw(finite(dtype)), data.draw(finite(dtype))])
    bounds = host_random.uniform_bounds("uniform", low, high, dtype)
    if dtype is dtypes.float64 and 0 < bounds[1] < 2.0**-960:
        return  # XLA multiplies 2**-53 with scale first, and flushes the subnormal product to zero
    words = words_of(data.draw(st.integers(0, 99)), 2048)
    ours = on_numpy.uniform_from_words(words, *bounds, dtype)
    theirs = jitted.uniform_from_words(words, *bounds, dtype)
    normal = np.abs(ours.astype(np.float64)) > 2 * dtypes.finfo(dtype).tiny  # what is subnormal, XLA flushes to zero
    assert same_bits(ours[normal], theirs[normal])
    assert (np.abs(theirs.astype(np.float64)[~normal]) <= 2 * dtypes.finfo(dtype).tiny).all()


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("low", "high"), [(-0.1, 0.1), (-0.03125, 0.7), (2.0, 3.3)])
def test_a_million_uniforms_have_the_same_bits_under_jax(
    jitted: Jitted, native: Any, low: float, high: float, dtype: dtypes.DType
) -> None:
    words = words_of(77, 2**20)
    bounds = host_random.uniform_bounds("uniform", low, high, dtype)
    ours, theirs = (k.uniform_from_words(words, *bounds, dtype) for k in (native, jitted))
    assert same_bits(ours, theirs)


@pytest.mark.parametrize("dtype", NATIVE_FLOATS, ids=str)
def test_uniform_moments(on_numpy: OnNumpy, dtype: dtypes.DType) -> None:
    bounds = host_random.uniform_bounds("uniform", -2.0, 6.0, dtype)
    values = on_numpy.uniform_from_words(words_of(4, 2**17), *bounds, dtype).astype(np.float64)
    assert abs(values.mean() - 2) < 8 * (4 / math.sqrt(12 * len(values)) + 2.0**-12)
    assert abs(values.var() - 64 / 12) < 0.05


@settings(deadline=None)
@given(st.sampled_from(FLOATS), st.data())
def test_uniform_bounds_are_numbers_of_the_dtype(dtype: dtypes.DType, data: st.DataObject) -> None:
    low, high = sorted([data.draw(finite(dtype)), data.draw(finite(dtype))])
    start, scale, top = host_random.uniform_bounds("uniform", low, high, dtype)
    for bound in (start, top):
        assert float(OnNumpy().cast(np.array(bound), dtype)) == bound
    assert start <= top or scale == 0
    stop = float(OnNumpy().cast(np.array(high), dtype))
    width = Fraction(stop) - Fraction(start)
    if dtype is not dtypes.float64:
        assert abs(Fraction(scale) - width) <= width / 2**29
        largest = 1 - 2.0**-24
        assert Fraction(largest) * Fraction(scale) == Fraction(largest * scale)  # contraction changes nothing


def test_the_scale_leaves_room_for_an_exact_product() -> None:
    _, scale, _ = host_random.uniform_bounds("uniform", -0.001, 1.0, dtypes.float32)
    exact = 1 + float(np.float32(0.001))
    assert scale != exact  # 33 bits are needed, 29 are kept
    assert abs(scale - exact) < 2.0**-29
    assert (scale * 2**28).is_integer()


@pytest.mark.parametrize("dtype", NATIVE_FLOATS, ids=str)
@settings(deadline=None)
@given(data=st.data())
def test_below_is_numpys_next_number(dtype: dtypes.DType, data: st.DataObject) -> None:
    value = float(data.draw(st.floats(allow_nan=False, allow_infinity=False)))
    with np.errstate(over="ignore"):
        value = float(np.array(value).astype(dtype.name))
    if not math.isfinite(value):
        return
    with np.errstate(over="ignore"):
        expected = np.nextafter(np.array(value, dtype.name), np.array(-np.inf, dtype.name))
    if np.isfinite(expected):
        assert host_random._below(value, dtype) == float(expected)


@pytest.mark.parametrize(
    ("low", "high", "dtype", "message"),
    [
        (2.0, 1.0, dtypes.float32, "uniform_: low=2.0 is above high=1.0. Give low <= high."),
        (
            0.0,
            math.inf,
            dtypes.float32,
            "uniform_: low=0.0 and high=inf must be finite in tapeloom.float32, and so must high - low. "
            "Give smaller bounds.",
        ),
        (
            0.0,
            1e6,
            dtypes.float16,
            "uniform_: low=0.0 and high=1000000.0 must be finite in tapeloom.float16, and so must high - low. "
            "Give smaller bounds.",
        ),
        (
            -1.7e308,
            1.7e308,
            dtypes.float64,
            "uniform_: low=-1.7e+308 and high=1.7e+308 must be finite in tapeloom.float64, and so must high - low. "
            "Give smaller bounds.",
        ),
    ],
)
def test_uniform_bounds_refuse(low: float, high: float, dtype: dtypes.DType, message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        host_random.uniform_bounds("uniform_", low, high, dtype)
    assert str(error.value) == message


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("low", "high"), [(math.nan, 1.0), (0.0, math.nan), (-math.inf, 0.0), (3.4e38, 3.5e308)])
def test_uniform_bounds_refuse_what_is_not_finite(low: float, high: float, dtype: dtypes.DType) -> None:
    if dtype is dtypes.float64 and math.isfinite(high - low):
        return
    with pytest.raises(ArgumentError, match="must be finite"):
        host_random.uniform_bounds("uniform_", low, high, dtype)


# --- masks


def test_a_probability_of_zero_or_one_is_certain(kernels: Any) -> None:
    for p, expected in ((0.0, False), (1.0, True)):
        threshold = host_random.probability_threshold("bernoulli", p)
        drawn = kernels.bernoulli_from_words(EDGE_WORDS, threshold)
        assert drawn.dtype == bool
        assert (drawn == expected).all()
        assert (kernels.keep_from_words(EDGE_WORDS, threshold) != expected).all()


@pytest.mark.parametrize("p", [2.0**-32, 0.1, 0.5, 0.75, 1 - 2.0**-32])
def test_masks_compare_integers(kernels: Any, p: float) -> None:
    words = np.concatenate([EDGE_WORDS, words_of(2, 20000)])
    threshold = host_random.probability_threshold("dropout", p)
    expected = [word < Fraction(round(Fraction(p) * 2**32)) for word in words.tolist()]
    assert kernels.bernoulli_from_words(words, threshold).tolist() == expected
    assert kernels.keep_from_words(words, threshold).tolist() == [not drawn for drawn in expected]
    assert abs(np.mean(expected[10:]) - p) < 4 * math.sqrt(p * (1 - p) / 20000) + 2.0**-32


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_each_probability_has_its_threshold(kernels: Any, dtype: str) -> None:
    p = np.array([[0.0, 0.3, 1.0], [0.5, 2.0**-14, 0.999]], dtype)
    thresholds = kernels.probability_thresholds(p)
    assert thresholds.dtype == np.int64
    assert thresholds.tolist() == [[host_random.probability_threshold("p", float(v)) for v in row] for row in p]
    words = words_of(1, 6).reshape(2, 3)
    assert (kernels.bernoulli_from_words(words, thresholds) == (words.astype(np.int64) < thresholds)).all()


def test_probabilities_out_of_range_count_as_the_nearer_end(kernels: Any) -> None:
    p = np.array([-1.0, 2.0, np.inf, -np.inf, np.nan])
    assert kernels.probability_thresholds(p).tolist() == [0, 2**32, 2**32, 0, 0]


@pytest.mark.parametrize("p", [-0.1, 1.5, math.nan])
def test_probability_threshold_refuses(p: float) -> None:
    with pytest.raises(ArgumentError) as error:
        host_random.probability_threshold("dropout", p)
    assert str(error.value) == f"dropout: the probability must be from 0 to 1, got p={p}."


# --- integers

INTEGER_RANGES = [
    (0, 1),
    (0, 2),
    (-5, 5),
    (0, 10),
    (7, 7 + 2**16),
    (0, 2**16 + 1),
    (-(2**31), 2**31),
    (0, 2**32),
    (0, 2**63 - 1),
    (0, 2**63),
    (-(2**63), 0),
    (-(2**63), 2**63 - 1),
    (2**63 - 1, 2**63),
    (-(2**63), -(2**63) + 1),
]


@pytest.mark.parametrize(("low", "high"), INTEGER_RANGES)
def test_integers_are_the_upper_half_of_a_product(kernels: Any, low: int, high: int) -> None:
    span, wide = host_random.integer_range("randint", low, high)
    assert span == high - low
    assert wide == (span > 2**16)
    words = np.concatenate([EDGE_WORDS, words_of(6, 990)])
    values = kernels.integers_from_words(words, low, span, wide)
    draws = [int(w) for w in words]
    if wide:
        expected = [((a + b * 2**32) * span >> 64) + low for a, b in zip(draws[::2], draws[1::2], strict=True)]
    else:
        expected = [(word * span >> 32) + low for word in draws]
    assert values.dtype == np.int64
    assert values.tolist() == expected
    assert low <= min(expected) <= max(expected) < high


@settings(deadline=None, max_examples=100)
@given(st.integers(-(2**63), 2**63), st.integers(-(2**63), 2**63), st.integers(0, 99))
def test_integers_stay_in_their_range(native: Any, jitted: Jitted, low: int, high: int, seed: int) -> None:
    if low >= high:
        low, high = high, low + 1
    if high > 2**63:
        return
    span, wide = host_random.integer_range("randint", low, high)
    words = words_of(seed, 64)
    values = native.integers_from_words(words, low, span, wide)
    assert low <= int(values.min()) <= int(values.max()) < high
    assert same_bits(values, jitted.integers_from_words(words, low, np.uint64(span), wide))


def test_only_the_full_range_loses_its_last_integer(kernels: Any) -> None:
    span, wide = host_random.integer_range("randint", -(2**63), 2**63)
    assert (span, wide) == (2**64 - 1, True)
    values = kernels.integers_from_words(EDGE_WORDS, -(2**63), span, wide)
    assert int(values.max()) == 2**63 - 2
    assert int(values.min()) < -(2**62)


@pytest.mark.parametrize("span", [10, 1000])
def test_integers_are_uniform(on_numpy: OnNumpy, span: int) -> None:
    narrow = on_numpy.integers_from_words(words_of(21, 2**17), 0, span, False)
    wide = on_numpy.integers_from_words(words_of(22, 2**18), 0, span, True)
    for values in (narrow, wide):
        assert abs(chi_squared(np.bincount(values, minlength=span), 2**17 / span)) < 4


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (5, 5, "randint: low must be below high, got low=5 and high=5; high itself is never drawn."),
        (5, 4, "randint: low must be below high, got low=5 and high=4; high itself is never drawn."),
        (
            0,
            2**63 + 1,
            "randint: low=0 and high=9223372036854775809 exceed int64. Give -2**63 <= low < high <= 2**63.",
        ),
        (
            -(2**63) - 1,
            0,
            "randint: low=-9223372036854775809 and high=0 exceed int64. Give -2**63 <= low < high <= 2**63.",
        ),
    ],
)
def test_integer_range_refuses(low: int, high: int, message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        host_random.integer_range("randint", low, high)
    assert str(error.value) == message


# --- permutations


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 100, 4097])
def test_a_permutation_sorts_random_keys(kernels: Any, n: int) -> None:
    words = words_of(13, 2 * n)
    order = kernels.permutation_from_words(words, n)
    assert order.dtype == np.int64
    keys = words[0::2].astype(np.uint64) | (words[1::2].astype(np.uint64) << 32)
    spare = max(n - 1, 0).bit_length()
    assert same_bits(order, np.argsort(keys >> spare, stable=True))
    assert sorted(order.tolist()) == list(range(n))


def test_equal_keys_keep_their_order(kernels: Any) -> None:
    assert kernels.permutation_from_words(np.full(200, 2**32 - 1, np.uint32), 100).tolist() == list(range(100))
    assert kernels.permutation_from_words(np.zeros(200, np.uint32), 100).tolist() == list(range(100))


def test_every_permutation_is_equally_likely(on_numpy: OnNumpy) -> None:
    words = words_of(17, 8 * 24000).reshape(-1, 8)
    counts: dict[tuple[int, ...], int] = {}
    for row in words:
        order = tuple(on_numpy.permutation_from_words(row, 4).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    assert abs(chi_squared(list(counts.values()), 1000)) < 4


# --- normal numbers


def test_normals_have_the_moments_of_their_distribution() -> None:
    n = 2**17
    values = host_random.normal_from_words(np, words_of(31, host_random.normal_words(n)), 0.0, 1.0)
    assert values.dtype == np.float64
    assert values.shape == (n,)
    assert abs(values.mean()) < 4 / math.sqrt(n)
    assert abs(values.var() - 1) < 4 * math.sqrt(2 / n)
    assert abs((values**3).mean()) < 4 * math.sqrt(15 / n)
    assert abs((values**4).mean() - 3) < 4 * math.sqrt(96 / n)
    assert abs(np.corrcoef(values[0::2], values[1::2])[0, 1]) < 4 / math.sqrt(n / 2)


def test_normals_follow_their_distribution_function() -> None:
    n = 2**17
    values = np.sort(host_random.normal_from_words(np, words_of(33, 2 * n), 0.0, 1.0))
    expected = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in values[::64]])
    assert np.abs(expected - np.arange(0, n, 64) / n).max() < 1.6 / math.sqrt(n)  # Kolmogorov's bound at 1 percent


def test_normals_of_extreme_words_are_finite() -> None:
    words = np.array([0, 0, 0, 0, 2**32 - 1, 2**32 - 1, 0, 0, *[2**32 - 1] * 4], np.uint32)
    values = host_random.normal_from_words(np, words, 0.0, 1.0)
    assert values[:2].tolist() == [0.0, 0.0]
    assert values[2] == pytest.approx(math.sqrt(2 * 53 * math.log(2)))
    assert np.isfinite(values).all()


def test_normals_are_scaled_and_shifted() -> None:
    words = words_of(3, 4004)
    plain = host_random.normal_from_words(np, words, 0.0, 1.0)
    assert same_bits(host_random.normal_from_words(np, words, 5.0, 2.0), plain * 2.0 + 5.0)
    assert same_bits(host_random.normal_from_words(np, words, -1.0, 0.0), np.full(2002, -1.0))


def test_a_longer_normal_draw_begins_like_a_shorter_one() -> None:
    words = words_of(3, 2**17)
    whole = host_random.normal_from_words(np, words, 0.0, 1.0)
    for n in (1, 2, 3, 1000, 20001):
        short = host_random.normal_from_words(np, words[: host_random.normal_words(n)], 0.0, 1.0)
        assert len(short) - n in (0, 1)
        np.testing.assert_allclose(short, whole[: len(short)], rtol=1e-14)


def test_quantiles_are_those_of_the_standard_library() -> None:
    p = np.concatenate([np.linspace(0, 1, 1001)[1:-1], 10.0 ** -np.arange(3, 308.0), 1 - 10.0 ** -np.arange(3, 16.0)])
    expected = np.array([NormalDist().inv_cdf(each) for each in p])
    np.testing.assert_allclose(host_random.normal_quantiles(np, p), expected, rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize(("low", "high"), [(-2.0, 2.0), (5.0, 6.0), (-9.0, -8.0), (0.5, math.inf)])
def test_truncated_normals_follow_their_distribution_function(low: float, high: float) -> None:
    n = 2**15
    values = np.sort(
        host_random.truncated_from_words(np, words_of(7, host_random.truncated_words(n)), 0.0, 1.0, low, high)
    )
    assert low <= values[0] and values[-1] <= high
    first, last, *tails = (math.erfc(v / math.sqrt(2)) for v in (low, high, *values[::64]))
    expected = (first - np.array(tails)) / (first - last)
    if high < 0:  # there the other tail has the digits
        first, last, *tails = (math.erfc(-v / math.sqrt(2)) for v in (low, high, *values[::64]))
        expected = (np.array(tails) - first) / (last - first)
    assert np.abs(expected - np.arange(0, n, 64) / n).max() < 1.6 / math.sqrt(n)  # Kolmogorov's bound at 1 percent


def test_no_words_give_no_numbers(kernels: Any) -> None:
    empty = np.zeros(0, np.uint32)
    for dtype in FLOATS:
        assert kernels.unit_from_words(empty, dtype).shape == (0,)
        assert kernels.uniform_from_words(empty, 0.0, 1.0, 0.5, dtype).shape == (0,)
    assert kernels.integers_from_words(empty, 0, 5, False).shape == (0,)
    assert kernels.integers_from_words(empty, 0, 2**40, True).shape == (0,)
    assert host_random.normal_from_words(np, empty, 0.0, 1.0).shape == (0,)
    assert host_random.truncated_from_words(np, empty, 0.0, 1.0, -1.0, 1.0).shape == (0,)


# --- the NumPy backend's parts


@pytest.mark.parametrize("n", [2**14 - 2, 2**14, 2**14 + 2, 2**16 + 6])
def test_numbers_made_in_parts_are_those_made_at_once(native: Any, on_numpy: OnNumpy, n: int) -> None:
    words = words_of(50, n)
    for dtype in FLOATS:
        bounds = host_random.uniform_bounds("uniform", -0.3, 0.8, dtype)
        parts, whole = (k.uniform_from_words(words, *bounds, dtype) for k in (native, on_numpy))
        assert same_bits(parts, whole)
    for wide in (False, True):
        parts, whole = (k.integers_from_words(words, -3, 2**16, wide) for k in (native, on_numpy))
        assert same_bits(parts, whole)


# --- the generator


def test_a_new_generator_has_pytorchs_seed() -> None:
    assert Generator().get_state() == (67280421310721, 0)
    assert Generator("cuda").initial_seed() == Generator(device="cpu").initial_seed()
    assert [str(source.device) for source in (Generator(), Generator("cuda"))] == ["cpu", "cuda"]


def test_a_cloned_state_goes_on_alone() -> None:
    source = Generator("cuda").manual_seed(5)
    source.reserve(9)
    other = source.clone_state()
    assert other.get_state() == source.get_state() == (5, 2) and other.device is source.device
    other.reserve(1)
    assert source.get_state() == (5, 2)


@pytest.mark.parametrize(
    ("given_seed", "seed"), [(0, 0), (7, 7), (-1, 2**64 - 1), (-(2**63), 2**63), (2**64 - 1, 2**64 - 1)]
)
def test_manual_seed_starts_a_stream(given_seed: int, seed: int) -> None:
    source = Generator()
    source.reserve(100)
    assert source.manual_seed(given_seed) is source
    assert source.get_state() == (seed, 0)
    assert source.initial_seed() == seed


def test_manual_seed_takes_what_is_an_index() -> None:
    seed: Any = np.uint64(2**64 - 1)
    assert Generator().manual_seed(seed).initial_seed() == 2**64 - 1


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1])
def test_manual_seed_refuses_what_is_out_of_range(seed: int) -> None:
    source = Generator()
    with pytest.raises(ArgumentError) as error:
        source.manual_seed(seed)
    assert str(error.value) == f"manual_seed: seed {seed} is out of range. Give an int from -2**63 to 2**64 - 1."
    assert source.get_state() == Generator().get_state()


def test_manual_seed_refuses_what_is_no_int() -> None:
    with pytest.raises(ArgumentTypeError) as error:
        Generator().manual_seed(1.5)  # type: ignore[arg-type]
    assert str(error.value) == "manual_seed: seed must be an int, got 1.5 of type float."


def test_seed_picks_another_stream_each_time() -> None:
    source = Generator()
    seeds = {source.seed() for _ in range(10)}
    assert len(seeds) == 10
    assert source.initial_seed() in seeds
    assert all(0 <= seed < 2**64 for seed in seeds)


@pytest.mark.parametrize(("words", "blocks"), [(0, 0), (1, 1), (8, 1), (9, 2), (16, 2), (10**12, 125 * 10**9)])
def test_reserve_takes_whole_blocks(words: int, blocks: int) -> None:
    source = Generator().manual_seed(3)
    assert source.reserve(words) == (3, 0)
    assert source.reserve(1) == (3, blocks)


def test_reserve_refuses_to_pass_the_end_of_the_stream() -> None:
    source = Generator()
    source.set_state((1, 2**64 - 2))
    with pytest.raises(StateError) as error:
        source.reserve(9)
    assert str(error.value) == (
        "Generator.reserve: 9 words do not fit after offset 18446744073709551614: a stream has 2**64 blocks. "
        "Seed the generator again."
    )
    assert source.reserve(8) == (1, 2**64 - 2)


class Yielding(int):
    """A count of words that lets other threads run in the middle of ``reserve``: when it is added to the offset."""

    def __neg__(self) -> Yielding:
        return Yielding(-int(self))

    def __floordiv__(self, other: int) -> Yielding:
        return Yielding(int(self) // other)

    def __radd__(self, other: int) -> int:
        time.sleep(1e-5)
        return other + int(self)


def test_threads_never_share_a_block() -> None:
    source = Generator()
    sizes = [1 + (7 * i) % 40 for i in range(400)]

    def draw(size: int) -> tuple[int, int]:
        return source.reserve(Yielding(size))[1], -(-size // 8)

    with ThreadPoolExecutor(8) as pool:
        taken = sorted(pool.map(draw, sizes))
    end = 0
    for offset, blocks in taken:
        assert offset == end
        end += blocks
    assert source.get_state()[1] == end


def test_state_goes_round() -> None:
    source = Generator().manual_seed(12)
    source.reserve(33)
    state = source.get_state()
    assert state == (12, 5)
    following = [source.reserve(10) for _ in range(3)]
    other = Generator()
    other.set_state(state)
    assert [other.reserve(10) for _ in range(3)] == following


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))])
def test_a_copy_goes_on_by_itself(clone: Callable[[Generator], Generator]) -> None:
    source = Generator().manual_seed(0)
    source.reserve(9)
    twin = clone(source)
    assert twin.get_state() == (0, 2)
    twin.reserve(8)
    assert source.get_state() == (0, 2)


@pytest.mark.parametrize(
    ("state", "kind", "message"),
    [
        (
            5,
            ArgumentTypeError,
            "Generator.set_state: expected a pair (seed, offset), got 5. Pass what get_state returned.",
        ),
        ((1, 2.0), ArgumentTypeError, "Generator.set_state: offset must be an int, got 2.0 of type float."),
        (
            (1, -1),
            ArgumentError,
            "Generator.set_state: seed 1 and offset -1 must both be from 0 to 2**64 - 1. Pass what get_state returned.",
        ),
    ],
)
def test_set_state_refuses(state: Any, kind: type[Exception], message: str) -> None:
    source = Generator().manual_seed(4)
    with pytest.raises(kind) as error:
        source.set_state(state)
    assert str(error.value) == message
    assert source.get_state() == (4, 0)


def test_a_generator_shows_its_state() -> None:
    assert repr(Generator().manual_seed(6)) == "Generator(seed=6, offset=0)"


@pytest.fixture
def restored_default() -> Any:
    state = generator.get_rng_state()
    yield generator.default_generator
    generator.set_rng_state(state)


def test_module_functions_use_the_default_generator(restored_default: Generator) -> None:
    assert generator.manual_seed(5) is restored_default
    assert generator.initial_seed() == 5
    restored_default.reserve(8)
    assert generator.get_rng_state() == (5, 1)
    generator.set_rng_state((6, 2))
    assert restored_default.get_state() == (6, 2)
    assert generator.seed() == generator.initial_seed() != 6


def test_the_namespace_random_holds_the_same_functions() -> None:
    import tapeloom as tl

    assert all(getattr(tl.random, name) is getattr(tl, name) for name in tl.random.__all__)


def test_fork_rng_restores_the_state(restored_default: Generator) -> None:
    generator.manual_seed(5)
    with generator.fork_rng():
        restored_default.reserve(8)
        fork = generator.fork_rng()
        with fork, fork:
            generator.manual_seed(7)
        assert generator.get_rng_state() == (5, 1)
    assert generator.get_rng_state() == (5, 0)
    with pytest.raises(ArgumentError), generator.fork_rng():
        generator.manual_seed(7).manual_seed(2**64)
    assert generator.get_rng_state() == (5, 0)
    with generator.fork_rng(enabled=False):
        generator.manual_seed(7)
    assert generator.get_rng_state() == (7, 0)
