"""Ranges, data and ``alpha`` beside PyTorch: how long, of which dtype, with which values."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest

import tapeloom as tl

torch = pytest.importorskip("torch", reason="the oracle tests compare with PyTorch; install the group `torch`")
#: without uint16, uint32 and uint64, which PyTorch does not promote, and most of its operations refuse
NAMES = [dtype.name for dtype in tl.dtypes.ALL if dtype.method]
INTEGERS = [dtype.name for dtype in tl.dtypes.INTEGERS if dtype.method]
FLOATS = [dtype.name for dtype in tl.dtypes.FLOATS]


def outcome(library, name, *arguments, dtype=None, **settings):
    """What the function gives, as dtype and values, or None where it refuses the arguments."""
    if dtype is not None:
        settings["dtype"] = getattr(library, dtype)
    try:
        made = getattr(library, name)(*arguments, **settings)
    except (TypeError, ValueError, RuntimeError, OverflowError):  # our errors are one of these too
        return None
    return str(made.dtype).partition(".")[2], made.tolist()


def both(name, *arguments, **settings):
    return outcome(tl, name, *arguments, **settings), outcome(torch, name, *arguments, **settings)


def range_of(rng):
    """A start, an end and a step, that may lead nowhere; many ends are hit, or nearly."""
    pick = [
        lambda: rng.randint(-20, 20),
        lambda: rng.uniform(-20, 20),
        lambda: rng.randint(-200, 200) / 10,
        lambda: rng.randint(-40, 40) / 4,
    ]
    start, step = rng.choice(pick)(), rng.choice(pick)() / rng.choice([1, 1, 3, 10])
    step = int(step) if rng.random() < 0.3 else step
    return start, rng.choice([rng.choice(pick)(), start + step * rng.randint(0, 30)]), step


@pytest.mark.parametrize("dtype", [None, *FLOATS, "int64"])
def test_random_ranges_have_the_length_of_pytorchs(dtype):
    rng, spacing = random.Random(7), 2.0**-7 if dtype == "bfloat16" else 2.0**-10 if dtype == "float16" else 1e-6
    for _ in range(4000):
        given = range_of(rng)
        ours, theirs = both("arange", *given, dtype=dtype)
        assert (ours is None) == (theirs is None), given
        if ours is not None:
            assert (ours[0], len(ours[1])) == (theirs[0], len(theirs[1])), given
            np.testing.assert_allclose(ours[1], theirs[1], rtol=spacing, atol=40 * spacing)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_random_ranges_of_integers(dtype):
    rng = random.Random(8)
    for _ in range(1000):
        given = rng.randint(-20, 120), rng.randint(-20, 120), rng.choice([-7, -3, -1, 1, 2, 5])
        ours, theirs = both("arange", *given, dtype=dtype)
        if ours is None and theirs is not None:  # numbers that uint8 cannot hold wrap in PyTorch
            assert dtype == "uint8" and min(given[:2]) < 0
        else:
            assert ours == theirs, given


@pytest.mark.parametrize("dtype", INTEGERS)
def test_random_spaces_of_integers(dtype):
    rng, least = random.Random(9), 0 if dtype == "uint8" else -120
    for _ in range(1000):
        start, end = (rng.randint(least, 120) + rng.choice([0, 0.5, 0.9]) for _ in range(2))
        count = rng.randint(0, 12)
        ours, theirs = both("linspace", start, end, count, dtype=dtype)
        assert ours[0] == theirs[0]
        for place, (mine, other) in enumerate(zip(ours[1], theirs[1], strict=True)):
            exact = int(start) + Fraction(place * (int(end) - int(start)), max(count - 1, 1))
            assert mine == int(exact)
            assert mine == other or exact == mine  # PyTorch's steps are rounded, and can fall short of a whole number


PARTS = [True, 2, 0.5, np.float64(0.5), np.float32(0.5), np.float16(0.5), np.int32(3), np.int8(3), np.uint8(3)]
PARTS += [np.bool_(True), np.int64(3), 1j, np.complex64(1j), np.complex128(1j)]


def test_data_of_every_pair_of_numbers():
    for left in PARTS:
        for right in PARTS:
            for data in ([left], [left, right], [[left], [right]]):
                ours, theirs = both("tensor", data)
                assert ours == theirs or theirs is None, data  # it refuses NumPy's bools beside other numbers


@pytest.mark.parametrize("left", NAMES)
@pytest.mark.parametrize("right", NAMES)
def test_data_of_tensors(left, right):
    ours, theirs = (
        outcome(its, "tensor", [its.ones((), dtype=getattr(its, name)) for name in (left, right)])
        for its in (tl, torch)
    )
    assert ours == theirs


@pytest.mark.filterwarnings("ignore:ComplexHalf support:UserWarning")
@pytest.mark.parametrize("left", NAMES)
@pytest.mark.parametrize("right", NAMES)
@pytest.mark.parametrize("name", ["add", "sub"])
def test_alpha_of_every_pair(left, right, name):
    if name == "sub" and "bool" in (left, right):
        return  # PyTorch refuses it where one is bool
    for alpha in (True, 3, 100, 0.5, 1 + 1j):
        for shape in ((2,), ()):
            ours, theirs = (
                outcome(
                    its,
                    name,
                    its.ones(2, dtype=getattr(its, left)),
                    its.ones(shape, dtype=getattr(its, right)),
                    alpha=alpha,
                )
                for its in (tl, torch)
            )
            assert ours == theirs or theirs[0] == "complex32", (alpha, shape)
