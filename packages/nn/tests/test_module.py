"""Registration of attributes, walks over the tree, conversion, printing and copying."""

import copy
import pickle
from collections import OrderedDict

import pytest

import tapeloom as tl
from tapeloom import nn
from tapeloom.errors import ArgumentError, ArgumentTypeError, StateError, UnsupportedError


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(tl.ones(2))
        self.register_buffer("seen", tl.zeros(2))
        self.register_buffer("scratch", tl.zeros(1), persistent=False)
        self.register_parameter("bias", None)
        self.inner = nn.Linear(2, 2)

    def forward(self, x):
        return self.inner(x) * self.scale


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Block()
        self.layers = nn.ModuleList([Block(), nn.ReLU()])
        self.first_again = self.first

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.first(x)


def names(pairs):
    return [name for name, _ in pairs]


def test_named_parameters_come_in_order_and_once():
    assert names(Net().named_parameters()) == [
        "first.scale",
        "first.inner.weight",
        "first.inner.bias",
        "layers.0.scale",
        "layers.0.inner.weight",
        "layers.0.inner.bias",
    ]


def test_duplicates_are_kept_on_request():
    net = Net()
    assert "first_again.scale" in names(net.named_parameters(remove_duplicate=False))
    assert "first_again.inner" in names(net.named_modules(remove_duplicate=False))
    assert names(net.named_modules()) == [
        "",
        "first",
        "first.inner",
        "layers",
        "layers.0",
        "layers.0.inner",
        "layers.1",
    ]


def test_one_parameter_under_two_names_comes_once():
    module = nn.Module()
    module.a = nn.Parameter(tl.ones(1))
    module.b = module.a
    assert names(module.named_parameters()) == ["a"]
    assert names(module.named_parameters(remove_duplicate=False)) == ["a", "b"]


def test_walks_without_recursion_and_with_prefix():
    block = Block()
    assert names(block.named_parameters(recurse=False)) == ["scale"]
    assert names(block.named_buffers(prefix="block")) == ["block.seen", "block.scratch"]
    assert names(Net().named_children()) == ["first", "layers"]


def test_get_submodule_parameter_and_buffer():
    net = Net()
    assert net.get_submodule("layers.0.inner") is net.layers[0].inner
    assert net.get_submodule("") is net
    assert net.get_parameter("first.inner.bias") is net.first.inner.bias
    assert net.get_buffer("first.scratch") is net.first.scratch
    with pytest.raises(StateError) as error:
        net.get_submodule("layers.7.inner")
    assert str(error.value) == "get_submodule('layers.7.inner'): Net.layers has no module '7'. It has '0', '1'."
    with pytest.raises(StateError) as error:
        net.get_parameter("first.gain")
    assert str(error.value) == "get_parameter('first.gain'): no 'gain' in first. It has 'scale'."


