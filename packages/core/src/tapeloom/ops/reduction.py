"""Reductions: ``dim`` is one dimension, several, or None for all; ``keepdim`` leaves them with length 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tapeloom import shapes
from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.tape.op import OPS, function, op
from tapeloom.tape.policy import ACCUMULATE, AVERAGE, FLOAT, FLOATING_ONLY, LOGICAL, TO_INDEX

if TYPE_CHECKING:
    from tapeloom.tape.roles import Cast, Dim, Dims
    from tapeloom.tape.tensor import Tensor


def _restored(g: Any, x_shape: tuple[int, ...], dim: tuple[int, ...], keepdim: bool, ops: Any) -> Any:
    """``g`` with the reduced dimensions back, as length 1."""
    if keepdim or not dim:
        return g
    return ops.reshape(g, tuple(1 if axis in dim else length for axis, length in enumerate(x_shape)))


def _spread(g: Any, x_shape: tuple[int, ...], dim: tuple[int, ...], keepdim: bool, ops: Any) -> Any:
    return ops.expand(_restored(g, x_shape, dim, keepdim, ops), x_shape)


def _count(x_shape: tuple[int, ...], dim: tuple[int, ...]) -> int:
    count = 1
    for axis in dim:
        count *= x_shape[axis]
    return count


@op(dtype=ACCUMULATE)
def sum(x: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Cast = None) -> Tensor:
    """The sum over ``dim``. Integers and bool give int64; ``dtype`` casts before summing."""
sum.gradient(x=lambda g, dim, keepdim, x_shape, ops: _spread(g, x_shape, dim, keepdim, ops))


@op(dtype=AVERAGE)
def mean(x: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Cast = None) -> Tensor:
    """The mean over ``dim``; floating only. The mean of no elements is nan."""
mean.gradient(
    x=lambda g, dim, keepdim, x_shape, ops: _spread(g * (1 / (_count(x_shape, dim) or 1)), x_shape, dim, keepdim, ops)
)


def _prod_gradient(g: Any, x: Any, dim: Any, keepdim: bool, ops: Any) -> Any:
    # products of all *other* elements: of those before, times those after. Right also where elements are 0.
    shape = x.shape
    g = _restored(g, shape, dim, keepdim, ops)
    if len(dim) == 0:
        return g
    order = tuple(axis for axis in range(len(shape)) if axis not in dim) + dim
    kept = tuple(shape[axis] for axis in order[: len(shape) - len(dim)])
    flat = ops.reshape(ops.permute(x, order), (*kept, _count(shape, dim)))
    axis = len(kept)
    one = ops.full_of(ops.narrow(flat, axis, 0, 1), 1) if flat.shape[axis] else flat
    if not flat.shape[axis]:
        return ops.expand(g, shape)
    before = ops.cat([one, ops.narrow(ops.cumprod(flat, axis), axis, 0, flat.shape[axis] - 1)], axis)
    turned = ops.flip(flat, (axis,))
    after = ops.flip(
        ops.cat([one, ops.narrow(ops.cumprod(turned, axis), axis, 0, flat.shape[axis] - 1)], axis), (axis,)
    )
    others = ops.reshape(before * after, tuple(shape[axis] for axis in order))
    back = tuple(order.index(axis) for axis in range(len(shape)))
    return g * ops.permute(others, back)


@op(dtype=ACCUMULATE)
def prod(x: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Cast = None) -> Tensor:
    """The product over ``dim``. Integers and bool give int64; ``dtype`` casts before multiplying."""
prod.gradient(x=lambda g, x, dim, keepdim, ops: _prod_gradient(g, x, dim, keepdim, ops))


def _not_empty(op: Any, x: Any, dim: Any, *rest: Any) -> None:
    _refuse_empty(op.name, x, dim if isinstance(dim, tuple) else (dim,) if x.ndim else ())


def _refuse_empty(name: str, x: Any, axes: Any) -> None:
    for axis in axes:
        if x.shape[axis] == 0:
            raise ShapeError(
                f"{name}: dim {axis} of a tensor of shape {x.shape} is empty, and this reduction has no value for "
                f"no elements. Reduce a dimension that has some."
            )


def _extreme_gradient(g: Any, x: Any, out: Any, dim: Any, keepdim: bool, ops: Any) -> Any:
    # all elements equal to the extreme one share its gradient evenly, as in PyTorch
    g, out = _restored(g, x.shape, dim, keepdim, ops), _restored(out, x.shape, dim, keepdim, ops)
    hit = ops.where(ops.equal(x, out), ops.full_of(x, 1), 0)
    return hit * (g / ops.sum(hit, dim, True))


@op(check=_not_empty)
def amax(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The largest value over ``dim``; equal ones share the gradient evenly."""
amax.gradient(x=lambda g, x, dim, keepdim, out, ops: _extreme_gradient(g, x, out, dim, keepdim, ops))


