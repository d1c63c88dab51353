"""Modules as functions: per-sample gradients, ensembles, and a module that is left as it was."""

from __future__ import annotations

import pytest

import tapeloom as tl
import tapeloom.nn.functional as F
from tapeloom import nn
from tapeloom.errors import ArgumentError, InplaceError
from tapeloom.func import functional_call, grad, replace_all_batch_norm_modules_, stack_module_state, vmap


def parameters(model):
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def mlp():
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.LayerNorm(8), nn.Linear(8, 3))


def cnn():
    return nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 3))


@pytest.mark.parametrize(("make", "size"), [(mlp, (4,)), (cnn, (2, 4, 4))])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse_loss"])
def test_per_sample_gradients_are_those_of_a_loop(make, size, loss):
    tl.manual_seed(0)
    model = make()
    x = tl.randn(5, *size)
    y = tl.randint(3, (5,)) if loss == "cross_entropy" else tl.randn(5, 3)

    def compute(parameters, sample, target):
        out = functional_call(model, parameters, (sample.unsqueeze(0),))
        return getattr(F, loss)(out, target.unsqueeze(0))

    found = vmap(grad(compute), in_dims=(None, 0, 0))(parameters(model), x, y)
    for sample in range(5):
        model.zero_grad()
        getattr(F, loss)(model(x[sample : sample + 1]), y[sample : sample + 1]).backward()
        for name, parameter in model.named_parameters():
            assert tl.allclose(found[name][sample], parameter.grad, rtol=1e-4, atol=1e-6), name


def test_an_ensemble_is_its_members():
    tl.manual_seed(0)
    models, x = [mlp() for _ in range(3)], tl.randn(6, 4)
    stacked, buffers = stack_module_state(models)
    out = vmap(lambda p, b: functional_call(models[0], (p, b), (x,)))(stacked, buffers)
    for number, model in enumerate(models):
        assert tl.allclose(out[number], model(x), rtol=1e-4, atol=1e-6)
    out.sum().backward()
    models[1](x).sum().backward()
    assert tl.allclose(stacked["0.weight"].grad[1], models[1][0].weight.grad, rtol=1e-4, atol=1e-6)


def test_the_module_is_left_as_it_was():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    before = [*model.parameters()]
    functional_call(model, {"0.weight": tl.ones(2, 2)}, (tl.ones(1, 2),))
    with pytest.raises(tl.errors.ShapeError):
        functional_call(model, {"0.weight": tl.ones(5, 5)}, (tl.ones(1, 2),))
    assert all(new is old for new, old in zip(model.parameters(), before, strict=True))


def test_a_shared_parameter_is_given_once():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight
    x = tl.ones(1, 2)
    assert functional_call(model, {"0.weight": tl.ones(2, 2)}, (x,)).tolist() == [[4.0, 4.0]]
    assert functional_call(model, {"0.weight": tl.ones(2, 2)}, (x,), tie_weights=False).tolist() != [[4.0, 4.0]]
    with pytest.raises(ArgumentError, match="are one parameter"):
        functional_call(model, {"0.weight": tl.ones(2, 2), "1.weight": tl.zeros(2, 2)}, (x,))
    with pytest.raises(ArgumentError, match="are missing"):
        functional_call(model, {"0.weight": tl.ones(2, 2)}, (x,), strict=True, tie_weights=False)


def test_running_statistics_are_not_shared_by_samples():
    model, x = nn.BatchNorm1d(2), tl.randn(3, 4, 2)
    with pytest.raises(InplaceError, match="the samples of vmap share the tensor"):
        vmap(model)(x)
    assert model.running_mean.tolist() == [0.0, 0.0]
    assert vmap(replace_all_batch_norm_modules_(model))(x).shape == (3, 4, 2)


def test_dropout_asks_for_whom():
    model, x = nn.Dropout(0.5), tl.ones(4, 20)
    with pytest.raises(tl.errors.StateError, match="randomness='different'"):
        vmap(model)(x)
    same = vmap(model, randomness="same")(x)
    assert (same == same[0]).all() and not (vmap(model, randomness="different")(x) == same).all()
    assert vmap(model.eval())(x).tolist() == x.tolist()
