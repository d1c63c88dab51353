"""Operations that users define: ``autograd.Function``, with forward and backward written in Python.

Its plan belongs to one call and holds the context. What forward saves is kept by the node, like the arrays of any op: as
arrays and nodes, never as Tensors. ``saved_tensors`` makes them Tensors again, at their places on the tape, so
no cycle arises, and second derivatives find their history.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from weakref import ref

from tapeloom.errors import (
    ArgumentError,
    ArgumentTypeError,
    FreedTapeError,
    GradientError,
    InplaceError,
    ShapeError,
    UnsupportedError,
)
from tapeloom.modes import MODES, no_grad, tell_watchers
from tapeloom.op.registry import OPS
from tapeloom.shapes import broadcast
from tapeloom.tape.levels import LEVELS, lifted, together
from tapeloom.tape.plan import Pairs, Plan
from tapeloom.tensors.alias import related, shared
from tapeloom.tensors.kind import Kind
from tapeloom.tensors.node import FREED, Leaf, Node, Output, new_node
from tapeloom.tensors.tensor import Tensor, among, make, read_array

#: a saved tensor: its array, its kind, and its node, or for an output of the call itself the output's position
Saved = tuple[Any, Kind, "Node | int | None"]
#: the node whose ``backward`` runs now, and what it kept
_PULLED: ContextVar[tuple[Node | None, tuple[Any, ...]]] = ContextVar("tapeloom_pulled", default=(None, ()))


class FunctionCtx:
    """What ``forward`` leaves for ``backward``. Other attributes may be set on it.

    ``needs_input_grad`` has a bool for each argument of forward: whether it is a tensor that requires a gradient.
    """

    needs_input_grad: tuple[bool, ...]

    def __init__(self, name: str, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._name = name
        self._node: Callable[[], Node | None] | None = None  # weak: the node holds this context
        self._to_save: tuple[Tensor | None, ...] = ()
        self._dirty: tuple[Tensor, ...] = ()
        self._constants: tuple[Tensor, ...] = ()
        self._materialize = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for backward: arguments, outputs or others, and None. Only the last call counts."""
        for position, tensor in enumerate(tensors):
            if tensor is not None and not isinstance(tensor, Tensor):
                raise ArgumentTypeError(
                    f"{self._name}: save_for_backward takes tensors and None, got {type(tensor).__name__} at position "
                    f"{position}. Set anything else as an attribute: ctx.name = value."
                )
        self._to_save = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say that these outputs have no gradient; backward gets zeros for them."""
        self._constants = self._tensors("mark_non_differentiable", tensors)

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say that forward changed these arguments in place; each must be among its outputs."""
        self._dirty = self._tensors("mark_dirty", tensors)

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (the default), or None, for an output that no gradient came back to."""
        if not isinstance(value, bool):
            raise ArgumentTypeError(f"{self._name}: set_materialize_grads takes True or False, got {value!r}.")
        self._materialize = value

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What ``save_for_backward`` kept, for use in backward."""
        if self._node is None:
            return ()  # forward is still running
        node = self._node()
        if node is None or node.kept is FREED:
            raise FreedTapeError(
                f"{self._name}: the saved tensors were already freed. Call the first backward with retain_graph=True to "
                f"walk the tape twice, or compute the result again."
            )
        given, kept = _PULLED.get()
        if given is not node:  # asked for outside of backward
            kept = node.plan.kept(node)
        return tuple([_unpacked(entry, node) for entry in kept])

    def _tensors(self, method: str, tensors: tuple[Any, ...]) -> tuple[Tensor, ...]:
        for position, tensor in enumerate(tensors):
            if not isinstance(tensor, Tensor):
                raise ArgumentTypeError(
                    f"{self._name}: {method} takes tensors, got {type(tensor).__name__} at position {position}."
                )
        return tensors


