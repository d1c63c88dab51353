"""What to say when a call cannot run: errors that name the op, what came and what to do."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from tapeloom import shapes
from tapeloom.call.bind import bind
from tapeloom.call_site import entry
from tapeloom.dtypes import NUMBERS
from tapeloom.errors import ArgumentError, ArgumentTypeError, TapeloomError
from tapeloom.op.parameter import ROLES, Arguments, Parameter
from tapeloom.op.registry import FUNCTIONS, REGISTRY
from tapeloom.op.schema import OpSchema
from tapeloom.tensors.tensor import Tensor

Init = TypeVar("Init", bound=Callable[..., None])

#: what kernels raise for arguments that they cannot take; anything else passes as it is
REFUSED = (ValueError, TypeError, IndexError)


def explain(op: OpSchema, values: tuple[Any, ...], error: Exception) -> NoReturn:
    """Raise what ``error``, raised by the kernel of ``op``, means for the user; the kernel does not run again."""
    if isinstance(error, TapeloomError):
        error.add_note(f"in {op.name}({', '.join(map(described, values))})")
        raise error
    tensors = [value for value in values if isinstance(value, Tensor)]
    if op.check is None and all(p.input and not p.many for p in op.parameters if p.passed):  # then they broadcast
        shapes_of = [tensor.shape for tensor in tensors]
        try:
            shapes.broadcast(op.name, *shapes_of)
        except TapeloomError as found:
            raise found from None
    name = tensors[0].kind.backend.name if tensors else "its"
    raise ArgumentError(
        f"{op.name}: the {name} kernel refused ({', '.join(map(described, values))}): {error}"
    ) from error


def not_a_tensor(name: str, parameter: str, value: Any, number: bool = False) -> str:
    """The message for an input of ``name`` that is no tensor, nor a number where one may stand for it."""
    wanted = "a tensor or a number" if number else "a tensor"
    data = hasattr(value, "__array__") or isinstance(value, (list, tuple, *NUMBERS))
    hint = " Make it one with tapeloom.tensor(...)." if data else ""
    return f"{name}: {parameter} must be {wanted}, got {type(value).__name__}.{hint}"


#: what a public function over ops may raise for arguments that it cannot take
EXPLAINED = (TapeloomError, TypeError, ValueError, AttributeError, LookupError, OverflowError)


def explain_function(
    name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception
) -> None:
    """Look at ``error``, raised within the public ``function``, for the user, who called it ``name``.

    Where an argument does not fit the role that the function declares for it, raises an error that says so; else the
    caller is to raise ``error``, which begins with ``name`` now if it began with that of an inner op.
    """
    foreign = isinstance(error, TapeloomError) and inner_name(error) not in ("", name)
    if not isinstance(error, TapeloomError) or (foreign and isinstance(error, ArgumentTypeError)):
        arguments = Arguments(function)
        try:
            check_roles(name, function, arguments, bind(name, arguments, args, kwargs))
        except TapeloomError as found:
            raise found from None
    if isinstance(error, TapeloomError):
        report_as(name, error)


def checked(init: Init, advise: Callable[[Any, tuple[Any, ...]], str] | None = None) -> Init:
    """The constructor ``init``, its arguments bound and checked by their annotations before it runs.

    What is wrong is reported under the name of the class that is made; ``advise(self, args)`` gives a word to add. A
    constructor that takes any keyword stays as it is.
    """
    try:
        arguments = Arguments(init, skip=1)
    except TypeError:
        return init

    @entry
    @functools.wraps(init)
    def made(self: Any, *args: Any, **kwargs: Any) -> None:
        name = type(self).__name__
        try:
            check_roles(name, init, arguments, bind(name, arguments, args, kwargs))
        except TapeloomError as error:
            if advise is not None:
                error.args = (f"{error}{advise(self, args)}",)
            raise
        init(self, *args, **kwargs)

    return made  # type: ignore[return-value]


def check_roles(name: str, function: Callable[..., Any], arguments: Arguments, values: list[Any]) -> None:
    """Raise ArgumentTypeError, or what the role says, for the first bound value that does not fit its annotation."""
    ndim = next((value.ndim for value in values if isinstance(value, Tensor)), 0)
    for parameter, value in zip(arguments.names, values, strict=True):
        role = str(function.__annotations__.get(parameter))
        if role.removesuffix(" | None") in ROLES and parameter != arguments.starred:
            check_role(name, Parameter(parameter, role), value, ndim)


def check_role(name: str, parameter: Parameter, value: Any, ndim: int) -> None:
    """Raise ArgumentTypeError, or what the role says, for a value that does not fit the role of a parameter."""
    if parameter.normalise is not None:
        parameter.normalise(name, parameter.name, value, ndim)
        return
    taken = (Tensor, *NUMBERS) if parameter.number else (Tensor,)
    absent = value is None and parameter.optional
    if parameter.input and not parameter.many and not absent and not isinstance(value, taken):
        raise ArgumentTypeError(not_a_tensor(name, parameter.name, value, parameter.number))


def inner_name(error: TapeloomError) -> str:
    """The name of the op or function that the message of ``error`` begins with, "" if it is none."""
    found, colon, _ = str(error).partition(": ")
    known = found in REGISTRY or any(function.names[0] == found for function in FUNCTIONS.values())
    return found if colon and known else ""


def report_as(name: str, error: TapeloomError) -> None:
    """Let an error that begins with the name of an op or function begin with ``name``, which the user called."""
    inner = inner_name(error)
    if inner:
        error.args = (f"{name}{str(error).removeprefix(inner)}", *error.args[1:])


def described(value: Any) -> str:
    """``value`` in a few words."""
    if isinstance(value, Tensor):
        return f"{value.dtype.name}{list(value.shape)}"
    if isinstance(value, (*NUMBERS, str, tuple)) or value is None:
        return repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(described(item) for item in value[:4]) + (", …]" if len(value) > 4 else "]")
    return type(value).__name__
