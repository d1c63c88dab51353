"""Indexing on immutable arrays.

The numbers of a key (positions and starts) are operands, so ``x[i]`` compiles once for all ``i``; only its structure is
compiled for. Core has checked that positions lie in range, hence ``promise_in_bounds``: no masks, no clamps.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from tapeloom.keys import NEW, PICK, Key

Array = Any
Ints = tuple[int, ...]

_IN_RANGE = {"mode": "promise_in_bounds"}
#: how the kernel ``at`` is to write -> the name of it in JAX, where that is another
_WRITES = {"maximum": "max", "minimum": "min"}
#: XLA has no sums and products of bools
_OF_BOOLS = {"add": "maximum", "multiply": "minimum"}

# A key travels as an operand: its numbers are values, its structure is part of what is compiled.
jax.tree_util.register_pytree_node(
    Key, lambda key: (key.numbers, key.structure), lambda structure, numbers: Key(structure, tuple(numbers))
)


class _Box:
    """A key as one box of an array: where it starts, how far it reaches, and the steps taken within."""

    def __init__(self, key: Key, size: Ints) -> None:
        self.starts: list[Any] = []
        self.lengths: list[int] = []
        self.steps: list[int] = []
        numbers = iter(key.numbers)
        for part in key.structure:
            if part == NEW:
                continue
            start = next(numbers)
            _, length, step = ("pick", 1, 1) if part == PICK else part
            whole = length == size[len(self.lengths)] and step == 1
            self.starts.append(0 if whole else start)
            self.lengths.append(length)
            self.steps.append(step)
        self.spans = [
            (length - 1) * step + 1 if length else 0 for length, step in zip(self.lengths, self.steps, strict=True)
        ]
        self.stepped = any(step > 1 for step in self.steps)
        self.empty = 0 in self.lengths

    def read(self, x: Array) -> Array:
        """The elements of ``x`` in the box, of shape ``lengths``."""
        part = lax.dynamic_slice(x, self.starts, self.spans) if self.starts else x
        return lax.slice(part, [0] * part.ndim, part.shape, self.steps) if self.stepped else part

    def spread(self, values: Array, fill: Any) -> Array:
        """``values`` of shape ``lengths`` over the whole span, with ``fill`` between the steps."""
        if not self.stepped:
            return values
        return lax.pad(values, fill, [(0, 0, step - 1) for step in self.steps])

    def write(self, x: Array, values: Array) -> Array:
        """``x`` with ``values`` of shape ``lengths`` in the box."""
        if self.empty:
            return x
        if not self.starts:
            return values
        part = self.spread(values, jnp.zeros((), values.dtype))
        if self.stepped:  # what lies between the steps stays
            taken = self.spread(jnp.ones(values.shape, bool), jnp.zeros((), bool))
            part = jnp.where(taken, part, lax.dynamic_slice(x, self.starts, self.spans))
        return lax.dynamic_update_slice(x, part, self.starts)


class Indexing:
    """Overrides of the shared indexing kernels; stands before ArrayKernels among the bases of the kernels."""

    def at(self, x: Array, key: Any, value: Array, how: str = "set", owned: bool = False) -> Array:
        # arrays never change: the one write of all shared kernels
        how = _OF_BOOLS.get(how, how) if x.dtype == bool else how
        return getattr(x.at[key], _WRITES.get(how, how))(value, **_IN_RANGE)

    # where a start or position is a value, which Python's slices cannot hold while JAX traces

    def slice_get(self, x: Array, key: Key) -> Array:
        return _Box(key, x.shape).read(x).reshape(key.shape())

    def unslice(self, x: Array, key: Key, size: Ints) -> Array:
        box = _Box(key, size)
        return box.write(jnp.zeros(size, x.dtype), x.reshape(box.lengths))

    def slice_put(self, x: Array, value: Array, key: Key) -> Array:
        box = _Box(key, x.shape)
        return box.write(x, jnp.broadcast_to(value, key.shape()).reshape(box.lengths))

    def narrow(self, x: Array, dim: int, start: Any, length: int) -> Array:
        return lax.dynamic_slice_in_dim(x, start, length, dim)

    def place(self, x: Array, dim: int, start: Any, total: int) -> Array:
        size = (*x.shape[:dim], total, *x.shape[dim + 1 :])
        return lax.dynamic_update_slice_in_dim(jnp.zeros(size, x.dtype), x, start, dim)

    def select_column(self, x: Array, column: Any) -> Array:
        return lax.dynamic_index_in_dim(x, column, 1, keepdims=False)

    # reads at positions that core has checked: the shared texts would mask or clamp them

    def read(self, x: Array, key: Any) -> Array:
        return x.at[key].get(**_IN_RANGE)

    def index_select(self, x: Array, dim: int, index: Array) -> Array:
        return x.at[(slice(None),) * dim + (index.reshape(-1),)].get(**_IN_RANGE) if x.ndim else x