class Call(Plan):
    """The plan of one call of a ``Function``.

    ``tensors`` says of each argument whether it is a tensor. ``outputs`` has the kind and shape of each output, None for
    one that is no tensor; ``flows``: whether a gradient can come back to it; ``several``: whether they came as a tuple.
    """

    __slots__ = ("context", "flows", "frees", "function", "name", "outputs", "several", "tensors")

    def __init__(self, function: type[Function], context: FunctionCtx, arguments: tuple[Any, ...], result: Any) -> None:
        self.function = function
        self.name = function.__name__
        self.context = context
        self.tensors = tuple([isinstance(argument, Tensor) for argument in arguments])
        self.several = isinstance(result, tuple)
        parts = result if self.several else (result,)
        self.outputs = tuple([(part.kind, part.shape) if isinstance(part, Tensor) else None for part in parts])
        self.flows = tuple(
            [isinstance(part, Tensor) and part.kind.inexact and not among(part, context._constants) for part in parts]
        )
        self.frees = any(tensor is not None for tensor in context._to_save)

    def pairs(self, node: Node, kept: tuple[Any, ...], g: Any, create: bool) -> Pairs:
        """Call backward, and check and fit what it returns."""
        token = _PULLED.set((node, kept))
        try:
            found = _defined(self.function, "backward")(self.context, *self.arriving(g))
        finally:
            _PULLED.reset(token)
        gradients = found if isinstance(found, tuple) else (found,)
        while len(gradients) > len(node.edges) and gradients[-1] is None:
            gradients = gradients[:-1]
        if len(gradients) != len(node.edges):
            raise GradientError(
                f"{self.name}: backward returned {len(gradients)} gradients, and forward took {len(node.edges)} arguments. "
                f"Return one for each, None where there is none."
            )
        pairs: Pairs = []
        for position, (gradient, edge) in enumerate(zip(gradients, node.edges, strict=True)):
            if gradient is None:
                continue
            if not isinstance(gradient, Tensor):
                raise GradientError(
                    f"{self.name}: backward returned {type(gradient).__name__} for argument {position}. Return a tensor or None."
                )
            if not self.tensors[position]:
                raise GradientError(
                    f"{self.name}: backward returned a gradient for argument {position}, which is no tensor. Return None for it."
                )
            if edge is not None:
                fitting = self.fitting(gradient, edge, position)
                pairs.append((edge, fitting if create else read_array(fitting)))
        return pairs

    def arriving(self, g: Any) -> list[Tensor | None]:
        """The gradients of the outputs as Tensors, zeros where nothing came back unless the context wants None."""
        arrived: list[Tensor | None] = []
        for part, output in zip(g if self.several else [g], self.outputs, strict=True):
            if output is None:
                arrived.append(None)
                continue
            kind, shape = output
            if part is None and self.context._materialize:
                part = kind.backend.zeros(shape, kind.dtype, kind.device)
            arrived.append(part if part is None or isinstance(part, Tensor) else make(part, kind))
        return arrived

    def node_of_output(self, node: Node, place: int) -> Node | None:
        """The node of the output at ``place``."""
        output = self.outputs[place]
        if output is None or not self.flows[place]:
            return None
        return Output(node, place, *output) if self.several else node

    def fitting(self, gradient: Tensor, edge: Node, position: int) -> Tensor:
        """A gradient in the dtype and shape of its argument: cast, and summed over the dimensions that it has beyond."""
        gradient = lifted(gradient, edge.kind.device)
        kind = gradient.kind
        if kind.device is not edge.kind.device or (kind.dtype.is_complex and not edge.kind.dtype.is_complex):
            raise GradientError(
                f"{self.name}: backward returned a gradient of {kind} for argument {position}, which is {edge.kind}. "
                f"{'Return its real part.' if kind.device is edge.kind.device else 'Move it with .to(device).'}"
            )
        if gradient.shape != edge.shape:
            try:
                whole = broadcast(self.name, gradient.shape, edge.shape)
            except ShapeError:
                whole = None
            if whole != gradient.shape:
                raise GradientError(
                    f"{self.name}: backward returned a gradient of shape {gradient.shape} for argument {position}, which has "
                    f"shape {edge.shape}. Return one of that shape, or of one that it broadcasts to."
                )
        gradient = gradient if kind is edge.kind else OPS.cast(gradient, edge.kind.dtype)
        return gradient if gradient.shape == edge.shape else OPS.reduce_to(gradient, edge.shape)


