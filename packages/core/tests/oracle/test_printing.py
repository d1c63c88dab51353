"""Complex tensors print as in PyTorch; real ones, whose digits are NumPy's, do not."""

from __future__ import annotations

import numpy as np
import pytest

import tapeloom as tl

torch = pytest.importorskip("torch", reason="the oracle tests compare with PyTorch; install the group `torch`")

SHAPES = [(), (1,), (3,), (2, 3), (2, 1, 2), (30, 40), (1, 0)]
ROUNDED = [lambda x: x, np.round, lambda x: np.round(x * 4) / 4, lambda x: x**9, lambda x: x * 1e6, lambda x: x * 1e-6]


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_complex_tensors(dtype, shape):
    rng = np.random.default_rng(0)
    special = np.array([0.0, -0.0, 1.0, np.nan, np.inf, -np.inf])
    for real in ROUNDED:
        for imag in ROUNDED:
            for odd in (0.0, 0.2):
                parts = [form(rng.normal(0, 3, shape)) for form in (real, imag)]
                parts = [np.where(rng.random(shape) < odd, rng.choice(special, shape), part) for part in parts]
                array = np.empty(shape, dtype)
                array.real, array.imag = parts
                ours, theirs = (
                    str(made).replace("tapeloom.", "torch.") for made in (tl.tensor(array), torch.tensor(array))
                )
                assert ours.replace("...", "").split() == theirs.replace("...", "").split()


@pytest.mark.parametrize("dtype", [dtype.name for dtype in tl.dtypes.ALL])
def test_the_type_and_format_of_a_tensor(dtype):
    ours, theirs = tl.ones(2, dtype=dtype), torch.ones(2, dtype=getattr(torch, dtype))
    assert ours.type().replace("tapeloom", "torch") == theirs.type()
    assert f"{ours.sum()} {ours[0]}" == f"{theirs.sum()} {theirs[0]}"
    assert ours.type(theirs.type()) is ours
