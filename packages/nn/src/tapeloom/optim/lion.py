"""Lion."""

from __future__ import annotations

from typing import Any

from .arguments import Rate, is_zero
from .optimizer import Optimizer, ParamsLike

__all__ = ["Lion"]


class Lion(Optimizer):
    """Steps of one size, in the direction of the sign of a mean of gradients. PyTorch has no such optimizer.

    With g the gradient (its sign turned first with `maximize`), a step is

        p <- p * (1 - lr * weight_decay) - lr * sign(beta1 * m + (1 - beta1) * g)
        m <- beta2 * m + (1 - beta2) * g

    Args:
        params: parameters, (name, parameter) pairs, or groups.
        lr: size of the steps, at least 0; 3 to 10 times smaller than that of `AdamW`.
        betas: how much of the mean stays, in the step and in the mean, each at least 0 and below 1.
        weight_decay: factor of the decay, at least 0.
        maximize: climb instead of descend.

    Raises:
        ArgumentError: a setting out of its range.

    Source: X. Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023, algorithm 2.
    """

    slots = ("exp_avg",)

    def __init__(
        self,
        params: ParamsLike,
        lr: Rate = 1e-4,
        betas: tuple[Rate, Rate] = (0.9, 0.99),
        weight_decay: Rate = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize})

    def check(self, group: dict[str, Any]) -> None:
        """Raises ArgumentError for settings out of their range."""
        for name in ("lr", "weight_decay"):
            self.check_number(name, group[name])
        self.check_betas(group["betas"])

    @staticmethod
    def update(
        ops: Any, p: Any, g: Any, m: Any, *, lr: Any, betas: tuple[Any, Any], weight_decay: Any, maximize: bool
    ) -> tuple[Any, Any]:
        """One step of one parameter: the formula that the class describes."""
        beta1, beta2 = betas
        if maximize:
            g = -g
        if not is_zero(weight_decay):
            p = p * (1 - lr * weight_decay)
        return p - ops.sign(m * beta1 + g * (1 - beta1)) * lr, m * beta2 + g * (1 - beta2)
