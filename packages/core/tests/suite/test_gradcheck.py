"""gradcheck and gradgradcheck: right functions pass, wrong ones do not, and the message says where."""

from __future__ import annotations

import pytest

import tapeloom as tl
from tapeloom.testing import GradcheckError, gradcheck, gradgradcheck


def leaf(*values):
    return tl.tensor(values, dtype=tl.float64, requires_grad=True)


class Wrong:
    """x -> 2 x with a gradient that is wrong in one entry."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        kept = x.detach()
        spoilt = tl.tensor([1.0, 1.0, self.factor], dtype=tl.float64)
        return x * spoilt + kept * (1 - spoilt)  # the value is x, the slope is spoilt


def complex_leaf(*values):
    return tl.tensor(values, dtype=tl.complex128, requires_grad=True)


@pytest.mark.parametrize("fast", [True, False])
def test_right_functions_of_complex_numbers_pass(fast):
    z, w, x = complex_leaf(1 + 2j, -0.5 + 1j), complex_leaf(0.3j, 2 - 1j), leaf(0.5, -1.0)
    assert gradcheck(lambda z, w: (z * w).sin(), (z, w), fast_mode=fast)
    assert gradcheck(lambda z, x: [z.conj() * x, (z * x).abs()], (z, x), fast_mode=fast)
    assert gradgradcheck(lambda z, x: (z.exp() * x).abs(), (z, x), fast_mode=fast)


@pytest.mark.parametrize("fast", [True, False])
def test_a_gradient_that_is_not_conjugated_is_found(fast):
    def squared(z):
        kept = z.detach()
        return z * (2 * kept.conj()) + (kept * kept - 2 * kept * kept.conj())  # the value is z * z, the slope 2 conj(z)

    with pytest.raises(GradcheckError) as caught:
        gradcheck(squared, complex_leaf(1 + 2j), fast_mode=fast)
    if not fast:
        assert str(caught.value).startswith(
            "gradcheck: the derivative of output 0 at (0,) by input 0 at (0,) (imaginary part) is -4"
        )
        assert str(caught.value).endswith(" by differences and 4 by the tape. Inputs: complex128[1] on cpu.")


@pytest.mark.parametrize("fast", [True, False])
def test_right_functions_pass(fast):
    x, y = leaf(0.5, -1.0, 2.0), leaf(1.5, 0.3, 0.7)
    assert gradcheck(lambda a, b: (a * b).sin(), (x, y), fast_mode=fast)
    assert gradcheck(lambda a, b: [a.exp(), (a * b).sum()], (x, y), fast_mode=fast)
    assert gradcheck(tl.sum, x, fast_mode=fast)
    assert gradgradcheck(lambda a, b: (a * b).sin(), (x, y), fast_mode=fast)


def test_arguments_that_are_not_checked_pass_through():
    x, fixed = leaf(0.5, -1.0), tl.tensor([2.0, 3.0], dtype=tl.float64)
    assert gradcheck(lambda a, b, n: a * b * n, (x, fixed, 3))
    assert gradgradcheck(lambda a, b, n: a * a * b * n, (x, fixed, 3))


def test_outputs_that_are_not_floating_are_left_out():
    assert gradcheck(lambda a: (a * a, a > 0, a.argmax()), leaf(0.5, -1.0))


def test_an_output_that_does_not_depend_on_the_input_has_the_gradient_zero():
    constant = tl.ones(2, dtype=tl.float64)
    assert gradcheck(lambda a: (a * 2, constant), leaf(0.5, -1.0))
    with pytest.raises(GradcheckError):
        gradcheck(lambda a: a.detach() * 2, leaf(0.5, -1.0))


def test_one_wrong_entry_is_found_and_named():
    with pytest.raises(GradcheckError) as caught:
        gradcheck(Wrong(1.1), leaf(0.5, -1.0, 2.0))
    assert str(caught.value) == (
        "gradcheck: the derivative of output 0 at (2,) by input 0 at (2,) is 1 by differences and 1.1 by the tape. "
        "Inputs: float64[3] on cpu."
    )


def test_one_wrong_entry_is_found_along_a_direction():
    with pytest.raises(GradcheckError, match=r"^gradcheck: along a random direction \(seed 5\) the derivative is "):
        gradcheck(Wrong(1.1), leaf(0.5, -1.0, 2.0), fast_mode=True, seed=5)
    assert not gradcheck(Wrong(1.1), leaf(0.5, -1.0, 2.0), fast_mode=True, raise_exception=False)


def test_a_wrong_second_derivative_is_found():
    def cube(x):
        return x * x * x.detach() + (x * x.detach() * x.detach())  # the slope is right in value: 3 x**2

    x = leaf(0.5, -1.0)
    assert gradcheck(lambda x: x**3 * 1.0, x)
    with pytest.raises(GradcheckError):
        gradgradcheck(cube, x)


def test_gradients_of_the_outputs_can_be_given():
    x, g = leaf(0.5, -1.0), leaf(1.0, 2.0)
    assert gradgradcheck(lambda a: a.exp(), x, g)
    assert gradgradcheck(lambda a: a.exp(), x, [g])


def test_a_gradient_that_is_nan_is_no_match():
    with pytest.raises(GradcheckError):
        gradcheck(lambda a: (a - a.detach()).sqrt() * 0 + a, leaf(0.5, -1.0))


def test_differences_need_float64():
    with pytest.raises(tl.errors.ArgumentError) as caught:
        gradcheck(tl.sin, tl.ones(2, requires_grad=True))
    assert str(caught.value) == (
        "gradcheck: the inputs to be checked must be float64 or complex128, one is float32: differences of numbers with "
        "fewer digits say nothing. Cast it with .double()."
    )
    with pytest.raises(tl.errors.ArgumentError, match=r"one is complex64: .* Cast it with \.cdouble\(\)\.$"):
        gradcheck(tl.sin, tl.ones(2, dtype=tl.complex64, requires_grad=True))


def test_some_input_must_require_a_gradient():
    with pytest.raises(tl.errors.ArgumentError) as caught:
        gradcheck(tl.sin, tl.ones(2, dtype=tl.float64))
    assert str(caught.value) == ("gradcheck: none of the inputs requires a gradient. Call requires_grad_() on some.")


def test_the_inputs_are_left_alone():
    x = leaf(0.5, -1.0)
    gradcheck(lambda a: a.exp(), x)
    gradgradcheck(lambda a: a.exp(), x)
    assert x.grad is None and x.tolist() == [0.5, -1.0] and x.is_leaf


def test_the_further_checks():
    def function(a, b):
        return (a * b).sin(), (a.exp() * b).sum()

    pair = leaf(0.5, -1.0, 2.0), leaf(1.5, 0.3, -0.7)
    every = {"check_batched_grad": True, "check_forward_ad": True, "check_batched_forward_grad": True}
    assert gradcheck(function, pair, **every)
    assert gradcheck(lambda z: (z * z).sin(), complex_leaf(1 + 2j, -0.5j), **every)
    assert gradgradcheck(function, pair, check_fwd_over_rev=True, check_batched_grad=True)
    with pytest.raises(tl.errors.ArgumentError, match="masked=True"):
        gradcheck(function, pair, masked=True)


def test_a_forward_derivative_that_is_wrong():
    with pytest.raises(GradcheckError, match="the jvp of output 0 is not the difference quotient"):
        gradcheck(Wrong(1.1), leaf(0.5, -1.0, 2.0), check_backward_ad=False, check_forward_ad=True)


def test_gradients_that_differ_from_walk_to_walk():
    class Unsteady(tl.autograd.Function):
        factor = 1.0

        @staticmethod
        def forward(ctx, x):
            return x * 1.0

        @staticmethod
        def backward(ctx, g):
            Unsteady.factor += 1e-9
            return g * Unsteady.factor

    with pytest.raises(GradcheckError, match="in two ways from the same tape"):
        gradcheck(Unsteady.apply, leaf(0.5, -1.0))
    assert gradcheck(Unsteady.apply, leaf(0.5, -1.0), nondet_tol=1e-6)
