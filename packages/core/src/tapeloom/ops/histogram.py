"""Histograms: how many elements lie in each bin, or the sum of their weights. The last bin holds its upper edge too."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from tapeloom import dtypes, shapes
from tapeloom.call.op import function, primitive
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, require
from tapeloom.ops.creation import linspace
from tapeloom.ops.splitting import unbind
from tapeloom.tensors.tensor import Tensor, is_tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.op.parameter import Index


@primitive(dynamic=True)
def counted(input: Index, weights: Tensor, minlength: int) -> Tensor:
    """The sum of the weights of each number from 0 on in a vector of them; see ``bincount``."""
counted.gradient(weights=lambda g, input, ops: ops.index_select(g, 0, input))


@function()
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each number from 0 on occurs in a vector of integers; with ``weights`` the sums of theirs.

    There are as many results as the largest number plus one, at least ``minlength``: int64, with ``weights`` float64 or
    as float32 weights are.
    """
    if as_tensor_of("bincount", input).dtype.category != dtypes.INTEGER:
        raise DTypeError(f"bincount: expected integers, got {input.dtype.name}. Cast them with .long().")
    least = shapes.as_int("bincount", "minlength", minlength)
    if least < 0:
        raise ArgumentError(f"bincount: minlength must not be negative, got {least}.")
    if input.ndim != 1:
        raise ShapeError(f"bincount: expected a vector, got shape {input.shape}. Flatten it first.")
    if weights is not None and as_tensor_of("bincount", weights, "weights").shape != input.shape:
        raise ShapeError(f"bincount: weights has shape {weights.shape}, and input {input.shape}; they must be the same.")
    if weights is None or not input.numel():  # of no numbers int64, as in PyTorch
        weights = OPS.full_of(OPS.cast(input, dtypes.int64), 1)
    elif weights.dtype is not dtypes.float32:
        weights = OPS.cast(weights, dtypes.float64)
    require(bool(OPS.all(OPS.ge(input, 0))), lambda: ArgumentError("bincount: input must not hold negative numbers."))
    return OPS.counted(OPS.cast(input, dtypes.int64), weights, least)


@primitive(takes="floating")
def counted_evenly(input: Tensor, bins: int, min: float, max: float) -> Tensor:
    """How many elements lie in each of ``bins`` equal parts of min..max; see ``histc``."""
counted_evenly.gradient(input=lambda g, input_shape, ops: ops.zeros_of(input_shape, g))


