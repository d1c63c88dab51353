"""Activations: the functions between the layers of a network, each element by itself, and softmax along one dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import shapes
from tapeloom.call.inplace import inplace as put
from tapeloom.call.op import function, op, primitive
from tapeloom.errors import ArgumentError, DTypeError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of

if TYPE_CHECKING:
    from tapeloom.op.parameter import Cast, Dim
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor



def placed(name: str, input: Any, out: Tensor, inplace: bool) -> Tensor:
    """``out``, the result of the activation ``name``; with ``inplace`` ``input`` gets its values and is returned."""
    return put(name, input, out) if inplace else out


# piecewise linear


@op(takes="no bool", inplace=True)
def relu(input: Tensor) -> Tensor:
    """``max(input, 0)``; its gradient at 0 is 0."""
relu.gradient(input=lambda g, out, ops: ops.relu_backward(g, out))


@relu.extend
def _(input: Tensor, *, inplace: bool = False) -> Tensor:
    return placed("relu", input, OPS.relu(input), inplace)


@primitive(takes="no bool")
def relu_backward(upstream: Tensor, result: Tensor) -> Tensor:
    """``upstream`` where ``result``, the result of ``relu``, is not 0 (or is nan), and 0 elsewhere."""
relu_backward.gradient(upstream=lambda g, result, ops: ops.relu_backward(g, result))


@op(takes="floating", method=False)
def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """``input`` where it is positive, ``negative_slope * input`` elsewhere.

    Source: A. Maas, A. Hannun, A. Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML 2013.
    """
leaky_relu.gradient(input=lambda g, input, negative_slope, ops: ops.where(ops.gt(input, 0), g, g * negative_slope))


@leaky_relu.extend
def _(input: Tensor, negative_slope: float = 0.01, *, inplace: bool = False) -> Tensor:
    return placed("leaky_relu", input, OPS.leaky_relu(input, negative_slope), inplace)


@function(method=False)
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """``input`` where it is positive, ``weight * input`` elsewhere.

    ``weight`` has one element, or one for each channel (dim 1). Raises ArgumentError for a weight of another shape.

    Source: K. He et al., "Delving deep into rectifiers: surpassing human-level performance on ImageNet classification",
    ICCV 2015, eq. 1.
    """
    as_tensor_of("prelu", input)
    if as_tensor_of("prelu", weight, "weight").ndim > 1:
        raise ArgumentError(f"prelu: weight must have at most one dimension, got shape {weight.shape}.")
    if weight.numel() == 1:
        weight = OPS.reshape(weight, ()) if weight.ndim > input.ndim else weight
    else:
        channels = input.shape[1] if input.ndim > 1 else 1
        if weight.shape[0] != channels:
            raise ArgumentError(
                f"prelu: weight has shape {weight.shape}, and input of shape {input.shape} has {channels} channels. "
                f"Give one element, or one for each channel."
            )
        weight = OPS.reshape(weight, (channels,) + (1,) * max(input.ndim - 2, 0))
    return OPS.sloped(input, weight)


@primitive(takes="floating", autocast="lower")
def sloped(input: Tensor, weight: Tensor) -> Tensor:
    """``input`` where it is positive, ``weight * input`` elsewhere; ``weight`` broadcasts."""
sloped.gradient(
    input=lambda g, input, weight, ops: ops.where(ops.gt(input, 0), g, g * weight),
    weight=lambda g, input, ops: ops.where(ops.gt(input, 0), 0, g * input),
)


def _range_fits(op: OpSchema, input: Tensor, min_val: float, max_val: float) -> None:
    if min_val > max_val:
        raise ArgumentError(f"hardtanh: min_val={min_val} is above max_val={max_val}. Swap them.")
    dtype = input.dtype
    if not dtype.inexact and not (dtype.min <= min_val and max_val <= dtype.max):
        raise DTypeError(
            f"hardtanh: the bounds {min_val} and {max_val} do not fit {dtype.name} ({dtype.min} to {dtype.max}). "
            f"Give others, or cast the tensor first."
        )


@op(takes="no bool", check=_range_fits, method=False)
def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """``input`` kept within ``min_val`` and ``max_val``; the gradient at both bounds is 0.

    Of integers the bounds are cut off to integers. Raises ArgumentError where ``min_val`` is above ``max_val``,
    DTypeError where an integer dtype does not hold them.
    """
hardtanh.gradient(
    input=lambda g, input, min_val, max_val, ops: ops.where(
        ops.logical_and(ops.gt(input, min_val), ops.lt(input, max_val)), g, 0
    )
)


@hardtanh.extend
def _(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, *, inplace: bool = False) -> Tensor:
    return placed("hardtanh", input, OPS.hardtanh(input, min_val, max_val), inplace)


@function(method=False)
def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """``min(max(input, 0), 6)``.

    Source: A. Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010.
    """
    return placed("relu6", input, OPS.hardtanh(as_tensor_of("relu6", input), 0.0, 6.0), inplace)


@function(method=False)
def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """``min(max(input + 3, 0), 6) / 6``.

    Source: A. Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2.
    """
    return placed("hardsigmoid", input, OPS.hardtanh(as_tensor_of("hardsigmoid", input) + 3, 0.0, 6.0) / 6, inplace)


@function(method=False)
def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * hardsigmoid(input)``.

    Source: A. Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2.
    """
    return placed("hardswish", input, as_tensor_of("hardswish", input) * hardsigmoid(input), inplace)


