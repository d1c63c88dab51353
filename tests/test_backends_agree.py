"""The same programs on every installed backend, side by side in one process."""

from __future__ import annotations

import numpy as np
import pytest

import tapeloom as tl
from tapeloom import nn, optim
from tapeloom.testing import agree
from tapeloom.testing.differential import usable_devices


@pytest.fixture(autouse=True)
def _seeded():
    tl.manual_seed(0)


def test_a_multilayer_perceptron():
    def program(x, w, b, v):
        return tl.softmax(tl.tanh(x @ w + b) @ v, 1)[:, 0]

    agree(program, tl.randn(8, 5), *[tl.randn(*size).requires_grad_() for size in ((5, 6), (6,), (6, 3))])


def test_convolution_and_pooling():
    def program(x, w):
        return tl.max_pool2d(tl.relu(tl.conv2d(x, w, padding=1)), 2).mean((2, 3))

    agree(program, tl.randn(2, 3, 8, 8).requires_grad_(), tl.randn(4, 3, 3, 3).requires_grad_())


def test_a_loss():
    agree(lambda x, y: tl.cross_entropy(x, y), tl.randn(6, 4).requires_grad_(), tl.randint(4, (6,)))


def test_indexing_and_assignment():
    def program(x, i):
        y = x * 2
        y[i, 1:] = x[i.flip(0), :-1]
        y[:, 0] += 1
        return y, y[y > 0].sum()

    agree(program, tl.randn(4, 3).requires_grad_(), tl.tensor([2, 0]))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_floating_dtypes(dtype):
    def program(x, w):
        h = (x @ w).exp().log1p()
        return h.sum(1), h.mean(), h.var(0), h.softmax(0)

    x, w = tl.randn(4, 5, dtype=dtype), tl.randn(5, 3, dtype=dtype) * 0.3
    agree(program, x.requires_grad_(), w.requires_grad_(), rtol=2e-2 if "16" in dtype else None)


def test_integers():
    def program(x):
        return x // 3, x % 3, x.sum(), x * x, x & 5, x.cumsum(0), x.argmax(), x / 2

    agree(program, tl.randint(-50, 50, (20,)))


def test_double_backward():
    def program(x):
        y = (x.sin() * x.exp()).sum()
        (first,) = tl.autograd.grad(y, x, create_graph=True)
        return (first**2).sum()

    agree(program, tl.randn(5, dtype=tl.float64).requires_grad_())


def draws(device):
    """One of each random function on ``device``, from seed 3."""
    g = tl.Generator().manual_seed(3)
    made = [
        tl.rand(5, generator=g, device=device),
        tl.randn(5, generator=g, device=device),
        tl.randint(-7, 1000, (5,), generator=g, device=device),
        tl.randperm(9, generator=g, device=device),
        tl.bernoulli(tl.full((5,), 0.4, device=device), generator=g),
        tl.dropout(tl.ones(9, device=device), 0.3, generator=g),
        tl.zeros(5, device=device).uniform_(-3, 2, generator=g),
        tl.rand(4, dtype=tl.float64, generator=g, device=device),
        nn.init.trunc_normal_(tl.empty(200, dtype=tl.float64, device=device), generator=g),
    ]
    return [tensor.numpy(force=True) for tensor in made]


def test_random_bits_are_the_same_everywhere():
    expected = draws("cpu")
    for device in usable_devices():
        for ours, theirs in zip(draws(device), expected, strict=True):
            assert np.array_equal(ours, theirs), device


def weights_of(device):
    tl.manual_seed(1)
    model = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 2)).to(device)
    return [parameter.numpy(force=True) for parameter in model.parameters()]


def test_initial_weights_are_the_same_everywhere():
    for device in usable_devices():
        for ours, theirs in zip(weights_of(device), weights_of("cpu"), strict=True):
            assert np.array_equal(ours, theirs), device


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: optim.Adam(p, lr=0.05),
        lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True, weight_decay=0.01),
    ],
)
def test_training_goes_the_same_way(make):
    def losses(device):
        tl.manual_seed(1)
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).to(device)
        optimizer = make(model.parameters())
        x, y = tl.randn(16, 4).to(device), tl.randn(16, 1).to(device)
        found = []
        for _ in range(5):
            optimizer.zero_grad()
            loss = tl.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        return found

    expected = losses("cpu")
    assert expected[-1] < expected[0]
    for device in usable_devices():
        assert losses(device) == pytest.approx(expected, rel=1e-4), device


