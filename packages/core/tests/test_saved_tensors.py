"""What operations keep for backward: hooks on it, and functions that are run again instead of keeping it."""

from __future__ import annotations

import gc
import weakref

import pytest

import tapeloom as tl
from tapeloom.autograd import graph
from tapeloom.testing import gradcheck, gradgradcheck
from tapeloom.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential


class Square(tl.autograd.Function):
    """A function of the user's own, which keeps its input and its output."""

    @staticmethod
    def forward(ctx, x):
        y = x * x
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return g * (2 * x + 0 * y)


def layers(x, w):
    hidden = Square.apply((x @ w).tanh())
    values, places = hidden.max(1)
    return hidden.exp().sum() + values.sum() + tl.cat([hidden, hidden * 2]).square().sum() + (places * values).sum()


def inputs(device, dtype=tl.float64):
    tl.manual_seed(3)
    x = tl.randn(4, 3, dtype=dtype, device=device, requires_grad=True)
    return x, tl.randn(3, 5, dtype=dtype, device=device, requires_grad=True)


# hooks


def test_hooks_get_what_is_kept_and_give_it_back(device):
    x, w = inputs(device)
    want = tl.autograd.grad(layers(x, w), (x, w))
    packed, unpacked = [], []

    def pack(tensor):
        assert isinstance(tensor, tl.Tensor) and not tensor.requires_grad
        packed.append(tensor.shape)
        return len(packed) - 1, tensor.numpy(force=True)

    def unpack(held):
        unpacked.append(held[0])
        return tl.tensor(held[1], device=device)

    with graph.saved_tensors_hooks(pack, unpack):
        out = layers(x, w)
    assert packed and not unpacked
    got = tl.autograd.grad(out, (x, w))
    assert sorted(unpacked) == list(range(len(packed)))
    for one, other in zip(got, want, strict=True):
        assert tl.equal(one, other)


def test_second_derivatives_go_through_hooks(device):
    def through(x, w):
        with graph.saved_tensors_hooks(
            lambda t: t.tolist(), lambda held: tl.tensor(held, dtype=tl.float64, device=device)
        ):
            return ((x @ w).tanh().exp() * x.sum()).sum()

    assert gradcheck(through, inputs(device))
    assert gradgradcheck(through, inputs(device))


def test_the_gradient_of_a_result_is_found_where_it_was_kept(device):
    x = tl.tensor([0.5, 1.0], device=device, requires_grad=True)
    with graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        y = x.exp()
    (g,) = tl.autograd.grad(y.sum(), x, create_graph=True)
    assert tl.autograd.grad(g.sum(), y)[0].tolist() == [1.0, 1.0]  # g is y itself


def test_the_inner_hooks_count(device):
    x = tl.ones(2, device=device, requires_grad=True)
    seen = []
    with graph.saved_tensors_hooks(lambda t: seen.append("outer") or t, lambda t: t):
        x.exp()
        with graph.saved_tensors_hooks(lambda t: seen.append("inner") or t, lambda t: t):
            x.exp()
        x.exp()
    assert seen == ["outer", "inner", "outer"]


def test_what_comes_back_must_fit(device):
    x = tl.ones(2, device=device, requires_grad=True)
    for wrong, came in (
        (lambda held: held[:1], r"float32 on \S+ of shape \(1,\)"),
        (lambda held: held.double(), "float64"),
        (lambda held: 3, "int"),
    ):
        with graph.saved_tensors_hooks(lambda t: t, wrong):
            y = x.exp().sum()
        with pytest.raises(tl.errors.GradientError, match=f"saved_tensors_hooks: unpack_hook returned {came}"):
            y.backward()
        assert x.grad is None


def test_hooks_can_be_forbidden():
    with (
        graph.disable_saved_tensors_hooks("not here"),
        pytest.raises(tl.errors.GradientError, match=r"^not here$"),
        graph.saved_tensors_hooks(lambda t: t, lambda t: t),
    ):
        raise AssertionError
    with pytest.raises(tl.errors.ArgumentTypeError, match="pack_hook must be a function, got int"):
        graph.saved_tensors_hooks(3, lambda t: t)


def test_saving_on_the_host(device):
    x, w = inputs(device)
    want = tl.autograd.grad(layers(x, w), (x, w))
    with graph.save_on_cpu():
        out = layers(x, w)
    for one, other in zip(tl.autograd.grad(out, (x, w)), want, strict=True):
        assert tl.equal(one, other) and one.device == other.device


def test_a_gradient_edge_stands_for_its_tensor(device):
    x = tl.tensor([1.0, 2.0], device=device, requires_grad=True)
    y = x * 3
    edge = graph.get_gradient_edge(y)
    z = (y * y).sum()
    del y
    assert tl.autograd.grad(z, edge, retain_graph=True)[0].tolist() == [6.0, 12.0]
    z.backward(inputs=[edge, x])
    assert x.grad.tolist() == [18.0, 36.0]
    with pytest.raises(
        tl.errors.GradientError, match=r"get_gradient_edge: this tensor of shape \(2,\) does not require"
    ):
        graph.get_gradient_edge(tl.ones(2, device=device))


# checkpoint


