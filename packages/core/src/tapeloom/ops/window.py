"""Window ops: convolution and pooling over the last two dimensions of (batch, channels, height, width).

Settings are ints for both axes or pairs (height, width). Convolution is cross-correlation, as everywhere in this field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import shapes
from tapeloom.errors import ArgumentError, ArgumentTypeError, ShapeError
from tapeloom.ops.arguments import as_tensor_of, no_more
from tapeloom.tape.op import OPS, function, op
from tapeloom.tape.policy import FLOATING_ONLY, NUMERIC
from tapeloom.tape.roles import pair

if TYPE_CHECKING:
    from tapeloom.tape.roles import Index, Ints, Pair
    from tapeloom.tape.tensor import Tensor

# convolution


def _conv_fits(
    op: Any, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> None:
    if x.ndim != 4 or weight.ndim != 4:
        raise ShapeError(
            f"conv2d: expected x (batch, channels, height, width) and weight (out, channels / groups, kernel height, "
            f"kernel width), got shapes {x.shape} and {weight.shape}."
        )
    _positive("conv2d", stride=stride, dilation=dilation)
    if min(padding) < 0:
        raise ArgumentError(f"conv2d: padding must not be negative, got {padding}.")
    if groups < 1 or weight.shape[0] % groups:
        raise ArgumentError(f"conv2d: groups {groups} must divide the {weight.shape[0]} output channels.")
    if x.shape[1] != weight.shape[1] * groups:
        raise ShapeError(
            f"conv2d: x of shape {x.shape} has {x.shape[1]} channels, and weight of shape {weight.shape} with groups={groups} "
            f"takes {weight.shape[1] * groups}."
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(f"conv2d: bias must have shape {weight.shape[:1]}, got {bias.shape}.")
    for axis in (0, 1):
        if _window("conv2d", x.shape[2 + axis], weight.shape[2 + axis], stride[axis], padding[axis], dilation[axis]) < 1:
            raise ShapeError(
                f"conv2d: a kernel of {weight.shape[2:]} with dilation {dilation} does not fit into the input of "
                f"{x.shape[2:]} with padding {padding}."
            )


def _positive(name: str, **settings: tuple[int, int]) -> None:
    for setting, value in settings.items():
        if min(value) < 1:
            raise ArgumentError(f"{name}: {setting} must be at least 1, got {value}.")


def _window(op: str, length: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    return shapes.window_length(length, kernel, stride, padding, dilation)


@op(dtype=NUMERIC, check=_conv_fits, method=False)
def conv2d_(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Tensor:
    """The convolution itself; see the function ``conv2d``."""
conv2d_.gradient(
    x=lambda g, weight, stride, padding, dilation, groups, x_shape, ops: ops.conv2d_input_gradient(
        g, weight, x_shape, stride, padding, dilation, groups
    ),
    weight=lambda g, x, stride, padding, dilation, groups, weight_shape, ops: ops.conv2d_weight_gradient(
        g, x, weight_shape, stride, padding, dilation, groups
    ),
    bias=lambda g, ops: ops.sum(g, (0, 2, 3)),
)


# Convolution and its two gradients are each linear in both of their tensors, so they are each other's gradients.


@op(method=False)
def conv2d_input_gradient(
    upstream: Tensor, weight: Tensor, x_size: Ints, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Tensor:
    """The gradient of ``conv2d`` with respect to its input of shape ``x_size``: a transposed convolution."""
conv2d_input_gradient.gradient(
    upstream=lambda g, weight, stride, padding, dilation, groups, ops: ops.conv2d(
        g, weight, None, stride, padding, dilation, groups
    ),
    weight=lambda g, upstream, stride, padding, dilation, groups, weight_shape, ops: ops.conv2d_weight_gradient(
        upstream, g, weight_shape, stride, padding, dilation, groups
    ),
)


@op(method=False)
def conv2d_weight_gradient(
    upstream: Tensor, x: Tensor, weight_size: Ints, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Tensor:
    """The gradient of ``conv2d`` with respect to its weight of shape ``weight_size``."""
conv2d_weight_gradient.gradient(
    upstream=lambda g, x, stride, padding, dilation, groups, ops: ops.conv2d(
        x, g, None, stride, padding, dilation, groups
    ),
    x=lambda g, upstream, stride, padding, dilation, groups, x_shape, ops: ops.conv2d_input_gradient(
        upstream, g, x_shape, stride, padding, dilation, groups
    ),
)


@function(method=False)
def conv2d(
    x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1, **names: Any
) -> Tensor:
    """Slide the kernels ``weight`` (out, channels / groups, kh, kw) over ``x`` (batch, channels, height, width).

    ``padding`` is a number of zeros at each side, ``"valid"`` (none) or ``"same"`` (the output keeps the input's size;
    stride 1 only). ``x`` may lack the batch dimension. The result is (batch, out, height', width') with height' =
    floor((height + 2 * padding - dilation * (kh - 1) - 1) / stride) + 1. Raises ShapeError for shapes that do not fit,
    ArgumentError for settings out of range.

    Source: I. Goodfellow, Y. Bengio, A. Courville, "Deep learning", MIT Press 2016, eq. 9.6; the size: V. Dumoulin,
    F. Visin, "A guide to convolution arithmetic for deep learning", 2016, relationship 15.
    """
    no_more("conv2d", names)
    batched = _batched("conv2d", x)
    if isinstance(padding, str):
        as_tensor_of("conv2d", weight, "weight")
        steps, spread = pair("conv2d", "stride", stride), pair("conv2d", "dilation", dilation)
        batched, padding = _named_padding(batched, weight, padding, steps, spread)
    return _unbatched(OPS.conv2d(batched, weight, bias, stride, padding, dilation, groups), x)


def _named_padding(x: Any, weight: Any, padding: str, stride: tuple[int, int], dilation: tuple[int, int]) -> tuple[Any, Any]:
    if padding == "valid":
        return x, 0
    if padding != "same":
        raise ArgumentError(f"conv2d: padding must be a number, a pair, 'same' or 'valid', got {padding!r}.")
    if stride != (1, 1):
        raise ArgumentError(f"conv2d: padding 'same' needs stride 1, got {stride}.")
    totals = [spread * (length - 1) for spread, length in zip(dilation, weight.shape[2:], strict=True)]
    before = tuple(total // 2 for total in totals)
    if any(total % 2 for total in totals):  # one zero more at the end
        x = OPS.constant_pad(x, (0, totals[1] % 2, 0, totals[0] % 2), 0)
    return x, before


def _batched(name: str, x: Any) -> Any:
    as_tensor_of(name, x)
    if x.ndim == 3:
        return OPS.unsqueeze(x, 0)
    if x.ndim != 4:
        raise ShapeError(
            f"{name}: expected x (batch, channels, height, width) or (channels, height, width), got shape {x.shape}."
        )
    return x


def _unbatched(out: Any, x: Any) -> Any:
    return OPS.squeeze(out, 0) if x.ndim == 3 else out


# pooling


def _pool_fits(name: str, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> None:
    _positive(name, kernel_size=kernel, stride=stride, dilation=dilation)
    for axis in (0, 1):
        if not 0 <= padding[axis] <= kernel[axis] // 2:
            raise ArgumentError(f"{name}: padding {padding} must lie between 0 and half of kernel_size {kernel}.")
        count = shapes.window_length(
            x.shape[2 + axis], kernel[axis], stride[axis], padding[axis], dilation[axis], ceil_mode
        )
        if count < 1:
            raise ShapeError(
                f"{name}: a window of {kernel} does not fit into the input of {x.shape[2:]} with padding {padding}."
            )


def _max_pool_fits(op: Any, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> None:
    _pool_fits("max_pool2d", x, kernel_size, stride, padding, dilation, ceil_mode)


@op(outputs=("out", "indices"), check=_max_pool_fits, method=False)
def max_pool2d_with_indices(
    x: Tensor, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> tuple[Tensor, Tensor]:
    """The largest value of each window, and its position in the flattened plane of the input; the first of equal ones."""
max_pool2d_with_indices.gradient(x=lambda g, out, x_shape, ops: ops.max_pool2d_backward(g[0], out[1], x_shape))


@op(method=False)
def max_pool2d_backward(upstream: Tensor, indices: Index, x_size: Ints) -> Tensor:
    """Zeros of shape ``x_size`` with the elements of ``upstream`` added at ``indices`` of their planes."""
max_pool2d_backward.gradient(upstream=lambda g, indices, ops: _picked(g, indices, ops))


def _picked(g: Any, indices: Any, ops: Any) -> Any:
    planes = tuple(g.shape[:2])
    size = tuple(indices.shape)
    flat = ops.gather(ops.reshape(g, (*planes, _area(g.shape))), 2, ops.reshape(indices, (*planes, _area(size))))
    return ops.reshape(flat, size)


def _area(shape: Any) -> int:
    return int(shape[2] * shape[3])


@function(method=False)
def max_pool2d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    **names: Any,
) -> Any:
    """The largest value of each window of ``x`` (batch, channels, height, width); ``stride`` is ``kernel_size`` unless given.

    Of equal values the first gets the gradient. With ``return_indices`` also their positions in the flattened plane.
    ``x`` may lack the batch dimension. Raises ShapeError where no window fits, ArgumentError for settings out of range.
    """
    no_more("max_pool2d", names)
    stride = kernel_size if stride is None or stride == () else stride
    out, indices = OPS.max_pool2d_with_indices(
        _batched("max_pool2d", x), kernel_size, stride, padding, dilation, ceil_mode
    )
    out = _unbatched(out, x)
    return (out, _unbatched(indices, x)) if return_indices else out


def _avg_pool_fits(op: Any, x: Any, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool, *rest: Any) -> None:
    _pool_fits("avg_pool2d", x, kernel_size, stride, padding, (1, 1), ceil_mode)
    if rest[1] == 0:
        raise ArgumentError("avg_pool2d: divisor_override must not be 0.")


@op(dtype=FLOATING_ONLY, check=_avg_pool_fits, method=False)
def avg_pool2d_(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    """The pooling itself; see the function ``avg_pool2d``."""
avg_pool2d_.gradient(
    x=lambda g, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, x_shape, ops: (
        ops.avg_pool2d_backward(
            g, x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        )
    )
)


@op(method=False)
def avg_pool2d_backward(
    upstream: Tensor,
    x_size: Ints,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    """The gradient of ``avg_pool2d`` with respect to its input of shape ``x_size``."""
avg_pool2d_backward.gradient(
    upstream=lambda g, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, ops: ops.avg_pool2d(
        g, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )
)


@function(method=False)
def avg_pool2d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    **names: Any,
) -> Tensor:
    """The mean of each window of ``x`` (batch, channels, height, width); ``stride`` is ``kernel_size`` unless given.

    The divisor counts padding unless ``count_include_pad=False``; ``divisor_override`` replaces it.
    ``x`` may lack the batch dimension. Raises ShapeError where no window fits, ArgumentError for settings out of range.
    """
    no_more("avg_pool2d", names)
    stride = kernel_size if stride is None or stride == () else stride
    out = OPS.avg_pool2d(
        _batched("avg_pool2d", x), kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )
    return _unbatched(out, x)


@function(method=False)
def adaptive_avg_pool2d(x: Any, output_size: Any, **names: Any) -> Tensor:
    """The mean of each of ``output_size`` (height, width) regions that together cover the planes of ``x``.

    None keeps a length. Region i of n reaches from floor(i * length / n) to ceil((i + 1) * length / n).
    Raises ShapeError for fewer than two dimensions, ArgumentError for a size below 1.

    Source: K. He, X. Zhang, S. Ren, J. Sun, "Spatial pyramid pooling in deep convolutional networks for visual
    recognition", IEEE TPAMI 37, 2015, which pools over the same bins.
    """
    no_more("adaptive_avg_pool2d", names)
    if as_tensor_of("adaptive_avg_pool2d", x).ndim < 2:
        raise ShapeError(f"adaptive_avg_pool2d: expected x (..., height, width), got shape {x.shape}.")
    wanted = output_size if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    if len(wanted) != 2:
        raise ArgumentTypeError(f"adaptive_avg_pool2d: output_size must be one int or two, got {output_size!r}.")
    target = [
        length if want is None else shapes.as_int("adaptive_avg_pool2d", "output_size", want)
        for want, length in zip(wanted, x.shape[-2:], strict=True)
    ]
    if any(want is not None and want < 1 for want in wanted):
        raise ArgumentError(f"adaptive_avg_pool2d: output_size must be at least 1, got {output_size!r}.")
    for axis, count in ((-2, target[0]), (-1, target[1])):
        x = _adaptive(x, axis, count)
    return x


def _adaptive(x: Any, axis: int, count: int) -> Any:
    length = x.shape[axis]
    if count == 1:
        return OPS.mean(x, axis, True)
    if length % count == 0:
        position = x.ndim + axis
        split = OPS.reshape(x, (*x.shape[:position], count, length // count, *x.shape[position + 1 :]))
        return OPS.mean(split, position + 1)
    regions = [(i * length // count, -(-(i + 1) * length // count)) for i in range(count)]
    return OPS.cat([OPS.mean(OPS.narrow(x, axis, start, end - start), axis, True) for start, end in regions], axis)
