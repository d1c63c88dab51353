"""JaxBackend: the shared kernels over jax.numpy, each op compiled by XLA, and each op's gradient.

The methods of the backend are texts that JAX traces. Core never runs them on arrays: ``kernel`` hands it one compiled
program for each op, and ``pull`` runs all gradient rules of a node, the sums over broadcast axes included, as one program.
A call of a program costs a few microseconds; the same op through jax.numpy two to ten times as much.
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
from tapeloom.devices import Device
from tapeloom.dtypes import DType
from tapeloom.errors import BackendError, StateError
from tapeloom.shapes import element_count
from tapeloom_backend_jax.indexing import Indexing, within
from tapeloom_backend_jax.numeric import Numeric
from tapeloom_backend_jax.program import compiled
from tapeloom_backend_jax.random import CompiledRandom
from tapeloom_backend_jax.window import Window

if TYPE_CHECKING:
    from tapeloom.tape.node import Node
    from tapeloom.tape.op import Op, Plan

Array = Any

#: kernels whose result has a shape that depends on values: they run outside any program
EAGER = frozenset({"nonzero"})
#: kernels that give their input back: arrays never change, so no copy is needed and no program
SAME = frozenset({"alias", "clone", "positive"})
#: annotations of parameters that are operands of a program without being arrays
OPERANDS = frozenset({"Position", "Key"})
NUMBERS = frozenset({"float", "Number", "Number | None"})

#: arrays of up to so many elements are filled on the host, and zeros of such sizes are kept
SMALL = 2**16


class JaxBackend(CompiledRandom, Indexing, Window, Numeric, ArrayAPIBackend):
    """The backend for ``xla``: CPU, GPU or TPU, whichever JAX's default platform is (``JAX_PLATFORMS`` chooses)."""

    name = "jax"
    device_type = "xla"

    def __init__(self, xp: Any = jnp) -> None:
        # float64 and int64 would silently become 32-bit numbers otherwise; the switch is for the whole process
        jax.config.update("jax_enable_x64", True)
        super().__init__(xp)
        self.devices = _devices()
        self.platform: str = self.devices[0].platform
        self.host = ArrayAPIBackend(np)
        self._programs: dict[str, Callable[..., Any]] = {}
        self._pulls: dict[Plan, _Pull] = {}
        self._casts = {dtype: compiled("cast", _caster(native), 1) for dtype, native in self._native.items()}
        self._places = [
            jax.jit(lambda value: value, out_shardings=SingleDeviceSharding(device)) for device in self.devices
        ]
        self._in_range = compiled("in_range", within, 3)
        self._scalar = lru_cache(1024)(self._make_scalar)
        self._small_zeros = lru_cache(256)(self._make_zeros)
        self._fill = [
            jax.jit(jnp.full, static_argnums=(0, 2), out_shardings=SingleDeviceSharding(device)) for device in self.devices
        ]
        self.compile_random()

    # devices

    def device_count(self) -> int:
        return len(self.devices)

    def current_index(self) -> int:
        return 0

    def synchronize(self, device: Device) -> None:
        wanted = self.devices[device.index or 0]
        for array in jax.live_arrays():
            if not array.is_deleted() and wanted in array.devices():
                array.block_until_ready()

    def versions(self) -> dict[str, str]:
        return {"jax": jax.__version__, "jaxlib": jax.lib.__version__, "platform": self.platform}

    # transfer and dtypes

    def put(self, array: Any, device: Any) -> Array:
        """A host array that nobody else will write to, on a JAX device (or in a sharding)."""
        placed = jax.device_put(array, device)
        if placed.dtype != array.dtype:
            raise StateError(
                f"device 'xla': {array.dtype} became {placed.dtype}, because jax_enable_x64 was switched off after the "
                f"backend was loaded. Leave it on."
            )
        return placed

    def put_scalar(self, value: Any, index: int = 0) -> Array:
        """A NumPy scalar as an array on a device; several times faster than ``put``."""
        return self._places[index](value)

    def from_host(self, array: Any, device: Device) -> Array:
        # A copy of our own: JAX reads the host's memory after this call returns, or goes on using it as the array's.
        return self.put(np.array(array, order="C"), self.devices[device.index or 0])

    def to_host(self, array: Array) -> Any:
        return np.asarray(array)  # read-only, and on the CPU without a copy

    def to_device(self, array: Array, device: Device) -> Array:
        return jax.device_put(array, self.devices[device.index or 0])

    def cast(self, x: Array, dtype: DType) -> Array:
        return x if x.dtype == self._native[dtype] else self._casts[dtype](x)

    # creation: small arrays on the host, so that a new size compiles nothing, large ones on the device

    def scalar(self, value: bool | int | float, dtype: DType, device: Device) -> Array:
        if value == 0:  # 0.0 and -0.0 are equal, and one may not stand for the other
            return self._make_scalar(type(value), value, dtype, device)
        return self._scalar(type(value), value, dtype, device)

    def _make_scalar(self, kind: type, value: bool | int | float, dtype: DType, device: Device) -> Array:
        return self.put_scalar(np.asarray(value, self._native[dtype]), device.index or 0)

    def zeros(self, size: tuple[int, ...], dtype: DType, device: Device) -> Array:
        return (self._small_zeros if element_count(size) <= SMALL else self._make_zeros)(size, dtype, device)

    def _make_zeros(self, size: tuple[int, ...], dtype: DType, device: Device) -> Array:
        return self.full(size, 0, dtype, device)

    def full(self, size: tuple[int, ...], value: bool | int | float, dtype: DType, device: Device) -> Array:
        if not size:
            return self.scalar(value, dtype, device)
        index, native = device.index or 0, self._native[dtype]
        if element_count(size) > SMALL:
            return self._fill[index](size, np.asarray(value, native), native)
        return self.put(np.full(size, value, native), self.devices[index])

    def arange(self, start: float, step: float, count: int, dtype: DType, device: Device) -> Array:
        return self.put(self.host.arange(start, step, count, dtype, device), self.devices[device.index or 0])

    # how kernels and rules are run

    def kernel(self, op: Op[Any, Any]) -> Callable[..., Any]:
        """The program of ``op``, compiled once for each combination of its settings and shapes."""
        program = self._programs.get(op.name)
        if program is None:
            text = super().kernel(op)
            program = text if op.name in EAGER else _same if op.name in SAME else self._program(op, text)
            self._programs[op.name] = program
        return program

    def _program(self, op: Op[Any, Any], text: Callable[..., Any]) -> Callable[..., Any]:
        parameters = [(name, annotation, role) for name, annotation, role in op.roles if annotation != "Cast"]
        annotations = ["array" if role else annotation for _, annotation, role in parameters]
        return compiled(op.name, text, len(annotations), *_sorts(annotations))

    def pull(self, node: Node, g: Array) -> list[tuple[Node, Array]]:
        plan = node.plan
        found = self._pulls.get(plan)
        if found is None:
            found = self._pulls[plan] = _Pull(plan, self)
        return found(node, g)


