"""Adamax."""

from __future__ import annotations

from typing import Any

from .arguments import Rate, penalised
from .optimizer import Optimizer, ParamsLike

__all__ = ["Adamax"]


class Adamax(Optimizer):
    """Adam with a decaying maximum of the gradients in the place of the root of their mean square.

    With g the gradient plus weight_decay * p (the gradient's sign turned first with `maximize`), step t is

        m <- beta1 * m + (1 - beta1) * g
        u <- max(beta2 * u, |g| + eps)
        p <- p - lr / (1 - beta1^t) * m / u

    Args:
        params: parameters, (name, parameter) pairs, or groups.
        lr: learning rate, at least 0.
        betas: decay of the mean and of the maximum, each at least 0 and below 1.
        eps: added to the absolute values, at least 0.
        weight_decay: factor of the L2 penalty, at least 0.
        maximize: climb instead of descend.

    Raises:
        ArgumentError: a setting out of its range.

    Source: D. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 2.
    """

    slots = ("step", "exp_avg", "exp_inf")

    def __init__(
        self,
        params: ParamsLike,
        lr: Rate = 2e-3,
        betas: tuple[Rate, Rate] = (0.9, 0.999),
        eps: Rate = 1e-8,
        weight_decay: Rate = 0.0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults, differentiable=differentiable)

    def check(self, group: dict[str, Any]) -> None:
        """Raises ArgumentError for settings out of their range."""
        for name in ("lr", "eps", "weight_decay"):
            self.check_number(name, group[name])
        self.check_betas(group["betas"])

    @staticmethod
    def update(
        ops: Any,
        p: Any,
        g: Any,
        m: Any,
        largest: Any,
        *,
        step: float,
        lr: Any,
        betas: tuple[Any, Any],
        eps: Any,
        weight_decay: Any,
        maximize: bool,
    ) -> tuple[Any, Any, Any]:
        """One step of one parameter: the formula that the class describes."""
        beta1, beta2 = betas
        g = penalised(p, g, weight_decay, maximize)
        m = m + (g - m) * (1 - beta1)
        largest = ops.maximum(largest * beta2, ops.abs(g) + eps)
        return p - m / largest * (lr / (1 - beta1**step)), m, largest
