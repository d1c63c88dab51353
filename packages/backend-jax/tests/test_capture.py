"""Ready to be captured: tapeloom runs inside a larger JAX program, and nothing that JAX traces is kept."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tapeloom as tl
from tapeloom.errors import StateError
from tapeloom.tensors.kind import kind_of
from tapeloom.tensors.tensor import make

XLA = tl.device("xla:0")
FLOAT32 = "float32"


def traced(function: Any, *arrays: Any) -> Any:
    """``function`` of tensors as one JAX program, run."""

    def program(*given: Any) -> Any:
        return function(*[make(array, kind_of(tl.dtypes.as_dtype(array.dtype.name), XLA)) for array in given]).array

    return jax.jit(program)(*arrays)


def test_a_step_inside_a_program() -> None:
    w = np.cos(np.arange(12)).reshape(4, 3).astype(np.float32)

    def step(w: tl.Tensor) -> tl.Tensor:
        leaf = w.detach().requires_grad_()
        x = tl.ones(2, 4, device=XLA) * 0.5
        loss = tl.cross_entropy(x @ leaf + tl.zeros(3, device=XLA), tl.tensor([0, 2], device=XLA))
        loss.backward()
        assert leaf.grad is not None
        return leaf - leaf.grad * 0.1

    inside = traced(lambda w: step(w).detach(), w)
    np.testing.assert_allclose(inside, step(tl.tensor(w, device=XLA)).numpy(force=True), rtol=1e-6)


def test_no_tracer_is_kept(backend: Any) -> None:
    """Numbers and zeros that are first asked for inside a program serve outside of it too."""
    backend._kept_scalar.cache_clear()
    backend._kept_zeros.cache_clear()

    def inside(x: tl.Tensor) -> tl.Tensor:
        zeros = make(backend.zeros((3, 2), tl.float32, XLA), x.kind)
        return x * 1.2345 + zeros + tl.full((2,), 4.5, device=XLA)

    made = traced(inside, jnp.ones((3, 2), jnp.float32))
    np.testing.assert_allclose(made, np.full((3, 2), 1.2345 + 4.5), rtol=1e-6)
    before = backend._kept_scalar.cache_info().hits, backend._kept_zeros.cache_info().hits
    scalar, zeros = backend.scalar(1.2345, tl.float32, XLA), backend.zeros((3, 2), tl.float32, XLA)
    after = backend._kept_scalar.cache_info().hits, backend._kept_zeros.cache_info().hits
    assert after == (before[0] + 1, before[1] + 1)
    assert np.asarray(scalar) == np.float32(1.2345)
    assert np.asarray(zeros).tolist() == [[0.0] * 2] * 3


@pytest.mark.parametrize(
    "read", [lambda x: x.sum().item(), lambda x: x.tolist(), lambda x: x[x > 0], lambda x: bool(x.sum())]
)
def test_values_that_are_not_known_yet_cannot_be_read(read: Any) -> None:
    def inside(x: tl.Tensor) -> tl.Tensor:
        read(x)
        return x

    with pytest.raises(StateError, match="traced by JAX"):
        traced(inside, jnp.ones(3, jnp.float32))


def test_positions_inside_a_program_are_taken_as_they_are(backend: Any) -> None:
    picked = traced(lambda x, i: x[i], jnp.arange(4, dtype=FLOAT32), jnp.asarray([3, 1]))
    assert picked.tolist() == [3.0, 1.0]


def test_the_device_of_an_array(backend: Any) -> None:
    assert backend.device_of(tl.ones(2, device=XLA).array) is XLA
    seen = []
    jax.jit(lambda x: seen.append(backend.device_of(x)))(jnp.ones(2))
    assert seen == [XLA]
