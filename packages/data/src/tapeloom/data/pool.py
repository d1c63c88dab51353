"""The loader's side of its workers: start them, give them tasks, take their batches, notice when one is gone.

Each worker has a connection of its own and no lock is shared, so a worker may die at any point without the others or
the loader getting stuck: its end of the connection closes, and that is seen at once.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from typing import Any, NoReturn

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.data.dataset import Dataset
from tapeloom.data.transport import Piece, Segment, interactive, pack, unpack
from tapeloom.data.workers import Epoch, Failure, Job, Reply, Task, worker_main
from tapeloom.errors import DataError

_GRACE = 1.0  # seconds that workers get to end by themselves, and then again to obey a signal


class _Sender(threading.Thread):
    """Hands messages to a worker, in a thread of its own: a worker that is stuck takes none, and nobody else may wait.

    It closes the connection too, so that no other thread does while it writes.
    """

    def __init__(self, connection: Connection, worker: int) -> None:
        super().__init__(name=f"tapeloom-data sender {worker}", daemon=True)
        self._connection = connection
        self._messages: SimpleQueue[bytes] = SimpleQueue()

    def send(self, message: Epoch | Task) -> None:
        """Have ``message`` sent as soon as the worker takes it. Raises what pickling it raises."""
        self._messages.put(pickle.dumps(message))

    def end(self) -> None:
        """Close the connection after what is under way."""
        self._messages.put(b"")

    def run(self) -> None:
        with self._connection:
            while message := self._messages.get():
                with suppress(OSError):  # the worker is gone, which is seen where its answers are awaited
                    self._connection.send_bytes(message)


class _Member:
    """One worker as the loader sees it; ``waiting`` holds the epochs of the tasks that it has not answered."""

    def __init__(
        self, id: int, process: BaseProcess, connection: Connection, sender: _Sender, slots: list[Segment]
    ) -> None:
        self.id = id
        self.process = process
        self.connection = connection
        self.sender = sender
        self.slots = slots
        self.waiting: deque[int] = deque()
        self.ready = False
        self.pid = process.pid

    def __str__(self) -> str:
        return f"DataLoader worker {self.id} (pid {self.pid})"


class WorkerPool:
    """Worker processes of one loader. Raises DataError if the dataset or a function cannot be pickled."""

    def __init__(
        self,
        dataset: Dataset[Any],
        collate_fn: Callable[[Any], Any],
        worker_init_fn: Callable[[int], None] | None,
        *,
        auto: bool,
        drop_last: bool,
        num_workers: int,
        prefetch_factor: int,
        timeout: float,
        context: BaseContext,
    ) -> None:
        self.epoch = 0
        self._prefetch = prefetch_factor
        self._timeout = timeout
        self._members: list[_Member] = []
        self._finalizer = weakref.finalize(self, _stop, self._members, os.getpid())
        pieces = _packed_setup(num_workers, dataset, collate_fn, worker_init_fn)
        segment = Segment() if Segment.supported else None
        try:
            setup = [bytes(piece) for piece in pieces] if segment is None else segment.write(pieces)
            for id in range(num_workers):
                slots = [Segment() for _ in range(prefetch_factor)] if segment is not None else []
                ours, theirs = context.Pipe()
                job = Job(id, num_workers, theirs, segment, setup, slots, auto, drop_last, interactive())
                process = context.Process(  # type: ignore[attr-defined]
                    target=worker_main, args=(job,), name=f"tapeloom-data worker {id}", daemon=True
                )
                sender = _Sender(ours, id)
                with _uninterrupted():
                    try:
                        sender.start()
                        process.start()
                        self._members.append(_Member(id, process, ours, sender, slots))
                    except BaseException:
                        sender.end()
                        raise
                    finally:
                        theirs.close()  # so that the connection ends when the worker does
        except BaseException:
            self.close()
            raise
        finally:
            if segment is not None:
                segment.close()

    def __len__(self) -> int:
        return len(self._members)

    @property
    def closed(self) -> bool:
        """Whether the workers have been ended."""
        return not self._finalizer.alive

    def close(self) -> None:
        """Ends the workers, by force if need be, and waits until they are gone."""
        self._finalizer()

    def pids(self) -> list[int | None]:
        """The process ids of the workers."""
        return [member.pid for member in self._members]

    def begin(self, seed: int) -> None:
        """Starts a new pass: whatever was asked for before is dropped."""
        self.epoch += 1
        for member in self._members:
            self._send(member, Epoch(self.epoch, seed))

    def submit(self, worker: int, number: int, index: Any, skip: bool = False) -> None:
        """Asks ``worker`` for batch ``number``."""
        member = self._members[worker]
        while len(member.waiting) >= self._prefetch:  # only answers of an earlier pass can be left
            self._answer([member], time.monotonic() + self._timeout, number)
        member.waiting.append(self.epoch)
        self._send(member, Task(self.epoch, number, index, skip))

    def receive(self, workers: Sequence[int], number: int) -> tuple[int, bool, Any]:
        """Waits until one of ``workers`` has an answer: ``(worker, whether its stream is at its end, batch)``.

        Raises what the worker raised, or DataError if one died or none answered in time. ``number`` is for messages.
        """
        deadline = time.monotonic() + self._timeout
        members = [self._members[worker] for worker in workers]
        while True:
            member, reply = self._answer(members, deadline, number)
            if reply.epoch != self.epoch:
                continue
            if reply.failure is not None:
                raise _exception(member, reply.failure, reply.number)
            if reply.end:
                return member.id, True, None
            if reply.slot >= 0:
                return member.id, False, unpack(member.slots[reply.slot].read(reply.pieces))
            return member.id, False, unpack(reply.pieces)

    def _answer(self, members: list[_Member], deadline: float, number: int) -> tuple[_Member, Reply]:
        """The next answer to a task from one of ``members``."""
        while True:
            connections = {member.connection: member for member in members}
            sentinels = {member.process.sentinel: member for member in self._members}
            left = max(0.0, deadline - time.monotonic()) if self._timeout else None
            try:
                events = wait([*connections, *sentinels], left)
            except BaseException:
                self.close()
                raise
            if not events:
                self._late(members, number)
            for member in members:
                if member.connection in events:
                    reply = self._receive(member, number)
                    if reply is not None:
                        return member, reply
                    break
            else:
                self._dead(next(sentinels[event] for event in events if event in sentinels), number)

    def _receive(self, member: _Member, number: int) -> Reply | None:
        """One message of a worker; None if it was not the answer to a task."""
        reply: Reply | None
        try:
            reply = member.connection.recv()
        except (EOFError, ConnectionError):
            reply = None
        except BaseException:  # perhaps in the middle of a message: nothing after it could be read
            self.close()
            raise
        if reply is None:
            self._dead(member, number)
        if reply.ready:
            member.ready = True
            return None
        if reply.epoch == 0:
            self.close()
            assert reply.failure is not None
            raise _exception(member, reply.failure, None)
        member.waiting.popleft()
        return reply

    def _send(self, member: _Member, message: Epoch | Task) -> None:
        try:
            member.sender.send(message)
        except BaseException:
            self.close()
            raise

    def _late(self, members: list[_Member], number: int) -> NoReturn:
        who = " or ".join(map(str, members))
        self.close()
        raise DataError(
            f"{who} did not give batch {number} within timeout={self._timeout:g} seconds. Loading is too slow or stuck: "
            f"raise timeout, add workers, or look for what blocks in the dataset."
        )

    def _dead(self, member: _Member, number: int) -> NoReturn:
        """Raises what a worker that is gone said last, or how it ended."""
        last: Reply | None = None
        try:
            while member.connection.poll():
                last = member.connection.recv()
                member.ready = member.ready or last.ready
        except (EOFError, OSError):
            pass
        member.process.join(_GRACE)
        code = member.process.exitcode
        self.close()
        if last is not None and last.epoch == 0 and last.failure is not None:
            raise _exception(member, last.failure, None)
        raise DataError(f"{member} {_ending(code)} {_advice(code, member.ready, number)}")


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Holds Ctrl-C back: a worker is started whole, and inherits the hold until it is ready to ignore Ctrl-C."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ending(code: int | None) -> str:
    if code is None:
        return "closed its connection"
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def _advice(code: int | None, ready: bool, number: int) -> str:
    if not ready:
        return (
            "before it was ready; what it printed says why. Each worker imports the main script again: keep the code "
            'that starts training under `if __name__ == "__main__":`.'
        )
    text = f"while batch {number} was awaited."
    if code == -9:
        return f"{text} The system does this when memory runs out: use fewer workers or a smaller prefetch_factor."
    return f"{text} Run with num_workers=0 to see where the dataset ends the process."


def _exception(member: _Member, failure: Failure, number: int | None) -> BaseException:
    """The worker's exception, with a note that says where it came from; a DataError where it cannot be sent."""
    error: BaseException | None = None
    if failure.pickled is not None:
        try:
            error = pickle.loads(failure.pickled)
        except Exception:  # noqa: BLE001 - its class may load in the worker alone
            error = None
    if not isinstance(error, Exception) or isinstance(error, StopIteration):  # that one would end the user's loop
        error = DataError(f"{member} failed with {failure.name}: {failure.text}")
    batch = "" if number is None else f" (batch {number})"
    error.add_note(f"Raised in {member} while {failure.doing}{batch}.\n\n{failure.trace.rstrip()}")
    return error


