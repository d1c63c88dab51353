"""``autograd.Function``: operations that users define, and every error that comes with them."""

from __future__ import annotations

import gc
import weakref

import pytest

import tapeloom as tl
from tapeloom.autograd import Function
from tapeloom.autograd.function import FunctionCtx, once_differentiable
from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    FreedTapeError,
    GradientError,
    InplaceError,
    UnsupportedError,
)
from tapeloom.testing import gradcheck, gradgradcheck


def leaf(*values):
    return tl.tensor(values, dtype=tl.float64, requires_grad=True)


def values(tensor):
    return tensor.detach().tolist()


def made(forward, backward, **methods):
    """A Function class of these static methods."""
    methods = {"forward": forward, "backward": backward, **methods}
    return type("Made", (Function,), {name: staticmethod(method) for name, method in methods.items()})


class Cube(Function):
    """Saves its input."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x * x


class Exp(Function):
    """Saves its output."""

    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y


class SinCos(Function):
    """Two outputs, both saved."""

    @staticmethod
    def forward(ctx, x):
        s, c = x.sin(), x.cos()
        ctx.save_for_backward(s, c)
        return s, c

    @staticmethod
    def backward(ctx, gs, gc):
        s, c = ctx.saved_tensors
        return gs * c - gc * s


class Scale(Function):
    """An argument that is no tensor, kept on the context."""

    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x * factor

    @staticmethod
    def backward(ctx, g):
        return g * ctx.factor, None


# what it computes


@pytest.mark.parametrize(
    "function",
    [
        Cube.apply,
        Exp.apply,
        lambda x: SinCos.apply(x)[0],
        lambda x: SinCos.apply(x)[1] * x,
        lambda x: sum(SinCos.apply(x)),
        lambda x: Exp.apply(Cube.apply(x) * x),
        lambda x: Scale.apply(x, 3.0),
    ],
)
def test_gradients_to_the_second_order(function):
    x = leaf(0.3, -0.7)
    assert gradcheck(function, (x,))
    assert gradgradcheck(function, (x,))


def test_third_derivatives():
    x = leaf(2.0)
    g = Cube.apply(x)
    for expected in (12.0, 12.0, 6.0):
        (g,) = tl.autograd.grad(g, x, create_graph=True)
        assert values(g) == [expected]


def test_what_is_on_the_tape():
    y = Cube.apply(leaf(1.0))
    assert y.requires_grad and not y.is_leaf and y.grad_fn.name == "CubeBackward"
    assert repr(SinCos.apply(leaf(1.0))[1].grad_fn) == "<SinCosBackward>"


def test_needs_input_grad_has_all_arguments():
    seen = []

    def forward(ctx, *args):
        seen.append(ctx.needs_input_grad)
        return args[0] * 1

    Made = made(forward, lambda ctx, g: (g, None, None))
    Made.apply(leaf(1.0), tl.ones(1), 5)
    with tl.no_grad():
        y = Made.apply(leaf(1.0), tl.ones(1), 5)
    assert seen == [(True, False, False)] * 2 and not y.requires_grad


def test_without_a_gradient_nothing_is_recorded():
    y = Cube.apply(tl.ones(2))
    assert not y.requires_grad and y.grad_fn is None
    assert Scale.apply(2.0, 3.0) == 6.0


def test_setup_context_gets_all_arguments_and_the_output():
    seen = []

    def setup(ctx, inputs, output):
        seen.append((inputs[1], values(output)))
        ctx.factor = inputs[1]

    Made = made(lambda x, factor=2.0: x * factor, lambda ctx, g: (g * ctx.factor, None), setup_context=setup)
    x = leaf(1.0)
    Made.apply(x).backward()
    Made.apply(x, factor=5.0).backward()
    assert seen == [(2.0, [2.0]), (5.0, [5.0])] and values(x.grad) == [7.0]


def test_keywords_stand_where_forward_has_them():
    x, y = leaf(2.0), leaf(3.0)
    Made = made(lambda ctx, x, y, *, k=1: x * y * k, lambda ctx, g: (g * 10, g * 100, None))
    Made.apply(y=y, x=x, k=2).backward()
    assert values(x.grad) == [10.0] and values(y.grad) == [100.0]


def test_outputs_that_are_no_tensors_and_integers():
    seen = []

    def backward(ctx, *grads):
        seen.extend(grads)
        return grads[0]

    x = leaf(1.0, 2.0)
    y, places, text, nothing = made(lambda ctx, x: (x * 1, x.long(), "text", None), backward).apply(x)
    assert y.requires_grad and not places.requires_grad and (text, nothing) == ("text", None)
    y.sum().backward()
    assert seen[1].dtype is tl.int64 and seen[1].tolist() == [0, 0] and seen[2:] == [None, None]
    assert isinstance(made(lambda ctx, x: (x * 1,), backward).apply(x), tuple)


def test_outputs_without_a_gradient_and_those_that_nothing_came_back_to():
    def run(materialize):
        seen = []

        def forward(ctx, x):
            a, b, c = x * 1, x * 2, x * 3
            ctx.mark_non_differentiable(b)
            ctx.set_materialize_grads(materialize)
            return a, b, c

        def backward(ctx, *grads):
            seen.extend(None if g is None else values(g) for g in grads)
            return grads[0]

        outputs = made(forward, backward).apply(leaf(1.0))
        assert [out.requires_grad for out in outputs] == [True, False, True]
        outputs[0].backward()
        return seen

    assert run(True) == [[1.0], [0.0], [0.0]]
    assert run(False) == [[1.0], None, None]


def test_gradients_of_none_stop_there():
    x, y = leaf(1.0), leaf(2.0)
    made(lambda ctx, x, y: x * y, lambda ctx, g: (None, g)).apply(x, y).backward()
    assert x.grad is None and values(y.grad) == [1.0]
    with pytest.raises(GradientError, match="do not depend on input 0"):
        tl.autograd.grad(made(lambda ctx, x: x * 1, lambda ctx, g: None).apply(x), x)


def test_the_same_tensor_given_twice_gets_both_gradients():
    x = leaf(3.0)
    made(lambda ctx, x, y: x * y, lambda ctx, g: (g * 10, g * 100)).apply(x, x).backward()
    assert values(x.grad) == [110.0]


def test_gradients_are_cast_and_summed_to_what_the_argument_is():
    x = tl.ones(2, requires_grad=True)
    for gradient in (tl.ones(2, dtype=tl.float64), tl.ones(2, dtype=tl.int64), tl.ones(2, dtype=tl.bool)):
        x.grad = None
        made(lambda ctx, x: x * 1, lambda ctx, g, found=gradient: found).apply(x).sum().backward()
        assert x.grad.dtype is tl.float32 and x.grad.tolist() == [1.0, 1.0]
    x.grad = None
    made(lambda ctx, x: x * 1, lambda ctx, g: (tl.ones(3, 2), None, None)).apply(x).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_a_backward_that_walks_a_tape_of_its_own():
    """As checkpointing does."""

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x * x).sin()

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        with tl.enable_grad():
            again = x.detach().requires_grad_()
            y = (again * again).sin()
        return tl.autograd.grad(y, again, g)[0]

    x, same = leaf(0.5, 1.5), leaf(0.5, 1.5)
    made(forward, backward).apply(x).sum().backward()
    (same * same).sin().sum().backward()
    assert values(x.grad) == values(same.grad)


def test_what_forward_records_for_itself_does_not_count():
    def forward(ctx, x):
        with tl.enable_grad():
            return x * 3

    x = leaf(1.0)
    made(forward, lambda ctx, g: g * 5).apply(x).backward()
    assert values(x.grad) == [5.0]


# handles


def test_an_argument_returned_as_it_is_becomes_an_output():
    x = leaf(1.0)
    y = made(lambda ctx, x: x, lambda ctx, g: g * 5).apply(x)
    assert y is not x and x.is_leaf and not y.is_leaf
    y.backward()
    assert values(x.grad) == [5.0]
    plain = tl.ones(2)
    same = made(lambda ctx, x: x, lambda ctx, g: g).apply(plain)
    plain.add_(1)
    assert same is not plain and same.tolist() == [2.0, 2.0]


def test_views_share_their_values_with_the_argument():
    x = leaf(1.0, 2.0)
    base = x * 1
    view = made(lambda ctx, x: x[:1], lambda ctx, g: tl.cat([g, g * 0])).apply(base)
    with tl.no_grad():
        view.add_(10)
    assert values(base) == [11.0, 2.0]
    view.sum().backward()
    assert values(x.grad) == [1.0, 0.0]


def test_what_was_saved_stays_what_it_was():
    x = leaf(2.0)
    base = x * 1
    y = Cube.apply(base)
    base.mul_(100)
    y.backward()
    assert values(x.grad) == [12.0]


def dirty(ctx, x):
    x.add_(1)
    ctx.mark_dirty(x)
    return x


def test_an_argument_changed_in_place_is_the_output():
    x = leaf(1.0, 2.0)
    y = x * 1
    out = made(dirty, lambda ctx, g: g * 3).apply(y)
    assert out is y and values(y) == [2.0, 3.0]
    (y * 2).sum().backward()
    assert values(x.grad) == [6.0, 6.0]
    plain = tl.ones(1)
    assert made(dirty, lambda ctx, g: g).apply(plain) is plain and plain.tolist() == [2.0]


def test_in_place_changes_of_views_and_of_their_bases():
    x = leaf(1.0, 2.0)
    base = x * 1
    view = base[:1]
    made(dirty, lambda ctx, g: g * 3).apply(view)
    base.sum().backward()
    assert values(base) == [2.0, 2.0] and values(x.grad) == [3.0, 1.0]
    x.grad = None
    base = x * 1
    view = base[:1]
    made(dirty, lambda ctx, g: g * 3).apply(base)
    view.sum().backward()
    assert values(view) == [2.0] and values(x.grad) == [3.0, 0.0]


def test_a_changed_argument_can_be_saved():
    def forward(ctx, x):
        x.exp_()
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    Made = made(forward, lambda ctx, g: g * ctx.saved_tensors[0])
    assert gradgradcheck(lambda x: Made.apply(x * 1), (leaf(0.5),))


# memory


def test_the_saved_tensors_are_freed_after_backward():
    x = leaf(1.0)
    y = Exp.apply(x)
    y.backward()
    with pytest.raises(FreedTapeError, match="the tape was already freed at ExpBackward"):
        y.backward()
    y = Exp.apply(x)
    y.backward(retain_graph=True)
    y.backward()


def test_what_saves_nothing_can_be_walked_again():
    x = leaf(1.0)
    y = Scale.apply(x, 3.0)
    y.backward()
    y.backward()
    assert values(x.grad) == [6.0]


def test_a_context_kept_too_long_says_so():
    kept = []

    def backward(ctx, g):
        kept.append(ctx)
        return g * ctx.saved_tensors[0]

    held = [made(Cube.forward, backward).apply(leaf(1.0))]
    held[0].backward()
    for _ in range(2):  # freed; then gone
        with pytest.raises(FreedTapeError, match="Made: the saved tensors were already freed"):
            kept[0].saved_tensors  # noqa: B018
        held.clear()


@pytest.mark.parametrize("function", [Cube.apply, Exp.apply, lambda x: SinCos.apply(x)[0], lambda x: Exp.apply(x * 1)])
def test_no_cycles(function):
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0)
        y = function(x)
        handle, node = weakref.ref(y), weakref.ref(y.node)
        del y
        assert handle() is None and node() is None
        (g,) = tl.autograd.grad(function(x), x, create_graph=True)
        node = weakref.ref(g.node)
        del g
        assert node() is None
    finally:
        gc.enable()


def test_memory_is_flat_over_many_steps():
    x = leaf(1.0)

    def step():
        x.grad = None
        (sum(SinCos.apply(Exp.apply(x))) + Scale.apply(x, 2.0)).backward()

    def count():
        return sum(1 for item in gc.get_objects() if isinstance(item, (tl.Tensor, FunctionCtx)))

    for _ in range(3):
        step()
    gc.collect()
    gc.disable()
    try:
        before = count()
        for _ in range(50):
            step()
        assert count() <= before
    finally:
        gc.enable()


# once differentiable


class Once(Function):
    """A backward that is not differentiable."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        assert not tl.is_grad_enabled()
        (x,) = ctx.saved_tensors
        return g * 2 * x


