"""What all optimizers share, each on every device: resuming, complex parameters, hooks, refusals; Lion and LAMB."""

import copy
import math
import pickle

import pytest

import tapeloom as tl
from tapeloom import nn, optim
from tapeloom.errors import ArgumentError, ArgumentTypeError

# name -> settings under which every part of the formula and of the state takes part
SETTINGS = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1},
    "Adam": {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1},
    "AdamW": {"lr": 0.1},
    "RMSprop": {"lr": 0.1, "momentum": 0.5, "centered": True},
    "NAdam": {"lr": 0.1, "weight_decay": 0.1},
    "RAdam": {"lr": 0.1, "betas": (0.5, 0.9), "weight_decay": 0.1},
    "Adamax": {"lr": 0.1, "weight_decay": 0.1},
    "Adagrad": {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.1},
    "Adadelta": {"weight_decay": 0.1},
    "Rprop": {"lr": 0.1},
    "ASGD": {"lr": 0.1, "t0": 2, "lambd": 0.1},
    "Adafactor": {"lr": 0.1, "weight_decay": 0.1},
    "Muon": {"lr": 0.1},
    "Lion": {"lr": 0.1, "weight_decay": 0.1},
    "LAMB": {"lr": 0.1, "weight_decay": 0.1},
    "LBFGS": {"max_iter": 3, "line_search_fn": "strong_wolfe", "history_size": 4},
}


def test_the_table_names_every_optimizer():
    public = {name for name, value in vars(optim).items() if isinstance(value, type) and name != "Optimizer"}
    assert public == {*SETTINGS, "KFAC"}  # which takes a model


def parameters(name, device, dtype=tl.float32):
    sizes = [(2, 3), (3, 2)] if name == "Muon" else [(2, 3), (4,), ()]
    tl.manual_seed(0)
    return [nn.Parameter(tl.randn(*size, dtype=dtype).to(device)) for size in sizes]


def train(optimizer, params, first, last):
    for step in range(first, last):

        def closure(step=step):
            optimizer.zero_grad()
            loss = sum(((param - math.sin(step + number)) ** 2).sum() for number, param in enumerate(params))
            loss.backward()
            return loss

        optimizer.step(closure)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_saved_state_goes_on_bit_for_bit(name, device):
    kind = getattr(optim, name)
    whole = parameters(name, device)
    optimizer = kind(whole, **SETTINGS[name])
    train(optimizer, whole, 0, 3)
    middle, state = [param.detach().clone() for param in whole], copy.deepcopy(optimizer.state_dict())
    train(optimizer, whole, 3, 6)

    again = [nn.Parameter(value) for value in middle]
    resumed = kind(again, **SETTINGS[name])
    resumed.load_state_dict(state)
    train(resumed, again, 3, 6)
    assert [param.tolist() for param in again] == [param.tolist() for param in whole]
    assert all(param.device == middle[0].device for param in whole)


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "LBFGS"])
def test_devices_agree(name, device):
    def course(where):
        params = parameters(name, where, tl.float64)
        train(getattr(optim, name)(params, **SETTINGS[name]), params, 0, 4)
        return [value for param in params for value in param.reshape(-1).tolist()]

    assert course(device) == pytest.approx(course("cpu"), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", [name for name in SETTINGS if name not in ("Adafactor", "Muon", "LAMB", "LBFGS")])
def test_complex_parameters_are_pairs_of_real_ones(name):
    start = tl.tensor([1 + 2j, -0.5 + 0.25j], dtype=tl.complex128)
    whole, pairs = nn.Parameter(start), nn.Parameter(tl.view_as_real(start).clone())
    first, second = getattr(optim, name)([whole], **SETTINGS[name]), getattr(optim, name)([pairs], **SETTINGS[name])
    for step in range(4):
        whole.grad = tl.tensor([0.5j + step, 1.0 - 0.5j], dtype=tl.complex128)
        pairs.grad = tl.view_as_real(whole.grad).clone()
        first.step()
        second.step()
    assert tl.view_as_real(whole.detach()).tolist() == pairs.tolist()
    for key, value in first.state[whole].items():
        if key != "step" and value.ndim:
            assert value.is_complex()


@pytest.fixture(scope="module")
def compiled():
    """What XLA compiles from now on: each program adds an entry."""
    monitoring = pytest.importorskip("jax.monitoring", reason="counts what XLA compiles")
    pytest.importorskip("tapeloom_backend_jax", reason="counts what XLA compiles")
    found = []
    monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: found.append(event) if event.endswith("/backend_compile_duration") else None
    )
    return found


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "LBFGS"])
def test_nothing_is_compiled_anew_for_new_numbers(name, compiled):
    """The number of the step, and a rate that a scheduler changes, are handed over to one program."""
    params = [nn.Parameter(tl.ones(*size, device="xla")) for size in ((3, 7), (7, 3))]  # sizes of this test alone
    optimizer = getattr(optim, name)(params, **SETTINGS[name])

    def programs(*numbers):
        compiled.clear()
        for number in numbers:
            optimizer.param_groups[0]["lr"] = 0.1 / number
            for param in params:
                param.grad = param.detach()
            optimizer.step()
        return len(compiled)

    assert programs(1, 2)
    assert programs(3, 4, 7) == 0


