"""Schedulers and averages of models beside PyTorch's: rates, momentum, state, resuming."""

import copy
import inspect
import warnings

import pytest

import tapeloom as tl
from tapeloom import nn, optim

torch = pytest.importorskip("torch", reason="the oracle tests compare with PyTorch; install the group `torch`")

EPOCHS = 30


class Halving:
    """A function with a state, which is saved."""

    def __init__(self, base):
        self.base = base

    def __call__(self, epoch):
        return self.base**epoch


SCHEDULERS = {
    "StepLR": lambda m, o: m.StepLR(o, step_size=3, gamma=0.5),
    "MultiStepLR": lambda m, o: m.MultiStepLR(o, milestones=[2, 5, 5, 9], gamma=0.3),
    "ExponentialLR": lambda m, o: m.ExponentialLR(o, gamma=0.9),
    "CosineAnnealingLR": lambda m, o: m.CosineAnnealingLR(o, T_max=5, eta_min=0.02),
    "LambdaLR": lambda m, o: m.LambdaLR(o, [lambda epoch: 0.95**epoch, lambda epoch: 1 / (epoch + 1)]),
    "LambdaLR of objects": lambda m, o: m.LambdaLR(o, Halving(0.5)),
    "MultiplicativeLR": lambda m, o: m.MultiplicativeLR(o, [lambda epoch: 0.95, lambda epoch: 1 / (epoch + 1)]),
    "ConstantLR": lambda m, o: m.ConstantLR(o, factor=0.25, total_iters=4),
    "LinearLR": lambda m, o: m.LinearLR(o, start_factor=0.1, end_factor=0.5, total_iters=7),
    "PolynomialLR": lambda m, o: m.PolynomialLR(o, total_iters=12, power=2.0),
    "CosineAnnealingWarmRestarts": lambda m, o: m.CosineAnnealingWarmRestarts(o, T_0=3, T_mult=2, eta_min=0.01),
    "CyclicLR": lambda m, o: m.CyclicLR(o, 0.1, 0.5, step_size_up=4, step_size_down=3),
    "CyclicLR, triangular2": lambda m, o: m.CyclicLR(o, [0.1, 0.2], [0.5, 1.0], step_size_up=4, mode="triangular2"),
    "CyclicLR, exp_range": lambda m, o: m.CyclicLR(o, 0.1, 0.5, 4, mode="exp_range", gamma=0.9, cycle_momentum=False),
    "CyclicLR, function": lambda m, o: m.CyclicLR(
        o, 0.1, 0.5, 4, scale_fn=lambda x: 1 / x, max_momentum=[0.9, 0.8], base_momentum=[0.1, 0.2]
    ),
    "OneCycleLR": lambda m, o: m.OneCycleLR(o, max_lr=0.5, total_steps=40),
    "OneCycleLR, three phases": lambda m, o: m.OneCycleLR(
        o, [0.5, 1.0], epochs=8, steps_per_epoch=4, anneal_strategy="linear", three_phase=True, pct_start=0.4
    ),
    "ChainedScheduler": lambda m, o: m.ChainedScheduler(
        [m.ConstantLR(o, factor=0.5, total_iters=4), m.ExponentialLR(o, gamma=0.9)], optimizer=o
    ),
    "SequentialLR": lambda m, o: m.SequentialLR(
        o,
        [m.LinearLR(o, 0.1, total_iters=4), m.CosineAnnealingLR(o, T_max=6), m.ExponentialLR(o, 0.8), m.StepLR(o, 3)],
        milestones=[5, 12, 20],
    ),
    "SequentialLR of others": lambda m, o: m.SequentialLR(
        o,
        [
            m.PolynomialLR(o, 6),
            m.CosineAnnealingWarmRestarts(o, 3),
            m.MultiplicativeLR(o, lambda epoch: 0.9),
            m.MultiStepLR(o, [1, 2]),
            m.ConstantLR(o, 0.5),
        ],
        milestones=[5, 12, 20, 25],
    ),
    "SequentialLR of a chain": lambda m, o: m.SequentialLR(
        o,
        [m.ChainedScheduler([m.ConstantLR(o, 0.5, 3), m.StepLR(o, 2, 0.8)]), m.LambdaLR(o, Halving(0.7))],
        milestones=[6],
    ),
    "SWALR": lambda m, o: averages(m).SWALR(o, swa_lr=0.05, anneal_epochs=7),
    "SWALR, linear": lambda m, o: averages(m).SWALR(o, [0.05, 2.0], anneal_epochs=4, anneal_strategy="linear"),
    "SWALR at once": lambda m, o: averages(m).SWALR(o, 0.05, anneal_epochs=0),
}


