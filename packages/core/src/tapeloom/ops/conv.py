"""Convolution and its transpose, over one to three spatial dimensions.

Convolution is cross-correlation, as everywhere in this field. It and its two gradients are each linear in both of their
tensors, so they are each other's gradients; the gradient for the input is the transposed convolution.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tapeloom import shapes
from tapeloom.call.op import function, primitive
from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.ops.window import AXES, at_least, batched, setting, unbatched

if TYPE_CHECKING:
    from tapeloom.op.parameter import Amounts, Window
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor


def _conv_fits(
    op: OpSchema, x: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any, groups: int
) -> None:
    if x.ndim - 2 not in AXES:
        raise ShapeError(
            f"{op.name}: expected (batch, channels, 1 to 3 spatial dimensions), got a tensor of {x.ndim} dimensions."
        )
    _conv_sizes(x.shape, weight.shape, None if bias is None else bias.shape, stride, padding, dilation, groups)


@lru_cache(maxsize=1024)  # sizes repeat from step to step
def _conv_sizes(x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> None:
    name = f"conv{len(stride)}d"
    _is_kernel(name, len(stride), weight)
    at_least(name, 1, stride=stride, dilation=dilation)
    at_least(name, 0, padding=padding)
    if groups < 1 or weight[0] % groups:
        raise ArgumentError(f"{name}: groups {groups} must divide the {weight[0]} output channels.")
    _has_channels(name, len(stride), x, weight, weight[1] * groups, f" with groups={groups}")
    _is_bias(name, bias, weight[0])
    for sizes in zip(x[2:], weight[2:], stride, padding, dilation, strict=True):
        if shapes.window_length(*sizes) < 1:
            raise ShapeError(
                f"{name}: a kernel of {weight[2:]} with dilation {dilation} does not fit into the input of "
                f"{x[2:]} with padding {padding}."
            )


def _is_kernel(name: str, rank: int, weight: Any, first: str = "out channels, channels / groups") -> None:
    if len(weight) != rank + 2:
        raise ShapeError(f"{name}: expected weight ({first}, {AXES[rank]}), got shape {weight}.")
    if 0 in weight[2:]:
        raise ShapeError(f"{name}: weight of shape {weight} has a kernel without elements.")


def _has_channels(name: str, rank: int, x: Any, weight: Any, wanted: int, how: str = "") -> None:
    """Refuse an input of shape ``x``, as the user gave it, whose channels are not those that ``weight`` takes."""
    place = len(x) - rank - 1
    if x[place] == wanted:
        return
    read = f"has {x[place]} channels" if place else f"is read as (channels, {AXES[rank]}), {x[0]} channels without a batch"
    advice = ""
    if x[-1] == wanted:
        order = (*range(place), len(x) - 1, *range(place, len(x) - 1))
        advice = f" Where the channels stand last, put them first: input.permute{order}."
    elif not place and wanted == 1:
        advice = f" Where these are {x[0]} samples of one channel, add the dimension: input.unsqueeze(1)."
    raise ShapeError(f"{name}: input of shape {x} {read}, and weight of shape {weight}{how} takes {wanted}.{advice}")


def _is_bias(name: str, bias: Any, channels: int) -> None:
    if bias is not None and bias != (channels,):
        raise ShapeError(f"{name}: bias must have shape {(channels,)}, got {bias}.")


@primitive(takes="no bool", complex="analytic", check=_conv_fits, autocast="lower")
def convolution(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Window, padding: Window, dilation: Window, groups: int
) -> Tensor:
    """The kernels ``weight`` slid over ``x`` (batch, channels, *spatial); see ``conv2d``."""
convolution.gradient(
    x=lambda g, weight, stride, padding, dilation, groups, x_shape, ops: ops.convolution_input_gradient(
        g, weight, x_shape, stride, padding, dilation, groups
    ),
    weight=lambda g, x, stride, padding, dilation, groups, weight_shape, ops: ops.convolution_weight_gradient(
        g, x, weight_shape, stride, padding, dilation, groups
    ),
    bias=lambda g, ops: ops.sum(g, (0, *range(2, len(g.shape)))),
)


@primitive(takes="no bool", complex="analytic")
def convolution_input_gradient(
    upstream: Tensor, weight: Tensor, x_size: Amounts, stride: Window, padding: Window, dilation: Window, groups: int
) -> Tensor:
    """The gradient of ``convolution`` with respect to its input of shape ``x_size``: the transposed convolution."""
convolution_input_gradient.gradient(
    upstream=lambda g, weight, stride, padding, dilation, groups, ops: ops.convolution(
        g, weight, None, stride, padding, dilation, groups
    ),
    weight=lambda g, upstream, stride, padding, dilation, groups, weight_shape, ops: ops.convolution_weight_gradient(
        upstream, g, weight_shape, stride, padding, dilation, groups
    ),
)


@primitive(complex="analytic")
def convolution_weight_gradient(
    upstream: Tensor, x: Tensor, weight_size: Amounts, stride: Window, padding: Window, dilation: Window, groups: int
) -> Tensor:
    """The gradient of ``convolution`` with respect to its weight of shape ``weight_size``."""
convolution_weight_gradient.gradient(
    upstream=lambda g, x, stride, padding, dilation, groups, ops: ops.convolution(
        x, g, None, stride, padding, dilation, groups
    ),
    x=lambda g, upstream, stride, padding, dilation, groups, x_shape, ops: ops.convolution_input_gradient(
        upstream, g, x_shape, stride, padding, dilation, groups
    ),
)


def _tensors(name: str, rank: int, input: Any, weight: Any, bias: Any) -> Any:
    """Check what the three are; ``input`` with a batch dimension."""
    x = batched(name, rank, input)
    as_tensor_of(name, weight, "weight")
    if bias is not None:
        as_tensor_of(name, bias, "bias")
    return x


# convolution


def _conv(
    name: str, rank: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Tensor:
    x = _tensors(name, rank, input, weight, bias)
    stride, dilation = setting(name, rank, "stride", stride), setting(name, rank, "dilation", dilation)
    if isinstance(padding, str):
        x, padding = _named_padding(name, rank, x, weight, padding, stride, dilation)
    padding = setting(name, rank, "padding", padding)
    groups = shapes.as_int(name, "groups", groups)
    if x is not input and weight.ndim == rank + 2:
        _has_channels(name, rank, input.shape, weight.shape, weight.shape[1] * groups, f" with groups={groups}")
    return unbatched(OPS.convolution(x, weight, bias, stride, padding, dilation, groups), rank, input)


def _named_padding(
    name: str, rank: int, x: Any, weight: Any, padding: str, stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[Any, Any]:
    if padding == "valid":
        return x, 0
    if padding != "same":
        raise ArgumentError(f"{name}: padding must be 'same', 'valid' or numbers, got {padding!r}.")
    if max(stride) > 1:
        raise ArgumentError(f"{name}: padding 'same' needs stride 1, got {stride}. Give padding in numbers.")
    _is_kernel(name, rank, weight.shape)
    totals = [spread * (length - 1) for spread, length in zip(dilation, weight.shape[2:], strict=True)]
    if any(total % 2 for total in totals):  # one zero more at the end
        x = OPS.constant_pad(x, [side for total in reversed(totals) for side in (0, total % 2)], 0)
    return x, tuple(total // 2 for total in totals)


@function(method=False)
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Window = 1,
    padding: Window | str = 0,
    dilation: Window = 1,
    groups: int = 1,
) -> Tensor:
    """Slide the kernels ``weight`` (out, channels / groups, width) along ``input`` (batch, channels, length).

    As ``conv2d``, over one spatial dimension.
    """
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


@function(method=False)
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Window = 1,
    padding: Window | str = 0,
    dilation: Window = 1,
    groups: int = 1,
) -> Tensor:
    """Slide the kernels ``weight`` (out, channels / groups, kh, kw) over ``input`` (batch, channels, height, width).

    ``padding`` is a number of zeros at each side, ``"valid"`` (none) or ``"same"`` (the output keeps the input's size;
    stride 1 only). ``input`` may lack the batch dimension. The result is (batch, out, height', width') with height' =
    floor((height + 2 * padding - dilation * (kh - 1) - 1) / stride) + 1. Raises ShapeError for shapes that do not fit,
    ArgumentError for settings out of range.

    Source: I. Goodfellow, Y. Bengio, A. Courville, "Deep learning", MIT Press 2016, eq. 9.6; the size: V. Dumoulin,
    F. Visin, "A guide to convolution arithmetic for deep learning", 2016, relationship 15.
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


