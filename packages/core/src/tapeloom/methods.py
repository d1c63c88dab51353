"""Joins what is defined apart: ops and ``backward`` onto Tensor, the default device onto ``with tl.device``.

Tensor itself knows no op and no op knows Tensor's methods; this file imports both. The type checkers' picture of the
result, ``_methods.pyi``, is generated from the same registry by ``tools/make_stubs.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from os import listdir
from typing import Any

from tapeloom import dtypes, ops
from tapeloom.backend.plugins import resolve_device
from tapeloom.call.explain import report_as
from tapeloom.call.inplace import check_writable, inplace, replace_data
from tapeloom.call.op import Op, documented, explained, method_of
from tapeloom.call.watch import as_given
from tapeloom.call_site import trim
from tapeloom.devices import Device
from tapeloom.errors import TapeloomError
from tapeloom.modes import MODES
from tapeloom.op.registry import FUNCTIONS, REGISTRY, published
from tapeloom.ops import comparison, complex_numbers, conversion, handles, indexing, interchange, special, splitting
from tapeloom.tape.hooks import register_hook, register_prehook
from tapeloom.tape.walk import tensor_backward
from tapeloom.tensors.node import Node
from tapeloom.tensors.tensor import Tensor, make

for _file in sorted(listdir(ops.__path__[0])):  # noqa: PTH208 - os is loaded in any case
    if _file.endswith(".py"):
        import_module(f"tapeloom.ops.{_file.removesuffix('.py')}")  # which registers its ops

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
    "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
}
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
UNARY = {"neg": "negative", "pos": "positive", "abs": "abs", "invert": "bitwise_not"}
#: attributes that come from no registry
JOINED: dict[str, Any] = {
    "__array_function__": interchange.numpy_function,
    "__array_namespace__": interchange.array_namespace,
    "__copy__": handles.copied,
    "__dlpack__": interchange.dlpack_capsule,
    "__dlpack_device__": interchange.dlpack_device,
    "__getitem__": indexing.getitem,
    "__setitem__": indexing.setitem,
    "backward": tensor_backward,
    "to_device": interchange.to_device,
    "type": conversion.tensor_type,
    "unfold": explained(splitting.unfold),
    "where": explained(comparison.where_method, "where"),
    "polygamma": explained(special.polygamma_method, "polygamma"),
    "polygamma_": explained(special.polygamma_),
    "real": property(complex_numbers.real_part, complex_numbers.set_real),
    "imag": property(complex_numbers.imaginary_part, complex_numbers.set_imag),
    "data": property(
        handles.detach, replace_data, doc="The same values outside the tape; changes of one show in the other."
    ),
}


_OPERANDS = (Tensor, *dtypes.NUMBERS)


def _operand(value: Any) -> bool:
    return isinstance(value, _OPERANDS) or hasattr(value, "__array__")


def _binary(name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The operator and its reflected form; foreign operands get their own turn (``NotImplemented``)."""
    fast = REGISTRY[name].compiled()

    def reflected(self: Tensor, other: Any) -> Any:
        kind = self.kind
        try:
            if kind.inexact and (other.__class__ is float or other.__class__ is int):
                try:
                    number = kind.backend.scalar(other, kind.dtype, kind.device)
                except (OverflowError, TypeError):  # an int of more than 64 bits
                    return fast(other, self)
                return fast(make(number, kind), self)
            return fast(other, self) if _operand(other) else NotImplemented
        except TapeloomError as error:
            trim(error)
            raise

    return fast, reflected


def _comparison(name: str) -> Callable[[Tensor, Any], Any]:
    fast = REGISTRY[name].compiled()

    def compare(self: Tensor, other: Any) -> Any:
        try:
            return fast(self, other) if _operand(other) else NotImplemented
        except TapeloomError as error:
            trim(error)
            raise

    return compare


def _inplace(call: Any) -> Callable[..., Tensor]:
    """The form of an op or function that gives the result to its first operand: ``add_`` and ``+=``."""
    name = call.__name__

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        try:
            check_writable(name, self)
            try:
                value = as_given(call, self, *args, **kwargs) if MODES.get().watchers else call(self, *args, **kwargs)
            except TapeloomError as error:
                report_as(f"{name}_", error)
                raise
            return inplace(name, self, value)
        except TapeloomError as error:
            trim(error)
            raise

    return documented(method, call, f"{name}_", f"In place: {call.__doc__}")


def bind() -> None:
    """Give Tensor its operators and methods."""
    for dunder, name in OPERATORS.items():
        forward, reflected = _binary(name)
        setattr(Tensor, f"__{dunder}__", forward)
        setattr(Tensor, f"__r{dunder}__", reflected)
        if REGISTRY[name].public.inplace:
            setattr(Tensor, f"__i{dunder}__", _inplace(REGISTRY[name]))
    for name in COMPARISONS:
        setattr(Tensor, f"__{name}__", _comparison(name))
    for dunder, name in UNARY.items():
        setattr(Tensor, f"__{dunder}__", REGISTRY[name].compiled() if name in REGISTRY else FUNCTIONS[name].call)
    for public in published():
        call = public.call
        for name in public.names:
            if public.method:
                setattr(Tensor, name, method_of(call) if isinstance(call, Op) else call)
            if public.inplace:
                setattr(Tensor, f"{name}_", _inplace(call))
    for name, value in JOINED.items():
        setattr(Tensor, name, value)
    Node.register_hook = register_hook
    Node.register_prehook = register_prehook
    Device.resolve = staticmethod(resolve_device)


bind()
