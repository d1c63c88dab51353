"""The modes that change what an operation does: recording, inference, default device, watchers, computing on the host.

All of them live in one immutable object in one context variable, so that a tracked operation reads them with one
``get`` and every thread and asyncio task has its own. Where code changes them for a while it does so within the ``try``
that restores them: Ctrl-C may come right after the change.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from tapeloom import suspended

if TYPE_CHECKING:
    from tapeloom.devices import Device

F = TypeVar("F", bound=Callable[..., Any])


class Modes:
    """One immutable set of modes; ``replace`` gives a changed copy.

    ``entered`` says which block (``with no_grad():`` ...) these modes belong to, and which modes were there before it.
    """

    __slots__ = ("device", "entered", "grad", "host_fallback", "inference", "watchers")
    _compared = ("device", "grad", "host_fallback", "inference", "watchers")

    def __init__(
        self,
        grad: bool = True,
        inference: bool = False,
        device: Device | None = None,
        watchers: tuple[Any, ...] = (),
        host_fallback: Any = None,
        entered: tuple[object, Modes] | None = None,
    ) -> None:
        self.grad = grad
        self.inference = inference
        self.device = device
        self.watchers = watchers
        self.host_fallback = host_fallback
        self.entered = entered

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Modes) and all(getattr(self, name) == getattr(other, name) for name in self._compared)

    def __hash__(self) -> int:
        return hash((self.grad, self.inference, self.device, self.watchers))

    def replace(self, **changes: Any) -> Modes:
        """These modes with ``changes``."""
        return Modes(**{name: changes.get(name, getattr(self, name)) for name in self.__slots__})

    def with_grad(self, grad: bool) -> Modes:
        """These modes with recording on or off; the commonest ``replace``."""
        if grad is self.grad:
            return self
        return Modes(grad, self.inference, self.device, self.watchers, self.host_fallback, self.entered)

    @property
    def observers(self) -> tuple[Any, ...]:
        """The watchers that do not change what is computed."""
        return tuple([watcher for watcher in self.watchers if not watcher.acts])

    def with_watchers(self, watchers: tuple[Any, ...]) -> Modes:
        """These modes with other watchers."""
        return Modes(self.grad, self.inference, self.device, watchers, self.host_fallback, self.entered)

    def for_walk(self, grad: bool) -> Modes:
        """These modes in backward: its rules compute in the dtypes that they find, whatever a watcher makes of calls."""
        return self.with_grad(grad).with_watchers(self.observers)


MODES: ContextVar[Modes] = ContextVar("tapeloom_modes", default=Modes())  # noqa: B039 - Modes is immutable


def enter(block: object, **changes: Any) -> None:
    """Begin ``block``, in which the modes have ``changes``.

    The way back is kept in the modes and not on the block, so that threads and tasks can share one block object.
    """
    modes = MODES.get()
    MODES.set(modes.replace(**changes, entered=(block, modes)))


def leave(block: object) -> None:
    """End the innermost ``block`` of this context, and all that was begun within it and not ended."""
    modes = MODES.get()
    while modes.entered is not None:
        owner, modes = modes.entered
        if owner is block:
            MODES.set(modes)
            return


def tell_watchers(event: str, *args: Any, op: object = None) -> None:
    """Call the method ``event`` of each watcher of this context (see ``call.watch``), which meanwhile does not watch.

    Of a call of ``op`` those are told that watch it.
    """
    modes = MODES.get()
    for watcher in modes.watchers:
        if op is not None and watcher.ops is not None and op not in watcher.ops:
            continue
        try:
            MODES.set(modes.with_watchers(tuple([other for other in modes.watchers if other is not watcher])))
            getattr(watcher, event)(*args)
        finally:
            MODES.set(modes)


class mode:
    """Base of the mode switches: a context manager that is also a decorator."""

    changes: dict[str, Any]

    def __enter__(self) -> mode:
        enter(self, **self.changes)
        return self

    def __exit__(self, *exc_info: object) -> None:
        leave(self)

    def __call__(self, function: F) -> F:
        """``function`` with the mode on inside it, also each time that a generator or a coroutine goes on."""
        switch = type(self)
        arguments = self._arguments()
        stops = suspended.wrap(function, lambda: switch(*arguments))
        if stops is not None:
            return stops  # type: ignore[return-value]

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with switch(*arguments):
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]

    def _arguments(self) -> tuple[Any, ...]:
        return ()


class no_grad(mode):
    """Within it nothing is recorded, and results do not require a gradient. Also a decorator."""

    def __new__(cls, function: F | None = None) -> Any:
        """The switch, or ``function`` decorated with it: ``@no_grad`` needs no brackets."""
        self = super().__new__(cls)
        return self if function is None else self(function)

    changes = {"grad": False}


class enable_grad(no_grad):
    """Within it operations are recorded again, also inside ``no_grad``. Also a decorator."""

    changes = {"grad": True, "inference": False}


class inference_mode(mode):
    """Like ``no_grad``. Its tensors are ordinary ones: they may take part in recorded operations later."""

    def __init__(self, mode: bool = True) -> None:
        self.enabled = bool(mode)
        self.changes = {"grad": False, "inference": True} if mode else {"inference": False}

    def _arguments(self) -> tuple[Any, ...]:
        return (self.enabled,)


class set_grad_enabled(mode):
    """Switch recording on or off: at once when called, and until the end of the block when used with ``with``."""

    def __init__(self, mode: bool) -> None:
        self.enabled = bool(mode)
        self.changes = {"grad": self.enabled}
        self._before = MODES.get().grad
        MODES.set(MODES.get().with_grad(self.enabled))

    def __enter__(self) -> set_grad_enabled:
        return self

    def __exit__(self, *exc_info: object) -> None:
        MODES.set(MODES.get().with_grad(self._before))

    def __call__(self, function: F) -> F:
        """``function`` with recording switched inside it only."""
        MODES.set(MODES.get().with_grad(self._before))  # as a decorator the switch acts inside the function only
        return super().__call__(function)

    def _arguments(self) -> tuple[Any, ...]:
        return (self.enabled,)


def is_grad_enabled() -> bool:
    """Whether operations are recorded now."""
    return MODES.get().grad


def is_inference_mode_enabled() -> bool:
    """Whether ``inference_mode`` is on now."""
    return MODES.get().inference
