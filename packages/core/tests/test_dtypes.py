"""Dtypes: what is known of each, and complex tensors made, moved, converted, given out and refused."""

from __future__ import annotations

import copy
import operator
import pickle
import warnings

import ml_dtypes
import numpy as np
import pytest

import tapeloom as tl
from tapeloom import dtypes, host
from tapeloom.errors import ArgumentTypeError, DTypeError
from tapeloom.testing.refusals import another_device

MESSAGE = "Casting complex values to real discards the imaginary part"
VALUES = [[1 + 2j, -3.5 + 0j], [0.25j, complex(0.0, -0.0)]]


@pytest.fixture(params=dtypes.COMPLEXES, ids=lambda dtype: dtype.name)
def kind(request):
    return request.param


@pytest.fixture
def unwarned(monkeypatch):
    """As if no complex values had been converted yet."""
    monkeypatch.setattr(dtypes, "_warned", [])


# facts


@pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=lambda dtype: dtype.name)
def test_limits_of_floating_dtypes_are_numpys(dtype):
    theirs = ml_dtypes.finfo(host.native(dtype))
    ours = tl.finfo(dtype)
    for name in ("max", "min", "eps", "tiny", "smallest_normal", "bits"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert dtype.significand == theirs.nmant + 1
    assert (dtype.max, dtype.min, dtype.eps, dtype.smallest_normal) == (ours.max, ours.min, ours.eps, ours.tiny)
    assert (dtype.inexact, dtype.half, dtype.is_signed) == (True, dtype.itemsize == 2, True)


def test_resolution_is_the_decimal_form_of_eps():
    assert [tl.finfo(dtype).resolution for dtype in dtypes.FLOATS] == [1e-3, 1e-2, 1e-6, 1e-15]


@pytest.mark.parametrize("dtype", dtypes.INTEGERS, ids=lambda dtype: dtype.name)
def test_limits_of_integers_are_numpys(dtype):
    ours, theirs = tl.iinfo(dtype), np.iinfo(dtype.name)
    assert (ours.max, ours.min, ours.bits) == (theirs.max, theirs.min, theirs.bits)
    assert (dtype.max, dtype.min, dtype.is_signed) == (theirs.max, theirs.min, theirs.min < 0)
    assert not (dtype.inexact or dtype.half or dtype.is_complex)


def test_bool_holds_0_and_1():
    assert (tl.bool.min, tl.bool.max, tl.bool.category) == (0, 1, dtypes.BOOL)


def test_a_complex_dtype_has_the_facts_of_its_parts(kind):
    assert (kind.is_complex, kind.inexact, kind.is_floating_point, kind.half) == (True, True, False, False)
    assert kind.itemsize == 2 * kind.real.itemsize and kind.real.complex is kind.complex is kind
    for fact in ("max", "min", "eps", "smallest_normal", "resolution", "significand"):
        assert getattr(kind, fact) == getattr(kind.real, fact)
    assert tl.finfo(kind).dtype is kind.real and tl.finfo(kind).bits == 8 * kind.real.itemsize


def test_real_and_complex_counterparts():
    assert [dtype.complex.name for dtype in dtypes.FLOATS] == ["complex64"] * 3 + ["complex128"]
    assert [dtype.to_real() for dtype in dtypes.ALL] == [*dtypes.ALL[:-2], tl.float32, tl.float64]
    with pytest.raises(DTypeError) as caught:
        tl.int32.to_complex()
    assert str(caught.value) == (
        "to_complex: int32 has no complex counterpart. Start from a floating dtype, such as float32."
    )


def test_names_and_aliases():
    for alias, name in {
        "half": "float16",
        "float": "float32",
        "double": "float64",
        "short": "int16",
        "int": "int32",
        "long": "int64",
        "cfloat": "complex64",
        "cdouble": "complex128",
    }.items():
        assert getattr(tl, alias) is getattr(tl, name) is dtypes.as_dtype(alias) is dtypes.as_dtype(name)
        assert dtypes.as_dtype(name).alias == alias
    assert tl.bool is tl.bool_ is dtypes.as_dtype("bool")


def test_python_types_stand_for_dtypes():
    assert [dtypes.as_dtype(kind) for kind in dtypes.NUMBERS] == [tl.bool, tl.int64, tl.float32, tl.complex64]
    tl.set_default_dtype(tl.float64)
    try:
        assert [dtypes.as_dtype(kind) for kind in (float, complex)] == [tl.float64, tl.complex128]
        assert [dtypes.of_number(value) for value in (1.0, 1j)] == [tl.float64, tl.complex128]
    finally:
        tl.set_default_dtype(tl.float32)


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=lambda dtype: dtype.name)
def test_a_dtype_stays_itself_when_copied(dtype):
    assert pickle.loads(pickle.dumps(dtype)) is copy.copy(dtype) is copy.deepcopy(dtype) is dtype


