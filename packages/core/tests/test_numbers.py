"""Python's and NumPy's numbers beside tensors: what they promote to, and what happens to those that do not fit."""

from __future__ import annotations

import operator

import numpy as np
import pytest

import tapeloom as tl
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, GradientError, IndexingError


def as_told(tensor) -> tuple[str, object]:
    return tensor.dtype.name, tensor.tolist()


# alpha


def test_alpha_is_multiplied_in_the_dtype_of_the_result(device):
    small = tl.tensor([5], dtype=tl.int8, device=device)
    assert as_told(tl.add(tl.tensor([1.0], device=device), small, alpha=100)) == ("float32", [501.0])
    assert as_told(tl.sub(tl.tensor([1], device=device), small, alpha=100)) == ("int64", [-499])
    half = tl.tensor([1.0], dtype=tl.bfloat16, device=device)
    assert as_told(tl.add(half, tl.tensor([5], device=device), alpha=0.5)) == ("bfloat16", [3.5])
    wide = tl.tensor([1.0], dtype=tl.float64, device=device)
    tenth = tl.tensor([0.1], device=device)
    assert tl.add(wide, tenth, alpha=3).item() == 1 + 3 * tenth.item()  # 0.3 of float32 has other digits
    wide.sub_(tenth, alpha=3)
    assert wide.item() == 1 - 3 * tenth.item()


def test_alpha_of_bools(device):
    x, y = tl.tensor([True, False], device=device), tl.tensor([True, True], device=device)
    assert as_told(tl.add(x, y, alpha=2)) == ("bool", [True, True])
    assert as_told(tl.add(x, y, alpha=0)) == ("bool", [True, False])


def test_alpha_is_rounded_once_in_half_types(device):
    x, y = (tl.tensor([value], dtype=tl.float16, device=device) for value in (2048.0, 1 + 2**-10))
    # the product is 1 + 2**-11 - 2**-21; rounded by itself it is 1, and the sum a tie
    assert tl.add(x, y, alpha=1 - 2**-11).item() == 2050.0


def test_alpha_gradient(device):
    w = tl.tensor([2.0], dtype=tl.bfloat16, device=device, requires_grad=True)
    tl.add(tl.tensor([1.0], device=device), w, alpha=3).sum().backward()
    assert as_told(w.grad) == ("bfloat16", [3.0])


def test_alpha_that_does_not_fit(device):
    x = tl.tensor([1], dtype=tl.int8, device=device)
    with pytest.raises(DTypeError, match=r"add: the number 300 does not fit int8 \(-128 to 127\)"):
        tl.add(x, x, alpha=300)


# NumPy's scalars


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.int8, np.int64, np.bool_, np.complex64])
def test_numpy_scalars_are_numbers(device, kind):
    """They promote as the Python number does that they hold, in every place where a number may be."""
    number = kind(1)
    for x in (tl.tensor([1.5, 2.5], device=device), tl.tensor([1, 2], device=device)):
        for compute in (lambda x, y: x * y, lambda x, y: y * x, lambda x, y: x == y, tl.add):
            assert as_told(compute(x, number)) == as_told(compute(x, number.item()))
        assert as_told(tl.where(x > 1, number, x)) == as_told(tl.where(x > 1, number.item(), x))
    x = tl.tensor([1.5, 2.5], device=device, requires_grad=True)
    if not isinstance(number.item(), complex):
        (np.float32(2) * x).sum().backward()
        assert x.grad.tolist() == [2.0, 2.0]
        with tl.no_grad():
            x += number
            x[0] = number
        assert as_told(x) == ("float32", [1.0, 3.5])
        if kind is not np.bool_:
            assert as_told(tl.add(x, x, alpha=number)) == ("float32", [2.0, 7.0])


def test_numpy_scalars_that_do_not_fit(device):
    x = tl.zeros(2, dtype=tl.int8, device=device)
    for bad in (
        lambda: x + np.int64(300),
        lambda: x.__setitem__(0, np.int64(300)),
        lambda: tl.tensor(np.float64(300.5), dtype=tl.int8),
    ):
        with pytest.raises(DTypeError, match=r"the number 300(\.5)? does not fit int8"):
            bad()
    with pytest.raises(ArgumentTypeError, match="other must be a tensor or a number, got ndarray"):
        x * np.array([1, 2])


