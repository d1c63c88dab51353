"""Fetching: from an index, or the next place of a stream, to a batch. The same code runs here and in a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from tapeloom.data.collate import Maker, collate, convert, default_collate, default_convert
from tapeloom.data.dataset import Dataset, IterableDataset, batch_getter

Collate = Callable[[Any], Any]


class EndOfStream(Exception):
    """An IterableDataset has no more samples."""


class Fetcher:
    """Loads batches of ``dataset``; ``doing`` says in words what it was at when something failed.

    ``auto`` says whether samples are gathered in batches.
    """

    def __init__(self, dataset: Dataset[Any], collate_fn: Collate, auto: bool, drop_last: bool, maker: Maker) -> None:
        self.dataset = dataset
        self.auto = auto
        self.drop_last = drop_last
        self.doing = ""
        self.stream: Iterator[Any] | None = None
        self.collate_fn = collate_fn
        self.whole = batch_getter(dataset) if auto and collate_fn is default_collate else None
        if collate_fn is default_collate:
            self.collate_fn = lambda batch: collate(batch, maker)
        elif collate_fn is default_convert:
            self.collate_fn = lambda sample: convert(sample, maker)

    def fetch(self, index: Any, skip: bool = False) -> Any:
        """The batch at ``index``: a list of indices, or one index; for a stream the number of samples.

        With ``skip`` a stream only moves on, and None comes. Raises EndOfStream at the end of a stream.
        """
        if isinstance(self.dataset, IterableDataset):
            samples = self._next(index)
        elif self.whole is not None and (batch := self._whole(list(index))) is not NotImplemented:
            return batch
        elif self.auto:
            samples = self._samples(list(index))
        else:
            self.doing = f"loading sample index {index!r}"
            samples = self.dataset[index]
        if skip:
            return None
        self.doing = "running collate_fn" + (f" on {self._names(index)}" if self.auto else "")
        try:
            return self.collate_fn(samples)
        except Exception as error:
            self._locate(error, index)
            raise

    def _whole(self, indices: list[Any]) -> Any:
        assert self.whole is not None
        self.doing = f"loading {self._names(indices)}"
        return self.whole(indices)

    def _samples(self, indices: list[Any]) -> list[Any]:
        several = getattr(self.dataset, "__getitems__", None)
        if several is not None:
            self.doing = f"loading {self._names(indices)}"
            return list(several(indices))
        samples = []
        for index in indices:
            self.doing = f"loading sample index {index!r}"
            samples.append(self.dataset[index])
        return samples

    def _next(self, count: int) -> Any:
        if self.stream is None:
            self.doing = "starting the stream of the dataset"
            self.stream = iter(self.dataset)
        self.doing = "reading the stream of the dataset"
        samples = list(islice(self.stream, count))
        if not samples or (self.auto and self.drop_last and len(samples) < count):
            raise EndOfStream
        return samples if self.auto else samples[0]

    def _names(self, index: Any) -> str:
        if isinstance(self.dataset, IterableDataset):
            return f"{index} samples of the stream"
        return f"sample indices {_shortened(list(index))}"

    def _locate(self, error: Exception, index: Any) -> None:
        position = getattr(error, "position", None)
        if isinstance(position, int) and self.auto and not isinstance(self.dataset, IterableDataset):
            error.add_note(f"Sample {position} of this batch has the index {list(index)[position]!r} in the dataset.")


def _shortened(indices: list[Any]) -> str:
    if len(indices) <= 16:
        return str(indices)
    return f"[{', '.join(map(repr, indices[:8]))}, ..., {indices[-1]!r}]"
