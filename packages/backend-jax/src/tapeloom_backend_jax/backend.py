"""JaxBackend: every op compiled by XLA, and every op's gradient.

The methods of ``JaxKernels`` are texts that JAX traces. What core gets to call are programs made of them: one for each
op (``kernel``), one for all gradient rules of a node, the sums over broadcast axes included (``pull``), and one for each
other kernel that core calls by name. A call of a program costs a few microseconds; the same through jax.numpy two to
ten times as much.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import SingleDeviceSharding

from tapeloom import dtypes
from tapeloom.backend.arrayapi import ArrayAPIBackend
from tapeloom.backend.protocol import Backend
from tapeloom.devices import Device
from tapeloom.dtypes import DType
from tapeloom.errors import BackendError, StateError, UnsupportedError
from tapeloom.host_random import native_words
from tapeloom.shapes import element_count
from tapeloom.tape.op import REGISTRY
from tapeloom_backend_jax.kernels import JaxKernels
from tapeloom_backend_jax.program import compiled, of_method, sorts, with_defaults
from tapeloom_backend_jax.pull import Pull

if TYPE_CHECKING:
    from tapeloom.tape.node import Node
    from tapeloom.tape.op import Op
    from tapeloom.tape.rule import Plan

Array = Any
Number = bool | int | float
_jax: Any = jax  # where JAX's own annotations are not complete

#: kernels that give their input back: arrays never change, so that neither a copy nor a program is needed
SAME = frozenset({"alias", "clone", "positive"})
#: arrays of up to so many elements are filled on the host, and zeros of such sizes are kept
SMALL = 2**16


class JaxBackend(Backend):
    """The backend for ``xla``: CPU, GPU or TPU, whichever JAX's default platform is (``JAX_PLATFORMS`` chooses)."""

    name = "jax"
    device_type = "xla"

    def __init__(self, xp: Any = jnp) -> None:
        # float64 and int64 would silently become 32-bit numbers otherwise; the switch is for the whole process
        _jax.config.update("jax_enable_x64", True)
        self.devices = _devices()
        self.kernels = JaxKernels(xp, self.devices[0].platform)
        self._host = ArrayAPIBackend(np)
        self._programs: dict[str, Callable[..., Any]] = {}
        self._pulls: dict[Plan, Pull] = {}
        self._drawn: set[int] = set()  # sizes of random draws so far
        self._casts = {dtype: compiled("cast", self._caster(dtype), 1) for dtype in dtypes.ALL}
        homes = [SingleDeviceSharding(device) for device in self.devices]
        self._places = [jax.jit(lambda value: value, out_shardings=home) for home in homes]
        self._fills = [jax.jit(jnp.full, static_argnums=(0, 2), out_shardings=home) for home in homes]
        self._kept_scalar: Any = lru_cache(1024)(self._new_scalar)
        self._kept_zeros = lru_cache(256)(self._new_zeros)

    def __getattr__(self, name: str) -> Any:
        """The program of a kernel that core calls by name, such as an optimizer's step; made on first use."""
        text = None if name.startswith("_") or name == "kernels" else getattr(self.kernels, name, None)
        if not callable(text):
            raise AttributeError(f"{type(self).__name__} has no kernel {name!r}")
        program = self.kernel(REGISTRY[name]) if name in REGISTRY else of_method(name, text)
        self.__dict__[name] = program = with_defaults(program, text)
        return program

    def _caster(self, dtype: DType) -> Callable[[Array], Array]:
        return lambda x: self.kernels.cast(x, dtype)

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

    def versions(self) -> dict[str, str]:
        return {"jax": jax.__version__, "jaxlib": _jax.lib.__version__, "platform": self.kernels.platform}

    # transfer and dtypes

    def native(self, dtype: DType) -> Any:
        return self.kernels.native(dtype)

    def dtype_of(self, array: Array) -> DType:
        return self.kernels.dtype_of(array)

    def cast(self, x: Array, dtype: DType) -> Array:
        return x if x.dtype == self.kernels.native(dtype) else self._casts[dtype](x)

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
        return np.asarray(array)  # read-only, and on the CPU without a copy

    def to_device(self, array: Array, device: Device) -> Array:
        target = self.devices[device.index or 0]
        if isinstance(array, jax.core.Tracer) or array.device is target:
            return array
        return jax.device_put(array, target)

    def copy(self, array: Array) -> Array:
        return self.kernels.copy(array)

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
        return self._put(self._host.arange(start, step, count, dtype, device), device)

    # what depends on values runs outside of programs

    def nonzero(self, x: Array) -> Array:
        """On the host: XLA has no shapes that depend on values."""
        places = self._host.nonzero(self.to_host(x))
        return jax.device_put(np.ascontiguousarray(places), x.sharding)

    def in_range(self, index: Array, low: Number, high: Number) -> bool:
        if isinstance(index, jax.core.Tracer):
            return True  # inside a larger program values are not known; XLA keeps reads and writes inside the array
        return bool(self.within(index, low, high))

    # random numbers

    def random_words(self, seed: Any, offset: Any, n: int) -> Array:
        if isinstance(seed, int) and isinstance(offset, int):
            # NumPy has the same stream. XLA needs 0.2 s to compile a new n, and on the CPU it draws no faster, so
            # only accelerators compile, and only for sizes that come again.
            if self.kernels.platform == "cpu" or n not in self._drawn:
                self._drawn.add(n)
                return self._put(native_words(np, seed, offset, n), Device("xla", 0))
            # Placed: what is made from mere numbers belongs to no device, and JAX would compile all that follows anew.
            seed, offset = (self._places[0](np.uint64(part)) for part in (seed, offset))
        return self._program_of("random_words")(seed, offset, n)

    def integers_from_words(self, words: Array, low: Any, span: Any, wide: bool) -> Array:
        span = np.uint64(span) if isinstance(span, int) else span  # may exceed int64, which JAX makes of Python's ints
        return self._program_of("integers_from_words")(words, low, span, wide)

    def _program_of(self, name: str) -> Callable[..., Any]:
        program = self._programs.get(name)
        if program is None:
            program = self._programs[name] = of_method(name, getattr(self.kernels, name))
        return program

    # how kernels and rules are run

    def kernel(self, op: Op[Any, Any]) -> Callable[..., Any]:
        """The program of ``op``, compiled once for each combination of its settings and shapes."""
        program = self._programs.get(op.name)
        if program is None:
            program = self._programs[op.name] = self._op_program(op)
        return program

    def _op_program(self, op: Op[Any, Any]) -> Callable[..., Any]:
        if op.name in SAME:
            return _same
        if op.name == "nonzero":
            return self.nonzero
        text = getattr(self.kernels, op.name, None)
        if text is None:
            raise UnsupportedError(
                f"{op.name}: the backend {self.name!r} (device type {self.device_type!r}) has no kernel of this name. "
                f"Move the tensors to another device, for instance with .cpu()."
            )
        annotations = ["Array" if role else annotation for _, annotation, role in op.roles if annotation != "Cast"]
        return compiled(op.name, text, len(annotations), *sorts(annotations))

    def pull(self, node: Node, g: Array) -> list[tuple[Node, Array]]:
        plan = node.plan
        found = self._pulls.get(plan)
        if found is None:
            found = self._pulls[plan] = Pull(plan, self.kernels)
        return found(node, g)


def _devices() -> list[Any]:
    try:
        return list(jax.local_devices())
    except RuntimeError as error:
        chosen = os.environ.get("JAX_PLATFORMS")
        mend = "Reinstall jax."
        if chosen:
            mend = f"JAX_PLATFORMS is {chosen!r}: unset it, or install JAX for that platform."
        raise BackendError(f"device 'xla': JAX {jax.__version__} found no device: {error}. {mend}") from error


def _same(x: Array) -> Array:
    return x