def test_each_dtype_has_one_method_that_converts_to_it(device):
    for dtype in dtypes.ALL:
        if dtype.method:  # PyTorch has none for uint16, uint32 and uint64
            assert getattr(tl.tensor([0, 1], device=device), dtype.method)().dtype is dtype


def test_what_has_no_limits():
    for bad, says in (
        (lambda: tl.finfo(tl.int8), "finfo: tapeloom.int8 is not a floating dtype. Use tapeloom.iinfo for integers."),
        (
            lambda: tl.iinfo(tl.cfloat),
            "iinfo: tapeloom.complex64 is not an integer dtype. Use tapeloom.finfo for floating dtypes.",
        ),
        (
            lambda: tl.set_default_dtype(tl.cfloat),
            "set_default_dtype: tapeloom.complex64 is not a floating dtype. Give one of float16, bfloat16, float32, float64.",
        ),
    ):
        with pytest.raises(DTypeError) as caught:
            bad()
        assert str(caught.value) == says


# complex tensors: made


def test_made_from_numbers_and_lists(device):
    for data in (1j, [1j, 2, 2.5, True], VALUES, [[]]):
        made = tl.tensor(data, device=device) if data != [[]] else tl.tensor(data, dtype=complex, device=device)
        assert made.dtype is tl.complex64 and made.is_complex() and not made.is_floating_point()
        assert made.tolist() == np.array(data, np.complex64).tolist()
    assert tl.tensor([tl.tensor(1j), 2.0]).tolist() == [1j, 2]
    assert not tl.tensor(1.0).is_complex()


def test_made_with_a_dtype(device, kind):
    for data in (3, True, [1.5, 2], VALUES):
        made = tl.tensor(data, dtype=kind, device=device)
        assert made.dtype is kind and made.tolist() == np.array(data, complex).tolist()


def test_made_from_arrays(device, kind):
    array = np.array(VALUES, kind.name)
    made = tl.tensor(array, device=device)
    assert made.dtype is kind
    assert made.cpu().numpy().tobytes() == array.tobytes()  # to the sign of every zero
    assert made.cpu().numpy().dtype == array.dtype


def test_from_numpy_shares(kind):
    array = np.array(VALUES, kind.name)
    lent = tl.from_numpy(array)
    array[0, 0] = 7j
    assert lent.dtype is kind and lent[0, 0].item() == 7j
    swapped = tl.from_numpy(array.astype(array.dtype.newbyteorder()))
    assert swapped.tolist() == array.tolist()


def test_a_wider_array_than_there_is_a_dtype_for():
    if np.dtype(np.clongdouble).itemsize == 16:
        pytest.skip("no wider complex numbers on this machine")
    with pytest.raises(DTypeError, match=r"is not supported\. Give bool, integer, floating or complex data\.$"):
        tl.tensor(np.ones(2, np.clongdouble))


