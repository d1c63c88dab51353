"""What core asks of a backend: devices, transfer, and how kernels and gradient rules are run.

The kernels themselves are methods with the names and signatures of the ops (see ``arrayapi``). Core treats the arrays
of a backend as opaque handles: it uses their operators, ``.shape`` and ``.dtype``, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tapeloom.errors import UnsupportedError

if TYPE_CHECKING:
    from tapeloom.devices import Device
    from tapeloom.dtypes import DType
    from tapeloom.tape.node import Node
    from tapeloom.tape.op import Op

Array = Any


class Backend:
    """Base of every backend. ``name`` is the plugin's name, ``device_type`` the device type that it serves."""

    name: str
    device_type: str

    # devices

    def device_count(self) -> int:
        """How many devices of this type can be used now."""
        return 1

    def current_index(self) -> int | None:
        """The index that a device without one, such as ``"cuda"``, stands for; None for a type with one device."""
        return None

    def synchronize(self, device: Device) -> None:
        """Wait until the work queued on ``device`` is done."""

    def versions(self) -> dict[str, str]:
        """The libraries that this backend runs on and their versions, for reports."""
        return {}

    # transfer and dtypes

    def native(self, dtype: DType) -> Any:
        """The array library's object for ``dtype``."""
        raise NotImplementedError

    def dtype_of(self, array: Array) -> DType:
        """The dtype of a raw array."""
        raise NotImplementedError

    def from_host(self, array: Any, device: Device) -> Array:
        """Move a host (NumPy) array to ``device``."""
        raise NotImplementedError

    def to_host(self, array: Array) -> Any:
        """Move an array to the host, as a NumPy array; it may share memory, then it is read-only or never written."""
        raise NotImplementedError

    def to_device(self, array: Array, device: Device) -> Array:
        """Move an array between two devices of this backend."""
        return array

    def scalar(self, value: bool | int | float, dtype: DType, device: Device) -> Array:
        """A 0-d array holding a Python number."""
        raise NotImplementedError

    def copy(self, array: Array) -> Array:
        """A copy that shares nothing with ``array``."""
        raise NotImplementedError

    def exclusive(self, arrays: list[Array]) -> list[bool]:
        """For each array, whether the list and one owner hold the only references to it and its memory.

        Such an array may be overwritten: nobody could tell. The owner is the Tensor whose new value it then becomes.
        """
        return [False] * len(arrays)

    # how kernels and rules are run

    def kernel(self, op: Op[Any, Any]) -> Callable[..., Any]:
        """The function that computes ``op``: called with every parameter in order, inputs as raw arrays."""
        found = getattr(self, op.name, None)
        if found is None:
            raise UnsupportedError(
                f"{op.name}: the backend {self.name!r} (device type {self.device_type!r}) has no kernel of this name. "
                f"Move the tensors to another device, for instance with .cpu()."
            )
        return found  # type: ignore[no-any-return]

    def kernel_for(self, op: Op[Any, Any], dtype: DType) -> Callable[..., Any]:
        """The kernel of ``op`` where its result is ``dtype``: by default the same for all."""
        return self.kernel(op)

    def pull_for(self, dtype: DType) -> Callable[[Node, Array], list[tuple[Node, Array]]]:
        """What walks back through nodes whose value is ``dtype``: by default ``pull`` for all."""
        return self.pull

    def pull(self, node: Node, g: Array) -> list[tuple[Node, Array]]:
        """Run the gradient rules of ``node`` on raw arrays: pairs of an edge and its gradient, in the edge's shape.

        A backend that compiles may override this: ``plan.pull`` followed by ``reduce_to`` is a pure function of ``g``
        and ``node.kept``.
        """
        plan, kept, edges = node.plan, node.kept, node.edges
        pairs: list[tuple[Node, Array]] = []
        if plan.calls is None:
            for gradient, target in zip(plan.pull(g, kept, self), edges, strict=True):
                if target is not None and gradient is not None:
                    if gradient.shape != target.shape:
                        gradient = self.reduce_to(gradient, target.shape)
                    pairs.append((target, gradient))
            return pairs
        for slot, function, positions, count, wants_ops in plan.calls:  # the hot loop: plain rules, one step each
            if count == 1:
                first = kept[positions[0]]
                gradient = function(g, first, self) if wants_ops else function(g, first)
            elif count == 0:
                gradient = function(g, self) if wants_ops else function(g)
            elif wants_ops:
                gradient = function(g, *[kept[position] for position in positions], self)
            else:
                gradient = function(g, *[kept[position] for position in positions])
            edge: Any = edges[slot]
            if gradient.shape != edge.shape:
                gradient = self.reduce_to(gradient, edge.shape)
            pairs.append((edge, gradient))
        return pairs

    def reduce_to(self, x: Array, size: tuple[int, ...]) -> Array:
        """Sum ``x`` over the axes that broadcasting from ``size`` made."""
        raise NotImplementedError
