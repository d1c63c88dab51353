"""A state machine of handles on shared values: views of views, detached handles, writes through any of them.

The model is memory: a list of numbers for each storage, and for each handle the places in it that its elements stand for.
Whatever is written through one handle must show in all others, as in PyTorch, and nowhere else.
"""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import tapeloom as tl

which = st.integers(0, 1_000_000)
number = st.integers(-9, 9)
SHAPES = [(2, 3), (6,), (2, 2, 2), (4,), (), (3, 1)]


class Handle:
    """A tensor, the storage that it is a view of, and the place of each of its elements."""

    def __init__(self, tensor, storage, places):
        self.tensor = tensor
        self.storage = storage
        self.places = places


class AliasMachine(RuleBasedStateMachine):
    recording = False

    @initialize()
    def begin(self):
        self.storages = []
        self.handles = []
        self.new(0, 1)

    def choose(self, index):
        return self.handles[index % len(self.handles)]

    def add(self, tensor, storage, places):
        if len(self.handles) > 12:
            self.handles.pop(0)  # some handles die while their relatives live
        self.handles.append(Handle(tensor, storage, places))

    @rule(shape=st.integers(0, len(SHAPES) - 1), start=number)
    def new(self, shape, start):
        size = SHAPES[shape]
        values = np.arange(int(np.prod(size)), dtype=np.float64) + start
        self.storages.append(values)
        tensor = tl.tensor(values.reshape(size), requires_grad=self.recording)
        if self.recording:
            tensor = tensor * 1  # leaves refuse in-place changes
        self.add(tensor, len(self.storages) - 1, np.arange(values.size).reshape(size))

    # views

    def view(self, index, take):
        handle = self.choose(index)
        try:
            places = take(handle.places)
        except (IndexError, ValueError):
            return
        self.add(take(handle.tensor), handle.storage, places)

    @rule(index=which, start=st.integers(0, 2), step=st.integers(1, 2))
    def slice(self, index, start, step):
        if self.choose(index).places.ndim:
            self.view(index, lambda x: x[start::step])

    @rule(index=which, at=st.integers(-2, 1))
    def select(self, index, at):
        handle = self.choose(index)
        if handle.places.ndim and handle.places.shape[0] >= 2:
            self.view(index, lambda x: x[at])

    @rule(index=which)
    def last(self, index):
        handle = self.choose(index)
        if handle.places.ndim and handle.places.shape[-1]:
            self.view(index, lambda x: x[..., -1])

    @rule(index=which)
    def flatten(self, index):
        self.view(index, lambda x: x.reshape(-1))

    @rule(index=which)
    def turn(self, index):
        axes = tuple(reversed(range(self.choose(index).places.ndim)))
        self.view(index, lambda x: x.permute(axes) if isinstance(x, tl.Tensor) else x.transpose(axes))

    @rule(index=which)
    def new_axis(self, index):
        self.view(index, lambda x: x[None])

    @rule(index=which)
    def drop_axes(self, index):
        self.view(index, lambda x: x.squeeze())

    @rule(index=which, at=st.integers(-2, 1))
    def drop_one_axis(self, index, at):
        """Only where it has the length 1: else the view has all axes, and keeps them when it is taken anew."""
        shape = self.choose(index).places.shape
        if -len(shape) <= at < len(shape):
            new = shape if shape[at] != 1 else tuple(np.delete(shape, at))
            self.view(index, lambda x: x.squeeze(at) if isinstance(x, tl.Tensor) else x.reshape(new))

    @rule(index=which)
    def detach(self, index):
        handle = self.choose(index)
        self.add(handle.tensor.detach(), handle.storage, handle.places)

    @rule(index=which)
    def copy(self, index):
        handle = self.choose(index)
        self.storages.append(self.storages[handle.storage][handle.places].ravel())
        places = np.arange(handle.places.size).reshape(handle.places.shape)
        self.add(handle.tensor.clone(), len(self.storages) - 1, places)

    # writes

    def write(self, handle, values):
        self.storages[handle.storage][handle.places] = values

    def held(self, handle):
        return self.storages[handle.storage][handle.places]

    @rule(index=which, value=number)
    def fill(self, index, value):
        handle = self.choose(index)
        assert handle.tensor.fill_(value) is handle.tensor
        self.write(handle, value)

    @rule(index=which, value=number)
    def add_number(self, index, value):
        handle = self.choose(index)
        handle.tensor += value
        self.write(handle, self.held(handle) + value)

    @rule(index=which, value=number)
    def assign_part(self, index, value):
        handle = self.choose(index)
        if not handle.places.ndim:
            return
        handle.tensor[:1] = value
        values = self.held(handle).copy()
        values[:1] = value
        self.write(handle, values)

    @rule(index=which, other=which)
    def copy_from(self, index, other):
        """The source may be a relative of the target."""
        target, source = self.choose(index), self.choose(other)
        if source.places.shape != target.places.shape:
            return
        values = self.held(source).copy()
        target.tensor.copy_(source.tensor)
        self.write(target, values)

    @rule(index=which, other=which)
    def subtract(self, index, other):
        target, source = self.choose(index), self.choose(other)
        if source.places.shape != target.places.shape:
            return
        values = self.held(target) - self.held(source)
        target.tensor.sub_(source.tensor)
        self.write(target, values)

    @invariant()
    def all_handles_agree(self):
        for handle in getattr(self, "handles", []):
            assert np.array_equal(handle.tensor.numpy(force=True), self.held(handle))
            assert handle.tensor.shape == handle.places.shape


class RecordedAliasMachine(AliasMachine):
    """The same while operations are recorded."""

    recording = True


SETTINGS = settings(max_examples=80, stateful_step_count=25, deadline=None)
TestAliases = AliasMachine.TestCase
TestAliases.settings = SETTINGS
TestRecordedAliases = RecordedAliasMachine.TestCase
TestRecordedAliases.settings = SETTINGS
