"""Datasets: what has ``[index]`` and a length, or what can be iterated, and the ways to cut and join them."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar, cast

import tapeloom as tl
from tapeloom import Generator, Tensor
from tapeloom.errors import ArgumentError, ArgumentTypeError, IndexingError, ShapeError

__all__ = ["ConcatDataset", "Dataset", "IterableDataset", "Subset", "TensorDataset", "random_split"]

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """Samples by index. A subclass gives ``__getitem__`` and, for the samplers, ``__len__``.

    It may also give ``__getitems__(indices)``, which returns the list of the samples of one batch at once, and
    ``__getbatch__(indices)``, which returns the batch that ``default_collate`` would make of them where that is faster,
    or NotImplemented.
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} is a Dataset without __getitem__. Give it one.")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset[Any]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """Samples in a stream: a subclass gives ``__iter__``. For data that has no index, or too much of it to have one.

    In a DataLoader with workers each worker iterates a copy of its own: take a share of the stream by
    ``get_worker_info()``, or every sample comes once a worker.
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} is an IterableDataset without __iter__. Give it one.")


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Tensors side by side: sample ``i`` is ``(tensors[0][i], tensors[1][i], ...)``.

    Raises ShapeError where their first dimensions differ, ArgumentTypeError for anything but Tensors.
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        for position, tensor in enumerate(tensors):
            if not isinstance(tensor, Tensor):
                raise ArgumentTypeError(
                    f"TensorDataset: argument {position} is a {type(tensor).__name__}, not a Tensor. "
                    f"Make one with tapeloom.tensors."
                )
            if not tensor.shape:
                raise ShapeError(f"TensorDataset: tensor {position} has no dimension to index. Give it at least one.")
        if not tensors:
            raise ArgumentError("TensorDataset: no tensors came. Give at least one.")
        if any(tensor.shape[0] != tensors[0].shape[0] for tensor in tensors):
            shapes = ", ".join(str(tensor.shape) for tensor in tensors)
            raise ShapeError(
                f"TensorDataset: the tensors have the shapes {shapes}; their first dimension, the number of samples, "
                f"must agree."
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __getbatch__(self, indices: list[int]) -> list[Tensor]:
        rows = tl.tensor(indices)
        return [tensor[rows.to(tensor.device)] for tensor in self.tensors]

    def __len__(self) -> int:
        return self.tensors[0].shape[0]


class Subset(Dataset[T_co]):
    """The samples of ``dataset`` at ``indices``, in their order."""

    dataset: Dataset[T_co]
    indices: Sequence[int]

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[T_co]:
        chosen = [self.indices[i] for i in indices]
        several = getattr(self.dataset, "__getitems__", None)
        if several is not None:
            return cast("list[T_co]", several(chosen))
        return [self.dataset[i] for i in chosen]

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset[T_co]):
    """Datasets one after the other. ``cumulative_sizes[k]`` is the length of the first ``k + 1`` of them.

    Raises ArgumentError without any dataset, ArgumentTypeError for an IterableDataset.
    """

    datasets: list[Dataset[T_co]]
    cumulative_sizes: list[int]

    def __init__(self, datasets: Iterable[Dataset[T_co]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ArgumentError("ConcatDataset: no datasets came. Give at least one.")
        for position, dataset in enumerate(self.datasets):
            if isinstance(dataset, IterableDataset):
                raise ArgumentTypeError(
                    f"ConcatDataset: dataset {position} is an IterableDataset, which has no index. "
                    f"Chain the streams with itertools.chain in an IterableDataset of your own."
                )
        self.cumulative_sizes = list(accumulate(length_of("ConcatDataset", dataset) for dataset in self.datasets))

    def __getitem__(self, index: int) -> T_co:
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexingError(
                f"ConcatDataset: index {index} is out of range for {len(self)} samples. "
                f"Give an index from {-len(self)} to {len(self) - 1}."
            )
        which = bisect_right(self.cumulative_sizes, position)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][position - before]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


def random_split(
    dataset: Dataset[T_co], lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset[T_co]]:
    """Cuts ``dataset`` at random into disjoint Subsets.

    ``lengths`` are sample counts that add up to ``len(dataset)``, or fractions that add up to 1: then each part has
    ``floor(fraction * len(dataset))`` samples, and what is left is given out one by one from the first part on.

    Raises ArgumentError where they do not add up, or for a fraction outside [0, 1].
    """
    total = length_of("random_split", dataset)
    given = list(lengths)
    if not given:
        raise ArgumentError("random_split: no lengths came. Give at least one.")
    if any(length < 0 for length in given):
        raise ArgumentError(f"random_split: lengths {given} must not be negative.")
    if all(length <= 1 for length in given) and math.isclose(sum(given), 1):
        counts = [math.floor(total * fraction) for fraction in given]
        for position in range(total - sum(counts)):
            counts[position % len(counts)] += 1
    else:
        counts = [int(length) for length in given]
        if counts != given or sum(counts) != total:
            raise ArgumentError(
                f"random_split: lengths {given} add up to {sum(given)}, the dataset has {total} samples. "
                f"Give sample counts that add up to {total}, or fractions that add up to 1."
            )
    order = tl.randperm(total, generator=generator).tolist()
    ends = list(accumulate(counts))
    return [Subset(dataset, order[end - count : end]) for end, count in zip(ends, counts, strict=True)]


def batch_getter(dataset: Dataset[Any]) -> Callable[[list[int]], Any] | None:
    """What gives whole batches of ``dataset`` at once, if something does and it agrees with ``dataset[index]``."""
    if type(dataset) is Subset:
        inner, indices = batch_getter(dataset.dataset), dataset.indices
        return None if inner is None else lambda chosen: inner([indices[i] for i in chosen])
    kind = type(dataset)
    if not hasattr(kind, "__getbatch__"):
        return None
    for base in kind.__mro__:  # a subclass that changes samples alone has made the batches of its base wrong
        if "__getbatch__" in base.__dict__:
            return dataset.__getbatch__  # type: ignore[attr-defined, no-any-return]
        if "__getitem__" in base.__dict__ or "__getitems__" in base.__dict__:
            return None
    return None


def length_of(what: str, dataset: Any) -> int:
    """``len(dataset)``, or an ArgumentTypeError naming ``what`` needs it."""
    try:
        return len(dataset)
    except TypeError:
        raise ArgumentTypeError(
            f"{what}: {type(dataset).__name__} has no length. Give the dataset a __len__ method."
        ) from None
