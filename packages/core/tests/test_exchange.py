"""Tensors and other array libraries: NumPy's functions and operators, DLPack, pickling and copying."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import tapeloom as tl
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ExchangeError, GradientError

A = np.array([1.0, -2.0, 3.0], np.float32)


def tracked() -> Any:
    return tl.tensor(A, requires_grad=True)


# NumPy: operators are the tensor's own, functions read its values

OPERATORS: dict[str, Any] = {
    "+": lambda x, y: x + y, "-": lambda x, y: x - y, "*": lambda x, y: x * y, "/": lambda x, y: x / y, "**": lambda x, y: x**y,
    "//": lambda x, y: x // y, "%": lambda x, y: x % y, "<": lambda x, y: x < y, "==": lambda x, y: x == y, "!=": lambda x, y: x != y,
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("number", [np.float32(2), np.float64(2), np.int64(2)])
def test_operators_take_numbers_of_numpy_from_both_sides(name: str, number: Any) -> None:
    operator, plain = OPERATORS[name], number.item()
    for x in (tracked(), tl.tensor(A)):
        for mine, wanted in (
            (operator(x, number), operator(x, plain)),
            (operator(number, x), operator(plain, x)),
        ):
            assert type(mine) is tl.Tensor and mine.dtype is wanted.dtype
            assert mine.requires_grad is wanted.requires_grad
            assert mine.tolist() == pytest.approx(wanted.tolist(), nan_ok=True)


@pytest.mark.parametrize("name", [*OPERATORS, "@", "&"])
@pytest.mark.parametrize("array", [A, np.array(2.0)], ids=["vector", "0-d"])
def test_operators_refuse_arrays_of_numpy_from_both_sides(name: str, array: Any) -> None:
    operator = {**OPERATORS, "@": lambda x, y: x @ y, "&": lambda x, y: x & y}[name]
    for x in (tracked(), tl.tensor(A)):
        for left, right in ((x, array), (array, x)):
            with pytest.raises(ArgumentTypeError, match=r"got ndarray\. Make it one with tapeloom\.tensor\(\.\.\.\)"):
                operator(left, right)


def test_an_array_is_not_changed_by_a_tensor() -> None:
    array = A.copy()
    with pytest.raises(ArgumentTypeError, match="add: input must be a tensor or a number, got ndarray"):
        array += tl.tensor(A)
    np.testing.assert_array_equal(array, A)
    array[:] = tl.tensor(2 * A)  # values of a tensor are given to it
    np.testing.assert_array_equal(array, 2 * A)
    with pytest.raises(GradientError):
        array[:] = tracked()
    with pytest.raises(ValueError, match="read-only"):
        tl.tensor(A).numpy()[0] = 1
    np.array(tl.tensor(A))[0] = 1  # a copy


FUNCTIONS: dict[str, Any] = {
    "add": lambda x: np.add(x, A),
    "add, the other way": lambda x: np.add(A, x),
    "exp": lambda x: np.exp(x),
    "sum": lambda x: np.sum(x),
    "mean": lambda x: np.mean(x, axis=0),
    "max": lambda x: np.max(x),
    "concatenate": lambda x: np.concatenate([x, A, x]),
    "reshape": lambda x: np.reshape(x, (3, 1)),
    "transpose": lambda x: np.transpose(x),
    "where": lambda x: np.where(x > 0 if isinstance(x, np.ndarray) else x.detach() > 0, x, 0),
    "allclose": lambda x: np.allclose(x, A),
    "linalg.norm": lambda x: np.linalg.norm(x),
    "einsum": lambda x: np.einsum("i,i", x, A),
    "asarray": lambda x: np.asarray(x),
    "array": lambda x: np.array(x, dtype=np.float64),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_numpy_give_what_numpy_gives(name: str) -> None:
    found, wanted = FUNCTIONS[name](tl.tensor(A)), FUNCTIONS[name](A)
    assert type(found) is type(wanted)
    np.testing.assert_array_equal(found, wanted)
    assert np.asarray(found).dtype == np.asarray(wanted).dtype


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_numpy_refuse_what_would_lose_a_gradient(name: str) -> None:
    with pytest.raises(
        GradientError, match=r"numpy: this tensor requires a gradient, which NumPy would lose\. Use \.detach"
    ):
        FUNCTIONS[name](tracked())


def test_functions_of_numpy_that_ask_for_the_form_read_no_values() -> None:
    x = tracked()
    assert (np.shape(x), np.ndim(x), np.size(x)) == ((3,), 1, 3)
    assert np.isrealobj(x) and not np.iscomplexobj(x)
    assert np.size(x.detach(), axis=0) == 3


def test_the_copy_of_array() -> None:
    x = tl.tensor(A)
    assert np.shares_memory(np.asarray(x, copy=False), np.asarray(x))
    assert not np.shares_memory(np.array(x), np.asarray(x))
    with pytest.raises(ArgumentError, match="numpy: float32 cannot become float64 without a copy"):
        np.asarray(x, dtype=np.float64, copy=False)


# DLPack


class Foreign:
    """What another library hands over, as old as ``settings`` say, and what it was asked."""

    def __init__(self, array: Any, memory: int = 1) -> None:
        self.array, self.memory, self.asked = array, memory, {}

    def __dlpack__(self, **settings: Any) -> Any:
        self.asked = settings
        return self.array.__dlpack__(**settings)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.memory, 0


@pytest.mark.parametrize("dtype", [dtype for dtype in tl.dtypes.ALL if dtype is not tl.bfloat16], ids=str)
@pytest.mark.parametrize("shape", [(2, 3), (), (0, 2)])
def test_there_and_back(dtype: Any, shape: Any) -> None:
    x = tl.ones(shape, dtype=dtype)
    there = np.from_dlpack(x)
    assert there.dtype.name == dtype.name and there.shape == shape
    back = tl.from_dlpack(there)
    assert back.dtype is dtype and back.device == x.device
    assert back.tolist() == x.tolist()


def test_memory_is_shared_and_not_written_to() -> None:
    x = tl.tensor(A)
    lent = np.from_dlpack(x)
    assert np.shares_memory(lent, x.numpy()) and not lent.flags.writeable
    assert np.from_dlpack(x, copy=True).flags.writeable
    array = A.copy()
    taken = tl.from_dlpack(array)
    assert np.shares_memory(taken.numpy(), array)
    array[0] = 7
    assert taken[0].item() == 7  # as with from_numpy
    taken.add_(1)
    assert array[0] == 7
    assert not np.shares_memory(tl.from_dlpack(array, copy=True).numpy(), array)
    assert np.shares_memory(tl.array_api.from_dlpack(array).numpy(), array)
    assert np.shares_memory(tl.from_dlpack(array.T[::-1]).numpy(), array)


def test_who_cannot_be_told_gets_a_copy() -> None:
    x = tl.tensor(A)
    old = tl.from_dlpack(tl.to_dlpack(x))
    assert old.tolist() == x.tolist() and not np.shares_memory(old.numpy(), x.numpy())
    assert "dltensor" in repr(x.__dlpack__())
    assert "dltensor_versioned" in repr(x.__dlpack__(max_version=(1, 0)))
    with pytest.raises(ExchangeError, match="before version 1 of DLPack memory cannot be marked"):
        x.__dlpack__(copy=False)


def test_tensors_are_taken_as_they_are() -> None:
    x = tracked()
    taken = tl.from_dlpack(x.detach())
    assert np.shares_memory(taken.numpy(), x.detach().numpy()) and not taken.requires_grad
    assert x.__dlpack_device__() == (1, 0)
    assert tl.tensor(2.0).sum().__dlpack_device__() == (1, 0)


def test_what_cannot_be_handed_over() -> None:
    with pytest.raises(ExchangeError, match=r"__dlpack__: this tensor requires a gradient.*Use \.detach\(\)"):
        np.from_dlpack(tracked())
    with pytest.raises(ExchangeError, match="__dlpack__: this bfloat16 tensor cannot be handed over"):
        np.from_dlpack(tl.ones(2, dtype=tl.bfloat16))
    with pytest.raises(ArgumentTypeError, match="from_dlpack: list has no method __dlpack__"):
        tl.from_dlpack([1.0])
    with pytest.raises(ExchangeError, match="from_dlpack: the array is in memory of DLPack's kind 77"):
        tl.from_dlpack(Foreign(A, memory=77))
    with pytest.raises(ExchangeError, match="from_dlpack: Foreign could not be taken over"):
        tl.from_dlpack(Foreign(np.array(["a"])))
    assert isinstance(ExchangeError("x"), BufferError)


# dtypes


def test_result_type_and_can_cast() -> None:
    wide, narrow = tl.ones(2, dtype=tl.float64), tl.ones(2)
    assert tl.result_type(wide, narrow) is tl.float64
    assert tl.result_type(narrow, wide[0]) is tl.float32
    assert tl.result_type(tl.ones(2, dtype=tl.int8), 2.0) is tl.float32
    assert tl.result_type(1, np.float64(2)) is tl.float32
    assert tl.result_type(1j, wide) is tl.complex128
    assert tl.result_type(tl.ones(2, dtype=tl.uint16), tl.ones(2, dtype=tl.int8)) is tl.int32
    with pytest.raises(ArgumentTypeError, match="result_type: other must be a tensor or a number, got str"):
        tl.result_type(wide, "x")
    with pytest.raises(DTypeError, match="no integer dtype holds both"):
        tl.result_type(tl.ones(2, dtype=tl.uint64), tl.ones(2, dtype=tl.int8))
    assert tl.can_cast(tl.float64, tl.float16) and tl.can_cast(tl.int8, tl.uint8) and tl.can_cast(tl.bool, tl.int8)
    assert (
        not tl.can_cast(tl.float16, tl.int64)
        and not tl.can_cast(tl.int8, tl.bool)
        and not tl.can_cast(tl.complex64, tl.float64)
    )


def test_limits() -> None:
    assert tl.finfo().dtype is tl.get_default_dtype()
    assert repr(tl.finfo(tl.float32)) == (
        "finfo(resolution=1e-06, min=-3.40282e+38, max=3.40282e+38, eps=1.19209e-07, smallest_normal=1.17549e-38, "
        "tiny=1.17549e-38, dtype=float32)"
    )
    assert repr(tl.iinfo(tl.int8)) == "iinfo(min=-128, max=127, dtype=int8)"


# copies


@pytest.mark.parametrize(
    "take", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copy", "deepcopy", "pickle"]
)
def test_copies_of_tensors(take: Any) -> None:
    x = tracked()
    (x * x).sum().backward()
    for leaf in (x, tl.tensor(A), x.detach()):
        made = take(leaf)
        assert type(made) is type(leaf) and made is not leaf
        assert (made.requires_grad, made.is_leaf, made.dtype, made.device) == (
            leaf.requires_grad,
            True,
            leaf.dtype,
            leaf.device,
        )
        assert made.tolist() == leaf.tolist()
    view = tl.tensor(A)[1:]
    made = take(view)
    assert made.tolist() == view.tolist()
    if take is not copy.copy:
        made += 1  # a view is copied by itself: nothing else changes
        assert view.tolist() == A[1:].tolist()
        with pytest.raises(GradientError, match="made by an operation"):
            take(x * 2)


def test_copies_keep_what_is_shared() -> None:
    x = tl.tensor(A)
    one, other = copy.deepcopy([x, x])
    assert one is other
    leaf = tracked()
    (leaf * 2).sum().backward()
    made = copy.deepcopy(leaf)
    assert made.grad is not leaf.grad and made.grad.tolist() == [2, 2, 2]
    assert pickle.loads(pickle.dumps(leaf)).grad is None
