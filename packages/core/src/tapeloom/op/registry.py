"""All ops and public functions by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tapeloom.call.op import Op

#: every op by name
REGISTRY: dict[str, Op[Any, Any]] = {}


class PublicFunction:
    """A plain function over ops that is public: where, as a method of Tensor or not, under which other names."""

    __slots__ = ("aliases", "call", "method", "name", "namespace", "overloads", "plain")

    def __init__(
        self,
        name: str,
        call: Callable[..., Any],
        plain: Callable[..., Any],
        *,
        namespace: str,
        method: bool,
        aliases: tuple[str, ...],
        overloads: tuple[str, ...],
    ) -> None:
        self.name = name
        self.call = call
        self.plain = plain
        self.namespace = namespace
        self.method = method
        self.aliases = aliases
        self.overloads = overloads


#: every public function over ops, by name with its namespace in front ("linalg.norm")
FUNCTIONS: dict[str, PublicFunction] = {}


class Namespace:
    """The ops as attributes: what gradient rules and composites compute with when they run on Tensors."""

    def __getattr__(self, name: str) -> Any:
        try:
            found = REGISTRY[name]
        except KeyError:
            raise AttributeError(f"no op is named {name!r}") from None
        setattr(self, name, found)
        return found


OPS: Any = Namespace()


def public_names(namespace: str = "") -> dict[str, Any]:
    """What is public in ``tapeloom`` (or a namespace within it): ops and functions by every name they have."""
    found: dict[str, Any] = {}
    for op in REGISTRY.values():
        if op.namespace == namespace:
            found.update(dict.fromkeys((op.name, *op.aliases), op))
    for function in FUNCTIONS.values():
        if function.namespace == namespace:
            found.update(dict.fromkeys((function.name, *function.aliases), function.call))
    return found
