"""Samples of shrinkage and thresholds, and of the activations that are functions in place."""

from __future__ import annotations

import math
from typing import Any

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError
from tapeloom.op.registry import FUNCTIONS, OPS
from tapeloom.tensors.tensor import is_tensor
from tapeloom.testing.inputs import T, V
from tapeloom.testing.references import INF, NAN, each
from tapeloom.testing.table import FLOATS, NUMBERS, case, fails, row

SPECIAL = V([-1.0, -0.5, 0.0, 0.5, 1.0, NAN, INF, -INF])
row("hardshrink", [T(3, 4)], [T(), 0.1], [T(0, 3)], [T(4), 1.0], case(SPECIAL, expect=[-1.0, 0.0, 0.0, 0.0, 1.0, NAN, INF, -INF]),
    reference=lambda x, lambd=0.5: each(lambda v: 0.0 if -lambd <= v <= lambd else v)(x), budget="exact", kinks=(-1.0, -0.5, -0.1, 0.1, 0.5, 1.0))
row("softshrink", [T(3, 4)], [T(), 0.1], [T(0, 3)], [T(4), 1.0], case(SPECIAL, expect=[-0.5, 0.0, 0.0, 0.0, 0.5, NAN, INF, -INF]),
    reference=lambda x, lambd=0.5: each(lambda v: v - lambd if v > lambd else v + lambd if v < -lambd else 0.0)(x), kinks=(-1.0, -0.5, -0.1, 0.1, 0.5, 1.0))
fails("softshrink", [T(3), -0.5], ArgumentError, "softshrink: lambd must not be negative, got -0.5.")
row("threshold", [T(3, 4), 1, 2], [T(), -1, 0], [T(0, 3), 0, 1], case(SPECIAL, 0.5, -7.0, expect=[-7.0, -7.0, -7.0, -7.0, 1.0, NAN, INF, -7.0], only=FLOATS),
    reference=lambda x, threshold, value: each(lambda v: v if v > threshold else type(v)(value))(x), budget="exact", dtypes=NUMBERS, kinks=(-1.0, 1.0, 0.0))
fails("threshold", [T(3), 0, 1], DTypeError,
      "threshold: bool tensors are not supported. Use a logical operation, or cast with .to(tapeloom.int64).", dtypes.bool_)


def _inplace(name: str) -> Any:
    """The function ``name`` on a copy; it must give back what it was given."""

    def run(input: Any, *args: Any) -> Any:
        copied = OPS.clone(input) if is_tensor(input) else input
        result = FUNCTIONS[name].call(copied, *args)
        assert result is copied
        return result

    return run


for _name, _function, _args in (
    ("relu_", lambda v: max(v, 0.0), []),
    ("leaky_relu_", lambda v: v if v > 0 else 0.3 * v, [0.3]),
    ("hardtanh_", lambda v: min(max(v, -0.5), 0.7), [-0.5, 0.7]),
    ("threshold_", lambda v: v if v > 0.5 else -2.0, [0.5, -2.0]),
    ("elu_", lambda v: v if v > 0 else 0.5 * math.expm1(v), [0.5]),
    ("selu_", lambda v: 1.0507009873554805 * (v if v > 0 else 1.6732632423543772 * math.expm1(v)), []),
    ("celu_", lambda v: v if v > 0 else 0.5 * math.expm1(v / 0.5), [0.5]),
):
    row(_name, [T(3, 4), *_args], [T(), *_args], [T(0, 3), *_args], reference=lambda x, *args, function=_function: each(function)(x), calls=_inplace(_name),
        budget="function", kinks=(-0.5, 0.0, 0.5, 0.7))
    fails(_name, [5, *_args], ArgumentTypeError, f"{_name}: input must be a tensor, got int. Make it one with tapeloom.tensor(...).")
