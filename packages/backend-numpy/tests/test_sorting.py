"""Sorts and folds of arrays that are large enough for the overrides: the same results as those of the shared kernels."""

from __future__ import annotations

import numpy as np
import pytest

from tapeloom.backend.kernels import ArrayKernels
from tapeloom_backend_numpy.backend import NumpyKernels

OURS, SHARED = NumpyKernels(np), ArrayKernels(np)
rng = np.random.default_rng(7)
SHAPE = (40, 3, 50)
ARRAYS = {
    "distinct": rng.permutation(np.prod(SHAPE)).astype(np.float64).reshape(SHAPE),
    "ties": rng.integers(0, 9, SHAPE),
    "float32 with nan": np.where(rng.random(SHAPE) < 0.3, np.nan, rng.integers(-4, 4, SHAPE)).astype(np.float32),
    "all nan": np.full(SHAPE, np.nan),
    "zeros of both signs": np.where(rng.random(SHAPE) < 0.5, 0.0, -0.0),
    "int32": rng.integers(-(2**31), 2**31, SHAPE, dtype=np.int32),
}


def same(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("dim", range(3))
@pytest.mark.parametrize("upwards", [True, False])
def test_what_is_sorted(name, dim, upwards):
    x = ARRAYS[name]
    for view in (x, np.asfortranarray(x), x[::-1]):
        same(OURS.sort(view, dim, not upwards), SHARED.sort(view, dim, not upwards))
        for k in (1, max(view.shape[dim] // 8, 1)):
            same(OURS.topk(view, k, dim, not upwards, True), SHARED.topk(view, k, dim, not upwards, True))


@pytest.mark.parametrize("how", ["add", "multiply", "maximum", "minimum"])
def test_what_is_folded(how):
    x = rng.random((50, 60))
    rows, columns = rng.integers(-50, 50, (60, 70)), rng.integers(0, 60, (60, 1))
    for key, size in (((rows, columns), (60, 70)), ((slice(None), rows[0]), (50, 70)), ((rows[0],), (70, 60))):
        value = rng.random(size)
        for target in (x, np.asfortranarray(x)):
            wanted = SHARED.at(target, key, value, how)
            np.testing.assert_allclose(OURS.at(target, key, value, how), wanted, rtol=1e-12)
            owned = target.copy(order="K")
            assert OURS.at(owned, key, value, how, True) is owned
            np.testing.assert_allclose(owned, wanted, rtol=1e-12)
        np.testing.assert_allclose(OURS.at(x, key, 2.0, how), SHARED.at(x, key, 2.0, how), rtol=1e-12)
