"""RAdam."""

from __future__ import annotations

from typing import Any

from .arguments import Rate, decayed, larger
from .optimizer import Optimizer, ParamsLike

__all__ = ["RAdam"]


class RAdam(Optimizer):
    """Adam that divides by the root of the second moment only once enough gradients have been seen to trust it.

    With g the gradient plus weight_decay * p (the gradient's sign turned first with `maximize`), step t is

        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g^2
        p <- p - lr * m / (1 - beta1^t) * (r * sqrt(1 - beta2^t) / (sqrt(v) + eps) if rho > 5 else 1)

    where rho = rho_inf - 2 * t * beta2^t / (1 - beta2^t), rho_inf = 2 / (1 - beta2) - 1, and
    r = sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)).

    Args:
        params: parameters, (name, parameter) pairs, or groups.
        lr: learning rate, at least 0.
        betas: decay of the two moments, each at least 0 and below 1.
        eps: added to the root, at least 0.
        weight_decay: factor of the L2 penalty, at least 0.
        decoupled_weight_decay: decay as `AdamW` does: before each step p <- p * (1 - lr * weight_decay).
        maximize: climb instead of descend.

    Raises:
        ArgumentError: a setting out of its range.

    Source: L. Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020, algorithm 2, with the
    bound of 5 that the authors' code has, as PyTorch.
    """

    slots = ("step", "exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: ParamsLike,
        lr: Rate = 1e-3,
        betas: tuple[Rate, Rate] = (0.9, 0.999),
        eps: Rate = 1e-8,
        weight_decay: Rate = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
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
        v: Any,
        *,
        step: float,
        lr: Any,
        betas: tuple[Any, Any],
        eps: Any,
        weight_decay: Any,
        decoupled_weight_decay: bool,
        maximize: bool,
    ) -> tuple[Any, Any, Any]:
        """One step of one parameter: the formula that the class describes."""
        beta1, beta2 = betas
        p, g = decayed(p, g, lr, weight_decay, decoupled_weight_decay, maximize)
        m = m + (g - m) * (1 - beta1)
        v = v * beta2 + g * g * (1 - beta2)
        left = 1 - beta2**step
        full = 2 / (1 - beta2) - 1
        length = full - 2 * step * beta2**step / left
        # numbers may be unknown where the formula is compiled: both cases are computed, the roots at lengths that have one
        r, r_full = larger(length, 5.0), larger(full, 5.0)
        rect = ((r - 4) * (r - 2) * r_full / ((r_full - 4) * (r_full - 2) * r)) ** 0.5
        trusted = ops.clamp(v, length, length) > 5.0
        update = ops.where(trusted, m / (ops.sqrt(v) + eps) * (left**0.5 * rect), m)
        return p - update * (lr / (1 - beta1**step)), m, v
