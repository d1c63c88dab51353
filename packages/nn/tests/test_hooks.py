"""Forward and backward hooks: order, what they may replace, and how they go away."""

import copy
import gc
import weakref

import pytest

import tapeloom as tl
from tapeloom import nn
from tapeloom.errors import ArgumentTypeError, GradientError


class Scale(nn.Module):
    def __init__(self, factor=2.0):
        super().__init__()
        self.factor = nn.Parameter(tl.tensor(factor))

    def forward(self, x, *, offset=0.0):
        return x * self.factor + offset


class Pair(nn.Module):
    """Two inputs, two outputs."""

    def forward(self, a, b):
        return a * 2, a * b


def test_order_of_forward_hooks():
    layer, seen = Scale(), []
    layer.register_forward_pre_hook(lambda module, args: seen.append("pre 1"))
    layer.register_forward_pre_hook(lambda module, args: seen.append("pre 2"))
    layer.register_forward_pre_hook(lambda module, args: seen.append("pre 0"), prepend=True)
    layer.register_forward_hook(lambda module, args, output: seen.append("post 1"))
    layer.register_forward_hook(lambda module, args, output: seen.append("post 0"), prepend=True)
    layer(tl.ones(1))
    assert seen == ["pre 0", "pre 1", "pre 2", "post 0", "post 1"]


def test_hooks_replace_arguments_and_output():
    layer = Scale()
    layer.register_forward_pre_hook(lambda module, args: args[0] + 1)
    layer.register_forward_hook(lambda module, args, output: output * 10)
    assert layer(tl.tensor([1.0])).tolist() == [40.0]


def test_hooks_with_keyword_arguments():
    layer = Scale()
    layer.register_forward_pre_hook(
        lambda module, args, kwargs: (args, {"offset": kwargs["offset"] + 1}), with_kwargs=True
    )
    layer.register_forward_hook(lambda module, args, kwargs, output: output + kwargs["offset"], with_kwargs=True)
    assert layer(tl.tensor([1.0]), offset=3.0).tolist() == [10.0]
    layer.register_forward_pre_hook(lambda module, args, kwargs: args, with_kwargs=True)
    with pytest.raises(ArgumentTypeError) as error:
        layer(tl.tensor([1.0]), offset=3.0)
    assert str(error.value) == (
        "A forward pre-hook of Scale registered with with_kwargs=True must return None or (args, kwargs), got tuple."
    )


def test_handles_take_hooks_away():
    layer, seen = Scale(), []
    handle = layer.register_forward_hook(lambda *args: seen.append(1))
    with layer.register_forward_hook(lambda *args: seen.append(2)):
        layer(tl.ones(1))
    handle.remove()
    handle.remove()
    layer(tl.ones(1))
    assert seen == [1, 2]


def test_a_hook_may_remove_itself():
    layer, seen = Scale(), []

    def once(module, args, output):
        seen.append(1)
        handle.remove()

    handle = layer.register_forward_hook(once)
    layer.register_forward_hook(lambda *args: seen.append(2))
    layer(tl.ones(1))
    layer(tl.ones(1))
    assert seen == [1, 2, 2]


def test_what_is_no_hook():
    with pytest.raises(ArgumentTypeError) as error:
        Scale().register_forward_hook(3)
    assert str(error.value) == "register_forward_hook: the hook must be callable, got int."


def test_a_copy_has_hooks_of_its_own():
    layer, seen = Scale(), []
    handle = layer.register_forward_hook(lambda *args: seen.append(1))
    twin = copy.copy(layer)
    handle.remove()
    layer(tl.ones(1))
    assert seen == []
    twin(tl.ones(1))
    assert seen == [1]


def test_backward_hooks_see_both_borders_in_order():
    layer, seen = Scale(), []
    layer.register_full_backward_pre_hook(lambda module, grad: seen.append(("pre", grad[0].tolist())))
    layer.register_full_backward_hook(
        lambda module, grad_input, grad_output: seen.append((grad_input[0].tolist(), grad_output[0].tolist()))
    )
    x = tl.ones(2, requires_grad=True)
    (layer(x) * 3).sum().backward()
    assert seen == [("pre", [3.0, 3.0]), ([6.0, 6.0], [3.0, 3.0])]
    assert x.grad.tolist() == [6.0, 6.0]
    assert layer.factor.grad.item() == 6.0