def test_filled(device, kind):
    assert tl.zeros(2, dtype=kind, device=device).tolist() == [0, 0]
    assert tl.ones(2, dtype=kind, device=device).tolist() == [1, 1]
    assert tl.eye(2, dtype=kind, device=device).tolist() == [[1, 0], [0, 1]]
    assert tl.full((2,), 1 - 2j, dtype=kind, device=device).tolist() == [1 - 2j] * 2
    assert tl.full((1,), 1j, device=device).dtype is tl.complex64
    made = tl.zeros(2, dtype=kind, device=device)
    assert tl.full_like(made, 2j).tolist() == made.fill_(2j).tolist() == [2j, 2j]
    made[1] = 5
    made[0] = 1 - 1j
    assert made.tolist() == [1 - 1j, 5] and made.dtype is kind


def test_the_sign_of_a_zero_part_is_kept(device, kind):
    for value in (complex(1, -0.0), complex(1, 0.0), complex(-0.0, 1), complex(0.0, 1)):
        assert repr(tl.full((), value, dtype=kind, device=device).item()) == repr(value)


def test_a_complex_number_that_a_real_dtype_cannot_hold(device):
    x = tl.zeros(2, device=device)

    def put(value):
        x[0] = value

    hint = "Give a real number, or cast the tensor to a complex dtype first."
    for bad, says in (
        (
            lambda: tl.full((2,), 1j, dtype=tl.float32, device=device),
            f"full: the complex number 1j does not fit float32. {hint}",
        ),
        (
            lambda: tl.full((2,), 1j, dtype=tl.int8, device=device),
            f"full: the complex number 1j does not fit int8. {hint}",
        ),
        (lambda: x.fill_(2j), f"fill_: the complex number 2j does not fit float32. {hint}"),
        (lambda: put(1j), f"index_put: the complex number 1j does not fit float32. {hint}"),
        (
            lambda: tl.tensor([[1j]], dtype=tl.int64),
            "tensor: complex numbers do not fit int64. Give a complex dtype, such as tapeloom.complex64.",
        ),
    ):
        with pytest.raises(DTypeError) as caught:
            bad()
        assert str(caught.value) == says
    assert x.tolist() == [0, 0]
    assert tl.full((1,), 3 + 0j, dtype=tl.uint8).tolist() == [3]
    assert tl.tensor([3 + 0j], dtype=tl.float32).tolist() == [3]
    assert tl.tensor([0j, 1j], dtype=tl.bool).tolist() == [False, True]
    with pytest.raises(DTypeError, match=r"^full: the number 300\.0 does not fit uint8 \(0 to 255\)"):
        tl.full((1,), 300 + 0j, dtype=tl.uint8)
    with pytest.raises(ArgumentTypeError) as refused:
        tl.arange(1j)
    assert str(refused.value) == "arange: end must be a real number, got 1j."


# converted


@pytest.mark.filterwarnings(f"ignore:{MESSAGE}:UserWarning")
@pytest.mark.parametrize("dtype", dtypes.ALL, ids=lambda dtype: dtype.name)
def test_converted_to_every_dtype_and_from_it(device, kind, dtype):
    values = [1 + 2j, 3j, 0, 2]
    x = tl.tensor(values, dtype=kind, device=device)
    wanted = values if dtype.is_complex else [bool(v) if dtype is tl.bool else complex(v).real for v in values]
    converted = getattr(x, dtype.method) if dtype.method else lambda: x.to(dtype)
    for there in (x.to(dtype), converted(), tl.zeros(4, dtype=dtype, device=device).copy_(x)):
        assert there.dtype is dtype and there.tolist() == wanted
    assert there.numpy(force=True).dtype == host.native(dtype)
    back = tl.tensor([0, 1, 1], device=device).to(dtype).to(kind)
    assert back.dtype is kind and back.tolist() == [0, 1, 1]
    assert tl.tensor(np.array(values, kind.name), dtype=dtype, device=device).tolist() == wanted


