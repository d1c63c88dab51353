"""The tape as users meet it: backward, grad, hooks, modes, and every error of theirs, word for word."""

from __future__ import annotations

import copy
import pickle

import pytest

import tapeloom as tl
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    DTypeError,
    FreedTapeError,
    GradientError,
    InplaceError,
    ShapeError,
)


def leaf(*values):
    return tl.tensor(values, dtype=tl.float64, requires_grad=True)


def values(tensor):
    return tensor.detach().tolist()


# what backward does


def test_gradients_add_up_in_one_and_the_same_tensor():
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    first = x.grad
    (x * 3).sum().backward()
    assert x.grad is first and values(first) == [5.0, 7.0]
    x.grad.zero_()
    assert values(x.grad) == [0.0, 0.0] and x.grad is first


def test_a_tensor_used_twice_gets_both_gradients():
    x = leaf(3.0)
    y = x * x
    (y * y + y).backward()
    assert values(x.grad) == [4 * 27 + 6.0]


def test_a_broadcast_input_gets_the_sum():
    x, y = leaf(1.0, 2.0), tl.ones(3, 2, dtype=tl.float64)
    (x * y).sum().backward()
    assert values(x.grad) == [3.0, 3.0]


def test_the_gradient_of_mixed_dtypes_comes_back_in_each_ones_own():
    x = tl.ones(2, requires_grad=True)
    y = tl.ones(2, dtype=tl.float64, requires_grad=True)
    z = x * y
    assert z.dtype is tl.float64
    z.sum().backward()
    assert x.grad.dtype is tl.float32 and y.grad.dtype is tl.float64
    assert values(x.grad) == values(y.grad) == [1.0, 1.0]


def test_a_deep_chain_needs_no_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = y + 0.0
    y.backward()
    assert values(x.grad) == [1.0]


def test_backward_of_a_vector_takes_its_gradient():
    x = leaf(1.0, 2.0)
    (x * x).backward(tl.tensor([1.0, 10.0], dtype=tl.float64))
    assert values(x.grad) == [2.0, 40.0]


def test_inputs_limit_the_leaves():
    x, y = leaf(2.0), leaf(3.0)
    (x * y).backward(inputs=[x])
    assert values(x.grad) == [3.0] and y.grad is None


def test_retain_graph_allows_a_second_walk():
    x = leaf(2.0)
    y = x.exp()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == pytest.approx(2 * y.item())


def test_what_keeps_no_array_can_be_walked_again():
    x = leaf(2.0)
    y = x + 1
    y.backward()
    y.backward()
    assert values(x.grad) == [2.0]


def test_create_graph_gives_gradients_of_gradients():
    x = leaf(2.0)
    (first,) = tl.autograd.grad(x**4, x, create_graph=True)
    (second,) = tl.autograd.grad(first, x, create_graph=True)
    (third,) = tl.autograd.grad(second, x)
    assert (first.item(), second.item(), third.item()) == (32.0, 48.0, 48.0)


def test_grad_reaches_tensors_that_are_no_leaves_and_leaves_dot_grad_alone():
    x = leaf(2.0)
    y = x * x
    gx, gy = tl.autograd.grad(y * 3, [x, y])
    assert values(gx) == [12.0] and values(gy) == [3.0] and x.grad is None


def test_grad_of_an_unused_input():
    x, y = leaf(1.0), leaf(1.0)
    with pytest.raises(GradientError) as caught:
        tl.autograd.grad(x * 2, [x, y], retain_graph=True)
    assert str(caught.value) == (
        "grad: the outputs do not depend on input 1 (shape (1,)). Give allow_unused=True for None, or "
        "materialize_grads=True for zeros."
    )
    assert tl.autograd.grad(x * 2, [x, y], allow_unused=True)[1] is None
    assert values(tl.autograd.grad(x * 2, [x, y], materialize_grads=True)[1]) == [0.0]


def test_several_outputs_share_a_node():
    x = tl.tensor([[1.0, 5.0], [7.0, 3.0]], requires_grad=True)
    largest, places = x.max(1)
    assert not places.requires_grad
    (largest * tl.tensor([2.0, 3.0])).sum().backward()
    assert values(x.grad) == [[0.0, 2.0], [3.0, 0.0]]


# hooks


def test_hooks_see_and_replace_the_gradient():
    x = leaf(1.0)
    seen = []
    y = x * 2
    y.register_hook(lambda g: seen.append(values(g)))
    handle = x.register_hook(lambda g: g * 10)
    y.backward(retain_graph=True)
    assert seen == [[1.0]] and values(x.grad) == [20.0]
    handle.remove()
    x.grad = None
    y.backward()
    assert values(x.grad) == [2.0]


def test_a_hook_must_keep_the_shape():
    x = leaf(1.0)
    x.register_hook(lambda g: tl.ones(3, dtype=tl.float64))
    with pytest.raises(GradientError, match="a gradient hook must return None or a tensor of float64 on cpu and shape"):
        (x * 2).backward()


