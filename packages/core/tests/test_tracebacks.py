"""What a traceback shows: the user's frames and a layer's ``forward``, none of the machinery between."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import traceback

import numpy as np
import pytest

import tapeloom as tl
from tapeloom_backend_numpy.backend import NumpyBackend, NumpyKernels


@pytest.fixture(autouse=True)
def _as_for_a_user(monkeypatch):
    monkeypatch.delenv("TAPELOOM_TRACEBACK", raising=False)


@pytest.fixture
def script(tmp_path):
    """What Python prints of an error that ends a script."""

    def run(text, **variables):
        path = tmp_path / "train.py"
        path.write_text(textwrap.dedent(text))
        environment = {k: v for k, v in os.environ.items() if k != "TAPELOOM_TRACEBACK"} | variables
        done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, env=environment, check=False)
        return done.stderr.replace(str(path), "train.py")

    return run


def frames_of(call):
    """The functions in the traceback of the error that ``call`` raises, but for this one."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - it is the finding
        return [frame.name for frame in traceback.extract_tb(error.__traceback__)][1:]
    raise AssertionError("no error came")


def test_an_op(script):
    assert script("import tapeloom as tl\ntl.ones(2) + tl.ones(3)\n").splitlines() == [
        "Traceback (most recent call last):",
        '  File "train.py", line 2, in <module>',
        "    tl.ones(2) + tl.ones(3)",
        *(["    ~~~~~~~~~~~^~~~~~~~~~~~"]),
        "tapeloom.errors.ShapeError: add: shapes (2,) and (3,) do not broadcast (axis -1: 2 vs 3). Reshape one operand, or "
        "give that axis the size 1.",
    ]


def test_a_model(script):
    pytest.importorskip("tapeloom.nn", reason="tapeloom-nn is not installed")
    shown = script(
        """
        import tapeloom as tl
        from tapeloom import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.hidden = nn.Linear(3, 4)

            def forward(self, x):
                return self.hidden(x)

        Net()(tl.ones(2, 5))
        """
    )
    places = [line.strip() for line in shown.splitlines() if line.startswith("  File")]
    assert places[:2] == ['File "train.py", line 13, in <module>', 'File "train.py", line 11, in forward']
    assert len(places) == 3 and places[2].endswith("in forward") and "linear.py" in places[2]
    assert shown.splitlines()[-2].startswith("tapeloom.errors.ShapeError: linear: the last dimension of input")
    assert shown.splitlines()[-1] == "in module 'hidden' (Linear) of Net"


def test_all_frames_on_demand(script):
    shown = script("import tapeloom as tl\ntl.ones(2) + tl.ones(3)\n", TAPELOOM_TRACEBACK="full")
    assert "in explain" in shown and "in broadcast" in shown


def test_every_way_into_a_call():
    x, leaf = tl.ones(2), tl.ones(2, requires_grad=True)
    calls = [
        lambda: x + tl.ones(3),
        lambda: x == tl.ones(3),
        lambda: np.ones(2) + x,
        lambda: tl.add(x, tl.ones(3)),
        lambda: x.add(tl.ones(3)),
        lambda: x.add_(tl.ones(3)),
        lambda: leaf.add_(1),
        lambda: x.sum(bogus=1),
        lambda: tl.sum(x, bogus=1),
        lambda: tl.cat([x, 3]),
        lambda: tl.tensor([[1], [1, 2]]),
        lambda: tl.std(x, correction="a"),
        lambda: tl.ones(1, device="nowhere"),
        lambda: x[5],
        lambda: x.__setitem__(5, 1.0),
        lambda: x.backward(),
        lambda: tl.autograd.grad(leaf.sum(), x),
        lambda: tl.load("no such file"),
    ]
    assert [frames_of(call) for call in calls] == [["<lambda>"]] * len(calls)


def test_frames_of_the_user_within_ours_stay():
    leaf = tl.ones(2, requires_grad=True)
    y = leaf * 2

    def hook(gradient):
        return gradient + tl.ones(7)

    y.register_hook(hook)
    assert frames_of(lambda: y.sum().backward()) == ["<lambda>", "hook"]


def test_other_errors_keep_every_frame():
    class Kernels(NumpyKernels):
        def exp(self, x):
            raise MemoryError("no more")

        def log(self, x):
            raise ValueError("unlike a number")

    class Faulty(NumpyBackend):
        name = "faulty"
        kernels_class = Kernels

    tl.register_backend("faulty", Faulty(np))
    try:
        x = tl.ones(2, device="faulty")
        assert frames_of(x.exp)[-1] == "exp" and "call" in frames_of(x.exp)
        assert frames_of(lambda: x.log()) == ["<lambda>"]
        with pytest.raises(tl.errors.ArgumentError) as caught:
            x.log()
        assert [frame.name for frame in traceback.extract_tb(caught.value.__cause__.__traceback__)][-1] == "log"
    finally:
        tl.unregister_backend("faulty")
