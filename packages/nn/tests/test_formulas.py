"""Optimizers as formulas: one of a user's own, rates that are tensors, states of their own shape, and what is one call."""

import copy
import inspect

import numpy as np
import pytest

import tapeloom as tl
from tapeloom import nn, optim
from tapeloom.errors import ArgumentError, ArgumentTypeError, DeviceError, DTypeError, ShapeError, StateError
from tapeloom_backend_numpy.backend import NumpyBackend


class Lion(optim.Optimizer):
    """Steps of one size, in the direction of the sign of a mean of gradients.

        p <- p * (1 - lr * weight_decay) - lr * sign(beta1 * m + (1 - beta1) * g)
        m <- beta2 * m + (1 - beta2) * g

    Source: X. Chen et al., "Symbolic discovery of optimization algorithms", 2023, algorithm 2.
    """

    slots = ("exp_avg",)

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    def check(self, group):
        for name in ("lr", "weight_decay"):
            self.check_number(name, group[name])

    @staticmethod
    def update(ops, p, g, m, *, lr, betas, weight_decay):
        beta1, beta2 = betas
        direction = ops.sign(m * beta1 + g * (1 - beta1))
        return p * (1 - lr * weight_decay) - direction * lr, m * beta2 + g * (1 - beta2)


class RowScaled(optim.Optimizer):
    """Divides by the root of the mean square of each row: a state of one number a row, none for vectors."""

    slots = ("step", "row_avg_sq")

    def __init__(self, params, lr=0.1, alpha=0.9):
        super().__init__(params, {"lr": lr, "alpha": alpha})

    def initial_state(self, name, param, group):
        return None if param.ndim < 2 else param.new_zeros(param.shape[0], 1)

    @staticmethod
    def update(ops, p, g, squares, *, step, lr, alpha):
        if squares is None:
            return p - g * lr, None
        squares = squares * alpha + ops.mean(g * g, (1,), True) * (1 - alpha)
        return p - g / ops.sqrt(squares / (1 - alpha**step)) * lr, squares


def steps_of(make, params, count=3):
    """The parameters after steps with fixed gradients, and the optimizer."""
    optimizer = make(params)
    for step in range(count):
        for number, param in enumerate(params):
            slopes = np.cos(np.arange(param.numel()) + number + step).reshape(param.shape)
            param.grad = tl.tensor(slopes, dtype=param.dtype, device=param.device)
        optimizer.step()
    return [param.numpy(force=True) for param in params], optimizer


def parameters(dtype=tl.float64, device="cpu"):
    return [
        nn.Parameter(tl.linspace(-1, 1, 6, dtype=tl.float64).view(2, 3).to(dtype).to(device)),
        nn.Parameter(tl.tensor([0.5, -0.25], dtype=dtype, device=device)),
    ]


# one of a user's own


def test_a_formula_of_ones_own():
    (got, _), optimizer = steps_of(lambda params: Lion(params, lr=0.1, weight_decay=0.5), parameters())
    value, mean = np.linspace(-1, 1, 6).reshape(2, 3), np.zeros((2, 3))
    for step in range(3):
        slopes = np.cos(np.arange(6) + step).reshape(2, 3)
        value = value * 0.95 - 0.1 * np.sign(0.9 * mean + 0.1 * slopes)
        mean = 0.99 * mean + 0.01 * slopes
    np.testing.assert_allclose(got, value, rtol=1e-14)
    state = optimizer.state_dict()
    assert list(state["state"]) == [0, 1]
    np.testing.assert_allclose(state["state"][0]["exp_avg"].numpy(), mean, rtol=1e-14)
    again = Lion(parameters())
    again.load_state_dict(state)
    assert again.param_groups[0]["lr"] == 0.1
    loaded = again.state[again.param_groups[0]["params"][0]]["exp_avg"]
    assert loaded.tolist() == state["state"][0]["exp_avg"].tolist()


def test_the_same_formula_on_tensors_is_recorded():
    p, g = tl.tensor([1.0, -2.0], requires_grad=True), tl.tensor([0.5, 0.25], requires_grad=True)
    new, _ = optim.SGD.update(
        tl.ops, p, g, None, lr=0.1, momentum=0.0, dampening=0.0, weight_decay=0.5, nesterov=False, maximize=False
    )
    new.sum().backward()
    assert p.grad.tolist() == pytest.approx([0.95, 0.95])
    assert g.grad.tolist() == pytest.approx([-0.1, -0.1])


class Adam(optim.Adam):
    fused = ""


class SGD(optim.SGD):
    fused = ""


