"""Layers that are random in training: dropout of elements and of channels, slopes and classes drawn at random.

The masks come from integer words and are the same on every device.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tapeloom import dtypes
from tapeloom.call.inplace import inplace as put
from tapeloom.call.op import function, primitive
from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.host_random import probability_threshold
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.ops.creation import arange
from tapeloom.ops.draws import gumbel_numbers
from tapeloom.ops.random import floating_only, uniform_numbers, words_on
from tapeloom.shapes import element_count, normalize_dim
from tapeloom.tape.levels import innermost
from tapeloom.tensors.kind import kind_of
from tapeloom.tensors.tensor import make

if TYPE_CHECKING:
    from tapeloom.generator import Generator
    from tapeloom.op.parameter import Mask
    from tapeloom.tensors.tensor import Tensor

#: what SELU gives for very negative numbers, less its sign: scale * alpha
LOWEST = 1.7580993408473766


@primitive(takes="floating")
def masked_scale(input: Tensor, mask: Mask, scale: float) -> Tensor:
    """``input * scale`` where ``mask`` is true, 0 elsewhere."""
masked_scale.gradient(input=lambda g, mask, scale, ops: ops.masked_scale(g, mask, scale))


def _threshold(name: str, input: Any, p: Any, training: Any) -> int:
    """What a word must reach for its element to be kept; 0 where nothing is to be dropped."""
    as_tensor_of(name, input)
    threshold = probability_threshold(name, as_number(name, "p", p))
    return threshold if training else 0


def _kept(name: str, input: Any, threshold: int, generator: Generator | None, size: tuple[int, ...]) -> Tensor:
    """A mask of ``size``, False with the probability that ``threshold`` stands for."""
    floating_only(name, input.dtype)
    device = innermost(input.device)
    backend, words = words_on(name, generator, element_count(size), device)
    kept = backend.call("reshape", backend.call("keep_from_words", words, threshold), size)
    return make(kept, kind_of(dtypes.bool_, device))


def _dropped(name: str, input: Any, p: float, inplace: Any, mask: Tensor) -> Tensor:
    out = OPS.masked_scale(input, mask, 1 / (1 - p) if p < 1 else 0.0)
    return put(name.removesuffix("_"), input, out) if inplace else out


@function(method=False)
def dropout(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """With ``training``, each element becomes 0 with probability ``p`` and is divided by 1 - p otherwise; else ``input`` itself.

    Raises ArgumentError for ``p`` outside 0 to 1.

    Source: N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15, 2014;
    the division in training is in its section 10.
    """
    threshold = _threshold("dropout", input, p, training)
    if not threshold:
        return input
    return _dropped("dropout", input, p, inplace, _kept("dropout", input, threshold, generator, input.shape))


@function(method=False)
def dropout_(input: Tensor, p: float, train: bool, *, generator: Generator | None = None) -> Tensor:
    """``dropout`` in place."""
    return dropout(input, p, train, True, generator=generator)


# whole channels

#: function -> how many leading dimensions name a channel in an input of so many dimensions
CHANNELS = {"dropout1d": {2: 1, 3: 2}, "dropout2d": {3: 2, 4: 2}, "dropout3d": {4: 1, 5: 2}}


def _per_channel(name: str, input: Any) -> tuple[int, ...]:
    """The size of a mask with one element for each channel."""
    leading = CHANNELS[name].get(input.ndim) if name in CHANNELS else 2 if input.ndim > 1 else None
    if leading is None:
        dims = " or ".join(map(str, CHANNELS[name])) if name in CHANNELS else "at least 2"
        raise ShapeError(f"{name}: expected an input of {dims} dimensions, got shape {input.shape}. Reshape it, or use dropout.")
    size: tuple[int, ...] = input.shape[:leading] + (1,) * (input.ndim - leading)
    return size


def _channel_dropout(name: str, input: Any, p: Any, training: Any, inplace: Any, generator: Generator | None) -> Tensor:
    threshold = _threshold(name, input, p, training)
    if not threshold and name not in CHANNELS:
        return input
    size = _per_channel(name, input)
    return _dropped(name, input, p, inplace, _kept(name, input, threshold, generator, size)) if threshold else input


@function(method=False)
def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """``dropout`` of whole channels of (batch, channels, length) or (channels, length).

    Source: J. Tompson et al., "Efficient object localization using convolutional networks", CVPR 2015.
    """
    return _channel_dropout("dropout1d", input, p, training, inplace, generator)


@function(method=False)
def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """``dropout`` of whole channels of (batch, channels, height, width), or, as ``dropout1d``, of (batch, channels, length)."""
    return _channel_dropout("dropout2d", input, p, training, inplace, generator)


@function(method=False)
def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """``dropout`` of whole channels of (batch, channels, depth, height, width), or of such without a batch."""
    return _channel_dropout("dropout3d", input, p, training, inplace, generator)


@function(method=False)
def feature_dropout(input: Tensor, p: float, train: bool, *, generator: Generator | None = None) -> Tensor:
    """``dropout`` of whole channels of (batch, channels, …), whatever their dimensions."""
    return _channel_dropout("feature_dropout", input, p, train, False, generator)


@function(method=False)
def feature_dropout_(input: Tensor, p: float, train: bool, *, generator: Generator | None = None) -> Tensor:
    """``feature_dropout`` in place."""
    return _channel_dropout("feature_dropout_", input, p, train, True, generator)


# for self-normalizing networks


def _alpha(name: str, input: Any, p: Any, training: Any, inplace: Any, generator: Generator | None, size: Any) -> Tensor:
    threshold = _threshold(name, input, p, training)
    if not threshold:
        return input
    mask = _kept(name, input, threshold, generator, size(name, input))
    if p == 1:
        out = OPS.multiply(input, 0.0)
    else:
        factor = 1 / math.sqrt((LOWEST * LOWEST * p + 1) * (1 - p))
        out = OPS.where(mask, OPS.add(OPS.multiply(input, factor), LOWEST * factor * p), LOWEST * factor * (p - 1))
    return put(name.removesuffix("_"), input, out) if inplace else out


@function(method=False)
def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """With ``training``, each element is set to what SELU has for -inf with probability ``p``; then all are scaled and shifted.

    Of inputs of mean 0 and variance 1 the outputs have them too. Raises ArgumentError for ``p`` outside 0 to 1.

    Source: G. Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017.
    """
    return _alpha("alpha_dropout", input, p, training, inplace, generator, lambda name, input: input.shape)


@function(method=False)
def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """``alpha_dropout`` of whole channels of (batch, channels, …)."""
    return _alpha("feature_alpha_dropout", input, p, training, inplace, generator, _per_channel)


@function(method=False)
def alpha_dropout_(input: Tensor, p: float, train: bool, *, generator: Generator | None = None) -> Tensor:
    """``alpha_dropout`` in place."""
    return alpha_dropout(input, p, train, True, generator=generator)


@function(method=False)
def feature_alpha_dropout_(input: Tensor, p: float, train: bool, *, generator: Generator | None = None) -> Tensor:
    """``feature_alpha_dropout`` in place."""
    return feature_alpha_dropout(input, p, train, True, generator=generator)


# random slopes and classes


@function(method=False)
def rrelu(
    input: Tensor, lower: float = 0.125, upper: float = 0.3333333333333333, training: bool = False, inplace: bool = False, *,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """``input`` where it is positive, else ``input`` times a slope: with ``training`` one drawn from ``lower`` to ``upper`` for each.

    Without it the slope is the mean of the two. Raises ArgumentError where lower is above upper.

    Source: B. Xu et al., "Empirical evaluation of rectified activations in convolutional network", arXiv:1505.00853, 2015.
    """
    floating_only("rrelu", as_tensor_of("rrelu", input).dtype)
    low, high = float(as_number("rrelu", "lower", lower)), float(as_number("rrelu", "upper", upper))
    if not low <= high:
        raise ArgumentError(f"rrelu: lower={low} is above upper={high}. Give lower <= upper.")
    slope: Tensor | float = (low + high) / 2
    if training:
        slope = uniform_numbers("rrelu", generator, input.shape, low, high, input.dtype, input.device)
    out = OPS.where(OPS.gt(input, 0), input, OPS.multiply(input, slope))
    return put("rrelu", input, out) if inplace else out


@function(method=False)
def rrelu_(
    input: Tensor, lower: float = 0.125, upper: float = 0.3333333333333333, training: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """``rrelu`` in place."""
    return rrelu(input, lower, upper, training, True, generator=generator)


@function(method=False)
def gumbel_softmax(
    logits: Tensor, tau: float = 1.0, hard: bool = False, eps: float = 1e-10, dim: int = -1, *, generator: Generator | None = None
) -> Tensor:
    """``softmax((logits + G) / tau, dim)``, G being Gumbel numbers; as ``tau`` falls, a class drawn by the softmax of ``logits``.

    With ``hard`` the result is a 1 at the largest number and zeros, with the gradient of the softmax. ``eps`` changes nothing.

    Source: E. Jang, S. Gu, B. Poole, "Categorical reparameterization with Gumbel-softmax", ICLR 2017; C. Maddison,
    A. Mnih, Y. Teh, "The concrete distribution", ICLR 2017.
    """
    floating_only("gumbel_softmax", as_tensor_of("gumbel_softmax", logits, "logits").dtype)
    temperature = float(as_number("gumbel_softmax", "tau", tau))
    noise = gumbel_numbers("gumbel_softmax", generator, logits.shape, logits.dtype, logits.device)
    soft = OPS.softmax(OPS.divide(OPS.add(logits, noise), temperature), dim)
    if not hard:
        return soft
    axis = normalize_dim("gumbel_softmax", dim, logits.ndim)
    values = soft.detach()
    chosen = OPS.argmax_along(values, axis, True)
    length = (logits.shape[axis] if logits.ndim else 1,) + (1,) * (logits.ndim - 1 - axis)
    ones = OPS.cast(OPS.eq(OPS.reshape(arange(length[0], device=logits.device), length if logits.ndim else ()), chosen), soft.dtype)
    return OPS.add(OPS.subtract(ones, values), soft)
