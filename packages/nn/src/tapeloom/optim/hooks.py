"""User-registered hooks of an optimizer: around its step, and around saving and loading its state."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from tapeloom.errors import ArgumentTypeError
from tapeloom.tensors.node import RemovableHandle, next_number

__all__ = ["OptimizerHooks"]

Hook = Callable[..., Any]
"""What a user registers; the arguments it is called with depend on which hook it is."""


class OptimizerHooks:
    """The hooks of one optimizer, by place, each place in calling order. Copies and pickles leave them out."""

    _hooks: dict[str, OrderedDict[int, Hook]]
    _stepping = False

    def register_step_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Calls `hook(optimizer, args, kwargs)` before each step; what it returns, (args, kwargs), replaces them.

        `args` begins with the optimizer, as in PyTorch.
        """
        return self._add("step_pre", hook)

    def register_step_post_hook(self, hook: Hook) -> RemovableHandle:
        """Calls `hook(optimizer, args, kwargs)` after each step."""
        return self._add("step_post", hook)

    def register_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer)` before `state_dict`."""
        return self._add("state_dict_pre", hook, prepend)

    def register_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer, state_dict)` with what `state_dict` gives; what it returns replaces that."""
        return self._add("state_dict_post", hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer, state_dict)` with a shallow copy before it is loaded; what it returns replaces that."""
        return self._add("load_state_dict_pre", hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer)` after `load_state_dict`."""
        return self._add("load_state_dict_post", hook, prepend)

    def _add(self, place: str, hook: Hook, prepend: bool = False) -> RemovableHandle:
        if not callable(hook):
            raise ArgumentTypeError(
                f"{type(self).__name__}.register_{place}_hook: the hook must be callable, got {type(hook).__name__}."
            )
        hooks = self.__dict__.setdefault("_hooks", {}).setdefault(place, OrderedDict())
        key = next_number()
        hooks[key] = hook
        if prepend:
            hooks.move_to_end(key, last=False)
        return RemovableHandle(hooks, key)

    def _hooks_at(self, place: str) -> list[Hook]:
        return list(self.__dict__.get("_hooks", {}).get(place, {}).values())

    def _changed(self, place: str, state_dict: Any) -> Any:
        """A state dict after the hooks at `place`."""
        for hook in self._hooks_at(place):
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        return state_dict

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_hooks"}


def hooked(step: Callable[..., Any]) -> Callable[..., Any]:
    """The method `step` of an optimizer, with the hooks around it."""
    if getattr(step, "hooked", False):
        return step

    @functools.wraps(step)
    def stepped(self: Any, *args: Any, **kwargs: Any) -> Any:
        if "_hooks" not in self.__dict__ or self._stepping:  # a step that calls that of its base is one step
            return step(self, *args, **kwargs)
        call: tuple[Any, Any] = (self, *args), kwargs
        for hook in self._hooks_at("step_pre"):
            changed = hook(self, *call)
            if changed is not None:
                if not isinstance(changed, tuple) or len(changed) != 2:
                    raise ArgumentTypeError(
                        f"{type(self).__name__}.step: a step pre-hook must return None or (args, kwargs), "
                        f"got {type(changed).__name__}."
                    )
                call = changed
        self._stepping = True
        try:
            result = step(*call[0], **call[1])
        finally:
            self._stepping = False
        for hook in self._hooks_at("step_post"):
            hook(self, *call)
        return result

    stepped.hooked = True  # type: ignore[attr-defined]
    return stepped
