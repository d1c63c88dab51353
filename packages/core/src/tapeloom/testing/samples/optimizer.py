"""Samples of optimizer steps: the formulas of SGD and Adam, and kernels that stand for them, beside one number at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.ops.optimizer import update_parameters
from tapeloom.testing.inputs import T
from tapeloom.testing.references import each
from tapeloom.testing.table import FLOATS, case, fails, row

SETTINGS: dict[str, Any] = {"dtypes": FLOATS, "budget": "chain", "grad": 0, "without": "0d empty", "magnitude": lambda *args, **named: np.float64(2.0)}
ONE, TWO, SMALL = (T(3, 4),), (T(3, 4), T(5)), (T(), T(0, 3))  # the last: a number, and nothing at all


def _stepped(name: str, formula: Callable[..., Any], defaults: dict[str, Any], states: tuple[str, ...], fused: str = "") -> Callable[..., Any]:
    """A call that makes one step: new parameters and states by the fused kernel, if there is one, and by the formula."""

    def call(params: Any, grads: Any, *given: Any, step: float | None = None, **settings: Any) -> tuple[Any, ...]:
        results: list[Any] = []
        for kernel in {fused: 0, "": 0}:
            own = [param.clone() for param in params]
            columns: dict[str, list[Any]] = {key: [tensor.clone() for tensor in column] or [None] * len(params) for key, column in zip(states, given, strict=True)}
            steps = None if step is None else [step] * len(params)
            update_parameters(name, formula, own, list(grads), columns, defaults | settings, steps=steps, fused=kernel)
            results += [tensor for column in (own, *columns.values()) for tensor in column if tensor is not None]
        return tuple(results)

    return call


def sgd(ops: Any, p: Any, g: Any, velocity: Any, *, lr: Any, momentum: Any, dampening: Any, weight_decay: Any, nesterov: bool, maximize: bool) -> Any:
    """The formula of SGD."""
    g = (-g if maximize else g) + p * weight_decay
    if momentum:
        velocity = g if velocity is None else velocity * momentum + g * (1 - dampening)
        g = g + velocity * momentum if nesterov else velocity
    return p - g * lr, velocity


def _sgd_reference(params: Any, grads: Any, momenta: Any, *, lr: float, momentum: float = 0.0, dampening: float = 0.0, weight_decay: float = 0.0,
                   nesterov: bool = False, maximize: bool = False) -> tuple[Any, ...]:
    new, held = [], []
    for i, (param, grad) in enumerate(zip(params, grads, strict=True)):
        g = each(lambda p, d: (-d if maximize else d) + weight_decay * p)(param, grad)
        if momentum:
            buffer = each(lambda b, d: momentum * b + (1 - dampening) * d)(momenta[i], g) if momenta else g
            held.append(buffer)
            g = each(lambda d, b: d + momentum * b if nesterov else b)(g, buffer)
        new.append(each(lambda p, d: p - lr * d)(param, g))
    return (*new, *held) * 2


SGD_DEFAULTS = {"lr": 0.1, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False, "maximize": False}
row("sgd", case(TWO, TWO, (), lr=0.1), case(TWO, TWO, (), lr=0.1, momentum=0.9), case(TWO, TWO, TWO, lr=0.1, momentum=0.9, dampening=0.5, weight_decay=0.01),
    case(SMALL, SMALL, (), lr=0.1, weight_decay=0.1), case(SMALL, SMALL, (), lr=0.1, momentum=0.9), case(SMALL, SMALL, SMALL, lr=0.1, momentum=0.9, dampening=0.5),
    case(SMALL, SMALL, SMALL, lr=0.1, momentum=0.9, nesterov=True), case(ONE, ONE, ONE, lr=0.1, momentum=0.9, nesterov=True), case(ONE, ONE, (), lr=0.1, weight_decay=0.1, maximize=True),
    calls=_stepped("sgd", sgd, SGD_DEFAULTS, ("momentum_buffer",), "sgd"), reference=_sgd_reference, gives=("same",) * 8, **SETTINGS)
fails("sgd", case(TWO, ONE, (), lr=0.1), ArgumentError, "sgd: 2 parameters and 1 gradients were given. Give one for each.")
fails("sgd", case(ONE, (T(4, 3),), (), lr=0.1), ShapeError, "sgd: parameter 0 has shape (3, 4), and its entry in gradients has (4, 3).")
fails("sgd", case(ONE, ONE, (T(4),), lr=0.1), ShapeError, "sgd: parameter 0 has shape (3, 4), and its entry in momentum_buffer has (4,).")


def adam(ops: Any, p: Any, g: Any, m: Any, v: Any, top: Any, *, step: float, lr: Any, betas: Any, eps: Any, weight_decay: Any, amsgrad: bool, maximize: bool,
          decoupled_weight_decay: bool) -> Any:
    """The formula of Adam."""
    beta1, beta2 = betas
    g = -g if maximize else g
    if decoupled_weight_decay:
        p = p * (1 - lr * weight_decay)
    else:
        g = g + p * weight_decay
    m, v = m * beta1 + g * (1 - beta1), v * beta2 + g * g * (1 - beta2)
    top = ops.maximum(top, v) if amsgrad else None
    root = ops.sqrt((top if amsgrad else v) / (1 - beta2**step)) + eps
    return p - m / root * (lr / (1 - beta1**step)), m, v, top


def _adam_reference(params: Any, grads: Any, averages: Any, squares: Any, tops: Any, *, step: float, lr: float, betas: tuple[float, float] = (0.9, 0.999),
                    eps: float = 1e-8, weight_decay: float = 0.0, decoupled_weight_decay: bool = False, amsgrad: bool = False, maximize: bool = False) -> tuple[Any, ...]:
    results: tuple[list[Any], ...] = ([], [], [], [])
    beta1, beta2 = betas
    for i, param in enumerate(params):
        g = each(lambda d: -d if maximize else d)(grads[i])
        if decoupled_weight_decay:
            param = each(lambda p: p - lr * weight_decay * p)(param)
        else:
            g = each(lambda d, p: d + weight_decay * p)(g, param)
        average = each(lambda m, d: beta1 * m + (1 - beta1) * d)(averages[i], g)
        square = each(lambda v, d: beta2 * v + (1 - beta2) * d * d)(squares[i], g)
        top = each(max)(tops[i], square) if amsgrad else square

        def moved(p: float, m: float, v: float) -> float:
            corrected = m / (1 - beta1**step)
            return float(p - lr * corrected / ((v / (1 - beta2**step)) ** 0.5 + eps))

        for result, value in zip(results, (each(moved)(param, average, top), average, square, top), strict=True):
            result.append(value)
    return tuple(value for result in results[: 4 if amsgrad else 3] for value in result) * 2


SQUARES = T(3, 4, low=0.1, high=2), T(5, low=0.1, high=2)
SMALL_SQUARES = T(low=0.1, high=2), T(0, 3, low=0.1, high=2)
ADAM = {"step": 3.0, "lr": 0.1}
ADAM_DEFAULTS = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False, "maximize": False, "decoupled_weight_decay": False}
row("adam", case(TWO, TWO, TWO, SQUARES, (), **ADAM), case(ONE, ONE, ONE, SQUARES[:1], (), betas=(0.8, 0.9), eps=0.1, **ADAM),
    case(ONE, ONE, ONE, SQUARES[:1], (), weight_decay=0.1, **ADAM), case(ONE, ONE, ONE, SQUARES[:1], (), weight_decay=0.1, decoupled_weight_decay=True, **ADAM),
    case(SMALL, SMALL, SMALL, SMALL_SQUARES, (), weight_decay=0.1, **ADAM), case(SMALL, SMALL, SMALL, SMALL_SQUARES, SMALL_SQUARES, amsgrad=True, decoupled_weight_decay=True, weight_decay=0.1, **ADAM),
    case(ONE, ONE, ONE, SQUARES[:1], SQUARES[:1], amsgrad=True, **ADAM), case(ONE, ONE, ONE, SQUARES[:1], (), maximize=True, **ADAM),
    calls=_stepped("adam", adam, ADAM_DEFAULTS, ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"), "adam"), reference=_adam_reference, gives=("same",) * 16, **SETTINGS)
fails("adam", case(ONE, ONE, ONE, ONE * 2, (), **ADAM), ArgumentError, "adam: 1 parameters and 2 exp_avg_sq were given. Give one for each.")


def row_scaled(ops: Any, p: Any, g: Any, squares: Any, *, lr: Any, betas: Any) -> Any:
    """A state of its own shape, one number a row, and rates that may be tensors."""
    squares = squares * betas[1] + ops.mean(g * g, (1,), True) * (1 - betas[1])
    return p - g / ops.sqrt(squares) * (lr * betas[0]), squares


def _row_scaled_reference(params: Any, grads: Any, states: Any, *, lr: Any, betas: Any) -> tuple[Any, ...]:
    keep = float(betas[1])
    means = [np.array([[sum(float(d) ** 2 for d in line) / len(line)] for line in grad]) for grad in grads]
    held = [each(lambda s, m: s * keep + m * (1 - keep))(state, mean) for state, mean in zip(states, means, strict=True)]
    new = [each(lambda p, d, s: p - d / s**0.5 * float(lr) * float(betas[0]))(*of) for of in zip(params, grads, held, strict=True)]
    return (*new, *held)


RATE = T(low=0.1, high=0.9)
row("row_scaled_step", case(ONE, ONE, (T(3, 1, low=0.5, high=2),), lr=RATE, betas=[0.5, RATE]), case(ONE, ONE, (T(3, 1, low=0.5, high=2),), lr=0.1, betas=[RATE, 0.9]),
    case(ONE * 2, ONE * 2, (T(3, 1, low=0.5, high=2),) * 2, lr=0.1, betas=[0.5, 0.9]),
    calls=_stepped("row_scaled_step", row_scaled, {}, ("square_avg",)), reference=_row_scaled_reference, gives=("same",) * 4, **SETTINGS)
fails("row_scaled_step", case(ONE, ONE, (T(1, 1, low=0.5, high=2),), lr=0.1, betas=[0.5, 0.9]), ShapeError,
      "row_scaled: it returned state 0 in shape (3, 1), and it has shape (1, 1). Sum over what was broadcast, or expand what was reduced.")
