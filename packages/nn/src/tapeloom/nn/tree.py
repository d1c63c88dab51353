"""The tree that modules form: attributes registered by their type, and walks over them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from tapeloom import Tensor
from tapeloom.errors import ArgumentError, ArgumentTypeError, StateError

from .arguments import settings
from .parameter import Buffer, Parameter

if TYPE_CHECKING:
    from .module import Module

__all__ = ["Tree"]


class Tree:
    """The half of `Module` that knows what belongs to it.

    Values live in the instance's own `__dict__`, so reading `self.weight` is an ordinary attribute look-up; `_kinds`
    says which of them are registered, in order, and as what: "parameter", "buffer", "transient" (a buffer that is not
    saved) or "module". A registered value may be None.
    """

    _kinds: dict[str, str]

    @settings
    def __init__(self) -> None:
        self.__dict__["_kinds"] = {}

    # -- registration

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self._register(name, value, "parameter")
        elif isinstance(value, Tree):
            self._register(name, value, "module")
        elif isinstance(value, Buffer):
            self._register(name, value, "buffer" if value.persistent else "transient")
        else:
            kind = self.__dict__.get("_kinds", {}).get(name)
            if kind is None:
                object.__setattr__(self, name, value)
            else:
                self.__dict__[name] = self._checked(name, value, kind)

    def __delattr__(self, name: str) -> None:
        if name in self.__dict__.get("_kinds", {}):
            del self._kinds[name]
        object.__delattr__(self, name)

    def _register(self, name: str, value: Any, kind: str) -> None:
        kinds = self.__dict__.get("_kinds")
        if kinds is None:
            owner = type(self).__name__
            raise StateError(
                f"{owner}: '{name}' was set before Module.__init__ ran. "
                f"Call super().__init__() first in {owner}.__init__."
            )
        kinds[name] = kind
        self.__dict__[name] = value

    def _checked(self, name: str, value: Any, kind: str) -> Any:
        """The value, if it may replace what is registered under `name`."""
        is_buffer = kind in ("buffer", "transient")
        if value is None or (is_buffer and isinstance(value, Tensor)):
            return value
        wanted = {"parameter": "an nn.Parameter", "module": "an nn.Module"}.get(kind, "a Tensor")
        noun = "buffer" if is_buffer else kind
        remedy = " Wrap it: nn.Parameter(value)." if kind == "parameter" and isinstance(value, Tensor) else ""
        raise ArgumentTypeError(
            f"{type(self).__name__}.{name} is a {noun}: it takes {wanted} or None, got {type(value).__name__}.{remedy}"
        )

    def _check_name(self, method: str, name: str) -> None:
        if not isinstance(name, str) or not name or "." in name:
            raise ArgumentError(
                f"{type(self).__name__}.{method}: the name must be a string without dots, got {name!r}."
            )
        if "_kinds" in self.__dict__ and name not in self._kinds and hasattr(self, name):
            raise ArgumentError(
                f"{type(self).__name__}.{method}: the attribute '{name}' exists already. Choose another name."
            )

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter, as setting the attribute does; None keeps the name free for a later one."""
        self._check_name("register_parameter", name)
        if param is not None and not isinstance(param, Parameter):
            raise ArgumentTypeError(
                f"{type(self).__name__}.register_parameter: '{name}' must be an nn.Parameter or None, "
                f"got {type(param).__name__}. Wrap it: nn.Parameter(value)."
            )
        self._register(name, param, "parameter")

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor that moves with the module but is not trained.

        Args:
            name: its attribute name.
            tensor: the value, of any shape, or None.
            persistent: whether `state_dict()` holds it.
        """
        self._check_name("register_buffer", name)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise ArgumentTypeError(
                f"{type(self).__name__}.register_buffer: '{name}' must be a Tensor or None, "
                f"got {type(tensor).__name__}."
            )
        self._register(name, tensor, "buffer" if persistent else "transient")

    def add_module(self, name: str, module: Module | None) -> None:
        """Adds a child, as setting the attribute does."""
        self._check_name("add_module", name)
        if module is not None and not isinstance(module, Tree):
            raise ArgumentTypeError(
                f"{type(self).__name__}.add_module: '{name}' must be an nn.Module or None, got {type(module).__name__}."
            )
        self._register(name, module, "module")

    register_module = add_module

    # -- walking the tree

    def _entries(self, *wanted: str) -> Iterator[tuple[str, Any]]:
        """The (name, value) pairs registered here as one of the wanted kinds, None left out."""
        if "_kinds" not in self.__dict__:
            owner = type(self).__name__
            raise StateError(f"{owner} was never set up. Call super().__init__() first in {owner}.__init__.")
        for name, kind in list(self._kinds.items()):
            if kind in wanted and (value := self.__dict__[name]) is not None:
                yield name, value

    def _named_tensors(
        self, wanted: tuple[str, ...], prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        owners = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, owner in owners:
            for name, tensor in owner._entries(*wanted):
                if id(tensor) not in seen:
                    if remove_duplicate:
                        seen.add(id(tensor))
                    yield (f"{path}.{name}" if path else name), tensor

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yields (dotted name, parameter).

        Args:
            prefix: put before every name.
            recurse: also those of the modules inside.
            remove_duplicate: a parameter that two places share comes once.

        Warns of modules that stand in a plain list or dict, where nobody finds them.
        """
        if recurse:
            self._warn_of_unregistered()
        return self._named_tensors(("parameter",), prefix, recurse, remove_duplicate)

    def _warn_of_unregistered(self) -> None:
        """Warns of modules with parameters that only a list or dict among the attributes holds."""
        held = [
            (type(module).__name__, name, value)
            for module in self.modules()
            for name, value in vars(module).items()
            if type(value) in (list, dict) and name != "_kinds" and value
        ]
        if not held:
            return
        registered = set(self.modules())
        for owner, name, value in held:
            items = value.values() if isinstance(value, dict) else value
            if any(isinstance(item, Tree) and item not in registered and item._has_parameters() for item in items):
                container = "ModuleDict" if isinstance(value, dict) else "ModuleList"
                warnings.warn(
                    f"{owner}.{name} is a plain {type(value).__name__}, so the parameters of the modules in it are not among those of "
                    f"{owner}: they are neither trained nor saved. Use nn.{container}; where it is meant so, a tuple says nothing.",
                    UserWarning,
                    stacklevel=4,
                )

    def _has_parameters(self) -> bool:
        return any(True for _ in self._named_tensors(("parameter",), "", True, True))

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yields each parameter once; give them to an optimizer."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yields (dotted name, buffer), saved or not; the arguments are those of `named_parameters`."""
        return self._named_tensors(("buffer", "transient"), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yields each buffer once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yields (name, module) of the modules set directly here, each once."""
        seen: set[int] = set()
        for name, child in self._entries("module"):
            if id(child) not in seen:
                seen.add(id(child))
                yield name, child

    def children(self) -> Iterator[Module]:
        """Yields the modules set directly here, each once."""
        return (child for _, child in self.named_children())

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Yields (dotted name, module) of the whole tree, this module first, under `prefix`."""
        memo = set() if memo is None else memo
        this = cast("Module", self)  # only Modules are Trees
        if this in memo:
            return
        if remove_duplicate:
            memo.add(this)
        yield prefix, this
        for name, child in self._entries("module"):
            yield from child.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """Yields every module of the tree once, this one first."""
        return (module for _, module in self.named_modules())

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path, as `named_modules` writes it; "" is this one.

        Raises:
            StateError: there is no such module; the message names the part that is absent.

        Example:
            >>> from tapeloom import nn
            >>> net = nn.Sequential(nn.Sequential(nn.Linear(2, 3)))
            >>> net.get_submodule("0.0")
            Linear(in_features=2, out_features=3, bias=True)
        """
        if not isinstance(target, str):
            raise ArgumentTypeError(
                f"{type(self).__name__}: a path is a string such as 'hidden.weight', got {target!r}."
            )
        module, here = cast("Module", self), type(self).__name__
        for part in target.split(".") if target else ():
            children = dict(module._entries("module"))
            if part not in children:
                names = ", ".join(repr(name) for name in children) or "no modules"
                raise StateError(f"get_submodule('{target}'): {here} has no module '{part}'. It has {names}.")
            module, here = children[part], f"{here}.{part}"
        return module

    def _get_tensor(self, method: str, target: str, *wanted: str) -> Any:
        path, _, name = target.rpartition(".") if isinstance(target, str) else (target, "", "")
        entries = dict(self.get_submodule(path)._entries(*wanted))
        if name not in entries:
            names = ", ".join(repr(entry) for entry in entries) or "none"
            raise StateError(f"{method}('{target}'): no '{name}' in {path or type(self).__name__}. It has {names}.")
        return entries[name]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path; StateError if there is none."""
        parameter: Parameter = self._get_tensor("get_parameter", target, "parameter")
        return parameter

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path; StateError if there is none."""
        buffer: Tensor = self._get_tensor("get_buffer", target, "buffer", "transient")
        return buffer
