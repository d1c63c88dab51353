"""Softmax, log-softmax and cross-entropy over rows: one pass for maximum and sum, one to write.

A warp takes a row of up to WIDE_FROM columns, a block a longer one. Sums run in a fixed order, in float32 for the half
types. A row of -inf alone, or with +inf or NaN in it, gives NaN throughout, as in PyTorch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .launch import MOST_BLOCKS, Family, accumulator, ceil_div, check_dtype, cupy, function

FAMILY = Family(
    "rows.cu",
    (
        "softmax_rows<{T}, false, false>",
        "softmax_rows<{T}, false, true>",
        "softmax_rows<{T}, true, false>",
        "softmax_rows<{T}, true, true>",
        "cross_entropy_forward<{T}, false>",
        "cross_entropy_forward<{T}, true>",
        "cross_entropy_backward<{T}, false>",
        "cross_entropy_backward<{T}, true>",
    ),
)

WIDE_FROM = 1024
WARP = 32
WARPS_A_BLOCK = 4


def row_plan(rows: int, columns: int) -> tuple[int, int, str]:
    """(blocks, threads, WIDE): four rows a block for short rows, one for long ones with about 8 columns a thread."""
    if columns <= WIDE_FROM:
        return min(ceil_div(rows, WARPS_A_BLOCK), MOST_BLOCKS), WARPS_A_BLOCK * WARP, "false"
    threads = 256 if columns <= 2048 else 512 if columns <= 4096 else 1024
    return min(rows, MOST_BLOCKS), threads, "true"


def _as_rows(cp: Any, x: Any, dim: int) -> Any:
    """``x`` with ``dim`` last and contiguous; a copy only where it is not so already."""
    return cp.ascontiguousarray(cp.moveaxis(x, dim, -1) if x.ndim > 1 else x.reshape(-1))


def _softmax(x: Any, dim: int, log: str) -> Any:
    cp = cupy()
    name = x.dtype.name
    check_dtype("softmax", name)
    if x.size == 0:
        return cp.empty(x.shape, x.dtype)
    rows = _as_rows(cp, x, dim)
    out = cp.empty(rows.shape, x.dtype)
    columns = rows.shape[-1]
    count = rows.size // columns
    blocks, threads, wide = row_plan(count, columns)
    kernel = function(cp, FAMILY, f"softmax_rows<{{T}}, {log}, {wide}>", name)
    kernel((blocks,), (threads,), (rows, out, np.int64(count), np.int64(columns)))
    return cp.moveaxis(out, -1, dim) if x.ndim > 1 else out.reshape(x.shape)


def softmax(x: Any, dim: int) -> Any:
    """``exp(x) / sum(exp(x), dim)`` without overflow; same shape and dtype.

    The result may be a view with ``dim`` last in memory.
    """
    return _softmax(x, dim, "false")


def log_softmax(x: Any, dim: int) -> Any:
    """``x - log(sum(exp(x), dim))`` without overflow; same shape and dtype, and a view as softmax's."""
    return _softmax(x, dim, "true")


def cross_entropy_forward(
    x: Any, target: Any, weight: Any | None, ignore_index: int, label_smoothing: float
) -> tuple[Any, Any, Any]:
    """Cross-entropy of each row of logits ``x (rows, classes)`` with its int64 label in ``target (rows,)``.

    ``weight`` is ``(classes,)`` of x's dtype or None. Returns, in the accumulator's dtype (float32, or float64 for
    float64): the losses ``(rows,)``; the log-sum-exp ``(rows, 2)`` as two addends, for the backward pass; and the row
    weights ``(rows,)``, whose sum divides a mean. An ignored row has loss and weight 0; a label outside the classes
    gives NaN and reads nothing. With no classes every loss is NaN.
    """
    cp = cupy()
    name = x.dtype.name
    check_dtype("cross_entropy", name)
    rows, classes = x.shape
    wide_dtype = accumulator(name)
    loss, row_weight = cp.empty(rows, wide_dtype), cp.empty(rows, wide_dtype)
    log_sum_exp = cp.empty((rows, 2), wide_dtype)
    if rows:
        x, target, weight = _cross_entropy_inputs(cp, x, target, weight)
        blocks, threads, wide = row_plan(rows, classes)
        kernel = function(cp, FAMILY, f"cross_entropy_forward<{{T}}, {wide}>", name)
        sizes = (np.int64(rows), np.int64(classes), np.int64(ignore_index), np.float64(label_smoothing))
        kernel((blocks,), (threads,), (x, target, weight, loss, log_sum_exp, row_weight, *sizes))
    return loss, log_sum_exp, row_weight


