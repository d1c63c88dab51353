"""Optimizers beside PyTorch's: the paths of parameters, state, groups, rates that are tensors, complex parameters."""

import copy
import inspect
import math

import pytest

import tapeloom as tl
from tapeloom import nn, optim

torch = pytest.importorskip("torch", reason="the oracle tests compare with PyTorch; install the group `torch`")

DTYPES = {"float32": 2e-5, "float64": 1e-9}


@pytest.fixture(autouse=True)
def _seeded():
    tl.manual_seed(0)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)  # in which PyTorch keeps what is one number
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def _muon_in_full_precision(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda tensor: tensor.clone())


pytestmark = pytest.mark.usefixtures("_muon_in_full_precision")


def theirs(tensor):
    """The PyTorch twin of one of our tensors."""
    values = torch.tensor(tensor.tolist(), dtype=getattr(torch, tensor.dtype.name))
    return values.reshape(tuple(tensor.shape))


def ours(value):
    """Our twin of what PyTorch keeps in a state."""
    if isinstance(value, list):
        return [ours(item) for item in value]
    if not isinstance(value, torch.Tensor):
        return value
    dtype = getattr(tl, str(value.dtype).removeprefix("torch."))
    return tl.tensor(value.tolist(), dtype=dtype).reshape(tuple(value.shape))


def back(value):
    """What PyTorch keeps for one of our values."""
    if isinstance(value, list):
        return [back(item) for item in value]
    return theirs(value) if isinstance(value, tl.Tensor) else value


def same(mine, reference, tolerance):
    if isinstance(reference, list):
        return len(mine) == len(reference) and all(map(same, mine, reference, [tolerance] * len(mine)))
    if mine is None or reference is None:
        return mine is reference
    mine = theirs(mine.detach()) if isinstance(mine, tl.Tensor) else torch.tensor(mine)
    reference = torch.as_tensor(reference).detach()
    return tuple(mine.shape) == tuple(reference.shape) and torch.allclose(
        mine.to(reference.dtype), reference, rtol=tolerance, atol=tolerance
    )


# name -> the settings of each configuration
OPTIMIZERS = {
    "SGD": [
        {"lr": 0.1},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.2, "weight_decay": 0.1},
        {"lr": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.05},
        {"lr": 0.01, "momentum": 0.5, "maximize": True, "foreach": False},
    ],
    "Adam": [
        {"lr": 0.05},
        {"lr": 0.05, "betas": (0.7, 0.9), "eps": 1e-4, "weight_decay": 0.1},
        {"lr": 0.05, "betas": (0.5, 0.6), "amsgrad": True, "fused": False},
        {"lr": 0.05, "weight_decay": 0.1, "maximize": True, "decoupled_weight_decay": True},
    ],
    "AdamW": [
        {"lr": 0.05},
        {"lr": 0.05, "betas": (0.6, 0.7), "eps": 1e-3, "weight_decay": 0.3, "amsgrad": True, "maximize": True},
    ],
    "RMSprop": [
        {},
        *[
            {"lr": 0.01, "alpha": 0.9, "momentum": momentum, "centered": centered, "weight_decay": decay}
            for momentum, centered, decay in [(0.9, False, 0.1), (0.0, True, 0.0), (0.9, True, 0.1)]
        ],
        {"eps": 1e-3, "maximize": True},
    ],
    "NAdam": [
        {"lr": 0.05},
        {"lr": 0.05, "betas": (0.7, 0.9), "eps": 1e-4, "weight_decay": 0.1, "momentum_decay": 0.02},
        {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True},
    ],
    "RAdam": [
        {"lr": 0.05},
        {"lr": 0.05, "betas": (0.7, 0.9), "eps": 1e-4, "weight_decay": 0.1},
        {"lr": 0.05, "betas": (0.5, 0.6), "weight_decay": 0.1, "decoupled_weight_decay": True},
        {"lr": 0.05, "betas": (0.5, 0.99), "maximize": True},
    ],
    "Adamax": [
        {"lr": 0.05},
        {"lr": 0.05, "betas": (0.7, 0.5), "eps": 1e-3, "weight_decay": 0.1, "maximize": True},
    ],
    "Adagrad": [
        {"lr": 0.1},
        {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3},
        {"lr": 0.1, "maximize": True},
    ],
    "Adadelta": [
        {},
        {"lr": 0.5, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.1},
        {"lr": 0.1, "maximize": True, "rho": 1.0},
    ],
    "Rprop": [{"lr": 0.01}, {"lr": 0.02, "etas": (0.4, 1.5), "step_sizes": (0.01, 0.05)}, {"maximize": True}],
    "ASGD": [
        {"lr": 0.1},
        {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 3, "weight_decay": 0.1},
        {"lr": 0.01, "t0": 0, "maximize": True},
    ],
    "Adafactor": [
        {"lr": 0.1},
        {"lr": 0.1, "beta2_decay": -0.5, "eps": (1e-4, 0.1), "d": 2.0, "weight_decay": 0.1},
        {"maximize": True},
    ],
    "Muon": [
        {"lr": 0.1},
        {"lr": 0.1, "weight_decay": 0.0, "momentum": 0.5, "nesterov": False, "adjust_lr_fn": "match_rms_adamw"},
        {"ns_coefficients": (2.0, -1.5, 0.5), "ns_steps": 9, "eps": 1e-3, "adjust_lr_fn": "original"},
    ],
    "LBFGS": [
        {"lr": 0.1, "max_iter": 4},
        {"line_search_fn": "strong_wolfe", "max_iter": 5, "history_size": 3},
        {"line_search_fn": "strong_wolfe", "max_iter": 3, "max_eval": 4, "tolerance_change": 1e-12},
    ],
}
CASES = [(name, settings) for name, all_settings in OPTIMIZERS.items() for settings in all_settings]
IDS = [f"{name}{number}" for name, all_settings in OPTIMIZERS.items() for number in range(len(all_settings))]