def _devices() -> list[Any]:
    try:
        return list(jax.local_devices())
    except RuntimeError as error:
        chosen = os.environ.get("JAX_PLATFORMS")
        mend = f"JAX_PLATFORMS is {chosen!r}: unset it, or install JAX for that platform." if chosen else "Reinstall jax."
        raise BackendError(f"device 'xla': JAX {jax.__version__} found no device: {error}. {mend}") from error


def _caster(native: Any) -> Callable[[Array], Array]:
    return lambda x: x.astype(native)


def _same(x: Array) -> Array:
    return x


def _sorts(annotations: list[str]) -> tuple[list[int], list[int], list[int]]:
    """The positions of settings, of settings of any type, and of numbers."""
    settings, loose, numbers = [], [], []
    for place, annotation in enumerate(annotations):
        if annotation in NUMBERS:
            numbers.append(place)
        elif annotation == "Any":
            loose.append(place)
        elif annotation != "array" and annotation not in OPERANDS:
            settings.append(place)
    return settings, loose, numbers


class _Pull:
    """The gradient rules of one plan as a program: called with a node and the gradient of its result."""

    __slots__ = ("passing", "plan", "program", "slots")

    def __init__(self, plan: Plan, backend: JaxBackend) -> None:
        op, need = plan.op, plan.need
        flat = [entry for given in need for entry in (given if type(given) is tuple else (given,))]
        self.plan = plan
        #: the edges that get a gradient, and those of them whose rule is ``lambda g: g``
        self.slots = tuple(slot for slot, needed in enumerate(flat) if needed)
        single = plan.joint is None and len(flat) == len(need)  # then edges and inputs have the same numbers
        self.passing = frozenset(slot for slot, rule in plan.rules if single and _passes(rule.function))
        by_name = {name: annotation for name, annotation, role in op.roles if role is None}
        annotations = ["array", *(self._sort(name, by_name) for name in op.layout), "Size"]
        slots, passing = self.slots, self.passing

        def rules(g: Array, *rest: Any) -> list[Array | None]:
            sizes = rest[-1]
            gradients = plan.pull(g, rest[:-1], backend)
            results: list[Array | None] = []
            for slot, size in zip(slots, sizes, strict=True):
                gradient = gradients[slot]
                if gradient is None or (slot in passing and size is None):
                    results.append(None)
                    continue
                wanted = g.shape if size is None else size
                results.append(gradient if gradient.shape == wanted else backend.reduce_to(gradient, wanted))
            return results

        self.program = compiled(f"{op.name}_gradient", rules, len(annotations), *_sorts(annotations))

    def _sort(self, name: str, statics: dict[str, str]) -> str:
        op = self.plan.op
        if name in op.inputs or name == "out" or name in op.residuals:
            return "array"
        return statics.get(name, "Size")  # else <input>_shape or <input>_dtype

    def __call__(self, node: Node, g: Array) -> list[tuple[Node, Array]]:
        edges: Any = node.edges
        shape = node.shape
        slots, passing = self.slots, self.passing
        sizes = []  # the shape that each gradient must have, or None where it is that of g
        work = False
        for slot in slots:
            size = edges[slot].shape
            if size == shape:
                sizes.append(None)
                work = work or slot not in passing
            else:
                sizes.append(size)
                work = True
        if not work:
            return [(edges[slot], g) for slot in slots]
        pairs = []
        for slot, size, gradient in zip(slots, sizes, self.program(g, *node.kept, tuple(sizes)), strict=True):
            if gradient is not None:
                pairs.append((edges[slot], gradient))
            elif size is None and slot in passing:
                pairs.append((edges[slot], g))
        return pairs


def _passes(rule: Callable[..., Any]) -> bool:
    """Whether a rule is ``lambda g: g``, which needs no program."""
    if rule.__code__.co_argcount != 1:
        return False
    probe = object()
    try:
        return rule(probe) is probe
    except Exception:  # noqa: BLE001 - it computes, which a bare object cannot
        return False
