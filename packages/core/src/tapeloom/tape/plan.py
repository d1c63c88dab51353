"""Plans: how the gradient of a node is pulled back to its edges.

A plan belongs to an op and the set of its inputs that need a gradient. It says what a node keeps, and pulls for itself:
on raw arrays in a plain walk, on Tensors under ``create_graph``. Transfers and the user's own functions are plans too.
"""

from __future__ import annotations

import functools
from typing import Any

from tapeloom.backend.fallback import is_array
from tapeloom.backend.kernels import ArrayKernels
from tapeloom.errors import GradientError
from tapeloom.modes import MODES
from tapeloom.op.registry import OPS, REGISTRY
from tapeloom.op.rule import Rule
from tapeloom.op.schema import OpSchema
from tapeloom.tape.walk import walk
from tapeloom.tensors.kind import Kind
from tapeloom.tensors.node import Leaf, Node, Output
from tapeloom.tensors.tensor import Tensor, make, read_array

#: edges and their gradients: raw arrays, or Tensors under ``create_graph``
Pairs = list[tuple[Node, Any]]


class Plan:
    """Base of the plans. ``name`` is what nodes are called by; ``frees``: whether a walk frees what was kept."""

    __slots__ = ()
    name: str
    frees: bool

    def kept(self, node: Node) -> tuple[Any, ...]:
        """What ``node`` kept."""
        return node.kept

    def node_of_output(self, node: Node, place: int) -> Node | None:
        """The node of the output at ``place`` of a ``Function``."""
        raise NotImplementedError

    def pairs(self, node: Node, kept: tuple[Any, ...], g: Any, create: bool) -> Pairs:
        """Each edge of ``node`` that gets a gradient, and that gradient in the edge's shape.

        ``kept`` is what the node kept. ``g`` is the gradient of the result; of several results a list, with None where
        nothing came back.
        """
        raise NotImplementedError


class Around(Plan):
    """A plan put around that of one node, to do something besides."""

    __slots__ = ("frees", "inner", "name")

    def __init__(self, inner: Plan) -> None:
        self.inner = inner
        self.name = inner.name
        self.frees = inner.frees

    def kept(self, node: Node) -> tuple[Any, ...]:
        """See ``Plan.kept``."""
        return self.inner.kept(node)

    def node_of_output(self, node: Node, place: int) -> Node | None:
        """See ``Plan.node_of_output``."""
        return self.inner.node_of_output(node, place)

    def pairs(self, node: Node, kept: tuple[Any, ...], g: Any, create: bool) -> Pairs:
        """See ``Plan.pairs``."""
        return self.inner.pairs(node, kept, g, create)


