"""K-FAC: its factors against sums over examples and positions, the Fisher block of one example, and what it is for."""

import copy

import pytest

import tapeloom as tl
from tapeloom import nn, optim
from tapeloom.errors import ArgumentError, ArgumentTypeError, StateError
from tapeloom.nn import functional as F


@pytest.fixture(autouse=True)
def _in_float64():
    tl.manual_seed(0)
    before = tl.get_default_dtype()
    tl.set_default_dtype(tl.float64)
    yield
    tl.set_default_dtype(before)


def drawn(logits):
    """Labels from the distribution that a model gives."""
    return tl.multinomial(tl.softmax(logits.detach(), 1), 1).squeeze(1)


def watch(optimizer, model, x):
    """A pass over the curvature, and the labels that were drawn."""
    with optimizer.curvature():
        logits = model(x)
        labels = drawn(logits)
        F.cross_entropy(logits, labels, reduction="sum").backward()
    return labels


def outer(vector):
    return vector[:, None] * vector[None]


def with_one(vector):
    return tl.cat([vector, tl.ones(1)])


def near(got, wanted, tolerance=1e-12):
    return tuple(got.shape) == tuple(wanted.shape) and tl.allclose(got, wanted, rtol=tolerance, atol=tolerance)


def test_factors_of_linear_layers_are_means_over_examples():
    first, second = nn.Linear(4, 3), nn.Linear(3, 5, bias=False)
    model, x = nn.Sequential(first, nn.Tanh(), second), tl.randn(6, 4)
    optimizer = optim.KFAC(model)
    labels = watch(optimizer, model, x)
    expected = {first: [0, 0], second: [0, 0]}
    for example, label in zip(x, labels, strict=True):  # one at a time, by autograd
        s = first(example)
        a = tl.tanh(s)
        logits = second(a)
        loss = F.cross_entropy(logits[None], label[None], reduction="sum")
        to_first, to_second = tl.autograd.grad(loss, [s, logits])
        for layer, vectors in ((first, (with_one(example), to_first)), (second, (a, to_second))):
            expected[layer] = [e + outer(v.detach()) / 6 for e, v in zip(expected[layer], vectors, strict=True)]
    for layer, (a, g) in expected.items():
        state = optimizer.state[layer.weight]
        assert near(state["A"], a) and near(state["G"], g)


@pytest.mark.parametrize(
    "settings", [{}, {"stride": 2, "padding": 1}, {"padding": "same", "dilation": 2, "bias": False}]
)
def test_factors_of_convolutions_are_sums_and_means_over_positions(settings):
    layer = nn.Conv2d(2, 3, (3, 2), **settings)
    model = nn.Sequential(layer, nn.Flatten())
    optimizer, x = optim.KFAC(model), tl.randn(3, 2, 5, 4)
    labels = watch(optimizer, model, x)
    out = layer(x)
    loss = F.cross_entropy(out.reshape(3, -1), labels, reduction="sum")
    (grads,) = tl.autograd.grad(loss, [out])
    a, g, (height, width) = 0, 0, out.shape[2:]
    for example in range(3):
        for row in range(height):
            for column in range(width):
                # what the kernel sees there is the gradient of an output with respect to the kernel
                value = layer(x[example : example + 1])[0, 0, row, column]
                (kernel,) = tl.autograd.grad(value, [layer.weight])
                patch = kernel[0].reshape(-1)
                a = a + outer(patch if layer.bias is None else with_one(patch)) / 3
                g = g + outer(grads[example, :, row, column]) / (3 * height * width)
    state = optimizer.state[layer.weight]
    assert near(state["A"], a) and near(state["G"], g)


def test_the_product_of_one_example_is_its_fisher_block():
    layer = nn.Linear(3, 4)
    optimizer, x = optim.KFAC(layer), tl.randn(1, 3)
    label = watch(optimizer, layer, x)
    grads = tl.autograd.grad(F.cross_entropy(layer(x), label), [layer.weight, layer.bias])
    whole = tl.cat([grads[0], grads[1][:, None]], 1).reshape(-1)
    state = optimizer.state[layer.weight]
    product = state["G"][:, None, :, None] * state["A"][None, :, None, :]
    assert near(product.reshape(16, 16), outer(whole))


