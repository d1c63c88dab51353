"""Samples of recurrent networks: each step by its definition, for one sequence after the other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tapeloom.errors import ArgumentError, ArgumentTypeError, ShapeError
from tapeloom.testing.inputs import M, P, T
from tapeloom.testing.table import case, fails, row


def _product(x: Any, weight: Any, bias: Any = None) -> Any:
    """``weight`` times the vector ``x``."""
    sums = [math.fsum(float(a) * float(b) for a, b in zip(line, x, strict=True)) for line in weight]
    return np.array(sums) + (0.0 if bias is None else bias)


def _sigmoid(x: Any) -> Any:
    return np.array([1 / (1 + math.exp(-value)) for value in x])


def _tanh(x: Any) -> Any:
    return np.array([math.tanh(value) for value in x])


def _lstm_step(gates: Any, h: Any, c: Any, weight: Any, projection: Any = None) -> Any:
    i, f, g, o = np.split(gates + _product(h, weight), 4)
    c = _sigmoid(f) * c + _sigmoid(i) * _tanh(g)
    h = _sigmoid(o) * _tanh(c)
    return (h if projection is None else _product(h, projection)), c


def _gru_step(gates: Any, h: Any, weight: Any, bias: Any) -> Any:
    (r, z, n), (own_r, own_z, own) = np.split(gates, 3), np.split(_product(h, weight, bias), 3)
    z = _sigmoid(z + own_z)
    return ((1 - z) * _tanh(n + _sigmoid(r + own_r) * own) + z * h,)


def _rnn_step(gates: Any, h: Any, weight: Any, relu: bool) -> Any:
    total = gates + _product(h, weight)
    return (np.array([max(value, 0.0) for value in total]) if relu else _tanh(total),)


def _sequence(step: Any, gates: Any, states: Any, mask: Any, reverse: bool) -> list[Any]:
    """The states of each step (time, batch, size), of one layer in one direction."""
    time, batch = gates.shape[:2]
    found = [np.zeros((time, *state.shape)) for state in states]
    for n in range(batch):
        carry = [state[n] for state in states]
        for t in reversed(range(time)) if reverse else range(time):
            if mask is None or np.ravel(mask[t, n])[0]:
                carry = step(gates[t, n], *carry)
            for out, value in zip(found, carry, strict=True):
                out[t, n] = value
    return found


def _lstm_sequence(gates: Any, h: Any, c: Any, weight: Any, projection: Any, mask: Any, reverse: bool) -> Any:
    return tuple(_sequence(lambda g, h, c: _lstm_step(g, h, c, weight, projection), gates, (h, c), mask, reverse))


def _gru_sequence(gates: Any, h: Any, weight: Any, bias: Any, mask: Any, reverse: bool) -> Any:
    return _sequence(lambda g, h: _gru_step(g, h, weight, bias), gates, (h,), mask, reverse)[0]


def _rnn_sequence(gates: Any, h: Any, weight: Any, mask: Any, relu: bool, reverse: bool) -> Any:
    return _sequence(lambda g, h: _rnn_step(g, h, weight, relu), gates, (h,), mask, reverse)[0]


def _layers(mode: str, x: Any, states: Any, weights: Any, places: Any, rows: Any, keep: Any, biases: bool, both: bool, batch_first: bool, keep_scale: float) -> Any:
    mask = None
    if places is not None:
        mask, x = places >= 0, x[np.maximum(places, 0)]
    x = np.swapaxes(x, 0, 1) if batch_first else x
    each = (4 if biases else 2) + (states[0].shape[2] != states[-1].shape[2])
    lasts: list[Any] = []
    layers = len(weights) // (each * (1 + both))
    for layer in range(layers):
        outs = []
        for reverse in (False, True)[: 1 + both]:
            w_ih, w_hh, *rest = weights[each * len(lasts) : each * (len(lasts) + 1)]
            b_ih, b_hh = rest[:2] if biases else (0.0, 0.0)
            own: Any = [state[len(lasts)] for state in states]
            gates = np.zeros((*x.shape[:2], len(w_ih)))
            for place in np.ndindex(x.shape[:2]):
                gates[place] = _product(x[place], w_ih) + b_ih
            if mode == "lstm":
                found = _lstm_sequence(gates + b_hh, own[0], own[1], w_hh, rest[-1] if each % 2 else None, mask, reverse)
            elif mode == "gru":
                found = [_gru_sequence(gates, own[0], w_hh, b_hh, mask, reverse)]
            else:
                found = [_rnn_sequence(gates + b_hh, own[0], w_hh, mask, mode == "rnn_relu", reverse)]
            outs.append(found[0])
            lasts.append([state[0 if reverse else -1] for state in found])
        x = np.concatenate(outs, 2)
        if keep is not None and layer < layers - 1:
            x = x * keep[layer] * keep_scale
    x = x.reshape(-1, x.shape[2])[rows] if rows is not None else np.swapaxes(x, 0, 1) if batch_first else x
    return x, *(np.stack(states) for states in zip(*lasts, strict=True))


def _public(mode: str) -> Any:
    def reference(x: Any, hx: Any, params: Any, biases: Any, *rest: Any) -> Any:
        places = rows = None
        if isinstance(hx if mode == "lstm" else params, np.ndarray):
            sizes, hx, params, biases, _, _, _, both = hx, params, biases, *rest
            starts = np.cumsum(sizes) - sizes
            there = np.arange(sizes[0]) < sizes[:, None]
            places = np.where(there, starts[:, None] + np.arange(sizes[0]), -1)
            rows, first = np.flatnonzero(there), False
        else:
            _, _, _, both, first = rest
        return _layers(mode, x, hx if mode == "lstm" else [hx], params, places, rows, None, biases, both, first, 1.0)

    return reference


def _weights(gates: int, layers: int = 1, features: int = 2, size: int = 3, biases: bool = True, directions: int = 1, projected: int = 0) -> list[Any]:
    """The parameters of all layers, as inputs."""
    result: list[Any] = []
    for layer in range(layers):
        for _ in range(directions):
            across = projected or size
            result += [T(gates * size, across * directions if layer else features), T(gates * size, across)]
            result += [T(gates * size), T(gates * size)] if biases else []
            result += [T(projected, size)] if projected else []
    return result


SMALL: dict[str, Any] = {"budget": "series", "magnitude": lambda *args, **named: np.float64(2.0), "without": "0d"}
X, PACKED, SIZES = T(2, 2, 2), T(5, 2), P([2, 2, 1])
PLACES, ROWS = P([[0, 1], [2, 3], [4, -1]]), P([0, 1, 2, 3, 4])
row("lstm_sequence", [T(2, 2, 12), T(2, 3), T(2, 3), T(12, 3), None, None, False], [T(2, 2, 12), T(2, 2), T(2, 3), T(12, 2), T(2, 3), M(2, 2, 1), True],
    [T(2, 0, 12), T(0, 3), T(0, 3), T(12, 3), None, None, False], reference=_lstm_sequence, **SMALL)
row("gru_sequence", [T(2, 2, 9), T(2, 3), T(9, 3), None, None, False], [T(2, 2, 9), T(2, 3), T(9, 3), T(9), M(2, 2, 1), True],
    [T(2, 0, 9), T(0, 3), T(9, 3), T(9), None, False], reference=_gru_sequence, **SMALL)
row("rnn_sequence", [T(2, 2, 3), T(2, 3), T(3, 3), None, False, False], [T(2, 2, 3), T(2, 3), T(3, 3), M(2, 2, 1), True, True],
    [T(2, 0, 3), T(0, 3), T(3, 3), None, False, False], reference=_rnn_sequence, **SMALL)
row("lstm_layers", [X, T(2, 2, 3), T(2, 2, 3), _weights(4, 2), None, None, M(1, 2, 2, 3), True, False, False, 2.0],
    [PACKED, T(2, 2, 2), T(2, 2, 3), _weights(4, 1, directions=2, projected=2), PLACES, ROWS, None, True, True, False, 1.0],
    [T(1, 0, 2), T(1, 0, 3), T(1, 0, 3), _weights(4, biases=False), None, None, None, False, False, False, 1.0],
    reference=lambda x, h, c, *rest: _layers("lstm", x, (h, c), *rest), **SMALL)
row("rnn_layers", [X, T(2, 2, 3), _weights(3, 2), None, None, M(1, 2, 2, 3), "gru", True, False, False, 2.0],
    [PACKED, T(2, 2, 3), _weights(1, 1, directions=2), PLACES, ROWS, None, "rnn_tanh", True, True, False, 1.0],
    [T(0, 1, 2), T(1, 0, 3), _weights(1, biases=False), None, None, None, "rnn_relu", False, False, True, 1.0],
    reference=lambda x, h, weights, places, rows, keep, mode, *rest: _layers(mode, x, (h,), weights, places, rows, keep, *rest), **SMALL)

NOT_3 = "expected input of three dimensions, (time, batch, features) or batch first, got shape (3, 2)."
row("lstm", [X, [T(2, 2, 3), T(2, 2, 3)], _weights(4, directions=2), True, 1, 0.0, True, True, False],
    [PACKED, SIZES, [T(1, 2, 2), T(1, 2, 3)], _weights(4, biases=False, projected=2), False, 1, 0.0, False, False],
    case(T(1, 0, 2), [T(1, 0, 3), T(1, 0, 3)], _weights(4), True, 1, 0.5, True, False, False), reference=_public("lstm"), **SMALL)
for _name, _gates in {"gru": 3, "rnn_tanh": 1, "rnn_relu": 1}.items():
    row(_name, [X, T(1, 2, 3), _weights(_gates), True, 1, 0.0, True, False, True],
        [PACKED, SIZES, T(1, 2, 3), _weights(_gates, biases=False), False, 1, 0.0, False, False],
        case(T(1, 0, 2), T(1, 0, 3), _weights(_gates), True, 1, 0.5, True, False, False), reference=_public(_name), **SMALL)
    fails(_name, [T(3, 2), T(1, 2, 3), _weights(_gates), True, 1, 0.0, True, False, False], ShapeError, f"{_name}: {NOT_3}")

_HX = [T(1, 2, 3), T(1, 2, 3)]
fails("lstm", [T(0, 2, 2), _HX, _weights(4), True, 1, 0.0, True, False, False], ShapeError,
      "lstm: there must be at least one time step, got shape (0, 2, 2).")
fails("lstm", [X, _HX[:1], _weights(4), True, 1, 0.0, True, False, False], ArgumentTypeError, "lstm: hx must be the two states (h, c), got 1 tensors.")
fails("lstm", [X, _HX, _weights(4), True, 2, 0.0, True, False, False], ShapeError,
      "lstm: h must have the shape (layers * directions, batch, size), here (2, 2, size), got (1, 2, 3).")
fails("lstm", [X, _HX, _weights(4)[:3], True, 1, 0.0, True, False, False], ArgumentError,
      "lstm: params must hold 4 tensors for 1 layers and 1 directions, got 3.")
fails("lstm", [X, _HX, _weights(4, features=3), True, 1, 0.0, True, False, False], ShapeError,
      "lstm: params[0] must have the shape (12, 2), got (12, 3).")
fails("gru", [PACKED, P([2, 1, 2]), T(1, 2, 3), _weights(3), True, 1, 0.0, True, False], ArgumentError,
      "gru: batch_sizes must be positive, must not rise, and must add up to the 5 rows of data, got [2, 1, 2].")


def _cell(mode: str) -> Any:
    def reference(x: Any, hx: Any, *weights: Any) -> Any:
        given = [weight for weight in weights if weight is not None and not isinstance(weight, bool)]
        _, *states = _layers(mode, x[None], [state[None] for state in (hx if mode == "lstm" else [hx])], given, None, None, None, len(given) > 2, False, False, 1.0)
        return tuple(state[0] for state in states) if mode == "lstm" else states[0][0]

    return reference


_S, _B = (T(2, 2), T(2, 3)), {1: (T(3), T(3)), 3: (T(9), T(9)), 4: (T(12), T(12))}
row("lstm_step", [*_S, T(2, 3), T(12, 2), T(12, 3), *_B[4]], [T(0, 2), T(0, 3), T(0, 3), T(12, 2), T(12, 3), None, None],
    reference=lambda x, h, c, *rest: _cell("lstm")(x, [h, c], *rest), **SMALL)
row("gru_step", [*_S, T(9, 2), T(9, 3), *_B[3]], [T(0, 2), T(0, 3), T(9, 2), T(9, 3), None, None], reference=_cell("gru"), **SMALL)
row("rnn_step", [*_S, T(3, 2), T(3, 3), *_B[1], False], [T(0, 2), T(0, 3), T(3, 2), T(3, 3), None, None, True],
    reference=lambda *given: _cell("rnn_relu" if given[-1] else "rnn_tanh")(*given[:-1]), **SMALL)
row("lstm_cell", [_S[0], [T(2, 3), T(2, 3)], T(12, 2), T(12, 3)], [T(0, 2), [T(0, 3), T(0, 3)], T(12, 2), T(12, 3), *_B[4]], reference=_cell("lstm"), **SMALL)
for _name, _gates in {"gru": 3, "rnn_tanh": 1, "rnn_relu": 1}.items():
    row(f"{_name}_cell", [*_S, T(_gates * 3, 2), T(_gates * 3, 3), *_B[_gates]], [T(0, 2), T(0, 3), T(_gates * 3, 2), T(_gates * 3, 3)],
        reference=_cell(_name), **SMALL)
    fails(f"{_name}_cell", [T(2), T(2, 3), T(_gates * 3, 2), T(_gates * 3, 3)], ShapeError, f"{_name}_cell: expected input of shape (batch, features), got (2,).")
fails("lstm_cell", [_S[0], [T(2, 3)], T(12, 2), T(12, 3)], ArgumentTypeError, "lstm_cell: hx must be the two states (h, c), got 1 tensors.")
fails("gru_cell", [*_S, T(12, 2), T(9, 3)], ShapeError, "gru_cell: w_ih must have the shape (9, 2), got (12, 2).")
fails("gru_cell", [T(4, 2), _S[1], T(9, 2), T(9, 3)], ShapeError, "gru_cell: hx must have the shape (batch, size), here (4, 3), got (2, 3).")
