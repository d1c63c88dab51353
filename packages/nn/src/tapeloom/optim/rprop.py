"""Rprop."""

from __future__ import annotations

from typing import Any

import tapeloom as tl
from tapeloom import Tensor

from .arguments import Rate
from .optimizer import Optimizer, ParamsLike

__all__ = ["Rprop"]


class Rprop(Optimizer):
    """Steps by the sign of the gradient, of a size that grows while the sign stays and shrinks when it changes.

    With g the gradient (its sign turned first with `maximize`) and q the one before, a step is

        d <- d * (etas[1] if g * q > 0, etas[0] if g * q < 0, else 1), kept within step_sizes
        g <- 0 where g * q < 0
        p <- p - sign(g) * d

    Each element has a size d of its own, which begins at lr. It is meant for whole data sets, not for small batches.

    Args:
        params: parameters, (name, parameter) pairs, or groups.
        lr: the first size, at least 0.
        etas: the factors of a size that shrinks, between 0 and 1, and of one that grows, above 1.
        step_sizes: the least and the largest size.
        maximize: climb instead of descend.

    Raises:
        ArgumentError: a setting out of its range.

    Source: M. Riedmiller, H. Braun, "A direct adaptive method for faster backpropagation learning: the RPROP algorithm",
    ICNN 1993, without weight backtracking.
    """

    slots = ("step", "prev", "step_size")

    def __init__(
        self,
        params: ParamsLike,
        lr: Rate = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize}
        super().__init__(params, defaults, differentiable=differentiable)

    def check(self, group: dict[str, Any]) -> None:
        """Raises ArgumentError for settings out of their range."""
        self.check_number("lr", group["lr"])
        for name in ("etas", "step_sizes"):
            pair = group[name]
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                self._refuse(f"{name} must be two numbers, got {pair!r}")
            for number, value in enumerate(pair):
                self.check_number(f"{name}[{number}]", value)
        shrink, grow = group["etas"]
        if not 0.0 < shrink < 1.0 < grow:
            self._refuse(f"etas are {shrink} and {grow}; the first must be between 0 and 1, the second above 1")

    def initial_state(self, name: str, param: Tensor, group: dict[str, Any]) -> Tensor | None:
        """Zeros, and lr for the sizes: of a complex parameter for those of both parts."""
        if name != "step_size":
            return super().initial_state(name, param, group)
        start = tl.zeros_like(param.detach())
        (tl.view_as_real(start) if param.is_complex() else start).add_(group["lr"])
        return start

    @staticmethod
    def update(
        ops: Any,
        p: Any,
        g: Any,
        prev: Any,
        size: Any,
        *,
        etas: tuple[Any, Any],
        step_sizes: tuple[Any, Any],
        maximize: bool,
    ) -> tuple[Any, Any, Any]:
        """One step of one parameter: the formula that the class describes."""
        if maximize:
            g = -g
        turn = g * prev
        size = ops.where(turn > 0, size * etas[1], ops.where(turn < 0, size * etas[0], size))
        size = ops.clamp(size, step_sizes[0], step_sizes[1])
        g = ops.where(turn < 0, 0.0, g)
        return p - ops.sign(g) * size, g, size
