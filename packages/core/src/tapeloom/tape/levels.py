"""Levels: the vmaps that are running, and the recorded steps by which tensors enter and leave their batches.

A level is one call of a vmapped function. Its tensors have a device of their own, which looks like the one that they are
on, and a backend of batches (see ``backend.batches``). Where a tensor meets one of a deeper level it is lifted: it becomes one
value for all samples there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

from tapeloom.backend.batches.array import Batch, inside
from tapeloom.backend.batches.runtime import BatchedBackend
from tapeloom.backend.plugins import get_backend
from tapeloom.devices import Device
from tapeloom.errors import StateError
from tapeloom.modes import MODES, tell_watchers
from tapeloom.op.registry import OPS
from tapeloom.tape.plan import Pairs, Plan
from tapeloom.tensors.extra import Extra
from tapeloom.tensors.kind import Kind, kind_of
from tapeloom.tensors.node import Node, new_node
from tapeloom.tensors.tensor import Tensor, make, make_of, read_array


class LevelDevice(Device):
    """The device of the tensors of a level: to users the device that its samples are on."""

    __slots__ = ("backend", "home", "level")
    backend: BatchedBackend
    #: the device of the tensors that enter
    home: Device
    #: the last level that ran with it
    level: Level

    def __eq__(self, other: object) -> bool:
        return root(self) is root(other) if isinstance(other, Device) else str(self) == other

    __hash__ = object.__hash__

    def __reduce__(self) -> tuple[object, tuple[str, int | None]]:
        return Device, (self.type, self.index)


class Level:
    """One call of a vmapped function: how many samples, on which device, what becomes of random numbers."""

    __slots__ = ("device", "randomness", "size")

    def __init__(self, device: LevelDevice, size: int, randomness: str) -> None:
        self.device = device
        self.size = size
        self.randomness = randomness


#: the levels that are running, the outermost first
LEVELS: ContextVar[tuple[Level, ...]] = ContextVar("tapeloom_levels", default=())
_devices: dict[tuple[Device, int], LevelDevice] = {}


def root(device: Device) -> Device:
    """The device that the samples are on."""
    while isinstance(device, LevelDevice):
        device = device.home
    return device


def innermost(device: Device) -> Device:
    """The device of the innermost level that runs over ``device``; ``device`` where there is none."""
    found = root(device)
    for level in LEVELS.get():
        if root(level.device) is found:
            device = level.device
    return device


class running:
    """``with running(device, size, randomness) as level:`` a new level over tensors on ``device``."""

    def __init__(self, device: Device, size: int, randomness: str = "error") -> None:
        self.level = Level(_device(innermost(device), len(LEVELS.get())), size, randomness)

    def __enter__(self) -> Level:
        LEVELS.set((*LEVELS.get(), self.level))
        self.level.device.level = self.level
        return self.level

    def __exit__(self, *exc_info: object) -> None:
        LEVELS.set(tuple(level for level in LEVELS.get() if level is not self.level))


def _device(home: Device, depth: int) -> LevelDevice:
    """The device of a level over ``home``: one and the same for all, by which kinds and kernels are found."""
    inner = home.backend or get_backend(home.type)
    made = _devices.get((home, depth))
    if made is None or made.backend.inner is not inner:
        made = object.__new__(LevelDevice)
        made.type, made.index, made.home = home.type, home.index, home
        made.backend = BatchedBackend(inner, depth, made)
        _devices[home, depth] = made
    return made


def _level_of(device: LevelDevice) -> Level:
    return next((level for level in LEVELS.get() if level.device is device), device.level)


def per_sample(device: Device, size: tuple[int, ...], draw: Callable[[tuple[int, ...], Device], Any]) -> Any:
    """Random numbers ``draw(size, device)``; on levels each sample's own, or the same for all, as their randomness says."""
    if not isinstance(device, LevelDevice):
        return draw(size, device)
    level = _level_of(device)
    if level.randomness != "different":
        return per_sample(device.home, size, draw)
    return Batch(per_sample(device.home, (level.size, *size), draw), device.backend.depth)


# lifting


def lifted(tensor: Tensor, device: Device) -> Tensor:
    """``tensor`` on ``device``: itself, or where that is a level over its device, one value for all samples."""
    if tensor.kind.device is device or not isinstance(device, LevelDevice) or not _over(device, tensor.kind.device):
        return tensor
    tensor = lifted(tensor, device.home)
    return crossed(tensor, read_array(tensor), device, Enter(_level_of(device), None))


def _over(device: Device, other: Device) -> bool:
    while isinstance(device, LevelDevice):
        device = device.home
        if device is other:
            return True
    return False


def meeting(values: Iterable[Any]) -> Device | None:
    """The device of the deepest level among the tensors in ``values``; None where all are outside of any."""
    found: LevelDevice | None = None
    for value in values:
        device = value.kind.device if isinstance(value, Tensor) else None
        if isinstance(value, (list, tuple)):
            device = meeting(value)
        if isinstance(device, LevelDevice) and (found is None or device.backend.depth > found.backend.depth):
            found = device
    return found


class Shared(Tensor):
    """A tensor that all samples of a level share, lifted for a function that may write to it: then it must refuse."""

    __slots__ = ()


