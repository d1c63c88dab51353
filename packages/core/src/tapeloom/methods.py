"""Binds the ops onto Tensor: operators, methods, in-place forms.

Tensor itself knows no op and no op knows Tensor's methods; this file stands above both and joins them. The type
checkers' picture of the result, ``_methods.pyi``, is generated from the same registry by ``tools/make_stubs.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from tapeloom import dtypes
from tapeloom.backend.plugins import resolve_device
from tapeloom.devices import Device
from tapeloom.errors import ArgumentTypeError
from tapeloom.ops import (  # noqa: F401 - importing a family registers its ops
    activation,
    comparison,
    creation,
    elementwise,
    embedding,
    indexing,
    linalg,
    loss,
    movement,
    normalization,
    random,
    reduction,
    window,
)
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.tape.alias import check_writable, inplace, overwriting
from tapeloom.tape.apply import run
from tapeloom.tape.backward import backward
from tapeloom.tape.op import FUNCTIONS, OPS, REGISTRY, Op, function
from tapeloom.tape.shortcut import compiled
from tapeloom.tape.tensor import Tensor, make
from tapeloom.tape.transfer import transferred

# how a call of an op and a backward pass run: what stands above Op and Tensor is joined to them here
Op.run = staticmethod(run)
Op.shorten = staticmethod(compiled)
Tensor._backward = staticmethod(backward)

# operators: dunder -> op; the reflected forms swap the operands
OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "pow",
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
}
COMPARISONS = {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}
UNARY = {"neg": "negative", "pos": "positive", "abs": "abs", "invert": "bitwise_not"}


_OPERANDS = (Tensor, *dtypes.NUMBERS)


def _operand(value: Any) -> bool:
    return isinstance(value, _OPERANDS) or hasattr(value, "__array__")


def _binary(name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The operator and its reflected form; foreign operands get their own turn (``NotImplemented``)."""
    made = REGISTRY[name]
    fast = made.direct

    def reflected(self: Tensor, other: Any) -> Any:
        kind = self.kind
        if kind.floating and (other.__class__ is float or other.__class__ is int):
            return fast(make(kind.backend.scalar(other, kind.dtype, kind.device), kind), self)
        return fast(other, self) if _operand(other) else NotImplemented

    return fast, reflected


def _inplace_operator(name: str) -> Callable[[Tensor, Any], Tensor]:
    made = REGISTRY[name]

    def operator(self: Tensor, other: Any) -> Tensor:
        check_writable(name, self)
        return inplace(name, self, made(self, other))

    return operator


def _inplace_method(made: Op[Any, Any]) -> Callable[..., Tensor]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        check_writable(made.name, self)
        return inplace(made.name, self, made(self, *args, **kwargs))

    method.__name__ = f"{made.name}_"
    method.__doc__ = f"In place: {made.__doc__}"
    return method


def _method(made: Op[Any, Any]) -> Callable[..., Any]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        return made(self, *args, **kwargs)

    method.__name__ = made.name
    method.__doc__ = made.__doc__
    return method


def bind() -> None:
    """Give Tensor its operators and methods."""
    for dunder, name in OPERATORS.items():
        forward, reflected = _binary(name)
        setattr(Tensor, f"__{dunder}__", forward)
        setattr(Tensor, f"__r{dunder}__", reflected)
        if REGISTRY[name].inplace:
            setattr(Tensor, f"__i{dunder}__", _inplace_operator(name))
    for dunder, name in COMPARISONS.items():
        setattr(Tensor, f"__{dunder}__", _comparison(name))
    for dunder, name in UNARY.items():
        setattr(Tensor, f"__{dunder}__", REGISTRY[name].direct)
    setattr(Tensor, "__getitem__", indexing.getitem)  # noqa: B010 - assigning would contradict the generated stub
    setattr(Tensor, "__setitem__", indexing.setitem)  # noqa: B010
    for made in REGISTRY.values():
        if made.method:
            for name in (made.name, *made.aliases):
                setattr(Tensor, name, _method(made))
        if made.inplace:
            for name in (made.name, *made.aliases):
                setattr(Tensor, f"{name}_", _inplace_method(made))
    for name, (plain, as_method, aliases) in FUNCTIONS.items():
        if as_method:
            for spelling in (name, *aliases):
                setattr(Tensor, spelling, plain)


def _comparison(name: str) -> Callable[[Tensor, Any], Any]:
    fast = REGISTRY[name].direct

    def compare(self: Tensor, other: Any) -> Any:
        return fast(self, other) if _operand(other) else NotImplemented

    return compare


