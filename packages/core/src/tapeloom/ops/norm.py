"""Norms of vectors, and what is made of them: distances, tensors scaled to a norm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.call.inplace import check_writable, inplace
from tapeloom.call.op import function, primitive
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import FUNCTIONS, OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.ops.reduction import not_empty, over, restored

if TYPE_CHECKING:
    from tapeloom.op.parameter import Cast, Dims
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor


def _has_norm(op: OpSchema, input: Tensor, p: float, dim: tuple[int, ...], keepdim: bool) -> None:
    if p < 0 or p == float("inf"):
        not_empty(op, input, dim)


@primitive(takes="inexact", gives="real", complex="as written", check=_has_norm, autocast={"cuda": "float32"})
def order_norm(input: Tensor, p: float = 2.0, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """``sum(|input| ** p) ** (1 / p)`` over ``dim``; for p = inf the largest |input|, -inf the least, 0 how many are not 0.

    The gradient of a norm that is 0 is 0, and so is that of a 0.
    """


def _norm_gradient(g: Any, input: Any, p: float, dim: Any, keepdim: bool, out: Any, ops: Any) -> Any:
    g, out = restored(g, input.shape, dim, keepdim, ops), restored(out, input.shape, dim, keepdim, ops)
    if p == 0:
        return ops.zeros_of(input.shape, g)
    if p == 2:
        return g * over(input, out, ops)
    direction = ops.sgn(input)
    if p == 1:
        return g * direction
    size = ops.abs(input)
    if p in (float("inf"), float("-inf")):  # all elements of that size share the gradient evenly
        hit = ops.where(ops.eq(size, out), ops.full_of(size, 1), 0)
        return direction * (hit * (g / ops.sum(hit, dim, True)))
    zero, gone = ops.eq(input, 0), ops.eq(out, 0)
    slope = ops.where(zero, 0, ops.pow(ops.where(zero, 1, size), p - 1))
    return direction * (slope * ops.where(gone, 0, g / ops.pow(ops.where(gone, 1, out), p - 1)))


order_norm.gradient(input=_norm_gradient)


@function()
def norm(input: Tensor, p: float | str | None = 2, dim: Dims = None, keepdim: bool = False, *, dtype: Cast = None) -> Tensor:
    """The vector norm of order ``p`` (a number, ``inf`` or ``"fro"``, which is 2) over ``dim``; ``dtype`` casts first.

    With ``p="nuc"`` the sum of the singular values of a matrix, or of matrices along two ``dim``.
    """
    if p == "nuc":
        x = input if dtype is None else OPS.cast(as_tensor_of("norm", input), dtypes.as_dtype(dtype))
        return FUNCTIONS["nuclear_norm"].call(x, dim, keepdim)
    if isinstance(p, str) and p != "fro":
        raise ArgumentError(f"norm: p must be a number, 'fro' or 'nuc', got {p!r}.")
    return _norm("norm", input, 2 if p is None or p == "fro" else p, dim, keepdim, dtype)


@function(namespace="linalg")
def vector_norm(x: Tensor, ord: float = 2, dim: Dims = None, keepdim: bool = False, *, dtype: Cast = None) -> Tensor:
    """The vector norm of order ``ord`` (a number or ``inf``) over ``dim``, of all elements unless given; ``dtype`` casts first."""
    return _norm("vector_norm", x, ord, dim, keepdim, dtype)


@function(autocast={"cuda": "float32"})
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The norm of order ``p`` of ``input - other``, of all elements."""
    return _norm("dist", OPS.subtract(as_tensor_of("dist", input), as_tensor_of("dist", other, "other")), p, None, False, None)


@function(autocast={"cuda": "float32"})
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """``input`` with each part along ``dim`` whose norm of order ``p`` is above ``maxnorm`` scaled down to it."""
    ndim = as_tensor_of("renorm", input).ndim
    if ndim < 2:
        raise ShapeError(f"renorm: expected at least 2 dimensions, got shape {input.shape}.")
    axis, order, most = shapes.normalize_dim("renorm", dim, ndim), as_number("renorm", "p", p), as_number("renorm", "maxnorm", maxnorm)
    if not order > 0:
        raise ArgumentError(f"renorm: p must be positive, got {order}.")
    if not most >= 0:
        raise ArgumentError(f"renorm: maxnorm must not be negative, got {most}.")
    dtype = input.dtype
    wide = OPS.cast(input, dtypes.float32) if dtype.half else input  # rounded once
    size = OPS.order_norm(wide, order, tuple(other for other in range(ndim) if other != axis), True)
    out = wide * OPS.where(size > most, most / (size + 1e-7), 1)
    return OPS.cast(out, dtype) if dtype.half else out


@function()
def renorm_(self: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """In place: ``renorm``."""
    check_writable("renorm", as_tensor_of("renorm_", self, "self"))
    return inplace("renorm", self, renorm(self, p, dim, maxnorm))


def _norm(name: str, x: Any, p: Any, dim: Any, keepdim: bool, dtype: Any) -> Any:
    if not isinstance(p, dtypes.REAL_NUMBERS):
        raise ArgumentTypeError(f"{name}: the order must be a number, got {p!r}.")
    if dtype is not None:
        wanted, given = dtypes.as_dtype(dtype), as_tensor_of(name, x).dtype
        if given.inexact and dtypes.promote_types(given, wanted) is not wanted:
            raise DTypeError(f"{name}: dtype={wanted.name} would narrow the {given.name} of input. Cast it yourself, or leave dtype out.")
        x = OPS.cast(x, wanted)
    return OPS.order_norm(x, p, dim, keepdim)


@function(method=False, autocast={"cuda": "float32"})
def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """``input`` divided by its norm of order ``p`` along ``dim``, or by ``eps`` where the norm is smaller; the shape stays."""
    dtype = as_tensor_of("normalize", input).dtype
    wide = OPS.cast(input, dtypes.float32) if dtype.half else input  # a half type may hold neither the norm nor eps
    out = OPS.divide(wide, OPS.clamp(_norm("normalize", wide, p, dim, True, None), eps))
    return OPS.cast(out, dtype) if dtype.half else out
