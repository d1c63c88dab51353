"""Activations: the functions between the layers of a network, each element by itself, and softmax along one dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom.errors import ArgumentError
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.tape.op import OPS, function, op
from tapeloom.tape.policy import FLOAT, FLOATING_ONLY, NUMERIC

if TYPE_CHECKING:
    from tapeloom.tape.roles import Cast, Dim
    from tapeloom.tape.tensor import Tensor

# piecewise linear


@op(dtype=NUMERIC, inplace=True)
def relu(x: Tensor) -> Tensor:
    """``max(x, 0)``; its gradient at 0 is 0."""
relu.gradient(x=lambda g, out, ops: ops.relu_backward(g, out))


@op(dtype=NUMERIC, method=False)
def relu_backward(upstream: Tensor, y: Tensor) -> Tensor:
    """``upstream`` where ``y``, the result of ``relu``, is not 0 (or is nan), and 0 elsewhere."""
relu_backward.gradient(upstream=lambda g, y, ops: ops.relu_backward(g, y))


@op(dtype=FLOATING_ONLY, method=False)
def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """``x`` where it is positive, ``negative_slope * x`` elsewhere.

    Source: A. Maas, A. Hannun, A. Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML 2013.
    """
leaky_relu.gradient(x=lambda g, x, negative_slope, ops: ops.where(ops.greater(x, 0), g, g * negative_slope))


@function(method=False)
def prelu(x: Any, weight: Any) -> Tensor:
    """``x`` where it is positive, ``weight * x`` elsewhere.

    ``weight`` has one element, or one for each channel (dim 1). Raises ArgumentError for a weight of another shape.

    Source: K. He et al., "Delving deep into rectifiers: surpassing human-level performance on ImageNet classification",
    ICCV 2015, eq. 1.
    """
    as_tensor_of("prelu", x)
    if as_tensor_of("prelu", weight, "weight").ndim and weight.numel() != 1:
        channels = x.shape[1] if x.ndim > 1 else 1
        if weight.ndim != 1 or weight.shape[0] != channels:
            raise ArgumentError(
                f"prelu: weight has shape {weight.shape}, and x of shape {x.shape} has {channels} channels. "
                f"Give one element, or one for each channel."
            )
        weight = OPS.reshape(weight, (channels,) + (1,) * max(x.ndim - 2, 0))
    return OPS.where(OPS.greater(x, 0), x, OPS.multiply(weight, x))


def _range_fits(op: Any, x: Any, min_val: float, max_val: float) -> None:
    if min_val > max_val:
        raise ArgumentError(f"hardtanh: min_val={min_val} is above max_val={max_val}. Swap them.")


@op(dtype=FLOATING_ONLY, check=_range_fits, method=False)
def hardtanh(x: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """``x`` kept within ``min_val`` and ``max_val``; the gradient at both bounds is 0.

    Raises ArgumentError where ``min_val`` is above ``max_val``.
    """
hardtanh.gradient(
    x=lambda g, x, min_val, max_val, ops: ops.where(
        ops.logical_and(ops.greater(x, min_val), ops.less(x, max_val)), g, 0
    )
)


@function(method=False)
def relu6(x: Any) -> Tensor:
    """``min(max(x, 0), 6)``.

    Source: A. Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010.
    """
    return OPS.hardtanh(as_tensor_of("relu6", x), 0.0, 6.0)


@function(method=False)
def hardsigmoid(x: Any) -> Tensor:
    """``min(max(x + 3, 0), 6) / 6``.

    Source: A. Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2.
    """
    return OPS.hardtanh(as_tensor_of("hardsigmoid", x) + 3, 0.0, 6.0) / 6


@function(method=False)
def hardswish(x: Any) -> Tensor:
    """``x * hardsigmoid(x)``.

    Source: A. Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2.
    """
    return as_tensor_of("hardswish", x) * hardsigmoid(x)


# smooth


@op(dtype=FLOAT, inplace=True)
def sigmoid(x: Tensor) -> Tensor:
    """``1 / (1 + exp(-x))``."""
sigmoid.gradient(x=lambda g, out: g * (out * (1 - out)))


@function(method=False)
def logsigmoid(x: Any) -> Tensor:
    """``log(sigmoid(x))``, exact for large negative ``x``."""
    return -OPS.softplus(-as_tensor_of("logsigmoid", x), 1.0, float("inf"))


def _silu_gradient(g: Any, x: Any, ops: Any) -> Any:
    s = ops.sigmoid(x)
    return g * (s * (1 + x * (1 - s)))


@op(dtype=FLOATING_ONLY, method=False)
def silu(x: Tensor) -> Tensor:
    """``x * sigmoid(x)``, also called swish.

    Source: D. Hendrycks, K. Gimpel, "Gaussian error linear units (GELUs)", 2016, which named it; P. Ramachandran,
    B. Zoph, Q. Le, "Searching for activation functions", 2017, for the name swish.
    """
silu.gradient(x=lambda g, x, ops: _silu_gradient(g, x, ops))


@op(dtype=FLOATING_ONLY, method=False)
def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """``x`` where it is positive, ``alpha * (exp(x) - 1)`` elsewhere.

    Source: D.-A. Clevert, T. Unterthiner, S. Hochreiter, "Fast and accurate deep network learning by exponential linear
    units (ELUs)", ICLR 2016.
    """
elu.gradient(
    # exp is kept from overflowing where its value is not taken: its gradient would be 0 times inf there
    x=lambda g, x, alpha, ops: ops.where(ops.greater(x, 0), g, g * (alpha * ops.exp(ops.where(ops.greater_equal(x, 0), 0, x))))
)


@function(method=False)
def selu(x: Any) -> Tensor:
    """``scale * elu(x, alpha)`` with the constants of self-normalizing networks.

    Source: G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter, "Self-normalizing neural networks", NIPS 2017, eq. 2.
    """
    return OPS.elu(as_tensor_of("selu", x), 1.6732632423543772) * 1.0507009873554805


@function(method=False)
def celu(x: Any, alpha: float = 1.0) -> Tensor:
    """``x`` where it is positive, ``alpha * (exp(x / alpha) - 1)`` elsewhere.

    Raises ArgumentError where ``alpha`` is 0.
    Source: J. Barron, "Continuously differentiable exponential linear units", 2017.
    """
    if not alpha:
        raise ArgumentError("celu: alpha must not be 0.")
    return OPS.elu(as_tensor_of("celu", x) / alpha, 1.0) * alpha


@op(dtype=FLOATING_ONLY, method=False)
def softplus(x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """``log(1 + exp(beta * x)) / beta``; ``x`` itself where ``beta * x`` is above ``threshold``.

    Source: C. Dugas et al., "Incorporating second-order functional knowledge for better option pricing", NIPS 2000,
    for ``beta`` 1.
    """
softplus.gradient(
    x=lambda g, x, beta, threshold, ops: ops.where(ops.greater(x * beta, threshold), g, g * ops.sigmoid(x * beta))
)


@function(method=False)
def mish(x: Any) -> Tensor:
    """``x * tanh(softplus(x))``.

    Source: D. Misra, "Mish: a self regularized non-monotonic activation function", BMVC 2020.
    """
    return as_tensor_of("mish", x) * OPS.tanh(OPS.softplus(x))


@function(method=False)
def softsign(x: Any) -> Tensor:
    """``x / (1 + |x|)``.

    Source: J. Bergstra, G. Desjardins, P. Lamblin, Y. Bengio, "Quadratic polynomials learn better image features",
    technical report 1337, Université de Montréal, 2009.
    """
    return as_tensor_of("softsign", x) / (1 + OPS.abs(x))


@function(method=False)
def tanhshrink(x: Any) -> Tensor:
    """``x - tanh(x)``."""
    return as_tensor_of("tanhshrink", x) - OPS.tanh(x)


def _known_form(op: Any, x: Any, approximate: str) -> None:
    if approximate not in ("none", "tanh"):
        raise ArgumentError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}.")


# The slope takes P from the result, as out / x: nothing but the two neighbours of this op is kept, and erf, which is
# most of the work, is computed once.


@op(dtype=FLOATING_ONLY, composite=True, check=_known_form, method=False)
def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """``x * P(x)``, P being the standard normal distribution function; ``approximate="tanh"`` takes P by a tanh.

    The tanh form is ``0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))``. Raises ArgumentError for another.
    Source: D. Hendrycks, K. Gimpel, "Gaussian error linear units (GELUs)", 2016, section 2.
    """
gelu.gradient(x=lambda g, x, approximate, out, ops: ops.gelu_backward(g, x, out, approximate))


@function(method=False)
def glu(x: Any, dim: int = -1) -> Tensor:
    """The first half of ``x`` along ``dim`` times the sigmoid of the second half.

    The result is half as long there. Raises ArgumentError for an odd length.
    Source: Y. Dauphin, A. Fan, M. Auli, D. Grangier, "Language modeling with gated convolutional networks", ICML 2017,
    eq. 1.
    """
    length = as_tensor_of("glu", x).size(dim)
    if length % 2:
        raise ArgumentError(f"glu: dim {dim} of shape {x.shape} has the odd length {length}. It must have two equal halves.")
    left, right = x.chunk(2, dim)
    return left * OPS.sigmoid(right)


# along one dimension


@op(dtype=FLOATING_ONLY)
def softmax(x: Tensor, dim: Dim, *, dtype: Cast = None) -> Tensor:
    """``exp(x) / sum(exp(x), dim)`` without overflow; ``dtype`` casts first. Rows that are all -inf give nan.

    Source: P. Blanchard, D. Higham, N. Higham, "Accurately computing the log-sum-exp and softmax functions", IMA
    Journal of Numerical Analysis 41, 2021: the shifted formula.
    """
softmax.gradient(x=lambda g, dim, out, ops: ops.softmax_backward(g, out, dim))


def _softmax_slope(g: Any, upstream: Any, y: Any, dim: int, ops: Any) -> Any:
    dims = (dim,) if y.ndim else ()
    return g * (upstream - ops.sum(upstream * y, dims, True)) - upstream * ops.sum(g * y, dims, True)


@op(method=False)
def softmax_backward(upstream: Tensor, y: Tensor, dim: Dim) -> Tensor:
    """``upstream`` pulled back through the softmax ``y``."""
softmax_backward.gradient(
    upstream=lambda g, y, dim, ops: ops.softmax_backward(g, y, dim),
    y=lambda g, upstream, y, dim, ops: _softmax_slope(g, upstream, y, dim, ops),
)


@op(dtype=FLOATING_ONLY)
def log_softmax(x: Tensor, dim: Dim, *, dtype: Cast = None) -> Tensor:
    """``x - log(sum(exp(x), dim))`` without overflow; ``dtype`` casts first.

    Source: P. Blanchard, D. Higham, N. Higham, "Accurately computing the log-sum-exp and softmax functions", IMA
    Journal of Numerical Analysis 41, 2021: the shifted formula.
    """
log_softmax.gradient(x=lambda g, dim, out, ops: ops.log_softmax_backward(g, out, dim))


@op(method=False)
def log_softmax_backward(upstream: Tensor, y: Tensor, dim: Dim) -> Tensor:
    """``upstream`` pulled back through the log-softmax ``y``."""
log_softmax_backward.gradient(
    upstream=lambda g, y, dim, ops: g - ops.sum(g * ops.exp(y), (dim,) if y.ndim else (), True),
    y=lambda g, upstream, y, dim, ops: -(g * ops.exp(y)) * ops.sum(upstream, (dim,) if y.ndim else (), True),
)


@function(method=False)
def softmin(x: Any, dim: int, *, dtype: Any = None) -> Tensor:
    """``softmax(-x, dim)``."""
    return OPS.softmax(-as_tensor_of("softmin", x), dim, dtype=dtype)
