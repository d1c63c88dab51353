"""Adafactor."""

from __future__ import annotations

import math
from typing import Any

import tapeloom as tl
from tapeloom import Tensor

from .arguments import Rate, is_zero
from .optimizer import Optimizer, ParamsLike

__all__ = ["Adafactor"]


class Adafactor(Optimizer):
    """Divides the gradient by the root of its mean square, of which only the means of rows and columns are kept.

    With g the gradient (its sign turned first with `maximize`), step t is

        a <- max(eps[1], rms(p)) * min(lr, 1 / sqrt(t))
        p <- p * (1 - lr * weight_decay)
        r, c <- (1 - t^beta2_decay) * (r, c) + t^beta2_decay * (means of g^2 over rows, over columns)
        v <- r * c / max(mean of r, eps[0])
        u <- g / max(sqrt(v), eps[0])
        p <- p - a / max(1, rms(u) / d) * u

    where rms is the root of the mean square. Parameters with fewer than two dimensions keep v as a whole.

    Args:
        params: real parameters, (name, parameter) pairs, or groups.
        lr: the largest learning rate, at least 0.
        beta2_decay: power of the step with which the newest gradient weighs less, at most 0.
        eps: the least divisor, at least 0 (None: the precision of the first parameter's dtype), and the least size of
            a parameter that scales its step, at least 0.
        d: how large a step may be before it is made smaller, at least 1.
        weight_decay: factor of the decay, at least 0.
        maximize: climb instead of descend.

    Raises:
        ArgumentError: a setting out of its range, or a complex parameter.

    Source: N. Shazeer, M. Stern, "Adafactor: adaptive learning rates with sublinear memory cost", ICML 2018,
    algorithms 4 and 5, with means for sums and no momentum, as PyTorch.
    """

    slots = ("step", "row_var", "col_var", "variance")

    def __init__(
        self,
        params: ParamsLike,
        lr: Rate = 1e-2,
        beta2_decay: Rate = -0.8,
        eps: tuple[Rate | None, Rate] = (None, 1e-3),
        d: Rate = 1.0,
        weight_decay: Rate = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check(self, group: dict[str, Any]) -> None:
        """Raises ArgumentError for settings out of their range."""
        for name in ("lr", "weight_decay"):
            self.check_number(name, group[name])
        self.check_number("beta2_decay", group["beta2_decay"], low=-math.inf, most=0.0)
        self.check_number("d", group["d"], low=1.0)
        eps = group["eps"]
        if not isinstance(eps, (tuple, list)) or len(eps) != 2:
            self._refuse(f"eps must be two numbers, of which the first may be None, got {eps!r}")
        if eps[0] is not None:
            self.check_number("eps[0]", eps[0])
        self.check_number("eps[1]", eps[1])

    def check_parameter(self, what: str, param: Tensor) -> None:
        """Raises ArgumentError for a parameter that is not real."""
        super().check_parameter(what, param)
        self.check_real(what, param)

    def initial_state(self, name: str, param: Tensor, group: dict[str, Any]) -> Tensor | None:
        """Zeros: one for each row and each column, or one for each element of a vector."""
        if (name == "variance") is (param.ndim > 1):
            return None
        shape = {
            "row_var": (*param.shape[:-1], 1),
            "col_var": (*param.shape[:-2], 1, *param.shape[-1:]),
            "variance": param.shape,
        }
        return tl.zeros(shape[name], dtype=param.dtype, device=param.device)

    def settings(self, group: dict[str, Any], states: list[dict[str, Any]]) -> tuple[dict[str, Any], list[float]]:
        """What `update` gets of a group, `eps` with two numbers."""
        settings, steps = super().settings(group, states)
        least, size = group["eps"]
        settings["eps"] = (tl.finfo(group["params"][0].dtype).eps if least is None else least, size)
        return settings, steps

    @staticmethod
    def update(
        ops: Any,
        p: Any,
        g: Any,
        rows: Any,
        columns: Any,
        squares: Any,
        *,
        step: float,
        lr: Any,
        beta2_decay: Any,
        eps: tuple[Any, Any],
        d: Any,
        weight_decay: Any,
        maximize: bool,
    ) -> tuple[Any, Any, Any, Any]:
        """One step of one parameter: the formula that the class describes."""
        ndim = len(p.shape)
        everything = tuple(range(ndim))
        if maximize:
            g = -g
        size = ops.clamp(ops.sqrt(ops.mean(p * p, everything, False)), eps[1], None)
        rate = ops.minimum(size * lr, size * step**-0.5)
        if not is_zero(weight_decay):
            p = p * (1 - lr * weight_decay)
        new = step**beta2_decay
        if ndim > 1:
            rows = rows + (ops.mean(g * g, (ndim - 1,), True) - rows) * new
            columns = columns + (ops.mean(g * g, (ndim - 2,), True) - columns) * new
            v = rows * columns / ops.clamp(ops.mean(rows, (ndim - 2,), True), eps[0], None)
        else:
            v = squares = squares + (g * g - squares) * new
        u = g / ops.sqrt(ops.clamp(v, eps[0] * eps[0], None))
        excess = ops.sqrt(ops.mean(u * u, everything, False)) / d
        return p - u * (rate / ops.clamp(excess, 1.0, None)), rows, columns, squares
