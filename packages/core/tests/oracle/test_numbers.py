"""Ranges, data and ``alpha`` beside PyTorch: how long, of which dtype, with which values."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest

import tapeloom as tl

torch = pytest.importorskip("torch", reason="the oracle tests compare with PyTorch; install the group `torch`")
INTEGERS = [dtype.name for dtype in tl.dtypes.INTEGERS]
FLOATS = [dtype.name for dtype in tl.dtypes.FLOATS]


def outcome(library, call):
    """What ``call`` gives, as dtype and values, or None where it is refused."""
    try:
        made = call(library)
    except (TypeError, ValueError, RuntimeError, OverflowError, NotImplementedError):  # ours are some of these too
        return None
    return str(made.dtype).partition(".")[2], made.tolist()


def steps(rng):
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
        start, end, step = steps(rng)
        ours, theirs = (
            outcome(library, lambda its: its.arange(start, end, step, dtype=dtype and getattr(its, dtype)))  # noqa: B023
            for library in (tl, torch)
        )
        assert (ours is None) == (theirs is None), (start, end, step)
        if ours is not None:
            assert (ours[0], len(ours[1])) == (theirs[0], len(theirs[1])), (start, end, step)
            np.testing.assert_allclose(ours[1], theirs[1], rtol=spacing, atol=40 * spacing)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_random_ranges_of_integers(dtype):
    rng = random.Random(8)
    for _ in range(1000):
        start, end, step = rng.randint(-20, 120), rng.randint(-20, 120), rng.choice([-7, -3, -1, 1, 2, 5])
        ours, theirs = (
            outcome(its, lambda its: its.arange(start, end, step, dtype=getattr(its, dtype))) for its in (tl, torch)
        )  # noqa: B023
        if ours is None and theirs is not None:  # numbers that uint8 cannot hold wrap in PyTorch
            assert dtype == "uint8" and min(start, end) < 0
        else:
            assert ours == theirs, (start, end, step)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_random_spaces_of_integers(dtype):
    rng = random.Random(9)
    for _ in range(1000):
        start, end = (
            rng.choice([-1, 1][dtype == "uint8" :]) * rng.randint(1, 120) + rng.choice([0, 0.5, 0.9]) for _ in "ab"
        )
        count = rng.randint(0, 12)
        ours, theirs = (
            outcome(its, lambda its: its.linspace(start, end, count, dtype=getattr(its, dtype))) for its in (tl, torch)
        )  # noqa: B023
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
                theirs = outcome(torch, lambda its: its.tensor(data))  # noqa: B023
                if theirs is not None:  # it refuses NumPy's bools beside other numbers
                    assert outcome(tl, lambda its: its.tensor(data)) == theirs, data  # noqa: B023


@pytest.mark.parametrize("left", [dtype.name for dtype in tl.dtypes.ALL])
@pytest.mark.parametrize("right", [dtype.name for dtype in tl.dtypes.ALL])
def test_data_of_tensors(left, right):
    def made(library):
        return library.tensor([library.ones((), dtype=getattr(library, name)) for name in (left, right)])

    assert outcome(tl, made) == outcome(torch, made)


@pytest.mark.filterwarnings("ignore:ComplexHalf support:UserWarning")
@pytest.mark.parametrize("left", [dtype.name for dtype in tl.dtypes.ALL])
@pytest.mark.parametrize("right", [dtype.name for dtype in tl.dtypes.ALL])
@pytest.mark.parametrize("alpha", [True, 3, 100, 0.5, 1 + 1j])
def test_alpha_of_every_pair(left, right, alpha):
    for shape in ((2,), ()):
        for name in (
            ("add",) if "bool" in (left, right) else ("add", "sub")
        ):  # where one is bool we subtract, PyTorch refuses

            def call(library):
                x = library.ones(2, dtype=getattr(library, left))
                y = library.ones(shape, dtype=getattr(library, right))  # noqa: B023
                return getattr(library, name)(x, y + y, alpha=alpha)  # noqa: B023

            ours, theirs = outcome(tl, call), outcome(torch, call)
            if theirs is not None and theirs[0] == "complex32":
                continue
            assert ours == theirs, (name, shape)
