"""Containers: list and dict manners, registered names, printed forms."""

from collections import OrderedDict

import pytest

import tapeloom as tl
from tapeloom import nn
from tapeloom.errors import ArgumentError, ArgumentTypeError, IndexingError


def kinds(container):
    return [type(module).__name__ for module in container]


def test_sequential_runs_in_order_and_by_name():
    net = nn.Sequential(OrderedDict(up=nn.Linear(1, 2), act=nn.ReLU()))
    assert [name for name, _ in net.named_parameters()] == ["up.weight", "up.bias"]
    assert net(tl.ones(3, 1)).shape == (3, 2)
    assert nn.Sequential()(5) == 5


def test_sequential_slices_share_modules_and_keep_names():
    net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 3), nn.Tanh())
    tail = net[2:]
    assert type(tail) is nn.Sequential
    assert tail[0] is net[2]
    assert list(tail.state_dict()) == ["2.weight", "2.bias"]
    assert net[-1] is net[3]
    assert kinds(net[::2]) == ["Linear", "Linear"]


def test_sequential_changes():
    net = nn.Sequential(nn.ReLU()).append(nn.Tanh())
    net.insert(1, nn.Sigmoid())
    net.extend([nn.Identity()])
    assert kinds(net) == ["ReLU", "Sigmoid", "Tanh", "Identity"]
    net[0] = nn.GELU()
    del net[1]
    assert kinds(net) == ["GELU", "Tanh", "Identity"]
    assert [name for name, _ in net.named_children()] == ["0", "1", "2"]
    assert type(net.pop()).__name__ == "Identity"
    assert kinds(net + nn.Sequential(nn.ReLU())) == ["GELU", "Tanh", "ReLU"]
    assert kinds(net) == ["GELU", "Tanh"]
    assert len(net) == 2


def test_sequential_takes_modules_only():
    with pytest.raises(ArgumentTypeError) as error:
        nn.Sequential(nn.Linear(1, 1), nn.ReLU)
    assert str(error.value) == (
        "Sequential: an item must be an nn.Module, got type. "
        "For a class like nn.ReLU write nn.ReLU(); for a function write a Module around it."
    )


def test_module_list():
    layers = nn.ModuleList([nn.Linear(1, 1)])
    layers += [nn.ReLU(), nn.Tanh()]
    assert kinds(layers) == ["Linear", "ReLU", "Tanh"]
    assert kinds(layers[1:]) == ["ReLU", "Tanh"]
    assert list(layers[:1].state_dict()) == ["0.weight", "0.bias"]
    assert layers[0] in layers
    with pytest.raises(IndexingError) as error:
        layers[3]
    assert str(error.value) == "ModuleList: index 3 is out of range; it has 3 items."
    with pytest.raises(NotImplementedError):
        layers(1)


def test_a_refused_extension_adds_nothing():
    layers = nn.ModuleList([nn.ReLU()])
    with pytest.raises(ArgumentTypeError):
        layers.extend([nn.Tanh(), "tanh"])
    assert kinds(layers) == ["ReLU"]


def test_printed_form_of_a_list_counts_repeats():
    layers = nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Sequential(nn.Tanh()), nn.Sequential(nn.Tanh())])
    assert repr(layers) == ("ModuleList(\n  (0-1): 2 x ReLU()\n  (2-3): 2 x Sequential(\n    (0): Tanh()\n  )\n)")
    assert repr(nn.ModuleList()) == "ModuleList()"


def test_module_dict():
    heads = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.ReLU()})
    heads.update([("c", nn.Tanh())])
    assert list(heads) == heads.keys() == ["a", "b", "c"]
    assert "a" in heads and "z" not in heads
    assert [type(module).__name__ for _, module in heads.items()] == ["Linear", "ReLU", "Tanh"]
    assert type(heads.pop("b")).__name__ == "ReLU"
    del heads["c"]
    assert len(heads) == 1
    with pytest.raises(KeyError) as error:
        heads["z"]
    assert str(error.value) == "ModuleDict: no entry 'z'. It has 'a'."
    with pytest.raises(ArgumentError) as clash:
        heads["keys"] = nn.ReLU()
    assert str(clash.value) == ("ModuleDict.__setitem__: the attribute 'keys' exists already. Choose another name.")
    heads.clear()
    assert list(heads.parameters()) == []


def test_parameter_list():
    values = nn.ParameterList([tl.ones(1), nn.Parameter(tl.zeros(2))])
    values.append(tl.ones(3))
    assert [type(value) for value in values] == [nn.Parameter] * 3
    assert [tuple(value.shape) for value in values.parameters()] == [(1,), (2,), (3,)]
    assert list(values.state_dict()) == ["0", "1", "2"]
    assert repr(values[:1]) == "ParameterList(\n  (0): Parameter of shape (1,), float32\n)"
    with pytest.raises(ArgumentTypeError) as error:
        values.append(3)
    assert str(error.value) == "ParameterList: an item must be an nn.Parameter or a Tensor, got int."


def test_parameter_dict():
    values = nn.ParameterDict({"a": tl.ones(1)})
    values["b"] = tl.ones(2)
    assert [name for name, _ in values.named_parameters()] == ["a", "b"]
    assert values["b"].requires_grad
    with pytest.raises(ArgumentTypeError):
        values["c"] = nn.ReLU()
