"""What every op must refuse, whatever it computes: made from its signature, without samples of its own.

A wrong kind of argument, a name it does not have, a missing one, a dim out of range, an index that holds no integers,
complex numbers where it does not take them, tensors on two devices: for each the exception's class and its whole message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tapeloom as tl
from tapeloom import dtypes
from tapeloom.backend.arrayapi import ArrayAPIBackend
from tapeloom.backend.plugins import _backends
from tapeloom.call.bind import bind, spread
from tapeloom.devices import Device
from tapeloom.errors import ArgumentTypeError, DeviceError, DTypeError, IndexingError
from tapeloom.op.parameter import Parameter
from tapeloom.tensors.tensor import Tensor
from tapeloom.testing.checks import refused, tensors_of
from tapeloom.testing.table import Row

ELSEWHERE = "elsewhere"


class _Elsewhere(ArrayAPIBackend):
    """A second device for the suite: its arrays are host arrays."""

    name = "elsewhere"

    def from_host(self, array: Any, device: Device) -> Any:
        return array

    def to_host(self, array: Any) -> Any:
        return self.xp.asarray(array)


@contextmanager
def another_device() -> Iterator[str]:
    """A device type beside the installed ones."""
    import numpy

    before = _backends.get(ELSEWHERE)
    tl.register_backend(ELSEWHERE, before or _Elsewhere(numpy))
    try:
        yield ELSEWHERE
    finally:
        if before is None:
            tl.unregister_backend(ELSEWHERE)


def check_refusals(row: Row, device: Any) -> None:
    """All of this file, for the op of a row."""
    op = row.op
    dtype = dtypes.float32 if dtypes.float32 in row.dtypes else row.dtypes[0]
    args, kwargs = tensors_of(row.cases[0], dtype, device)
    bound = dict(zip(op.arguments.names, bind(op.name, op.arguments, tuple(args), kwargs), strict=True))
    for parameter in op.parameters:
        for wrong, raises, messages in _wrong(op, parameter, bound):
            where = f"{op.name} with {parameter.name}={_shown(wrong)} on {device}"
            _one_of(op, {**bound, parameter.name: wrong}, raises, messages, where)
    signature = op.text()
    text = f"{op.name}: unexpected argument 'bogus'. Signature: {signature}"
    refused(lambda: op(*args, **kwargs, bogus=1), ArgumentTypeError, text, f"{op.name} with bogus=1")
    arguments = op.arguments
    missing = next((n for n in arguments.names if n not in arguments.defaults and n != arguments.starred), None)
    if missing is not None:
        text = f"{op.name}: argument {missing!r} is missing. Signature: {arguments.text(op.name)}"
        refused(lambda: op(), ArgumentTypeError, text, f"{op.name} without arguments")
    _two_devices(row, bound, device)


def _wrong(op: Any, parameter: Parameter, bound: dict[str, Any]) -> Iterator[Any]:
    """Values that a parameter must not have: (value, exception, the messages that may come)."""
    name, role = parameter.name, parameter.role
    value, prefix = bound[name], f"{op.name}: {name} must"
    if parameter.many:
        yield "text", ArgumentTypeError, (f"{prefix} be a list or tuple of tensors, got str.",)
    elif parameter.input:
        wanted = "a tensor or a number" if parameter.number else "a tensor"
        # an op that prepares its arguments looks at its tensor first
        yield "text", ArgumentTypeError, (f"{prefix} be {wanted}, got str.", f"{prefix} be a tensor, got str.")
        if isinstance(value, Tensor) and parameter.input == "value" and op.dtype_rule.complex is None:
            text = f"{op.name}: complex tensors are not supported, got complex64. Take .real, .imag or .abs() first."
            yield value.to(dtypes.complex64), DTypeError, (text,)
        if isinstance(value, Tensor) and parameter.input == "index":
            yield value.float(), DTypeError, (f"{prefix} hold integers, got float32. Cast it with .long().",)
        if isinstance(value, Tensor) and parameter.input == "mask":
            yield value.float(), DTypeError, (f"{prefix} be a bool tensor, got float32. Cast it with .bool().",)
    elif role in ("Dim", "Dims") and name == "dim":
        first = next(bound[p.name] for p in op.parameters if p.input)
        ndim = (first[0] if isinstance(first, (list, tuple)) else first).ndim
        for out in (ndim, -ndim - 1):
            text = f"{op.name}: dim {out} is out of range for a tensor of {ndim} dimensions. Give a dim from {-ndim} to {ndim - 1}."
            yield out, IndexingError, (text,)
        yield 1.5, ArgumentTypeError, (f"{op.name}: dim must be an int, got 1.5 of type float.",)
    elif role == "bool":
        yield "yes", ArgumentTypeError, (f"{prefix} be True or False, got 'yes'.",)
    elif role in ("float", "Number"):
        yield "text", ArgumentTypeError, (f"{prefix} be a number, got 'text' of type str.",)
    elif role in ("int", "Position") and op.prepare is None:
        yield 1.5, ArgumentTypeError, (f"{prefix} be an int, got 1.5 of type float.",)
    elif role == "str":
        yield 3, ArgumentTypeError, (f"{prefix} be a string, got 3.",)


def _one_of(op: Any, bound: dict[str, Any], raises: type[Exception], messages: tuple[str, ...], where: str) -> None:
    found: list[str] = []

    def call() -> Any:
        try:
            return _called(op, bound)
        except Exception as error:
            found.append(str(error))
            raise

    try:
        refused(call, raises, messages[0], where)
    except AssertionError:
        if not found or found[0] not in messages[1:]:
            raise
        refused(call, raises, found[0], where)


def _called(op: Any, bound: dict[str, Any]) -> Any:
    arguments = op.arguments
    values = [bound[name] for name in arguments.names]
    if arguments.starred is not None:
        place = arguments.names.index(arguments.starred)
        extra = values[place]
        values[place] = extra if isinstance(extra, (tuple, list)) else (extra,)
    args, kwargs = spread(arguments, values)
    return op(*args, **kwargs)


def _two_devices(row: Row, bound: dict[str, Any], device: Any) -> None:
    op = row.op
    inputs = [p.name for p in op.parameters if p.input and isinstance(bound[p.name], Tensor)]
    if len(inputs) < 2:
        return
    first, second = inputs[:2]
    with another_device() as there:
        away = {**bound, second: tl.tensor(bound[second].numpy(force=True), device=there)}
        text = (
            f"{op.name}: {second} is on {there}, and the first input is on {bound[first].device}. "
            f"Move one of them: x = x.to(device), which gives a new tensor."
        )
        refused(lambda: _called(op, away), DeviceError, text, f"{op.name} over two devices")


def _shown(value: Any) -> str:
    return f"{value.dtype.name}{list(value.shape)}" if isinstance(value, Tensor) else repr(value)


Check = Callable[[Row, Any], None]
