"""The written short path of each op does what the general path does."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import tapeloom as tl
from tapeloom.errors import ShapeError
from tapeloom.tape.op import REGISTRY
from tapeloom.testing import checks
from tapeloom.testing.table import load

TABLE = load()
SHORT = [name for name, op in REGISTRY.items() if op.takes]


def test_most_ops_have_one():
    """All but those of lists, of several results, of a dtype that is given, and of no tensor."""
    without = set(REGISTRY) - set(SHORT)
    assert without >= {"cat", "cast"}
    assert len(without) < len(SHORT) / 2


@pytest.mark.parametrize("name", SHORT)
def test_the_general_path_alone_passes_the_checks(name, monkeypatch):
    """The rest of the suite runs on short paths wherever there is one; this is the other half of the proof."""
    op = REGISTRY[name]
    monkeypatch.setattr(op, "takes", range(0))
    monkeypatch.setattr(op, "short", None)
    row = TABLE.get(f"op {name}") or TABLE[name]
    dtype = tl.float32 if tl.float32 in row.dtypes else row.dtypes[-1]
    checks.check_values(row, dtype, "cpu")
    if row.grad:
        checks.check_gradient(row, 1, "cpu")


@pytest.mark.parametrize("name", SHORT)
def test_its_signature_is_that_of_the_op(name):
    op = REGISTRY[name]
    assert f"{op.name}{inspect.signature(op.direct)}" == op.signature()
    assert (op.direct.__name__, op.direct.__doc__) == (op.name, op.__doc__)


def test_defaults_and_keywords_are_those_of_the_op():
    x = tl.arange(6.0).reshape(2, 3)
    for _ in range(2):  # by the general path, then by the short one
        assert tl.sum(x).item() == x.sum(dim=None).item() == 15.0
        assert x.sum(1, keepdim=True).shape == (2, 1)
        assert x.sum(1, dtype=tl.float64).dtype is tl.float64
        assert tl.reshape(x, 3, 2).shape == tl.reshape(x, (3, 2)).shape == (3, 2)


def test_an_error_is_the_general_paths_own():
    x, y = tl.ones(2, 3), tl.ones(4)
    x + x  # the short path is in use
    with pytest.raises(ShapeError, match="add") as caught:
        x + y
    assert caught.value.__context__ is None  # and not what the short path stumbled over


def test_a_wrong_call_of_an_op_in_use_says_what_is_wrong():
    x = tl.ones(2, 3)
    x.sum(1)
    with pytest.raises(TypeError, match=r"sum: unexpected argument 'dims_'. Signature: sum\(x, dim=None"):
        x.sum(dims_=1)
    with pytest.raises(TypeError, match="sum: argument 'dim' was given twice"):
        x.sum(1, dim=1)
    with pytest.raises(TypeError, match="softmax: argument 'dim' is missing"):
        tl.softmax(x)


def test_numpy_says_nothing_about_nan_and_infinity():
    program = """
import tapeloom as tl
x = tl.tensor([0.0, -1.0, float("nan")], requires_grad=True)
for _ in range(2):
    (x / x, 1 / x, x.log(), x.sqrt(), x.log1p(), x < x, x.fmod(x), (x / 0).exp())[1].sum().backward()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
