"""Long sums beside float64's: the error must not grow with the length, along whichever axis and in whichever layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapeloom as tl

TENTH = np.float32(0.1)


def _tenths(*shape: int) -> tl.Tensor:
    return tl.from_numpy(np.full(shape, TENTH))


def test_the_mean_of_many_rows() -> None:
    """NumPy's own is 0.0957."""
    assert np.allclose(_tenths(5_000_000, 2).mean(0).numpy(), TENTH, rtol=1e-6, atol=0)


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "as it is": lambda x: x,
    "turned round": lambda x: x.permute(2, 1, 0),
    "channels last": lambda x: x.permute(0, 2, 1),
    "every second": lambda x: x[:, ::2, ::2],
    "part of a row": lambda x: x[:, :, :2],
    "broadcast": lambda x: x[:1].expand(20, -1, -1),
}


@pytest.mark.parametrize("dim", [0, 1, 2, (0, 1), (1, 2), (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_sums_over_each_axis_of_each_layout(layout: str, dim: Any) -> None:
    host = np.random.default_rng(3).random((3, 70_001, 5), np.float32)
    x = LAYOUTS[layout](tl.from_numpy(host))
    exact = x.numpy().sum(dim, dtype=np.float64)
    assert np.allclose(x.sum(dim).numpy(), exact, rtol=1e-6, atol=0)
    assert np.array_equal(x.sum(dim, keepdim=True).numpy().ravel(), x.sum(dim).numpy().ravel())


@pytest.mark.parametrize("length", [*range(4094, 4099), 8191, 16 * 1024 + 1, 65_537])
def test_every_row_counts_once(length: int) -> None:
    host = np.random.default_rng(length).integers(-9, 9, (length, 3)).astype(np.float64)
    assert np.array_equal(tl.from_numpy(host).sum(0).numpy(), host.sum(0))


@pytest.mark.parametrize("dtype", [tl.float64, tl.complex64, tl.complex128])
def test_sums_keep_their_dtype(dtype: tl.DType) -> None:
    total = tl.ones(30_000, 2, dtype=dtype).sum(0)
    assert total.dtype is dtype and total.tolist() == [30_000, 30_000]


REDUCTIONS: dict[str, tuple[Callable[[Any], Any], float]] = {
    "var": (lambda x: x.var(0), float(np.var(np.arange(3_000_000) % 2 / 10, ddof=1))),
    "std": (lambda x: x.std(0), float(np.std(np.arange(3_000_000) % 2 / 10, ddof=1))),
    "logsumexp": (lambda x: tl.logsumexp(x, 0), float(np.log(1_500_000 * (1 + np.exp(0.1))))),
    "norm": (lambda x: x.norm(2, 0), float(np.sqrt(1_500_000 * 0.01))),
    "cumsum": (lambda x: x.cumsum(0)[-1], 150_000.0),
    "softmax": (lambda x: x.softmax(0)[:2].sum(0) * 1_500_000, 1.0),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_what_is_computed_by_sums(name: str) -> None:
    reduction, exact = REDUCTIONS[name]
    column = (np.arange(3_000_000) % 2 / 10).astype(np.float32)
    assert np.allclose(reduction(tl.from_numpy(np.stack([column, column], 1))).numpy(), exact, rtol=2e-6, atol=0)


def test_the_running_sum_of_one_long_row() -> None:
    assert np.allclose(_tenths(5_000_000).cumsum(0)[-1].item(), 5_000_000 * float(TENTH), rtol=1e-6, atol=0)


def test_the_statistics_of_large_images() -> None:
    _, mean, variance = tl.ops.batch_norm_train(_tenths(2, 3, 1500, 1500), None, None)
    assert np.allclose(mean.numpy(), TENTH, rtol=1e-6, atol=0) and variance.max().item() < 1e-12


def test_the_gradients_of_a_layer_norm_of_a_long_batch() -> None:
    bias = tl.zeros(8, requires_grad=True)
    x = tl.from_numpy(np.random.default_rng(1).random((3_000_000, 8), np.float32))
    (tl.layer_norm(x, (8,), None, bias) * 0.1).sum().backward()
    assert bias.grad is not None
    assert np.allclose(bias.grad.numpy(), 3_000_000 * float(TENTH), rtol=1e-5, atol=0)


def test_the_gradient_of_a_bias_of_a_long_batch() -> None:
    bias = tl.zeros(2, requires_grad=True)
    (_tenths(3_000_000, 2) * (tl.zeros(3_000_000, 2) + bias)).sum().backward()
    assert bias.grad is not None
    assert np.allclose(bias.grad.numpy(), 3_000_000 * float(TENTH), rtol=1e-6, atol=0)
