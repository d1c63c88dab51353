"""Memory for time: a function whose operations keep nothing for backward, which runs it again to have it.

The nodes that the function records stay on the tape, with a plan put around theirs that has what they kept made again:
the function runs once more, under the same modes and random state, and the node recorded in the same place gives it. So
all that works without works with it: gradients of what the function closes over, ``autograd.grad``, second derivatives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

from tapeloom.call.watch import Watcher, operations, watching
from tapeloom.errors import ArgumentError, ArgumentTypeError, RecomputeError
from tapeloom.func.tree import mapped_tensors
from tapeloom.generator import default_generator, fork_rng
from tapeloom.modes import MODES
from tapeloom.tape.plan import Around, Pairs
from tapeloom.tensors.node import Node, next_number
from tapeloom.tensors.tensor import make, read_array

__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential"]

#: PyTorch's name for it
CheckpointError = RecomputeError


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[AbstractContextManager[Any], AbstractContextManager[Any]]] | None = None,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, keeping only its arguments for backward, which runs the function again.

    The second run begins with the random state of the first (``preserve_rng_state``) and stops when all that is needed is
    there (``early_stop``). ``context_fn`` returns two context managers, for the first run and for the second.
    ``use_reentrant`` and ``debug`` change nothing.

    Raises RecomputeError in backward where the second run records other operations than the first, or results of
    another shape or dtype; with ``determinism_check="none"`` only where there are too few.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom.utils.checkpoint import checkpoint
        >>> x = tl.tensor([1.0, 2.0], requires_grad=True)
        >>> checkpoint(lambda x: x * x * x, x).sum().backward()
        >>> x.grad
        tensor([ 3., 12.])
    """
    if not callable(function):
        raise ArgumentTypeError(f"checkpoint: expected a function, got {type(function).__name__}.")
    if determinism_check not in ("default", "none"):
        raise ArgumentError(f"checkpoint: determinism_check must be 'default' or 'none', got {determinism_check!r}.")
    modes = MODES.get()
    if not modes.grad or any(isinstance(watcher, _FirstRun) for watcher in modes.watchers):
        return function(*args, **kwargs)  # within another one, which runs this again
    first, second = context_fn() if context_fn is not None else (nullcontext(), nullcontext())
    run = _FirstRun(function, _held(args), _held(kwargs), preserve_rng_state, early_stop, determinism_check, second)
    with first, watching(run):
        return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Sequence[Callable[..., Any]],
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    *,
    preserve_rng_state: bool = True,
) -> Any:
    """``functions``, such as the layers of a ``Sequential``, one after the other; ``segments`` parts, the last unchecked.

    All parts but the last are checkpointed: between them only what goes from one to the next is kept.
    """
    steps = list(functions)
    if isinstance(segments, bool) or not isinstance(segments, int) or not 1 <= segments <= max(len(steps), 1):
        raise ArgumentError(
            f"checkpoint_sequential: segments must be from 1 to {len(steps)}, the number of functions, got {segments!r}."
        )
    size = len(steps) // segments
    for place in range(segments - 1):
        part = _Chain(steps[place * size : (place + 1) * size])
        input = checkpoint(part, input, preserve_rng_state=preserve_rng_state)
    return _Chain(steps[(segments - 1) * size :])(input)


class _Chain:
    """Functions as one, each called with what the one before returned."""

    def __init__(self, functions: list[Callable[..., Any]]) -> None:
        self.functions = functions

    def __call__(self, value: Any) -> Any:
        for function in self.functions:
            value = function(value)
        return value


def _held(tree: Any) -> Any:
    """``tree`` with the tensors in it as they are now: handles of their own, which no in-place change reaches."""
    return mapped_tensors(lambda tensor: make(read_array(tensor), tensor.kind, tensor.node), tree)


class _Run(Watcher):
    """Sees the nodes that one run of a checkpointed function records: those that keep something a walk frees."""

    def __init__(self) -> None:
        self.begin = next_number()

    def after(self, op: Any, values: list[Any], result: Any) -> None:
        for node in operations(result):
            self.after_recording(node)

    def after_recording(self, node: Node) -> None:
        if node.number < self.begin and node.plan.frees:  # numbers fall with time
            self.recorded(node)

    def recorded(self, node: Node) -> None:
        raise NotImplementedError


