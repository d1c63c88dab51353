"""Each kernel against its twin: the same bits where only copies, comparisons, integers or ordered sums are at work,
else a few units in the last place (exp and log differ by library, and the GPU fuses multiplications with additions)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tapeloom_backend_cupy import cuda
from tapeloom_backend_cupy.cuda import embedding, launch, optimizer
from tapeloom_backend_cupy.cuda import rows as rows_module


def compare(machine: Any, name: str, arguments: tuple[Any, ...], tolerance: Any = None, **settings: Any) -> None:
    """Call launcher and twin with the same NumPy arguments and compare all results."""

    def move(value: Any) -> Any:
        if isinstance(value, list):
            return [move(one) for one in value]
        return machine.put(value) if isinstance(value, np.ndarray) else value

    got = getattr(machine.k, name)(*(move(argument) for argument in arguments), **settings)
    wanted = getattr(cuda.TWINS, name)(*arguments, **settings)

    def walk(one: Any, other: Any) -> None:
        if isinstance(other, tuple | list):
            assert len(one) == len(other)
            for first, second in zip(one, other, strict=True):
                walk(first, second)
            return
        one = machine.get(one)
        assert one.shape == other.shape and one.dtype == other.dtype
        one, other = one.astype(np.float64), other.astype(np.float64)  # NumPy calls no two bfloat16 NaN equal
        if tolerance is None:
            np.testing.assert_array_equal(one, other)
        else:
            np.testing.assert_allclose(one, other, **tolerance)

    walk(got, wanted)


@pytest.fixture(params=["full grid", "two blocks"])
def _grids(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With two blocks for everything, each thread walks on by whole grids, as it does past a million blocks; and places
    are counted in 64 bits, as past 2^31 elements."""
    if request.param == "two blocks":
        monkeypatch.setattr(launch, "INT32_PLACES", 0)
        for module in (launch, rows_module, embedding, optimizer):
            monkeypatch.setattr(module, "MOST_BLOCKS", 2)


# All machines but the twins themselves.
MACHINES = ["host", "host-backwards", pytest.param("gpu", marks=pytest.mark.gpu)]
pytestmark = [pytest.mark.usefixtures("_grids"), pytest.mark.parametrize("machine", MACHINES, indirect=True)]


def test_pooling(machine: Any, dtype: Any, rng: Any) -> None:
    window = ((3, 2), (2, 1), (1, 1), (1, 2))
    x = rng.integers(-5, 6, (2, 3, 20, 17)).astype(dtype)
    x[0, 0, 3:9, 4] = np.nan
    compare(machine, "max_pool2d_with_indices", (x, *window, True))
    out, indices = cuda.TWINS.max_pool2d_with_indices(x, *window, True)
    g = rng.standard_normal(out.shape).astype(dtype)
    compare(machine, "max_pool2d_backward", (g, indices, x.shape))
    compare(machine, "max_pool2d_backward", (g, indices, x.shape, *window))


@pytest.mark.parametrize("columns", [40, 3000])
def test_rows(machine: Any, dtype: Any, rng: Any, tolerance: Any, columns: int) -> None:
    x = (3 * rng.standard_normal((7, columns))).astype(dtype)
    x[1], x[2, 3], x[3, 4] = -np.inf, np.inf, np.nan
    compare(machine, "softmax", (x, 1), tolerance)
    compare(machine, "log_softmax", (x, 1), tolerance)
    weight = rng.uniform(0.5, 1, columns).astype(dtype)
    target = rng.integers(0, columns, 7)
    target[6] = -100
    labelled = (target, weight, -100, 0.1)
    compare(machine, "cross_entropy_forward", (x, *labelled), tolerance)
    saved = cuda.TWINS.cross_entropy_forward(x, *labelled)[1]
    g = rng.standard_normal(7).astype(dtype)
    compare(machine, "cross_entropy_backward", (g, x, target, weight, saved, -100, 0.1), tolerance)


@pytest.mark.parametrize("rows", [1, 3, 50])
def test_embedding(machine: Any, dtype: Any, rng: Any, rows: int) -> None:
    indices = rng.integers(0, rows, (3, 99))
    compare(machine, "embedding_backward", (rng.standard_normal((3, 99, 6)).astype(dtype), indices, rows, 0))


def test_random_words(machine: Any) -> None:
    compare(machine, "random_words", (2**64 - 3, 2**128 - 2, 12345))


@pytest.mark.parametrize("flags", [(False, False), (True, True)])
def test_optimizers(machine: Any, dtype: Any, rng: Any, tolerance: Any, flags: Any) -> None:
    def draw() -> list[Any]:
        return [np.abs(rng.standard_normal(shape)).astype(dtype) for shape in ((3000,), (4, 5), (0,))]

    params, grads, first, second, third = (draw() for _ in range(5))
    decay = {"weight_decay": 0.1, "maximize": flags[1]}
    momentum = {"momentum": 0.9, "dampening": 0.1, "nesterov": flags[0]}
    compare(machine, "fused_sgd", (params, grads, first), tolerance, lr=0.1, **momentum, **decay)
    rates = {"step": 5.0, "lr": 0.01, "betas": (0.9, 0.99), "eps": 1e-5}
    kind = {"amsgrad": True, "decoupled_weight_decay": flags[0]}
    compare(machine, "fused_adam", (params, grads, first, second, third), tolerance, **rates, **kind, **decay)


def test_matmul(machine: Any, dtype: Any, rng: Any, tolerance: Any) -> None:
    q, k = (rng.uniform(0, 1, (2, 3, 5, 8)).astype(dtype) for _ in range(2))
    compare(machine, "matmul", (q, k.swapaxes(-1, -2)), tolerance)
