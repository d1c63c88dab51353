"""What depends on values runs on the host: XLA has no shapes that do.

On the CPU the positions that ``nonzero`` found, as in ``x[mask]``, are followed up on the host too: their number is
another one each time, and XLA would compile each step for it anew (120 ms forward, 250 ms backward).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeloom.backend.arrayapi import ArrayAPIBackend
from tapeloom.backend.fallback import mapped

if TYPE_CHECKING:
    from tapeloom.backend.runtime import Backend, Kernel
    from tapeloom.dtypes import DType
    from tapeloom.op.schema import OpSchema
    from tapeloom.tape.plan import OpPlan
    from tapeloom.tensors.node import Node

#: ops that follow positions found by ``nonzero``
FOLLOWING = frozenset({"select_column", "index", "index_put"})

host = ArrayAPIBackend(np)


class Found:
    """The arrays that hold as many positions as were found, as long as they live."""

    def __init__(self) -> None:
        self._references: dict[int, weakref.ref[Any]] = {}

    def add(self, array: Any) -> None:
        """``array`` is one of them."""
        place = id(array)
        self._references[place] = weakref.ref(array, lambda _: self._references.pop(place, None))

    def among(self, values: tuple[Any, ...]) -> bool:
        """Whether one of the arguments, or of a list among them, is such an array."""
        if not self._references:
            return False
        each = (item for value in values for item in (value if type(value) is list else (value,)))
        return any(id(item) in self._references for item in each)


class Hosted:
    """Runs ops of one backend on the host; ``follow``: also those that follow positions that were found."""

    def __init__(self, backend: Backend, follow: bool) -> None:
        self.backend = backend
        self.found = Found()
        self.following = FOLLOWING if follow else frozenset()

    def dynamic(self, op: OpSchema, dtype: DType) -> Kernel:
        """``op``, whose result has a shape that depends on values."""
        kernel = host.kernel_for(op, dtype)

        def run(*values: Any) -> Any:
            result = self.backend.through_host(kernel, *values)
            if op.dtype_rule.gives == "int64":
                for array in (result,) if op.outputs is None else result:
                    self.found.add(array)
            return result

        return run

    def kernel(self, op: OpSchema, dtype: DType, program: Kernel) -> Kernel:
        """``program`` of ``op``, and the host for positions that were found."""
        if op.name not in self.following:
            return program
        kernel = host.kernel_for(op, dtype)

        def run(*values: Any) -> Any:
            if not self.found.among(values):
                return program(*values)
            result = self.backend.through_host(kernel, *values)
            if self.found.among(values[:1]):
                self.found.add(result)
            return result

        return run

    def rules(self, plan: OpPlan, program: Callable[..., Any]) -> Callable[..., Any]:
        """``program`` of the rules of ``plan``, and the host for positions that were found."""
        if plan.name not in self.following:
            return program

        def run(node: Node, kept: tuple[Any, ...], g: Any) -> Any:
            if not self.found.among(kept):
                return program(node, kept, g)
            device = self.backend.device_of(g)
            there, its = self.backend.to_host(g), mapped(kept, self.backend.to_host)
            pairs = plan.run(there, its, node.edges, host.completed)
            return [(edge, self.backend.from_host(gradient, device)) for edge, gradient in pairs]

        return run
