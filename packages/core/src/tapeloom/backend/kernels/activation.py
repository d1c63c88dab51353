"""Activation kernels, and erf, which no array library of ours has."""

from __future__ import annotations

from typing import Any

from tapeloom.backend.array import Array
from tapeloom.backend.kernels.marks import composed

ROOT_HALF = 0.7071067811865476  # sqrt(1 / 2)
ROOT_TWO_OVER_PI = 0.7978845608028654  # sqrt(2 / pi)
DENSITY_AT_0 = 0.3989422804014327  # 1 / sqrt(2 pi): the normal density at 0
TINY = 1e-5  # below, P(x) is 1 / 2 + x / sqrt(2 pi) to the last digit of float64, in both forms of gelu
CUBIC = 0.044715  # of the tanh form of gelu (Hendrycks and Gimpel, 2016)

# erf(x) = tanh(x * P(x**2) / Q(x**2)): atanh(erf(x)) / x is smooth and slow, tanh saturates by itself and damps the errors
# of the quotient. Coefficients (highest power first, Q monic) by a minimax fit of our own on 0 <= x**2 <= LIMIT: the
# relative error of erf is below 3.5e-9 and 1.5e-17. Beyond the limit erf is 1 in the dtype.
# itemsize -> (limit, P, Q)
ERF = {
    4: (
        16.0,
        (6.7039772728407945665, 131.25229052838646595, 861.16076446201728019, 3472.7958707617257718),
        (72.909512328628423057, 482.86900457522531007, 3077.685196831391147),
    ),
    8: (
        36.0,
        (
            16.32586101787856158, 2254.4680101773351578, 79750.71069280242485, 1593219.1144634300555,
            21690755.758585737582, 208029034.11295038234, 1431748880.0640992095, 6910029829.4395666212,
            21748641241.773872229, 38342394237.779962203,
        ),
        (
            482.76370030551072502, 28104.780018283282524, 663021.82958318878449, 10504468.594554572961,
            112912521.03799385154, 865507717.95541760527, 4656543033.6841999576, 16179332555.59615557,
            33980062159.845280486,
        ),
    ),
}  # fmt: skip


class Activation:
    """Kernels of the activations."""

    xp: Any

    def relu(self: Any, x: Array) -> Array:
        return self.xp.maximum(x, 0)

    def relu_backward(self: Any, upstream: Array, y: Array) -> Array:
        return self.where(self.le(y, 0), self.zero_like(upstream), upstream)

    def leaky_relu(self: Any, x: Array, negative_slope: float) -> Array:
        return self.where(self.gt(x, 0), x, x * negative_slope)

    def sloped(self: Any, x: Array, weight: Array) -> Array:
        return self.where(self.gt(x, 0), x, x * weight)

    def hardtanh(self: Any, x: Array, min_val: float, max_val: float) -> Array:
        if not self.dtype_of(x).inexact:
            min_val, max_val = int(min_val), int(max_val)
        return self.minimum(self.maximum(x, min_val), max_val)

    def sigmoid(self: Any, x: Array) -> Array:
        return 1 / (self.exp(-x) + 1)  # an exp that overflows gives the right 0

    def silu(self: Any, x: Array) -> Array:
        return x / (self.exp(-x) + 1)

    def gated(self: Any, x: Array, gate: Array) -> Array:
        return x * self.sigmoid(gate)

    def elu(self: Any, x: Array, alpha: float) -> Array:
        return self.where(self.gt(x, 0), x, self.expm1(x) * alpha)

    def scaled_elu(self: Any, x: Array, slope: float, alpha: float, rate: float) -> Array:
        return self.where(self.gt(x, 0), x * slope, self.expm1(x * rate) * alpha)

    def softplus(self: Any, x: Array, beta: float, threshold: float) -> Array:
        scaled = x * beta
        smooth = self.log1p(self.exp(-self.abs(scaled))) + self.maximum(scaled, 0)
        return self.where(self.gt(scaled, threshold), x, smooth / beta)

    def mish(self: Any, x: Array) -> Array:
        return x * self.tanh(self.softplus(x, 1.0, 20.0))

    def erf(self: Any, x: Array) -> Array:
        """Within 4 units in the last place."""
        limit, above, below = ERF[self.dtype_of(x).itemsize]
        t = self.minimum(x * x, limit)
        p = t * above[0] + above[1]
        for coefficient in above[2:]:
            p = p * t + coefficient
        q = t + below[0]
        for coefficient in below[1:]:
            q = q * t + coefficient
        return self.tanh(x * (p / q))

    @composed
    def gelu(self: Any, x: Array, approximate: str) -> Array:
        """``x`` times the normal distribution function at x, or the tanh that comes near it."""
        if approximate == "tanh":
            return x * 0.5 * (self.tanh(x * (x * x * CUBIC + 1) * ROOT_TWO_OVER_PI) + 1)
        return x * 0.5 * (self.erf(x * ROOT_HALF) + 1)

    def gelu_backward(self: Any, g: Array, x: Array, out: Array, approximate: str) -> Array:
        # P(x), whose tangent stands for it where the result has few digits or none
        share = self.where(self.abs(x) < TINY, x * DENSITY_AT_0 + 0.5, out / x)
        if approximate == "tanh":
            # the tanh is 2 P - 1, so its slope 1 - tanh**2 is 4 P (1 - P)
            rate = (x * x * (3 * CUBIC) + 1) * (2 * ROOT_TWO_OVER_PI)
            return g * (share + x * (share * (1 - share)) * rate)
        return g * (share + x * (self.exp(x * x * -0.5) * DENSITY_AT_0))

    def softmax(self: Any, x: Array, dim: int) -> Array:
        if not x.ndim:
            return self.exp(x - x)
        if not x.shape[dim]:
            return x
        raised = self.exp(x - self.amax(x, (dim,), True))
        return raised / self.sum(raised, (dim,), True)

    def softmax_backward(self: Any, upstream: Array, y: Array, dim: int) -> Array:
        return (upstream - self.sum(upstream * y, (dim,) if y.ndim else (), True)) * y

    def log_softmax(self: Any, x: Array, dim: int) -> Array:
        if not x.ndim:
            return x - x
        if not x.shape[dim]:
            return x
        lowered = x - self.amax(x, (dim,), True)
        return lowered - self.log(self.sum(self.exp(lowered), (dim,), True))

    def log_softmax_backward(self: Any, upstream: Array, y: Array, dim: int) -> Array:
        return upstream - self.exp(y) * self.sum(upstream, (dim,) if y.ndim else (), True)
