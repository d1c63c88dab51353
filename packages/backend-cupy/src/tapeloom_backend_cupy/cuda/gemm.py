"""Matrix products through cuBLAS, with transposes and broadcasts told by strides instead of copies.

``cupy.matmul`` on more than two dimensions casts float16 up to float32, sends bfloat16 to a kernel made for integers,
and copies every transposed operand. This module calls cuBLAS itself: half types run on tensor cores and accumulate in
float32, and ``q @ k^T`` reads k where it lies.

cuBLAS thinks in columns. A row-major matrix is its own transpose to it, so it is asked for ``C^T = B^T A^T``: our
second operand is its first. What it is asked for is worked out by ``plan_matmul``, a pure function of shapes and
strides.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tapeloom.errors import ShapeError

from .launch import accumulator, cupy

INT_MAX = 2**31 - 1

# cuBLAS's own numbers: cudaDataType, cublasComputeType_t, cublasGemmAlgo_t.
DATA_TYPES = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 14}
COMPUTE_32F, COMPUTE_32F_FAST_TF32, COMPUTE_64F = 68, 77, 70
DEFAULT_ALGORITHM = -1

# alpha and beta are read through host pointers, in the compute type.
_ONE: dict[str, Any] = {"float32": np.ones(1, np.float32), "float64": np.ones(1, np.float64)}
_ZERO: dict[str, Any] = {"float32": np.zeros(1, np.float32), "float64": np.zeros(1, np.float64)}

AS_IT_LIES, COPY, BROADCAST_COPY = "as it lies", "copy", "broadcast copy"


class Gemm(NamedTuple):
    """The integers of one cublasGemmStridedBatchedEx call, in its own terms (column-major, first operand = our b)."""

    transpose_first: bool
    transpose_second: bool
    rows: int
    columns: int
    inner: int
    ld_first: int
    stride_first: int
    ld_second: int
    stride_second: int
    ld_out: int
    stride_out: int
    batch: int


class Plan(NamedTuple):
    """How to multiply: what each operand must become, the call, and the shape of the result."""

    a: str
    b: str
    gemm: Gemm
    batch_shape: tuple[int, ...]
    out_shape: tuple[int, ...]


class _Layout(NamedTuple):
    transposed: bool
    ld: int
    batch_stride: int


def _matrix(rows: int, columns: int, row_stride: int, column_stride: int) -> tuple[bool, int] | None:
    """(transposed, leading dimension) of a matrix, or None where it must be copied.

    One stride must be 1 and the other hold a whole line. A dimension of size 1 never steps: its stride says nothing.
    """
    if (columns == 1 or column_stride == 1) and (rows == 1 or columns <= row_stride <= INT_MAX):
        return False, row_stride if rows > 1 else columns
    if (rows == 1 or row_stride == 1) and (columns == 1 or rows <= column_stride <= INT_MAX):
        return True, column_stride if columns > 1 else rows
    return None


def _batch_stride(shape: Sequence[int], strides: Sequence[int]) -> int | None:
    """The one stride that walks all batch dimensions in order, or None. It is 0 for an operand without a batch."""
    step, size = 0, 1
    for length, stride in zip(reversed(shape), reversed(strides), strict=True):
        if length == 1:
            continue
        if size == 1:
            step = stride
        elif stride != step * size:
            return None
        size *= length
    return step if step >= 0 else None


def _broadcast_strides(own: Sequence[int], strides: Sequence[int], shape: Sequence[int]) -> list[int]:
    missing = len(shape) - len(own)
    steps = [0 if length == 1 else stride for length, stride in zip(own, strides, strict=True)]
    return [0] * missing + steps


def _contiguous_strides(shape: Sequence[int]) -> list[int]:
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return strides[::-1]


def _layout(shape: Sequence[int], strides: Sequence[int], batch_shape: Sequence[int]) -> tuple[str, _Layout]:
    """What an operand must become, and how it then lies.

    A copy is made in the operand's own shape where that can be walked with one stride, and of the whole broadcast only
    where it can't.
    """
    candidates = ((AS_IT_LIES, shape, strides), (COPY, shape, _contiguous_strides(shape)))
    for what, own_shape, own_strides in candidates:
        matrix = _matrix(*own_shape[-2:], *own_strides[-2:])
        batch = _batch_stride(batch_shape, _broadcast_strides(own_shape[:-2], own_strides[:-2], batch_shape))
        if matrix is not None and batch is not None:
            return what, _Layout(*matrix, batch)
    rows, columns = shape[-2:]
    return BROADCAST_COPY, _Layout(False, columns, rows * columns)


def plan_matmul(
    a_shape: Sequence[int], a_strides: Sequence[int], b_shape: Sequence[int], b_strides: Sequence[int]
) -> Plan | None:
    """The plan of ``a @ b`` for two operands of at least two dimensions and no size 0; strides count elements.

    None where a size is past what cuBLAS counts (2^31 - 1). Raises ShapeError where the shapes do not fit.
    """
    (m, k), (k_again, n) = a_shape[-2:], b_shape[-2:]
    try:
        batch_shape = np.broadcast_shapes(tuple(a_shape[:-2]), tuple(b_shape[:-2]))
        fits = k == k_again
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            f"matmul: shapes {tuple(a_shape)} and {tuple(b_shape)} do not fit; the last dimension of the first must be "
            "the last but one of the second, and the dimensions before those must broadcast"
        )
    batch = int(np.prod(batch_shape, dtype=object))
    a_how, a = _layout(a_shape, a_strides, batch_shape)
    b_how, b = _layout(b_shape, b_strides, batch_shape)

    # One matrix for the whole batch: the rows of all of a's matrices are then one tall matrix, if they lie evenly.
    rows, count = m, batch
    if batch > 1 and b.batch_stride == 0 and not a.transposed and batch * m <= INT_MAX:
        if m == 1 and k <= a.batch_stride <= INT_MAX:
            a, rows, count = a._replace(ld=a.batch_stride), batch, 1
        elif a.batch_stride == m * a.ld:
            rows, count = batch * m, 1

    gemm = Gemm(b.transposed, a.transposed, n, rows, k, b.ld, b.batch_stride, a.ld, a.batch_stride, n, rows * n, count)
    if max(n, rows, k, b.ld, a.ld, count) > INT_MAX:
        return None
    return Plan(a_how, b_how, gemm, batch_shape, (*batch_shape, m, n))


def _prepare(xp: Any, operand: Any, how: str, batch_shape: tuple[int, ...]) -> Any:
    if how == BROADCAST_COPY:
        operand = xp.broadcast_to(operand, batch_shape + operand.shape[-2:])
    return operand if how == AS_IT_LIES else xp.ascontiguousarray(operand)


def _element_strides(array: Any) -> list[int]:
    return [stride // array.itemsize for stride in array.strides]


def _as_matrices(a: Any, b: Any) -> tuple[Any, Any]:
    """A vector on the left is a row, on the right a column."""
    return a[None, :] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b


def _without_vectors(out: Any, a: Any, b: Any) -> Any:
    if b.ndim == 1:
        out = out[..., 0]
    return out[..., 0, :] if a.ndim == 1 and b.ndim > 1 else out[..., 0] if a.ndim == 1 else out


def matmul(a: Any, b: Any, allow_tf32: bool = False) -> Any:
    """``a @ b`` with NumPy's rules for shapes, both of one dtype and at least one dimension.

    ``allow_tf32`` lets float32 products run on tensor cores with 10-bit mantissas. Falls back to ``cupy.matmul`` for
    other dtypes, for sizes past 2^31 - 1, and where CuPy has moved its cuBLAS bindings.
    """
    cp = cupy()
    name = a.dtype.name
    left, right = _as_matrices(a, b)
    if name not in DATA_TYPES or b.dtype.name != name:
        return cp.matmul(a, b)
    if left.size == 0 or right.size == 0:
        plan = plan_matmul(*(part for x in (left, right) for part in (x.shape, _contiguous_strides(x.shape))))
        shape = plan.out_shape if plan is not None else cp.matmul(left, right).shape
        return _without_vectors(cp.zeros(shape, a.dtype), a, b)
    try:
        # The package's attribute, not the submodule by its name: the attribute is what finds and loads libcublas.
        cublas = importlib.import_module("cupy_backends.cuda.libs").cublas
        gemm, strided = cublas.gemmEx, cublas.gemmStridedBatchedEx
        handle = importlib.import_module("cupy.cuda.device").get_cublas_handle()
    except (ImportError, AttributeError):
        return _matmul_without_cublas(cp, a, b)
    plan = plan_matmul(left.shape, _element_strides(left), right.shape, _element_strides(right))
    if plan is None:
        return _matmul_without_cublas(cp, a, b)

    left = _prepare(cp, left, plan.a, plan.batch_shape)
    right = _prepare(cp, right, plan.b, plan.batch_shape)
    out = cp.empty(plan.out_shape, a.dtype)
    call, kind = plan.gemm, DATA_TYPES[name]
    wide = accumulator(name)
    compute = COMPUTE_64F if wide == "float64" else COMPUTE_32F_FAST_TF32 if allow_tf32 and kind == 0 else COMPUTE_32F
    one, zero = _ONE[wide].ctypes.data, _ZERO[wide].ctypes.data
    sizes = (int(call.transpose_first), int(call.transpose_second), call.rows, call.columns, call.inner)
    # CuPy sets the current stream on the handle inside each call, and leaves it in host pointer mode.
    if call.batch == 1:
        first, second = (right.data.ptr, kind, call.ld_first), (left.data.ptr, kind, call.ld_second)
        tail = (out.data.ptr, kind, call.ld_out, compute, DEFAULT_ALGORITHM)
        gemm(handle, *sizes, one, *first, *second, zero, *tail)
    else:
        strided(
            handle,
            *sizes,
            one,
            *(right.data.ptr, kind, call.ld_first, call.stride_first),
            *(left.data.ptr, kind, call.ld_second, call.stride_second),
            zero,
            *(out.data.ptr, kind, call.ld_out, call.stride_out, call.batch),
            *(compute, DEFAULT_ALGORITHM),
        )
    return _without_vectors(out, a, b)


def _matmul_without_cublas(cp: Any, a: Any, b: Any) -> Any:
    if a.dtype.name == "bfloat16":  # batched, cupy.matmul would take it for an integer
        return cp.matmul(a.astype(np.float32), b.astype(np.float32)).astype(a.dtype)
    return cp.matmul(a, b)


# ---------------------------------------------------------------------------------------------------------------------
# The twin: cuBLAS's rules, read literally.


def _memory(array: Any) -> Any:
    """All elements from the array's first on, as one line: what a device pointer gives."""
    span = 1 + sum((length - 1) * stride for length, stride in zip(array.shape, _element_strides(array), strict=True))
    return np.lib.stride_tricks.as_strided(array, (span,), (array.itemsize,), writeable=False)


