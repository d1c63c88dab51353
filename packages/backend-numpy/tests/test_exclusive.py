"""Memory is used again only where nobody can tell: whatever shares values with a parameter must never change."""

from __future__ import annotations

import gc
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapeloom as tl
from tapeloom import references
from tapeloom.ops.optimizer import update_parameters
from tapeloom.tensors.tensor import make
from tapeloom.testing.samples import optimizer as samples
from tapeloom_backend_numpy.memory import exclusive

SHAPE = (40, 30)


class Owner:
    def __init__(self, array: Any) -> None:
        self.array = array


def alone(owner: Owner) -> bool:
    return exclusive([owner.array])[0]


def fresh() -> Owner:
    return Owner(np.zeros(SHAPE))  # not within an assert: pytest would keep the array for its report


def test_calibration_found_a_count() -> None:
    assert references.ALONE > 0


def test_a_fresh_array_is_alone() -> None:
    assert alone(fresh())
    assert exclusive([]) == []


def test_several_owners_in_one_call() -> None:
    owners = [Owner(np.zeros(SHAPE)) for _ in range(5)]
    other = owners[3].array
    assert exclusive([owner.array for owner in owners]) == [True, True, True, False, True]
    del other


@pytest.mark.parametrize(
    "share",
    [
        lambda array: array,
        lambda array: [array],
        lambda array: Owner(array),
        lambda array: array[1:3],
        lambda array: array.T,
        lambda array: array.reshape(-1),
        lambda array: array.view(),
        lambda array: memoryview(array),
        lambda array: iter(array),
        lambda array: lambda: array,
        lambda array: np.lib.stride_tricks.as_strided(array, (2,), (8,)),
        lambda array: np.asarray(memoryview(array)),
        lambda array: array.flat,
        lambda array: array.__array_struct__,
        lambda array: array.__dlpack__(),
        lambda array: np.from_dlpack(array),
        lambda array: array.ctypes,
    ],
)
def test_whatever_shares_the_memory_is_noticed(share: Callable[[Any], Any]) -> None:
    owner = Owner(np.zeros(SHAPE))
    shared = share(owner.array)
    assert not alone(owner)
    del shared
    gc.collect()
    assert alone(owner)


def test_memory_of_others_is_never_used() -> None:
    assert not alone(Owner(np.frombuffer(bytearray(80))))
    assert not alone(Owner(np.zeros(SHAPE)[1:]))
    fixed = np.zeros(SHAPE)
    fixed.flags.writeable = False
    owner = Owner(fixed)
    del fixed
    assert not alone(owner)
    assert not alone(Owner(np.float32(1)))
    assert not alone(Owner(np.zeros(3).view(np.matrix)))


# through the optimizers


def adam(param: Any, state: dict[str, Any]) -> None:
    state.setdefault("moments", (tl.zeros_like(param), tl.zeros_like(param), tl.zeros_like(param)))
    columns = {str(number): [moment] for number, moment in enumerate(state["moments"])}
    state["step"] = state.get("step", 0.0) + 1.0
    settings = samples.ADAM_DEFAULTS | {"lr": 0.1, "amsgrad": True}
    update_parameters(
        "adam", samples.adam, [param], [param.grad], columns, settings, steps=[state["step"]], fused="adam"
    )


def sgd(param: Any, state: dict[str, Any]) -> None:
    momenta = state.setdefault("momenta", [None])
    settings = samples.SGD_DEFAULTS | {"lr": 0.1, "momentum": 0.9}
    update_parameters("sgd", samples.sgd, [param], [param.grad], {"momenta": momenta}, settings, fused="sgd")


@pytest.fixture(params=[adam, sgd])
def step(request: pytest.FixtureRequest) -> Callable[..., None]:
    return request.param  # type: ignore[no-any-return]


def parameter() -> Any:
    param = tl.rand(*SHAPE).requires_grad_()
    param.grad = tl.ones(*SHAPE)
    return param


def address(tensor: Any) -> int:
    return int(tensor.array.ctypes.data)


