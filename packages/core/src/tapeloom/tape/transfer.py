"""Moving a tensor between devices: the one recorded operation whose two ends belong to different backends."""

from __future__ import annotations

from typing import Any

from tapeloom.devices import Device
from tapeloom.modes import MODES
from tapeloom.tape.kind import Kind, kind_of
from tapeloom.tape.node import Node, next_number
from tapeloom.tape.tensor import Tensor, make


class _Move:
    """What stands for op and plan on a transfer's node: it keeps the source kind and moves the gradient back."""

    name = "to"
    layout: tuple[str, ...] = ()
    inputs = ("x",)
    residuals: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    composite = False
    crosses = True
    frees = False

    def __init__(self, source: Kind, target: Kind) -> None:
        self.source = source
        self.target = target
        self.op = self
        self.need = (True,)

    def pull(self, g: Any, kept: tuple[Any, ...], ops: Any) -> list[Any]:
        if isinstance(g, Tensor):
            return [transferred(g, self.source.device)]
        return [move(g, self.target, self.source)]


def move(array: Any, source: Kind, target: Kind) -> Any:
    """A raw array from the device of ``source`` on that of ``target``; through the host between two backends."""
    if source.backend is target.backend:
        return source.backend.to_device(array, target.device)
    return target.backend.from_host(source.backend.to_host(array), target.device)


def transferred(x: Tensor, device: Device) -> Tensor:
    """``x`` on ``device``: itself where it is there already, else a recorded copy."""
    source = x.kind
    if source.device is device:
        return x
    target = kind_of(source.dtype, device)
    array = move(x.array, source, target)
    node = None
    if x.node is not None and MODES.get().grad:
        node = object.__new__(Node)
        node.plan = _Move(source, target)  # type: ignore[assignment]
        node.edges = (x.node,)
        node.kept = ()
        node.kind = target
        node.shape = array.shape
        node.number = next_number()
        node.hooks = None
    return make(array, target, node)
