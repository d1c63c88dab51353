"""Work that may crash, hang or ask for all memory, done in a child: the parent goes on behind what killed it."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

#: what the child may add to its memory, in bytes, and the seconds that one item may take
MEMORY, SECONDS = 3 << 30, 60


def guarded(work: Callable[[int], Any], items: Sequence[int]) -> Iterator[tuple[int, Any]]:
    """(item, ``work(item)``) in order; in place of the result of an item that killed the child, what happened as a text.

    None where the memory was not enough to compare: nothing is said of such an item.
    """
    context = multiprocessing.get_context("fork")  # what the parent has imported need not be imported again
    done = 0
    while done < len(items):
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=_child, args=(work, items[done:], sender), daemon=True)
        child.start()
        sender.close()
        try:
            while done < len(items):
                if not receiver.poll(SECONDS):
                    child.kill()
                    yield items[done], f"no answer for {SECONDS} seconds"
                    done += 1
                    break
                result = receiver.recv()
                if isinstance(result, BaseException):
                    raise result
                yield items[done], result
                done += 1
        except EOFError:
            child.join()
            yield items[done], f"the process died with exit status {child.exitcode}"
            done += 1
        finally:
            receiver.close()
            child.kill()
            child.join()


def _child(work: Callable[[int], Any], items: Sequence[int], sender: Any) -> None:
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
    try:
        for item in items:
            try:
                result = work(item)
            except MemoryError:
                result = None
            sender.send(result)
    except Exception as error:
        sender.send(RuntimeError(f"the hunt itself failed at {item}: {type(error).__name__}: {error}"))
        raise
