"""Statistics: deviations beside means, medians, modes, quantiles, covariances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.call.op import function, op, primitive
from tapeloom.errors import ArgumentError, DTypeError, ShapeError
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, require, within
from tapeloom.ops.creation import full
from tapeloom.ops.movement import movedim
from tapeloom.ops.reduction import (
    ValuesAndIndices,
    nansum,
    not_empty,
    refuse_empty,
    selected_gradient,
    std,
    var,
    whole_or_along,
)
from tapeloom.tensors.tensor import is_tensor

if TYPE_CHECKING:
    from tapeloom.op.parameter import Cast, Dim, Dims
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor

# means

_PAIRS = tuple(
    f"({arguments}) -> tuple[Tensor, Tensor]"
    for arguments in (
        "input: Tensor, dim: int | Sequence[int] | None = None, *, correction: float | None = 1, keepdim: bool = False",
        "input: Tensor, dim: int | Sequence[int] | None = None, unbiased: bool = True, keepdim: bool = False",
        "input: Tensor, unbiased: bool",
    )
)


@function(method=False, overloads=_PAIRS)
def var_mean(
    input: Tensor, dim: Dims | bool = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = 1
) -> tuple[Tensor, Tensor]:
    """``var`` and ``mean`` over ``dim``."""
    return var(input, dim, unbiased, keepdim, correction=correction), _mean(input, dim, keepdim)


@function(method=False, overloads=_PAIRS)
def std_mean(
    input: Tensor, dim: Dims | bool = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = 1
) -> tuple[Tensor, Tensor]:
    """``std`` and ``mean`` over ``dim``."""
    return std(input, dim, unbiased, keepdim, correction=correction), _mean(input, dim, keepdim)


def _mean(input: Any, dim: Any, keepdim: bool) -> Any:
    return OPS.mean(input, None if isinstance(dim, bool) else dim, keepdim)


@function()
def nanmean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Cast = None) -> Tensor:
    """The mean over ``dim`` of what is not nan, which is nan where all is; floating only, ``dtype`` casts first."""
    if not as_tensor_of("nanmean", input).dtype.is_floating_point:
        raise DTypeError(f"nanmean: expected a floating tensor, got {input.dtype.name}. Cast it with .float(), or use mean.")
    found = OPS.logical_not(OPS.isnan(input))
    return OPS.divide(nansum(input, dim, keepdim, dtype=dtype), OPS.sum(found, dim, keepdim))


# order statistics


@primitive(takes="no bool", outputs=ValuesAndIndices, check=not_empty)
def median_values(input: Tensor, dim: Dim, keepdim: bool = False) -> ValuesAndIndices:
    """The median along one dimension and where it is; see ``median``."""
median_values.gradient(input=selected_gradient)


@primitive(takes="no bool", outputs=ValuesAndIndices, check=not_empty)
def nanmedian_values(input: Tensor, dim: Dim, keepdim: bool = False) -> ValuesAndIndices:
    """The median of what is not nan along one dimension and where it is; see ``nanmedian``."""
nanmedian_values.gradient(input=selected_gradient)


def _has_some(op: OpSchema, input: Tensor) -> None:
    if not input.dtype.inexact:  # there is no nan to give
        refuse_empty(op.name, input, range(input.ndim))


def _shared_gradient(g: Any, input: Any, out: Any, ops: Any) -> Any:
    # all elements equal to the median share its gradient evenly, as in PyTorch; where it is nan, those that are nan
    hit = ops.logical_or(ops.eq(input, out), ops.logical_and(ops.isnan(input), ops.isnan(out)))
    hit = ops.where(hit, ops.full_of(input, 1), 0)
    return hit * (g / ops.sum(hit, tuple(range(len(input.shape)))))


@primitive(takes="no bool", check=_has_some)
def median_of_all(input: Tensor) -> Tensor:
    """The median of all elements; see ``median``."""
median_of_all.gradient(input=_shared_gradient)


@primitive(takes="no bool", check=_has_some)
def nanmedian_of_all(input: Tensor) -> Tensor:
    """The median of all elements that are not nan; see ``nanmedian``."""
nanmedian_of_all.gradient(input=_shared_gradient)

_MEDIANS = ("(input: Tensor) -> Tensor", "(input: Tensor, dim: int, keepdim: bool = False) -> ValuesAndIndices")


@function(overloads=_MEDIANS)
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor | ValuesAndIndices:
    """The median, of an even number the lower one of the two in the middle; nan where a nan is.

    ``median(input)`` is that of all elements, and those equal to it share the gradient evenly. ``median(input, dim)`` is
    (values, indices) along ``dim``; of equal elements it is the one that stands in the middle of a stable order.
    """
    return whole_or_along("median", OPS.median_of_all, OPS.median_values, input, dim, keepdim)


@function(overloads=_MEDIANS)
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor | ValuesAndIndices:
    """The ``median`` of what is not nan; nan where all is."""
    return whole_or_along("nanmedian", OPS.nanmedian_of_all, OPS.nanmedian_values, input, dim, keepdim)


@op(outputs=ValuesAndIndices, check=not_empty)
def mode(input: Tensor, dim: Dim = -1, keepdim: bool = False) -> ValuesAndIndices:
    """The most frequent value along ``dim``, the smallest of several, and where it is last."""
mode.gradient(input=selected_gradient)

@primitive(takes="floating", composite=True)
def quantile_of_lines(input: Tensor, q: Tensor, interpolation: str, skip_nan: bool) -> Tensor:
    """The quantiles ``q`` (a vector) of each line along the last dimension, in its place; see ``quantile``."""


@function(autocast={"cpu": "float32"})
def quantile(
    input: Tensor, q: float | Tensor, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The quantile ``q`` along ``dim`` (of all elements unless given); nan where a nan is.

    ``q`` is a number from 0 to 1, or a tensor of such with at most one dimension, which then comes first in the result.
    It lies at the place ``q * (n - 1)`` of the n elements in ascending order. Between two places ``interpolation`` takes the
    ``"lower"``, the ``"higher"``, the ``"nearest"`` one, the ``"midpoint"`` of both, or goes from one to the other in a
    straight line (``"linear"``). ``input`` is float32 or float64, and so is ``q``.
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, skip_nan=False)


@function(autocast={"cpu": "float32"})
def nanquantile(
    input: Tensor, q: float | Tensor, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The ``quantile`` of what is not nan; nan where all is."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, skip_nan=True)


def _quantile(name: str, input: Any, q: Any, dim: Any, keepdim: bool, interpolation: Any, skip_nan: bool) -> Any:
    if as_tensor_of(name, input).dtype not in (dtypes.float32, dtypes.float64):
        raise DTypeError(f"{name}: expected a float32 or float64 tensor, got {input.dtype.name}. Cast it with .float().")
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise ArgumentError(
            f"{name}: interpolation must be 'linear', 'lower', 'higher', 'midpoint' or 'nearest', got {interpolation!r}."
        )
    q = _shares(name, q, input)
    axis = None if dim is None else shapes.normalize_dim(name, dim, input.ndim)
    if not input.numel():
        raise ShapeError(f"{name}: input of shape {input.shape} has no elements, and so no quantile.")
    lines = OPS.reshape(input, (-1,)) if axis is None or not input.ndim else movedim(input, axis, -1)
    result = OPS.quantile_of_lines(lines, OPS.reshape(q, (-1,)), interpolation, skip_nan)
    result = movedim(result, -1, 0)
    if keepdim:
        kept = [1 if axis in (None, place) else length for place, length in enumerate(input.shape)]
        result = OPS.reshape(result, (result.shape[0], *kept))
    return result if q.ndim else OPS.reshape(result, result.shape[1:])


def _shares(name: str, q: Any, input: Any) -> Any:
    """``q`` as a tensor of numbers from 0 to 1 with at most one dimension."""
    if not is_tensor(q):
        number = float(as_number(name, "q", q))
        if not 0 <= number <= 1:
            raise ArgumentError(f"{name}: q must lie between 0 and 1, got {number}.")
        return full((), number, dtype=input.dtype, device=input.device)
    if q.dtype is not input.dtype:
        raise DTypeError(f"{name}: q is {q.dtype.name}, and input {input.dtype.name}; they must be the same. Cast q with .to(dtype).")
    if q.ndim > 1:
        raise ShapeError(f"{name}: q must be a number or have at most one dimension, got shape {q.shape}.")
    require(within(q, 0, 1 + q.dtype.eps), lambda: ArgumentError(f"{name}: all of q must lie between 0 and 1."))
    return q


# covariance


@function()
def cov(input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None) -> Tensor:
    """The covariances of the variables that are the rows of ``input``; its columns are the observations.

    A vector is one variable, whose variance comes. ``fweights`` (integers) says how often each observation occurred,
    ``aweights`` (floating) how much each counts. The sums are divided by the number of observations less ``correction``; with
    weights by w less ``correction`` * (sum of fweights * aweights ** 2) / w, where w is the sum of fweights * aweights.
    """
    if as_tensor_of("cov", input).ndim > 2:
        raise ShapeError(f"cov: expected at most 2 dimensions (variables, observations), got shape {input.shape}.")
    if input.dtype is dtypes.bool_:
        raise DTypeError("cov: bool tensors are not supported. Cast it with .float().")
    less = shapes.as_int("cov", "correction", correction)
    rows = input if input.ndim == 2 else OPS.reshape(input, (1, -1))
    count = rows.shape[1]
    weights = None
    for name, given, integers in (("fweights", fweights, True), ("aweights", aweights, False)):
        if given is not None:
            _check_weights(name, given, count, integers)
            weights = given if weights is None else OPS.multiply(weights, given)
    if weights is None:
        total: Any = count
        free: Any = max(count - less, 0)
    else:
        total = OPS.sum(weights)
        require(not count or bool(total != 0), lambda: ArgumentError("cov: the weights sum to zero. Give some that do not."))
        squares = OPS.sum(OPS.multiply(weights, aweights)) / total if aweights is not None else 1
        free = OPS.clamp(total - squares * less, 0)

    def weighted(x: Any) -> Any:
        return x if weights is None else x * weights

    centred = rows - OPS.sum(weighted(rows), 1, True) / total
    products = OPS.matmul(centred, OPS.conj(weighted(centred)).mT) / free
    return OPS.squeeze(products)


def _check_weights(name: str, weights: Any, count: int, integers: bool) -> None:
    dtype = as_tensor_of("cov", weights, name).dtype
    if not (dtype.category == dtypes.INTEGER if integers else dtype.is_floating_point):
        raise DTypeError(f"cov: {name} must be {'integers' if integers else 'floating'}, got {dtype.name}. Cast them with .to(dtype).")
    if weights.ndim > 1 or weights.numel() != count:
        raise ShapeError(f"cov: {name} has shape {weights.shape}; give one number for each of the {count} observations.")
    require(bool(OPS.all(OPS.ge(weights, 0))), lambda: ArgumentError(f"cov: {name} must not be negative."))


@function()
def corrcoef(input: Tensor) -> Tensor:
    """Pearson's correlation coefficients of the variables that are the rows of ``input``: ``cov`` divided by both deviations."""
    if as_tensor_of("corrcoef", input).ndim > 2:
        raise ShapeError(f"corrcoef: expected at most 2 dimensions (variables, observations), got shape {input.shape}.")
    products = cov(input)
    if not products.ndim:
        return products / products
    variances = OPS.reshape(products, (-1,))[:: products.shape[0] + 1]
    deviations = OPS.sqrt(OPS.real(variances) if variances.is_complex() else variances)
    ratios = products / OPS.unsqueeze(deviations, 1) / deviations
    if ratios.is_complex():
        return OPS.complex(OPS.clamp(OPS.real(ratios), -1, 1), OPS.clamp(OPS.imag(ratios), -1, 1))
    return OPS.clamp(ratios, -1, 1)
