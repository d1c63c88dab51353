"""The scaling of gradients: scale, unscale_, step and update, their order, what is skipped, and the state."""

from __future__ import annotations

import copy
import math
import pickle

import pytest

import tapeloom as tl
from tapeloom import nn, optim
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, StateError
from tapeloom.tensors.tensor import Tensor

INF = math.inf


def scaler(**settings):
    return tl.amp.GradScaler("cpu", **{"init_scale": 8.0, **settings})


def set_up(*values, dtype=tl.float32):
    """A parameter for each list of values, and an optimizer that subtracts the gradients."""
    parameters = [nn.Parameter(tl.tensor(value, dtype=dtype)) for value in values]
    return parameters, optim.SGD(parameters, lr=1.0)


def iterate(scaler, parameters, optimizer, factor=1.0):
    loss = sum((parameter * factor).sum() for parameter in parameters)
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad()


def test_losses_are_scaled():
    made = scaler()
    loss = tl.tensor(2.0, requires_grad=True)
    assert made.scale(loss).item() == 16.0
    assert made.scale(tl.tensor(2.0, dtype=tl.float16)).dtype is tl.float16
    assert [each.item() for each in made.scale([loss, loss])] == [16.0, 16.0]
    pair = made.scale((loss, [loss]))
    assert isinstance(pair, tuple) and pair[1][0].item() == 16.0
    assert [each.item() for each in made.scale(iter([loss]))] == [16.0]
    with pytest.raises(ArgumentTypeError, match="scale: expected a tensor or an iterable of tensors, got float"):
        made.scale(2.0)


def test_a_step_takes_unscaled_gradients():
    parameters, optimizer = set_up([1.0, 2.0], [3.0])
    made = scaler()
    iterate(made, parameters, optimizer)
    assert [parameter.tolist() for parameter in parameters] == [[0.0, 1.0], [2.0]]
    assert made.get_scale() == 8.0


def test_unscale_comes_first_where_gradients_are_clipped():
    parameters, optimizer = set_up([1.0, 2.0])
    made = scaler()
    made.scale((parameters[0] * tl.tensor([3.0, 4.0])).sum()).backward()
    made.unscale_(optimizer)
    assert parameters[0].grad.tolist() == [3.0, 4.0]
    assert nn.utils.clip_grad_norm_(parameters, 1.0).item() == 5.0
    made.step(optimizer)
    assert parameters[0].tolist() == pytest.approx([0.4, 1.2])


@pytest.mark.parametrize("wrong", [INF, -INF, math.nan])
@pytest.mark.parametrize("place", [0, 1])
def test_a_step_with_a_gradient_that_is_not_finite_is_left_out(wrong, place):
    parameters, optimizer = set_up([1.0, 2.0], [3.0, 4.0])
    made = scaler()
    made.scale(sum(parameter.sum() for parameter in parameters)).backward()
    parameters[place].grad[1] = wrong
    assert made.step(optimizer) is None
    made.update()
    assert [parameter.tolist() for parameter in parameters] == [[1.0, 2.0], [3.0, 4.0]]
    assert made.get_scale() == 4.0


def test_the_scale_grows_and_falls():
    parameters, optimizer = set_up([1.0])
    made = scaler(growth_interval=2, growth_factor=3.0, backoff_factor=0.25)
    seen = []
    for factor in (1.0, 1.0, 1.0, INF, 1.0, 1.0):
        iterate(made, parameters, optimizer, factor)
        seen.append((made.get_scale(), made.state_dict()["_growth_tracker"]))
    assert seen == [(8.0, 1), (24.0, 0), (24.0, 1), (6.0, 0), (6.0, 1), (18.0, 0)]


def test_a_scale_beyond_float32_does_not_grow():
    parameters, optimizer = set_up([1.0])
    made = scaler(init_scale=2.0**127, growth_interval=1)
    iterate(made, parameters, optimizer, 2.0**-100)
    assert made.get_scale() == 2.0**127
    assert made.state_dict()["_growth_tracker"] == 0


def test_several_optimizers_step_on_their_own():
    first, one = set_up([1.0])
    second, two = set_up([1.0])
    made = scaler()
    made.scale(first[0].sum() + (second[0] * INF).sum()).backward()
    made.step(one)
    made.step(two)
    made.update()
    assert (first[0].item(), second[0].item(), made.get_scale()) == (0.0, 1.0, 4.0)


def test_gradients_of_several_dtypes_and_shapes():
    parameters = [
        nn.Parameter(tl.ones(2)),
        nn.Parameter(tl.ones(2, dtype=tl.float64)),
        nn.Parameter(tl.ones(2, dtype=tl.bfloat16)),
        nn.Parameter(tl.ones(())),
        nn.Parameter(tl.ones(0)),
        nn.Parameter(tl.ones(3)),  # without a gradient
    ]
    optimizer = optim.SGD(parameters, lr=1.0)
    iterate(made := scaler(), parameters[:-1], optimizer)
    assert [parameter.tolist() for parameter in parameters] == [[0.0] * 2, [0.0] * 2, [0.0] * 2, 0.0, [], [1.0] * 3]
    assert made.get_scale() == 8.0


