"""A stand-in for the cupy module over NumPy, whose RawModule compiles CUDA text with g++ and runs it on the host.

It lets the launchers run as they are (arguments, grids, dtypes) where there is no GPU. Every array that it allocates
has guard bytes on both sides, looked at after each launch, and starts as garbage.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import types
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

GUARD = 256
CUDA_TYPES = {
    0: np.dtype(np.float32),
    1: np.dtype(np.float64),
    2: np.dtype(np.float16),
    14: np.dtype(ml_dtypes.bfloat16),
}
FOLDER = Path(__file__).parent


class Pointer:
    def __init__(self, address: int) -> None:
        self.ptr = address


class HostArray(np.ndarray):
    """An array that says its address as cupy's do."""

    @property
    def data(self) -> Any:
        return Pointer(self.ctypes.data)


class Guards:
    """The blocks that are alive, and their guard bytes."""

    def __init__(self) -> None:
        self.blocks: list[Any] = []

    def allocate(self, shape: Any, dtype: Any, fill: int) -> Any:
        shape = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
        dtype = np.dtype(dtype)
        size = int(np.prod(shape)) * dtype.itemsize
        block = np.full(size + 2 * GUARD + 16, 0xA5, np.uint8)
        start = GUARD + -(block.ctypes.data + GUARD) % 16
        block[start : start + size] = fill
        self.blocks.append((block, start, size))
        return block[start : start + size].view(dtype).reshape(shape).view(HostArray)

    def check(self) -> None:
        for block, start, size in self.blocks:
            outside = np.concatenate([block[:start], block[start + size :]])
            assert (outside == 0xA5).all(), "a kernel wrote outside an array"


class Argument(ctypes.Structure):
    _fields_ = (("value", ctypes.c_void_p), ("kind", ctypes.c_char), ("size", ctypes.c_int))


class HostKernel:
    def __init__(self, cupy: HostCupy, entry: Any) -> None:
        self.cupy, self.entry = cupy, entry

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple[Any, ...]) -> None:
        assert 0 < grid[0] < 2**31 and all(0 < size < 65536 for size in grid[1:])
        assert len(block) == 1 and 0 < block[0] <= 1024
        kept, described = [], (Argument * len(arguments))()
        for place, argument in zip(described, arguments, strict=True):
            value: Any
            if argument is None:
                value, kind, size = np.uint64(0), b"p", 0
            elif isinstance(argument, HostArray):
                assert argument.flags.c_contiguous, "a kernel got an array that is not contiguous"
                value, kind, size = np.uint64(argument.ctypes.data), b"p", argument.itemsize
            else:
                assert isinstance(argument, np.generic), f"{argument!r} has no C type of its own"
                value, kind, size = argument, argument.dtype.kind.encode(), argument.dtype.itemsize
            kept.append(np.array([value]))
            place.value, place.kind, place.size = kept[-1].ctypes.data, kind, size
        dims = [(ctypes.c_uint * 3)(*(*size, 1, 1)[:3]) for size in (grid, block)]
        fault = self.entry(*dims, described, len(arguments), self.cupy.backwards)
        assert not fault, f"host launch: {fault.decode()}"
        self.cupy.launches += 1
        self.cupy.guards.check()


class HostModule:
    def __init__(self, cupy: HostCupy, code: str, names: tuple[str, ...]) -> None:
        entries = "\n".join(
            f'extern "C" const char* host_launch_{number}(unsigned* g, unsigned* b, const Argument* arguments,'
            f" int count, bool backwards) {{ return launch(&{name}, {{g[0], g[1], g[2]}}, {{b[0], b[1], b[2]}},"
            " arguments, count, backwards); }"
            for number, name in enumerate(names)
        )
        text = (FOLDER / "prelude.hpp").read_text("utf-8") + code + entries
        stem = cupy.folder / hashlib.sha256(text.encode()).hexdigest()[:20]
        library = stem.with_suffix(".so")
        if not library.exists():
            # Under names of this process, then moved: another test process may be at the same module.
            source, made = (stem.with_suffix(f".{os.getpid()}.{end}") for end in ("cpp", "so"))
            source.write_text(text, "utf-8")
            command = ["g++", "-std=c++17", "-O1", "-shared", "-fPIC", "-w", "-ffp-contract=off"]
            subprocess.run([*command, "-o", str(made), str(source)], check=True)
            made.replace(library)
            source.unlink()
        loaded = ctypes.CDLL(str(library))
        self.kernels = {}
        for number, name in enumerate(names):
            entry = getattr(loaded, f"host_launch_{number}")
            entry.restype = ctypes.c_char_p
            dims = ctypes.POINTER(ctypes.c_uint)
            entry.argtypes = (dims, dims, ctypes.POINTER(Argument), ctypes.c_int, ctypes.c_bool)
            self.kernels[name] = HostKernel(cupy, entry)

    def get_function(self, name: str) -> HostKernel:
        return self.kernels[name]


