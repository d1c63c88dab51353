"""The one way a call runs: a function written for the signature of each op, and compiled by Python on first use.

The signature is read once, and the steps that are left are written down, as ``dataclasses`` writes an ``__init__``: unwrap,
normalise, check, kernel, record, wrap. The text is instantiated twice. ``fast`` has the op's own signature and serves
inputs that need no repair; whatever else comes goes to the general path before anything has run. ``execute`` takes all
parameters by position: the general path calls it once it has repaired them. To read it: ``print(text(op))``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from tapeloom.call.explain import REFUSED, explain
from tapeloom.call.promote import CATEGORY
from tapeloom.call_site import trim
from tapeloom.errors import TapeloomError
from tapeloom.modes import MODES
from tapeloom.op.parameter import Parameter
from tapeloom.op.schema import OpSchema
from tapeloom.tape.plan import plan_of
from tapeloom.tensors.alias import link
from tapeloom.tensors.node import Node, Output, next_number
from tapeloom.tensors.tensor import Tensor


class Unfit(Exception):
    """These arguments need the general path."""


#: what the unwrapping of arguments that need it raises
UNFIT = (Unfit, AttributeError, KeyError, IndexError, TypeError, OverflowError)


def compiled(op: Any, general: Callable[..., Any], kernel_by_kind: Any, positional: bool = False) -> Callable[..., Any]:
    """The function of ``op``; ``general`` is what it calls with the arguments that it cannot take."""
    normalisers = {p.name: p.normalise for p in op.parameters if not p.input}
    made: Any = _maker(text(op, positional))(op, general, kernel_by_kind, normalisers)
    made.__name__ = made.__qualname__ = op.name
    made.__doc__, made.__module__ = op.__doc__, op.__module__
    if not positional:
        arguments = op.arguments
        made.__defaults__ = tuple(
            arguments.defaults[name] for name in arguments.names[arguments.required : arguments.positional]
        )
        made.__kwdefaults__ = {
            name: arguments.defaults[name] for name in _keyword_only(op) if name in arguments.defaults
        }
    return made  # type: ignore[no-any-return]


@cache
def _maker(lines: str) -> Callable[..., Any]:
    """The maker of functions of this text; many ops share one."""
    names: dict[str, Any] = {
        "__name__": __name__,  # what NumPy warns of here is passed over, as in all our modules
        "MODES": MODES,
        "Node": Node,
        "Output": Output,
        "REFUSED": REFUSED,
        "TapeloomError": TapeloomError,
        "Tensor": Tensor,
        "UNFIT": UNFIT,
        "Unfit": Unfit,
        "explain": explain,
        "link": link,
        "new": object.__new__,
        "number": next_number,
        "plan_of": plan_of,
        "trim": trim,
    }
    exec(compile(lines, "<the text of an op>", "exec"), names)
    return names["make"]  # type: ignore[no-any-return]


def text(op: OpSchema, positional: bool = False) -> str:
    """The text of ``op``, within a maker that gives it its surroundings."""
    return _Text(op, positional).whole()


class _Text:
    """Writes the text, step by step, as lists of lines."""

    def __init__(self, op: OpSchema, positional: bool) -> None:
        self.op = op
        self.positional = positional
        self.inputs = [p for p in op.parameters if p.input]
        self.leading = next(p for p in self.inputs if p.input == "value")  # whose kind all must have
        self.differentiable = {p.name for p in self.inputs if p.input == "value" and op.gives_gradient(p.name)}
        self.now = {p.name: p.name for p in op.parameters}  # what stands for each by now: given, prepared, normalised

    def whole(self) -> str:
        prepared = self.prepared()
        unwrapped = [*self.unwrapped(), *self.looked_up()]
        ready = [*self.normalised(), *self.checked(), *self.computed(), *self.recorded(), *self.wrapped()]
        lines = [
            *prepared,
            "try:",
            *_indented(unwrapped),
            "except UNFIT:",
            "    pass",
            "else:",
            *_indented(ready),
            f"return general(op, {self.arguments()})",  # outside the handler: its errors do not follow from another
        ]
        if not self.positional:  # users call it, and its errors show their frames alone
            lines = ["try:", *_indented(lines), "except TapeloomError as error:", "    trim(error)", "    raise"]
        lines = [*self.surroundings(), f"def call({self.signature()}):", *_indented(lines), "return call"]
        return "\n".join(["def make(op, general, kernel_by_kind, normalisers):", *_indented(lines)])

    # the frame

    def surroundings(self) -> list[str]:
        """What of the op is looked up once."""
        lines = ["plans = op.plans"] if self.differentiable else []
        lines += ["prepare = op.prepare"] if self.op.prepare is not None else []
        lines += ["check = op.check"] if self.op.check is not None else []
        lines += ["results = op.outputs"] if self.op.outputs is not None else []
        return lines + [f"normalise_{p.name} = normalisers[{p.name!r}]" for p in self.normalised_parameters()]

    def normalised_parameters(self) -> list[Parameter]:
        """The statics that are normalised; a dtype was looked at before."""
        return [p for p in self.op.parameters if not p.input and p.normalise is not None and p.name != "dtype"]

    def signature(self) -> str:
        """The parameters; what stands for a default here is replaced by ``compiled``."""
        op, arguments = self.op, self.op.arguments
        if self.positional:
            return ", ".join(arguments.names)
        named = {name: f"{name}=None" if name in arguments.defaults else name for name in arguments.names}
        alone = [named[name] for name in _keyword_only(op)]
        middle = [f"*{arguments.starred}"] if arguments.starred else ["*"] if alone else []
        return ", ".join([*(named[name] for name in arguments.names[: arguments.positional]), *middle, *alone])

    def arguments(self) -> str:
        """The arguments as they were given: a tuple and a dict."""
        arguments = self.op.arguments
        args = [*arguments.names[: arguments.positional], *([f"*{arguments.starred}"] if arguments.starred else [])]
        return f"{_tuple(args)}, {{{', '.join(f'{name!r}: {name}' for name in _keyword_only(self.op))}}}"

    # what may find that the arguments need repair

    def prepared(self) -> list[str]:
        op, lines = self.op, []
        starred = op.arguments.starred
        if starred:
            # reshape((2, 3)) is reshape(2, 3); but squeeze(()) is not squeeze(), where nothing means something else
            optional = next(p.optional for p in op.parameters if p.name == starred)
            given = f" and {starred}[0]" if optional else ""
            lines += [f"if len({starred}) == 1 and isinstance({starred}[0], (tuple, list)){given}:"]
            lines += [f"    {starred} = tuple({starred}[0])"]
        if op.prepare is not None:
            self.now = {p.name: f"{p.name}_" for p in op.parameters}
            lines += [f"{_tuple(self.now.values())} = prepare(op, {', '.join(p.name for p in op.parameters)})"]
        return lines

    def unwrapped(self) -> list[str]:
        leading = self.now[self.leading.name]
        lines = [f"kind = {leading}[0].kind" if self.leading.many else f"kind = {leading}.kind"]
        for parameter in self.inputs:
            if parameter.many:
                lines += self.listed(parameter)
            elif parameter is self.leading and not parameter.optional:
                lines += self.taken(parameter.name)
            else:
                lines += self.choice(parameter)
        return lines

    def taken(self, name: str, array: str | None = None, node: str | None = None) -> list[str]:
        """Take the array of a tensor, and its node if a gradient can flow there; or set what stands for them."""
        value = self.now[name]
        lines = [f"{name}_array = {array or f'{value}.array'}"]
        return [*lines, f"{name}_node = {node or f'{value}.node'}"] if name in self.differentiable else lines

    def unfit(self, parameter: Parameter, value: str) -> str:
        """The condition under which a tensor does not meet the leading one."""
        if parameter.input == "value":
            return f"{value}.kind is not kind"
        category = CATEGORY[str(parameter.input)]
        return f"{value}.kind.device is not kind.device or {value}.kind.dtype.category != {category!r}"

    def choice(self, parameter: Parameter) -> list[str]:
        """By what was given: None, a number, a tensor that fits, or something for the general path."""
        name, value = parameter.name, self.now[parameter.name]
        cases: list[tuple[str, list[str]]] = []
        if parameter.optional:
            cases.append((f"{value} is None", self.taken(name, "None", "None")))
        if parameter.number:
            made = self.taken(name, f"kind.backend.scalar({value}, kind.dtype, kind.device)", "None")
            refuse = ["if not kind.inexact:", "    raise Unfit"]
            cases.append((f"{value}.__class__ is float or {value}.__class__ is int", [*refuse, *made]))
        cases.append((self.unfit(parameter, value), ["raise Unfit"]))
        lines: list[str] = []
        for condition, then in cases:
            lines += [f"{'elif' if lines else 'if'} {condition}:", *_indented(then)]
        return [*lines, "else:", *_indented(self.taken(name))]

    def listed(self, parameter: Parameter) -> list[str]:
        """A list of tensors that all fit."""
        name, value = parameter.name, self.now[parameter.name]
        lines = [f"if {value}.__class__ is not list and {value}.__class__ is not tuple:", "    raise Unfit"]
        lines += [f"for tensor in {value}:", f"    if {self.unfit(parameter, 'tensor')}:", "        raise Unfit"]
        lines += [f"{name}_array = [tensor.array for tensor in {value}]"]
        if name in self.differentiable:
            lines += [f"{name}_nodes = [tensor.node for tensor in {value}]"]
            lines += [f"{name}_need = tuple([node is not None for node in {name}_nodes])"]
        return lines

    def looked_up(self) -> list[str]:
        dtype = next((p for p in self.op.parameters if p.name == "dtype" and not p.input), None)
        if dtype is None:
            return ["kernel, kind = kernel_by_kind[kind]"]
        value = self.now["dtype"]
        if not dtype.optional:
            return [f"kernel, kind = kernel_by_kind[kind, {value}]"]
        return [f"kernel, kind = kernel_by_kind[kind if {value} is None else (kind, {value})]"]

    # what runs

    def normalised(self) -> list[str]:
        lines = []
        for parameter in self.normalised_parameters():
            name = parameter.name
            lines += [f"{name}_static = normalise_{name}(op.name, {name!r}, {self.now[name]}, ndim)"]
            self.now[name] = f"{name}_static"
        first = self.inputs[0]
        array = f"{first.name}_array[0]" if first.many else f"{first.name}_array"
        return [f"ndim = len({array}.shape)", *lines] if lines else []

    def checked(self) -> list[str]:
        return [f"check(op, {', '.join(self.now.values())})"] if self.op.check is not None else []

    def computed(self) -> list[str]:
        op = self.op
        handed = [f"{p.name}_array" if p.input else self.now[p.name] for p in op.parameters if p.passed]
        result = "out_array" if op.outputs is None else "outputs"
        result = f"{result}, residuals" if op.residuals else result
        return [
            "try:",
            f"    {result} = kernel({', '.join(handed)})",
            "except REFUSED as error:",
            f"    explain(op, {_tuple(self.now.values())}, error)",
        ]

    def recorded(self) -> list[str]:
        op = self.op
        if not self.differentiable:
            return []
        needs = {
            p.name: f"{p.name}_need" if p.many else f"{p.name}_node is not None"
            for p in self.inputs
            if p.name in self.differentiable
        }
        lists = {p.name for p in self.inputs if p.many}
        tracked = " or ".join(f"True in {need}" if name in lists else need for name, need in needs.items())
        if op.dtype_rule.moves and any(p.name == "dtype" for p in op.parameters):
            tracked = f"({tracked}) and kind.inexact"  # integers never have a gradient
        every = _tuple(needs.get(p.name, "False") for p in self.inputs)
        if lists & self.differentiable:
            edges = _tuple(
                f"*{p.name}_nodes" if p.many and p.name in needs else f"{p.name}_node" if p.name in needs else "None"
                for p in self.inputs
            )
            found = [f"plan = plan_of(op, {every})"]
        else:
            edges = _tuple(f"{p.name}_node" if p.name in needs else "None" for p in self.inputs)
            bits = " | ".join(f"({need}) << {bit}" if bit else f"({need})" for bit, need in enumerate(needs.values()))
            place = f"{bits}" if len(needs) > 1 else "1"
            found = ["try:", f"    plan = plans[{place}]", "except KeyError:"]
            found += [f"    plan = plans[{place}] = plan_of(op, {every})"]
        kept = [f"{self.value(name)} if keep[{position}] else None" for position, name in enumerate(op.layout)]
        lines = [
            *found,
            "keep = plan.keep",
            "node = new(Node)",
            "node.plan = plan",
            f"node.edges = {edges}",
            f"node.kept = {_tuple(kept)}",
            "node.kind = kind",
            f"node.shape = {self.shape_kept()}",
            "node.number = number()",
            "node.hooks = None",
        ]
        return ["node = None", f"if ({tracked}) and MODES.get().grad:", *_indented(lines)]

    def shape_kept(self) -> str:
        """The shape of the result; of several results a tuple of them."""
        return "out_array.shape" if self.op.outputs is None else "tuple([part.shape for part in outputs])"

    def value(self, name: str) -> str:
        """Where the value is that the op's layout calls ``name``."""
        what, position = self.op.source(name)
        if what == "out":
            return "out_array" if self.op.outputs is None else "results(*outputs)"
        if what == "residual":
            return f"residuals[{position}]"
        parameter = self.op.parameters[position]
        given = parameter.name
        if what == "static":
            return self.now[given]
        if what == "array":
            return f"{given}_array"
        if parameter.many:
            of_each = "array.shape" if what == "shape" else "kind.dtype"
            return f"tuple([tensor.{of_each} for tensor in {self.now[given]}])"
        return f"{given}_array.shape" if what == "shape" else f"{self.now[given]}.kind.dtype"

    def wrapped(self) -> list[str]:
        op = self.op
        if op.outputs is not None:
            return self.several()
        lines = ["out = new(Tensor)", "out.array = out_array", "out.kind = kind"]
        lines += [f"out.node = {'node' if self.differentiable else 'None'}", "out.extra = None"]
        if op.view:
            statics = _tuple(self.now[p.name] for p in op.parameters if not p.input)
            lines += [f"link(out, {self.now[self.inputs[0].name]}, op, {statics})"]
        return [*lines, "return out"]

    def several(self) -> list[str]:
        """Each output has the dtype of its array; integers and constants have no gradient."""
        lines, fields = [], self.op.outputs._fields
        for place, name in enumerate(fields):
            out = f"out_{place}"
            lines += [f"array = outputs[{place}]", "its = kind.of(array)", f"{out} = new(Tensor)"]
            lines += [f"{out}.array = array", f"{out}.kind = its", f"{out}.extra = None"]
            if self.differentiable and name not in self.op.constants:
                source = f"Output(node, {place}, its, array.shape)"
                lines += [f"{out}.node = {source} if node is not None and its.inexact else None"]
            else:
                lines += [f"{out}.node = None"]
        return [*lines, f"return results({', '.join(f'out_{place}' for place in range(len(fields)))})"]


def _keyword_only(op: OpSchema) -> list[str]:
    arguments = op.arguments
    return [name for name in arguments.names[arguments.positional :] if name != arguments.starred]


def _indented(lines: Iterable[str], levels: int = 1) -> list[str]:
    return [f"{'    ' * levels}{line}" for line in lines]


def _tuple(items: Iterable[str]) -> str:
    return f"({''.join(f'{item}, ' for item in items)})".replace(", )", ",)")
