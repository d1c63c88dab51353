"""DataLoader: batches of a dataset, loaded here or by worker processes, in an order that can be resumed exactly."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from tapeloom import Generator
from tapeloom.call.explain import checked
from tapeloom.data.collate import TensorMaker, default_collate, default_convert
from tapeloom.data.dataset import Dataset, IterableDataset
from tapeloom.data.fetch import EndOfStream, Fetcher
from tapeloom.data.info import get_worker_info
from tapeloom.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    check_generator,
    draw_seed,
)
from tapeloom.errors import ArgumentError, ArgumentTypeError, DataError

if TYPE_CHECKING:  # multiprocessing is loaded with the first worker
    from multiprocessing.context import BaseContext

    from tapeloom.data.pool import WorkerPool

__all__ = ["DataLoader"]

T_co = TypeVar("T_co", covariant=True)

_FIXED = frozenset(
    "batch_size batch_sampler collate_fn dataset drop_last num_workers persistent_workers prefetch_factor sampler".split()
)


class DataLoader(Generic[T_co]):
    """Iterates a dataset in batches; each ``for batch in loader`` is one epoch. Arguments as in PyTorch.

    * ``dataset``: a Dataset (with ``[index]`` and a length), or an IterableDataset.
    * ``batch_size``: samples per batch; None gives samples one by one, unbatched.
    * ``shuffle``: a new random order each epoch. Or give a ``sampler`` of indices, or a ``batch_sampler`` of lists.
    * ``num_workers``: processes that load; 0 loads in this one. They are spawned, so the dataset and the functions
      must be picklable and the script's own code under ``if __name__ == "__main__":``. In a notebook, install
      cloudpickle for datasets and functions that are defined there. Starting workers takes a while: ``persistent_workers``
      keeps them from one epoch to the next. Arrays in the dataset are shared by all workers.
    * ``collate_fn``: makes a batch of a list of samples; see ``default_collate``. Runs in the worker.
    * ``drop_last``: leave out the last batch if it is not full.
    * ``timeout``: seconds to wait for one batch of the workers; 0 waits forever (a worker that dies is noticed).
    * ``worker_init_fn(worker_id)``: called in each worker before it loads anything.
    * ``multiprocessing_context``: "spawn" (default), "forkserver", or such a context. Forked workers are refused.
    * ``generator``: draws the seed of each epoch; None is the default generator.
    * ``prefetch_factor``: batches that each worker loads ahead (default 2).
    * ``in_order``: False gives the batches of workers as they are ready.
    * ``pin_memory``, ``pin_memory_device``: accepted, without effect.

    Without workers Tensors stay on their device and all else goes to the default device. A worker has no accelerator:
    it loads on the host, and its batches arrive on the default device of the process that iterates.

    The order of the batches depends on the seed alone, not on ``num_workers``. An epoch draws two seeds, one for the
    order and one for the workers, whatever else is set.

    ``state_dict()`` and ``load_state_dict()`` resume in the middle of an epoch, exactly.

    Raises ArgumentError or ArgumentTypeError for settings that do not go together. While iterating: DataError for a
    worker that died, hangs or cannot be given the dataset; else what the dataset raised, with a note naming the
    worker and the sample.
    """

    dataset: Dataset[T_co]
    batch_size: int | None

    @checked
    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler[Any] | Iterable[Any] | None = None,
        batch_sampler: Sampler[list[Any]] | Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: str | BaseContext | None = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers, multiprocessing_context)
        if generator is not None and not isinstance(generator, Generator):
            raise ArgumentTypeError(f"DataLoader: generator is a {type(generator).__name__}, not a tapeloom Generator.")
        self._stream = isinstance(dataset, IterableDataset)
        if self._stream and (shuffle or sampler is not None or batch_sampler is not None):
            raise ArgumentError(
                "DataLoader: an IterableDataset has no index, so shuffle, sampler and batch_sampler do not apply. "
                "Let the dataset shuffle its own stream."
            )
        if sampler is not None and shuffle:
            raise ArgumentError("DataLoader: sampler and shuffle exclude each other. Give one of them.")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ArgumentError(
                    "DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last. Give it alone."
                )
            batch_size = None
        elif batch_size is None:
            if drop_last:
                raise ArgumentError("DataLoader: batch_size=None makes no batches, so drop_last does not apply.")
        elif isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size <= 0:
            raise ArgumentError(f"DataLoader: batch_size must be a positive int or None, got {batch_size!r}.")
        self._auto = batch_size is not None or batch_sampler is not None
        if sampler is None and not self._stream and batch_sampler is None:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)  # type: ignore[arg-type]
        if batch_size is not None and not self._stream:
            assert sampler is not None
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.collate_fn = collate_fn or (default_collate if self._auto else default_convert)
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.drop_last = drop_last
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.prefetch_factor = 2 if prefetch_factor is None and num_workers else prefetch_factor
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        self._pool: WorkerPool | None = None
        self._seed: int | None = None  # of the epoch under way
        self._given = 0  # batches of it
        self._resume = False  # whether the next epoch is the rest of that one
        self._built = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and getattr(self, "_built", False):
            raise ArgumentError(f"DataLoader: {name} cannot be changed any more. Make a new DataLoader.")
        super().__setattr__(name, value)

    def __len__(self) -> int:
        """How many batches an epoch has. Raises TypeError where the dataset or the sampler has no length."""
        if not self._stream:
            return len(self._sampled())  # type: ignore[arg-type]
        samples = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return samples
        full, rest = divmod(samples, self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __next__(self) -> NoReturn:
        raise ArgumentTypeError(
            "next: a DataLoader is no iterator. Write batch = next(iter(loader)), or a for loop over it."
        )

    def __iter__(self) -> Iterator[Any]:
        if self.num_workers and get_worker_info() is not None:
            raise DataError("DataLoader: a worker cannot start workers of its own. Use num_workers=0 inside a dataset.")
        if not self._resume or self._seed is None:
            self._seed, self._given = draw_seed(self.generator), 0
        self._resume = False
        seed, before = self._seed, self._given  # batches that were given before the resumption
        indices: Iterator[Any] = repeat(self.batch_size or 1) if self._stream else iter(self._sampled())
        if self._stream:
            first, skipped = 0, before  # a stream can only be read from its start
        else:
            first, skipped = before, 0
            next(islice(indices, before, before), None)
        batches = (
            self._load_by_workers(indices, seed, first, skipped)
            if self.num_workers
            else self._load_here(indices, first, skipped)
        )
        return self._counted(batches, seed)

    def state_dict(self) -> dict[str, Any]:
        """The loader's position, in plain numbers and dicts: the epoch's seed, the batches given, the sampler.

        With ``load_state_dict`` into a loader built alike, the next epoch is the rest of that one: the same samples in
        the same batches, and after it the same epochs. Store the default generator with it
        (``tapeloom.get_rng_state()``) unless the loader has one of its own. Exact under these conditions: a sampler of
        your own gives the same order again, random augmentation runs in workers (or restores its generator), and
        ``in_order``, without which DataError is raised in the middle of an epoch.
        """
        if not self.in_order and self._given and self.num_workers:
            raise DataError(
                "DataLoader.state_dict: with in_order=False it is not known which batches were given. Call it between "
                "epochs, or use in_order=True."
            )
        sampler = self._stateful_sampler()
        sampled = None if sampler is None else dict(sampler.state_dict())
        if sampled is not None and self._seed is None:
            sampled["seed"] = None  # between two epochs: the next pass is a new one
        return {
            "seed": self._seed,
            "batches": self._given,
            "batch_size": self.batch_size,
            "sampler": sampled,
            "generator": None if self.generator is None else self.generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over a state of ``state_dict``. Raises DataError if it is none, or of a loader built differently."""
        expected = {"seed", "batches", "batch_size", "sampler", "generator"}
        if not isinstance(state, Mapping) or set(state) != expected:
            came = sorted(map(str, state)) if isinstance(state, Mapping) else f"a {type(state).__name__}"
            raise DataError(
                f"DataLoader.load_state_dict: expected a dict of {', '.join(sorted(expected))}, got {came}. "
                f"Pass what state_dict returned."
            )
        seed, batches = state["seed"], state["batches"]
        if not isinstance(batches, int) or batches < 0 or not (seed is None or isinstance(seed, int)):
            raise DataError(
                f"DataLoader.load_state_dict: batches={batches!r} and seed={seed!r} are no counts. "
                f"Pass what state_dict returned."
            )
        if state["batch_size"] != self.batch_size:
            raise DataError(
                f"DataLoader.load_state_dict: the state is of a loader with batch_size={state['batch_size']}, this one "
                f"has {self.batch_size}. Build it as it was when its state was saved."
            )
        sampler = self._stateful_sampler()
        if (sampler is None) != (state["sampler"] is None):
            raise DataError(
                "DataLoader.load_state_dict: the state is of a loader with another kind of sampler. "
                "Build it as it was when its state was saved."
            )
        check_generator("DataLoader", self.generator, state)
        if sampler is not None:
            sampler.load_state_dict(state["sampler"])
        if self.generator is not None:
            self.generator.set_state(tuple(state["generator"]))
        self._seed, self._given = seed, batches
        self._resume = True

    def _sampled(self) -> Iterable[Any]:
        """What gives the index of each batch, or of each sample without batches."""
        found = self.batch_sampler if self._auto else self.sampler
        assert found is not None
        return found

    def _stateful_sampler(self) -> Any:
        sampler = None if self._stream else self._sampled()
        return sampler if hasattr(sampler, "state_dict") and hasattr(sampler, "load_state_dict") else None

    def _counted(self, batches: Iterator[Any], seed: int) -> Iterator[Any]:
        for batch in batches:
            if self._seed == seed:  # else another epoch was begun meanwhile, and that is the one to resume
                self._given += 1
            yield batch
        if self._seed == seed:
            self._seed, self._given = None, 0

    def _load_here(self, indices: Iterator[Any], first: int, skipped: int) -> Iterator[Any]:
        """The batches from number ``first`` on, without the first ``skipped`` of them."""
        fetcher = Fetcher(self.dataset, self.collate_fn, self._auto, self.drop_last, TensorMaker())
        number = first
        try:
            for number, index in enumerate(indices, first):
                batch = fetcher.fetch(index, skip=number < skipped)
                if number >= skipped:
                    yield batch
        except EndOfStream:
            return
        except Exception as error:
            error.add_note(f"Raised in the DataLoader while {fetcher.doing} (batch {number}).")
            raise

    def _load_by_workers(self, indices: Iterator[Any], seed: int, first: int, skipped: int) -> Iterator[Any]:
        pool = self._started_pool()
        pool.begin(seed)
        schedule = _Schedule(pool, indices, first, skipped)
        try:
            for _ in range(self.prefetch_factor or 0):
                for worker in range(self.num_workers):
                    schedule.ask(worker)
        except BaseException:  # the sampler failed
            if not self.persistent_workers:
                pool.close()
            raise
        return self._receive(schedule, pool.epoch)

    def _receive(self, schedule: _Schedule, epoch: int) -> Iterator[Any]:
        pool, asked = schedule.pool, schedule.asked
        done: set[int] = set()  # workers whose stream is at its end
        left = schedule.skipped
        try:
            while asked:
                if pool.epoch != epoch:
                    raise DataError(
                        "DataLoader: with persistent_workers one epoch runs at a time, and another was begun in the "
                        "middle of this one. Use a second DataLoader."
                    )
                workers = [asked[0]] if self.in_order else sorted(set(asked))
                worker, end, batch = pool.receive(workers, schedule.number - len(asked))
                asked.remove(worker)
                if end:
                    done.add(worker)
                    continue
                if worker not in done:
                    schedule.ask(worker)
                if left:
                    left -= 1
                else:
                    yield batch
        finally:
            if not self.persistent_workers:
                pool.close()

    def _started_pool(self) -> WorkerPool:
        if self._pool is not None and not self._pool.closed:
            return self._pool
        from multiprocessing import get_context

        from tapeloom.data.pool import WorkerPool

        context = self.multiprocessing_context
        assert self.prefetch_factor is not None
        pool = WorkerPool(
            self.dataset,
            self.collate_fn,
            self.worker_init_fn,
            auto=self._auto,
            drop_last=self.drop_last,
            num_workers=self.num_workers,
            prefetch_factor=self.prefetch_factor,
            timeout=self.timeout,
            context=get_context(context or "spawn") if context is None or isinstance(context, str) else context,
        )
        if self.persistent_workers:
            self._pool = pool
        return pool


