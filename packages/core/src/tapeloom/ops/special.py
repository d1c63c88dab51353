"""Special functions: of ``tapeloom`` itself, and of ``tapeloom.special``, which has further names for some of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.call.inplace import inplace
from tapeloom.call.op import function, op, primitive
from tapeloom.errors import ArgumentError, GradientError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.ops.creation import arange

if TYPE_CHECKING:
    from tapeloom.op.parameter import TensorLike
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor

# the error function and the normal distribution


@op(gives="float", inplace=True)
def erf(input: Tensor) -> Tensor:
    """The error function, 2/sqrt(pi) times the integral of exp(-t**2) from 0 to ``input``.

    Source: NIST Digital Library of Mathematical Functions, eq. 7.2.1.
    """
erf.gradient(input=lambda g, input, ops: g * (ops.exp(-input * input) * 1.1283791670955126))


@op(gives="float", inplace=True)
def erfc(input: Tensor) -> Tensor:
    """``1 - erf(input)``, with all its digits where that is small."""
erfc.gradient(input=lambda g, input, ops: -g * (ops.exp(-input * input) * 1.1283791670955126))


@op(gives="float", inplace=True, autocast={"cuda": "float32"})
def erfinv(input: Tensor) -> Tensor:
    """The number whose ``erf`` is ``input``: infinite at -1 and 1, nan beyond.

    Source: M. Wichura, "Algorithm AS 241: The percentage points of the normal distribution", Applied Statistics 37, 1988.
    """
erfinv.gradient(input=lambda g, out, ops: g * (ops.exp(out * out) * 0.886226925452758))


@op(gives="float", namespace="special")
def erfcx(input: Tensor) -> Tensor:
    """``exp(input**2) * erfc(input)``, also where the one overflows and the other is 0.

    Source: M. Shepherd and J. Laframboise, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < inf",
    Mathematics of Computation 36, 1981; the coefficients are our own.
    """
erfcx.gradient(input=lambda g, input, out: g * (2 * (input * out) - 1.1283791670955126))


@op(gives="float", namespace="special")
def ndtr(input: Tensor) -> Tensor:
    """The standard normal distribution function: the probability of numbers up to ``input``."""
ndtr.gradient(input=lambda g, input, ops: g * (ops.exp(input * input * -0.5) * 0.3989422804014327))


@op(gives="float", namespace="special")
def log_ndtr(input: Tensor) -> Tensor:
    """``log(ndtr(input))``, with all its digits also far below 0."""
log_ndtr.gradient(input=lambda g, input, ops: g * (0.7978845608028654 / ops.erfcx(input * -0.7071067811865476)))


@op(gives="float", namespace="special")
def ndtri(input: Tensor) -> Tensor:
    """The number whose ``ndtr`` is ``input``, a probability: infinite for 0 and 1, nan outside.

    Source: as of ``erfinv``.
    """
ndtri.gradient(input=lambda g, out, ops: g * (ops.exp(out * out * 0.5) * 2.5066282746310002))


# the gamma function


@op(gives="float", inplace=True)
def lgamma(input: Tensor) -> Tensor:
    """The logarithm of the magnitude of the gamma function; infinite at 0 and the negative integers."""
lgamma.gradient(input=lambda g, input, ops: g * ops.digamma(input))


@op(gives="float", inplace=True)
def digamma(input: Tensor) -> Tensor:
    """The derivative of ``lgamma``; -inf at 0, inf at -0.0, nan at the negative integers."""
digamma.gradient(input=lambda g, input, ops: g * ops.polygamma_of(input, 1))


def _order(op: OpSchema, input: Any, n: Any) -> tuple[Any, Any]:
    n = shapes.as_int("polygamma", "n", n)
    if n < 0:
        raise ArgumentError(f"polygamma: n must not be negative, got {n}.")
    return input, n


@primitive(gives="float", prepare=_order)
def polygamma_of(input: Tensor, n: int) -> Tensor:
    """The ``n``-th derivative of ``digamma``: ``polygamma`` with its arguments in the order of the method.

    Source: the Hurwitz zeta function, DLMF eq. 25.11.12; below 0 the derivatives of the reflection formula, eq. 5.15.6.
    """
polygamma_of.gradient(input=lambda g, input, n, ops: g * ops.polygamma_of(input, n + 1))


@function(method=False)
def polygamma(n: int, input: Tensor) -> Tensor:
    """The ``n``-th derivative of ``digamma``, which is the one for n = 0. As a method: ``x.polygamma(n)``."""
    return OPS.polygamma_of(input, n)


def polygamma_method(self: Tensor, n: int) -> Tensor:
    """The ``n``-th derivative of ``digamma`` of this tensor."""
    return OPS.polygamma_of(self, n)


def polygamma_(self: Tensor, n: int) -> Tensor:
    """In place: the ``n``-th derivative of ``digamma`` of this tensor."""
    return inplace("polygamma", self, OPS.polygamma_of(self, n))


@function(inplace=True)
def mvlgamma(input: Tensor, p: int) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension ``p``, for ``input`` above (p - 1) / 2."""
    p = shapes.as_int("mvlgamma", "p", p)
    if p < 1:
        raise ArgumentError(f"mvlgamma: p must be at least 1, got {p}.")
    x = as_tensor_of("mvlgamma", input)
    x = x if x.dtype.inexact else OPS.cast(x, dtypes.get_default_dtype())
    shifts = arange(p, dtype=x.dtype, device=x.device) * -0.5
    return OPS.sum(OPS.lgamma(OPS.unsqueeze(x, -1) + shifts), -1) + p * (p - 1) / 4 * math.log(math.pi)


