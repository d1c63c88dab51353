"""Recurrent networks: layers over whole sequences."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.errors import ArgumentError, DTypeError, ShapeError
from tapeloom.ops.arguments import as_tensor_of, as_tensors_of

from ..arguments import settings
from ..module import Module
from ..parameter import Parameter
from ..utils.rnn import PackedSequence
from .cells import draw
from .common import DeviceLike, DTypeLike, as_count, as_number, new_parameter

__all__ = ["GRU", "LSTM", "RNN", "RNNBase"]

#: mode -> (the function over whole sequences, gates)
_MODES: dict[str, tuple[Callable[..., Any], int]] = {
    "RNN_TANH": (tl.rnn_tanh, 1),
    "RNN_RELU": (tl.rnn_relu, 1),
    "GRU": (tl.gru, 3),
    "LSTM": (tl.lstm, 4),
}


def _positive(name: str, setting: str, value: Any) -> int:
    if not (count := as_count(name, setting, value)):
        raise ArgumentError(f"{name}: {setting} must be 1 or more, got 0.")
    return count


class RNNBase(Module):
    """What the recurrent layers share; `mode` is "LSTM", "GRU", "RNN_TANH" or "RNN_RELU".

    Layer k has the parameters weight_ih_lk, weight_hh_lk, bias_ih_lk, bias_hh_lk and, with a projection, weight_hr_lk;
    those of the backward direction end in _reverse. All start in U(-r, r) with r = 1 / sqrt(hidden_size).
    """

    @settings
    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: DeviceLike = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if mode not in _MODES:
            raise ArgumentError(f"{name}: mode must be one of {tuple(_MODES)}, got {mode!r}.")
        self.mode = mode
        self.input_size = _positive(name, "input_size", input_size)
        self.hidden_size = _positive(name, "hidden_size", hidden_size)
        self.num_layers = _positive(name, "num_layers", num_layers)
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(as_number(name, "dropout", dropout))
        if not 0 <= self.dropout <= 1:
            raise ArgumentError(f"{name}: dropout is {dropout!r}; a probability lies between 0 and 1.")
        if dropout and self.num_layers == 1:
            warnings.warn(
                f"{name}: dropout={dropout} acts between layers, and there is one layer.", UserWarning, stacklevel=3
            )
        self.bidirectional = bidirectional
        self.proj_size = as_count(name, "proj_size", proj_size)
        if self.proj_size and (mode != "LSTM" or self.proj_size >= self.hidden_size):
            raise ArgumentError(f"{name}: proj_size={proj_size} must be below hidden_size, and only LSTM has it.")
        self._names = [
            [f"{each}_l{layer}{suffix}" for each in self._kinds_of_weights()]
            for layer in range(self.num_layers)
            for suffix in self._suffixes()
        ]
        output = self.proj_size or self.hidden_size
        gates = _MODES[mode][1] * self.hidden_size
        for place, names in enumerate(self._names):
            features = self.input_size if place < self._directions else output * self._directions
            sizes = {
                "weight_ih": (gates, features),
                "weight_hh": (gates, output),
                "weight_hr": (output, self.hidden_size),
            }
            for each in names:
                size = sizes.get(each[:9], (gates,))
                self.register_parameter(each, new_parameter(*size, device=device, dtype=dtype))
        self.reset_parameters()

    @property
    def _directions(self) -> int:
        return 1 + self.bidirectional

    def _suffixes(self) -> tuple[str, ...]:
        return ("", "_reverse")[: self._directions]

    def _kinds_of_weights(self) -> list[str]:
        biases = ["bias_ih", "bias_hh"] if self.bias else []
        return ["weight_ih", "weight_hh", *biases, *(["weight_hr"] if self.proj_size else [])]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._names]

    def flatten_parameters(self) -> None:
        """Does nothing: memory belongs to the backend. Here for programs that call it."""

    def reset_parameters(self) -> None:
        """Draws new values for the parameters."""
        draw(self, self.hidden_size)

    def forward(self, input: Any, hx: Any = None) -> Any:
        name = type(self).__name__
        packed = isinstance(input, PackedSequence)
        data = input.data if packed else as_tensor_of(name, input)
        alone = not packed and data.ndim == 2
        self._check_input(name, data, packed)
        axis = 0 if self.batch_first else 1
        data = data.unsqueeze(axis) if alone else data
        batch = int(input.batch_sizes[0].item()) if packed else data.shape[axis]
        states = self._states(name, data, hx, batch, alone)
        if packed and hx is not None and input.sorted_indices is not None:
            states = [state.index_select(1, input.sorted_indices) for state in states]
        run = _MODES[self.mode][0]
        weights = [weight for group in self.all_weights for weight in group]
        flags = (weights, self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        first: Any = tuple(states) if self.mode == "LSTM" else states[0]
        if packed:
            output, *last = run(data, input.batch_sizes, first, *flags)
            output = PackedSequence(output, *input[1:])
            if input.unsorted_indices is not None:
                last = [state.index_select(1, input.unsorted_indices) for state in last]
        else:
            output, *last = run(data, first, *flags, self.batch_first)
        if alone:
            output, last = output.squeeze(axis), [state.squeeze(1) for state in last]
        return output, tuple(last) if self.mode == "LSTM" else last[0]

    def _check_input(self, name: str, data: Tensor, packed: bool) -> None:
        if data.ndim not in ((2,) if packed else (2, 3)) or data.shape[-1] != self.input_size:
            raise ShapeError(
                f"{name}: needs an input of 2 or 3 axes, the last of size input_size={self.input_size}, "
                f"got shape {tuple(data.shape)}."
            )
        dtype = self.all_weights[0][0].dtype
        if data.dtype is not dtype:
            raise DTypeError(f"{name}: the input is {data.dtype.name}, the weights are {dtype.name}. Cast one of them.")

    def _states(self, name: str, data: Tensor, hx: Any, batch: int, alone: bool) -> list[Tensor]:
        """The first states, each of shape (layers * directions, batch, size); zeros where none are given."""
        features = [self.proj_size or self.hidden_size, self.hidden_size][: 2 if self.mode == "LSTM" else 1]
        count = self.num_layers * self._directions
        if hx is None:
            return [tl.zeros(count, batch, size, dtype=data.dtype, device=data.device) for size in features]
        given = as_tensors_of(name, hx, "hx") if len(features) > 1 else [as_tensor_of(name, hx, "hx")]
        wanted = [(count, size) if alone else (count, batch, size) for size in features]
        if [tuple(state.shape) for state in given] != wanted:
            shapes = " and ".join(str(shape) for shape in wanted)
            raise ShapeError(f"{name}: hx must have shape {shapes}, got {[tuple(state.shape) for state in given]}.")
        return [state.unsqueeze(1) for state in given] if alone else given

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        usual = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0,
            "bidirectional": False,
        }
        return text + "".join(f", {name}={getattr(self, name)}" for name in usual if getattr(self, name) != usual[name])


class RNN(RNNBase):
    """A plain recurrent network: h' = tanh(W_ih x + b_ih + W_hh h + b_hh) at each step, in layers.

    Args:
        input_size: features of the input.
        hidden_size: features of the state.
        num_layers: layers, each over the outputs of the one below.
        nonlinearity: "tanh" or "relu".
        bias: whether there are b_ih and b_hh.
        batch_first: the batch is the first axis of input and output.
        dropout: probability of dropout between layers, in training.
        bidirectional: a second network runs backwards; its outputs stand behind those of the first.
        device, dtype: where the parameters live, and their dtype.

    Shape:
        input (T, N, input_size), or (N, T, input_size) with `batch_first`, or (T, input_size) for one sequence, or a
        `PackedSequence`; hx (num_layers * directions, N, hidden_size), zeros where it is not given. The result is
        (output, h_n): all states of the last layer, of hidden_size * directions features, and the last states of all.

    Attributes:
        weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, …: see `RNNBase`.

    Raises:
        ArgumentError: a size below 1, a dropout that is no probability, or another nonlinearity.
        ShapeError: when called, an input or a state of another shape.
        DTypeError: when called, an input of another dtype than the parameters.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> output, h = nn.RNN(3, 5, num_layers=2)(tl.ones(7, 4, 3))
        >>> output.shape, h.shape
        ((7, 4, 5), (2, 4, 5))

    Source: J. Elman, "Finding structure in time", Cognitive Science 14, 1990; both directions: M. Schuster, K. Paliwal,
    "Bidirectional recurrent neural networks", IEEE TSP 45, 1997.
    """

    @settings
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: DeviceLike = None,
        dtype: DTypeLike = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ArgumentError(f"RNN: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}.")
        mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(
            mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory: gates decide what a cell takes in, keeps and shows.

        i, f, o = sigmoid(W x + b + U h + b'), g = tanh(the same of its own)
        c' = f * c + i * g,  h' = o * tanh(c')

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional: as for `RNN`.
        proj_size: map h to so many features by a matrix; 0 for none.
        device, dtype: where the parameters live, and their dtype.

    Shape:
        As for `RNN`; hx and the last states are pairs (h, c), h of proj_size features where there is a projection.

    Raises:
        ArgumentError, ShapeError, DTypeError: as for `RNN`; also a proj_size that is not below hidden_size.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> output, (h, c) = nn.LSTM(3, 5, batch_first=True, bidirectional=True)(tl.ones(4, 7, 3))
        >>> output.shape, h.shape, c.shape
        ((4, 7, 10), (2, 4, 5), (2, 4, 5))

    Source: S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9, 1997; F. Gers,
    J. Schmidhuber, F. Cummins, "Learning to forget", Neural Computation 12, 2000; the projection: H. Sak, A. Senior,
    F. Beaufays, "Long short-term memory recurrent neural network architectures", Interspeech 2014.
    """

    @settings
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: DeviceLike = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
        )


class GRU(RNNBase):
    """A gated recurrent unit: one gate resets the state, another mixes the old one with the new.

        r, z = sigmoid(W x + b + U h + b'),  n = tanh(W x + b + r * (U h + b'))
        h' = (1 - z) * n + z * h

    Arguments, shapes and errors as for `RNN`, without nonlinearity.

    Source: K. Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine
    translation", EMNLP 2014; the reset behind the matrix is PyTorch's and cuDNN's.
    """

    @settings
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: DeviceLike = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
