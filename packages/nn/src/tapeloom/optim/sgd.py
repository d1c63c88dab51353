"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from tapeloom import Tensor
from tapeloom.ops.optimizer import sgd_step

from .optimizer import Optimizer, ParamsLike

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent, with momentum if wanted.

    With g the gradient plus weight_decay * p (the gradient's sign turned first with `maximize`), a step is

        b <- momentum * b + (1 - dampening) * g        (b <- g in the first step)
        p <- p - lr * b                                or, with nesterov, p - lr * (g + momentum * b)

    Source: I. Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013, in
    PyTorch's form, where lr stands outside the velocity.

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
    """

    def __init__(
        self,
        params: ParamsLike,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        for name in ("lr", "momentum", "weight_decay"):
            self._check_number(name, group[name])
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            self._refuse(
                f"nesterov needs a momentum above 0 and a dampening of 0, got momentum={group['momentum']}, "
                f"dampening={group['dampening']}"
            )

    def _update(self, group: dict[str, Any], params: list[Tensor], grads: list[Tensor]) -> None:
        heavy = group["momentum"] != 0
        momenta = sgd_step(
            params,
            grads,
            [self.state.get(param, {}).get("momentum_buffer") for param in params] if heavy else [None] * len(params),
            lr=group["lr"],
            momentum=group["momentum"],
            dampening=group["dampening"],
            weight_decay=group["weight_decay"],
            nesterov=group["nesterov"],
            maximize=group["maximize"],
        )
        if heavy:
            for param, buffer in zip(params, momenta, strict=True):
                self.state[param] = {"momentum_buffer": buffer}