class Function:
    """An operation with a gradient of its own: subclass it, write ``forward`` and ``backward``, call ``apply``.

    Both are static methods. ``forward`` takes a context first, unless there is a ``setup_context`` besides; ``backward``
    gets the context and one gradient for each output, and returns one for each argument of forward. It is written over
    ordinary operations; under ``create_graph`` they are recorded, which gives second derivatives.

    Example:
        >>> import tapeloom as tl
        >>> class Exp(tl.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         y = x.exp()
        ...         ctx.save_for_backward(y)
        ...         return y
        ...
        ...     @staticmethod
        ...     def backward(ctx, g):
        ...         (y,) = ctx.saved_tensors
        ...         return g * y
        >>> x = tl.zeros(2, requires_grad=True)
        >>> Exp.apply(x).sum().backward()
        >>> x.grad
        tensor([1., 1.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        name = type(self).__name__
        raise ArgumentTypeError(f"{name}: a Function is not instantiated. Call {name}.apply(...).")

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs: ``forward(ctx, *args)``, or ``forward(*args)`` where there is a ``setup_context``."""
        raise NotImplementedError

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Fill the context after a ``forward`` that takes none; ``inputs`` are all its arguments."""
        raise NotImplementedError

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradient of each argument of forward, from those of its outputs."""
        raise NotImplementedError

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run forward on these arguments, and record the call where a tensor among them requires a gradient."""
        if LEVELS.get():
            met = together((*args, *kwargs.values()))
            if met is not None:
                args, kwargs = met[: len(args)], dict(zip(kwargs, met[len(args) :], strict=True))
        separate = cls.setup_context is not Function.setup_context
        if separate or kwargs:
            args, kwargs = _bound(cls, args, kwargs, separate)
        arguments = (*args, *kwargs.values())
        edges = tuple([argument.node if isinstance(argument, Tensor) else None for argument in arguments])
        context = FunctionCtx(cls.__name__, tuple([edge is not None for edge in edges]))
        with no_grad():
            if separate:
                result = _defined(cls, "forward")(*args, **kwargs)
                cls.setup_context(context, arguments, result)
            else:
                result = _defined(cls, "forward")(context, *args, **kwargs)
        if isinstance(result, list) and any(isinstance(item, Tensor) for item in result):
            raise ArgumentTypeError(f"{cls.__name__}: forward returned a list of tensors. Return a tuple.")
        parts = result if isinstance(result, tuple) else (result,)
        _check_dirty(context, parts)
        sources: list[Node | None] = [None] * len(parts)
        if any(context.needs_input_grad) and MODES.get().grad and any(isinstance(part, Tensor) for part in parts):
            plan = Call(cls, context, arguments, result)
            node = _recorded(plan, edges, arguments, parts)
            sources = [plan.node_of_output(node, place) for place in range(len(parts))]
        made = [_handed_out(part, source, context, arguments) for part, source in zip(parts, sources, strict=True)]
        context._to_save = context._dirty = context._constants = ()
        return tuple(made) if isinstance(result, tuple) else made[0]


def _defined(function: type[Function], name: str) -> Callable[..., Any]:
    """The method ``name`` of a Function, which the user must have written."""
    found: Callable[..., Any] = getattr(function, name)
    if found is getattr(Function, name):
        raise UnsupportedError(f"{function.__name__}: {name} is not defined. Write it as a static method of the class.")
    return found


def _bound(
    function: type[Function], args: tuple[Any, ...], kwargs: dict[str, Any], separate: bool
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments in the order of forward's parameters; with the defaults where ``setup_context`` gets them too."""
    from inspect import signature

    context = () if separate else (None,)
    found = signature(function.forward).bind(*context, *args, **kwargs)
    if separate:
        found.apply_defaults()
    return found.args[len(context) :], found.kwargs


