"""Optimizers: trajectories against the documented formulas in plain floats, groups, state, and errors."""

import copy
import math

import pytest

import tapeloom as tl
from tapeloom import nn, optim
from tapeloom.errors import ArgumentError, ArgumentTypeError, DeviceError, DTypeError, StateError

START = [0.5, -1.5, 2.0]
STEPS = 7


def gradient(values, step):
    """The gradient of a bowl whose bottom moves, so that momentum and maxima have something to do."""
    return [value - math.sin(step + index) for index, value in enumerate(values)]


def sgd(lr, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False):
    """PyTorch's documented SGD on plain floats."""
    values, velocity, path = list(START), None, []
    for step in range(STEPS):
        slopes = [(-g if maximize else g) for g in gradient(values, step)]
        slopes = [g + weight_decay * value for g, value in zip(slopes, values, strict=True)]
        if momentum:
            if velocity is None:
                velocity = list(slopes)
            else:
                velocity = [momentum * v + (1 - dampening) * g for v, g in zip(velocity, slopes, strict=True)]
            slopes = [g + momentum * v for g, v in zip(slopes, velocity, strict=True)] if nesterov else velocity
        values = [value - lr * g for value, g in zip(values, slopes, strict=True)]
        path.append(values)
    return path


def adam(lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False, maximize=False, decoupled=False):
    """PyTorch's documented Adam and AdamW on plain floats."""
    values, path = list(START), []
    first, second, largest = [0.0] * 3, [0.0] * 3, [0.0] * 3
    for step in range(1, STEPS + 1):
        slopes = [(-g if maximize else g) for g in gradient(values, step - 1)]
        if decoupled:
            values = [value - lr * weight_decay * value for value in values]
        else:
            slopes = [g + weight_decay * value for g, value in zip(slopes, values, strict=True)]
        first = [betas[0] * m + (1 - betas[0]) * g for m, g in zip(first, slopes, strict=True)]
        second = [betas[1] * v + (1 - betas[1]) * g * g for v, g in zip(second, slopes, strict=True)]
        largest = [max(a, b) for a, b in zip(largest, second, strict=True)]
        roots = [math.sqrt(v / (1 - betas[1] ** step)) + eps for v in (largest if amsgrad else second)]
        values = [
            value - lr * m / (1 - betas[0] ** step) / root for value, m, root in zip(values, first, roots, strict=True)
        ]
        path.append(values)
    return path


def rmsprop(lr, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False, maximize=False):
    """PyTorch's documented RMSprop on plain floats."""
    values, path = list(START), []
    squares, means, velocity = [0.0] * 3, [0.0] * 3, [0.0] * 3
    for step in range(STEPS):
        slopes = [(-g if maximize else g) for g in gradient(values, step)]
        slopes = [g + weight_decay * value for g, value in zip(slopes, values, strict=True)]
        squares = [alpha * v + (1 - alpha) * g * g for v, g in zip(squares, slopes, strict=True)]
        if centered:
            means = [alpha * m + (1 - alpha) * g for m, g in zip(means, slopes, strict=True)]
        roots = [math.sqrt(v - m * m) + eps for v, m in zip(squares, means, strict=True)]
        velocity = [momentum * b + g / root for b, g, root in zip(velocity, slopes, roots, strict=True)]
        values = [value - lr * b for value, b in zip(values, velocity, strict=True)]
        path.append(values)
    return path


def flat(rows):
    return [value for row in rows for value in row]