@pytest.mark.parametrize("dtype", [tl.float16, tl.bfloat16], ids=str)
@pytest.mark.parametrize("make", [Lion, RowScaled, optim.RMSprop, Adam, lambda params: SGD(params, momentum=0.5)])
def test_half_types_are_computed_in_float32_and_rounded_once(make, dtype):
    """After one step of float32 twins that start from the same values, the half ones are these, rounded."""
    half = parameters(dtype)
    _, optimizer = steps_of(make, half, 1)
    twins = [nn.Parameter(param.detach().float()) for param in parameters(dtype)]
    optimizer_of_twins = make(twins)
    for param, twin in zip(half, twins, strict=True):
        twin.grad = param.grad.float()
    optimizer_of_twins.step()
    for param, twin in zip(half, twins, strict=True):
        assert param.dtype is dtype
        assert param.tolist() == twin.detach().to(dtype).tolist()
        wide = optimizer_of_twins.state.get(twin, {})
        for name, value in optimizer.state.get(param, {}).items():
            assert value == wide[name] if name == "step" else value.tolist() == wide[name].to(dtype).tolist()


def test_what_update_may_be():
    with pytest.raises(TypeError, match=r"^A\.update must be a @staticmethod\.$"):

        class A(optim.Optimizer):
            def update(self, ops, p, g):
                return p

    with pytest.raises(
        TypeError, match=r"^B\.update takes 3 positional arguments, and must take 4: ops, the parameter, its "
    ):

        class B(optim.Optimizer):
            slots = ("mean",)

            @staticmethod
            def update(ops, p, g):
                return p

    with pytest.raises(TypeError, match=r"^C\.update takes 'step'\. Name it in slots, so that steps are counted\.$"):

        class C(optim.Optimizer):
            @staticmethod
            def update(ops, p, g, *, step):
                return p

    class D(optim.Optimizer):
        @staticmethod
        def update(ops, p, g, *, lr, decay):
            return p

    with pytest.raises(ArgumentError) as error:
        D(parameters(), {"lr": 0.1})
    assert str(error.value) == "D: update takes 'decay', and there is no such setting. Give it to Optimizer.__init__."


def test_what_a_formula_may_return():
    class Short(Lion):
        @staticmethod
        def update(ops, p, g, m, *, lr):
            return p - g * lr

    class Broad(Lion):
        @staticmethod
        def update(ops, p, g, m, *, lr):
            return p - ops.sum(g, (0,), False) * lr, ops.sum(m, (0,), False)

    with pytest.raises(
        ArgumentError, match=r"update: it returned 1 arrays, and must return 2: the new parameter and each"
    ):
        steps_of(Short, parameters(), 1)
    with pytest.raises(
        ShapeError, match=r"Broad\.update: it returned state 0 in shape \(3,\), and it has shape \(2, 3\)\."
    ):
        steps_of(Broad, parameters(), 1)


def test_an_error_within_a_formula_names_the_parameter():
    class Wrong(Lion):
        @staticmethod
        def update(ops, p, g, m, *, lr):
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine") as error:
        steps_of(Wrong, parameters(), 1)
    assert error.value.__notes__[0].endswith("Wrong.update, for a parameter of shape (2, 3)")


def test_another_formula_is_not_taken_for_the_fused_one():
    class Still(optim.SGD):
        @staticmethod
        def update(ops, p, g, velocity, *, lr):
            return p, velocity

    before = [param.numpy(force=True) for param in parameters()]
    after, _ = steps_of(Still, parameters())
    assert all((a == b).all() for a, b in zip(before, after, strict=True))
    assert optim.AdamW.fused == "adam"


def test_signatures_stay():
    assert list(inspect.signature(optim.SGD).parameters)[:3] == ["params", "lr", "momentum"]
    with pytest.raises(
        ArgumentTypeError, match=r"Lion: unexpected argument 'beta'\. Did you mean 'betas'\? Signature: Lion\("
    ):
        Lion(parameters(), beta=0.9)


# rates that are tensors

MAKERS = {
    "SGD": lambda p, r: optim.SGD(p, lr=r(0.1), momentum=r(0.9), dampening=r(0.25), weight_decay=r(0.01)),
    "Adam": lambda p, r: optim.Adam(p, lr=r(0.1), betas=(r(0.5), r(0.75)), eps=r(1e-3), weight_decay=r(0.125)),
    "AdamW": lambda p, r: optim.AdamW(p, lr=r(0.1), betas=(0.5, r(0.75)), weight_decay=r(0.25), amsgrad=True),
    "RMSprop": lambda p, r: optim.RMSprop(p, lr=r(0.1), alpha=r(0.75), momentum=r(0.5), weight_decay=r(0.25)),
    "Lion": lambda p, r: Lion(p, lr=r(0.1), betas=(r(0.5), r(0.75)), weight_decay=r(0.25)),
}


