"""The worker's side of the DataLoader: a spawned process that loads batches and hands over host arrays.

A worker never touches an accelerator: it hides them from itself before it unpickles the dataset. Before each batch it
seeds ``random``, ``numpy.random`` (where NumPy is imported) and tapeloom from the epoch's seed and the batch's number.
So augmentation depends neither on the number of workers nor on where a run was resumed.
"""

from __future__ import annotations

import os
import pickle
import random
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, NamedTuple

import tapeloom as tl
from tapeloom.data.fetch import EndOfStream, Fetcher
from tapeloom.data.info import WorkerInfo, get_worker_info, set_worker_info
from tapeloom.data.sampler import mix
from tapeloom.data.transport import INLINE, HostMaker, Piece, Segment, pack, unpack

_GRACE = 1.0  # seconds that a worker gets to finish what it is at when the loader has gone


class Job(NamedTuple):
    """All that a worker is started with.

    ``setup`` is ``(dataset, collate_fn, worker_init_fn)``, packed: the sizes of its pieces in ``setup_segment``, or
    without one the pieces. ``slots`` take large batches, one after another. ``interactive`` is of the loader's process.
    """

    id: int
    num_workers: int
    connection: Connection
    setup_segment: Segment | None
    setup: Sequence[Any]
    slots: Sequence[Segment]
    auto: bool
    drop_last: bool
    interactive: bool


class Epoch(NamedTuple):
    """To a worker: a new pass begins, what was asked for before is no longer wanted."""

    epoch: int
    seed: int


class Task(NamedTuple):
    """To a worker: load batch ``number``; with ``skip`` only move the stream on."""

    epoch: int
    number: int
    index: Any
    skip: bool


class Failure(NamedTuple):
    """An exception of a worker; ``pickled`` is None where it cannot be sent as it is."""

    pickled: bytes | None
    name: str
    text: str
    doing: str
    trace: str


class Reply(NamedTuple):
    """From a worker: a batch as pieces, or as sizes of pieces in a slot; or that it is ready, at the end, or failed.

    Without any of these: the task was stale.
    """

    epoch: int
    number: int
    slot: int = -1
    pieces: Sequence[Any] = ()
    failure: Failure | None = None
    ready: bool = False
    end: bool = False


def worker_main(job: Job) -> None:
    """What a worker process runs, until the loader closes the connection or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the loader, which then ends its workers
    _stay_on_host()
    worker = _Worker(job)
    try:
        if worker.set_up():
            worker.run()
    except (BrokenPipeError, ConnectionResetError):
        pass  # the loader is gone
    finally:
        worker.finished.set()


class _Worker:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.connection = job.connection
        self.tasks: SimpleQueue[Epoch | Task | None] = SimpleQueue()
        self.newest = 0  # the latest epoch that the loader has begun
        self.sent = 0
        self.finished = threading.Event()
        self.fetcher: Fetcher
        self.init_fn: Callable[[int], None] | None = None

    def set_up(self) -> bool:
        """Unpacks the dataset and says that the worker is ready, or why not."""
        job = self.job
        try:
            pieces = job.setup if job.setup_segment is None else job.setup_segment.map(job.setup)
            dataset, collate_fn, self.init_fn = unpack(pieces)
        except Exception as error:  # noqa: BLE001 - whatever the user's classes raise belongs to the loader
            error.add_note(
                "The worker is a fresh Python process, and classes and functions that it needs must be defined in a file "
                "that it can import. To use those of a notebook or an interactive session: pip install cloudpickle."
            )
            self.connection.send(Reply(0, -1, failure=_failure(error, "unpickling the dataset")))
            return False
        self.fetcher = Fetcher(dataset, collate_fn, job.auto, job.drop_last, HostMaker())
        self.connection.send(Reply(0, -1, ready=True))
        threading.Thread(target=self.listen, name="tapeloom-data listener", daemon=True).start()
        return True

    def listen(self) -> None:
        """Takes in tasks as they come, so that the loader never waits to hand one over."""
        try:
            while True:
                message = pickle.loads(self.connection.recv_bytes())
                if isinstance(message, Epoch):
                    self.newest = message.epoch
                self.tasks.put(message)
        except (EOFError, OSError):
            pass  # the loader closed the connection, or is gone
        finally:
            self.tasks.put(None)
            if not self.finished.wait(_GRACE):  # stuck in a sample that nobody wants any more
                os._exit(1)

    def run(self) -> None:
        seed = 0
        while (message := self.tasks.get()) is not None:
            if isinstance(message, Epoch):
                seed = message.seed
                self.begin(seed)
            elif message.epoch != self.newest:
                self.connection.send(Reply(message.epoch, message.number))
            else:
                self.connection.send(self.answer(message, seed))

    def begin(self, seed: int) -> None:
        """Starts an epoch: a new stream, and in the first one ``worker_init_fn``."""
        self.fetcher.stream = None
        first = get_worker_info() is None
        own = seed + self.job.id
        set_worker_info(WorkerInfo(self.job.id, self.job.num_workers, own, self.fetcher.dataset))
        seed_all(own)
        if first and self.init_fn is not None:
            try:
                self.init_fn(self.job.id)
            except Exception as error:  # noqa: BLE001 - to be raised in the loader
                self.connection.send(Reply(0, -1, failure=_failure(error, "running worker_init_fn")))

    def answer(self, task: Task, seed: int) -> Reply:
        seed_all(mix(seed, task.number))
        try:
            batch = self.fetcher.fetch(task.index, task.skip)
            self.fetcher.doing = "pickling the batch for the loader"
            return self.parcel(task, pack(batch, whole=self.job.interactive))
        except EndOfStream:
            return Reply(task.epoch, task.number, end=True)
        except Exception as error:  # noqa: BLE001 - to be raised in the loader
            return Reply(task.epoch, task.number, failure=_failure(error, self.fetcher.doing))

    def parcel(self, task: Task, pieces: list[Piece]) -> Reply:
        slots = self.job.slots
        if not slots or sum(memoryview(piece).nbytes for piece in pieces) <= INLINE:
            return Reply(task.epoch, task.number, pieces=[bytearray(piece) for piece in pieces])
        # The loader has read what was in this slot: it never asks for more batches at a time than there are slots.
        slot = self.sent % len(slots)
        self.sent += 1
        return Reply(task.epoch, task.number, slot, slots[slot].write(pieces))


def _failure(error: Exception, doing: str) -> Failure:
    pickled: bytes | None
    try:
        pickled = pickle.dumps(error)
        if type(pickle.loads(pickled)) is not type(error):
            pickled = None
    except Exception:  # noqa: BLE001 - an exception may do anything when pickled
        pickled = None
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    trace = "".join(traceback.format_exception(error))
    return Failure(pickled, name, str(error), doing, trace)


def _stay_on_host() -> None:
    # Set here and not by the loader: its own environment must not change, and the main module, imported anew before
    # this runs, may name its device.
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ.pop("TAPELOOM_DEVICE", None)
    tl.set_default_device(None)


def seed_all(seed: int) -> None:
    """Seeds every source of random numbers that samples are made with."""
    random.seed(seed)
    tl.manual_seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed([seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF])