def together(values: Any) -> Any:
    """``values``, a list, tuple or dict, with its tensors lifted to the deepest level among them; None if there is nothing to lift."""
    items = list(values.values()) if isinstance(values, dict) else list(values)
    device = meeting(items)
    if device is None:
        return None
    made = [_shared(item, device) for item in items]
    if all(new is old for new, old in zip(made, items, strict=True)):
        return None
    return dict(zip(values, made, strict=True)) if isinstance(values, dict) else tuple(made)


def _shared(value: Any, device: Device) -> Any:
    if isinstance(value, (list, tuple)) and any(isinstance(item, Tensor) for item in value):
        return type(value)([_shared(item, device) for item in value])
    if not isinstance(value, Tensor):
        return value
    up = lifted(value, device)
    if up is value:
        return value
    made = make_of(Shared, read_array(up), up.kind)
    made.node, made.extra = up.node, Extra()
    return made


def lift(values: list[Any]) -> None:
    """Let the tensors in ``values`` meet: those outside of the deepest level among them are lifted to it, in place."""
    device = meeting(values)
    if device is not None:
        for position, value in enumerate(values):
            if isinstance(value, Tensor):
                values[position] = lifted(value, device)
            elif isinstance(value, (list, tuple)):
                values[position] = [lifted(item, device) if isinstance(item, Tensor) else item for item in value]


# the recorded steps


def crossed(x: Tensor, array: Any, device: Device, plan: Plan) -> Tensor:
    """``array``, made of ``x``, as a tensor on ``device``; ``plan`` leads its gradient back."""
    kind = kind_of(x.kind.dtype, device)
    node = None
    modes = MODES.get()
    if x.node is not None and modes.grad:
        node = new_node(plan, (x.node,), (), kind, array.shape)
        if modes.watchers:
            tell_watchers("after_recording", node)
    return make(array, kind, node)


class Enter(Plan):
    """A tensor became a batch over its dimension ``dim``, or (None) one value for all samples."""

    __slots__ = ("dim", "level")
    name = "vmap_enter"
    frees = False

    def __init__(self, level: Level, dim: int | None) -> None:
        self.level = level
        self.dim = dim

    def pairs(self, node: Node, kept: tuple[Any, ...], g: Any, create: bool) -> Pairs:
        """See ``Plan.pairs``: the gradient leaves again; that of one value for all samples is the sum of theirs."""
        return _pair(node, g, create, lambda tensor: leave(tensor, self.level, self.dim))


class Leave(Plan):
    """A batch became a tensor with the samples along ``dim``, or (None) their sum."""

    __slots__ = ("dim", "level")
    name = "vmap_leave"
    frees = False

    def __init__(self, level: Level, dim: int | None) -> None:
        self.level = level
        self.dim = dim

    def pairs(self, node: Node, kept: tuple[Any, ...], g: Any, create: bool) -> Pairs:
        """See ``Plan.pairs``: the gradient enters."""
        if any(level.device is self.level.device and level is not self.level for level in LEVELS.get()):
            raise StateError(
                "vmap: a gradient goes back through a vmap that has ended, and it is a batch of another one. Call vjp within the "
                "function that is mapped, or use tapeloom.func.jacrev."
            )
        return _pair(node, g, create, lambda tensor: enter(tensor, self.level, self.dim))


def _pair(node: Node, g: Any, create: bool, back: Any) -> Pairs:
    edge = node.edges[0]
    assert edge is not None
    if create:
        return [(edge, back(g))]
    return [(edge, read_array(back(make(g, node.kind))))]


def enter(x: Tensor, level: Level, dim: int | None) -> Tensor:
    """``x`` as a batch of ``level`` over its dimension ``dim``, or as one value for all samples."""
    device = level.device
    x = lifted(x, device.home)
    if dim is None:
        return crossed(x, read_array(x), device, Enter(level, None))
    order = (dim, *(axis for axis in range(x.ndim) if axis != dim))
    ordered = OPS.permute(bare(x), order) if dim else x
    return crossed(x, Batch(read_array(ordered), device.backend.depth), device, Enter(level, dim))


def leave(x: Tensor, level: Level, dim: int | None) -> Tensor:
    """The samples of ``x`` along a new dimension ``dim``, or their sum."""
    device = level.device
    x = lifted(x, device)
    array = read_array(x)
    kind: Kind = kind_of(x.kind.dtype, device.home)
    if inside(array, device.backend.depth):
        held = make(array.held, kind)
        made = OPS.sum(held, (0,), dtype=held.dtype) if dim is None else held
    else:  # all samples share it
        held = make(array, kind)
        made = held * level.size if dim is None else OPS.expand(OPS.unsqueeze(held, 0), (level.size, *held.shape))
    if dim:
        order = [*range(1, made.ndim)]
        order.insert(dim, 0)
        made = OPS.permute(made, tuple(order))
    return crossed(x, read_array(made), device.home, Leave(level, dim))


def outside(x: Tensor) -> Tensor:
    """``x`` off the tape and out of all levels, the samples in front: for messages about values."""
    array, device = read_array(x), x.device
    while isinstance(device, LevelDevice):
        array = array.held if inside(array, device.backend.depth) else array
        device = device.home
    return make(array, kind_of(x.dtype, device))


def bare(x: Tensor) -> Tensor:
    """``x`` off the tape."""
    return make(read_array(x), x.kind)
