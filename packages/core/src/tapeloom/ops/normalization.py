"""Normalisation: over the last dimensions of each sample, over the batch, over groups of channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tapeloom import dtypes, shapes
from tapeloom.call.inplace import rebind
from tapeloom.call.op import function, op, primitive
from tapeloom.errors import ArgumentError, ArgumentTypeError, DeviceError, DTypeError, ShapeError
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.tensors.tensor import Tensor, is_tensor, read_array

if TYPE_CHECKING:

    from tapeloom.op.parameter import Size
    from tapeloom.op.schema import OpSchema


def _check_last(name: str, input: Tensor, normalized_shape: tuple[int, ...], **parameters: Any) -> None:
    if not normalized_shape or input.shape[max(input.ndim - len(normalized_shape), 0) :] != normalized_shape:
        raise ShapeError(
            f"{name}: normalized_shape {normalized_shape} must be the last dimensions of input, which has shape {input.shape}."
        )
    for parameter, value in parameters.items():
        if value is not None and value.shape != normalized_shape:
            raise ShapeError(f"{name}: {parameter} must have the shape {normalized_shape}, got {value.shape}.")


def _layer_fits(
    op: OpSchema, input: Tensor, normalized_shape: tuple[int, ...], weight: Tensor | None, bias: Tensor | None, eps: float
) -> None:
    _check_last("layer_norm", input, normalized_shape, weight=weight, bias=bias)


@op(takes="floating", composite=True, residuals=("mean", "scale"), check=_layer_fits, method=False, autocast={"cuda": "float32"})
def layer_norm(
    input: Tensor, normalized_shape: Size, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """``(input - mean) / sqrt(var + eps) * weight + bias``, mean and variance (of n, not n - 1) over the last dimensions.

    ``normalized_shape`` is their size, which ``weight`` and ``bias`` have too. Raises ShapeError for shapes that do
    not fit.

    Source: J. Ba, J. Kiros, G. Hinton, "Layer normalization", 2016, section 3.
    """
layer_norm.gradient(
    lambda g, need, input, normalized_shape, weight, mean, scale, ops: ops.layer_norm_backward(
        g, input, normalized_shape, weight, mean, scale, need
    )
)


def _rms_eps(op: Any, input: Any, normalized_shape: Any, weight: Any, eps: Any) -> tuple[Any, ...]:
    dtype = as_tensor_of(op.name, input).dtype
    if eps is None and dtype.inexact:
        eps = (dtypes.float32 if dtype.half else dtype).eps  # of the dtype that it is computed in
    return input, normalized_shape, weight, eps


def _rms_fits(op: Any, input: Any, normalized_shape: tuple[int, ...], weight: Any, eps: float) -> None:
    _check_last(op.name, input, normalized_shape, weight=weight)


@op(takes="inexact", complex="analytic", composite=True, prepare=_rms_eps, check=_rms_fits, method=False, autocast={"cuda": "float32"})
def rms_norm(input: Tensor, normalized_shape: Size, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """``input / sqrt(mean(input**2) + eps) * weight`` over the last dimensions, whose size is ``normalized_shape``.

    ``eps`` is the spacing at 1 of the dtype, of float32 for half types, unless given. Raises ShapeError for shapes that do not fit.

    Source: B. Zhang, R. Sennrich, "Root mean square layer normalization", NeurIPS 2019, eq. 4.
    """


# batch normalisation


class BatchNorm(NamedTuple):
    """The results of ``batch_norm_train``."""

    out: Tensor
    mean: Tensor
    variance: Tensor


def _channels_fit(op: OpSchema, input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> None:
    _check_channels("batch_norm", input, weight=weight, bias=bias)


def _check_channels(name: str, input: Tensor, **parameters: Any) -> None:
    if input.ndim < 2:
        raise ShapeError(f"{name}: expected input of shape (batch, channels, …), got {input.shape}.")
    for parameter, value in parameters.items():
        if value is not None and value.shape != input.shape[1:2]:
            raise ShapeError(
                f"{name}: {parameter} must have the shape {input.shape[1:2]}, one value per channel of input of shape {input.shape}, "
                f"got {value.shape}."
            )


@primitive(takes="floating",
    composite=True,
    outputs=BatchNorm,
    constants=("mean", "variance"),
    residuals=("batch_mean", "scale"),
    check=_channels_fit)
def batch_norm_train(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float = 1e-5
) -> BatchNorm:
    """``batch_norm`` by the statistics of the batch, and these: mean and variance (of n) of each channel.

    No gradient flows back from the statistics.
    """
batch_norm_train.gradient(
    lambda g, need, input, weight, batch_mean, scale, ops: ops.batch_norm_backward(g[0], input, weight, batch_mean, scale, need)
)


@function(method=False)
def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """``(input - mean) / sqrt(var + eps) * weight + bias`` for input of shape (batch, channels, …); all else is one value per channel.

    With ``training``, mean and variance are those of the batch, and the running statistics (tensors, or None for none)
    move towards them in place: ``running = (1 - momentum) * running + momentum * batch``, with the variance of n - 1.
    Otherwise the running statistics are used. Raises ShapeError for shapes that do not fit, or for a single value a
    channel in training.

    Source: S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal
    covariate shift", ICML 2015, algorithms 1 and 2.
    """
    _check_statistics("batch_norm", input, running_mean, running_var, weight, bias, eps)
    if not training:
        if running_mean is None or running_var is None:
            raise ArgumentError("batch_norm: running_mean and running_var must be given unless training=True.")
        return _by_running(input, running_mean, running_var, weight, bias, eps)
    count = shapes.element_count((input.shape[0], *input.shape[2:]))
    if count == 1:
        raise ShapeError(
            f"batch_norm: training needs more than one value per channel, and input of shape {input.shape} has one. "
            f"Give a larger batch, or use training=False."
        )
    out, mean, variance = OPS.batch_norm_train(input, weight, bias, eps)
    if not count:  # statistics of nothing
        return out
    if running_mean is not None:
        _move(running_mean, mean, momentum, 1.0)
    if running_var is not None:
        _move(running_var, variance, momentum, count / (count - 1))
    return out


def _check_statistics(
    name: str, input: Any, running_mean: Any, running_var: Any, weight: Any, bias: Any, eps: float
) -> None:
    """What ``batch_norm`` and ``instance_norm`` ask of their arguments."""
    as_tensor_of(name, input)
    if not input.dtype.is_floating_point:
        raise DTypeError(f"{name}: expected floating tensors, got {input.dtype.name}. Cast with .float().")
    if as_number(name, "eps", eps) < 0:
        raise ArgumentError(f"{name}: eps must not be negative, got {eps}.")
    statistics = {"running_mean": running_mean, "running_var": running_var}
    for parameter, value in statistics.items():
        if value is not None and not is_tensor(value):
            raise ArgumentTypeError(f"{name}: {parameter} must be a tensor or None, got {type(value).__name__}.")
        if value is not None and value.device is not input.device:
            raise DeviceError(f"{name}: {parameter} is on {value.device}, and input on {input.device}. Move one with .to(device).")
    if (running_mean is None) != (running_var is None):
        raise ArgumentError(f"{name}: running_mean and running_var must be given together, or both be None.")
    _check_channels(name, input, **statistics, weight=weight, bias=bias)


def _move(running: Tensor, batch: Tensor, momentum: float, factor: float) -> None:
    """Move a running statistic towards that of the batch: a new value, off the tape."""
    moved = read_array(running) * (1 - momentum) + read_array(batch) * (momentum * factor)
    rebind(running, running.kind.backend.call("cast", moved, running.dtype))


def _by_running(input: Tensor, mean: Any, variance: Any, weight: Any, bias: Any, eps: float) -> Any:
    """One factor and one summand per channel, so that input is passed over twice only."""
    size = (input.shape[1],) + (1,) * (input.ndim - 2)
    # in float32 for half types: factor * input and summand may be large beside their sum
    mean, variance = (OPS.cast(each, dtypes.float32) if each.dtype.half else each for each in (mean, variance))
    factor = OPS.rsqrt(variance.detach() + eps)
    if weight is not None:
        factor = factor * weight
    summand = -mean.detach() * factor
    if bias is not None:
        summand = summand + bias
    result = input * OPS.reshape(factor, size) + OPS.reshape(summand, size)
    return result if result.dtype is input.dtype else OPS.cast(result, input.dtype)


# groups and instances


@function(method=False, autocast={"cuda": "float32"})
def group_norm(input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """Normalise each of ``num_groups`` groups of channels of each sample of input (batch, channels, …).

    ``weight`` and ``bias`` have one value per channel. Raises ShapeError for shapes that do not fit, ArgumentError where
    the groups do not divide the channels.

    Source: Y. Wu, K. He, "Group normalization", ECCV 2018, section 3.
    """
    as_tensor_of("group_norm", input)
    _check_channels("group_norm", input, weight=weight, bias=bias)
    if num_groups < 1 or input.shape[1] % num_groups:
        raise ArgumentError(
            f"group_norm: num_groups={num_groups} must divide the {input.shape[1]} channels of input of shape {input.shape}."
        )
    if input.numel() == num_groups:
        raise ShapeError(
            f"group_norm: input of shape {input.shape} has a single value in each of {num_groups} groups, and one has no "
            f"variance. Give fewer groups, or more values per channel."
        )
    grouped = OPS.reshape(input, (input.shape[0], num_groups, shapes.element_count(input.shape[1:]) // num_groups))
    out = OPS.reshape(OPS.layer_norm(grouped, grouped.shape[2:], None, None, eps), input.shape)
    size = (input.shape[1],) + (1,) * (input.ndim - 2)
    if weight is not None:
        out = out * OPS.reshape(weight, size)
    return out if bias is None else out + OPS.reshape(bias, size)


@function(method=False)
def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of each sample of input (batch, channels, …); all else is one value per channel.

    With ``use_input_stats``, mean and variance are those of the sample, and the running statistics (tensors, or None for
    none) move towards their means over the batch as in ``batch_norm``. Otherwise the running statistics are used. Raises
    ShapeError for shapes that do not fit, or for a single value a channel with ``use_input_stats``.

    Source: D. Ulyanov, A. Vedaldi, V. Lempitsky, "Instance normalization: the missing ingredient for fast stylization",
    2016, section 2.
    """
    _check_statistics("instance_norm", input, running_mean, running_var, weight, bias, eps)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ArgumentError("instance_norm: running_mean and running_var must be given unless use_input_stats=True.")
        return _by_running(input, running_mean, running_var, weight, bias, eps)
    batch, channels, *spatial = input.shape
    count = shapes.element_count(spatial)
    if count == 1:
        raise ShapeError(
            f"instance_norm: the statistics of a sample need more than one value per channel, and input of shape {input.shape} has one."
        )
    joined = OPS.reshape(input, (1, batch * channels, *spatial))
    weight, bias = (
        each if each is None else OPS.reshape(OPS.expand(each, (batch, channels)), (batch * channels,))
        for each in (weight, bias)
    )
    out, *found = OPS.batch_norm_train(joined, weight, bias, eps)
    if input.numel():
        mean, variance = (OPS.mean(OPS.reshape(each, (batch, channels)), 0) for each in found)
        if running_mean is not None:
            _move(running_mean, mean, momentum, 1.0)
        if running_var is not None:
            _move(running_var, variance, momentum, count / (count - 1))
    return OPS.reshape(out, input.shape)
