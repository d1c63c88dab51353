"""How data travels between the loader and its workers: pickles, with the large buffers beside them in shared memory.

``pack`` pickles a value; Tensors in it become host arrays, which ``unpack`` makes Tensors of again, on the default
device of the process that unpacks. Large arrays are not copied into the pickle: they are pieces of their own.

A ``Segment`` is memory that two processes share as a file without a name. It goes when the last process that has it
open is gone, however that one ended, so nothing can leak; and no limit of /dev/shm applies to it.
"""

from __future__ import annotations

import mmap
import os
import pickle
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from io import BytesIO
from multiprocessing import reduction
from typing import Any

import tapeloom as tl
from tapeloom import Tensor, host
from tapeloom.dtypes import DType

__all__ = ["INLINE", "Piece", "Segment", "interactive", "pack", "unpack"]

Piece = bytes | bytearray | memoryview

INLINE = 2**16  # bytes; what is smaller goes through the pipe itself
_BESIDE = 2**14  # bytes from which an array becomes a piece of its own
_ALIGNMENT = 64


class HostMaker:
    """The Maker of a worker: leaves become host arrays, marked to become Tensors where they arrive."""

    def stack(self, tensors: list[Tensor]) -> Any:
        return self.stack_arrays([tensor.numpy(force=True) for tensor in tensors])

    def stack_arrays(self, arrays: list[Any]) -> Any:
        return _HostTensor(host.stack(arrays))

    def array(self, array: Any) -> Any:
        return _HostTensor(array)

    def numbers(self, numbers: list[Any], dtype: DType) -> Any:
        return _HostTensor(host.asarray(numbers, dtype))


class _HostTensor:
    """A host array that is pickled as a Tensor."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __reduce__(self) -> tuple[Any, ...]:
        return _tensor, (self.array, False)


def _tensor(array: Any, requires_grad: bool) -> Tensor:
    made = tl.as_tensor(array)
    return made.requires_grad_() if requires_grad else made


class _Tensors:
    """Mixin of a Pickler: Tensors go as host arrays; ``check`` may refuse one."""

    def __init__(self, file: BytesIO, beside: list[Piece], check: Callable[[Tensor], None] | None) -> None:
        def keep(buffer: pickle.PickleBuffer) -> bool:
            raw = buffer.raw()
            if raw.nbytes < _BESIDE:
                return True  # into the pickle
            beside.append(raw)
            return False

        super().__init__(file, protocol=5, buffer_callback=keep)  # type: ignore[call-arg]
        self._check = check

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is not Tensor:
            other: Any = getattr(super(), "reducer_override", None)
            return NotImplemented if other is None else other(obj)
        if self._check is not None:
            self._check(obj)
        return _tensor, (obj.numpy(force=True), obj.is_leaf and obj.requires_grad)


def interactive() -> bool:
    """Whether this is a notebook or an interactive session, which no worker can import."""
    return not hasattr(sys.modules["__main__"], "__file__")


@cache
def _pickler(whole: bool) -> Any:
    base = pickle.Pickler
    if whole:
        with suppress(ImportError):
            base = import_module("cloudpickle").Pickler
    return type("_Pickler", (_Tensors, base), {})


def pack(value: Any, check: Callable[[Tensor], None] | None = None, *, whole: bool = False) -> list[Piece]:
    """The pickle of ``value``, and its large buffers.

    Classes and functions go by their names; if ``whole``, and cloudpickle is installed, those that cannot be imported by
    name go as they are.
    """
    file = BytesIO()
    pieces: list[Piece] = []
    _pickler(whole)(file, pieces, check).dump(value)
    return [file.getbuffer(), *pieces]


def unpack(pieces: Sequence[Piece]) -> Any:
    """The value of ``pack``; arrays use the memory of their piece."""
    return pickle.loads(pieces[0], buffers=pieces[1:])


class Segment:
    """Anonymous memory shared with another process, which gets it by pickling while that process is started."""

    supported = hasattr(os, "memfd_create")

    def __init__(self, fd: int | None = None) -> None:
        self._fd = os.memfd_create("tapeloom-data") if fd is None else fd

    def write(self, pieces: Sequence[Piece]) -> list[int]:
        """Puts ``pieces`` in place of what was there; returns their sizes, by which ``read`` and ``map`` find them."""
        offset = 0
        for piece in pieces:
            left = memoryview(piece).cast("B")
            offset = _aligned(offset)
            while left:
                count = os.pwrite(self._fd, left, offset)
                offset += count
                left = left[count:]
        return [memoryview(piece).nbytes for piece in pieces]

    def read(self, sizes: Sequence[int]) -> list[Piece]:
        """Copies of the pieces, each in memory of its own, so that keeping one keeps no other."""
        pieces: list[Piece] = []
        offset = 0
        for size in sizes:
            piece = bytearray(size)
            left = memoryview(piece)
            offset = _aligned(offset)
            while left:
                count = os.preadv(self._fd, [left], offset)
                if not count:
                    raise EOFError("shared memory ends before its data")
                offset += count
                left = left[count:]
            pieces.append(piece)
        return pieces

    def map(self, sizes: Sequence[int]) -> list[Piece]:
        """The pieces themselves: memory that all processes share until one writes to it and so gets its own copy."""
        view = memoryview(mmap.mmap(self._fd, 0, access=mmap.ACCESS_COPY))
        pieces: list[Piece] = []
        offset = 0
        for size in sizes:
            offset = _aligned(offset)
            pieces.append(view[offset : offset + size])
            offset += size
        return pieces

    def close(self) -> None:
        """Closes this process's end."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (reduction.DupFd(self._fd),)


def _opened(fd: Any) -> Segment:
    return Segment(fd.detach())


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT
