"""All ops and public functions by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tapeloom.call.op import Op

#: every op by name
REGISTRY: dict[str, Op[Any, Any]] = {}


class Public:
    """Where users find an op or a plain function over ops, and in which forms.

    ``names``: its own and its aliases. ``namespace``: "" for ``tapeloom``, "linalg" and so on; None: ``tapeloom.ops``
    alone. ``method``: a method of Tensor too. ``inplace``: there is a form ``name_``. ``overloads``: further call forms.
    ``autocast``: the words of a function (see ``precision``); those of an op are its own.
    """

    __slots__ = ("autocast", "call", "inplace", "method", "names", "namespace", "overloads")

    def __init__(
        self,
        call: Callable[..., Any],
        names: tuple[str, ...],
        namespace: str | None,
        *,
        method: bool,
        inplace: bool = False,
        overloads: tuple[str, ...] = (),
        autocast: dict[str, str] | None = None,
    ) -> None:
        self.call = call
        self.names = names
        self.namespace = namespace
        self.method = method and namespace == ""
        self.inplace = inplace
        self.overloads = overloads
        self.autocast = autocast or {}


#: every public function over ops, by name with its namespace in front ("linalg.norm")
FUNCTIONS: dict[str, Public] = {}


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


def published() -> list[Public]:
    """Every op and every public function."""
    return [*(op.public for op in REGISTRY.values()), *FUNCTIONS.values()]


def public_names(namespace: str = "") -> dict[str, Any]:
    """What is public in ``tapeloom`` (or a namespace within it): ops and functions by every name they have."""
    return {name: public.call for public in published() if public.namespace == namespace for name in public.names}