class _Schedule:
    """Which worker loads what: ``asked`` is the worker of each task under way, in the order of the tasks."""

    def __init__(self, pool: WorkerPool, indices: Iterator[Any], first: int, skipped: int) -> None:
        self.pool = pool
        self.indices = indices
        self.number = first  # of the next task
        self.skipped = skipped  # batches of a stream that are read but not wanted
        self.asked: deque[int] = deque()

    def ask(self, worker: int) -> None:
        """Gives ``worker`` the next task, if there is one."""
        for index in islice(self.indices, 1):
            self.pool.submit(worker, self.number, index, skip=self.number < self.skipped)
            self.asked.append(worker)
            self.number += 1


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool, context: Any
) -> None:
    if isinstance(num_workers, bool) or not isinstance(num_workers, int) or num_workers < 0:
        raise ArgumentError(f"DataLoader: num_workers must be an int of 0 or more, got {num_workers!r}.")
    if timeout < 0:
        raise ArgumentError(f"DataLoader: timeout must not be negative, got {timeout}. 0 waits forever.")
    if num_workers == 0:
        given = {"prefetch_factor": prefetch_factor, "multiprocessing_context": context}
        given["persistent_workers"] = persistent_workers or None
        for name, value in given.items():
            if value is not None:
                raise ArgumentError(f"DataLoader: {name} needs workers. Set num_workers above 0, or leave it out.")
        return
    if prefetch_factor is not None and prefetch_factor < 1:
        raise ArgumentError(f"DataLoader: prefetch_factor must be 1 or more, got {prefetch_factor}.")
    method = context.get_start_method() if hasattr(context, "get_start_method") else context
    if method not in (None, "spawn", "forkserver"):
        raise ArgumentError(
            f"DataLoader: multiprocessing_context must be 'spawn', 'forkserver' or such a context, got {method!r}. "
            f"Forked processes break CUDA and JAX."
        )
