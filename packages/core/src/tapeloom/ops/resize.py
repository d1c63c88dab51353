"""Resizing images and other samples: interpolation of their spatial dimensions, one after the other."""

from __future__ import annotations

from math import ceil, inf
from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.call.op import function, primitive
from tapeloom.errors import ArgumentError, DTypeError, ShapeError
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops import pooling
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.ops.window import AXES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.op.parameter import Dim
    from tapeloom.tensors.tensor import Tensor

#: the method of each mode, and for how many spatial dimensions there is the mode
METHODS = {
    "nearest": ("nearest", (1, 2, 3)),
    "nearest-exact": ("nearest-exact", (1, 2, 3)),
    "area": ("area", (1, 2, 3)),
    "linear": ("linear", (1,)),
    "bilinear": ("linear", (2,)),
    "trilinear": ("linear", (3,)),
    "bicubic": ("cubic", (2,)),
    "lanczos": ("lanczos", (2,)),
}
#: modes with antialias: the filter, and how far it reaches to each side
ANTIALIASED = {"bilinear": ("triangle", 1), "bicubic": ("keys", 2), "lanczos": ("lanczos", 3)}
#: the pooling that is the mode area
AVERAGED: dict[int, Any] = {1: pooling.adaptive_avg_pool1d, 2: pooling.adaptive_avg_pool2d, 3: pooling.adaptive_avg_pool3d}
#: how many elements a filter that is not stretched reaches
TAPS = {"nearest": 1, "nearest-exact": 1, "linear": 2, "cubic": 4}


@primitive(takes="no bool")
def resample(x: Tensor, dim: Dim, length: int, method: str, aligned: bool, taps: int, step: float) -> Tensor:
    """``x`` with ``length`` elements along ``dim``, each a weighted sum of ``taps`` of its own; see ``interpolate``.

    Neighbours of the result lie ``step`` apart in ``x``; ``aligned``: counted from the first element, not from its edge.
    """
resample.gradient(
    x=lambda g, dim, method, aligned, taps, step, x_shape, ops: ops.resample_backward(
        g, dim, x_shape[dim], method, aligned, taps, step
    )
)


@primitive(takes="floating")
def resample_backward(
    upstream: Tensor, dim: Dim, length: int, method: str, aligned: bool, taps: int, step: float
) -> Tensor:
    """The gradient of ``resample`` with respect to its input, of ``length`` elements along ``dim``."""
resample_backward.gradient(
    upstream=lambda g, dim, method, aligned, taps, step, upstream_shape, ops: ops.resample(
        g, dim, upstream_shape[dim], method, aligned, taps, step
    )
)


@function(method=False, autocast={"cuda": "float32"})
def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """``input`` (batch, channels, one to three spatial dimensions) resized to ``size``, or by ``scale_factor``.

    ``mode`` is ``nearest``, ``nearest-exact`` or ``area`` (the mean of regions) for any of them, ``linear`` for one,
    ``bilinear``, ``bicubic`` and ``lanczos`` (with ``antialias`` only) for two, ``trilinear`` for three. With ``align_corners`` the
    centres of the corner elements stay where they are, else the edges. With ``antialias`` the filter of a smaller result
    reaches all elements that it stands for. A ``scale_factor`` is used as given, unless ``recompute_scale_factor`` says to
    take the quotient of the sizes. Modes but ``nearest`` take floating tensors, ``nearest`` those of uint8 too. Raises
    ShapeError for other shapes, ArgumentError for settings that do not go together.

    Source: R. Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 29, 1981; C. Duchon,
    "Lanczos filtering in one and two dimensions", J. Applied Meteorology 18, 1979.
    """
    _mode_fits(input, mode, align_corners, antialias)
    method = METHODS[mode][0]
    target, scales = _target(input.shape[2:], size, scale_factor, bool(recompute_scale_factor))
    if min(target) < 1 or 0 in input.shape[1:]:
        raise ShapeError(f"interpolate: sizes must be at least 1, got input of shape {input.shape} and the size {target}.")
    if method == "area":
        return AVERAGED[len(target)](input, target)
    # half types in float32, or every dimension would be rounded
    out = OPS.cast(input, dtypes.float32) if input.dtype.half and not method.startswith("nearest") else input
    for dim, (length, count, scale) in enumerate(zip(input.shape[2:], target, scales, strict=True), 2):
        if length != count or (method == "cubic" and not antialias):  # of the others a scale is ignored here
            out = _along(out, dim, length, count, scale, mode, bool(align_corners), antialias)
    if out.dtype is not input.dtype:
        return OPS.cast(out, input.dtype)
    return OPS.clone(out) if out is input else out


