"""The functions that the nn distribution adds to the core's ops."""

import math

import pytest

import tapeloom as tl
import tapeloom.nn.functional as F
from tapeloom import nn
from tapeloom.errors import ArgumentError, ArgumentTypeError
from tapeloom.testing import gradcheck, gradgradcheck


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


def test_the_factors_of_the_logits_loss_have_gradients():
    """PyTorch refuses them."""

    def loss(x, target, weight, positive):
        return F.binary_cross_entropy_with_logits(x, target, weight, pos_weight=positive)

    given = [tl.rand(*size, dtype=tl.float64).requires_grad_() for size in ((2, 3), (2, 3), (3,), (2, 1))]
    assert gradcheck(loss, given) and gradgradcheck(loss, given)


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


def test_input_is_the_first_parameter_by_another_name():
    x, y = tl.arange(6.0).reshape(2, 3), tl.tensor([0, 2])
    assert F.cross_entropy(input=x, target=y).item() == F.cross_entropy(x, y).item()
    image = x.reshape(1, 1, 2, 3)
    assert F.max_pool2d(input=image, kernel_size=2).tolist() == F.max_pool2d(image, 2).tolist()
    with pytest.raises(ArgumentTypeError, match="cross_entropy: unexpected argument 'inputs'"):
        F.cross_entropy(x, y, inputs=x)


@pytest.mark.parametrize(("reduction", "expected"), [("mean", math.nan), ("sum", 0.0), ("none", [])])
def test_cross_entropy_of_nothing(reduction, expected):
    x = tl.zeros(0, 0, requires_grad=True)
    loss = F.cross_entropy(x, tl.zeros(0, dtype=tl.int64), reduction=reduction)
    assert str(loss.tolist()) == str(expected)
    loss.sum().backward()
    assert x.grad.shape == (0, 0)


def test_second_derivative_of_cross_entropy_with_narrow_labels():
    x = tl.zeros(2, 3, requires_grad=True)
    (g,) = tl.autograd.grad(F.cross_entropy(x, tl.tensor([0, 2], dtype=tl.uint8)), x, create_graph=True)
    g.square().sum().backward()
    assert x.grad.shape == (2, 3)


def test_the_reduction_is_named():
    """PyTorch's first argument of these layers, and its third of the functions, is the long deprecated size_average."""
    for call in (
        lambda: nn.MSELoss("sum"),
        lambda: nn.L1Loss("sum"),
        lambda: F.mse_loss(tl.ones(2), tl.ones(2), "sum"),
    ):
        with pytest.raises(TypeError):
            call()
