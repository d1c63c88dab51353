"""User-registered hooks of a module: before forward, after it, and around backward."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from tapeloom import Tensor
from tapeloom.errors import ArgumentTypeError, GradientError
from tapeloom.tensors.node import RemovableHandle, next_number

if TYPE_CHECKING:
    from .module import Module

__all__ = ["ModuleHooks"]

Hook = Callable[..., Any]
"""What a user registers; the arguments it is called with depend on which hook it is."""


class ModuleHooks:
    """The hooks of one module, by place, each place in calling order."""

    __slots__ = ("backward", "backward_pre", "forward", "forward_pre")

    def __init__(self) -> None:
        self.forward_pre: OrderedDict[int, tuple[Hook, bool]] = OrderedDict()
        self.forward: OrderedDict[int, tuple[Hook, bool]] = OrderedDict()
        self.backward_pre: OrderedDict[int, tuple[Hook, bool]] = OrderedDict()
        self.backward: OrderedDict[int, tuple[Hook, bool]] = OrderedDict()

    def add(self, place: str, hook: Hook, prepend: bool, with_kwargs: bool = False) -> RemovableHandle:
        """Hangs `hook` at the place of that name, last or (`prepend`) first; the handle takes it away again."""
        if not callable(hook):
            raise ArgumentTypeError(f"register_{place}_hook: the hook must be callable, got {type(hook).__name__}.")
        hooks: OrderedDict[int, tuple[Hook, bool]] = getattr(self, place)
        key = next_number()
        hooks[key] = (hook, with_kwargs)
        if prepend:
            hooks.move_to_end(key, last=False)
        return RemovableHandle(hooks, key)

    def copy(self) -> ModuleHooks:
        """The same hooks in registers of their own."""
        twin = ModuleHooks()
        for place in self.__slots__:
            getattr(twin, place).update(getattr(self, place))
        return twin

    def run(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Calls the module's forward with every hook in its place."""
        for hook, with_kwargs in list(self.forward_pre.values()):
            if with_kwargs:
                changed = hook(module, args, kwargs)
                if changed is not None:
                    args, kwargs = _args_and_kwargs(module, changed)
            else:
                changed = hook(module, args)
                if changed is not None:
                    args = _as_tuple(changed)
        watch = None
        if self.backward_pre or self.backward:
            watch = BackwardWatch(module, self)
            args = watch.enter(args)
        output = module.forward(*args, **kwargs)
        for hook, with_kwargs in list(self.forward.values()):
            changed = hook(module, args, kwargs, output) if with_kwargs else hook(module, args, output)
            if changed is not None:
                output = changed
        return output if watch is None else watch.leave(output)


class BackwardWatch:
    """Sees the gradients pass the two borders of one call of a module, and calls the backward hooks there.

    Backward meets the output border first: there the pre-hooks run. The hooks run at the input border, or, where no
    input needs a gradient, once the gradients of the outputs are known.
    """

    def __init__(self, module: Module, hooks: ModuleHooks) -> None:
        self.module = module
        self.pre_hooks = [hook for hook, _ in hooks.backward_pre.values()]
        self.hooks = [hook for hook, _ in hooks.backward.values()]
        self.inputs = Border()
        self.outputs = Border()
        self.grad_outputs: tuple[Tensor | None, ...] = ()  # on the way from one border to the other

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments that the module is called with."""
        return self.inputs.cross(args, self._at_inputs)

    def leave(self, output: Any) -> Any:
        """The output that the caller gets."""
        crossed = self.outputs.cross(_as_tuple(output), self._at_outputs)
        return crossed if isinstance(output, tuple) else crossed[0]

    def _at_outputs(self) -> None:
        for hook in self.pre_hooks:
            self.outputs.replace(self.module, hook(self.module, tuple(self.outputs.grads)))
        self.grad_outputs = tuple(self.outputs.grads)
        if not self.inputs.watched:
            self._at_inputs()

    def _at_inputs(self) -> None:
        grad_outputs, self.grad_outputs = self.grad_outputs, ()
        for hook in self.hooks:
            self.inputs.replace(self.module, hook(self.module, tuple(self.inputs.grads), grad_outputs))


class Border:
    """The tensors that cross one side of a call, and the gradients that come back through it.

    Each tensor that needs a gradient passes through two identity ops. The walk takes nodes youngest first, and the
    first identities of all tensors are older than the second ones: so backward has brought every gradient to the
    younger row before it enters the older one. There `crossed` runs, once a backward pass, with all of them at hand.

    The tape holds the border, so the border holds neither `crossed` nor gradients that have passed: these can lead back
    to the tape, and a circle would keep all of it.
    """

    def __init__(self) -> None:
        self.grads: list[Tensor | None] = []
        self.watched: list[int] = []
        self.gathering = True

    def cross(self, values: tuple[Any, ...], crossed: Callable[[], None]) -> tuple[Any, ...]:
        """The values behind the border."""
        self.grads = [None] * len(values)
        self.watched = [i for i, value in enumerate(values) if isinstance(value, Tensor) and value.requires_grad]
        passed = list(values)
        for row in (partial(self._hand_out, crossed), self._gather):
            for index in self.watched:
                passed[index] = passed[index].view_as(passed[index])
                if passed[index].requires_grad:  # not under no_grad
                    passed[index].register_hook(partial(row, index))
        return tuple(passed)

    def _gather(self, index: int, grad: Tensor) -> None:
        if not self.gathering:  # a second backward pass over a retained tape
            self.grads = [None] * len(self.grads)
            self.gathering = True
        self.grads[index] = grad

    def _hand_out(self, crossed: Callable[[], None], index: int, grad: Tensor) -> Tensor | None:
        if self.gathering:
            self.gathering = False
            crossed()
        passed, self.grads[index] = self.grads[index], None
        return passed

    def replace(self, module: Module, changed: Any) -> None:
        """Takes the gradients that a hook returned instead of those that came."""
        if changed is None:
            return
        new = _as_tuple(changed)
        if len(new) != len(self.grads):
            raise GradientError(
                f"A backward hook of {type(module).__name__} returned {len(new)} gradients for {len(self.grads)} "
                "tensors. Return a tuple with one for each, or None to keep them."
            )
        self.grads = list(new)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _args_and_kwargs(module: Module, changed: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(changed, tuple) and len(changed) == 2 and isinstance(changed[1], dict):
        return _as_tuple(changed[0]), changed[1]
    raise ArgumentTypeError(
        f"A forward pre-hook of {type(module).__name__} registered with with_kwargs=True must return None or "
        f"(args, kwargs), got {type(changed).__name__}."
    )
