"""Write the generated blocks of docs/: the API by family, what is supported where, the names of PyTorch.

A page holds prose and, between two marks, what this tool writes from the registry, the table of samples, the backends and
tools/torch_names.toml (which tools/record_torch_names.py makes):

    <!-- generated: NAME -->
    <!-- end of generated -->

``--check`` only compares (the tests do). It leaves out the block ``support`` where a backend's package or its array
library is not installed, and says so.

    python tools/make_docs.py [--check]
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import make_stubs

import tapeloom
from tapeloom import Tensor, dtypes, methods, promote_types
from tapeloom.dtypes import DType
from tapeloom.errors import DTypeError
from tapeloom.op.registry import REGISTRY, Public, published
from tapeloom.tensors.facts import Facts

ROOT = make_stubs.ROOT
BLOCK = re.compile(r"(<!-- generated: (?P<name>[\w.]+) -->\n).*?(<!-- end of generated -->)", re.DOTALL)

#: the families of ops: module in tapeloom.ops -> title, in the order of the pages
FAMILIES = {
    "creation": "Creation",
    "random": "Random numbers",
    "draws": "Random numbers of further distributions",
    "dropout": "Dropout and other layers that are random",
    "conversion": "Conversion",
    "elementwise": "Arithmetic and functions, element by element",
    "rounding": "Rounding, and the parts of a number",
    "extremes": "The larger and the smaller",
    "special": "Special functions",
    "comparison": "Comparison and logic",
    "complex_numbers": "Complex numbers",
    "reduction": "Reduction",
    "norm": "Norms",
    "scan": "Running results",
    "statistics": "Statistics",
    "histogram": "Histograms",
    "calculus": "Differences and integrals",
    "linalg": "Linear algebra",
    "fft": "Fourier transforms",
    "signal": "Signals",
    "signal_windows": "Windows",
    "products": "Products of vectors, matrices and tensors",
    "einsum": "Sums of products by letters",
    "decomposition": "Decompositions of matrices",
    "spectrum": "Singular values and eigenvalues",
    "solve": "Linear equations and inverses",
    "matrix_functions": "Functions of matrices",
    "householder": "Householder reflections and low rank",
    "movement": "Shape and order",
    "joining": "Joining",
    "splitting": "Splitting",
    "repeating": "Padding, turning and repeating",
    "diagonals": "Diagonals and triangles",
    "indexing": "Indexing",
    "scattering": "Scattering",
    "masks": "Masks and positions",
    "sorting": "Sorting, searching and sets",
    "activation": "Activation",
    "shrinking": "Shrinkage, thresholds, activations in place",
    "attention": "Attention",
    "recurrent": "Recurrent layers",
    "normalization": "Normalization",
    "conv": "Convolution",
    "pooling": "Pooling",
    "adaptive": "Pooling to a given size",
    "unpooling": "Unpooling",
    "window_norms": "Norms over windows",
    "resize": "Resizing",
    "grid": "Sampling at the places of a grid",
    "fold": "Between space and channels",
    "lookup": "Lookup",
    "bags": "Bags of embeddings",
    "loss": "Losses",
    "likelihood": "Losses by likelihood",
    "ctc": "Connectionist temporal classification",
    "margin_losses": "Losses with a margin",
    "distance": "Distances",
    "handles": "Handles and history",
    "interchange": "Other libraries",
}
#: the files of a package -> titles, in the order of its page
PARTS = {
    "tapeloom.nn": {
        "module": "Module",
        "parameter": "Parameters and buffers",
        "containers": "Containers",
        "layers.linear": "Linear and shape",
        "layers.conv": "Convolution",
        "layers.pool": "Pooling",
        "layers.adaptive_pool": "Pooling to a size",
        "layers.padding": "Padding",
        "layers.spatial": "Images: rearranging, resizing",
        "layers.rectifier": "Rectifiers",
        "layers.activation": "Activation",
        "layers.softmax": "Softmax",
        "layers.batch_norm": "Batch and instance normalization",
        "layers.norm": "Normalization",
        "layers.dropout": "Dropout",
        "layers.embedding": "Embedding",
        "layers.recurrent": "Recurrence",
        "layers.cells": "Recurrence, one step",
        "layers.attention": "Attention",
        "layers.transformer": "Transformer",
        "layers.lazy": "Lazy layers",
        "layers.losses": "Losses",
        "layers.likelihood_losses": "Losses: likelihoods",
        "layers.margin_losses": "Losses: margins",
        "layers.distance": "Distance",
        "data_parallel": "Several devices",
        "overview": "Overview",
    },
    "tapeloom.optim": {
        "sgd": "Gradient descent",
        "asgd": "Averaged gradient descent",
        "adam": "Adam",
        "nadam": "NAdam",
        "radam": "RAdam",
        "adamax": "Adamax",
        "adafactor": "Adafactor",
        "lamb": "LAMB",
        "adagrad": "Adagrad",
        "adadelta": "Adadelta",
        "rmsprop": "RMSprop",
        "rprop": "Rprop",
        "lion": "Lion",
        "muon": "Muon",
        "lbfgs": "L-BFGS",
        "kfac": "K-FAC",
        "optimizer": "Base class",
        "arguments": "For formulas of your own",
    },
    "tapeloom.data": {
        "loader": "Loader",
        "dataset": "Datasets",
        "sampler": "Samplers",
        "collate": "Batches",
        "info": "Workers",
        "progress": "Progress",
    },
}
#: what `tapeloom` has besides ops and functions over them: module -> title, in the order of the page
OTHERS = {
    "tapeloom.tensors.tensor": "Tensors",
    "tapeloom.keys": "Tensors",
    "tapeloom.devices": "Devices and backends",
    "tapeloom.backend.device_type": "Devices and backends",
    "tapeloom.backend.plugins": "Devices and backends",
    "tapeloom.backend.hookspecs": "Devices and backends",
    "tapeloom.dtypes": "Dtypes",
    "tapeloom.modes": "Gradient modes",
    "tapeloom.autograd.anomaly_mode": "Gradient modes",
    "tapeloom.amp.autocast_mode": "Mixed precision",
    "tapeloom.amp.grad_scaler": "Mixed precision",
    "tapeloom.func.batching": "Function transforms",
    "tapeloom.generator": "Random state",
    "tapeloom.checkpoint": "Files and printing",
    "tapeloom.printing": "Files and printing",
}
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


# text


def signature(function: Any) -> list[str]:
    """The call forms of ``function``, without annotations: ``(input, dim=None)``."""
    try:
        found = inspect.signature(function)
    except ValueError:  # a builtin that has none, such as an exception
        return [""]
    public = public_of(function)
    if public and public.overloads and any(p.kind in VARIADIC for p in found.parameters.values()):
        return [plain(text) for text in public.overloads]
    parameters = [parameter.replace(annotation=parameter.empty) for parameter in found.parameters.values()]
    bare = found.replace(parameters=parameters, return_annotation=found.empty)

    def shown(*args: Any, **kwargs: Any) -> None: ...

    shown.__signature__ = bare
    return [make_stubs.signature(shown)]


def plain(text: str) -> str:
    """A signature as text, without annotations."""
    (found,) = ast.parse(f"def f{text}: ...").body
    assert isinstance(found, ast.FunctionDef)
    places = found.args
    for each in [*places.posonlyargs, *places.args, *places.kwonlyargs, places.vararg, places.kwarg]:
        if each is not None:
            each.annotation = None
    return f"({ast.unparse(places)})"


def first_words(value: Any) -> str:
    """The first paragraph of the docstring of ``value``, in one line, for a cell of a table."""
    text = " ".join((inspect.getdoc(value) or "").partition("\n\n")[0].split())
    return cell(text.partition(" Example: ")[0])


def cell(text: str) -> str:
    """``text`` for a cell of a Markdown table: ``code`` as `code`, and no mark where none is meant."""
    parts = re.split(r"(``.*?``|`.*?`)", text)
    parts[1::2] = [f"`{part.strip('`')}`" for part in parts[1::2]]
    parts[::2] = [re.sub(r"(?<!\\)([*_<$])", r"\\\1", part) for part in parts[::2]]
    return "".join(parts).replace("|", "\\|")


def code(text: str) -> str:
    """``text`` as code in a cell of a table."""
    return f"`{text}`".replace("|", "\\|")


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """A Markdown table."""
    heads = list(heads)
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join('---' for _ in heads)} |"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


@cache
def publics() -> dict[int, Public]:
    """Every op and public function by the identity of what is called."""
    return {id(public.call): public for public in published()}


def public_of(value: Any) -> Public | None:
    """Where users find ``value``, if it is an op or a function over ops."""
    return publics().get(id(value))


def detailed(value: Any) -> bool:
    """Whether the docstring says more than its first paragraph."""
    return "\n\n" in (inspect.getdoc(value) or "")


def autodoc(directives: Iterable[str]) -> list[str]:
    """Directives of Sphinx, which shows whole docstrings in their place."""
    lines = [line for directive in directives for line in directive.splitlines()]
    return ["```{eval-rst}", *lines, "```", ""] if lines else []


def rows_of(names: Iterable[str], owner: Any) -> Iterator[tuple[str, str]]:
    """The row of each name of ``owner``: how it is called, what it does."""
    for name in names:
        value = getattr(owner, name)
        called = callable(value) and not isinstance(value, tapeloom.Generator) and value not in (DType, Tensor)
        yield calls(name, signature(value) if called else [""]), first_words(value)


# the API


def functions_block(namespace: str) -> list[str]:
    """The ops and functions of ``tapeloom`` ("") by family, or all of a namespace of it."""
    families = FAMILIES.items() if not namespace else [("", "")]
    home = f"tapeloom.{namespace}" if namespace else "tapeloom"
    lines: list[str] = []
    for module, title in families:
        rows, named = [], []
        for public in of_family(module, lambda public: public.namespace == namespace):
            also = [code(name) for name in public.names[1:]]
            also += ["method"] if public.method else []
            also += [code(f"{public.names[0]}_")] if public.inplace else []
            rows.append((calls(public.names[0], signature(public.call)), first_words(public.call), ", ".join(also)))
            named += [public.names[0]] if detailed(public.call) else []
        if not rows:  # a family of a namespace alone
            continue
        lines += [f"## {title}", ""] if title else []
        lines += table(("call", "does", "also"), rows)
        lines += autodoc(f".. autofunction:: {home}.{name}" for name in named)
    if aliases := make_stubs.aliases_of(namespace):
        others = (f"{code(name)} is {code(known)}" for name, known in sorted(aliases.items()) if name != known)
        same = (code(name) for name, known in sorted(aliases.items()) if name == known)
        lines += [f"As in `tapeloom`: {', '.join(same)}. By another name: {', '.join(others)}.", ""]
    return lines


def of_family(module: str, chosen: Callable[[Public], bool]) -> list[Public]:
    """The ops and functions that ``tapeloom.ops.module`` declares ("": any module), in the order of their names."""
    found = (
        public
        for public in published()
        if chosen(public) and module in ("", public.call.__module__.removeprefix("tapeloom.ops."))
    )
    return sorted(found, key=lambda public: (public.namespace or "", public.names[0]))


def calls(name: str, forms: Iterable[str]) -> str:
    """The call forms of ``name``, one in each line of a cell."""
    return "<br>".join(code(f"{name}{form}") for form in forms)


def others_block() -> list[str]:
    """What ``tapeloom`` has besides ops; dtypes have a page of their own."""
    homes = {name: module for module, names in tapeloom._EXPORTS.items() for name in names.split()}
    homes |= {alias: homes[name] for alias, name in tapeloom._ALIASES.items()}
    homes |= {name: module for name, (module, _) in tapeloom._LAZY.items()}
    titled: dict[str, list[str]] = {title: [] for title in OTHERS.values()}
    for name, module in sorted(homes.items()):
        if module not in OTHERS:
            raise SystemExit(f"tapeloom.{name}: {module} is not in OTHERS of tools/make_docs.py")
        if not isinstance(getattr(tapeloom, name), DType):
            titled[OTHERS[module]].append(name)
    lines: list[str] = []
    for title, names in titled.items():
        directives = []
        for name in names:
            value = getattr(tapeloom, name)
            kind = "class" if inspect.isclass(value) else "function" if inspect.isfunction(value) else ""
            if kind and detailed(value) and value is not Tensor and not value.__module__.startswith("tapeloom.amp."):
                directives.append(f".. auto{kind}:: tapeloom.{name}")
        lines += [f"### {title}", "", *table(("call", "does"), rows_of(names, tapeloom)), *autodoc(directives)]
    return lines


def tensor_block() -> list[str]:
    """The attributes and methods of Tensor."""
    attributes, own, named = [], [], []
    for name, value in sorted({**vars(Facts), **vars(Tensor)}.items()):
        if name.startswith("_") or name in Tensor.__slots__:
            continue
        if isinstance(value, property):
            attributes.append((code(name), first_words(value)))
        elif value.__module__ in (Facts.__module__, Tensor.__module__) or name in methods.JOINED:
            own.append((calls(name, map(without_self, signature(value))), first_words(value)))
            named += [name] if detailed(value) else []
    lines = ["## Attributes", "", *table(("attribute", "is"), attributes)]
    lines += ["## Methods of its own", "", *table(("call", "does"), own)]
    lines += autodoc(f".. automethod:: tapeloom.Tensor.{name}" for name in named)
    lines += ["## Methods that are functions of `tapeloom` too", ""]
    lines += ["A name with `_` is the form in place. [Functions](functions.md) has the whole docstrings.", ""]
    for module, title in FAMILIES.items():
        rows = []
        for public in of_family(module, lambda public: public.method):
            also = [*public.names[1:], *(f"{name}_" for name in public.names if public.inplace)]
            forms = map(without_self, signature(public.call))
            rows.append((calls(public.names[0], forms), first_words(public.call), ", ".join(map(code, also))))
        if rows:
            lines += [f"### {title}", "", *table(("call", "does", "also"), rows)]
    operators = [(f"`__{name}__`", code(op)) for name, op in (methods.OPERATORS | methods.UNARY).items()]
    operators += [(f"`__{name}__`", code(name)) for name in methods.COMPARISONS]
    operators += [("`__getitem__`, `__setitem__`", "`x[key]`, `x[key] = value`")]
    return [*lines, "## Operators", "", *table(("operator", "op"), operators)]


def without_self(form: str) -> str:
    """A signature without its first parameter."""
    return re.sub(r"^\((\*(?=[a-z])|)\w+(, )?", r"(\1", form).replace("(*)", "(*tensors)")


def module_block(name: str) -> list[str]:
    """The public names of a module; those of ``nn``, ``optim`` and ``data`` by the file that defines them."""
    module = import_module(name)
    names = public_of_module(module)
    if name not in PARTS:
        return listed(names, module)
    homes = {each: getattr(module, each).__module__.removeprefix(f"{name}.") for each in names}
    unknown = sorted({*homes.values()} - PARTS[name].keys())
    if unknown:
        raise SystemExit(f"{name}: {', '.join(unknown)}: not in PARTS of tools/make_docs.py")
    lines: list[str] = []
    for home, title in PARTS[name].items():
        lines += [f"### {title}", "", *listed([each for each in names if homes[each] == home], module)]
    return lines


def listed(names: list[str], module: ModuleType) -> list[str]:
    """A table of ``names`` of a module, then their docstrings where they say more."""
    directives = []
    for name in names:
        value = getattr(module, name)
        if inspect.isclass(value):
            directives.append(f".. autoclass:: {module.__name__}.{name}\n   :members:")
        elif detailed(value) and getattr(tapeloom, name, None) is not value:
            directives.append(f".. autofunction:: {module.__name__}.{name}")
    return [*table(("call", "does"), rows_of(names, module)), *autodoc(directives)]


def public_of_module(module: ModuleType) -> list[str]:
    """The public names of ``module``, but for modules."""
    names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    return sorted(name for name in names if callable(getattr(module, name)))


def errors_block() -> list[str]:
    """The errors: what else each is, what it is raised for."""
    rows = []
    for name in public_of_module(tapeloom.errors):
        error = getattr(tapeloom.errors, name)
        bases = [
            base for one in error.__mro__ if issubclass(one, tapeloom.errors.TapeloomError) for base in one.__bases__
        ]
        also = [code(base.__name__) for base in bases if base.__module__ == "builtins" and base is not Exception]
        rows.append((code(name), ", ".join(also), first_words(error)))
    return table(("error", "is also", "raised for"), rows)


# what is supported


#: device type -> (module of the backend, class, module that it computes with)
BACKENDS = {
    "cpu": ("tapeloom_backend_numpy.backend", "NumpyBackend", "numpy"),
    "xla": ("tapeloom_backend_jax.backend", "JaxBackend", "jax"),
    "cuda": (
        "tapeloom_backend_cupy.backend",
        "CupyBackend",
        "numpy",
    ),  # CuPy loads on a machine with its libraries alone
}
LETTERS = {"uint": "u", "int": "i", "float": "f", "bfloat": "bf", "complex": "c"}
WITH_BOTH, WITH_FIRST, VALUE, NOTHING = "●", "◐", "○", ""


@cache
def backends() -> dict[str, Any]:
    """A backend of each device type, for its declarations."""
    found = {}
    for device, (module, name, library) in BACKENDS.items():
        made = getattr(import_module(module), name)
        found[device] = made(import_module(library)) if library == "numpy" else made()
    return found


def support_block() -> list[str]:
    """For each public op what its samples test in each dtype, and what each backend declares not to have."""
    from tapeloom.testing.table import load

    samples = load()
    heads = [short(dtype) for dtype in dtypes.ALL]
    lines: list[str] = []
    untabled: list[str] = []
    for module, title in FAMILIES.items():
        rows = []
        for public in of_family(module, lambda public: public.namespace is not None):
            name = ".".join(filter(None, (public.namespace, public.names[0])))
            if name not in samples:
                untabled.append(name)
                continue
            marks = [mark(samples[name], dtype) for dtype in dtypes.ALL]
            rows.append([code(name), *marks, devices_with(public)])
        if module == "indexing":
            for name in ("x[key]", "x[key] = value"):
                marks = [mark(samples[name], dtype) for dtype in dtypes.ALL]
                rows.append([code(name), *marks, "all"])
        lines += [f"## {title}", "", *table(["op", *heads, "on"], rows)]
    lines += [
        "## Not in the table of samples",
        "",
        ", ".join(map(code, untabled)) + ": they have tests of their own.",
        "",
    ]
    lines += ["## What a backend declares not to have", ""]
    rows = []
    for device, backend in backends().items():
        kinds = ", ".join(sorted(dtype.name for dtype in backend.lacking_dtypes)) or "none"
        rows.append([code(device), kinds, ", ".join(map(code, sorted(backend.lacking_ops))) or "none"])
    return lines + table(("device", "dtypes", "ops"), rows)


def short(dtype: DType) -> str:
    """The name of a dtype in few letters: u8, bf16, c128."""
    return re.sub(r"^[a-z]+(?=\d)", lambda found: LETTERS[found[0]], dtype.name)


def mark(row: Any, dtype: DType) -> str:
    """What the samples of an op test in ``dtype``."""
    if dtype not in row.dtypes:
        return NOTHING
    if not dtype.inexact:
        return VALUE
    return (VALUE, WITH_FIRST, WITH_BOTH)[row.grad]


def devices_with(public: Public) -> str:
    """The devices with a kernel for an op: "all", or which; a function over ops, or a composite, is as its ops are."""
    name = getattr(public.call, "name", None)
    if name not in REGISTRY or REGISTRY[name].composite:
        return "all"
    having = [device for device, backend in backends().items() if not backend.lacks(name)]
    return "all" if len(having) == len(backends()) else ", ".join(having)


# PyTorch's names


#: PyTorch's namespace -> where tapeloom has it
PLACES = {
    "torch": "tapeloom",
    "torch.Tensor": "tapeloom.Tensor",
    "torch.linalg": "tapeloom.linalg",
    "torch.fft": "tapeloom.fft",
    "torch.signal.windows": "tapeloom.signal.windows",
    "torch.special": "tapeloom.special",
    "torch.autograd": "tapeloom.autograd",
    "torch.amp": "tapeloom.amp",
    "torch.autograd.functional": "tapeloom.autograd.functional",
    "torch.func": "tapeloom.func",
    "torch.nn": "tapeloom.nn",
    "torch.nn.functional": "tapeloom.nn.functional",
    "torch.nn.init": "tapeloom.nn.init",
    "torch.nn.utils": "tapeloom.nn.utils",
    "torch.optim": "tapeloom.optim",
    "torch.optim.lr_scheduler": "tapeloom.optim.lr_scheduler",
    "torch.utils.data": "tapeloom.data",
}
SHORT = {"tapeloom": "tl", "tapeloom.nn.functional": "F", "tapeloom.linalg": "tl.linalg", "tapeloom.Tensor": "x"}
#: names of PyTorch's that tapeloom has under another; besides these, a name is looked for in the places of SHORT
OTHER = {
    "torch.dtype": "tl.DType",
    "torch.Size": "tuple",
    "torch.inf": "math.inf",
    "torch.nan": "math.nan",
    "torch.pi": "math.pi",
    "torch.e": "math.e",
}


def found_at(place: str) -> Any:
    """The module or class ``place``."""
    return Tensor if place == "tapeloom.Tensor" else import_module(place)


def other_name(name: str, where: str) -> str | None:
    """What tapeloom calls PyTorch's ``where.name``, which is not in the same place."""
    if f"{where}.{name}" in OTHER:
        return OTHER[f"{where}.{name}"]
    for place, short in SHORT.items():
        if place != PLACES[where] and name in public_here(place):
            return f"{short}.{name}"
    return None


