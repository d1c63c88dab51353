"""How layers take their settings."""

from __future__ import annotations

from typing import Any

from tapeloom import Tensor
from tapeloom.call.explain import Init, checked

__all__ = ["settings"]


def settings(init: Init) -> Init:
    """The constructor of a layer: what does not fit its signature raises an ArgumentTypeError that says so."""
    return checked(init, _made_before_called)


def _made_before_called(self: Any, args: tuple[Any, ...]) -> str:
    """What to say where a layer is called like a function: `nn.MSELoss(output, target)`."""
    if not any(isinstance(value, Tensor) for value in args):
        return ""
    return f" A layer is made first, and called then: {type(self).__name__}(...)(input, ...)."
