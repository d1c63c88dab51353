"""Tensors print as in PyTorch, to the last space."""

from __future__ import annotations

import numpy as np
import pytest

import tapeloom as tl

torch = pytest.importorskip("torch", reason="the oracle tests compare with PyTorch; install the group `torch`")

SHAPES = [
    (),
    (1,),
    (3,),
    (2, 3),
    (2, 1, 2),
    (3, 7, 11),
    (30, 40),
    (1001,),
    (2, 600),
    (9, 9, 2, 9),
    (0,),
    (1, 0),
]
ROUNDED = [
    lambda x: x,
    np.round,
    lambda x: np.round(x * 4) / 4,
    lambda x: np.round(x * 8) / 8,
    lambda x: x**9,
    lambda x: x * 1e6,
    lambda x: np.round(x) * 1e7,
    lambda x: x * 1e-6,
    lambda x: x * 1e30,
    lambda x: x * 0,
]
OPTIONS = [
    {},
    {"precision": 2, "threshold": 5, "edgeitems": 1},
    {"precision": 0},
    {"sci_mode": True},
    {"sci_mode": False, "linewidth": 40},
    {"threshold": 0, "edgeitems": 0},
    {"threshold": 0, "edgeitems": 4},
    {"linewidth": 1},
    {"profile": "short"},
    {"profile": "full", "linewidth": 200},
]
each_option = pytest.mark.parametrize("options", OPTIONS, ids=str)
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


@pytest.fixture(autouse=True)
def _options(options):
    tl.set_printoptions(**options)
    torch.set_printoptions(**options)
    yield
    tl.set_printoptions(profile="default")
    torch.set_printoptions(profile="default")


def with_special(rng, values, odd):
    special = np.array([0.0, -0.0, 1.0, np.nan, np.inf, -np.inf])
    return np.where(rng.random(values.shape) < odd, rng.choice(special, values.shape), values)


def assert_same(ours, theirs):
    """The same text. Notes may be on another line, as ``tapeloom.`` is longer than ``torch.``."""
    parts = [str(made).replace("tapeloom.", "torch.").rpartition("]") for made in (ours, theirs)]
    (body, _, notes), (their_body, _, their_notes) = parts
    assert body == their_body
    assert notes.split() == their_notes.split()


@each_option
@each_shape
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_floating_tensors(options, shape, dtype):
    rng = np.random.default_rng(0)
    for form in ROUNDED:
        for odd in (0.0, 0.2):
            array = with_special(rng, form(rng.normal(0, 3, shape)), odd).astype("float32")
            theirs = torch.tensor(array).to(getattr(torch, dtype))
            assert_same(tl.tensor(array).to(dtype), theirs)


@each_option
@each_shape
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int16", "int32", "int64"])
def test_integers_and_bools(options, shape, dtype):
    rng = np.random.default_rng(0)
    for top in (2, 10, 100, 10**12):
        array = rng.integers(-top, top, shape).astype(dtype)
        assert_same(tl.tensor(array), torch.tensor(array))


@each_option
@each_shape
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_tensors(options, shape, dtype):
    rng = np.random.default_rng(0)
    for real in ROUNDED[::2]:
        for imag in ROUNDED[1:8:2]:
            for odd in (0.0, 0.2):
                array = np.empty(shape, dtype)
                array.real, array.imag = (
                    with_special(rng, form(rng.normal(0, 3, shape)), odd) for form in (real, imag)
                )
                assert_same(tl.tensor(array), torch.tensor(array))


@each_option
def test_what_is_said_besides(options):
    """Notes go to a new line where they do not fit."""
    for count in range(1, 30):
        values = np.arange(count) / 4
        for kind in ("float32", "float64"):
            ours = tl.tensor(values, dtype=kind, requires_grad=True)
            theirs = torch.tensor(values, dtype=getattr(torch, kind), requires_grad=True)
            if kind == "float32":
                assert str(ours) == str(theirs)
            assert_same(ours, theirs)


@pytest.mark.parametrize("options", [{}])
@pytest.mark.parametrize("dtype", [dtype.name for dtype in tl.dtypes.ALL])
def test_the_type_and_format_of_a_tensor(options, dtype):
    ours, theirs = tl.ones(2, dtype=dtype), torch.ones(2, dtype=getattr(torch, dtype))
    assert ours.type().replace("tapeloom", "torch") == theirs.type()
    assert f"{ours.sum()} {ours[0]}" == f"{theirs.sum()} {theirs[0]}"
    assert ours.type(theirs.type()) is ours