def _packed_setup(
    num_workers: int,
    dataset: Dataset[Any],
    collate_fn: Callable[[Any], Any],
    worker_init_fn: Callable[[int], None] | None,
) -> list[Piece]:
    try:
        return pack((dataset, collate_fn, worker_init_fn), _check_device, whole=interactive())
    except DataError:
        raise
    except Exception as error:
        what, cause = "the dataset", error
        parts: dict[str, Any] = {
            "collate_fn": collate_fn,
            "worker_init_fn": worker_init_fn,
        }
        for name, value in getattr(dataset, "__dict__", {}).items():
            parts[f"the attribute {name!r} of the dataset"] = value
        for name, part in parts.items():
            try:
                pack(part, whole=interactive())
            except Exception as found:  # noqa: BLE001 - any class may raise anything here
                what, cause = name, found
                break
        raise DataError(
            f"DataLoader with num_workers={num_workers}: {what} cannot be pickled ({type(cause).__name__}: {cause}). "
            f"Workers are spawned as fresh processes, because a forked one breaks CUDA and JAX, and get the dataset "
            f"({type(dataset).__name__}) as a pickle. Define classes and functions at the top level of a module, open "
            f"files on first use in __getitem__ instead of in __init__, or use num_workers=0."
        ) from error


def _check_device(tensor: Tensor) -> None:
    """Refuses a Tensor that would come back on another device than it went from."""
    if tensor.device.type == "cpu" or tensor.device == tl.get_default_device():
        return
    raise DataError(
        f"DataLoader: the dataset holds a Tensor on {tensor.device}, which workers cannot use, and the batches that they "
        f"load arrive on the default device, {tl.get_default_device()}. Keep the dataset on the CPU, make "
        f"{tensor.device} the default device, or use num_workers=0."
    )


def _stop(members: list[_Member], owner: int) -> None:
    """Ends the workers; the one way out for all cases, at the latest when the program ends."""
    if os.getpid() != owner:  # a process forked from the loader's: the workers are not its own
        return
    for member in members:
        member.sender.end()  # a worker that is not in the middle of a batch ends on this
        for slot in member.slots:
            slot.close()
    deadline = time.monotonic() + _GRACE
    for member in members:
        member.process.join(max(0.0, deadline - time.monotonic()))
    for force in (BaseProcess.terminate, BaseProcess.kill):
        late = [member.process for member in members if member.process.is_alive()]
        for process in late:
            force(process)
        for process in late:
            process.join(_GRACE)
    for member in members:
        if member.sender is not threading.current_thread():  # it may be the one that collects garbage
            member.sender.join(_GRACE)
        if not member.process.is_alive():
            member.process.close()