# the dtype of data


DATA = [
    ([np.float64(0.1)], "float64"),
    ([np.float32(0.1), 1], "float32"),
    ([0.25, np.float16(0.5)], "float32"),
    ([np.float16(0.5), 1, True], "float16"),
    ([np.int32(1)], "int32"),
    ([np.uint8(1), np.int8(1)], "int16"),
    ([np.bool_(True)], "bool"),
    ([np.complex128(1j), 1.0], "complex128"),
    ([1j, np.float64(2)], "complex128"),
    ([[np.float64(0.5)], [1]], "float64"),
    ([np.array([0.5, 1.0]), np.array([1.0, 2.0])], "float64"),
    ([np.array([1, 2], dtype=np.int32)], "int32"),
    ([], "float32"),
    ([[], []], "float32"),
    ([True, 2], "int64"),
    ([True, 0.5], "float32"),
    (range(3), "int64"),
]


@pytest.mark.parametrize(("data", "name"), DATA)
def test_data_has_the_dtype_that_its_parts_promote_to(device, data, name):
    made = tl.tensor(data, device=device)
    assert made.dtype.name == name
    assert made.tolist() == np.array(data, dtype=name).tolist()


def test_tensors_of_one_element_among_data_are_numbers_of_their_dtype(device):
    half, double = (tl.tensor(0.5, dtype=dtype, device=device) for dtype in (tl.bfloat16, tl.float64))
    assert as_told(tl.tensor([double, 1.0], device=device)) == ("float64", [0.5, 1.0])
    assert as_told(tl.tensor([half, 1], device=device)) == ("bfloat16", [0.5, 1.0])
    assert as_told(tl.tensor([double.reshape(1), double.reshape(1, 1)], device=device)) == ("float64", [0.5, 0.5])


# numbers that do not fit


def test_ints_of_more_than_64_bits(device):
    assert tl.tensor([2**64, 1], dtype=tl.float64, device=device).tolist() == [2.0**64, 1.0]
    for dtype in (tl.float64, tl.float32, tl.bfloat16):
        x = tl.tensor([1.0], dtype=dtype, device=device)
        for number in (2**63, 2**64, -(2**64)):
            assert as_told(x + number) == as_told(x + float(number))
            assert as_told(number * x) == as_told(float(number) * x)
            assert as_told(tl.full((1,), number, dtype=dtype, device=device)) == (dtype.name, [float(number)])
        message = rf"^add: the number of 1329 bits does not fit {dtype.name} \("
        for bad in (lambda x=x: x + 10**400, lambda x=x: 10**400 + x, lambda x=x: tl.add(x, 10**400)):
            with pytest.raises(DTypeError, match=message):
                bad()
    for bad in (lambda: tl.tensor(10**400), lambda: tl.tensor([10**400], dtype=tl.float64), lambda: tl.arange(10**400)):
        with pytest.raises(DTypeError, match="the number of 1329 bits does not fit"):
            bad()
    with pytest.raises(ArgumentError, match="leaky_relu: negative_slope is an int beyond all floating numbers"):
        tl.nn.functional.leaky_relu(tl.ones(1, device=device), 10**400)


@pytest.mark.parametrize("value", [300, 300.7, -129, float("nan"), float("inf"), 2**70])
def test_what_is_written_must_fit(device, value):
    """Nothing is half changed by a refused write."""
    x = tl.tensor([1, 2], dtype=tl.int8, device=device)
    mask = tl.tensor([True, False], device=device)
    for write in (
        lambda: x.__setitem__(0, value),
        lambda: x.__setitem__(slice(None), [1, value]),
        lambda: x.fill_(value),
        lambda: x.masked_fill_(mask, value),
        lambda: x.masked_fill(mask, value),
    ):
        with pytest.raises(DTypeError, match=r"the number .* does not fit int8"):
            write()
    assert x.tolist() == [1, 2]
    with pytest.raises(DTypeError, match="index_put: the number 1e\\+39 does not fit float32"):
        tl.zeros(2, device=device)[0] = 1e39