def test_a_checkpointed_function_has_the_same_gradients(device):
    x, w = inputs(device)
    want = tl.autograd.grad(layers(x, w), (x, w))
    out = checkpoint(layers, x, w, use_reentrant=False)
    for _ in range(2):
        for one, other in zip(tl.autograd.grad(out, (x, w), retain_graph=True), want, strict=True):
            assert tl.equal(one, other)


def test_second_derivatives_of_a_checkpointed_function(device):
    def checked(x, w):
        return checkpoint(lambda x: checkpoint(lambda x: (x @ w).tanh(), x=x).exp() * x.sum(), x)

    assert gradcheck(checked, inputs(device))
    assert gradgradcheck(checked, inputs(device))


def test_nothing_is_kept_between():
    x = tl.randn(100, requires_grad=True)
    arrays = []

    def function(x):
        for _ in range(5):
            x = x.exp().tanh()
            arrays.append(weakref.ref(x.array))
        return x * 2

    out = checkpoint(function, x)
    gc.collect()
    assert all(array() is None for array in arrays)
    out.sum().backward()
    assert len(arrays) == 10
    gc.collect()
    assert all(array() is None for array in arrays)


def test_the_second_run_stops_when_it_has_all():
    runs = []

    def function(x):
        runs.append("begin")
        y = x.exp() + 1
        runs.append("end")
        return y + y

    x = tl.ones(2, requires_grad=True)
    checkpoint(function, x).sum().backward()
    assert runs == ["begin", "end", "begin"]
    checkpoint(function, x, early_stop=False).sum().backward()
    assert runs[3:] == ["begin", "end", "begin", "end"]


@pytest.mark.parametrize("preserve", [True, False])
def test_the_random_state_is_that_of_the_first_run(device, preserve):
    x = tl.ones(1000, device=device, requires_grad=True)
    out = checkpoint(lambda x: tl.nn.functional.dropout(x * x, 0.5), x, preserve_rng_state=preserve)
    state = tl.get_rng_state()
    out.sum().backward()
    assert (tl.equal(x.grad, out.detach() * 2)) is preserve
    assert (tl.get_rng_state() == state) is preserve


def test_an_argument_that_changes_later_is_what_it_was(device):
    x, scale = tl.ones(2, device=device, requires_grad=True), tl.ones(2, device=device)
    out = checkpoint(lambda x, parts: (x * parts["scale"]).exp(), x, {"scale": scale})
    scale.zero_()
    out.sum().backward()
    assert tl.equal(x.grad, out.detach())


def test_contexts_of_both_runs():
    entered = []

    class Noting:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            entered.append(self.name)

        def __exit__(self, *error):
            entered.append(f"end of {self.name}")

    x = tl.ones(2, requires_grad=True)
    out = checkpoint(lambda x: x.exp(), x, context_fn=lambda: (Noting("first"), Noting("second")))
    assert entered == ["first", "end of first"]
    out.sum().backward()
    assert entered[2:] == ["second", "end of second"]


def test_another_second_run_is_an_error():
    calls = []

    def fewer(x):
        calls.append(1)
        return x.exp().tanh() if len(calls) == 1 else x.exp()

    def other(x):
        calls.append(1)
        return x.exp() if len(calls) == 1 else x.tanh()

    def longer(x):
        calls.append(1)
        return x.exp() if len(calls) == 1 else tl.cat([x, x]).exp()

    x = tl.ones(2, requires_grad=True)
    for function, says in (
        (fewer, r"recorded 2 operations with something to keep when it was called, and 1 when backward ran it again"),
        (other, r"recorded exp with a result of .* when it was called, and tanh with"),
        (longer, r"recorded exp with a result of .* and shape \(2,\) when it was called, and .*shape \(4,\)"),
    ):
        calls.clear()
        out = checkpoint(function, x).sum()
        with pytest.raises(CheckpointError, match=says):
            out.backward()
        assert x.grad is None


def test_without_recording_it_is_a_call():
    x = tl.ones(2, requires_grad=True)
    with tl.no_grad():
        assert not checkpoint(lambda x: x.exp(), x).requires_grad
    with pytest.raises(tl.errors.ArgumentTypeError, match="checkpoint: expected a function, got int"):
        checkpoint(3, x)
    with pytest.raises(tl.errors.ArgumentError, match="determinism_check must be 'default' or 'none', got 'all'"):
        checkpoint(lambda x: x, x, determinism_check="all")


def test_layers_in_segments(device):
    model = tl.nn.Sequential(*[part for _ in range(5) for part in (tl.nn.Linear(3, 3, device=device), tl.nn.Tanh())])
    x = tl.randn(2, 3, device=device, requires_grad=True)
    model(x).sum().backward()
    want = [parameter.grad.clone() for parameter in model.parameters()]
    for segments in (1, 3, 10):
        model.zero_grad()
        checkpoint_sequential(model, segments, x).sum().backward()
        for parameter, gradient in zip(model.parameters(), want, strict=True):
            assert tl.equal(parameter.grad, gradient)
    with pytest.raises(tl.errors.ArgumentError, match="segments must be from 1 to 10, the number of functions, got 11"):
        checkpoint_sequential(model, 11, x)
