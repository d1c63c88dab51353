"""``autograd.Function`` beside PyTorch's: one text for both libraries, and the same results and refusals."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import tapeloom as tl

torch = pytest.importorskip("torch", reason="the oracle tests compare with PyTorch; install the group `torch`")

OURS = SimpleNamespace(t=tl, name="tapeloom")
THEIRS = SimpleNamespace(t=torch, name="torch")


def made(lib, forward, backward, **methods):
    methods = {"forward": forward, "backward": backward, **methods}
    return type("Made", (lib.t.autograd.Function,), {name: staticmethod(method) for name, method in methods.items()})


def plain(value):
    """What came, in Python's own types."""
    if hasattr(value, "detach"):
        return (
            str(value.dtype).split(".")[-1],
            bool(value.requires_grad),
            [float(item) for item in value.detach().flatten()],
        )
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def both(program):
    """What ``program`` gives with each library; an exception in it is the result, as its class alone."""
    results = []
    for lib in (OURS, THEIRS):
        seen = []
        try:
            seen.append(plain(program(lib, lambda *values, seen=seen: seen.append(plain(values)))))
        except (RuntimeError, TypeError, ValueError, NotImplementedError):
            seen.append("refused")
        results.append(seen)
    return results


def leaf(lib, *values):
    return lib.t.tensor(values, dtype=lib.t.float64, requires_grad=True)


def simple(lib, see, forward, backward, *args, pick=lambda out: out):
    """The gradient of ``x`` through a Function of these two."""
    x = leaf(lib, 1.0, 2.0)
    out = made(lib, forward, backward).apply(x, *args)
    pick(out).sum().backward()
    see(out)
    return x.grad


def first(out):
    return out[0]


def showing(see, found=first):
    """A backward that shows its gradients."""

    def backward(ctx, *grads):
        see(grads)
        return found(grads)

    return backward


def marked(ctx, x):
    a, b = x * 1, x * 2
    ctx.mark_non_differentiable(b)
    return a, b


def saved(ctx, *tensors):
    ctx.save_for_backward(*tensors)
    return tensors


def unfilled(ctx, x):
    ctx.set_materialize_grads(False)
    return x * 1, x * 2


def dirty(ctx, x):
    x.add_(1)
    ctx.mark_dirty(x)
    return x


def dirty_and_lost(ctx, x):
    x.add_(1)
    ctx.mark_dirty(x)
    return x * 1


