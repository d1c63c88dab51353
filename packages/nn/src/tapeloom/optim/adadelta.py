"""Adadelta."""

from __future__ import annotations

from typing import Any

from .arguments import Rate, penalised
from .optimizer import Optimizer, ParamsLike

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """Steps as large as the mean of the last ones, in units of the mean of the last gradients.

    With g the gradient plus weight_decay * p (the gradient's sign turned first with `maximize`), a step is

        v <- rho * v + (1 - rho) * g^2
        d <- sqrt(u + eps) / sqrt(v + eps) * g
        u <- rho * u + (1 - rho) * d^2
        p <- p - lr * d

    Args:
        params: parameters, (name, parameter) pairs, or groups.
        lr: factor of the step, at least 0.
        rho: how much of both means stays, between 0 and 1.
        eps: added under both roots, at least 0.
        weight_decay: factor of the L2 penalty, at least 0.
        maximize: climb instead of descend.

    Raises:
        ArgumentError: a setting out of its range.

    Source: M. Zeiler, "ADADELTA: an adaptive learning rate method", 2012, algorithm 1; PyTorch's lr is its factor.
    """

    slots = ("step", "square_avg", "acc_delta")

    def __init__(
        self,
        params: ParamsLike,
        lr: Rate = 1.0,
        rho: Rate = 0.9,
        eps: Rate = 1e-6,
        weight_decay: Rate = 0.0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults, differentiable=differentiable)

    def check(self, group: dict[str, Any]) -> None:
        """Raises ArgumentError for settings out of their range."""
        for name in ("lr", "eps", "weight_decay"):
            self.check_number(name, group[name])
        self.check_number("rho", group["rho"], most=1.0)

    @staticmethod
    def update(
        ops: Any,
        p: Any,
        g: Any,
        square_avg: Any,
        acc_delta: Any,
        *,
        lr: Any,
        rho: Any,
        eps: Any,
        weight_decay: Any,
        maximize: bool,
    ) -> tuple[Any, Any, Any]:
        """One step of one parameter: the formula that the class describes."""
        g = penalised(p, g, weight_decay, maximize)
        square_avg = square_avg * rho + g * g * (1 - rho)
        delta = ops.sqrt(acc_delta + eps) / ops.sqrt(square_avg + eps) * g
        acc_delta = acc_delta * rho + delta * delta * (1 - rho)
        return p - delta * lr, square_avg, acc_delta