def cross_entropy_backward(
    g: Any,
    x: Any,
    target: Any,
    weight: Any | None,
    log_sum_exp: Any,
    ignore_index: int,
    label_smoothing: float,
) -> Any:
    """The gradient ``(rows, classes)`` of cross_entropy_forward's losses.

    ``g`` is ``(rows,)``, or 0-d where one value serves all rows (a sum; a mean once it is divided by the sum of the row
    weights).
    """
    cp = cupy()
    name = x.dtype.name
    check_dtype("cross_entropy_backward", name)
    rows, classes = x.shape
    dx = cp.empty((rows, classes), x.dtype)
    if dx.size:
        x, target, weight = _cross_entropy_inputs(cp, x, target, weight)
        wide_dtype = accumulator(name)
        g = cp.ascontiguousarray(g.astype(wide_dtype, copy=False))
        # Only label smoothing asks for the weights of all classes; their sum stays on the device.
        smoothed = weight is not None and label_smoothing != 0
        total = weight.astype(wide_dtype).sum() if smoothed and weight is not None else None
        blocks, threads, wide = row_plan(rows, classes)
        kernel = function(cp, FAMILY, f"cross_entropy_backward<{{T}}, {wide}>", name)
        sizes = (np.int64(rows), np.int64(classes), np.int64(ignore_index), np.float64(label_smoothing))
        step = np.int64(0 if g.size == 1 else 1)
        kernel((blocks,), (threads,), (g, step, x, target, weight, log_sum_exp, total, dx, *sizes))
    return dx


def _cross_entropy_inputs(cp: Any, x: Any, target: Any, weight: Any | None) -> tuple[Any, Any, Any]:
    labels = cp.ascontiguousarray(target.astype(np.int64, copy=False))
    return cp.ascontiguousarray(x), labels, None if weight is None else cp.ascontiguousarray(weight)


# ---------------------------------------------------------------------------------------------------------------------
# The twins.


def _merge(a: tuple[Any, Any], b: tuple[Any, Any]) -> tuple[Any, Any]:
    top = np.where(a[0] > b[0], a[0], b[0])
    from_a = np.where(a[0] == top, a[1], a[1] * np.exp(a[0] - top))
    from_b = np.where(b[0] == top, b[1], b[1] * np.exp(b[0] - top))
    return top, from_a + from_b


def _tree(lanes: tuple[Any, Any]) -> tuple[Any, Any]:
    """Merge the last axis, 32 lanes, as the shuffles do: lane i with lane i + 16, then i + 8, and so on."""
    by = WARP // 2
    while by:
        lanes = _merge(
            (lanes[0][..., :by], lanes[1][..., :by]), (lanes[0][..., by : 2 * by], lanes[1][..., by : 2 * by])
        )
        by //= 2
    return lanes[0][..., 0], lanes[1][..., 0]


