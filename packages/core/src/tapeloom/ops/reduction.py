"""Reductions: ``dim`` is one dimension, several, or None for all; ``keepdim`` leaves them with length 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tapeloom import dtypes, shapes
from tapeloom.call.op import function, op, primitive
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.op.registry import FUNCTIONS, OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.tensors.tensor import Tensor, is_tensor

if TYPE_CHECKING:
    from tapeloom.op.parameter import Axes, Cast, Dim, Dims
    from tapeloom.op.schema import OpSchema


def _restored(g: Any, shape: tuple[int, ...], dim: tuple[int, ...], keepdim: bool, ops: Any) -> Any:
    """``g`` with the reduced dimensions back, as length 1."""
    if keepdim or not dim:
        return g
    return ops.reshape(g, tuple(1 if axis in dim else length for axis, length in enumerate(shape)))


def _spread(g: Any, dim: tuple[int, ...], keepdim: bool, input_shape: tuple[int, ...], ops: Any) -> Any:
    return ops.expand(_restored(g, input_shape, dim, keepdim, ops), input_shape)


def _count(shape: tuple[int, ...], dim: tuple[int, ...]) -> int:
    return shapes.element_count(shape[axis] for axis in dim)


@op(gives="sum", complex="as written")
def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Cast = None) -> Tensor:
    """The sum over ``dim``. Integers and bool give int64; ``dtype`` casts before summing."""
sum.gradient(input=_spread)


@op(takes="inexact", complex="as written")
def mean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Cast = None) -> Tensor:
    """The mean over ``dim``; floating or complex only. The mean of no elements is nan."""
mean.gradient(
    input=lambda g, dim, keepdim, input_shape, ops: _spread(
        g * (1 / (_count(input_shape, dim) or 1)), dim, keepdim, input_shape, ops
    )
)


def _prod_gradient(g: Any, input: Any, dim: Any, keepdim: bool, ops: Any) -> Any:
    # products of all *other* elements: of those before, times those after. Right also where elements are 0.
    shape = input.shape
    g = _restored(g, shape, dim, keepdim, ops)
    if len(dim) == 0:
        return g
    order = tuple(axis for axis in range(len(shape)) if axis not in dim) + dim
    kept = tuple(shape[axis] for axis in order[: len(shape) - len(dim)])
    flat = ops.reshape(ops.permute(input, order), (*kept, _count(shape, dim)))
    axis = len(kept)
    if not flat.shape[axis]:
        return ops.expand(g, shape)
    one = ops.full_of(ops.narrow(flat, axis, 0, 1), 1)
    before = ops.cat([one, ops.narrow(ops.cumprod(flat, axis), axis, 0, flat.shape[axis] - 1)], axis)
    turned = ops.flip(flat, (axis,))
    after = ops.flip(
        ops.cat([one, ops.narrow(ops.cumprod(turned, axis), axis, 0, flat.shape[axis] - 1)], axis), (axis,)
    )
    others = ops.reshape(before * after, tuple(shape[axis] for axis in order))
    back = tuple(order.index(axis) for axis in range(len(shape)))
    return g * ops.permute(others, back)


@op(gives="sum", complex="analytic")
def prod(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Cast = None) -> Tensor:
    """The product over ``dim``. Integers and bool give int64; ``dtype`` casts before multiplying."""
prod.gradient(input=_prod_gradient)


def _not_empty(op: OpSchema, input: Tensor, dim: tuple[int, ...] | int, *rest: Any) -> None:
    _refuse_empty(op.name, input, dim if isinstance(dim, tuple) else (dim,) if input.ndim else ())


def _refuse_empty(name: str, input: Any, axes: Any) -> None:
    for axis in axes:
        if input.shape[axis] == 0:
            raise ShapeError(
                f"{name}: dim {axis} of a tensor of shape {input.shape} is empty, and this reduction has no value for "
                f"no elements. Reduce a dimension that has some."
            )


def _extreme_gradient(g: Any, input: Any, dim: Any, keepdim: bool, out: Any, ops: Any) -> Any:
    # all elements equal to the extreme one share its gradient evenly, as in PyTorch
    g, out = _restored(g, input.shape, dim, keepdim, ops), _restored(out, input.shape, dim, keepdim, ops)
    hit = ops.where(ops.eq(input, out), ops.full_of(input, 1), 0)
    return hit * (g / ops.sum(hit, dim, True))


@op(check=_not_empty)
def amax(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The largest value over ``dim``; equal ones share the gradient evenly."""
amax.gradient(input=_extreme_gradient)


