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
    """The gradient rules of one plan, for nodes whose result is ``dtype``: called with a node and its gradient.

    Settings are what the rules name besides arrays and values, and the shape of each edge where it is not that of the
    gradient. As ``Backend.rules_for`` says, half types are computed in float32, and rules of analytic functions run
    between two conjugations; here inside the program.
    """

    __slots__ = ("passing", "program", "slots")

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
            *kept, sizes = rest
            if half:
                g, kept = backend.widened(g), backend.widened(kept)
            if conjugated:
                g = jax.tree.map(jnp.conj, g)
            gradients = derived(plan, kernels, g, kept) if op.derived else plan.pull(g, tuple(kept), kernels)
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
        self.program = compiled(f"{op.name}_gradient", rules, [OPERAND, *kept_sorts, SETTING])

    def __call__(self, node: Node, g: Array) -> list[tuple[Node, Array]]:
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
        for slot, size, gradient in zip(slots, sizes, self.program(g, *node.kept, tuple(sizes)), strict=True):
            if gradient is not None:
                pairs.append((edges[slot], gradient))
            elif size is None and slot in passing:
                pairs.append((edges[slot], g))
        return pairs


def derived(plan: OpPlan, kernels: Any, g: Any, kept: Any) -> list[Any]:
    """The gradient, one an edge, of a composite that has no rules: JAX differentiates the kernel's text.

    For complex numbers JAX's product with the derivative is not conjugated, as PyTorch's is.
    """
    op = plan.op
    values = dict(zip(op.layout, kept, strict=True))
    names = [p.name for p in op.parameters if p.passed]
    wanted = [
        name for name, need in zip(op.inputs, plan.need, strict=True) if (any(need) if type(need) is tuple else need)
    ]
    parts = g if op.outputs is not None else [g]
    reached = [place for place, part in enumerate(parts) if part is not None]  # of the outputs, perhaps some alone

    def forward(*given: Any) -> list[Array]:
        every = values | dict(zip(wanted, given, strict=True))
        result = getattr(kernels, op.name)(*[every[name] for name in names])
        if op.residuals:
            result = result[0]
        return [result[place] for place in reached] if op.outputs is not None else [result]

    _, pull = jax.vjp(forward, *[values[name] for name in wanted])
    found = dict(zip(wanted, pull([jnp.conj(parts[place]) for place in reached]), strict=True))
    gradients: list[Any] = []
    for name, need in zip(op.inputs, plan.need, strict=True):
        if type(need) is tuple:
            gradients.extend(map(jnp.conj, found[name]) if name in found else [None] * len(need))
        else:
            gradients.append(jnp.conj(found[name]) if name in found else None)
    return gradients


def _passes(rule: Callable[..., Any]) -> bool:
    """Whether a rule is ``lambda g: g``, which needs no program."""
    if rule.__code__.co_argcount != 1:
        return False
    probe = object()
    try:
        return rule(probe) is probe
    except Exception:  # noqa: BLE001 - it computes, which a bare object cannot
        return False
