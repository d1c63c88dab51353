"""Schedulers: the rates they give, warnings, and their state."""

import math
import warnings

import pytest

import tapeloom as tl
from tapeloom import nn, optim
from tapeloom.errors import ArgumentError, ArgumentTypeError, StateError
from tapeloom.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiplicativeLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)
from tapeloom.optim.swa_utils import SWALR, AveragedModel, get_ema_avg_fn, update_bn


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


def test_ramps():
    assert flat(rates(ConstantLR(optimizer(1.0), factor=0.5, total_iters=2), 4)) == [0.5, 0.5, 1.0, 1.0]
    expected = [0.25, 0.5, 0.75, 1.0, 1.0]
    assert flat(rates(LinearLR(optimizer(1.0), start_factor=0.25, total_iters=3), 5)) == pytest.approx(expected)
    expected = [(1 - epoch / 4) ** 2 for epoch in (0, 1, 2, 3, 4, 4)]
    assert flat(rates(PolynomialLR(optimizer(1.0), total_iters=4, power=2.0), 6)) == pytest.approx(expected)
    assert flat(rates(MultiplicativeLR(optimizer(1.0), lambda epoch: 1 / epoch), 4)) == pytest.approx(
        [1, 1, 1 / 2, 1 / 6]
    )


def test_restarts():
    expected = [(1 + math.cos(math.pi * part)) / 2 for part in (0, 1 / 2, 0, 1 / 4, 2 / 4, 3 / 4, 0)]
    assert flat(rates(CosineAnnealingWarmRestarts(optimizer(1.0), T_0=2, T_mult=2), 7)) == pytest.approx(expected)


def test_momentum_goes_the_other_way():
    shared = optim.Adam([tl.zeros(1)], betas=(0.5, 0.7))
    scheduler = CyclicLR(shared, 0.25, 0.75, step_size_up=2, base_momentum=0.5, max_momentum=0.75)
    found = []
    for _ in range(5):
        found.append((shared.param_groups[0]["lr"], shared.param_groups[0]["betas"]))
        shared.step()
        scheduler.step()
    assert found == [(0.25 + x / 2, (0.75 - x / 4, 0.7)) for x in (0, 0.5, 1, 0.5, 0)]
    shared = optim.SGD([tl.zeros(1)], momentum=0.5)
    scheduler = OneCycleLR(shared, 1.0, total_steps=5, pct_start=0.6, anneal_strategy="linear", div_factor=2)
    found = []
    for _ in range(5):
        found.append((shared.param_groups[0]["lr"], shared.param_groups[0]["momentum"]))
        shared.step()
        scheduler.step()
    assert [lr for lr, _ in found] == pytest.approx([0.5, 0.75, 1.0, 0.500025, 0.00005])
    assert [momentum for _, momentum in found] == pytest.approx([0.95, 0.9, 0.85, 0.9, 0.95])


def test_sequences_of_sequences():
    shared = optimizer(1.0)
    inner = SequentialLR(shared, [ConstantLR(shared, 0.5, 9), ExponentialLR(shared, 0.5)], milestones=[2])
    outer = SequentialLR(shared, [StepLR(shared, 9), inner, ChainedScheduler([LinearLR(shared, 0.25)])], [2, 6])
    assert flat(rates(outer, 8)) == pytest.approx([1, 1, 0.5, 0.5, 1, 0.5, 0.25, 0.4])
    state = outer.state_dict()
    again = optimizer(1.0)
    with pytest.raises(StateError) as error:
        SequentialLR(again, [StepLR(again, 9)], []).load_state_dict(state)
    assert str(error.value) == "SequentialLR.load_state_dict: the state has 3 schedulers, this one 1."


