"""CupyBackend: the runtime over CuPy. Its kernels are in ``kernels``, and the CUDA ones among them in ``cuda``.

The class takes its module as an argument: over NumPy it runs with the kernels' NumPy twins, so that everything but the
CUDA text itself is tested where there is no GPU.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from tapeloom import dtypes
from tapeloom.backend.arrayapi import ArrayAPIBackend
from tapeloom.backend.runtime import Backend
from tapeloom.devices import Device
from tapeloom.dtypes import DType
from tapeloom_backend_cupy.kernels import CupyKernels

if TYPE_CHECKING:
    from tapeloom.backend.runtime import RuleRunner
    from tapeloom.op.schema import OpSchema
    from tapeloom.tape.plan import OpPlan
    from tapeloom.tensors.node import Node

Array = Any

# One function of CuPy on float16 is computed in float32 and rounded once, just as a widened copy would be, at a third of
# the memory traffic. Left out is what CuPy computes in several steps, and bfloat16, whose support CuPy calls experimental.
FLOAT16_KERNELS = frozenset(
    "add subtract multiply divide negative abs floor ceil trunc exp exp2 expm1 log log1p log2 log10 sqrt square "
    "reciprocal sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh maximum minimum relu clamp where masked_fill "
    "eq ne lt le gt ge isnan isinf isfinite alias clone".split()
)


class CupyBackend(ArrayAPIBackend):
    """The backend for ``cuda``: ``CupyBackend(cupy)``, or ``CupyBackend(numpy)`` in tests."""

    name = "cupy"
    device_type = "cuda"
    kernels_class = CupyKernels
    # our CUDA kernels and cuBLAS read half types as they are and add up in float32
    half_kernels = frozenset(
        "matmul linear convolution sum softmax log_softmax cross_entropy_rows "
        "max_pool_with_indices max_pool_backward fused_sgd fused_adam nextafter".split()
    )
    # matrix products, which tensor cores speed up, and single kernels
    half_rules = frozenset({"matmul", "linear", "cross_entropy_rows", "max_pool_with_indices"})

    def __init__(self, xp: Any) -> None:
        super().__init__(xp)
        self.on_gpu = xp.__name__ == "cupy"
        self._several = self.device_count() > 1
        self._kept_scalar = functools.lru_cache(maxsize=1024, typed=True)(self._new_scalar)

    # devices

    def device_count(self) -> int:
        return int(self.xp.cuda.runtime.getDeviceCount()) if self.on_gpu else 1

    def current_index(self) -> int:
        return int(self.xp.cuda.runtime.getDevice()) if self.on_gpu else 0

    def synchronize(self, device: Device) -> None:
        if self.on_gpu:
            self.xp.cuda.Device(device.index).synchronize()

    def device_name(self, device: Device) -> str:
        if not self.on_gpu:
            return str(device)
        return str(self.xp.cuda.runtime.getDeviceProperties(device.index)["name"].decode())

    def empty_cache(self) -> None:
        if self.on_gpu:
            self.xp.get_default_memory_pool().free_all_blocks()
            self.xp.get_default_pinned_memory_pool().free_all_blocks()

    def versions(self) -> dict[str, str]:
        found = {self.xp.__name__: str(self.xp.__version__)}
        if self.on_gpu:
            runtime = self.xp.cuda.runtime
            found["CUDA runtime"] = str(runtime.runtimeGetVersion())
            found["CUDA driver"] = str(runtime.driverGetVersion())
            found["GPU"] = self.device_name(Device(self.device_type, self.current_index()))
        return found

    def device_of(self, array: Array) -> Device:
        return Device(self.device_type, int(array.device.id) if self.on_gpu else 0)

    # With several GPUs everything runs with the right one as CuPy's current device: CuPy allocates and launches there.

    def _on(self, device: Device) -> AbstractContextManager[Any]:
        """Enter ``device``."""
        return self.xp.cuda.Device(device.index) if self._several else nullcontext()

    def _beside(self, *values: Any) -> AbstractContextManager[Any]:
        """Enter the device of the first array among ``values``."""
        first = self._first(values) if self._several else None
        return nullcontext() if first is None else first.device

    def _first(self, value: Any) -> Array | None:
        if isinstance(value, (list, tuple)):
            return next((array for item in value if (array := self._first(item)) is not None), None)
        return value if isinstance(value, self.xp.ndarray) else None

    def _entering(self, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def entered(*values: Any) -> Any:
            with self._beside(*values):
                return kernel(*values)

        return entered

    # transfer

    def from_host(self, array: Any, device: Device) -> Array:
        if not self.on_gpu:
            return self.xp.array(array)
        with self._on(device):
            return self.xp.asarray(array)

    def to_host(self, array: Array) -> Any:
        return self.xp.asnumpy(array) if self.on_gpu else self.xp.asarray(array)

    def to_device(self, array: Array, device: Device) -> Array:
        with self._on(device):
            return self.xp.array(array) if self._several else array

    def from_dlpack(self, foreign: Any, device: Device, copy: bool | None) -> Array:
        if self.on_gpu and foreign.__dlpack_device__()[0] == 1:
            return Backend.from_dlpack(self, foreign, device, copy)  # memory of the host, which CuPy does not take
        with self._on(device):
            return super().from_dlpack(foreign, device, copy)

    def owns_memory(self, array: Array) -> bool:
        # kernels run in the order of one stream: what was read before a write was queued is read before it is done
        return type(array) is self.xp.ndarray and array.base is None and getattr(array.flags, "writeable", True)

    def copy(self, array: Array) -> Array:
        with self._beside(array):
            return super().copy(array)

    def in_range(self, index: Array, low: int | float, high: int | float) -> bool:
        with self._beside(index):
            return super().in_range(index, low, high)

    # creation, on the device asked for

    def scalar(self, value: bool | int | float | complex, dtype: DType, device: Device) -> Array:
        # numbers repeat from step to step; a kept 0-d array saves a transfer and its synchronisation
        return self._kept_scalar(value, repr(value), dtype, device)

    def _new_scalar(self, value: Any, text: str, dtype: DType, device: Device) -> Array:
        return self.full((), value, dtype, device)  # ``text`` tells 0.0 from -0.0 in the cache's key

    def zeros(self, size: tuple[int, ...], dtype: DType, device: Device) -> Array:
        with self._on(device):
            return super().zeros(size, dtype, device)

    def full(self, size: tuple[int, ...], value: bool | int | float | complex, dtype: DType, device: Device) -> Array:
        with self._on(device):
            return super().full(size, value, dtype, device)

    def arange(self, start: float, step: float, count: int, dtype: DType, device: Device) -> Array:
        with self._on(device):
            return super().arange(start, step, count, dtype, device)

    def random_words(self, seed: int, offset: int, count: int, device: Device) -> Array:
        with self._on(device):
            return self.kernels.random_words(seed, offset, count)

    # how kernels and gradient rules are run

    def compute_dtype(self, op: OpSchema, dtype: DType) -> DType:
        if dtype is dtypes.float16 and op.name in FLOAT16_KERNELS:
            return dtype
        return super().compute_dtype(op, dtype)

    def kernel(self, op: OpSchema) -> Callable[..., Any]:
        found = super().kernel(op)
        return self._entering(found) if self._several else found

    def call(self, kernel: str, *values: Any) -> Any:
        with self._beside(*values):
            return super().call(kernel, *values)

    def rules_for(self, dtype: DType) -> RuleRunner | None:
        usual = super().rules_for(dtype)
        if not self._several:
            return usual

        def run(plan: OpPlan, node: Node, kept: tuple[Any, ...], g: Any) -> list[tuple[Node, Any]]:
            with self._on(node.kind.device):
                if usual is None:
                    return plan.run(g, kept, node.edges, self.completed)
                return usual(plan, node, kept, g)

        return run

    # optimizers

    def update(self, *arguments: Any, **keywords: Any) -> Any:
        with self._beside(*arguments, *keywords.values()):
            return super().update(*arguments, **keywords)
