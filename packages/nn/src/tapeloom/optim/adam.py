"""Adam and AdamW."""

from __future__ import annotations

from typing import Any

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.ops.optimizer import adam_step

from .optimizer import Optimizer, ParamsLike

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Steps of a size that the first two moments of the gradient choose for each element.

    With g the gradient plus weight_decay * p (the gradient's sign turned first with `maximize`), step t is

        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g^2
        p <- p - lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    With `amsgrad` the largest v so far stands for v in the last line.

    Source: D. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1; S. Reddi et al.,
    "On the convergence of Adam and beyond", ICLR 2018, algorithm 2.

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
    """

    def __init__(
        self,
        params: ParamsLike,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
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
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        for name in ("lr", "eps", "weight_decay"):
            self._check_number(name, group[name])
        betas = group["betas"]
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            self._refuse(f"betas must be two numbers, got {betas!r}")
        for number, beta in enumerate(betas):
            self._check_number(f"betas[{number}]", beta, below=1.0)

    def _state_of(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """What is remembered of a parameter: the number of its steps and its moments, zeros at first."""
        state = self.state.setdefault(param, {})
        if "step" not in state:
            state.update(step=0.0, exp_avg=tl.zeros_like(param), exp_avg_sq=tl.zeros_like(param))
        if group["amsgrad"] and "max_exp_avg_sq" not in state:
            state["max_exp_avg_sq"] = tl.zeros_like(param)
        return state

    def _update(self, group: dict[str, Any], params: list[Tensor], grads: list[Tensor]) -> None:
        # Parameters that had no gradient now and then are at other steps, and go to the op by themselves.
        at_step: dict[float, list[tuple[Tensor, Tensor, dict[str, Any]]]] = {}
        for param, grad in zip(params, grads, strict=True):
            state = self._state_of(param, group)
            at_step.setdefault(state["step"], []).append((param, grad, state))
        for step, members in at_step.items():
            states = [state for _, _, state in members]
            adam_step(
                [param for param, _, _ in members],
                [grad for _, grad, _ in members],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [state["max_exp_avg_sq"] for state in states] if group["amsgrad"] else [],
                step=step + 1.0,
                lr=group["lr"],
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                eps=group["eps"],
                weight_decay=group["weight_decay"],
                decoupled=group["decoupled_weight_decay"],
                amsgrad=group["amsgrad"],
                maximize=group["maximize"],
            )
            for state in states:
                state["step"] = step + 1.0


class AdamW(Adam):
    """Adam with the weight decay outside the moments: before each step p <- p * (1 - lr * weight_decay).

    Source: I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.

    Arguments and errors are those of `Adam`; the weight decay is 0.01 unless given.
    """

    def __init__(
        self,
        params: ParamsLike,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True)