@function(method=False)
def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Window = 1,
    padding: Window | str = 0,
    dilation: Window = 1,
    groups: int = 1,
) -> Tensor:
    """Slide the kernels ``weight`` (out, channels / groups, kd, kh, kw) through ``input`` (batch, channels, depth, height, width).

    As ``conv2d``, over three spatial dimensions.
    """
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


# transposed convolution


def _conv_transpose(
    name: str,
    rank: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
) -> Tensor:
    x = _tensors(name, rank, input, weight, bias)
    stride, dilation = setting(name, rank, "stride", stride), setting(name, rank, "dilation", dilation)
    padding = setting(name, rank, "padding", padding)
    output_padding = setting(name, rank, "output_padding", output_padding)
    groups = shapes.as_int(name, "groups", groups)
    bias_size = None if bias is None else bias.shape
    if x is not input and weight.ndim == rank + 2:
        _has_channels(name, rank, input.shape, weight.shape, weight.shape[0])
    size = _transposed_size(
        name, x.shape, weight.shape, bias_size, stride, padding, output_padding, groups, dilation
    )
    # Where the output is longer by a stride or more, the convolution that this is the transpose of has more windows.
    further = [more // step for more, step in zip(output_padding, stride, strict=True)]
    if any(further):
        x = OPS.constant_pad(x, [side for count in reversed(further) for side in (0, count)], 0)
    out = OPS.convolution_input_gradient(x, weight, size, stride, padding, dilation, groups)
    if bias is not None:
        out = out + OPS.reshape(bias, (-1, *(1 for _ in stride)))
    return unbatched(out, rank, input)


@lru_cache(maxsize=1024)
def _transposed_size(
    name: str,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> tuple[int, ...]:
    """The shape of the result, where all sizes fit."""
    _is_kernel(name, len(stride), weight, "channels, out channels / groups")
    at_least(name, 1, stride=stride, dilation=dilation)
    at_least(name, 0, padding=padding, output_padding=output_padding)
    if any(more >= max(both) for more, *both in zip(output_padding, stride, dilation, strict=True)):
        raise ArgumentError(
            f"{name}: output_padding {output_padding} must be smaller than stride {stride} or dilation {dilation}."
        )
    if groups < 1 or weight[0] % groups:
        raise ArgumentError(f"{name}: groups {groups} must divide the {weight[0]} input channels.")
    _has_channels(name, len(stride), x, weight, weight[0])
    _is_bias(name, bias, weight[1] * groups)
    size = tuple(
        (length - 1) * step - 2 * around + spread * (reach - 1) + more + 1
        for length, step, around, spread, reach, more in zip(
            x[2:], stride, padding, dilation, weight[2:], output_padding, strict=True
        )
    )
    if min(size) < 1:
        raise ShapeError(f"{name}: the result would have the spatial size {size}; padding {padding} leaves nothing.")
    return (x[0], weight[1] * groups, *size)


@function(method=False, autocast="lower")
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Window = 1,
    padding: Window = 0,
    output_padding: Window = 0,
    groups: int = 1,
    dilation: Window = 1,
) -> Tensor:
    """Spread each element of ``input`` (batch, channels, length) by the kernels ``weight`` (channels, out / groups, width).

    As ``conv_transpose2d``, over one spatial dimension.
    """
    return _conv_transpose(
        "conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


@function(method=False, autocast="lower")
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Window = 1,
    padding: Window = 0,
    output_padding: Window = 0,
    groups: int = 1,
    dilation: Window = 1,
) -> Tensor:
    """Spread each element of ``input`` (batch, channels, height, width) by the kernels ``weight`` (channels, out / groups, kh, kw).

    It is the gradient of ``conv2d`` for its input: with the same weight and settings it turns the size of an output
    back into that of its input. ``padding`` takes elements away from each side of the result; ``output_padding`` adds
    some at the end, since with a stride several inputs have outputs of one size. ``input`` may lack the batch
    dimension. The result is (batch, out, height', width') with height' = (height - 1) * stride - 2 * padding +
    dilation * (kh - 1) + output_padding + 1. Raises ShapeError for shapes that do not fit, ArgumentError for settings
    out of range.

    Source: V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016, relationship 14.
    """
    return _conv_transpose(
        "conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


@function(method=False, autocast="lower")
def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Window = 1,
    padding: Window = 0,
    output_padding: Window = 0,
    groups: int = 1,
    dilation: Window = 1,
) -> Tensor:
    """Spread each element of ``input`` (batch, channels, depth, height, width) by ``weight`` (channels, out / groups, kd, kh, kw).

    As ``conv_transpose2d``, over three spatial dimensions.
    """
    return _conv_transpose(
        "conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation
    )
