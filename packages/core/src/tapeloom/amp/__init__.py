"""Mixed precision: blocks in which ops choose their dtype, and the scaling of gradients for float16."""

from __future__ import annotations

from tapeloom.amp.autocast_mode import autocast, custom_bwd, custom_fwd, is_autocast_available
from tapeloom.amp.device_amp import DeviceAmp
from tapeloom.amp.grad_scaler import GradScaler
from tapeloom.backend.device_type import cpu, cuda, xla

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

for _device_type in (cpu, cuda, xla):
    _device_type.amp = DeviceAmp(_device_type.type)