@cache
def public_here(place: str) -> frozenset[str]:
    """The public names at ``place``, modules apart."""
    found = found_at(place)
    return frozenset(
        name
        for name in {*dir(found), *getattr(found, "__all__", ())}
        if not name.startswith("_") and not inspect.ismodule(getattr(found, name))
    )


def torch_block() -> list[str]:
    """Every public name of PyTorch: the same here, another here, or missing."""
    recorded = tomllib.loads((ROOT / "tools" / "torch_names.toml").read_text("utf-8"))
    lines: list[str] = []
    counts = []
    for where, text in recorded["names"].items():
        names = text.split()
        here = public_here(PLACES[where])
        same = [name for name in names if name in here]
        other = {name: found for name in names if name not in here and (found := other_name(name, where))}
        missing = [name for name in names if name not in here and name not in other]
        rows = [("the same", " ".join(map(code, same))), ("missing", " ".join(map(code, missing)))]
        if other:
            rows.insert(1, ("another", ", ".join(f"{code(name)}: {code(found)}" for name, found in other.items())))
        lines += [f"## {where}", "", *table((code(PLACES[where]), "names"), [row for row in rows if row[1]])]
        counts.append((code(where), code(PLACES[where]), *(str(len(each)) for each in (same, other, missing))))
    left_out = [(each["group"], str(len(each["names"].split())), each["reason"]) for each in recorded["excluded"]]
    return [
        *table(("PyTorch " + recorded["torch"], "here", "the same", "another name", "missing"), counts),
        *lines,
        "## What is not counted",
        "",
        *table(("group", "names", "why"), left_out),
    ]