class Unread(NumpyBackend):
    """A device whose values cannot come back to the host while `closed`."""

    closed = False

    def to_host(self, array):
        assert not self.closed, "a value was read back to the host"
        return super().to_host(array)


@pytest.fixture
def unread():
    backend = Unread(np)
    tl.register_backend("unread", backend)
    yield backend
    tl.unregister_backend("unread")


@pytest.mark.parametrize("dtype", [tl.float16, tl.bfloat16, tl.float32, tl.float64], ids=str)
@pytest.mark.parametrize("rate_dtype", [tl.float32, tl.float64], ids=str)
@pytest.mark.parametrize("name", MAKERS)
def test_rates_may_be_tensors(unread, name, rate_dtype, dtype):
    wanted, _ = steps_of(lambda params: MAKERS[name](params, float), parameters(dtype))
    params = parameters(dtype, "unread")
    optimizer = MAKERS[name](params, lambda value: tl.tensor(value, dtype=rate_dtype, device="unread"))
    grads = [[tl.tensor(np.cos(np.arange(p.numel()) + n + step).reshape(p.shape), dtype=dtype, device="unread")
              for n, p in enumerate(params)] for step in range(3)]  # fmt: skip
    for slopes in grads:
        for param, slope in zip(params, slopes, strict=True):
            param.grad = slope
        unread.closed = True
        optimizer.step()
        unread.closed = False
    tolerance = {"float16": 4e-3, "bfloat16": 3e-2, "float32": 1e-5}.get(
        dtype.name, 1e-5 if rate_dtype is tl.float32 else 1e-12
    )
    for param, want in zip(params, wanted, strict=True):
        assert param.dtype is dtype
        np.testing.assert_allclose(
            param.numpy(force=True).astype(float), want.astype(float), rtol=tolerance, atol=tolerance
        )


def test_a_rate_that_changes_in_place_counts_at_the_next_step():
    rate = tl.tensor(0.5)
    params = [nn.Parameter(tl.ones(2))]
    optimizer = optim.SGD(params, lr=rate)
    params[0].grad = tl.ones(2)
    optimizer.step()
    rate.fill_(0.25)
    optimizer.step()
    assert params[0].tolist() == [0.25, 0.25]
    assert not params[0].grad.requires_grad


def test_rates_of_tensors_are_saved_and_loaded():
    params = parameters()
    optimizer = optim.Adam(params, lr=tl.tensor(0.5), betas=(tl.tensor(0.5), 0.75))
    state = copy.deepcopy(optimizer.state_dict())
    other = optim.Adam(parameters())
    other.load_state_dict(state)
    state["param_groups"][0]["lr"].fill_(2.0)
    assert other.param_groups[0]["lr"].item() == 0.5
    assert [float(beta) for beta in other.param_groups[0]["betas"]] == [0.5, 0.75]


def test_a_rate_elsewhere_is_refused_and_nothing_changes(unread):
    params = parameters()
    optimizer = optim.Adam(params, lr=tl.tensor(0.5, device="unread"))
    for param in params:
        param.grad = tl.ones_like(param)
    before = [param.tolist() for param in params]
    with pytest.raises(DeviceError) as error:
        optimizer.step()
    assert str(error.value) == (
        "Adam.step: lr is on unread, and parameter 0 on cpu. Move lr there with .to('cpu'), or give a number."
    )
    assert [param.tolist() for param in params] == before
    assert optimizer.state == {}


@pytest.mark.parametrize(
    "make",
    [
        lambda o: optim.lr_scheduler.StepLR(o, 2, 0.5),
        lambda o: optim.lr_scheduler.CosineAnnealingLR(o, 3),
        lambda o: optim.lr_scheduler.LambdaLR(o, lambda epoch: 0.5**epoch),
    ],
)
def test_schedules_write_a_rate_in_place(make, unread):
    rate = tl.tensor(1.0, dtype=tl.float64, device="unread")
    optimizer, plain = optim.SGD(parameters(device="unread"), lr=rate), optim.SGD(parameters(), lr=1.0)
    schedule, twin = make(optimizer), make(plain)
    for _ in range(7):
        unread.closed = True
        optimizer.step()
        schedule.step()
        unread.closed = False
        plain.step()
        twin.step()
        assert optimizer.param_groups[0]["lr"] is rate
        assert rate.item() == pytest.approx(plain.param_groups[0]["lr"], abs=1e-15)
        assert schedule.get_last_lr()[0].item() == rate.item()
    assert schedule.base_lrs[0].item() == 1.0


# states of their own


