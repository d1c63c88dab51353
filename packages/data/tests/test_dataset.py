import re

import pytest
from data_test_support import Indices, Numbers, Whole
from hypothesis import given
from hypothesis import strategies as st

import tapeloom as tl
from tapeloom.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset, TensorDataset, random_split
from tapeloom.errors import ArgumentError, ArgumentTypeError, IndexingError, ShapeError


def message(text):
    return f"^{re.escape(text)}$"


def test_tensor_dataset():
    data = TensorDataset(tl.arange(6).reshape(3, 2), tl.tensor([7, 8, 9]))
    assert len(data) == 3
    assert [part.tolist() for part in data[1]] == [[2, 3], 8]
    assert [part.tolist() for part in data[-1]] == [[4, 5], 9]
    assert [part.tolist() for part in data[1:]] == [[[2, 3], [4, 5]], [8, 9]]


def test_tensor_dataset_refuses():
    with pytest.raises(
        ShapeError,
        match=message(
            "TensorDataset: the tensors have the shapes (3,), (2, 1); their first dimension, the number of samples, "
            "must agree."
        ),
    ):
        TensorDataset(tl.zeros(3), tl.zeros(2, 1))
    with pytest.raises(
        ShapeError, match=message("TensorDataset: tensor 0 has no dimension to index. Give it at least one.")
    ):
        TensorDataset(tl.tensor(1.0))
    with pytest.raises(ArgumentError, match=message("TensorDataset: no tensors came. Give at least one.")):
        TensorDataset()
    with pytest.raises(
        ArgumentTypeError,
        match=message("TensorDataset: argument 1 is a list, not a Tensor. Make one with tapeloom.tensors."),
    ):
        TensorDataset(tl.zeros(2), [1, 2])


def test_base_classes_say_what_is_missing():
    with pytest.raises(NotImplementedError, match=message("Dataset is a Dataset without __getitem__. Give it one.")):
        Dataset()[0]
    with pytest.raises(
        NotImplementedError, match=message("IterableDataset is an IterableDataset without __iter__. Give it one.")
    ):
        iter(IterableDataset())


def test_subset():
    part = Subset(Indices(10), [7, 1, 4])
    assert len(part) == 3
    assert [part[i] for i in range(3)] == [7, 1, 4]
    assert part.__getitems__([2, 0]) == [4, 7]
    assert Subset(part, [1]).__getitems__([0]) == [1]
    data = TensorDataset(tl.arange(10))
    assert Subset(data, [7, 1, 4])[[0, 2]][0].tolist() == [7, 4]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=5))
def test_concat_dataset(sizes):
    joined = ConcatDataset([[(which, i) for i in range(size)] for which, size in enumerate(sizes)])
    expected = [(which, i) for which, size in enumerate(sizes) for i in range(size)]
    assert len(joined) == len(expected)
    assert [joined[i] for i in range(len(joined))] == expected
    assert [joined[i - len(joined)] for i in range(len(joined))] == expected
    with pytest.raises(IndexingError):
        joined[len(joined)]
    with pytest.raises(IndexingError):
        joined[-len(joined) - 1]


def test_concat_dataset_by_sum_and_its_errors():
    joined = Indices(2) + Indices(3)
    assert isinstance(joined, ConcatDataset)
    assert [joined[i] for i in range(5)] == [0, 1, 0, 1, 2]
    assert joined.cumulative_sizes == [2, 5]
    with pytest.raises(
        IndexingError,
        match=message("ConcatDataset: index 5 is out of range for 5 samples. Give an index from -5 to 4."),
    ):
        joined[5]
    with pytest.raises(ArgumentError, match=message("ConcatDataset: no datasets came. Give at least one.")):
        ConcatDataset([])
    with pytest.raises(
        ArgumentTypeError,
        match=message(
            "ConcatDataset: dataset 1 is an IterableDataset, which has no index. "
            "Chain the streams with itertools.chain in an IterableDataset of your own."
        ),
    ):
        ConcatDataset([Indices(1), Whole(1)])
    with pytest.raises(
        ArgumentTypeError, match=message("ConcatDataset: Dataset has no length. Give the dataset a __len__ method.")
    ):
        ConcatDataset([Dataset()])


