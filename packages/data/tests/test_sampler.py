import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tapeloom as tl
from tapeloom.data import (
    BatchSampler,
    Dataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from tapeloom.errors import ArgumentError, ArgumentTypeError, DataError

seeds = st.integers(0, 2**64 - 1)


def message(text):
    return f"^{re.escape(text)}$"


def seeded(seed):
    return tl.Generator().manual_seed(seed)


@given(st.integers(0, 50))
def test_sequential(count):
    sampler = SequentialSampler(range(count))
    assert list(sampler) == list(range(count)) and len(sampler) == count


@given(st.integers(1, 40), st.one_of(st.none(), st.integers(1, 100)), seeds)
def test_random_without_replacement(count, wanted, seed):
    sampler = RandomSampler(range(count), num_samples=wanted, generator=seeded(seed))
    drawn = list(sampler)
    assert len(drawn) == len(sampler) == (wanted or count)
    for start in range(0, len(drawn), count):  # one permutation after another
        part = drawn[start : start + count]
        assert len(set(part)) == len(part) and set(part) <= set(range(count))
    assert drawn == list(RandomSampler(range(count), num_samples=wanted, generator=seeded(seed)))


@given(st.integers(1, 40), st.integers(1, 100), seeds)
def test_random_with_replacement(count, wanted, seed):
    sampler = RandomSampler(range(count), True, wanted, seeded(seed))
    drawn = list(sampler)
    assert len(drawn) == len(sampler) == wanted and set(drawn) <= set(range(count))


def test_with_replacement_gives_all_evenly():
    drawn = list(RandomSampler(range(8), True, 8000, seeded(0)))
    assert all(850 < drawn.count(value) < 1150 for value in range(8))


def test_each_pass_is_another_and_follows_from_the_generator():
    sampler = RandomSampler(range(30), generator=seeded(3))
    first, second = list(sampler), list(sampler)
    assert first != second
    again = RandomSampler(range(30), generator=seeded(3))
    assert [list(again), list(again)] == [first, second]
    tl.manual_seed(3)
    default = RandomSampler(range(30))
    assert [list(default), list(default)] == [first, second]


def test_a_pass_does_not_see_other_draws():
    tl.manual_seed(5)
    expected = list(RandomSampler(range(10), num_samples=100))
    tl.manual_seed(5)
    disturbed = []
    for index in RandomSampler(range(10), num_samples=100):
        disturbed.append(index)
        tl.rand(3)
    assert disturbed == expected


@given(st.lists(st.integers(), unique=True, max_size=30), seeds)
def test_subset_random(indices, seed):
    sampler = SubsetRandomSampler(indices, seeded(seed))
    assert sorted(sampler) == sorted(indices) and len(sampler) == len(indices)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=20), st.integers(1, 50), seeds)
def test_weighted_with_replacement(weights, wanted, seed):
    if sum(weights) == 0:
        return
    drawn = list(WeightedRandomSampler(weights, wanted, generator=seeded(seed)))
    assert len(drawn) == wanted
    assert all(weights[index] > 0 for index in drawn)


@given(st.lists(st.sampled_from([0.0, 1e-300, 0.5, 3.0, 1e300]), min_size=1, max_size=20), st.data(), seeds)
def test_weighted_without_replacement(weights, data, seed):
    possible = sum(weight > 0 for weight in weights)
    if not possible:
        return
    wanted = data.draw(st.integers(1, possible))
    drawn = list(WeightedRandomSampler(weights, wanted, False, seeded(seed)))
    assert len(drawn) == len(set(drawn)) == wanted
    assert all(weights[index] > 0 for index in drawn)


@pytest.mark.parametrize("replacement", [True, False])
def test_weights_count(replacement):
    generator = seeded(0)
    first = [next(iter(WeightedRandomSampler([1, 3, 0], 1, replacement, generator))) for _ in range(2000)]
    assert first.count(2) == 0 and 1400 < first.count(1) < 1600


