"""Samplers: in which order the samples of a dataset come.

Those that draw at random draw one seed from their generator at the start of each pass and everything else from that
seed. So a pass can be repeated exactly, which resuming in the middle of an epoch needs, and its order does not depend
on what else draws meanwhile.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from hashlib import blake2b
from itertools import accumulate, islice
from typing import Any, Generic, TypeVar

import tapeloom as tl
from tapeloom import Generator
from tapeloom.data.dataset import length_of
from tapeloom.errors import ArgumentError, ArgumentTypeError, DataError
from tapeloom.generator import default_generator

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

T_co = TypeVar("T_co", covariant=True)

_CHUNK = 4096  # indices drawn with replacement at a time


class Sampler(Generic[T_co]):
    """An iterable of indices (or of lists of them), one pass an epoch. A subclass gives ``__iter__``.

    One that can repeat a pass also gives ``state_dict()``, a dict whose ``"seed"`` stands for the latest pass, and
    ``load_state_dict(state)``, which makes the next pass that one again, or a new one where the seed is None. The
    DataLoader stores that state with its own. A sampler without them must give the same order again by itself when an
    epoch is resumed.
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} is a Sampler without __iter__. Give it one.")


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ... in order."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class _SeededSampler(Sampler[int]):
    """A sampler whose passes each follow from one seed."""

    generator: Generator | None

    def __init__(self, generator: Generator | None) -> None:
        if generator is not None and not isinstance(generator, Generator):
            raise ArgumentTypeError(
                f"{type(self).__name__}: generator is a {type(generator).__name__}, not a tapeloom Generator."
            )
        self.generator = generator
        self._seed: int | None = None  # of the latest pass
        self._repeat = False  # whether the next pass takes that seed again

    def __iter__(self) -> Iterator[int]:
        if not self._repeat or self._seed is None:
            self._seed = draw_seed(self.generator)
        self._repeat = False
        return self._pass(Generator().manual_seed(self._seed))

    def _pass(self, generator: Generator) -> Iterator[int]:
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """The seed of the latest pass, and the state of the generator if the sampler has one of its own."""
        return {"seed": self._seed, "generator": None if self.generator is None else self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Makes the next pass the one that ``state`` was taken in, or a new one where its seed is None."""
        check_generator(type(self).__name__, self.generator, state)
        if self.generator is not None:
            self.generator.set_state(tuple(state["generator"]))
        self._seed = state["seed"]
        self._repeat = True


class RandomSampler(_SeededSampler):
    """The samples in random order, or with ``replacement`` drawn independently.

    ``num_samples`` is how many a pass gives (default: all); without replacement more than all of them come as one
    permutation after another. Raises ArgumentError unless it is a positive int.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator)
        self.data_source = data_source
        length_of("RandomSampler", data_source)
        self.replacement = replacement
        self._num_samples = num_samples
        if not isinstance(replacement, bool):
            raise ArgumentTypeError(f"RandomSampler: replacement must be a bool, got {replacement!r}.")
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ArgumentError(f"RandomSampler: num_samples must be a positive int, got {self.num_samples!r}.")

    @property
    def num_samples(self) -> int:
        """How many indices one pass gives."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def _pass(self, generator: Generator) -> Iterator[int]:
        left, total = self.num_samples, len(self.data_source)
        while left > 0:
            if self.replacement:
                drawn = tl.randint(0, total, (min(left, _CHUNK),), generator=generator).tolist()
            else:
                drawn = tl.randperm(total, generator=generator).tolist()[:left]
            left -= len(drawn)
            yield from drawn

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(_SeededSampler):
    """The given ``indices`` in random order."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        super().__init__(generator)
        self.indices = indices

    def _pass(self, generator: Generator) -> Iterator[int]:
        for position in tl.randperm(len(self.indices), generator=generator).tolist():
            yield self.indices[position]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(_SeededSampler):
    """``num_samples`` indices, index ``i`` drawn with a probability proportional to ``weights[i]``.

    Weights need not add up to 1. Without ``replacement`` no index comes twice.
    Raises ArgumentError for a negative or infinite weight, for a sum of zero, and without replacement for fewer
    weights above zero than ``num_samples``.
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator)
        self.weights = [float(weight) for weight in weights]
        self.num_samples = num_samples
        self.replacement = replacement
        if isinstance(num_samples, bool) or not isinstance(num_samples, int) or num_samples <= 0:
            raise ArgumentError(f"WeightedRandomSampler: num_samples must be a positive int, got {num_samples!r}.")
        if not isinstance(replacement, bool):
            raise ArgumentTypeError(f"WeightedRandomSampler: replacement must be a bool, got {replacement!r}.")
        for position, weight in enumerate(self.weights):
            if not 0 <= weight < float("inf"):
                raise ArgumentError(
                    f"WeightedRandomSampler: weight {position} is {weight}. Weights are finite numbers of 0 or more."
                )
        possible = sum(weight > 0 for weight in self.weights)
        if not possible or not sum(self.weights) < float("inf"):
            raise ArgumentError("WeightedRandomSampler: the weights must have a finite sum above zero.")
        if not replacement and possible < num_samples:
            raise ArgumentError(
                f"WeightedRandomSampler: {num_samples} samples without replacement need as many weights above zero, "
                f"there are {possible}. Pass replacement=True or a smaller num_samples."
            )

    def _pass(self, generator: Generator) -> Iterator[int]:
        return self._independent(generator) if self.replacement else self._distinct(generator)

    def _independent(self, generator: Generator) -> Iterator[int]:
        ends = list(accumulate(self.weights))
        last = max(index for index, weight in enumerate(self.weights) if weight > 0)
        left = self.num_samples
        while left > 0:
            count = min(left, _CHUNK)
            left -= count
            for uniform in _uniform(count, generator):
                yield min(bisect_right(ends, uniform * ends[-1]), last)

    def _distinct(self, generator: Generator) -> Iterator[int]:
        # Efraimidis and Spirakis: the largest values of log(u) / weight are a weighted draw without replacement.
        from math import log

        uniforms = _uniform(len(self.weights), generator)
        keys = [
            (log(1.0 - uniform) / weight, index)
            for index, (uniform, weight) in enumerate(zip(uniforms, self.weights, strict=True))
            if weight > 0
        ]
        keys.sort(reverse=True)
        return iter([index for _, index in keys[: self.num_samples]])

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of ``batch_size`` indices from ``sampler``; the last one is shorter, or left out with ``drop_last``."""

    def __init__(self, sampler: Sampler[int] | Iterable[int], batch_size: int, drop_last: bool) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size <= 0:
            raise ArgumentError(f"BatchSampler: batch_size must be a positive int, got {batch_size!r}.")
        if not isinstance(drop_last, bool):
            raise ArgumentTypeError(f"BatchSampler: drop_last must be a bool, got {drop_last!r}.")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        return self._batches(iter(self.sampler))  # the pass starts now, not at the first batch

    def _batches(self, indices: Iterator[int]) -> Iterator[list[int]]:
        while batch := list(islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        full, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return full + (rest > 0 and not self.drop_last)

    def state_dict(self) -> dict[str, Any]:
        """The state of the sampler within, or an empty dict if it has none."""
        return dict(self.sampler.state_dict()) if hasattr(self.sampler, "state_dict") else {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Hands ``state`` to the sampler within."""
        if hasattr(self.sampler, "load_state_dict"):
            self.sampler.load_state_dict(state)


def draw_seed(generator: Generator | None) -> int:
    """A new 63-bit seed from ``generator`` (None: the default one), which moves on by one block.

    It is made on the host: no device takes part.
    """
    seed, offset = (generator or default_generator).reserve(1)
    return mix(seed, offset)


def mix(*numbers: int) -> int:
    """A 63-bit seed that depends on all of ``numbers`` (each from 0 to 2**64 - 1): close ones give unrelated seeds."""
    words = b"".join(number.to_bytes(8, "little") for number in numbers)
    return int.from_bytes(blake2b(words, digest_size=8).digest(), "little") >> 1


def check_generator(what: str, generator: Generator | None, state: Mapping[str, Any]) -> None:
    """Raises DataError where of ``generator`` and ``state["generator"]`` only one is there."""
    saved = state.get("generator")
    if (saved is None) != (generator is None):
        has, had = ("has no", "one") if generator is None else ("has a", "none")
        raise DataError(
            f"{what}.load_state_dict: this one {has} generator of its own, the saved one had {had}. "
            f"Build it as it was when its state was saved."
        )


def _uniform(count: int, generator: Generator) -> list[float]:
    return tl.rand(count, dtype=tl.float64, generator=generator).tolist()  # type: ignore[no-any-return]