@given(st.lists(st.integers(0, 20), min_size=1, max_size=6), st.integers(0, 2**64 - 1))
def test_random_split_by_counts(counts, seed):
    if sum(counts) == 1:
        return  # counts of 0 and 1 that add up to 1 are fractions
    parts = random_split(Indices(sum(counts)), counts, tl.Generator().manual_seed(seed))
    assert [len(part) for part in parts] == counts
    assert sorted(part[i] for part in parts for i in range(len(part))) == list(range(sum(counts)))


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6), st.integers(0, 200), st.integers(0, 2**64 - 1))
def test_random_split_by_fractions(weights, total, seed):
    fractions = [weight / sum(weights) for weight in weights]
    parts = random_split(Indices(total), fractions, tl.Generator().manual_seed(seed))
    assert sorted(part[i] for part in parts for i in range(len(part))) == list(range(total))
    for part, fraction in zip(parts, fractions, strict=True):
        assert int(total * fraction) <= len(part) <= int(total * fraction) + 1


def test_random_split_is_drawn_from_its_generator():
    first, again, other = (
        random_split(Indices(100), [0.8, 0.2], tl.Generator().manual_seed(seed))[0].indices for seed in (1, 1, 2)
    )
    assert first == again != other
    tl.manual_seed(1)
    assert random_split(Indices(100), [0.8, 0.2])[0].indices == first
    assert [len(part) for part in random_split(Indices(11), [0.5, 0.5])] == [6, 5]


@pytest.mark.parametrize(
    "lengths, text",
    [
        (
            [3, 4],
            "random_split: lengths [3, 4] add up to 7, the dataset has 10 samples. "
            "Give sample counts that add up to 10, or fractions that add up to 1.",
        ),
        (
            [0.5, 0.6],
            "random_split: lengths [0.5, 0.6] add up to 1.1, the dataset has 10 samples. "
            "Give sample counts that add up to 10, or fractions that add up to 1.",
        ),
        ([-1, 11], "random_split: lengths [-1, 11] must not be negative."),
        ([], "random_split: no lengths came. Give at least one."),
    ],
)
def test_random_split_refuses(lengths, text):
    with pytest.raises(ArgumentError, match=message(text)):
        random_split(Indices(10), lengths)


@pytest.mark.parametrize("cut", [False, True])
def test_whole_batches_equal_collated_samples(cut):
    data = TensorDataset(tl.arange(20).reshape(10, 2), tl.linspace(0, 1, 10))
    if cut:
        data = Subset(Subset(data, range(9, -1, -1)), [3, 1, 8, 0, 5])
    whole = list(DataLoader(data, 3))
    collated = list(DataLoader(data, 3, collate_fn=lambda samples: tl.data.default_collate(samples)))
    assert len(whole) == len(collated)
    for ours, theirs in zip(whole, collated, strict=True):
        assert type(ours) is type(theirs) is list
        for one, other in zip(ours, theirs, strict=True):
            assert one.dtype is other.dtype and one.tolist() == other.tolist()


def test_a_changed_sample_is_not_bypassed():
    class Doubled(TensorDataset):
        def __getitem__(self, index):
            return tuple(2 * tensor for tensor in super().__getitem__(index))

    class Declined(TensorDataset):
        def __getbatch__(self, indices):
            return NotImplemented

    x = tl.arange(4)
    assert next(iter(DataLoader(Doubled(x), 4)))[0].tolist() == [0, 2, 4, 6]
    assert next(iter(DataLoader(Subset(Doubled(x), [1, 2]), 4)))[0].tolist() == [2, 4]
    assert next(iter(DataLoader(Declined(x), 4)))[0].tolist() == [0, 1, 2, 3]


def test_getitems_loads_a_batch_at_once():
    class Several(Numbers):
        def __getitems__(self, indices):
            asked.append(indices)
            return [self[index] for index in indices]

    asked = []
    batches = [labels.tolist() for _, labels in DataLoader(Several(5), 2)]
    assert batches == [[0, 1], [2, 3], [4]] == asked


def test_pytorchs_name_for_it():
    from tapeloom import data, utils

    assert tl.utils is utils and utils.data.__all__ == data.__all__
    for name in data.__all__:
        assert getattr(utils.data, name) is getattr(data, name)
