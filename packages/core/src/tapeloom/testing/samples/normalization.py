"""Samples of the normalisations: mean and variance of the numbers that belong together, one result at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import tapeloom as tl
from tapeloom.errors import ArgumentError, ArgumentTypeError, ShapeError
from tapeloom.op.registry import REGISTRY
from tapeloom.testing.inputs import M, T
from tapeloom.testing.references import built, each
from tapeloom.testing.table import FLOATS, case, fails, row


def _moments(values: Any) -> tuple[float, float]:
    numbers = [float(value) for value in np.ravel(values)]
    mean = math.fsum(numbers) / len(numbers)
    return mean, math.fsum((value - mean) ** 2 for value in numbers) / len(numbers)


def _by_layer(x: Any, size: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    lead = x.ndim - len(size)

    def element(place: tuple[int, ...]) -> float:
        mean, variance = _moments(x[place[:lead]])
        value = (x[place] - mean) / math.sqrt(variance + eps)
        value = value if weight is None else value * weight[place[lead:]]
        return value if bias is None else value + bias[place[lead:]]

    return built(x.shape, element)


#: results are of the order of 1, whatever cancels inside
UNIT: dict[str, Any] = {"budget": "chain", "magnitude": lambda *args, **named: np.float64(4.0), "without": "0d"}
X = T(2, 3, 4)
row("layer_norm", [X, (4,), T(4), T(4)], [X, (4,)], [X, (3, 4), T(3, 4)], case(X, (4,), bias=T(4)), case(X, (4,), eps=0.1), [T(0, 4), (4,), T(4), T(4)],
    reference=_by_layer, **UNIT)
fails("layer_norm", [X, (3,)], ShapeError, "layer_norm: normalized_shape (3,) must be the last dimensions of input, which has shape (2, 3, 4).")
fails("layer_norm", [X, (4,), T(3)], ShapeError, "layer_norm: weight must have the shape (4,), got (3,).")


def _by_square(x: Any, size: Any, weight: Any = None, eps: Any = None) -> Any:
    lead = x.ndim - len(size)

    def element(place: tuple[int, ...]) -> float:
        numbers = np.ravel(x[place[:lead]])
        value = x[place] / math.sqrt(math.fsum(float(n) ** 2 for n in numbers) / len(numbers) + (eps or 0.0))
        return value if weight is None else value * weight[place[lead:]]

    return built(x.shape, element)


row("rms_norm", [X, (4,), T(4)], [X, (4,)], [X, (3, 4), T(3, 4), 0.1], [T(0, 4), (4,), T(4)], reference=_by_square, **UNIT)
fails("rms_norm", [X, (2,)], ShapeError, "rms_norm: normalized_shape (2,) must be the last dimensions of input, which has shape (2, 3, 4).")

# batch normalisation


def _by_channel(x: Any, weight: Any, bias: Any, eps: float, statistics: Any = None) -> Any:
    moments = [_moments(x[:, c]) for c in range(x.shape[1])] if statistics is None else list(zip(*statistics, strict=True))

    def element(place: tuple[int, ...]) -> float:
        mean, variance = moments[place[1]]
        value = (x[place] - mean) / math.sqrt(variance + eps)
        value = value if weight is None else value * weight[place[1]]
        return value if bias is None else value + bias[place[1]]

    return built(x.shape, element), np.array([m for m, _ in moments]), np.array([v for _, v in moments])


def _first(x: Any, weight: Any, bias: Any, eps: float = 1e-5) -> Any:
    return REGISTRY["batch_norm_train"](x, weight, bias, eps)[0]


IMAGE = T(2, 3, 2, 2)
row("batch_norm_train", [IMAGE, T(3), T(3)], [T(4, 3), None, None], [T(2, 3, 4), T(3), None, 0.1],
    reference=lambda x, weight, bias, eps=1e-5: _by_channel(x, weight, bias, eps), gives=("same",) * 3, grad=0, **UNIT | {"without": "0d empty"})
row("batch_norm_train[0]", [IMAGE, T(3), T(3)], [T(4, 3), None, None], [T(2, 3, 4), T(3), None, 0.1], calls=_first,
    reference=lambda x, weight, bias, eps=1e-5: _by_channel(x, weight, bias, eps)[0], **UNIT | {"without": "0d empty"})


def _batch_norm(x: Any, mean: Any, variance: Any, weight: Any = None, bias: Any = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5) -> Any:
    return _by_channel(x, weight, bias, eps, None if training else (mean, variance))[0]


RUNNING = T(3, low=-1, high=1, grad=False), T(3, low=0.5, high=2, grad=False)
row("batch_norm", [IMAGE, *RUNNING, T(3), T(3)], [T(4, 3), *RUNNING], case(IMAGE, None, None, T(3), T(3), True), [T(0, 3), *RUNNING, T(3)],
    reference=_batch_norm, **UNIT)
fails("batch_norm", case(IMAGE, *RUNNING, eps=-1.0), ArgumentError, "batch_norm: eps must not be negative, got -1.0.")
fails("batch_norm", case(IMAGE, RUNNING[0], None, training=True), ArgumentError,
      "batch_norm: running_mean and running_var must be given together, or both be None.")
fails("batch_norm", [IMAGE, None, None], ArgumentError, "batch_norm: running_mean and running_var must be given unless training=True.")
fails("batch_norm", case(T(1, 3), None, None, training=True), ShapeError,
      "batch_norm: training needs more than one value per channel, and input of shape (1, 3) has one. Give a larger batch, or use training=False.")
fails("batch_norm", case(T(1, 0), None, None, training=True), ShapeError,
      "batch_norm: training needs more than one value per channel, and input of shape (1, 0) has one. Give a larger batch, or use training=False.")
fails("batch_norm", [IMAGE, *RUNNING, T(2)], ShapeError,
      "batch_norm: weight must have the shape (3,), one value per channel of input of shape (2, 3, 2, 2), got (2,).")
fails("batch_norm", [T(3), *RUNNING], ShapeError, "batch_norm: expected input of shape (batch, channels, …), got (3,).")
fails("batch_norm", [IMAGE, 0.0, None], ArgumentTypeError, "batch_norm: running_mean must be a tensor or None, got float.")


def _moved(x: Any, mean: Any, variance: Any, momentum: float) -> Any:
    mean, variance = mean.clone(), variance.clone()
    tl.batch_norm(x, mean, variance, training=True, momentum=momentum)
    return mean, variance


def _towards(x: Any, mean: Any, variance: Any, momentum: float) -> Any:
    count = x.size // x.shape[1]
    moments = [_moments(x[:, c]) for c in range(x.shape[1])]
    batch = np.array([m for m, _ in moments]), np.array([v * count / (count - 1) for _, v in moments])
    return tuple((1 - momentum) * old + momentum * new for old, new in zip((mean, variance), batch, strict=True))


row("running statistics", [IMAGE, *RUNNING, 0.1], [T(4, 3), *RUNNING, 1.0], calls=_moved, reference=_towards, gives=("same", "same"), grad=0,
    **UNIT | {"without": "0d empty"})


def _by_group(x: Any, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    wide = x.shape[1] // groups

    def element(place: tuple[int, ...]) -> float:
        group = place[1] // wide
        mean, variance = _moments(x[place[0], group * wide : (group + 1) * wide])
        value = (x[place] - mean) / math.sqrt(variance + eps)
        value = value if weight is None else value * weight[place[1]]
        return value if bias is None else value + bias[place[1]]

    return built(x.shape, element)


row("group_norm", [T(2, 4, 3), 2, T(4), T(4)], [T(2, 4, 3), 4], [T(2, 4), 1, None, T(4)], [T(0, 4, 3), 2], reference=_by_group, **UNIT)
fails("group_norm", [T(1, 4), 4], ShapeError,
      "group_norm: input of shape (1, 4) has a single value in each of 4 groups, and one has no variance. Give fewer groups, or more values per channel.")
fails("group_norm", [T(2, 4, 3), 3], ArgumentError, "group_norm: num_groups=3 must divide the 4 channels of input of shape (2, 4, 3).")


def _by_instance(x: Any, mean: Any = None, variance: Any = None, weight: Any = None, bias: Any = None, use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5) -> Any:
    return _by_group(x, x.shape[1], weight, bias, eps) if use_input_stats else _by_channel(x, weight, bias, eps, (mean, variance))[0]


row("instance_norm", case(T(2, 3, 4), weight=T(3), bias=T(3)), [IMAGE], [IMAGE, *RUNNING, T(3), None, False], [T(0, 3, 2), *RUNNING], reference=_by_instance, **UNIT)


def _moved_by_instances(x: Any, mean: Any, variance: Any, momentum: float) -> Any:
    mean, variance = mean.clone(), variance.clone()
    tl.instance_norm(x, mean, variance, momentum=momentum)
    return mean, variance


def _towards_instances(x: Any, *settings: Any) -> Any:
    samples = [_towards(x[i : i + 1], *settings) for i in range(len(x))]
    return tuple(sum(parts) / len(x) for parts in zip(*samples, strict=True))


row("running statistics of instances", [T(2, 3, 4), *RUNNING, 0.1], calls=_moved_by_instances, reference=_towards_instances, gives=("same", "same"), grad=0,
    **UNIT | {"without": "0d empty"})
fails("running statistics of instances", [T(2, 2, 4), *RUNNING, 0.1], ShapeError,
      "instance_norm: running_mean must have the shape (2,), one value per channel of input of shape (2, 2, 4), got (3,).")
fails("instance_norm", [T(2, 3, 1)], ShapeError,
      "instance_norm: the statistics of a sample need more than one value per channel, and input of shape (2, 3, 1) has one.")
fails("instance_norm", case(IMAGE, use_input_stats=False), ArgumentError, "instance_norm: running_mean and running_var must be given unless use_input_stats=True.")
fails("instance_norm", [IMAGE, *RUNNING, T(2)], ShapeError,
      "instance_norm: weight must have the shape (3,), one value per channel of input of shape (2, 3, 2, 2), got (2,).")

# dropout's second half; the draw itself is in random.py

row("masked_scale", [T(3, 4), M(3, 4), 2.0], [T(), M(), 0.5], [T(0, 3), M(0, 3), 2.0], dtypes=FLOATS,
    reference=lambda x, mask, scale: each(lambda a, b: a * scale if b else 0.0)(x, mask))
fails("rms_norm", [[1.0], 1], ArgumentTypeError, "rms_norm: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")
