"""SGD and Adam against the textbook loop over tensors, in float64."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from tapeloom.errors import DTypeError
from tapeloom_backend_cupy.cuda import optimizer

SHAPES = [(3, 5), (0, 4), (2000,), (), (7, 300)]


def draw(rng: Any, dtype: Any, positive: bool = False) -> list[Any]:
    arrays = [np.asarray(rng.standard_normal(shape)).astype(dtype) for shape in SHAPES]
    return [abs(array) for array in arrays] if positive else arrays


def put(machine: Any, arrays: list[Any]) -> list[Any]:
    return [machine.put(array) for array in arrays]


def close(machine: Any, got: list[Any], wanted: list[Any], dtype: Any, tolerance: Any) -> None:
    assert len(got) == len(wanted)
    for one, other in zip(got, wanted, strict=True):
        assert one.shape == other.shape and one.dtype == dtype
        np.testing.assert_allclose(machine.get(one).astype(np.float64), other, **tolerance)


SGD: dict[str, Any] = {
    "lr": 0.1,
    "momentum": 0.9,
    "dampening": 0.0,
    "weight_decay": 0.0,
    "nesterov": False,
    "maximize": False,
}
ADAM: dict[str, Any] = {
    "step": 1.0,
    "lr": 0.1,
    "betas": (0.9, 0.999),
    "eps": 1e-8,
    "weight_decay": 0.0,
    "amsgrad": False,
    "maximize": False,
    "decoupled_weight_decay": False,
}

SGD_CASES = list(itertools.product((0.0, 0.9), (0.0, 0.3), (0.0, 0.1), (False, True), (False, True)))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("momentum,dampening,weight_decay,nesterov,maximize", SGD_CASES)
def test_sgd(
    machine: Any, rng: Any, first: bool, momentum: float, dampening: float, weight_decay: float, nesterov: bool,
    maximize: bool,
) -> None:  # fmt: skip
    params, grads, momenta = (draw(rng, np.float64) for _ in range(3))
    held = [] if first or not momentum else momenta
    state = [None] * len(params) if first and momentum else put(machine, held)
    given = [put(machine, params), put(machine, grads), state]
    settings = {"lr": 0.05, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
    got = machine.k.fused_sgd(*given, **settings, nesterov=nesterov, maximize=maximize)

    new_params, new_momenta = [], []
    for number, (p, g) in enumerate(zip(params, grads, strict=True)):
        d = (-g if maximize else g) + weight_decay * p
        if momentum:
            buffer = momentum * momenta[number] + (1 - dampening) * d if held else d
            new_momenta.append(buffer)
            d = d + momentum * buffer if nesterov else buffer
        new_params.append(p - 0.05 * d)
    close(machine, got[0], new_params, np.float64, {"rtol": 1e-13, "atol": 1e-14})
    close(machine, got[1], new_momenta, np.float64, {"rtol": 1e-13, "atol": 1e-14})
    for before, after in zip(given[0], params, strict=True):
        np.testing.assert_array_equal(machine.get(before), after)  # out of place


def textbook_adam(
    p: Any, g: Any, m: Any, v: Any, top: Any, *, step: float, lr: float, betas: tuple[float, float], eps: float,
    weight_decay: float, decoupled_weight_decay: bool, amsgrad: bool, maximize: bool,
) -> tuple[Any, Any, Any, Any]:  # fmt: skip
    beta1, beta2 = betas
    g = -g if maximize else g
    if decoupled_weight_decay:
        p = p - lr * weight_decay * p
    else:
        g = g + weight_decay * p
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    top = np.maximum(top, v)
    corrected = (top if amsgrad else v) ** 0.5 / (1 - beta2**step) ** 0.5
    return p - lr / (1 - beta1**step) * m / (corrected + eps), m, v, top


ADAM_CASES = list(itertools.product((0.0, 0.1), (False, True), (False, True), (False, True)))


@pytest.mark.parametrize("beta1,step", [(0.9, 1.0), (0.3, 7.0), (0.0, 2.0)])
@pytest.mark.parametrize("weight_decay,decoupled,amsgrad,maximize", ADAM_CASES)
def test_adam(
    machine: Any,
    rng: Any,
    beta1: float,
    step: float,
    weight_decay: float,
    decoupled: bool,
    amsgrad: bool,
    maximize: bool,
) -> None:
    params, grads, avgs = (draw(rng, np.float64) for _ in range(3))
    squares, tops = (draw(rng, np.float64, positive=True) for _ in range(2))
    given = [put(machine, arrays) for arrays in (params, grads, avgs, squares)]
    held = put(machine, tops) if amsgrad else [None] * len(params)
    settings = ADAM | {"step": step, "lr": 0.01, "betas": (beta1, 0.99), "weight_decay": weight_decay}
    settings |= {"decoupled_weight_decay": decoupled, "amsgrad": amsgrad, "maximize": maximize}
    got = machine.k.fused_adam(*given, held, **settings)
    each_tensor = zip(params, grads, avgs, squares, tops, strict=True)
    wanted = [list(column) for column in zip(*(textbook_adam(*one, **settings) for one in each_tensor), strict=True)]
    assert len(got) == 4
    for result, expected in zip(got, wanted if amsgrad else wanted[:3], strict=False):
        close(machine, result, expected, np.float64, {"rtol": 1e-12, "atol": 1e-13})
    assert amsgrad or got[3] == [None] * len(params)


def test_every_dtype(machine: Any, dtype: Any, rng: Any, tolerance: Any) -> None:
    params, grads, avgs = (draw(rng, dtype) for _ in range(3))
    squares = draw(rng, dtype, positive=True)
    exact = [[array.astype(np.float64) for array in arrays] for arrays in (params, grads, avgs, squares)]
    given = [put(machine, arrays) for arrays in (params, grads, avgs)]

    settings = {"lr": 0.5, "momentum": 0.75, "dampening": 0.25, "weight_decay": 0.125, "nesterov": True}
    got = machine.k.fused_sgd(*given, **SGD | settings)
    buffers = [0.75 * m + 0.75 * (g + 0.125 * p) for p, g, m in zip(*exact[:3], strict=True)]
    steps = [g + 0.125 * p + 0.75 * b for p, g, b in zip(*exact[:2], buffers, strict=True)]
    close(machine, got[0], [p - 0.5 * d for p, d in zip(exact[0], steps, strict=True)], dtype, tolerance)
    close(machine, got[1], buffers, dtype, tolerance)

    settings = ADAM | {"step": 3.0, "betas": (0.75, 0.5), "eps": 1e-4, "weight_decay": 0.125}
    settings["decoupled_weight_decay"] = True
    got = machine.k.fused_adam(*given, put(machine, squares), [None] * len(params), **settings)
    columns = zip(*(textbook_adam(p, g, m, v, v, **settings) for p, g, m, v in zip(*exact, strict=True)), strict=True)
    for result, expected in zip(got[:3], columns, strict=False):
        close(machine, result, list(expected), dtype, tolerance)


def test_a_nan_stays_in_the_maximum(machine: Any) -> None:
    nan, one = np.array([np.nan, 1, 1]), np.ones(3)
    arrays = [[machine.put(a.copy())] for a in (one, np.array([1, 1, np.nan]), one, one, nan)]
    got = machine.k.fused_adam(*arrays, **ADAM | {"amsgrad": True})
    assert np.isnan(machine.get(got[3][0])).tolist() == [True, False, True]


def test_one_launch_for_all_tensors(machine: Any, rng: Any) -> None:
    if machine.cupy is None:
        pytest.skip("launches are counted on the host only")
    machine.k.fused_sgd(*(put(machine, draw(rng, np.float32)) for _ in range(3)), **SGD)
    assert machine.cupy.launches == 1


def test_nothing_to_do(machine: Any) -> None:
    assert machine.k.fused_sgd([], [], [], **SGD) == [[], []]
    empty = [machine.put(np.zeros((0, 3), np.float32))]
    new, state = machine.k.fused_sgd(empty, empty, [None], **SGD | {"momentum": 0.0})
    assert new[0].shape == (0, 3) and state == [None]


def test_mixed_dtypes_are_refused(machine: Any) -> None:
    if machine.name == "twin":
        pytest.skip("the twins take what NumPy takes")
    one, other = machine.put(np.zeros(3, np.float32)), machine.put(np.zeros(3, np.float16))
    with pytest.raises(DTypeError, match=r"one group takes one dtype .* float16 \(3,\) beside float32 \(3,\)"):
        machine.k.fused_sgd([one], [other], [None], **SGD)


def test_chunks_cover_every_element_once() -> None:
    for lengths in ((), (0,), (1,), (1024, 1025, 0, 1, 5000), (3_000_000, 10), (500_000_000,)):
        chunk, table = optimizer.chunk_table(lengths)
        tensors, starts = table[len(lengths) :].reshape(2, -1)
        assert table[: len(lengths)].tolist() == list(lengths)
        for tensor, length in enumerate(lengths):
            assert starts[tensors == tensor].tolist() == list(range(0, length, chunk))
    assert optimizer.chunk_table((3_000_000, 10))[0] == 2048
    assert optimizer.chunk_table((2**34,))[0] == optimizer.LARGEST_CHUNK
