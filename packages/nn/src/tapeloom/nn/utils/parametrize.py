"""Parameters that are functions of others: `layer.weight` is computed from what is trained, each time it is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError

from ..containers import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
]

_cache: ContextVar[dict[tuple[int, str], Tensor] | None] = ContextVar("parametrizations that are kept", default=None)


@contextmanager
def cached() -> Iterator[None]:
    """Inside, each parametrized tensor is computed once, and kept until the end of the outermost block."""
    if _cache.get() is not None:
        yield
        return
    token = _cache.set({})
    try:
        yield
    finally:
        _cache.reset(token)


def _keep(owner: Module, name: str, value: Tensor, like: Tensor) -> None:
    """Registers a value as what it stands for was registered: a parameter or a buffer."""
    if isinstance(like, Parameter):
        owner.register_parameter(name, value if value is like else Parameter(value.detach(), like.requires_grad))
    else:
        owner.register_buffer(name, value)


class ParametrizationList(ModuleList):
    """What stands for one tensor of a module: the trained values, and the modules that make the tensor of them.

    Attributes:
        original: the trained values; or original0, original1, … where the last `right_inverse` gives several.
    """

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        super().__init__(modules)
        self.unsafe = unsafe
        with tl.no_grad():
            values = self._inverse(original, strict=False)
            self.is_tensor = isinstance(values, Tensor)
            if isinstance(values, Tensor):
                if values is not original:
                    original.data = values
                _keep(self, "original", original, original)
            else:
                for number, value in enumerate(values):
                    _keep(self, f"original{number}", value, original)

    def _originals(self) -> list[Tensor]:
        return [tensor for _, tensor in self._entries("parameter", "buffer")]

    def _inverse(self, value: Any, strict: bool) -> Any:
        for module in reversed(self._items()):
            if hasattr(module, "right_inverse"):
                value = module.right_inverse(value)
            elif strict:
                raise ArgumentError(f"{type(module).__name__} has no right_inverse, so the tensor cannot be set.")
        return value

    def right_inverse(self, value: Tensor) -> None:
        """Sets the trained values so that the tensor becomes `value`, as far as the modules can."""
        with tl.no_grad():
            values = self._inverse(value, strict=True)
            for original, new in zip(self._originals(), [values] if self.is_tensor else values, strict=True):
                if original.shape == new.shape:
                    original.copy_(new)
                else:
                    original.data = new.to(original.dtype)

    def forward(self) -> Tensor:
        """The tensor."""
        first, *rest = self._items()
        value: Tensor = first(*self._originals())
        for module in rest:
            value = module(value)
        return value


def _property(name: str) -> property:
    def read(self: Any) -> Tensor:
        kept = _cache.get()
        if kept is None:
            value: Tensor = self.parametrizations[name]()
            return value
        key = id(self), name
        if key not in kept:
            kept[key] = self.parametrizations[name]()
        return kept[key]

    def write(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(read, write)


def _setattr(self: Any, name: str, value: Any) -> None:
    """A parametrized tensor is set through its modules, whatever is put there."""
    parametrizations = self.__dict__.get("parametrizations")
    if parametrizations is not None and name in parametrizations:
        getattr(type(self), name).fset(self, value)
    else:
        Module.__setattr__(self, name, value)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Makes a parameter or buffer a function of others; further calls put one function behind the other.

    Args:
        module: the layer; it is changed, and returned.
        tensor_name: the name of the tensor in it.
        parametrization: a module from the trained values to the tensor; its `right_inverse`, if it has one, goes the
            other way, for the first values and for setting the tensor.
        unsafe: the function may change shape and dtype.

    Raises:
        ArgumentError: the module has no such tensor.
        ShapeError, DTypeError: the function changes shape or dtype.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> class Symmetric(nn.Module):
        ...     def forward(self, x):
        ...         return x.triu() + x.triu(1).mT
        >>> layer = nn.utils.parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
        >>> bool((layer.weight == layer.weight.mT).all()), list(layer.state_dict())
        (True, ['bias', 'parametrizations.weight.original'])
    """
    if not isinstance(parametrization, Module):
        raise ArgumentTypeError(
            f"register_parametrization: the parametrization must be an nn.Module, got {type(parametrization).__name__}."
        )
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        held = cast(Any, module).parametrizations[tensor_name]
        before = held()
        _check(parametrization(before), before, tensor_name, unsafe)
        if hasattr(parametrization, "right_inverse"):
            with tl.no_grad():
                held.right_inverse(parametrization.right_inverse(before))
        held.append(parametrization)
        return module
    entries = dict(module._entries("parameter", "buffer", "transient"))
    if tensor_name not in entries:
        raise ArgumentError(
            f"register_parametrization: {type(module).__name__} has no parameter or buffer '{tensor_name}'. "
            f"It has {', '.join(map(repr, entries)) or 'none'}."
        )
    original = entries[tensor_name]
    before = original.detach()
    held = ParametrizationList([parametrization], original, unsafe)
    _check(held(), before, tensor_name, unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        names = {"__setattr__": _setattr, "_plain": type(module)}
        module.__class__ = type(f"Parametrized{type(module).__name__}", (type(module),), names)
        module.parametrizations = ModuleDict()
    setattr(type(module), tensor_name, _property(tensor_name))
    cast(Any, module).parametrizations[tensor_name] = held
    return module


def _check(value: Any, before: Tensor, name: str, unsafe: bool) -> None:
    if unsafe:
        return
    if not isinstance(value, Tensor):
        raise ArgumentTypeError(f"register_parametrization: '{name}' would become {type(value).__name__}, no Tensor.")
    if value.shape != before.shape:
        raise ShapeError(
            f"register_parametrization: '{name}' of shape {tuple(before.shape)} would get shape {tuple(value.shape)}. "
            "Pass unsafe=True if it is meant so."
        )
    if value.dtype is not before.dtype:
        raise DTypeError(
            f"register_parametrization: '{name}' of {before.dtype.name} would become {value.dtype.name}. "
            "Pass unsafe=True if it is meant so."
        )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module has parametrized tensors, or this one."""
    held = module.__dict__.get("parametrizations")
    return isinstance(held, ModuleDict) and (bool(len(held)) if tensor_name is None else tensor_name in held)


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Makes a tensor an ordinary one again.

    Args:
        module: the layer; it is changed, and returned.
        tensor_name: the name of the tensor in it.
        leave_parametrized: keep its present value; False gives back the trained one.

    Raises:
        ArgumentError: the tensor is not parametrized, or there are several trained values to give back.
    """
    if not is_parametrized(module, tensor_name):
        raise ArgumentError(f"remove_parametrizations: '{tensor_name}' of {type(module).__name__} is not parametrized.")
    all_held = cast(Any, module).parametrizations
    held = all_held[tensor_name]
    if not leave_parametrized and not held.is_tensor:
        raise ArgumentError(
            f"remove_parametrizations: '{tensor_name}' is made of several tensors. Pass leave_parametrized=True."
        )
    original = held._originals()[0]
    with tl.no_grad():
        value = held() if leave_parametrized else original
    if held.is_tensor and value is not original:
        original.data = value.detach()
        value = original
    del all_held[tensor_name]
    delattr(type(module), tensor_name)
    if not len(all_held):
        delattr(module, "parametrizations")
        module.__class__ = cast(Any, module)._plain
    _keep(module, tensor_name, value, original)
    return module
