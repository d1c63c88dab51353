"""Muon."""

from __future__ import annotations

import math
from typing import Any

from tapeloom import Tensor

from .arguments import Rate, is_zero
from .optimizer import Optimizer, ParamsLike

__all__ = ["Muon"]

_MANY_STEPS = 100


class Muon(Optimizer):
    """Steps along the nearest orthogonal matrix to the momentum: for the weights of hidden layers.

    With g the gradient, a step is

        b <- b + (1 - momentum) * (g - b)
        u <- b                                         or, with nesterov, g + momentum * (b - g)
        p <- p * (1 - lr * weight_decay) - s * lr * orthogonal(u)

    `orthogonal` divides u by its norm and then repeats u <- (A + B * u u^T + C * (u u^T)^2) u, which pulls all singular
    values towards 1. It is computed in the parameter's dtype, of half types in float32; PyTorch computes it in bfloat16.

    Biases, embeddings and the last layer are better left to another optimizer, such as `AdamW`.

    Args:
        params: real matrices, (name, parameter) pairs, or groups.
        lr: learning rate, at least 0.
        weight_decay: factor of the decay, at least 0.
        momentum: how much of the momentum stays, at least 0.
        nesterov: look ahead.
        ns_coefficients: A, B and C.
        eps: the least norm to divide by, at least 0.
        ns_steps: how often the polynomial is repeated, below 100.
        adjust_lr_fn: the factor s for a matrix of m rows and n columns: "original", which is also None, is
            sqrt(max(1, m / n)), and "match_rms_adamw" is 0.2 * sqrt(max(m, n)), with which the settings of AdamW fit.

    Raises:
        ArgumentError: a setting out of its range, or a parameter that is no real matrix.

    Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; "match_rms_adamw":
    J. Liu et al., "Muon is scalable for LLM training", 2025, eq. 4. N. Higham, "Functions of Matrices", 2008, chapter 8,
    on such iterations.
    """

    slots = ("momentum_buffer",)

    def __init__(
        self,
        params: ParamsLike,
        lr: Rate = 1e-3,
        weight_decay: Rate = 0.1,
        momentum: Rate = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: Rate = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)

    def check(self, group: dict[str, Any]) -> None:
        """Raises ArgumentError for settings out of their range."""
        for name in ("lr", "weight_decay", "momentum", "eps"):
            self.check_number(name, group[name])
        coefficients, steps, adjust = group["ns_coefficients"], group["ns_steps"], group["adjust_lr_fn"]
        if not isinstance(coefficients, (tuple, list)) or len(coefficients) != 3:
            self._refuse(f"ns_coefficients must be three numbers, got {coefficients!r}")
        for number, value in enumerate(coefficients):
            self.check_number(f"ns_coefficients[{number}]", value, low=-math.inf)
        if isinstance(steps, bool) or not isinstance(steps, int) or not 0 <= steps < _MANY_STEPS:
            self._refuse(f"ns_steps must be an int from 0 to {_MANY_STEPS - 1}, got {steps!r}")
        if adjust not in (None, "original", "match_rms_adamw"):
            self._refuse(f'adjust_lr_fn must be "original", "match_rms_adamw" or None, got {adjust!r}')

    def check_parameter(self, what: str, param: Tensor) -> None:
        """Raises ArgumentError for a parameter that is no real matrix."""
        super().check_parameter(what, param)
        self.check_real(what, param)
        if param.ndim != 2:
            self._refuse(
                f"{what} has shape {param.shape}, and only matrices can be optimized. Give the others to AdamW"
            )

    @staticmethod
    def update(
        ops: Any,
        p: Any,
        g: Any,
        momentum_buffer: Any,
        *,
        lr: Any,
        weight_decay: Any,
        momentum: Any,
        nesterov: bool,
        ns_coefficients: tuple[Any, Any, Any],
        eps: Any,
        ns_steps: int,
        adjust_lr_fn: str | None,
    ) -> tuple[Any, Any]:
        """One step of one parameter: the formula that the class describes."""
        rows, columns = p.shape
        momentum_buffer = momentum_buffer + (g - momentum_buffer) * (1 - momentum)
        u = g + (momentum_buffer - g) * momentum if nesterov else momentum_buffer
        a, b, c = ns_coefficients
        if rows > columns:  # the smaller of both products
            u = ops.permute(u, (1, 0))
        u = u / ops.clamp(ops.sqrt(ops.sum(u * u, (0, 1), True)), eps, None)
        for _ in range(ns_steps):
            gram = ops.matmul(u, ops.permute(u, (1, 0)))
            u = u * a + ops.matmul(gram * b + ops.matmul(gram, gram) * c, u)
        if rows > columns:
            u = ops.permute(u, (1, 0))
        if adjust_lr_fn == "match_rms_adamw":
            scale = 0.2 * max(rows, columns) ** 0.5
        else:
            scale = max(1.0, rows / columns if columns else 1.0) ** 0.5
        if not is_zero(weight_decay):
            p = p * (1 - lr * weight_decay)
        return p - u * (lr * scale), momentum_buffer
