"""Walking the tape backwards.

The walk is iterative. Nodes are numbered in the order of their making, so taking the youngest pending node first visits
every node after all nodes that depend on it, with one pass and no recursion. Gradients travel as raw arrays;
only under ``create_graph`` do they travel as Tensors, and the rules, the same text, run as recorded ops.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

from tapeloom.call_site import entry
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, FreedTapeError, GradientError, ShapeError
from tapeloom.modes import MODES, tell_watchers
from tapeloom.op.registry import OPS
from tapeloom.tensors.node import FREED, GradientEdge, Leaf, Node, Output, hooks_of
from tapeloom.tensors.tensor import Tensor, make, read_array, read_grad, write_array, write_grad


@entry
def backward(
    tensors: Tensor | Sequence[Tensor],
    gradients: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Sequence[Tensor | GradientEdge] | Tensor | GradientEdge | None = None,
) -> None:
    """Add the gradients of ``tensors`` to ``.grad`` of the leaves; see ``Tensor.backward``."""
    roots = _roots("backward", tensors, gradients, create_graph)
    only: set[Node] | None = None
    if inputs is not None:
        given = _listed("backward", "inputs", inputs)
        if not given:
            raise ArgumentError("backward: inputs is empty. Leave it out to reach all leaves, or name some tensors.")
        only = {_node_of("backward", tensor) for tensor in given}
    walk(roots, create_graph if retain_graph is None else retain_graph, create_graph, accumulate_into=only)


@entry
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    *,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of ``outputs`` with respect to ``inputs``, which need not be leaves; ``.grad`` is left alone.

    An input that the outputs do not depend on is an error, or None with ``allow_unused``, or zeros with
    ``materialize_grads``.
    """
    roots = _roots("grad", outputs, grad_outputs, create_graph)
    wanted = _listed("grad", "inputs", inputs)
    nodes = [_node_of("grad", tensor) for tensor in wanted]
    found = walk(roots, create_graph if retain_graph is None else retain_graph, create_graph, capture=set(nodes))
    result: list[Tensor | None] = []
    for position, node in enumerate(nodes):
        gradient = found.get(node)
        if gradient is None:
            if materialize_grads:
                kind = node.kind
                result.append(make(kind.backend.zeros(node.shape, kind.dtype, kind.device), kind))
                continue
            if not allow_unused:
                raise GradientError(
                    f"grad: the outputs do not depend on input {position} (shape {node.shape}). "
                    f"Give allow_unused=True for None, or materialize_grads=True for zeros."
                )
            result.append(None)
        else:
            result.append(gradient if isinstance(gradient, Tensor) else make(gradient, node.kind))
    return tuple(result)


def _listed(what: str, name: str, value: Any) -> list[Any]:
    """One tensor, or several, as a list."""
    if isinstance(value, (Tensor, GradientEdge)):
        return [value]
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ArgumentTypeError(f"{what}: {name} must be a tensor or a list of tensors, got {type(value).__name__}.")
    return list(value)


def _node_of(what: str, tensor: Tensor | GradientEdge) -> Node:
    if isinstance(tensor, GradientEdge):
        return tensor.node
    if not isinstance(tensor, Tensor):
        raise ArgumentTypeError(f"{what}: inputs must be tensors, got {type(tensor).__name__}.")
    if tensor.node is None:
        raise GradientError(
            f"{what}: an input of shape {tensor.shape} does not require a gradient. Call requires_grad_() on it."
        )
    return tensor.node


