"""Reductions over axes, running sums and products, differences, and the tests ``all`` and ``any``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tapeloom as tl
from tapeloom import DType, Tensor, dtypes
from tapeloom.errors import ShapeError

__all__ = [
    "all",
    "any",
    "count_nonzero",
    "cumulative_prod",
    "cumulative_sum",
    "diff",
    "max",
    "mean",
    "min",
    "prod",
    "std",
    "sum",
    "var",
]

Axis = int | tuple[int, ...] | None


def all(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether all elements along ``axis`` are true."""
    return _reduced(tl.all, x != 0, axis, keepdims)


def any(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether some element along ``axis`` is true."""
    return _reduced(tl.any, x != 0, axis, keepdims)


def count_nonzero(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """How many elements along ``axis`` are not 0."""
    return _reduced(tl.sum, x != 0, axis, keepdims)


def cumulative_prod(
    x: Tensor, /, *, axis: int | None = None, dtype: DType | None = None, include_initial: bool = False
) -> Tensor:
    """The products of the elements up to each; with ``include_initial``, a 1 comes first."""
    return _running("cumulative_prod", tl.cumprod, 1, x, axis, dtype, include_initial)


def cumulative_sum(
    x: Tensor, /, *, axis: int | None = None, dtype: DType | None = None, include_initial: bool = False
) -> Tensor:
    """The sums of the elements up to each; with ``include_initial``, a 0 comes first."""
    return _running("cumulative_sum", tl.cumsum, 0, x, axis, dtype, include_initial)


def diff(
    x: Tensor, /, *, axis: int = -1, n: int = 1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """The differences between neighbours, ``n`` times over."""
    return tl.diff(x, n, axis, prepend, append)


def max(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest elements."""
    return _reduced(tl.amax, x, axis, keepdims)


def mean(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The means."""
    return _reduced(tl.mean, x, axis, keepdims)


def min(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest elements."""
    return _reduced(tl.amin, x, axis, keepdims)


def prod(x: Tensor, /, *, axis: Axis = None, dtype: DType | None = None, keepdims: bool = False) -> Tensor:
    """The products, in ``dtype``; by default integers become 64-bit ones."""
    return _reduced(tl.prod, _cast(x, dtype), axis, keepdims).to(dtype or widened(x.dtype))


def std(x: Tensor, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """The standard deviations; the squares are divided by their number less ``correction``."""
    return _reduced(tl.std, x, axis, keepdims, correction=correction)


def sum(x: Tensor, /, *, axis: Axis = None, dtype: DType | None = None, keepdims: bool = False) -> Tensor:
    """The sums, in ``dtype``; by default integers become 64-bit ones."""
    return _reduced(tl.sum, _cast(x, dtype), axis, keepdims).to(dtype or widened(x.dtype))


def var(x: Tensor, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """The variances; the squares are divided by their number less ``correction``."""
    return _reduced(tl.var, x, axis, keepdims, correction=correction)


def widened(dtype: DType) -> DType:
    """What numbers of ``dtype`` are summed up in: integers in 64 bits, signed or not as they are."""
    if dtype.inexact:
        return dtype
    unsigned = dtype.category == dtypes.INTEGER and not dtype.is_signed
    return tl.uint64 if unsigned else tl.int64


def _cast(x: Tensor, dtype: DType | None) -> Tensor:
    """``x`` in the dtype that its sum is asked in: floating ones are computed in it, integers modulo 2**64 in any case."""
    return x if dtype is None else x.to(dtype)


def _reduced(function: Callable[..., Any], x: Tensor, axis: Axis, keepdims: bool, **settings: Any) -> Tensor:
    """``function`` over ``axis``; over no axis at all, ``()``, each element is reduced by itself."""
    if axis == ():
        return function(x.unsqueeze(-1), dim=-1, **settings)  # type: ignore[no-any-return]
    return function(x, dim=axis, keepdim=keepdims, **settings)  # type: ignore[no-any-return]


def _running(
    name: str, function: Any, first: int, x: Tensor, axis: int | None, dtype: DType | None, include_initial: bool
) -> Tensor:
    if axis is None:
        if x.ndim != 1:
            raise ShapeError(f"{name}: axis must be given for a tensor of {x.ndim} dimensions.")
        axis = 0
    result: Tensor = function(_cast(x, dtype), axis).to(dtype or widened(x.dtype))
    if not include_initial:
        return result
    head = tl.full_like(result.narrow(axis, 0, 1) if x.shape[axis] else result.sum(axis, keepdim=True), first)
    return tl.cat((head.to(result.dtype), result), axis)