@op(gives="float", namespace="special")
def zeta(input: TensorLike, other: TensorLike) -> Tensor:
    """The Hurwitz zeta function, ``sum((k + other) ** -input)`` over k = 0, 1, ...; nan for ``input`` below 1.

    A negative ``other`` gives nan, or inf if it is an integer.
    """


def _zeta_gradient(g: Any, need: Any, input: Any, other: Any, ops: Any) -> Any:
    _known("zeta", need)
    return None, -g * (input * ops.zeta(input + 1, other))


zeta.gradient(_zeta_gradient)


def _known(name: str, need: Any) -> None:
    """Raise GradientError where the gradient of the first input is asked for."""
    if need[0]:
        raise GradientError(
            f"{name}: the gradient for input is not known, as in PyTorch, only that for other. Take input.detach() if none is wanted."
        )


@op(takes="floating", inplace=True, leading=True)
def igamma(input: Tensor, other: Tensor) -> Tensor:
    """The lower incomplete gamma function of ``input`` and ``other``, over ``gamma(input)``: from 0 at 0 up to 1.

    Only ``other`` has a gradient. Negative numbers give nan.
    """


def _igamma_gradient(g: Any, need: Any, input: Any, other: Any, ops: Any) -> Any:
    _known("igamma", need)
    return None, g * _gamma_density(input, other, ops)


igamma.gradient(_igamma_gradient)


@op(takes="floating", inplace=True, leading=True)
def igammac(input: Tensor, other: Tensor) -> Tensor:
    """``1 - igamma(input, other)``, with all its digits where that is small."""


def _igammac_gradient(g: Any, need: Any, input: Any, other: Any, ops: Any) -> Any:
    _known("igammac", need)
    return None, -g * _gamma_density(input, other, ops)


igammac.gradient(_igammac_gradient)


def _gamma_density(input: Any, other: Any, ops: Any) -> Any:
    return ops.exp((input - 1) * ops.log(other) - other - ops.lgamma(input))


# logarithms and quotients that have a limit


def _vanishing(x: Any, other: Any, pole: int, ops: Any) -> Any:
    """Where the factor 0 before a logarithm, infinite or nan, leaves no gradient."""
    return ops.logical_and(ops.eq(x, 0), ops.le(other, pole))


@op(gives="float", inplace=True)
def xlogy(input: TensorLike, other: TensorLike) -> Tensor:
    """``input * log(other)``, and 0 where ``input`` is 0 and ``other`` is not nan."""
xlogy.gradient(
    input=lambda g, input, other, ops: ops.where(_vanishing(input, other, 0, ops), 0, ops.xlogy(g, other)),
    other=lambda g, input, other: g * input / other,
)


@op(gives="float", namespace="special")
def xlog1py(input: TensorLike, other: TensorLike) -> Tensor:
    """``input * log1p(other)``, and 0 where ``input`` is 0 and ``other`` is not nan."""
xlog1py.gradient(
    input=lambda g, input, other, ops: ops.where(_vanishing(input, other, -1, ops), 0, g * ops.log1p(other)),
    other=lambda g, input, other: g * input / (other + 1),
)


@op(gives="float", namespace="special")
def entr(input: Tensor) -> Tensor:
    """``-input * log(input)``: 0 at 0, -inf below."""
entr.gradient(input=lambda g, input, ops: -g * (ops.log(input) + 1))


