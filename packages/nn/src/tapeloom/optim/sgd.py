"""Stochastic gradient descent."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from tapeloom import Tensor

from .arguments import Rate, is_zero, penalised
from .optimizer import Optimizer, ParamsLike

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent, with momentum if wanted.

    With g the gradient plus weight_decay * p (the gradient's sign turned first with `maximize`), a step is

        b <- momentum * b + (1 - dampening) * g        (b <- g in the first step)
        p <- p - lr * b                                or, with nesterov, p - lr * (g + momentum * b)

    Args:
        params: parameters, (name, parameter) pairs, or groups.
        lr: learning rate, at least 0.
        momentum: how much of the velocity stays, at least 0.
        dampening: how much of the gradient is left out of the velocity.
        weight_decay: factor of the L2 penalty, at least 0.
        nesterov: look ahead; needs momentum and no dampening.
        maximize: climb instead of descend.

    Raises:
        ArgumentError: a setting out of its range.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import optim
        >>> weight = tl.tensor([1.0, 2.0], requires_grad=True)
        >>> optimizer = optim.SGD([weight], lr=0.5)
        >>> (weight * weight).sum().backward()
        >>> optimizer.step()
        >>> weight.tolist()
        [0.0, 0.0]

    Source: I. Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013, in
    PyTorch's form, where lr is outside the velocity.
    """

    slots = ("momentum_buffer",)
    only_if: ClassVar = {"momentum_buffer": "momentum"}
    fused = "sgd"

    def __init__(
        self,
        params: ParamsLike,
        lr: Rate = 1e-3,
        momentum: Rate = 0.0,
        dampening: Rate = 0.0,
        weight_decay: Rate = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults, differentiable=differentiable)

    def check(self, group: dict[str, Any]) -> None:
        """Raises ArgumentError for settings out of their range."""
        for name in ("lr", "momentum", "weight_decay"):
            self.check_number(name, group[name])
        self.check_number("dampening", group["dampening"], low=-math.inf)
        if group["nesterov"] and (is_zero(group["momentum"]) or not is_zero(group["dampening"])):
            self._refuse(
                f"nesterov needs a momentum above 0 and a dampening of 0, got momentum={group['momentum']}, "
                f"dampening={group['dampening']}"
            )

    def initial_state(self, name: str, param: Tensor, group: dict[str, Any]) -> None:
        """None: the first velocity is the gradient itself."""

    @staticmethod
    def update(
        ops: Any,
        p: Any,
        g: Any,
        velocity: Any,
        *,
        lr: Any,
        momentum: Any,
        dampening: Any,
        weight_decay: Any,
        nesterov: bool,
        maximize: bool,
    ) -> tuple[Any, Any]:
        """One step of one parameter: the formula that the class describes."""
        g = penalised(p, g, weight_decay, maximize)
        if is_zero(momentum):
            return p - g * lr, velocity
        velocity = g if velocity is None else velocity * momentum + g * (1 - dampening)
        return p - (g + velocity * momentum if nesterov else velocity) * lr, velocity