# the papers


START = [[0.5, -1.5], [2.0, 0.25]]


def slopes(values, step):
    return [[value - math.sin(step + i + 2 * j) for j, value in enumerate(row)] for i, row in enumerate(values)]


def path(make):
    parameter = nn.Parameter(tl.tensor(START, dtype=tl.float64))
    optimizer, found = make([parameter]), []
    for step in range(1, 8):
        parameter.grad = tl.tensor(slopes(parameter.tolist(), step), dtype=tl.float64)
        optimizer.step()
        found.append(parameter.tolist())
    return flat(flat(found))


def flat(rows):
    return [value for row in rows for value in row]


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("betas", [(0.9, 0.99), (0.5, 0.3)])
def test_lion_is_algorithm_2_of_its_paper(betas, decay):
    values, means, expected = flat(START), [0.0] * 4, []
    for step in range(1, 8):
        grads = flat(slopes([values[:2], values[2:]], step))
        c = [betas[0] * m + (1 - betas[0]) * g for m, g in zip(means, grads, strict=True)]
        signs = [(number > 0) - (number < 0) for number in c]
        values = [value - 0.1 * (sign + decay * value) for value, sign in zip(values, signs, strict=True)]
        means = [betas[1] * m + (1 - betas[1]) * g for m, g in zip(means, grads, strict=True)]
        expected += values
    got = path(lambda params: optim.Lion(params, lr=0.1, betas=betas, weight_decay=decay))
    assert got == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_lamb_is_algorithm_2_of_its_paper(decay):
    values, first, second, expected = flat(START), [0.0] * 4, [0.0] * 4, []
    for step in range(1, 8):
        grads = flat(slopes([values[:2], values[2:]], step))
        first = [0.9 * m + 0.1 * g for m, g in zip(first, grads, strict=True)]
        second = [0.999 * v + 0.001 * g * g for v, g in zip(second, grads, strict=True)]
        r = [
            m / (1 - 0.9**step) / (math.sqrt(v / (1 - 0.999**step)) + 1e-6) for m, v in zip(first, second, strict=True)
        ]
        u = [ratio + decay * value for ratio, value in zip(r, values, strict=True)]
        trust = math.hypot(*values) / math.hypot(*u)
        values = [value - 0.1 * trust * part for value, part in zip(values, u, strict=True)]
        expected += values
    got = path(lambda params: optim.LAMB(params, lr=0.1, weight_decay=decay))
    assert got == pytest.approx(expected, rel=1e-12)


def test_lamb_moves_a_parameter_of_zeros():
    parameter = nn.Parameter(tl.zeros(2))
    optimizer = optim.LAMB([parameter], lr=0.5)
    parameter.grad = tl.zeros(2)
    optimizer.step()
    assert parameter.tolist() == [0.0, 0.0]
    parameter.grad = tl.tensor([1.0, -1.0])
    optimizer.step()
    assert parameter[0].item() == -parameter[1].item() < 0


def test_muon_steps_along_an_orthogonal_matrix():
    parameter = nn.Parameter(tl.zeros(3, 5, dtype=tl.float64))
    tl.manual_seed(0)
    parameter.grad = tl.randn(3, 5, dtype=tl.float64)
    optim.Muon([parameter], lr=1.0, ns_coefficients=(1.5, -0.5, 0.0), ns_steps=40).step()
    assert tl.allclose(parameter @ parameter.T, tl.eye(3, dtype=tl.float64), atol=1e-12)


