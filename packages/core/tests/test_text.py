"""The one text of each op: what it takes itself, what it leaves to the general path, what a kernel's error becomes."""

from __future__ import annotations

import inspect
import subprocess
import sys
import threading

import numpy as np
import pytest

import tapeloom as tl
from tapeloom.call.op import Op
from tapeloom.call.text import text
from tapeloom.call.watch import close, reopen
from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.op.registry import REGISTRY
from tapeloom.testing import checks
from tapeloom.testing.table import load
from tapeloom_backend_numpy.backend import NumpyBackend, NumpyKernels

TABLE = load()


@pytest.mark.parametrize("name", REGISTRY)
def test_the_general_path_alone_passes_the_checks(name):
    """The rest of the suite runs on short paths wherever it can; this is the other half of the proof."""
    op = REGISTRY[name]
    row = TABLE[name]
    dtype = tl.float32 if tl.float32 in row.dtypes else row.dtypes[-1]
    close([op])
    try:
        checks.check_values(row, dtype, "cpu")
        if row.grad:
            checks.check_gradient(row, 1, "cpu")
        assert not op.kernel_by_kind
    finally:
        reopen([op])


@pytest.mark.parametrize("name", REGISTRY)
def test_its_signature_is_that_of_the_op(name):
    op = REGISTRY[name]
    fast = op.compiled()
    assert f"{op.name}{inspect.signature(fast)}" == op.arguments.text(op.name)
    assert (fast.__name__, fast.__doc__) == (op.name, op.__doc__)


def test_the_text_can_be_read():
    lines = text(REGISTRY["multiply"]).splitlines()
    assert "    def call(input, other):" in lines
    assert "                    out_array = kernel(input_array, other_array)" in lines


def test_defaults_and_keywords_are_those_of_the_op():
    x = tl.arange(6.0).reshape(2, 3)
    for _ in range(2):  # by the general path, then by the short one
        assert tl.sum(x).item() == x.sum(dim=None).item() == 15.0
        assert x.sum(1, keepdim=True).shape == (2, 1)
        assert x.sum(1, dtype=tl.float64).dtype is tl.float64
        assert tl.reshape(x, 3, 2).shape == tl.reshape(x, (3, 2)).shape == (3, 2)


def test_the_second_call_of_a_kind_takes_the_short_path(monkeypatch):
    def unreachable(*args):
        raise AssertionError("the general path was taken")

    x, y = tl.ones(2, 3), tl.ones(2, 3, dtype=tl.int64)
    calls = [
        lambda: x + x, lambda: x.sum(1), lambda: x.sum(1, dtype=tl.float32), lambda: tl.cat([x, x]), lambda: x.max(0),
        lambda: x.reshape(3, 2), lambda: x * 2.5, lambda: y // y, lambda: x.clamp(0.0, 1.0),
    ]  # fmt: skip
    for call in calls:
        call()
    monkeypatch.setattr("tapeloom.call.op.repair", unreachable)
    for call in calls:
        call()
    with pytest.raises(AssertionError, match="the general path was taken"):
        x + y


def test_an_error_is_ours_alone():
    x, y = tl.ones(2, 3), tl.ones(4)
    x + x  # the short path is in use
    with pytest.raises(ShapeError, match="add") as caught:
        x + y
    assert caught.value.__cause__ is None  # and not what the kernel stumbled over
    assert caught.value.__suppress_context__


def counting(error: type[BaseException]):
    """A backend whose exp raises ``error``, and the list of its calls."""
    calls: list[int] = []

    class Kernels(NumpyKernels):
        def exp(self, x):
            calls.append(1)
            raise error("no more")

    class Counting(NumpyBackend):
        name = "counting"
        kernels_class = Kernels

    return Counting(np), calls


@pytest.mark.parametrize("error", [ValueError, TypeError, IndexError, MemoryError, KeyboardInterrupt, ShapeError])
def test_a_kernel_runs_once_whatever_happens(error):
    backend, calls = counting(error)
    tl.register_backend("counting", backend)
    try:
        x = tl.ones(3, device="counting")
        for times in (1, 2):
            with pytest.raises(ArgumentError if error in (ValueError, TypeError, IndexError) else error):
                x.exp()
            assert len(calls) == times
    finally:
        tl.unregister_backend("counting")


def test_what_a_kernel_raises_is_explained():
    backend, _ = counting(ValueError)
    tl.register_backend("counting", backend)
    try:
        with pytest.raises(
            ArgumentError, match=r"exp: the counting kernel refused \(float32\[3\]\): no more"
        ) as caught:
            tl.ones(3, device="counting").exp()
        assert isinstance(caught.value.__cause__, ValueError)
    finally:
        tl.unregister_backend("counting")


def test_a_wrong_call_of_an_op_in_use_says_what_is_wrong():
    x = tl.ones(2, 3)
    x.sum(1)
    with pytest.raises(
        TypeError, match=r"sum: unexpected argument 'dims_'. Did you mean 'dim'\? Signature: sum\(input, dim=None"
    ):
        x.sum(dims_=1)
    with pytest.raises(TypeError, match="sum: argument 'dim' was given twice"):
        x.sum(1, dim=1)
    with pytest.raises(TypeError, match="softmax: argument 'dim' is missing"):
        tl.softmax(x)


def test_a_declaration_that_is_wrong_lists_what_is_right():
    def unknown(input: Tensor, dim: Dimension):  # noqa: F821 - read as text
        """An unknown role."""

    def keywords(input: Tensor, **names: int):  # noqa: F821
        """Open-ended."""

    def fine(input: Tensor):  # noqa: F821
        """Nothing wrong."""

    with pytest.raises(
        TypeError, match=r"op 'unknown': parameter 'dim' has the unknown annotation 'Dimension'. The roles are Tensor,"
    ):
        Op(unknown, {})
    with pytest.raises(TypeError, match="'keywords': \\*\\*keywords say nothing"):
        Op(keywords, {})
    with pytest.raises(TypeError, match=r"op 'fine': unknown setting dtyp. The settings are takes, gives,"):
        Op(fine, {"dtyp": 1})
    with pytest.raises(TypeError, match=r"op 'fine': takes='floats' is none of 'any', 'no bool',"):
        Op(fine, {"takes": "floats"})
    with pytest.raises(TypeError, match="op 'fine': a rule is given for 'x'; its inputs are input"):
        Op(fine, {}).gradient(x=lambda g: g)
    with pytest.raises(TypeError, match=r"op 'fine': the rule for 'input' names 'other'\. Known here: "):
        Op(fine, {}).gradient(input=lambda g, other: g)
    with pytest.raises(TypeError, match="names the residual 'mean', whose own derivative is not known"):
        Op(fine, {"residuals": ("mean",)}).gradient(input=lambda g, mean: g)


def test_closing_holds_while_other_threads_fill():
    """A thread that computes all the while never leaves a short path behind in a closed op."""
    op, x = REGISTRY["exp"], tl.ones(2)
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            x.exp()

    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(50):
            close([op])
            for _ in range(20):
                x.exp()
                assert not op.kernel_by_kind
            reopen([op])
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    x.exp()
    assert op.kernel_by_kind


def test_numpy_says_nothing_about_nan_and_infinity():
    program = """
import tapeloom as tl
x = tl.tensor([0.0, -1.0, float("nan")], requires_grad=True)
for _ in range(2):
    (x / x, 1 / x, x.log(), x.sqrt(), x.log1p(), x < x, x.fmod(x), (x / 0).exp())[1].sum().backward()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