def _check_dirty(context: FunctionCtx, parts: tuple[Any, ...]) -> None:
    for tensor in context._dirty:
        if not among(tensor, parts):
            raise ArgumentError(
                f"{context._name}: a tensor of shape {tensor.shape} was marked dirty, and is not among the outputs. Return "
                f"every argument that forward changes in place."
            )
        if MODES.get().grad and type(tensor.node) is Leaf:
            raise InplaceError(
                f"{context._name}: a leaf that requires a gradient was marked dirty; it cannot be changed in place while "
                f"operations are recorded. Give a copy (x.clone()), or call it under tapeloom.no_grad()."
            )


def _recorded(plan: Call, edges: tuple[Node | None, ...], arguments: tuple[Any, ...], parts: tuple[Any, ...]) -> Node:
    """The node of a call. Of what is saved, outputs are kept by their position, as the node cannot keep itself."""
    context = plan.context
    place_of = {
        id(part): place for place, part in enumerate(parts) if among(part, context._dirty) or not among(part, arguments)
    }
    kept = tuple(
        [
            None if tensor is None else (read_array(tensor), tensor.kind, place_of.get(id(tensor), tensor.node))
            for tensor in context._to_save
        ]
    )
    first = next(output for output in plan.outputs if output is not None)
    shapes = tuple([output and output[1] for output in plan.outputs])
    node = new_node(plan, edges, kept, first[0], shapes if plan.several else first[1])
    context._node = ref(node)
    if MODES.get().watchers:
        tell_watchers("after_recording", node)
    return node


def _unpacked(entry: Saved | None, node: Node) -> Tensor | None:
    """A saved tensor again."""
    if entry is None:
        return None
    array, kind, source = entry
    if isinstance(source, int):
        source = node.plan.node_of_output(node, source)
    return make(array, kind, source)


def _handed_out(part: Any, source: Node | None, context: FunctionCtx, arguments: tuple[Any, ...]) -> Any:
    """An output as the caller gets it: a new handle with its place on the tape, or the argument that was changed."""
    if not isinstance(part, Tensor):
        return part
    given = among(part, arguments)
    if given and among(part, context._dirty):
        if source is not None:
            part.copy_(make(read_array(part), part.kind, source))
            if not related(part):
                part.node = source
        return part
    if not given and not related(part):
        return make(read_array(part), part.kind, source)
    made = shared(Tensor, part)  # an argument or a view of one: in-place changes of one show in the other
    made.node = source
    return made


class _Once(Plan):
    """What stands behind the gradients of a ``once_differentiable`` backward: an error for who walks on."""

    __slots__ = ("name",)
    frees = False

    def __init__(self, name: str) -> None:
        self.name = name

    def pairs(self, node: Node, kept: tuple[Any, ...], g: Any, create: bool) -> Pairs:
        """Raise."""
        raise GradientError(
            f"{self.name}: its backward is marked once_differentiable, so its gradients cannot be differentiated again. "
            f"Write backward over recorded operations and take the mark off, or .detach() the gradient."
        )


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a backward that is not differentiable itself: it runs unrecorded, and a second derivative is an error."""

    @functools.wraps(backward)
    def once(ctx: FunctionCtx, *grads: Tensor | None) -> Any:
        with no_grad():
            found = backward(ctx, *grads)
        node = None if ctx._node is None else ctx._node()
        if not MODES.get().grad or node is None:
            return found
        edges = (*node.edges, *[None if grad is None else grad.node for grad in grads])
        blocked = [_blocked(value, edges, ctx._name) for value in (found if isinstance(found, tuple) else (found,))]
        return tuple(blocked) if isinstance(found, tuple) else blocked[0]

    return once


def _blocked(value: Any, edges: tuple[Node | None, ...], name: str) -> Any:
    if not isinstance(value, Tensor) or not value.kind.inexact:
        return value
    return make(read_array(value), value.kind, new_node(_Once(name), edges, (), value.kind, value.shape))
