"""Lazy layers, parametrised weights, sequences of several lengths, fusion, several devices, the overview."""

from __future__ import annotations

import numpy as np
import pytest

import tapeloom as tl
from tapeloom import nn, optim
from tapeloom.backend.plugins import register_backend, unregister_backend
from tapeloom.errors import ArgumentError, ShapeError, StateError
from tapeloom.nn.utils import parametrize, rnn
from tapeloom_backend_numpy.backend import NumpyBackend


def close(mine, other, tolerance=1e-5):
    return mine.shape == other.shape and bool((mine - other).abs().max() <= tolerance)


# lazy layers


def test_a_lazy_layer_becomes_the_plain_one_and_trains():
    net = nn.Sequential(nn.LazyLinear(4), nn.LazyBatchNorm1d(), nn.LazyLinear(2))
    assert repr(net[0]) == "LazyLinear(in_features=0, out_features=4, bias=True)"
    assert repr(net[0].weight) == "<UninitializedParameter>"
    assert net[0].has_uninitialized_params()
    net(tl.ones(3, 5))
    assert [type(layer) for layer in net] == [nn.Linear, nn.BatchNorm1d, nn.Linear]
    assert net[0].weight.shape == (4, 5)
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    before = net[2].bias.tolist()
    net(tl.randn(3, 5)).sum().backward()
    optimizer.step()
    assert net[2].bias.tolist() != before


def test_a_lazy_layer_takes_a_state():
    known = nn.Linear(3, 2)
    lazy = nn.LazyLinear(2)
    lazy.load_state_dict(known.state_dict())
    assert lazy(tl.ones(1, 3)).tolist() == known(tl.ones(1, 3)).tolist()
    wrong = nn.Sequential(nn.LazyLinear(2), nn.Linear(2, 2))
    with pytest.raises(StateError):
        wrong.load_state_dict(
            {**{f"0.{key}": value for key, value in known.state_dict().items()}, "1.weight": tl.ones(3)}
        )
    assert wrong[0].has_uninitialized_params()  # nothing is half loaded


def test_a_lazy_layer_refuses_what_does_not_fit():
    with pytest.raises(ArgumentError, match="LazyConv1d: groups=2 must divide in_channels=3"):
        nn.LazyConv1d(4, 2, groups=2)(tl.ones(1, 3, 5))
    with pytest.raises(ShapeError, match="LazyConv2d: needs an input of 3 or 4 axes"):
        nn.LazyConv2d(4, 2)(tl.ones(3))
    with pytest.raises(StateError, match="the first input"):
        nn.LazyLinear(2)(input=tl.ones(1, 3))


# parametrised weights


class Doubled(nn.Module):
    def forward(self, x):
        return x * 2

    def right_inverse(self, x):
        return x / 2


def test_a_parametrised_weight_is_computed_set_and_removed():
    layer = nn.Linear(2, 2)
    weight = layer.weight.tolist()
    parametrize.register_parametrization(layer, "weight", Doubled())
    parametrize.register_parametrization(layer, "weight", Doubled())
    assert close(layer.weight, tl.tensor(weight))
    assert parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias")
    layer.weight = tl.ones(2, 2)
    assert layer.parametrizations.weight.original.tolist() == [[0.25, 0.25], [0.25, 0.25]]
    layer.weight.sum().backward()
    assert layer.parametrizations.weight.original.grad.tolist() == [[4.0, 4.0], [4.0, 4.0]]
    with parametrize.cached():
        assert layer.weight is layer.weight
    assert layer.weight is not layer.weight
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert type(layer) is nn.Linear
    assert layer.weight.tolist() == [[0.25, 0.25], [0.25, 0.25]]


def test_parametrizations_refuse_what_does_not_fit():
    class Summed(nn.Module):
        def forward(self, x):
            return x.sum(0)

    layer = nn.Linear(3, 2)
    with pytest.raises(ShapeError, match=r"'weight' of shape \(2, 3\) would get shape \(3,\)"):
        parametrize.register_parametrization(layer, "weight", Summed())
    with pytest.raises(ArgumentError, match="Linear has no parameter or buffer 'mass'"):
        parametrize.register_parametrization(layer, "mass", Doubled())
    with pytest.raises(ArgumentError, match="'weight' of Linear is not parametrized"):
        parametrize.remove_parametrizations(layer, "weight")
    assert list(layer.state_dict()) == ["weight", "bias"]
    assert type(layer) is nn.Linear


