"""``max_norm`` and ``scale_grad_by_freq`` of ``embedding`` and ``embedding_bag``: what they do to the table and its gradient."""

from __future__ import annotations

import pytest

import tapeloom as tl
from tapeloom.errors import ArgumentError


def look_up(indices, weight, **settings):
    return tl.embedding(indices, weight, **settings)


def bag(indices, weight, **settings):
    return tl.embedding_bag(indices, weight, tl.arange(len(indices)), mode="sum", **settings)


@pytest.mark.parametrize("call", [look_up, bag])
def test_max_norm_shortens_the_rows_used_in_place(call):
    weight = tl.tensor([[3.0, 4.0], [0.3, 0.4], [6.0, 8.0]], requires_grad=True)
    out = call(tl.tensor([0, 1, 0]), weight, max_norm=1.0)
    assert tl.allclose(out.detach(), tl.tensor([[0.6, 0.8], [0.3, 0.4], [0.6, 0.8]]))
    assert tl.allclose(weight.detach(), tl.tensor([[0.6, 0.8], [0.3, 0.4], [6.0, 8.0]]))
    out.sum().backward()
    assert weight.grad.tolist() == [[2.0, 2.0], [1.0, 1.0], [0.0, 0.0]]


@pytest.mark.parametrize("call", [look_up, bag])
def test_scale_grad_by_freq_divides_by_how_often_a_row_is_used(call):
    weight = tl.tensor([[3.0, 4.0], [0.3, 0.4], [6.0, 8.0]], requires_grad=True)
    call(tl.tensor([0, 1, 0]), weight, scale_grad_by_freq=True).sum().backward()
    assert weight.grad.tolist() == [[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]


@pytest.mark.parametrize("call", [look_up, bag])
def test_sparse_gradients_are_refused(call):
    with pytest.raises(ArgumentError, match="sparse gradients do not exist here"):
        call(tl.tensor([0]), tl.ones(2, 2), sparse=True)
