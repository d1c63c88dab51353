"""Moving a tensor between devices: the one recorded operation whose two ends belong to different backends."""

from __future__ import annotations

from typing import Any

from tapeloom.devices import Device
from tapeloom.modes import MODES, tell_watchers
from tapeloom.tape.plan import Pairs, Plan
from tapeloom.tensors.kind import Kind, kind_of
from tapeloom.tensors.node import Node, new_node
from tapeloom.tensors.tensor import Tensor, make, read_array


class Transfer(Plan):
    """The plan of a transfer: its gradient is moved back."""

    __slots__ = ("source",)
    name = "to"
    frees = False

    def __init__(self, source: Kind) -> None:
        self.source = source

    def pairs(self, node: Node, kept: tuple[Any, ...], g: Any, create: bool) -> Pairs:
        """See ``Plan.pairs``: moves the gradient back."""
        edge = node.edges[0]
        assert edge is not None
        return [(edge, transferred(g, self.source.device) if create else moved(g, node.kind, self.source))]


def moved(array: Any, source: Kind, target: Kind) -> Any:
    """A raw array from the device of ``source`` on that of ``target``; through the host between two backends."""
    if source.backend is target.backend:
        return source.backend.to_device(array, target.device)
    return target.backend.from_host(source.backend.to_host(array), target.device)


def transferred(x: Tensor, device: Device) -> Tensor:
    """``x`` on ``device``: itself where it is there already, else a recorded copy."""
    source = x.kind
    if source.device is device or source.device == device:  # equal, not the same: that of a level of vmap
        return x
    target = kind_of(source.dtype, device)
    array = moved(read_array(x), source, target)
    node = None
    modes = MODES.get()
    if x.node is not None and modes.grad:
        node = new_node(Transfer(source), (x.node,), (), target, array.shape)
        if modes.watchers:
            tell_watchers("after_recording", node)
    return make(array, target, node)