def trajectory(make, dtype=tl.float64):
    parameter = nn.Parameter(tl.tensor(START, dtype=dtype))
    optimizer, path = make([parameter]), []
    for step in range(STEPS):
        parameter.grad = tl.tensor(gradient(parameter.tolist(), step), dtype=dtype)
        optimizer.step()
        path.append(parameter.tolist())
    return path


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"weight_decay": 0.1},
        {"momentum": 0.9},
        {"momentum": 0.9, "dampening": 0.5},
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "maximize": True},
    ],
    ids=str,
)
def test_sgd_follows_its_formula(settings):
    got = trajectory(lambda params: optim.SGD(params, lr=0.1, **settings))
    assert flat(got) == pytest.approx(flat(sgd(0.1, **settings)), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"betas": (0.5, 0.6), "eps": 1e-3},
        {"weight_decay": 0.1},
        {"amsgrad": True, "betas": (0.3, 0.4)},
        {"maximize": True, "weight_decay": 0.1},
    ],
    ids=str,
)
@pytest.mark.parametrize("decoupled", [False, True], ids=["Adam", "AdamW"])
def test_adam_follows_its_formula(decoupled, settings):
    kind = optim.AdamW if decoupled else optim.Adam
    settings = {"weight_decay": 0.0, **settings}
    got = trajectory(lambda params: kind(params, lr=0.1, **settings))
    assert flat(got) == pytest.approx(flat(adam(0.1, decoupled=decoupled, **settings)), rel=1e-11, abs=1e-11)


@pytest.mark.parametrize(
    "settings", [{}, {"weight_decay": 0.1, "maximize": True}, {"alpha": 0.5, "eps": 1e-3}], ids=str
)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("centered", [False, True])
def test_rmsprop_follows_its_formula(centered, momentum, settings):
    settings = {**settings, "centered": centered, "momentum": momentum}
    got = trajectory(lambda params: optim.RMSprop(params, lr=0.01, **settings))
    assert flat(got) == pytest.approx(flat(rmsprop(0.01, **settings)), rel=1e-10, abs=1e-10)


def test_float32_trajectories_are_near():
    got = trajectory(lambda params: optim.AdamW(params, lr=0.1), tl.float32)
    assert flat(got) == pytest.approx(flat(adam(0.1, weight_decay=0.01, decoupled=True)), rel=1e-4)


def test_defaults():
    weight = tl.zeros(1)
    assert optim.SGD([weight]).param_groups[0]["lr"] == 1e-3
    assert optim.Adam([weight]).defaults == {
        "lr": 1e-3,
        "betas": (0.9, 0.999),
        "eps": 1e-8,
        "weight_decay": 0.0,
        "amsgrad": False,
        "maximize": False,
        "decoupled_weight_decay": False,
    }
    assert optim.AdamW([weight]).defaults["weight_decay"] == 0.01
    assert optim.RMSprop([weight]).defaults == {
        "lr": 1e-2,
        "alpha": 0.99,
        "eps": 1e-8,
        "weight_decay": 0.0,
        "momentum": 0.0,
        "centered": False,
        "maximize": False,
    }


def test_a_network_learns():
    tl.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
    x = tl.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = tl.tensor([[0.0], [1.0], [1.0], [0.0]])
    optimizer = optim.Adam(net.parameters(), lr=0.05)
    loss = first = nn.MSELoss()(net(x), y).item()
    for _ in range(150):
        optimizer.zero_grad()
        loss = nn.MSELoss()(net(x), y)
        loss.backward()
        optimizer.step()
    assert first > 0.2
    assert loss.item() < 0.01


def test_parameters_without_gradient_are_left_alone():
    a, b = nn.Parameter(tl.ones(1)), nn.Parameter(tl.ones(1))
    optimizer = optim.Adam([a, b], lr=0.1)
    a.grad = tl.ones(1)
    optimizer.step()
    assert b.tolist() == [1.0]
    assert b not in optimizer.state
    b.grad = tl.ones(1)
    optimizer.step()  # the two are now at different steps
    assert optimizer.state[a]["step"] == 2.0
    assert optimizer.state[b]["step"] == 1.0
    assert b.tolist() == pytest.approx([0.9])


def test_momentum_of_a_parameter_that_joins_late():
    a, b = nn.Parameter(tl.ones(1)), nn.Parameter(tl.ones(1))
    optimizer = optim.SGD([a, b], lr=0.1, momentum=0.9)
    a.grad = tl.ones(1)
    optimizer.step()
    b.grad = tl.ones(1)
    optimizer.step()
    assert a.tolist() == pytest.approx([1 - 0.1 - 0.19])
    assert b.tolist() == pytest.approx([0.9])


