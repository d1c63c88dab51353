"""Ops that a backend has no kernel for: the error, computing them on the host, and what the suite makes of them."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

import tapeloom as tl
from tapeloom.backend import fallback
from tapeloom.devices import Device
from tapeloom.errors import UnsupportedError
from tapeloom.op.registry import REGISTRY
from tapeloom.testing import table
from tapeloom.testing.conformance import Conformance, check_kernel
from tapeloom_backend_numpy.backend import NumpyBackend, NumpyKernels

LACKING = frozenset({"exp", "cumsum", "max_values", "cross_entropy_rows"})


class Own(np.ndarray):
    """The arrays of the partial backend, to tell them apart from those of the host."""


class PartialKernels(NumpyKernels):
    """NumPy without some kernels."""

    exp = cumsum = max_values = cross_entropy_rows = None


class PartialBackend(NumpyBackend):
    """``moved`` counts the arrays that went to the host."""

    name = "partial"
    device_type = "partial"
    kernels_class = PartialKernels
    lacking_ops = LACKING
    lacking_dtypes = frozenset({tl.bfloat16})

    def __init__(self) -> None:
        super().__init__(np)
        self.moved = 0

    def device_of(self, array):
        return Device("partial")

    def scalar(self, value, dtype, device):
        return np.asarray(value, self.native(dtype)).view(Own)

    def full(self, size, value, dtype, device):
        return super().full(size, value, dtype, device).view(Own)

    def from_host(self, array, device):
        return np.array(array).view(Own)

    def to_host(self, array):
        self.moved += 1
        return np.asarray(array)


@pytest.fixture
def backend():
    made = PartialBackend()
    tl.register_backend("partial", made)
    fallback._said.clear()
    yield made
    tl.unregister_backend("partial")


@pytest.fixture
def silent():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def leaf(*values, dtype=tl.float64):
    return tl.tensor(values, dtype=dtype, device="partial", requires_grad=True)


def test_without_it_such_an_op_says_what_helps(backend):
    with pytest.raises(UnsupportedError) as caught:
        tl.exp(tl.ones(3, device="partial"))
    assert str(caught.value) == (
        "exp: the backend 'partial' (device type 'partial') has no kernel for exp. Move the tensors to another device, for "
        "instance with .cpu(), or run forward and backward within tapeloom.host_fallback(), which computes such ops on the host."
    )
    assert caught.value.lacking == "exp"


def test_within_it_the_host_computes_and_the_result_comes_back(backend, silent):
    x = tl.tensor([0.0, 1.0], device="partial")
    with tl.host_fallback():
        y = x.exp()
        values, places = tl.max(y, 0)
    assert y.device == "partial" and type(y.array) is Own and backend.moved
    assert y.tolist() == tl.exp(x.cpu()).tolist()
    assert values.device == places.device == "partial" and places.tolist() == 1
    with pytest.raises(UnsupportedError):
        x.exp()  # the short path must not remember that it was allowed


def test_it_says_so_once_for_each_op_at_the_users_line(backend):
    x = tl.ones(2, device="partial")
    with tl.host_fallback(), warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for _ in range(3):
            x.exp()
            x.double().exp()
        x.cumsum(0)
    assert [str(warning.message).partition(":")[0] for warning in seen] == ["exp", "cumsum"]
    assert seen[0].filename == __file__
    assert str(seen[0].message) == "exp: computed on the host, for the backend 'partial' has no kernel for it."


def test_what_the_backend_has_is_not_moved(backend):
    x = tl.ones(2, device="partial")
    with tl.host_fallback():
        (x * 2 + 1).tanh().sum()
    assert backend.moved == 0


@pytest.mark.parametrize("dtype", [tl.float16, tl.float32, tl.float64])
def test_gradients_run_where_their_kernels_are(backend, silent, dtype):
    def gradients(device):
        x = tl.tensor([0.5, 1.5, 0.25], dtype=dtype, device=device, requires_grad=True)
        with tl.host_fallback():
            # the rules of erf and logaddexp need exp, which is lacking; that of exp needs no kernel; cumsum's is a cumsum
            (tl.erf(x) + tl.logaddexp(x, x * x) + x.exp() + x.cumsum(0)).sum().backward()
        assert x.grad.device == device and x.grad.dtype is dtype
        return x.grad.tolist()

    assert gradients("partial") == gradients("cpu")


def test_a_rule_that_needs_a_lacking_kernel_is_refused_clearly_without_it(backend):
    x = leaf(0.5)
    y = tl.erf(x)
    with pytest.raises(UnsupportedError, match="exp: the backend 'partial'") as caught:
        y.backward()
    assert "within tapeloom.host_fallback()" in str(caught.value) and x.grad is None


def test_second_derivatives_and_fused_ops(backend, silent):
    def second(device):
        x = tl.tensor([[0.5, 1.5], [0.25, 2.0]], dtype=tl.float64, device=device, requires_grad=True)
        target = tl.tensor([0, 1], device=device)
        with tl.host_fallback():
            loss = tl.cross_entropy(x, target) + x.exp().sum() + tl.gelu(x).sum()
            (g,) = tl.autograd.grad(loss, x, create_graph=True)
            (h,) = tl.autograd.grad((g * g).sum(), x)
        return h.numpy(force=True)

    np.testing.assert_allclose(second("partial"), second("cpu"), rtol=1e-12)


def test_kernels_written_over_lacking_ones(backend, silent):
    """logaddexp's gradient kernels apart: a composed kernel finds the stand-in as well."""
    x = tl.tensor([0.5, -1.0], device="partial", requires_grad=True)
    with pytest.raises(UnsupportedError, match=r"\bexp: "):
        backend.completed.exp(x.array)
    with tl.host_fallback():
        assert type(backend.completed.exp(x.detach().array)) is Own


