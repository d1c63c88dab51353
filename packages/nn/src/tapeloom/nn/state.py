"""Saving and loading the tensors of a module tree; nothing is half loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.errors import ArgumentTypeError, StateError

from .parameter import Parameter, is_lazy

if TYPE_CHECKING:
    from .module import Module

__all__ = ["IncompatibleKeys", "load_state"]

_SHOWN = 20  # lines of each kind in a report; a state of another model would fill the screen


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict(strict=False)` passed over: keys only the model has, and keys only the state has."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class Slot(NamedTuple):
    """One entry of a module tree that a state fills: `owner.name`, now holding `tensor`."""

    owner: Module
    name: str
    tensor: Tensor


def slots(module: Module, prefix: str = "") -> Iterator[tuple[str, Slot]]:
    """Yields (key, slot) in PyTorch's order: of each module the parameters, the persistent buffers, then the children.

    A tensor that two places share appears under both keys, as in PyTorch.
    """
    for wanted in ("parameter", "buffer"):
        for name, tensor in module._entries(wanted):
            yield prefix + name, Slot(module, name, tensor)
    for name, child in module._entries("module"):
        yield from slots(child, f"{prefix}{name}.")


def load_state(module: Module, state: Mapping[str, Tensor], strict: bool, assign: bool) -> IncompatibleKeys:
    """Checks the whole of `state` against `module`, then puts its values in; see `Module.load_state_dict`."""
    if not isinstance(state, Mapping):
        raise ArgumentTypeError(
            f"{type(module).__name__}.load_state_dict: the state is a {type(state).__name__}, not a mapping from "
            "names to Tensors. Pass what state_dict() gave or tl.load() read."
        )
    expected = dict(slots(module))
    missing = [key for key in expected if key not in state]
    unexpected = [key for key in state if key not in expected]
    misfits = [line for key, slot in expected.items() if key in state and (line := _misfit(key, slot, state[key]))]
    if misfits or (strict and (missing or unexpected)):
        raise StateError(_report(module, expected, state, missing, unexpected, misfits, strict))

    # Every conversion comes first, because a move to another device may fail and nothing may be half loaded.
    found = {key: slot for key, slot in expected.items() if key in state}
    with tl.no_grad():
        for key, slot in found.items():
            if is_lazy(slot.tensor):
                slot.tensor.materialize(state[key].shape)
        if assign:
            _assign(found, state)
        else:
            values = [state[key].detach().to(slot.tensor.device, slot.tensor.dtype) for key, slot in found.items()]
            for slot, value in zip(found.values(), values, strict=True):
                slot.tensor.copy_(value)
    return IncompatibleKeys(missing, unexpected)


def _assign(found: Mapping[str, Slot], state: Mapping[str, Tensor]) -> None:
    """Puts the state's tensors themselves in; a parameter shared by several places stays shared."""
    replaced: dict[int, Tensor] = {}
    for key, slot in found.items():
        new = replaced.get(id(slot.tensor))
        if new is None:
            new = state[key]
            if isinstance(slot.tensor, Parameter):
                requires_grad = slot.tensor.requires_grad
                if isinstance(new, Parameter):
                    new.requires_grad_(requires_grad)
                else:
                    new = Parameter(new, requires_grad)
            replaced[id(slot.tensor)] = new
        slot.owner.__dict__[slot.name] = new


def _misfit(key: str, slot: Slot, value: Any) -> str | None:
    """Says in one line why `value` cannot fill the slot, or gives None."""
    if not isinstance(value, Tensor):
        return f"{key}: the model has {_shape(slot.tensor)}, the state no Tensor but {type(value).__name__}"
    if tuple(value.shape) != tuple(slot.tensor.shape) and not is_lazy(slot.tensor):
        return f"{key}: the model has {_shape(slot.tensor)}, the state {_shape(value)}"
    return None


def _report(
    module: Module,
    expected: Mapping[str, Slot],
    state: Mapping[str, Tensor],
    missing: list[str],
    unexpected: list[str],
    misfits: list[str],
    strict: bool,
) -> str:
    """Writes the message of a load that failed: every key, what it is, and the likeliest remedy."""
    count = len(misfits) + (len(missing) + len(unexpected) if strict else 0)
    keys = "1 key does not fit" if count == 1 else f"{count} keys do not fit"
    lines = [f"{type(module).__name__}.load_state_dict: {keys}; nothing was loaded."]
    if strict and missing:
        lines.append("  Missing (in the model, not in the state):")
        hints = [_hint(key, expected[key].tensor, unexpected, state) for key in missing[:_SHOWN]]
        entries = [f"{key} {_shape(expected[key].tensor)}" for key in missing]
        lines += _entries([entry + hint for entry, hint in zip(entries, hints, strict=False)], len(missing))
    if strict and unexpected:
        lines.append("  Unexpected (in the state, not in the model):")
        entries = [f"{key} {_shape(state[key])}" for key in unexpected[:_SHOWN]]
        lines += _entries(entries, len(unexpected))
    if misfits:
        lines.append("  Wrong shape:")
        lines += _entries(misfits[:_SHOWN], len(misfits))
    lines.append(_advice(expected, state, strict and bool(missing or unexpected)))
    return "\n".join(lines)


def _entries(entries: list[str], total: int) -> list[str]:
    lines = [f"    {entry}" for entry in entries]
    if total > len(entries):
        lines.append(f"    and {total - len(entries)} more")
    return lines


def _hint(key: str, tensor: Tensor, unexpected: list[str], state: Mapping[str, Tensor]) -> str:
    """Names the unexpected key of the same shape whose name is closest to a missing one."""
    import difflib  # here, since only a failed load needs it

    fitting = [name for name in unexpected if _shape(state[name]) == _shape(tensor)]
    close = difflib.get_close_matches(key, fitting, n=1, cutoff=0.5)
    return f"; the state has '{close[0]}' of that shape" if close else ""


def _advice(expected: Mapping[str, Slot], state: Mapping[str, Tensor], names_differ: bool) -> str:
    """The last line: what to do."""
    if names_differ:
        for prefix in _prefixes(state):
            if all(key.removeprefix(prefix) in expected for key in state):
                return (
                    f"Every key of the state begins with '{prefix}'. Load it with "
                    f"{{key.removeprefix('{prefix}'): value for key, value in state.items()}}."
                )
        for prefix in _prefixes(expected):
            if state and all(prefix + key in expected for key in state):
                part = prefix[:-1]
                load = f"model.get_submodule('{part}').load_state_dict(state)"
                return f"The state fits the part '{part}' of the model. Load it: {load}."
        return "Rename the keys, or pass strict=False to pass over missing and unexpected ones."
    return "Build the model with the sizes it was saved with, or leave these keys out and pass strict=False."


def _prefixes(keys: Mapping[str, Any]) -> Iterator[str]:
    """The dotted beginnings that all keys share, shortest first: 'module.', 'module.net.'."""
    parts = [key.split(".")[:-1] for key in keys]
    if not parts:
        return
    for length in range(1, min(map(len, parts)) + 1):
        if len({tuple(part[:length]) for part in parts}) == 1:
            yield ".".join(parts[0][:length]) + "."


def _shape(value: Any) -> str:
    """A shape as text; what is no Tensor shows its type."""
    return str(tuple(value.shape)) if isinstance(value, Tensor) else f"<{type(value).__name__}>"