def test_parameters_of_several_dtypes_in_one_group():
    a, b = nn.Parameter(tl.ones(2)), nn.Parameter(tl.ones(2, dtype=tl.float64))
    optimizer = optim.AdamW([a, b], lr=0.1)
    (a.sum() + b.sum()).backward()
    optimizer.step()
    assert a.dtype is tl.float32
    assert b.dtype is tl.float64
    assert optimizer.state[b]["exp_avg"].dtype is tl.float64
    assert b.tolist() == pytest.approx([0.899] * 2)


def test_the_handles_stay_and_the_tape_does_not_grow():
    net = nn.Linear(2, 1)
    weight, optimizer = net.weight, optim.SGD(net.parameters(), lr=0.1)
    net(tl.ones(1, 2)).sum().backward()
    optimizer.step()
    assert net.weight is weight
    assert weight.is_leaf and weight.requires_grad
    assert all(not value.requires_grad for state in optimizer.state.values() for value in state.values())


def test_shared_handles_see_the_step():
    parameter = nn.Parameter(tl.tensor([1.0]))
    view = parameter.detach()
    parameter.grad = tl.tensor([1.0])
    optim.SGD([parameter], lr=0.25).step()
    assert view.tolist() == [0.75]


def test_what_backward_kept_is_not_changed_by_a_step():
    parameter = nn.Parameter(tl.tensor([3.0]))
    loss = (parameter * parameter).sum()
    parameter.grad = tl.tensor([1.0])
    optim.SGD([parameter], lr=1.0).step()
    parameter.grad = None
    loss.backward()
    assert parameter.grad.tolist() == [6.0]


def test_groups_have_settings_of_their_own():
    a, b = nn.Parameter(tl.ones(1)), nn.Parameter(tl.ones(1))
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 1.0}], lr=0.1)
    c = nn.Parameter(tl.ones(1))
    optimizer.add_param_group({"params": [c], "lr": 0.0})
    for parameter in (a, b, c):
        parameter.grad = tl.ones(1)
    optimizer.step()
    assert [parameter.item() for parameter in (a, b, c)] == pytest.approx([0.9, 0.0, 1.0])
    optimizer.param_groups[2]["lr"] = 0.5
    optimizer.step()
    assert c.item() == 0.5


