"""``tapeloom.cuda.amp`` and the like: PyTorch's older spellings, which name the device type in front."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapeloom.amp import autocast_mode, grad_scaler
from tapeloom.dtypes import DType


class DeviceAmp:
    """What ``tapeloom.amp`` has, for the devices of one type."""

    def __init__(self, type: str) -> None:
        self.type = type

    def autocast(
        self, enabled: bool = True, dtype: DType | None = None, cache_enabled: bool = True
    ) -> autocast_mode.autocast:
        """``tapeloom.autocast`` for this type of device."""
        return autocast_mode.autocast(self.type, dtype, enabled, cache_enabled)

    def GradScaler(self, *args: Any, **kwargs: Any) -> grad_scaler.GradScaler:
        """``tapeloom.amp.GradScaler`` for this type of device."""
        return grad_scaler.GradScaler(self.type, *args, **kwargs)

    def custom_fwd(self, fwd: Callable[..., Any] | None = None, *, cast_inputs: DType | None = None) -> Any:
        """``tapeloom.amp.custom_fwd`` for this type of device."""
        return autocast_mode.custom_fwd(fwd, device_type=self.type, cast_inputs=cast_inputs)

    def custom_bwd(self, bwd: Callable[..., Any] | None = None) -> Any:
        """``tapeloom.amp.custom_bwd`` for this type of device."""
        return autocast_mode.custom_bwd(bwd, device_type=self.type)

    def __repr__(self) -> str:
        return f"tapeloom.{self.type}.amp"
