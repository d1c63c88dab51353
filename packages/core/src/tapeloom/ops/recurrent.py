"""Recurrent networks: LSTM, GRU and the plain ones, all layers and directions as one op, and single steps.

The parameters of each layer and direction are w_ih (gates * hidden, features), w_hh (gates * hidden, hidden), b_ih and b_hh
(gates * hidden), and of an LSTM with projections w_hr (projection, hidden), one after the other in a flat list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tapeloom.call.op import function, primitive
from tapeloom.errors import ArgumentError, ArgumentTypeError, ShapeError
from tapeloom.host_random import probability_threshold
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, as_tensors_of
from tapeloom.ops.creation import tensor
from tapeloom.ops.dropout import kept_mask
from tapeloom.shapes import as_int
from tapeloom.tensors.tensor import Tensor, is_tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tapeloom.op.parameter import Index, Mask

#: how many gates each kind has
GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


class StateAndCell(NamedTuple):
    """The results of one step of an LSTM."""

    h: Tensor
    c: Tensor


class StatesAndCells(NamedTuple):
    """The results of one layer of an LSTM in one direction."""

    out: Tensor
    cells: Tensor


class OutAndStates(NamedTuple):
    """The results of all layers of a GRU or a plain network."""

    out: Tensor
    h: Tensor


class OutStatesAndCells(NamedTuple):
    """The results of all layers of an LSTM."""

    out: Tensor
    h: Tensor
    c: Tensor


# one layer in one direction. ``gates`` holds what the input adds to them; ``mask`` where a sequence of the batch has a step.


@primitive(takes="floating", composite=True, outputs=StatesAndCells)
def lstm_sequence(
    gates: Tensor, h: Tensor, c: Tensor, weight: Tensor, projection: Tensor | None, mask: Mask | None, reverse: bool
) -> StatesAndCells:
    """All states (time, batch, size) of one layer of an LSTM in one direction."""
lstm_sequence.gradient(
    lambda g, gates, h, c, weight, projection, mask, reverse, out, ops: (
        *ops.lstm_sequence_backward(g.out, g.cells, gates, h, c, weight, projection, mask, reverse, out.out, out.cells),
        None,
    )
)


@primitive(takes="floating", composite=True)
def gru_sequence(
    gates: Tensor, h: Tensor, weight: Tensor, bias: Tensor | None, mask: Mask | None, reverse: bool
) -> Tensor:
    """All states (time, batch, size) of one layer of a GRU in one direction; ``bias`` is that of the states."""
gru_sequence.gradient(
    lambda g, gates, h, weight, bias, mask, reverse, out, ops: (
        *ops.gru_sequence_backward(g, gates, h, weight, bias, mask, reverse, out),
        None,
    )
)


@primitive(takes="floating", composite=True)
def rnn_sequence(gates: Tensor, h: Tensor, weight: Tensor, mask: Mask | None, relu: bool, reverse: bool) -> Tensor:
    """All states (time, batch, size) of one layer of a plain network in one direction."""
rnn_sequence.gradient(
    lambda g, h, weight, mask, relu, reverse, out, ops: (
        *ops.rnn_sequence_backward(g, h, weight, mask, relu, reverse, out),
        None,
    )
)


# all layers


@primitive(takes="floating", composite=True, outputs=OutStatesAndCells)
def lstm_layers(
    input: Tensor,
    h: Tensor,
    c: Tensor,
    weights: Sequence[Tensor],
    places: Index | None,
    rows: Index | None,
    keep: Mask | None,
    biases: bool,
    bidirectional: bool,
    batch_first: bool,
    keep_scale: float,
) -> OutStatesAndCells:
    """``lstm`` of checked arguments: packed rows are at ``places`` (time, batch), and stand at ``rows`` of (time * batch)."""


@primitive(takes="floating", composite=True, outputs=OutAndStates)
def rnn_layers(
    input: Tensor,
    h: Tensor,
    weights: Sequence[Tensor],
    places: Index | None,
    rows: Index | None,
    keep: Mask | None,
    mode: str,
    biases: bool,
    bidirectional: bool,
    batch_first: bool,
    keep_scale: float,
) -> OutAndStates:
    """``gru``, ``rnn_tanh`` and ``rnn_relu`` (the ``mode``) of checked arguments; else as ``lstm_layers``."""


class _Call:
    """The arguments of one call, checked, whichever of the two forms they came in."""

    def __init__(self, name: str, packed: bool, given: list[Any], data: Any, batch_sizes: Any) -> None:
        if packed and batch_sizes is None:
            data, batch_sizes, *given = given
        else:
            first = given.pop(0)
            data = first if data is None else data
        hx, params, *flags = given[:8]
        self.name, self.mode = name, name
        self.data = as_tensor_of(name, data, "data" if packed else "input")
        self.states = as_tensors_of(name, hx, "hx") if name == "lstm" else [as_tensor_of(name, hx, "hx")]
        if name == "lstm" and len(self.states) != 2:
            raise ArgumentTypeError(f"lstm: hx must be the two states (h, c), got {len(self.states)} tensors.")
        self.weights = as_tensors_of(name, params, "params")
        settings = dict(zip(("has_biases", "num_layers", "dropout", "train", "bidirectional", "batch_first"), flags, strict=False))
        settings["batch_first"] = False if packed else settings.get("batch_first")
        for flag in ("has_biases", "train", "bidirectional", "batch_first"):
            if not isinstance(settings[flag], bool):
                raise ArgumentTypeError(f"{name}: {flag} must be True or False, got {settings[flag]!r}.")
        self.biases, self.bidirectional, self.batch_first = (settings[key] for key in ("has_biases", "bidirectional", "batch_first"))
        self.layers = as_int(name, "num_layers", settings["num_layers"])
        dropout = as_number(name, "dropout", settings["dropout"])
        self.places: Tensor | None = None
        self.rows: Tensor | None = None
        self.keep: Tensor | None = None
        self.batch_sizes = None if batch_sizes is None else self._sizes(batch_sizes)
        if self.data.ndim != (2 if packed else 3):
            form = "data of shape (rows, features)" if packed else "input of three dimensions, (time, batch, features) or batch first"
            raise ShapeError(f"{name}: expected {form}, got shape {self.data.shape}.")
        time, batch = self._lengths()
        self._check(batch)
        if self.batch_sizes is not None:
            self._pack(batch)
        if settings["train"] and dropout and self.layers > 1:
            width = self.states[0].shape[2] * (1 + self.bidirectional)
            self.keep = kept_mask(
                name, self.data, probability_threshold(name, dropout), None, (self.layers - 1, time, batch, width)
            )
        self.keep_scale = 1 / (1 - dropout) if dropout < 1 else 0.0

    def _sizes(self, batch_sizes: Any) -> list[int]:
        sizes = as_tensor_of(self.name, batch_sizes, "batch_sizes").tolist()
        if not isinstance(sizes, list) or not all(isinstance(size, int) for size in sizes):
            raise ArgumentError(f"{self.name}: batch_sizes must be a tensor of integers, one for each time step.")
        if sizes != sorted(sizes, reverse=True) or (sizes and sizes[-1] < 1) or sum(sizes) != self.data.shape[0]:
            raise ArgumentError(
                f"{self.name}: batch_sizes must be positive, must not rise, and must add up to the {self.data.shape[0]} rows of data, "
                f"got {sizes}."
            )
        return sizes

    def _lengths(self) -> tuple[int, int]:
        """How many time steps, and how many sequences."""
        if self.batch_sizes is not None:
            time, batch = len(self.batch_sizes), self.batch_sizes[0] if self.batch_sizes else 0
        else:
            time, batch = self.data.shape[:2][:: -1 if self.batch_first else 1]
        if not time:
            raise ShapeError(f"{self.name}: there must be at least one time step, got shape {self.data.shape}.")
        return time, batch

    def _check(self, batch: int) -> None:
        """That the states and the parameters fit."""
        directions = 1 + self.bidirectional
        total = self.layers * directions
        if self.layers < 1:
            raise ArgumentError(f"{self.name}: num_layers must be at least 1, got {self.layers}.")
        for label, state in zip(("h", "c") if self.mode == "lstm" else ("hx",), self.states, strict=True):
            if state.ndim != 3 or state.shape[:2] != (total, batch):
                raise ShapeError(
                    f"{self.name}: {label} must have the shape (layers * directions, batch, size), here ({total}, {batch}, size), got "
                    f"{state.shape}."
                )
        size, hidden = self.states[0].shape[2], self.states[-1].shape[2]
        gates = GATES[self.mode] * hidden
        shapes: list[tuple[int, ...]] = []
        for layer in range(self.layers):
            features = size * directions if layer else self.data.shape[-1]
            own: list[tuple[int, ...]] = [(gates, features), (gates, size)]
            own += [(gates,), (gates,)] if self.biases else []
            own += [(size, hidden)] if size != hidden else []
            shapes += own * directions
        if len(self.weights) != len(shapes):
            raise ArgumentError(
                f"{self.name}: params must hold {len(shapes)} tensors for {self.layers} layers and {directions} directions, got "
                f"{len(self.weights)}."
            )
        for place, (weight, shape) in enumerate(zip(self.weights, shapes, strict=True)):
            if weight.shape != shape:
                raise ShapeError(f"{self.name}: params[{place}] must have the shape {shape}, got {weight.shape}.")

    def _pack(self, batch: int) -> None:
        """Where each row of packed data stands."""
        places: list[list[int]] = []
        rows: list[int] = []
        for time, size in enumerate(self.batch_sizes or ()):
            places.append([*range(len(rows), len(rows) + size), *[-1] * (batch - size)])
            rows += range(time * batch, time * batch + size)
        self.places, self.rows = tensor(places, device=self.data.device), tensor(rows, device=self.data.device)

    def run(self) -> Any:
        """The results as a plain tuple."""
        where = (self.places, self.rows, self.keep)
        flags = (self.biases, self.bidirectional, self.batch_first, self.keep_scale)
        if self.mode == "lstm":
            return tuple(OPS.lstm_layers(self.data, *self.states, self.weights, *where, *flags))
        return tuple(OPS.rnn_layers(self.data, *self.states, self.weights, *where, self.mode, *flags))


def _forms(states: str, result: str) -> tuple[str, str]:
    """The two call forms, as signatures."""
    rest = "params: Sequence[Tensor], has_biases: bool, num_layers: int, dropout: float, train: bool, bidirectional: bool"
    return (
        f"(input: Tensor, hx: {states}, {rest}, batch_first: bool) -> {result}",
        f"(data: Tensor, batch_sizes: Tensor, hx: {states}, {rest}) -> {result}",
    )


@function(method=False, overloads=_forms("Sequence[Tensor]", "tuple[Tensor, Tensor, Tensor]"))
def lstm(
    input: Any = None,
    hx: Any = None,
    params: Any = None,
    has_biases: Any = None,
    num_layers: Any = None,
    dropout: Any = None,
    train: Any = None,
    bidirectional: Any = None,
    batch_first: Any = None,
    *,
    data: Any = None,
    batch_sizes: Any = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """A long short-term memory over ``input`` (time, batch, features): all outputs of the last layer, and the last h and c.

    ``i, f, g, o = input @ w_ih.mT + b_ih + h @ w_hh.mT + b_hh`` are the gates, ``c = sigmoid(f) * c + sigmoid(i) * tanh(g)`` and
    ``h = sigmoid(o) * tanh(c)``, times ``w_hr.mT`` where there are projections. ``hx`` is (h, c), each of shape
    (layers * directions, batch, size); ``params`` are all parameters in a flat list, by layer, by direction. In training
    ``dropout`` acts on the outputs of each layer but the last. With ``bidirectional`` the outputs of a second sequence,
    which runs backwards, stand behind those of the first; with ``batch_first`` the batch is the first dimension.

    The form ``lstm(data, batch_sizes, hx, params, …)``, without ``batch_first``, takes packed sequences: ``data`` (rows, features)
    holds the rows of all sequences by time step, and ``batch_sizes`` how many sequences have each step.

    Raises ShapeError, ArgumentError and ArgumentTypeError for what does not fit.

    Source: S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9, 1997; the forget gate: F. Gers,
    J. Schmidhuber, F. Cummins, "Learning to forget", Neural Computation 12, 2000; the projections: H. Sak, A. Senior,
    F. Beaufays, "Long short-term memory recurrent neural network architectures", Interspeech 2014.
    """
    given = [input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first]
    return _Call("lstm", batch_sizes is not None or is_tensor(hx), given, data, batch_sizes).run()


def _plain(name: str, doc: str) -> None:
    """Declare the network ``name``, of one state."""

    def run(
        input: Any = None,
        hx: Any = None,
        params: Any = None,
        has_biases: Any = None,
        num_layers: Any = None,
        dropout: Any = None,
        train: Any = None,
        bidirectional: Any = None,
        batch_first: Any = None,
        *,
        data: Any = None,
        batch_sizes: Any = None,
    ) -> tuple[Tensor, Tensor]:
        given = [input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first]
        return _Call(name, batch_sizes is not None or is_tensor(params), given, data, batch_sizes).run()

    run.__name__ = run.__qualname__ = name
    run.__doc__ = doc
    function(method=False, overloads=_forms("Tensor", "tuple[Tensor, Tensor]"))(run)


_plain(
    "gru",
    """Gated recurrent units over ``input`` (time, batch, features): all outputs of the last layer, and the last states.

    With the three gates of the input, ``r, z, n = input @ w_ih.mT + b_ih``, and of the state, ``h @ w_hh.mT + b_hh``:
    r and z are the sigmoids of the sums, ``n = tanh(n + r * n_of_the_state)`` and ``h = (1 - z) * n + z * h``. ``hx`` is one
    tensor; all else is as for ``lstm``, packed sequences too.

    Source: K. Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine translation",
    EMNLP 2014; with the state reset behind its product.
    """,
)
_plain(
    "rnn_tanh",
    """``h = tanh(input @ w_ih.mT + b_ih + h @ w_hh.mT + b_hh)`` over the time; all else is as for ``gru``.

    Source: J. Elman, "Finding structure in time", Cognitive Science 14, 1990.
    """,
)
_plain(
    "rnn_relu",
    """``h = relu(input @ w_ih.mT + b_ih + h @ w_hh.mT + b_hh)`` over the time; all else is as for ``gru``.""",
)


# one step


@primitive(takes="floating", composite=True, outputs=StateAndCell)
def lstm_step(
    input: Tensor, h: Tensor, c: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None
) -> StateAndCell:
    """``lstm_cell`` of checked arguments."""


@primitive(takes="floating", composite=True)
def gru_step(
    input: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None
) -> Tensor:
    """``gru_cell`` of checked arguments."""


@primitive(takes="floating", composite=True)
def rnn_step(
    input: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None, relu: bool
) -> Tensor:
    """``rnn_tanh_cell`` and ``rnn_relu_cell`` of checked arguments."""


def _check_step(name: str, input: Any, states: list[Any], w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> None:
    as_tensor_of(name, input)
    if input.ndim != 2:
        raise ShapeError(f"{name}: expected input of shape (batch, features), got {input.shape}.")
    hidden = as_tensor_of(name, states[0], "hx").shape[-1] if states[0].ndim else 0
    gates = GATES[name.removesuffix("_cell")] * hidden
    wanted = {"w_ih": (gates, input.shape[1]), "w_hh": (gates, hidden), "b_ih": (gates,), "b_hh": (gates,)}
    for state in states:
        if state.shape != (input.shape[0], hidden):
            raise ShapeError(f"{name}: hx must have the shape (batch, size), here ({input.shape[0]}, {hidden}), got {state.shape}.")
    for (label, shape), value in zip(wanted.items(), (w_ih, w_hh, b_ih, b_hh), strict=True):
        if (value is not None or label[0] == "w") and as_tensor_of(name, value, label).shape != shape:
            raise ShapeError(f"{name}: {label} must have the shape {shape}, got {value.shape}.")


@function(method=False, autocast={"cuda": "lower"})
def lstm_cell(
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of ``lstm`` over ``input`` (batch, features) from the states ``hx`` = (h, c), each (batch, size): the new h and c."""
    states = as_tensors_of("lstm_cell", hx, "hx")
    if len(states) != 2:
        raise ArgumentTypeError(f"lstm_cell: hx must be the two states (h, c), got {len(states)} tensors.")
    _check_step("lstm_cell", input, states, w_ih, w_hh, b_ih, b_hh)
    return tuple(OPS.lstm_step(input, *states, w_ih, w_hh, b_ih, b_hh))