def test_a_state_of_its_own_shape():
    (got, _), optimizer = steps_of(RowScaled, parameters())
    value, squares = np.linspace(-1, 1, 6).reshape(2, 3), np.zeros((2, 1))
    for step in range(3):
        slopes = np.cos(np.arange(6) + step).reshape(2, 3)
        squares = 0.9 * squares + 0.1 * (slopes**2).mean(1, keepdims=True)
        value = value - 0.1 * slopes / np.sqrt(squares / (1 - 0.9 ** (step + 1)))
    np.testing.assert_allclose(got, value, rtol=1e-13)
    matrix, line = optimizer.param_groups[0]["params"]
    np.testing.assert_allclose(optimizer.state[matrix]["row_avg_sq"].numpy(), squares, rtol=1e-13)
    assert optimizer.state[line] == {"step": 3.0}

    again = RowScaled(parameters())
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    state = optimizer.state_dict()
    state["state"][0]["row_avg_sq"] = tl.zeros(2, 3)
    with pytest.raises(StateError) as error:
        again.load_state_dict(state)
    assert str(error.value) == (
        "RowScaled.load_state_dict: 'row_avg_sq' of parameter 0 has shape (2, 3), and this optimizer keeps it in (2, 1). "
        "Build the optimizer from the same model."
    )


def test_a_state_is_kept_only_where_its_setting_is_on():
    params = parameters()
    _, optimizer = steps_of(optim.RMSprop, params)
    assert list(optimizer.state[params[0]]) == ["step", "square_avg"]
    optimizer.param_groups[0].update(momentum=0.9, centered=True)
    optimizer.step()
    assert list(optimizer.state[params[0]]) == ["step", "square_avg", "momentum_buffer", "grad_avg"]
    buffer = optimizer.state[params[0]]["momentum_buffer"]
    before = buffer.tolist()
    optimizer.param_groups[0].update(momentum=0.0)
    optimizer.step()
    assert buffer.tolist() == before
    assert optimizer.state[params[0]]["step"] == 5.0


# what is one call


class Counting(NumpyBackend):
    """Notes how many parameters each update had."""

    def __init__(self, xp):
        super().__init__(xp)
        self.updates = []

    def update(self, name, formula, arrays, settings):
        self.updates.append(len(arrays[0]))
        return super().update(name, formula, arrays, settings)


@pytest.fixture
def counting():
    backend = Counting(np)
    tl.register_backend("counting", backend)
    yield backend.updates
    tl.unregister_backend("counting")


def layers(count):
    return nn.Sequential(*[nn.Linear(2, 2) for _ in range(count)]).to("counting")


def with_gradients(params):
    params = list(params)
    for param in params:
        param.grad = tl.ones_like(param)
    return params


def test_a_group_is_one_call(counting):
    net = layers(2)
    with_gradients(net.parameters())
    optimizer = optim.Adam([{"params": net[0].parameters()}, {"params": net[1].parameters()}])
    optimizer.step()
    assert counting == [2, 2]


def test_views_that_are_gone_cost_nothing(counting):
    net = layers(3)
    params = with_gradients(net.parameters())
    views = [param.detach().T for param in params if param.ndim == 2]
    optimizer = optim.SGD(params, lr=0.5)
    optimizer.step()
    assert counting == [6]
    for view, param in zip(views, [param for param in params if param.ndim == 2], strict=True):
        assert view.tolist() == param.detach().T.tolist()
    del view, views
    optimizer.step()
    assert counting == [6, 6]
    assert all(param.extra is None for param in params)


def test_parameters_at_other_steps_or_without_state_are_other_calls(counting):
    params = with_gradients(layers(2).parameters())
    optimizer = optim.Adam(params)
    params[0].grad = None
    optimizer.step()
    with_gradients(params)
    optimizer.step()
    assert counting == [3, 1, 3]
    assert [optimizer.state[param]["step"] for param in params] == [1.0, 2.0, 2.0, 2.0]

    del counting[:]
    optimizer = optim.SGD(params, momentum=0.9)
    params[0].grad = None
    optimizer.step()
    with_gradients(params)
    optimizer.step()
    optimizer.step()
    assert counting == [3, 1, 3, 4]

    del counting[:]
    optimizer = optim.RMSprop(params)  # whose formula takes no step
    params[0].grad = None
    optimizer.step()
    with_gradients(params)
    optimizer.step()
    assert counting == [3, 4]
    assert [optimizer.state[param]["step"] for param in params] == [1.0, 2.0, 2.0, 2.0]


def test_an_error_makes_no_state():
    params = with_gradients(parameters())
    optimizer = optim.Adam(params)
    with tl.no_grad():
        params[1].data = params[1].float()
    with pytest.raises(
        DTypeError, match=r"^Adam\.step: parameter 1 is float32 on cpu, and its entry in gradients is float64"
    ):
        optimizer.step()
    assert optimizer.state == {}
