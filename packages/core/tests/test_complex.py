"""Complex numbers: parts that share with their tensor, gradients by PyTorch's convention, mixing with real numbers, refusals."""

from __future__ import annotations

import cmath

import pytest

import tapeloom as tl
from tapeloom.errors import ArgumentTypeError, DTypeError, GradientError, ShapeError


def leaf(*values, dtype=tl.complex128):
    return tl.tensor(values, dtype=dtype, requires_grad=True)


# parts


def test_a_real_tensor_is_its_own_real_part_and_conjugate():
    x = tl.tensor([1.0, -2.0])
    assert x.real is x and tl.real(x) is x
    assert x.conj() is x and tl.conj(x) is x and x.conj_physical() is x and x.resolve_conj() is x


def test_a_real_tensor_has_no_imaginary_part():
    text = "imag: a float32 tensor has no imaginary part. Test with .is_complex() first."
    for ask in (lambda x: x.imag, tl.imag):
        with pytest.raises(DTypeError) as caught:
            ask(tl.tensor([1.0]))
        assert str(caught.value) == text


def test_parts_are_views_that_write_through():
    z = tl.zeros(3, dtype=tl.complex64)
    z.real.fill_(2.0)
    z.imag[1] = 5.0
    z.conj()[2] = 1 + 1j
    assert z.tolist() == [2, 2 + 5j, 1 - 1j]
    pairs = tl.view_as_real(z)
    pairs[0, 1] = -7.0
    assert z.tolist() == [2 - 7j, 2 + 5j, 1 - 1j]
    z += 1
    assert pairs.tolist() == [[3, -7], [3, 5], [2, -1]]
    tl.view_as_complex(pairs)[0] = 9j
    assert z.tolist() == [9j, 3 + 5j, 2 - 1j]


def test_parts_can_be_assigned():
    z = tl.tensor([1 + 2j, 3 + 4j])
    z.real, z.imag = tl.tensor([9.0, 8.0]), tl.tensor([-1.0, 0.0])
    assert z.tolist() == [9 - 1j, 8]
    x = tl.tensor([1.0])
    x.real = tl.tensor([3.0])
    assert x.tolist() == [3.0]


def test_a_conjugate_of_its_own_shares_nothing():
    z = tl.tensor([1 + 2j])
    z.conj_physical().zero_()
    assert z.tolist() == [1 + 2j]


def test_writing_into_a_part_is_recorded():
    a, b = leaf(1 + 2j, 3 - 1j), leaf(5.0, 7.0, dtype=tl.float64)
    z = a * 1
    z.imag.copy_(b)
    (z * z).real.sum().backward()  # x**2 - b**2
    assert a.grad.tolist() == [2, 6]
    assert b.grad.tolist() == [-10, -14]


def test_halves_as_complex_numbers_are_written_through():
    pairs = tl.ones(2, 2, dtype=tl.float16)
    z = tl.view_as_complex(pairs)
    assert z.dtype is tl.complex64
    z.add_(1 + 3j)
    assert pairs.tolist() == [[2, 4], [2, 4]] and pairs.dtype is tl.float16


def test_adjoints():
    z = tl.tensor([[1 + 1j, 2, 3j]])
    assert tl.tensor(1j).mT.item() == 1j and tl.tensor(1j).mH.item() == tl.tensor(1j).H.item() == -1j
    assert z.mH.tolist() == z.H.tolist() == z.adjoint().tolist() == [[1 - 1j], [2], [-3j]]
    assert tl.stack([z, z]).mH.shape == (2, 3, 1)
    with pytest.raises(ShapeError) as caught:
        tl.stack([z, z]).H  # noqa: B018 - the property is what is tried
    assert str(caught.value) == "H: expected a matrix, got shape (2, 1, 3). For batches of matrices use .mH."


# gradients


def test_the_gradient_points_up():
    """dL/dx + i dL/dy: of |z|**2 it is 2z, of the real part 1, of the imaginary part i."""
    z = leaf(3 - 4j)
    for loss, wanted in (
        (lambda z: z.abs() ** 2, 6 - 8j),
        (lambda z: z.real, 1),
        (lambda z: z.imag, 1j),
        (lambda z: (z * z).real, 6 + 8j),
    ):
        (found,) = tl.autograd.grad(loss(z).sum(), z)
        assert found.tolist() == pytest.approx([wanted])