# smooth


@op(gives="float", complex="analytic", inplace=True)
def sigmoid(input: Tensor) -> Tensor:
    """``1 / (1 + exp(-input))``."""
sigmoid.gradient(input=lambda g, out: g * (out * (1 - out)))


@function(method=False)
def logsigmoid(input: Tensor) -> Tensor:
    """``log(sigmoid(input))``, exact for large negative ``input``."""
    return -OPS.softplus(-as_tensor_of("logsigmoid", input), 1.0, float("inf"))


def _silu_gradient(g: Any, input: Any, ops: Any) -> Any:
    s = ops.sigmoid(input)
    return g * (s * (1 + input * (1 - s)))


@op(takes="floating", method=False)
def silu(input: Tensor) -> Tensor:
    """``input * sigmoid(input)``, also called swish.

    Source: D. Hendrycks, K. Gimpel, "Gaussian error linear units (GELUs)", 2016, which named it; P. Ramachandran,
    B. Zoph, Q. Le, "Searching for activation functions", 2017, for the name swish.
    """
silu.gradient(input=_silu_gradient)


@silu.extend
def _(input: Tensor, *, inplace: bool = False) -> Tensor:
    return placed("silu", input, OPS.silu(input), inplace)


def _exponential_slope(g: Any, input: Any, slope: float, alpha: float, rate: float, ops: Any) -> Any:
    positive = ops.gt(input, 0)
    # exp is kept from overflowing where its value is not taken: its gradient would be 0 times inf there
    return ops.where(positive, g * slope, g * (ops.exp(ops.where(positive, 0, input) * rate) * (alpha * rate)))


@op(takes="floating", method=False)
def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """``input`` where it is positive, ``alpha * (exp(input) - 1)`` elsewhere.

    Source: D.-A. Clevert, T. Unterthiner, S. Hochreiter, "Fast and accurate deep network learning by exponential linear
    units (ELUs)", ICLR 2016.
    """
elu.gradient(input=lambda g, input, alpha, ops: _exponential_slope(g, input, 1.0, alpha, 1.0, ops))


@elu.extend
def _(input: Tensor, alpha: float = 1.0, *, inplace: bool = False) -> Tensor:
    return placed("elu", input, OPS.elu(input, alpha), inplace)


@primitive(takes="floating")
def scaled_elu(input: Tensor, slope: float = 1.0, alpha: float = 1.0, rate: float = 1.0) -> Tensor:
    """``slope * input`` where ``input`` is positive, ``alpha * (exp(rate * input) - 1)`` elsewhere."""
scaled_elu.gradient(input=_exponential_slope)


@function(method=False)
def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """``scale * elu(input, alpha)`` with the constants of self-normalizing networks.

    Source: G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter, "Self-normalizing neural networks", NIPS 2017, eq. 2.
    """
    scale = 1.0507009873554805
    return placed("selu", input, OPS.scaled_elu(input, scale, scale * 1.6732632423543772, 1.0), inplace)


