"""SGD and Adam against the textbook loop over tensors, in float64."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from tapeloom.errors import DTypeError
from tapeloom_backend_cupy.kernels import optimizer

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


SGD_CASES = list(itertools.product((0.0, 0.9), (0.0, 0.3), (0.0, 0.1), (False, True), (False, True)))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("momentum,dampening,weight_decay,nesterov,maximize", SGD_CASES)
def test_sgd(
    machine: Any, rng: Any, first: bool, momentum: float, dampening: float, weight_decay: float, nesterov: bool,
    maximize: bool,
) -> None:  # fmt: skip
    params, grads, momenta = (draw(rng, np.float64) for _ in range(3))
    held = [] if first or not momentum else momenta
    given = [put(machine, arrays) for arrays in (params, grads, held)]
    got = machine.k.sgd_step(*given, 0.05, momentum, dampening, weight_decay, nesterov, maximize)

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
    p: Any, g: Any, m: Any, v: Any, top: Any, step: float, lr: float, beta1: float, beta2: float, eps: float,
    weight_decay: float, decoupled: bool, amsgrad: bool, maximize: bool,
) -> tuple[Any, Any, Any, Any]:  # fmt: skip
    g = -g if maximize else g
    if decoupled:
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
    given = [put(machine, arrays) for arrays in (params, grads, avgs, squares, tops if amsgrad else [])]
    settings: Any = (step, 0.01, beta1, 0.99, 1e-8, weight_decay, decoupled, amsgrad, maximize)
    got = machine.k.adam_step(*given, *settings)
    each_tensor = zip(params, grads, avgs, squares, tops, strict=True)
    wanted = [list(column) for column in zip(*(textbook_adam(*one, *settings) for one in each_tensor), strict=True)]
    for result, expected in zip(got, wanted if amsgrad else [*wanted[:3], []], strict=True):
        close(machine, result, expected, np.float64, {"rtol": 1e-12, "atol": 1e-13})


def test_every_dtype(machine: Any, dtype: Any, rng: Any, tolerance: Any) -> None:
    params, grads, avgs = (draw(rng, dtype) for _ in range(3))
    squares = draw(rng, dtype, positive=True)
    exact = [[array.astype(np.float64) for array in arrays] for arrays in (params, grads, avgs, squares)]
    given = [put(machine, arrays) for arrays in (params, grads, avgs)]

    got = machine.k.sgd_step(*given, 0.5, 0.75, 0.25, 0.125, True, False)
    buffers = [0.75 * m + 0.75 * (g + 0.125 * p) for p, g, m in zip(*exact[:3], strict=True)]
    steps = [g + 0.125 * p + 0.75 * b for p, g, b in zip(*exact[:2], buffers, strict=True)]
    close(machine, got[0], [p - 0.5 * d for p, d in zip(exact[0], steps, strict=True)], dtype, tolerance)
    close(machine, got[1], buffers, dtype, tolerance)

    settings: Any = (3.0, 0.1, 0.75, 0.5, 1e-4, 0.125, True, False, False)
    got = machine.k.adam_step(*given, put(machine, squares), [], *settings)
    columns = zip(*(textbook_adam(p, g, m, v, v, *settings) for p, g, m, v in zip(*exact, strict=True)), strict=True)
    for result, expected in zip(got[:3], columns, strict=False):
        close(machine, result, list(expected), dtype, tolerance)


def test_a_nan_stays_in_the_maximum(machine: Any) -> None:
    nan, one = np.array([np.nan, 1, 1]), np.ones(3)
    arrays = [[machine.put(a.copy())] for a in (one, np.array([1, 1, np.nan]), one, one, nan)]
    got = machine.k.adam_step(*arrays, 1.0, 0.1, 0.9, 0.999, 1e-8, 0.0, False, True, False)
    assert np.isnan(machine.get(got[3][0])).tolist() == [True, False, True]


def test_arrays_that_are_held_alone_are_reused(machine: Any, rng: Any) -> None:
    if machine.name == "twin":
        pytest.skip("the twins always return new arrays")
    given = [put(machine, draw(rng, np.float32)) for _ in range(3)]
    fresh = machine.k.sgd_step(*given, 0.1, 0.9, 0.0, 0.0, False, False)
    reused = machine.k.sgd_step(*given, 0.1, 0.9, 0.0, 0.0, False, False, reuse=True)
    for kept, new, same in zip((given[0], given[2]), fresh, reused, strict=True):
        assert all(one is other for one, other in zip(kept, same, strict=True))
        for one, other in zip(new, same, strict=True):
            np.testing.assert_array_equal(machine.get(one), machine.get(other))
    # The first step makes the momenta: there is nothing to reuse, and the gradients must not be.
    grads = [machine.get(g).copy() for g in given[1]]
    _, momenta = machine.k.sgd_step(given[0], given[1], [], 0.1, 0.9, 0.0, 0.0, False, False, reuse=True)
    assert all(m is not p and m is not g for m, p, g in zip(momenta, given[0], given[1], strict=True))
    for before, after in zip(grads, given[1], strict=True):
        np.testing.assert_array_equal(before, machine.get(after))


def test_one_launch_for_all_tensors(machine: Any, rng: Any) -> None:
    if machine.cupy is None:
        pytest.skip("launches are counted on the host only")
    machine.k.sgd_step(*(put(machine, draw(rng, np.float32)) for _ in range(3)), 0.1, 0.9, 0.0, 0.0, False, False)
    assert machine.cupy.launches == 1


def test_nothing_to_do(machine: Any) -> None:
    assert machine.k.sgd_step([], [], [], 0.1, 0.9, 0.0, 0.0, False, False) == ([], [])
    empty = [machine.put(np.zeros((0, 3), np.float32))]
    assert machine.k.sgd_step(empty, empty, [], 0.1, 0.0, 0.0, 0.0, False, False)[0][0].shape == (0, 3)


def test_mixed_dtypes_are_refused(machine: Any) -> None:
    if machine.name == "twin":
        pytest.skip("the twins take what NumPy takes")
    one, other = machine.put(np.zeros(3, np.float32)), machine.put(np.zeros(3, np.float16))
    with pytest.raises(DTypeError, match=r"one group takes one dtype .* float16 \(3,\) beside float32 \(3,\)"):
        machine.k.sgd_step([one], [other], [], 0.1, 0.0, 0.0, 0.0, False, False)


def test_chunks_cover_every_element_once() -> None:
    for lengths in ((), (0,), (1,), (1024, 1025, 0, 1, 5000), (3_000_000, 10), (500_000_000,)):
        chunk, table = optimizer.chunk_table(lengths)
        tensors, starts = table[len(lengths) :].reshape(2, -1)
        assert table[: len(lengths)].tolist() == list(lengths)
        for tensor, length in enumerate(lengths):
            assert starts[tensors == tensor].tolist() == list(range(0, length, chunk))
    assert optimizer.chunk_table((3_000_000, 10))[0] == 2048
    assert optimizer.chunk_table((2**34,))[0] == optimizer.LARGEST_CHUNK
