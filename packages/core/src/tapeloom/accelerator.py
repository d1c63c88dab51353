"""What a program asks that shall use an accelerator where there is one: the names of ``torch.accelerator``.

    device = tl.accelerator.current_accelerator() or "cpu"

The current accelerator is the type of the default device, if that is not ``cpu``; else ``cuda``, ``xla`` or the first other
backend that can be used and computes on an accelerator. JAX on a CPU does not count.
"""

from __future__ import annotations

from tapeloom.backend.device_type import DeviceType
from tapeloom.backend.plugins import OFFICIAL, backend_types, default_device, get_backend
from tapeloom.devices import Device, DeviceLike
from tapeloom.errors import DeviceError

__all__ = ["current_accelerator", "current_device_index", "device_count", "empty_cache", "is_available", "synchronize"]


def current_accelerator(check_available: bool = False) -> Device | None:
    """The device type to use, as a device without an index; None where there is none.

    ``check_available`` is taken for PyTorch's spelling: only what can be used is ever given.
    """
    chosen = default_device().type
    if chosen != "cpu":
        return Device(chosen)
    installed = backend_types()
    for type in [name for name in OFFICIAL if name in installed] + [name for name in installed if name not in OFFICIAL]:
        if type != "cpu" and DeviceType(type).is_available() and get_backend(type).accelerates:
            return Device(type)
    return None


def is_available() -> bool:
    """Whether there is an accelerator that can be used."""
    return current_accelerator() is not None


def device_count() -> int:
    """How many devices the current accelerator has; 0 where there is none."""
    found = current_accelerator()
    return 0 if found is None else DeviceType(found.type).device_count()


def current_device_index() -> int:
    """The index of the device that the type alone stands for. Raises DeviceError where there is no accelerator."""
    return _current().current_device()


def synchronize(device: DeviceLike | int = None, /) -> None:
    """Wait until the work queued on ``device``, the current one if it is None, is done."""
    _current().synchronize(device)


def empty_cache() -> None:
    """Release the memory that the backend of the current accelerator keeps for later use."""
    _current().empty_cache()


def _current() -> DeviceType:
    found = current_accelerator()
    if found is None:
        raise DeviceError("accelerator: there is none that can be used. python -m tapeloom doctor says why.")
    return DeviceType(found.type)
