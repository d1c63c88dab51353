"""A kind is a dtype on a device: what two tensors must share to meet without any conversion.

Kinds are interned, so the hot path asks one question, ``x.kind is y.kind``, instead of comparing dtypes and devices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom.backend.plugins import get_backend
from tapeloom.devices import Device
from tapeloom.dtypes import DType
from tapeloom.errors import UnsupportedError

if TYPE_CHECKING:
    from tapeloom.backend.runtime import Backend


class Kind:
    """A dtype on a usable device, with the backend that serves it.

    ``inexact``: whether such tensors can have gradients. ``kernels`` and ``run_rules`` are the backend's, here so that the
    walk finds them in one step.
    """

    __slots__ = ("backend", "device", "dtype", "inexact", "kernels", "run_rules")

    def __init__(self, dtype: DType, device: Device, backend: Backend) -> None:
        if dtype in backend.lacking_dtypes:
            error = UnsupportedError(
                f"dtype: the backend {backend.name!r} (device type {device.type!r}) does not have {dtype.name}. "
                f"Use another dtype, or another device."
            )
            error.lacking = dtype.name
            raise error
        self.dtype = dtype
        self.device = device
        self.backend = backend
        self.inexact = dtype.inexact
        self.kernels = backend.completed
        self.run_rules = backend.rules_for(dtype)

    def of(self, array: Any) -> Kind:
        """The kind of another array on this device."""
        dtype = self.backend.dtype_of(array)
        return self if dtype is self.dtype else kind_of(dtype, self.device)

    def __repr__(self) -> str:
        return f"{self.dtype.name} on {self.device}"

    def __reduce__(self) -> tuple[Any, ...]:
        return kind_of, (self.dtype, self.device)


_kinds: dict[tuple[DType, Device], Kind] = {}


def kind_of(dtype: DType, device: Device) -> Kind:
    """The one Kind of ``dtype`` on ``device`` (a resolved device)."""
    backend = device.backend or get_backend(device.type)
    kind = _kinds.get((dtype, device))
    if kind is None or kind.backend is not backend:
        kind = _kinds[dtype, device] = Kind(dtype, device, backend)
    return kind