def _max_sum(x: Any) -> tuple[Any, Any]:
    """Maximum and scaled sum of each row of ``x``, lane by lane and in the kernel's order of merging."""
    rows, columns = x.shape
    _, threads, wide = row_plan(rows, columns)
    lanes = threads if wide == "true" else WARP
    top, total = np.full((rows, lanes), -np.inf, x.dtype), np.zeros((rows, lanes), x.dtype)
    for start in range(0, columns, lanes):
        part = x[:, start : start + lanes]
        seen, added = top[:, : part.shape[1]], total[:, : part.shape[1]]
        higher, counts = part > seen, part != -np.inf
        grown = np.where(counts, added + np.exp(part - seen), added)
        added[...] = np.where(higher, added * np.exp(seen - part) + 1, grown)
        seen[...] = np.where(higher, part, seen)
    by_warp = (rows, lanes // WARP, WARP)
    top, total = _tree((top.reshape(by_warp), total.reshape(by_warp)))
    if wide == "true":
        idle = ((0, 0), (0, WARP - top.shape[1]))
        top, total = _tree((np.pad(top, idle, constant_values=-np.inf), np.pad(total, idle)))
    else:
        top, total = top[:, 0], total[:, 0]
    return top, np.where(np.isfinite(top), total, np.nan).astype(x.dtype)


def _softmax_twin(x: Any, dim: int, log: bool) -> Any:
    if x.size == 0:
        return np.empty(x.shape, x.dtype)
    rows = np.moveaxis(x, dim, -1) if x.ndim > 1 else x.reshape(1, -1)
    wide = np.ascontiguousarray(rows).reshape(-1, rows.shape[-1]).astype(accumulator(x.dtype.name))
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        top, total = (s[:, None] for s in _max_sum(wide))
        out = wide - top - np.log(total) if log else np.exp(wide - top) / total
        out = out.astype(x.dtype).reshape(rows.shape)
    return np.moveaxis(out, -1, dim) if x.ndim > 1 else out.reshape(x.shape)


def softmax_twin(x: Any, dim: int) -> Any:
    """The softmax kernel in NumPy, lane by lane."""
    return _softmax_twin(x, dim, False)


def log_softmax_twin(x: Any, dim: int) -> Any:
    """The log-softmax kernel in NumPy, lane by lane."""
    return _softmax_twin(x, dim, True)


def cross_entropy_forward_twin(
    x: Any, target: Any, weight: Any | None, ignore_index: int, label_smoothing: float
) -> tuple[Any, Any, Any]:
    """The forward kernel in NumPy; ``smooth`` is summed by NumPy's own order."""
    rows, classes = x.shape
    wide = x.astype(accumulator(x.dtype.name))
    weights = np.ones(classes, wide.dtype) if weight is None else weight.astype(wide.dtype)
    known = (target >= 0) & (target < classes)
    ignored = target == ignore_index
    label = np.where(known, target, 0)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        top, total = _max_sum(wide)
        log_sum = np.log(total)
        result = np.full(rows, np.nan, wide.dtype)
        own = np.full(rows, np.nan, wide.dtype)
        if classes:
            entropy = top - wide[np.arange(rows), label] + log_sum
            result = wide.dtype.type(1 - label_smoothing) * weights[label] * entropy
            own = weights[label]
            if label_smoothing:
                smooth = (weights * (top[:, None] - wide + log_sum[:, None])).sum(axis=1)
                result = result + wide.dtype.type(label_smoothing / classes) * smooth
        loss = np.where(ignored, 0, np.where(known, result, np.nan)).astype(wide.dtype)
        row_weight = np.where(ignored, 0, np.where(known, own, np.nan)).astype(wide.dtype)
    return loss, np.stack([top, log_sum], axis=1), row_weight


def cross_entropy_backward_twin(
    g: Any,
    x: Any,
    target: Any,
    weight: Any | None,
    log_sum_exp: Any,
    ignore_index: int,
    label_smoothing: float,
) -> Any:
    """The backward kernel in NumPy."""
    rows, classes = x.shape
    if x.size == 0:
        return np.empty(x.shape, x.dtype)
    wide = x.astype(accumulator(x.dtype.name))
    scalar = wide.dtype.type
    weights = np.ones(classes, wide.dtype) if weight is None else weight.astype(wide.dtype)
    known = (target >= 0) & (target < classes)
    label = np.where(known, target, 0)
    own = np.where(known, scalar(1 - label_smoothing) * weights[label], np.nan).astype(wide.dtype)
    share = scalar(label_smoothing / classes)
    with np.errstate(invalid="ignore", over="ignore"):
        slope = (own + share * weights.sum())[:, None] * np.exp(wide - log_sum_exp[:, :1] - log_sum_exp[:, 1:])
        slope[np.arange(rows), label] -= own
        slope = slope - share * weights
        up = np.broadcast_to(g.astype(wide.dtype), (rows,))[:, None]
        return np.where((target == ignore_index)[:, None], 0, up * slope).astype(x.dtype)