@op(check=_not_empty)
def amin(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The smallest value over ``dim``; equal ones share the gradient evenly."""
amin.gradient(x=lambda g, x, dim, keepdim, out, ops: _extreme_gradient(g, x, out, dim, keepdim, ops))


def _selected_gradient(g: Any, x_shape: Any, dim: int, keepdim: bool, indices: Any, ops: Any) -> Any:
    g = g[0]
    if not x_shape:
        return g
    if not keepdim:
        g, indices = ops.unsqueeze(g, dim), ops.unsqueeze(indices, dim)
    return ops.scatter_add(ops.zeros_of(x_shape, g), dim, indices, g)


@op(outputs=("values", "indices"), check=_not_empty, method=False)
def max_values(x: Tensor, dim: Dim, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The largest value over one dimension and where it stands first; that element alone gets the gradient."""
max_values.gradient(x=lambda g, dim, keepdim, out, x_shape, ops: _selected_gradient(g, x_shape, dim, keepdim, out[1], ops))


@op(outputs=("values", "indices"), check=_not_empty, method=False)
def min_values(x: Tensor, dim: Dim, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The smallest value over one dimension and where it stands first; that element alone gets the gradient."""
min_values.gradient(x=lambda g, dim, keepdim, out, x_shape, ops: _selected_gradient(g, x_shape, dim, keepdim, out[1], ops))


class ValuesAndIndices(NamedTuple):
    """The two results of ``max`` and ``min`` over a dimension."""

    values: Any
    indices: Any


@function()
def max(x: Any, dim: Any = None, keepdim: bool = False, **aliases: Any) -> Any:
    """``max(x)``: the largest value. ``max(x, dim)``: (values, indices). ``max(x, y)``: the elementwise ``maximum``."""
    return _extreme("max", OPS.amax, OPS.max_values, OPS.maximum, x, dim, keepdim, aliases)


@function()
def min(x: Any, dim: Any = None, keepdim: bool = False, **aliases: Any) -> Any:
    """``min(x)``: the smallest value. ``min(x, dim)``: (values, indices). ``min(x, y)``: the elementwise ``minimum``."""
    return _extreme("min", OPS.amin, OPS.min_values, OPS.minimum, x, dim, keepdim, aliases)


def _extreme(
    name: str, whole: Any, along: Any, pairwise: Any, x: Any, dim: Any, keepdim: bool, aliases: dict[str, Any]
) -> Any:
    dim = aliases.pop("axis", aliases.pop("other", dim))
    keepdim = aliases.pop("keepdims", keepdim)
    if aliases:
        raise ArgumentError(f"{name}: unexpected argument {next(iter(aliases))!r}. Signature: {name}(x, dim=None, keepdim=False)")
    if dim is None:
        return whole(x)
    if hasattr(dim, "kind"):
        return pairwise(x, dim)
    return ValuesAndIndices(*along(x, dim, keepdim))


@op(dtype=TO_INDEX, check=_not_empty, method=False)
def argmax_along(x: Tensor, dim: Dim, keepdim: bool = False) -> Tensor:
    """Where the largest value along ``dim`` stands first."""


@op(dtype=TO_INDEX, check=_not_empty, method=False)
def argmin_along(x: Tensor, dim: Dim, keepdim: bool = False) -> Tensor:
    """Where the smallest value along ``dim`` stands first."""


def _position(name: str, along: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    ndim = as_tensor_of(name, x).ndim
    if dim is not None:
        axis = shapes.normalize_dim(name, dim, ndim)
        _refuse_empty(name, x, (axis,) if ndim else ())
        return along(x, axis, keepdim)
    _refuse_empty(name, x, range(ndim))
    flat = along(OPS.reshape(x, -1), 0, False)
    return OPS.reshape(flat, (1,) * x.ndim) if keepdim else flat


@function()
def argmax(x: Any, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Where the largest value stands (the first of equal ones): in the flattened tensor, or along ``dim``. int64."""
    return _position("argmax", OPS.argmax_along, x, dim, keepdim)


@function()
def argmin(x: Any, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Where the smallest value stands (the first of equal ones): in the flattened tensor, or along ``dim``. int64."""
    return _position("argmin", OPS.argmin_along, x, dim, keepdim)


@op(dtype=LOGICAL)
def all(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether all elements over ``dim`` are true (not zero)."""


@op(dtype=LOGICAL)
def any(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether any element over ``dim`` is true (not zero)."""


@op(dtype=TO_INDEX)
def count_nonzero(x: Tensor, dim: Dims = None) -> Tensor:
    """How many elements over ``dim`` are not zero. int64."""


@op(dtype=ACCUMULATE)
def cumsum(x: Tensor, dim: Dim, *, dtype: Cast = None) -> Tensor:
    """Running sums along ``dim``."""
cumsum.gradient(x=lambda g, dim, x_shape, ops: ops.flip(ops.cumsum(ops.flip(g, (dim,)), dim), (dim,)) if x_shape else g)


def _cumprod_gradient(g: Any, x: Any, out: Any, dim: int, ops: Any) -> Any:
    # out_j / x_i summed over j >= i; where x_i is 0 the quotient is taken over by a sum without x_i
    if not x.shape:
        return g
    length = x.shape[dim]
    total: Any = None
    parts = []
    for i in range(length):
        one = ops.full_of(ops.narrow(x, dim, i, 1), 1)
        rest = ops.cat([one, ops.narrow(x, dim, i + 1, length - i - 1)], dim) if i + 1 < length else one
        lead = ops.narrow(out, dim, i - 1, 1) if i else one
        total = ops.sum(ops.cumprod(rest, dim) * ops.narrow(g, dim, i, length - i), (dim,), True) * lead
        parts.append(total)
    return ops.cat(parts, dim) if parts else g


@op(dtype=ACCUMULATE)
def cumprod(x: Tensor, dim: Dim, *, dtype: Cast = None) -> Tensor:
    """Running products along ``dim``. The gradient costs the square of its length."""
cumprod.gradient(x=lambda g, x, dim, out, ops: _cumprod_gradient(g, x, out, dim, ops))


@op(dtype=FLOATING_ONLY, composite=False, method=False)
def variance(x: Tensor, dim: Dims = None, correction: float = 1.0, keepdim: bool = False) -> Tensor:
    """The mean squared distance from the mean over ``dim``, divided by n - ``correction``; see ``var``."""
variance.gradient(x=lambda g, x, dim, correction, keepdim, ops: _variance_gradient(g, x, dim, correction, keepdim, ops))


def _variance_gradient(g: Any, x: Any, dim: Any, correction: float, keepdim: bool, ops: Any) -> Any:
    free = _count(x.shape, dim) - correction
    scale = 2 / free if free > 0 else float("nan")
    return _restored(g, x.shape, dim, keepdim, ops) * scale * (x - ops.mean(x, dim, True))


def _correction(unbiased: Any, correction: Any) -> Any:
    return correction if unbiased is None else float(bool(unbiased))


@function()
def var(x: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float = 1, axis: Any = None) -> Tensor:
    """The variance over ``dim``, divided by n - ``correction`` (``unbiased=False`` is correction 0)."""
    dim = axis if dim is None else dim
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    return OPS.variance(x, dim, _correction(unbiased, correction), keepdim)


@function()
def std(x: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float = 1, axis: Any = None) -> Tensor:
    """The standard deviation over ``dim``: the square root of ``var``."""
    return _root(var(x, dim, unbiased, keepdim, correction=correction, axis=axis), 2)


def _root(total: Any, p: float) -> Any:
    """``total ** (1 / p)`` with the gradient 0 where it is 0, as PyTorch's norms and deviations have it."""
    zero = OPS.equal(total, 0)
    positive = OPS.where(zero, 1, total)
    return OPS.where(zero, 0, OPS.sqrt(positive) if p == 2 else OPS.pow(positive, 1 / p))


@op(dtype=FLOAT)
def logsumexp(x: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """``log(sum(exp(x)))`` over ``dim`` without overflow.

    Source: P. Blanchard, D. Higham, N. Higham, "Accurately computing the log-sum-exp and softmax functions", IMA
    Journal of Numerical Analysis 41, 2021: the shifted formula.
    """
logsumexp.gradient(
    x=lambda g, x, dim, keepdim, out, ops: _restored(g, x.shape, dim, keepdim, ops)
    * ops.exp(x - _restored(out, x.shape, dim, keepdim, ops))
)


@function()
def norm(x: Any, p: float | str = 2, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The vector norm of order ``p`` (a number, ``inf`` or ``"fro"``) over ``dim``."""
    if p in (2, 2.0, "fro"):
        return _root(OPS.sum(OPS.square(x), dim, keepdim), 2)
    if p == float("inf"):
        return OPS.amax(OPS.abs(x), dim, keepdim)
    if p == float("-inf"):
        return OPS.amin(OPS.abs(x), dim, keepdim)
    if p == 1:
        return OPS.sum(OPS.abs(x), dim, keepdim)
    if isinstance(p, str):
        raise ArgumentError(f"norm: p must be a number or 'fro', got {p!r}.")
    if p == 0:
        return OPS.sum(OPS.where(OPS.not_equal(x, 0), OPS.full_of(x, 1), 0), dim, keepdim)
    return _root(OPS.sum(OPS.pow(OPS.abs(x), p), dim, keepdim), p)