@pytest.mark.parametrize(
    "convert",
    [
        lambda z: z.float(),
        lambda z: z.to(tl.int64),
        lambda z: z.type_as(tl.ones(1)),
        lambda z: tl.zeros(2).copy_(z),
        lambda z: (x := tl.zeros(2)).__setitem__(slice(None), z) or x,
        lambda z: tl.tensor(z, dtype=tl.float64),
        lambda z: tl.tensor(z.numpy(), dtype=tl.float16),
    ],
    ids="method to type_as copy_ setitem tensor array".split(),
)
def test_a_conversion_to_real_warns_once(convert, unwarned):
    z = tl.tensor([1 + 2j, 3.0])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            assert convert(z).tolist() == [1, 3]
    assert [str(one.message) for one in caught] == [MESSAGE]
    assert caught[0].category is UserWarning and caught[0].filename == __file__


def test_nothing_is_lost_and_nothing_said(unwarned):
    z = tl.tensor([1 + 2j, 0.0])
    assert z.bool().tolist() == [True, False]
    assert z.cdouble().cfloat().tolist() == z.tolist()


def test_moved_between_devices(device, kind):
    x = tl.tensor(VALUES, dtype=kind)
    there = x.to(device)
    assert there.dtype is kind and there.cpu().numpy().tobytes() == x.numpy().tobytes()


def test_dtypes_meet(device, kind):
    x = tl.tensor(VALUES, dtype=kind, device=device)
    assert x.type_as(tl.ones(1, dtype=tl.complex128, device=device)).dtype is tl.complex128
    assert x.new_zeros(2).dtype is kind and tl.zeros_like(x).dtype is kind and x.clone().dtype is kind
    assert x[0].dtype is kind and x.T.reshape(-1).dtype is kind


# given out


def test_given_out_as_python_numbers(device, kind):
    x = tl.tensor([[1 + 2j]], dtype=kind, device=device)
    assert x.item() == 1 + 2j and type(x.item()) is complex
    assert x.tolist() == [[1 + 2j]] and complex(x) == 1 + 2j
    assert bool(x) and not bool(tl.zeros((), dtype=kind, device=device))
    assert complex(tl.tensor(2.5)) == 2.5 and complex(tl.tensor(3)) == 3
    real = tl.tensor(3 + 0j, dtype=kind, device=device)
    assert float(real) == 3.0 and int(real) == 3
    assert f"{tl.tensor(1 + 2j):.1f}" == "1.0+2.0j"
    for convert, name in ((float, "float"), (int, "int")):
        with pytest.raises(DTypeError) as caught:
            convert(x)
        assert str(caught.value) == f"{name}: (1+2j) is not real. Use .item() or complex(x)."
    with pytest.raises(ArgumentTypeError, match="only integer tensors of one element can be an index"):
        operator.index(x)


def test_complex_tensors_are_no_index(device):
    for key in (tl.tensor(1j, device=device), tl.tensor([1j], device=device)):
        with pytest.raises(
            ArgumentTypeError, match=r"a complex64 tensor cannot be an index\. Cast it with \.long\(\)\.$"
        ):
            tl.arange(3, device=device)[key]


def test_pickled_and_copied(device, kind):
    x = tl.tensor(VALUES, dtype=kind, device=device, requires_grad=True)
    for twin in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert (twin.dtype, twin.device, twin.requires_grad) == (kind, x.device, True)
        assert twin.tolist() == x.tolist()


def test_leaves_can_require_a_gradient(kind):
    x = tl.zeros(2, dtype=kind, requires_grad=True)
    assert x.requires_grad and x.is_leaf
    x.grad = tl.ones(2, dtype=kind)
    assert x.grad.dtype is kind
    x.data = tl.ones(3, dtype=kind)
    assert x.tolist() == [1, 1, 1]
    with pytest.raises(DTypeError) as caught:
        tl.tensor([1], requires_grad=True)
    assert str(caught.value) == (
        "requires_grad: only floating and complex tensors can have a gradient, this one is int64. Cast it first with .float()."
    )


# PyTorch's older names


