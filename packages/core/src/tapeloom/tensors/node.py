"""The nodes of the tape.

A node stands for one recorded operation: its op, the nodes its inputs came from, and what its gradient rules need.
Edges lead to nodes, never to Tensors, so no Tensor is reachable from a node and no reference cycle can arise.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    from tapeloom.tape.plan import Plan
    from tapeloom.tensors.kind import Kind
    from tapeloom.tensors.tensor import Tensor

#: what ``kept`` becomes when a backward pass has used it up
FREED: Any = None

#: numbers the nodes downwards in the order of their making, so that a heap gives the youngest first and a node always
#: comes before the nodes of its inputs
next_number: Callable[[], int] = count(0, -1).__next__


class Node:
    """One recorded operation.

    ``plan`` says which rules to run and what they need; ``edges`` are the nodes of the inputs (None where an input
    needs no gradient); ``kept`` holds what the rules need; ``kind`` and ``shape`` are those of the result (of a node
    with several outputs: tuples).
    """

    __slots__ = ("__weakref__", "edges", "hooks", "kept", "kind", "number", "plan", "shape")

    plan: Plan
    edges: tuple[Node | None, ...]
    kept: tuple[Any, ...]
    kind: Kind
    shape: Any
    number: int
    hooks: Hooks | None
    register_hook: ClassVar[Callable[..., RemovableHandle]]  # ``tape.hooks`` has them, ``methods`` joins them
    register_prehook: ClassVar[Callable[..., RemovableHandle]]

    @property
    def name(self) -> str:
        """The op's name as PyTorch spells backward functions, such as ``MultiplyBackward``."""
        return _backward_name(self.plan.name)

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """The nodes of the inputs, each with 0, as PyTorch spells it."""
        return tuple((edge, 0) for edge in self.edges)

    def __repr__(self) -> str:
        return f"<{self.name}>"


def new_node(plan: Plan, edges: tuple[Node | None, ...], kept: tuple[Any, ...], kind: Kind, shape: Any) -> Node:
    """A node that was recorded now; the generated text of ops writes the same inline."""
    node = object.__new__(Node)
    node.plan = plan
    node.edges = edges
    node.kept = kept
    node.kind = kind
    node.shape = shape
    node.number = next_number()
    node.hooks = None
    return node


class Leaf(Node):
    """Where a walk ends: a tensor that the user marked with ``requires_grad``. Gradients gather in ``grad``."""

    __slots__ = ("grad",)
    grad: Tensor | None

    def __init__(self, kind: Kind, shape: tuple[int, ...]) -> None:
        self.kind = kind
        self.shape = shape
        self.edges = ()
        self.kept = ()
        self.number = next_number()
        self.hooks = None
        self.grad = None

    @property
    def name(self) -> str:
        """PyTorch's name for the end of a walk."""
        return "AccumulateGrad"


class Output(Node):
    """One output of an operation that has several; its single edge leads to the operation's node."""

    __slots__ = ("index",)
    index: int

    def __init__(self, source: Node, index: int, kind: Kind, shape: tuple[int, ...]) -> None:
        self.edges = (source,)
        self.index = index
        self.kind = kind
        self.shape = shape
        self.kept = ()
        self.number = next_number()
        self.hooks = None

    @property
    def name(self) -> str:
        """The name of the operation."""
        source = self.edges[0]
        assert source is not None
        return source.name


class GradientEdge(NamedTuple):
    """Where on the tape the gradient of a tensor arrives: a node, and which of its operation's outputs."""

    node: Node
    output_nr: int


class Hooks:
    """What few nodes have: gradient hooks, hooks after accumulation, ``retain_grad``'s gradient, the place of the call.

    ``origin`` says (by ``str``) where the operation was called, while anomalies are looked for.
    """

    __slots__ = ("after", "before", "origin", "retained", "retains")

    def __init__(self) -> None:
        self.before: dict[int, Callable[[Tensor], Tensor | None]] = {}
        self.after: dict[int, Callable[[], None]] = {}
        self.retains = False
        self.retained: Tensor | None = None
        self.origin: object = None


class RemovableHandle:
    """Takes a hook off again: ``handle.remove()``, or leave its ``with`` block."""

    def __init__(self, hooks: dict[int, Any], key: int) -> None:
        self._hooks = hooks
        self._key = key

    def remove(self) -> None:
        """Take the hook off; once more does nothing."""
        self._hooks.pop(self._key, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.remove()


def add_hook(hooks: dict[int, Any], hook: Callable[..., Any]) -> RemovableHandle:
    """Put ``hook`` among ``hooks``."""
    key = next_number()
    hooks[key] = hook
    return RemovableHandle(hooks, key)


def hooks_of(node: Node) -> Hooks:
    """The node's hooks, made on first use."""
    if node.hooks is None:
        node.hooks = Hooks()
    return node.hooks


def _backward_name(op: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in op.split("_")) + "Backward"