def test_an_epoch_may_be_given_with_a_warning():
    scheduler = ExponentialLR(optimizer(1.0), gamma=0.5)
    scheduler.optimizer.step()
    with pytest.warns(UserWarning, match=r"ExponentialLR: step\(epoch\) is there for old programs"):
        scheduler.step(3)
    assert scheduler.get_last_lr() == [0.125]


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda o: ConstantLR(o, 2.0), "ConstantLR: factor is 2.0; it must be at least 0 and at most 1."),
        (lambda o: LinearLR(o, 0), "LinearLR: start_factor is 0; it must be above 0 and at most 1."),
        (
            lambda o: CosineAnnealingWarmRestarts(o, 0),
            "CosineAnnealingWarmRestarts: T_0 is 0; it must be at least 1.",
        ),
        (
            lambda o: CosineAnnealingWarmRestarts(o, 1).step(-1),
            "CosineAnnealingWarmRestarts: epoch is -1; it must be at least 0.",
        ),
        (
            lambda o: CyclicLR(o, 0.1, 1.0, mode="square"),
            'CyclicLR: mode must be "triangular", "triangular2" or "exp_range", got \'square\'.',
        ),
        (
            lambda o: CyclicLR(o, [0.1, 0.2], 1.0),
            "CyclicLR: base_lr has 2 values for 1 groups; give one, or one for each.",
        ),
        (
            lambda o: CyclicLR(optim.Adagrad([tl.zeros(1)]), 0.1, 1.0),
            "CyclicLR: cycle_momentum needs an optimizer with momentum or betas, and Adagrad has neither. "
            "Pass cycle_momentum=False.",
        ),
        (lambda o: OneCycleLR(o, 1.0), "OneCycleLR: give total_steps, or epochs and steps_per_epoch."),
        (lambda o: OneCycleLR(o, 1.0, 0), "OneCycleLR: total_steps is 0; it must be at least 1."),
        (
            lambda o: OneCycleLR(o, 1.0, 5, pct_start=1.5),
            "OneCycleLR: pct_start is 1.5; it must be at least 0 and at most 1.",
        ),
        (
            lambda o: OneCycleLR(o, 1.0, 5, anneal_strategy="log"),
            'OneCycleLR: anneal_strategy must be "cos" or "linear", got \'log\'.',
        ),
        (lambda o: ReduceLROnPlateau(o, factor=1.0), "ReduceLROnPlateau: factor is 1.0; it must be below 1."),
        (
            lambda o: ReduceLROnPlateau(o, mode="least"),
            'ReduceLROnPlateau: mode must be "min" or "max", got \'least\'.',
        ),
        (
            lambda o: ChainedScheduler([]),
            "ChainedScheduler: schedulers must be a list of at least one scheduler, got [].",
        ),
        (
            lambda o: ChainedScheduler([ReduceLROnPlateau(o)]),
            "ChainedScheduler: scheduler 0 is a ReduceLROnPlateau, whose step() needs a metric. Step it by itself.",
        ),
        (
            lambda o: ChainedScheduler([StepLR(o, 1), StepLR(optimizer(1.0), 1)]),
            "ChainedScheduler: scheduler 1 is of another optimizer. Give schedulers of one.",
        ),
        (
            lambda o: SequentialLR(o, [StepLR(o, 1)], [3]),
            "SequentialLR: 1 milestones for 1 schedulers; there must be one less.",
        ),
        (lambda o: SWALR(o, 0.1, anneal_epochs=-1), "SWALR: anneal_epochs is -1; it must be at least 0."),
        (
            lambda o: SWALR(o, 0.1, anneal_strategy="log"),
            'SWALR: anneal_strategy must be "cos" or "linear", got \'log\'.',
        ),
        (lambda o: get_ema_avg_fn(2.0), "get_ema_avg_fn: decay is 2.0; it must be at least 0 and at most 1."),
        (
            lambda o: AveragedModel(nn.Linear(1, 1), avg_fn=max, multi_avg_fn=max),
            "AveragedModel: give one of avg_fn and multi_avg_fn, not both.",
        ),
    ],
)
def test_arguments_that_are_refused(make, message):
    shared = optim.SGD([tl.zeros(1)], momentum=0.5)
    with pytest.raises(ArgumentError) as error:
        make(shared)
    assert str(error.value) == message


def test_metrics_must_be_numbers():
    with pytest.raises(ArgumentTypeError) as error:
        ReduceLROnPlateau(optimizer(1.0)).step("high")
    assert str(error.value) == "ReduceLROnPlateau: metrics must be a number, got str."
    with pytest.raises(ArgumentTypeError) as error:
        ChainedScheduler([3])
    assert str(error.value) == "ChainedScheduler: scheduler 0 must be a scheduler, got int."


def test_statistics_are_computed_anew_and_modes_are_kept(device):
    model = nn.Sequential(nn.BatchNorm1d(1), nn.Linear(1, 1)).to(device)
    model.eval()
    update_bn([tl.tensor([[1.0], [3.0]], device=device), (tl.tensor([[4.0], [8.0]], device=device), 0)], model)
    assert model[0].running_mean.tolist() == [4.0]
    assert model[0].momentum == 0.1
    assert not model.training