def test_named_parameters():
    net = nn.Linear(1, 1)
    optimizer = optim.SGD(net.named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.param_groups[0]["params"][0] is net.weight
    with pytest.raises(ArgumentError) as error:
        optim.SGD([("a", net.weight), ("b", net.weight)], lr=0.1)
    assert str(error.value) == (
        "SGD: parameter 'b' is already there; each is updated once a step. Give each parameter once."
    )


def test_closure():
    parameter = nn.Parameter(tl.tensor([2.0]))
    optimizer = optim.SGD([parameter], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (parameter * parameter).sum()
        loss.backward()
        return loss

    with tl.no_grad():
        assert optimizer.step(closure).item() == 4.0
    assert parameter.tolist() == [0.0]
    assert optimizer.step() is None


def test_zero_grad():
    parameter = nn.Parameter(tl.ones(2))
    optimizer = optim.SGD([parameter], lr=0.1)
    parameter.grad = grad = tl.ones(2)
    view = grad[:1]
    optimizer.zero_grad(set_to_none=False)
    assert parameter.grad is grad
    assert grad.tolist() == [0.0, 0.0]
    assert view.tolist() == [0.0]
    (slope,) = tl.autograd.grad((parameter**3).sum(), [parameter], create_graph=True)
    parameter.grad = slope
    optimizer.zero_grad(set_to_none=False)
    assert parameter.grad is slope and not slope.requires_grad
    optimizer.zero_grad()
    assert parameter.grad is None


def train(optimizer, parameters, steps):
    for step in range(steps):
        for parameter in parameters:
            parameter.grad = parameter.detach() * (step + 1.0)
        optimizer.step()


@pytest.mark.parametrize(
    "make",
    [
        lambda params: optim.SGD(params, lr=0.01, momentum=0.9),
        lambda params: optim.Adam(params, lr=0.01, amsgrad=True),
        lambda params: optim.RMSprop(params, lr=0.01, momentum=0.5, centered=True),
    ],
    ids=["SGD", "Adam", "RMSprop"],
)
def test_a_saved_state_goes_on_as_if_nothing_had_happened(make):
    def parameters():
        return [nn.Parameter(tl.tensor([1.0, 2.0])), nn.Parameter(tl.tensor([[3.0]]))]

    whole = parameters()
    optimizer = make(whole)
    train(optimizer, whole, 3)
    state = copy.deepcopy(optimizer.state_dict())
    middle = [parameter.detach().clone() for parameter in whole]
    train(optimizer, whole, 2)

    again = [nn.Parameter(value) for value in middle]
    resumed = make(again)
    resumed.load_state_dict(state)
    train(resumed, again, 2)
    assert [p.tolist() for p in again] == [p.tolist() for p in whole]


@pytest.fixture
def elsewhere():
    """A second device in this process."""
    backend = tl.get_backend("cpu")
    tl.register_backend("elsewhere", type(backend)(backend.xp))
    yield "elsewhere"
    tl.unregister_backend("elsewhere")


@pytest.mark.parametrize(
    "make",
    [lambda p: optim.SGD(p, lr=0.1, momentum=0.9), optim.Adam, optim.RMSprop],
    ids=["SGD", "Adam", "RMSprop"],
)
@pytest.mark.parametrize(
    ("to", "error", "told"),
    [("elsewhere", DeviceError, "float32 on elsewhere"), (tl.float64, DTypeError, "float64 on")],
)
def test_a_moved_model_leaves_its_state_behind_and_the_error_says_how_to_bring_it(elsewhere, make, to, error, told):
    model = nn.Linear(2, 1)
    optimizer = make(model.parameters())
    model(tl.ones(3, 2)).sum().backward()
    optimizer.step()
    model.to(to)
    optimizer.zero_grad()
    data = tl.ones(3, 2).to(to)
    model(data).sum().backward()
    before = model.weight.tolist()
    with pytest.raises(
        error, match=rf"\.step: parameter 0 is {told}.*and its entry in .* is float32 on cpu: .* moved"
    ) as e:
        optimizer.step()
    assert model.weight.tolist() == before
    assert "optimizer.load_state_dict(optimizer.state_dict()) brings it there" in str(e.value)
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.step()
    assert model.weight.tolist() != before
    assert model.weight.device == data.device


def test_state_dict_has_the_layout_of_pytorch():
    a, b = nn.Parameter(tl.ones(2)), nn.Parameter(tl.ones(1))
    optimizer = optim.Adam([{"params": [a]}, {"params": [b], "lr": 0.5}])
    b.grad = tl.ones(1)
    optimizer.step()
    state = optimizer.state_dict()
    assert list(state) == ["state", "param_groups"]
    assert {number: sorted(values) for number, values in state["state"].items()} == {
        1: ["exp_avg", "exp_avg_sq", "step"]
    }
    assert [group["params"] for group in state["param_groups"]] == [[0], [1]]
    assert [group["lr"] for group in state["param_groups"]] == [1e-3, 0.5]
    assert state["state"][1]["step"] == 1.0


def test_a_state_of_pytorch_is_understood():
    """It has tensors for steps, and settings that mean nothing here."""
    parameter = nn.Parameter(tl.ones(1, dtype=tl.float64))
    optimizer = optim.Adam([parameter])
    group = {"lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "amsgrad": False, "maximize": False}
    moments = {"step": tl.tensor(4.0), "exp_avg": tl.tensor([0.5]), "exp_avg_sq": tl.tensor([0.25])}
    optimizer.load_state_dict(
        {"state": {0: moments}, "param_groups": [{**group, "foreach": None, "fused": None, "params": [0]}]}
    )
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert "foreach" not in optimizer.param_groups[0]
    assert optimizer.param_groups[0]["params"][0] is parameter
    assert optimizer.state[parameter]["step"] == 4.0
    assert optimizer.state[parameter]["exp_avg"].dtype is tl.float64


def test_a_state_that_does_not_fit_changes_nothing():
    parameter = nn.Parameter(tl.ones(2))
    optimizer = optim.SGD([parameter], lr=0.1, momentum=0.9)
    train(optimizer, [parameter], 1)
    before = copy.deepcopy(optimizer.state_dict())

    def refused(state, error=StateError):
        with pytest.raises(error) as caught:
            optimizer.load_state_dict(state)
        after = optimizer.state_dict()
        assert after["param_groups"] == before["param_groups"]
        assert after["state"][0]["momentum_buffer"].tolist() == before["state"][0]["momentum_buffer"].tolist()
        return str(caught.value)

    group = before["param_groups"][0]
    assert refused([]) == 'SGD.load_state_dict: needs a dict with "state" and "param_groups", as state_dict() gives.'
    assert refused({"state": {}, "param_groups": [{**group, "params": [0, 1]}]}) == (
        "SGD.load_state_dict: this optimizer has groups of [1] parameters, the state of [2]. "
        "Build it from the same model with the same groups."
    )
    assert refused({"state": {0: {"momentum_buffer": tl.ones(3)}}, "param_groups": [group]}) == (
        "SGD.load_state_dict: 'momentum_buffer' of parameter 0 has shape (3,), the parameter (2,). "
        "Build the optimizer from the same model."
    )
    assert refused({"state": {5: {}}, "param_groups": [group]}) == (
        "SGD.load_state_dict: the state of parameter 5 belongs to no group."
    )
    assert refused({"state": {}, "param_groups": [{**group, "lr": -1.0}]}, ArgumentError) == (
        "SGD: lr is -1.0; it must be at least 0 and finite."
    )


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda p: optim.SGD([p], lr=-1), "SGD: lr is -1; it must be at least 0 and finite."),
        (lambda p: optim.SGD([p], lr=math.nan), "SGD: lr is nan; it must be at least 0 and finite."),
        (lambda p: optim.SGD([p], momentum=-0.5), "SGD: momentum is -0.5; it must be at least 0 and finite."),
        (lambda p: optim.SGD([p], lr="fast"), "SGD: lr must be a number, got str."),
        (
            lambda p: optim.SGD([p], nesterov=True),
            "SGD: nesterov needs a momentum above 0 and a dampening of 0, got momentum=0.0, dampening=0.0.",
        ),
        (lambda p: optim.Adam([p], betas=(0.9, 1.0)), "Adam: betas[1] is 1.0; it must be at least 0 and below 1."),
        (lambda p: optim.Adam([p], betas=0.9), "Adam: betas must be two numbers, got 0.9."),
        (lambda p: optim.AdamW([p], eps=-1e-8), "AdamW: eps is -1e-08; it must be at least 0 and finite."),
        (lambda p: optim.AdamW([{"params": [p], "lr": -1}]), "AdamW: lr is -1; it must be at least 0 and finite."),
        (lambda p: optim.RMSprop([p], alpha=-1), "RMSprop: alpha is -1; it must be at least 0 and finite."),
        (
            lambda p: optim.SGD([p], lr=tl.ones(2)),
            "SGD: lr must be a number or a 0-d floating-point Tensor, got float32 of shape (2,).",
        ),
        (
            lambda p: optim.Adam([p], betas=(tl.tensor(1), 0.9)),
            "Adam: betas[0] must be a number or a 0-d floating-point Tensor, got int64 of shape ().",
        ),
        (
            lambda p: optim.SGD([{"params": [p], "rate": 1}]),
            "SGD: unknown setting 'rate' in a group; it has lr, momentum, dampening, weight_decay, nesterov, maximize.",
        ),
        (
            lambda p: optim.SGD([]),
            "SGD: there are no parameters. Has the model any, or was the generator used up? Layers in a plain list or dict "
            "are not found: put them into an nn.ModuleList or nn.ModuleDict.",
        ),
        (lambda p: optim.SGD([{"params": []}]), "SGD: a group has no parameters."),
        (
            lambda p: optim.SGD([p, p]),
            "SGD: parameter 1 is already there; each is updated once a step. Give each parameter once.",
        ),
        (
            lambda p: optim.SGD([p * 2]),
            "SGD: parameter 0 is the result of an operation; only leaves can be optimized. Use .detach().",
        ),
        (
            lambda p: optim.SGD([tl.tensor([1])]),
            "SGD: parameter 0 is int64; only floating-point and complex tensors can be optimized.",
        ),
    ],
)
def test_values_that_are_refused(make, message):
    with pytest.raises(ArgumentError) as error:
        make(nn.Parameter(tl.ones(1)))
    assert str(error.value) == message


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda p: optim.SGD(p), "SGD: params must be an iterable of Tensors or of groups, got Parameter."),
        (lambda p: optim.SGD([3]), "SGD: parameter 0 must be a Tensor, got int."),
        (
            lambda p: optim.SGD([p], momentun=0.9),
            "SGD: unexpected argument 'momentun'. Did you mean 'momentum'? Signature: SGD(params, lr=0.001, momentum=0.0, "
            "dampening=0.0, weight_decay=0.0, nesterov=False, *, maximize=False, foreach=None, differentiable=False, fused=None)",
        ),
        (
            lambda p: optim.AdamW([p], nesterov=True),
            "AdamW: unexpected argument 'nesterov'. Signature: AdamW(params, lr=0.001, betas=(0.9, 0.999), eps=1e-08, "
            "weight_decay=0.01, amsgrad=False, *, maximize=False, foreach=None, capturable=False, differentiable=False, "
            "fused=None)",
        ),
        (lambda p: optim.SGD([{"parameters": [p]}]), 'SGD: a group must be a dict with "params".'),
        (
            lambda p: optim.SGD([{"params": {p}}]),
            "SGD: the parameters of a group must have an order; pass a list, not a set.",
        ),
    ],
)
def test_types_that_are_refused(make, message):
    with pytest.raises(ArgumentTypeError) as error:
        make(nn.Parameter(tl.ones(1)))
    assert str(error.value) == message


