"""Max-pooling to a size that is given: over regions that cover the input, or over windows that lie at random."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from tapeloom.call.op import function, primitive
from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops import random
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.ops.pooling import OutAndIndices, adaptive_size
from tapeloom.ops.window import at_least, batched, setting, unbatched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.op.parameter import Amounts, Window
    from tapeloom.tensors.tensor import Tensor


# over regions that cover the whole


@primitive(takes="floating", outputs=OutAndIndices)
def adaptive_max_pool(x: Tensor, output_size: Amounts) -> OutAndIndices:
    """The largest value of each of ``output_size`` regions of ``x`` (batch, channels, *spatial), the first of equal ones, and its place."""
adaptive_max_pool.gradient(x=lambda g, out, x_shape, ops: ops.max_pool_backward(g.out, out.indices, x_shape))


def _adaptive_max_pool(name: str, rank: int, input: Any, output_size: Any, return_indices: bool) -> Any:
    x = batched(name, rank, input)
    return _results(OPS.adaptive_max_pool(x, adaptive_size(name, rank, x, output_size)), rank, input, return_indices)


def _results(pooled: Any, rank: int, input: Any, return_indices: bool) -> Any:
    out = unbatched(pooled.out, rank, input)
    return (out, unbatched(pooled.indices, rank, input)) if return_indices else out


def _forms(parameters: str, further: str = "") -> tuple[str, ...]:
    """The call forms of a function that returns the indices too where ``return_indices`` says so."""
    return (
        f"({parameters}, return_indices: Literal[False] = False{further}) -> Tensor",
        f"({parameters}, *, return_indices: Literal[True]{further}) -> tuple[Tensor, Tensor]",
        f"({parameters}, return_indices: bool = False{further}) -> Tensor | tuple[Tensor, Tensor]",
    )


_ADAPTIVE = _forms("input: Tensor, output_size: int | Sequence[int | None]")


@function(method=False, overloads=_forms("input: Tensor, output_size: Window"))
def adaptive_max_pool1d(
    input: Tensor, output_size: Window, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest value of each of ``output_size`` regions that together cover ``input`` (batch, channels, length).

    As ``adaptive_max_pool2d``, over one spatial dimension.
    """
    return _adaptive_max_pool("adaptive_max_pool1d", 1, input, output_size, return_indices)


@function(method=False, overloads=_ADAPTIVE)
def adaptive_max_pool2d(
    input: Tensor, output_size: int | Sequence[int | None], return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest value of each of ``output_size`` (height, width) regions that together cover ``input`` (batch, channels, height, width).

    The regions are those of ``adaptive_avg_pool2d``: one int stands for all dimensions, and None keeps a length. Of equal
    values the first gets the gradient. With ``return_indices`` also their positions in the flattened spatial dimensions.
    ``input`` may lack the batch dimension. Raises ShapeError for other shapes, ArgumentError for a negative size.
    """
    return _adaptive_max_pool("adaptive_max_pool2d", 2, input, output_size, return_indices)


@function(method=False, overloads=_ADAPTIVE, autocast={"cpu": "float32"})
def adaptive_max_pool3d(
    input: Tensor, output_size: int | Sequence[int | None], return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest value of each of ``output_size`` (depth, height, width) regions of ``input`` (batch, channels, depth, height, width).

    As ``adaptive_max_pool2d``, over three spatial dimensions.
    """
    return _adaptive_max_pool("adaptive_max_pool3d", 3, input, output_size, return_indices)


# over windows that lie at random


@primitive(takes="floating", outputs=OutAndIndices, autocast={"cpu": "float32"})
def fractional_max_pool(x: Tensor, samples: Tensor, kernel_size: Amounts, output_size: Amounts) -> OutAndIndices:
    """The largest value of each of ``output_size`` windows of ``x`` (batch, channels, *spatial), and its place.

    ``samples`` (batch, channels, spatial dimensions), from 0 to 1, say where the windows lie; see ``fractional_max_pool2d``.
    """
fractional_max_pool.gradient(x=lambda g, out, x_shape, ops: ops.max_pool_backward(g.out, out.indices, x_shape))


def _fractional_max_pool(
    name: str,
    rank: int,
    input: Any,
    kernel_size: Any,
    output_size: Any,
    output_ratio: Any,
    return_indices: bool,
    samples: Any,
) -> Any:
    x = batched(name, rank, input)
    kernel = setting(name, rank, "kernel_size", kernel_size)
    size = _fractional_size(name, x.shape[2:], output_size, output_ratio)
    at_least(name, 1, kernel_size=kernel)
    at_least(name, 0, output_size=size)
    if any(count + window - 1 > length for length, window, count in zip(x.shape[2:], kernel, size, strict=True)):
        raise ShapeError(f"{name}: {size} different windows of {kernel} do not fit into the input of {x.shape[2:]}.")
    if samples is None:
        samples = random.rand(*x.shape[:2], rank, dtype=x.dtype, device=x.device)
    elif as_tensor_of(name, samples, "_random_samples").shape != (*x.shape[:2], rank):
        raise ShapeError(
            f"{name}: _random_samples must have the shape {(*x.shape[:2], rank)}, got {samples.shape}."
        )
    return _results(OPS.fractional_max_pool(x, samples, kernel, size), rank, input, return_indices)


def _fractional_size(name: str, lengths: tuple[int, ...], output_size: Any, output_ratio: Any) -> tuple[int, ...]:
    if output_size is not None:
        return setting(name, len(lengths), "output_size", output_size)
    if output_ratio is None:
        raise ArgumentError(f"{name}: give output_size or output_ratio.")
    ratios = output_ratio if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * len(lengths)
    if len(ratios) != len(lengths):
        raise ArgumentError(f"{name}: output_ratio must be one number or {len(lengths)}, got {output_ratio!r}.")
    factors = [float(as_number(name, "output_ratio", ratio)) for ratio in ratios]
    if not all(isfinite(factor) for factor in factors):
        raise ArgumentError(f"{name}: output_ratio must be finite, got {output_ratio!r}.")
    return tuple(int(length * factor) for length, factor in zip(lengths, factors, strict=True))


_FRACTIONAL = _forms(
    "input: Tensor, kernel_size: Window, output_size: Window | None = None, "
    "output_ratio: float | Sequence[float] | None = None",
    ", _random_samples: Tensor | None = None",
)


@function(method=False, overloads=_FRACTIONAL)
def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Window,
    output_size: Window | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest value of each of ``output_size`` windows that lie at random over ``input`` (batch, channels, height, width).

    The windows have the size ``kernel_size``. ``output_ratio`` gives the size of the result as a part of that of the input
    instead. The windows follow each other in steps of two lengths, whose order ``_random_samples`` (batch, channels, 2),
    numbers from 0 to 1, settles; they are drawn unless given. With ``return_indices`` also the positions in the flattened
    spatial dimensions. ``input`` may lack the batch dimension. Raises ShapeError where the windows do not fit,
    ArgumentError for settings out of range.

    Source: B. Graham, "Fractional max-pooling", 2014, section 3.
    """
    return _fractional_max_pool(
        "fractional_max_pool2d", 2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )


@function(method=False, overloads=_FRACTIONAL)
def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Window,
    output_size: Window | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest value of each of ``output_size`` windows that lie at random in ``input`` (batch, channels, depth, height, width).

    As ``fractional_max_pool2d``, over three spatial dimensions.
    """
    return _fractional_max_pool(
        "fractional_max_pool3d", 3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )
