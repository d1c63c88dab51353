"""Sampling at the places of a grid, and the grids of affine maps."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.call.op import function, primitive
from tapeloom.errors import ArgumentError, DTypeError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops import creation
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.ops.window import AXES

if TYPE_CHECKING:
    from tapeloom.op.parameter import Index, Size
    from tapeloom.tensors.tensor import Tensor

MODES = ("bilinear", "nearest", "bicubic")
PADDING_MODES = ("zeros", "border", "reflection")


@primitive(takes="floating", composite=True, autocast={"cpu": "float32", "cuda": "promote"})
def sample_grid(
    x: Tensor, grid: Tensor, starts: Index, mode: str, padding_mode: str, align_corners: bool
) -> Tensor:
    """``x`` read at the places ``grid``; ``starts`` says how many places stand before each sample. See ``grid_sample``."""


@function(method=False)
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """``input`` (batch, channels, height, width) read at the places that ``grid`` (batch, height', width', 2) names as (x, y).

    With three spatial dimensions, ``grid`` is (batch, depth', height', width', 3) and names (x, y, z). -1 and 1 are the
    edges of the input, with ``align_corners`` the centres of its outermost elements. ``mode`` is ``bilinear`` (also
    of eight elements), ``nearest`` (of two equally near the even one) or, with two dimensions, ``bicubic``. Places
    outside give 0 (``padding_mode="zeros"``), the nearest element (``"border"``), or the element reached by reflections at
    the edges (``"reflection"``). The result is (batch, channels, height', width'). Raises ShapeError for other shapes,
    ArgumentError for unknown modes.

    Source: M. Jaderberg, K. Simonyan, A. Zisserman, K. Kavukcuoglu, "Spatial transformer networks", NeurIPS 2015, section 3.3.
    """
    as_tensor_of("grid_sample", input)
    as_tensor_of("grid_sample", grid, "grid")
    if mode not in MODES:
        raise ArgumentError(f"grid_sample: mode must be one of {', '.join(MODES)}, got {mode!r}.")
    if padding_mode not in PADDING_MODES:
        raise ArgumentError(f"grid_sample: padding_mode must be one of {', '.join(PADDING_MODES)}, got {padding_mode!r}.")
    rank = input.ndim - 2
    if rank not in (2, 3) or grid.ndim != rank + 2 or grid.shape[-1] != rank or grid.shape[0] != input.shape[0]:
        raise ShapeError(
            f"grid_sample: expected input (batch, channels, height, width) with grid (batch, height, width, 2), or one spatial "
            f"dimension more in both with 3, got the shapes {input.shape} and {grid.shape}."
        )
    if 0 in input.shape[2:]:
        raise ShapeError(f"grid_sample: input of shape {input.shape} has a spatial dimension of length 0.")
    if mode == "bicubic" and rank != 2:
        raise ShapeError(f"grid_sample: mode 'bicubic' needs input (batch, channels, {AXES[2]}), got shape {input.shape}.")
    places = prod(input.shape[2:])
    starts = creation.arange(0, input.shape[0] * places, places, dtype=dtypes.int64, device=input.device)
    return OPS.sample_grid(input, grid, OPS.unsqueeze(starts, 1), mode, padding_mode, bool(align_corners))


@function(method=False)
def affine_grid(theta: Tensor, size: Size, align_corners: bool | None = None) -> Tensor:
    """The grid for ``grid_sample`` that reads, for each place of an output of ``size``, the place that ``theta`` maps it to.

    ``theta`` is (batch, 2, 3) for ``size`` (batch, channels, height, width), (batch, 3, 4) for one more spatial dimension:
    each matrix maps (x, y, 1) to (x, y). ``align_corners`` is that of ``grid_sample``. Raises ShapeError for
    shapes that do not fit.

    Source: M. Jaderberg, K. Simonyan, A. Zisserman, K. Kavukcuoglu, "Spatial transformer networks", NeurIPS 2015, eq. 1.
    """
    as_tensor_of("affine_grid", theta, "theta")
    if not theta.dtype.is_floating_point:
        raise DTypeError(
            f"affine_grid: expected floating tensors, got {theta.dtype.name}. Cast with .float() or .to(tapeloom.float64)."
        )
    whole = shapes.as_ints("affine_grid", "size", size)
    rank = len(whole) - 2
    if rank not in (2, 3) or min(whole) < 1:
        raise ShapeError(f"affine_grid: size must be 4 or 5 lengths of at least 1, got {whole}.")
    if theta.shape != (whole[0], rank, rank + 1):
        raise ShapeError(
            f"affine_grid: theta must have shape {(whole[0], rank, rank + 1)} for the size {whole}, got {theta.shape}."
        )
    spatial = whole[2:]
    columns: list[Any] = []
    for axis in reversed(range(rank)):
        places = _places(spatial[axis], theta, bool(align_corners))
        columns.append(OPS.expand(OPS.reshape(places, (-1, *(1 for _ in spatial[axis + 1 :]))), spatial))
    columns.append(creation.ones(spatial, dtype=theta.dtype, device=theta.device))
    base = OPS.reshape(OPS.stack(columns, rank), (prod(spatial), rank + 1))
    return OPS.reshape(OPS.matmul(base, OPS.permute(theta, (0, 2, 1))), (whole[0], *spatial, rank))


def _places(length: int, theta: Tensor, align_corners: bool) -> Any:
    """The places of ``length`` elements between -1 and 1; 0 for one."""
    if length == 1:
        return creation.zeros(1, dtype=theta.dtype, device=theta.device)
    ends = creation.linspace(-1, 1, length, dtype=theta.dtype, device=theta.device)
    return ends if align_corners else ends * ((length - 1) / length)