def test_printed_form():
    assert repr(optim.SGD([tl.zeros(1)], lr=0.1)) == (
        "SGD (\n"
        "Parameter Group 0\n"
        "    dampening: 0.0\n"
        "    lr: 0.1\n"
        "    maximize: False\n"
        "    momentum: 0.0\n"
        "    nesterov: False\n"
        "    weight_decay: 0.0\n"
        ")"
    )


def test_a_model_and_its_optimizer_are_copied_together():
    net = nn.Linear(2, 1)
    optimizer = optim.Adam(net.parameters(), lr=0.1)
    train(optimizer, list(net.parameters()), 2)
    twin, twins = copy.deepcopy((net, optimizer))
    assert twins.param_groups[0]["params"][0] is twin.weight
    train(twins, list(twin.parameters()), 1)
    assert twins.state[twin.weight]["step"] == 3.0
    assert optimizer.state[net.weight]["step"] == 2.0
    train(optimizer, list(net.parameters()), 1)
    assert twin.weight.tolist() == net.weight.tolist()


@pytest.mark.parametrize("make", [lambda p: optim.SGD(p, lr=1.0), lambda p: optim.SGD(p, lr=1.0, momentum=0.5)])
def test_parameters_that_share_values_are_stepped_one_after_the_other(make):
    whole = tl.zeros(5)
    a, b = nn.Parameter(tl.zeros(3)), nn.Parameter(tl.zeros(3))
    a.data, b.data = whole[:3], whole[2:]
    a.grad, b.grad = tl.ones(3), tl.ones(3) * 2
    make([a, b]).step()
    assert whole.tolist() == [-1.0, -1.0, -3.0, -2.0, -2.0]


def test_an_infinite_half_parameter_stays_infinite():
    parameter = nn.Parameter(tl.tensor([math.inf, 1.0], dtype=tl.float16))
    parameter.grad = tl.ones(2, dtype=tl.float16)
    optim.Adam([parameter], lr=0.1).step()
    assert parameter.tolist() == [math.inf, pytest.approx(0.9, abs=1e-3)]
