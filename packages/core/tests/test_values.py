"""Tensors are values: what shares with what, and that nothing backward kept is ever overwritten."""

from __future__ import annotations

import numpy as np
import pytest

import tapeloom as tl
from tapeloom.errors import DTypeError, InplaceError, ShapeError


def values(tensor):
    return tensor.detach().tolist()


def test_views_show_changes_of_their_base_and_write_through():
    x = tl.arange(6.0)
    rows = x.view(2, 3)
    column = rows[:, 1]
    column.fill_(9)
    assert values(x) == [0, 9, 2, 3, 9, 5] and values(rows) == [[0, 9, 2], [3, 9, 5]]
    x[0] = 7
    assert values(rows)[0][0] == 7
    rows.t()[2].mul_(10)
    assert values(x) == [7, 9, 20, 3, 9, 50]


@pytest.mark.parametrize(
    "take",
    [
        lambda x: x.reshape(3, 2),
        lambda x: x.permute(1, 0),
        lambda x: x.unsqueeze(1),
        lambda x: x.unsqueeze(0).squeeze(0),
        lambda x: x.narrow(1, 1, 2),
        lambda x: x[1:, ::2],
        lambda x: x[..., None, 1],
        lambda x: x.flatten(),
        lambda x: x.split(1)[1],
        lambda x: x.chunk(3, 1)[2],
        lambda x: x.unbind(1)[0],
        lambda x: x.transpose(0, 1)[1:],
        lambda x: x.detach(),
        lambda x: x.data,
        lambda x: x.T,
    ],
)
def test_every_kind_of_view_agrees_with_numpy(take):
    ours, theirs = tl.arange(6.0).view(2, 3), np.arange(6.0, dtype="float32").reshape(2, 3)
    view = take(ours)
    before = values(ours)
    view.add_(100)
    changed = [[a != b for a, b in zip(*pair, strict=True)] for pair in zip(before, values(ours), strict=True)]
    assert sum(map(sum, changed)) == view.numel()
    assert all(value >= 100 for value in view.reshape(-1).tolist())
    ours.copy_(tl.from_numpy(theirs))
    assert values(take(ours)) == values(view)


def test_an_expanded_view_cannot_be_written():
    x = tl.ones(1, 3)
    wide = x.expand(2, 3)
    with pytest.raises(InplaceError) as caught:
        wide.add_(1)
    assert str(caught.value) == (
        "expand: this view cannot be written through: several of its elements may be one element of the tensor it was "
        "taken from. Write to the tensor itself, or to a copy made with .clone()."
    )
    x.add_(1)
    assert values(wide) == [[2, 2, 2], [2, 2, 2]]


def test_what_backward_kept_is_never_overwritten():
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    w = tl.tensor([3.0, 4.0])
    y = (x * w).sum()
    w.zero_()
    w += 50
    y.backward()
    assert values(x.grad) == [3.0, 4.0]


def test_in_place_changes_are_recorded():
    x = tl.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 1
    y[1] = y[0] * 10
    y *= 2
    y.sum().backward()
    assert values(x.grad) == [2 + 20, 0, 2]


def test_in_place_through_a_view_is_recorded():
    x = tl.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    y = x * 1
    y.view(2, 2)[1] *= 5
    y.sum().backward()
    assert values(y) == [1, 2, 15, 20] and values(x.grad) == [1, 1, 5, 5]


def test_a_base_changed_in_place_shows_in_the_gradient_of_its_view():
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    view = y[:1]
    y.mul_(3)
    view.sum().backward()
    assert values(view) == [3] and values(x.grad) == [3, 0]


def test_detach_and_data_share_both_ways():
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    x.detach().add_(1)
    x.data.mul_(10)
    assert values(x) == [20, 30] and x.is_leaf and x.requires_grad
    alias = x.detach()
    with tl.no_grad():
        x.zero_()
    assert values(alias) == [0, 0]


def test_data_can_be_replaced():
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    old = x.detach()
    x.data = tl.tensor([5.0, 6.0, 7.0])
    assert values(x) == [5, 6, 7] and x.requires_grad and values(old) == [1, 2]
    (x * 2).sum().backward()
    assert values(x.grad) == [2, 2, 2]


def test_from_numpy_lends():
    array = np.zeros(3, dtype="float32")
    x = tl.from_numpy(array)
    array[0] = 5
    assert values(x) == [5, 0, 0], "outside writes are seen"
    x.add_(1)
    x[1] = 9
    assert array.tolist() == [5, 0, 0], "our in-place operations never write back"


def test_tensor_copies():
    array = np.zeros(3)
    x = tl.tensor(array)
    array[0] = 5
    assert values(x) == [0, 0, 0] and x.dtype is tl.float64


def test_numpy_is_read_only_and_never_changes():
    x = tl.ones(3)
    array = x.numpy()
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 5
    x.add_(1)
    x[0] = 7
    assert array.tolist() == [1, 1, 1]


def test_an_iteration_over_a_tensor_can_write():
    x = tl.zeros(2, 2)
    for row in x:
        row += 1
    assert values(x) == [[1, 1], [1, 1]]


def test_a_value_that_does_not_fit_changes_nothing():
    x = tl.tensor([1, 2, 3])
    with pytest.raises(DTypeError, match=r"add_: the result is float32 and cannot be put into a tensor of int64"):
        x += 1.5
    with pytest.raises(
        ShapeError, match=r"add_: the result has shape \(2, 3\) and cannot be put into a tensor of shape \(3,\)"
    ):
        x += tl.ones(2, 3, dtype=tl.int64)
    with pytest.raises(
        ShapeError, match=r"index_put: a value of shape \(2,\) does not broadcast to the indexed shape \(3,\)"
    ):
        x[:] = tl.tensor([1, 2])
    assert values(x) == [1, 2, 3]


def test_assignment_through_masks_and_index_tensors():
    x = tl.arange(6.0)
    x[x > 3] = 0
    x[tl.tensor([0, -1])] = tl.tensor([7.0, 8.0])
    x.view(2, 3)[1, tl.tensor([0, 1])] = -1
    assert values(x) == [7, 1, 2, -1, -1, 8]


def test_views_that_are_gone_cost_nothing():
    x = tl.zeros(4)
    for _ in range(1000):
        x[0]
    assert len(x.extra.views) < 64


def test_flatten_of_one_dimension_is_the_tensor_itself():
    leaf = tl.ones(3, requires_grad=True)
    assert leaf.flatten() is leaf
    assert leaf.reshape(-1) is not leaf


def test_what_moves_nothing_is_a_copy_all_the_same():
    x = tl.arange(6.0).reshape(1, 2, 3)
    for y in (x.roll(3, 2), x.roll(0, 0), x.roll(6), tl.adaptive_avg_pool1d(x, 3)):
        y.zero_()
    assert x.tolist() == [[[0, 1, 2], [3, 4, 5]]]


def test_plus_is_the_tensor_itself():
    x = tl.zeros(2, requires_grad=True)
    assert +x is x and x.positive() is x and tl.positive(x) is x


def test_the_gradient_outlives_detach_():
    leaf = tl.ones(2, requires_grad=True)
    (leaf * 3).sum().backward()
    assert leaf.detach_() is leaf and not leaf.requires_grad
    assert leaf.grad.tolist() == [3, 3]