def _logit_gradient(g: Any, input: Any, eps: float | None, ops: Any) -> Any:
    if eps is None or eps < 0:
        low, high, outside = 0.0, 1.0, math.nan
    else:
        low, high, outside = eps, 1 - eps, 0.0
    within = ops.logical_and(ops.ge(input, low), ops.le(input, high))
    return ops.where(within, g / (input * (1 - input)), ops.where(ops.ne(input, input), input, outside))


@op(gives="float", inplace=True)
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """``log(input / (1 - input))``, the inverse of ``sigmoid``; ``eps`` first keeps it between eps and 1 - eps."""
logit.gradient(input=_logit_gradient)


def _sinc_gradient(g: Any, input: Any, ops: Any) -> Any:
    angle = input * math.pi
    square = input * angle
    zero = ops.eq(square, 0)
    slope = (angle * ops.cos(angle) - ops.sin(angle)) / ops.where(zero, 1, square)
    return g * ops.where(zero, 0, slope)


@op(gives="float", complex="analytic", inplace=True)
def sinc(input: Tensor) -> Tensor:
    """``sin(pi * input) / (pi * input)``, 1 at 0."""
sinc.gradient(input=_sinc_gradient)


# Bessel functions


@op(gives="float", inplace=True)
def i0(input: Tensor) -> Tensor:
    """The modified Bessel function of the first kind, of order 0."""
i0.gradient(input=lambda g, input, ops: g * ops.i1(input))


@op(gives="float", namespace="special")
def i0e(input: Tensor) -> Tensor:
    """``exp(-|input|) * i0(input)``."""
i0e.gradient(input=lambda g, input, out, ops: g * (ops.i1e(input) - ops.sgn(input) * out))


@op(gives="float", namespace="special")
def i1(input: Tensor) -> Tensor:
    """The modified Bessel function of the first kind, of order 1."""
i1.gradient(
    input=lambda g, input, out, ops: g * ops.where(ops.eq(input, 0), 0.5, ops.i0(input) - _over(out, input, ops))
)


@op(gives="float", namespace="special")
def i1e(input: Tensor) -> Tensor:
    """``exp(-|input|) * i1(input)``."""
i1e.gradient(
    input=lambda g, input, out, ops: g
    * ops.where(ops.eq(input, 0), 0.5, ops.i0e(input) - ops.sgn(input) * out - _over(out, input, ops))
)


def _over(x: Any, divisor: Any, ops: Any) -> Any:
    """``x / divisor``, where the divisor is 0 any number."""
    return x / ops.where(ops.eq(divisor, 0), 1, divisor)


# without a gradient, as in PyTorch


def _constant(name: str, doc: str, ordered: bool = False) -> None:
    """Declare the op ``special.name`` of one tensor, or of a tensor and an order, whose gradient PyTorch does not have."""

    def of_one(input: Tensor) -> Tensor: ...

    def of_order(input: TensorLike, n: TensorLike) -> Tensor: ...

    function: Any = of_order if ordered else of_one
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    op(gives="float", namespace="special", constants=("out",), leading=True)(function)


for _name, _doc in {
    "airy_ai": "The Airy function Ai.",
    "bessel_j0": "The Bessel function of the first kind, of order 0.",
    "bessel_j1": "The Bessel function of the first kind, of order 1.",
    "bessel_y0": "The Bessel function of the second kind, of order 0: -inf at 0, nan below.",
    "bessel_y1": "The Bessel function of the second kind, of order 1: -inf at 0, nan below.",
    "modified_bessel_k0": "The modified Bessel function of the second kind, of order 0: inf at 0, nan below.",
    "modified_bessel_k1": "The modified Bessel function of the second kind, of order 1: inf at 0, nan below.",
    "scaled_modified_bessel_k0": "``exp(input) * modified_bessel_k0(input)``.",
    "scaled_modified_bessel_k1": "``exp(input) * modified_bessel_k1(input)``.",
    "spherical_bessel_j0": "The spherical Bessel function of the first kind, of order 0: ``sin(input) / input``.",
}.items():
    _constant(_name, _doc)

for _name, _of in {
    **{f"chebyshev_polynomial_{kind}": f"Chebyshev polynomial of kind {kind.upper()}" for kind in "tuvw"},
    **{f"shifted_chebyshev_polynomial_{kind}": f"Chebyshev polynomial of kind {kind.upper()}, of 2 input - 1," for kind in "tuvw"},
    "hermite_polynomial_h": "Hermite polynomial of the physicists",
    "hermite_polynomial_he": "Hermite polynomial of the probabilists",
    "laguerre_polynomial_l": "Laguerre polynomial",
    "legendre_polynomial_p": "Legendre polynomial",
}.items():
    _constant(_name, f"The {_of} of order ``n``, any integers: negative ones give 0.", ordered=True)