def test_the_gradient_of_a_real_input_is_real():
    x, z = leaf(2.0, dtype=tl.float32), leaf(1 + 3j, dtype=tl.complex64)
    (x * z).abs().sum().backward()
    assert x.grad.dtype is tl.float32 and z.grad.dtype is tl.complex64
    assert x.grad.tolist() == pytest.approx([abs(1 + 3j)])
    assert z.grad.tolist() == pytest.approx([2 * (1 + 3j) / abs(1 + 3j)])


def test_the_gradient_of_abs_at_0_is_0():
    z = leaf(0j)
    (z.abs() + tl.sgn(z).real).sum().backward()
    assert z.grad.tolist() == [0]


def test_a_complex_result_has_no_implied_gradient():
    z = leaf(1j)
    with pytest.raises(GradientError) as caught:
        (z * 2).sum().backward()
    assert str(caught.value) == (
        "backward: only a real tensor has an implied gradient, this one is complex128. Take .real or .abs(), or give the gradient."
    )
    (z * 2j).backward(tl.tensor([1 + 1j], dtype=tl.complex128))
    assert z.grad.tolist() == [(1 + 1j) * -2j]


@pytest.mark.parametrize("z", [-2 + 1j, -0.5 - 0.3j, -0.2 + 3j])
def test_functions_left_of_0(z):
    """Where a formula for real numbers would take the wrong branch of a root."""
    for function in (tl.acosh, tl.asinh, tl.asin, tl.acos, tl.atanh, tl.sqrt, tl.log):
        x = leaf(z)
        (found,) = tl.autograd.grad(function(x), x, tl.ones_like(x))
        step = 1e-6
        slope = (function(leaf(z + step)) - function(leaf(z - step))) / (2 * step)
        assert found.item() == pytest.approx(slope.item().conjugate(), rel=1e-6)


# numbers and mixing


def test_numbers_make_real_tensors_complex():
    x = tl.tensor([1.0, 2.0])
    assert (x * 1j).dtype is (1j + x).dtype is (x - 1j).dtype is (2j / x).dtype is tl.complex64
    assert (tl.tensor([1, 2]) * 1j).dtype is tl.complex64
    assert (x.double() * 1j).dtype is tl.complex128
    assert (x.half() + 1j).dtype is tl.complex64
    assert (x**2j).tolist() == pytest.approx([1, cmath.exp(2j * cmath.log(2))], abs=1e-6)
    assert (2j**x).tolist() == pytest.approx([2j, -4], abs=1e-6)
    assert (tl.tensor([1j, 1]) == 1j).tolist() == [True, False]


def test_a_complex_number_does_not_go_into_a_real_tensor():
    x = tl.tensor([1.0, 2.0])
    with pytest.raises(DTypeError) as caught:
        x *= 1j
    assert str(caught.value) == (
        "multiply_: the result is complex64 and cannot be put into a tensor of float32. "
        "Use the out-of-place form, or cast the tensor first."
    )
    assert x.masked_fill(x > 1, 5 + 0j).tolist() == [1, 5]
    with pytest.raises(DTypeError, match="the complex number 1j does not fit float32"):
        tl.linspace(0, 1j, 3, dtype=tl.float32)


def test_settings_stay_real():
    with pytest.raises(ArgumentTypeError) as caught:
        tl.pad(tl.tensor([1j]), (1, 1), value=2j)
    assert str(caught.value) == "pad: value must be a real number, got 2j."


def test_an_order_of_complex_numbers_is_refused():
    z = tl.tensor([1j])
    for ask in (lambda: z < 1j, z.max, lambda: z.clamp(0, 1), z.argmax, lambda: z // 2, lambda: z % 2, z.sign, z.floor):
        with pytest.raises(
            DTypeError, match=r"complex tensors are not supported, got complex64. Take .real, .imag or .abs\(\) first.$"
        ):
            ask()


def test_a_large_choice_by_a_mask():
    """On the CPU large arrays of real numbers are chosen from bit by bit."""
    for dtype in (tl.complex64, tl.complex128):
        z = (tl.arange(5000) * (1 - 2j)).to(dtype)
        mask = tl.arange(5000) % 3 == 0
        wanted = [n * (1 - 2j) if n % 3 == 0 else 0 for n in range(5000)]
        assert tl.where(mask, z, 0).tolist() == wanted
        assert tl.where(~mask, tl.zeros_like(z), z).tolist() == wanted
        assert z.masked_fill(~mask, 0).tolist() == wanted
