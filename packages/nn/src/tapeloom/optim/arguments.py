"""Arguments of optimizers: rates, and the message for one that is misspelt."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

from tapeloom import Tensor
from tapeloom.call_site import entry
from tapeloom.errors import ArgumentTypeError
from tapeloom.op.parameter import Arguments

__all__ = ["Rate", "is_zero", "named_arguments"]

Rate: TypeAlias = float | Tensor
"""A number, or a 0-d Tensor, which is never read back to the host."""


def is_zero(rate: Any) -> bool:
    """Whether a setting is the number 0, so that a formula can leave a term out.

    A rate given as a Tensor is not looked at, and counts as different from 0.
    """
    return isinstance(rate, (int, float)) and rate == 0


def named_arguments(init: Callable[..., None]) -> Callable[..., None]:
    """`init`, but an unknown keyword argument raises an error that says what there is."""
    try:
        arguments = Arguments(init, skip=1)
    except TypeError:  # it takes any keyword
        return init

    @entry
    @functools.wraps(init)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        for keyword in kwargs:
            if keyword not in arguments.names:
                raise ArgumentTypeError(_unexpected(type(self).__name__, keyword, arguments))
        init(self, *args, **kwargs)

    return checked


def _unexpected(name: str, keyword: str, arguments: Arguments) -> str:
    import difflib  # here, since only a failed call needs it

    close = difflib.get_close_matches(keyword, arguments.names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{name}: unexpected argument {keyword!r}.{hint} Signature: {arguments.text(name)}"