def test_lbfgs_finds_the_minimum_of_a_quadratic():
    tl.manual_seed(0)
    root = tl.randn(6, 6, dtype=tl.float64)
    matrix, aim = root @ root.T + tl.eye(6, dtype=tl.float64), tl.randn(6, dtype=tl.float64)
    parts = [nn.Parameter(tl.zeros(2, 2, dtype=tl.float64)), nn.Parameter(tl.zeros(2, dtype=tl.float64))]
    optimizer = optim.LBFGS(
        parts, line_search_fn="strong_wolfe", max_iter=60, tolerance_change=0.0, tolerance_grad=1e-10
    )

    def closure():
        optimizer.zero_grad()
        off = tl.cat([part.reshape(-1) for part in parts]) - aim
        loss = (off * (matrix @ off)).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert tl.allclose(tl.cat([part.detach().reshape(-1) for part in parts]), aim, atol=1e-9)
    state = optimizer.state_dict()["state"]
    assert list(state) == [0]
    assert state[0]["func_evals"] >= state[0]["n_iter"] > 3


# hooks


def test_step_hooks_see_and_change_the_call():
    parameter = nn.Parameter(tl.ones(1))
    optimizer, seen = optim.SGD([parameter], lr=0.5), []
    before = optimizer.register_step_pre_hook(lambda opt, args, kwargs: seen.append(("before", opt, args, kwargs)))
    optimizer.register_step_pre_hook(lambda opt, args, kwargs: (args, {"closure": lambda: 7.0}))
    optimizer.register_step_post_hook(lambda opt, args, kwargs: seen.append(("after", parameter.item())))
    parameter.grad = tl.ones(1)
    assert optimizer.step() == 7.0
    assert seen == [("before", optimizer, (optimizer,), {}), ("after", 0.5)]
    before.remove()
    optimizer.step()
    assert [word for word, *_ in seen] == ["before", "after", "after"]
    optimizer.register_step_pre_hook(lambda opt, args, kwargs: 3)
    with pytest.raises(ArgumentTypeError) as error:
        optimizer.step()
    assert str(error.value) == "SGD.step: a step pre-hook must return None or (args, kwargs), got int."
    with pytest.raises(ArgumentTypeError) as error:
        optimizer.register_step_post_hook(None)
    assert str(error.value) == "SGD.register_step_post_hook: the hook must be callable, got NoneType."


def test_hooks_of_a_step_of_ones_own():
    class Twice(optim.SGD):
        def step(self, closure=None):
            super().step(closure)
            super().step(closure)
            return "stepped"

    optimizer, seen = Twice([nn.Parameter(tl.ones(1))]), []
    optimizer.register_step_post_hook(lambda opt, args, kwargs: seen.append(args))
    assert optimizer.step() == "stepped"
    assert seen == [(optimizer,)]


def test_state_hooks():
    optimizer, seen = optim.SGD([nn.Parameter(tl.ones(1))], lr=0.5), []
    optimizer.register_state_dict_pre_hook(lambda opt: seen.append("pre"))
    optimizer.register_state_dict_post_hook(lambda opt, state: seen.append("second"))
    optimizer.register_state_dict_post_hook(lambda opt, state: {**state, "note": 1}, prepend=True)
    state = optimizer.state_dict()
    assert state["note"] == 1
    assert seen == ["pre", "second"]

    def halve(opt, state):
        groups = [{**group, "lr": group["lr"] / 2} for group in state["param_groups"]]
        return {**state, "param_groups": groups}

    optimizer.register_load_state_dict_pre_hook(halve)
    optimizer.register_load_state_dict_post_hook(lambda opt: seen.append(opt.param_groups[0]["lr"]))
    optimizer.load_state_dict(state)
    assert seen[-1] == 0.25
    assert state["param_groups"][0]["lr"] == 0.5
    twin = copy.deepcopy(optimizer)
    twin.load_state_dict(state)
    assert twin.param_groups[0]["lr"] == 0.5  # copies have no hooks
    assert pickle.loads(pickle.dumps(optimizer)).param_groups[0]["lr"] == 0.25


# arguments