@function(method=False)
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` where it is positive, ``alpha * (exp(input / alpha) - 1)`` elsewhere.

    Raises ArgumentError where ``alpha`` is 0.
    Source: J. Barron, "Continuously differentiable exponential linear units", 2017.
    """
    if not alpha:
        raise ArgumentError("celu: alpha must not be 0.")
    return placed("celu", input, OPS.scaled_elu(input, 1.0, alpha, 1 / alpha), inplace)


@op(takes="floating", method=False, autocast={"cuda": "float32"})
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """``log(1 + exp(beta * input)) / beta``; ``input`` itself where ``beta * input`` is above ``threshold``.

    Source: C. Dugas et al., "Incorporating second-order functional knowledge for better option pricing", NIPS 2000,
    for ``beta`` 1.
    """
softplus.gradient(
    input=lambda g, input, beta, threshold, ops: ops.where(ops.gt(input * beta, threshold), g, g * ops.sigmoid(input * beta))
)


def _mish_gradient(g: Any, input: Any, ops: Any) -> Any:
    t = ops.tanh(ops.softplus(input, 1.0, 20.0))
    return g * (t + input * (1 - t * t) * ops.sigmoid(input))


@op(takes="floating", method=False)
def mish(input: Tensor) -> Tensor:
    """``input * tanh(softplus(input))``.

    Source: D. Misra, "Mish: a self regularized non-monotonic activation function", BMVC 2020.
    """
mish.gradient(input=_mish_gradient)


@mish.extend
def _(input: Tensor, *, inplace: bool = False) -> Tensor:
    return placed("mish", input, OPS.mish(input), inplace)


@function(method=False)
def softsign(input: Tensor) -> Tensor:
    """``input / (1 + |input|)``.

    Source: J. Bergstra, G. Desjardins, P. Lamblin, Y. Bengio, "Quadratic polynomials learn better image features",
    technical report 1337, Université de Montréal, 2009.
    """
    return as_tensor_of("softsign", input) / (1 + OPS.abs(input))


@function(method=False)
def tanhshrink(input: Tensor) -> Tensor:
    """``input - tanh(input)``."""
    return as_tensor_of("tanhshrink", input) - OPS.tanh(input)


def _known_form(op: OpSchema, input: Tensor, approximate: str) -> None:
    if approximate not in ("none", "tanh"):
        raise ArgumentError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}.")


# The slope takes P from the result, as out / input: nothing but the two neighbours of this op is kept, and erf, which is
# most of the work, is computed once.


@op(takes="floating", composite=True, check=_known_form, method=False)
def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """``input * P(input)``, P being the standard normal distribution function; ``approximate="tanh"`` takes P by a tanh.

    The tanh form is ``0.5 * input * (1 + tanh(sqrt(2 / pi) * (input + 0.044715 * input**3)))``. Raises ArgumentError for another.
    Source: D. Hendrycks, K. Gimpel, "Gaussian error linear units (GELUs)", 2016, section 2.
    """
gelu.gradient(input=lambda g, input, approximate, out, ops: ops.gelu_backward(g, input, out, approximate))


@function(method=False)
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half of ``input`` along ``dim`` times the sigmoid of the second half.

    The result is half as long there. Raises ArgumentError for an odd length.
    Source: Y. Dauphin, A. Fan, M. Auli, D. Grangier, "Language modeling with gated convolutional networks", ICML 2017,
    eq. 1.
    """
    axis = shapes.normalize_dim("glu", dim, as_tensor_of("glu", input).ndim)
    if not input.ndim:
        raise ShapeError("glu: a 0-d tensor has no two halves.")
    length = input.shape[axis]
    if length % 2:
        raise ArgumentError(f"glu: dim {dim} of shape {input.shape} has the odd length {length}. It must have two equal halves.")
    return OPS.gated(*input.chunk(2, dim))


def _gate_gradient(g: Any, input: Any, gate: Any, ops: Any) -> Any:
    s = ops.sigmoid(gate)
    return g * (input * (s * (1 - s)))


@primitive(takes="floating")
def gated(input: Tensor, gate: Tensor) -> Tensor:
    """``input * sigmoid(gate)``."""
gated.gradient(input=lambda g, gate, ops: g * ops.sigmoid(gate), gate=_gate_gradient)


# along one dimension


@op(takes="floating", autocast={"cuda": "float32"})
def softmax(input: Tensor, dim: Dim, *, dtype: Cast = None) -> Tensor:
    """``exp(input) / sum(exp(input), dim)`` without overflow; ``dtype`` casts first. Rows that are all -inf give nan.

    Source: P. Blanchard, D. Higham, N. Higham, "Accurately computing the log-sum-exp and softmax functions", IMA
    Journal of Numerical Analysis 41, 2021: the shifted formula.
    """
softmax.gradient(input=lambda g, dim, out, ops: ops.softmax_backward(g, out, dim))


def _softmax_slope(g: Any, upstream: Any, result: Any, dim: int, ops: Any) -> Any:
    dims = (dim,) if result.ndim else ()
    return g * (upstream - ops.sum(upstream * result, dims, True)) - upstream * ops.sum(g * result, dims, True)


@primitive
def softmax_backward(upstream: Tensor, result: Tensor, dim: Dim) -> Tensor:
    """``upstream`` pulled back through the softmax ``result``."""
softmax_backward.gradient(
    upstream=lambda g, result, dim, ops: ops.softmax_backward(g, result, dim),
    result=_softmax_slope,
)


@op(takes="floating", autocast={"cuda": "float32"})
def log_softmax(input: Tensor, dim: Dim, *, dtype: Cast = None) -> Tensor:
    """``input - log(sum(exp(input), dim))`` without overflow; ``dtype`` casts first.

    Source: P. Blanchard, D. Higham, N. Higham, "Accurately computing the log-sum-exp and softmax functions", IMA
    Journal of Numerical Analysis 41, 2021: the shifted formula.
    """
log_softmax.gradient(input=lambda g, dim, out, ops: ops.log_softmax_backward(g, out, dim))


@primitive
def log_softmax_backward(upstream: Tensor, result: Tensor, dim: Dim) -> Tensor:
    """``upstream`` pulled back through the log-softmax ``result``."""
log_softmax_backward.gradient(
    upstream=lambda g, result, dim, ops: g - ops.sum(g * ops.exp(result), (dim,) if result.ndim else (), True),
    result=lambda g, upstream, result, dim, ops: -(g * ops.exp(result)) * ops.sum(upstream, (dim,) if result.ndim else (), True),
)


@function(method=False)
def softmin(input: Tensor, dim: int, *, dtype: Cast = None) -> Tensor:
    """``softmax(-input, dim)``."""
    return OPS.softmax(-as_tensor_of("softmin", input), dim, dtype=dtype)