PROGRAMS = {
    "plain": lambda lib, see: simple(lib, see, lambda ctx, x: x * 2, lambda ctx, g: g * 7),
    "too few": lambda lib, see: simple(lib, see, lambda ctx, x, k: x * k, lambda ctx, g: g, 3.0),
    "too many": lambda lib, see: simple(lib, see, lambda ctx, x: x * 1, lambda ctx, g: (g, g)),
    "too many of None": lambda lib, see: simple(lib, see, lambda ctx, x: x * 1, lambda ctx, g: (g, None, None)),
    "for no tensor": lambda lib, see: simple(lib, see, lambda ctx, x, k: x * k, lambda ctx, g: (g, g), 3.0),
    "for a constant": lambda lib, see: simple(
        lib, see, lambda ctx, x, y: x * y, lambda ctx, g: (g, g), lib.t.ones(2, dtype=lib.t.float64)
    ),
    "None": lambda lib, see: simple(lib, see, lambda ctx, x: x * 1, lambda ctx, g: None),
    "a number": lambda lib, see: simple(lib, see, lambda ctx, x: x * 1, lambda ctx, g: 1.0),
    "a list": lambda lib, see: simple(lib, see, lambda ctx, x: x * 1, lambda ctx, g: [g]),
    "larger": lambda lib, see: simple(lib, see, lambda ctx, x: x * 1, lambda ctx, g: lib.t.ones(3, 2)),
    "smaller": lambda lib, see: simple(lib, see, lambda ctx, x: x * 1, lambda ctx, g: lib.t.ones(())),
    "of one": lambda lib, see: simple(lib, see, lambda ctx, x: x * 1, lambda ctx, g: lib.t.ones(1)),
    "other shape": lambda lib, see: simple(lib, see, lambda ctx, x: x * 1, lambda ctx, g: lib.t.ones(3)),
    "float32": lambda lib, see: simple(lib, see, lambda ctx, x: x * 1, lambda ctx, g: lib.t.ones(2)),
    "int64": lambda lib, see: simple(lib, see, lambda ctx, x: x * 1, lambda ctx, g: lib.t.ones(2, dtype=lib.t.int64)),
    "bool": lambda lib, see: simple(lib, see, lambda ctx, x: x * 1, lambda ctx, g: lib.t.ones(2, dtype=lib.t.bool)),
    "a tuple of one": lambda lib, see: simple(lib, see, lambda ctx, x: (x * 1,), lambda ctx, g: g, pick=first),
    "no tensors": lambda lib, see: simple(lib, see, lambda ctx, x: (x * 1, 5, None), showing(see), pick=first),
    "integers": lambda lib, see: simple(lib, see, lambda ctx, x: (x * 1, x.long()), showing(see), pick=first),
    "a list of outputs": lambda lib, see: simple(lib, see, lambda ctx, x: [x * 1], lambda ctx, g: g, pick=first),
    "marked": lambda lib, see: simple(lib, see, marked, showing(see), pick=first),
    "not filled": lambda lib, see: simple(lib, see, unfilled, showing(see), pick=first),
    "the argument": lambda lib, see: simple(lib, see, lambda ctx, x: x, lambda ctx, g: g * 5),
    "a view": lambda lib, see: simple(lib, see, lambda ctx, x: x.view(-1), lambda ctx, g: g * 5),
    "saves a number": lambda lib, see: simple(
        lib, see, lambda ctx, x: (ctx.save_for_backward(5), x * 1)[1], lambda ctx, g: g
    ),
    "saves twice": lambda lib, see: simple(
        lib,
        see,
        lambda ctx, x: (ctx.save_for_backward(x), ctx.save_for_backward(None, x), x * 1)[-1],
        lambda ctx, g: (see(ctx.saved_tensors), g)[1],
    ),
    "marks a number": lambda lib, see: simple(
        lib, see, lambda ctx, x: (ctx.mark_non_differentiable(5), x * 1)[1], lambda ctx, g: g
    ),
    "materializes 5": lambda lib, see: simple(
        lib, see, lambda ctx, x: (ctx.set_materialize_grads(5), x * 1)[1], lambda ctx, g: g
    ),
    "a dirty leaf": lambda lib, see: simple(lib, see, dirty, lambda ctx, g: g),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_one_call(name):
    ours, theirs = both(PROGRAMS[name])
    assert ours == theirs


def changed(lib, see, change, backward=lambda ctx, g: g * 3):
    x = leaf(lib, 1.0, 2.0)
    base = x * 1
    view = base[:1]
    change(made(lib, dirty, backward), base, view)
    see(base, view)
    (base.sum() + view.sum() * 10).backward()
    return x.grad


def once(lib, see, create):
    Once = made(
        lib,
        lambda ctx, x: (ctx.save_for_backward(x), x * x)[1],
        lib.t.autograd.function.once_differentiable(
            lambda ctx, g: (see(lib.t.is_grad_enabled()), g * 2 * ctx.saved_tensors[0])[1]
        ),
    )
    x, g = leaf(lib, 1.0, 2.0), leaf(lib, 1.0, 1.0)
    (found,) = lib.t.autograd.grad(Once.apply(x), x, g, create_graph=create)
    see(found)
    if create:
        found.sum().backward()
    return found


def derivatives(lib, see, forward, backward, order=3):
    x = leaf(lib, 0.5, -1.5)
    out = made(lib, forward, backward).apply(x)
    y = sum(out) if isinstance(out, tuple) else out
    for _ in range(order):
        (y,) = lib.t.autograd.grad(y.sum(), x, create_graph=True)
        see(y)


def mode(lib, see):
    seen = made(lib, lambda ctx, x, y, k: (see(ctx.needs_input_grad), x * y)[1], lambda ctx, g: (g, g, None))
    x, y = leaf(lib, 1.0), lib.t.ones(1, dtype=lib.t.float64)
    see(seen.apply(x, y, 5))
    with lib.t.no_grad():
        see(seen.apply(x, y, 5))
    return seen.apply(y, y, 5)


def twice(lib, see, save):
    x = leaf(lib, 1.0, 2.0)
    y = made(
        lib,
        lambda ctx, x: (ctx.save_for_backward(x) if save else None, x * x)[1],
        lambda ctx, g: g * (ctx.saved_tensors[0] if save else 2),
    ).apply(x)
    y.sum().backward()
    y.sum().backward()
    return x.grad


def setup(lib, see):
    def fill(ctx, inputs, output):
        see(inputs, output)
        ctx.k = inputs[1]

    Made = made(lib, lambda x, k=3.0: x * k, lambda ctx, g: (g * ctx.k, None), setup_context=fill)
    x = leaf(lib, 1.0, 2.0)
    (Made.apply(x) + Made.apply(x, 5.0)).sum().backward()
    return x.grad


LONGER = {
    "in place": lambda lib, see: changed(lib, see, lambda made, base, view: made.apply(base)),
    "in place, a view": lambda lib, see: changed(lib, see, lambda made, base, view: made.apply(view)),
    "in place, not returned": lambda lib, see: made(lib, dirty_and_lost, lambda ctx, g: g).apply(leaf(lib, 1.0) * 1),
    "once": lambda lib, see: once(lib, see, False),
    "once, differentiated": lambda lib, see: once(lib, see, True),
    "derivatives, input": lambda lib, see: derivatives(
        lib,
        see,
        lambda ctx, x: (ctx.save_for_backward(x), x * x * x)[1],
        lambda ctx, g: g * 3 * ctx.saved_tensors[0] * ctx.saved_tensors[0],
    ),
    "derivatives, output": lambda lib, see: derivatives(
        lib, see, lambda ctx, x: saved(ctx, x.exp())[0], lambda ctx, g: g * ctx.saved_tensors[0]
    ),
    "derivatives, two outputs": lambda lib, see: derivatives(
        lib,
        see,
        lambda ctx, x: saved(ctx, x.sin(), x.cos()),
        lambda ctx, g, h: g * ctx.saved_tensors[1] - h * ctx.saved_tensors[0],
    ),
    "modes": mode,
    "a second walk": lambda lib, see: twice(lib, see, True),
    "a second walk of what saves nothing": lambda lib, see: twice(lib, see, False),
    "setup_context": setup,
    "no backward": lambda lib, see: (
        type("Half", (lib.t.autograd.Function,), {"forward": staticmethod(lambda ctx, x: x * 1)})
        .apply(leaf(lib, 1.0))
        .backward()
    ),
}


@pytest.mark.parametrize("name", LONGER)
def test_a_longer_story(name):
    ours, theirs = both(LONGER[name])
    for mine, its in zip(ours, theirs, strict=True):
        assert _near(mine, its), (ours, theirs)


def _near(ours, theirs):
    if isinstance(ours, (list, tuple)) and isinstance(theirs, (list, tuple)):
        return len(ours) == len(theirs) and all(map(_near, ours, theirs))
    return ours == pytest.approx(theirs, rel=1e-12) if isinstance(ours, float) else ours == theirs


def test_the_nan_gradient_is_found_in_the_same_operation():
    names = []
    for lib in (OURS, THEIRS):
        x = lib.t.zeros(2, requires_grad=True)
        with pytest.raises(RuntimeError) as caught, lib.t.autograd.set_detect_anomaly(True):
            (x.sqrt() * 0).sum().backward()
        assert "nan" in str(caught.value)
        names.append("SqrtBackward" in str(caught.value))
        assert not lib.t.is_anomaly_enabled()
    assert names == [True, True]
