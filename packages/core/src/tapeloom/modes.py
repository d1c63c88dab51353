"""The modes that change what an operation does: recording, inference, default device, watchers, computing on the host.

All of them live in one immutable object in one context variable, so that a tracked operation reads them with one
``get`` and every thread and asyncio task has its own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from tapeloom.devices import Device

F = TypeVar("F", bound=Callable[..., Any])


class Modes:
    """One immutable set of modes; ``replace`` gives a changed copy."""

    __slots__ = ("device", "grad", "host_fallback", "inference", "watchers")

    def __init__(
        self,
        grad: bool = True,
        inference: bool = False,
        device: Device | None = None,
        watchers: tuple[Any, ...] = (),
        host_fallback: Any = None,
    ) -> None:
        self.grad = grad
        self.inference = inference
        self.device = device
        self.watchers = watchers
        self.host_fallback = host_fallback

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Modes) and all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __hash__(self) -> int:
        return hash((self.grad, self.inference, self.device, self.watchers))

    def replace(self, **changes: Any) -> Modes:
        """These modes with ``changes``."""
        return Modes(**{name: changes.get(name, getattr(self, name)) for name in self.__slots__})

    def with_grad(self, grad: bool) -> Modes:
        """These modes with recording on or off; the commonest ``replace``."""
        if grad is self.grad:
            return self
        return Modes(grad, self.inference, self.device, self.watchers, self.host_fallback)


MODES: ContextVar[Modes] = ContextVar("tapeloom_modes", default=Modes())  # noqa: B039 - Modes is immutable


class mode:
    """Base of the mode switches: a context manager that is also a decorator."""

    changes: dict[str, Any]

    def __init__(self) -> None:
        self._tokens: list[Token[Modes]] = []

    def __enter__(self) -> mode:
        self._tokens.append(MODES.set(MODES.get().replace(**self.changes)))
        return self

    def __exit__(self, *exc_info: object) -> None:
        MODES.reset(self._tokens.pop())

    def __call__(self, function: F) -> F:
        """``function`` with the mode on inside it."""
        import functools

        switch = type(self)
        arguments = self._arguments()

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
        if function is None:
            return self
        self.__init__()  # type: ignore[misc]
        return self(function)

    changes = {"grad": False}


class enable_grad(no_grad):
    """Within it operations are recorded again, also inside ``no_grad``. Also a decorator."""

    changes = {"grad": True, "inference": False}


class inference_mode(mode):
    """Like ``no_grad``. Its tensors are ordinary ones: they may take part in recorded operations later."""

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self.enabled = bool(mode)
        self.changes = {"grad": False, "inference": True} if mode else {"inference": False}

    def _arguments(self) -> tuple[Any, ...]:
        return (self.enabled,)


class set_grad_enabled(mode):
    """Switch recording on or off: at once when called, and until the end of the block when used with ``with``."""

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self.enabled = bool(mode)
        self.changes = {"grad": self.enabled}
        self._before = MODES.get()
        MODES.set(self._before.with_grad(self.enabled))

    def __enter__(self) -> set_grad_enabled:
        return self

    def __exit__(self, *exc_info: object) -> None:
        MODES.set(self._before)

    def __call__(self, function: F) -> F:
        """``function`` with recording switched inside it only."""
        MODES.set(self._before)  # as a decorator the switch acts inside the function only
        return super().__call__(function)

    def _arguments(self) -> tuple[Any, ...]:
        return (self.enabled,)


def is_grad_enabled() -> bool:
    """Whether operations are recorded now."""
    return MODES.get().grad


def is_inference_mode_enabled() -> bool:
    """Whether ``inference_mode`` is on now."""
    return MODES.get().inference
