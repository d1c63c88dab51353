"""In-place changes: they write what they write, into memory that nobody else holds, and keep related handles together."""

from __future__ import annotations

import copy
import gc
import signal
import threading

import numpy as np
import pytest

import tapeloom as tl
from tapeloom.errors import InplaceError


def values(tensor):
    return tensor.detach().tolist()


@pytest.fixture
def on(device):
    with tl.device(device):
        yield device


# writes to memory


@pytest.mark.parametrize(
    "write",
    [
        lambda b: b.__setitem__(2, 1.0),
        lambda b: b.__setitem__((slice(1, 3), slice(None, None, 2)), tl.ones(2, 2)),
        lambda b: b.__setitem__((1, 2), 5),
        lambda b: b.__setitem__(..., 4.0),
        lambda b: b.__setitem__([0, -1], 1.0),
        lambda b: b.__setitem__((slice(1, None), tl.tensor([2, 0])), tl.ones(3, 2)),
        lambda b: b.__setitem__(tl.eye(4) > 0, 3.0),
        lambda b: b[1].add_(1),
        lambda b: b[:, 1].fill_(2),
        lambda b: b.T[1:3].copy_(tl.ones(2, 4)),
        lambda b: b.view(-1)[3:6].mul_(0).add_(7),
        lambda b: b.detach().zero_(),
    ],
)
def test_a_write_goes_to_the_memory_and_does_what_numpy_does(write):
    b = tl.arange(16.0).reshape(4, 4).clone()
    row, column, scalar = b[1], b.T[2], b[2, 2]
    expected = values(b)
    before = id(b.array)
    write(b)
    assert id(b.array) == before
    assert values(b) != expected
    assert values(row) == values(b)[1] and values(column) == [line[2] for line in values(b)]
    assert scalar.item() == values(b)[2][2]


def test_an_overlapping_source_is_read_before_the_write(on):
    x = tl.arange(6.0)
    x[1:] = x[:-1]
    assert values(x) == [0, 0, 1, 2, 3, 4]
    x[:-1].copy_(x[1:])
    assert values(x) == [0, 1, 2, 3, 4, 4]
    places = tl.tensor([3, 2, 1, 0])
    places[places] = tl.tensor([5, 6, 7, 8])
    assert values(places) == [8, 7, 6, 5]


def product(part):
    w = tl.ones(3, requires_grad=True)
    return part * w, w


def kept(product):
    return tl.autograd.grad(product[0].sum(), product[1], retain_graph=True)[0].tolist()