class _FirstRun(_Run):
    """The first run: takes what its nodes keep from them, and later has it made again."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: Any,
        kwargs: Any,
        preserve_rng_state: bool,
        early_stop: bool,
        determinism_check: str,
        context: AbstractContextManager[Any],
    ) -> None:
        super().__init__()
        self.function, self.args, self.kwargs = function, args, kwargs
        self.random = default_generator.get_state() if preserve_rng_state else None
        self.early_stop = early_stop
        self.checks = determinism_check == "default"
        self.context = context
        self.modes = MODES.get()
        self.count = 0
        self.again: dict[int, Node] = {}  # the nodes of the second run that were not asked for yet

    def recorded(self, node: Node) -> None:
        if isinstance(node.plan, _Recomputed) and node.plan.run is self:
            return  # the result of two calls
        node.plan = _Recomputed(node.plan, self, self.count)
        node.kept = ()
        self.count += 1

    def node(self, place: int) -> Node:
        """The node that the second run recorded at ``place``, each once; asked for again, it runs once more."""
        if place not in self.again:
            self.again = self.second_run()
        if place not in self.again:
            raise RecomputeError(
                f"checkpoint: {_named(self.function)} recorded {self.count} operations with something to keep when it was called, "
                f"and {len(self.again)} when backward ran it again. It must do the same both times: not depend on what it "
                f"changes itself, nor on the grad mode."
            )
        return self.again.pop(place)

    def second_run(self) -> dict[int, Node]:
        run = _SecondRun(self.count if self.early_stop else None)
        modes = MODES.get()
        try:
            MODES.set(self.modes.replace(grad=True, watchers=modes.observers))
            with ExitStack() as blocks:
                for watcher in self.modes.watchers:
                    if watcher.acts:
                        blocks.enter_context(watching(watcher))
                blocks.enter_context(fork_rng(enabled=self.random is not None))
                blocks.enter_context(self.context)
                blocks.enter_context(watching(run))
                if self.random is not None:
                    default_generator.set_state(self.random)
                self.function(*self.args, **self.kwargs)
        except _Enough:
            pass
        finally:
            MODES.set(modes)
        return dict(enumerate(run.nodes))


class _SecondRun(_Run):
    """The second run: collects the nodes."""

    def __init__(self, count: int | None) -> None:
        super().__init__()
        self.count = count
        self.nodes: list[Node] = []

    def recorded(self, node: Node) -> None:
        if not self.nodes or self.nodes[-1] is not node:
            self.nodes.append(node)

    def before(self, op: Any, values: list[Any]) -> None:
        # not right after the last node: an inner checkpoint, which sees it later, must have taken its own
        if len(self.nodes) == self.count:
            raise _Enough


class _Enough(BaseException):
    """Ends a second run; no ``except Exception`` of the function's own stops it."""


class _Recomputed(Around):
    """The plan of a node whose kept values are made again."""

    __slots__ = ("place", "run")

    def __init__(self, inner: Any, run: _FirstRun, place: int) -> None:
        super().__init__(inner)
        self.run = run
        self.place = place

    def kept(self, node: Node) -> tuple[Any, ...]:
        again = self.again(node)
        return again.plan.kept(again)

    def pairs(self, node: Node, kept: tuple[Any, ...], g: Any, create: bool) -> Pairs:
        again = self.again(node)
        return again.plan.pairs(
            node, again.kept, g, create
        )  # the plan of the second call: a Function's has the context

    def again(self, node: Node) -> Node:
        again = self.run.node(self.place)
        same = again.plan.name == self.name and again.shape == node.shape and again.kind is node.kind
        if self.run.checks and not same:
            raise RecomputeError(
                f"checkpoint: {_named(self.run.function)} recorded {self.name} with a result of {node.kind} and shape {node.shape} "
                f"when it was called, and {again.plan.name} with {again.kind} and shape {again.shape} when backward ran it again. "
                f"It must do the same both times; determinism_check='none' leaves out this check."
            )
        return again


def _named(function: Any) -> str:
    return getattr(function, "__qualname__", type(function).__name__)
