"""Adagrad."""

from __future__ import annotations

from typing import Any

import tapeloom as tl
from tapeloom import Tensor

from .arguments import Rate, penalised
from .optimizer import Optimizer, ParamsLike

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Steps in proportion to the gradient divided by the root of the sum of all its squares so far.

    With g the gradient plus weight_decay * p (the gradient's sign turned first with `maximize`), step t is

        s <- s + g^2
        p <- p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    Args:
        params: parameters, (name, parameter) pairs, or groups.
        lr: learning rate, at least 0.
        lr_decay: how fast the learning rate falls, at least 0.
        weight_decay: factor of the L2 penalty, at least 0.
        initial_accumulator_value: where the sum begins, at least 0.
        eps: added to the root, at least 0.
        maximize: climb instead of descend.

    Raises:
        ArgumentError: a setting out of its range.

    Source: J. Duchi, E. Hazan, Y. Singer, "Adaptive subgradient methods for online learning and stochastic
    optimization", JMLR 12, 2011, section 1.1, the diagonal form.
    """

    slots = ("step", "sum")

    def __init__(
        self,
        params: ParamsLike,
        lr: Rate = 1e-2,
        lr_decay: Rate = 0.0,
        weight_decay: Rate = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: Rate = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "maximize": maximize,
        }
        super().__init__(params, defaults, differentiable=differentiable)
        for group in self.param_groups:  # the sums are there from the start, as in PyTorch
            for param in group["params"]:
                self.state[param] = {"step": 0.0, "sum": self.initial_state("sum", param, group)}

    def check(self, group: dict[str, Any]) -> None:
        """Raises ArgumentError for settings out of their range."""
        for name in ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"):
            self.check_number(name, group[name])

    def initial_state(self, name: str, param: Tensor, group: dict[str, Any]) -> Tensor:
        """The sums before the first step."""
        start = group["initial_accumulator_value"]
        return tl.full_like(param.detach(), complex(start, start) if param.is_complex() else start)

    @staticmethod
    def update(
        ops: Any,
        p: Any,
        g: Any,
        squares: Any,
        *,
        step: float,
        lr: Any,
        lr_decay: Any,
        weight_decay: Any,
        eps: Any,
        maximize: bool,
    ) -> tuple[Any, Any]:
        """One step of one parameter: the formula that the class describes."""
        g = penalised(p, g, weight_decay, maximize)
        squares = squares + g * g
        return p - g / (ops.sqrt(squares) + eps) * (lr / (1 + (step - 1) * lr_decay)), squares
