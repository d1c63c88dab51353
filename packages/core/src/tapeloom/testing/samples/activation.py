"""Samples of the activations: each element by its formula, softmax by exponentials and sums of Python floats."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, IndexingError
from tapeloom.testing.inputs import T, V
from tapeloom.testing.references import INF, NAN, built, each
from tapeloom.testing.samples.elementwise import no_bool, unary
from tapeloom.testing.table import FLOATS, INEXACT, NUMBERS, SIGNED, case, fails, row


def activation(name: str, function: Callable[..., Any], *cases: Any, at: Any = None, **settings: Any) -> None:
    """The row of an activation for floating tensors; ``cases`` are arguments beside the tensor."""
    points = [] if at is None else [case(V(list(at)), expect=list(at.values()), only=FLOATS)]
    calls = [[T(3, 4, low=-3, high=3), *arguments] for arguments in cases]
    row(name, [T(3, 4, low=-3, high=3)], *calls, [T()], [T(0, 3)], *points,
        reference=lambda x, *settings: each(lambda value: function(value, *settings))(x), **{"budget": "function"} | settings)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


def _softplus(x: float, beta: float = 1.0, threshold: float = 20.0) -> float:
    return x if x * beta > threshold else max(x, 0.0) + math.log1p(math.exp(-abs(x * beta))) / beta


def _elu(x: float, alpha: float = 1.0) -> float:
    return x if x > 0 else alpha * math.expm1(x)


def _gelu(x: float, approximate: str = "none") -> float:
    if approximate == "tanh":
        return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * math.erfc(-x / math.sqrt(2))


# piecewise linear

unary("relu", lambda x: max(x, 0), {NAN: NAN, -INF: 0.0, INF: INF, -0.0: 0.0}, gives="same", dtypes=SIGNED, budget="exact", kinks=(0,))
no_bool("relu")
row("relu_backward", [T(3, 4), T(3, 4, low=0, high=2)], [T(), T(low=0, high=1)], [T(0, 3), T(0, 3)], case(V([5.0, 5.0, 5.0]), V([0.0, NAN, 1.0]), expect=[0.0, 5.0, 5.0], only=FLOATS),
    reference=each(lambda g, y: g if y != 0 else 0), dtypes=SIGNED, budget="exact")
activation("leaky_relu", lambda x, slope=0.01: x if x > 0 else x * slope, (0.25,), at={NAN: NAN, -INF: -INF}, kinks=(0,), budget="rounded")
row("sloped", [T(2, 3), T(3)], [T(2, 3, 4), T(3, 1)], [T(), T()], [T(0, 3), T(3)], reference=each(lambda a, b: a if a > 0 else a * b), kinks=(0,))
row("prelu", [T(2, 3, 4), T(3)], [T(3, 4), T(1)], [T(2, 3), T(3)], [T(3), T()], [T(), T(1)], [T(), T()], [T(0, 3), T(3)], kinks=(0,),
    reference=lambda x, w: each(lambda a, b: a if a > 0 else a * b)(x, w.reshape(-1, *[1] * max(x.ndim - 2, 0)) if w.size > 1 else w.reshape(())))
fails("prelu", [T(2, 3, 4), T(2)], ArgumentError,
      "prelu: weight has shape (2,), and input of shape (2, 3, 4) has 3 channels. Give one element, or one for each channel.")
activation("hardtanh", lambda x, low=-1.0, high=1.0: min(max(x, low), high), (-2.0, 2.0), at={NAN: NAN, INF: 1.0}, kinks=(-2, -1, 1, 2), budget="exact",
           dtypes=SIGNED)
no_bool("hardtanh")
fails("hardtanh", [T(3)], DTypeError,
      "hardtanh: the bounds -1.0 and 1.0 do not fit uint8 (0 to 255). Give others, or cast the tensor first.", dtypes.uint8)
fails("hardtanh", [T(3), 1.0, -1.0], ArgumentError, "hardtanh: min_val=1.0 is above max_val=-1.0. Swap them.")
activation("relu6", lambda x: min(max(x, 0), 6), at={7.0: 6.0, NAN: NAN}, kinks=(0, 6), budget="exact", dtypes=NUMBERS)
activation("hardsigmoid", lambda x: min(max(x + 3, 0), 6) / 6, at={5.0: 1.0, -5.0: 0.0}, kinks=(-3, 3), low=-2.8, high=2.8)
activation("hardswish", lambda x: x * min(max(x + 3, 0), 6) / 6, at={5.0: 5.0, -5.0: 0.0}, kinks=(-3, 3), low=-2.8, high=2.8)

# smooth

unary("sigmoid", _sigmoid, {INF: 1.0, -INF: 0.0, -1000.0: 0.0, NAN: NAN}, budget="function", of_complex=lambda x: 1 / (1 + cmath.exp(-x)))
activation("logsigmoid", lambda x: -_softplus(-x, 1.0, INF), at={-100.0: -100.0, INF: 0.0}, budget="chain")
activation("silu", lambda x: x * _sigmoid(x), at={INF: INF, 0.0: 0.0})
activation("scaled_elu", lambda x, slope=1.0, alpha=1.0, rate=1.0: x * slope if x > 0 else alpha * math.expm1(rate * x), (1.5, 0.5, 2.0), (1.0, -0.5, -2.0), kinks=(0,))
activation("elu", _elu, (0.5,), at={INF: INF, -INF: -1.0, NAN: NAN}, kinks=(0,))
activation("selu", lambda x: 1.0507009873554805 * _elu(x, 1.6732632423543772), kinks=(0,))
activation("celu", lambda x, alpha=1.0: x if x > 0 else alpha * math.expm1(x / alpha), (0.5,), (-0.5,), kinks=(0,))
fails("celu", [T(3), 0.0], ArgumentError, "celu: alpha must not be 0.")
activation("softplus", _softplus, (2.0,), (1.0, 1.0), at={1000.0: 1000.0, -1000.0: 0.0, INF: INF}, kinks=(1,), budget="chain")
activation("mish", lambda x: x * math.tanh(_softplus(x)), budget="chain")
activation("softsign", lambda x: x / (1 + abs(x)), kinks=(0,), dtypes=INEXACT)
activation("tanhshrink", lambda x: x - cmath.tanh(x) if isinstance(x, complex) else x - math.tanh(x), dtypes=INEXACT, budget="function", magnitude=lambda x: np.abs(x))
activation("gelu", _gelu, ("tanh",), at={INF: INF, 0.0: 0.0, NAN: NAN}, budget="chain", magnitude=lambda x, *rest: x)
fails("gelu", [T(3), "sigmoid"], ArgumentError, "gelu: approximate must be 'none' or 'tanh', got 'sigmoid'.")
for _name in ("leaky_relu", "silu", "elu", "softplus", "gelu"):
    text = f"{_name}: expected floating tensors, got int64. Cast with .float() or .to(tapeloom.float64)."
    fails(_name, [T(3)], DTypeError, text, dtypes.int64)


def _glu(x: Any, dim: int = -1) -> Any:
    left, right = np.split(x, 2, axis=dim)
    return left * each(_sigmoid)(right)


row("gated", [T(3, 4), T(3, 4)], [T(), T()], [T(0, 3), T(0, 3)], reference=lambda x, gate: x * each(_sigmoid)(gate), budget="function")
row("glu", [T(3, 4)], [T(4, 3), 0], [T(0, 4)], reference=_glu, budget="function", without="0d")
fails("glu", [T(3, 3)], ArgumentError, "glu: dim -1 of shape (3, 3) has the odd length 3. It must have two equal halves.")

# along one dimension


def _lines(function: Callable[..., list[float]]) -> Callable[..., Any]:
    """A reference that applies ``function`` to the lists of numbers along ``dim`` of several arrays of one shape."""

    def reference(*arguments: Any, **named: Any) -> Any:
        *arrays, dim = (*arguments, named["dim"]) if "dim" in named else arguments
        if not arrays[0].ndim:
            return np.float64(function(*[[array.item()] for array in arrays])[0])
        axis = dim % arrays[0].ndim

        def element(place: tuple[int, ...]) -> float:
            line = [[array[(*place[:axis], i, *place[axis + 1 :])].item() for i in range(array.shape[axis])] for array in arrays]
            return function(*line)[place[axis]]

        return built(arrays[0].shape, element)

    return reference


def _softmax(line: list[float]) -> list[float]:
    if any(value != value for value in line) or max(line) == -INF:
        return [NAN] * len(line)
    powers = [math.exp(value - max(line)) for value in line]
    return [power / math.fsum(powers) for power in powers]


def _log_softmax(line: list[float]) -> list[float]:
    if any(value != value for value in line) or max(line) == -INF:
        return [NAN] * len(line)
    total = math.log(math.fsum(math.exp(value - max(line)) for value in line))
    return [value - max(line) - total for value in line]


X = T(2, 3, 4)
WIDE = [case(X, 1, dtype=dtypes.float64, only=FLOATS), case(T(2, 3), 1, dtype=dtypes.float32, only=[dtypes.int64])]
ROWS = case(V([[1000.0, 1000.0], [-INF, 0.0], [-INF, -INF], [NAN, 1.0]]), 1, only=FLOATS, grad=False)
row("softmax", [X, 1], [X, -1], case(X, dim=0), [T(), 0], [T(0, 3), 1], [T(3, 0), 1], *WIDE, ROWS, reference=_lines(_softmax), budget="chain")
row("log_softmax", [X, 1], [X, -1], case(X, dim=0), [T(), 0], [T(0, 3), 1], [T(3, 0), 1], *WIDE, ROWS, reference=_lines(_log_softmax), budget="chain")
row("softmin", [X, 1], case(X, dim=-1), [T(), 0], [T(0, 3), 1], reference=lambda x, dim: _lines(_softmax)(-x, dim), budget="chain")
for _name in ("softmax", "log_softmax"):
    text = f"{_name}: expected floating tensors, got int64. Cast with .float(), or give dtype=tapeloom.float32."
    fails(_name, [X, 1], DTypeError, text, dtypes.int64)


def _softmax_slope(g: list[float], y: list[float]) -> list[float]:
    total = math.fsum(a * b for a, b in zip(g, y, strict=True))
    return [b * (a - total) for a, b in zip(g, y, strict=True)]


def _log_softmax_slope(g: list[float], y: list[float]) -> list[float]:
    total = math.fsum(g)
    return [a - math.exp(b) * total for a, b in zip(g, y, strict=True)]


PAIRS = [[X, X, 1], [X, X, -1], [T(), T(), 0], [T(0, 3), T(0, 3), 1]]
row("softmax_backward", *PAIRS, reference=_lines(_softmax_slope), budget="chain", magnitude=lambda g, y, dim: np.float64(16.0))
row("log_softmax_backward", *PAIRS, reference=_lines(_log_softmax_slope), budget="chain", magnitude=lambda g, y, dim: np.float64(16.0))

# functions over ops

for _name in ("relu6", "hardsigmoid", "hardswish", "logsigmoid", "selu", "celu", "softsign", "tanhshrink", "glu"):
    fails(_name, [1.0], ArgumentTypeError, f"{_name}: input must be a tensor, got float. Make it one with tapeloom.tensor(...).")
for _name in ("logsigmoid", "mish"):
    text = f"{_name}: expected floating tensors, got int64. Cast with .float() or .to(tapeloom.float64)."
    fails(_name, [T(3)], DTypeError, text, dtypes.int64)
fails("softmin", [X, 3], IndexingError, "softmin: dim 3 is out of range for a tensor of 3 dimensions. Give a dim from -3 to 2.")
fails("softmin", [[1.0], 0], ArgumentTypeError, "softmin: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")
fails("prelu", [T(3), T(1, 1)], ArgumentError, "prelu: weight must have at most one dimension, got shape (1, 1).")
fails("prelu", [T(3), 0.25], ArgumentTypeError, "prelu: weight must be a tensor, got float. Make it one with tapeloom.tensor(...).")
