"""Between space and channels: windows as columns, and their sums; elements of a block as channels, and back."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from tapeloom import shapes
from tapeloom.call.op import explained, function, primitive
from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.ops.window import at_least, batched, setting

if TYPE_CHECKING:
    from tapeloom.op.parameter import Amounts, Window
    from tapeloom.tensors.tensor import Tensor


@primitive(moves=True)
def columns(x: Tensor, kernel_size: Amounts, dilation: Amounts, padding: Amounts, stride: Amounts) -> Tensor:
    """The windows of ``x`` (batch, channels, *spatial) as columns: (batch, channels * elements of a window, windows)."""
columns.gradient(
    x=lambda g, kernel_size, dilation, padding, stride, x_shape, ops: ops.columns_backward(
        g, x_shape, kernel_size, dilation, padding, stride
    )
)


@primitive(complex="analytic")
def columns_backward(
    upstream: Tensor, x_size: Amounts, kernel_size: Amounts, dilation: Amounts, padding: Amounts, stride: Amounts
) -> Tensor:
    """The elements of columns added up at the places of an input of shape ``x_size`` that they come from."""
columns_backward.gradient(
    upstream=lambda g, kernel_size, dilation, padding, stride, ops: ops.columns(
        g, kernel_size, dilation, padding, stride
    )
)


def _windows(
    name: str, spatial: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> tuple[tuple[tuple[int, ...], ...], int]:
    """The settings as tuples, and how many windows fit into a ``spatial`` size."""
    values = {"kernel_size": kernel_size, "dilation": dilation, "padding": padding, "stride": stride}
    kernel_size, dilation, padding, stride = given = tuple(setting(name, 2, *item) for item in values.items())
    at_least(name, 1, kernel_size=kernel_size, dilation=dilation, stride=stride)
    at_least(name, 0, padding=padding)
    counts = [
        shapes.window_length(*own) for own in zip(spatial, kernel_size, stride, padding, dilation, strict=True)
    ]
    if min(counts) < 1:
        raise ShapeError(
            f"{name}: a window of {kernel_size} with dilation {dilation} does not fit into the size {tuple(spatial)} "
            f"with padding {padding}."
        )
    return given, prod(counts)


def unfold(
    input: Tensor, kernel_size: Window, dilation: Window = 1, padding: Window = 0, stride: Window = 1
) -> Tensor:
    """The windows of ``input`` (batch, channels, height, width) as columns: (batch, channels * kh * kw, windows).

    Around the input lie ``padding`` zeros. ``input`` may lack the batch dimension. Raises ShapeError where no window fits,
    ArgumentError for settings out of range.
    """
    x = batched("unfold", 2, input)
    given, _ = _windows("unfold", x.shape[2:], kernel_size, dilation, padding, stride)
    out = OPS.columns(x, *given)
    return out if x is input else OPS.squeeze(out, 0)


def fold(
    input: Tensor,
    output_size: Window,
    kernel_size: Window,
    dilation: Window = 1,
    padding: Window = 0,
    stride: Window = 1,
) -> Tensor:
    """Columns (batch, channels * kh * kw, windows) added up to (batch, channels, *output_size), each element where it lay.

    The adjoint of ``unfold`` with the same settings: where windows overlap, the result is the sum. ``input`` may lack the
    batch dimension. Raises ShapeError where it does not hold the windows of that size, ArgumentError for settings out of range.
    """
    size = setting("fold", 2, "output_size", output_size)
    given, count = _windows("fold", size, kernel_size, dilation, padding, stride)
    area = prod(given[0])
    shape = as_tensor_of("fold", input).shape
    if input.ndim not in (2, 3) or shape[-2] % area or not shape[-2] or shape[-1] != count:
        raise ShapeError(
            f"fold: expected input (batch, channels * {area}, {count}) for the size {size}, with or without the batch, got shape {shape}."
        )
    x = input if input.ndim == 3 else OPS.unsqueeze(input, 0)
    out = OPS.columns_backward(x, (x.shape[0], shape[-2] // area, *size), *given)
    return out if x is input else OPS.squeeze(out, 0)


# In nn.functional alone: PyTorch's method ``unfold`` is another function.
unfold = explained(unfold)
fold = explained(fold)


# blocks of elements as channels


def _image(name: str, input: Any) -> tuple[tuple[int, ...], int, int, int]:
    """The shape of ``input`` as leading dimensions, channels, height and width."""
    if as_tensor_of(name, input).ndim < 3:
        raise ShapeError(f"{name}: expected input (…, channels, height, width), got shape {input.shape}.")
    *lead, channels, height, width = input.shape
    return tuple(lead), channels, height, width


def _moved(input: Any, split: tuple[int, ...], order: tuple[int, ...], size: tuple[int, ...]) -> Tensor:
    """``input`` with its dimensions but ``lead`` split, put into ``order`` (counted from the end) and joined to ``size``."""
    parts = OPS.reshape(input, split)
    lead = len(split) - len(order)
    return OPS.clone(OPS.reshape(OPS.permute(parts, (*range(lead), *(lead + axis for axis in order))), size))


@function(method=False)
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels as blocks of elements: (…, channels * r * r, height, width) gives (…, channels, height * r, width * r).

    ``r`` is ``upscale_factor``. Raises ShapeError where r * r does not divide the channels.

    Source: W. Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel convolutional
    neural network", CVPR 2016, eq. 4.
    """
    lead, channels, height, width = _image("pixel_shuffle", input)
    r = _factor("pixel_shuffle", "upscale_factor", upscale_factor)
    if channels % (r * r):
        raise ShapeError(f"pixel_shuffle: upscale_factor {r} needs a multiple of {r * r} channels, got shape {input.shape}.")
    inner = channels // (r * r)
    split, size = (*lead, inner, r, r, height, width), (*lead, inner, height * r, width * r)
    return _moved(input, split, (0, 3, 1, 4, 2), size)


@function(method=False)
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Blocks of elements as channels: (…, channels, height * r, width * r) gives (…, channels * r * r, height, width).

    The inverse of ``pixel_shuffle``; ``r`` is ``downscale_factor``. Raises ShapeError where r does not divide both lengths.
    """
    lead, channels, height, width = _image("pixel_unshuffle", input)
    r = _factor("pixel_unshuffle", "downscale_factor", downscale_factor)
    if height % r or width % r:
        raise ShapeError(f"pixel_unshuffle: downscale_factor {r} must divide height and width, got shape {input.shape}.")
    split = (*lead, channels, height // r, r, width // r, r)
    return _moved(input, split, (0, 2, 4, 1, 3), (*lead, channels * r * r, height // r, width // r))


def _factor(name: str, parameter: str, value: Any) -> int:
    factor = shapes.as_int(name, parameter, value)
    if factor < 1:
        raise ArgumentError(f"{name}: {parameter} must be at least 1, got {factor}.")
    return factor
