"""The functions that the nn distribution adds to the core's ops."""

import pytest

import tapeloom as tl
import tapeloom.nn.functional as F
from tapeloom.errors import ArgumentError


def test_every_name_is_there():
    assert sorted(F.__all__) == F.__all__
    assert all(callable(getattr(F, name)) for name in F.__all__)


def test_embedding_takes_the_numbers_first():
    table = tl.tensor([[1.0], [2.0], [3.0]])
    assert F.embedding(tl.tensor([2, 0]), table).tolist() == [[3.0], [1.0]]


def test_embedding_padding_row_counts_from_the_end():
    table = tl.ones(3, 1, requires_grad=True)
    F.embedding(tl.tensor([2, 0]), table, padding_idx=-1).sum().backward()
    assert table.grad.tolist() == [[1.0], [0.0], [0.0]]


def test_losses_are_differentiable():
    x = tl.tensor([1.0, 5.0, 2.0], requires_grad=True)
    target = tl.tensor([1.0, 2.0, 2.5])
    assert F.smooth_l1_loss(x, target, reduction="none").tolist() == [0.0, 2.5, 0.125]
    F.smooth_l1_loss(x, target, reduction="sum").backward()
    assert x.grad.tolist() == [0.0, 1.0, -0.5]
    x.grad = None
    F.mse_loss(x, target, reduction="sum").backward()
    assert x.grad.tolist() == [0.0, 6.0, -1.0]
    x.grad = None
    F.l1_loss(x, target).backward()
    assert [round(value, 4) for value in x.grad.tolist()] == [0.0, 0.3333, -0.3333]
    assert F.smooth_l1_loss(x, target, reduction="sum", beta=0).item() == 3.5


def test_normalize():
    rows = F.normalize(tl.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
    assert [[round(value, 4) for value in row] for row in rows] == [[0.6, 0.8], [0.0, 0.0]]
    assert F.normalize(tl.tensor([1.0, 3.0]), p=1, dim=0).tolist() == [0.25, 0.75]


def test_errors():
    x = tl.ones(2)
    with pytest.raises(ArgumentError) as error:
        F.smooth_l1_loss(x, x, reduction="median")
    assert str(error.value) == "smooth_l1_loss: reduction must be 'none', 'mean' or 'sum', got 'median'."
    with pytest.raises(ArgumentError) as error:
        F.smooth_l1_loss(x, x, beta=-1)
    assert str(error.value) == "smooth_l1_loss: beta is -1; it must not be negative."