def test_steps_work_in_place_when_nothing_shares(step: Callable[..., None]) -> None:
    param, state = parameter(), {}
    step(param, state)
    before = address(param)
    step(param, state)
    assert address(param) == before


def test_a_view_that_is_gone_keeps_nothing_from_being_updated_in_place(step: Callable[..., None]) -> None:
    param, state = parameter(), {}
    step(param, state)
    before = address(param)
    param.detach().T.sum()
    step(param, state)
    assert address(param) == before
    assert param.extra is None


KEEPERS: dict[str, Callable[[Any], Any]] = {
    "detach": lambda param: param.detach(),
    "numpy": lambda param: param.detach().numpy(),
    "data": lambda param: param.data,
    "array interface": lambda param: np.asarray(param.detach()),
    "clone": lambda param: param.detach().clone(),
    "view": lambda param: (param * 1).view(-1).detach(),
    "transpose": lambda param: param.detach().T.numpy(),
    "row": lambda param: param.detach()[3].numpy(),
    "memoryview": lambda param: memoryview(param.detach().numpy()),
    "dlpack": lambda param: np.from_dlpack(param.detach()),
    "dlpack of numpy": lambda param: np.from_dlpack(param.detach().numpy().view()),
}


@pytest.mark.parametrize("name", KEEPERS)
def test_what_was_taken_from_a_parameter(name: str, step: Callable[..., None]) -> None:
    """Host arrays keep their values; handles of ours follow the parameter or keep theirs, as they did before."""
    param, state = parameter(), {}
    step(param, state)
    start = param.detach().numpy().copy()
    taken = KEEPERS[name](param)
    if isinstance(taken, tl.Tensor):
        follows = name in ("detach", "data")
        before = taken.clone()
        for _ in range(3):
            step(param, state)
        assert bool((taken == before).all()) is not follows
        assert not follows or bool((taken == param.detach()).all())
        return
    before = np.array(taken)
    for _ in range(3):
        step(param, state)
    assert (np.asarray(taken) == before).all()
    assert not (param.detach().numpy() == start).all()


def test_a_lent_array_is_never_written(step: Callable[..., None]) -> None:
    lent = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    before = lent.copy()
    param = tl.from_numpy(lent).requires_grad_()
    param.grad = tl.ones(*SHAPE)
    state: dict[str, Any] = {}
    for _ in range(3):
        step(param, state)
    assert (lent == before).all()


def test_gradients_are_never_written(step: Callable[..., None]) -> None:
    param, state = parameter(), {}
    grads = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    param.grad = tl.tensor(grads)
    for _ in range(3):
        step(param, state)
    assert (param.grad.numpy() == grads).all()


def test_the_tape_keeps_its_values(step: Callable[..., None]) -> None:
    param, state = parameter(), {}
    step(param, state)
    step(param, state)
    old = param.detach().numpy().copy()
    loss = (param * param).sum()  # keeps the value of the parameter
    step(param, state)
    (slope,) = tl.autograd.grad(loss, [param])
    np.testing.assert_array_equal(slope.numpy(), 2 * old)


def test_one_tensor_given_twice(step: Callable[..., None]) -> None:
    """Two parameters on one array: each keeps to itself."""
    param, state = parameter(), {}
    step(param, state)
    other = make(param.array, param.kind)
    before = other.numpy().copy()
    step(param, state)
    assert (other.numpy() == before).all()


def test_states_that_were_taken_keep_their_values() -> None:
    param, state = parameter(), {}
    adam(param, state)
    adam(param, state)
    first = state["moments"][0]
    kept = first.numpy()
    copied = pickle.loads(pickle.dumps(first))
    before = kept.copy()
    adam(param, state)
    assert (kept == before).all()
    assert (copied.numpy() == before).all()
    assert not (first.numpy() == before).all()


def test_without_the_interpreter_lock_nothing_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys._is_gil_enabled", lambda: False, raising=False)
    assert references._calibrated() == 0
