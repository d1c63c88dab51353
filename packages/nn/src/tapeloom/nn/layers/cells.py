"""Cells of recurrent networks: one step of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.ops.arguments import as_tensor_of, as_tensors_of

from .. import init
from ..arguments import settings
from ..module import Module
from ..parameter import Parameter
from .common import DeviceLike, DTypeLike, as_count, new_parameter

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]


def draw(module: Module, hidden_size: int) -> None:
    """Draws all parameters from U(-r, r) with r = 1 / sqrt(hidden_size)."""
    bound = 1 / math.sqrt(hidden_size) if hidden_size else 0.0
    for parameter in module.parameters():
        init.uniform_(parameter, -bound, bound)


class RNNCellBase(Module):
    """What the cells share: their parameters, which start in U(-r, r) with r = 1 / sqrt(hidden_size)."""

    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None
    _states: ClassVar[int] = 1

    @settings
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: DeviceLike = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.input_size = as_count(name, "input_size", input_size)
        self.hidden_size = as_count(name, "hidden_size", hidden_size)
        self.bias = bias
        gates = num_chunks * self.hidden_size
        self.weight_ih = new_parameter(gates, self.input_size, device=device, dtype=dtype)
        self.weight_hh = new_parameter(gates, self.hidden_size, device=device, dtype=dtype)
        for each in ("bias_ih", "bias_hh"):
            self.register_parameter(each, new_parameter(gates, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new values for the parameters."""
        draw(self, self.hidden_size)

    def _step(self, step: Callable[..., Any], input: Tensor, hx: Tensor | Sequence[Tensor] | None) -> list[Tensor]:
        """The new states, for one sample or a batch of them."""
        name = type(self).__name__
        if as_tensor_of(name, input).ndim not in (1, 2):
            raise ShapeError(f"{name}: needs an input of 1 or 2 axes, got shape {tuple(input.shape)}.")
        if hx is None:
            zeros = tl.zeros(*input.shape[:-1], self.hidden_size, dtype=input.dtype, device=input.device)
            states = [zeros] * self._states
        else:
            states = [hx] if isinstance(hx, Tensor) else as_tensors_of(name, hx, "hx")
        shape = (*input.shape[:-1], self.hidden_size)
        if [tuple(state.shape) for state in states] != [shape] * self._states:
            raise ShapeError(
                f"{name}: hx must have shape {shape}{' twice' if self._states > 1 else ''}, "
                f"got {[tuple(state.shape) for state in states]}."
            )
        alone = input.ndim == 1
        if alone:
            input, states = input.unsqueeze(0), [state.unsqueeze(0) for state in states]
        first: Any = states if self._states > 1 else states[0]
        new = step(input, first, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        each = list(new) if self._states > 1 else [new]
        return [state.squeeze(0) for state in each] if alone else each

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}{'' if self.bias else ', bias=False'}"


class RNNCell(RNNCellBase):
    """One step of an `RNN`: h' = tanh(W_ih x + b_ih + W_hh h + b_hh).

    Args:
        input_size, hidden_size: features of input and state.
        bias: whether there are b_ih and b_hh.
        nonlinearity: "tanh" or "relu".
        device, dtype: where the parameters live, and their dtype.

    Shape:
        input (N, input_size) or (input_size,), hx (N, hidden_size) or (hidden_size,), zeros where it is not given; the
        result has the shape of hx.

    Attributes:
        weight_ih, weight_hh: of shapes (hidden_size, input_size) and (hidden_size, hidden_size).
        bias_ih, bias_hh: of shape (hidden_size,), or None.

    Raises:
        ArgumentError: another nonlinearity.
        ShapeError: when called, an input or a state of another shape.
    """

    @settings
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: DeviceLike = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        if nonlinearity not in ("tanh", "relu"):
            raise ArgumentError(f"RNNCell: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}.")
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        step = tl.rnn_tanh_cell if self.nonlinearity == "tanh" else tl.rnn_relu_cell
        return self._step(step, input, hx)[0]

    def extra_repr(self) -> str:
        text = super().extra_repr()
        return text if self.nonlinearity == "tanh" else f"{text}, nonlinearity={self.nonlinearity}"


class LSTMCell(RNNCellBase):
    """One step of an `LSTM`; hx and the result are pairs (h, c).

    Arguments, shapes and errors as for `RNNCell`, without nonlinearity; weights and biases hold four gates.
    """

    _states = 2

    @settings
    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: DeviceLike = None, dtype: DTypeLike = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        h, c = self._step(tl.lstm_cell, input, hx)
        return h, c


class GRUCell(RNNCellBase):
    """One step of a `GRU`; arguments, shapes and errors as for `RNNCell`, without nonlinearity.

    Weights and biases hold three gates.
    """

    @settings
    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: DeviceLike = None, dtype: DTypeLike = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step(tl.gru_cell, input, hx)[0]