@given(st.integers(0, 60), st.integers(1, 20), st.booleans())
def test_batches(count, size, drop_last):
    sampler = BatchSampler(SequentialSampler(range(count)), size, drop_last)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    assert sum(batches, []) == list(range(count // size * size if drop_last else count))
    assert all(len(batch) == size for batch in batches[:-1])
    assert all(0 < len(batch) <= size for batch in batches)


def test_batches_of_any_iterable():
    assert list(BatchSampler("abcde", 2, False)) == [["a", "b"], ["c", "d"], ["e"]]


@pytest.mark.parametrize(
    "make",
    [
        lambda g: RandomSampler(range(50), generator=g),
        lambda g: RandomSampler(range(50), True, 30, g),
        lambda g: SubsetRandomSampler(list(range(50)), g),
        lambda g: WeightedRandomSampler([1.0] * 50, 30, generator=g),
        lambda g: BatchSampler(RandomSampler(range(50), generator=g), 7, False),
    ],
)
@pytest.mark.parametrize("own", [True, False])
def test_a_saved_pass_is_repeated_once(make, own):
    sampler = make(seeded(1) if own else None)
    tl.manual_seed(2)
    list(sampler)
    passing = iter(sampler)
    next(passing)
    state, default = sampler.state_dict(), tl.get_rng_state()
    rest, after = list(passing), list(sampler)

    tl.set_rng_state(default)
    resumed = make(seeded(99) if own else None)
    resumed.load_state_dict(state)
    assert list(resumed)[1:] == rest
    assert list(resumed) == after


def test_a_state_without_a_pass_draws_anew():
    sampler = RandomSampler(range(50), generator=seeded(1))
    state = sampler.state_dict()
    first = list(sampler)
    resumed = RandomSampler(range(50), generator=seeded(8))
    resumed.load_state_dict(state)
    assert list(resumed) == first


def test_state_of_a_sampler_built_differently():
    state = RandomSampler(range(5), generator=seeded(1)).state_dict()
    with pytest.raises(
        DataError,
        match=message(
            "RandomSampler.load_state_dict: this one has no generator of its own, the saved one had one. "
            "Build it as it was when its state was saved."
        ),
    ):
        RandomSampler(range(5)).load_state_dict(state)
    with pytest.raises(
        DataError,
        match=message(
            "RandomSampler.load_state_dict: this one has a generator of its own, the saved one had none. "
            "Build it as it was when its state was saved."
        ),
    ):
        RandomSampler(range(5), generator=seeded(1)).load_state_dict(RandomSampler(range(5)).state_dict())


@pytest.mark.parametrize(
    "make, error, text",
    [
        (
            lambda: RandomSampler([]),
            ArgumentError,
            "RandomSampler: num_samples must be a positive int, got 0.",
        ),
        (
            lambda: RandomSampler([1], num_samples=0.5),
            ArgumentError,
            "RandomSampler: num_samples must be a positive int, got 0.5.",
        ),
        (
            lambda: RandomSampler([1], replacement=1),
            ArgumentTypeError,
            "RandomSampler: replacement must be a bool, got 1.",
        ),
        (
            lambda: RandomSampler([1], generator=3),
            ArgumentTypeError,
            "RandomSampler: generator is a int, not a tapeloom Generator.",
        ),
        (
            lambda: RandomSampler(Dataset()),
            ArgumentTypeError,
            "RandomSampler: Dataset has no length. Give the dataset a __len__ method.",
        ),
        (
            lambda: WeightedRandomSampler([1], 0),
            ArgumentError,
            "WeightedRandomSampler: num_samples must be a positive int, got 0.",
        ),
        (
            lambda: WeightedRandomSampler([1, -2], 1),
            ArgumentError,
            "WeightedRandomSampler: weight 1 is -2.0. Weights are finite numbers of 0 or more.",
        ),
        (
            lambda: WeightedRandomSampler([0, 0], 1),
            ArgumentError,
            "WeightedRandomSampler: the weights must have a finite sum above zero.",
        ),
        (
            lambda: WeightedRandomSampler([1, 0], 2, replacement=False),
            ArgumentError,
            "WeightedRandomSampler: 2 samples without replacement need as many weights above zero, there are 1. "
            "Pass replacement=True or a smaller num_samples.",
        ),
        (
            lambda: BatchSampler([1], 0, False),
            ArgumentError,
            "BatchSampler: batch_size must be a positive int, got 0.",
        ),
        (
            lambda: BatchSampler([1], 1, 0),
            ArgumentTypeError,
            "BatchSampler: drop_last must be a bool, got 0.",
        ),
        (
            lambda: iter(Sampler()),
            NotImplementedError,
            "Sampler is a Sampler without __iter__. Give it one.",
        ),
    ],
)
def test_refusals(make, error, text):
    with pytest.raises(error, match=message(text)):
        make()
