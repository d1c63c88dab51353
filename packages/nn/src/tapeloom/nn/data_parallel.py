"""One module on several devices, each with a part of the batch."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.backend.device_type import DeviceType
from tapeloom.devices import Device, DeviceLike
from tapeloom.errors import ArgumentError, ArgumentTypeError

from .arguments import settings
from .module import Module

__all__ = ["DataParallel"]


class DataParallel(Module):
    """Splits the inputs over devices of one type, runs a copy of the module on each, and joins the outputs.

    Gradients add up in the parameters of the module itself, which stays on the first device; so do the changes of its
    buffers there. The keys of the state begin with `module.`. On one device the module is called as it is.

    Args:
        module: the module.
        device_ids: the devices, as names or indices; all of the module's type if None.
        output_device: where the outputs come together; the first if None.
        dim: the axis that is split.

    Raises:
        ArgumentError: when called, a parameter that is not on the first device.

    Example:
        >>> from tapeloom import nn
        >>> list(nn.DataParallel(nn.Linear(2, 3)).state_dict())
        ['module.weight', 'module.bias']
    """

    @settings
    def __init__(
        self,
        module: Module,
        device_ids: Sequence[int | Device | str] | None = None,
        output_device: int | Device | str | None = None,
        dim: int = 0,
    ) -> None:
        super().__init__()
        if not isinstance(module, Module):
            raise ArgumentTypeError(f"DataParallel: module must be an nn.Module, got {type(module).__name__}.")
        first = next(module.parameters(), None)
        kind = "cpu" if first is None else first.device.type
        if device_ids is not None and not isinstance(device_ids, (list, tuple, range)):
            raise ArgumentTypeError(f"DataParallel: device_ids must be a list of devices, got {device_ids!r}.")
        ids = range(DeviceType(kind).device_count()) if device_ids is None else device_ids
        self.devices = [_device(kind, each) for each in ids]
        self.output_device = (
            _device(kind, output_device) if output_device is not None else next(iter(self.devices), None)
        )
        self.dim = dim
        self.module = module
        if len(self.devices) == 1 and first is not None:
            module.to(self.devices[0])

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """The outputs of all devices, joined."""
        if len(self.devices) < 2:
            return self.module(*inputs, **kwargs)
        for name, parameter in self.module.named_parameters():
            if parameter.device is not self.devices[0]:
                raise ArgumentError(
                    f"DataParallel: '{name}' is on {parameter.device}, and the first device is {self.devices[0]}."
                )
        parts = _split((inputs, kwargs), self.devices, self.dim)
        outputs = [
            _replica(self.module, device)(*args, **named)
            for device, (args, named) in zip(self.devices, parts, strict=False)
        ]
        return _joined(outputs, self.output_device, self.dim)


def _device(kind: str, given: int | Device | str) -> Device:
    return Device.resolve(Device(kind, given) if isinstance(given, int) else Device(given))


def _replica(module: Module, device: Device) -> Module:
    """A copy whose tensors are those of the module, on a device; gradients find the way back."""
    twin = copy.copy(module)
    for name, tensor in module._entries("parameter", "buffer", "transient"):
        twin.__dict__[name] = tensor.to(device)
    for name, child in module._entries("module"):
        twin.__dict__[name] = _replica(child, device)
    return twin


def _split(value: Any, devices: Sequence[Device], dim: int) -> list[Any]:
    """One part for each device; what is no tensor goes to all. A short batch gives fewer parts."""
    if isinstance(value, Tensor):
        return [part.to(device) for part, device in zip(value.chunk(len(devices), dim), devices, strict=False)]
    if isinstance(value, (tuple, list)) and value:
        return [_like(value, parts) for parts in zip(*(_split(each, devices, dim) for each in value), strict=False)]
    if isinstance(value, dict) and value:
        split = zip(*(_split(each, devices, dim) for each in value.values()), strict=False)
        return [dict(zip(value, parts, strict=True)) for parts in split]
    return [value] * len(devices)


def _joined(outputs: Sequence[Any], device: DeviceLike, dim: int) -> Any:
    """The outputs of all devices as one."""
    first = outputs[0]
    if isinstance(first, Tensor):
        parts = [output.to(device) for output in outputs]
        return tl.cat(parts, dim) if first.ndim else tl.stack(parts)
    if isinstance(first, dict):
        return {key: _joined([output[key] for output in outputs], device, dim) for key in first}
    if isinstance(first, (tuple, list)):
        return _like(first, [_joined(parts, device, dim) for parts in zip(*outputs, strict=True)])
    return first


def _like(container: Any, parts: Any) -> Any:
    """The parts in a container of the same type."""
    return type(container)(*parts) if hasattr(container, "_fields") else type(container)(parts)
