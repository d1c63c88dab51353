"""Linear algebra: matrix products and the linear layer's formula."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import shapes
from tapeloom.call.op import function, op, primitive
from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.ops.norm import vector_norm

if TYPE_CHECKING:
    from tapeloom.op.parameter import Axes, Cast, Dims
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor


@primitive(moves=True)
def swap_last(input: Tensor) -> Tensor:
    """The last two dimensions swapped: for gradient rules, which may not ask for the number of dimensions."""
swap_last.gradient(input=lambda g, ops: ops.swap_last(g))


def _matmul_shapes(op: OpSchema, input: Tensor, other: Tensor) -> None:
    if not input.ndim or not other.ndim:
        raise ShapeError(
            f"matmul: shapes {input.shape} and {other.shape}: both need at least one dimension. Use * for products with a 0-d tensor."
        )
    inner = other.shape[-2] if other.ndim > 1 else other.shape[0]
    if input.shape[-1] != inner:
        raise ShapeError(
            f"matmul: shapes {input.shape} and {other.shape} do not fit: the last dimension of the first is {input.shape[-1]}, and the "
            f"{'second-to-last' if other.ndim > 1 else 'only'} one of the second is {inner}. Transpose one with .mT, or reshape it."
        )
    shapes.broadcast("matmul", input.shape[:-2], other.shape[:-2])


def _matmul_input(g: Any, other: Any, input_shape: Any, ops: Any) -> Any:
    if len(input_shape) == 1:
        if other.ndim == 1:
            return g * other
        # (k) @ (..., k, n): g is (..., n)
        return ops.squeeze(ops.matmul(other, ops.unsqueeze(g, len(g.shape))), (len(other.shape) - 1,))
    if other.ndim == 1:
        return ops.unsqueeze(g, len(g.shape)) * other
    return ops.matmul(g, ops.swap_last(other))


def _matmul_other(g: Any, input: Any, other_shape: Any, ops: Any) -> Any:
    if len(other_shape) == 1:
        if input.ndim == 1:
            return g * input
        return _sum_leading(ops.unsqueeze(g, len(g.shape)) * input, 1, ops)
    if input.ndim == 1:
        return ops.unsqueeze(input, 1) * ops.unsqueeze(g, len(g.shape) - 1)
    if len(other_shape) == 2 and input.ndim > 2:  # one product over all rows, instead of a sum over a batch of products
        rows = 1
        for length in input.shape[:-1]:
            rows *= length
        flat = ops.reshape(input, (rows, input.shape[-1]))
        return ops.matmul(ops.swap_last(flat), ops.reshape(g, (rows, g.shape[-1])))
    return ops.matmul(ops.swap_last(input), g)


def _sum_leading(input: Any, keep: int, ops: Any) -> Any:
    lead = tuple(range(len(input.shape) - keep))
    return ops.sum(input, lead) if lead else input


@op(complex="analytic", check=_matmul_shapes, autocast="lower")
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product. 1-d tensors are vectors; with more than two dimensions the leading ones broadcast as a batch.

    (…, n, m) by (…, m, p) is (…, n, p). Raises ShapeError for shapes that do not fit.
    """
matmul.gradient(input=_matmul_input, other=_matmul_other)


def _exact(name: str, input: Any, other: Any, parameter: str, first: int, second: int) -> Any:
    if as_tensor_of(name, input).ndim != first or as_tensor_of(name, other, parameter).ndim != second:
        raise ShapeError(
            f"{name}: expected {first}-d and {second}-d tensors, got shapes {input.shape} and {other.shape}. Use matmul."
        )
    return OPS.matmul(input, other)


@function()
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices, (n, m) by (m, p)."""
    return _exact("mm", input, mat2, "mat2", 2, 2)


@function()
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two batches of matrices, (b, n, m) by (b, m, p); the batches do not broadcast."""
    if as_tensor_of("bmm", input).ndim == 3 and as_tensor_of("bmm", mat2, "mat2").ndim == 3 and input.shape[0] != mat2.shape[0]:
        raise ShapeError(f"bmm: the batches of shapes {input.shape} and {mat2.shape} differ. Use matmul to broadcast them.")
    return _exact("bmm", input, mat2, "mat2", 3, 3)


