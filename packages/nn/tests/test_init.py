"""Initialisers: bounds, moments, generators and errors."""

import math

import pytest

import tapeloom as tl
from tapeloom import nn
from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.nn import init


def moments(tensor):
    values = tensor.reshape(-1).tolist()
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


@pytest.fixture(autouse=True)
def _seeded():
    tl.manual_seed(0)


def test_gains():
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("leaky_relu", 1) == 1.0
    assert init.calculate_gain("leaky_relu") == pytest.approx(math.sqrt(2 / 1.0001))
    assert init.calculate_gain("conv2d") == 1.0
    with pytest.raises(ArgumentError) as error:
        init.calculate_gain("gelu")
    assert str(error.value).startswith("calculate_gain: unknown nonlinearity 'gelu'. Known: linear, conv1d")


def test_constants():
    x = tl.empty(2, 2, requires_grad=True)
    assert init.constant_(x, 3.0) is x
    assert x.tolist() == [[3.0, 3.0], [3.0, 3.0]]
    assert x.is_leaf and x.requires_grad
    assert init.ones_(tl.empty(2)).tolist() == [1.0, 1.0]
    assert init.zeros_(tl.empty(2)).tolist() == [0.0, 0.0]
    assert init.eye_(tl.empty(3, 2)).tolist() == [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    with pytest.raises(ShapeError) as error:
        init.eye_(tl.empty(2))
    assert str(error.value) == "eye_: needs a matrix, got shape (2,)."


def test_uniform_and_normal():
    x = init.uniform_(tl.empty(5000), -2.0, 4.0)
    assert x.min().item() >= -2.0 and x.max().item() < 4.0
    assert moments(x) == pytest.approx((1.0, 6 / math.sqrt(12)), abs=0.1)
    assert moments(init.normal_(tl.empty(5000), 1.0, 3.0)) == pytest.approx((1.0, 3.0), abs=0.15)


@pytest.mark.parametrize(
    "fill, std",
    [
        (lambda w: init.xavier_uniform_(w, gain=2.0), 2 * math.sqrt(2 / (90 + 360))),
        (lambda w: init.xavier_normal_(w), math.sqrt(2 / (90 + 360))),
        (lambda w: init.kaiming_uniform_(w, nonlinearity="relu"), math.sqrt(2 / 90)),
        (lambda w: init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"), math.sqrt(2 / 360)),
        (lambda w: init.kaiming_uniform_(w, a=math.sqrt(5)), 1 / math.sqrt(3 * 90)),
    ],
)
def test_fans_decide_the_spread(fill, std):
    weight = fill(nn.Parameter(tl.empty(40, 10, 3, 3)))  # fan_in 90, fan_out 360
    mean, got = moments(weight)
    assert abs(mean) < 0.1 * std
    assert got == pytest.approx(std, rel=0.05)


def test_truncated_normal_stays_within_its_bounds():
    x = init.trunc_normal_(tl.empty(5000), mean=1.0, std=2.0, a=-1.0, b=3.0)
    assert x.min().item() >= -1.0
    assert x.max().item() <= 3.0
    # one standard deviation to each side: the variance is 1 - 2 * phi(1) / (Phi(1) - Phi(-1)) of the whole
    inside = math.erf(1 / math.sqrt(2))
    spread = 2 * math.sqrt(1 - 2 * math.exp(-0.5) / math.sqrt(2 * math.pi) / inside)
    assert moments(x) == pytest.approx((1.0, spread), abs=0.05)
    with pytest.raises(ArgumentError) as error:
        init.trunc_normal_(tl.empty(1), a=2.0, b=-2.0)
    assert str(error.value) == "trunc_normal_: needs a < b and std > 0, got a=2.0, b=-2.0, std=1.0."


def test_truncated_normals_of_a_far_tail_differ():
    """In float32 erf has 10 values from 5 to 6."""
    x = init.trunc_normal_(tl.empty(2000), a=5.0, b=6.0).tolist()
    assert len(set(x)) > 1900
    assert min(x) >= 5.0 and max(x) <= 6.0 and 5.15 < sum(x) / 2000 < 5.22  # the mean is 5.183


def test_a_generator_fixes_the_draw_and_leaves_the_default_alone():
    def draw():
        return init.kaiming_normal_(tl.empty(3, 3), generator=tl.Generator().manual_seed(5)).tolist()

    tl.manual_seed(1)
    after = tl.rand(3).tolist()
    tl.manual_seed(1)
    assert draw() == draw()
    assert tl.rand(3).tolist() == after


def test_errors():
    with pytest.raises(ShapeError) as error:
        init.xavier_normal_(tl.empty(3))
    assert str(error.value) == (
        "xavier_normal_: needs a weight of two axes or more, (out, in, *kernel), got shape (3,). "
        "Use uniform_ or normal_ for a vector."
    )
    with pytest.raises(ArgumentError) as mode:
        init.kaiming_uniform_(tl.empty(2, 2), mode="fan_avg")
    assert str(mode.value) == "kaiming_uniform_: mode must be 'fan_in' or 'fan_out', got 'fan_avg'."


def test_a_weight_without_inputs_is_left_empty():
    assert nn.Linear(0, 3).weight.shape == (3, 0)