def _roots(what: str, tensors: Any, gradients: Any, create_graph: bool) -> list[tuple[Node, Any]]:
    """The nodes to start from and their gradients (raw arrays, or Tensors under ``create_graph``)."""
    outputs = _listed(what, "what to start from", tensors)
    if gradients is None:
        given: list[Any] = [None] * len(outputs)
    else:
        given = [gradients] if isinstance(tensors, Tensor) else _listed(what, "the gradient", gradients)
    if len(given) != len(outputs):
        raise ArgumentError(
            f"{what}: {len(outputs)} outputs and {len(given)} gradients were given. Give one for each, or None."
        )
    roots = []
    for tensor, gradient in zip(outputs, given, strict=True):
        if not isinstance(tensor, Tensor):
            raise ArgumentTypeError(f"{what}: expected tensors, got {type(tensor).__name__}.")
        if tensor.node is None:
            raise GradientError(
                f"{what}: this tensor of shape {tensor.shape} does not require a gradient and has no tape. Was it made "
                f"under no_grad, detached, or from inputs without requires_grad=True?"
            )
        if gradient is None:
            if tensor.numel() != 1:
                raise GradientError(
                    f"{what}: only a tensor of one element has an implied gradient, this one has shape {tensor.shape}. "
                    f"Reduce it, for instance with .sum(), or give the gradient."
                )
            kind = tensor.kind
            if kind.dtype.is_complex:
                raise GradientError(
                    f"{what}: only a real tensor has an implied gradient, this one is {kind.dtype.name}. "
                    f"Take .real or .abs(), or give the gradient."
                )
            ones = kind.backend.scalar(1, kind.dtype, kind.device)
            if tensor.ndim:
                ones = kind.backend.full(tensor.shape, 1, kind.dtype, kind.device)
            roots.append((tensor.node, make(ones, kind) if create_graph else ones))
            continue
        if not isinstance(gradient, Tensor):
            raise ArgumentTypeError(f"{what}: the gradient must be a tensor, got {type(gradient).__name__}.")
        if gradient.shape != tensor.shape:
            raise ShapeError(
                f"{what}: the gradient has shape {gradient.shape}, and the tensor {tensor.shape}. They must agree."
            )
        batch = create_graph and gradient.dtype is tensor.dtype and gradient.device == tensor.device  # of a vmap
        if gradient.kind is not tensor.kind and not batch:
            raise DTypeError(f"{what}: the gradient is {gradient.kind}, and the tensor {tensor.kind}. They must agree.")
        roots.append((tensor.node, gradient if create_graph else read_array(gradient)))
    return roots


def _reachable(roots: list[tuple[Node, Any]], goals: set[Node]) -> set[Node]:
    """The nodes from which one of ``goals`` can be reached: all that a walk to them must visit."""
    visited: set[Node] = set()
    stack = [node for node, _ in roots]
    while stack:
        node = stack.pop()
        if node not in visited:
            visited.add(node)
            stack.extend(edge for edge in node.edges if edge is not None)
    leading = set(goals)
    for node in sorted(visited, key=lambda node: -node.number):
        if any(edge in leading for edge in node.edges):
            leading.add(node)
    return leading


def walk(
    roots: list[tuple[Node, Any]],
    retain: bool,
    create: bool,
    accumulate_into: set[Node] | None = None,
    capture: set[Node] | None = None,
) -> dict[Node, Any]:
    """Walk from ``roots``; add to ``.grad`` of leaves, or with ``capture`` return the gradients of those nodes."""
    goals = capture if capture is not None else accumulate_into
    visit = _reachable(roots, goals) if goals is not None else None
    captured: dict[Node, Any] = {}
    retained: list[tuple[Node, Any]] = []
    pending: dict[Node, Any] = {}  # node -> gradient; of a node with several outputs, a list with one for each
    heap: list[tuple[int, Node]] = []  # numbers fall with time: the smallest is the youngest node
    modes = MODES.get()
    watched = bool(modes.watchers)
    try:
        MODES.set(modes.for_walk(create) if watched else modes.with_grad(create))
        for node, gradient in roots:
            if node in pending:
                pending[node] = pending[node] + gradient
            elif visit is None or node in visit:
                pending[node] = gradient
                if type(node) is not Leaf:
                    heappush(heap, (node.number, node))
        following: tuple[Node, Any] | None = None  # in a chain the next node is known and need not pass the heap
        while heap or following is not None:
            if following is not None:
                node, g = following
                following = None
            else:
                node = heappop(heap)[1]
                g = pending.pop(node)
            hooks = node.hooks
            if hooks is not None and hooks.before:
                g = _run_hooks(node, g, create)
            is_goal = goals is not None and node in goals
            if is_goal and capture is not None:
                captured[node] = g
            if (is_goal and capture is None) or (hooks is not None and hooks.retains):
                retained.append((node, g))
            if visit is not None and not any(edge in visit for edge in node.edges):
                continue  # nothing that is asked for lies beyond
            if type(node) is Output:
                _gather_output(node, g, pending, heap)
                continue
            kept = node.kept
            if kept is FREED:
                raise FreedTapeError(
                    f"backward: the tape was already freed at {node.name}. Call the first backward with "
                    f"retain_graph=True to walk it twice, or compute the result again."
                )
            pairs = node.plan.pairs(node, kept, g, create)
            if watched:
                tell_watchers("after_backward", node, g, pairs)
            if not retain and node.plan.frees:
                node.kept = FREED
            if len(pairs) == 1 and not heap and visit is None and type(pairs[0][0]) is not Leaf:
                following = pairs[0]
                continue
            for edge, gradient in pairs:
                if edge in pending:
                    pending[edge] = pending[edge] + gradient
                elif visit is None or edge in visit:
                    pending[edge] = gradient
                    if type(edge) is not Leaf:
                        heappush(heap, (edge.number, edge))
        # Only leaves are left. None is touched before all gradients are there and all hooks have seen theirs, so that
        # an error on the way leaves every .grad as it was.
        for leaf, g in pending.items():
            if leaf.hooks is not None and leaf.hooks.before:
                pending[leaf] = _run_hooks(leaf, g, create)
        for node, g in retained:
            held = hooks_of(node).retained  # a new handle each time, unlike that of a leaf
            held = None if held is None else make(read_array(held), held.kind, held.node)
            hooks_of(node).retained = _gathered(held, g, node)
        if capture is not None:
            captured.update((leaf, g) for leaf, g in pending.items() if leaf in capture)
            return captured
        for leaf, g in pending.items():
            assert type(leaf) is Leaf
            write_grad(leaf, _gathered(read_grad(leaf), g, leaf))
        for leaf in pending:
            if leaf.hooks is not None:
                for after in list(leaf.hooks.after.values()):
                    after()
    except Exception as error:
        if watched:
            tell_watchers("backward_failed", node, error)
        raise
    finally:
        MODES.set(modes)
    return captured


