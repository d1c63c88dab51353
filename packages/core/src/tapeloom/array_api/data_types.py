"""Dtypes: what they are, what they promote to, and tensors brought to one."""

from __future__ import annotations

import functools
from typing import Any

import tapeloom as tl
from tapeloom import Device, DType, Tensor, dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError

int8, int16, int32, int64 = tl.int8, tl.int16, tl.int32, tl.int64
uint8, uint16, uint32, uint64 = tl.uint8, tl.uint16, tl.uint32, tl.uint64
float32, float64 = tl.float32, tl.float64
complex64, complex128 = tl.complex64, tl.complex128

__all__ = [
    "astype",
    "can_cast",
    "complex64",
    "complex128",
    "finfo",
    "float32",
    "float64",
    "iinfo",
    "int8",
    "int16",
    "int32",
    "int64",
    "isdtype",
    "result_type",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]

#: kind of dtypes -> whether a dtype is of it
KINDS: dict[str, Any] = {
    "bool": lambda dtype: dtype.category == dtypes.BOOL,
    "signed integer": lambda dtype: dtype.category == dtypes.INTEGER and dtype.is_signed,
    "unsigned integer": lambda dtype: dtype.category == dtypes.INTEGER and not dtype.is_signed,
    "integral": lambda dtype: dtype.category == dtypes.INTEGER,
    "real floating": lambda dtype: dtype.category == dtypes.FLOATING,
    "complex floating": lambda dtype: dtype.category == dtypes.COMPLEX,
    "numeric": lambda dtype: dtype.category != dtypes.BOOL,
}


def astype(x: Tensor, dtype: DType, /, *, copy: bool = True, device: Device | None = None) -> Tensor:
    """``x`` in another dtype, on another device if one is given; the tensor itself, with ``copy=False``, where nothing changes."""
    return x.to(x.device if device is None else device, dtype, copy=copy)


def can_cast(from_: DType | Tensor, to: DType, /) -> bool:
    """Whether promotion leads from one dtype to the other."""
    source, target = _dtype_of(from_), dtypes.as_dtype(to)
    try:
        return dtypes.promote_types(source, target) is target
    except DTypeError:  # uint64 with a signed integer
        return False


def finfo(type: DType | Tensor, /) -> tl.finfo:
    """The limits of a floating dtype."""
    return tl.finfo(_dtype_of(type))


def iinfo(type: DType | Tensor, /) -> tl.iinfo:
    """The limits of an integer dtype."""
    return tl.iinfo(_dtype_of(type))


def isdtype(dtype: DType, kind: DType | str | tuple[DType | str, ...]) -> bool:
    """Whether ``dtype`` is of a kind: ``"bool"``, ``"integral"``, ``"real floating"`` …, another dtype, or one of several."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, each) for each in kind)
    if isinstance(kind, str):
        if kind not in KINDS:
            raise ArgumentError(f"isdtype: kind {kind!r} does not exist. Give one of {', '.join(map(repr, KINDS))}.")
        return KINDS[kind](dtypes.as_dtype(dtype))  # type: ignore[no-any-return]
    return dtypes.as_dtype(dtype) is dtypes.as_dtype(kind)


def result_type(*arrays_and_dtypes: Tensor | DType | complex) -> DType:
    """The dtype that tensors, dtypes and numbers promote to; numbers count only by their category."""
    numbers = [value for value in arrays_and_dtypes if isinstance(value, dtypes.NUMBERS)]
    others = [_dtype_of(value) for value in arrays_and_dtypes if not isinstance(value, dtypes.NUMBERS)]
    if not others:
        raise ArgumentError("result_type: expected at least one tensor or dtype among the arguments.")
    common = functools.reduce(dtypes.promote_types, others)
    return dtypes.weak_result(common, list(map(dtypes.of_number, numbers))) if numbers else common


def together(name: str, *values: Any) -> list[Tensor]:
    """``values``, tensors and numbers, as tensors of the dtype that they promote to."""
    first = next((value for value in values if isinstance(value, Tensor)), None)
    if first is None:
        raise ArgumentTypeError(f"{name}: expected at least one tensor, got {', '.join(map(repr, values))}.")
    dtype = result_type(*values)
    return [
        value.to(dtype) if isinstance(value, Tensor) else tl.full((), value, dtype=dtype, device=first.device)
        for value in values
    ]


def _dtype_of(value: Any) -> DType:
    return value.dtype if isinstance(value, Tensor) else dtypes.as_dtype(value)
