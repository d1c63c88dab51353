"""Dtype policies: which dtype an op computes in and which its result has.

A policy takes the op's name, the promoted dtype of its inputs and the dtype asked for by a ``Cast`` static, and
returns (compute dtype, result dtype). The compute dtype is what ``apply`` casts the inputs to; None leaves them.
"""

from __future__ import annotations

from collections.abc import Callable

from tapeloom import dtypes
from tapeloom.dtypes import BOOL as BOOLEAN
from tapeloom.dtypes import FLOATING, DType
from tapeloom.errors import DTypeError

Policy = Callable[[str, DType, DType | None], tuple[DType | None, DType]]


def PROMOTE(op: str, dtype: DType, cast: DType | None) -> tuple[DType, DType]:
    """Compute in the promoted dtype, or the one asked for."""
    return cast or dtype, cast or dtype


def NUMERIC(op: str, dtype: DType, cast: DType | None) -> tuple[DType, DType]:
    """Like PROMOTE, and booleans are refused."""
    if dtype.category == BOOLEAN:
        raise DTypeError(
            f"{op}: bool tensors are not supported. Use a logical operation, or cast with .to(tapeloom.int64)."
        )
    return dtype, dtype


def FLOAT(op: str, dtype: DType, cast: DType | None) -> tuple[DType, DType]:
    """Integers and booleans are computed in the default floating dtype."""
    dtype = cast or dtype
    if dtype.category < FLOATING:
        dtype = dtypes.get_default_dtype()
    return dtype, dtype


def FLOATING_ONLY(op: str, dtype: DType, cast: DType | None) -> tuple[DType, DType]:
    """Only floating tensors are taken."""
    dtype = cast or dtype
    if dtype.category != FLOATING:
        raise DTypeError(
            f"{op}: expected floating tensors, got {dtype.name}. Cast with .float() or .to(tapeloom.float64)."
        )
    return dtype, dtype


def COMPARE(op: str, dtype: DType, cast: DType | None) -> tuple[DType, DType]:
    """Compare in the promoted dtype; the result is bool."""
    return dtype, dtypes.bool_


def LOGICAL(op: str, dtype: DType, cast: DType | None) -> tuple[DType, DType]:
    """Inputs are read as booleans; the result is bool."""
    return dtypes.bool_, dtypes.bool_


def BITWISE(op: str, dtype: DType, cast: DType | None) -> tuple[DType, DType]:
    """Integers and booleans only."""
    if dtype.category >= FLOATING:
        raise DTypeError(f"{op}: expected integer or bool tensors, got {dtype.name}. Cast with .to(tapeloom.int64).")
    return dtype, dtype


def ACCUMULATE(op: str, dtype: DType, cast: DType | None) -> tuple[DType, DType]:
    """Sums and products of integers and booleans are int64, as in PyTorch, unless a dtype is asked for."""
    if cast is None and dtype.category < FLOATING:
        return dtypes.int64, dtypes.int64
    return cast or dtype, cast or dtype


def AVERAGE(op: str, dtype: DType, cast: DType | None) -> tuple[DType, DType]:
    """Only floating tensors can be averaged, unless a floating dtype is asked for."""
    result = cast or dtype
    if result.category != FLOATING:
        raise DTypeError(
            f"{op}: expected a floating tensor, got {dtype.name}. Cast with .float(), or give dtype=tapeloom.float32."
        )
    return result, result


def TO_INDEX(op: str, dtype: DType, cast: DType | None) -> tuple[DType, DType]:
    """The result holds positions: int64."""
    return dtype, dtypes.int64


def KEEP(op: str, dtype: DType, cast: DType | None) -> tuple[None, DType]:
    """Inputs are moved, not computed with: nothing is cast, the result has the first input's dtype."""
    return None, dtype


def GIVEN(op: str, dtype: DType, cast: DType | None) -> tuple[None, DType]:
    """Nothing is cast before the kernel; the result has the dtype that the op was given."""
    return None, cast or dtype
