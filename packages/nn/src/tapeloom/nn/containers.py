"""Modules and parameters in order or by name: Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Generic, Self, TypeVar, overload

from tapeloom import Tensor
from tapeloom.errors import ArgumentTypeError, IndexingError

from .arguments import settings
from .module import Module
from .parameter import Parameter

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]

T = TypeVar("T")


class MissingEntryError(IndexingError, KeyError):
    """A key that a ModuleDict or ParameterDict does not hold."""

    __str__ = Exception.__str__  # KeyError's own would print the message in quotes


def _each(container: Module, values: Any, what: str) -> Iterable[Any]:
    """The values of an iterable, which a container is to take in."""
    if not isinstance(values, Iterable):
        raise ArgumentTypeError(
            f"{type(container).__name__}: expected an iterable of {what}, got {type(values).__name__}."
        )
    return values


class _Numbered(Module, Generic[T]):
    """A list whose items are registered under "0", "1", …; the parent of the ordered containers."""

    _sort: str  # how its items are registered

    def _items(self) -> list[T]:
        return [self.__dict__[name] for name, kind in self._kinds.items() if kind == self._sort]

    def _names(self) -> list[str]:
        return [name for name, kind in self._kinds.items() if kind == self._sort]

    def _rename(self, items: Iterable[T]) -> None:
        """Makes these the items, numbered from 0."""
        checked = [self._item(item) for item in items]
        for name in self._names():
            del self._kinds[name], self.__dict__[name]
        for index, item in enumerate(checked):
            self._register(str(index), item, self._sort)

    def _item(self, value: Any) -> T:
        """The value as it is registered; ArgumentTypeError if it cannot be."""
        if isinstance(value, Module):
            return value  # type: ignore[return-value]
        raise ArgumentTypeError(
            f"{type(self).__name__}: an item must be an nn.Module, got {type(value).__name__}. "
            "For a class like nn.ReLU write nn.ReLU(); for a function write a Module around it."
        )

    def _position(self, index: int) -> int:
        size = len(self)
        if not -size <= index < size:
            raise IndexingError(f"{type(self).__name__}: index {index} is out of range; it has {size} items.")
        return index % size

    def __len__(self) -> int:
        return sum(kind == self._sort for kind in self._kinds.values())

    def __iter__(self) -> Iterator[T]:
        return iter(self._items())

    def __contains__(self, item: object) -> bool:
        return any(item is own for own in self._items())

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> T | Self:
        if isinstance(index, slice):
            part = type(self).__new__(type(self))
            Module.__init__(part)
            part._rename(self._items()[index])
            return part
        return self._items()[self._position(index)]

    def __setitem__(self, index: int, value: T) -> None:
        self._register(self._names()[self._position(index)], self._item(value), self._sort)

    def __delitem__(self, index: int | slice) -> None:
        items = self._items()
        del items[index if isinstance(index, slice) else self._position(index)]
        self._rename(items)

    def append(self, item: T) -> Self:
        """Adds an item at the end and returns the container."""
        return self.extend([item])

    def extend(self, items: Iterable[T]) -> Self:
        """Adds several items at the end and returns the container."""
        new = [self._item(item) for item in _each(self, items, "items")]  # all of them before the first is added
        for item in new:
            self._register(str(len(self)), item, self._sort)
        return self

    def insert(self, index: int, item: T) -> None:
        """Puts an item before position `index`."""
        items = self._items()
        items.insert(index, item)
        self._rename(items)

    def pop(self, index: int = -1) -> T:
        """Takes the item at position `index` out and returns it."""
        item = self[index]
        del self[index]
        return item

    def __iadd__(self, items: Iterable[T]) -> Self:
        return self.extend(items)

    def __add__(self, items: Iterable[T]) -> Self:
        return self[:].extend(items)

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]


class Sequential(_Numbered[Module]):
    """Calls its modules in order, each on what the one before gave.

    Args:
        modules: the modules, or one dict of names to modules.

    Shape:
        That of the modules.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> net(tl.ones(3, 4)).shape
        (3, 2)
        >>> net[:2]
        Sequential(
          (0): Linear(in_features=4, out_features=8, bias=True)
          (1): ReLU()
        )
    """

    _sort = "module"

    @settings
    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add_module(name, self._item(module))
        else:
            self.extend([self._item(module) for module in modules])

    def insert(self, index: int, item: Module) -> Self:  # type: ignore[override]  # as in PyTorch, where ModuleList gives None
        """Puts a module before position `index` and returns the container."""
        super().insert(index, item)
        return self

    def forward(self, input: Any) -> Any:
        """The input through all modules."""
        for module in self._items():
            input = module(input)
        return input

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> Module | Self:
        if isinstance(index, int):
            return super().__getitem__(index)
        part = type(self).__new__(type(self))
        Module.__init__(part)
        for name in self._names()[index]:  # a slice keeps the names, as in PyTorch
            part._register(name, self.__dict__[name], "module")
        return part


class ModuleList(_Numbered[Module]):
    """A list of modules that are registered; it has no forward of its own.

    Args:
        modules: the first items.

    Example:
        >>> from tapeloom import nn
        >>> layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        >>> layers.append(nn.ReLU())
        ModuleList(
          (0-2): 3 x Linear(in_features=4, out_features=4, bias=True)
          (3): ReLU()
        )
    """

    _sort = "module"

    @settings
    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __repr__(self) -> str:
        lines, first = [], 0
        for text, run in groupby(repr(module) for module in self._items()):
            count = len(list(run))
            shown = text.replace("\n", "\n  ")
            lines.append(f"({first}): {shown}" if count == 1 else f"({first}-{first + count - 1}): {count} x {shown}")
            first += count
        return _block(self, lines)


class _Named(Module, Generic[T]):
    """A dict whose values are registered under their keys; the parent of the named containers."""

    _sort: str

    @settings
    def __init__(self, values: Mapping[str, T] | Iterable[tuple[str, T]] | None = None) -> None:
        super().__init__()
        if values is not None:
            self.update(values)

    def _item(self, key: str, value: Any) -> T:
        raise NotImplementedError

    def __getitem__(self, key: str) -> T:
        if self._kinds.get(key) != self._sort:
            names = ", ".join(repr(name) for name in self.keys()) or "none"
            raise MissingEntryError(f"{type(self).__name__}: no entry {key!r}. It has {names}.")
        value: T = self.__dict__[key]
        return value

    def __setitem__(self, key: str, value: T) -> None:
        self._check_name("__setitem__", key)
        self._register(key, self._item(key, value), self._sort)

    def __delitem__(self, key: str) -> None:
        _ = self[key]
        del self._kinds[key], self.__dict__[key]

    def __len__(self) -> int:
        return len(self.keys())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def keys(self) -> list[str]:
        """The keys in the order they were set."""
        return [name for name, kind in self._kinds.items() if kind == self._sort]

    def values(self) -> list[T]:
        """The values in the order of the keys."""
        return [self.__dict__[name] for name in self.keys()]

    def items(self) -> list[tuple[str, T]]:
        """The (key, value) pairs."""
        return [(name, self.__dict__[name]) for name in self.keys()]

    def update(self, values: Mapping[str, T] | Iterable[tuple[str, T]]) -> None:
        """Sets every entry of a mapping or of (key, value) pairs."""
        pairs = list(values.items() if isinstance(values, Mapping) else _each(self, values, "(key, value) pairs"))
        for pair in pairs:
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise ArgumentTypeError(f"{type(self).__name__}: expected (key, value) pairs, got {pair!r}.")
            self._check_name("__setitem__", pair[0])
        new = [(key, self._item(key, value)) for key, value in pairs]  # all of them before the first is set
        for key, value in new:
            self._register(key, value, self._sort)

    def pop(self, key: str) -> T:
        """Takes an entry out and returns its value."""
        value = self[key]
        del self[key]
        return value

    def clear(self) -> None:
        """Takes all entries out."""
        for key in self.keys():
            del self[key]


class ModuleDict(_Named[Module]):
    """A dict of modules that are registered; it has no forward of its own.

    Args:
        values: the first entries, a mapping or (name, module) pairs.

    Example:
        >>> from tapeloom import nn
        >>> heads = nn.ModuleDict({"digit": nn.Linear(8, 10), "parity": nn.Linear(8, 2)})
        >>> list(heads), heads["parity"].out_features
        (['digit', 'parity'], 2)
    """

    _sort = "module"

    def _item(self, key: str, value: Any) -> Module:
        if isinstance(value, Module):
            return value
        raise ArgumentTypeError(f"ModuleDict: entry {key!r} must be an nn.Module, got {type(value).__name__}.")


class ParameterList(_Numbered[Parameter]):
    """A list of parameters that are registered; a plain Tensor becomes a `Parameter`.

    Args:
        values: the first items.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> scales = nn.ParameterList([tl.ones(2), tl.zeros(3)])
        >>> [name for name, _ in scales.named_parameters()]
        ['0', '1']
    """

    _sort = "parameter"

    @settings
    def __init__(self, values: Iterable[Tensor] | None = None) -> None:
        super().__init__()
        if values is not None:
            self.extend(values)  # type: ignore[arg-type]  # _item wraps what is no Parameter yet

    def _item(self, value: Any) -> Parameter:
        return _as_parameter("ParameterList: an item", value)

    def __repr__(self) -> str:
        return _block(self, [f"({index}): {_describe(value)}" for index, value in enumerate(self)])


class ParameterDict(_Named[Parameter]):
    """A dict of parameters that are registered; a plain Tensor becomes a `Parameter`.

    Args:
        values: the first entries, a mapping or (name, tensor) pairs.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> nn.ParameterDict({"scale": tl.ones(2)})
        ParameterDict(
          (scale): Parameter of shape (2,), float32
        )
    """

    _sort = "parameter"

    def _item(self, key: str, value: Any) -> Parameter:
        return _as_parameter(f"ParameterDict: entry {key!r}", value)

    def __repr__(self) -> str:
        return _block(self, [f"({name}): {_describe(value)}" for name, value in self.items()])


def _as_parameter(what: str, value: Any) -> Parameter:
    if isinstance(value, Parameter):
        return value
    if isinstance(value, Tensor):
        return Parameter(value)
    raise ArgumentTypeError(f"{what} must be an nn.Parameter or a Tensor, got {type(value).__name__}.")


def _describe(value: Tensor) -> str:
    return f"{type(value).__name__} of shape {tuple(value.shape)}, {value.dtype.name}"


def _block(container: Module, lines: list[str]) -> str:
    name = type(container).__name__
    return "\n  ".join([f"{name}(", *lines]) + "\n)" if lines else f"{name}()"
