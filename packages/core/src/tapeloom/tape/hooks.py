"""Hooks of nodes: before an operation's gradient is pulled back to its inputs, and after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapeloom.errors import ArgumentTypeError, GradientError
from tapeloom.tape.plan import Around, Pairs, Plan
from tapeloom.tensors.kind import Kind
from tapeloom.tensors.node import Leaf, Node, Output, RemovableHandle, add_hook, hooks_of
from tapeloom.tensors.tensor import Tensor, make, read_array

Gradients = tuple["Tensor | None", ...]


class _Hooked(Around):
    """The plan of a node that has hooks."""

    __slots__ = ("after", "before")

    def __init__(self, inner: Plan) -> None:
        super().__init__(inner)
        self.before: dict[int, Callable[[Gradients], Any]] = {}
        self.after: dict[int, Callable[[Gradients, Gradients], Any]] = {}

    def pairs(self, node: Node, kept: tuple[Any, ...], g: Any, create: bool) -> Pairs:
        """Run the hooks around the rules."""
        several = isinstance(g, list)
        parts = g if several else [g]
        kinds = [node.kind if not several or part is None else node.kind.of(part) for part in parts]
        arriving = _tensors(parts, kinds)
        for before in list(self.before.values()):
            arriving = _replaced(f"{node.name}: a hook before it", arriving, before(arriving))
        parts = [part if part is None or create else read_array(part) for part in arriving]
        pairs = self.inner.pairs(node, kept, parts if several else parts[0], create)
        if not self.after:
            return pairs
        edges = [edge for edge, _ in pairs]
        places = [edges.index(edge) if edge in edges else None for edge in node.edges]
        found = _tensors([gradient for _, gradient in pairs], [edge.kind for edge in edges])
        leaving: Gradients = tuple([None if place is None else found[place] for place in places])
        for after in list(self.after.values()):
            leaving = _replaced(f"{node.name}: a hook after it", leaving, after(leaving, arriving))
        return [
            (edge, value if create else read_array(value))
            for edge, value in zip(node.edges, leaving, strict=True)
            if edge is not None and value is not None
        ]


def _tensors(parts: list[Any], kinds: list[Kind]) -> Gradients:
    return tuple(
        [
            part if part is None or isinstance(part, Tensor) else make(part, kind)
            for part, kind in zip(parts, kinds, strict=True)
        ]
    )


def _replaced(where: str, gradients: Gradients, found: Any) -> Gradients:
    """What a hook returned in the place of ``gradients``, None for as they are."""
    if found is None:
        return gradients
    given = found if isinstance(found, tuple) else (found,)
    given += (None,) * (len(gradients) - len(given))  # numbers are inputs too, and none of a user's
    fits = len(given) == len(gradients) and all(
        new is old is None
        or (isinstance(new, Tensor) and old is not None and new.kind is old.kind and new.shape == old.shape)
        for new, old in zip(given, gradients, strict=False)
    )
    if not fits:
        wanted = ", ".join("None" if old is None else f"{old.kind} of shape {old.shape}" for old in gradients)
        raise GradientError(
            f"{where} must return None or a tuple of the same dtypes and shapes ({wanted}), got {found!r}."
        )
    return given


def register_hook(self: Node, hook: Callable[[Gradients, Gradients], Any]) -> RemovableHandle:
    """Call ``hook(grad_inputs, grad_outputs)`` after each pass through this node; what it returns replaces the former.

    Of a leaf it is called without ``grad_inputs``, when the gradient has been added to ``.grad``.
    """
    if isinstance(self, Leaf):
        arrived: list[Tensor] = []
        checked = _callable(hook)
        seen = add_hook(hooks_of(self).before, lambda g: arrived.append(g))
        handle = add_hook(hooks_of(self).after, lambda: _finish(checked, arrived))
        return _Both(handle, seen)
    return add_hook(_hooked(self).after, _callable(hook))


def register_prehook(self: Node, hook: Callable[[Gradients], Any]) -> RemovableHandle:
    """Call ``hook(grad_outputs)`` before each pass through this node; what it returns replaces them."""
    checked = _callable(hook)
    if isinstance(self, Leaf):
        return add_hook(hooks_of(self).before, lambda g: _first(checked((g,))))
    return add_hook(_hooked(self).before, checked)


def _hooked(node: Node) -> _Hooked:
    operation = node.edges[0] if isinstance(node, Output) else node
    assert operation is not None
    if not isinstance(operation.plan, _Hooked):
        operation.plan = _Hooked(operation.plan)
    return operation.plan


def _callable(hook: Any) -> Callable[..., Any]:
    if not callable(hook):
        raise ArgumentTypeError(f"register_hook: expected a function, got {type(hook).__name__}.")
    return hook  # type: ignore[no-any-return]


def _first(found: Any) -> Any:
    return found[0] if isinstance(found, tuple) else found


def _finish(hook: Callable[..., Any], arrived: list[Tensor]) -> None:
    while arrived:
        hook((), (arrived.pop(),))


class _Both(RemovableHandle):
    """Takes two hooks off."""

    def __init__(self, one: RemovableHandle, other: RemovableHandle) -> None:
        self._handles = one, other

    def remove(self) -> None:
        """Take them off; once more does nothing."""
        for handle in self._handles:
            handle.remove()
