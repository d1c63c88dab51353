"""In-place forms that change the shape: the handle changes, its relatives stay related, and the tape knows both shapes."""

from __future__ import annotations

import pytest

import tapeloom as tl
from tapeloom.errors import InplaceError, ShapeError


@pytest.fixture
def on(device):
    with tl.device(device):
        yield device


def values(tensor):
    return tensor.detach().tolist()


def test_it_returns_the_handle(on):
    x = tl.arange(6.0).reshape(2, 3)
    assert x.t_() is x and x.shape == (3, 2)
    assert x.unsqueeze_(0).squeeze_().transpose_(0, 1).shape == (2, 3)
    assert x.swapaxes_(0, 1).swapdims_(-1, 0).shape == (2, 3)
    assert values(x) == [[0, 1, 2], [3, 4, 5]]


def test_views_taken_before_stay_views(on):
    x = tl.arange(6.0).reshape(2, 3)
    row, same = x[0], x.detach()
    x.t_()
    x.mul_(2)
    assert values(row) == [0, 2, 4] and values(same) == [[0, 2, 4], [6, 8, 10]]
    row.zero_()
    assert values(x) == [[0, 6], [0, 8], [0, 10]]
    after = x[2]
    same.add_(1)
    assert values(after) == [1, 11] and values(row) == [1, 1, 1]


def test_a_view_can_change_its_own_shape(on):
    x = tl.arange(6.0).reshape(2, 3)
    row = x[1].unsqueeze_(1)
    row.add_(1)
    assert row.shape == (3, 1) and values(x) == [[0, 1, 2], [4, 5, 6]]
    x.zero_()
    assert values(row) == [[0], [0], [0]]


def test_so_can_a_detached_handle_and_its_views_follow(on):
    w = tl.ones(2, requires_grad=True)
    y = w * 3
    d = y.detach()
    part = d[:1]
    d.unsqueeze_(0)
    d.mul_(5)
    assert values(y) == [15, 15] and values(part) == [15] and not d.requires_grad
    part.zero_()
    assert values(d) == [[0, 15]] and values(y) == [0, 15]


def test_gradients_pass_both_shapes(on):
    w = tl.arange(6.0).reshape(2, 3).requires_grad_()
    y = w * 2
    row = y[0]
    y.t_()
    row.mul_(10)
    (y * tl.arange(6.0).reshape(3, 2)).sum().backward()
    assert values(w.grad) == [[0, 40, 80], [2, 6, 10]]


def test_retained_gradients_go_along(on):
    w = tl.ones(3, requires_grad=True)
    y = w * 2
    y.retain_grad()
    y.unsqueeze_(1)
    (y * 3).sum().backward()
    assert values(y.grad) == [[3], [3], [3]] and values(w.grad) == [6, 6, 6]


def test_a_leaf_is_refused_while_recording_and_a_leaf_of_another_shape_after(on):
    w = tl.ones(2, 3, requires_grad=True)
    for change in (lambda: w.t_(), lambda: w[0].unsqueeze_(0)):
        with pytest.raises(InplaceError):
            change()
    with tl.no_grad():
        w.t_()
    assert w.is_leaf and w.requires_grad and w.shape == (3, 2)
    (w * 2).sum().backward()
    assert w.grad.shape == (3, 2)


def test_what_has_a_history_records_it_under_no_grad_too(on):
    w = tl.ones(2, 3, requires_grad=True)
    y = w * tl.arange(6.0).reshape(2, 3)
    with tl.no_grad():
        y.t_()
    (y * tl.arange(6.0).reshape(3, 2)).sum().backward()
    assert values(w.grad) == [[0, 2, 8], [3, 12, 25]]


def test_a_refused_change_changes_nothing(on):
    x = tl.ones(2, 3, 4)
    part = x[0]
    with pytest.raises(ShapeError):
        x.t_()
    assert x.shape == (2, 3, 4) and part.shape == (3, 4)
    x.zero_()
    assert not part.any()


def test_diagonals_write_through_and_windows_only_show(on):
    x = tl.zeros(3, 3)
    x.diagonal().add_(1)
    x.diagonal(1).copy_(tl.tensor([5.0, 6.0]))
    x.fill_diagonal_(7)
    assert values(x) == [[7, 5, 0], [0, 7, 6], [0, 0, 7]]
    line = tl.arange(5.0)
    windows = line.unfold(0, 2, 1)
    line.mul_(2)
    assert values(windows) == [[0, 2], [2, 4], [4, 6], [6, 8]]
    for refused in (windows, tl.ones(4).unfold(0, 2, 2)):
        with pytest.raises(InplaceError, match="cannot be written through"):
            refused.add_(1)


def test_a_view_of_the_bits_writes_through(on):
    x = tl.ones(2)
    x.view(tl.int32)[0] = 0
    assert values(x) == [0, 1]
    x.copy_(tl.tensor([1.0, 2.0]))
    assert x.view(tl.int16).shape == (4,) and x.view(dtype=tl.int64).view(tl.float32).tolist() == [1, 2]


@pytest.mark.parametrize(
    "made",
    [
        lambda x: x.repeat(2),
        lambda x: x.tile(1),
        lambda x: x.repeat_interleave(1),
        lambda x: x.repeat_interleave(2),
        lambda x: tl.channel_shuffle(x.reshape(1, 4, 1), 2),
    ],
)
def test_what_is_repeated_is_a_value_of_its_own(made, on):
    x = tl.arange(4.0)
    y = made(x)
    wanted = values(y + 1)
    y.add_(1)
    assert values(x) == [0, 1, 2, 3] and values(y) == wanted
    x.zero_()
    assert values(y) == wanted
