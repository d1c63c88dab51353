"""Pooling: the largest or the mean of each window, over one to three spatial dimensions."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from tapeloom import dtypes, shapes
from tapeloom.call.op import function, primitive
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.window import at_least, batched, setting, unbatched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.op.parameter import Amounts, Dim, Index, Window
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor


@lru_cache(maxsize=1024)  # sizes repeat from step to step
def _pool_fits(name: str, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> None:
    at_least(name, 1, kernel_size=kernel, stride=stride, dilation=dilation)
    for length, size, step, around, spread in zip(x[2:], kernel, stride, padding, dilation, strict=True):
        if not 0 <= around <= size // 2:
            raise ArgumentError(f"{name}: padding {padding} must lie between 0 and half of kernel_size {kernel}.")
        count = shapes.window_length(length, size, step, around, spread, ceil_mode)
        if count < 1:
            raise ShapeError(
                f"{name}: a window of {kernel} does not fit into the input of {x[2:]} with padding {padding}."
            )
        starts = range(-around, count * step - around, step) if spread > length else ()
        if not all(any(0 <= start + i * spread < length for i in range(size)) for start in starts):
            raise ShapeError(
                f"{name}: with dilation {dilation} and padding {padding} a window misses the input of {x[2:]}. "
                f"Give a dilation of at most its length, or no padding."
            )


# the largest


def _max_pool_fits(op: OpSchema, x: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> None:
    _pool_fits(f"max_pool{len(stride)}d", x.shape, kernel_size, stride, padding, dilation, ceil_mode)


class OutAndIndices(NamedTuple):
    """The results of max-pooling: the largest values, and where they are."""

    out: Tensor
    indices: Tensor


@primitive(takes="no bool", outputs=OutAndIndices, check=_max_pool_fits)
def max_pool_with_indices(
    x: Tensor, kernel_size: Window, stride: Window, padding: Window, dilation: Window, ceil_mode: bool
) -> OutAndIndices:
    """The largest value of each window of ``x`` (batch, channels, *spatial), the first of equal ones, and its place.

    The place counts through the flattened spatial dimensions of ``x``.
    """
max_pool_with_indices.gradient(x=lambda g, out, x_shape, ops: ops.max_pool_backward(g.out, out.indices, x_shape))


def picked(g: Any, indices: Any, ops: Any) -> Any:
    """The elements of ``g`` at the places ``indices`` of their channels."""
    planes, size = tuple(g.shape[:2]), tuple(indices.shape)
    flat, places = ops.reshape(g, (*planes, prod(g.shape[2:]))), ops.reshape(indices, (*planes, prod(size[2:])))
    return ops.reshape(ops.gather(flat, 2, places), size)


@primitive
def max_pool_backward(upstream: Tensor, indices: Index, x_size: Amounts) -> Tensor:
    """Zeros of shape ``x_size`` with the elements of ``upstream`` added at the places ``indices`` of their channels."""
max_pool_backward.gradient(upstream=picked)


def _max_pool(
    name: str,
    rank: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    x = batched(name, rank, input)
    kernel_size, stride = windows(name, rank, kernel_size, stride)
    padding, dilation = setting(name, rank, "padding", padding), setting(name, rank, "dilation", dilation)
    out, indices = OPS.max_pool_with_indices(x, kernel_size, stride, padding, dilation, ceil_mode)
    out = unbatched(out, rank, input)
    return (out, unbatched(indices, rank, input)) if return_indices else out


def windows(name: str, rank: int, kernel_size: Any, stride: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Windows lie side by side unless ``stride`` is given; an empty tuple is PyTorch's other way not to give it."""
    kernel = setting(name, rank, "kernel_size", kernel_size)
    return kernel, kernel if stride is None or stride == () else setting(name, rank, "stride", stride)


_WINDOWS = (
    "input: Tensor, kernel_size: Window, stride: Window | None = None, padding: Window = 0, dilation: Window = 1, "
    "ceil_mode: bool = False"
)
_MAX_POOL = (
    f"({_WINDOWS}, return_indices: Literal[False] = False) -> Tensor",
    f"({_WINDOWS}, *, return_indices: Literal[True]) -> tuple[Tensor, Tensor]",
    f"({_WINDOWS}, return_indices: bool = False) -> Tensor | tuple[Tensor, Tensor]",
)