class HostCupy(types.ModuleType):
    """The module: NumPy's functions, guarded allocation, RawModule."""

    def __init__(self, folder: Path) -> None:
        super().__init__("cupy")
        self.folder = folder
        self.backwards = False
        self.launches = 0
        self.guards = Guards()

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def empty(self, shape: Any, dtype: Any = np.float64) -> Any:
        return self.guards.allocate(shape, dtype, 0xCD)

    def zeros(self, shape: Any, dtype: Any = np.float64) -> Any:
        return self.guards.allocate(shape, dtype, 0)

    def asarray(self, values: Any) -> Any:
        values = np.asarray(values)
        out = self.empty(values.shape, values.dtype)
        out[...] = values
        return out

    def ascontiguousarray(self, array: Any) -> Any:
        return array if array.flags.c_contiguous else self.asarray(array)

    def argsort(self, array: Any) -> Any:
        return np.argsort(array, kind="stable")

    def RawModule(self, code: str, options: tuple[str, ...], name_expressions: tuple[str, ...]) -> HostModule:
        return HostModule(self, code, name_expressions)


class HostCublas(types.ModuleType):
    """cublas.gemmEx and gemmStridedBatchedEx with CuPy's argument order, read by the letter of its documentation."""

    def __init__(self) -> None:
        super().__init__("cublas")
        self.calls: list[str] = []

    def gemmEx(
        self, handle: int, transa: int, transb: int, m: int, n: int, k: int, alpha: int, a: int, atype: int, lda: int,
        b: int, btype: int, ldb: int, beta: int, c: int, ctype: int, ldc: int, compute: int, algo: int,
    ) -> None:  # fmt: skip
        self._run(
            transa, transb, m, n, k, alpha, a, atype, lda, 0, b, btype, ldb, 0, beta, c, ctype, ldc, 0, 1, compute
        )
        self.calls.append("gemmEx")

    def gemmStridedBatchedEx(
        self, handle: int, transa: int, transb: int, m: int, n: int, k: int, alpha: int, a: int, atype: int, lda: int,
        stridea: int, b: int, btype: int, ldb: int, strideb: int, beta: int, c: int, ctype: int, ldc: int, stridec: int,
        batch: int, compute: int, algo: int,
    ) -> None:  # fmt: skip
        self._run(
            transa, transb, m, n, k, alpha, a, atype, lda, stridea, b, btype, ldb, strideb, beta, c, ctype, ldc,
            stridec, batch, compute,
        )  # fmt: skip
        self.calls.append("gemmStridedBatchedEx")

    def _run(
        self, transa: int, transb: int, m: int, n: int, k: int, alpha: int, a: int, atype: int, lda: int, stridea: int,
        b: int, btype: int, ldb: int, strideb: int, beta: int, c: int, ctype: int, ldc: int, stridec: int, batch: int,
        compute: int,
    ) -> None:  # fmt: skip
        assert lda >= max(1, k if transa else m) and ldb >= max(1, n if transb else k) and ldc >= max(1, m)
        wide = np.dtype(np.float64 if compute == 70 else np.float32)
        one, zero = (self._read(address, wide, (1,), (1,))[0] for address in (alpha, beta))
        assert (one, zero) == (1, 0)
        first = self._read(a, CUDA_TYPES[atype], (batch, m, k), (stridea, lda, 1) if transa else (stridea, 1, lda))
        second = self._read(b, CUDA_TYPES[btype], (batch, k, n), (strideb, ldb, 1) if transb else (strideb, 1, ldb))
        out = self._read(c, CUDA_TYPES[ctype], (batch, m, n), (stridec, 1, ldc))
        out[...] = (first.astype(wide) @ second.astype(wide)).astype(out.dtype)

    @staticmethod
    def _read(address: int, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
        span = 1 + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
        raw = (ctypes.c_char * (span * dtype.itemsize)).from_address(address)
        line = np.frombuffer(raw, dtype)
        return np.lib.stride_tricks.as_strided(line, shape, [step * dtype.itemsize for step in strides])