@pytest.mark.parametrize("name", [name for name in SETTINGS if name not in ("Lion", "LAMB", "LBFGS", "Muon")])
def test_how_pytorch_computes_is_taken_and_means_nothing(name):
    kind = getattr(optim, name)
    known = [word for word in ("foreach", "fused", "capturable") if word in kind.__init__.__annotations__]
    optimizer = kind([{"params": [nn.Parameter(tl.ones(2, 2))], "foreach": True}], **dict.fromkeys(known, True))
    assert not optimizer.param_groups[0].keys() & {*known}
    if name != "Adafactor":
        with pytest.raises(ArgumentError) as error:
            kind([nn.Parameter(tl.ones(1))], differentiable=True)
        assert str(error.value) == (
            f"{name}: differentiable=True is not there: a step is not recorded. Call the formula itself on Tensors, "
            f"{name}.update(tapeloom.ops, param, grad, ...), which is."
        )


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda p: optim.NAdam([p], momentum_decay=-1),
            "NAdam: momentum_decay is -1; it must be at least 0 and finite.",
        ),
        (lambda p: optim.RAdam([p], betas=(1.0, 0.9)), "RAdam: betas[0] is 1.0; it must be at least 0 and below 1."),
        (lambda p: optim.Adamax([p], lr=-0.1), "Adamax: lr is -0.1; it must be at least 0 and finite."),
        (lambda p: optim.Adagrad([p], lr_decay=-1), "Adagrad: lr_decay is -1; it must be at least 0 and finite."),
        (lambda p: optim.Adadelta([p], rho=1.5), "Adadelta: rho is 1.5; it must be at least 0 and at most 1."),
        (
            lambda p: optim.Rprop([p], etas=(0.5, 0.9)),
            "Rprop: etas are 0.5 and 0.9; the first must be between 0 and 1, the second above 1.",
        ),
        (lambda p: optim.Rprop([p], step_sizes=3), "Rprop: step_sizes must be two numbers, got 3."),
        (lambda p: optim.ASGD([p], weight_decay=-1), "ASGD: weight_decay is -1; it must be at least 0 and finite."),
        (lambda p: optim.ASGD([p], t0=math.inf), "ASGD: t0 is inf; it must be finite."),
        (
            lambda p: optim.Adafactor([p], beta2_decay=0.5),
            "Adafactor: beta2_decay is 0.5; it must be at most 0.",
        ),
        (lambda p: optim.Adafactor([p], d=0.5), "Adafactor: d is 0.5; it must be at least 1 and finite."),
        (
            lambda p: optim.Adafactor([p], eps=1e-3),
            "Adafactor: eps must be two numbers, of which the first may be None, got 0.001.",
        ),
        (
            lambda p: optim.Adafactor([nn.Parameter(tl.ones(1, dtype=tl.complex64))]),
            "Adafactor: parameter 0 is complex64; Adafactor optimizes real tensors only.",
        ),
        (
            lambda p: optim.Muon([p]),
            "Muon: parameter 0 has shape (1,), and only matrices can be optimized. Give the others to AdamW.",
        ),
        (
            lambda p: optim.Muon([tl.ones(2, 2)], ns_steps=100),
            "Muon: ns_steps must be an int from 0 to 99, got 100.",
        ),
        (
            lambda p: optim.Muon([tl.ones(2, 2)], adjust_lr_fn="none"),
            'Muon: adjust_lr_fn must be "original", "match_rms_adamw" or None, got \'none\'.',
        ),
        (
            lambda p: optim.Muon([tl.ones(2, 2)], ns_coefficients=(1.0, 2.0)),
            "Muon: ns_coefficients must be three numbers, got (1.0, 2.0).",
        ),
        (lambda p: optim.Lion([p], betas=(0.9, -0.1)), "Lion: betas[1] is -0.1; it must be at least 0 and below 1."),
        (lambda p: optim.LAMB([p], eps=-1), "LAMB: eps is -1; it must be at least 0 and finite."),
        (
            lambda p: optim.LBFGS([p], line_search_fn="armijo"),
            "LBFGS: line_search_fn must be \"strong_wolfe\" or None, got 'armijo'.",
        ),
        (lambda p: optim.LBFGS([p], history_size=0), "LBFGS: history_size is 0; it must be at least 1 and finite."),
        (
            lambda p: optim.LBFGS([{"params": [p]}, {"params": [nn.Parameter(tl.ones(1))]}]),
            "LBFGS: there can be one group of parameters only, as all of them make one vector.",
        ),
    ],
)
def test_values_that_are_refused(make, message):
    with pytest.raises(ArgumentError) as error:
        make(nn.Parameter(tl.ones(1)))
    assert str(error.value) == message


def test_lbfgs_needs_a_closure():
    with pytest.raises(ArgumentTypeError) as error:
        optim.LBFGS([nn.Parameter(tl.ones(1))]).step()
    assert str(error.value) == (
        "LBFGS: step needs a closure that clears the gradients, computes the loss and calls backward."
    )
