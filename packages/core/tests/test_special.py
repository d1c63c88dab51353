"""Forms of the elementwise and special functions that the table of samples cannot hold."""

from __future__ import annotations

import pytest

import tapeloom as tl
from tapeloom.errors import GradientError, InplaceError


@pytest.mark.parametrize("dtype", [tl.float32, tl.int64, tl.bool])
def test_comparisons_in_place_keep_the_dtype(dtype):
    x = tl.tensor([0, 1, 1], dtype=dtype)
    for name, other, want in (
        ("eq_", 1, [0, 1, 1]),
        ("ne_", 1, [1, 0, 0]),
        ("less_", 1, [1, 0, 0]),
        ("greater_equal_", 1, [0, 1, 1]),
        ("logical_xor_", tl.ones(3), [1, 0, 0]),
    ):
        changed = x.clone()
        assert getattr(changed, name)(other) is changed
        assert changed.dtype is dtype and changed.tolist() == want, name
    assert x.clone().logical_not_().tolist() == [1, 0, 0]


def test_what_a_comparison_overwrites_gets_zeros():
    x = tl.ones(2, requires_grad=True)
    (x * 2).eq_(2).sum().backward()
    assert x.grad.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("clamp_min", (2.5,)),
        ("clamp_max", (2.5,)),
        ("conj_physical", ()),
        ("float_power", (2,)),
        ("ldexp", (tl.tensor([1, 2]),)),
        ("mvlgamma", (2,)),
        ("polygamma", (1,)),
    ],
)
def test_functions_in_place(name, arguments):
    x = tl.tensor([2.0, 3.0], dtype=tl.float64)
    want = getattr(x, name)(*arguments)
    changed = x.clone()
    view = changed[:1]
    assert getattr(changed, f"{name}_")(*arguments) is changed
    assert changed.tolist() == want.tolist() and view.tolist() == want[:1].tolist()
    with pytest.raises(InplaceError, match=f"{name}_: a leaf that requires a gradient"):
        getattr(x.clone().requires_grad_(), f"{name}_")(*arguments)


def test_an_integer_does_not_become_its_clamp():
    with pytest.raises(tl.errors.DTypeError, match="clamp_min_: the result is float32"):
        tl.tensor([1, 2]).clamp_min_(1.5)


def test_the_names_of_special():
    for name, known in tl.special.ALIASES.items():
        assert getattr(tl.special, name) is (getattr(tl, known, None) or getattr(tl.special, known))
    assert {"expit", "psi", "gammainc", "i1e", "airy_ai", "logsumexp"} <= set(tl.special.__all__)


@pytest.mark.parametrize("name", ["igamma", "igammac", "zeta"])
def test_a_gradient_that_nobody_knows_is_refused(name):
    call = getattr(tl, name, None) or getattr(tl.special, name)
    x = tl.full((2,), 2.0, requires_grad=True)
    with pytest.raises(GradientError, match=f"{name}: the gradient for input is not known"):
        call(x, tl.ones(2)).sum().backward()


def test_what_has_no_gradient_in_pytorch():
    x = tl.ones(2, requires_grad=True)
    assert not tl.special.bessel_j0(x).requires_grad
    assert not tl.special.legendre_polynomial_p(x, 3).requires_grad


def test_orders_of_polynomials():
    x = tl.tensor([0.5, 2.0])
    assert tl.special.chebyshev_polynomial_t(x, -1).tolist() == [0, 0]
    assert tl.special.chebyshev_polynomial_t(x, 2.7).tolist() == tl.special.chebyshev_polynomial_t(x, 2).tolist()
    assert tl.special.hermite_polynomial_h(x, 2).tolist() == [-1, 14]


def test_incomplete_gamma_functions_of_large_numbers():
    a = tl.tensor([1e3, 1e5], dtype=tl.float64)
    assert (tl.igamma(a, a) + tl.igammac(a, a)).tolist() == pytest.approx([1, 1], rel=1e-14)
    assert tl.igamma(a, a).tolist() == pytest.approx([0.5042052440, 0.5004205221], rel=1e-9)


def test_polygamma_of_any_order():
    x = tl.tensor([-1.5, 1.0, 3.0], dtype=tl.float64)
    assert tl.polygamma(170, x)[1:].tolist() == pytest.approx([-7.257415615307994e306, -1.8751993e225], rel=1e-7)
    assert tl.polygamma(10**9, x)[1].item() == -float("inf")
