"""Gradient rules, and plans: which of an op's rules to run, and what to keep for them.

A rule names what it needs, so that only what the rules that run name is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tapeloom.tape.op import Op


class Rule:
    """One gradient rule: its function, which input slot it serves (None: all, a joint rule), and what it names."""

    __slots__ = ("function", "names", "positions", "slot", "wants_need", "wants_ops")

    def __init__(self, op: Op[Any, Any], slot: int | None, function: Callable[..., Any]) -> None:
        code = function.__code__
        names = code.co_varnames[: code.co_argcount]
        known = {
            *op.parameters,
            "out",
            "ops",
            "need",
            *op.residuals,
            *(f"{p}_{what}" for p in op.inputs for what in ("shape", "dtype")),
        }
        owner = "the joint rule" if slot is None else f"the rule for {op.inputs[slot]!r}"
        if not names or names[0] != "g":
            raise TypeError(f"op {op.name!r}: {owner} must take the gradient first, named g; it takes {names}.")
        for name in names[1:]:
            if name not in known:
                raise TypeError(f"op {op.name!r}: {owner} names {name!r}. Known here: {', '.join(sorted(known))}.")
        self.slot = slot
        self.function = function
        self.wants_ops = "ops" in names
        self.wants_need = "need" in names
        self.names = tuple(name for name in names[1:] if name not in ("ops", "need"))
        expected = ("g", *(["need"] if self.wants_need else []), *self.names, *(["ops"] if self.wants_ops else []))
        if names != expected:
            raise TypeError(f"op {op.name!r}: {owner} must take its arguments in the order {', '.join(expected)}.")
        self.positions: tuple[int, ...] = ()


class Plan:
    """What to keep and which rules to run for one op and one set of inputs that need a gradient.

    ``sources`` are the names whose values a node keeps, in the order of the op's layout; names that no needed rule
    uses keep None.
    """

    __slots__ = ("calls", "composite", "frees", "joint", "keep", "need", "op", "rules", "sources")
    crosses = False  # only a transfer's gradient leaves its backend

    def __init__(self, op: Op[Any, Any], need: tuple[Any, ...]) -> None:
        self.op = op
        self.need = need
        self.composite = op.composite
        self.joint = op.rules.get(None)
        rules: list[tuple[int, Rule]] = []
        for slot in range(len(need)):
            rule = op.rules.get(slot)
            if _any(need[slot]) and rule is not None:
                rules.append((slot, rule))
        self.rules = tuple(rules)
        used = [self.joint] if self.joint is not None else [rule for _, rule in rules]
        names = {name for rule in used for name in rule.names}
        if self.composite:
            names |= {*op.inputs, *op.statics}
        self.keep = tuple(name in names for name in op.layout)
        #: where each kept value comes from: (what, position), or None for what is not kept
        self.sources = tuple(source(op, name) if name in names else None for name in op.layout)
        #: whether arrays are kept: then a walk frees them, and a second walk is an error
        arrays = {*op.inputs, *op.residuals, "out"}
        self.frees = any(wanted and name in arrays for name, wanted in zip(op.layout, self.keep, strict=True))
        #: for plans of plain rules: (edge, function, positions of its arguments, how many, wants ops), all that
        #: ``Backend.pull`` needs to run them without looking further
        self.calls: tuple[Any, ...] | None = None
        if (
            self.joint is None
            and not any(type(entry) is tuple for entry in need)
            and not any(r.wants_need for _, r in rules)
        ):
            self.calls = tuple(
                (slot, rule.function, rule.positions, len(rule.positions), rule.wants_ops) for slot, rule in rules
            )

    def pull(self, g: Any, kept: tuple[Any, ...], ops: Any) -> list[Any]:
        """Run the rules: the gradients of the inputs, one an edge, not yet summed back over broadcast axes."""
        if self.joint is not None:
            rule = self.joint
            arguments: list[Any] = [kept[position] for position in rule.positions]
            if rule.wants_need:
                arguments.insert(0, self.need)
            if rule.wants_ops:
                arguments.append(ops)
            result: list[Any] = []
            for value, need in zip(rule.function(g, *arguments), self.need, strict=True):
                if type(need) is tuple:
                    result.extend(value)
                else:
                    result.append(value)
            return result
        gradients: list[Any] = []
        following = 0
        for slot, rule in self.rules:
            while following < slot:
                gradients.extend(_absent(self.need[following]))
                following += 1
            arguments = [kept[position] for position in rule.positions]
            if rule.wants_need:
                arguments.insert(0, self.need[slot])
            if rule.wants_ops:
                arguments.append(ops)
            value = rule.function(g, *arguments)
            if type(self.need[slot]) is tuple:
                gradients.extend(value)
            else:
                gradients.append(value)
            following += 1
        while following < len(self.need):
            gradients.extend(_absent(self.need[following]))
            following += 1
        return gradients


def source(op: Op[Any, Any], name: str) -> tuple[str, int]:
    """Where the value of ``name`` comes from when a node is made: see ``apply.keep``."""
    if name == "out":
        return "out", 0
    if name in op.residuals:
        return "residual", op.residuals.index(name)
    if name in op.parameters:
        position = op.parameters.index(name)
        role = op.roles[position][2]
        what = "static" if role is None else "arrays" if role in ("values", "indices") else "array"
        return what, position
    owner, _, what = name.rpartition("_")
    position = op.parameters.index(owner)
    return f"{what}s" if op.roles[position][2] in ("values", "indices") else what, position


def _any(need: bool | tuple[bool, ...]) -> bool:
    return any(need) if type(need) is tuple else bool(need)


def _absent(need: bool | tuple[bool, ...]) -> list[None]:
    return [None] * len(need) if type(need) is tuple else [None]