def test_an_orthogonal_weight_stays_so():
    layer = nn.utils.parametrizations.orthogonal(nn.Linear(4, 4))
    optimizer = optim.SGD(layer.parameters(), lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        layer(tl.ones(1, 4)).pow(2).sum().backward()
        optimizer.step()
    assert close(layer.weight @ layer.weight.mT, tl.eye(4))


def test_a_weight_norm_can_be_put_on_once():
    layer = nn.utils.weight_norm(nn.Linear(3, 2))
    assert list(layer.state_dict()) == ["bias", "weight_g", "weight_v"]
    with pytest.raises(ArgumentError, match="weight_norm: 'weight' of Linear has one already"):
        nn.utils.weight_norm(layer)
    with pytest.raises(ArgumentError, match="remove_weight_norm: 'bias' of Linear has none"):
        nn.utils.remove_weight_norm(layer, "bias")


# sequences


def test_sequences_refuse_lengths_that_do_not_fit():
    with pytest.raises(ArgumentError, match="lengths must be 2 numbers from 1 to 3, got"):
        rnn.pack_padded_sequence(tl.ones(3, 2), [4, 1])
    with pytest.raises(ArgumentError, match="lengths must not rise"):
        rnn.pack_padded_sequence(tl.ones(3, 2), [1, 3])
    with pytest.raises(ArgumentError, match="total_length=1 is below the longest sequence, 3"):
        rnn.pad_packed_sequence(rnn.pack_padded_sequence(tl.ones(3, 2), [3, 1]), total_length=1)


def test_a_packed_sequence_gives_what_each_sequence_gives_alone():
    layer = nn.GRU(2, 3, bidirectional=True)
    sequences = [tl.randn(length, 2) for length in (2, 4)]
    output, last = layer(rnn.pack_sequence(sequences, enforce_sorted=False))
    for place, (sequence, result) in enumerate(zip(sequences, rnn.unpack_sequence(output), strict=True)):
        alone, end = layer(sequence)
        assert close(result, alone)
        assert close(last[:, place], end)


# the rest


def test_vectors_and_skipped_starts():
    layer = nn.Linear(3, 2)
    with pytest.raises(ShapeError, match="the parameters have 8 elements"):
        nn.utils.vector_to_parameters(tl.ones(7), layer.parameters())
    nn.utils.vector_to_parameters(tl.arange(8.0), layer.parameters())
    assert layer.bias.tolist() == [6.0, 7.0]
    assert nn.utils.parameters_to_vector(layer.parameters()).tolist() == list(range(8))
    state = tl.get_rng_state()
    nn.utils.skip_init(nn.Linear, 3, 2)
    assert tl.get_rng_state() == state


def test_fusion_needs_evaluation():
    with pytest.raises(StateError, match="both must be in evaluation"):
        nn.utils.fuse_conv_bn_eval(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    linear, norm = nn.Linear(3, 2, bias=False).eval(), nn.BatchNorm1d(2).eval()
    nn.init.uniform_(norm.running_mean)
    x = tl.randn(4, 3)
    assert close(nn.utils.fuse_linear_bn_eval(linear, norm)(x), norm(linear(x)))


def test_initialisers():
    matrix = nn.init.orthogonal_(tl.empty(3, 4, 2), gain=2.0).reshape(3, 8)
    assert close(matrix @ matrix.mT, 4 * tl.eye(3))
    assert (nn.init.sparse_(tl.empty(10, 5), 0.35) == 0).sum(0).tolist() == [4] * 5


def test_summary_leaves_the_model_as_it_was():
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout())
    net[0].weight.requires_grad = False
    net[2].eval()
    text = nn.summary(net, tl.ones(2, 4))
    assert text.splitlines()[2] == "  0 Linear       (2, 8)          40"
    assert text.splitlines()[-1] == "56 parameters, of which 24 are trained"
    assert [layer.training for layer in net] == [True, True, False]
    assert net[1].num_batches_tracked.item() == 0
    assert not net[0]._own_hooks().forward


class Twins(NumpyBackend):
    """Two devices on one CPU."""

    def device_count(self):
        return 2


def test_data_parallel_gives_what_one_device_gives():
    register_backend("twins", Twins(np))
    try:
        plain = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        x = tl.randn(5, 3)
        expected = plain(x)
        expected.sum().backward()
        grads = [parameter.grad.tolist() for parameter in plain.parameters()]
        plain.zero_grad()
        net = nn.DataParallel(plain.to("twins:0"))
        assert [str(device) for device in net.devices] == ["twins:0", "twins:1"]
        assert list(net.state_dict())[0] == "module.0.weight"
        output = net(x.to("twins:0"))
        assert str(output.device) == "twins:0"
        assert close(output.to("cpu"), expected)
        output.sum().backward()
        for parameter, grad in zip(net.parameters(), grads, strict=True):
            assert close(parameter.grad.to("cpu"), tl.tensor(grad))
    finally:
        unregister_backend("twins")


def test_data_parallel_on_one_device_is_the_module():
    net = nn.DataParallel(nn.Linear(3, 2))
    x = tl.ones(4, 3)
    assert net(x).tolist() == net.module(x).tolist()