def test_what_is_written_is_rounded_towards_0(device):
    x = tl.tensor([1, 2, 3], dtype=tl.int8, device=device)
    x[0] = 3.7
    x[1] = -3.7
    assert as_told(x) == ("int8", [3, -3, 3])
    mask = tl.tensor([True, False, False], device=device)
    x.masked_fill_(mask, 0.5)
    assert as_told(x) == ("int8", [0, -3, 3])
    assert as_told(x.masked_fill(mask, tl.tensor(2.9, dtype=tl.float64, device=device))) == ("int8", [2, -3, 3])
    halves = tl.ones(3, device=device)
    assert halves.masked_fill(mask, tl.tensor(0.1, dtype=tl.float64, device=device)).dtype is tl.float32


@pytest.mark.parametrize("dtype", [tl.uint8, tl.int8, tl.int64, tl.bool])
@pytest.mark.parametrize("number", [300, -300, 2**64, -(2**64), pytest.param(10**400, id="huge")])
def test_comparisons_with_any_number(device, dtype, number):
    """They say what is true, also of a number that the dtype cannot hold; PyTorch wraps it, or raises."""
    values = [0, 1] if dtype is tl.bool else [0, 1, 44, 100]
    x = tl.tensor(values, dtype=dtype, device=device)
    for compare in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
        assert compare(x, number).tolist() == [compare(value, number) for value in values]
        assert compare(number, x).tolist() == [compare(number, value) for value in values]
        assert compare(x, number).dtype is tl.bool
    assert number not in x


# masks of uint8


def test_a_uint8_tensor_is_a_mask(device):
    x = tl.tensor([10.0, 20.0, 30.0], device=device)
    mask = tl.tensor([2, 0, 255], dtype=tl.uint8, device=device)
    for key in (mask, np.array([2, 0, 255], dtype=np.uint8)):
        with pytest.warns(UserWarning, match="index: a uint8 tensor is read as a mask") as caught:
            assert x[key].tolist() == [10.0, 30.0]
        assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="index_put: a uint8 tensor is read as a mask"):
        x[mask] = 0.0
    assert x.tolist() == [0.0, 20.0, 0.0]
    y = tl.arange(4, device=device).reshape(2, 2)
    with pytest.warns(UserWarning, match="is read as a mask"):
        assert y[tl.tensor([[1, 0], [0, 1]], dtype=tl.uint8, device=device)].tolist() == [0, 3]
    with pytest.warns(UserWarning, match="is read as a mask"):
        assert y[:, tl.tensor([0, 1], dtype=tl.uint8, device=device)].tolist() == [[1], [3]]
    with pytest.warns(UserWarning, match="is read as a mask"):
        assert y[tl.tensor(1, dtype=tl.uint8, device=device)].shape == (1, 2, 2)
    with (
        pytest.warns(UserWarning, match="is read as a mask"),
        pytest.raises(IndexingError, match="a bool index of shape"),
    ):
        y[tl.tensor([1, 0, 1], dtype=tl.uint8, device=device)]
    assert y[np.uint8(1)].tolist() == [2, 3]


def test_numpy_scalars_index_as_ints(device):
    x = tl.zeros(2, 2, device=device)
    row = x[np.int64(1)]
    row += 1  # a view, as of an int
    assert x.tolist() == [[0, 0], [1, 1]]
    with pytest.raises(ArgumentTypeError, match=r"1\.0 of type float cannot be an index"):
        x[np.float64(1)]


def test_masks_of_numpy_index_as_many_dimensions_as_they_have(device):
    x = tl.arange(8, device=device).reshape(2, 2, 2)
    mask = np.array([[True, False], [False, True]])
    assert x[mask, 0].tolist() == [0, 6]
    assert x[mask].tolist() == x[tl.tensor(mask, device=device)].tolist()
    assert x[np.True_].shape == (1, 2, 2, 2)


