"""Linear algebra: matrix products and the linear layer's formula."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import shapes
from tapeloom.errors import ShapeError
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.tape.op import OPS, function, op
from tapeloom.tape.policy import KEEP

if TYPE_CHECKING:
    from tapeloom.tape.tensor import Tensor


@op(dtype=KEEP, method=False)
def swap_last(x: Tensor) -> Tensor:
    """The last two dimensions swapped: for gradient rules, which may not ask for the number of dimensions."""
swap_last.gradient(x=lambda g, ops: ops.swap_last(g))


def _matmul_shapes(op: Any, x: Any, y: Any) -> None:
    if not x.ndim or not y.ndim:
        raise ShapeError(
            f"matmul: shapes {x.shape} and {y.shape}: both need at least one dimension. Use * for products with a 0-d tensor."
        )
    inner = y.shape[-2] if y.ndim > 1 else y.shape[0]
    if x.shape[-1] != inner:
        raise ShapeError(
            f"matmul: shapes {x.shape} and {y.shape} do not fit: the last dimension of the first is {x.shape[-1]}, and the "
            f"{'second-to-last' if y.ndim > 1 else 'only'} one of the second is {inner}. Transpose one with .mT, or reshape it."
        )
    shapes.broadcast("matmul", x.shape[:-2], y.shape[:-2])


def _matmul_x(g: Any, y: Any, x_shape: Any, ops: Any) -> Any:
    if len(x_shape) == 1:
        if y.ndim == 1:
            return g * y
        # (k) @ (..., k, n): g is (..., n)
        return ops.squeeze(ops.matmul(y, ops.unsqueeze(g, len(g.shape))), (len(y.shape) - 1,))
    if y.ndim == 1:
        return ops.unsqueeze(g, len(g.shape)) * y
    return ops.matmul(g, ops.swap_last(y))


def _matmul_y(g: Any, x: Any, y_shape: Any, ops: Any) -> Any:
    if len(y_shape) == 1:
        if x.ndim == 1:
            return g * x
        return _sum_leading(ops.unsqueeze(g, len(g.shape)) * x, 1, ops)
    if x.ndim == 1:
        return ops.unsqueeze(x, 1) * ops.unsqueeze(g, len(g.shape) - 1)
    if len(y_shape) == 2 and x.ndim > 2:  # one product over all rows, instead of a sum over a batch of products
        rows = 1
        for length in x.shape[:-1]:
            rows *= length
        flat = ops.reshape(x, (rows, x.shape[-1]))
        return ops.matmul(ops.swap_last(flat), ops.reshape(g, (rows, g.shape[-1])))
    return ops.matmul(ops.swap_last(x), g)


def _sum_leading(x: Any, keep: int, ops: Any) -> Any:
    lead = tuple(range(len(x.shape) - keep))
    return ops.sum(x, lead) if lead else x


@op(check=_matmul_shapes)
def matmul(x: Tensor, y: Tensor) -> Tensor:
    """The matrix product. 1-d tensors are vectors; with more than two dimensions the leading ones broadcast as a batch.

    (…, n, m) by (…, m, p) is (…, n, p). Raises ShapeError for shapes that do not fit.
    """
matmul.gradient(
    x=lambda g, y, x_shape, ops: _matmul_x(g, y, x_shape, ops),
    y=lambda g, x, y_shape, ops: _matmul_y(g, x, y_shape, ops),
)


def _exact(name: str, x: Any, y: Any, first: int, second: int) -> Any:
    if as_tensor_of(name, x).ndim != first or as_tensor_of(name, y, "y").ndim != second:
        raise ShapeError(f"{name}: expected {first}-d and {second}-d tensors, got shapes {x.shape} and {y.shape}. Use matmul.")
    return OPS.matmul(x, y)


@function()
def mm(x: Any, y: Any) -> Tensor:
    """The product of two matrices, (n, m) by (m, p)."""
    return _exact("mm", x, y, 2, 2)


@function()
def bmm(x: Any, y: Any) -> Tensor:
    """The products of two batches of matrices, (b, n, m) by (b, m, p); the batches do not broadcast."""
    if as_tensor_of("bmm", x).ndim == 3 and as_tensor_of("bmm", y, "y").ndim == 3 and x.shape[0] != y.shape[0]:
        raise ShapeError(f"bmm: the batches of shapes {x.shape} and {y.shape} differ. Use matmul to broadcast them.")
    return _exact("bmm", x, y, 3, 3)


@function()
def mv(x: Any, y: Any) -> Tensor:
    """The product of a matrix (n, m) and a vector (m)."""
    return _exact("mv", x, y, 2, 1)


@function()
def dot(x: Any, y: Any) -> Tensor:
    """The inner product of two vectors of one length."""
    return _exact("dot", x, y, 1, 1)


@function()
def outer(x: Any, y: Any) -> Tensor:
    """The outer product of two vectors, (n) and (m): (n, m)."""
    if as_tensor_of("outer", x).ndim != 1 or as_tensor_of("outer", y, "y").ndim != 1:
        raise ShapeError(f"outer: expected 1-d tensors, got shapes {x.shape} and {y.shape}.")
    return OPS.multiply(OPS.unsqueeze(x, 1), OPS.unsqueeze(y, 0))


def _linear_shapes(op: Any, x: Any, weight: Any, bias: Any) -> None:
    shape = weight.array.shape
    if len(shape) != 2:
        raise ShapeError(f"linear: weight must have shape (out, in), got {shape}.")
    if x.array.shape[-1:] != shape[1:]:
        raise ShapeError(
            f"linear: the last dimension of x of shape {x.shape} must be {shape[1]}, as weight has shape {shape}."
        )
    if bias is not None and bias.array.shape != shape[:1]:
        raise ShapeError(f"linear: bias must have shape {shape[:1]} for a weight of shape {shape}, got {bias.shape}.")


def _rows(x: Any, ops: Any) -> Any:
    if len(x.shape) == 2:
        return x
    rows = 1
    for length in x.shape[:-1]:
        rows *= length
    return ops.reshape(x, (rows, x.shape[-1]))


@op(check=_linear_shapes, method=False)
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x @ weight.mT + bias`` for x (..., in), weight (out, in), bias (out): shape (..., out).

    Raises ShapeError for shapes that do not fit.
    """
linear.gradient(
    x=lambda g, weight, ops: ops.matmul(g, weight),
    weight=lambda g, x, ops: ops.matmul(ops.swap_last(_rows(g, ops)), _rows(x, ops)),
    bias=lambda g, ops: ops.sum(_rows(g, ops), (0,)),
)
