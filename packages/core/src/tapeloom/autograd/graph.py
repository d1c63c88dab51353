"""The tape itself: hooks on what operations keep for backward, and edges to nodes. PyTorch's ``autograd.graph``."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple

from tapeloom.backend.fallback import mapped
from tapeloom.call.watch import Watcher, close, operations, reopen
from tapeloom.errors import ArgumentTypeError, GradientError
from tapeloom.modes import MODES, enter, leave, no_grad
from tapeloom.tape.plan import Around, Pairs
from tapeloom.tensors.kind import Kind
from tapeloom.tensors.node import GradientEdge, Node, Output
from tapeloom.tensors.tensor import Tensor, make, read_array

__all__ = [
    "GradientEdge",
    "Node",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "save_on_cpu",
    "saved_tensors_hooks",
]

#: why no hooks may be set in this context; None where they may
_FORBIDDEN: ContextVar[str | None] = ContextVar("tapeloom_saved_tensors_hooks_forbidden", default=None)


class saved_tensors_hooks(Watcher):
    """Within it, ``pack_hook`` gets each tensor that an operation keeps for backward; what it returns is kept instead.

    ``unpack_hook`` gets that when the tensor is needed, and returns a tensor of the same dtype, device and shape. Both run
    unrecorded. Blocks may be nested; the innermost hooks count. Raises GradientError for another tensor than was packed.

    Example:
        >>> import tapeloom as tl
        >>> x = tl.tensor([1.0, 2.0], requires_grad=True)
        >>> with tl.autograd.graph.saved_tensors_hooks(lambda t: t.tolist(), tl.tensor):
        ...     y = (x * x).sum()
        >>> y.backward()
        >>> x.grad
        tensor([2., 4.])
    """

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]) -> None:
        for name, hook in (("pack_hook", pack_hook), ("unpack_hook", unpack_hook)):
            if not callable(hook):
                raise ArgumentTypeError(f"saved_tensors_hooks: {name} must be a function, got {type(hook).__name__}.")
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> saved_tensors_hooks:
        message = _FORBIDDEN.get()
        if message is not None:
            raise GradientError(message)
        others = tuple([each for each in MODES.get().watchers if not isinstance(each, saved_tensors_hooks)])
        close()
        enter(self, watchers=(*others, self))
        return self

    def __exit__(self, *exc_info: object) -> None:
        leave(self)
        reopen()

    def after(self, op: Any, values: list[Any], result: Any) -> None:
        """Pack what the call's node keeps."""
        for node in operations(result):
            self.after_recording(node)

    def after_recording(self, node: Node) -> None:
        """Pack what ``node`` keeps."""
        if node.plan.frees and not isinstance(node.plan, _Unpacking):
            with no_grad():
                node.kept = mapped(node.kept, lambda array: self._packed(array, node.kind))
            node.plan = _Unpacking(node.plan)

    def _packed(self, array: Any, kind: Kind) -> Any:
        its = kind.of(array)
        return _Packed(self.pack_hook(make(array, its)), self.unpack_hook, its, tuple(array.shape))


class _Packed(NamedTuple):
    """What a hook made of a kept array, and what must come back."""

    held: Any
    unpack_hook: Callable[[Any], Tensor]
    kind: Kind
    shape: tuple[int, ...]

    def unpacked(self) -> Any:
        found = self.unpack_hook(self.held)
        if not isinstance(found, Tensor) or found.kind is not self.kind or found.shape != self.shape:
            came = f"{found.kind} of shape {found.shape}" if isinstance(found, Tensor) else type(found).__name__
            raise GradientError(
                f"saved_tensors_hooks: unpack_hook returned {came}, and what was packed is {self.kind} of shape {self.shape}. "
                f"Return a tensor with the same dtype, device and shape."
            )
        return read_array(found)


class _Unpacking(Around):
    """The plan of a node whose kept arrays are packed."""

    __slots__ = ()

    def kept(self, node: Node) -> tuple[Any, ...]:
        return self.unpacked(node.kept)

    def pairs(self, node: Node, kept: tuple[Any, ...], g: Any, create: bool) -> Pairs:
        return self.inner.pairs(node, self.unpacked(kept), g, create)

    def unpacked(self, kept: tuple[Any, ...]) -> tuple[Any, ...]:
        with no_grad():
            return tuple([_unpacked(value) for value in kept])


def _unpacked(value: Any) -> Any:
    if isinstance(value, _Packed):
        return value.unpacked()
    if isinstance(value, (list, tuple)):
        return _again(value, [_unpacked(item) for item in value])
    return value


def _again(like: Any, items: list[Any]) -> Any:
    """``items`` as a list, a tuple or a named tuple, as ``like`` is."""
    return type(like)(*items) if hasattr(like, "_fields") else type(like)(items)


class save_on_cpu(saved_tensors_hooks):
    """Within it, what operations keep for backward is kept in the memory of the host (``pin_memory`` changes nothing)."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda tensor: (tensor.device, tensor.cpu()), lambda packed: packed[1].to(packed[0]))


class disable_saved_tensors_hooks:
    """Within it, ``saved_tensors_hooks`` raises GradientError with this message."""

    def __init__(self, error_message: str) -> None:
        self.error_message = error_message

    def __enter__(self) -> None:
        self._token = _FORBIDDEN.set(self.error_message)

    def __exit__(self, *exc_info: object) -> None:
        _FORBIDDEN.reset(self._token)


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The node of ``tensor``, to be given to ``autograd.grad`` in its place once the tensor is gone."""
    if not isinstance(tensor, Tensor):
        raise ArgumentTypeError(f"get_gradient_edge: expected a tensor, got {type(tensor).__name__}.")
    if tensor.node is None:
        raise GradientError(
            f"get_gradient_edge: this tensor of shape {tensor.shape} does not require a gradient. Call requires_grad_() on it."
        )
    return GradientEdge(tensor.node, tensor.node.index if isinstance(tensor.node, Output) else 0)
