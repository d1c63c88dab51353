"""Making a module without first values."""

from __future__ import annotations

from typing import Any, TypeVar

from tapeloom.errors import ArgumentTypeError

from ..init import skipping
from ..module import Module

__all__ = ["skip_init"]

M = TypeVar("M", bound=Module)


def skip_init(module_cls: type[M], *args: Any, **kwargs: Any) -> M:
    """Makes a module whose initialisers do nothing, for values that are loaded at once.

    Args:
        module_cls: its class; args and kwargs are for the constructor.

    Raises:
        ArgumentTypeError: no class of modules.

    Example:
        >>> from tapeloom import nn
        >>> nn.utils.skip_init(nn.Linear, 2, 3).weight.shape
        (3, 2)
    """
    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise ArgumentTypeError(f"skip_init: expected a class of nn.Module, got {module_cls!r}.")
    with skipping():
        made: M = module_cls(*args, **kwargs)
    return made
