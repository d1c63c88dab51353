"""The one hook for all that watches calls: close the short path of ops, and their calls take the general one.

Anomaly detection, autocast, a profiler, graph pictures and captured steps are watchers. While none is there nothing is
paid. A watcher is active in the context (thread, task) that it was opened in; other threads merely lose the short path
of the closed ops meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import Token
from threading import Lock
from typing import TYPE_CHECKING, Any

from tapeloom.modes import MODES, Modes
from tapeloom.op.registry import REGISTRY

if TYPE_CHECKING:
    from tapeloom.call.op import Op
    from tapeloom.call.promote import Key
    from tapeloom.tensors.kind import Kind
    from tapeloom.tensors.node import Node

_lock = Lock()


class Watcher:
    """Base of the watchers: override what is of interest."""

    def before(self, op: Op[Any, Any], values: list[Any]) -> None:
        """Called with the bound arguments of a call; may replace them in the list."""

    def after(self, op: Op[Any, Any], values: list[Any], result: Any) -> None:
        """Called with the result of a call."""

    def after_backward(self, node: Node, g: Any, pairs: list[tuple[Node, Any]]) -> None:
        """Called when the walk has pulled the gradient ``g`` of ``node`` back to its edges."""


def close(ops: Iterable[Op[Any, Any]]) -> None:
    """Send the calls of ``ops`` through the general path, until ``reopen``."""
    with _lock:
        for op in ops:
            op.closed += 1
            op.kernel_by_kind.clear()


def reopen(ops: Iterable[Op[Any, Any]]) -> None:
    """Undo one ``close``."""
    with _lock:
        for op in ops:
            op.closed -= 1


def remember(op: Op[Any, Any], key: Key, entry: tuple[Any, Kind]) -> None:
    """Let the short path of ``op`` take inputs of this key from now on, unless it is closed."""
    with _lock:
        if not op.closed:
            op.kernel_by_kind[key] = entry


class watching:
    """``with watching(watcher):`` lets it see every call of ``ops`` (all unless given), and every walk."""

    def __init__(self, watcher: Watcher, ops: Iterable[Op[Any, Any]] | None = None) -> None:
        self.watcher = watcher
        self.ops = tuple(REGISTRY.values()) if ops is None else tuple(ops)
        self._tokens: list[Token[Modes]] = []

    def __enter__(self) -> watching:
        modes = MODES.get()
        close(self.ops)
        self._tokens.append(MODES.set(modes.replace(watchers=(*modes.watchers, self.watcher))))
        return self

    def __exit__(self, *exc_info: object) -> None:
        MODES.reset(self._tokens.pop())
        reopen(self.ops)
