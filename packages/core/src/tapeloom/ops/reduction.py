"""Reductions: ``dim`` is one dimension, several, or None for all; ``keepdim`` leaves them with length 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tapeloom import dtypes, shapes
from tapeloom.call.op import function, op, primitive
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.tensors.tensor import Tensor, is_tensor

if TYPE_CHECKING:
    from tapeloom.op.parameter import Axes, Cast, Dim, Dims
    from tapeloom.op.schema import OpSchema


def restored(g: Any, shape: tuple[int, ...], dim: tuple[int, ...], keepdim: bool, ops: Any) -> Any:
    """``g`` with the reduced dimensions back, as length 1."""
    if keepdim or not dim:
        return g
    return ops.reshape(g, tuple(1 if axis in dim else length for axis, length in enumerate(shape)))


def _spread(g: Any, dim: tuple[int, ...], keepdim: bool, input_shape: tuple[int, ...], ops: Any) -> Any:
    return ops.expand(restored(g, input_shape, dim, keepdim, ops), input_shape)


def _count(shape: tuple[int, ...], dim: tuple[int, ...]) -> int:
    return shapes.element_count(shape[axis] for axis in dim)


@op(gives="sum", complex="as written", autocast={"cuda": "float32"})
def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Cast = None) -> Tensor:
    """The sum over ``dim``. Integers and bool give int64; ``dtype`` casts before summing."""
sum.gradient(input=_spread)


@function()
def nansum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Cast = None) -> Tensor:
    """The sum over ``dim`` of what is not nan; see ``sum``. Not for complex tensors."""
    if as_tensor_of("nansum", input).is_complex():
        raise DTypeError("nansum: complex tensors are not supported. Sum the real and the imaginary part.")
    kept = OPS.where(OPS.isnan(input), 0, input) if input.dtype.inexact else input
    return OPS.sum(kept, dim, keepdim, dtype=dtype)


@function()
def sum_to_size(input: Tensor, *size: int) -> Tensor:
    """``input`` summed to ``size``, over what broadcasting from ``size`` would repeat."""
    wanted = shapes.as_ints("sum_to_size", "size", size[0] if len(size) == 1 else size)
    shape = as_tensor_of("sum_to_size", input).shape
    if shapes.broadcast("sum_to_size", wanted, shape) != shape:
        raise ShapeError(f"sum_to_size: size {wanted} does not broadcast to the shape {shape} of input, but the other way around.")
    lead = len(shape) - len(wanted)
    lost = tuple(axis for axis, have in enumerate(shape) if axis < lead or have != wanted[axis - lead])
    return OPS.reshape(OPS.sum(input, lost, True) if lost or not wanted else input, wanted)


@function(autocast={"cpu": "float32", "cuda": "as given"})
def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix; integers give int64."""
    if as_tensor_of("trace", input).ndim != 2:
        raise ShapeError(f"trace: expected a matrix, got shape {input.shape}.")
    if input.dtype is dtypes.bool_:
        raise DTypeError("trace: bool tensors are not supported. Cast it with .int().")
    side = input.shape[0] if input.shape[0] < input.shape[1] else input.shape[1]  # ``min`` is the op here
    return OPS.sum(OPS.reshape(OPS.narrow(OPS.narrow(input, 0, 0, side), 1, 0, side), (-1,))[:: side + 1])


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
    g = restored(g, shape, dim, keepdim, ops)
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


@op(gives="sum", complex="analytic", autocast="float32")
def prod(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Cast = None) -> Tensor:
    """The product over ``dim``. Integers and bool give int64; ``dtype`` casts before multiplying."""
prod.gradient(input=_prod_gradient)


def not_empty(op: OpSchema, input: Tensor, dim: tuple[int, ...] | int, *rest: Any) -> None:
    """The check of a reduction that has no value for no elements."""
    refuse_empty(op.name, input, dim if isinstance(dim, tuple) else (dim,) if input.ndim else ())


def refuse_empty(name: str, input: Any, axes: Any) -> None:
    """Raise ShapeError where one of the dimensions ``axes`` has no elements."""
    for axis in axes:
        if input.shape[axis] == 0:
            raise ShapeError(
                f"{name}: dim {axis} of a tensor of shape {input.shape} is empty, and this reduction has no value for "
                f"no elements. Reduce a dimension that has some."
            )


def _extreme_gradient(g: Any, input: Any, dim: Any, keepdim: bool, out: Any, ops: Any) -> Any:
    # all elements equal to the extreme one share its gradient evenly, as in PyTorch
    g, out = restored(g, input.shape, dim, keepdim, ops), restored(out, input.shape, dim, keepdim, ops)
    hit = ops.where(ops.eq(input, out), ops.full_of(input, 1), 0)
    return hit * (g / ops.sum(hit, dim, True))