@pytest.mark.parametrize("hook", [lambda g: 1 / 0, lambda g: tl.ones(3, dtype=tl.float64)])
def test_where_a_hook_fails_no_leaf_is_changed(hook):
    x, y = leaf(1.0), leaf(2.0)
    for tensor in (x, y):
        (x * y).backward(inputs=[x, y])
        before = values(x.grad), values(y.grad)
        handle = tensor.register_hook(hook)
        with pytest.raises((ZeroDivisionError, GradientError)):
            (x * y).backward()
        handle.remove()
        assert (values(x.grad), values(y.grad)) == before


def test_where_a_rule_fails_no_leaf_is_changed():
    x, y = leaf(1.0), leaf(2.0)
    product = x * y
    (product.exp() + y).backward(retain_graph=False)
    before = values(x.grad), values(y.grad)
    with pytest.raises(FreedTapeError):
        (product.sin() + x * 3).backward()
    assert (values(x.grad), values(y.grad)) == before


def test_hooks_after_accumulation_get_the_leaf():
    x = leaf(1.0)
    seen = []
    x.register_post_accumulate_grad_hook(lambda tensor: seen.append(values(tensor.grad)))
    (x * 2).backward()
    (x * 3).backward()
    assert seen == [[2.0], [5.0]]


def test_retain_grad_keeps_the_gradient_between():
    x = leaf(1.0)
    y = x * 2
    y.retain_grad()
    assert y.retains_grad and y.grad is None
    (y * 3).backward()
    assert values(y.grad) == [3.0]


# modes


def test_no_grad_records_nothing_and_nests():
    x = leaf(1.0)
    with tl.no_grad():
        assert not (x * 2).requires_grad
        with tl.enable_grad():
            assert (x * 2).requires_grad
        assert not tl.is_grad_enabled()
    assert tl.is_grad_enabled()


def test_modes_are_decorators_too():
    x = leaf(1.0)

    @tl.no_grad()
    def one(value):
        return value * 2

    @tl.no_grad
    def other(value):
        return value * 2

    @tl.inference_mode()
    def third(value):
        assert tl.is_inference_mode_enabled()
        return value * 2

    assert not any(function(x).requires_grad for function in (one, other, third))
    assert (x * 2).requires_grad


def test_set_grad_enabled_acts_at_once_and_as_a_block():
    x = leaf(1.0)
    tl.set_grad_enabled(False)
    assert not (x * 2).requires_grad
    tl.set_grad_enabled(True)
    with tl.set_grad_enabled(False):
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad


def test_an_error_inside_a_mode_restores_it():
    with pytest.raises(ShapeError), tl.no_grad():
        tl.ones(2) + tl.ones(3)
    assert tl.is_grad_enabled()


# errors


def test_backward_without_a_tape():
    with pytest.raises(GradientError) as caught:
        tl.ones(1).backward()
    assert str(caught.value) == (
        "backward: this tensor of shape (1,) does not require a gradient and has no tape. Was it made under no_grad, "
        "detached, or from inputs without requires_grad=True?"
    )


def test_backward_of_a_vector_without_gradient():
    with pytest.raises(GradientError) as caught:
        (leaf(1.0, 2.0) * 2).backward()
    assert str(caught.value) == (
        "backward: only a tensor of one element has an implied gradient, this one has shape (2,). Reduce it, for "
        "instance with .sum(), or give the gradient."
    )


def test_a_second_backward_through_a_freed_tape():
    x = leaf(1.0)
    y = x.exp()
    y.backward()
    with pytest.raises(FreedTapeError) as caught:
        y.backward()
    assert str(caught.value) == (
        "backward: the tape was already freed at ExpBackward. Call the first backward with retain_graph=True to walk it "
        "twice, or compute the result again."
    )
    assert values(x.grad) == [pytest.approx(2.718281828459045)], "the failed walk must not have changed .grad"


def test_a_gradient_of_the_wrong_shape_or_dtype():
    x = leaf(1.0, 2.0)
    with pytest.raises(
        ShapeError, match=r"backward: the gradient has shape \(3,\), and the tensor \(2,\)\. They must agree\."
    ):
        (x * 2).backward(tl.ones(3, dtype=tl.float64))
    with pytest.raises(DTypeError, match=r"backward: the gradient is float32 on cpu, and the tensor float64 on cpu\."):
        (x * 2).backward(tl.ones(2))
    with pytest.raises(ArgumentTypeError, match="backward: the gradient must be a tensor, got list"):
        (x * 2).backward([1.0, 2.0])


def test_backward_with_empty_inputs():
    with pytest.raises(ArgumentError, match="backward: inputs is empty"):
        leaf(1.0).sum().backward(inputs=[])


