"""state_dict and load_state_dict: keys, reports, and that nothing is half loaded."""

import pytest

import tapeloom as tl
from tapeloom import nn
from tapeloom.errors import ArgumentTypeError, StateError


class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3)
        self.norm = nn.BatchNorm2d(width)
        self.fc = nn.Linear(width, 2)


def values(module):
    return {key: value.tolist() for key, value in module.state_dict().items()}


def test_keys_are_those_of_pytorch():
    assert list(Net().state_dict()) == [
        "conv.weight",
        "conv.bias",
        "norm.weight",
        "norm.bias",
        "norm.running_mean",
        "norm.running_var",
        "norm.num_batches_tracked",
        "fc.weight",
        "fc.bias",
    ]


def test_prefix_destination_and_keep_vars():
    layer = nn.Linear(2, 2)
    state = {"old": tl.ones(1)}
    assert layer.state_dict(destination=state, prefix="part.") is state
    assert list(state) == ["old", "part.weight", "part.bias"]
    assert not state["part.weight"].requires_grad
    assert layer.state_dict(keep_vars=True)["weight"] is layer.weight


def test_the_state_shares_with_the_module():
    layer = nn.Linear(1, 1)
    state = layer.state_dict()
    with tl.no_grad():
        layer.weight.fill_(5.0)
    assert state["weight"].tolist() == [[5.0]]


def test_round_trip():
    source, target = Net(), Net()
    weight = target.fc.weight
    result = target.load_state_dict(source.state_dict())
    assert values(target) == values(source)
    assert target.fc.weight is weight
    assert repr(result) == "<All keys matched successfully>"
    with tl.no_grad():
        source.fc.weight.fill_(9.0)
    assert values(target) != values(source)


def test_values_are_converted():
    target = nn.Linear(1, 1)
    target.load_state_dict(nn.Linear(1, 1, dtype=tl.float64).state_dict())
    assert target.weight.dtype is tl.float32


def test_report_of_missing_unexpected_and_misshapen_keys():
    net = Net()
    state = net.state_dict()
    state["classifier.weight"] = state.pop("fc.weight")
    state["fc.scale"] = state.pop("fc.bias")
    state["conv.weight"] = tl.zeros(4, 3, 3, 3)
    state["norm.bias"] = 3
    before = values(net)
    with pytest.raises(StateError) as error:
        net.load_state_dict(state)
    assert str(error.value) == (
        "Net.load_state_dict: 6 keys do not fit; nothing was loaded.\n"
        "  Missing (in the model, not in the state):\n"
        "    fc.weight (2, 4); the state has 'classifier.weight' of that shape\n"
        "    fc.bias (2,); the state has 'fc.scale' of that shape\n"
        "  Unexpected (in the state, not in the model):\n"
        "    classifier.weight (2, 4)\n"
        "    fc.scale (2,)\n"
        "  Wrong shape:\n"
        "    conv.weight: the model has (4, 1, 3, 3), the state (4, 3, 3, 3)\n"
        "    norm.bias: the model has (4,), the state no Tensor but int\n"
        "Rename the keys, or pass strict=False to pass over missing and unexpected ones."
    )
    assert values(net) == before


def test_loading_that_is_not_strict():
    net = Net()
    state = {"fc.bias": tl.tensor([1.0, 2.0]), "other": tl.ones(1)}
    result = net.load_state_dict(state, strict=False)
    assert net.fc.bias.tolist() == [1.0, 2.0]
    assert result.unexpected_keys == ["other"]
    assert result.missing_keys[:2] == ["conv.weight", "conv.bias"]
    assert repr(nn.Linear(1, 1, bias=False).load_state_dict({}, strict=False)) == (
        "IncompatibleKeys(missing_keys=['weight'], unexpected_keys=[])"
    )
    with pytest.raises(StateError) as error:
        net.load_state_dict({"fc.bias": tl.ones(3)}, strict=False)
    assert str(error.value) == (
        "Net.load_state_dict: 1 key does not fit; nothing was loaded.\n"
        "  Wrong shape:\n"
        "    fc.bias: the model has (2,), the state (3,)\n"
        "Build the model with the sizes it was saved with, or leave these keys out and pass strict=False."
    )


def test_a_common_prefix_is_found():
    layer = nn.Linear(1, 1)
    state = {f"module.{key}": value for key, value in layer.state_dict().items()}
    with pytest.raises(StateError) as error:
        layer.load_state_dict(state)
    assert str(error.value).splitlines()[-1] == (
        "Every key of the state begins with 'module.'. Load it with "
        "{key.removeprefix('module.'): value for key, value in state.items()}."
    )


def test_the_state_of_a_part_is_recognised():
    net = nn.Sequential(nn.Sequential(nn.Linear(1, 1)))
    with pytest.raises(StateError) as error:
        net.load_state_dict(nn.Linear(1, 1).state_dict())
    assert str(error.value).splitlines()[-1] == (
        "The state fits the part '0.0' of the model. Load it: model.get_submodule('0.0').load_state_dict(state)."
    )


def test_a_long_report_is_cut():
    net = nn.Sequential(*[nn.Linear(1, 1) for _ in range(15)])
    with pytest.raises(StateError) as error:
        net.load_state_dict({})
    lines = str(error.value).splitlines()
    assert lines[0] == "Sequential.load_state_dict: 30 keys do not fit; nothing was loaded."
    assert lines[-2] == "    and 10 more"
    assert len(lines) == 24


def test_what_is_no_state():
    with pytest.raises(ArgumentTypeError) as error:
        nn.Linear(1, 1).load_state_dict([1])
    assert str(error.value) == (
        "Linear.load_state_dict: the state is a list, not a mapping from names to Tensors. "
        "Pass what state_dict() gave or tl.load() read."
    )


def test_assign_takes_the_tensors_themselves():
    layer = nn.Linear(1, 1)
    layer.bias.requires_grad_(False)
    state = nn.Linear(1, 1, dtype=tl.float64).state_dict()
    layer.load_state_dict(state, assign=True)
    assert layer.weight.dtype is tl.float64
    assert isinstance(layer.weight, nn.Parameter)
    assert layer.weight.requires_grad
    assert not layer.bias.requires_grad
    state["weight"].fill_(2.0)
    assert layer.weight.tolist() == [[2.0]]


def test_shared_parameters_stay_shared_when_assigned():
    net = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    net[1].weight = net[0].weight
    assert len(net.state_dict()) == 4
    net.load_state_dict(net.state_dict(), assign=True)
    assert net[1].weight is net[0].weight
