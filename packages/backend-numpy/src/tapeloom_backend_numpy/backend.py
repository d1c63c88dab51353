"""NumpyBackend: the shared kernels over NumPy, and what differs or is faster here."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from tapeloom.backend.arrayapi import ArrayAPIBackend
from tapeloom.devices import Device
from tapeloom.dtypes import DType
from tapeloom_backend_numpy.activation import CachedActivation
from tapeloom_backend_numpy.convolution import ChannelsLast
from tapeloom_backend_numpy.decomposition import Decomposition
from tapeloom_backend_numpy.embedding import SortedEmbedding
from tapeloom_backend_numpy.fused import Fused
from tapeloom_backend_numpy.masking import Masking
from tapeloom_backend_numpy.memory import owned
from tapeloom_backend_numpy.normalization import CachedNormalization
from tapeloom_backend_numpy.optimizer import FusedOptimizers
from tapeloom_backend_numpy.philox import NativeRandom
from tapeloom_backend_numpy.scan import NativeScan
from tapeloom_backend_numpy.sorting import VectorSorting
from tapeloom_backend_numpy.summation import Summation

Array = Any

# log(0) and 1 / 0 are -inf and inf without a word, as in PyTorch; the user's own NumPy code keeps its warnings.
# One filter at load instead of errstate in every kernel, which costs 1.1 us an op and does not reach other threads.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"tapeloom($|\.|_)")


class NumpyKernels(
    ChannelsLast,
    NativeRandom,
    FusedOptimizers,
    CachedActivation,
    CachedNormalization,
    SortedEmbedding,
    VectorSorting,
    Masking,
    Fused,
    NativeScan,
    Decomposition,
    Summation,
):
    """The shared kernels over NumPy. 0-d results are NumPy scalars inside; only transfer turns them into arrays."""

    def count_nonzero(self, x: Array, dim: tuple[int, ...]) -> Array:
        return self.as_int64(
            self.xp.sum(x != 0, axis=dim)
        )  # compared in vector instructions, unlike by np.count_nonzero

    # methods and attributes of arrays, which the Array API standard does not have, where its functions are slower

    def cast(self, x: Array, dtype: DType) -> Array:
        native = self._native[dtype]
        if x.dtype == native:
            return x
        return x.astype(native) if x.dtype.kind != "c" or dtype.is_complex else super().cast(x, dtype)

    def real(self, x: Array) -> Array:
        return x.real

    def imag(self, x: Array) -> Array:
        return x.imag

    def swap_last(self, x: Array) -> Array:
        return x.mT

    def copy(self, array: Array) -> Array:
        return self.xp.array(array)  # an array also of a scalar, whose own copy could not be written to


class NumpyBackend(ArrayAPIBackend):
    """The backend for ``cpu``."""

    name = "numpy"
    device_type = "cpu"
    kernels_class = NumpyKernels
    accelerates = False

    def device_name(self, device: Device) -> str:
        import platform

        return platform.processor() or platform.machine()

    def versions(self) -> dict[str, str]:
        import ml_dtypes

        return {"numpy": self.xp.__version__, "ml_dtypes": ml_dtypes.__version__}

    def scalar(self, value: bool | int | float | complex, dtype: DType, device: Device) -> Array:
        return self.kernels.native(dtype).type(value)

    def from_host(self, array: Any, device: Device) -> Array:
        return array

    def to_host(self, array: Array) -> Any:
        return self.xp.asarray(array)

    def owns_memory(self, array: Array) -> bool:
        return owned(array)

    def in_range(self, index: Array, low: int | float, high: int | float) -> bool:
        if low == 0 and type(index) is np.ndarray and index.dtype.kind == "i" and index.itemsize == 8:
            # as unsigned, negative numbers are very large ones: one comparison for both bounds
            return not np.count_nonzero(index.view(np.uint64) >= high)
        return bool(((index >= low) & (index < high)).all())
