"""What to say when a call cannot run: errors that name the op, what came and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from tapeloom import shapes
from tapeloom.call.bind import bind
from tapeloom.dtypes import NUMBERS
from tapeloom.errors import ArgumentError, ArgumentTypeError, TapeloomError
from tapeloom.op.parameter import ROLES, Arguments, Parameter
from tapeloom.op.registry import FUNCTIONS, REGISTRY
from tapeloom.op.schema import OpSchema
from tapeloom.tensors.tensor import Tensor

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


def not_a_tensor(op: OpSchema, parameter: Parameter, value: Any) -> str:
    """The message for an input that is no tensor."""
    wanted = "a tensor or a number" if parameter.number else "a tensor"
    hint = ""
    if hasattr(value, "__array__") or isinstance(value, (list, tuple, *NUMBERS)):
        hint = f" Make it one with tapeloom.tensor({value if isinstance(value, NUMBERS) else '...'})."
    return f"{op.name}: {parameter.name} must be {wanted}, got {described(value)}.{hint}"


#: what a public function over ops may raise for arguments that it cannot take
EXPLAINED = (TapeloomError, TypeError, AttributeError)


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
        values = dict(zip(arguments.names, bind(name, arguments, args, kwargs), strict=True))
        ndim = next((value.ndim for value in values.values() if isinstance(value, Tensor)), 0)
        for parameter, value in values.items():
            role = str(function.__annotations__.get(parameter))
            if role.removesuffix(" | None") in ROLES and parameter != arguments.starred:
                try:
                    check_role(name, Parameter(parameter, role), value, ndim)
                except TapeloomError as found:
                    raise found from None
    if isinstance(error, TapeloomError):
        report_as(name, error)


def check_role(name: str, parameter: Parameter, value: Any, ndim: int) -> None:
    """Raise ArgumentTypeError, or what the role says, for a value that does not fit the role of a parameter."""
    if parameter.normalise is not None:
        parameter.normalise(name, parameter.name, value, ndim)
        return
    wanted, taken = ("a tensor or a number", (Tensor, *NUMBERS)) if parameter.number else ("a tensor", (Tensor,))
    absent = value is None and parameter.optional
    if parameter.input and not parameter.many and not absent and not isinstance(value, taken):
        raise ArgumentTypeError(f"{name}: {parameter.name} must be {wanted}, got {type(value).__name__}.")


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