# integers have no gradient


def test_integers_and_bools_never_require_a_gradient(device):
    w = tl.tensor([1.5, 2.5], device=device, requires_grad=True)
    target, mask = tl.zeros(2, dtype=tl.int64, device=device), tl.tensor([True, False], device=device)
    made = [
        w.long(),
        (w * 2).bool(),
        w.to(tl.int32),
        w.sum(dtype=tl.int64),
        w.prod(dtype=tl.int32),
        w.cumsum(0, dtype=tl.int64),
        w > 2,
    ]
    made += [target.clone().copy_(w), target.masked_fill(mask, w[0]), target.clone().fill_(w[1]), tl.cat([w, w]).long()]
    written = target.clone()
    written[0] = w[1]
    for x in (*made, written):
        assert not x.requires_grad and x.grad_fn is None
        with pytest.raises(GradientError):
            x.float().sum().backward()
    assert written.tolist() == [2, 0]
    assert w.grad is None


# ranges


def test_linspace_of_large_integers_is_exact(device):
    assert tl.linspace(2**60 + 1, 2**60 + 3, 3, dtype=tl.int64, device=device).tolist() == [
        2**60 + 1,
        2**60 + 2,
        2**60 + 3,
    ]
    assert tl.linspace(-(2**63), 2**63 - 1, 2, dtype=tl.int64, device=device).tolist() == [-(2**63), 2**63 - 1]


# powers


def test_integers_to_negative_powers(device):
    x = tl.tensor([1, -1, 2], device=device)
    for exponent in (-1, np.int64(-1)):
        with pytest.raises(ArgumentError, match="integers to negative integer powers are no integers"):
            x**exponent
    assert (x ** tl.tensor(-3, device=device)).tolist() == [1, -1, 0]
    assert (2 ** tl.tensor([-1, 62, 64], device=device)).tolist() == [0, 2**62, 0]


# shifts


def test_shifts_are_operators(device):
    x = tl.tensor([1, -2], device=device)
    assert (x << 2).tolist() == [4, -8]
    assert (x >> 1).tolist() == [0, -1]
    assert (1 << tl.tensor([1, 2], device=device)).tolist() == [2, 4]
    assert (8 >> tl.tensor([1, 2], device=device)).tolist() == [4, 2]
    alias = x
    x <<= 2
    x >>= 1
    assert alias is x and x.tolist() == [2, -4]
    assert tl.tensor([True, False], device=device).__lshift__(1).dtype is tl.int64


# joining


def test_an_empty_vector_joins_with_its_dtype_and_gradient(device):
    w = tl.zeros(0, dtype=tl.float64, device=device, requires_grad=True)
    joined = tl.cat([w, tl.ones(2, 1, device=device)])
    assert (joined.dtype, joined.shape) == (tl.float64, (2, 1))
    joined.sum().backward()
    assert (w.grad.dtype, w.grad.shape) == (tl.float64, (0,))


def test_a_number_that_requires_a_gradient_is_refused(device):
    w = tl.tensor(2.0, device=device, requires_grad=True)
    with pytest.raises(
        ArgumentTypeError, match="full: fill_value must be a number, got a tensor that requires a gradient"
    ):
        tl.full((2,), w, device=device)
    assert tl.full((2,), w.detach(), device=device).tolist() == [2.0, 2.0]


def test_integers_are_close_beyond_the_largest_difference(device):
    x, y = (tl.tensor([value], device=device) for value in (-5, 2**63 - 2))
    assert tl.isclose(x, y, 1.0, 10.0).item() and not tl.isclose(x, y, 0.5, 10.0).item()
    assert tl.isclose(x, tl.tensor([-(2**63)], device=device), 2.0).item()


def test_a_0d_tensor_has_no_size_along_a_dim(device):
    with pytest.raises(IndexingError, match="size: a 0-d tensor has no dimensions"):
        tl.tensor(1, device=device).size(-1)
