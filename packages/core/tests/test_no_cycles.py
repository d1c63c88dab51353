"""No reference cycles by construction: with the garbage collector off, training keeps its memory flat."""

from __future__ import annotations

import contextlib
import gc
import weakref

import pytest

import tapeloom as tl


@pytest.fixture(autouse=True)
def _without_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def objects_of_ours() -> int:
    return sum(1 for item in gc.get_objects() if str(type(item).__module__).startswith("tapeloom.tape"))


def step(w, b, x, y):
    h = (x @ w + b).tanh()
    view = h.view(-1)
    loss = tl.cross_entropy(h, y) + (view[2:4] * 0.1).sum() + h.max(1).values.mean()
    w.grad = b.grad = None
    loss.backward()
    with tl.no_grad():
        w -= 0.1 * w.grad
        b -= 0.1 * b.grad
    return loss


def test_a_training_loop_leaves_nothing_behind():
    w, b = tl.randn(5, 3).requires_grad_(), tl.zeros(3, requires_grad=True)
    x, y = tl.randn(4, 5), tl.tensor([0, 1, 2, 0])
    for _ in range(20):
        step(w, b, x, y)
    before = objects_of_ours()
    for _ in range(500):
        step(w, b, x, y)
    assert objects_of_ours() <= before + 5


def test_a_tape_dies_with_its_tensor():
    x = tl.ones(3, requires_grad=True)
    y = (x * 2).exp().sum()
    node = weakref.ref(y.node)
    inner = weakref.ref(y.node.edges[0])
    assert node() is not None and inner() is not None
    del y
    assert node() is None and inner() is None


def test_views_detached_handles_and_hooks_make_no_cycle():
    x = tl.ones(4, requires_grad=True)
    y = x * 1
    view, alias = y[1:], y.detach()
    y.register_hook(lambda g: None)
    references = [weakref.ref(tensor) for tensor in (y, view, alias)]
    view.sum().backward()
    del y, view, alias
    assert [reference() for reference in references] == [None, None, None]


def test_a_failed_operation_keeps_nothing_alive():
    x = tl.ones(3, requires_grad=True)
    y = x * 2
    reference = weakref.ref(y)
    with contextlib.suppress(tl.errors.ShapeError):
        y + tl.ones(4)
    del y
    assert reference() is None