@op(check=_not_empty)
def amin(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The smallest value over ``dim``; equal ones share the gradient evenly."""
amin.gradient(input=_extreme_gradient)


class ValuesAndIndices(NamedTuple):
    """The two results of ``max`` and ``min`` over a dimension."""

    values: Tensor
    indices: Tensor


def _selected_gradient(g: Any, dim: int, keepdim: bool, out: Any, input_shape: Any, ops: Any) -> Any:
    upstream, indices = g.values, out.indices
    if not input_shape:
        return upstream
    if not keepdim:
        upstream, indices = ops.unsqueeze(upstream, dim), ops.unsqueeze(indices, dim)
    return ops.scatter_add(ops.zeros_of(input_shape, upstream), dim, indices, upstream)


@primitive(outputs=ValuesAndIndices, check=_not_empty)
def max_values(input: Tensor, dim: Dim, keepdim: bool = False) -> ValuesAndIndices:
    """The largest value over one dimension and where it is first; that element alone gets the gradient."""
max_values.gradient(input=_selected_gradient)


@primitive(outputs=ValuesAndIndices, check=_not_empty)
def min_values(input: Tensor, dim: Dim, keepdim: bool = False) -> ValuesAndIndices:
    """The smallest value over one dimension and where it is first; that element alone gets the gradient."""
min_values.gradient(input=_selected_gradient)

_EXTREME = (
    "(input: Tensor) -> Tensor",
    "(input: Tensor, dim: int, keepdim: bool = False) -> ValuesAndIndices",
    "(input: Tensor, other: Tensor) -> Tensor",
)


@function(overloads=_EXTREME)
def max(input: Tensor, dim: Tensor | int | None = None, keepdim: bool = False, *, other: Tensor | None = None) -> Tensor | ValuesAndIndices:
    """``max(input)``: the largest value. ``max(input, dim)``: (values, indices). ``max(input, other)``: ``maximum``."""
    return _extreme("max", OPS.amax, OPS.max_values, OPS.maximum, input, dim, keepdim, other)


@function(overloads=_EXTREME)
def min(input: Tensor, dim: Tensor | int | None = None, keepdim: bool = False, *, other: Tensor | None = None) -> Tensor | ValuesAndIndices:
    """``min(input)``: the smallest value. ``min(input, dim)``: (values, indices). ``min(input, other)``: ``minimum``."""
    return _extreme("min", OPS.amin, OPS.min_values, OPS.minimum, input, dim, keepdim, other)


def _extreme(name: str, whole: Any, along: Any, pairwise: Any, input: Any, dim: Any, keepdim: Any, other: Any) -> Any:
    if is_tensor(dim) or other is not None:
        if keepdim is not False or (dim is not None and other is not None):
            raise ArgumentTypeError(f"{name}: two tensors are compared element by element; dim and keepdim belong to one.")
        return pairwise(input, dim if other is None else other)
    return whole(input) if dim is None else along(input, dim, keepdim)


@primitive(gives="int64", check=_not_empty)
def argmax_along(input: Tensor, dim: Dim, keepdim: bool = False) -> Tensor:
    """Where the largest value along ``dim`` is first."""


@primitive(gives="int64", check=_not_empty)
def argmin_along(input: Tensor, dim: Dim, keepdim: bool = False) -> Tensor:
    """Where the smallest value along ``dim`` is first."""


def _position(name: str, along: Any, input: Any, dim: Any, keepdim: bool) -> Any:
    ndim = as_tensor_of(name, input).ndim
    if dim is not None:
        axis = shapes.normalize_dim(name, dim, ndim)
        _refuse_empty(name, input, (axis,) if ndim else ())
        return along(input, axis, keepdim)
    _refuse_empty(name, input, range(ndim))
    flat = along(OPS.reshape(input, -1), 0, False)
    return OPS.reshape(flat, (1,) * input.ndim) if keepdim else flat


@function()
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest value is (the first of equal ones): in the flattened tensor, or along ``dim``. int64."""
    return _position("argmax", OPS.argmax_along, input, dim, keepdim)


@function()
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest value is (the first of equal ones): in the flattened tensor, or along ``dim``. int64."""
    return _position("argmin", OPS.argmin_along, input, dim, keepdim)


@op(gives="bool", complex="as written")
def all(input: Tensor, dim: Axes | None = None, keepdim: bool = False) -> Tensor:
    """Whether all elements over ``dim`` are true (not zero); over no dims, ``()``, each by itself."""


@op(gives="bool", complex="as written")
def any(input: Tensor, dim: Axes | None = None, keepdim: bool = False) -> Tensor:
    """Whether any element over ``dim`` is true (not zero); over no dims, ``()``, each by itself."""


@op(gives="int64", complex="as written")
def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """How many elements over ``dim`` are not zero. int64."""


@op(gives="sum", complex="as written")
def cumsum(input: Tensor, dim: Dim, *, dtype: Cast = None) -> Tensor:
    """Running sums along ``dim``."""
cumsum.gradient(
    input=lambda g, dim, input_shape, ops: ops.flip(ops.cumsum(ops.flip(g, (dim,)), dim), (dim,)) if input_shape else g
)


def _cumprod_gradient(g: Any, input: Any, dim: int, out: Any, ops: Any) -> Any:
    # The gradient of element i is (the product before i) * S_i, where S_i = g_i + x_{i+1} * S_{i+1}. This recurrence is
    # solved for all i at once, by doubling: log2(length) steps, right also where elements are 0.
    if not input.shape or not input.shape[dim]:
        return g
    length = input.shape[dim]

    def ahead(x: Any, by: int) -> Any:
        return ops.place(ops.narrow(x, dim, by, length - by), dim, 0, length) if by < length else x * 0

    factor, total, by = ahead(input, 1), g, 1
    while by < length:
        total = total + factor * ahead(total, by)
        factor = factor * ahead(factor, by)
        by *= 2
    one = ops.full_of(ops.narrow(input, dim, 0, 1), 1)
    return total * ops.cat([one, ops.narrow(out, dim, 0, length - 1)], dim)


@op(gives="sum", complex="analytic")
def cumprod(input: Tensor, dim: Dim, *, dtype: Cast = None) -> Tensor:
    """Running products along ``dim``."""
cumprod.gradient(input=_cumprod_gradient)


@primitive(takes="inexact", gives="real", complex="as written")
def variance(input: Tensor, dim: Dims = None, correction: float = 1.0, keepdim: bool = False) -> Tensor:
    """The mean squared distance from the mean over ``dim``, divided by n - ``correction``; real. See ``var``."""


def _variance_gradient(g: Any, input: Any, dim: Any, correction: float, keepdim: bool, ops: Any) -> Any:
    free = _count(input.shape, dim) - correction
    scale = 2 / free if free > 0 else float("inf")
    return _restored(g, input.shape, dim, keepdim, ops) * scale * (input - ops.mean(input, dim, True))


variance.gradient(input=_variance_gradient)


@primitive(takes="inexact", gives="real", complex="as written")
def deviation(input: Tensor, dim: Dims = None, correction: float = 1.0, keepdim: bool = False) -> Tensor:
    """The square root of ``variance``; its gradient where it is 0 is 0. See ``std``."""
deviation.gradient(
    input=lambda g, input, dim, correction, keepdim, out, ops: _variance_gradient(
        _over(g * 0.5, out, ops), input, dim, correction, keepdim, ops
    )
)


def _over(x: Any, divisor: Any, ops: Any) -> Any:
    """``x / divisor``, 0 where ``divisor`` is 0: the gradient of PyTorch's norms and deviations there."""
    zero = ops.eq(divisor, 0)
    return ops.where(zero, 0, x / ops.where(zero, 1, divisor))


_SPREADS = (
    "(input: Tensor, dim: int | Sequence[int] | None = None, *, correction: float | None = 1, keepdim: bool = False) -> Tensor",
    "(input: Tensor, dim: int | Sequence[int] | None = None, unbiased: bool = True, keepdim: bool = False) -> Tensor",
    "(input: Tensor, unbiased: bool) -> Tensor",
)


@function(overloads=_SPREADS)
def var(
    input: Tensor, dim: Dims | bool = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = 1
) -> Tensor:
    """The variance over ``dim``, divided by n - ``correction`` (``unbiased=False`` is correction 0)."""
    return _spread_of("var", OPS.variance, input, dim, unbiased, keepdim, correction)


@function(overloads=_SPREADS)
def std(
    input: Tensor, dim: Dims | bool = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = 1
) -> Tensor:
    """The standard deviation over ``dim``: the square root of ``var``."""
    return _spread_of("std", OPS.deviation, input, dim, unbiased, keepdim, correction)


def _spread_of(name: str, spread: Any, input: Any, dim: Any, unbiased: Any, keepdim: bool, correction: Any) -> Any:
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        if not isinstance(unbiased, bool):
            raise ArgumentTypeError(f"{name}: unbiased must be True or False, got {unbiased!r}.")
        if correction != 1:
            raise ArgumentError(f"{name}: unbiased={unbiased} and correction={correction} were given. Give one of them.")
        correction = int(unbiased)
    return spread(input, dim, 1 if correction is None else correction, keepdim)


@op(gives="float", complex="analytic")
def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """``log(sum(exp(input)))`` over ``dim`` without overflow.

    Source: P. Blanchard, D. Higham, N. Higham, "Accurately computing the log-sum-exp and softmax functions", IMA
    Journal of Numerical Analysis 41, 2021: the shifted formula.
    """
logsumexp.gradient(
    input=lambda g, input, dim, keepdim, out, ops: _restored(g, input.shape, dim, keepdim, ops)
    * ops.exp(input - _restored(out, input.shape, dim, keepdim, ops))
)


def _has_norm(op: OpSchema, input: Tensor, p: float, dim: tuple[int, ...], keepdim: bool) -> None:
    if p < 0 or p == float("inf"):
        _not_empty(op, input, dim)


@primitive(takes="inexact", gives="real", complex="as written", check=_has_norm)
def order_norm(input: Tensor, p: float = 2.0, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """``sum(|input| ** p) ** (1 / p)`` over ``dim``; for p = inf the largest |input|, -inf the least, 0 how many are not 0.

    The gradient of a norm that is 0 is 0, and so is that of a 0.
    """


def _norm_gradient(g: Any, input: Any, p: float, dim: Any, keepdim: bool, out: Any, ops: Any) -> Any:
    g, out = _restored(g, input.shape, dim, keepdim, ops), _restored(out, input.shape, dim, keepdim, ops)
    if p == 0:
        return ops.zeros_of(input.shape, g)
    if p == 2:
        return g * _over(input, out, ops)
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


def _norm(name: str, x: Any, p: Any, dim: Any, keepdim: bool, dtype: Any) -> Any:
    if not isinstance(p, dtypes.REAL_NUMBERS):
        raise ArgumentTypeError(f"{name}: the order must be a number, got {p!r}.")
    if dtype is not None:
        wanted, given = dtypes.as_dtype(dtype), as_tensor_of(name, x).dtype
        if given.inexact and dtypes.promote_types(given, wanted) is not wanted:
            raise DTypeError(f"{name}: dtype={wanted.name} would narrow the {given.name} of input. Cast it yourself, or leave dtype out.")
        x = OPS.cast(x, wanted)
    return OPS.order_norm(x, p, dim, keepdim)


@function(method=False)
def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """``input`` divided by its norm of order ``p`` along ``dim``, or by ``eps`` where the norm is smaller; the shape stays."""
    dtype = as_tensor_of("normalize", input).dtype
    wide = OPS.cast(input, dtypes.float32) if dtype.half else input  # a half type may hold neither the norm nor eps
    out = OPS.divide(wide, OPS.clamp(_norm("normalize", wide, p, dim, True, None), eps))
    return OPS.cast(out, dtype) if dtype.half else out
