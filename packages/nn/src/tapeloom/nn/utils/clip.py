"""Keeping gradients small."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.call.op import explained
from tapeloom.errors import ArgumentError, GradientError
from tapeloom.ops.arguments import as_tensors_of

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


@explained
def get_total_norm(
    tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """The norm of all tensors together, as if they were one long vector.

    Args:
        tensors: on one device or several; the result is on the device of the first.
        norm_type: p of the p-norm; `math.inf` for the largest absolute value.
        error_if_nonfinite: raise for a norm that is not finite.

    Returns:
        A tensor of shape (); 0 for no tensors.

    Raises:
        ArgumentError: `norm_type` is not positive.
        GradientError: a norm that is nan or infinite, if asked for.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom.nn.utils import get_total_norm
        >>> get_total_norm([tl.tensor([3.0]), tl.tensor([0.0, 4.0])]).item()
        5.0
    """
    if not norm_type > 0:
        raise ArgumentError(f"get_total_norm: norm_type is {norm_type}; it must be positive, or math.inf.")
    each = [tensors] if isinstance(tensors, Tensor) else as_tensors_of("get_total_norm", tensors)
    if not each:
        return tl.tensor(0.0)
    with tl.no_grad():
        norms = [tl.linalg.vector_norm(tensor, norm_type).to(each[0].device) for tensor in each]
        total: Tensor = tl.linalg.vector_norm(tl.stack(norms), norm_type)
        if error_if_nonfinite and not math.isfinite(total.item()):
            raise GradientError(
                f"The norm of the gradients is {total.item()}. A loss or an input is nan or infinite, or the gradients "
                "exploded; autograd.detect_anomaly() finds where. Pass error_if_nonfinite=False to clip them all the same."
            )
    return total


@explained
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scales all gradients by one factor, so that their total norm is at most `max_norm`.

    The factor is min(1, max_norm / (norm + 1e-6)); the 1e-6 is PyTorch's.

    Args:
        parameters: tensors whose `.grad` is scaled in place; those without one are left out.
        max_norm: the largest total norm.
        norm_type, error_if_nonfinite: see `get_total_norm`.

    Returns:
        The total norm before clipping, a tensor of shape ().

    Raises:
        ArgumentError: `max_norm` is negative or `norm_type` not positive.
        GradientError: a norm that is not finite, if asked for; then no gradient is changed.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom.nn.utils import clip_grad_norm_
        >>> weight = tl.zeros(2, requires_grad=True)
        >>> weight.grad = tl.tensor([3.0, 4.0])
        >>> clip_grad_norm_([weight], max_norm=1.0).item()
        5.0
        >>> [round(value, 4) for value in weight.grad.tolist()]
        [0.6, 0.8]

    Source: R. Pascanu, T. Mikolov, Y. Bengio, "On the difficulty of training recurrent neural networks", ICML 2013,
    algorithm 1.
    """
    if not max_norm >= 0:
        raise ArgumentError(f"clip_grad_norm_: max_norm is {max_norm}; it must not be negative.")
    grads = _grads("clip_grad_norm_", parameters)
    with tl.no_grad():
        # half types are clipped in float32: neither the norm nor the factor need fit them
        wide = [grad.float() if grad.dtype.half else grad for grad in grads]
        total = get_total_norm(wide, norm_type, error_if_nonfinite)
        _scale(grads, wide, max_norm, total)
    return total.to(functools.reduce(tl.promote_types, [grad.dtype.real for grad in grads])) if grads else total


def _scale(grads: list[Tensor], wide: list[Tensor], max_norm: float, total: Tensor) -> None:
    """Puts the values in `wide`, of which those of half types are copies, times the factor into the gradients."""
    factor = (max_norm / (total + 1e-6)).clamp(max=1.0)
    for grad, values in zip(grads, wide, strict=True):
        if values is grad:
            grad.mul_(factor.to(grad.device))
        else:
            grad.copy_(values * factor.to(grad.device))


@explained
def clip_grads_with_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor) -> None:
    """Scales all gradients as `clip_grad_norm_` does, by a total norm that is known already.

    Args:
        parameters: tensors whose `.grad` is scaled in place; those without one are left out.
        max_norm: the largest total norm.
        total_norm: what `get_total_norm` gave.
    """
    grads = _grads("clip_grads_with_norm_", parameters)
    with tl.no_grad():
        wide = [grad.float() if grad.dtype.half else grad for grad in grads]
        _scale(grads, wide, max_norm, total_norm)


@explained
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limits every element of every gradient to -clip_value … clip_value, in place.

    Raises:
        ArgumentError: `clip_value` is negative.
    """
    if not clip_value >= 0:
        raise ArgumentError(f"clip_grad_value_: clip_value is {clip_value}; it must not be negative.")
    with tl.no_grad():
        for grad in _grads("clip_grad_value_", parameters):
            grad.clamp_(-clip_value, clip_value)


def _grads(name: str, parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    each = [parameters] if isinstance(parameters, Tensor) else as_tensors_of(name, parameters, "parameters")
    return [parameter.grad for parameter in each if parameter.grad is not None]
