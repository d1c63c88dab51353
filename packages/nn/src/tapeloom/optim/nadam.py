"""NAdam."""

from __future__ import annotations

from typing import Any

from tapeloom import Tensor

from .arguments import Rate, decayed, scalar_state
from .optimizer import Optimizer, ParamsLike

__all__ = ["NAdam"]


class NAdam(Optimizer):
    """Adam with the momentum of Nesterov: each step already uses the momentum of the next one.

    With g the gradient plus weight_decay * p (the gradient's sign turned first with `maximize`), step t is

        mu_t <- beta1 * (1 - 0.96^(t * momentum_decay) / 2)
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g^2
        n <- mu_(t+1) * m / (1 - mu_1 ... mu_(t+1)) + (1 - mu_t) * g / (1 - mu_1 ... mu_t)
        p <- p - lr * n / (sqrt(v / (1 - beta2^t)) + eps)

    Args:
        params: parameters, (name, parameter) pairs, or groups.
        lr: learning rate, at least 0.
        betas: decay of the two moments, each at least 0 and below 1.
        eps: added to the root, at least 0.
        weight_decay: factor of the L2 penalty, at least 0.
        momentum_decay: how fast mu grows to beta1, at least 0.
        decoupled_weight_decay: decay as `AdamW` does: before each step p <- p * (1 - lr * weight_decay).
        maximize: climb instead of descend.

    Raises:
        ArgumentError: a setting out of its range.

    Source: T. Dozat, "Incorporating Nesterov momentum into Adam", ICLR 2016 workshop, algorithm 2 and section 3.
    """

    slots = ("step", "mu_product", "exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: ParamsLike,
        lr: Rate = 2e-3,
        betas: tuple[Rate, Rate] = (0.9, 0.999),
        eps: Rate = 1e-8,
        weight_decay: Rate = 0.0,
        momentum_decay: Rate = 4e-3,
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
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, differentiable=differentiable)

    def check(self, group: dict[str, Any]) -> None:
        """Raises ArgumentError for settings out of their range."""
        for name in ("lr", "eps", "weight_decay", "momentum_decay"):
            self.check_number(name, group[name])
        self.check_betas(group["betas"])

    def initial_state(self, name: str, param: Tensor, group: dict[str, Any]) -> Tensor | None:
        """Zeros, and 1 for the product of no factors."""
        return scalar_state(param, 1.0) if name == "mu_product" else super().initial_state(name, param, group)

    @staticmethod
    def update(
        ops: Any,
        p: Any,
        g: Any,
        mu_product: Any,
        m: Any,
        v: Any,
        *,
        step: float,
        lr: Any,
        betas: tuple[Any, Any],
        eps: Any,
        weight_decay: Any,
        momentum_decay: Any,
        decoupled_weight_decay: bool,
        maximize: bool,
    ) -> tuple[Any, Any, Any, Any]:
        """One step of one parameter: the formula that the class describes."""
        beta1, beta2 = betas
        p, g = decayed(p, g, lr, weight_decay, decoupled_weight_decay, maximize)
        mu = beta1 * (1 - 0.5 * 0.96 ** (step * momentum_decay))
        mu_next = beta1 * (1 - 0.5 * 0.96 ** ((step + 1) * momentum_decay))
        mu_product = mu_product * mu
        m = m + (g - m) * (1 - beta1)
        v = v * beta2 + g * g * (1 - beta2)
        root = ops.sqrt(v / (1 - beta2**step)) + eps
        p = p - g / root * (lr * (1 - mu) / (1 - mu_product))
        return p - m / root * (lr * mu_next / (1 - mu_product * mu_next)), mu_product, m, v