def test_integers_cannot_require_a_gradient():
    with pytest.raises(DTypeError) as caught:
        tl.tensor([1, 2], requires_grad=True)
    assert str(caught.value) == (
        "requires_grad: only floating and complex tensors can have a gradient, this one is int64. Cast it first with .float()."
    )


def test_only_leaves_can_be_switched_off():
    y = leaf(1.0) * 2
    with pytest.raises(
        GradientError, match="this tensor was made by MultiplyBackward; only a leaf can be switched off"
    ):
        y.requires_grad_(False)


def test_a_leaf_cannot_be_changed_in_place_while_recording():
    x = leaf(1.0)
    for change in (lambda: x.add_(1), lambda: x.zero_(), lambda: x.__setitem__(0, 1.0), lambda: x[:1].mul_(2)):
        with pytest.raises(
            InplaceError, match="that requires a gradient cannot be changed in place while operations are"
        ):
            change()
    assert values(x) == [1.0]
    with tl.no_grad():
        x.add_(1)
    assert values(x) == [2.0] and x.is_leaf and x.requires_grad


def test_numpy_of_a_tensor_that_requires_a_gradient():
    with pytest.raises(GradientError, match="NumPy would lose"):
        leaf(1.0).numpy()


# leaves


def test_a_leaf_switched_off_keeps_its_gradient():
    x = leaf(1.0)
    (x * 2).backward()
    x.requires_grad_(False)
    assert values(x.grad) == [2.0] and not x.requires_grad
    x.requires_grad_(True)
    assert values(x.grad) == [2.0]


def test_copies_and_pickles_of_leaves():
    x = leaf(1.0, 2.0)
    (x * 2).sum().backward()
    for other in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert values(other) == [1.0, 2.0] and other.requires_grad and other.is_leaf and other is not x
    with pytest.raises(GradientError, match="only leaves can be copied deeply"):
        copy.deepcopy(x * 2)


def test_names_on_the_tape():
    y = leaf(1.0) * 2
    assert repr(y.grad_fn) == "<MultiplyBackward>"
    assert y.grad_fn.next_functions[0][0].name == "AccumulateGrad"
    assert y.grad_fn.next_functions[1][0] is None


# what torch does at the edges of the walk


def test_gradients_that_carry_a_tape_are_not_shared():
    x, y = leaf(1.0), leaf(2.0)
    upstream = tl.ones(1, dtype=tl.float64)
    (x + y).backward(upstream, create_graph=True)
    with tl.no_grad():
        x.grad.zero_()
    assert values(y.grad) == values(upstream) == [1.0]


def test_a_gradient_that_was_broadcast_can_be_changed_in_place():
    x = leaf(1.0, 2.0)
    x.sum().backward(create_graph=True)
    with tl.no_grad():
        x.grad.mul_(3)
    assert values(x.grad) == [3.0, 3.0]


def test_a_gradient_that_carries_a_tape_goes_on_as_the_same_tensor():
    x = leaf(1.0)
    (x * x * x).backward(create_graph=True)
    held = x.grad
    (held * held).backward()
    assert x.grad is held and values(held) == [3.0 + 36.0]


def test_inputs_of_backward_need_not_be_leaves():
    x = leaf(1.0, 2.0)
    y = x * 2
    for times in (1, 2):
        (y * y).sum().backward(inputs=[y])
        assert values(y.grad) == [4.0 * times, 8.0 * times]
    assert x.grad is None


def test_a_retained_gradient_adds_up_over_walks():
    y = leaf(1.0) * 1
    y.retain_grad()
    z = y * y
    z.backward(retain_graph=True)
    z.backward()
    assert values(y.grad) == [4.0]


def test_what_leads_to_no_input_is_left_alone():
    x, other = leaf(1.0), leaf(2.0)
    between = other * 3
    between.retain_grad()
    seen = []
    other.register_hook(seen.append)
    between.register_hook(seen.append)
    (g,) = tl.autograd.grad([other, between, x * 2], [x])
    assert values(g) == [2.0] and not seen and between.grad is None


def test_a_tensor_overwritten_with_constants_passes_on_zeros():
    for overwrite in (lambda t: t.zero_(), lambda t: t.fill_(5), lambda t: t.copy_(tl.ones(2, dtype=tl.float64))):
        x = leaf(1.0, float("inf"))
        y = x * 3
        overwrite(y)
        assert y.requires_grad
        y.sum().backward()
        assert values(x.grad) == [0.0, 0.0]


def test_a_detached_handle_overwritten_with_constants_has_no_history():
    w = leaf(1.0)
    d = tl.ones(1, dtype=tl.float64).detach()
    d.add_(w)
    d.copy_(tl.zeros(1, dtype=tl.float64))
    (d + w).backward()
    assert values(w.grad) == [1.0]


def test_retain_grad_outlives_an_in_place_change():
    y = leaf(1.0) * 3
    y.retain_grad()
    y.mul_(2)
    (y * y).backward()
    assert y.retains_grad and values(y.grad) == [12.0]
