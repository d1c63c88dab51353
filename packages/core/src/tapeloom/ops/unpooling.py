"""Max-unpooling: the values that max-pooling kept, put back where they were."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.call.op import function, primitive
from tapeloom.errors import ArgumentError, DTypeError, IndexingError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, first_outside, require, within
from tapeloom.ops.pooling import picked, windows
from tapeloom.ops.window import AXES, at_least, setting, unbatched

if TYPE_CHECKING:
    from tapeloom.op.parameter import Amounts, Index, Window
    from tapeloom.tensors.tensor import Tensor


@primitive(takes="floating", autocast={"cpu": "float32"})
def max_unpool(x: Tensor, indices: Index, output_size: Amounts) -> Tensor:
    """Zeros of the spatial size ``output_size`` with the elements of ``x`` at the places ``indices`` of their channels."""
max_unpool.gradient(x=picked)


def _max_unpool(
    name: str, rank: int, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> Tensor:
    as_tensor_of(name, input)
    if as_tensor_of(name, indices, "indices").dtype is not dtypes.int64:
        raise DTypeError(f"{name}: indices must be int64, as max_pool{rank}d returns them, got {indices.dtype.name}.")
    if not rank < input.ndim < rank + 3:
        raise ShapeError(
            f"{name}: expected input (batch, channels, {AXES[rank]}) or (channels, {AXES[rank]}), got shape {input.shape}."
        )
    if indices.shape != input.shape:
        raise ShapeError(f"{name}: indices must have the shape of input, {input.shape}, got {indices.shape}.")
    kernel, step = windows(name, rank, kernel_size, stride)
    around = setting(name, rank, "padding", padding)
    size = _size(name, input.shape[-rank:], kernel, step, around, output_size)
    at_least(name, 1, **{"the spatial size of the result": size})
    area = prod(size)
    if area * prod(input.shape[:-rank]) > dtypes.int64.max:
        raise ArgumentError(f"{name}: planes of the size {size} are more than memory can hold.")
    require(
        within(indices, 0, area),
        lambda: IndexingError(
            f"{name}: index {first_outside(indices, 0, area)} is out of range for planes of the size {size}."
        ),
    )
    x, places = (each if input.ndim == rank + 2 else OPS.unsqueeze(each, 0) for each in (input, indices))
    return unbatched(OPS.max_unpool(x, places, size), rank, input)


def _size(name: str, lengths: Any, kernel: Any, stride: Any, padding: Any, output_size: Any) -> tuple[int, ...]:
    """The spatial size of the result: that of the smallest input with such windows, or ``output_size`` if it is near."""
    least = tuple(
        (length - 1) * step + window - 2 * around
        for length, window, step, around in zip(lengths, kernel, stride, padding, strict=True)
    )
    if output_size is None:
        return least
    given = shapes.as_ints(name, "output_size", output_size)
    size = given[2:] if len(given) == len(least) + 2 else given
    if len(size) != len(least):
        raise ArgumentError(f"{name}: output_size must have {len(least)} or {len(least) + 2} lengths, got {given}.")
    for want, length, step in zip(size, least, stride, strict=True):
        if not length - step < want < length + step:
            raise ArgumentError(
                f"{name}: output_size {size} must lie less than the stride {stride} from {least}, the size that the windows give."
            )
    return size


@function(method=False)
def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Window,
    stride: Window | None = None,
    padding: Window = 0,
    output_size: Amounts | None = None,
) -> Tensor:
    """The elements of ``input`` (batch, channels, length) at the places ``indices`` among zeros.

    As ``max_unpool2d``, over one spatial dimension.
    """
    return _max_unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


@function(method=False)
def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Window,
    stride: Window | None = None,
    padding: Window = 0,
    output_size: Amounts | None = None,
) -> Tensor:
    """The elements of ``input`` (batch, channels, height, width) at the places ``indices`` among zeros: what undoes ``max_pool2d``.

    ``indices`` and the other settings are those of ``max_pool2d``. Inputs of several sizes are pooled to one; ``output_size``
    says which it was. ``input`` may lack the batch dimension. Raises ShapeError for other shapes, IndexingError for an
    index outside, ArgumentError for a size that cannot be.

    Source: M. Zeiler, R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 2.1.
    """
    return _max_unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


@function(method=False)
def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Window,
    stride: Window | None = None,
    padding: Window = 0,
    output_size: Amounts | None = None,
) -> Tensor:
    """The elements of ``input`` (batch, channels, depth, height, width) at the places ``indices`` among zeros.

    As ``max_unpool2d``, over three spatial dimensions.
    """
    return _max_unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)
