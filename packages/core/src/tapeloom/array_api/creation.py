"""Making tensors."""

from __future__ import annotations

from typing import Any

import tapeloom as tl
from tapeloom import Device, DType, Tensor, dtypes

__all__ = [
    "arange",
    "asarray",
    "empty",
    "empty_like",
    "eye",
    "from_dlpack",
    "full",
    "full_like",
    "linspace",
    "meshgrid",
    "ones",
    "ones_like",
    "tril",
    "triu",
    "zeros",
    "zeros_like",
]

Shape = int | tuple[int, ...]


def arange(
    start: float,
    /,
    stop: float | None = None,
    step: float = 1,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
) -> Tensor:
    """``start``, ``start + step``, … before ``stop``; ``arange(stop)`` starts at 0. Empty where ``step`` does not lead there."""
    first, last = (0, start) if stop is None else (start, stop)
    if (last - first) * step <= 0:
        last = first
    if dtype is None:
        floating = any(isinstance(value, float) for value in (start, stop, step))
        dtype = tl.get_default_dtype() if floating else tl.int64
    return tl.arange(first, last, step, dtype=dtype, device=device)


def asarray(
    obj: Any, /, *, dtype: DType | None = None, device: Device | None = None, copy: bool | None = None
) -> Tensor:
    """``obj``, a tensor, an array, numbers or lists of them, as a tensor; ``copy=None`` shares memory where it can."""
    return tl.asarray(obj, dtype=dtype, device=device, copy=copy)


def empty(shape: Shape, *, dtype: DType | None = None, device: Device | None = None) -> Tensor:
    """A tensor to be filled later."""
    return tl.empty(shape, dtype=dtype, device=device)


def empty_like(x: Tensor, /, *, dtype: DType | None = None, device: Device | None = None) -> Tensor:
    """A tensor of the shape of ``x``, to be filled later."""
    return tl.empty_like(x, dtype=dtype, device=device)


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: DType | None = None,
    device: Device | None = None,
) -> Tensor:
    """A matrix of ones on diagonal ``k``, counted upwards from the main one, and zeros elsewhere."""
    rows = tl.arange(n_rows, device=device)
    columns = tl.arange(n_rows if n_cols is None else n_cols, device=device)
    return (columns - rows.unsqueeze(1) == k).to(tl.get_default_dtype() if dtype is None else dtype)


def from_dlpack(x: Any, /, *, device: Device | None = None, copy: bool | None = None) -> Tensor:
    """The array of another library as a tensor, through DLPack."""
    return tl.from_dlpack(x, device=device, copy=copy)


def full(shape: Shape, fill_value: complex, *, dtype: DType | None = None, device: Device | None = None) -> Tensor:
    """A tensor of one value."""
    return tl.full(shape, _number(fill_value), dtype=dtype, device=device)


def full_like(x: Tensor, /, fill_value: complex, *, dtype: DType | None = None, device: Device | None = None) -> Tensor:
    """A tensor of one value in the shape of ``x``."""
    return tl.full_like(x, _number(fill_value), dtype=dtype, device=device)


def linspace(
    start: complex,
    stop: complex,
    /,
    num: int,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
    endpoint: bool = True,
) -> Tensor:
    """``num`` values from ``start`` to ``stop``, at equal distances; without ``endpoint``, ``stop`` is the one after the last."""
    if endpoint:
        return tl.linspace(start, stop, num, dtype=dtype, device=device)
    return tl.linspace(start, stop, num + 1, dtype=dtype, device=device)[:num]


def meshgrid(*arrays: Tensor, indexing: str = "xy") -> tuple[Tensor, ...]:
    """The coordinates of a grid, one tensor for each dimension; for "xy" the second input numbers the rows."""
    return tuple(tl.meshgrid(*arrays, indexing=indexing)) if arrays else ()


def ones(shape: Shape, *, dtype: DType | None = None, device: Device | None = None) -> Tensor:
    """A tensor of ones."""
    return tl.ones(shape, dtype=dtype, device=device)


def ones_like(x: Tensor, /, *, dtype: DType | None = None, device: Device | None = None) -> Tensor:
    """Ones in the shape of ``x``."""
    return tl.ones_like(x, dtype=dtype, device=device)


def tril(x: Tensor, /, *, k: int = 0) -> Tensor:
    """The elements of matrices on diagonal ``k`` and below; the others are 0."""
    return tl.tril(x, k)


def triu(x: Tensor, /, *, k: int = 0) -> Tensor:
    """The elements of matrices on diagonal ``k`` and above; the others are 0."""
    return tl.triu(x, k)


def zeros(shape: Shape, *, dtype: DType | None = None, device: Device | None = None) -> Tensor:
    """A tensor of zeros."""
    return tl.zeros(shape, dtype=dtype, device=device)


def zeros_like(x: Tensor, /, *, dtype: DType | None = None, device: Device | None = None) -> Tensor:
    """Zeros in the shape of ``x``."""
    return tl.zeros_like(x, dtype=dtype, device=device)


def _number(value: Any) -> Any:
    return value if isinstance(value, dtypes.NUMBERS) else value.item()
