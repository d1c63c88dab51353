"""A kind is a dtype on a device: what two tensors must share to meet without any conversion.

Kinds are interned, so the hot path asks one question, ``x.kind is y.kind``, instead of comparing dtypes and devices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom.backend.plugins import get_backend
from tapeloom.devices import Device
from tapeloom.dtypes import DType

if TYPE_CHECKING:
    from tapeloom.backend.protocol import Backend


class Kind:
    """A dtype on a usable device, with the backend that serves it."""

    __slots__ = ("backend", "device", "dtype", "floating", "pull")

    def __init__(self, dtype: DType, device: Device, backend: Backend) -> None:
        self.dtype = dtype
        self.device = device
        self.backend = backend
        self.floating = dtype.is_floating_point
        self.pull = backend.pull_for(dtype)  # here, so that the walk finds it in one step

    def __repr__(self) -> str:
        return f"{self.dtype.name} on {self.device}"

    def __reduce__(self) -> tuple[Any, ...]:
        return kind_of, (self.dtype, self.device)


_kinds: dict[tuple[DType, Device], Kind] = {}


def kind_of(dtype: DType, device: Device) -> Kind:
    """The one Kind of ``dtype`` on ``device`` (a resolved device)."""
    backend = get_backend(device.type)
    kind = _kinds.get((dtype, device))
    if kind is None or kind.backend is not backend:
        kind = _kinds[dtype, device] = Kind(dtype, device, backend)
    return kind
