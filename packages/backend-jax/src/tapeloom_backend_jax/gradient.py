"""Backward as programs: all gradient rules of a node, and the sums over broadcast axes, in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from tapeloom_backend_jax.program import OPERAND, SETTING, compiled, sorts

if TYPE_CHECKING:
    from tapeloom.backend.runtime import Backend
    from tapeloom.dtypes import DType
    from tapeloom.tape.plan import OpPlan
    from tapeloom.tensors.node import Node

Array = Any


class Gradient:
    """The gradient rules of one plan, for nodes whose result is ``dtype``: called with a node, what it kept, and its gradient.

    Settings are what the rules name besides arrays and values, and the shape of each edge where it is not that of the
    gradient. As ``Backend.rules_for`` says, half types are computed in float32, and rules of analytic functions run
    between two conjugations; here inside the program.
    """

    __slots__ = ("derived", "passing", "program", "slots")

    def __init__(self, plan: OpPlan, dtype: DType, backend: Backend) -> None:
        op = plan.op
        kernels = backend.completed
        half = dtype.half and not op.dtype_rule.moves
        conjugated = dtype.is_complex and op.dtype_rule.complex == "analytic" and not op.derived
        flat = [entry for given in plan.need for entry in (given if type(given) is tuple else (given,))]
        #: the edges that get a gradient, and those of them whose rule is ``lambda g: g``
        self.slots = slots = tuple(slot for slot, needed in enumerate(flat) if needed)
        single = plan.joint is None and len(flat) == len(plan.need)  # then edges and inputs have the same numbers
        self.passing = passing = frozenset(slot for slot, rule in plan.rules if single and _passes(rule.function))

        def rules(g: Array, *rest: Any) -> list[Array | None]:
            *kept, sizes, kind = rest
            if half:
                g, kept = backend.widened(g), backend.widened(kept)
            if conjugated:
                g = jax.tree.map(jnp.conj, g)
            if op.derived:  # on Tensors, here too: JAX's own derivatives differ from ours at kinks
                gradients = plan.derived(g, tuple(kept), kind)
            else:
                gradients = plan.pull(g, tuple(kept), kernels)
            results: list[Array | None] = []
            for slot, size in zip(slots, sizes, strict=True):
                gradient = gradients[slot]
                if gradient is None or (size is None and slot in passing):
                    results.append(None)
                    continue
                wanted = g.shape if size is None else size
                gradient = gradient if gradient.shape == wanted else kernels.reduce_to(gradient, wanted)
                gradient = jnp.conj(gradient) if conjugated else gradient
                results.append(backend.narrowed(gradient, dtype) if half else gradient)
            return results

        by_name = dict(zip([p.name for p in op.parameters if p.passed], sorts(op.parameters), strict=True))
        by_name |= dict.fromkeys(("out", *op.residuals), OPERAND)
        kept_sorts = [by_name.get(name, SETTING) for name in op.layout]  # <input>_shape and <input>_dtype are settings
        self.program = compiled(f"{op.name}_gradient", rules, [OPERAND, *kept_sorts, SETTING, SETTING])
        self.derived = op.derived

    def __call__(self, node: Node, kept: tuple[Any, ...], g: Array) -> list[tuple[Node, Array]]:
        edges: Any = node.edges
        shape = node.shape
        slots, passing = self.slots, self.passing
        sizes: list[Any] = []  # the shape that each gradient must have, or None where it is that of g
        work = False
        for slot in slots:
            size = edges[slot].shape
            if size == shape:
                sizes.append(None)
                work = work or slot not in passing
            else:
                sizes.append(size)
                work = True
        if not work:
            return [(edges[slot], g) for slot in slots]
        pairs = []
        kind = edges[slots[0]].kind if self.derived else None
        for slot, size, gradient in zip(slots, sizes, self.program(g, *kept, tuple(sizes), kind), strict=True):
            if gradient is not None:
                pairs.append((edges[slot], gradient))
            elif size is None and slot in passing:
                pairs.append((edges[slot], g))
        return pairs


def _passes(rule: Callable[..., Any]) -> bool:
    """Whether a rule is ``lambda g: g``, which needs no program."""
    if rule.__code__.co_argcount != 1:
        return False
    probe = object()
    try:
        return rule(probe) is probe
    except Exception:  # noqa: BLE001 - it computes, which a bare object cannot
        return False
