"""The table of samples is whole: every op and public function has a row, with all kinds of input."""

from __future__ import annotations

import pytest

from tapeloom.op.registry import FUNCTIONS, REGISTRY
from tapeloom.testing.conformance import read_xfails
from tapeloom.testing.table import expected_dtype, load, row

TABLE = load()
#: functions that a row cannot hold, and where they are proven instead
ELSEWHERE = {
    "from_numpy": "packages/core/tests/test_values.py",  # what it shares with its array
    "frombuffer": "packages/core/tests/test_values.py",  # takes bytes
    "from_dlpack": "packages/core/tests/test_exchange.py",  # takes the arrays of other libraries
    "to_dlpack": "packages/core/tests/test_exchange.py",  # gives a capsule
    "result_type": "packages/core/tests/test_exchange.py",  # gives a dtype
    "cpu": "packages/core/tests/test_devices.py",
    "cuda": "packages/core/tests/test_devices.py",
}
#: rows of plain functions without a call that must be refused, and why
NOTHING_TO_REFUSE = {
    "contiguous": "takes its tensor alone",
    "is_contiguous": "takes its tensor alone",
    "detach_": "takes its tensor alone",
    "zero_": "takes its tensor alone",
    "batch_norm_train[0]": "a result of an op that has a row",
    "running statistics": "what batch_norm changes, which has a row",
    "max_pool1d indices": "a result of max_pool1d, which has a row",
    "max_pool2d indices": "a result of max_pool2d, which has a row",
    "max_pool3d indices": "a result of max_pool3d, which has a row",
}


@pytest.mark.parametrize("name", REGISTRY)
def test_every_op_has_a_row(name):
    assert name in TABLE, f"op {name!r} has no row in tapeloom/testing/samples"


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in ELSEWHERE])
def test_every_public_function_has_a_row(name):
    assert name in TABLE, f"function {name!r} has no row in tapeloom/testing/samples"


@pytest.mark.parametrize("name", TABLE)
def test_every_row_has_every_kind_of_input(name):
    """A case without elements and one of a 0-d tensor, unless the row says that there is none."""
    entry = TABLE[name]
    shapes = [spec.shape for made in entry.cases for spec in made.inputs()]
    if entry.maker:
        shapes += [made.expect.shape if hasattr(made.expect, "shape") else made.args for made in entry.cases]
    has = {
        "empty": any(0 in shape or (entry.maker and not shape) for shape in shapes),
        "0d": any(shape == () for shape in shapes) or entry.maker,
    }
    for kind, found in has.items():
        if kind in entry.without:
            continue
        assert found, f"{name}: no case is {kind}. Add one, or say without={kind!r}."


@pytest.mark.parametrize("name", TABLE)
def test_every_row_has_a_call_that_is_refused(name):
    """Of its own (``fails``), or made from the op's signature (``tapeloom.testing.refusals``)."""
    entry = TABLE[name]
    refuses = bool(entry.failures) or entry.op is not None
    if name in NOTHING_TO_REFUSE:
        assert not refuses, f"{name}: it has rows of fails now. Take it out of NOTHING_TO_REFUSE."
    else:
        assert refuses, (
            f"{name}: no wrong call is tried. Add rows of fails, or say in NOTHING_TO_REFUSE why there is none."
        )


def test_the_exceptions_are_rows():
    assert not NOTHING_TO_REFUSE.keys() - TABLE.keys()


def test_gradients_of_differentiable_ops_are_checked():
    unchecked = [name for name, entry in TABLE.items() if entry.op is not None and entry.op.rules and not entry.grad]
    assert set(unchecked) == {"batch_norm_train", "cast"}  # checked as "batch_norm_train[0]", and in test_tape.py


def test_a_second_row_of_one_name_is_refused():
    with pytest.raises(ValueError, match="'add' has two rows"):
        row("add")


def test_an_unknown_dtype_rule_is_refused():
    with pytest.raises(ValueError, match="unknown dtype rule 'wide'"):
        expected_dtype("wide", __import__("tapeloom").int64)


def test_xfails_are_grouped_under_reasons(tmp_path):
    path = tmp_path / "xfails.txt"
    path.write_text("# Denormals are flushed.\nvalue exp-float32\ngradient x[key]\n\n# Slow.\nvalue log*\n", "utf-8")
    expected = read_xfails(path)
    assert expected.reason("value exp-float32") == "Denormals are flushed."
    assert expected.reason("value log2-float64") == "Slow."
    assert expected.reason("gradient x[key]") == "Denormals are flushed."
    assert expected.reason("value exp-float64") is None


def test_an_xfail_without_a_reason_is_refused(tmp_path):
    path = tmp_path / "xfails.txt"
    path.write_text("value exp-float32\n", "utf-8")
    with pytest.raises(ValueError, match="line 1: 'value exp-float32' has no reason"):
        read_xfails(path)
