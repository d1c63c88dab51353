"""The runtime and its kernels over NumPy: sums at repeated places, and which kernels compute half types themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import tapeloom as tl
from tapeloom import dtypes
from tapeloom.backend.plugins import register_backend, unregister_backend
from tapeloom.op.registry import REGISTRY
from tapeloom_backend_cupy.backend import FLOAT16_KERNELS, CupyBackend
from tapeloom_backend_cupy.kernels import CupyKernels

HALVES = (tl.float16, tl.bfloat16)


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=lambda dtype: dtype.name)
@pytest.mark.parametrize("owned", [False, True])
def test_what_meets_at_one_place_is_added_up(rng: Any, dtype: tl.DType, owned: bool) -> None:
    kernels = CupyKernels(np)
    exact = np.complex128 if dtype.is_complex else np.float64 if dtype.is_floating_point else np.int64
    x, value = (rng.integers(0, 2, shape).astype(exact) for shape in ((5, 3), (40, 3)))
    if dtype.is_complex:
        value = value * (2 - 1j)
    index = rng.integers(0, 5, 40)
    wanted = x.copy()
    np.add.at(wanted, (index,), value)
    given = x.astype(kernels.native(dtype))
    got = kernels.at(given, (index,), value.astype(given.dtype), "add", owned)
    assert got.dtype == given.dtype
    np.testing.assert_array_equal(got, wanted.astype(given.dtype))
    assert owned or np.array_equal(given, x.astype(given.dtype))


@pytest.mark.parametrize("how,wanted", [("set", [5, 1, 1, 5]), ("add", [5, 6, 6, 5])])
def test_a_slice_is_written_to_a_copy(how: str, wanted: list[int]) -> None:
    x = np.full(4, 5.0)
    assert CupyKernels(np).at(x, (slice(1, 3),), np.ones(2), how).tolist() == wanted
    assert x.tolist() == [5, 5, 5, 5]


def test_half_types_are_added_up_in_float32() -> None:
    kernels = CupyKernels(np)
    ones = np.ones(1000, ml_dtypes.bfloat16)  # one by one, bfloat16 comes to 256 and stays there
    places = np.zeros(1000, np.int64)
    assert kernels.at(np.zeros(1, ones.dtype), (places,), ones, "add")[0] == 1000
    assert kernels.sum(ones, (0,)) == 1000
    assert kernels.sum(ones, (0,)).dtype == ones.dtype


class Recording(CupyKernels):
    """The kernels, which write down the dtypes that the matrix product gets."""

    def __init__(self, xp: Any) -> None:
        super().__init__(xp)
        self.seen: list[str] = []

    def matmul(self, x: Any, y: Any) -> Any:
        self.seen.append(x.dtype.name)
        return super().matmul(x, y)


class RecordingBackend(CupyBackend):
    kernels_class = Recording


@pytest.fixture
def backend() -> Iterator[RecordingBackend]:
    made = RecordingBackend(np)
    register_backend("cuda", made)
    yield made
    unregister_backend("cuda")


@pytest.mark.parametrize("dtype", HALVES, ids=lambda dtype: dtype.name)
def test_products_of_half_types_and_their_gradients_stay_half(backend: Any, dtype: tl.DType) -> None:
    x, w = (tl.ones(*size, dtype=dtype, device="cuda", requires_grad=True) for size in ((2, 3, 4), (4, 5)))
    (x @ w).sum().backward()
    tl.nn.functional.linear(x, w.mT).sum().backward()
    assert backend.kernels.seen == [dtype.name] * 6
    assert x.grad.dtype is w.grad.dtype is dtype
    assert (x.grad == 10).all() and (w.grad == 12).all()


def test_every_name_of_a_half_kernel_is_that_of_an_op_or_of_a_fused_step() -> None:
    names = {*FLOAT16_KERNELS, *CupyBackend.half_kernels, *CupyBackend.half_rules}
    fused = {name for name in names if name.startswith("fused_")}
    assert names - fused <= REGISTRY.keys()
    assert all(hasattr(CupyKernels, name) for name in names)
    assert CupyBackend.half_rules <= CupyBackend.half_kernels


@pytest.mark.parametrize(
    "name,float16,bfloat16",
    [("exp", True, False), ("softmax", True, True), ("gelu", False, False), ("reshape", True, True)],
)
def test_which_kernels_get_half_types(name: str, float16: bool, bfloat16: bool) -> None:
    backend = CupyBackend(np)
    computed = [backend.compute_dtype(REGISTRY[name], dtype) for dtype in HALVES]
    assert computed == [tl.float16 if float16 else tl.float32, tl.bfloat16 if bfloat16 else tl.float32]


@pytest.mark.parametrize("dtype", HALVES, ids=lambda dtype: dtype.name)
def test_cross_entropy_of_half_types(backend: Any, dtype: tl.DType) -> None:
    logits = [[3.0, 1.0, -2.0], [0.5, 0.25, 8.0]]
    half = tl.tensor(logits, dtype=dtype, device="cuda", requires_grad=True)
    wide = tl.tensor(logits, dtype=tl.float64, device="cuda", requires_grad=True)
    for x in (half, wide):
        tl.nn.functional.cross_entropy(x, tl.tensor([1, 2], device="cuda")).backward()
    assert half.grad.dtype is dtype
    np.testing.assert_allclose(half.grad.double().numpy(force=True), wide.grad.numpy(force=True), rtol=2.0**-8)
