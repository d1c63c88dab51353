"""Module: the base of everything that owns parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.call.watch import CALLER
from tapeloom.call_site import entry, trim
from tapeloom.dtypes import DType
from tapeloom.errors import ArgumentError, ArgumentTypeError, TapeloomError, UnsupportedError
from tapeloom.modes import MODES
from tapeloom.tensors.node import RemovableHandle

from .hooks import ModuleHooks
from .parameter import drop_aliases
from .state import IncompatibleKeys, load_state, slots
from .tree import Tree

__all__ = ["Module"]


def _forward_missing(self: Module, *args: Any, **kwargs: Any) -> Any:
    name = type(self).__name__
    raise UnsupportedError(f"{name} has no forward. Define `def forward(self, ...)` in class {name}.")


class Module(Tree):
    """Base class of layers and models.

    Set `Parameter`s, `Buffer`s and other Modules as attributes in `__init__`, after `super().__init__()`, and write
    `forward`. The attributes are registered by their type, in the order they are set, and that gives the module its
    parameters, its `state_dict()` and its printed form.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> class Net(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.hidden = nn.Linear(4, 8)
        ...         self.output = nn.Linear(8, 2)
        ...
        ...     def forward(self, x):
        ...         return self.output(self.hidden(x).relu())
        >>> net = Net()
        >>> net(tl.ones(3, 4)).shape
        (3, 2)
        >>> net
        Net(
          (hidden): Linear(in_features=4, out_features=8, bias=True)
          (output): Linear(in_features=8, out_features=2, bias=True)
        )
    """

    _hooks: ModuleHooks | None = None
    training: bool = True

    forward: Callable[..., Any] = _forward_missing

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs `forward` and the hooks; an error that escapes carries a note with the path of its module."""
        try:
            if MODES.get().watchers:
                return self._watched(args, kwargs)
            if self._hooks is None:
                return self.forward(*args, **kwargs)
            return self._hooks.run(self, args, kwargs)
        except Exception as error:
            _note_path(error, self)
            if isinstance(error, TapeloomError):
                trim(error)
            raise

    def _watched(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs `forward` and the hooks so that those who watch can tell in which module of the model they are."""
        outer = CALLER.get()
        token = CALLER.set(Place(self, outer if isinstance(outer, Place) else None))
        try:
            return self.forward(*args, **kwargs) if self._hooks is None else self._hooks.run(self, args, kwargs)
        finally:
            CALLER.reset(token)

    # -- state

    def state_dict(
        self, *, destination: dict[str, Tensor] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Tensor]:
        """The parameters and saved buffers by dotted name, sharing their values with the module.

        Args:
            destination: a dict to add to; else a new one.
            prefix: put before every key.
            keep_vars: give the parameters themselves instead of detached tensors.

        Example:
            >>> from tapeloom import nn
            >>> {key: value.shape for key, value in nn.Linear(2, 3).state_dict().items()}
            {'weight': (3, 2), 'bias': (3,)}
        """
        state = {} if destination is None else destination
        for key, slot in slots(self, prefix):
            state[key] = slot.tensor if keep_vars else slot.tensor.detach()
        return state

    @entry
    def load_state_dict(
        self, state_dict: Mapping[str, Tensor], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Puts the values of `state_dict` into the parameters and saved buffers. On an error nothing is changed.

        Args:
            state_dict: what `state_dict()` gave; values of another dtype or device are converted.
            strict: the keys must be the same; False passes over missing and unexpected ones and returns them.
            assign: put the given tensors themselves in, with their dtype and device, instead of copying. An optimizer
                made before then holds the old parameters.

        Returns:
            The missing and the unexpected keys.

        Raises:
            StateError: keys are missing, unexpected (unless `strict` is False) or of another shape; the message lists
                all of them with the likeliest remedy.
        """
        return load_state(self, state_dict, strict, assign)

    # -- changing the whole tree

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Calls `fn` on every module, children first, and returns this one; for initialisation."""
        if not callable(fn):
            raise ArgumentTypeError(
                f"{type(self).__name__}.apply: fn must be a function of a module, got {type(fn).__name__}."
            )
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def _convert(self, fn: Callable[[Tensor], Tensor]) -> Self:
        """Replaces the value of every parameter (keeping the Parameter), its gradient and every buffer by `fn` of it.

        All values are computed before the first is put in, so a move that fails leaves the module whole.
        """
        with tl.no_grad():
            converted = [
                (parameter, fn(parameter.data), None if parameter.grad is None else fn(parameter.grad))
                for parameter in self.parameters()
            ]
            buffers = {id(buffer): fn(buffer) for buffer in self.buffers()}
        for parameter, value, grad in converted:
            parameter.grad = None
            if value is not parameter.data:
                parameter.data = value
                drop_aliases(parameter)
            parameter.grad = grad
        for module in self.modules():
            for name, buffer in module._entries("buffer", "transient"):
                module.__dict__[name] = buffers[id(buffer)]
        return self

    @entry
    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Moves and casts parameters, gradients and buffers.

        Takes `to(device)`, `to(dtype)`, `to(device, dtype)` or `to(tensor)`. Integer and boolean tensors keep
        their dtype. The module itself is changed and returned.

        Example:
            >>> import tapeloom as tl
            >>> from tapeloom import nn
            >>> nn.Linear(2, 3).to(tl.float64).weight.dtype
            tapeloom.float64
        """
        device, dtype = _parse_to(self, args, kwargs)

        def convert(tensor: Tensor) -> Tensor:
            return tensor.to(device or tensor.device, dtype if dtype and tensor.is_floating_point() else tensor.dtype)

        return self._convert(convert)

    def cuda(self, device: int | str | None = None) -> Self:
        """Moves everything to a CUDA device: the current one, or the one of that number or name."""
        return self.to(f"cuda:{device}" if isinstance(device, int) else device or "cuda")

    def cpu(self) -> Self:
        """Moves everything to the CPU."""
        return self.to("cpu")

    def float(self) -> Self:
        """Casts floating-point parameters and buffers to float32."""
        return self.to(tl.float32)

    def double(self) -> Self:
        """Casts floating-point parameters and buffers to float64."""
        return self.to(tl.float64)

    def half(self) -> Self:
        """Casts floating-point parameters and buffers to float16."""
        return self.to(tl.float16)

    def bfloat16(self) -> Self:
        """Casts floating-point parameters and buffers to bfloat16."""
        return self.to(tl.bfloat16)

    def train(self, mode: bool = True) -> Self:
        """Sets training mode, or with False evaluation, here and in all modules inside.

        Dropout and batch norm heed it.
        """
        if not isinstance(mode, bool):
            raise ArgumentTypeError(f"{type(self).__name__}.train: mode must be True or False, got {mode!r}.")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Sets evaluation mode: `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Switches gradient recording of all parameters: `requires_grad_(False)` freezes them."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients of all parameters, or fills them with zeros if `set_to_none` is False."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = tl.zeros_like(parameter.grad)

    # -- hooks

    def _own_hooks(self) -> ModuleHooks:
        hooks = self._hooks
        if hooks is None:
            hooks = self.__dict__["_hooks"] = ModuleHooks()
        return hooks

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls `hook(module, args)` before every forward; what it returns, unless None, becomes the arguments.

        Args:
            hook: with `with_kwargs` it is called as `hook(module, args, kwargs)` and returns None or (args, kwargs).
            prepend: run it before the hooks that are there already.
            with_kwargs: see `hook`.
        """
        return self._own_hooks().add("forward_pre", hook, prepend, with_kwargs)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls `hook(module, args, output)` after every forward; what it returns, unless None, becomes the output.

        The arguments are those of `register_forward_pre_hook`; with `with_kwargs` the hook is called as
        `hook(module, args, kwargs, output)`.
        """
        return self._own_hooks().add("forward", hook, prepend, with_kwargs)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls `hook(module, grad_output)` before backward enters the module.

        `grad_output` is a tuple with the gradient of each output; what the hook returns, unless None, replaces it.
        """
        return self._own_hooks().add("backward_pre", hook, prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls `hook(module, grad_input, grad_output)` when backward has passed through the module.

        Both are tuples with one entry a positional argument or output, None where there is no gradient; what the hook
        returns, unless None, replaces `grad_input`.
        """
        return self._own_hooks().add("backward", hook, prepend)

    # -- printing, copying

    def extra_repr(self) -> str:
        """The settings shown between the brackets of the printed form."""
        return ""

    def __repr__(self) -> str:
        extra = [line for line in self.extra_repr().split("\n") if line]
        children = [f"({name}): {_indent(repr(child))}" for name, child in self._repr_children()]
        if not children and len(extra) <= 1:
            return f"{type(self).__name__}({''.join(extra)})"
        return "\n  ".join([f"{type(self).__name__}(", *extra, *children]) + "\n)"

    def _repr_children(self) -> Iterator[tuple[str, Module]]:
        return ((name, self.__dict__[name]) for name, kind in self._kinds.items() if kind == "module")

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A shallow copy must not share the registry, or adding to one would add to the other.
        self.__dict__.update(state)
        self.__dict__["_kinds"] = dict(self._kinds)
        if self._hooks is not None:
            self.__dict__["_hooks"] = self._hooks.copy()


class _Note(str):
    """The note that an error carries about its module; it knows the module, so that the next one up can extend it."""

    module: Module
    path: str

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)  # an error must stay picklable, whatever the module holds


class Place:
    """Where a module that is being called is within the model: its path from the outermost module.

    A module that is called, but not registered in the one that calls it, is the outermost of a path of its own.
    """

    __slots__ = ("module", "path", "root")
    module: Module
    root: Module
    path: str

    def __init__(self, module: Module, outer: Place | None = None) -> None:
        step = None if outer is None else _step(outer.module, module)
        self.module: Module = module
        self.root: Module = module
        self.path = ""
        if outer is not None and step is not None:
            self.root = outer.root
            self.path = ".".join(filter(None, (outer.path, step)))

    def __str__(self) -> str:
        return _described(self.root, self.path)


def _step(outer: Module, inner: Module) -> str | None:
    """The path from one module to another within it, None where there is none."""
    return next((name for name, child in outer.named_modules() if child is inner), None)


def _described(root: Module, path: str) -> str:
    kind = type(root.get_submodule(path)).__name__
    return f"module '{path}' ({kind}) of {type(root).__name__}" if path else f"module {kind}"


def _note_path(error: Exception, module: Module) -> None:
    """Notes on an error that escapes a forward which module it came from, by its path from the outermost one."""
    notes: list[str] = getattr(error, "__notes__", [])
    position = next((i for i, note in enumerate(notes) if isinstance(note, _Note)), None)
    inner, path = module, ""
    if position is not None:
        old = notes[position]
        assert isinstance(old, _Note)
        inner, path = old.module, old.path
        step = _step(module, inner)
        if not step:  # called, but not registered here (or the same module again): its own path says most
            return
        path = f"{step}.{path}" if path else step
    note = _Note(f"in {_described(module, path)}")
    note.module, note.path = module, path
    if position is None:
        error.add_note(note)
    else:
        notes[position] = note


def _parse_to(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, DType | None]:
    """The device (None: as it is) and dtype (None: as it is) that the arguments of `Module.to` name."""
    device, dtype = kwargs.pop("device", None), kwargs.pop("dtype", None)
    kwargs.pop("non_blocking", None)
    for arg in args:
        if isinstance(arg, Tensor):
            device, dtype = arg.device, arg.dtype
        elif isinstance(arg, DType):
            dtype = arg
        elif arg is not None and not isinstance(arg, bool):
            device = arg
    if kwargs:
        raise ArgumentTypeError(
            f"{type(module).__name__}.to: unknown arguments {sorted(kwargs)}; it takes device and dtype."
        )
    if dtype is not None and not dtype.is_floating_point:
        raise ArgumentError(f"{type(module).__name__}.to: a module takes a floating-point dtype, got {dtype}.")
    return device, dtype


def _indent(text: str) -> str:
    return text.replace("\n", "\n  ")
