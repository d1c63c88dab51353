"""Averaged stochastic gradient descent."""

from __future__ import annotations

import math
from typing import Any

from tapeloom import Tensor

from .arguments import Rate, larger, penalised, scalar_state
from .optimizer import Optimizer, ParamsLike

__all__ = ["ASGD"]


class ASGD(Optimizer):
    """Gradient descent with a falling rate, which keeps the mean of its parameters in the state `ax`.

    With g the gradient plus weight_decay * p (the gradient's sign turned first with `maximize`), step t is

        p <- p * (1 - lambd * eta) - eta * g
        ax <- ax + mu * (p - ax)
        eta <- lr / (1 + lambd * lr * t)^alpha
        mu <- 1 / max(1, t - t0)

    eta begins at lr, mu at 1: before step t0 the mean is the parameter itself.

    Args:
        params: parameters, (name, parameter) pairs, or groups.
        lr: learning rate at the start, at least 0.
        lambd: how fast the parameters shrink and the rate falls.
        alpha: power of the fall.
        t0: the step at which averaging begins.
        weight_decay: factor of the L2 penalty, at least 0.
        maximize: climb instead of descend.

    Raises:
        ArgumentError: a setting out of its range.

    Source: B. Polyak, A. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control Optim. 30,
    1992; the rates are those of L. Bottou, "Large-scale machine learning with stochastic gradient descent", 2010.
    """

    slots = ("step", "eta", "mu", "ax")

    def __init__(
        self,
        params: ParamsLike,
        lr: Rate = 1e-2,
        lambd: Rate = 1e-4,
        alpha: Rate = 0.75,
        t0: Rate = 1e6,
        weight_decay: Rate = 0.0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, differentiable=differentiable)

    def check(self, group: dict[str, Any]) -> None:
        """Raises ArgumentError for settings out of their range."""
        for name in ("lr", "weight_decay"):
            self.check_number(name, group[name])
        for name in ("lambd", "alpha", "t0"):
            self.check_number(name, group[name], low=-math.inf)

    def initial_state(self, name: str, param: Tensor, group: dict[str, Any]) -> Tensor | None:
        """The first rate, 1 for the weight of the mean, and zeros."""
        if name == "eta":
            return scalar_state(param, group["lr"])
        return scalar_state(param, 1.0) if name == "mu" else super().initial_state(name, param, group)

    @staticmethod
    def update(
        ops: Any,
        p: Any,
        g: Any,
        eta: Any,
        mu: Any,
        ax: Any,
        *,
        step: float,
        lr: Any,
        lambd: Any,
        alpha: Any,
        t0: Any,
        weight_decay: Any,
        maximize: bool,
    ) -> tuple[Any, Any, Any, Any]:
        """One step of one parameter: the formula that the class describes."""
        g = penalised(p, g, weight_decay, maximize)
        p = p * (1 - eta * lambd) - g * eta
        ax = ops.where(mu == 1, p, ax + (p - ax) * mu)
        eta = eta * 0 + lr / (1 + lambd * lr * step) ** alpha
        mu = mu * 0 + 1 / larger(step - t0, 1.0)
        return p, eta, mu, ax