def test_the_type_of_a_tensor():
    x = tl.tensor([1.5, -2.5], requires_grad=True)
    assert x.type() == "tapeloom.FloatTensor" and tl.tensor([True]).type() == "tapeloom.BoolTensor"
    assert x.type(tl.float64).dtype is tl.float64 and x.type("float64").requires_grad
    assert x.type(tl.float32) is x and x.type("tapeloom.FloatTensor") is x
    for name in ("tapeloom.LongTensor", "torch.LongTensor", "LongTensor"):
        assert x.type(name).dtype is tl.int64
    with pytest.raises(DTypeError, match=r"'tapeloom\.LengthTensor' is not a tapeloom dtype"):
        x.type("tapeloom.LengthTensor")


def test_the_type_of_a_tensor_says_its_device():
    with another_device() as there:
        x, y = tl.ones(2, dtype=tl.int32), tl.ones(2, device=there)
        assert y.type() == f"tapeloom.{there}.FloatTensor"
        for moved in (x.type(y.type()), x.type_as(y)):
            assert moved.dtype is tl.float32 and moved.device == there
        assert y.type("tapeloom.IntTensor").device == "cpu" and x.type_as(x) is x


def test_what_is_no_maker_of_tensors():
    text = (
        "Tensor: tensors are made by functions. Use tapeloom.tensor(data, dtype=tapeloom.float32) for given values, "
        "tapeloom.empty(size) or tapeloom.zeros(size) for a given size."
    )
    for arguments in ((), ([1, 2],), (2, 3)):
        with pytest.raises(ArgumentTypeError) as caught:
            tl.Tensor(*arguments)
        assert str(caught.value) == text
    with pytest.raises(AttributeError) as caught:
        tl.LongTensor([1, 2])
    assert str(caught.value) == (
        "tapeloom has no LongTensor. Use tapeloom.tensor(data, dtype=tapeloom.int64), or zeros and empty with that dtype."
    )
    assert not hasattr(tl, "ComplexFloatTensor") and list(dtypes.BY_TENSOR_TYPE.values()) == list(dtypes.ALL)


# wide unsigned integers


@pytest.mark.parametrize("dtype", [tl.uint16, tl.uint32, tl.uint64], ids=lambda dtype: dtype.name)
def test_the_largest_unsigned_numbers(device, dtype):
    top = dtype.max
    x = tl.tensor([0, 1, top], dtype=dtype, device=device)
    assert x.tolist() == [0, 1, top] and (x + 1).tolist() == [1, 2, 0] and (x == top).tolist() == [False, False, True]
    assert (x // 2).tolist() == [0, 0, top // 2] and (~x).tolist() == [top, top - 1, 0] and x.max().item() == top
    assert tl.full((2,), top, dtype=dtype, device=device).tolist() == [top, top]
    assert (x.sum().dtype, x.float().dtype, (x / 2).dtype) == (tl.int64, tl.float32, tl.float32)
    for number in (-1, top + 1):
        with pytest.raises(DTypeError, match=rf"^tensor: the number {number} does not fit {dtype.name} \(0 to {top}\)"):
            tl.tensor([number], dtype=dtype, device=device)
    assert tl.tensor([x[2], x[1]]).tolist() == [top, 1]


def test_unsigned_and_signed_integers_by_the_array_api_standard():
    from array_api_strict._dtypes import _promotion_table

    names = [dtype.name for dtype in dtypes.INTEGERS]
    wanted = {(str(a._np_dtype), str(b._np_dtype)): str(c._np_dtype) for (a, b), c in _promotion_table.items()}
    for a in names:
        for b in names:
            if (a, b) in wanted:
                assert tl.promote_types(a, b).name == wanted[a, b]
            else:
                with pytest.raises(DTypeError, match=rf"^promote_types: no integer dtype holds both {a} and {b}\."):
                    tl.promote_types(a, b)
    with pytest.raises(DTypeError, match="no integer dtype holds both uint64 and int8"):
        tl.ones(2, dtype=tl.uint64) + tl.ones(2, dtype=tl.int8)