def _gather_output(node: Output, g: Any, pending: dict[Node, Any], heap: list[tuple[int, Node]]) -> None:
    """Hand the gradient of one output to the operation that has several."""
    source = node.edges[0]
    assert source is not None
    slots = pending.get(source)
    if slots is None:
        slots = pending[source] = [None] * len(source.shape)
        heappush(heap, (source.number, source))
    slots[node.index] = g if slots[node.index] is None else slots[node.index] + g


def _run_hooks(node: Node, g: Any, create: bool) -> Any:
    assert node.hooks is not None
    tensor = g if create else make(g, node.kind)
    for hook in list(node.hooks.before.values()):
        replaced = hook(tensor)
        if replaced is None:
            continue
        if not isinstance(replaced, Tensor) or replaced.shape != tensor.shape or replaced.kind is not tensor.kind:
            raise GradientError(
                f"hook: a gradient hook must return None or a tensor of {tensor.kind} and shape {tensor.shape}, "
                f"got {replaced.kind if isinstance(replaced, Tensor) else type(replaced).__name__}"
                f"{f' and shape {replaced.shape}' if isinstance(replaced, Tensor) else ''}."
            )
        tensor = replaced
    return tensor if create else read_array(tensor)


def _gathered(held: Tensor | None, g: Any, node: Node) -> Tensor:
    """What ``.grad`` becomes when ``g`` comes: a handle that nobody else has, and the one there was goes on if it can.

    Arrays are never added to in place, for a rule may have handed one out twice.
    """
    if isinstance(g, Tensor):
        return make(read_array(g), g.kind, g.node) if held is None else OPS.add(held, g)
    if held is None:
        return make(g, node.kind)
    if held.extra is None:
        write_array(held, read_array(held) + g)
    else:  # other handles share it
        held.add_(make(g, node.kind))
    return held


@entry
def tensor_backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Sequence[Tensor | GradientEdge] | Tensor | GradientEdge | None = None,
) -> None:
    """Add the gradients of this tensor to ``.grad`` of the leaves that it was made from.

    ``gradient`` has this tensor's shape and may be left out for a tensor of one element. The tape is freed unless
    ``retain_graph``; with ``create_graph`` the gradients are recorded themselves. ``inputs`` limits the leaves.

    Raises GradientError for a tensor without a tape, a non-scalar one without ``gradient``, and a freed tape.
    """
    backward(self, gradient, retain_graph, create_graph, inputs)
