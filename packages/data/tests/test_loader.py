import json
import re

import pytest
from data_test_support import Augmented, Failing, Indices, Numbers, Stream, Whole, stop_failure, value_failure
from hypothesis import given
from hypothesis import strategies as st

import tapeloom as tl
from tapeloom.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    get_worker_info,
)
from tapeloom.errors import ArgumentError, ArgumentTypeError, DataError


def message(text):
    return f"^{re.escape(text)}$"


def values(loader):
    return [batch.tolist() for batch in loader]


@given(st.integers(0, 40), st.integers(1, 12), st.booleans())
def test_batches_and_their_number(count, size, drop_last):
    loader = DataLoader(Indices(count), size, drop_last=drop_last)
    batches = values(loader)
    assert len(batches) == len(loader)
    assert sum(batches, []) == list(range(count // size * size if drop_last else count))
    stream = DataLoader(Whole(count), size, drop_last=drop_last)
    assert values(stream) == batches and len(stream) == len(batches)


def test_batches_are_tensors():
    x, y = next(iter(DataLoader(Numbers(5), 4)))
    assert x.shape == (4, 3) and x.dtype is tl.float32 and x.device == tl.get_default_device()
    assert y.tolist() == [0, 1, 2, 3] and y.dtype is tl.int64


def test_shuffle_follows_from_the_seed():
    tl.manual_seed(1)
    loader = DataLoader(Indices(20), 6, shuffle=True)
    first, second = values(loader), values(loader)
    assert sorted(sum(first, [])) == list(range(20)) and first != second
    tl.manual_seed(1)
    again = DataLoader(Indices(20), 6, shuffle=True)
    assert [values(again), values(again)] == [first, second]
    own = DataLoader(Indices(20), 6, shuffle=True, generator=tl.Generator().manual_seed(1))
    before = tl.get_rng_state()
    assert [values(own), values(own)] == [first, second]
    assert tl.get_rng_state() == before


def test_an_epoch_draws_the_same_whatever_is_set():
    states = []
    for options in ({}, {"shuffle": False, "batch_size": 3}, {"drop_last": True}):
        tl.manual_seed(1)
        values(DataLoader(Indices(8), **options))
        states.append(tl.get_rng_state())
    assert states[0] == states[1] == states[2]


def test_samplers():
    assert values(DataLoader(Indices(5), 2, sampler=[4, 0, 2])) == [[4, 0], [2]]
    assert values(DataLoader(Indices(5), batch_sampler=[[4], [0, 2]])) == [[4], [0, 2]]
    picked = values(DataLoader(Indices(9), 2, sampler=SubsetRandomSampler([1, 3, 5])))
    assert sorted(sum(picked, [])) == [1, 3, 5]
    loader = DataLoader(Indices(9), batch_sampler=BatchSampler(SequentialSampler(range(9)), 4, True))
    assert values(loader) == [[0, 1, 2, 3], [4, 5, 6, 7]] and len(loader) == 2 and loader.batch_size is None


def test_without_batches():
    samples = list(DataLoader(Numbers(3), batch_size=None))
    assert [(x.tolist(), y) for x, y in samples] == [([0.0] * 3, 0), ([1.0] * 3, 1), ([2.0] * 3, 2)]
    assert list(DataLoader(Stream(3), batch_size=None)) == [0, 1, 2]
    assert len(DataLoader(Whole(3), batch_size=None)) == 3
    assert list(DataLoader(Indices(3), batch_size=None, collate_fn=str)) == ["0", "1", "2"]


def test_collate_fn_and_plain_sequences():
    assert list(DataLoader("abc", 2, collate_fn="".join)) == ["ab", "c"]
    assert values(DataLoader(range(4), 3)) == [[0, 1, 2], [3]]


def test_iterators_are_independent():
    loader = DataLoader(Indices(4), 2)
    assert [(a.tolist(), b.tolist()) for a, b in zip(loader, loader, strict=True)] == [([0, 1],) * 2, ([2, 3],) * 2]


def test_a_misspelt_setting():
    with pytest.raises(
        ArgumentTypeError, match=r"^DataLoader: unexpected argument 'batchsize'\. Did you mean 'batch_size'\?"
    ):
        DataLoader(range(4), batchsize=2)


def test_a_loader_is_no_iterator():
    with pytest.raises(
        ArgumentTypeError, match=r"^next: a DataLoader is no iterator\. Write batch = next\(iter\(loader\)\)"
    ):
        next(DataLoader(range(4)))


def test_no_length():
    with pytest.raises(TypeError):
        len(DataLoader(Stream(3)))
    assert values(DataLoader(Stream(3), 2)) == [[0, 1], [2]]


def test_worker_info_is_none_here():
    assert get_worker_info() is None


@pytest.mark.parametrize(
    "options, error, text",
    [
        ({"batch_size": 0}, ArgumentError, "DataLoader: batch_size must be a positive int or None, got 0."),
        ({"batch_size": True}, ArgumentTypeError, "DataLoader: batch_size must be an int, got True of type bool."),
        ({"shuffle": "yes"}, ArgumentTypeError, "DataLoader: shuffle must be True or False, got 'yes'."),
        (
            {"shuffle": True, "sampler": [0]},
            ArgumentError,
            "DataLoader: sampler and shuffle exclude each other. Give one of them.",
        ),
        (
            {"batch_sampler": [[0]], "batch_size": 2},
            ArgumentError,
            "DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last. Give it alone.",
        ),
        (
            {"batch_size": None, "drop_last": True},
            ArgumentError,
            "DataLoader: batch_size=None makes no batches, so drop_last does not apply.",
        ),
        ({"num_workers": -1}, ArgumentError, "DataLoader: num_workers must be an int of 0 or more, got -1."),
        ({"timeout": -1}, ArgumentError, "DataLoader: timeout must not be negative, got -1. 0 waits forever."),
        (
            {"prefetch_factor": 2},
            ArgumentError,
            "DataLoader: prefetch_factor needs workers. Set num_workers above 0, or leave it out.",
        ),
        (
            {"persistent_workers": True},
            ArgumentError,
            "DataLoader: persistent_workers needs workers. Set num_workers above 0, or leave it out.",
        ),
        (
            {"multiprocessing_context": "spawn"},
            ArgumentError,
            "DataLoader: multiprocessing_context needs workers. Set num_workers above 0, or leave it out.",
        ),
        (
            {"num_workers": 1, "prefetch_factor": 0},
            ArgumentError,
            "DataLoader: prefetch_factor must be 1 or more, got 0.",
        ),
        (
            {"num_workers": 1, "multiprocessing_context": "fork"},
            ArgumentError,
            "DataLoader: multiprocessing_context must be 'spawn', 'forkserver' or such a context, got 'fork'. "
            "Forked processes break CUDA and JAX.",
        ),
        ({"generator": 1}, ArgumentTypeError, "DataLoader: generator is a int, not a tapeloom Generator."),
    ],
)
def test_refusals(options, error, text):
    with pytest.raises(error, match=message(text)):
        DataLoader(Indices(3), **options)


@pytest.mark.parametrize("options", [{"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}])
def test_streams_have_no_index(options):
    with pytest.raises(
        ArgumentError,
        match=message(
            "DataLoader: an IterableDataset has no index, so shuffle, sampler and batch_sampler do not apply. "
            "Let the dataset shuffle its own stream."
        ),
    ):
        DataLoader(Stream(3), **options)


def test_settings_are_fixed():
    loader = DataLoader(Indices(3))
    with pytest.raises(
        ArgumentError, match=message("DataLoader: batch_size cannot be changed any more. Make a new DataLoader.")
    ):
        loader.batch_size = 2
    loader.note = "free"


def test_failing_samples_are_named():
    iterator = iter(DataLoader(Failing(9, 5, value_failure), 2))
    assert [next(iterator).tolist(), next(iterator).tolist()] == [[0, 1], [2, 3]]
    with pytest.raises(ValueError, match=r"^bad sample\n") as caught:
        next(iterator)
    assert caught.value.__notes__ == ["Raised in the DataLoader while loading sample index 5 (batch 2)."]


def test_stop_iteration_in_a_dataset_does_not_end_the_epoch():
    with pytest.raises(RuntimeError):
        list(DataLoader(Failing(4, 3, stop_failure), 2))


# resuming


def built(kind, seed):
    """A loader over 23 samples, batches of 4, and the generator that the loader or its sampler was given."""
    generator = None if seed is None else tl.Generator().manual_seed(seed)
    if kind == "shuffle":
        return DataLoader(Indices(23), 4, shuffle=True, generator=generator)
    if kind == "order":
        return DataLoader(Indices(23), 4, generator=generator)
    if kind == "stream":
        return DataLoader(Stream(23), 4, generator=generator)
    if kind == "sampler":
        return DataLoader(Indices(23), 4, sampler=RandomSampler(range(23), generator=generator))
    if kind == "batch_sampler":
        sampler = RandomSampler(range(23), True, generator=generator)
        return DataLoader(Indices(23), batch_sampler=BatchSampler(sampler, 4, True))
    return DataLoader(Indices(23), None, shuffle=True, generator=generator)


kinds = st.sampled_from(["shuffle", "order", "stream", "sampler", "batch_sampler", "single"])


def listed(batch):
    return batch if isinstance(batch, int) else batch.tolist()


@given(kinds, st.integers(0, 2), st.integers(0, 6), st.booleans(), st.integers(0, 100))
def test_a_resumed_run_is_the_run(kind, epochs, batches, own, seed):
    tl.manual_seed(seed)
    loader = built(kind, seed if own else None)
    for _ in range(epochs):
        list(loader)
    if batches:
        iterator = iter(loader)
        for _, _ in zip(range(min(batches, len(loader) if kind != "stream" else 6)), iterator, strict=False):
            pass
    state = json.loads(json.dumps(loader.state_dict()))  # plain data
    default = tl.get_rng_state()
    expected = [[listed(b) for b in iterator] if batches else None, [listed(b) for b in loader], loader.state_dict()]

    tl.manual_seed(seed + 1)
    resumed = built(kind, 12345 if own else None)
    resumed.load_state_dict(state)
    assert json.loads(json.dumps(resumed.state_dict())) == state
    tl.set_rng_state(default)
    found = [[listed(b) for b in resumed] if batches else None, [listed(b) for b in resumed], resumed.state_dict()]
    assert found == expected


def test_an_epoch_given_to_its_end_resumes_with_nothing_left():
    loader = DataLoader(Indices(4), 2, shuffle=True)
    for _ in loader:
        last = loader.state_dict()
    resumed = DataLoader(Indices(4), 2, shuffle=True)
    resumed.load_state_dict(last)
    assert values(resumed) == []
    assert len(values(resumed)) == 2
    assert loader.state_dict()["seed"] is None


def test_a_broken_off_epoch_is_not_resumed_by_itself():
    loader = DataLoader(Indices(4), 2)
    for _ in loader:
        break
    assert loader.state_dict()["batches"] == 1
    assert values(loader) == [[0, 1], [2, 3]]


def test_an_overtaken_epoch_does_not_count():
    loader = DataLoader(Indices(8), 2)
    older, newer = iter(loader), iter(loader)
    next(older), next(older), next(newer)
    assert loader.state_dict()["batches"] == 1
    list(older)
    assert loader.state_dict()["batches"] == 1


def test_augmentation_here_follows_the_default_generators():
    tl.manual_seed(3)
    drawn = [sample[3] for sample in DataLoader(Augmented(3), None)]
    assert len(set(drawn)) == 3


@pytest.mark.parametrize(
    "change, text",
    [
        (
            {"batch_size": 8},
            "DataLoader.load_state_dict: the state is of a loader with batch_size=8, this one has 4. "
            "Build it as it was when its state was saved.",
        ),
        (
            {"sampler": None},
            "DataLoader.load_state_dict: the state is of a loader with another kind of sampler. "
            "Build it as it was when its state was saved.",
        ),
        (
            {"generator": [1, 2]},
            "DataLoader.load_state_dict: this one has no generator of its own, the saved one had one. "
            "Build it as it was when its state was saved.",
        ),
        (
            {"batches": -1},
            "DataLoader.load_state_dict: batches=-1 and seed=None are no counts. Pass what state_dict returned.",
        ),
        (
            {"step": 1},
            "DataLoader.load_state_dict: expected a dict of batch_size, batches, generator, sampler, seed, "
            "got ['batch_size', 'batches', 'generator', 'sampler', 'seed', 'step']. Pass what state_dict returned.",
        ),
    ],
)
def test_foreign_states(change, text):
    loader = built("shuffle", None)
    with pytest.raises(DataError, match=message(text)):
        loader.load_state_dict(loader.state_dict() | change)


def test_no_state():
    with pytest.raises(
        DataError,
        match=message(
            "DataLoader.load_state_dict: expected a dict of batch_size, batches, generator, sampler, seed, got a list. "
            "Pass what state_dict returned."
        ),
    ):
        DataLoader(Indices(3)).load_state_dict([])
