"""Calls beside PyTorch that are no op's: keys that are lists, ``in``, copies, detached views, gradients of what is no leaf."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest

import tapeloom as tl
from tapeloom.errors import ArgumentTypeError, IndexingError, InplaceError


def grid() -> tl.Tensor:
    return tl.arange(6.0).reshape(2, 3)


# keys that are lists


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ([[0], [1]], [1.0]),
        ([[0, 1], [1, 2]], [1.0, 5.0]),
        ([slice(0, 1), 0], [0.0]),
        ([None, 0], [[0.0, 1.0, 2.0]]),
        ([..., 0], [0.0, 3.0]),
        ([range(2), 1], [1.0, 4.0]),
        ([[0, 1]], [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]),
    ],
)
def test_a_list_of_indices_is_a_tuple_as_in_pytorch_and_says_so(key, wanted):
    with pytest.warns(UserWarning, match=r"^index: a list that holds lists, .* is read as a tuple") as caught:
        assert grid()[key].tolist() == wanted
    assert caught[0].filename == __file__
    x = grid()
    with pytest.warns(UserWarning, match="^index_put: a list that holds") as caught:
        x[key] = 9.0
    assert caught[0].filename == __file__
    assert (x == 9).sum().item() == (grid()[tuple(key)]).numel()


def test_a_list_of_tensors_is_a_tuple():
    with pytest.warns(UserWarning, match="read as a tuple"):
        assert grid()[[tl.tensor([0, 1]), tl.tensor([0, 1])]].tolist() == [0.0, 4.0]


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ([1, 0], [[3.0, 4.0, 5.0], [0.0, 1.0, 2.0]]),
        ([True, False], [[0.0, 1.0, 2.0]]),
        (([True, False], [True, False, True]), [0.0, 2.0]),
        ([0, True], [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]),
        (((0, 1), (1, 2)), [1.0, 5.0]),
        (range(1), [[0.0, 1.0, 2.0]]),
        ([], []),
    ],
)
def test_other_lists_index_the_first_dimension_without_a_warning(key, wanted):
    assert grid()[key].tolist() == wanted


def test_a_nested_list_of_bools_is_a_tuple_of_masks():
    with pytest.warns(UserWarning, match="read as a tuple"), pytest.raises(IndexingError, match=r"of shape \(3,\)"):
        grid()[[[True, False, True], [False, False, True]]]


# in


def test_in():
    x = grid()
    assert 2 in x and tl.tensor(5.0) in x and 7 not in x
    for value, shown in (("a", "'a' of type str"), (None, "None of type NoneType"), ([1.0], r"\[1.0\] of type list")):
        with pytest.raises(ArgumentTypeError, match=f"^in: expected a number or a tensor, got {shown}\\."):
            _ = value in x


# copies


def test_a_copy_shares_its_values():
    for x in (tl.zeros(2), tl.zeros(2, requires_grad=True), tl.zeros(2, requires_grad=True) * 2, tl.zeros(2, 2)[0]):
        y = copy.copy(x)
        assert y is not x and y.is_leaf and y.grad is None and y.requires_grad == x.requires_grad
        with tl.no_grad():
            y.fill_(7.0)
        assert x.tolist() == y.tolist() == [7.0, 7.0]


# detach_


def test_a_view_is_not_detached_in_place():
    for needs in (True, False):
        base = tl.ones(2, 3, requires_grad=needs) * 1
        for view in (base[0], base.reshape(6), base.detach()[0]):
            before = view.requires_grad
            with pytest.raises(InplaceError, match=r"^detach_: a view cannot be detached in place"):
                view.detach_()
            assert view.requires_grad == before


def test_what_is_no_view_is_detached_in_place():
    x = tl.ones(2, requires_grad=True)
    y = x * 2
    assert y.detach_() is y and not y.requires_grad and y.is_leaf
    assert not x.detach().detach_().requires_grad
    assert not x.detach_().requires_grad


# gradients of what is no leaf


def test_the_gradient_of_what_is_no_leaf_warns():
    w = tl.ones(2, requires_grad=True)
    w = w * 2
    w.sum().backward()
    with pytest.warns(UserWarning, match=r"^grad: this tensor was made by MultiplyBackward.*retain_grad\(\)") as caught:
        assert w.grad is None
    assert caught[0].filename == __file__


def test_gradients_of_leaves_and_retained_ones_do_not_warn():
    x = tl.ones(2, requires_grad=True)
    y, z = x * 2, x * 3
    y.retain_grad()
    z.grad = tl.ones(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert x.grad is None and y.grad is None and tl.ones(2).grad is None
        assert z.grad.tolist() == [1.0, 1.0]
        y.sum().backward()
        assert y.grad.tolist() == [1.0, 1.0]


def test_a_retained_gradient_comes_beside_one_that_is_asked_for():
    x = tl.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    loss = (y * y).sum()
    (asked,) = tl.autograd.grad(loss, y, retain_graph=True)
    assert asked.tolist() == [4.0, 4.0] and y.grad.tolist() == [4.0, 4.0]
    tl.autograd.grad(loss, x, retain_graph=True)
    assert y.grad.tolist() == [8.0, 8.0]
    loss.backward(inputs=[y])
    assert y.grad.tolist() == [12.0, 12.0] and x.grad is None
    assert asked.tolist() == [4.0, 4.0]


@pytest.mark.parametrize("wrong", [None, 5, "text", 1.5])
def test_a_walk_of_no_tensors(wrong):
    x = tl.ones(2, requires_grad=True)
    kind = type(wrong).__name__
    for call, text in (
        (lambda: tl.autograd.backward(wrong), "backward: what to start from"),
        (lambda: tl.autograd.grad(wrong, x), "grad: what to start from"),
        (lambda: tl.autograd.grad(x.sum(), wrong), "grad: inputs"),
    ):
        with pytest.raises(ArgumentTypeError) as error:
            call()
        assert str(error.value) == f"{text} must be a tensor or a list of tensors, got {kind}."


def test_a_setting_that_is_an_array_is_named():
    x = tl.ones(2, 3)
    for call, text in (
        (lambda: x.div(x, rounding_mode=np.ones(3)), "divide: rounding_mode must be a string, got "),
        (lambda: x.round(decimals=np.ones(3)), "round: decimals must be an int, got ndarray of shape (3,)."),
        (lambda: x.argmax(keepdim=np.ones(3)), "argmax: keepdim must be True or False, got "),
        (lambda: x.sum(tl.ones(2)), "sum: dim must be an int, got "),
    ):
        with pytest.raises(ArgumentTypeError) as error:
            call()
        assert str(error.value).startswith(text)


# forms of single functions


def test_where_as_a_method():
    x, other = tl.tensor([1.0, -2.0], requires_grad=True), tl.tensor([5.0, 6.0])
    assert x.where(x > 0, other).tolist() == [1.0, 6.0]
    assert x.where(condition=x > 0, other=0.0).tolist() == [1.0, 0.0]
    x.where(x > 0, other).sum().backward()
    assert x.grad.tolist() == [1.0, 0.0]
    with pytest.raises(ArgumentTypeError, match=r"^where: condition must be a tensor, got int"):
        x.where(1, other)
    with pytest.raises(ArgumentTypeError, match=r"^where: argument 'other' is missing"):
        x.where(x > 0)


def test_other_names_of_pytorch():
    x = grid()
    assert x.view(size=(3, 2)).shape == (3, 2)
    assert [part.shape for part in x.split(split_size=2, dim=1)] == [(2, 2), (2, 1)]
    assert tl.arange(end=3).tolist() == [0, 1, 2]


def test_settings_that_are_used_later_are_looked_at():
    x = grid()
    for call, text in (
        (lambda: x.round(decimals=1.0), "round: decimals must be an int, got 1.0 of type float."),
        (lambda: x.select(0, None), "select: index must be an int, got None of type NoneType."),
        (lambda: tl.linalg.vecdot(x, x, dim=None), "vecdot: dim must be an int, got None of type NoneType."),
        (lambda: setattr(x, "requires_grad", 1), "requires_grad: must be True or False, got 1 of type int."),
        (lambda: x.requires_grad_("no"), "requires_grad: must be True or False, got 'no' of type str."),
    ):
        with pytest.raises(ArgumentTypeError) as error:
            call()
        assert str(error.value) == text