def test_the_host_lacking_it_too_is_an_error(backend, monkeypatch):
    monkeypatch.setattr(tl.get_backend("cpu"), "lacking_ops", frozenset({"exp"}))
    with tl.host_fallback(), pytest.raises(UnsupportedError) as caught:
        tl.ones(1, device="partial").exp()
    assert "host_fallback" not in str(caught.value)


def test_it_is_a_decorator_and_holds_in_this_thread_alone(backend, silent):
    @tl.host_fallback()
    def compute(x):
        return x.exp()

    x = tl.ones(1, device="partial")
    assert compute(x).device == "partial"
    found = []

    def elsewhere():
        try:
            found.append(x.exp())
        except UnsupportedError as error:
            found.append(error)

    with tl.host_fallback():
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert isinstance(found[0], UnsupportedError)


def test_a_dtype_that_is_lacking_is_an_error_that_names_it(backend):
    with pytest.raises(UnsupportedError, match="does not have bfloat16") as caught:
        tl.ones(2, device="partial", dtype=tl.bfloat16)
    assert caught.value.lacking == "bfloat16"


# the suite


SUITE = """
import sys
import tapeloom as tl
from tapeloom.testing import Conformance
sys.path.insert(0, {folder!r})
from test_host_fallback import PartialBackend

class TestPartial(Conformance):
    device = "partial"
    make_backend = staticmethod(PartialBackend)
"""


def test_the_suite_skips_what_is_lacking_and_prints_why(pytester):
    pytester.makepyfile(test_suite=SUITE.format(folder=str(Path(__file__).parent)))
    done = pytester.runpytest_subprocess(
        *("-q", "-rs", "-p", "no:cacheprovider", "-p", "tapeloom.testing.plugin", "--tapeloom-full"),
        *("-k", "exp-float32 or erf or add-bfloat16 or surface"),
    )
    text = done.stdout.str()
    assert done.parseoutcomes().get("failed", 0) == 0 and done.parseoutcomes()["passed"] > 100
    assert "'partial' lacks exp" in text and "'partial' lacks bfloat16" in text


def test_a_kernel_that_is_said_to_be_lacking_must_not_be_there():
    backend = PartialBackend()
    backend.lacking_ops = LACKING | {"tanh"}
    check_kernel(backend, REGISTRY["exp"])
    with pytest.raises(AssertionError, match="says that it has no such kernel"):
        check_kernel(backend, REGISTRY["tanh"])


def test_an_op_that_is_lacking_but_not_declared_fails_the_suite(backend, pytestconfig):
    backend.lacking_ops = LACKING - {"exp"}
    with pytest.raises(AssertionError, match="has no kernel of this name"):
        check_kernel(backend, REGISTRY["exp"])
    suite = Conformance()
    suite.device = "partial"
    with pytest.raises(UnsupportedError):
        suite.test_value(table.load()["exp"], tl.float32, pytestconfig)
