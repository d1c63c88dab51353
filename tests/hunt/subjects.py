"""What is called: every public function, method, operator and function of ``nn.functional``, with PyTorch's counterpart."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from data import Library

import tapeloom as tl
import tapeloom.nn.functional as ours_functional
from tapeloom.call.op import Op
from tapeloom.methods import COMPARISONS, OPERATORS, UNARY
from tapeloom.op.registry import published
from tapeloom.testing.table import Row, load

#: names that are not called: (why)
LEFT_OUT = {
    "cpu": "devices",
    "cuda": "devices",
    "empty": "gives zeros here, anything there",
    "empty_like": "likewise",
    "new_empty": "likewise",
    "from_numpy": "takes no tensors; tried in its own tests",
    "frombuffer": "likewise",
}
#: what gives random numbers: dtype, shape and refusals are compared, values are not
RANDOM = set(
    "rand randn rand_like randn_like randint randint_like randperm normal bernoulli dropout uniform_ normal_ bernoulli_ random_ "
    "multinomial poisson binomial exponential_ geometric_ cauchy_ log_normal_ dropout_ dropout1d dropout2d dropout3d feature_dropout "
    "feature_dropout_ alpha_dropout alpha_dropout_ feature_alpha_dropout feature_alpha_dropout_ rrelu rrelu_ gumbel_softmax".split()
)
#: methods that come from no registry, with the parameters that they take
PLAIN_METHODS = {
    "item": "",
    "tolist": "",
    "numpy": "",
    "dim": "",
    "numel": "",
    "element_size": "",
    "is_floating_point": "",
    "is_complex": "",
    "size": "dim: int = None",
    "requires_grad_": "requires_grad: bool = True",
    "__len__": "",
    "__bool__": "",
    "__int__": "",
    "__float__": "",
    "__complex__": "",
    "__index__": "",
    "__contains__": "value: Number",
    "__getitem__": "key: Key",
    "__setitem__": "key: Key, value: TensorLike",
}
PROPERTIES = "T H mT mH ndim itemsize is_leaf shape real imag data requires_grad grad".split()


class Parameter:
    """One parameter: its name, its role, whether it has a default, and how it may be given."""

    def __init__(self, name: str, role: str, required: bool, kind: str) -> None:
        self.name = name
        self.role = role
        self.required = required
        #: "plain", "starred" or "keyword"
        self.kind = kind


class Subject:
    """One thing to call: its name here, its place in either library, its parameters and rows of samples."""

    def __init__(self, name: str, text: str, ours: Any, theirs: Any, parameters: list[Parameter], rows: list[Row]):
        self.name = name
        self.text = text
        self.ours = ours
        self.theirs = theirs
        self.parameters = parameters
        self.rows = rows
        base = name.rpartition(".")[2]
        self.base = base
        self.method = name.startswith("Tensor.")
        self.inplace = (base.endswith("_") and not base.endswith("__")) or base in (
            *(f"__i{op}__" for op in OPERATORS),
            "__setitem__",
        )
        self.random = base in RANDOM

    def of(self, library: Library) -> Any:
        """The function to call."""
        return self.theirs if library.module is torch else self.ours


_KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "plain",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "plain",
    inspect.Parameter.VAR_POSITIONAL: "starred",
    inspect.Parameter.KEYWORD_ONLY: "keyword",
}


def parameters_of(call: Any) -> list[Parameter]:
    """The parameters of an op or a function by its signature; roles by annotations."""
    roles = {p.name: repr(p).partition(": ")[2] for p in call.parameters} if isinstance(call, Op) else {}
    found = []
    for p in inspect.signature(call).parameters.values():
        if p.kind is inspect.Parameter.VAR_KEYWORD or p.name in ("device", "generator"):
            continue
        role = roles.get(p.name) or str(p.annotation).strip("'")
        required = p.default is inspect.Parameter.empty and p.kind is not inspect.Parameter.VAR_POSITIONAL
        found.append(Parameter(p.name, role, required, _KINDS[p.kind]))
    return found


def _written(text: str) -> list[Parameter]:
    found = []
    for part in filter(None, text.split(", ")):
        name, _, rest = part.partition(": ")
        role, _, default = rest.partition(" = ")
        found.append(Parameter(name, role, not default, "plain"))
    return [Parameter("self", "Tensor", True, "plain"), *found]


def _place(name: str, namespace: str) -> tuple[str, Any] | None:
    """Where PyTorch has the function ``name``: functional first, whose signatures ours have."""
    homes = {space: [space] for space in ("linalg", "fft", "signal.windows")} | {"special": ["special", ""]}
    homes = homes.get(namespace, ["nn.functional", "", "Tensor"])
    for home in homes:
        value: Any = torch
        for part in filter(None, home.split(".")):
            value = getattr(value, part)
        if callable(getattr(value, name, None)):
            return f"{home}.{name}".strip("."), getattr(value, name)
    return None


def _spelled(ours: str, theirs: str) -> str:
    """The text of the function for a program with ``lib``."""
    return f"lib.{ours}" if ours == theirs else f"(lib.{theirs} if lib is torch else lib.{ours})"


def subjects() -> tuple[list[Subject], list[str]]:
    """All that is compared, and the public names that PyTorch does not have or that are left out."""
    table = load()
    made: list[Subject] = []
    alone: list[str] = []
    for public in published():
        if public.namespace is None:
            continue
        prefix = f"{public.namespace}." if public.namespace else ""
        own = public.names[0]
        rows = [row for row in (table.get(prefix + name) for name in public.names) if row is not None]
        rows += [table[name] for name in table if name.startswith(f"{own} ")]
        parameters = parameters_of(public.call)
        for name in public.names:
            if name in LEFT_OUT:
                alone.append(name)
                continue
            place = _place(name, public.namespace)
            if place is None:
                alone.append(prefix + name)
            else:
                text = _spelled(prefix + name, place[0])
                made.append(Subject(prefix + name, text, public.call, place[1], parameters, rows))
            forms = [name] * public.method + [f"{name}_"] * public.inplace
            for form in forms:
                if not hasattr(torch.Tensor, form):
                    alone.append(f"Tensor.{form}")
                    continue
                made.append(_method(form, parameters, rows))
    seen = {subject.ours for subject in made}
    for name in vars(ours_functional):
        call = getattr(ours_functional, name)
        if name.startswith("_") or not callable(call) or isinstance(call, type) or call in seen:
            continue
        if not hasattr(torch.nn.functional, name):
            alone.append(f"nn.functional.{name}")
            continue
        text = f"lib.nn.functional.{name}"
        rows = [table[name]] if name in table else []
        theirs = getattr(torch.nn.functional, name)
        made.append(Subject(f"nn.functional.{name}", text, call, theirs, parameters_of(call), rows))
    made += _operators(table)
    return made, alone


def _method(name: str, parameters: list[Parameter], rows: list[Row]) -> Subject:
    ours, theirs = getattr(tl.Tensor, name), getattr(torch.Tensor, name)
    return Subject(f"Tensor.{name}", f"lib.Tensor.{name}", ours, theirs, parameters, rows)


def _operators(table: dict[str, Row]) -> list[Subject]:
    made = []
    two = _written("other: TensorLike")
    for dunder, op in OPERATORS.items():
        for form in (f"__{dunder}__", f"__r{dunder}__", f"__i{dunder}__"):
            if hasattr(tl.Tensor, form) and hasattr(torch.Tensor, form):
                made.append(_method(form, two, [table[op]] if op != "pow" else []))
    made += [_method(f"__{name}__", two, [table[name]]) for name in COMPARISONS]
    made += [_method(f"__{dunder}__", _written(""), [table[op]]) for dunder, op in UNARY.items()]
    rows = {"__getitem__": ["x[key]"], "__setitem__": ["x[key] = value"]}
    for name, text in PLAIN_METHODS.items():
        made.append(_method(name, _written(text), [table[row] for row in rows.get(name, ())]))
    for name in PROPERTIES:
        get = _getter(name)
        made.append(Subject(f"Tensor.{name}", f"(lambda x: x.{name})", get, get, _written(""), []))
    return made


def _getter(name: str) -> Any:
    return lambda x: getattr(x, name)
