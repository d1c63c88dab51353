"""Replacing a file in one step: at every moment its path leads to the old file or to the new one, whole."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
import zlib
from collections.abc import Callable, Iterator
from glob import escape
from pathlib import Path
from typing import BinaryIO

_STALE = 3600.0  # seconds without a write after which an unfinished file is what a killed write left behind
_LONGEST = 200  # bytes of a name that leave room for what unfinished files have around it


def written_directly(path: Path) -> bool:
    """Whether ``path`` is a device, a pipe or a socket: nothing takes its place, what is written goes into it."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def write(path: Path, fill: Callable[[BinaryIO], None]) -> None:
    """Write a new file beside ``path``, have it on the disk, then take the place of ``path``. Raises OSError.

    After an error what was there before is unchanged, unless it is ``written_directly``. A link goes on leading where
    it leads. A file that was there passes on its permissions and, where that is allowed, its owner.
    """
    if written_directly(path):
        with path.open("wb") as file:
            fill(file)
        return
    goal = Path(os.path.realpath(path))
    before = _writable(goal)
    mode = 0o666 if before is None else stat.S_IMODE(before.st_mode)
    fresh = goal.with_name(f"{_unfinished(goal)}.{os.getpid()}-{time.monotonic_ns()}.tmp")
    try:
        with open(fresh, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            if before is not None:
                _pass_on(before, fresh)
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        with _synced(goal.parent):
            fresh.replace(goal)
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()
    _remove_leftovers(goal)


def _writable(goal: Path) -> os.stat_result | None:
    """What is known of the file at ``goal``, None where there is none; raises OSError where it may not be written."""
    try:
        found = goal.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, f"{goal} is a folder")
    if not os.access(goal, os.W_OK):  # the folder alone decides who may take its place
        raise PermissionError(errno.EACCES, "the file there is write-protected")
    return found


def _pass_on(before: os.stat_result, fresh: Path) -> None:
    """Give ``fresh`` owner and permissions of the file before it; in this order, as a new owner drops permissions."""
    if hasattr(os, "chown"):
        with contextlib.suppress(OSError):  # only the superuser may give files away
            os.chown(fresh, before.st_uid, before.st_gid)
    fresh.chmod(stat.S_IMODE(before.st_mode))


@contextlib.contextmanager
def _synced(folder: Path) -> Iterator[None]:
    """Have the names in ``folder`` on the disk too after the block, where the system does that."""
    handle = None
    if os.name != "nt":  # Windows opens no folders
        with contextlib.suppress(PermissionError):  # one may write to a folder that one may not read
            handle = os.open(folder, os.O_RDONLY)
    try:
        yield
        if handle is not None:
            with contextlib.suppress(OSError):  # some file systems do not sync folders
                os.fsync(handle)
    finally:
        if handle is not None:
            os.close(handle)


def _unfinished(goal: Path) -> str:
    """How the names of unfinished files for ``goal`` begin."""
    name = os.fsencode(goal.name)
    return f".{goal.name}" if len(name) <= _LONGEST else f".{zlib.crc32(name):08x}"


def _remove_leftovers(goal: Path) -> None:
    """Delete what killed writes of this path left behind."""
    with contextlib.suppress(OSError):
        for leftover in goal.parent.glob(f"{escape(_unfinished(goal))}.*-*.tmp"):
            with contextlib.suppress(OSError):  # another process was faster
                if time.time() - leftover.stat().st_mtime > _STALE:
                    leftover.unlink()