@function(autocast={"cpu": "as given", "cuda": "lower"})
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """The product of a matrix (n, m) and a vector (m)."""
    return _exact("mv", input, vec, "vec", 2, 1)


@function(autocast={"cpu": "as given", "cuda": "promote"})
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The inner product of two vectors of one length."""
    return _exact("dot", input, tensor, "tensor", 1, 1)


@function()
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """The outer product of two vectors, (n) and (m): (n, m)."""
    if as_tensor_of("outer", input).ndim != 1 or as_tensor_of("outer", vec2, "vec2").ndim != 1:
        raise ShapeError(f"outer: expected 1-d tensors, got shapes {input.shape} and {vec2.shape}.")
    return OPS.multiply(OPS.unsqueeze(input, 1), OPS.unsqueeze(vec2, 0))


# the namespace linalg


@function(name="matmul", namespace="linalg")
def linalg_matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product; see ``tapeloom.matmul``."""
    return OPS.matmul(input, other)


@function(namespace="linalg", autocast="lower")
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The inner products of the vectors along ``dim``: the sum of ``conj(x) * y``; the other dimensions broadcast."""
    as_tensor_of("vecdot", y, "y")
    left = OPS.conj(x) if as_tensor_of("vecdot", x, "x").is_complex() else x
    return OPS.sum(OPS.multiply(left, y), shapes.as_int("vecdot", "dim", dim))


@function(namespace="linalg")
def norm(
    A: Tensor, ord: float | str | None = None, dim: Dims = None, keepdim: bool = False, *, dtype: Cast = None
) -> Tensor:
    """The norm of vectors or matrices: of vectors over one ``dim``, of matrices over two.

    Without ``ord`` it is the square root of the sum of squares over ``dim`` (all unless given). With ``ord`` and without
    ``dim``, ``A`` has one dimension or two. ``ord`` is that of ``vector_norm`` or ``matrix_norm``; ``dtype`` casts first.
    """
    ndim = as_tensor_of("norm", A, "A").ndim
    axes = None if dim is None else shapes.as_ints("norm", "dim", dim)
    if ord is None:
        return vector_norm(A, 2, axes, keepdim, dtype=dtype)
    if axes is None:
        if ndim not in (1, 2):
            raise ShapeError(f"norm: ord without dim needs a tensor of 1 or 2 dimensions, got shape {A.shape}. Give dim.")
        axes = tuple(range(ndim))
    if len(axes) == 1:
        if isinstance(ord, str):
            raise ArgumentError(f"norm: ord {ord!r} is a norm of matrices, and dim {axes} names one dimension. Give two.")
        return vector_norm(A, ord, axes, keepdim, dtype=dtype)
    return matrix_norm(A, ord, axes, keepdim, dtype=dtype)


@function(namespace="linalg", autocast={"cuda": "float32"})
def matrix_norm(
    A: Tensor, ord: float | str = "fro", dim: Axes = (-2, -1), keepdim: bool = False, *, dtype: Cast = None
) -> Tensor:
    """The norm of matrices, whose rows and columns lie along the two ``dim``; ``dtype`` casts first.

    ``ord`` is ``"fro"`` (the square root of the sum of squares), ``1`` or ``-1`` (the largest or smallest sum of
    absolute values of a column), ``inf`` or ``-inf`` (of a row), ``2`` or ``-2`` (the largest or smallest singular value) or
    ``"nuc"`` (the sum of the singular values).

    Source: G. Golub, C. Van Loan, "Matrix computations", 4th edition, Johns Hopkins 2013, section 2.3.
    """
    ndim = as_tensor_of("matrix_norm", A, "A").ndim
    axes = shapes.normalize_axes("matrix_norm", "dim", dim, ndim)
    if len(axes) != 2:
        raise ShapeError(f"matrix_norm: dim must name two dimensions of A, got dim {dim} for shape {A.shape}.")
    if ord == "fro":
        return vector_norm(A, 2, axes, keepdim, dtype=dtype)
    if ord in ("nuc", 2, -2):
        return _of_singular_values(A, ord, axes, keepdim, dtype)
    if ord not in (1, -1, float("inf"), float("-inf")):
        raise ArgumentError(f"matrix_norm: ord must be 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got {ord!r}.")
    along, over = axes if abs(float(ord)) == 1 else (axes[1], axes[0])
    sums = vector_norm(A, 1, along, True, dtype=dtype)
    extreme = _largest(sums, over, True) if float(ord) > 0 else OPS.amin(sums, over, True)
    return extreme if keepdim else OPS.squeeze(extreme, axes)


def _largest(sizes: Any, dim: int, keepdim: bool) -> Any:
    """The largest of sizes, 0 of none."""
    return OPS.amax(sizes, dim, keepdim) if sizes.shape[dim] else OPS.sum(sizes, dim, keepdim)


def _of_singular_values(A: Any, ord: Any, axes: tuple[int, ...], keepdim: bool, dtype: Any) -> Any:
    A = A if dtype is None else OPS.cast(A, dtype)
    order = (*[axis for axis in range(A.ndim) if axis not in axes], *axes)
    values = OPS.singular_values(OPS.permute(A, order) if order != tuple(range(A.ndim)) else A)
    if ord == "nuc":
        result = OPS.sum(values, -1)
    else:
        result = _largest(values, -1, False) if ord == 2 else OPS.amin(values, -1)
    return OPS.reshape(result, shapes.reduced(A.shape, axes, True)) if keepdim else result


@function(method=False, autocast={"cuda": "float32"})
def nuclear_norm(input: Tensor, dim: Axes | bool | None = None, keepdim: bool = False) -> Tensor:
    """The sum of the singular values of matrices, along the last two dimensions or the two ``dim``.

    ``nuclear_norm(input, keepdim)`` is taken, too.
    """
    if isinstance(dim, bool):
        return matrix_norm(input, "nuc", (-2, -1), dim)
    return matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim)


@function(method=False, autocast={"cuda": "float32"})
def frobenius_norm(input: Tensor, dim: Axes, keepdim: bool = False) -> Tensor:
    """The square root of the sum of squares over at most two ``dim``; over none, ``()``, of all elements."""
    axes = shapes.as_ints("frobenius_norm", "dim", dim)
    if len(axes) > 2:
        raise ArgumentError(f"frobenius_norm: dim may name at most two dimensions, got {dim}.")
    return vector_norm(input, 2, axes or None, keepdim)


def _linear_shapes(op: OpSchema, input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    shape = weight.shape
    if len(shape) != 2:
        raise ShapeError(f"linear: weight must have shape (out, in), got {shape}.")
    if input.shape[-1:] != shape[1:]:
        advice = f" A Linear({input.shape[-1]}, {shape[0]}) would take it." if input.ndim else ""
        if input.ndim > 2 and shapes.element_count(input.shape[1:]) == shape[1]:
            advice = " Flatten it first: input.flatten(1)."
        raise ShapeError(
            f"linear: the last dimension of input of shape {input.shape} must be {shape[1]}, as weight has shape {shape}.{advice}"
        )
    if bias is not None and bias.shape != shape[:1]:
        raise ShapeError(f"linear: bias must have shape {shape[:1]} for a weight of shape {shape}, got {bias.shape}.")


def _rows(input: Any, ops: Any) -> Any:
    if len(input.shape) == 2:
        return input
    rows = 1
    for length in input.shape[:-1]:
        rows *= length
    return ops.reshape(input, (rows, input.shape[-1]))


@op(complex="analytic", check=_linear_shapes, method=False, autocast="lower")
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.mT + bias`` for input (..., in), weight (out, in), bias (out): shape (..., out).

    Raises ShapeError for shapes that do not fit.
    """
linear.gradient(
    input=lambda g, weight, ops: ops.matmul(g, weight),
    weight=lambda g, input, ops: ops.matmul(ops.swap_last(_rows(g, ops)), _rows(input, ops)),
    bias=lambda g, ops: ops.sum(_rows(g, ops), (0,)),
)
