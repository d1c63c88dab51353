import re
from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import tapeloom as tl
from tapeloom.data import DataLoader, default_collate, default_convert
from tapeloom.errors import DataError, DTypeError, ShapeError

Pair = namedtuple("Pair", "left right")


def message(text):
    return f"^{re.escape(text)}$"


@pytest.mark.parametrize(
    "batch, dtype, values",
    [
        ([tl.tensor([1, 2]), tl.tensor([3, 4])], tl.int64, [[1, 2], [3, 4]]),
        ([tl.tensor(1.5), tl.tensor(2.5)], tl.float32, [1.5, 2.5]),
        ([np.array([1, 2], np.int16), np.array([3, 4], np.int16)], tl.int16, [[1, 2], [3, 4]]),
        ([np.float32(1.5), np.float32(2)], tl.float32, [1.5, 2]),
        ([np.float64(1.5), np.float64(2)], tl.float64, [1.5, 2]),
        ([1, 2], tl.int64, [1, 2]),
        ([1.5, 2], tl.float64, [1.5, 2]),
        ([1, 2.5], tl.float32, [1, 2.5]),
        ([True, False], tl.bool, [True, False]),
        ([True, 2], tl.int64, [1, 2]),
    ],
)
def test_leaves(batch, dtype, values):
    made = default_collate(batch)
    assert isinstance(made, tl.Tensor)
    assert made.dtype is dtype and made.tolist() == values


def test_structures():
    assert default_collate(["a", "b"]) == ["a", "b"]
    assert default_collate([b"a", b"b"]) == [b"a", b"b"]
    left, right = default_collate([(1, "a"), (2, "b")])
    assert left.tolist() == [1, 2] and right == ["a", "b"]
    pair = default_collate([Pair(1, 2), Pair(3, 4)])
    assert type(pair) is Pair and pair.left.tolist() == [1, 3] and pair.right.tolist() == [2, 4]
    made = default_collate([{"x": [1, (2.0,)]}, {"x": [3, (4.0,)]}])
    assert made["x"][0].tolist() == [1, 3] and made["x"][1][0].tolist() == [2, 4]
    ordered = default_collate([OrderedDict(a=1, b=2), OrderedDict(a=3, b=4)])
    assert type(ordered) is OrderedDict and [value.tolist() for value in ordered.values()] == [[1, 3], [2, 4]]
    swapped = default_collate([{"a": 1, "b": 2}, {"b": 4, "a": 3}])
    assert swapped["a"].tolist() == [1, 3]


def test_gradients_pass():
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    default_collate([x * 2, x * 3]).sum().backward()
    assert x.grad.tolist() == [5, 5]


@pytest.mark.parametrize(
    "batch, error, text",
    [
        (
            [tl.zeros(1, 8, 8), tl.zeros(1, 8, 8), tl.zeros(1, 8, 9)],
            ShapeError,
            "default_collate: sample 2 of the batch has the shape (1, 8, 9), sample 0 has (1, 8, 8). "
            "Give all samples one shape, or pass a collate_fn that pads them.",
        ),
        (
            [{"x": (np.zeros(2), 1)}, {"x": (np.zeros(3), 1)}],
            ShapeError,
            "default_collate: at sample['x'][0], sample 1 of the batch has the shape (3,), sample 0 has (2,). "
            "Give all samples one shape, or pass a collate_fn that pads them.",
        ),
        (
            [(1, 2), (1, 2, 3)],
            DataError,
            "default_collate: sample 1 of the batch has 3 items, sample 0 has 2. "
            "Give all samples one structure, or pass a collate_fn.",
        ),
        (
            [{"a": 1}, {"b": 1}],
            DataError,
            "default_collate: sample 1 of the batch has the keys ['b'], sample 0 has the keys ['a']. "
            "Give all samples one structure, or pass a collate_fn.",
        ),
        (
            [(1, tl.zeros(2)), (1, None)],
            DataError,
            "default_collate: at sample[1], sample 1 of the batch has a NoneType, sample 0 has a Tensor. "
            "Give all samples one structure, or pass a collate_fn.",
        ),
        (
            [np.zeros(1), 1.0],
            DataError,
            "default_collate: sample 1 of the batch has a float, sample 0 has a ndarray. "
            "Give all samples one structure, or pass a collate_fn.",
        ),
        (
            [None],
            DTypeError,
            "default_collate: a sample of type NoneType has no batch. Return Tensors, host arrays, numbers, strings, "
            "or tuples, lists and dicts of these, or pass a collate_fn.",
        ),
        (
            [(np.array(["text"]),)],
            DTypeError,
            "default_collate: at sample[0], host arrays of dtype <U4 cannot become Tensors. "
            "Turn them into numbers in the dataset, or pass a collate_fn.",
        ),
        ([], DataError, "default_collate: the batch has no samples. Leave out empty batches."),
    ],
)
def test_refusals(batch, error, text):
    with pytest.raises(error, match=message(text)):
        default_collate(batch)


def test_the_loader_names_the_sample():
    samples = [tl.zeros(2)] * 5 + [tl.zeros(3)]
    with pytest.raises(ShapeError) as caught:
        list(DataLoader(samples, 2, sampler=[1, 2, 4, 5]))
    assert caught.value.__notes__ == [
        "Sample 1 of this batch has the index 5 in the dataset.",
        "Raised in the DataLoader while running collate_fn on sample indices [4, 5] (batch 1).",
    ]


def test_convert():
    made = default_convert(
        {"x": np.arange(3), "y": (np.float32(1), "text"), "z": [b"b", None], "w": Pair(np.ones(1), 2)}
    )
    assert made["x"].dtype is tl.int64 and made["x"].tolist() == [0, 1, 2]
    assert isinstance(made["y"], tuple) and made["y"][0].item() == 1 and made["y"][1] == "text"
    assert made["z"] == [b"b", None]
    assert type(made["w"]) is Pair and made["w"].left.tolist() == [1] and made["w"].right == 2
    words = np.array(["a"])
    assert default_convert(words) is words