def test_once_differentiable_allows_one_derivative():
    x = leaf(3.0)
    Once.apply(x).backward()
    assert values(x.grad) == [6.0]
    (g,) = tl.autograd.grad(Once.apply(x), x, create_graph=True)
    assert values(g) == [6.0]
    for walk in (g.backward, lambda: tl.autograd.grad(g, x), lambda: tl.autograd.grad(g * 2, x)):
        with pytest.raises(GradientError) as caught:
            walk()
        assert str(caught.value) == (
            "Once: its backward is marked once_differentiable, so its gradients cannot be differentiated again. Write "
            "backward over recorded operations and take the mark off, or .detach() the gradient."
        )
    assert tl.autograd.once_differentiable is once_differentiable


# errors


def walked(forward, backward, *args):
    x = leaf(1.0, 2.0)
    made(forward, backward).apply(x, *args).sum().backward()


@pytest.mark.parametrize(
    ("backward", "args", "says"),
    [
        (
            lambda ctx, g: g,
            (3.0,),
            "Made: backward returned 1 gradients, and forward took 2 arguments. Return one for each, None where there is none.",
        ),
        (
            lambda ctx, g: (g, g),
            (),
            "Made: backward returned 2 gradients, and forward took 1 arguments. Return one for each, None where there is none.",
        ),
        (
            lambda ctx, g: (g, g),
            (3.0,),
            "Made: backward returned a gradient for argument 1, which is no tensor. Return None for it.",
        ),
        (lambda ctx, g: 1.0, (), "Made: backward returned float for argument 0. Return a tensor or None."),
        (lambda ctx, g: [g], (), "Made: backward returned list for argument 0. Return a tensor or None."),
        (
            lambda ctx, g: tl.ones(3),
            (),
            "Made: backward returned a gradient of shape (3,) for argument 0, which has shape (2,). Return one of that shape, "
            "or of one that it broadcasts to.",
        ),
        (
            lambda ctx, g: tl.ones(1),
            (),
            "Made: backward returned a gradient of shape (1,) for argument 0, which has shape (2,). Return one of that shape, "
            "or of one that it broadcasts to.",
        ),
        (
            lambda ctx, g: tl.ones(2, dtype=tl.dtypes.complex64),
            (),
            "Made: backward returned a gradient of complex64 on cpu for argument 0, which is float64 on cpu. Return its real part.",
        ),
    ],
)
def test_a_wrong_gradient(backward, args, says):
    with pytest.raises(GradientError) as caught:
        walked(lambda ctx, x, *rest: x * 1, backward, *args)
    assert str(caught.value) == says


