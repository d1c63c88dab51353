"""The backend of batches: creation and transfer are those of the inner backend, and each kernel finds its way."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tapeloom.backend.arrayapi import ArrayAPIBackend
from tapeloom.backend.batches.array import Batch, aligned, depth_of, inside, within
from tapeloom.backend.batches.functions import looped, moved
from tapeloom.backend.batches.kernels import batched_kernels
from tapeloom.backend.fallback import mapped
from tapeloom.backend.runtime import Backend, Kernel
from tapeloom.devices import Device
from tapeloom.dtypes import DType
from tapeloom.errors import StateError, UnsupportedError
from tapeloom.op.registry import REGISTRY

if TYPE_CHECKING:
    from tapeloom.op.schema import OpSchema

Number = bool | int | float | complex
#: what stops the text of a kernel on batches, and may not on one sample
STOPS = (ValueError, TypeError, IndexError, AttributeError, StateError)
#: settings by which the elements that a kernel folds together are chosen, and those that leave them as they are
_FOLDING, _PLAIN = "Dims", {"bool", "float"}


class BatchedBackend(ArrayAPIBackend):
    """The runtime of batches of ``depth`` over the arrays of ``inner``.

    Its arrays are ``Batch``, or arrays of ``inner``, which all samples share: what is made by creation is that.
    """

    def __init__(self, inner: Backend, depth: int, device: Any) -> None:
        if not hasattr(inner.kernels, "xp"):
            raise UnsupportedError(
                f"vmap: the kernels of the backend {inner.name!r} are not those over an array module (ArrayKernels), which vmap runs on "
                f"batches."
            )
        self.inner = inner
        self.depth = depth
        #: the device of the batches, and that of the arrays that hold them
        self.device, self.home = device, device.home
        self.name = f"vmap of {inner.name}"
        self.device_type = device.type
        self.lacking_dtypes = inner.lacking_dtypes
        self.vectorizes = inner.vectorizes
        #: kernels, and functions of the library, of which a call has gone through the samples one by one
        self.loops: set[str] = set()
        self.kernels = batched_kernels(inner.kernels, depth, self.loops)
        self.xp = self.kernels.xp

    # dtypes, transfer, creation

    def native(self, dtype: DType) -> Any:
        return self.inner.native(dtype)

    def dtype_of(self, array: Any) -> DType:
        return self.inner.dtype_of(array.held if inside(array, self.depth) else array)

    def device_of(self, array: Any) -> Device:
        return self.device  # type: ignore[no-any-return]

    def to_host(self, array: Any) -> Any:
        return array.unknown() if inside(array, self.depth) else self.inner.to_host(array)

    def text(self, array: Any) -> str | None:
        if not inside(array, self.depth):
            return self.inner.text(array)
        shown = self.inner.text(array.held) or str(self.inner.to_host(array.held))
        return f"vmap of {array.held.shape[0]} tensors of shape {array.shape}:\n{shown}"

    def from_host(self, array: Any, device: Device) -> Any:
        return self.inner.from_host(array, self.home)

    def scalar(self, value: Number, dtype: DType, device: Device) -> Any:
        return self.inner.scalar(value, dtype, self.home)

    def zeros(self, size: tuple[int, ...], dtype: DType, device: Device) -> Any:
        return self.inner.zeros(size, dtype, self.home)

    def full(self, size: tuple[int, ...], value: Number, dtype: DType, device: Device) -> Any:
        return self.inner.full(size, value, dtype, self.home)

    def arange(self, start: float, step: float, count: int, dtype: DType, device: Device) -> Any:
        return self.inner.arange(start, step, count, dtype, self.home)

    def random_words(self, seed: int, offset: int, count: int, device: Device) -> Any:
        return self.inner.random_words(seed, offset, count, self.home)

    def copy(self, array: Any) -> Any:
        return within(array, self.depth, self.inner.copy)

    def in_range(self, index: Any, low: int | float, high: int | float) -> bool:
        return self.inner.in_range(index.held if inside(index, self.depth) else index, low, high)

    # kernels

    @functools.cached_property
    def completed(self) -> Any:
        """The kernels as core calls them: each goes its way (see ``way_of``)."""
        return _Ways(self)

    def lacks(self, name: str) -> bool:
        return self.inner.lacks(name)

    def kernel(self, op: OpSchema) -> Kernel:
        return getattr(self.completed, op.name)  # type: ignore[no-any-return]

    def way_of(self, name: str) -> Kernel:
        """The kernel ``name`` for batches.

        For what all samples share it is that of the inner backend. For batches it is what their library has for it, or the inner
        kernel with its settings moved past the samples where the roles of its parameters say how; else the text of the shared kernel,
        and where that does not work the inner kernel for one sample after the other.
        """
        op = REGISTRY.get(name)
        inner = functools.partial(self.inner.call, name)
        passed = [p for p in op.parameters if p.passed] if op is not None else []
        text = getattr(self.kernels, name, None)
        first = None
        if op is not None:
            first = functools.partial(self.vectorized, name) if self.vectorizes else self._by_roles(op, inner)

        def run(*values: Any, **named: Any) -> Any:
            if op is None and named:
                return text(*values, **named)  # type: ignore[misc]
            if named or self.vectorizes:  # the programs of a library take all parameters
                values = (*values, *[named.get(p.name, p.default) for p in passed[len(values) :]])
            shared = depth_of(values) < self.depth
            if op is not None and op.dynamic:
                if shared:  # a backend may have a way of its own for them
                    return self.inner.kernel_for(op, self.inner.dtype_of(values[0]))(*values)
                raise UnsupportedError(
                    f"{name}: under vmap each sample would have a result of another shape, for it depends on values. Call it "
                    f"outside of the function, or keep the shape, for instance with tapeloom.where."
                )
            if shared:
                return inner(*values)
            try:
                result = NotImplemented if first is None else first(values)
                if result is NotImplemented and text is not None:
                    result = text(*values)
                if result is not NotImplemented:
                    return result
            except STOPS:
                pass  # the sample says what is wrong, if anything is
            self.loops.add(name)
            return looped(inner, self.depth, self.inner.kernels.xp, *values)

        run.__name__ = run.__qualname__ = name
        return run

    def vectorized(self, name: str, values: Sequence[Any], levels: tuple[Any, ...] = ()) -> Any:
        own = _marked(values, self.depth)
        held = [_held(value, self.depth) for value in values]
        if depth_of(list(values)) < self.depth:  # only those of an inner vmap have samples
            return self.inner.vectorized(name, held, levels)
        return self._batch(self.inner.vectorized(name, held, (*levels, own)))

    def _batch(self, result: Any) -> Any:
        return mapped(result, lambda array: Batch(array, self.depth))

    def _by_roles(self, op: OpSchema, inner: Kernel) -> Callable[[Sequence[Any]], Any] | None:
        """The inner kernel of ``op`` for values that hold samples, where its declaration says how; else None."""
        passed = [p for p in op.parameters if p.passed]
        roles = [p.role for p in passed[1:]]
        if op.leading:
            return lambda values: self._batch(inner(*aligned(values, self.depth)))
        if passed[0].role == "Tensor" and roles.count(_FOLDING) == 1 and {*roles} <= {_FOLDING, *_PLAIN}:
            return functools.partial(self._folded, inner, 1 + roles.index(_FOLDING))
        if passed[0].role == "Tensor" and "Window" in roles and not {"Amounts", "Size"} & {*roles}:
            return functools.partial(self._as_one_batch, inner)
        return None

    def _folded(self, inner: Kernel, place: int, values: Sequence[Any]) -> Any:
        """A kernel that folds dimensions of its one input away: they are counted behind the samples."""
        dims = moved(values[place], 0)
        return self._batch(inner(values[0].held, *values[1:place], dims, *values[place + 1 :]))

    def _as_one_batch(self, inner: Kernel, values: Sequence[Any]) -> Any:
        """A kernel over (batch, channels, *spatial): the samples go into its batch, where all else is one for all of them."""
        if depth_of(list(values[1:])) >= self.depth:
            return NotImplemented
        held, reshape = values[0].held, self.inner.kernels.reshape
        count, batch = held.shape[:2]
        result = inner(reshape(held, (count * batch, *held.shape[2:])), *values[1:])
        return self._batch(mapped(result, lambda array: reshape(array, (count, batch, *array.shape[1:]))))


class _Ways:
    """The kernels of a backend of batches, found on first use."""

    def __init__(self, backend: BatchedBackend) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._backend.kernels, name, None)
        made = self._backend.way_of(name) if name in REGISTRY or callable(found) else found
        setattr(self, name, made)
        return made


def _marked(value: Any, depth: int) -> Any:
    """Where ``value`` holds samples of ``depth``: True for a batch, lists and tuples item by item."""
    if type(value) in (list, tuple):
        return tuple([_marked(item, depth) for item in value])
    return inside(value, depth)


def _held(value: Any, depth: int) -> Any:
    """The arrays that hold the samples."""
    if type(value) is list:
        return [_held(item, depth) for item in value]
    return value.held if inside(value, depth) else value
