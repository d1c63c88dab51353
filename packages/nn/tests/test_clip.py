"""Clipping of gradients."""

import math

import numpy as np
import pytest

import tapeloom as tl
from tapeloom import nn
from tapeloom.errors import ArgumentError, GradientError
from tapeloom.nn.utils import clip_grad_norm_, clip_grad_value_, get_total_norm


def parameters(*grads):
    made = []
    for grad in grads:
        parameter = nn.Parameter(tl.zeros(len(grad)))
        parameter.grad = tl.tensor(grad)
        made.append(parameter)
    return [*made, nn.Parameter(tl.zeros(1))]  # one without a gradient


def test_the_total_norm_is_clipped():
    params = parameters([3.0], [0.0, 4.0])
    handle = params[0].grad
    assert clip_grad_norm_(params, 2.5).item() == 5.0
    assert params[0].grad is handle
    assert params[0].grad.tolist() + params[1].grad.tolist() == pytest.approx([1.5, 0.0, 2.0])


def test_small_gradients_stay_as_they_are():
    params = parameters([0.3, -0.4])
    clip_grad_norm_(iter(params), 1.0)
    assert params[0].grad.tolist() == pytest.approx([0.3, -0.4])


def test_other_norms():
    params = parameters([3.0, -4.0], [1.0])
    assert get_total_norm([p.grad for p in params[:2]], math.inf).item() == 4.0
    assert get_total_norm([p.grad for p in params[:2]], 1).item() == 8.0
    assert clip_grad_norm_(params, 4.0, norm_type=1.0).item() == 8.0
    assert params[0].grad.tolist() == pytest.approx([1.5, -2.0])
    assert get_total_norm([]).item() == 0.0
    assert clip_grad_norm_(nn.Parameter(tl.ones(1)), 1.0).item() == 0.0


@pytest.mark.parametrize("norm_type", [2.0, 3.0, math.inf])
def test_half_types_whose_powers_overflow(norm_type):
    weight = nn.Parameter(tl.zeros(2, dtype=tl.float16))
    weight.grad = tl.tensor([300.0, 400.0], dtype=tl.float16)
    total = clip_grad_norm_(weight, 1.0, norm_type)
    exact = np.linalg.norm([300.0, 400.0], norm_type)
    assert total.dtype is tl.float16 and total.item() == pytest.approx(exact, rel=1e-3)
    assert get_total_norm(weight.grad, norm_type).item() == pytest.approx(1.0, rel=2e-3)
    np.testing.assert_allclose(weight.grad.numpy(), np.array([300.0, 400.0]) / exact, rtol=1e-3)


def test_half_types_whose_norm_or_factor_does_not_fit():
    """In PyTorch the norm is inf and the gradients become 0."""
    weight = nn.Parameter(tl.zeros(2, dtype=tl.float16))
    weight.grad = tl.tensor([60000.0, 60000.0], dtype=tl.float16)
    total = clip_grad_norm_(weight, 0.001)
    assert total.dtype is tl.float16 and total.item() == math.inf
    np.testing.assert_allclose(weight.grad.numpy(), 0.001 / 2**0.5, rtol=1e-3)


def test_a_norm_that_is_not_finite():
    params = parameters([math.nan], [1.0])
    with pytest.raises(GradientError) as error:
        clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    assert str(error.value) == (
        "The norm of the gradients is nan. A loss or an input is nan or infinite, or the gradients exploded; "
        "autograd.detect_anomaly() finds where. Pass error_if_nonfinite=False to clip them all the same."
    )
    assert params[1].grad.tolist() == [1.0]
    assert math.isnan(clip_grad_norm_(params, 1.0).item())


def test_values_are_limited():
    params = parameters([3.0, -0.1], [-7.0])
    clip_grad_value_(params, 0.5)
    assert params[0].grad.tolist() == pytest.approx([0.5, -0.1])
    assert params[1].grad.tolist() == [-0.5]


def test_settings_that_are_refused():
    with pytest.raises(ArgumentError) as error:
        clip_grad_norm_([], -1.0)
    assert str(error.value) == "clip_grad_norm_: max_norm is -1.0; it must not be negative."
    with pytest.raises(ArgumentError) as error:
        clip_grad_norm_([], 1.0, norm_type=0)
    assert str(error.value) == "get_total_norm: norm_type is 0; it must be positive, or math.inf."
    with pytest.raises(ArgumentError) as error:
        clip_grad_value_([], -1)
    assert str(error.value) == "clip_grad_value_: clip_value is -1; it must not be negative."


def test_complex_gradients():
    weight = tl.tensor([1 + 2j, 3.0], requires_grad=True)
    weight.grad = tl.tensor([2 + 4j, 6.0])
    total = nn.utils.clip_grad_norm_([weight], 1.0)
    assert total.dtype is tl.float32 and total.item() == pytest.approx(56**0.5)
    np.testing.assert_allclose(weight.grad.numpy(), np.array([2 + 4j, 6]) / 56**0.5, rtol=1e-6)