def test_a_gradient_on_another_device():
    from tapeloom.testing.refusals import another_device

    with another_device() as device, pytest.raises(GradientError) as caught:
        walked(lambda ctx, x: x * 1, lambda ctx, g: tl.ones(2, dtype=tl.float64, device=device))
    assert str(caught.value) == (
        "Made: backward returned a gradient of float64 on elsewhere for argument 0, which is float64 on cpu. "
        "Move it with .to(device)."
    )


def test_a_failed_backward_leaves_every_grad_as_it_was():
    x, y = leaf(1.0), leaf(2.0)
    with pytest.raises(ZeroDivisionError):
        (y * 2 + made(lambda ctx, x: x * 1, lambda ctx, g: 1 / 0).apply(x)).backward()
    assert x.grad is None and y.grad is None


def test_what_is_not_defined():
    with pytest.raises(UnsupportedError) as caught:
        type("Half", (Function,), {"forward": staticmethod(lambda ctx, x: x * 1)}).apply(leaf(1.0)).backward()
    assert str(caught.value) == "Half: backward is not defined. Write it as a static method of the class."
    with pytest.raises(UnsupportedError, match=r"^Empty: forward is not defined"):
        type("Empty", (Function,), {}).apply(leaf(1.0))


def test_it_is_not_instantiated():
    with pytest.raises(ArgumentTypeError) as caught:
        Cube()
    assert str(caught.value) == "Cube: a Function is not instantiated. Call Cube.apply(...)."