@pytest.mark.parametrize("dtype, scale", [(tl.bfloat16, 1024.0), (tl.float16, 2.0**22)], ids=["bfloat16", "float16"])
def test_training_in_mixed_precision(dtype, scale):
    """The scale is so large that the first steps in float16 are left out."""

    def course(device):
        tl.manual_seed(1)
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).to(device)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        scaler = tl.amp.GradScaler(device, init_scale=scale)
        x, y = tl.randn(16, 4).to(device), tl.randn(16, 1).to(device)
        losses, scales = [], []
        for _ in range(12):
            optimizer.zero_grad()
            with tl.autocast(device, dtype=dtype):
                out = model(x)
                loss = tl.mse_loss(out, y)
            assert (out.dtype, loss.dtype) == (dtype, tl.float32)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            losses.append(loss.item())
            scales.append(scaler.get_scale())
        return losses, scales

    expected, scales = course("cpu")
    assert expected[-1] < expected[0]
    assert (scales[0] < scale) is (dtype is tl.float16)
    for device in usable_devices():
        found, theirs = course(device)
        assert found == pytest.approx(expected, rel=0.02), device
        assert theirs == scales, device


STEPS = [
    (optim.SGD, {"lr": 0.1}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.25, "weight_decay": 0.1}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    (optim.Adam, {"lr": 0.05, "weight_decay": 0.1}),
    (optim.Adam, {"lr": 0.05, "betas": (0.5, 0.75), "eps": 1e-3, "amsgrad": True, "maximize": True}),
    (optim.AdamW, {"lr": 0.05, "amsgrad": True}),
    (optim.AdamW, {"lr": 0.05, "weight_decay": 0.0}),
]


@pytest.mark.parametrize("dtype", [tl.float32, tl.float64], ids=str)
@pytest.mark.parametrize("number", range(len(STEPS)))
def test_fused_steps_follow_their_formula(number, dtype):
    """On each device, and each as the formula on the CPU."""
    kind, settings = STEPS[number]
    formula = type(kind.__name__, (kind,), {"fused": ""})

    def course(optimizer_class, device):
        draw = np.random.default_rng(0)
        params = [
            tl.tensor(draw.normal(size=size), dtype=dtype, device=device) for size in ((300, 500), (7,), (), (0, 3))
        ]
        optimizer = optimizer_class(params, **settings)
        for _ in range(5):
            for param in params:
                param.grad = tl.tensor(draw.normal(size=param.shape), dtype=dtype, device=device)
            optimizer.step()
        return [param.numpy(force=True) for param in params]

    expected = course(formula, "cpu")
    tolerance = 2e-5 if dtype is tl.float32 else 1e-12
    for device in usable_devices():
        for optimizer_class in (kind, formula):
            for got, want in zip(course(optimizer_class, device), expected, strict=True):
                np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance, err_msg=device)


def test_a_model_moves_in_mid_run():
    """Training goes on after each move as if nothing had happened."""
    tl.manual_seed(2)
    model, x, y = nn.Linear(3, 2), tl.randn(8, 3), tl.randn(8, 2)
    stayed = nn.Linear(3, 2)
    stayed.load_state_dict(model.state_dict())

    def step(model, device):
        loss = tl.mse_loss(model(x.to(device)), y.to(device))
        model.zero_grad()
        loss.backward()
        with tl.no_grad():
            for parameter in model.parameters():
                parameter -= 0.1 * parameter.grad
        return loss.item()

    for device in [*usable_devices(), "cpu"]:
        model.to(device)
        for _ in range(2):
            assert step(model, device) == pytest.approx(step(stayed, "cpu"), rel=1e-4)


def test_agree_finds_a_disagreement():
    from tapeloom.testing.refusals import another_device

    def program(x):
        return x + (0.001 if x.device == "cpu" else 0.0)

    with another_device() as name:
        agree(lambda x: x * 2, tl.ones(3, requires_grad=True), devices=["cpu", name])
        with pytest.raises(AssertionError, match="result 0 on elsewhere beside cpu"):
            agree(program, tl.ones(3), devices=["cpu", name])
        with pytest.raises(AssertionError, match=r"result 0 on elsewhere beside cpu: tapeloom\.float64 against"):
            agree(lambda x: x if x.device == "cpu" else x.double(), tl.ones(3), devices=["cpu", name])
