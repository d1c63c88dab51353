"""Normalisation: over the last dimensions of each sample, over the batch, over groups of channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import shapes
from tapeloom.dtypes import finfo
from tapeloom.errors import ArgumentError, ArgumentTypeError, DeviceError, DTypeError, ShapeError
from tapeloom.ops.arguments import as_tensor_of, no_more
from tapeloom.tape.op import OPS, function, op
from tapeloom.tape.policy import FLOATING_ONLY
from tapeloom.tape.tensor import Tensor, is_tensor, rebind

if TYPE_CHECKING:
    from tapeloom.tape.roles import Size


def _check_last(name: str, x: Any, normalized_shape: tuple[int, ...], **parameters: Any) -> None:
    if not normalized_shape or x.shape[max(x.ndim - len(normalized_shape), 0) :] != normalized_shape:
        raise ShapeError(
            f"{name}: normalized_shape {normalized_shape} must be the last dimensions of x, which has shape {x.shape}."
        )
    for parameter, value in parameters.items():
        if value is not None and value.shape != normalized_shape:
            raise ShapeError(f"{name}: {parameter} must have the shape {normalized_shape}, got {value.shape}.")


def _layer_fits(op: Any, x: Any, normalized_shape: tuple[int, ...], weight: Any, bias: Any, eps: float) -> None:
    _check_last("layer_norm", x, normalized_shape, weight=weight, bias=bias)


@op(dtype=FLOATING_ONLY, composite=True, residuals=("mean", "scale"), check=_layer_fits, method=False)
def layer_norm(
    x: Tensor, normalized_shape: Size, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """``(x - mean) / sqrt(var + eps) * weight + bias``, mean and variance (of n, not n - 1) over the last dimensions.

    ``normalized_shape`` is their size, which ``weight`` and ``bias`` have too. Raises ShapeError for shapes that do
    not fit.

    Source: J. Ba, J. Kiros, G. Hinton, "Layer normalization", 2016, section 3.
    """
layer_norm.gradient(
    lambda g, need, x, normalized_shape, weight, mean, scale, ops: ops.layer_norm_backward(
        g, x, normalized_shape, weight, mean, scale, need
    )
)


@function(method=False)
def rms_norm(x: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Tensor:
    """``x / sqrt(mean(x**2) + eps) * weight`` over the last dimensions, whose size is ``normalized_shape``.

    ``eps`` is the dtype's spacing at 1 unless given. Raises ShapeError for shapes that do not fit.

    Source: B. Zhang, R. Sennrich, "Root mean square layer normalization", NeurIPS 2019, eq. 4.
    """
    size = shapes.as_size("rms_norm", normalized_shape)
    _check_last("rms_norm", as_tensor_of("rms_norm", x), size, weight=weight)
    eps = finfo(x.dtype).eps if eps is None else eps
    dims = tuple(range(-len(size), 0))
    out = x * OPS.rsqrt(OPS.mean(OPS.square(x), dims, True) + eps)
    return out if weight is None else out * weight


# batch normalisation


def _channels_fit(op: Any, x: Any, weight: Any, bias: Any, eps: float) -> None:
    _check_channels("batch_norm", x, weight=weight, bias=bias)


def _check_channels(name: str, x: Any, **parameters: Any) -> None:
    if x.ndim < 2:
        raise ShapeError(f"{name}: expected x of shape (batch, channels, …), got {x.shape}.")
    for parameter, value in parameters.items():
        if value is not None and value.shape != x.shape[1:2]:
            raise ShapeError(
                f"{name}: {parameter} must have the shape {x.shape[1:2]}, one value a channel of x of shape {x.shape}, "
                f"got {value.shape}."
            )


@op(
    dtype=FLOATING_ONLY,
    composite=True,
    outputs=("out", "mean", "variance"),
    residuals=("batch_mean", "scale"),
    check=_channels_fit,
    method=False,
)
def batch_norm_train(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    """``batch_norm`` by the statistics of the batch, and these: mean and variance (of n) of each channel.

    No gradient flows back from the statistics.
    """
batch_norm_train.gradient(
    lambda g, need, x, weight, batch_mean, scale, ops: ops.batch_norm_backward(g[0], x, weight, batch_mean, scale, need)
)


@function(method=False)
def batch_norm(
    x: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    **names: Any,
) -> Tensor:
    """``(x - mean) / sqrt(var + eps) * weight + bias`` for x of shape (batch, channels, …); all else is one value a channel.

    With ``training``, mean and variance are those of the batch, and the running statistics (tensors, or None for none)
    move towards them in place: ``running = (1 - momentum) * running + momentum * batch``, with the variance of n - 1.
    Otherwise the running statistics are used. Raises ShapeError for shapes that do not fit, or for a single value a
    channel in training.

    Source: S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal
    covariate shift", ICML 2015, algorithms 1 and 2.
    """
    x = _aliased("batch_norm", x, names)
    if not x.dtype.is_floating_point:
        raise DTypeError(f"batch_norm: expected floating tensors, got {x.dtype.name}. Cast with .float().")
    statistics = {"running_mean": running_mean, "running_var": running_var}
    for name, value in statistics.items():
        if value is not None and not is_tensor(value):
            raise ArgumentTypeError(f"batch_norm: {name} must be a tensor or None, got {type(value).__name__}.")
        if value is not None and value.device is not x.device:
            raise DeviceError(f"batch_norm: {name} is on {value.device}, and x on {x.device}. Move one with .to(device).")
    _check_channels("batch_norm", x, **statistics, weight=weight, bias=bias)
    if not training:
        if running_mean is None or running_var is None:
            raise ArgumentError("batch_norm: running_mean and running_var must be given unless training=True.")
        return _by_running(x, running_mean, running_var, weight, bias, eps)
    count = shapes.element_count(x.shape) // (x.shape[1] or 1)
    if count == 1:
        raise ShapeError(
            f"batch_norm: training needs more than one value a channel, and x of shape {x.shape} has one. "
            f"Give a larger batch, or use training=False."
        )
    out, mean, variance = OPS.batch_norm_train(x, weight, bias, eps)
    if running_mean is not None:
        _move(running_mean, mean, momentum, 1.0)
    if running_var is not None:
        _move(running_var, variance, momentum, count / (count - 1))
    return out


def _aliased(name: str, x: Any, names: dict[str, Any]) -> Any:
    no_more(name, names)
    as_tensor_of(name, x)
    return x


def _move(running: Tensor, batch: Tensor, momentum: float, factor: float) -> None:
    """Move a running statistic towards that of the batch: a new value, off the tape."""
    array = running.array
    moved = array * (1 - momentum) + batch.array * (momentum * factor)
    rebind(running, running.kind.backend.cast(moved, running.dtype))  # type: ignore[attr-defined]


def _by_running(x: Any, mean: Any, variance: Any, weight: Any, bias: Any, eps: float) -> Any:
    """One factor and one summand a channel, so that x is passed over twice only."""
    size = (x.shape[1],) + (1,) * (x.ndim - 2)
    factor = OPS.rsqrt(variance.detach() + eps)
    if weight is not None:
        factor = factor * weight
    summand = -mean.detach() * factor
    if bias is not None:
        summand = summand + bias
    result = x * OPS.reshape(factor, size) + OPS.reshape(summand, size)
    return result if result.dtype is x.dtype else OPS.cast(result, x.dtype)


# groups and instances


@function(method=False)
def group_norm(x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, **names: Any) -> Tensor:
    """Normalise each of ``num_groups`` groups of channels of each sample of x (batch, channels, …).

    ``weight`` and ``bias`` have one value a channel. Raises ShapeError for shapes that do not fit, ArgumentError where
    the groups do not divide the channels.

    Source: Y. Wu, K. He, "Group normalization", ECCV 2018, section 3.
    """
    x = _aliased("group_norm", x, names)
    _check_channels("group_norm", x, weight=weight, bias=bias)
    if num_groups < 1 or x.shape[1] % num_groups:
        raise ArgumentError(f"group_norm: num_groups={num_groups} must divide the {x.shape[1]} channels of x of shape {x.shape}.")
    grouped = OPS.reshape(x, (x.shape[0], num_groups, shapes.element_count(x.shape[1:]) // num_groups))
    out = OPS.reshape(OPS.layer_norm(grouped, grouped.shape[2:], None, None, eps), x.shape)
    size = (x.shape[1],) + (1,) * (x.ndim - 2)
    if weight is not None:
        out = out * OPS.reshape(weight, size)
    return out if bias is None else out + OPS.reshape(bias, size)
