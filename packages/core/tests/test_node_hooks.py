"""Hooks of nodes: ``register_hook`` and ``register_prehook`` of ``Tensor.grad_fn``."""

from __future__ import annotations

import pytest

import tapeloom as tl


def test_a_hook_sees_both_sides_and_may_replace_what_leaves(device):
    x, w = (tl.tensor(values, device=device, requires_grad=True) for values in ([1.0, 2.0], [3.0, 4.0]))
    y = x * w
    seen = []

    def hook(grad_inputs, grad_outputs):
        seen.append(([g.tolist() for g in grad_inputs], [g.tolist() for g in grad_outputs]))
        return grad_inputs[0] * 10, grad_inputs[1]

    handle = y.grad_fn.register_hook(hook)
    y.sum().backward(retain_graph=True)
    assert seen == [([[3.0, 4.0], [1.0, 2.0]], [[1.0, 1.0]])]
    assert x.grad.tolist() == [30.0, 40.0] and w.grad.tolist() == [1.0, 2.0]
    handle.remove()
    y.sum().backward()
    assert len(seen) == 1 and x.grad.tolist() == [33.0, 44.0]


def test_an_input_without_a_gradient_is_none(device):
    x = tl.ones(2, device=device, requires_grad=True)
    y = x * tl.ones(2, device=device)
    y.grad_fn.register_hook(lambda ins, outs: seen.append([g is None for g in ins]))
    seen = []
    y.sum().backward()
    assert seen == [[False, True]]


def test_a_prehook_may_replace_what_arrives(device):
    x = tl.ones(2, device=device, requires_grad=True)
    y = x * 3
    y.grad_fn.register_prehook(lambda outs: (outs[0] * 2,))
    y.grad_fn.register_prehook(lambda outs: None)
    y.sum().backward()
    assert x.grad.tolist() == [6.0, 6.0]


def test_an_operation_of_several_results(device):
    x = tl.tensor([[1.0, 2.0], [4.0, 3.0]], device=device, requires_grad=True)
    values, places = x.max(1)
    seen = []
    values.grad_fn.register_prehook(lambda outs: seen.append([g is None for g in outs]))
    (values * places).sum().backward()
    assert seen == [[False, True]]
    assert x.grad.tolist() == [[0.0, 1.0], [0.0, 0.0]]


def test_hooks_under_create_graph(device):
    x = tl.tensor([2.0], device=device, requires_grad=True)
    y = x**3
    y.grad_fn.register_hook(lambda ins, outs: (ins[0] * x,))
    (g,) = tl.autograd.grad(y.sum(), x, create_graph=True)
    assert g.item() == 24.0  # 3 x**2 * x
    assert tl.autograd.grad(g, x)[0].item() == 36.0  # 9 x**2


def test_hooks_of_a_leaf(device):
    x = tl.ones(2, device=device, requires_grad=True)
    leaf = (x * 2).grad_fn.next_functions[0][0]
    seen = []
    leaf.register_prehook(lambda outs: (outs[0] * 5,))
    leaf.register_hook(lambda ins, outs: seen.append((ins, outs[0].tolist(), x.grad.tolist())))
    (x * 2).sum().backward()
    assert seen == [((), [10.0, 10.0], [10.0, 10.0])]


def test_what_a_hook_returns_must_fit(device):
    x = tl.ones(2, device=device, requires_grad=True)
    y = x * 2
    y.grad_fn.register_hook(lambda ins, outs: (ins[0].double(), None))
    with pytest.raises(tl.errors.GradientError, match=r"MultiplyBackward: a hook after it must return None or a tuple"):
        y.sum().backward()
    assert x.grad is None
    with pytest.raises(tl.errors.ArgumentTypeError, match="register_hook: expected a function, got int"):
        y.grad_fn.register_hook(3)
