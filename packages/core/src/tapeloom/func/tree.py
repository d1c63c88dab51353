"""Trees: what a function takes and returns, taken apart into its leaves. Tuples, lists, dicts and named tuples are branches."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from tapeloom.errors import ArgumentError
from tapeloom.tensors.tensor import Tensor

_DICTS = (dict, OrderedDict, defaultdict)


class Form:
    """What is left of a tree without its leaves: ``rebuild`` makes it whole, ``children`` are the forms below (None: a leaf)."""

    __slots__ = ("children", "count", "keys", "kind")

    def __init__(self, kind: Any, keys: tuple[Any, ...], children: tuple[Form, ...]) -> None:
        self.kind = kind
        self.keys = keys
        self.children = children
        self.count: int = sum(child.count for child in children) if kind is not None else 1

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Form)
            and self.kind is other.kind
            and self.keys == other.keys
            and self.children == other.children
        )

    def __hash__(self) -> int:
        return hash((self.kind, self.keys, self.children))

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        names = [f"{key!r}: " for key in self.keys] or [""] * len(self.children)
        inner = ", ".join(f"{name}{child!r}" for name, child in zip(names, self.children, strict=True))
        left, right = ("[", "]") if self.kind is list else ("{", "}") if self.keys else ("(", ")")
        return f"{left}{inner}{right}"

    def rebuild(self, leaves: Sequence[Any]) -> Any:
        """The tree of this form with other leaves."""
        rest = iter(leaves)
        return self._rebuild(rest)

    def _rebuild(self, rest: Any) -> Any:
        if self.kind is None:
            return next(rest)
        parts = [child._rebuild(rest) for child in self.children]
        if self.kind is dict or self.kind is OrderedDict:
            return self.kind(zip(self.keys, parts, strict=True))
        if self.kind in _DICTS:
            return dict(zip(self.keys, parts, strict=True))
        return self.kind(*parts) if hasattr(self.kind, "_fields") else self.kind(parts)


_LEAF = Form(None, (), ())


def flatten(tree: Any) -> tuple[list[Any], Form]:
    """The leaves of a tree in order, and its form."""
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves)


def _flatten(tree: Any, leaves: list[Any]) -> Form:
    kind = type(tree)
    if kind in _DICTS:
        return Form(kind, tuple(tree), tuple([_flatten(value, leaves) for value in tree.values()]))
    if kind in (tuple, list) or (isinstance(tree, tuple) and hasattr(kind, "_fields")):
        return Form(kind, (), tuple([_flatten(value, leaves) for value in tree]))
    leaves.append(tree)
    return _LEAF


def mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """``tree`` with ``function`` of each leaf."""
    leaves, form = flatten(tree)
    return form.rebuild([function(leaf) for leaf in leaves])


def mapped_tensors(function: Callable[[Tensor], Any], tree: Any) -> Any:
    """``tree`` with ``function`` of each tensor in it; other leaves stay."""
    return mapped(lambda leaf: function(leaf) if isinstance(leaf, Tensor) else leaf, tree)


def spread(tree: Any, form: Form) -> list[Any]:
    """A leaf of ``tree`` for each leaf of ``form``: one that stands where ``form`` has a branch is that of all below it.

    Raises ArgumentError where they do not fit.
    """
    if form.kind is None or not isinstance(tree, (tuple, list, dict)):
        if isinstance(tree, (tuple, list, dict)):
            raise ArgumentError("a branch stands where there is one value")
        return [tree] * form.count
    branches = list(tree.values()) if isinstance(tree, dict) else list(tree)
    fits = len(branches) == len(form.children) and isinstance(tree, dict) == bool(form.keys or form.kind in _DICTS)
    if not fits or (isinstance(tree, dict) and tuple(tree) != form.keys):
        raise ArgumentError("the branches are not the same")
    return [leaf for branch, child in zip(branches, form.children, strict=True) for leaf in spread(branch, child)]