@op(check=not_empty)
def amax(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The largest value over ``dim``; equal ones share the gradient evenly."""
amax.gradient(input=_extreme_gradient)


@op(check=not_empty)
def amin(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The smallest value over ``dim``; equal ones share the gradient evenly."""
amin.gradient(input=_extreme_gradient)


class ValuesAndIndices(NamedTuple):
    """What ``max``, ``median``, ``cummax`` and their like find along a dimension, and where."""

    values: Tensor
    indices: Tensor


def selected_gradient(g: Any, dim: int, keepdim: bool, out: Any, input_shape: Any, ops: Any) -> Any:
    """The gradient of an op of (input, dim, keepdim) that gives ``ValuesAndIndices``: it goes to the elements found."""
    upstream, indices = g.values, out.indices
    if not input_shape:
        return upstream
    if not keepdim:
        upstream, indices = ops.unsqueeze(upstream, dim), ops.unsqueeze(indices, dim)
    return ops.scatter_add(ops.zeros_of(input_shape, upstream), dim, indices, upstream)


@primitive(outputs=ValuesAndIndices, check=not_empty)
def max_values(input: Tensor, dim: Dim, keepdim: bool = False) -> ValuesAndIndices:
    """The largest value over one dimension and where it is first; that element alone gets the gradient."""
max_values.gradient(input=selected_gradient)


@primitive(outputs=ValuesAndIndices, check=not_empty)
def min_values(input: Tensor, dim: Dim, keepdim: bool = False) -> ValuesAndIndices:
    """The smallest value over one dimension and where it is first; that element alone gets the gradient."""
min_values.gradient(input=selected_gradient)

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
    return whole_or_along(name, whole, along, input, dim, keepdim)


def whole_or_along(name: str, whole: Any, along: Any, input: Any, dim: Any, keepdim: bool) -> Any:
    """``whole(input)`` without ``dim``, else ``along(input, dim, keepdim)``."""
    if dim is not None:
        return along(input, dim, keepdim)
    if keepdim:
        raise ArgumentTypeError(f"{name}: keepdim belongs to dim. Give dim, or leave keepdim out.")
    return whole(input)


class MinAndMax(NamedTuple):
    """The two results of ``aminmax``."""

    min: Tensor
    max: Tensor


@function()
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> MinAndMax:
    """The smallest and the largest value: of all elements, or along ``dim``; equal ones share the gradient evenly."""
    ndim = as_tensor_of("aminmax", input).ndim
    axis = None if dim is None else shapes.normalize_dim("aminmax", dim, ndim)
    return MinAndMax(OPS.amin(input, axis, keepdim), OPS.amax(input, axis, keepdim))


@primitive(gives="int64", check=not_empty)
def argmax_along(input: Tensor, dim: Dim, keepdim: bool = False) -> Tensor:
    """Where the largest value along ``dim`` is first."""


@primitive(gives="int64", check=not_empty)
def argmin_along(input: Tensor, dim: Dim, keepdim: bool = False) -> Tensor:
    """Where the smallest value along ``dim`` is first."""


def _position(name: str, along: Any, input: Any, dim: Any, keepdim: bool) -> Any:
    ndim = as_tensor_of(name, input).ndim
    if dim is not None:
        axis = shapes.normalize_dim(name, dim, ndim)
        refuse_empty(name, input, (axis,) if ndim else ())
        return along(input, axis, keepdim)
    refuse_empty(name, input, range(ndim))
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


@primitive(takes="inexact", gives="real", complex="as written")
def variance(input: Tensor, dim: Dims = None, correction: float = 1.0, keepdim: bool = False) -> Tensor:
    """The mean squared distance from the mean over ``dim``, divided by n - ``correction``; real. See ``var``."""


def _variance_gradient(g: Any, input: Any, dim: Any, correction: float, keepdim: bool, ops: Any) -> Any:
    free = _count(input.shape, dim) - correction
    scale = 2 / free if free > 0 else float("inf")
    return restored(g, input.shape, dim, keepdim, ops) * scale * (input - ops.mean(input, dim, True))


variance.gradient(input=_variance_gradient)


@primitive(takes="inexact", gives="real", complex="as written")
def deviation(input: Tensor, dim: Dims = None, correction: float = 1.0, keepdim: bool = False) -> Tensor:
    """The square root of ``variance``; its gradient where it is 0 is 0. See ``std``."""
deviation.gradient(
    input=lambda g, input, dim, correction, keepdim, out, ops: _variance_gradient(
        over(g * 0.5, out, ops), input, dim, correction, keepdim, ops
    )
)


def over(x: Any, divisor: Any, ops: Any) -> Any:
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


@op(gives="float", complex="analytic", autocast={"cuda": "float32"})
def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """``log(sum(exp(input)))`` over ``dim`` without overflow.

    Source: P. Blanchard, D. Higham, N. Higham, "Accurately computing the log-sum-exp and softmax functions", IMA
    Journal of Numerical Analysis 41, 2021: the shifted formula.
    """
logsumexp.gradient(
    input=lambda g, input, dim, keepdim, out, ops: restored(g, input.shape, dim, keepdim, ops)
    * ops.exp(input - restored(out, input.shape, dim, keepdim, ops))
)
