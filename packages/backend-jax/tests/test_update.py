"""Optimizers' formulas as one program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapeloom as tl
from tapeloom.backend.plugins import get_backend

XLA = tl.device("xla:0")


def sgd(ops: Any, p: Any, g: Any, held: Any, *, lr: Any, momentum: Any, weight_decay: Any, nesterov: bool) -> Any:
    if weight_decay:
        g = g + p * weight_decay
    held = g if held is None else held * momentum + g
    return p - (g + held * momentum if nesterov else held) * lr, held


def adam(ops: Any, p: Any, g: Any, m: Any, v: Any, *, lr: Any, betas: Any, step: Any, eps: Any) -> Any:
    first, second = betas
    m = m * first + g * (1 - first)
    v = v * second + g * g * (1 - second)
    size = lr / (1 - first**step)
    return p - m / (ops.sqrt(v) / (1 - second**step) ** 0.5 + eps) * size, m, v


def wanted_adam(p: Any, g: Any, m: Any, v: Any, *, lr: float, betas: Any, step: int, eps: float) -> Any:
    return adam(np, *(np.asarray(x, np.float64) for x in (p, g, m, v)), lr=lr, betas=betas, step=step, eps=eps)


def columns(dtype: str, count: int) -> list[list[Any]]:
    """Lists of ``count`` arrays of shapes (2, 3) and (3,)."""
    draw = np.random.default_rng(0)
    return [
        [get_backend("xla").from_host(np.abs(draw.normal(size=size)).astype(dtype), XLA) for size in ((2, 3), (3,))]
        for _ in range(count)
    ]


ADAM = {"lr": 0.1, "betas": (0.9, 0.99), "step": 3, "eps": 1e-8}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_formula(backend: Any, dtype: str) -> None:
    arrays = columns(dtype, 4)
    new = backend.update("adam", adam, arrays, ADAM)
    for place in range(2):
        want = wanted_adam(*[column[place] for column in arrays], **ADAM)
        for ours, theirs in zip([column[place] for column in new], want, strict=True):
            assert ours.dtype == dtype
            assert not ours.weak_type
            np.testing.assert_allclose(ours, theirs, rtol=1e-5 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_types_are_rounded_once(backend: Any, dtype: str) -> None:
    import jax.numpy as jnp

    arrays = [[jnp.asarray(array, dtype) for array in column] for column in columns("float32", 4)]
    new = backend.update("adam", adam, arrays, ADAM)
    wide = backend.update("adam", adam, [[a.astype("float32") for a in column] for column in arrays], ADAM)
    for ours, theirs in zip(new, wide, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert a.dtype == dtype
            np.testing.assert_array_equal(a, b.astype(dtype))


def test_states_keep_their_own_dtype(backend: Any) -> None:
    import jax.numpy as jnp

    params = [jnp.ones(3, "bfloat16")]
    settings = {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.0, "nesterov": False}
    new_params, new_held = backend.update("sgd", sgd, [params, params, [jnp.ones(3)]], settings)
    assert (new_params[0].dtype, new_held[0].dtype) == ("bfloat16", "float64")


def test_missing_states(backend: Any) -> None:
    params, grads, held = columns("float32", 3)
    settings = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.0, "nesterov": True}
    new_params, new_held = backend.update("sgd", sgd, [params, grads, [None, held[1]]], settings)
    np.testing.assert_allclose(new_held[0], grads[0])
    np.testing.assert_allclose(new_held[1], held[1] * 0.9 + grads[1], rtol=1e-6)
    np.testing.assert_allclose(new_params[0], params[0] - (grads[0] + grads[0] * 0.9) * 0.1, rtol=1e-6)


def test_numbers_are_not_compiled_for(backend: Any, compilations: Callable[[Callable[[], Any]], int]) -> None:
    arrays = columns("float32", 4)

    def run(step: int) -> None:
        backend.update("adam", adam, arrays, ADAM | {"lr": 0.1 / step, "step": step, "betas": (0.9 / step, 0.99)})

    run(1)
    assert compilations(lambda: [run(step) for step in (2, 3, 4)]) == 0


def test_a_number_that_is_decided_upon_is_compiled_for(
    backend: Any, compilations: Callable[[Callable[[], Any]], int]
) -> None:
    params, grads, held = columns("float32", 3)

    def run(lr: float, weight_decay: float) -> Any:
        settings = {"lr": lr, "momentum": 0.9, "weight_decay": weight_decay, "nesterov": False}
        return np.asarray(backend.update("sgd", sgd, [params, grads, held], settings)[0][0])

    for decay in (0.0, 0.1):
        g = grads[0] + params[0] * decay
        np.testing.assert_allclose(run(0.5, decay), params[0] - (held[0] * 0.9 + g) * 0.5, rtol=1e-5)
    assert compilations(lambda: [run(lr, 0.1) for lr in (0.1, 0.2)]) == 0


def test_a_rate_in_an_array(backend: Any, compilations: Callable[[Callable[[], Any]], int]) -> None:
    params, grads, held = columns("float32", 3)
    rates = {lr: backend.scalar(lr, tl.float64, XLA) for lr in (0.5, 0.25)}

    def run(lr: float) -> Any:
        settings = {"lr": rates[lr], "momentum": 0.9, "weight_decay": 0.0, "nesterov": False}
        return backend.update("sgd", sgd, [params, grads, held], settings)[0][0]

    made = run(0.5)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, params[0] - (held[0] * 0.9 + grads[0]) * 0.5, rtol=1e-5)
    assert compilations(lambda: run(0.25)) == 0
