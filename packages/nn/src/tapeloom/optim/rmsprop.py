"""RMSprop."""

from __future__ import annotations

from typing import Any, ClassVar

from .arguments import Rate, is_zero, penalised
from .optimizer import Optimizer, ParamsLike

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """Steps in proportion to the gradient divided by the root of its mean square.

    With g the gradient plus weight_decay * p (the gradient's sign turned first with `maximize`), a step is

        v <- alpha * v + (1 - alpha) * g^2
        p <- p - lr * g / (sqrt(v) + eps)

    With `centered` v - a^2 is under the root, a being the mean of g, kept as v is: an estimate of the variance.
    With momentum the quotient joins a velocity: b <- momentum * b + g / (sqrt(v) + eps), and p <- p - lr * b.

    Args:
        params: parameters, (name, parameter) pairs, or groups.
        lr: learning rate, at least 0.
        alpha: how much of the mean square stays, at least 0.
        eps: added to the root, at least 0.
        weight_decay: factor of the L2 penalty, at least 0.
        momentum: how much of the velocity stays, at least 0.
        centered: divide by an estimate of the standard deviation.
        maximize: climb instead of descend.

    Raises:
        ArgumentError: a setting out of its range.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import optim
        >>> weight = tl.tensor([1.0, -2.0], requires_grad=True)
        >>> optimizer = optim.RMSprop([weight], lr=0.01)
        >>> (weight * weight).sum().backward()
        >>> optimizer.step()
        >>> [round(value, 4) for value in weight.tolist()]
        [0.9, -1.9]

    Source: T. Tieleman, G. Hinton, "Lecture 6.5 - RMSProp", COURSERA: Neural Networks for Machine Learning, 2012;
    `centered`: A. Graves, "Generating sequences with recurrent neural networks", 2013, eq. 38 to 45, in PyTorch's form,
    where eps is outside the root.
    """

    slots = ("step", "square_avg", "momentum_buffer", "grad_avg")
    only_if: ClassVar = {"momentum_buffer": "momentum", "grad_avg": "centered"}

    def __init__(
        self,
        params: ParamsLike,
        lr: Rate = 1e-2,
        alpha: Rate = 0.99,
        eps: Rate = 1e-8,
        weight_decay: Rate = 0.0,
        momentum: Rate = 0.0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
        }
        super().__init__(params, defaults, differentiable=differentiable)

    def check(self, group: dict[str, Any]) -> None:
        """Raises ArgumentError for settings out of their range."""
        for name in ("lr", "alpha", "eps", "weight_decay", "momentum"):
            self.check_number(name, group[name])

    @staticmethod
    def update(
        ops: Any,
        p: Any,
        g: Any,
        square_avg: Any,
        velocity: Any,
        grad_avg: Any,
        *,
        lr: Any,
        alpha: Any,
        eps: Any,
        weight_decay: Any,
        momentum: Any,
        centered: bool,
        maximize: bool,
    ) -> tuple[Any, Any, Any, Any]:
        """One step of one parameter: the formula that the class describes."""
        g = penalised(p, g, weight_decay, maximize)
        square_avg = square_avg * alpha + g * g * (1 - alpha)
        variance = square_avg
        if centered:
            grad_avg = grad_avg + (g - grad_avg) * (1 - alpha)
            variance = square_avg - grad_avg * grad_avg
        g = g / (ops.sqrt(variance) + eps)
        if not is_zero(momentum):
            g = velocity = velocity * momentum + g
        return p - g * lr, square_avg, velocity, grad_avg
