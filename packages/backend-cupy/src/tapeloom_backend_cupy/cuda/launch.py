"""What every kernel family shares: its source text, its compiled functions, and how large a grid to launch.

A family is one ``.cu`` file. Its templates are compiled by NVRTC when a dtype is first used, one module for each
dtype, and CuPy keeps the binaries on disk. Nothing here imports CuPy before a kernel is asked for.

Launchers run on the current device and the current stream: whoever calls them has entered the arrays' device.
CuPy compiles with ``-ftz=true``, so float32 (and bfloat16) denormals count as zero in these kernels, as on XLA.
"""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import Any, NamedTuple

from tapeloom import dtypes
from tapeloom.errors import DTypeError

OPTIONS = ("-std=c++17",)

# How each dtype is spelled in the sources: float and double are aliases in PyTorch too, the half types common.cuh defines.
C_TYPES = {dtype.name: dtype.name if dtype.half else dtype.alias for dtype in dtypes.FLOATS}

THREADS = 256
MOST_BLOCKS = 1 << 20
# Loops walk on by whole grids, so the last addition may overshoot by one grid: 32-bit places stop that far below 2^31.
INT32_PLACES = 2**31 - 1 - MOST_BLOCKS * THREADS


class Family(NamedTuple):
    """The kernels of one source file. ``{T}`` in a template stands for the C name of the dtype."""

    file: str
    templates: tuple[str, ...]

    @property
    def typed(self) -> bool:
        """Whether the family has one instance for each dtype."""
        return any("{T}" in template for template in self.templates)

    def names(self, dtype: str) -> tuple[str, ...]:
        """The C++ names of all instances for one dtype, as NVRTC is asked for them."""
        return tuple(template.replace("{T}", C_TYPES.get(dtype, "")) for template in self.templates)

    def source(self) -> str:
        """The whole CUDA text: the common part, then the family."""
        folder = Path(__file__).parent
        return (folder / "common.cuh").read_text("utf-8") + "\n" + (folder / self.file).read_text("utf-8")


def cupy() -> Any:
    """The cupy module, imported at the first launch."""
    return importlib.import_module("cupy")


@functools.cache
def _module(cp: Any, family: Family, dtype: str) -> Any:
    return cp.RawModule(code=family.source(), options=OPTIONS, name_expressions=family.names(dtype))


@functools.cache
def function(cp: Any, family: Family, template: str, dtype: str = "") -> Any:
    """The compiled kernel of ``template`` for ``dtype`` (a NumPy dtype name); compiles the family's on first use."""
    name = family.names(dtype)[family.templates.index(template)]
    return _module(cp, family, dtype if family.typed else "").get_function(name)


def check_dtype(what: str, dtype: str) -> None:
    """Raise DTypeError unless the CUDA kernels are compiled for ``dtype``."""
    if dtype not in C_TYPES:
        raise DTypeError(
            f"{what}: no CUDA kernel for dtype {dtype}. Cast to one of {', '.join(C_TYPES)} before the call."
        )


def accumulator(dtype: str) -> str:
    """The dtype in which a kernel sums values of ``dtype``."""
    return "float32" if dtypes.BY_NAME[dtype].half else dtype


def ceil_div(n: int, by: int) -> int:
    """The quotient, rounded up."""
    return -(-n // by)


def grid_for(places: int, threads: int = THREADS) -> int:
    """Blocks for one thread a place; past MOST_BLOCKS the threads walk on by whole grids."""
    return min(ceil_div(places, threads), MOST_BLOCKS)


def index_type(*places: int) -> str:
    """The C type that counts so many places: int where it can, i64 past that."""
    return "int" if max(places) <= INT32_PLACES else "i64"