class OpPlan(Plan):
    """What to keep and which rules to run for one op and one set of inputs that need a gradient.

    ``need`` has a bool for each input, for a list of tensors a tuple of bools. ``keep`` says for each name of the op's
    layout whether it is kept.
    """

    __slots__ = ("calls", "frees", "joint", "keep", "name", "need", "op", "rules")

    def __init__(self, op: OpSchema, need: tuple[Any, ...]) -> None:
        self.op = op
        self.name = op.name
        self.need = need
        self.joint = op.rules.get(None)
        rules: list[tuple[int, Rule]] = []
        for slot, wanted in enumerate(need):
            rule = op.rules.get(slot)
            if rule is not None and (any(wanted) if type(wanted) is tuple else wanted):
                rules.append((slot, rule))
        self.rules = tuple(rules)
        names = {
            name
            for rule in ([self.joint] if self.joint is not None else [rule for _, rule in rules])
            for name in rule.names
        }
        if op.composite:
            names |= {p.name for p in op.parameters if p.passed}
        self.keep = tuple(name in names for name in op.layout)
        arrays = {*op.inputs, *op.residuals, "out"}
        self.frees = any(kept and name in arrays for name, kept in zip(op.layout, self.keep, strict=True))
        #: for plans of plain rules: (slot, function, positions of its arguments, how many, wants ops), all that the
        #: hot loop needs to run them without looking further
        self.calls: tuple[Any, ...] | None = None
        several = op.outputs is not None or any(type(entry) is tuple for entry in need)
        if rules and self.joint is None and not several and not any(r.wants_need for _, r in rules):
            self.calls = tuple((slot, r.function, r.positions, len(r.positions), r.wants_ops) for slot, r in rules)

    def pairs(self, node: Node, kept: tuple[Any, ...], g: Any, create: bool) -> Pairs:
        """See ``Plan.pairs``: runs the rules, on raw arrays or on Tensors."""
        if create:
            return self.recorded(node, kept, g)
        kind, edges = node.kind, node.edges
        if kind.run_rules is not None:
            return kind.run_rules(self, node, kept, g)
        kernels = kind.kernels
        if self.calls is None:
            return self.run(g, kept, edges, kernels)
        pairs: Pairs = []
        for slot, function, positions, count, wants_ops in self.calls:  # the hot loop: plain rules, one step each
            if count == 1:
                first = kept[positions[0]]
                gradient = function(g, first, kernels) if wants_ops else function(g, first)
            elif count == 0:
                gradient = function(g, kernels) if wants_ops else function(g)
            elif wants_ops:
                gradient = function(g, *[kept[position] for position in positions], kernels)
            else:
                gradient = function(g, *[kept[position] for position in positions])
            edge: Any = edges[slot]
            if gradient.shape != edge.shape:
                gradient = kernels.reduce_to(gradient, edge.shape)
            pairs.append((edge, gradient))
        return pairs

    def run(self, g: Any, kept: tuple[Any, ...], edges: Any, kernels: Any) -> Pairs:
        """Run rules of any form on raw arrays, and sum back over broadcast axes."""
        if self.op.derived:
            gradients = self.derived(g, kept, next(edge.kind for edge in edges if edge is not None))
        else:
            gradients = self.pull(g, kept, kernels)
        return [
            (edge, gradient if gradient.shape == edge.shape else kernels.reduce_to(gradient, edge.shape))
            for edge, gradient in zip(edges, gradients, strict=True)
            if edge is not None and gradient is not None
        ]

    def pull(self, g: Any, kept: tuple[Any, ...], ops: Any) -> list[Any]:
        """Run the rules: the gradients of the inputs, one an edge, not yet summed back over broadcast axes."""
        if self.op.outputs is not None:
            g = self.op.outputs(*g)
        if self.joint is not None:
            found = self._called(self.joint, g, kept, ops, self.need)
        else:
            if not self.rules:
                raise GradientError(
                    f"backward: the op {self.name} has no gradient rule, so nothing can flow through it. Take .detach() of "
                    f"its inputs where no gradient is wanted, or declare one with {self.name}.gradient(...)."
                )
            found = [None] * len(self.need)
            for slot, rule in self.rules:
                found[slot] = self._called(rule, g, kept, ops, self.need[slot])
        gradients: list[Any] = []
        for value, wanted in zip(found, self.need, strict=True):
            if type(wanted) is tuple:
                gradients.extend([None] * len(wanted) if value is None else value)
            else:
                gradients.append(value)
        return gradients

    def _called(self, rule: Rule, g: Any, kept: tuple[Any, ...], ops: Any, need: Any) -> Any:
        arguments: list[Any] = [kept[position] for position in rule.positions]
        if rule.wants_need:
            arguments.insert(0, need)
        if rule.wants_ops:
            arguments.append(ops)
        return rule.function(g, *arguments)

    # under create_graph

    def recorded(self, node: Node, kept: tuple[Any, ...], g: Any) -> Pairs:
        """Run the rules on Tensors, so that they are recorded."""
        if self.op.composite:
            return self.composite(node, self._wrapped(node, kept), g, create=True)
        analytic = node.kind.dtype.is_complex and self.op.dtype_rule.complex == "analytic"
        if analytic:
            g = [part if part is None else OPS.conj(part) for part in g] if self.op.outputs else OPS.conj(g)
        gradients = self.pull(g, tuple(self._wrapped(node, kept)), OPS)
        pairs: Pairs = []
        for edge, gradient in zip(node.edges, gradients, strict=True):
            if edge is not None and gradient is not None:
                gradient = OPS.conj(gradient) if analytic else gradient
                pairs.append((edge, gradient if gradient.shape == edge.shape else OPS.reduce_to(gradient, edge.shape)))
        return pairs

    def _wrapped(self, node: Node, kept: tuple[Any, ...]) -> list[Any]:
        """What ``node`` kept, arrays as Tensors at their places on the tape."""
        op = self.op
        inputs, edges = op.inputs, self.edges_by_input(node)
        wrapped: list[Any] = []
        for name, value in zip(op.layout, kept, strict=True):
            if value is None:
                wrapped.append(None)
            elif name in inputs:
                edge = edges[inputs.index(name)]
                if isinstance(value, list):
                    its = edge or [None] * len(value)  # positions have no edges
                    wrapped.append([_rewrapped(array, node.kind, e) for array, e in zip(value, its, strict=True)])
                else:
                    wrapped.append(_rewrapped(value, node.kind, edge))
            elif name == "out" and op.outputs is None:
                wrapped.append(make(value, node.kind, node))
            elif name == "out":
                wrapped.append(op.outputs(*[_output(op, node, place, array) for place, array in enumerate(value)]))
            elif name in op.residuals:
                wrapped.append(None)  # its own derivative is unknown: a composite's text makes it again
            else:
                wrapped.append(value)
        return wrapped

    def edges_by_input(self, node: Node) -> list[Any]:
        """The edges of ``node`` grouped by input: a list where the input is a list of tensors."""
        grouped: list[Any] = []
        position = 0
        for wanted in self.need:
            if type(wanted) is tuple:
                grouped.append(list(node.edges[position : position + len(wanted)]))
                position += len(wanted)
            else:
                grouped.append(node.edges[position])
                position += 1
        return grouped

    # the gradient of a composite's text

    def derived(self, g: Any, kept: tuple[Any, ...], kind: Kind) -> list[Any]:
        """The gradients on raw arrays of a composite that has no rules: its text runs again on Tensors and is walked.

        ``kind`` is that of an input; a backend may trace this.
        """
        values: list[Any] = []
        needed = iter(self.need)
        for parameter in self.op.parameters:
            if not parameter.passed:
                continue
            value = kept[self.op.layout.index(parameter.name)]
            if parameter.input is None:  # a number that is traced is a 0-d array
                values.append(make(value, kind.of(value)) if is_array(value) else value)
                continue
            need = next(needed)
            if value is None:
                values.append(None)
            elif parameter.many:
                wanted = need if type(need) is tuple else (need,) * len(value)
                values.append([_leaf(array, kind, each) for array, each in zip(value, wanted, strict=True)])
            else:
                values.append(_leaf(value, kind, need))
        several = self.op.outputs is not None
        parts = [g] if not several else list(g)
        return self._through_text(
            values, [None if part is None else make(part, kind.of(part)) for part in parts], create=False
        )

    def composite(self, node: Node, wrapped: list[Any], g: Any, create: bool) -> Pairs:
        """Differentiate a fused op by running its composite, the shared kernel's text, on Tensors."""
        values = dict(zip(self.op.layout, wrapped, strict=True))
        arguments = []
        for parameter in self.op.parameters:
            if not parameter.passed:
                continue
            value = values[parameter.name]
            if parameter.input and isinstance(value, list):
                value = [OPS.alias(item) if item.node is not None else item for item in value]
            elif parameter.input and value is not None and value.node is not None:
                value = OPS.alias(value)  # a stand-in, so that the inner walk stops there
            arguments.append(value)
        gradients = self._through_text(arguments, list(g) if self.op.outputs is not None else [g], create)
        return [
            (edge, found)
            for edge, found in zip(node.edges, gradients, strict=True)
            if edge is not None and found is not None
        ]

    def _through_text(self, arguments: list[Any], g: list[Any], create: bool) -> list[Any]:
        """One gradient an edge: the text is run on ``arguments`` while recording, and walked back at once."""
        op = self.op
        flat: list[Any] = []
        passed = [p for p in op.parameters if p.passed]
        for parameter, value in zip(passed, arguments, strict=True):
            if parameter.input:
                flat.extend(value if parameter.many and parameter.input == "value" else [value])
        goals = {value.node for value in flat if isinstance(value, Tensor) and value.node is not None}
        modes = MODES.get()
        try:
            # a fused op is one op also to those that watch; under ``create`` they see the ops that are recorded here
            MODES.set(modes.replace(grad=True, watchers=modes.watchers if create else ()))
            result = getattr(ArrayKernels, op.name)(TEXT_OPS, *arguments)
            if op.residuals:
                result = result[0]
            outputs = result if op.outputs is not None else (result,)
            roots = [
                (out.node, part if create else read_array(part))
                for out, part in zip(outputs, g, strict=True)
                if part is not None and out.node is not None
            ]
            found = walk(roots, retain=create, create=create, capture=goals) if goals and roots else {}
        finally:
            MODES.set(modes)
        return [
            found.get(value.node) if isinstance(value, Tensor) and value.node is not None else None for value in flat
        ]


