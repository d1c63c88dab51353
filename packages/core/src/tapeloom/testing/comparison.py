"""The differential checker: one program on several backends, operation by operation.

Each call on a device is made again on the reference device from the very same inputs, forward and backward, so an error is
named where it arises and not where it shows. How far two libraries may differ is measured, not guessed: the inputs are
moved by a tiny relative step in random directions, and what that changes in a result is how much rounding errors may.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tapeloom import host
from tapeloom.autograd.origins import Origin, tensors_in
from tapeloom.backend.fallback import mapped
from tapeloom.backend.plugins import resolve_device
from tapeloom.call.op import Op
from tapeloom.call.watch import Watcher, operations, watching
from tapeloom.devices import Device
from tapeloom.errors import UnsupportedError
from tapeloom.func import tree as trees
from tapeloom.generator import fork_rng
from tapeloom.modes import enable_grad, no_grad
from tapeloom.tape.transfer import moved
from tapeloom.tensors.kind import Kind, kind_of
from tapeloom.tensors.node import Node, hooks_of
from tapeloom.tensors.tensor import Tensor, make, read_array
from tapeloom.testing.differential import usable_devices

#: rounding errors that are allowed, in units of the dtype's spacing
BUDGET = 256
#: how often the inputs are moved to see what it changes
DIRECTIONS = 4


class Step(NamedTuple):
    """One compared call: its name, where it was made, and its largest error in parts of its budget (1: all of it)."""

    name: str
    where: str
    error: float


class Comparison:
    """What ``compare`` found for one device: the steps in the order of the calls. ``str`` gives a summary."""

    def __init__(self, device: str, reference: str, steps: list[Step], skipped: list[str]) -> None:
        self.device = device
        self.reference = reference
        self.steps = steps
        self.skipped = skipped

    def __str__(self) -> str:
        worst = sorted(self.steps, key=lambda step: -step.error)[:5]
        lines = [
            f"{self.device} beside {self.reference}: {len(self.steps)} steps agree. The largest errors, in parts of what is allowed:"
        ]
        lines += [f"  {step.error:8.3f}  {step.name}, {step.where}" for step in worst]
        if self.skipped:
            lines += [f"Not compared: {', '.join(sorted(set(self.skipped)))}."]
        return "\n".join(lines)

    __repr__ = __str__


def compare(
    function: Callable[..., Any], *inputs: Any, devices: Sequence[str] | None = None, backward: bool = True
) -> list[Comparison]:
    """Run ``function(*inputs)`` on each device but the first, and compare every operation with the first device.

    ``devices`` are all that can be used unless given; the first is the reference, best cpu. Tensors among the inputs are
    moved; modules are deep-copied and moved with ``.to``. The random state is the same for each. With ``backward`` the
    gradients of the sum of the results are compared too, node by node. What has no gradient or no inputs (such as a random
    draw) is compared as far as it goes.

    Returns a ``Comparison`` for each further device. Raises AssertionError that names the first operation beyond its
    budget, with the line that called it, the place and both values.

    Example:
        >>> import tapeloom as tl
        >>> x = tl.tensor([1.0, 2.0], requires_grad=True)
        >>> (found,) = tl.testing.compare(lambda x: (x * x).sum(), x, devices=["cpu", "cpu"])
        >>> found.steps[0].name, found.steps[0].error
        ('multiply', 0.0)
    """
    names = list(devices) if devices is not None else usable_devices()
    reference = resolve_device(names[0])
    found = []
    for name in names[1:]:
        watcher = _Checker(reference)
        with fork_rng():
            own = [_there(item, resolve_device(name)) for item in inputs]
            with watching(watcher):
                results = function(*own)
                roots = [part for part in tensors_in([results]) if part.requires_grad]
                if backward and roots:
                    total: Any = sum((part.abs() if part.is_complex() else part).sum() for part in roots)
                    total.backward()
        found.append(Comparison(name, names[0], watcher.steps, watcher.skipped))
    return found


def _there(item: Any, device: Device) -> Any:
    if isinstance(item, Tensor):
        return item.detach().to(device).clone().requires_grad_(item.requires_grad)
    if hasattr(item, "parameters") and hasattr(item, "to"):
        from copy import deepcopy

        return deepcopy(item).to(device)
    return item


class _Checker(Watcher):
    """Makes each call again on the reference device."""

    def __init__(self, reference: Device) -> None:
        self.reference = reference
        self.steps: list[Step] = []
        self.skipped: list[str] = []
        self.calls: dict[Node, tuple[Op[Any, Any], list[Any]]] = {}

    def after(self, op: Op[Any, Any], values: list[Any], result: Any) -> None:
        """A call of an op: the same on the reference."""
        origin = Origin()
        for node in operations(result):
            hooks_of(node).origin = origin
            self.calls[node] = op, values
        if not tensors_in(values):
            return  # made from settings alone; what takes it shows what is wrong

        def again(change: Callable[[Any], Any]) -> list[Any]:
            with no_grad():
                made = _called(op, self.all_at_reference(values, change))
            return [host_values(part) for part in tensors_in([made])]

        self.check(op.name, f"called at {origin}", [host_values(part) for part in tensors_in([result])], again)

    def after_backward(self, node: Node, g: Any, pairs: list[tuple[Node, Any]]) -> None:
        """The gradient of a node: that of the same call on the reference."""
        name = f"the gradient of {node.plan.name}"
        origin = None if node.hooks is None else node.hooks.origin
        if node not in self.calls:
            self.skipped.append(name)
            return
        op, values = self.calls.pop(node)

        def again(change: Callable[[Any], Any]) -> list[Any]:
            with enable_grad():
                (own,) = operations(_called(op, self.all_at_reference(values, change)))
            arrived = mapped(g, lambda array: self.array_at_reference(array, node.kind.of(array), change))
            return [
                host_values(make(value, edge.kind))
                for edge, value in own.plan.pairs(own, own.kept, arrived, create=False)
            ]

        got = [host_values(value if isinstance(value, Tensor) else make(value, edge.kind)) for edge, value in pairs]
        self.check(name, f"called at {origin}", got, again)

    def check(self, name: str, where: str, got: list[Any], again: Callable[[Callable[[Any], Any]], list[Any]]) -> None:
        """``got`` is within the budget of what ``again`` computes on the reference."""
        try:
            with no_grad():
                want = again(lambda values: values)
                spread = _spread(want, again)
        except UnsupportedError:
            self.skipped.append(name)
            return
        worst = 0.0
        for number, (mine, other, slack) in enumerate(zip(got, want, spread, strict=True)):
            place, error = _worst(mine, other, slack)
            worst = max(worst, error)
            if error > 1:
                which = name if len(got) == 1 else f"{name}, result {number}"
                at = f" at {place}" if place else ""
                raise AssertionError(
                    f"compare: {which} differs{at}: {_shown(mine, place)} came, and {_shown(other, place)} is what "
                    f"{self.reference} computes from the same inputs: {error:.3g} times what is allowed. It was {where}. "
                    f"The {len(self.steps)} steps before it agree."
                )
        self.steps.append(Step(name, where, worst))

    def kind(self, kind: Kind) -> Kind:
        return kind_of(kind.dtype, self.reference)

    def all_at_reference(self, values: list[Any], change: Callable[[Any], Any]) -> Any:
        return trees.mapped(lambda value: self.at_reference(value, change), values)

    def at_reference(self, value: Any, change: Callable[[Any], Any]) -> Any:
        if isinstance(value, Tensor):
            made = make(self.array_at_reference(read_array(value), value.kind, change), self.kind(value.kind))
            return made if value.node is None else made.requires_grad_()
        return self.reference if isinstance(value, Device) else value

    def array_at_reference(self, array: Any, kind: Kind, change: Callable[[Any], Any]) -> Any:
        target = self.kind(kind)
        if not kind.inexact:
            return moved(array, kind, target)
        return target.backend.from_host(change(kind.backend.to_host(array)), self.reference)


def _called(op: Op[Any, Any], values: list[Any]) -> Any:
    """The call of ``op`` whose bound arguments are ``values``."""
    named = dict(zip([parameter.name for parameter in op.parameters], values, strict=True))
    starred = op.arguments.starred
    if starred is None:
        return op(**named)
    several = named.pop(starred)
    leading = [named.pop(name) for name in op.arguments.names[: op.arguments.positional]]
    return op(*leading, *several, **named)


def host_values(tensor: Tensor) -> Any:
    """The values of ``tensor`` on the host, in its dtype."""
    return tensor.numpy(force=True)


def _spread(want: list[Any], again: Callable[[Callable[[Any], Any]], list[Any]]) -> list[Any]:
    """How far each element may be off: by so many spacings of its size, and of what a relative change of the inputs does."""
    rng = np.random.default_rng(0)
    changes: list[Any] = [0.0 for _ in want]
    finest = max((float(host.dtype_of(part).eps) for part in want if host.dtype_of(part).inexact), default=0.0)
    step = finest**0.5 or 1e-4
    for _ in range(DIRECTIONS):
        after = again(lambda values: (values * (1 + step * rng.choice([-1.0, 1.0], values.shape))).astype(values.dtype))
        with np.errstate(all="ignore"):
            changes = [
                np.maximum(most, np.abs(_wide(new) - _wide(old)))
                if new.shape == old.shape
                else most  # of as many as were found
                for most, new, old in zip(changes, after, want, strict=True)
            ]
    with np.errstate(all="ignore"):
        return [_slack(part, change, step) for part, change in zip(want, changes, strict=True)]


def _slack(want: Any, change: Any, step: float) -> Any:
    dtype = host.dtype_of(want)
    if not dtype.inexact:
        return np.zeros(want.shape)
    return BUDGET * dtype.eps * (np.abs(_wide(want)) + change / step + dtype.smallest_normal)


def _wide(values: Any) -> Any:
    return np.asarray(values).astype(np.complex128 if np.iscomplexobj(values) else np.float64)


def _worst(got: Any, want: Any, slack: Any) -> tuple[tuple[int, ...], float]:
    """The place of the largest error, and that error in parts of what is allowed."""
    if got.shape != want.shape or got.dtype != want.dtype:
        return (), float("inf")
    if not got.size:
        return (), 0.0
    with np.errstate(all="ignore"):
        mine, other = _wide(got), _wide(want)
        same = (mine == other) | (np.isnan(mine) & np.isnan(other)) | np.isnan(slack) | np.isinf(slack)
        parts = np.where(same, 0.0, np.abs(mine - other) / np.where(slack == 0, np.finfo(np.float64).tiny, slack))
    parts = np.where(np.isnan(parts), np.inf, parts)
    flat = int(np.argmax(parts))
    place = tuple(int(axis) for axis in np.unravel_index(flat, parts.shape))
    return place, float(parts[place])


def _shown(values: Any, place: tuple[int, ...]) -> str:
    if values.ndim and not place:
        return f"{values.dtype}{list(values.shape)}"
    return f"{values[place].item()!r}"
