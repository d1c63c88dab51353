"""What core asks of a backend: everything that it calls is here.

A backend is a *runtime* (this class: devices, transfer, creation, random words, range checks, how kernels and gradient
rules are run, what it cannot do) and *kernels* (an object with a method for each op: pure functions of arrays, see
``kernels``). Core treats arrays as opaque handles: it uses their operators, ``.shape`` and ``.dtype``, and nothing else.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tapeloom import dtypes
from tapeloom.backend.array import Array
from tapeloom.backend.fallback import arrays_in, completed, mapped, on_host
from tapeloom.devices import Device
from tapeloom.dtypes import DType
from tapeloom.errors import ArgumentError, ShapeError

if TYPE_CHECKING:
    from tapeloom.op.schema import OpSchema
    from tapeloom.tape.plan import OpPlan
    from tapeloom.tensors.node import Node

Kernel = Callable[..., Any]
#: what runs the gradient rules of a node on raw arrays: (plan, node, gradient) -> pairs of an edge and its gradient
RuleRunner = Callable[["OpPlan", "Node", "tuple[Any, ...]", Any], "list[tuple[Node, Any]]"]

#: the methods that every backend must give; all others of ``Backend`` have a default
OWED = "native dtype_of from_host to_host scalar full arange random_words copy in_range".split()


class Backend:
    """Base of every backend. ``name`` is the plugin's name, ``device_type`` the device type that it serves."""

    name: str
    device_type: str
    #: an object with a kernel for each op, under the op's name
    kernels: Any
    #: dtypes that this backend does not have, such as ``frozenset({tapeloom.bfloat16})``
    lacking_dtypes: frozenset[DType] = frozenset()
    #: ops that it has no kernel for; a kernel that is not there counts as one too
    lacking_ops: frozenset[str] = frozenset()
    #: kernels that compute float16 and bfloat16 exactly enough themselves: all others get float32 and are rounded once
    half_kernels: frozenset[str] = frozenset({"nextafter"})
    #: the 16-bit dtypes that those kernels are meant for
    half_dtypes: frozenset[DType] = frozenset({dtypes.float16, dtypes.bfloat16})
    #: ops whose gradient rules take half arrays as they are, for they are such kernels again
    half_rules: frozenset[str] = frozenset()
    #: how many tensors one ``cat`` joins: more are joined in groups, where one call of many would be dear; None for any
    most_operands: int | None = None

    # devices

    #: whether its devices are worth more than the CPU: those that ``tapeloom.accelerator`` chooses from
    accelerates: bool = True

    def device_count(self) -> int:
        """How many devices of this type can be used now."""
        return 1

    def current_index(self) -> int | None:
        """The index that a device without one, such as ``"cuda"``, stands for; None for a type with one device."""
        return None

    def synchronize(self, device: Device) -> None:
        """Wait until the work queued on ``device`` is done."""

    def device_name(self, device: Device) -> str:
        """What the maker calls ``device``."""
        return str(device)

    def empty_cache(self) -> None:
        """Release the memory that is kept for later use: free blocks, compiled programs."""

    def versions(self) -> dict[str, str]:
        """The libraries that this backend runs on and their versions, for reports."""
        return {}

    # dtypes and transfer

    def native(self, dtype: DType) -> Any:
        """The array library's object for ``dtype``."""
        raise NotImplementedError

    def dtype_of(self, array: Array) -> DType:
        """The dtype of a raw array."""
        raise NotImplementedError

    def device_of(self, array: Array) -> Device:
        """The device of a raw array."""
        return Device(self.device_type, self.current_index())

    def from_host(self, array: Any, device: Device) -> Array:
        """Move a host (NumPy) array to ``device``."""
        raise NotImplementedError

    def to_host(self, array: Array) -> Any:
        """Move an array to the host, as a NumPy array; it may share memory, then it is read-only or never written."""
        raise NotImplementedError

    def text(self, array: Array) -> str | None:
        """What ``repr`` of a tensor is where the host cannot show it as one array; else None."""
        return None

    def to_device(self, array: Array, device: Device) -> Array:
        """Move an array between two devices of this backend."""
        return array

    # creation

    def scalar(self, value: bool | int | float | complex, dtype: DType, device: Device) -> Array:
        """A 0-d array holding a Python number."""
        raise NotImplementedError

    def zeros(self, size: tuple[int, ...], dtype: DType, device: Device) -> Array:
        """An array of zeros."""
        return self.full(size, 0, dtype, device)

    def full(self, size: tuple[int, ...], value: bool | int | float | complex, dtype: DType, device: Device) -> Array:
        """An array of one value."""
        raise NotImplementedError

    def arange(self, start: float, step: float, count: int, dtype: DType, device: Device) -> Array:
        """``start + i * step`` for ``count`` values, computed in int64 or float64 and then cast."""
        raise NotImplementedError

    def random_words(self, seed: int, offset: int, count: int, device: Device) -> Array:
        """``count`` 32-bit words of the stream of ``seed``, from block ``offset``: see ``generator``."""
        raise NotImplementedError

    # memory

    def copy(self, array: Array) -> Array:
        """A copy that shares nothing with ``array``."""
        raise NotImplementedError

    def owns_memory(self, array: Array) -> bool:
        """Whether ``array`` can be written to and holds its memory itself, so that arrays which share it have it as ``base``.

        Only on a backend where all that looks at the memory holds a reference to an array. False: arrays never change.
        """
        return False

    # checks of values

    def in_range(self, index: Array, low: int | float, high: int | float) -> bool:
        """Whether all elements lie in low <= i < high."""
        raise NotImplementedError

    # how kernels are run

    def call(self, kernel: str, *values: Any) -> Any:
        """Run a kernel that is no op's, or an op's outside of any recording."""
        return getattr(self.completed, kernel)(*values)

    def compute_dtype(self, op: OpSchema, dtype: DType) -> DType:
        """The dtype that the kernel of ``op`` gets for inputs of ``dtype``: half types are computed in float32."""
        if not dtype.half or op.dtype_rule.moves or (op.name in self.half_kernels and dtype in self.half_dtypes):
            return dtype
        return dtypes.float32

    def kernel_for(self, op: OpSchema, dtype: DType) -> Kernel:
        """The function that computes ``op`` for inputs of ``dtype``: called with every parameter that kernels get."""
        kernel = self.kernel(op)
        if self.compute_dtype(op, dtype) is dtype:
            return kernel

        def rounded_once(*values: Any) -> Any:
            result = kernel(*[self.widened(value) for value in values])
            if op.residuals:
                return self.narrowed(result[0], dtype), result[1]
            return self.narrowed(result, dtype)

        return rounded_once

    def kernel(self, op: OpSchema) -> Kernel:
        """The kernel of ``op`` as this backend runs it."""
        return on_host(self, op.name) if self.lacks(op.name) else getattr(self.completed, op.name)

    def lacks(self, name: str) -> bool:
        """Whether there is no kernel for the op ``name``."""
        return name in self.lacking_ops or getattr(self.kernels, name, None) is None

    @functools.cached_property
    def completed(self) -> Any:
        """The kernels, with functions that compute on the host in the place of those that are lacking."""
        return completed(self)

    # batches of vmap: see ``batches``

    #: whether the library maps kernels over batches itself, by ``vectorized``; else the shared kernels run on batches
    vectorizes: bool = False

    def vectorized(self, name: str, values: Sequence[Any], levels: tuple[Any, ...]) -> Any:
        """The kernel of the op ``name`` for all samples at once, the results with the samples in front.

        ``levels`` has an entry for each vmap, the innermost first: for each value whether it holds samples along its first axis
        (a tuple of that for a list of arrays). The arrays of an outer vmap are in front of those of an inner one.
        """
        raise NotImplementedError

    def through_host(self, kernel: Kernel, *values: Any) -> Any:
        """The result of a kernel of host arrays, for arrays of this backend."""
        first = next(array for value in values for array in arrays_in(value))
        device = self.device_of(first)
        result = kernel(*[mapped(value, self.to_host) for value in values])
        return mapped(result, lambda array: self.from_host(array, device))

    # how gradient rules are run

    def rules_for(self, dtype: DType) -> RuleRunner | None:
        """What runs the gradient rules of nodes whose result is ``dtype``; None: the plan calls them one by one."""
        if dtype.half:
            return self._rules_in_float32
        return self._rules_conjugated if dtype.is_complex else None

    def _rules_in_float32(self, plan: OpPlan, node: Node, kept: tuple[Any, ...], g: Any) -> list[tuple[Node, Any]]:
        """Half types: the rules get float32, and each gradient is rounded once."""
        if plan.op.dtype_rule.moves or plan.op.name in self.half_rules:
            return plan.run(g, kept, node.edges, self.completed)
        wide = tuple([self.widened(value) for value in kept])
        pairs = plan.run(self.widened(g), wide, node.edges, self.completed)
        return [(edge, self.narrowed(gradient, edge.kind.dtype)) for edge, gradient in pairs]

    def _rules_conjugated(self, plan: OpPlan, node: Node, kept: tuple[Any, ...], g: Any) -> list[tuple[Node, Any]]:
        """Rules written for real numbers hold for an analytic function between two conjugations.

        PyTorch's gradient is the conjugate of the derivative, so that of f is ``conj(rule(conj(g)))``.
        """
        if plan.op.dtype_rule.complex != "analytic" or plan.op.derived:  # the ops of a text conjugate for themselves
            return plan.run(g, kept, node.edges, self.completed)
        conj = self.completed.conj
        return [
            (edge, conj(gradient)) for edge, gradient in plan.run(mapped(g, conj), kept, node.edges, self.completed)
        ]

    def widened(self, value: Any) -> Any:
        """``value``, with half arrays in it as float32; lists and tuples item by item."""
        return mapped(
            value, lambda array: self.kernels.cast(array, dtypes.float32) if self.dtype_of(array).half else array
        )

    def narrowed(self, value: Any, dtype: DType) -> Any:
        """``value``, with floating arrays in it rounded to ``dtype``."""

        def rounded(array: Array) -> Array:
            found = self.dtype_of(array)
            return self.kernels.cast(array, dtype) if found is not dtype and found.is_floating_point else array

        return mapped(value, rounded)

    # optimizers

    def update(
        self, name: str, formula: Kernel, arrays: Sequence[Sequence[Any]], settings: dict[str, Any]
    ) -> Sequence[Sequence[Any]]:
        """One step of an optimizer for parameters of one dtype: lists of new parameters and of each new state.

        ``formula(kernels, *arrays_of_one, **settings)`` returns the new parameter and its new states. ``arrays`` holds a list
        of parameters, one of gradients, and one for each state. An entry of a state may be None; None that comes back leaves
        the state as it is. ``settings`` are bools, numbers, 0-d arrays, and tuples of these. Where ``name`` has no dot, all of
        them are Python's, and a kernel ``fused_<name>(*arrays, **settings)``, if there is one, stands for the formula; for
        half types only if ``half_kernels`` names it. A backend that compiles makes one program of all of it.
        """
        kernel = f"fused_{name}"
        if not self.dtype_of(arrays[0][0]).half or kernel in self.half_kernels:
            fused = getattr(self.kernels, kernel, None)
            if fused is not None:
                return fused(*arrays, **settings)  # type: ignore[no-any-return]
        return self.run_formula(formula, arrays, settings)

    def run_formula(
        self, formula: Kernel, arrays: Sequence[Sequence[Any]], settings: dict[str, Any]
    ) -> Sequence[Sequence[Any]]:
        """``update`` by the formula, one parameter after the other; half types are computed in float32, rounded once."""
        dtype = self.dtype_of(arrays[0][0])
        wide = dtypes.float32 if dtype.half else dtype
        rates = {key: mapped(value, lambda rate: self.rate(rate, wide)) for key, value in settings.items()}
        rows = []
        for param, gradient, *states in zip(*arrays, strict=True):
            try:
                result = formula(self.completed, *self.widened((param, gradient, *states)), **rates)
            except Exception as error:
                error.add_note(f"in {formula.__qualname__}, for a parameter of shape {tuple(param.shape)}")
                raise
            rows.append(self._updated(formula, (param, *states), result if isinstance(result, tuple) else (result,)))
        return list(zip(*rows, strict=True))

    def rate(self, array: Array, dtype: DType) -> Any:
        """A rate given as a 0-d array, for a formula that computes in ``dtype``."""
        return self.kernels.cast(array, dtype)

    def _updated(self, formula: Kernel, old: tuple[Any, ...], new: tuple[Any, ...]) -> list[Any]:
        """What ``formula`` gave, each in the dtype of what it replaces. Raises an error where something else came."""
        if len(new) != len(old):
            raise ArgumentError(
                f"{formula.__qualname__}: it returned {len(new)} arrays, and must return {len(old)}: the new parameter and "
                f"each new state."
            )
        result = []
        for position, (before, after) in enumerate(zip(old, new, strict=True)):
            if before is not None and after is not None and before.shape != after.shape:
                what = f"state {position - 1}" if position else "the parameter"
                raise ShapeError(
                    f"{formula.__qualname__}: it returned {what} in shape {tuple(after.shape)}, and it has shape "
                    f"{tuple(before.shape)}. Sum over what was broadcast, or expand what was reduced."
                )
            result.append(self.narrowed(after, self.dtype_of(old[0] if before is None else before)))
        return result
