"""ArrayAPIBackend: a whole backend over an array module ``xp``, with the shared kernels; what is asked of ``xp``: see ``kernels``."""

from __future__ import annotations

from typing import Any

from tapeloom import dtypes
from tapeloom.backend.array import Array
from tapeloom.backend.kernels import ArrayKernels
from tapeloom.backend.runtime import Backend
from tapeloom.devices import Device
from tapeloom.dtypes import DType


class ArrayAPIBackend(Backend):
    """A backend whose arrays are those of ``xp``. A subclass gives ``from_host`` and ``to_host``, and what differs.

    ``kernels_class`` is the class of its kernels: give a subclass of ``ArrayKernels`` to override some.
    """

    kernels_class: type[ArrayKernels] = ArrayKernels

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name in vars(cls):
            if hasattr(ArrayKernels, name) and not hasattr(ArrayAPIBackend, name) and not name.startswith("_"):
                raise TypeError(
                    f"{cls.__name__}.{name} is a kernel. Put it into a subclass of ArrayKernels, and name that class as "
                    f"kernels_class of {cls.__name__}."
                )

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        self.kernels = self.kernels_class(xp)
        absent = [dtype.name for dtype in dtypes.ALL if self.native(dtype) is None and dtype not in self.lacking_dtypes]
        if absent:
            raise TypeError(
                f"{type(self).__name__}: {getattr(xp, '__name__', xp)} has no {', '.join(absent)}. "
                f"List them in lacking_dtypes of {type(self).__name__}, or let native_dtype of its kernels give them."
            )

    def native(self, dtype: DType) -> Any:
        return self.kernels.native(dtype)

    def dtype_of(self, array: Array) -> DType:
        return self.kernels.dtype_of(array)

    def from_dlpack(self, foreign: Any, device: Device, copy: bool | None) -> Array:
        taken = self.xp.from_dlpack(foreign) if copy is None else self.xp.from_dlpack(foreign, copy=copy)
        return taken if self.device_of(taken) is device else self.to_device(taken, device)

    def scalar(self, value: bool | int | float | complex, dtype: DType, device: Device) -> Array:
        return self.xp.asarray(value, dtype=self.native(dtype))

    def zeros(self, size: tuple[int, ...], dtype: DType, device: Device) -> Array:
        return self.xp.zeros(size, dtype=self.native(dtype))

    def full(self, size: tuple[int, ...], value: bool | int | float | complex, dtype: DType, device: Device) -> Array:
        return self.xp.full(size, value, dtype=self.native(dtype))

    def arange(self, start: float, step: float, count: int, dtype: DType, device: Device) -> Array:
        wide = dtypes.float64 if dtype.inexact else dtypes.int64
        places = self.xp.arange(count, dtype=self.native(wide))
        return self.kernels.cast(places * step + start, dtype)

    def random_words(self, seed: int, offset: int, count: int, device: Device) -> Array:
        drawn = self.kernels.random_words(seed, offset, count)
        return drawn if self.device_count() == 1 else self.to_device(drawn, device)

    def copy(self, array: Array) -> Array:
        return self.kernels.copy(array)

    def in_range(self, index: Array, low: int | float, high: int | float) -> bool:
        return bool(self.xp.all(self.kernels.ge(index, low) & self.kernels.lt(index, high)))