@pytest.mark.parametrize(
    ("use", "raises", "says"),
    [
        (
            lambda ctx, x: ctx.save_for_backward(x, 5),
            ArgumentTypeError,
            "Made: save_for_backward takes tensors and None, got int at position 1. Set anything else as an attribute: "
            "ctx.name = value.",
        ),
        (
            lambda ctx, x: ctx.mark_non_differentiable(5),
            ArgumentTypeError,
            "Made: mark_non_differentiable takes tensors, got int at position 0.",
        ),
        (
            lambda ctx, x: ctx.mark_dirty(None),
            ArgumentTypeError,
            "Made: mark_dirty takes tensors, got NoneType at position 0.",
        ),
        (
            lambda ctx, x: ctx.set_materialize_grads(1),
            ArgumentTypeError,
            "Made: set_materialize_grads takes True or False, got 1.",
        ),
        (
            lambda ctx, x: ctx.mark_dirty(x),
            ArgumentError,
            "Made: a tensor of shape (1,) was marked dirty, and is not among the outputs. Return every argument that forward "
            "changes in place.",
        ),
    ],
)
def test_a_wrong_use_of_the_context(use, raises, says):
    def forward(ctx, x):
        use(ctx, x)
        return x * 1

    with pytest.raises(raises) as caught:
        made(forward, lambda ctx, g: g).apply(leaf(1.0))
    assert str(caught.value) == says


def test_a_leaf_cannot_be_changed_in_place():
    x = leaf(1.0)
    with pytest.raises(InplaceError, match=r"^Made: a leaf that requires a gradient was marked dirty"):
        made(dirty, lambda ctx, g: g).apply(x)
    with tl.no_grad():
        assert made(dirty, lambda ctx, g: g).apply(x) is x


def test_a_list_of_tensors_is_refused():
    with pytest.raises(ArgumentTypeError, match=r"^Made: forward returned a list of tensors. Return a tuple.$"):
        made(lambda ctx, x: [x, x], lambda ctx, g: g).apply(leaf(1.0))