# dtypes


def promotion_block() -> list[str]:
    """What two dtypes promote to."""

    def met(one: DType, other: DType) -> str:
        try:
            return short(promote_types(one, other))
        except DTypeError:
            return "–"

    rows = [[f"**{short(one)}**", *(met(one, other) for other in dtypes.ALL)] for one in dtypes.ALL]
    return table(["", *map(short, dtypes.ALL)], rows)


#: the blocks that are not just the public names of a module
BLOCKS: dict[str, Callable[[], list[str]]] = {
    "functions": lambda: functions_block(""),
    "linalg": lambda: functions_block("linalg"),
    "fft": lambda: functions_block("fft"),
    "signal.windows": lambda: functions_block("signal.windows"),
    "special": lambda: functions_block("special"),
    "others": others_block,
    "tensor": tensor_block,
    "errors": errors_block,
    "support": support_block,
    "torch_names": torch_block,
    "promotion": promotion_block,
}


def block(name: str) -> list[str]:
    """The lines of a block; a name that is not in BLOCKS is that of a module of ``tapeloom``."""
    return BLOCKS[name]() if name in BLOCKS else module_block(f"tapeloom.{name}")


def missing_for_support() -> list[str]:
    """What the block ``support`` needs and is not installed."""
    missing = []
    for module, _, library in BACKENDS.values():
        for name in (module, library):
            try:
                import_module(name)
            except ImportError:
                missing.append(name.partition(".")[0])
    return missing


def filled(text: str, left_out: Iterable[str] = ()) -> str:
    """A page with its generated blocks written anew, but for those of ``left_out``."""

    def written(found: re.Match[str]) -> str:
        if found["name"] in left_out:
            return found[0]
        lines = "\n".join(block(found["name"])).strip("\n")
        return f"{found[1]}\n{lines}\n\n{found[3]}"

    return BLOCK.sub(written, text)


def main() -> int:
    """Write the blocks, or with ``--check`` say which pages are stale."""
    missing = missing_for_support()
    if missing:
        print(f"left out: the block 'support', which needs {', '.join(missing)}")
    left_out = ["support"] if missing else []
    pages = sorted((ROOT / "docs").rglob("*.md"))
    return make_stubs.put({path: filled(path.read_text("utf-8"), left_out) for path in pages})


if __name__ == "__main__":
    sys.exit(main())