@function(method=False, autocast={"cuda": "lower"})
def gru_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of ``gru`` over ``input`` (batch, features) from the state ``hx`` (batch, size): the new state."""
    _check_step("gru_cell", input, [as_tensor_of("gru_cell", hx, "hx")], w_ih, w_hh, b_ih, b_hh)
    return OPS.gru_step(input, hx, w_ih, w_hh, b_ih, b_hh)


@function(method=False, autocast={"cuda": "lower"})
def rnn_tanh_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of ``rnn_tanh`` over ``input`` (batch, features) from the state ``hx`` (batch, size): the new state."""
    _check_step("rnn_tanh_cell", input, [as_tensor_of("rnn_tanh_cell", hx, "hx")], w_ih, w_hh, b_ih, b_hh)
    return OPS.rnn_step(input, hx, w_ih, w_hh, b_ih, b_hh, False)


@function(method=False, autocast={"cuda": "lower"})
def rnn_relu_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of ``rnn_relu`` over ``input`` (batch, features) from the state ``hx`` (batch, size): the new state."""
    _check_step("rnn_relu_cell", input, [as_tensor_of("rnn_relu_cell", hx, "hx")], w_ih, w_hh, b_ih, b_hh)
    return OPS.rnn_step(input, hx, w_ih, w_hh, b_ih, b_hh, True)
