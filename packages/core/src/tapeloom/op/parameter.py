"""Parameters: what the signature of an op says about each argument. Annotations are read here, once, and nowhere else.

The annotation of a parameter names its role. It says whether the argument is an input (a tensor) or a static (a setting),
how a static is normalised before checks, kernels and rules see it, and whether a compiling backend traces it.
``T | None`` is understood for every role ``T``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.errors import ArgumentError, ArgumentTypeError, ShapeError

if TYPE_CHECKING:
    from typing import TypeAlias

    from tapeloom.dtypes import DTypeLike
    from tapeloom.keys import Key as Key  # noqa: PLC0414 - the stubs import it from here
    from tapeloom.tensors.tensor import Tensor

    # inputs
    TensorLike: TypeAlias = Tensor | bool | int | float | complex  # a tensor or a number; numbers promote weakly
    Index: TypeAlias = Tensor  # integers: takes no part in promotion, gets no gradient
    Mask: TypeAlias = Tensor  # booleans: likewise
    # statics
    Dim: TypeAlias = int  # one dimension, counted from 0
    NewDim: TypeAlias = int  # where a dimension will be, counted from 0
    Dims: TypeAlias = int | Sequence[int] | None  # dimensions, a tuple counted from 0; None (and empty) is all of them
    Axes: TypeAlias = int | Sequence[int]  # dimensions, a tuple counted from 0; empty is none of them
    Order: TypeAlias = int | Sequence[int]  # all dimensions, each once
    Size: TypeAlias = int | Sequence[int]  # the size of a tensor
    Amounts: TypeAlias = int | Sequence[int]  # any ints, such as those of a padding
    Window: TypeAlias = int | Sequence[int]  # one int for all spatial dimensions, or one for each
    Position: TypeAlias = int  # a place along a dimension, where a length would be a setting
    Word: TypeAlias = int  # a seed or an offset of the generator, or a number that is combined with its words
    Number: TypeAlias = bool | int | float | complex
    Cast: TypeAlias = DTypeLike  # the dtype to compute in: consumed by the dtype rule, not handed to the kernel
    DType: TypeAlias = dtypes.DType | str | type

Normaliser = Callable[[str, str, Any, int], Any]
REQUIRED: Any = object()


class Role:
    """What an annotation means.

    ``input``: how an input takes part ("value": promoted, "index", "mask"), None for a static. ``many``: a list of
    tensors. ``number``: a Python number may stand for the tensor. ``traced``: of a static, whether it is a value that a
    compiling backend hands to its program; else it compiles one for each. ``passed``: whether the kernel gets it.
    ``normalise``: called with the op's name, the parameter's, the value, and the ndim of the first input.
    """

    __slots__ = ("input", "many", "normalise", "number", "passed", "traced")

    def __init__(
        self,
        input: str | None = None,
        *,
        many: bool = False,
        number: bool = False,
        traced: bool = False,
        passed: bool = True,
        normalise: Normaliser | None = None,
    ) -> None:
        self.input = input
        self.many = many
        self.number = number
        self.traced = traced
        self.passed = passed
        self.normalise = normalise


def _bool(op: str, name: str, value: Any, ndim: int) -> bool:
    if type(value) is bool:
        return value
    raise ArgumentTypeError(f"{op}: {name} must be True or False, got {value!r}.")


def as_number(op: str, name: str, value: Any, types: tuple[type, ...] = dtypes.REAL_NUMBERS) -> Any:
    """``value`` as a Python number of ``types``; a 0-d tensor or host scalar stands for its number."""
    if not isinstance(value, dtypes.NUMBERS):
        item = getattr(value, "item", None)
        if item is None:
            raise ArgumentTypeError(f"{op}: {name} must be a number, got {value!r} of type {type(value).__name__}.")
        if any(length != 1 for length in getattr(value, "shape", ())):
            raise ArgumentTypeError(
                f"{op}: {name} must be a number, got {type(value).__name__} of shape {value.shape}."
            )
        if getattr(value, "requires_grad", False):
            raise ArgumentTypeError(
                f"{op}: {name} must be a number, got a tensor that requires a gradient, which would be lost. Give its .item()."
            )
        value = item()
    if isinstance(value, types):
        return value
    raise ArgumentTypeError(f"{op}: {name} must be a real number, got {value!r}.")


def _number(op: str, name: str, value: Any, ndim: int) -> Any:
    return value if isinstance(value, dtypes.REAL_NUMBERS) else as_number(op, name, value)


def _float(op: str, name: str, value: Any, ndim: int) -> float:
    try:
        return value if type(value) is float else float(as_number(op, name, value))
    except OverflowError:
        raise ArgumentError(f"{op}: {name} is an int beyond all floating numbers. Give a smaller one.") from None


def _text(op: str, name: str, value: Any, ndim: int) -> str:
    if isinstance(value, str):
        return value
    raise ArgumentTypeError(f"{op}: {name} must be a string, got {value!r}.")


def _window(op: str, name: str, value: Any, ndim: int) -> tuple[int, ...]:
    if not 3 <= ndim <= 5:
        raise ShapeError(
            f"{op}: expected (batch, channels, 1 to 3 spatial dimensions), got a tensor of {ndim} dimensions."
        )
    return shapes.per_axis(op, name, value, ndim - 2)


ROLES: dict[str, Role] = {
    "Tensor": Role("value"),
    "TensorLike": Role("value", number=True),
    "Sequence[Tensor]": Role("value", many=True),
    "Index": Role("index"),
    "Sequence[Index]": Role("index", many=True),
    "Mask": Role("mask"),
    "Dim": Role(normalise=lambda op, name, value, ndim: shapes.normalize_dim(op, value, ndim)),
    "NewDim": Role(normalise=lambda op, name, value, ndim: shapes.normalize_dim(op, value, ndim + 1)),
    "Dims": Role(normalise=lambda op, name, value, ndim: shapes.normalize_dims(op, value, ndim)),
    "Axes": Role(normalise=lambda op, name, value, ndim: shapes.normalize_axes(op, name, value, ndim)),
    "Order": Role(normalise=lambda op, name, value, ndim: shapes.normalize_order(op, name, value, ndim)),
    "Size": Role(normalise=lambda op, name, value, ndim: shapes.as_size(op, value)),
    "Amounts": Role(normalise=lambda op, name, value, ndim: shapes.as_ints(op, name, value)),
    "Window": Role(normalise=_window),
    "int": Role(normalise=lambda op, name, value, ndim: shapes.as_int(op, name, value)),
    "Position": Role(traced=True, normalise=lambda op, name, value, ndim: shapes.as_int(op, name, value)),
    "Number": Role(traced=True, normalise=_number),
    "float": Role(traced=True, normalise=_float),
    "Word": Role(traced=True),
    "bool": Role(normalise=_bool),
    "str": Role(normalise=_text),
    "Key": Role(traced=True),
    "DType": Role(normalise=lambda op, name, value, ndim: dtypes.as_dtype(value)),
    "Cast": Role(
        passed=False, normalise=lambda op, name, value, ndim: None if value is None else dtypes.as_dtype(value)
    ),
    # of kernels that core calls by name and that are no ops: raw arrays, lists of them, and words of the generator
    "Array": Role("value"),
    "list[Array]": Role("value", many=True),
}
#: roles that mean something by None themselves
_NONE_IS_A_VALUE = ("Dims", "Cast")


class Parameter:
    """One parameter, never changed: its name, its role, whether it may be None, its default."""

    __slots__ = ("default", "input", "many", "name", "normalise", "number", "optional", "passed", "role", "traced")

    def __init__(self, name: str, annotation: str, default: Any = REQUIRED) -> None:
        self.name = name
        self.role = annotation.removesuffix(" | None")
        self.optional = self.role != annotation or self.role in _NONE_IS_A_VALUE
        role = ROLES[self.role]
        self.input = role.input
        self.many = role.many
        self.number = role.number
        self.traced = role.traced
        self.passed = role.passed
        self.default = default
        given = role.normalise
        self.normalise = given
        if given is not None and self.optional and self.role not in _NONE_IS_A_VALUE:
            self.normalise = lambda op, name, value, ndim: None if value is None else given(op, name, value, ndim)

    def __repr__(self) -> str:
        return f"{self.name}: {self.role}{' | None' if self.optional else ''}"


class Arguments:
    """How a function takes its arguments: names in order, which are positional, starred, keywords alone; defaults."""

    __slots__ = ("defaults", "names", "positional", "required", "starred")

    def __init__(self, function: Callable[..., Any], skip: int = 0) -> None:
        code = function.__code__
        end = code.co_argcount + code.co_kwonlyargcount
        if code.co_flags & 0x08:
            raise TypeError(f"{function.__name__!r}: **keywords say nothing of what it takes. Name them.")
        positional = code.co_varnames[skip : code.co_argcount]
        #: the name of the starred parameter, such as that of ``permute(input, *dims)``
        self.starred: str | None = code.co_varnames[end] if code.co_flags & 0x04 else None
        starred = (self.starred,) if self.starred else ()
        self.names: tuple[str, ...] = (*positional, *starred, *code.co_varnames[code.co_argcount : end])
        given = function.__defaults__ or ()
        self.defaults: dict[str, Any] = dict(zip(positional[len(positional) - len(given) :], given, strict=True))
        self.defaults |= function.__kwdefaults__ or {}
        self.positional = len(positional)
        self.required = sum(name not in self.defaults for name in positional)

    def text(self, name: str) -> str:
        """The signature of the function ``name`` as text, for messages and documentation."""
        parts = []
        keyword_only = False
        for position, parameter in enumerate(self.names):
            if parameter == self.starred:
                parts.append(f"*{parameter}")
                keyword_only = True
                continue
            if position >= self.positional and not keyword_only:
                parts.append("*")
                keyword_only = True
            parts.append(f"{parameter}={self.defaults[parameter]!r}" if parameter in self.defaults else parameter)
        return f"{name}({', '.join(parts)})"


def _read(function: Callable[..., Any], name: str, default: Any) -> Parameter:
    annotation = function.__annotations__.get(name)
    if annotation is None or str(annotation).removesuffix(" | None") not in ROLES:
        what = "no annotation" if annotation is None else f"the unknown annotation {annotation!r}"
        raise TypeError(
            f"op {function.__name__!r}: parameter {name!r} has {what}. The roles are {', '.join(ROLES)}, each also with | None."
        )
    return Parameter(name, str(annotation), default)


def parameters_of(function: Callable[..., Any], skip: int = 0) -> tuple[Parameter, ...]:
    """The parameters of a declaration, or with ``skip=1`` of a kernel, whose ``self`` is left out."""
    arguments = Arguments(function, skip)
    return tuple(_read(function, name, arguments.defaults.get(name, REQUIRED)) for name in arguments.names)