def network(nn, dtype="float64"):
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2, bias=False))
    return net.to(getattr(tl if nn.__name__.startswith("tapeloom") else torch, dtype))


def grouped(name, net):
    """The parameters of a network as an optimizer can take them, in two groups if it can."""
    params = [param for param in net.parameters() if name != "Muon" or param.ndim == 2]
    return params if name == "LBFGS" else [{"params": params[:1]}, {"params": params[1:], "lr": 0.02}]


def train(net, optimizer, x, steps, target=0.3):
    """Trains and gives the loss of every step; one parameter misses some gradients."""
    found = []
    for step in range(steps):

        def closure(step=step):
            optimizer.zero_grad()
            loss = ((net(x) - target) ** 2).sum() + net[2].weight.sum()
            loss.backward()
            if step % 3 == 1:
                net[0].bias.grad = None
            return loss

        found.append(optimizer.step(closure).item())
    return found


def pair(name, settings, dtype="float64"):
    mine, reference = network(nn, dtype), network(torch.nn, dtype)
    reference.load_state_dict({key: theirs(value) for key, value in mine.state_dict().items()})
    optimizer = getattr(optim, name)(grouped(name, mine), **settings)
    twin = getattr(torch.optim, name)(grouped(name, reference), **settings)
    return mine, reference, optimizer, twin, tl.randn(5, 3, dtype=getattr(tl, dtype))


def agree(mine, reference, optimizer, twin, tolerance):
    for key, value in mine.state_dict().items():
        assert same(value, reference.state_dict()[key], tolerance)
    state, expected = optimizer.state_dict(), twin.state_dict()
    assert state["state"].keys() == expected["state"].keys()
    for number, values in expected["state"].items():
        assert state["state"][number].keys() == values.keys()
        for key, value in values.items():
            assert same(state["state"][number][key], value, tolerance * 10), key
    for group, known in zip(state["param_groups"], expected["param_groups"], strict=True):
        assert all(known[key] == value for key, value in group.items())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "settings"), CASES, ids=IDS)
def test_trajectories(name, settings, dtype):
    mine, reference, optimizer, twin, x = pair(name, settings, dtype)
    tolerance = DTYPES[dtype] * (50 if name in ("LBFGS", "Muon") else 1)
    steps = 5 if name == "LBFGS" else 10  # each is several
    path = train(mine, optimizer, x, steps)
    assert path == pytest.approx(train(reference, twin, theirs(x), steps), rel=tolerance, abs=tolerance)
    agree(mine, reference, optimizer, twin, tolerance * 10)


