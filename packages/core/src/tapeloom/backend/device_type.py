"""``tapeloom.cuda``, ``tapeloom.xla`` and ``tapeloom.cpu``: what programs ask of a device type, under PyTorch's names."""

from __future__ import annotations

from typing import Any

from tapeloom.backend.plugins import get_backend, is_available, resolve_device
from tapeloom.devices import Device, DeviceLike
from tapeloom.errors import DeviceError
from tapeloom.generator import manual_seed


class DeviceType:
    """The devices of one type. Asking whether and how many are there never fails; all else needs them."""

    #: PyTorch's older names for mixed precision; joined from above, see ``amp``
    amp: Any

    def __init__(self, type: str) -> None:
        self.type = type

    def is_available(self) -> bool:
        """Whether a device of this type can be used here; ``python -m tapeloom doctor`` says why not."""
        return is_available(self.type)

    def device_count(self) -> int:
        """How many devices of this type can be used; 0 where there is no backend for them."""
        return get_backend(self.type).device_count() if self.is_available() else 0

    def current_device(self) -> int:
        """The index of the device that the type alone, such as ``"cuda"``, stands for."""
        return self._device(None).index or 0

    def get_device_name(self, device: DeviceLike | int = None) -> str:
        """What the maker calls ``device``, the current one if it is None."""
        return get_backend(self.type).device_name(self._device(device))

    def synchronize(self, device: DeviceLike | int = None) -> None:
        """Wait until the work queued on ``device``, the current one if it is None, is done."""
        get_backend(self.type).synchronize(self._device(device))

    def empty_cache(self) -> None:
        """Release the memory that the backend keeps for later use, compiled programs included."""
        if self.is_available():
            get_backend(self.type).empty_cache()

    def manual_seed(self, seed: int) -> None:
        """Seed the default generator, which is one for all devices."""
        manual_seed(seed)

    manual_seed_all = manual_seed

    def _device(self, device: DeviceLike | int) -> Device:
        if device is None:
            return resolve_device(self.type)
        if isinstance(device, int):
            return resolve_device(f"{self.type}:{device}")
        found = Device(device)
        if found.type != self.type:
            raise DeviceError(
                f"{self.type}: device '{found}' is of another type. Give a {self.type} device or an index."
            )
        return resolve_device(found)

    def __repr__(self) -> str:
        return f"tapeloom.{self.type}"


cpu = DeviceType("cpu")
cuda = DeviceType("cuda")
xla = DeviceType("xla")
