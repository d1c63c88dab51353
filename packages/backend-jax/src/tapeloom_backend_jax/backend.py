"""JaxBackend: a runtime whose kernels are compiled by XLA.

The methods of ``JaxKernels`` are texts that JAX traces. What core gets to call are programs made of them: one for each op
(``kernel_for``), one for all gradient rules of a node, the sums over broadcast axes included (``rules_for``), one for an
optimizer's step over all parameters (``update``), and one for each other kernel (``call``). A call of a program costs a
few microseconds; the same through jax.numpy two to ten times as much.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import SingleDeviceSharding

from tapeloom.backend.runtime import Backend
from tapeloom.devices import Device
from tapeloom.dtypes import DType
from tapeloom.errors import BackendError, StateError
from tapeloom.host_random import native_words
from tapeloom.op.parameter import parameters_of
from tapeloom.op.registry import REGISTRY
from tapeloom.shapes import element_count
from tapeloom_backend_jax.gradient import Gradient
from tapeloom_backend_jax.hosted import Hosted, host
from tapeloom_backend_jax.kernels import JaxKernels
from tapeloom_backend_jax.program import compiled, sorts
from tapeloom_backend_jax.update import Columns, Update

if TYPE_CHECKING:
    from tapeloom.backend.runtime import Kernel, RuleRunner
    from tapeloom.op.schema import OpSchema
    from tapeloom.tape.plan import OpPlan
    from tapeloom.tensors.node import Node

Array = Any
Number = bool | int | float | complex
_jax: Any = jax  # where JAX's own annotations are not complete

#: kernels that give their input back: arrays never change, so that neither a copy nor a program is needed
SAME = frozenset({"alias", "clone"})
#: arrays of up to so many elements are filled on the host, and zeros of such sizes are kept
SMALL = 2**16


class JaxBackend(Backend):
    """The backend for ``xla``: CPU, GPU or TPU, whichever JAX's default platform is (``JAX_PLATFORMS`` chooses)."""

    name = "jax"
    device_type = "xla"
    kernels: JaxKernels
    most_operands = 64  # XLA compiles the gradient of more for minutes

    def __init__(self, xp: Any = jnp) -> None:
        # float64 and int64 would silently become 32-bit numbers otherwise; the switch is for the whole process
        _jax.config.update("jax_enable_x64", True)
        self.devices = _devices()
        self.kernels = JaxKernels(xp, self.devices[0].platform)
        self.accelerates = self.kernels.platform != "cpu"
        self._hosted = Hosted(self, follow=self.kernels.platform == "cpu")
        self._op_programs: dict[tuple[OpSchema, DType | None], Kernel] = {}
        self._programs: dict[str, Kernel] = {}
        self._vectorized: dict[tuple[str, tuple[Any, ...]], Kernel] = {}
        self._updates: dict[Any, Update] = {}
        self._drawn: set[int] = set()  # sizes of random draws so far
        self._within = jax.jit(_within)
        homes = [SingleDeviceSharding(device) for device in self.devices]
        self._places = [jax.jit(lambda value: value, out_shardings=home) for home in homes]
        self._fills = [jax.jit(jnp.full, static_argnums=(0, 2), out_shardings=home) for home in homes]
        self._kept_scalar: Any = lru_cache(1024)(_kept(self._new_scalar))
        self._kept_zeros: Any = lru_cache(256)(_kept(self._new_zeros))

    # devices

    def device_count(self) -> int:
        return len(self.devices)

    def current_index(self) -> int:
        return 0

    def synchronize(self, device: Device) -> None:
        wanted = self.devices[device.index or 0]
        for array in _jax.live_arrays():
            if not array.is_deleted() and wanted in array.devices():
                array.block_until_ready()

    def device_name(self, device: Device) -> str:
        return str(self.devices[device.index or 0].device_kind)

    def empty_cache(self) -> None:
        _jax.clear_caches()

    def versions(self) -> dict[str, str]:
        return {"jax": jax.__version__, "jaxlib": _jax.lib.__version__, "platform": self.kernels.platform}

    # dtypes and transfer

    def native(self, dtype: DType) -> Any:
        return self.kernels.native(dtype)

    def dtype_of(self, array: Array) -> DType:
        return self.kernels.dtype_of(array)

    def device_of(self, array: Array) -> Device:
        if isinstance(array, jax.core.Tracer) or len(self.devices) == 1:
            return Device("xla", 0)
        return Device("xla", self.devices.index(min(array.devices(), key=lambda device: device.id)))

    def from_host(self, array: Any, device: Device) -> Array:
        # A copy of our own: JAX reads the host's memory after this call returns, or goes on using it as the array's.
        return self._put(np.array(array, order="C"), device)

    def _put(self, array: Any, device: Device) -> Array:
        """A host array that nobody will write to, on a device."""
        placed = jax.device_put(array, self.devices[device.index or 0])
        if placed.dtype != array.dtype:
            raise StateError(
                f"device '{device}': {array.dtype} became {placed.dtype}, because jax_enable_x64 was switched off after "
                f"the backend was loaded. Leave it on."
            )
        return placed

    def to_host(self, array: Array) -> Any:
        try:
            return np.asarray(array)  # read-only, and on the CPU without a copy
        except jax.errors.TracerArrayConversionError:
            raise StateError(
                f"to_host: {array.dtype}{list(array.shape)} is traced by JAX: it stands for values that are not known yet. "
                f"Do without .item(), .tolist(), .numpy() and shapes that depend on values while a step is captured."
            ) from None

    def to_device(self, array: Array, device: Device) -> Array:
        target = self.devices[device.index or 0]
        if isinstance(array, jax.core.Tracer) or array.device is target:
            return array
        return jax.device_put(array, target)

    def copy(self, array: Array) -> Array:
        return array  # it never changes, so that one may stand for both

    # creation: small arrays on the host, so that a new size compiles nothing, large ones on the device

    def scalar(self, value: Number, dtype: DType, device: Device) -> Array:
        if value == 0 or type(value) is complex:  # 0.0 and -0.0 are equal, and one may not stand for the other
            return self._new_scalar(type(value), value, dtype, device)
        return self._kept_scalar(type(value), value, dtype, device)

    def _new_scalar(self, kind: type, value: Number, dtype: DType, device: Device) -> Array:
        return self._places[device.index or 0](np.asarray(value, self.native(dtype)))

    def zeros(self, size: tuple[int, ...], dtype: DType, device: Device) -> Array:
        return (self._kept_zeros if element_count(size) <= SMALL else self._new_zeros)(size, dtype, device)

    def _new_zeros(self, size: tuple[int, ...], dtype: DType, device: Device) -> Array:
        return self.full(size, 0, dtype, device)

    def full(self, size: tuple[int, ...], value: Number, dtype: DType, device: Device) -> Array:
        if not size:
            return self.scalar(value, dtype, device)
        native = self.native(dtype)
        if element_count(size) > SMALL:
            return self._fills[device.index or 0](size, np.asarray(value, native), native)
        return self._put(np.full(size, value, native), device)

    def arange(self, start: float, step: float, count: int, dtype: DType, device: Device) -> Array:
        return self._put(host.arange(start, step, count, dtype, device), device)

    def random_words(self, seed: int, offset: int, count: int, device: Device) -> Array:
        # NumPy has the same stream. XLA needs 0.2 s to compile a new count, and on the CPU it draws no faster, so only
        # accelerators compile, and only for sizes that come again.
        if self.kernels.platform == "cpu" or count not in self._drawn:
            self._drawn.add(count)
            return self._put(native_words(np, seed, offset, count), device)
        # Placed: what is made from mere numbers belongs to no device, and JAX would compile all that follows anew.
        place = self._places[device.index or 0]
        return self.call("random_words", place(np.uint64(seed)), place(np.uint64(offset)), count)

    # checks of values

    def in_range(self, index: Array, low: int | float, high: int | float) -> bool:
        if isinstance(index, jax.core.Tracer):
            return True  # inside a larger program values are not known; XLA keeps reads and writes inside the array
        if self.kernels.platform == "cpu":
            return host.in_range(np.asarray(index), low, high)  # nothing is compiled for a new size
        return bool(self._within(index, low, high))

    # how kernels and rules are run

    def call(self, kernel: str, *values: Any) -> Any:
        program = self._programs.get(kernel)
        if program is None:
            text = getattr(self.kernels, kernel)
            parameters = REGISTRY[kernel].parameters if kernel in REGISTRY else parameters_of(text, skip=1)
            program = self._programs[kernel] = compiled(kernel, text, sorts(parameters))
        return program(*values)

    def kernel_for(self, op: OpSchema, dtype: DType) -> Kernel:
        """The program of ``op``, compiled once for each combination of its settings and shapes."""
        if op.name in SAME:
            return _same
        if op.dynamic:
            return self._hosted.dynamic(op, dtype)
        key = op, None if self.compute_dtype(op, dtype) is dtype else dtype
        program = self._op_programs.get(key)
        if program is None:
            program = super().kernel_for(op, dtype)  # half types are widened and rounded inside
            if not self.lacks(op.name):
                program = compiled(op.name, program, sorts(op.parameters))
            program = self._op_programs[key] = self._hosted.kernel(op, dtype, program)
        return program

    vectorizes = True

    def vectorized(self, name: str, values: Sequence[Any], levels: tuple[Any, ...]) -> Any:
        program = self._vectorized.get((name, levels))
        if program is None:
            parameters = [p for p in REGISTRY[name].parameters if p.passed]
            places = [place for place, p in enumerate(parameters) if p.input]
            text = getattr(self.kernels, name)

            def over_samples(*given: Any) -> Any:
                def run(*operands: Any) -> Any:
                    full = list(given)
                    for place, operand in zip(places, operands, strict=True):
                        full[place] = operand
                    return text(*full)

                for level in levels:
                    run = _jax.vmap(run, in_axes=tuple(_axes(level[place]) for place in places))
                return run(*[given[place] for place in places])

            program = self._vectorized[name, levels] = compiled(name, over_samples, sorts(parameters))
        return program(*values)

    def rules_for(self, dtype: DType) -> RuleRunner:
        programs: dict[OpPlan, Callable[..., list[tuple[Node, Array]]]] = {}

        def run(plan: OpPlan, node: Node, kept: tuple[Any, ...], g: Array) -> list[tuple[Node, Array]]:
            program = programs.get(plan)
            if program is None:
                program = programs[plan] = self._hosted.rules(plan, Gradient(plan, dtype, self))
            return program(node, kept, g)

        return run

    def update(
        self, name: str, formula: Callable[..., Any], arrays: Columns, settings: dict[str, Any]
    ) -> Sequence[Sequence[Any]]:
        found = self._updates.get(formula)
        if found is None:
            found = self._updates[formula] = Update(name, formula, self)
        return found(arrays, settings)

    def rate(self, array: Array, dtype: DType) -> Array:
        return array if array.weak_type else self.kernels.cast(array, dtype)  # weak: a number, handed over to a program


def _axes(level: Any) -> Any:
    return [_axes(item) for item in level] if isinstance(level, tuple) else 0 if level else None


def _devices() -> list[Any]:
    try:
        return list(jax.local_devices())
    except RuntimeError as error:
        chosen = os.environ.get("JAX_PLATFORMS")
        fix = "Reinstall jax."
        if chosen:
            fix = f"JAX_PLATFORMS is {chosen!r}: unset it, or install JAX for that platform."
        raise BackendError(f"device 'xla': JAX {jax.__version__} found no device: {error}. {fix}") from error


def _kept(make: Callable[..., Array]) -> Callable[..., Array]:
    """``make``, whose results are kept: where JAX is tracing they are computed at once, for no tracer may be kept."""

    def made(*arguments: Any) -> Array:
        array = make(*arguments)
        if not isinstance(array, jax.core.Tracer):
            return array
        with jax.ensure_compile_time_eval():
            return make(*arguments)

    return made


def _within(index: Array, low: Array, high: Array) -> Array:
    return jnp.all((index >= low) & (index < high))


def _same(x: Array) -> Array:
    return x