def _mode_fits(input: Any, mode: str, align_corners: bool | None, antialias: bool) -> None:
    rank = as_tensor_of("interpolate", input).ndim - 2
    if rank not in AXES:
        raise ShapeError(f"interpolate: expected input (batch, channels, 1 to 3 spatial dimensions), got shape {input.shape}.")
    if mode not in METHODS:
        raise ArgumentError(f"interpolate: mode must be one of {', '.join(METHODS)}, got {mode!r}.")
    method, ranks = METHODS[mode]
    if rank not in ranks:
        raise ShapeError(f"interpolate: mode {mode!r} needs input (batch, channels, {AXES[ranks[0]]}), got shape {input.shape}.")
    if align_corners is not None and ranks == (1, 2, 3):
        raise ArgumentError(f"interpolate: mode {mode!r} takes no align_corners.")
    if antialias and mode not in ANTIALIASED:
        raise ArgumentError(f"interpolate: antialias goes with the modes {', '.join(ANTIALIASED)}, not with {mode!r}.")
    if mode == "lanczos" and (align_corners or not antialias):
        raise ArgumentError("interpolate: mode 'lanczos' needs antialias=True, and takes no align_corners=True.")
    if not input.dtype.is_floating_point and not (input.dtype is dtypes.uint8 and method.startswith("nearest")):
        raise DTypeError(
            f"interpolate: mode {mode!r} does not take {input.dtype.name}. Cast with .float() or .to(tapeloom.float64)."
        )


def _target(lengths: tuple[int, ...], size: Any, scale_factor: Any, recompute: bool) -> tuple[tuple[int, ...], Any]:
    """The size of the result, and the scale of each dimension, None where it is the quotient of the sizes."""
    if (size is None) == (scale_factor is None):
        raise ArgumentError("interpolate: give either size or scale_factor.")
    if size is not None and recompute:
        raise ArgumentError("interpolate: recompute_scale_factor goes with scale_factor, not with size.")
    if size is not None:
        given = size if isinstance(size, (tuple, list)) else (size,) * len(lengths)
        target = shapes.as_ints("interpolate", "size", tuple(given))
        if len(target) != len(lengths):
            raise ArgumentError(f"interpolate: size {target} does not fit the spatial dimensions {lengths} of input.")
        return target, (None,) * len(lengths)
    given = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor,) * len(lengths)
    scales = tuple(float(as_number("interpolate", "scale_factor", scale)) for scale in given)
    if len(scales) != len(lengths):
        raise ArgumentError(f"interpolate: scale_factor {scales} does not fit the spatial dimensions {lengths} of input.")
    if not all(0 < scale < inf for scale in scales):
        raise ArgumentError(f"interpolate: scale_factor must be positive and finite, got {scale_factor!r}.")
    target = tuple(int(length * scale) for length, scale in zip(lengths, scales, strict=True))
    return target, (None,) * len(lengths) if recompute else scales


def _along(
    x: Any, dim: int, length: int, count: int, scale: float | None, mode: str, aligned: bool, antialias: bool
) -> Tensor:
    """One dimension resized."""
    if aligned:
        step = (length - 1) / (count - 1) if count > 1 else 0.0
    else:
        step = length / count if scale is None else 1.0 / scale
    method = METHODS[mode][0]
    if not antialias:
        return OPS.resample(x, dim, count, method, aligned, TAPS[method], step)
    method, half = ANTIALIASED[mode]
    taps = min(2 * ceil(half * max(step, 1.0)) + 1, length)
    return OPS.resample(x, dim, count, method, False, taps, step)
