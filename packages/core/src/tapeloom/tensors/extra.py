"""What only few tensors have: relations to others, and what is kept of a leaf that has left the tape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

if TYPE_CHECKING:
    from tapeloom.tensors.node import Leaf
    from tapeloom.tensors.tensor import Tensor

#: the (op, bound arguments) steps that lead from a tensor to a view of it
Path = tuple[tuple[Any, tuple[Any, ...]], ...]


class Extra:
    """What few tensors have: the tensor they are a view of, views of their own, a gradient without a tape.

    ``base`` is the root tensor and ``path`` leads from it to this view; ``detached``
    is the detached handle that it is a view of, which has a history of its own; ``views`` are weak references, so that
    no cycle arises. ``leaf`` is where walks end when the tensor requires a gradient again.
    """

    __slots__ = ("base", "detached", "grad", "leaf", "path", "views")

    def __init__(self) -> None:
        self.base: Tensor | None = None
        self.path: Path = ()
        self.detached: Tensor | None = None
        self.views: list[ref[Tensor]] = []
        self.grad: Tensor | None = None
        self.leaf: Leaf | None = None
