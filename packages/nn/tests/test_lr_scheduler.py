"""Schedulers: the rates they give, warnings, and their state."""

import math
import warnings

import pytest

import tapeloom as tl
from tapeloom import optim
from tapeloom.errors import ArgumentError, ArgumentTypeError, StateError
from tapeloom.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, LambdaLR, LRScheduler, MultiStepLR, StepLR


def optimizer(*rates):
    return optim.SGD([{"params": [tl.zeros(1)], "lr": rate} for rate in rates], lr=0.0)


def flat(rows):
    return [value for row in rows for value in row]


def rates(scheduler, epochs):
    found = []
    for _ in range(epochs):
        found.append([group["lr"] for group in scheduler.optimizer.param_groups])
        scheduler.optimizer.step()
        scheduler.step()
    return found


def test_step_lr():
    scheduler = StepLR(optimizer(1.0, 0.5), step_size=3, gamma=0.1)
    assert rates(scheduler, 8) == [
        pytest.approx(pair) for pair in [[1.0, 0.5]] * 3 + [[0.1, 0.05]] * 3 + [[0.01, 0.005]] * 2
    ]
    assert scheduler.last_epoch == 8
    assert scheduler.get_last_lr() == [group["lr"] for group in scheduler.optimizer.param_groups]


def test_multi_step_lr():
    scheduler = MultiStepLR(optimizer(1.0), milestones=[4, 2, 4], gamma=0.5)
    assert rates(scheduler, 6) == [[1.0], [1.0], [0.5], [0.5], [0.125], [0.125]]


def test_exponential_lr():
    assert rates(ExponentialLR(optimizer(8.0), gamma=0.5), 4) == [[8.0], [4.0], [2.0], [1.0]]


def test_cosine_annealing_lr_falls_and_rises():
    scheduler = CosineAnnealingLR(optimizer(1.0), T_max=4, eta_min=0.2)
    expected = [0.2 + 0.8 * (1 + math.cos(math.pi * epoch / 4)) / 2 for epoch in range(13)]
    assert flat(rates(scheduler, 13)) == pytest.approx(expected, abs=1e-12)


def test_lambda_lr():
    scheduler = LambdaLR(optimizer(1.0, 10.0), [lambda epoch: 1 / (1 + epoch), lambda epoch: 2.0])
    assert rates(scheduler, 3) == [[1.0, 20.0], [0.5, 20.0], [pytest.approx(1 / 3), 20.0]]
    assert flat(rates(LambdaLR(optimizer(3.0), lambda epoch: epoch), 3)) == [0.0, 3.0, 6.0]
    with pytest.raises(ArgumentError) as error:
        LambdaLR(optimizer(1.0, 2.0), [abs])
    assert str(error.value) == "LambdaLR: 1 functions for 2 groups; give one, or one for each."


def test_two_schedulers_on_one_optimizer():
    shared = optimizer(1.0)
    first, second = ExponentialLR(shared, gamma=0.5), StepLR(shared, step_size=2, gamma=0.1)
    found = []
    for _ in range(3):
        found.append(shared.param_groups[0]["lr"])
        shared.step()
        first.step()
        second.step()
    assert found == pytest.approx([1.0, 0.5, 0.025])


def test_a_scheduler_before_the_optimizer_warns_once():
    scheduler = StepLR(optimizer(1.0), step_size=1)
    with pytest.warns(UserWarning, match=r"StepLR\.step\(\) was called before optimizer\.step\(\)"):
        scheduler.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()


def test_state_goes_on():
    source = StepLR(optimizer(1.0), step_size=2, gamma=0.5)
    rates(source, 3)
    state = source.state_dict()
    assert state == {
        "step_size": 2,
        "gamma": 0.5,
        "base_lrs": [1.0],
        "last_epoch": 3,
        "_is_initial": False,
        "_last_lr": [0.5],
    }
    saved = source.optimizer.state_dict()

    target = StepLR(optimizer(1.0), step_size=7)
    target.optimizer.load_state_dict(saved)
    target.load_state_dict(state)
    assert target.step_size == 2
    assert rates(target, 3) == rates(source, 3) == [[0.5], [0.25], [0.25]]


def test_state_of_lambda_lr_leaves_the_functions_out():
    scheduler = LambdaLR(optimizer(1.0), lambda epoch: 1.0)
    assert scheduler.state_dict()["lr_lambdas"] == [None]
    scheduler.load_state_dict(scheduler.state_dict())
    assert callable(scheduler.lr_lambdas[0])


def test_states_that_do_not_fit():
    scheduler = StepLR(optimizer(1.0), step_size=1)
    with pytest.raises(StateError) as error:
        scheduler.load_state_dict({})
    assert str(error.value) == "StepLR.load_state_dict: needs 'last_epoch' and 'base_lrs', as state_dict() gives."
    with pytest.raises(StateError) as error:
        scheduler.load_state_dict(StepLR(optimizer(1.0, 2.0), step_size=1).state_dict())
    assert str(error.value) == "StepLR.load_state_dict: the state has 2 groups, the optimizer 1."


def test_a_schedule_may_be_continued_by_its_epoch():
    shared = optimizer(1.0)
    rates(StepLR(shared, step_size=2, gamma=0.5), 2)
    again = StepLR(shared, step_size=2, gamma=0.5, last_epoch=2)
    assert again.base_lrs == [1.0]
    assert again.last_epoch == 3
    with pytest.raises(StateError) as error:
        StepLR(optimizer(1.0), step_size=2, last_epoch=2)
    assert str(error.value) == (
        "StepLR: last_epoch=2 continues a schedule, but group 0 has no 'initial_lr'. "
        "Load the optimizer's state first, or leave last_epoch out."
    )


def test_settings_that_are_refused():
    with pytest.raises(ArgumentError) as error:
        StepLR(optimizer(1.0), step_size=0)
    assert str(error.value) == "StepLR: step_size is 0; it must be at least 1."
    with pytest.raises(ArgumentError) as error:
        CosineAnnealingLR(optimizer(1.0), T_max=0)
    assert str(error.value) == "CosineAnnealingLR: T_max is 0; it must be at least 1."
    with pytest.raises(ArgumentTypeError) as kind:
        ExponentialLR([1], gamma=0.5)
    assert str(kind.value) == "ExponentialLR: the first argument must be an Optimizer, got list."


def test_a_scheduler_of_ones_own():
    class Halves(LRScheduler):
        def get_lr(self):
            return [base / 2**self.last_epoch for base in self.base_lrs]

    assert rates(Halves(optimizer(8.0)), 3) == [[8.0], [4.0], [2.0]]
