"""Where in the user's program a call was made: the innermost line outside of tapeloom."""

from __future__ import annotations

import linecache
import sys
import warnings


class CallSite:
    """A line of the user's program: its file, its number, and the function it stands in. ``str`` reads its code too."""

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


def warn_user(message: str) -> None:
    """Warn, at the line of the user's program that is being run."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _ours(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)


def _ours(module: str) -> bool:
    return module.partition(".")[0] == "tapeloom" or module.startswith("tapeloom_backend_")