#: what may hold the memory of a tensor of five elements, and how to read what it holds
HOLDERS = {
    "a view that the tape keeps": (lambda b: product(b[1:4]), kept),
    "a reshaped part that the tape keeps": (lambda b: product(b[2:].view(1, 3)), kept),
    "a NumPy array": (lambda b: b.cpu().numpy(), np.ndarray.tolist),
    "a part of a NumPy array": (lambda b: b.cpu().numpy()[2:], np.ndarray.tolist),
    "a memoryview": (lambda b: memoryview(b.cpu().numpy()), memoryview.tolist),
    "a deep copy": (copy.deepcopy, values),
    "a tensor that took the values over": (lambda b: tl.empty(5).copy_(b), values),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_what_anybody_else_holds_is_never_overwritten(on, name):
    hold, read = HOLDERS[name]
    b = tl.arange(5.0)
    view = b[1:]
    held = hold(b)
    before = read(held)
    b[2] = 9.0
    view[0] = 8.0
    b[3:].mul_(3)
    b += 1
    assert read(held) == before
    assert values(b) == [1, 9, 10, 10, 13] and values(view) == values(b)[1:]


def test_a_lent_array_is_not_written_to_and_a_given_one_is():
    lent = np.zeros(4, np.float32)
    t = tl.from_numpy(lent)
    t[1] = 5.0
    assert lent.tolist() == [0, 0, 0, 0] and values(t) == [0, 5, 0, 0]
    locked = np.zeros(4, np.float32)
    locked.flags.writeable = False
    t = tl.from_numpy(locked)
    t[1:].fill_(5.0)
    assert locked.tolist() == [0, 0, 0, 0] and values(t) == [0, 5, 5, 5]


def test_leaves_are_written_under_no_grad_and_keep_their_gradient(on):
    w = tl.ones(4, requires_grad=True)
    y = w * w
    with tl.no_grad():
        w[1] = 5.0
        w[2:].zero_()
    y.sum().backward()
    assert values(w) == [1, 5, 0, 0] and values(w.grad) == [2, 2, 2, 2]
    with pytest.raises(InplaceError, match="a leaf"):
        w[0] = 1.0
    with pytest.raises(InplaceError, match="a view of a leaf"):
        w[1:][0] = 1.0
    assert values(w) == [1, 5, 0, 0]


def test_a_recorded_write_is_on_the_tape(on):
    w = tl.tensor([2.0, 3.0], requires_grad=True)
    b = tl.zeros(2, 2)
    row = b[1]
    b[0] = w
    b[1] = w * w
    (b * tl.tensor([[1.0, 1.0], [10.0, 10.0]])).sum().backward()
    assert values(w.grad) == [41, 61]
    assert row.requires_grad and values(row) == [4, 9]


# histories


def test_a_change_of_a_part_of_a_detached_handle_is_in_its_history(on):
    w = tl.tensor([2.0, 3.0], requires_grad=True)
    x = tl.ones(3) * 1
    d = x.detach()
    other = d[1:]
    d[:2].mul_(w)
    assert values(x) == values(d) == [2, 3, 1] and values(other) == [3, 1]
    assert d.requires_grad and other.requires_grad and not x.requires_grad
    (d.sum() + 10 * other.sum()).backward()
    assert values(w.grad) == [1, 11]


def test_a_change_of_a_detached_handle_is_in_the_history_of_its_parts(on):
    w = tl.tensor([2.0, 3.0, 4.0], requires_grad=True)
    x = w * 1
    d = x.detach()
    part = d[1:]
    d.mul_(w)
    assert values(x) == [4, 9, 16] and values(part) == [9, 16] and part.requires_grad
    (x.sum() + 10 * part.sum()).backward()
    assert values(w.grad) == [1, 31, 41]


def test_two_detached_handles_have_two_histories(on):
    w = tl.tensor(3.0, requires_grad=True)
    x = tl.ones(2)
    first, second = x.detach(), x.detach()
    second_part = second[:1]
    first[0].mul_(w)
    assert values(second) == [3, 1] and values(second_part) == [3]
    assert first.requires_grad and not (second.requires_grad or second_part.requires_grad or x.requires_grad)


def test_the_history_of_a_detached_handle_outlives_it(on):
    w = tl.tensor([2.0, 3.0], requires_grad=True)
    x = tl.ones(2)
    d = x.detach()
    a, b = d[:1], d[1:]
    d.mul_(w)
    del d
    a.mul_(5)
    (a.sum() + b.sum()).backward()
    assert values(x) == [10, 3] and values(w.grad) == [5, 1]


def test_data_of_a_detached_handle_can_be_replaced(on):
    x = tl.ones(3)
    d = x.detach()
    part = d[1:]
    d.data = tl.zeros(3)
    part[0] = 7.0
    assert values(x) == [1, 7, 1] and values(d) == [0, 0, 0] and values(part) == [7, 1]
    x[2] = 8.0
    assert values(part) == [7, 8]


def test_copying_a_leaf_does_not_make_one_of_two(on):
    w = tl.tensor([1.0, 2.0], requires_grad=True)
    b = tl.zeros(2)
    b.copy_(w)
    assert not b.is_leaf and b.requires_grad
    (b * 3).sum().backward()
    assert values(w.grad) == [3, 3]
    b[0] = 9.0
    assert values(w) == [1, 2] and values(b) == [9, 2]


def test_a_view_of_a_leaf_whose_data_was_replaced_is_a_view_of_a_leaf(on):
    v = tl.ones(2, 3, requires_grad=True)
    v.data = tl.zeros(2, 3).detach() * 1
    with pytest.raises(InplaceError, match="a view of a leaf"):
        v.T.add_(1)
    with tl.no_grad():
        v.T.add_(1)
    assert values(v) == [[1, 1, 1], [1, 1, 1]]


def test_a_detached_tensor_keeps_the_gradient_that_it_has(on):
    w = tl.tensor([2.0, 3.0], requires_grad=True)
    y = w * w
    y.retain_grad()
    y.sum().backward()
    w.detach_()
    y.detach_()
    assert values(w.grad) == [4, 6] and values(y.grad) == [1, 1] and not w.requires_grad and y.is_leaf


def test_a_gradient_grows_no_more_when_its_tensor_has_left_the_tape(on):
    w = tl.tensor([2.0, 3.0], requires_grad=True)
    w.sum().backward()
    y = w * 2
    w.requires_grad_(False)
    y.sum().backward()
    assert values(w.grad) == [1, 1]


def test_a_leaf_that_is_frozen_for_a_while_is_the_same_leaf(on):
    w = tl.tensor([2.0, 3.0], requires_grad=True)
    w.sum().backward()
    y = w * 2
    w.requires_grad_(False)
    w.mul_(10)
    w.requires_grad_()
    y.sum().backward()
    assert values(w.grad) == [3, 3] and values(w) == [20, 30]


def test_a_view_of_a_leaf_is_one_also_when_the_leaf_is_gone(on):
    w = tl.ones(2, 2, requires_grad=True)
    view = w.T
    del w
    with tl.no_grad():
        view.zero_()
    with pytest.raises(InplaceError, match="a view of a leaf"):
        view.zero_()


def test_a_kept_gradient_outlives_a_change_in_place(on):
    w = tl.tensor([2.0, 3.0], requires_grad=True)
    y = w * w
    y.retain_grad()
    y.sum().backward(retain_graph=True)
    y.view(2, 1).add_(1)
    assert values(y.grad) == [1, 1]
    (y * 5).sum().backward()
    assert values(y.grad) == [6, 6]


def test_a_copy_has_a_place_of_its_own_on_the_tape(on):
    w = tl.tensor([1.0, 2.0], requires_grad=True)
    y = w * 2
    y.retain_grad()
    b = tl.zeros(2)
    b.copy_(y)
    assert y.retains_grad and not b.retains_grad
    (b * 3).sum().backward()
    assert values(y.grad) == [3, 3] and values(w.grad) == [6, 6]


def test_a_kept_gradient_is_another_tensor_after_each_walk(on):
    y = tl.tensor([1.0, 2.0], requires_grad=True) * 2
    y.retain_grad()
    y.sum().backward(retain_graph=True)
    first = y.grad
    y.sum().backward()
    assert values(first) == [1, 1] and values(y.grad) == [2, 2]


# threads and signals


@pytest.mark.parametrize("lent", [False, True], ids=["alone", "held"])
@pytest.mark.parametrize("form", ["row", "view"])
def test_threads_on_disjoint_rows_lose_nothing(on, form, lent):
    rows = 320 if on == "cpu" else 64
    b = tl.zeros(rows, 4)
    held = []
    begin = threading.Barrier(4)

    def work(first):
        begin.wait()
        for row in range(first, rows, 4):
            if lent:
                held.append(b[row : row + 1] if row % 8 else b.detach())
            if form == "row":
                b[row] = float(row + 1)
            else:
                b[row].add_(row + 1)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert b.sum(1).tolist() == [4.0 * (row + 1) for row in range(rows)]


class Stop(Exception):
    pass


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="setitimer is there on Unix alone")
@pytest.mark.parametrize("held", [False, True], ids=["alone", "held"])
def test_a_signal_in_the_middle_leaves_base_and_views_together(held):
    def stop(number, frame):
        raise Stop

    b = tl.zeros(64, 64)
    views = [b[1], b[1:], b.T[:, 1], b.detach(), b.view(-1)[64:]]
    kept = b.numpy() if held else None
    before = signal.signal(signal.SIGALRM, stop)
    interrupted = 0
    gc.disable()  # what a callback of the collector raises is lost, and the test with it
    try:
        for step in range(200):
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-5 + step * 2e-6)
                for value in range(10**6):
                    b[1] = float(value)
                    if held:
                        kept = b.numpy()
            except Stop:
                interrupted += 1
            row = b[1].tolist()
            assert all(view.reshape(-1)[:64].tolist() == row for view in (views[0], views[1], views[4]))
            assert views[2].tolist() == row and views[3][1].tolist() == row and len(set(row)) == 1
    finally:
        gc.enable()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted == 200 and (kept is None or kept.shape == (64, 64))