def test_the_host_reads_once_for_an_optimizer(monkeypatch):
    parameters, optimizer = set_up(*([float(value)] for value in range(20)))
    made, reads, item = scaler(), [], Tensor.item
    monkeypatch.setattr(Tensor, "item", lambda self: reads.append(1) or item(self))
    iterate(made, parameters, optimizer)
    assert len(reads) == 1


def test_new_scales():
    parameters, optimizer = set_up([1.0])
    made = scaler()
    iterate(made, parameters, optimizer)
    made.update(2.0)
    assert made.get_scale() == 2.0
    made.update(tl.tensor([4.0]))
    assert made.get_scale() == 4.0
    with pytest.raises(ArgumentError, match="a tensor of one element without a gradient"):
        made.update(tl.ones(2))


def test_what_is_out_of_order():
    parameters, optimizer = set_up([1.0])
    made = scaler()
    for call in (lambda: made.step(optimizer), lambda: made.unscale_(optimizer), made.update):
        with pytest.raises(StateError, match="nothing was scaled yet"):
            call()
    loss = made.scale(parameters[0].sum())
    with pytest.raises(StateError, match="step: no parameter of this optimizer has a gradient"):
        made.step(optimizer)
    made = scaler()
    made.scale(parameters[0].sum()).backward()
    with pytest.raises(StateError, match="update: no gradients were looked at"):
        made.update()
    made.unscale_(optimizer)
    with pytest.raises(StateError, match="unscale_: it was already called"):
        made.unscale_(optimizer)
    made.step(optimizer)
    with pytest.raises(StateError, match="step: it was already called"):
        made.step(optimizer)
    with pytest.raises(StateError, match="must be called before step"):
        made.unscale_(optimizer)
    with pytest.raises(StateError, match="GradScaler: it can be pickled between iterations"):
        pickle.dumps(made)
    made.update()
    assert pickle.loads(pickle.dumps(made)).state_dict() == copy.copy(made).state_dict() == made.state_dict()
    with pytest.raises(ArgumentError, match="takes no closure"):
        made.step(optimizer, closure=lambda: loss)


def test_gradients_in_float16_are_refused():
    parameters, optimizer = set_up([1.0], dtype=tl.float16)
    made = scaler()
    made.scale(parameters[0].sum()).backward()
    with pytest.raises(DTypeError, match="gradients in float16"):
        made.step(optimizer)
    assert parameters[0].grad.tolist() == [8.0]


def test_settings():
    made = scaler()
    for name, value in (("growth_factor", 4.0), ("backoff_factor", 0.125), ("growth_interval", 7)):
        getattr(made, f"set_{name}")(value)
        assert getattr(made, f"get_{name}")() == value
    assert made.is_enabled()
    with pytest.raises(ArgumentError, match=r"growth_factor must be above 1, got 1\.0"):
        scaler(growth_factor=1.0)
    with pytest.raises(ArgumentError, match=r"backoff_factor must be below 1, got 1\.5"):
        scaler(backoff_factor=1.5)


def test_the_state_goes_over():
    parameters, optimizer = set_up([1.0])
    made = scaler(growth_interval=5)
    iterate(made, parameters, optimizer)
    state = made.state_dict()
    assert state == {
        "scale": 8.0,
        "growth_factor": 2.0,
        "backoff_factor": 0.5,
        "growth_interval": 5,
        "_growth_tracker": 1,
    }
    other = scaler(init_scale=2.0)
    other.load_state_dict(state)
    assert other.state_dict() == state
    with pytest.raises(StateError, match="may come from a disabled GradScaler"):
        other.load_state_dict({})
    with pytest.raises(StateError, match="load_state_dict: scale is missing"):
        other.load_state_dict({name: value for name, value in state.items() if name != "scale"})


def test_a_disabled_scaler_does_nothing():
    parameters, optimizer = set_up([1.0])
    made = scaler(enabled=False)
    loss = parameters[0].sum()
    assert made.scale(loss) is loss
    loss.backward()
    made.unscale_(optimizer)
    made.step(optimizer)
    made.update()
    assert parameters[0].item() == 0.0
    assert made.get_scale() == 1.0
    assert made.state_dict() == {}
    made.load_state_dict({})
    assert not made.is_enabled()


def test_training_in_float16():
    tl.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    x = tl.randn(64, 4)
    target = (x * tl.tensor([1.0, -2.0, 0.5, 0.0])).sum(1, keepdim=True)
    made = tl.amp.GradScaler("cpu", init_scale=2.0**24)  # too much, so that it falls first
    losses = []
    for _ in range(100):
        optimizer.zero_grad()
        with tl.autocast("cpu", dtype=tl.float16):
            loss = nn.functional.mse_loss(model(x), target)
        made.scale(loss).backward()
        made.step(optimizer)
        made.update()
        losses.append(loss.item())
    assert all(parameter.dtype is tl.float32 for parameter in model.parameters())
    assert losses[-1] < losses[0] / 20
    assert 1.0 < made.get_scale() < 2.0**24
