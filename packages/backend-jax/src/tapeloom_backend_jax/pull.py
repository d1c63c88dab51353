"""Backward as programs: all gradient rules of a node, and the sums over broadcast axes, in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tapeloom_backend_jax.program import compiled, sorts

if TYPE_CHECKING:
    from tapeloom.tape.node import Node
    from tapeloom.tape.rule import Plan

Array = Any


class Pull:
    """The gradient rules of one plan: called with a node of that plan and the gradient of its result.

    Settings are what the rules name besides arrays, and the shape of each edge where it is not that of the gradient.
    """

    __slots__ = ("passing", "program", "slots")

    def __init__(self, plan: Plan, kernels: Any) -> None:
        op, need = plan.op, plan.need
        flat = [entry for given in need for entry in (given if type(given) is tuple else (given,))]
        #: the edges that get a gradient, and those of them whose rule is ``lambda g: g``
        self.slots = slots = tuple(slot for slot, needed in enumerate(flat) if needed)
        single = plan.joint is None and len(flat) == len(need)  # then edges and inputs have the same numbers
        self.passing = passing = frozenset(slot for slot, rule in plan.rules if single and _passes(rule.function))
        arrays = {*op.inputs, *op.residuals, "out"}
        statics = {name: annotation for name, annotation, role in op.roles if role is None}
        annotations = [  # of g, what the node keeps (<input>_shape and <input>_dtype are settings), and the sizes
            "Array",
            *("Array" if name in arrays else statics.get(name, "Size") for name in op.layout),
            "Size",
        ]

        def rules(g: Array, *rest: Any) -> list[Array | None]:
            gradients = plan.pull(g, rest[:-1], kernels)
            results: list[Array | None] = []
            for slot, size in zip(slots, rest[-1], strict=True):
                gradient = gradients[slot]
                if gradient is None or (size is None and slot in passing):
                    results.append(None)
                    continue
                wanted = g.shape if size is None else size
                results.append(gradient if gradient.shape == wanted else kernels.reduce_to(gradient, wanted))
            return results

        self.program = compiled(f"{op.name}_gradient", rules, len(annotations), *sorts(annotations))

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


def _passes(rule: Callable[..., Any]) -> bool:
    """Whether a rule is ``lambda g: g``, which needs no program."""
    if rule.__code__.co_argcount != 1:
        return False
    probe = object()
    try:
        return rule(probe) is probe
    except Exception:  # noqa: BLE001 - it computes, which a bare object cannot
        return False
