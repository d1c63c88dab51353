"""What a user sees of an op or function: its signature, its spellings, its place, and errors that bear its name."""

from __future__ import annotations

import ast
import inspect
import pydoc
import textwrap
from collections.abc import Callable, Iterator
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tapeloom as tl
from tapeloom import dtypes
from tapeloom.call.op import Op
from tapeloom.errors import ArgumentTypeError, TapeloomError
from tapeloom.op.parameter import Arguments
from tapeloom.op.registry import FUNCTIONS, REGISTRY, Public, public_names, published

SPACES = sorted({public.namespace for public in published() if public.namespace is not None})
#: every public name -> what it calls
PUBLIC: dict[str, Any] = {
    f"{space}.{name}" if space else name: call for space in SPACES for name, call in public_names(space).items()
}
#: the functions that are made in a loop, so that no source has their declaration
MADE = {dtype.method for dtype in dtypes.ALL}


def declared(name: str) -> Callable[..., Any]:
    """The function that was written for a public name."""
    call = PUBLIC[name]
    return call.declaration if isinstance(call, Op) else inspect.unwrap(call)


def entry_of(name: str) -> Public:
    """The registry's entry of a public op or function."""
    return next(public for public in published() if public.call is PUBLIC[name])


def written(function: Callable[..., Any]) -> str:
    """The parameters and the result of a function as its source has them."""
    (found,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(found, ast.FunctionDef)
    return f"({ast.unparse(found.args)}) -> {ast.unparse(found.returns)}"


def told(call: Any) -> str:
    """The same as ``inspect.signature`` tells it."""
    found = inspect.signature(call)
    parameters = [p.replace(annotation=_Plain(p.annotation)) for p in found.parameters.values()]
    text = str(found.replace(parameters=parameters, return_annotation=_Plain(found.return_annotation)))
    (parsed,) = ast.parse(f"def _{text}: ...").body
    return f"({ast.unparse(parsed.args)}) -> {ast.unparse(parsed.returns)}"


class _Plain:
    """An annotation without the quotes."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


@pytest.mark.parametrize("name", [name for name in PUBLIC if name not in MADE])
def test_the_signature_is_that_of_the_declaration(name):
    assert told(PUBLIC[name]) == written(declared(name))
    entry = entry_of(name)
    if entry.method:
        assert told(getattr(tl.Tensor, name)) == written(declared(name))
    if entry.inplace:
        assert told(getattr(tl.Tensor, f"{name}_")) == written(declared(name))


def test_help_shows_the_signature_and_the_text():
    for call, first in (
        (tl.Tensor.sum, "sum(input: 'Tensor', dim: 'Dims' = None"),
        (tl.add, "add(input: 'TensorLike'"),
    ):
        shown = pydoc.plain(pydoc.render_doc(call))
        assert first in shown and inspect.getdoc(call).splitlines()[0] in shown


def test_signatures_are_made_when_asked_for():
    assert not any("__signature__" in vars(call) for call in PUBLIC.values())


# public or primitive


def test_no_primitive_is_public():
    primitives = {name: op for name, op in REGISTRY.items() if op.public.namespace is None}
    assert primitives
    for place in (tl, tl.Tensor, *[import_module(f"tapeloom.{space}") for space in SPACES if space]):
        assert not [name for name, op in primitives.items() if vars(place).get(name) is op]
    # where a name is public beside a primitive of that name, it is the function over it that users get
    both = primitives.keys() & set(tl.__all__)
    assert both == {"real", "imag", "conj", "nonzero", "index_put"} and all(name in FUNCTIONS for name in both)


def test_every_op_is_in_ops():
    assert not [name for name, op in REGISTRY.items() if getattr(tl.ops, name) is not op]
    with pytest.raises(AttributeError, match="has no op 'no_such_op'"):
        _ = tl.ops.no_such_op


def test_everything_has_a_docstring():
    assert not [name for name, op in REGISTRY.items() if not (op.__doc__ or "").strip()]
    assert not [name for name, call in PUBLIC.items() if not (call.__doc__ or "").strip()]


#: what a namespace shows beside functions
ERRORS = {"LinAlgError"}


@pytest.mark.parametrize("space", [space for space in SPACES if space])
def test_a_namespace_holds_what_the_registry_has_for_it(space):
    module = import_module(f"tapeloom.{space}")
    aliases = getattr(module, "ALIASES", {})  # what has a name elsewhere already
    own = set(module.__all__) - ERRORS
    assert module is attrgetter(space)(tl) and own == public_names(space).keys() | aliases.keys()
    assert all(getattr(module, name) is call for name, call in public_names(space).items())
    assert Path(module.__file__).with_suffix(".pyi").exists(), "run tools/make_stubs.py"


# spellings

X = [[3.0, 1.0, 2.0], [0.5, 6.0, 5.0]]


def same(got: Any, wanted: Any) -> bool:
    if isinstance(wanted, tuple):
        return len(got) == len(wanted) and all(map(same, got, wanted))
    if isinstance(wanted, str):
        return got == wanted
    return np.array_equal(np.asarray(got), np.asarray(wanted), equal_nan=True)


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except TapeloomError as error:
        return str(error)


#: what takes one tensor, and draws no random numbers
UNARY = [
    name
    for name in PUBLIC
    if (found := Arguments(declared(name))).names[:1] == ("input",)
    and found.required == 1
    and "generator" not in found.names
]


@pytest.mark.parametrize("name", UNARY)
def test_the_first_argument_may_be_called_x(name):
    for x in (tl.tensor(X), tl.tensor([[1, 0], [2, 1]])):
        wanted = outcome(lambda x=x: PUBLIC[name](x))
        assert same(outcome(lambda x=x: PUBLIC[name](x=x)), wanted)
        assert same(outcome(lambda x=x: PUBLIC[name](a=x)), wanted)


DRAWN = [name for name in PUBLIC if "generator" in Arguments(declared(name)).names]


@pytest.mark.parametrize("name", [n for n in PUBLIC if "dim" in Arguments(declared(n)).names and n not in DRAWN])
def test_dim_may_be_called_axis_and_keepdim_keepdims(name):
    x, arguments = tl.tensor(X), Arguments(declared(name))
    first = [x, x] if arguments.names[0] == "tensors" else x
    others = {"indices": tl.tensor([[0, 1, 0]]), "index": tl.tensor([[0, 1, 0]]), "sizes": (1, -1)}
    others |= dict.fromkeys(("src", "source", "y", "other"), x) | {"reduce": "amax"}
    given = {n: others.get(n, 1) for n in arguments.names[1:] if n not in arguments.defaults and n != "dim"}
    if name.startswith("index_"):
        given["index"] = tl.tensor([0, 1])
    given |= {
        "scatter": {"src": x},
        "select": {"index": 1},
        "select_scatter": {"src": x[0], "index": 1},
        "split_with_sizes": {"split_sizes": (1, 1)},
        "repeat_interleave": {"repeats": 2},
    }.get(name, {})
    dim = (0, 1) if "matrix" in name or "nuclear" in name else 1 if "cross" in name else 0
    wanted = PUBLIC[name](first, **given, dim=dim)
    assert same(PUBLIC[name](first, **given, axis=dim), wanted)
    if "keepdim" in arguments.names:
        wanted = PUBLIC[name](first, **given, dim=dim, keepdim=True)
        assert same(PUBLIC[name](first, **given, axis=dim, keepdims=True), wanted)


def test_other_spellings_of_pytorch():
    x = tl.tensor(X)
    assert same(tl.add(x1=x, x2=x), x + x)
    assert same(tl.maximum(x, x2=2.0), tl.maximum(x, 2.0))
    assert same(x.clip(a_min=1, a_max=2), x.clamp(1, 2))
    assert same(x.permute(axes=(1, 0)), x.permute(1, 0))
    assert same(tl.swapaxes(x, axis0=0, axis1=1), x.T)
    assert same(tl.linalg.vector_norm(x, axis=1, keepdims=True), tl.linalg.vector_norm(x, dim=1, keepdim=True))
    drawn = tl.zeros(1000).uniform_(**{"from": 2.0, "to": 3.0})
    assert 2 <= drawn.min().item() <= drawn.max().item() < 3


def test_a_spelling_beside_the_name_itself_is_one_argument_given_twice():
    with pytest.raises(ArgumentTypeError, match=r"^sum: argument 'dim' was given twice\."):
        tl.sum(tl.tensor(X), 0, axis=1)
    with pytest.raises(ArgumentTypeError, match=r"^argmax: argument 'input' was given twice\."):
        tl.argmax(tl.tensor(X), x=tl.tensor(X))


# errors

#: what a parameter of a role may be, so that only one argument of a call is wrong
GOOD = {
    "Tensor": lambda: tl.ones(2, 3),
    "TensorLike": lambda: tl.ones(2, 3),
    "Mask": lambda: tl.ones(2, 3) > 0,
    "Index": lambda: tl.zeros(2, 3, dtype=tl.int64),
    "Sequence[Tensor]": lambda: [tl.ones(2, 3), tl.ones(2, 3)],
    "str": lambda: "amax",
    "bool": lambda: True,
}
#: errors about these begin with the parameter: one text for all calls that take one
WORDS = ("dtype", "device", "requires_grad")


class Odd:
    """Nothing takes it."""


def wrong_calls(name: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Calls with one thing wrong (or, now and then, nothing): what, and the call."""
    call, function = PUBLIC[name], declared(name)
    arguments = Arguments(function)
    positional = arguments.names[: arguments.positional]

    def good() -> list[Any]:
        roles = [
            str(function.__annotations__.get(n, "")).removesuffix(" | None") for n in positional[: arguments.required]
        ]
        return [GOOD.get(role, lambda: 1)() for role in roles]

    yield "an unknown keyword", lambda: call(*good(), alhpa=1)
    yield "too many", lambda: call(*good(), *[Odd()] * 20)
    if arguments.required:
        yield "none at all", lambda: call()
        yield "the first given twice", lambda: call(*good(), **{positional[0]: good()[0]})
    for wrong in ("text", None, [1.0], {}, 5, -7, 1.5, Odd()):
        for place, parameter in enumerate(positional):
            if parameter in WORDS:
                continue

            def with_one_wrong(place: int = place, wrong: Any = wrong) -> Any:
                rest = [arguments.defaults[n] for n in positional[arguments.required :]]
                values = [*good(), *rest]
                return call(*values[:place], wrong, *values[place + 1 :])

            yield f"{parameter}={wrong!r}", with_one_wrong
    for parameter in arguments.names[arguments.positional :]:
        if parameter != arguments.starred and parameter not in WORDS:
            yield f"{parameter} of a wrong type", lambda parameter=parameter: call(*good(), **{parameter: Odd()})


@pytest.mark.parametrize("name", PUBLIC)
def test_errors_of_wrong_calls_begin_with_the_name_called(name):
    own = entry_of(name).names[0]
    messages = {what: message for what, call in wrong_calls(name) if isinstance(message := outcome(call), str)}
    assert len(messages) > 1
    assert not {what: message for what, message in messages.items() if not message.startswith(f"{own}: ")}


FLAGS = [
    (name, flag)
    for name in PUBLIC
    for flag, role in declared(name).__annotations__.items()
    if str(role).removesuffix(" | None") == "bool" and flag != "return"
]


@pytest.mark.parametrize(("name", "flag"), FLAGS)
@pytest.mark.parametrize("wrong", ["yes", 3, []])
def test_what_is_no_bool_is_not_taken_for_one(name, flag, wrong):
    function = declared(name)
    needed = [n for n in Arguments(function).names if n not in Arguments(function).defaults]
    given = {
        n: GOOD.get(str(function.__annotations__[n]).removesuffix(" | None"), lambda: 1)()
        for n in needed
        if n not in ("size", flag)
    }
    with pytest.raises(ArgumentTypeError, match=rf"^{entry_of(name).names[0]}: {flag} must be True or False, got "):
        PUBLIC[name](**given | {flag: wrong})


def test_in_place_forms_are_named_as_they_were_called():
    x = tl.ones(2)
    with pytest.raises(ArgumentTypeError, match=r"^add_: other must be a tensor or a number, got str\."):
        x.add_("text")


def test_an_argument_that_does_not_fit_is_named_not_what_an_inner_op_made_of_it():
    x = tl.ones(2, 3)
    for call, text in (
        (lambda: tl.add(x, x, alpha="2"), "add: alpha must be a number, got '2' of type str."),
        (lambda: tl.isclose(x, x, rtol="tight"), "isclose: rtol must be a number, got 'tight' of type str."),
        (lambda: tl.group_norm(x, "two"), "group_norm: num_groups must be an int, got 'two' of type str."),
        (
            lambda: tl.dot(tl.ones(3), 3),
            "dot: tensor must be a tensor, got int. Make it one with tapeloom.tensor(...).",
        ),
        (lambda: tl.round(x, decimals="two"), "round: decimals must be an int, got 'two' of type str."),
    ):
        with pytest.raises(ArgumentTypeError) as caught:
            call()
        assert str(caught.value) == text
