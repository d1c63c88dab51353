"""Adam and AdamW."""

from __future__ import annotations

from typing import Any, ClassVar

from .arguments import Rate, decayed
from .optimizer import Optimizer, ParamsLike

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Steps of a size that the first two moments of the gradient choose for each element.

    With g the gradient plus weight_decay * p (the gradient's sign turned first with `maximize`), step t is

        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g^2
        p <- p - lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    With `amsgrad` the largest v so far stands for v in the last line.

    Args:
        params: parameters, (name, parameter) pairs, or groups.
        lr: learning rate, at least 0.
        betas: decay of the two moments, each at least 0 and below 1.
        eps: added to the root, at least 0.
        weight_decay: factor of the L2 penalty, at least 0.
        amsgrad: never let the denominator shrink.
        maximize: climb instead of descend.
        decoupled_weight_decay: decay as `AdamW` does.

    Raises:
        ArgumentError: a setting out of its range.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import optim
        >>> weight = tl.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = optim.Adam([weight], lr=0.1)
        >>> (weight * weight).sum().backward()
        >>> optimizer.step()
        >>> [round(value, 4) for value in weight.tolist()]
        [0.9, -1.9]

    Source: D. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1; S. Reddi et al.,
    "On the convergence of Adam and beyond", ICLR 2018, algorithm 2.
    """

    slots = ("step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    only_if: ClassVar = {"max_exp_avg_sq": "amsgrad"}
    fused = "adam"

    def __init__(
        self,
        params: ParamsLike,
        lr: Rate = 1e-3,
        betas: tuple[Rate, Rate] = (0.9, 0.999),
        eps: Rate = 1e-8,
        weight_decay: Rate = 0.0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
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
        largest: Any,
        *,
        step: float,
        lr: Any,
        betas: tuple[Any, Any],
        eps: Any,
        weight_decay: Any,
        amsgrad: bool,
        maximize: bool,
        decoupled_weight_decay: bool,
    ) -> tuple[Any, Any, Any, Any]:
        """One step of one parameter: the formula that the class describes."""
        beta1, beta2 = betas
        p, g = decayed(p, g, lr, weight_decay, decoupled_weight_decay, maximize)
        m = m + (g - m) * (1 - beta1)
        v = v * beta2 + g * g * (1 - beta2)
        if amsgrad:
            largest = ops.maximum(largest, v)
        root = ops.sqrt(largest if amsgrad else v) / (1 - beta2**step) ** 0.5 + eps
        return p - m / root * (lr / (1 - beta1**step)), m, v, largest


class AdamW(Adam):
    """Adam with the weight decay outside the moments: before each step p <- p * (1 - lr * weight_decay).

    Arguments and errors are those of `Adam`; the weight decay is 0.01 unless given.

    Source: I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.
    """

    def __init__(
        self,
        params: ParamsLike,
        lr: Rate = 1e-3,
        betas: tuple[Rate, Rate] = (0.9, 0.999),
        eps: Rate = 1e-8,
        weight_decay: Rate = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad,
            maximize=maximize, differentiable=differentiable, decoupled_weight_decay=True,
        )  # fmt: skip