def test_backward_hooks_see_this_call_alone():
    layer, seen = Scale(), []
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: seen.append(grad_input[0].item()))
    x = tl.tensor(1.0, requires_grad=True)
    (layer(x) + 5 * x).backward()
    assert seen == [2.0]
    assert x.grad.item() == 7.0


def test_backward_hooks_replace_gradients():
    layer = Scale()
    layer.register_full_backward_pre_hook(lambda module, grad_output: (grad_output[0] * 10,))
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: grad_input[0] + 1)
    x = tl.tensor(3.0, requires_grad=True)
    layer(x).backward()
    assert x.grad.item() == 21.0
    assert layer.factor.grad.item() == 30.0


def test_backward_hook_without_an_input_that_needs_a_gradient():
    layer, seen = Scale(), []
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: seen.append((grad_input, grad_output)))
    layer(tl.tensor(3.0)).backward()
    ((grad_input, grad_output),) = seen
    assert grad_input == (None,)
    assert grad_output[0].item() == 1.0


def test_backward_hooks_of_several_inputs_and_outputs():
    layer, seen = Pair(), []

    def hook(module, grad_input, grad_output):
        seen.append([None if grad is None else grad.item() for grad in (*grad_input, *grad_output)])
        return tuple(None if grad is None else grad * 100 for grad in grad_input)

    layer.register_full_backward_hook(hook)
    a, b = tl.tensor(3.0, requires_grad=True), tl.tensor(5.0, requires_grad=True)
    first, second = layer(a, b)
    (first + 10 * second).backward()
    assert seen == [[52.0, 30.0, 1.0, 10.0]]
    assert a.grad.item() == 5200.0
    assert b.grad.item() == 3000.0

    seen.clear()
    layer(a, b)[0].backward()  # neither b nor the second output takes part
    assert seen == [[2.0, None, 1.0, None]]


def test_backward_hooks_run_once_a_pass_over_a_retained_tape():
    layer, seen = Scale(), []
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: seen.append(grad_output[0].item()))
    x = tl.tensor(1.0, requires_grad=True)
    loss = layer(x) * 4
    loss.backward(retain_graph=True)
    loss.backward()
    assert seen == [4.0, 4.0]
    assert x.grad.item() == 16.0


def test_a_backward_hook_with_too_many_gradients():
    layer = Scale()
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: (None, None))
    out = layer(tl.tensor(1.0, requires_grad=True))
    with pytest.raises(GradientError) as error:
        out.backward()
    assert str(error.value) == (
        "A backward hook of Scale returned 2 gradients for 1 tensors. "
        "Return a tuple with one for each, or None to keep them."
    )


def test_backward_hooks_are_silent_without_recording():
    layer, seen = Scale(), []
    layer.register_full_backward_hook(lambda *args: seen.append(1))
    with tl.no_grad():
        assert layer(tl.ones(1, requires_grad=True)).tolist() == [2.0]
    assert seen == []


@pytest.mark.parametrize("recorded", [False, True], ids=["once", "twice differentiable"])
@pytest.mark.parametrize("needs", [False, True], ids=["parameters only", "inputs too"])
def test_backward_hooks_leave_no_cycle(recorded, needs):
    """Each step frees its tape and its gradients at once, without the garbage collector."""
    model, seen = nn.Sequential(Scale(), Scale()), []

    def notice(module, *rows):
        seen.extend(weakref.ref(grad) for row in rows for grad in row if grad is not None)

    for layer in (model, *model):
        layer.register_full_backward_pre_hook(notice)
        layer.register_full_backward_hook(notice)

    def step():
        x = tl.ones(3).requires_grad_(needs)
        loss = (model(x) ** 2).sum()
        loss.backward(create_graph=recorded)
        if recorded:
            (model[0].factor.grad * model[1].factor.grad).sum().backward()
        model.zero_grad()
        x.grad = None  # a gradient with a history leads back to its own leaf

    gc.collect()
    gc.disable()
    try:
        step()
        assert len(seen) >= 7 and not any(reference() is not None for reference in seen)
        assert gc.collect() == 0
    finally:
        gc.enable()
