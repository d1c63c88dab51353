"""CupyBackend: the shared kernels over CuPy, with own CUDA kernels where CuPy has none or a slow one.

The class takes its module as an argument: over NumPy it runs with the kernels' NumPy twins, so that everything but the
CUDA text itself is tested where there is no GPU.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from tapeloom import dtypes
from tapeloom.backend.arrayapi import ArrayAPIBackend
from tapeloom.devices import Device
from tapeloom.dtypes import DType
from tapeloom.tape.op import Op
from tapeloom_backend_cupy import kernels

Array = Any


class CupyBackend(ArrayAPIBackend):
    """The backend for ``cuda``: ``CupyBackend(cupy)``, or ``CupyBackend(numpy)`` in tests."""

    name = "cupy"
    device_type = "cuda"
    # CuPy's own support is partial; these kernels of ours take it as it is
    narrow_dtypes = frozenset({dtypes.bfloat16})
    narrow_kernels = frozenset(
        "matmul softmax log_softmax max_pool_with_indices max_pool_backward cross_entropy "
        "cross_entropy_backward embedding_backward".split()
    )

    def __init__(self, xp: Any) -> None:
        super().__init__(xp)
        self.on_gpu = xp.__name__ == "cupy"
        self.kernels = kernels.of(xp)
        self._several = self.device_count() > 1
        self._scalar = functools.lru_cache(maxsize=1024, typed=True)(self._make_scalar)

    # devices

    def device_count(self) -> int:
        return int(self.xp.cuda.runtime.getDeviceCount()) if self.on_gpu else 1

    def current_index(self) -> int:
        return int(self.xp.cuda.runtime.getDevice()) if self.on_gpu else 0

    def synchronize(self, device: Device) -> None:
        if self.on_gpu:
            self.xp.cuda.Device(device.index).synchronize()

    def versions(self) -> dict[str, str]:
        found = {self.xp.__name__: str(self.xp.__version__)}
        if self.on_gpu:
            runtime = self.xp.cuda.runtime
            found["CUDA runtime"] = str(runtime.runtimeGetVersion())
            found["CUDA driver"] = str(runtime.driverGetVersion())
            found["GPU"] = runtime.getDeviceProperties(self.current_index())["name"].decode()
        return found

    def kernel(self, op: Op[Any, Any]) -> Callable[..., Any]:
        found = super().kernel(op)
        return self._entering(found) if self._several else found

    def _entering(self, kernel: Callable[..., Any]) -> Callable[..., Any]:
        """With several GPUs: run ``kernel`` with the device of its first array as the current one."""

        def entered(*values: Any) -> Any:
            for value in values:
                first = value[0] if isinstance(value, list) and value else value
                if isinstance(first, self.xp.ndarray):
                    with first.device:
                        return kernel(*values)
            return kernel(*values)

        return entered

    def pull(self, node: Any, g: Array) -> Any:
        if not self._several:
            return super().pull(node, g)
        with self.xp.cuda.Device(node.kind.device.index):
            return super().pull(node, g)

    # transfer

    def from_host(self, array: Any, device: Device) -> Array:
        if not self.on_gpu:
            return self.xp.array(array)
        with self.xp.cuda.Device(device.index):
            return self.xp.asarray(array)

    def to_host(self, array: Array) -> Any:
        return self.xp.asnumpy(array) if self.on_gpu else self.xp.asarray(array)

    def to_device(self, array: Array, device: Device) -> Array:
        if not self.on_gpu:
            return array
        with self.xp.cuda.Device(device.index):
            return self.xp.array(array)

    # creation, on the device asked for

    def scalar(self, value: bool | int | float, dtype: DType, device: Device) -> Array:
        # numbers repeat from step to step; a kept 0-d array saves a transfer and its synchronisation
        return self._scalar(value, repr(value), dtype, device)

    def _make_scalar(self, value: Any, text: str, dtype: DType, device: Device) -> Array:
        return self.full((), value, dtype, device)  # ``text`` tells 0.0 from -0.0 in the cache's key

    def zeros(self, size: tuple[int, ...], dtype: DType, device: Device) -> Array:
        if not self._several:
            return super().zeros(size, dtype, device)
        with self.xp.cuda.Device(device.index):
            return super().zeros(size, dtype, device)

    def full(self, size: tuple[int, ...], value: bool | int | float, dtype: DType, device: Device) -> Array:
        if not self._several:
            return super().full(size, value, dtype, device)
        with self.xp.cuda.Device(device.index):
            return super().full(size, value, dtype, device)

    def arange(self, start: float, step: float, count: int, dtype: DType, device: Device) -> Array:
        if not self._several:
            return super().arange(start, step, count, dtype, device)
        with self.xp.cuda.Device(device.index):
            return super().arange(start, step, count, dtype, device)

    # kernels of our own

    def _has_kernel(self, x: Array) -> bool:
        return self.dtype_of(x) in dtypes.FLOATS

    def matmul(self, x: Array, y: Array) -> Array:
        # cupy.matmul casts batches of float16 to float32 and sends bfloat16 to its integer kernel
        return self.kernels.matmul(x, y) if self._has_kernel(x) else self.xp.matmul(x, y)

    def softmax(self, x: Array, dim: int) -> Array:
        return self.kernels.softmax(x, dim) if x.ndim else self.full_of(x, 1)

    def log_softmax(self, x: Array, dim: int) -> Array:
        return self.kernels.log_softmax(x, dim) if x.ndim else self.zeros_of((), x)

    def cross_entropy(
        self, x: Array, target: Array, weight: Any, ignore_index: int, reduction: str, label_smoothing: float
    ) -> tuple[Array, tuple[Array, Array, Array]]:
        losses, lse, factors = self.kernels.cross_entropy_rows(x, target, weight, ignore_index, label_smoothing)
        total = factors.sum()
        if reduction != "none":
            losses = losses.sum() / total if reduction == "mean" else losses.sum()
        return losses.astype(x.dtype), (lse[:, :1], lse[:, 1:], total)

    def cross_entropy_backward(
        self,
        g: Array,
        x: Array,
        target: Array,
        weight: Any,
        top: Array,
        log_sum: Array,
        total: Array,
        ignore_index: int,
        reduction: str,
        label_smoothing: float,
    ) -> Array:
        wide = g.astype(total.dtype)
        if reduction == "mean":
            wide = wide / total
        lse = self.xp.concatenate([top, log_sum], axis=1)
        return self.kernels.cross_entropy_backward_rows(wide, x, target, weight, lse, ignore_index, label_smoothing)

    def max_pool_with_indices(
        self, x: Array, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
    ) -> tuple[Array, Array]:
        if len(stride) != 2 or not self._has_kernel(x):  # the CUDA kernel is for planes
            settings = (kernel_size, stride, padding, dilation, ceil_mode)
            out, indices = super().max_pool_with_indices(self._widened(x), *settings)
            return self._narrowed(out, self.dtype_of(x)), indices
        return self.kernels.max_pool2d_with_indices(x, kernel_size, stride, padding, dilation, ceil_mode)

    def max_pool_backward(self, upstream: Array, indices: Array, x_size: tuple[int, ...]) -> Array:
        # the places count through all spatial axes, so that one long axis does for them
        def line(size: tuple[int, ...]) -> tuple[int, ...]:
            return (*size[:2], 1, math.prod(size[2:]))

        g, places = (array.reshape(line(array.shape)) for array in (upstream, indices))
        return self.kernels.max_pool2d_backward(g, places, line(x_size)).reshape(x_size)

    def embedding_backward(
        self, upstream: Array, indices: Array, num_embeddings: int, padding_idx: int | None
    ) -> Array:
        return self.kernels.embedding_backward(upstream, indices, num_embeddings, padding_idx)

    def random_words(self, seed: int, offset: int, n: int) -> Array:
        return self.kernels.random_words(seed, offset, n)

    def sgd_step(self, *arguments: Any) -> Any:
        return self.kernels.sgd_step(*arguments)

    def adam_step(self, *arguments: Any) -> Any:
        return self.kernels.adam_step(*arguments)

    def add_at(self, target: Array, key: Any, value: Array) -> None:
        """CUDA has atomic additions of 32-bit and 64-bit numbers; other dtypes are added in such a one."""
        dtype = self.dtype_of(target)
        if dtype is dtypes.int64:  # two's complement: the same bits as unsigned
            unsigned = self.xp.uint64
            self.xp.add.at(target.view(unsigned), key, self.xp.asarray(value).astype(self.xp.int64).view(unsigned))
            return
        if dtype in (dtypes.float32, dtypes.float64, dtypes.int32):
            self.xp.add.at(target, key, value)
            return
        wide = self.xp.float32 if dtype.is_floating_point else self.xp.int32
        total = target.astype(wide)
        self.xp.add.at(total, key, self.xp.asarray(value).astype(wide))
        target[...] = total.astype(target.dtype)