class _TextOps:
    """The ops, and beside them the helpers of the shared kernels, whose text runs on Tensors as well."""

    def __getattr__(self, name: str) -> Any:
        found = REGISTRY.get(name)
        if found is None:
            found = functools.partial(getattr(ArrayKernels, name), self)  # type: ignore[assignment]
        setattr(self, name, found)
        return found


TEXT_OPS: Any = _TextOps()


def _leaf(array: Any, kind: Kind, needed: bool) -> Tensor:
    its = kind.of(array)
    return make(array, its, Leaf(its, array.shape) if needed else None)


def _rewrapped(array: Any, kind: Kind, edge: Node | None) -> Tensor:
    return make(array, kind.of(array) if edge is None else edge.kind, edge)


def _output(op: OpSchema, node: Node, place: int, array: Any) -> Tensor:
    """One of several results again, with its place on the tape."""
    kind = node.kind.of(array)
    flows = kind.inexact and op.outputs._fields[place] not in op.constants
    return make(array, kind, Output(node, place, kind, array.shape) if flows else None)


def plan_of(op: Any, need: tuple[Any, ...]) -> OpPlan:
    """The plan of ``op`` for the inputs that need a gradient."""
    found: OpPlan | None = op.plans.get(need)
    if found is None:
        found = op.plans[need] = OpPlan(op, need)
    return found