def test_parameter_before_init_says_what_to_do():
    class Hasty(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter(tl.ones(1))

    with pytest.raises(StateError) as error:
        Hasty()
    assert str(error.value) == (
        "Hasty: 'weight' was set before Module.__init__ ran. Call super().__init__() first in Hasty.__init__."
    )


def test_walking_a_module_that_was_never_set_up():
    class Forgetful(nn.Module):
        def __init__(self):
            self.size = 3

    with pytest.raises(StateError) as error:
        list(Forgetful().parameters())
    assert str(error.value) == "Forgetful was never set up. Call super().__init__() first in Forgetful.__init__."


def test_module_without_forward():
    class Empty(nn.Module):
        pass

    with pytest.raises(UnsupportedError) as error:
        Empty()(1)
    assert str(error.value) == "Empty has no forward. Define `def forward(self, ...)` in class Empty."
    assert isinstance(error.value, NotImplementedError)


def test_a_parameter_takes_no_plain_tensor():
    layer = nn.Linear(2, 3)
    before = layer.weight
    with pytest.raises(ArgumentTypeError) as error:
        layer.weight = tl.ones(3, 2)
    assert str(error.value) == (
        "Linear.weight is a parameter: it takes an nn.Parameter or None, got Tensor. Wrap it: nn.Parameter(value)."
    )
    assert layer.weight is before


def test_assignment_by_kind():
    block = Block()
    block.bias = nn.Parameter(tl.zeros(2))  # its place was kept by register_parameter("bias", None)
    assert names(block.named_parameters(recurse=False)) == ["scale", "bias"]
    block.seen = tl.ones(2)
    assert names(block.named_buffers()) == ["seen", "scratch"]
    assert block.seen.tolist() == [1.0, 1.0]
    block.scale = None
    assert names(block.named_parameters(recurse=False)) == ["bias"]
    with pytest.raises(ArgumentTypeError) as error:
        block.seen = 3
    assert str(error.value) == "Block.seen is a buffer: it takes a Tensor or None, got int."
    with pytest.raises(ArgumentTypeError) as error:
        block.inner = tl.ones(1)
    assert str(error.value) == "Block.inner is a module: it takes an nn.Module or None, got Tensor."


def test_deleting_an_attribute_unregisters_it():
    block = Block()
    del block.inner
    assert names(block.named_children()) == []
    assert not hasattr(block, "inner")


def test_registration_refuses_taken_and_dotted_names():
    block = Block()
    with pytest.raises(ArgumentError) as error:
        block.register_buffer("forward", tl.ones(1))
    assert str(error.value) == "Block.register_buffer: the attribute 'forward' exists already. Choose another name."
    with pytest.raises(ArgumentError) as error:
        block.add_module("a.b", nn.ReLU())
    assert str(error.value) == "Block.add_module: the name must be a string without dots, got 'a.b'."
    with pytest.raises(ArgumentTypeError) as error:
        block.register_parameter("gain", tl.ones(1))
    assert str(error.value) == (
        "Block.register_parameter: 'gain' must be an nn.Parameter or None, got Tensor. Wrap it: nn.Parameter(value)."
    )


def test_buffer_class_registers_itself():
    module = nn.Module()
    module.kept = nn.Buffer(tl.ones(1))
    module.dropped = nn.Buffer(tl.ones(1), persistent=False)
    assert names(module.named_buffers()) == ["kept", "dropped"]
    assert list(module.state_dict()) == ["kept"]


def test_a_parameter_shares_what_it_wraps():
    value = tl.zeros(2)
    parameter = nn.Parameter(value)
    value.fill_(3.0)
    assert parameter.tolist() == [3.0, 3.0]
    with tl.no_grad():
        parameter.fill_(4.0)
    assert value.tolist() == [4.0, 4.0]
    assert not value.requires_grad
    assert type(parameter * 2) is tl.Tensor


def test_a_parameter_of_integers_needs_requires_grad_off():
    with pytest.raises(TypeError):
        nn.Parameter(tl.tensor([1, 2]))
    assert not nn.Parameter(tl.tensor([1, 2]), requires_grad=False).requires_grad


def test_error_notes_name_the_module_path():
    net = nn.Sequential(OrderedDict(body=nn.Sequential(nn.ReLU(), nn.Linear(3, 4)), head=nn.Linear(4, 1)))
    with pytest.raises(ValueError, match="linear") as error:
        net(tl.ones(2, 5))
    assert [note for note in error.value.__notes__ if note.startswith("in module")] == [
        "in module 'body.1' (Linear) of Sequential"
    ]
    assert pickle.loads(pickle.dumps(error.value.__notes__)) == error.value.__notes__


def test_error_note_of_the_module_itself_and_through_a_list():
    class Raises(nn.Module):
        def forward(self, x):
            raise KeyError("boom")

    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.steps = nn.ModuleList([nn.Identity(), Raises()])

        def forward(self, x):
            for step in self.steps:
                x = step(x)
            return x

    with pytest.raises(KeyError) as error:
        Raises()(1)
    assert error.value.__notes__ == ["in module Raises"]
    with pytest.raises(KeyError) as error:
        Holder()(1)
    assert error.value.__notes__ == ["in module 'steps.1' (Raises) of Holder"]


def test_train_and_eval_reach_all_modules():
    net = Net()
    assert all(not module.training for module in net.eval().modules())
    assert all(module.training for module in net.train().modules())
    with pytest.raises(ArgumentTypeError):
        net.train("yes")


def test_apply_goes_children_first():
    seen = []
    net = nn.Sequential(nn.Sequential(nn.ReLU()), nn.Tanh())
    assert net.apply(lambda module: seen.append(type(module).__name__)) is net
    assert seen == ["ReLU", "Sequential", "Tanh", "Sequential"]


def test_conversion_keeps_parameters_integers_and_gradients():
    norm = nn.BatchNorm1d(2)
    weight = norm.weight
    norm(tl.tensor([[1.0, 2.0], [3.0, 5.0]])).sum().backward()
    assert norm.double() is norm
    assert norm.weight is weight
    assert weight.dtype is tl.float64
    assert weight.grad.dtype is tl.float64
    assert norm.running_mean.dtype is tl.float64
    assert norm.num_batches_tracked.dtype is tl.int64
    assert norm.half().weight.dtype is tl.float16
    assert norm.float().weight.dtype is tl.float32
    assert norm.to(tl.zeros(1, dtype=tl.float64)).weight.dtype is tl.float64
    assert norm.to("cpu", tl.float32).weight.dtype is tl.float32
    assert norm.to(device="cpu", dtype=tl.float64).weight.dtype is tl.float64
    norm(tl.ones(3, 2, device="cpu", dtype=tl.float64)).sum().backward()


def test_shared_parameters_stay_shared_in_conversion():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    net.double()
    assert net[1].weight is net[0].weight
    assert net[0].weight.dtype is tl.float64


def test_a_failing_move_leaves_the_module_whole():
    layer = nn.Linear(2, 2)
    with pytest.raises((RuntimeError, ImportError, ValueError)):
        layer.to("nosuchdevice")
    assert layer.weight.device == layer.bias.device
    with pytest.raises(ArgumentError) as error:
        layer.to(tl.int64)
    assert str(error.value).startswith("Linear.to: a module takes a floating-point dtype, got ")
    with pytest.raises(ArgumentTypeError) as error:
        layer.to(where="cpu")
    assert str(error.value) == "Linear.to: unknown arguments ['where']; it takes device and dtype."


def test_requires_grad_and_zero_grad():
    layer = nn.Linear(2, 1)
    layer(tl.ones(1, 2)).sum().backward()
    layer.zero_grad(set_to_none=False)
    assert layer.weight.grad.tolist() == [[0.0, 0.0]]
    layer.zero_grad()
    assert layer.weight.grad is None
    layer.requires_grad_(False)
    assert not layer(tl.ones(1, 2)).requires_grad


def test_printed_form():
    class Settings(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = nn.Sequential(nn.Linear(2, 3), nn.ReLU())

        def extra_repr(self):
            return "size=3"

    assert repr(Settings()) == (
        "Settings(\n"
        "  size=3\n"
        "  (block): Sequential(\n"
        "    (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "    (1): ReLU()\n"
        "  )\n"
        ")"
    )
    assert repr(nn.Module()) == "Module()"


def test_copies_are_independent():
    net = Net()
    twin = copy.deepcopy(net)
    assert twin.first is twin.first_again
    assert isinstance(twin.first.scale, nn.Parameter)
    assert twin.first.scale is not net.first.scale
    with tl.no_grad():
        twin.first.scale.fill_(7.0)
    assert net.first.scale.tolist() == [1.0, 1.0]

    shallow = copy.copy(net)
    shallow.extra = nn.ReLU()
    assert not hasattr(net, "extra")
    assert names(net.named_children()) == ["first", "layers"]
    assert shallow.first is net.first


def test_pickling_keeps_kinds_and_values():
    layer = nn.BatchNorm1d(2).eval()
    twin = pickle.loads(pickle.dumps(layer))
    assert list(twin.state_dict()) == list(layer.state_dict())
    assert not twin.training
    assert isinstance(twin.weight, nn.Parameter)
    assert twin.weight.requires_grad
    assert twin.running_var.tolist() == [1.0, 1.0]


def test_plain_attributes_are_plain():
    module = nn.Module()
    module.size = 3
    module.table = tl.ones(2)  # a plain Tensor is neither parameter nor buffer
    assert list(module.state_dict()) == []
    assert module.size == 3


def test_copies_of_buffers_and_frozen_parameters():
    module = nn.Module()
    module.table = nn.Buffer(tl.ones(2), persistent=False)
    module.frozen = nn.Parameter(tl.ones(1), requires_grad=False)
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert isinstance(twin.table, nn.Buffer)
        assert list(twin.state_dict()) == ["frozen"]
        assert isinstance(twin.frozen, nn.Parameter)
        assert not twin.frozen.requires_grad


def test_parameters_and_buffers_print_as_in_pytorch():
    weight = nn.Parameter(tl.ones(2, 2, dtype=tl.float64))
    assert repr(weight) == (
        "Parameter containing:\ntensor([[1., 1.],\n        [1., 1.]], dtype=tapeloom.float64, requires_grad=True)"
    )
    assert repr(nn.Buffer(tl.arange(2))) == "tensor([0, 1])"
    assert repr(weight[0]).startswith("tensor([1., 1.], dtype=tapeloom.float64, grad_fn=<")


def test_a_parameter_needs_a_tensor():
    with pytest.raises(ArgumentTypeError) as error:
        nn.Parameter([1.0])
    assert str(error.value) == "Parameter: data must be a Tensor, got list. Make one with tl.tensor."


def test_layers_own_their_parameters_alone():
    """Their parameters share with nothing, so that an optimizer's in-place changes take the short path."""
    layer = nn.Linear(2, 2).double()
    assert layer.weight.extra is None
    assert layer.bias.extra is None
