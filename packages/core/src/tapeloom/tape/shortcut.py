"""The short path of an op: what ``apply.run`` does for tensors of one kind, written out for the op's signature.

``run`` reads the signature anew on each call. Here it is read once, and the steps that are left are written down and
compiled by Python, as ``dataclasses`` writes an ``__init__``: unwrap, check, kernel, record, wrap. Where anything is
unusual (a dtype to promote, a device to refuse, an error, also one of the kernel) nothing has been changed yet: the call
goes to ``run``, which finds out what is wrong. To read the text of an op: ``print(shortcut.text(op))``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from tapeloom import dtypes
from tapeloom.modes import MODES
from tapeloom.tape.alias import link
from tapeloom.tape.apply import run
from tapeloom.tape.node import Node, next_number
from tapeloom.tape.op import Op
from tapeloom.tape.roles import STATICS
from tapeloom.tape.rule import source
from tapeloom.tape.tensor import Tensor

#: the category of dtypes that an input of a role must have
_CATEGORY = {"index": dtypes.INTEGER, "mask": dtypes.BOOL}

#: statics that no normaliser changes
_AS_GIVEN = ("Key", "Any")


def compiled(op: Op[Any, Any]) -> Callable[..., Any]:
    """The short path of ``op``, a plain function of its signature."""
    normalisers = {name: STATICS.get(annotation) for name, annotation, role in op.roles if role is None}
    short: Any = _maker(text(op))(op, run, op.entries, op.quick, op.prepare, op.check, normalisers)
    short.__name__, short.__doc__, short.__module__ = op.name, op.__doc__, op.__module__
    short.__defaults__ = tuple(op.defaults[name] for name in op.parameters[op.required : op.positional])
    short.__kwdefaults__ = {name: op.defaults[name] for name in _keyword_only(op) if name in op.defaults}
    return short  # type: ignore[no-any-return]


@cache
def _maker(lines: str) -> Callable[..., Any]:
    """The maker of functions of this text; many ops share one."""
    # under our module's name, so that what NumPy warns of here is passed over as it is in the general path
    names: dict[str, Any] = {"__name__": __name__}
    names |= {
        "Node": Node,
        "Tensor": Tensor,
        "new": object.__new__,
        "number": next_number,
        "MODES": MODES,
        "link": link,
    }
    exec(compile(lines, "<short path of an op>", "exec"), names)
    return names["make"]  # type: ignore[no-any-return]


def text(op: Op[Any, Any]) -> str:
    """The text of the short path of ``op``, within a maker that gives it its surroundings."""
    return _Text(op).whole()


class _Text:
    """Writes the text, step by step, as lists of lines."""

    def __init__(self, op: Op[Any, Any]) -> None:
        self.op = op
        self.inputs = [(name, annotation, role) for name, annotation, role in op.roles if role is not None]
        self.leading = next(name for name, _, role in self.inputs if role == "value")  # whose kind all must have
        self.now = {name: name for name in op.parameters}  # what stands for each by now: given, prepared, normalised
        self.general = f"return run(op, {self.arguments()})"

    def whole(self) -> str:
        tried = [*self.prepared(), *self.unwrapped(), *self.normalised(), *self.checked(), *self.computed()]
        made = [*self.recorded(), *self.wrapped()]
        lines = [
            "def make(op, run, entries, quick, prepare, check, normalisers):",
            f"    def short({self.signature()}):",
            "        try:",
            *_indented(tried, 3),
            "        except Exception:",
            "            pass",
            "        else:",
            *_indented(made, 3),
            f"        {self.general}",  # outside the handler: its errors do not follow from another
            "    return short",
        ]
        return "\n".join(lines)

    # the frame

    def signature(self) -> str:
        """The parameters; what stands for a default here is replaced by ``compiled``."""
        op = self.op
        named = {name: f"{name}=None" if name in op.defaults else name for name in op.parameters}
        star = f"*{op.variadic}" if op.variadic else "*"
        alone = [named[name] for name in _keyword_only(op)]
        middle = [star] if op.variadic or alone else []
        return ", ".join([*(named[name] for name in op.parameters[: op.positional]), *middle, *alone])

    def arguments(self) -> str:
        """The arguments as they were given: a tuple and a dict."""
        op = self.op
        args = [*op.parameters[: op.positional], *([f"*{op.variadic}"] if op.variadic else [])]
        return f"{_tuple(args)}, {{{', '.join(f'{name!r}: {name}' for name in _keyword_only(op))}}}"

    # what may fail, in the order of ``run``

    def prepared(self) -> list[str]:
        op, lines = self.op, []
        if op.variadic:  # reshape((2, 3)) is reshape(2, 3)
            lines += [f"if len({op.variadic}) == 1 and isinstance({op.variadic}[0], (tuple, list)):"]
            lines += [f"    {op.variadic} = tuple({op.variadic}[0])"]
        if op.prepare is not None:
            self.now = {name: f"{name}_" for name in op.parameters}
            lines += [f"{_tuple(self.now.values())} = prepare(op, {', '.join(op.parameters)})"]
        return lines

    def unwrapped(self) -> list[str]:
        lines = [f"kind = {self.now[self.leading]}.kind"]
        for name, annotation, role in self.inputs:
            lines += self.leaves(name) if name == self.leading else self.choice(name, annotation, str(role))
        return lines

    def leaves(self, name: str, array: str | None = None, node: str | None = None) -> list[str]:
        """Take the array of a tensor, and its node if a gradient can flow there; or set what stands for them."""
        value = self.now[name]
        lines = [f"{name}_array = {array or f'{value}.array'}"]
        return [*lines, f"{name}_node = {node or f'{value}.node'}"] if name in self.op.flowing else lines

    def choice(self, name: str, annotation: str, role: str) -> list[str]:
        """By what was given: None, a number, a tensor that fits, or something for the general path."""
        value = self.now[name]
        unfit = f"{value}.kind is not kind"
        if role != "value":
            unfit = f"{value}.kind.device is not kind.device or {value}.kind.dtype.category != {_CATEGORY[role]!r}"
        cases: list[tuple[str, list[str]]] = []
        if annotation.endswith("None"):
            cases.append((f"{value} is None", self.leaves(name, "None", "None")))
        if annotation.startswith("TensorLike"):
            made = self.leaves(name, f"kind.backend.scalar({value}, kind.dtype, kind.device)", "None")
            refuse = ["if not kind.floating:", f"    {self.general}"]
            cases.append((f"{value}.__class__ is float or {value}.__class__ is int", [*refuse, *made]))
        cases.append((unfit, [self.general]))
        lines: list[str] = []
        for condition, then in cases:
            lines += [f"{'elif' if lines else 'if'} {condition}:", *_indented(then)]
        return [*lines, "else:", *_indented(self.leaves(name))]

    def normalised(self) -> list[str]:
        statics = [(name, annotation) for name, annotation, role in self.op.roles if role is None]
        lines = []
        for name, annotation in statics:
            value = self.now[name]
            if annotation == "Cast":
                lines += [f"if {value} is not None:", f"    {self.general}"]
            elif annotation not in _AS_GIVEN:
                lines += [f"{name}_static = normalisers[{name!r}](op.name, {name!r}, {value}, ndim)"]
                self.now[name] = f"{name}_static"
        return [f"ndim = len({self.inputs[0][0]}_array.shape)", *lines] if lines else []

    def checked(self) -> list[str]:
        return [f"check(op, {', '.join(self.now.values())})"] if self.op.check is not None else []

    def computed(self) -> list[str]:
        roles = self.op.roles
        handed = [
            f"{name}_array" if role else self.now[name] for name, annotation, role in roles if annotation != "Cast"
        ]
        result = "array, residuals" if self.op.residuals else "array"
        return ["kernel, kind = entries[kind]", f"{result} = kernel({', '.join(handed)})"]

    # what can't fail

    def recorded(self) -> list[str]:
        op = self.op
        if not op.flowing:
            return []
        needs = {name: f"{name}_node is not None" for name in op.flowing}
        bits = " | ".join(f"({need}) << {bit}" if bit else f"({need})" for bit, need in enumerate(needs.values()))
        place = "needs" if len(needs) > 1 else "1"
        kept = [f"{self.value(name)} if keep[{position}] else None" for position, name in enumerate(op.layout)]
        lines = [
            f"plan = quick[{place}]",
            "if plan is None:",
            f"    plan = quick[{place}] = op.plan({_tuple(needs.get(name, 'False') for name in op.inputs)})",
            "keep = plan.keep",
            "node = new(Node)",
            "node.plan = plan",
            f"node.edges = {_tuple(f'{name}_node' if name in needs else 'None' for name in op.inputs)}",
            f"node.kept = {_tuple(kept)}",
            "node.kind = kind",
            "node.shape = array.shape",
            "node.number = number()",
            "node.hooks = None",
        ]
        tracked = f"if ({' or '.join(needs.values())}) and MODES.get().grad:"
        return ["node = None", tracked, *_indented([f"needs = {bits}"] if len(needs) > 1 else []), *_indented(lines)]

    def value(self, name: str) -> str:
        """Where the value is that the op's layout calls ``name``."""
        what, position = source(self.op, name)
        if what == "out":
            return "array"
        if what == "residual":
            return f"residuals[{position}]"
        parameter = self.op.parameters[position]
        if what == "static":
            return self.now[parameter]
        of_tensor = {"array": "_array", "shape": "_array.shape", "dtype": ".kind.dtype"}[what]
        return f"{self.now[parameter] if what == 'dtype' else parameter}{of_tensor}"

    def wrapped(self) -> list[str]:
        lines = ["out = new(Tensor)", "out.array = array", "out.kind = kind"]
        lines += [f"out.node = {'node' if self.op.flowing else 'None'}", "out.extra = None"]
        if self.op.is_view:
            statics = _tuple(self.now[name] for name in self.op.statics)
            lines += [f"link(out, {self.now[self.inputs[0][0]]}, op, {statics})"]
        return [*lines, "return out"]


def _keyword_only(op: Op[Any, Any]) -> list[str]:
    return [name for name in op.parameters[op.positional :] if name != op.variadic]


def _indented(lines: Iterable[str], levels: int = 1) -> list[str]:
    return [f"{'    ' * levels}{line}" for line in lines]


def _tuple(items: Iterable[str]) -> str:
    return f"({''.join(f'{item}, ' for item in items)})".replace(", )", ",)")
