"""The one hook for all that watches calls: close the short path of ops, and their calls take the general one.

Anomaly detection, autocast, a profiler, graph pictures and captured steps are watchers. While none is there nothing is
paid. A watcher is active in the context (thread, task) that it was opened in; other threads merely lose the short path
of the closed ops meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from tapeloom.modes import MODES, Modes, enter, leave
from tapeloom.op.registry import REGISTRY
from tapeloom.tensors.node import Leaf, Output

if TYPE_CHECKING:
    from tapeloom.call.op import Op
    from tapeloom.call.promote import Key
    from tapeloom.tensors.kind import Kind
    from tapeloom.tensors.node import Node
    from tapeloom.tensors.tensor import Tensor

W = TypeVar("W", bound="Watcher")

#: guards ``Op.closed`` and the filling of ``Op.kernel_by_kind``
_lock = Lock()
#: how many have closed all ops: what an op that is declared meanwhile begins with
_all_closed = 0

#: what the calls are made in, such as a module of a model; ``str`` of it says so. Set only while something watches.
CALLER: ContextVar[object] = ContextVar("tapeloom_caller", default=None)


class Watcher:
    """Base of the watchers: override what is of interest. ``ops`` are those whose calls it sees; None: all.

    While a method of a watcher runs, that watcher does not watch: it may call ops itself.
    """

    ops: Collection[Op[Any, Any]] | None = None
    #: whether it changes what is computed, as autocast does: it then acts again where calls are made again, and not in walks
    acts = False

    def before(self, op: Op[Any, Any], values: list[Any]) -> None:
        """Called with the bound arguments of a call; may replace them in the list."""

    def call(self, words: dict[str, str], function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Of a watcher that acts: ``function(*args, **kwargs)``, a function over ops that has words of its own."""
        return function(*args, **kwargs)

    def after(self, op: Op[Any, Any], values: list[Any], result: Any) -> None:
        """Called with the result of a call, and with its arguments as they were computed with: promoted and cast."""

    def failed(self, op: Op[Any, Any], values: list[Any], error: Exception) -> None:
        """Called when a call raises ``error``; it is raised again afterwards."""

    def cut(self, result: Tensor, source: Tensor, how: str) -> None:
        """Called when ``result`` is taken from ``source`` without its history; ``how`` is the name of the call."""

    def read_out(self, source: Tensor, how: str) -> None:
        """Called when the values of ``source``, which has a history, are handed to Python or NumPy."""

    def after_recording(self, node: Node) -> None:
        """Called with a node that no op recorded: that of a transfer or of a ``Function``."""

    def after_backward(self, node: Node, g: Any, pairs: list[tuple[Node, Any]]) -> None:
        """Called when the walk has pulled the gradient ``g`` of ``node`` back to its edges."""

    def backward_failed(self, node: Node, error: Exception) -> None:
        """Called when ``error`` was raised while a walk was at ``node``; it is raised again afterwards."""


def operations(result: Any) -> list[Node]:
    """The nodes that stand for the calls that made ``result``, a result or a tuple of them, without leaves."""
    found: dict[Node, None] = {}
    for part in result if isinstance(result, tuple) else (result,):
        node = getattr(part, "node", None)
        if isinstance(node, Output):
            node = node.edges[0]
        if node is not None and not isinstance(node, Leaf):
            found[node] = None
    return list(found)


def close(ops: Iterable[Op[Any, Any]] | None = None) -> None:
    """Send the calls of ``ops`` (all unless given) through the general path, until as many calls of ``reopen``."""
    global _all_closed  # noqa: PLW0603 - guarded by the lock
    with _lock:
        _all_closed += ops is None
        for op in list(REGISTRY.values()) if ops is None else ops:
            op.closed += 1
            op.kernel_by_kind.clear()


def reopen(ops: Iterable[Op[Any, Any]] | None = None) -> None:
    """Undo one ``close`` of the same ops."""
    global _all_closed  # noqa: PLW0603 - guarded by the lock
    with _lock:
        _all_closed -= ops is None
        for op in list(REGISTRY.values()) if ops is None else ops:
            op.closed -= 1


def register(op: Op[Any, Any]) -> None:
    """Enter a new op, closed as often as all ops are now."""
    with _lock:
        REGISTRY[op.name] = op
        op.closed = _all_closed


def remember(op: Op[Any, Any], key: Key, entry: tuple[Any, Kind]) -> None:
    """Let the short path of ``op`` take inputs of this key from now on, unless it is closed."""
    with _lock:
        if not op.closed:
            op.kernel_by_kind[key] = entry


def acting() -> Watcher | None:
    """The watcher that changes what is computed now, if there is one."""
    return next((watcher for watcher in MODES.get().watchers if watcher.acts), None)


class watching:
    """``with watching(watcher):`` lets it see every call of its ops, and every walk."""

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher

    def __enter__(self) -> watching:
        close(self.watcher.ops)
        enter(self, watchers=(*MODES.get().watchers, self.watcher))
        return self

    def __exit__(self, *exc_info: object) -> None:
        leave(self)
        reopen(self.watcher.ops)


def as_given(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """``function(*args, **kwargs)``, in which no watcher changes what is computed."""
    modes = MODES.get()
    try:
        MODES.set(modes.with_watchers(modes.observers))
        return function(*args, **kwargs)
    finally:
        MODES.set(modes)


# modes that are watchers: one of each class at most, switched as the other modes are


def active(kind: type[W]) -> W | None:
    """The watcher of this class that watches now."""
    return next((watcher for watcher in MODES.get().watchers if isinstance(watcher, kind)), None)


def having(modes: Modes, kind: type[Watcher], watcher: Watcher | None) -> tuple[Any, ...]:
    """The watchers of ``modes`` with ``watcher`` as the only one of the class ``kind``."""
    others = tuple(other for other in modes.watchers if not isinstance(other, kind))
    return others if watcher is None else (*others, watcher)


@contextmanager
def switching(kind: type[Watcher]) -> Iterator[None]:
    """Around a change of the modes: closes and reopens the ops of the watcher of this class that begins or ends by it."""
    before = _closed_by(active(kind))
    yield
    after = _closed_by(active(kind))
    if after is not before:
        close(after)
        reopen(before)


def switch(kind: type[Watcher], watcher: Watcher | None, block: type) -> None:
    """Make ``watcher`` the one of its class until the end of the innermost ``block`` of its own, whatever else ends before."""
    with switching(kind):
        MODES.set(_throughout(MODES.get(), kind, watcher, block))


def _closed_by(watcher: Watcher | None) -> Collection[Op[Any, Any]] | None:
    return () if watcher is None else watcher.ops


def _throughout(modes: Modes, kind: type[Watcher], watcher: Watcher | None, block: type) -> Modes:
    """``modes`` and those around it changed, so that the end of a block such as ``no_grad`` does not undo it."""
    entered = modes.entered
    if entered is not None and not isinstance(entered[0], block):
        entered = entered[0], _throughout(entered[1], kind, watcher, block)
    return modes.replace(watchers=having(modes, kind, watcher), entered=entered)
