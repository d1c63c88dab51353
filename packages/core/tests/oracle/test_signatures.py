"""Names, order and defaults of parameters beside PyTorch's own, where PyTorch tells them."""

from __future__ import annotations

import inspect

import pytest

from tapeloom.op.registry import public_names

torch = pytest.importorskip("torch", reason="the oracle tests compare with PyTorch; install the group `torch`")
import torch.nn.functional as F  # noqa: E402

#: PyTorch's schemas call the tensor self; its functions take input for it
NAMES = {"self": "input"}
#: parameters of PyTorch's that tapeloom does not have, anywhere (docs/reference/differences.md)
ABSENT = set(
    "out layout pin_memory memory_format size_average reduce inplace max_norm norm_type scale_grad_by_freq sparse _stacklevel "
    "sparse_grad non_blocking names requires_grad dtype device generator".split()
)


def ours(name):
    """(name, default) of our parameters, in order."""
    parameters = inspect.signature(PUBLIC[name]).parameters.values()
    return [(p.name, p.default) for p in parameters]


def theirs(name):
    """The signatures that PyTorch has under this name: lists of (name, default)."""
    if hasattr(F, name) and inspect.isfunction(getattr(F, name)):
        parameters = inspect.signature(getattr(F, name)).parameters.values()
        return [[(p.name, p.default) for p in parameters]]
    schemas = torch._C._jit_get_schemas_for_operator(f"aten::{name}")
    return [
        [(a.name, a.default_value if a.has_default_value() else inspect.Parameter.empty) for a in schema.arguments]
        for schema in schemas
        if "out" not in schema.overload_name
    ]


def plain(value):
    """Defaults that mean the same."""
    if value is inspect.Parameter.empty:
        return "required"
    if value in ([], (), None):
        return None
    if isinstance(value, list):
        return value[0] if len(set(value)) == 1 else tuple(value)  # one int for several axes
    return value


#: parameters whose default differs from PyTorch's on purpose: (name, parameter) -> why
OTHERWISE = {
    ("softmax", "dim"): "required: PyTorch guesses, with a warning",
    ("log_softmax", "dim"): "required",
    ("softmin", "dim"): "required",
}
#: names under which PyTorch has something else, or several signatures at once
APART = {
    **dict.fromkeys(
        [*(f"adaptive_max_pool{n}d" for n in (1, 2, 3)), "fractional_max_pool2d", "fractional_max_pool3d"],
        "PyTorch dispatches by return_indices, and tells no names",
    ),
    **dict.fromkeys(
        "cumulative_trapezoid gradient gru histogram lstm rnn_relu rnn_tanh repeat_interleave scatter std_mean trapezoid trapz var_mean".split(),
        "several signatures, all taken",
    ),
    **dict.fromkeys(
        ["dsplit", "hsplit", "tensor_split", "vsplit"],
        "two signatures by the name of one parameter, and a third name in the docs",
    ),
    "arange": "three signatures, all taken",
    "broadcast_shapes": "the schema is of two shapes, the function of any number",
    "einsum": "a function of any arguments",
    "max_pool1d": "PyTorch dispatches by return_indices, and tells no names",
    "max_pool2d": "likewise",
    "max_pool3d": "likewise",
    "normal": "four signatures, all taken",
    "nuclear_norm": "two signatures, both taken",
    "randint": "two signatures, both taken",
    "randint_like": "two signatures, both taken",
    "split": "torch.split and Tensor.split differ; ours is the first",
    "std": "three signatures, all taken",
    "swapaxes": "transpose by NumPy's names, which are taken too",
    "swapaxes_": "likewise",
    "tensordot": "a function of two forms of dims, both taken",
    "to": "four signatures, all taken",
    "uniform_": "its first parameter is called from",
    "var": "three signatures, all taken",
    "view": "reshape by another name",
}
PUBLIC = public_names()
NAMED = [name for name in sorted(PUBLIC) if name not in APART and theirs(name)]


def test_enough_is_compared():
    assert len(NAMED) > 120


@pytest.mark.parametrize("name", NAMED)
def test_order_and_defaults(name):
    mine = [(NAMES.get(p, p), plain(default)) for p, default in ours(name)]
    candidates = []
    for signature in theirs(name):
        their = [(NAMES.get(p, p), plain(default)) for p, default in signature if p not in ABSENT]
        own = [(p, default) for p, default in mine if p not in ABSENT]
        problems = []
        for position, (parameter, default) in enumerate(their):
            if position >= len(own):
                if default == "required":
                    problems.append(f"has no {parameter}")
                continue
            if own[position][0] != parameter:
                problems.append(f"has {own[position][0]} where PyTorch has {parameter}")
            elif own[position][1] != default and (name, parameter) not in OTHERWISE:
                problems.append(f"{parameter}={own[position][1]!r} where PyTorch has {default!r}")
        for parameter, default in own[len(their) :]:
            if default == "required":
                problems.append(f"asks for {parameter}")
        candidates.append(problems)
    best = min(candidates, key=len)
    assert not best, f"{name}: {'; '.join(best)}. Ours: {mine}. Theirs: {theirs(name)}"
