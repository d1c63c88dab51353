"""What the namespace can do: its devices, dtypes and limits."""

from __future__ import annotations

from typing import Any

import tapeloom as tl
from tapeloom import Device, DType
from tapeloom.array_api import data_types
from tapeloom.backend.plugins import backend_types, count_devices, resolve_device

__all__ = ["__array_namespace_info__"]

#: what the standard knows: not the 16-bit floating ones
_DTYPES = [tl.bool_, *(value for name in data_types.__all__ if isinstance(value := getattr(data_types, name), DType))]


class __array_namespace_info__:
    """The standard's inspection functions, as methods."""

    def capabilities(self) -> dict[str, Any]:
        """What depends on values and still works, and the most dimensions that every backend takes."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> Device:
        """The device of new tensors."""
        return tl.get_default_device()

    def default_dtypes(self, *, device: Device | None = None) -> dict[str, DType]:
        """The dtypes of new tensors."""
        default = tl.get_default_dtype()
        return {
            "real floating": default,
            "complex floating": default.complex,
            "integral": tl.int64,
            "indexing": tl.int64,
        }

    def dtypes(self, *, device: Device | None = None, kind: str | tuple[str, ...] | None = None) -> dict[str, DType]:
        """The standard's dtypes that the device has, by name, of one or several kinds."""
        lacking = tl.get_backend(resolve_device(device).type).lacking_dtypes
        return {
            dtype.name: dtype
            for dtype in _DTYPES
            if dtype not in lacking and (kind is None or data_types.isdtype(dtype, kind))
        }

    def devices(self) -> tuple[Device, ...]:
        """All devices that can be used now."""
        found = []
        for device_type in backend_types():
            if not tl.is_available(device_type):
                continue
            count = count_devices(tl.get_backend(device_type))
            found += [resolve_device(f"{device_type}:{index}") for index in range(count)]
        return tuple(found)
