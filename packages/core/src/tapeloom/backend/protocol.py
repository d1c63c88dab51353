"""What core asks of a backend: devices, transfer, and how kernels and gradient rules are run.

The kernels themselves are methods with the names and signatures of the ops (see ``arrayapi``). Core treats the arrays
of a backend as opaque handles: it uses their operators, ``.shape`` and ``.dtype``, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tapeloom.errors import UnsupportedError

if TYPE_CHECKING:
    from tapeloom.devices import Device
    from tapeloom.dtypes import DType
    from tapeloom.tape.op import Op, Plan

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

    def exclusive(self, array: Array) -> bool:
        """Whether the caller holds the only reference to ``array`` and its memory, so that it may be overwritten."""
        return False

    # how kernels and rules are run

    def kernel(self, op: Op) -> Callable[..., Any]:
        """The function that computes ``op``: called with every parameter in order, inputs as raw arrays."""
        found = getattr(self, op.name, None)
        if found is None:
            raise UnsupportedError(
                f"{op.name}: the backend {self.name!r} (device type {self.device_type!r}) has no kernel of this name. "
                f"Move the tensors to another device, for instance with .cpu()."
            )
        return found  # type: ignore[no-any-return]

    def pull(self, plan: Plan, g: Array, kept: tuple[Any, ...], shapes: Sequence[Any]) -> list[Array | None]:
        """Run the gradient rules of ``plan`` on raw arrays: one gradient an edge, of the shape in ``shapes``.

        ``shapes`` holds, for each edge, the shape that the gradient must have, or None where the edge needs none.
        A backend that compiles may override this: ``plan.pull`` is a pure function of ``g`` and ``kept``.
        """
        gradients = plan.pull(g, kept, self)
        for position, shape in enumerate(shapes):
            gradient = gradients[position]
            if gradient is not None and gradient.shape != shape:
                gradients[position] = self.reduce_to(gradient, shape)
        return gradients

    def reduce_to(self, x: Array, size: tuple[int, ...]) -> Array:
        """Sum ``x`` over the axes that broadcasting from ``size`` made."""
        raise NotImplementedError
