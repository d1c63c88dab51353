"""A state machine grows graphs at random on the real tape and on the naive one, which must agree at every step."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import tapeloom as tl

sys.path.insert(0, str(Path(__file__).parent))
import naive_tape as naive

SIZE = 3
numbers = st.lists(st.floats(-2, 2, allow_subnormal=False, width=32), min_size=SIZE, max_size=SIZE)
which = st.integers(0, 1_000_000)
places = st.lists(st.integers(0, SIZE - 1), min_size=SIZE, max_size=SIZE)


class TapeMachine(RuleBasedStateMachine):
    """Pairs of (real tensor, naive value), all of SIZE elements; leaves by number."""

    @initialize(start=numbers)
    def begin(self, start):
        self.leaves = {}
        self.gradients = {}  # leaf -> what .grad must hold
        self.pairs = []
        self.new_leaf(start)

    def choose(self, index):
        return self.pairs[index % len(self.pairs)]

    @rule(start=numbers)
    def new_leaf(self, start):
        name = len(self.leaves)
        self.leaves[name] = tl.tensor(start, dtype=tl.float64, requires_grad=True)
        self.pairs.append((self.leaves[name], naive.leaf(name, start)))

    @rule(start=numbers)
    def new_constant(self, start):
        self.pairs.append((tl.tensor(start, dtype=tl.float64), naive.Value(start)))

    @rule(left=which, right=which)
    def add(self, left, right):
        (x, nx), (y, ny) = self.choose(left), self.choose(right)
        self.pairs.append((x + y, naive.add(nx, ny)))

    @rule(left=which, right=which)
    def multiply(self, left, right):
        (x, nx), (y, ny) = self.choose(left), self.choose(right)
        self.pairs.append(((x * y).tanh(), self._tanh(naive.multiply(nx, ny))))

    @staticmethod
    def _tanh(value):
        outs = [math.tanh(number) for number in value.numbers]
        return naive.unary(value, outs, [1 - out * out for out in outs])

    @rule(index=which)
    def sine(self, index):
        x, nx = self.choose(index)
        result = naive.unary(nx, [math.sin(n) for n in nx.numbers], [math.cos(n) for n in nx.numbers])
        self.pairs.append((x.sin(), result))

    @rule(index=which, at=places)
    def gather(self, index, at):
        x, nx = self.choose(index)
        self.pairs.append((x[tl.tensor(at)], naive.pick(nx, at)))

    @rule(index=which)
    def turn(self, index):
        x, nx = self.choose(index)
        self.pairs.append((x.flip(0), naive.pick(nx, [2, 1, 0])))

    @rule(index=which)
    def total(self, index):
        x, nx = self.choose(index)
        spread = naive.combine([sum(nx.numbers)] * SIZE, [(nx, [[(p, 1.0) for p in range(SIZE)]] * SIZE)])
        self.pairs.append((x.sum().expand(SIZE), spread))

    @rule(index=which)
    def detach(self, index):
        x, nx = self.choose(index)
        self.pairs.append((x.detach().clone(), naive.detach(nx)))

    @rule(left=which, right=which)
    def without_recording(self, left, right):
        (x, nx), (y, ny) = self.choose(left), self.choose(right)
        with tl.no_grad():
            self.pairs.append((x + y, naive.detach(naive.add(nx, ny))))

    @rule(index=which, other=which)
    def change_in_place(self, index, other):
        """A fresh copy is changed through a view; the tensors it came from must stay as they are."""
        (x, nx), (y, ny) = self.choose(index), self.choose(other)
        copy = x.clone()
        copy[1:] += y[:2]
        changed = naive.put(nx, [1, 2], naive.add(naive.pick(nx, [1, 2]), naive.pick(ny, [0, 1])))
        self.pairs.append((copy, changed))

    @rule(index=which, other=which)
    def change_an_existing_tensor(self, index, other):
        position = index % len(self.pairs)
        (x, nx), (y, ny) = self.pairs[position], self.choose(other)
        if x.is_leaf or (x.extra is not None and x.extra.base is not None):
            return  # leaves refuse it, and views of several places cannot be written
        ny = naive.Value(list(ny.numbers), dict(ny.jacobians))
        x.mul_(y)
        self.pairs[position] = (x, naive.multiply(nx, ny))

    @rule(index=which, weights=numbers, retain=st.booleans())
    def backward(self, index, weights, retain):
        x, nx = self.choose(index)
        if not x.requires_grad:
            assert not nx.jacobians
            return
        w = tl.tensor(weights, dtype=tl.float64)
        x.backward(w, retain_graph=True)
        if retain:  # walk it again: the gradients must add up
            x.backward(w, retain_graph=True)
        for name, rows in nx.jacobians.items():
            held = self.gradients.setdefault(name, [0.0] * SIZE)
            for j in range(SIZE):
                held[j] += sum(weights[i] * rows[i][j] for i in range(SIZE)) * (2 if retain else 1)

    @invariant()
    def values_agree(self):
        for tensor, value in getattr(self, "pairs", []):
            for ours, theirs in zip(tensor.tolist(), value.numbers, strict=True):
                assert math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-9)

    @invariant()
    def gradients_agree(self):
        for name, expected in getattr(self, "gradients", {}).items():
            got = self.leaves[name].grad
            for ours, theirs in zip(got.tolist() if got is not None else [0.0] * SIZE, expected, strict=True):
                assert math.isclose(ours, theirs, rel_tol=1e-7, abs_tol=1e-7)


TestTape = TapeMachine.TestCase
TestTape.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
