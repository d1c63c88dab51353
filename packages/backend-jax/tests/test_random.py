"""Random numbers have the same bits as on the NumPy backend, drawn on the host or compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tapeloom as tl
from tapeloom.host_random import native_words

DRAWS: dict[str, Any] = {
    "rand": lambda **o: tl.rand(5, 7, **o),
    "rand float64": lambda **o: tl.rand(33, dtype=tl.float64, **o),
    "rand bfloat16": lambda **o: tl.rand(33, dtype=tl.bfloat16, **o),
    "uniform": lambda **o: tl.empty(999, device=o["device"]).uniform_(-0.3, 0.7, generator=o["generator"]),
    "uniform float64": lambda **o: tl.empty(999, device=o["device"], dtype=tl.float64).uniform_(
        -0.3, 0.7, generator=o["generator"]
    ),
    "randn": lambda **o: tl.randn(5, 7, **o),
    "randn float64": lambda **o: tl.randn(33, dtype=tl.float64, **o),
    "randint": lambda **o: tl.randint(-3, 10, (999,), **o),
    "wide randint": lambda **o: tl.randint(-(2**62), 2**62, (999,), **o),
    "the widest randint": lambda **o: tl.randint(-(2**63), 2**63, (9,), **o),
    "randperm": lambda **o: tl.randperm(1000, **o),
    "bernoulli": lambda **o: tl.bernoulli(tl.linspace(0, 1, 99, device=o["device"]), generator=o["generator"]),
    "dropout": lambda **o: tl.dropout(tl.ones(999, device=o["device"]), 0.3, generator=o["generator"]),
    "nothing": lambda **o: tl.rand(0, **o),
}


@pytest.mark.parametrize("seed", [0, 2**63 + 1, 2**64 - 1])
@pytest.mark.parametrize("name", DRAWS)
def test_bits(name: str, seed: int) -> None:
    ours, theirs = (
        DRAWS[name](device=device, generator=tl.Generator().manual_seed(seed)).numpy(force=True)
        for device in ("xla", "cpu")
    )
    assert ours.dtype == theirs.dtype
    assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("seed", [0, 7, 2**64 - 1])
@pytest.mark.parametrize("offset", [0, 2**33, 2**63 + 5])
def test_compiled_words(backend: Any, seed: int, offset: int) -> None:
    """What accelerators compute, here on the CPU."""
    for n in (0, 1, 8, 1001):
        compiled = backend.call("random_words", np.uint64(seed), np.uint64(offset), n)
        assert (np.asarray(compiled) == native_words(np, seed, offset, n)).all()
        drawn = backend.random_words(seed, offset, n, tl.device("xla:0"))
        assert (np.asarray(drawn) == native_words(np, seed, offset, n)).all()


def test_accelerators_compile_the_sizes_that_come_again(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend.kernels, "platform", "gpu")
    first, second = (backend.random_words(5, offset, 777, tl.device("xla:0")) for offset in (0, 3))
    assert (np.asarray(first) == native_words(np, 5, 0, 777)).all()
    assert (np.asarray(second) == native_words(np, 5, 3, 777)).all()
    assert second.committed


def test_uniform_numbers_are_not_contracted() -> None:
    """XLA would fuse a product and the sum behind it into one rounding; no value of a million may differ for it."""
    for dtype in (tl.float32, tl.float64):
        ours, theirs = (
            tl.empty(10**6, device=device, dtype=dtype).uniform_(-0.1, 0.3, generator=tl.Generator().manual_seed(3))
            for device in ("xla", "cpu")
        )
        assert (ours.numpy(force=True) == theirs.numpy()).all()