def test_a_step_divides_by_the_damped_factors():
    layer = nn.Linear(3, 4)
    optimizer, x = optim.KFAC(layer, lr=0.5, damping=0.04), tl.randn(5, 3)
    watch(optimizer, layer, x)
    assert layer.weight.grad is None
    F.cross_entropy(layer(x), tl.tensor([0, 1, 2, 3, 0])).backward()
    before = tl.cat([layer.weight.detach(), layer.bias.detach()[:, None]], 1)
    grad = tl.cat([layer.weight.grad, layer.bias.grad[:, None]], 1)
    optimizer.step()
    moved = (before - tl.cat([layer.weight.detach(), layer.bias.detach()[:, None]], 1)) / 0.5
    a, g = optimizer.state[layer.weight]["A"], optimizer.state[layer.weight]["G"]
    balance = ((tl.trace(a) / 4) / (tl.trace(g) / 4)).sqrt()
    again = (g + tl.eye(4) * 0.2 / balance) @ moved @ (a + tl.eye(4) * 0.2 * balance)
    assert near(again, grad, 1e-10)


def test_means_of_factors_and_their_state():
    layer = nn.Linear(3, 4)
    optimizer, seen = optim.KFAC(layer, decay=0.6), []
    for _ in range(4):
        other = optim.KFAC(layer)
        x = tl.randn(5, 3)
        state = tl.get_rng_state()
        watch(other, layer, x)
        tl.set_rng_state(state)
        watch(optimizer, layer, x)
        seen.append(other.state[layer.weight]["A"])
    expected = seen[0] / 2 + seen[1] / 2  # 1 - 1 / 2 is less than the decay
    for new in seen[2:]:
        expected = expected * 0.6 + new * 0.4
    assert near(optimizer.state[layer.weight]["A"], expected)

    resumed = optim.KFAC(layer)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert resumed.state[layer.weight]["step"] == 4.0
    assert resumed.state[layer.weight]["G"].tolist() == optimizer.state[layer.weight]["G"].tolist()
    assert resumed.param_groups[0]["decay"] == 0.6


def test_it_goes_straighter_than_gradient_descent(device):
    """On inputs of very different sizes, which the natural gradient makes equal."""
    x = (tl.randn(64, 4) * tl.tensor([10.0, 1.0, 0.1, 0.01])).to(device)
    y = (x[:, 3] > 0.002).to(tl.int64)

    def end(make):
        tl.manual_seed(1)
        model = nn.Linear(4, 2).to(device)
        optimizer = make(model)
        for _ in range(30):
            if isinstance(optimizer, optim.KFAC):
                watch(optimizer, model, x)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
        return loss.item()

    natural = end(lambda model: optim.KFAC(model, lr=0.5, damping=1e-8))
    assert natural < 0.5 < min(end(lambda model, lr=lr: optim.SGD(model.parameters(), lr=lr)) for lr in (0.01, 0.1))


def test_wrong_calls():
    layer = nn.Linear(1, 1)
    with pytest.raises(ArgumentError) as error:
        optim.KFAC(layer, damping=0)
    assert str(error.value) == "KFAC: damping is 0; it must be above 0, as factors of few examples have no inverse."
    with pytest.raises(ArgumentTypeError) as error:
        optim.KFAC(layer.parameters())
    assert str(error.value) == "KFAC: the first argument must be a model, got generator."
    with pytest.raises(StateError) as error:
        watch_nothing(optim.KFAC(layer))
    assert str(error.value) == ("KFAC.curvature: no gradient came to any layer. Call the model and backward within it.")


def watch_nothing(optimizer):
    with optimizer.curvature():
        pass