@function()
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements lie in each of ``bins`` equal parts of ``min``..``max``, in the dtype of ``input``.

    Elements outside and nan are not counted. Where ``min`` and ``max`` are equal the range is that of the elements.
    """
    if not as_tensor_of("histc", input).dtype.is_floating_point:
        raise DTypeError(f"histc: expected a floating tensor, got {input.dtype.name}. Cast it with .float(), or use bincount.")
    low, high = (float(as_number("histc", name, value)) for name, value in (("min", min), ("max", max)))
    count = _count_of("histc", bins)
    if low == high and input.numel():
        low, high = OPS.amin(input).item(), OPS.amax(input).item()
    return OPS.counted_evenly(input, count, *_range_of("histc", low, high))


def _count_of(name: str, bins: Any) -> int:
    count = shapes.as_int(name, "bins", bins)
    if count < 1:
        raise ArgumentError(f"{name}: bins must be at least 1, got {count}.")
    return count


def _range_of(name: str, low: float, high: float) -> tuple[float, float]:
    """Where the first bin begins and the last one ends; the same place stands for 1 around it."""
    if not math.isfinite(low) or not math.isfinite(high):
        raise ArgumentError(f"{name}: the range {low}..{high} is not finite. Give a finite one.")
    if low > high:
        raise ArgumentError(f"{name}: the range {low}..{high} ends before it begins.")
    return (low, high) if low < high else (low - 0.5, high + 0.5)


class Histogram(NamedTuple):
    """The two results of ``histogram``."""

    hist: Tensor
    bin_edges: Tensor


class HistogramOfPoints(NamedTuple):
    """The two results of ``histogramdd``: counts with a dimension for each coordinate, and the edges along each."""

    hist: Tensor
    bin_edges: tuple[Tensor, ...]


@primitive(gives="int64")
def bins_of(input: Tensor, edges: Tensor) -> Tensor:
    """For each element the last of the ascending ``edges`` (a vector) that is not above it, -1 for none."""


@primitive(composite=True)
def counted_in_grid(input: Tensor, edges: Sequence[Tensor], weight: Tensor) -> Tensor:
    """The sum of the weights of the points (count, D) in each bin of the grid of the D ``edges``; see ``histogramdd``."""


_BY_COUNT = (
    "(input: Tensor, bins: int = 100, *, range: Sequence[float] | None = None, weight: Tensor | None = None, "
    "density: bool = False) -> Histogram"
)
_BY_EDGES = "(input: Tensor, bins: Tensor, *, weight: Tensor | None = None, density: bool = False) -> Histogram"


@function(overloads=(_BY_COUNT, _BY_EDGES))
def histogram(
    input: Tensor,
    bins: int | Tensor = 100,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Histogram:
    """How many elements lie in each bin, or the sum of their ``weight``, and the edges of the bins: (hist, bin_edges).

    ``bins`` is how many equal parts ``range`` (that of the elements unless given) is cut into, or a vector of ascending
    edges. Elements outside and nan are not counted. With ``density`` the integral over all bins is 1. ``input`` is
    floating; ``weight`` and edges have its dtype.
    """
    points = OPS.reshape(as_tensor_of("histogram", input), (-1, 1))
    if weight is not None and as_tensor_of("histogram", weight, "weight").shape != input.shape:
        raise ShapeError(f"histogram: weight has shape {weight.shape}, and input {input.shape}; they must be the same.")
    flat = None if weight is None else OPS.reshape(weight, (-1,))
    counts, edges = _histogram("histogram", points, [bins], range, flat, density)
    return Histogram(counts, edges[0])


@function(method=False)
def histogramdd(
    input: Tensor,
    bins: int | Sequence[int] | Sequence[Tensor],
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> HistogramOfPoints:
    """How many points lie in each bin of a grid, or the sum of their ``weight``, and the edges along each coordinate.

    The coordinates of the points are the last dimension of ``input``, (…, D); ``weight`` has the others. ``bins`` is the
    number of bins along each coordinate (one int for all), or their edges; ``range`` holds the two ends for each. See
    ``histogram``.
    """
    shape = as_tensor_of("histogramdd", input).shape
    if len(shape) < 2 or not shape[-1]:
        raise ShapeError(f"histogramdd: input must have a shape (…, D) of at least 2 dimensions, with D > 0, got {shape}.")
    each = list(bins) if isinstance(bins, (list, tuple)) else [bins] * shape[-1]
    if len(each) != shape[-1]:
        raise ShapeError(f"histogramdd: bins has {len(each)} entries, and the points of input {shape[-1]} coordinates.")
    if weight is not None and as_tensor_of("histogramdd", weight, "weight").shape != shape[:-1]:
        raise ShapeError(f"histogramdd: weight has shape {weight.shape}; for input of shape {shape} it must have {shape[:-1]}.")
    count = shapes.element_count(shape[:-1])
    flat = None if weight is None else OPS.reshape(weight, (count,))
    return HistogramOfPoints(*_histogram("histogramdd", OPS.reshape(input, (count, shape[-1])), each, range, flat, density))


def _histogram(name: str, points: Any, bins: list[Any], range: Any, weight: Any, density: bool) -> tuple[Any, tuple[Any, ...]]:
    """Counts and edges for points (count, D), with ``bins`` for each of the D coordinates."""
    if not points.dtype.is_floating_point:
        raise DTypeError(f"{name}: expected a floating tensor, got {points.dtype.name}. Cast it with .float().")
    if weight is None:
        weight = OPS.full_of(OPS.zeros_of((points.shape[0],), points), 1)
    elif weight.dtype is not points.dtype:
        raise DTypeError(f"{name}: weight is {weight.dtype.name}, and input {points.dtype.name}; they must be the same.")
    columns = unbind(points, 1)
    edges = tuple(_edges(name, *given) for given in zip(columns, bins, _ranges(name, range, bins), strict=True))
    hist = OPS.counted_in_grid(points, list(edges), weight)
    if density:
        hist = hist / OPS.sum(hist)
        for axis, each in enumerate(edges):
            hist = hist / OPS.reshape(each[1:] - each[:-1], (-1,) + (1,) * (len(edges) - axis - 1))
    return hist, edges


def _ranges(name: str, range: Any, bins: list[Any]) -> list[Any]:
    """The ends for each coordinate, None for those to find."""
    if range is None:
        return [None] * len(bins)
    if not isinstance(range, (list, tuple)):
        raise ArgumentTypeError(f"{name}: range must be a list or tuple of numbers, got {range!r}.")
    ends = [float(as_number(name, "range", value)) for value in range]
    if any(map(is_tensor, bins)):
        raise ArgumentTypeError(f"{name}: range and edges were given. Give one of them.")
    if len(ends) != 2 * len(bins):
        raise ArgumentError(f"{name}: range must hold {2 * len(bins)} numbers, the two ends for each coordinate, got {len(ends)}.")
    return list(zip(ends[::2], ends[1::2], strict=True))


def _edges(name: str, column: Any, bins: Any, ends: Any) -> Any:
    """The edges of the bins along one coordinate."""
    if is_tensor(bins):
        if bins.dtype is not column.dtype:
            raise DTypeError(f"{name}: the edges are {bins.dtype.name}, and input {column.dtype.name}; they must be the same.")
        if bins.ndim != 1 or bins.shape[0] < 2:
            raise ShapeError(f"{name}: edges must be a vector of at least 2, got shape {bins.shape}.")
        return OPS.clone(bins)
    count = _count_of(name, bins)
    if ends is None:
        ends = (OPS.amin(column).item(), OPS.amax(column).item()) if column.numel() else (0.0, 1.0)
    return linspace(*_range_of(name, *ends), count + 1, dtype=column.dtype, device=column.device)