def make(name, module, optimizer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns of the first step of a chain in a sequence
        return SCHEDULERS[name](module, optimizer)


def averages(module):
    return optim.swa_utils if module is optim.lr_scheduler else torch.optim.swa_utils


def optimizers(kind, rate=float):
    """The same optimizer twice, ours and PyTorch's, with two groups."""
    settings = {"momentum": 0.3} if kind == "SGD" else {}
    return [
        getattr(library, kind)(
            [{"params": [tensor.zeros(1)], "lr": rate(1.0)}, {"params": [tensor.zeros(1)], "lr": rate(0.3)}],
            lr=0.1,
            **settings,
        )
        for library, tensor in ((optim, tl), (torch.optim, torch))
    ]


def settings(optimizer):
    return [
        float(value)
        for group in optimizer.param_groups
        for value in (group["lr"], group.get("momentum", 0), group.get("betas", (0,))[0])
    ]


def go(optimizer, scheduler, epochs, found):
    for _ in range(epochs):
        found.append([*settings(optimizer), *map(float, scheduler.get_last_lr())])
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scheduler.step()


def flat(rows):
    return [value for row in rows for value in row]


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedules_and_resuming(name, kind):
    mine, reference = optimizers(kind)
    scheduler = make(name, optim.lr_scheduler, mine)
    twin = make(name, torch.optim.lr_scheduler, reference)
    path, expected = [], []
    go(reference, twin, EPOCHS, expected)

    go(mine, scheduler, 13, path)
    saved = copy.deepcopy((mine.state_dict(), scheduler.state_dict()))
    again, _ = optimizers(kind)
    resumed = make(name, optim.lr_scheduler, again)
    again.load_state_dict(saved[0])
    resumed.load_state_dict(saved[1])
    go(again, resumed, EPOCHS - 13, path)
    assert flat(path) == pytest.approx(flat(expected), rel=1e-9, abs=1e-12)
    assert getattr(resumed, "last_epoch", None) == getattr(twin, "last_epoch", None)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_state_of_pytorch_goes_on_here(name):
    mine, reference = optimizers("SGD")
    twin = make(name, torch.optim.lr_scheduler, reference)
    scheduler = make(name, optim.lr_scheduler, mine)
    go(reference, twin, 11, [])
    mine.load_state_dict(reference.state_dict())
    scheduler.load_state_dict(twin.state_dict())
    path, expected = [], []
    go(mine, scheduler, 10, path)
    go(reference, twin, 10, expected)
    assert flat(path) == pytest.approx(flat(expected), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", [name for name in SCHEDULERS if name != "OneCycleLR"])
def test_rates_that_are_tensors(name):
    mine, reference = optimizers("SGD")
    for group in mine.param_groups:
        group["lr"] = tl.tensor(group["lr"], dtype=tl.float64)
    rates = [group["lr"] for group in mine.param_groups]
    scheduler = make(name, optim.lr_scheduler, mine)
    twin = make(name, torch.optim.lr_scheduler, reference)
    path, expected = [], []
    go(mine, scheduler, 12, path)
    go(reference, twin, 12, expected)
    assert flat(path) == pytest.approx(flat(expected), rel=1e-9, abs=1e-12)
    assert all(group["lr"] is rate for group, rate in zip(mine.param_groups, rates, strict=True))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", "StepLR MultiStepLR ExponentialLR CosineAnnealingLR LambdaLR ConstantLR LinearLR PolynomialLR".split()
)
def test_closed_forms(name):
    mine, reference = optimizers("SGD")
    scheduler = make(name, optim.lr_scheduler, mine)
    twin = make(name, torch.optim.lr_scheduler, reference)
    for epoch in (0, 3, 1, 8, 20):
        scheduler.step(epoch)
        twin.step(epoch)
        assert settings(mine) == pytest.approx(settings(reference), rel=1e-12)


def test_warm_restarts_within_an_epoch():
    for restarts in ((3, 2), (4, 1), (2, 3)):
        mine, reference = optimizers("SGD")
        scheduler = optim.lr_scheduler.CosineAnnealingWarmRestarts(mine, *restarts)
        twin = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(reference, *restarts)
        for epoch in (0.25, 1, 2.5, 3, 7.75, 20, 1.5, None, None, None):
            scheduler.step(epoch)
            twin.step(epoch)
            assert settings(mine) == pytest.approx(settings(reference), rel=1e-12)
            assert scheduler.last_epoch == twin.last_epoch


METRICS = [5, 4, 4.2, 4.1, 4.05, 3.99, 4, 4, 4, 4, 4, float("nan"), 4, 2, 2, 2, 2, 2, 2, 2, 2, 1.5, 1.5, 1.5, 1.5, 1.5]


@pytest.mark.parametrize(
    "arguments",
    [
        {"patience": 2},
        {"mode": "max", "factor": 0.5, "patience": 0, "cooldown": 2, "min_lr": [0.1, 0.05]},
        {"threshold": 0.3, "threshold_mode": "abs", "patience": 1, "min_lr": 0.02},
        {"mode": "max", "threshold": 0.1, "patience": 1, "threshold_mode": "abs", "eps": 0.05},
        {"mode": "max", "threshold": 0.5, "patience": 3},
    ],
    ids=str,
)
def test_plateaus(arguments):
    mine, reference = optimizers("SGD")
    scheduler = optim.lr_scheduler.ReduceLROnPlateau(mine, **arguments)
    twin = torch.optim.lr_scheduler.ReduceLROnPlateau(reference, **arguments)
    for number, metric in enumerate(METRICS):
        if number == 9:
            state = copy.deepcopy(scheduler.state_dict())
            scheduler = optim.lr_scheduler.ReduceLROnPlateau(mine)
            scheduler.load_state_dict(state)
        scheduler.step(tl.tensor(float(metric)))
        twin.step(float(tl.tensor(float(metric))))
        assert settings(mine) == pytest.approx(settings(reference), rel=1e-12)
        assert scheduler.num_bad_epochs == twin.num_bad_epochs
    assert scheduler.state_dict().keys() == twin.state_dict().keys()


def test_arguments_are_those_of_pytorch():
    names = [name for name in torch.optim.lr_scheduler.__all__ if name != "Optimizer"]
    assert {*names} <= {*optim.lr_scheduler.__all__}
    pairs = [(getattr(optim.lr_scheduler, name), getattr(torch.optim.lr_scheduler, name)) for name in names]
    assert {*optim.swa_utils.__all__} == {*torch.optim.swa_utils.__all__}
    pairs += [
        (getattr(optim.swa_utils, name), getattr(torch.optim.swa_utils, name)) for name in optim.swa_utils.__all__
    ]
    for mine, reference in pairs:
        ours, theirs = inspect.signature(mine).parameters, inspect.signature(reference).parameters
        assert list(ours) == list(theirs)
        assert [parameter.default for parameter in ours.values()] == [p.default for p in theirs.values()]


AVERAGES = {
    "equal": lambda module: {},
    "equal, function": lambda module: {"avg_fn": module.get_swa_avg_fn()},
    "equal, lists": lambda module: {"multi_avg_fn": module.get_swa_multi_avg_fn()},
    "exponential": lambda module: {"avg_fn": module.get_ema_avg_fn(0.9)},
    "exponential, lists": lambda module: {"multi_avg_fn": module.get_ema_multi_avg_fn(0.9)},
    "buffers": lambda module: {"multi_avg_fn": module.get_ema_multi_avg_fn(0.6), "use_buffers": True},
}


@pytest.mark.parametrize("name", AVERAGES)
def test_averages_and_their_statistics(name):
    tl.manual_seed(0)
    mine = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).double()
    reference = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).double()
    averaged = optim.swa_utils.AveragedModel(mine, **AVERAGES[name](optim.swa_utils))
    twin = torch.optim.swa_utils.AveragedModel(reference, **AVERAGES[name](torch.optim.swa_utils))
    data = tl.randn(4, 5, 3, dtype=tl.float64)
    for step in range(4):
        with tl.no_grad(), torch.no_grad():
            for param, other in zip(mine.parameters(), reference.parameters(), strict=True):
                param.copy_(tl.randn(*param.shape))
                other.copy_(torch.tensor(param.tolist()))
        mine(data[step])
        reference(torch.tensor(data[step].tolist(), dtype=torch.float64))
        averaged.update_parameters(mine)
        twin.update_parameters(reference)

    def agree():
        state, expected = averaged.state_dict(), twin.state_dict()
        assert state.keys() == expected.keys()
        for key, value in expected.items():
            assert torch.allclose(torch.tensor(state[key].tolist(), dtype=value.dtype), value), key

    agree()
    optim.swa_utils.update_bn([[batch, 0] for batch in data], averaged)
    torch.optim.swa_utils.update_bn(torch.tensor(data.tolist(), dtype=torch.float64), twin)
    agree()
    assert averaged.module[1].momentum == 0.1
    assert averaged.training