@pytest.mark.parametrize(("name", "settings"), CASES, ids=IDS)
def test_training_that_pytorch_began_goes_on_here(name, settings):
    mine, reference, optimizer, twin, x = pair(name, settings)
    train(reference, twin, theirs(x), 5)
    mine.load_state_dict({key: ours(value) for key, value in reference.state_dict().items()})
    state = twin.state_dict()
    state["state"] = {
        number: {key: ours(value) for key, value in values.items()} for number, values in state["state"].items()
    }
    optimizer.load_state_dict(state)
    assert train(mine, optimizer, x, 5) == pytest.approx(train(reference, twin, theirs(x), 5), rel=1e-8, abs=1e-8)


@pytest.mark.parametrize(("name", "settings"), CASES, ids=IDS)
def test_training_that_began_here_goes_on_in_pytorch(name, settings):
    mine, reference, optimizer, twin, x = pair(name, settings)
    train(mine, optimizer, x, 5)
    reference.load_state_dict({key: theirs(value) for key, value in mine.state_dict().items()})
    state = copy.deepcopy(optimizer.state_dict())
    for values in state["state"].values():
        values.update({key: torch.tensor(v) if key == "step" else back(v) for key, v in values.items()})
    defaults = twin.state_dict()["param_groups"]
    state["param_groups"] = [known | group for known, group in zip(defaults, state["param_groups"], strict=True)]
    twin.load_state_dict(state)
    assert train(mine, optimizer, x, 5) == pytest.approx(train(reference, twin, theirs(x), 5), rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rates_that_are_tensors(name):
    mine, reference, _, _, x = pair(name, {})
    params = [param for param in mine.parameters() if name != "Muon" or param.ndim == 2]
    twins = [param for param in reference.parameters() if name != "Muon" or param.ndim == 2]
    optimizer = getattr(optim, name)(params, lr=tl.tensor(0.05, dtype=tl.float64))
    twin = getattr(torch.optim, name)(twins, lr=0.05)
    assert train(mine, optimizer, x, 8) == pytest.approx(train(reference, twin, theirs(x), 8), rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name not in ("Muon", "Adafactor")])
def test_complex_parameters(name):
    settings = OPTIMIZERS[name][1]
    start = tl.tensor([[1 + 2j, -0.5 + 0.25j], [0.5j, -1.0]], dtype=tl.complex128)
    mine, reference = nn.Parameter(start), torch.nn.Parameter(theirs(start))
    optimizer, twin = getattr(optim, name)([mine], **settings), getattr(torch.optim, name)([reference], **settings)

    def run(library, param, optimizer, number):
        def closure():
            optimizer.zero_grad()
            distance = param - library.tensor([[0.3j, 1.0], [1.0, 2.0 - 1j]], dtype=library.complex128) * number
            loss = (distance * distance.conj()).real.sum()
            loss.backward()
            return loss

        return optimizer.step(closure).item()

    for number in range(8):
        assert run(tl, mine, optimizer, number) == pytest.approx(run(torch, reference, twin, number), rel=1e-9)
    assert same(mine, reference, 1e-9)
    assert optimizer.state_dict()["state"].keys() == twin.state_dict()["state"].keys()
    for key, value in twin.state[reference].items():
        assert same(optimizer.state[mine][key], value, 1e-9), key


def test_muon_is_near_that_in_bfloat16(monkeypatch):
    monkeypatch.undo()
    mine, reference, optimizer, twin, x = pair("Muon", {"lr": 0.1}, "float32")
    assert train(mine, optimizer, x, 3) == pytest.approx(train(reference, twin, theirs(x), 3), rel=0.05)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_arguments_are_those_of_pytorch(name):
    mine = inspect.signature(getattr(optim, name)).parameters
    reference = inspect.signature(getattr(torch.optim, name)).parameters
    assert list(mine) == list(reference)
    for key, parameter in reference.items():
        assert mine[key].kind == parameter.kind
        assert mine[key].default == parameter.default


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name not in ("LBFGS", "Muon")])
def test_half_types_are_near(name, dtype):
    """They are computed in float32 here, and rounded once."""
    mine, reference, optimizer, twin, _ = pair(name, OPTIMIZERS[name][0], dtype)
    for step in range(4):
        for param, other in zip(mine.parameters(), reference.parameters(), strict=True):
            param.grad = tl.full(param.shape, math.sin(step) + 0.5, dtype=param.dtype)
            other.grad = theirs(param.grad)
        optimizer.step()
        twin.step()
    for param, other in zip(mine.parameters(), reference.parameters(), strict=True):
        assert same(param.float(), other.float(), 0.05)
