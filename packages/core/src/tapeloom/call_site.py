"""The user's program as seen from within: the line that made a call, and the frames that an error shows.

An error that tapeloom raises on purpose is about the user's line, so the frames of our own that lie between are taken off
its traceback where it leaves us. With ``TAPELOOM_TRACEBACK=full`` in the environment all stay. Errors of any other class
keep theirs.
"""

from __future__ import annotations

import functools
import linecache
import os
import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar, cast

from tapeloom.errors import TapeloomError

C = TypeVar("C", bound=Callable[..., Any])


class CallSite:
    """A line of the user's program: its file, its number, and the function that it is in. ``str`` reads its code too."""

    __slots__ = ("file", "function", "line")

    def __init__(self, file: str, line: int, function: str) -> None:
        self.file = file
        self.line = line
        self.function = function

    def __str__(self) -> str:
        code = linecache.getline(self.file, self.line).strip()
        return f"{self.file}, line {self.line}, in {self.function}{f': `{code}`' if code else ''}"


def call_site() -> CallSite:
    """The line of the user's program that is being run; where there is none, the outermost line."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _ours(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
    return CallSite(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


def trim(error: TapeloomError) -> None:
    """Take our frames off the traceback of ``error``, but for those of a layer's ``forward``.

    For an ``except`` clause that ends with a bare ``raise``, to which Python adds no entry for the frame that it is in.
    """
    if os.environ.get("TAPELOOM_TRACEBACK") == "full":
        return
    kept, step = [], error.__traceback__
    while step is not None:
        if not _between(step.tb_frame):
            kept.append(step)
        step = step.tb_next
    error.__traceback__ = None
    for step in reversed(kept):
        step.tb_next, error.__traceback__ = error.__traceback__, step


def entry(function: C) -> C:
    """``function``, which users call, with errors that show their frames alone; for what costs more than a call."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TapeloomError as error:
            trim(error)
            raise

    return cast("C", called)


def _between(frame: FrameType) -> bool:
    """Whether ``frame`` runs our code, and no layer's ``forward``, which says where in a model something is wrong."""
    module = frame.f_globals.get("__name__", "")
    return _ours(module) and not (module.startswith("tapeloom.nn.") and frame.f_code.co_name == "forward")


def warn_user(message: str) -> None:
    """Warn, at the line of the user's program that is being run."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _ours(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)


def _ours(module: str) -> bool:
    return module.partition(".")[0] == "tapeloom" or module.startswith("tapeloom_backend_")
