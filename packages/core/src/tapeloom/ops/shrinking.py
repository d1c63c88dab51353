"""Shrinkage and thresholds, and the activations that ``nn.functional`` has in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom.call.inplace import inplace as put
from tapeloom.call.op import function, op
from tapeloom.errors import ArgumentError
from tapeloom.op.registry import OPS
from tapeloom.ops.activation import celu, hardtanh, placed, selu
from tapeloom.ops.arguments import as_tensor_of

if TYPE_CHECKING:
    from tapeloom.op.parameter import Number
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor


def _shrunk(g: Any, input: Any, lambd: float, ops: Any) -> Any:
    return ops.where(ops.logical_and(ops.ge(input, -lambd), ops.le(input, lambd)), 0, g)


@op(takes="floating")
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """0 from ``-lambd`` to ``lambd``, ``input`` elsewhere."""
hardshrink.gradient(input=_shrunk)


def _not_negative(op: OpSchema, input: Tensor, lambd: float) -> None:
    if not lambd >= 0:
        raise ArgumentError(f"softshrink: lambd must not be negative, got {lambd}.")


@op(takes="floating", check=_not_negative, method=False)
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``input`` moved by ``lambd`` towards 0, and 0 from ``-lambd`` to ``lambd``. Raises ArgumentError for a negative ``lambd``.

    Source: D. Donoho, I. Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81, 1994.
    """
softshrink.gradient(input=_shrunk)


@op(takes="no bool", method=False)
def threshold(input: Tensor, threshold: Number, value: Number) -> Tensor:
    """``input`` where it is above ``threshold``, ``value`` elsewhere. Of integers both are cut off to integers."""
threshold.gradient(input=lambda g, input, threshold, ops: ops.where(ops.le(input, threshold), 0, g))


@threshold.extend
def _(input: Tensor, threshold: Number, value: Number, *, inplace: bool = False) -> Tensor:
    return placed("threshold", input, OPS.threshold(input, threshold, value), inplace)


# in place: the forms that PyTorch has as functions


@function(method=False)
def relu_(input: Tensor) -> Tensor:
    """``relu`` in place."""
    return put("relu", input, OPS.relu(as_tensor_of("relu_", input)))


@function(method=False)
def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """``leaky_relu`` in place."""
    return put("leaky_relu", input, OPS.leaky_relu(as_tensor_of("leaky_relu_", input), negative_slope))


@function(method=False)
def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """``hardtanh`` in place."""
    return put("hardtanh", input, hardtanh(as_tensor_of("hardtanh_", input), min_val, max_val))


@function(method=False)
def threshold_(input: Tensor, threshold: Number, value: Number) -> Tensor:
    """``threshold`` in place."""
    return put("threshold", input, OPS.threshold(as_tensor_of("threshold_", input), threshold, value))


@function(method=False)
def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """``elu`` in place."""
    return put("elu", input, OPS.elu(as_tensor_of("elu_", input), alpha))


@function(method=False)
def selu_(input: Tensor) -> Tensor:
    """``selu`` in place."""
    return put("selu", input, selu(as_tensor_of("selu_", input)))


@function(method=False)
def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """``celu`` in place."""
    return put("celu", input, celu(as_tensor_of("celu_", input), alpha))