# conversions


@function()
def to(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """``x`` with another dtype or on another device: ``to(dtype)``, ``to(device)``, ``to(device, dtype)``, ``to(other)``.

    ``x`` itself where nothing changes, unless ``copy=True``. Conversions are recorded.
    """
    device = kwargs.pop("device", None)
    dtype = kwargs.pop("dtype", None)
    copy = kwargs.pop("copy", False)
    kwargs.pop("non_blocking", None)
    if kwargs:
        raise ArgumentTypeError(
            f"to: unexpected argument {next(iter(kwargs))!r}. Give a device, a dtype, another tensor, copy=."
        )
    for value in args:
        if isinstance(value, Tensor):
            device, dtype = value.device, value.dtype
        elif isinstance(value, dtypes.DType) or value in dtypes.NUMBERS:
            dtype = value
        elif isinstance(value, Device) or (isinstance(value, str) and value not in dtypes.BY_NAME):
            device = value
        elif isinstance(value, str):
            dtype = value
        elif isinstance(value, bool):
            pass  # non_blocking
        elif value is not None:
            raise ArgumentTypeError(f"to: expected a device, a dtype or a tensor, got {value!r}.")
    result = x
    if dtype is not None and dtypes.as_dtype(dtype) is not x.dtype:
        result = _converted(result, dtypes.as_dtype(dtype))
    if device is not None:
        result = transferred(result, resolve_device(device))
    return OPS.clone(result) if copy and result is x else result


def _converted(x: Tensor, dtype: dtypes.DType) -> Tensor:
    if x.dtype is dtype:
        return x
    dtypes.warn_of_discarding(x.dtype, dtype)
    return OPS.cast(x, dtype)  # type: ignore[no-any-return]


def _to_dtype(name: str, dtype: dtypes.DType) -> None:
    def convert(x: Tensor) -> Tensor:
        return to(x, dtype)

    @wraps(convert)  # type checkers and stubs see its signature
    def checked(x: Tensor, *rest: Any, **named: Any) -> Tensor:
        if rest or named:
            given = repr(rest[0]) if rest else f"{next(iter(named))}="
            raise ArgumentTypeError(f"{name}: takes no arguments, got {given}. Use .to(dtype) or .to(device).")
        return _converted(x, dtype)

    checked.__name__ = name
    checked.__doc__ = f"``x`` as {dtype.name}."
    function()(checked)


for _dtype in dtypes.ALL:
    _to_dtype(_dtype.method, _dtype)


@function()
def type_as(x: Tensor, other: Tensor) -> Tensor:
    """``x`` in the dtype of ``other``."""
    return to(x, as_tensor_of("type_as", other, "other").dtype)


@function()
def cpu(x: Tensor) -> Tensor:
    """``x`` on the CPU."""
    return transferred(x, resolve_device("cpu"))


@function()
def cuda(x: Tensor, device: Any = None) -> Tensor:
    """``x`` on a CUDA device."""
    return transferred(x, resolve_device("cuda" if device is None else device))


# handles and memory


@function()
def contiguous(x: Tensor) -> Tensor:
    """``x`` itself: strides are the backend's business."""
    return x


@function()
def is_contiguous(x: Tensor) -> Any:
    """Always True: strides are the backend's business."""
    return True


@function()
def detach_(x: Tensor) -> Tensor:
    """Take this tensor off its tape, in place."""
    x.node = None
    return x


@function()
def fill_(x: Tensor, value: Any) -> Tensor:
    """Give every element one value, in place."""
    check_writable("fill", x)
    if isinstance(value, Tensor):
        return inplace("fill", x, overwriting(x, OPS.expand(to(value, x.dtype), x.shape)))
    from tapeloom.ops.creation import full_like

    return inplace("fill", x, full_like(x, value))


@function()
def zero_(x: Tensor) -> Tensor:
    """Give every element the value 0, in place."""
    return fill_(x, 0)


@function()
def copy_(x: Tensor, source: Tensor, non_blocking: Any = False) -> Tensor:
    """Give this tensor the values of ``source`` (broadcast, cast, moved), in place."""
    check_writable("copy", x)
    if not isinstance(source, Tensor):
        raise ArgumentTypeError(f"copy_: expected a tensor, got {type(source).__name__}.")
    value = transferred(source, x.device)
    value = _converted(value, x.dtype)
    return inplace("copy", x, overwriting(x, value if value.shape == x.shape else OPS.expand(value, x.shape)))


bind()
