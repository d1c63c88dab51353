"""LAMB."""

from __future__ import annotations

from typing import Any

from .arguments import Rate, is_zero
from .optimizer import Optimizer, ParamsLike

__all__ = ["LAMB"]


class LAMB(Optimizer):
    """Adam's direction, in a step whose length is a fraction of the parameter's: for large batches.

    With g the gradient (its sign turned first with `maximize`), step t is

        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g^2
        u <- (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps) + weight_decay * p
        p <- p - lr * |p| / |u| * u

    where |p| and |u| are the norms of the whole parameter and step; where one of them is 0 the ratio is 1. PyTorch has no
    such optimizer.

    Args:
        params: parameters, (name, parameter) pairs, or groups.
        lr: length of the step in lengths of the parameter, at least 0.
        betas: decay of the two moments, each at least 0 and below 1.
        eps: added to the root, at least 0.
        weight_decay: factor of the decay, at least 0.
        maximize: climb instead of descend.

    Raises:
        ArgumentError: a setting out of its range.

    Source: Y. You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", ICLR 2020,
    algorithm 2 with the identity for phi.
    """

    slots = ("step", "exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: ParamsLike,
        lr: Rate = 1e-3,
        betas: tuple[Rate, Rate] = (0.9, 0.999),
        eps: Rate = 1e-6,
        weight_decay: Rate = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults)

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
        maximize: bool,
    ) -> tuple[Any, Any, Any]:
        """One step of one parameter: the formula that the class describes."""
        beta1, beta2 = betas
        everything = tuple(range(len(p.shape)))
        if maximize:
            g = -g
        m = m + (g - m) * (1 - beta1)
        v = v * beta2 + g * g * (1 - beta2)
        u = m / (1 - beta1**step) / (ops.sqrt(v / (1 - beta2**step)) + eps)
        if not is_zero(weight_decay):
            u = u + p * weight_decay
        size, length = (ops.sqrt(ops.sum(x * x, everything, False)) for x in (p, u))
        both = (size > 0) & (length > 0)
        ratio = ops.where(both, size / ops.where(both, length, 1.0), 1.0)
        return p - u * (ratio * lr), m, v
