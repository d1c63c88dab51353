"""L-BFGS."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import tapeloom as tl
from tapeloom import Tensor

from .arguments import Rate
from .line_search import Point, strong_wolfe
from .optimizer import Optimizer, ParamsLike

__all__ = ["LBFGS"]

_LEAST_CURVATURE = 1e-10


class LBFGS(Optimizer):
    """A quasi-Newton method: several steps along directions for which the last gradients tell the curvature.

    It is more than a formula: each `step` evaluates the loss several times, so that it needs a closure, and decides upon
    what it finds, so that numbers are read back to the host. It treats all parameters as one vector; there is one group.

    Args:
        params: parameters, or (name, parameter) pairs.
        lr: length of a step, or of the first step that the line search tries, at least 0.
        max_iter: iterations in each step.
        max_eval: evaluations of the loss in each step; 1.25 * max_iter unless given.
        tolerance_grad: ends a step where no element of the gradient is larger.
        tolerance_change: ends a step that moves no parameter, or the loss, by more.
        history_size: how many differences of gradients are remembered.
        line_search_fn: "strong_wolfe", or None for steps of length lr.

    Raises:
        ArgumentError: a setting out of its range, or several groups.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import optim
        >>> x = tl.tensor([-1.0, 2.0], requires_grad=True)
        >>> optimizer = optim.LBFGS([x], line_search_fn="strong_wolfe")
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
        ...     loss.backward()
        ...     return loss
        >>> for _ in range(3):
        ...     loss = optimizer.step(closure)
        >>> [round(value, 3) for value in x.tolist()]
        [1.0, 1.0]

    Source: J. Nocedal, S. Wright, "Numerical Optimization", 2nd ed., 2006, algorithms 7.4 and 7.5.
    """

    def __init__(
        self,
        params: ParamsLike,
        lr: Rate = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)

    def check(self, group: dict[str, Any]) -> None:
        """Raises ArgumentError for settings out of their range."""
        self.check_number("lr", group["lr"])
        for name in ("max_iter", "max_eval", "history_size"):
            self.check_number(name, group[name], low=1.0 if name == "history_size" else 0.0)
        for name in ("tolerance_grad", "tolerance_change"):
            self.check_number(name, group[name], low=-math.inf)
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            self._refuse(f'line_search_fn must be "strong_wolfe" or None, got {group["line_search_fn"]!r}')

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Takes the one group of parameters; raises ArgumentError for a second one."""
        if self.param_groups:
            self._refuse("there can be one group of parameters only, as all of them make one vector")
        super().add_param_group(param_group)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Runs up to `max_iter` iterations.

        Args:
            closure: a function that clears the gradients, computes the loss, calls backward and returns the loss.

        Returns:
            What the closure returned first.
        """
        if closure is None:
            self._refuse("step needs a closure that clears the gradients, computes the loss and calls backward", "type")
        self._step_count += 1
        with tl.no_grad():
            return self._minimize(closure)

    def _minimize(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        params = group["params"]
        lr, tolerance = float(group["lr"]), group["tolerance_change"]
        state = self.state.setdefault(params[0], {})
        memory = _Memory(state, group["history_size"])

        first = self._loss(closure)
        loss, grad, evaluations = float(first), _flat_grad(params), 1
        state["func_evals"] = state.get("func_evals", 0) + 1
        state.setdefault("n_iter", 0)
        if _largest(grad) <= group["tolerance_grad"]:
            return first

        def evaluate(t: float) -> Point:
            before = [param.clone() for param in params]
            _move(params, direction, t)
            value = float(self._loss(closure))
            found = _flat_grad(params)
            for param, old in zip(params, before, strict=True):
                param.copy_(old)
            return Point(t, value, found, _dot(found, direction))

        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            direction = memory.direction(grad)
            last_loss = loss
            t = min(1.0, 1.0 / float(grad.abs().sum())) * lr if state["n_iter"] == 1 else lr
            slope = _dot(grad, direction)
            state.update(d=direction, t=t, prev_flat_grad=grad, prev_loss=loss)
            if slope > -tolerance:
                break
            counted = 0
            if group["line_search_fn"]:
                start = Point(0.0, loss, grad, slope)
                turns = group["max_eval"] - evaluations
                point, counted = strong_wolfe(evaluate, start, t, _largest(direction), tolerance, turns)
                t, loss, grad = point.t, point.value, point.grad
                state["t"] = t
                _move(params, direction, t)
            else:
                _move(params, direction, t)
                if iteration < group["max_iter"]:  # in a stochastic setting the last one would be wasted
                    loss, grad, counted = float(self._loss(closure)), _flat_grad(params), 1
            evaluations += counted
            state["func_evals"] += counted
            if (
                evaluations >= group["max_eval"]
                or _largest(grad) <= group["tolerance_grad"]
                or abs(t) * _largest(direction) <= tolerance
                or abs(loss - last_loss) < tolerance
            ):
                break
        return first


class _Memory:
    """The last differences of gradients and of parameters, in the state of the optimizer, as PyTorch keeps them there."""

    def __init__(self, state: dict[str, Any], size: int) -> None:
        self.state = state
        self.size = size

    def direction(self, grad: Tensor) -> Tensor:
        """Minus the gradient times the inverse Hessian that the memory stands for, with what is new in it."""
        state = self.state
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            return -grad
        self.remember(grad - state["prev_flat_grad"], state["d"] * state["t"])
        pairs = list(zip(state["old_dirs"], state["old_stps"], map(float, state["ro"]), strict=True))
        factors = state.setdefault("al", [None] * self.size)
        found = -grad
        for number, (y, s, ro) in reversed(list(enumerate(pairs))):
            factors[number] = _dot(s, found) * ro
            found = found - y * factors[number]
        found = found * float(state["H_diag"])
        for number, (y, s, ro) in enumerate(pairs):
            found = found + s * (factors[number] - _dot(y, found) * ro)
        return found

    def remember(self, y: Tensor, s: Tensor) -> None:
        """Takes in a difference of gradients and the step that it belongs to, unless the curvature is not positive."""
        curvature = _dot(y, s)
        if not curvature > _LEAST_CURVATURE:
            return
        for name, value in (("old_dirs", y), ("old_stps", s), ("ro", 1.0 / curvature)):
            self.state[name] = [*self.state[name], value][-self.size :]
        self.state["H_diag"] = curvature / _dot(y, y)


def _parts(tensor: Tensor) -> Tensor:
    return tl.view_as_real(tensor) if tensor.is_complex() else tensor


def _flat_grad(params: list[Tensor]) -> Tensor:
    """The gradients of all parameters as one vector, with zeros where there is none."""
    grads = [tl.zeros_like(param) if param.grad is None else param.grad.detach() for param in params]
    return tl.cat([_parts(grad).reshape(-1) for grad in grads])


def _move(params: list[Tensor], direction: Tensor, t: float) -> None:
    """Adds t times its part of the direction to each parameter."""
    start = 0
    for part in map(_parts, params):
        part.add_(direction[start : start + part.numel()].reshape(part.shape), alpha=t)
        start += part.numel()


def _dot(a: Tensor, b: Tensor) -> float:
    return float(tl.dot(a, b))


def _largest(vector: Tensor) -> float:
    return float(vector.abs().max())