def _column_major(memory: Any, rows: int, columns: int, ld: int, stride: int, batch: int, transpose: bool) -> Any:
    """op(X) as cuBLAS reads it: element (i, j) at i + j * ld, or at j + i * ld where it transposes. Checks the span."""
    steps = (stride, ld, 1) if transpose else (stride, 1, ld)
    shape = (batch, rows, columns)
    last = sum((length - 1) * step for length, step in zip(shape, steps, strict=True))
    if last >= memory.size:
        raise IndexError(f"the plan reads element {last} of {memory.size}")
    return np.lib.stride_tricks.as_strided(memory, shape, [step * memory.itemsize for step in steps], writeable=False)


def matmul_twin(a: Any, b: Any, allow_tf32: bool = False) -> Any:
    """The plan carried out on NumPy's memory as cuBLAS would; ``allow_tf32`` is ignored."""
    left, right = _as_matrices(a, b)
    if left.size == 0 or right.size == 0:
        return np.matmul(a, b)
    plan = plan_matmul(left.shape, _element_strides(left), right.shape, _element_strides(right))
    if plan is None:
        raise NotImplementedError("the twin has no fallback for sizes past 2^31")
    left = _prepare(np, left, plan.a, plan.batch_shape)
    right = _prepare(np, right, plan.b, plan.batch_shape)
    c, wide = plan.gemm, accumulator(a.dtype.name)
    first = _column_major(_memory(right), c.rows, c.inner, c.ld_first, c.stride_first, c.batch, c.transpose_first)
    second = _column_major(_memory(left), c.inner, c.columns, c.ld_second, c.stride_second, c.batch, c.transpose_second)
    out = np.zeros((c.batch, c.columns, c.rows), wide)  # column-major (rows, columns) is row-major (columns, rows)
    for p in range(c.inner):
        out += second[:, p, :, None].astype(wide) * first[:, :, p][:, None, :].astype(wide)
    return _without_vectors(out.reshape(plan.out_shape).astype(a.dtype), a, b)
