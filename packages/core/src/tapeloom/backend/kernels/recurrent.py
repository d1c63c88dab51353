"""Kernels of recurrent networks.

A *sequence* is one layer in one direction. Its gates arrive with what the input adds to them, for all time steps at once, so
each step is a product with the last state alone. Arrays are (time, batch, features). A mask (time, batch, 1) says where a
sequence of the batch has a step; elsewhere its state stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tapeloom.backend.array import Array
from tapeloom.backend.kernels.marks import composed

Step = Callable[..., "tuple[tuple[Array, ...], tuple[Array, ...]]"]


def _held(ops: Any, here: Array | None, new: Array, old: Array) -> Array:
    """``new`` where the sequence has this step."""
    return new if here is None else ops.where(here, new, old)


def _split(ops: Any, here: Array | None, g: Array) -> tuple[Array, Any]:
    """What of ``g`` goes into the step, and what goes by it."""
    return (g, 0) if here is None else (ops.where(here, g, 0), ops.where(here, 0, g))


class Recurrent:
    """Kernels of the layers, of one sequence, of its gradient, and of one step."""

    xp: Any

    def _over_time(
        self: Any, step: Step, carry: tuple[Array, ...], steps: Sequence[Array | None], reverse: bool
    ) -> tuple[Array, ...]:
        """``step(carry, *slices)`` for each time step: it returns the next carry and what is collected along the time."""
        found: list[Any] = [None] * next(array.shape[0] for array in steps if array is not None)
        for t in reversed(range(len(found))) if reverse else range(len(found)):
            carry, found[t] = step(carry, *[None if array is None else array[t, ...] for array in steps])
        return tuple([self.stack(list(part), 0) for part in zip(*found, strict=True)])

    # one step

    def _lstm_step(self: Any, gates: Array, c: Array, projection: Array | None) -> tuple[Array, Array]:
        i, f, g, o = self._parts(gates, 4)
        c = self.sigmoid(f) * c + self.sigmoid(i) * self.tanh(g)
        h = self.sigmoid(o) * self.tanh(c)
        return (h if projection is None else self.matmul(h, self.swap_last(projection))), c

    def _gru_step(self: Any, gates: Array, own: Array, h: Array) -> Array:
        """``own`` is what the last state adds to the gates: it is reset before it enters the new values."""
        r, z, n = self._parts(gates, 3)
        own_r, own_z, own_n = self._parts(own, 3)
        z = self.sigmoid(z + own_z)
        n = self.tanh(n + self.sigmoid(r + own_r) * own_n)
        return n + z * (h - n)

    def _rnn_step(self: Any, gates: Array, relu: bool) -> Array:
        return self.relu(gates) if relu else self.tanh(gates)

    def _parts(self: Any, gates: Array, count: int) -> list[Array]:
        size = gates.shape[-1] // count
        return [gates[..., size * part : size * (part + 1)] for part in range(count)]

    @composed
    def lstm_step(
        self: Any, x: Array, h: Array, c: Array, w_ih: Array, w_hh: Array, b_ih: Array | None, b_hh: Array | None
    ) -> tuple[Array, Array]:
        return self._lstm_step(self.linear(x, w_ih, b_ih) + self.linear(h, w_hh, b_hh), c, None)

    @composed
    def gru_step(
        self: Any, x: Array, h: Array, w_ih: Array, w_hh: Array, b_ih: Array | None, b_hh: Array | None
    ) -> Array:
        return self._gru_step(self.linear(x, w_ih, b_ih), self.linear(h, w_hh, b_hh), h)

    @composed
    def rnn_step(
        self: Any, x: Array, h: Array, w_ih: Array, w_hh: Array, b_ih: Array | None, b_hh: Array | None, relu: bool
    ) -> Array:
        return self._rnn_step(self.linear(x, w_ih, b_ih) + self.linear(h, w_hh, b_hh), relu)

    # one sequence

    @composed
    def lstm_sequence(
        self: Any,
        gates: Array,
        h: Array,
        c: Array,
        weight: Array,
        projection: Array | None,
        mask: Array | None,
        reverse: bool,
    ) -> tuple[Array, Array]:
        """All outputs, and all cells."""
        across = self.swap_last(weight)

        def step(carry: Any, gates: Array, here: Array | None) -> Any:
            h, c = carry
            new_h, new_c = self._lstm_step(gates + self.matmul(h, across), c, projection)
            carry = _held(self, here, new_h, h), _held(self, here, new_c, c)
            return carry, carry

        return self._over_time(step, (h, c), (gates, mask), reverse)

    @composed
    def gru_sequence(
        self: Any, gates: Array, h: Array, weight: Array, bias: Array | None, mask: Array | None, reverse: bool
    ) -> Array:
        def step(carry: Any, gates: Array, here: Array | None) -> Any:
            new = self._gru_step(gates, self.linear(carry[0], weight, bias), carry[0])
            carry = (_held(self, here, new, carry[0]),)
            return carry, carry

        return self._over_time(step, (h,), (gates, mask), reverse)[0]

    @composed
    def rnn_sequence(
        self: Any, gates: Array, h: Array, weight: Array, mask: Array | None, relu: bool, reverse: bool
    ) -> Array:
        across = self.swap_last(weight)

        def step(carry: Any, gates: Array, here: Array | None) -> Any:
            new = self._rnn_step(gates + self.matmul(carry[0], across), relu)
            carry = (_held(self, here, new, carry[0]),)
            return carry, carry

        return self._over_time(step, (h,), (gates, mask), reverse)[0]

    # its gradient: against the time, from the states that forward found. Gates are computed again, all at once.

    def _before(self: Any, first: Array, states: Array, reverse: bool) -> Array:
        """The state before each step."""
        first = self.unsqueeze(first, 0)
        return self.cat([states[1:, ...], first] if reverse else [first, states[:-1, ...]], 0)

    def _over_all(self: Any, g: Array, x: Array) -> Array:
        """The gradient of the weight of ``linear(x, weight)``, over all steps."""
        rows = g.shape[0] * g.shape[1]
        return self.matmul(self.swap_last(self.reshape(g, (rows, g.shape[2]))), self.reshape(x, (rows, x.shape[2])))

    def lstm_sequence_backward(
        self: Any,
        g_out: Array | None,
        g_cells: Array | None,
        gates: Array,
        h: Array,
        c: Array,
        weight: Array,
        projection: Array | None,
        mask: Array | None,
        reverse: bool,
        out: Array,
        cells: Array,
    ) -> tuple[Array | None, ...]:
        """The gradients of gates, h, c, weight and projection."""
        before, cells_before = self._before(h, out, reverse), self._before(c, cells, reverse)
        i, f, g, o = self._parts(gates + self.linear(before, weight, None), 4)
        i, f, g, o, bent = self.sigmoid(i), self.sigmoid(f), self.tanh(g), self.sigmoid(o), self.tanh(cells)

        def step(
            carry: Any, g_out: Any, g_cell: Any, i: Any, f: Any, g: Any, o: Any, bent: Any, old: Any, here: Any
        ) -> Any:
            dh, past_h = _split(self, here, carry[0] if g_out is None else carry[0] + g_out)
            dc, past_c = _split(self, here, carry[1] if g_cell is None else carry[1] + g_cell)
            inner = dh if projection is None else self.matmul(dh, projection)
            dc = dc + inner * o * (1 - bent * bent)
            parts = [dc * g * i * (1 - i), dc * old * f * (1 - f), dc * i * (1 - g * g), inner * bent * o * (1 - o)]
            dgates = self.cat(parts, 1)
            carry = self.matmul(dgates, weight) + past_h, dc * f + past_c
            return carry, (dgates, dh, *carry)

        steps = (g_out, g_cells, i, f, g, o, bent, cells_before, mask)
        start = self.zeros_of(tuple(h.shape), h), self.zeros_of(tuple(c.shape), c)
        dgates, dh, carried_h, carried_c = self._over_time(step, start, steps, not reverse)
        end = -1 if reverse else 0
        dprojection = None if projection is None else self._over_all(dh, o * bent)
        return dgates, carried_h[end, ...], carried_c[end, ...], self._over_all(dgates, before), dprojection

    def gru_sequence_backward(
        self: Any,
        g_out: Array,
        gates: Array,
        h: Array,
        weight: Array,
        bias: Array | None,
        mask: Array | None,
        reverse: bool,
        out: Array,
    ) -> tuple[Array | None, ...]:
        """The gradients of gates, h, weight and bias."""
        before = self._before(h, out, reverse)
        own_r, own_z, own = self._parts(self.linear(before, weight, bias), 3)
        r, z, n = self._parts(gates, 3)
        r, z = self.sigmoid(r + own_r), self.sigmoid(z + own_z)
        n = self.tanh(n + r * own)

        def step(carry: Any, g_out: Any, r: Any, z: Any, n: Any, own: Any, old: Any, here: Any) -> Any:
            dh, past = _split(self, here, carry[0] + g_out)
            dn = dh * (1 - z) * (1 - n * n)
            dr, dz = dn * own * r * (1 - r), dh * (old - n) * z * (1 - z)
            down = self.cat([dr, dz, dn * r], 1)
            carry = (self.matmul(down, weight) + dh * z + past,)
            return carry, (self.cat([dr, dz, dn], 1), down, *carry)

        steps = (g_out, r, z, n, own, before, mask)
        dgates, down, carried = self._over_time(step, (self.zeros_of(tuple(h.shape), h),), steps, not reverse)
        dbias = None if bias is None else self.sum(down, (0, 1))
        return dgates, carried[-1 if reverse else 0, ...], self._over_all(down, before), dbias

    def rnn_sequence_backward(
        self: Any,
        g_out: Array,
        h: Array,
        weight: Array,
        mask: Array | None,
        relu: bool,
        reverse: bool,
        out: Array,
    ) -> tuple[Array | None, ...]:
        """The gradients of gates, h and weight."""

        def step(carry: Any, g_out: Any, out: Any, here: Any) -> Any:
            dh, past = _split(self, here, carry[0] + g_out)
            dgates = self.relu_backward(dh, out) if relu else dh * (1 - out * out)
            carry = (self.matmul(dgates, weight) + past,)
            return carry, (dgates, *carry)

        dgates, carried = self._over_time(step, (self.zeros_of(tuple(h.shape), h),), (g_out, out, mask), not reverse)
        return dgates, carried[-1 if reverse else 0, ...], self._over_all(dgates, self._before(h, out, reverse))

    # all layers

    @composed
    def lstm_layers(
        self: Any,
        x: Array,
        h: Array,
        c: Array,
        weights: list[Array],
        places: Array | None,
        rows: Array | None,
        keep: Array | None,
        biases: bool,
        bidirectional: bool,
        batch_first: bool,
        keep_scale: float,
    ) -> tuple[Array, Array, Array]:
        def sequence(gates: Array, number: int, own: Sequence[Any], mask: Array | None, reverse: bool) -> Any:
            return self.lstm_sequence(gates, h[number, ...], c[number, ...], own[1], own[4], mask, reverse)

        each = (4 if biases else 2) + (h.shape[2] != c.shape[2])
        return self._layers(
            sequence, True, each, x, weights, places, rows, keep, biases, bidirectional, batch_first, keep_scale
        )

    @composed
    def rnn_layers(
        self: Any,
        x: Array,
        h: Array,
        weights: list[Array],
        places: Array | None,
        rows: Array | None,
        keep: Array | None,
        mode: str,
        biases: bool,
        bidirectional: bool,
        batch_first: bool,
        keep_scale: float,
    ) -> tuple[Array, Array]:
        def sequence(gates: Array, number: int, own: Sequence[Any], mask: Array | None, reverse: bool) -> Any:
            if mode == "gru":
                return (self.gru_sequence(gates, h[number, ...], own[1], own[3], mask, reverse),)
            return (self.rnn_sequence(gates, h[number, ...], own[1], mask, mode == "rnn_relu", reverse),)

        each = 4 if biases else 2
        return self._layers(
            sequence,
            mode != "gru",
            each,
            x,
            weights,
            places,
            rows,
            keep,
            biases,
            bidirectional,
            batch_first,
            keep_scale,
        )

    def _layers(
        self: Any,
        sequence: Callable[..., tuple[Array, ...]],
        joined: bool,
        each: int,
        x: Array,
        weights: list[Array],
        places: Array | None,
        rows: Array | None,
        keep: Array | None,
        biases: bool,
        bidirectional: bool,
        batch_first: bool,
        keep_scale: float,
    ) -> tuple[Array, ...]:
        """The last layer's outputs, and the last states of all layers and directions.

        ``joined``: both biases are added to the gates. ``places`` (time, batch) are the rows of packed data, -1 where there is
        none; ``rows`` are the places of these rows in the result.
        """
        mask = None
        if places is not None:
            mask = self.unsqueeze(self.ge(places, 0), 2)
            picked = self.index_select(
                x, 0, self.reshape(self.maximum(places, 0), (places.shape[0] * places.shape[1],))
            )
            x = self.reshape(picked, (*places.shape, x.shape[1]))
        elif batch_first:
            x = self.permute(x, (1, 0, 2))
        directions = 2 if bidirectional else 1
        layers = len(weights) // (each * directions)
        lasts: list[tuple[Array, ...]] = []
        for layer in range(layers):
            outs = []
            for reverse in (False, True)[:directions]:
                number = len(lasts)
                own = self._own(weights[each * number : each * (number + 1)], biases)
                bias = own[2] + own[3] if joined and biases else own[2]
                states = sequence(self.linear(x, own[0], bias), number, own, mask, reverse)
                outs.append(states[0])
                lasts.append(tuple([state[0 if reverse else -1, ...] for state in states]))
            x = self.cat(outs, 2) if bidirectional else outs[0]
            if keep is not None and layer < layers - 1:
                x = self.where(keep[layer, ...], x, 0) * keep_scale
        if rows is not None:
            x = self.index_select(self.reshape(x, (x.shape[0] * x.shape[1], x.shape[2])), 0, rows)
        elif batch_first:
            x = self.permute(x, (1, 0, 2))
        return x, *[self.stack(list(states), 0) for states in zip(*lasts, strict=True)]

    def _own(self: Any, weights: Sequence[Array], biases: bool) -> tuple[Array | None, ...]:
        """w_ih, w_hh, b_ih, b_hh and the projection, None for what is not there."""
        found = (*weights[:4], *weights[4:]) if biases else (*weights[:2], None, None, *weights[2:])
        return (*found, None)[:5]