@function(method=False, overloads=_MAX_POOL)
def max_pool1d(
    input: Tensor,
    kernel_size: Window,
    stride: Window | None = None,
    padding: Window = 0,
    dilation: Window = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest value of each window of ``input`` (batch, channels, length).

    As ``max_pool2d``, over one spatial dimension.
    """
    return _max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@function(method=False, overloads=_MAX_POOL)
def max_pool2d(
    input: Tensor,
    kernel_size: Window,
    stride: Window | None = None,
    padding: Window = 0,
    dilation: Window = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest value of each window of ``input`` (batch, channels, height, width); ``stride`` is ``kernel_size`` unless given.

    Of equal values the first gets the gradient. With ``return_indices`` also their positions in the flattened spatial
    dimensions. ``padding`` is never chosen. With ``ceil_mode`` the last windows may reach beyond it. ``input`` may lack
    the batch dimension. Raises ShapeError where no window fits, ArgumentError for settings out of range.
    """
    return _max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@function(method=False, overloads=_MAX_POOL, autocast={"cpu": "float32"})
def max_pool3d(
    input: Tensor,
    kernel_size: Window,
    stride: Window | None = None,
    padding: Window = 0,
    dilation: Window = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest value of each window of ``input`` (batch, channels, depth, height, width).

    As ``max_pool2d``, over three spatial dimensions.
    """
    return _max_pool("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


# the mean


def _avg_pool_fits(op: OpSchema, x: Tensor, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool, *rest: Any) -> None:
    name = f"avg_pool{len(stride)}d"
    _pool_fits(name, x.shape, kernel_size, stride, padding, (1,) * len(stride), ceil_mode)
    if rest[1] == 0:
        raise ArgumentError(f"{name}: divisor_override must not be 0.")
    if not x.dtype.is_floating_point and x.dtype is not dtypes.int64:
        raise DTypeError(
            f"{name}: expected floating or int64 tensors, got {x.dtype.name}. Cast with .float() or .to(tapeloom.float64)."
        )


@primitive(takes="no bool", check=_avg_pool_fits)
def avg_pool(
    x: Tensor,
    kernel_size: Window,
    stride: Window,
    padding: Window,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    """The mean of each window of ``x`` (batch, channels, *spatial), of integers rounded towards 0; see ``avg_pool2d``."""
avg_pool.gradient(
    x=lambda g, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, x_shape, ops: (
        ops.avg_pool_backward(
            g, x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        )
    )
)


@primitive
def avg_pool_backward(
    upstream: Tensor,
    x_size: Amounts,
    kernel_size: Window,
    stride: Window,
    padding: Window,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    """The gradient of ``avg_pool`` with respect to its input of shape ``x_size``."""
avg_pool_backward.gradient(
    upstream=lambda g, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, ops: ops.avg_pool(
        g, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )
)


def _avg_pool(
    name: str,
    rank: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    x = batched(name, rank, input)
    kernel_size, stride = windows(name, rank, kernel_size, stride)
    padding = setting(name, rank, "padding", padding)
    out = OPS.avg_pool(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return unbatched(out, rank, input)


@function(method=False)
def avg_pool1d(
    input: Tensor,
    kernel_size: Window,
    stride: Window | None = None,
    padding: Window = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of ``input`` (batch, channels, length).

    As ``avg_pool2d``, over one spatial dimension; there is no ``divisor_override``, as in PyTorch.
    """
    return _avg_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@function(method=False)
def avg_pool2d(
    input: Tensor,
    kernel_size: Window,
    stride: Window | None = None,
    padding: Window = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of ``input`` (batch, channels, height, width); ``stride`` is ``kernel_size`` unless given.

    The divisor counts padding unless ``count_include_pad=False``; ``divisor_override`` replaces it. With ``ceil_mode``
    the last windows may reach beyond the padding, where nothing is counted. Means of int64 are rounded towards 0.
    ``input`` may lack the batch dimension. Raises ShapeError where no window fits, ArgumentError for settings out of range.
    """
    return _avg_pool(
        "avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@function(method=False, autocast={"cpu": "float32"})
def avg_pool3d(
    input: Tensor,
    kernel_size: Window,
    stride: Window | None = None,
    padding: Window = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of ``input`` (batch, channels, depth, height, width).

    As ``avg_pool2d``, over three spatial dimensions.
    """
    return _avg_pool(
        "avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


# the mean of regions that cover the whole


@primitive(takes="floating")
def region_means(x: Tensor, dim: Dim, count: int) -> Tensor:
    """The mean of each of ``count`` regions that cover ``x`` along one dimension; see ``adaptive_avg_pool2d``."""
region_means.gradient(x=lambda g, dim, x_shape, ops: ops.region_means_backward(g, dim, x_shape[dim]))


@primitive(takes="floating")
def region_means_backward(upstream: Tensor, dim: Dim, length: int) -> Tensor:
    """The gradient of ``region_means`` with respect to its input of ``length`` elements along ``dim``."""
region_means_backward.gradient(
    upstream=lambda g, dim, upstream_shape, ops: ops.region_means(g, dim, upstream_shape[dim])
)


def _adaptive_avg_pool(name: str, rank: int, input: Any, output_size: Any) -> Tensor:
    x = batched(name, rank, input)
    if not x.dtype.is_floating_point:
        raise DTypeError(
            f"{name}: expected floating tensors, got {x.dtype.name}. Cast with .float() or .to(tapeloom.float64)."
        )
    target = adaptive_size(name, rank, x, output_size)
    for axis, count in enumerate(target, 2):
        if not count or x.shape[axis] % count:
            x = OPS.region_means(x, axis, count) if count else OPS.narrow(x, axis, 0, 0)
    return unbatched(_even(x, target), rank, input)


def adaptive_size(name: str, rank: int, x: Any, output_size: Any) -> tuple[int, ...]:
    """The spatial size of a result with ``output_size`` regions of ``x``; None keeps a length."""
    wanted = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * rank
    if len(wanted) != rank:
        others = ("", " or two", " or three")[rank - 1]
        raise ArgumentTypeError(f"{name}: output_size must be one int{others}, got {output_size!r}.")
    target = tuple(
        length if want is None else shapes.as_int(name, "output_size", want)
        for want, length in zip(wanted, x.shape[2:], strict=True)
    )
    if min(target) < 0:
        raise ArgumentError(f"{name}: output_size must not be negative, got {output_size!r}.")
    if max(target) > 2**31:
        raise ArgumentError(f"{name}: output_size {output_size!r} is more than memory can hold.")
    return target


def _even(x: Any, target: tuple[int, ...]) -> Any:
    """The mean of each of ``target`` regions of one size."""
    spatial = x.shape[2:]
    if spatial == target:
        return OPS.clone(x)
    if set(target) == {1}:
        return OPS.mean(x, tuple(range(2, x.ndim)), True)
    split = [part for length, count in zip(spatial, target, strict=True) for part in (count, length // (count or 1))]
    return OPS.mean(OPS.reshape(x, (*x.shape[:2], *split)), tuple(range(3, 3 + len(split), 2)))


@function(method=False)
def adaptive_avg_pool1d(input: Tensor, output_size: Window) -> Tensor:
    """The mean of each of ``output_size`` regions that together cover ``input`` (batch, channels, length).

    As ``adaptive_avg_pool2d``, over one spatial dimension.
    """
    return _adaptive_avg_pool("adaptive_avg_pool1d", 1, input, output_size)


@function(method=False)
def adaptive_avg_pool2d(input: Tensor, output_size: int | Sequence[int | None]) -> Tensor:
    """The mean of each of ``output_size`` (height, width) regions that together cover ``input`` (batch, channels, height, width).

    One int stands for all dimensions, and None keeps a length. Region i of n reaches from floor(i * length / n) to
    ceil((i + 1) * length / n). ``input`` may lack the batch dimension. Raises ShapeError for other shapes,
    ArgumentError for a negative size.

    Source: K. He, X. Zhang, S. Ren, J. Sun, "Spatial pyramid pooling in deep convolutional networks for visual
    recognition", IEEE TPAMI 37, 2015, which pools over the same bins.
    """
    return _adaptive_avg_pool("adaptive_avg_pool2d", 2, input, output_size)


@function(method=False, autocast={"cpu": "float32"})
def adaptive_avg_pool3d(input: Tensor, output_size: int | Sequence[int | None]) -> Tensor:
    """The mean of each of ``output_size`` (depth, height, width) regions of ``input`` (batch, channels, depth, height, width).

    As ``adaptive_avg_pool2d``, over three spatial dimensions.
    """
    return _adaptive_avg_pool("adaptive_avg_pool3d", 3, input, output_size)
