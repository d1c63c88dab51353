"""Binding arguments to parameters, and the one layer of spellings, for ops and for plain functions.

Spellings are looked at only where Python could not bind the arguments itself, so that nobody pays for them.
"""

from __future__ import annotations

from typing import Any

from tapeloom.errors import ArgumentTypeError
from tapeloom.op.parameter import REQUIRED, Arguments

#: other spellings that PyTorch takes too: the parameters that may be meant, the first that a function has
SPELLINGS: dict[str, tuple[str, ...]] = {
    "axis": ("dim", "dims"),
    "axes": ("dim", "dims"),
    "axis0": ("dim0",),
    "axis1": ("dim1",),
    "keepdims": ("keepdim",),
    "x": ("input", "self"),
    "x1": ("input",),
    "a": ("input", "low"),
    "b": ("high",),
    "from": ("low",),
    "to": ("high",),
    "input": ("self", "x"),
    "x2": ("other",),
    "y": ("other",),
    "other": ("y",),
    "size": ("shape",),
    "split_size": ("split_size_or_sections",),
    "element": ("elements",),
    "test_element": ("test_elements",),
    "sections": ("indices_or_sections",),
    "indices": ("indices_or_sections",),
    "tensor": ("input",),
    "tensor_indices_or_sections": ("indices_or_sections",),
    "a_min": ("min",),
    "a_max": ("max",),
}


def not_bound(error: TypeError) -> bool:
    """Whether ``error`` says that Python could not bind the arguments of the call just made: nothing has run yet."""
    trace = error.__traceback__
    return type(error) is TypeError and (trace is None or trace.tb_next is None)


def respelled(name: str, arguments: Arguments, keyword: str) -> str:
    """The parameter that ``keyword`` means. Raises ArgumentTypeError if there is none."""
    if keyword in arguments.names:
        return keyword
    for meant in SPELLINGS.get(keyword, ()):
        if meant in arguments.names:
            return meant
    import difflib  # here, since only a failed call needs it

    close = difflib.get_close_matches(keyword, arguments.names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ArgumentTypeError(f"{name}: unexpected argument {keyword!r}.{hint} Signature: {arguments.text(name)}")


def bind(name: str, arguments: Arguments, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """The values of all parameters in order, defaults filled in, starred ones as one tuple."""
    names, count = arguments.names, arguments.positional
    values: list[Any] = [REQUIRED] * len(names)
    if arguments.starred is not None:
        values[count] = args[count:]
        args = args[:count]
    if len(args) > count:
        raise ArgumentTypeError(
            f"{name}: takes {count} positional argument{'s' if count != 1 else ''}, got {len(args)}. Signature: {arguments.text(name)}"
        )
    values[: len(args)] = args
    for keyword, value in kwargs.items():
        meant = respelled(name, arguments, keyword)
        position = names.index(meant)
        starred = meant == arguments.starred
        if values[position] is not REQUIRED and not (starred and not values[position]):
            raise ArgumentTypeError(f"{name}: argument {meant!r} was given twice. Signature: {arguments.text(name)}")
        values[position] = (value,) if starred else value
    for position, value in enumerate(values):
        if value is REQUIRED:
            if names[position] not in arguments.defaults:
                raise ArgumentTypeError(
                    f"{name}: argument {names[position]!r} is missing. Signature: {arguments.text(name)}"
                )
            values[position] = arguments.defaults[names[position]]
    return values


def spread(arguments: Arguments, values: list[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Bound values as the arguments of a call again."""
    count = arguments.positional
    rest = dict(zip(arguments.names[count:], values[count:], strict=True))
    starred = rest.pop(arguments.starred) if arguments.starred is not None else ()
    return (*values[:count], *starred), rest
