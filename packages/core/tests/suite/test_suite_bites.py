"""The conformance suite is itself tested: a backend with a planted fault must fail the check that is there for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import tapeloom as tl
from tapeloom.backend.arrayapi import ArrayAPIBackend
from tapeloom.backend.plugins import get_backend
from tapeloom.op import dtype_rules
from tapeloom.op.registry import REGISTRY
from tapeloom.testing import GradcheckError, checks, conformance, refusals
from tapeloom.testing.promotion import check_promotion
from tapeloom.testing.table import load
from tapeloom_backend_numpy.backend import NumpyBackend, NumpyKernels

TABLE = load()


@contextmanager
def serving(backend: Any) -> Iterator[None]:
    """``backend`` serves the device type ``planted``."""
    tl.register_backend("planted", backend)
    try:
        yield
    finally:
        tl.unregister_backend("planted")


def planted(**kernels: Any) -> NumpyBackend:
    """The NumPy backend with some kernels replaced."""
    own = type("PlantedKernels", (NumpyKernels,), kernels)
    return type("Planted", (NumpyBackend,), {"name": "planted", "kernels_class": own})(np)


def walked(change: Any) -> NumpyBackend:
    """The NumPy backend whose way of running gradient rules is changed: ``change(pairs)`` instead of the pairs."""

    def rules_for(self: Any, dtype: Any) -> Any:
        return lambda plan, node, kept, g: change(plan.run(g, kept, node.edges, self.kernels))

    return type("Walked", (NumpyBackend,), {"name": "planted", "rules_for": rules_for})(np)


def bites(check: str, row: str, backend: Any, dtype: Any = tl.float32, raises: type[Exception] = AssertionError) -> str:
    """The message with which ``check`` refuses ``backend``, which passes it without the fault."""
    entry = TABLE[row]
    with serving(planted()):
        run(check, entry, dtype)
    with serving(backend), pytest.raises(raises) as caught:
        run(check, entry, dtype)
    return str(caught.value)


def run(check: str, entry: Any, dtype: Any) -> None:
    if check == "value":
        checks.check_values(entry, dtype, "planted")
    elif check == "layout":
        checks.check_layouts(entry, dtype, "planted")
    elif check == "gradient_dtype":
        checks.check_gradient_dtypes(entry, [dtype], "planted")
    elif check in ("gradient", "second_gradient"):
        checks.check_gradient(entry, 1 + (check == "second_gradient"), "planted")
    else:
        {
            "partial_gradient": checks.check_partial_gradients,
            "inplace": checks.check_inplace,
            "spelling": checks.check_spellings,
            "promotion": check_promotion,
            "failure": checks.check_failures,
            "refusal": refusals.check_refusals,
        }[check](entry, "planted")


#: what a run of the whole table is started with, where no conftest.py asks for the plugin
FULL = ("-p", "tapeloom.testing.plugin", "--tapeloom-full")


# values


def test_a_small_error_is_seen():
    text = bites("value", "exp", planted(exp=lambda self, x: np.exp(x) * x.dtype.type(1 + 1e-5)))
    assert "exp(T[3, 4]) for float32 on planted: at (0, 0) " in text and "spacings apart where 8 are allowed" in text


def test_an_error_in_one_element_of_one_dtype_is_seen():
    def add(self, x, y):
        out = np.add(x, y)
        if out.dtype == np.int32 and out.ndim == 2:
            out[-1, -1] += 1
        return out

    assert "add(T[3, 4], T[3, 4]) for int32 on planted:" in bites("value", "add", planted(add=add), tl.int32)


def test_a_wrong_shape_is_seen():
    def total(self, x, dim, keepdim=False):
        return np.sum(x, axis=dim, dtype=x.dtype)  # forgets keepdim

    assert "the shape is (2, 3), (2, 3, 1) was expected" in bites("value", "sum", planted(sum=total))


def test_a_dtype_that_the_array_does_not_have_is_seen():
    text = bites("value", "sqrt", planted(sqrt=lambda self, x: np.sqrt(x.astype(np.float64))))
    assert "the tensor says float32, but its array holds float64" in text


def test_a_kernel_that_writes_into_its_input_is_seen():
    def negative(self, x):
        return np.negative(x, out=x) if isinstance(x, np.ndarray) and x.ndim else -x

    assert "the kernel changed an input" in bites("value", "negative", planted(negative=negative))


def test_the_wrong_one_of_two_equal_elements_is_seen():
    def last(self, x, dim, keepdim=False):
        if not x.ndim:
            return np.int64(0)
        found = x.shape[dim] - 1 - np.argmax(np.flip(x, dim), axis=dim, keepdims=keepdim)
        return np.asarray(found, np.int64)

    assert "argmax_along(V[2, 3], 1)" in bites("value", "argmax_along", planted(argmax_along=last))


def test_a_lost_nan_is_seen():
    assert "maximum(V[3], V[3])" in bites("value", "maximum", planted(maximum=lambda self, x, y: np.fmax(x, y)))


def test_a_lost_infinity_is_seen():
    text = bites("value", "log", planted(log=lambda self, x: np.log(np.maximum(x, np.asarray(1e-30, x.dtype)))))
    assert "log(V[4])" in text


def test_a_loss_for_no_elements_is_seen():
    def product(self, x, dim, keepdim=False):
        return np.prod(x, axis=dim, keepdims=keepdim, dtype=x.dtype) if x.size else self.sum(x, dim, keepdim)

    assert "prod(T[0, 3]) for float32 on planted" in bites("value", "prod", planted(prod=product))


def test_other_random_bits_are_seen():
    def random_words(self, seed, offset, n):
        return NumpyKernels.random_words(self, seed + 1, offset, n)

    assert "rand(2, 3) for float32 on planted" in bites("value", "rand", planted(random_words=random_words))


def test_a_kernel_that_minds_the_memory_order_is_seen():
    def tanh(self, x):
        return np.tanh(np.ravel(x, order="K")).reshape(
            np.shape(x)
        )  # the order of memory taken for that of the elements

    assert "tanh(T[3, 4]) for float32 on planted with permuted inputs" in bites("layout", "tanh", planted(tanh=tanh))


# gradients: faults of a backend's way of running rules, and of rules


def test_a_wrong_walk_is_seen():
    backend = walked(lambda pairs: [(edge, gradient * 1.001) for edge, gradient in pairs])
    text = bites("gradient", "sin", backend, raises=GradcheckError)
    assert "along a random direction (seed " in text


def test_a_gradient_that_is_not_summed_back_is_seen():
    def reduce_to(self, x, size):
        return x[tuple(slice(0, 1) if n == 1 else slice(None) for n in (1,) * (x.ndim - len(size)) + size)].reshape(
            size
        )

    bites("gradient", "multiply", planted(reduce_to=reduce_to), raises=GradcheckError)


def rule(name: str, function: Any, monkeypatch: pytest.MonkeyPatch, slot: int = 0) -> None:
    """Plant another gradient rule, of the same arguments, in the op ``name``."""
    op = REGISTRY[name]
    monkeypatch.setattr(op.rules[slot], "function", function)
    op.invalidate()


@pytest.fixture
def repaired(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ops forget what was made of planted rules and settings, once these are gone."""
    yield
    monkeypatch.undo()
    for op in REGISTRY.values():
        op.invalidate()


@pytest.mark.usefixtures("repaired")
def test_a_wrong_rule_is_seen(monkeypatch):
    rule("tanh", lambda g, out: g * (1 - out), monkeypatch)
    with serving(planted()), pytest.raises(GradcheckError):
        run("gradient", TABLE["tanh"], tl.float32)


@pytest.mark.usefixtures("repaired")
def test_a_rule_that_is_wrong_on_tensors_alone_is_seen(monkeypatch):
    def detached(g, out):
        out = out.detach() if isinstance(out, tl.Tensor) else out
        return g * (1 - out * out)

    rule("tanh", detached, monkeypatch)
    with serving(planted()):
        run("gradient", TABLE["tanh"], tl.float32)
        with pytest.raises(GradcheckError):
            run("second_gradient", TABLE["tanh"], tl.float32)


def test_a_gradient_that_depends_on_who_else_needs_one_is_seen():
    def dependent(pairs):
        return [(edge, gradient * (1.0 if len(pairs) > 1 else 2.0)) for edge, gradient in pairs]

    text = bites("partial_gradient", "atan2", walked(dependent))
    assert "the gradient of input 0 differs when it alone needs one" in text


def test_a_gradient_in_another_dtype_is_seen():
    backend = walked(lambda pairs: [(edge, gradient.astype(np.float64)) for edge, gradient in pairs])
    assert "the float32 gradient of input 0 holds float64" in bites("gradient_dtype", "sin", backend)


# forms


def test_an_in_place_form_that_makes_a_new_tensor_is_seen(monkeypatch):
    monkeypatch.setattr(tl.Tensor, "exp_", lambda self: self.exp())
    with serving(planted()), pytest.raises(AssertionError, match="it must return the tensor itself"):
        run("inplace", TABLE["exp"], tl.float32)


def test_an_in_place_form_that_detached_handles_do_not_see_is_seen(monkeypatch):
    def exp_(self):
        self.array = self.exp().array
        return self

    monkeypatch.setattr(tl.Tensor, "exp_", exp_)
    with serving(planted()), pytest.raises(AssertionError, match="a detached handle must see the new values"):
        run("inplace", TABLE["exp"], tl.float32)


def test_a_method_that_does_something_else_is_seen(monkeypatch):
    monkeypatch.setattr(tl.Tensor, "sin", tl.Tensor.cos)
    with serving(planted()), pytest.raises(AssertionError, match="as a method on planted"):
        run("spelling", TABLE["sin"], tl.float32)


@pytest.mark.usefixtures("repaired")
def test_another_promotion_is_seen(monkeypatch):
    op = REGISTRY["atan2"]
    monkeypatch.setattr(op.dtype_rule, "gives", "double")
    monkeypatch.setitem(dtype_rules.GIVES, "double", lambda dtype: (tl.float64, tl.float64))
    op.invalidate()
    with serving(planted()), pytest.raises(AssertionError, match="the result is float64, float32 was expected"):
        run("promotion", TABLE["atan2"], tl.float32)


# errors


@pytest.mark.usefixtures("repaired")
def test_a_missing_check_is_seen(monkeypatch):
    monkeypatch.setattr(REGISTRY["linear"], "check", None)
    REGISTRY["linear"].invalidate()
    with serving(planted()), pytest.raises(AssertionError, match="came, ShapeError was expected"):
        run("failure", TABLE["linear"], tl.float32)


@pytest.mark.usefixtures("repaired")
def test_another_message_is_seen(monkeypatch):
    def check(op, x, weight, bias):
        raise tl.errors.ShapeError("linear: shapes do not fit.")

    monkeypatch.setattr(REGISTRY["linear"], "check", check)
    REGISTRY["linear"].invalidate()
    with (
        serving(planted()),
        pytest.raises(AssertionError, match=r"the message is\s+linear: shapes do not fit\.\s+and should be\s"),
    ):
        run("failure", TABLE["linear"], tl.float32)


@pytest.mark.usefixtures("repaired")
def test_a_setting_that_is_not_checked_is_seen(monkeypatch):
    op = REGISTRY["sum"]
    monkeypatch.setattr(op.parameters[op.position("keepdim")], "normalise", None)
    op.invalidate()
    with serving(planted()), pytest.raises(AssertionError, match="sum with keepdim='yes' on planted"):
        run("refusal", TABLE["sum"], tl.float32)


# the backend


def test_a_missing_kernel_is_seen():
    backend = planted(tanh=None)
    with pytest.raises(AssertionError) as caught:
        conformance.check_kernel(backend, REGISTRY["tanh"])
    assert str(caught.value).startswith(
        "tanh: the backend 'planted' has no kernel of this name. "
        "Give PlantedKernels a method tanh(self, input), or list 'tanh' in lacking_ops of Planted."
    )


def test_a_missing_kernel_that_another_one_needs_is_named(pytester):
    pytester.makepyfile(
        """
        import numpy
        from tapeloom.testing import Conformance
        from tapeloom_backend_numpy.backend import NumpyBackend, NumpyKernels

        class Kernels(NumpyKernels):
            exp = None

        class Mine(NumpyBackend):
            kernels_class = Kernels

        class TestMine(Conformance):
            device = "mine"
            make_backend = staticmethod(lambda: Mine(numpy))
        """
    )
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider", *FULL, "-k", "value and logaddexp-complex64")
    assert result.parseoutcomes() == {"failed": 1, "deselected": result.parseoutcomes()["deselected"]}
    result.stdout.fnmatch_lines(
        ["*Give Kernels a method exp(self, input), or list 'exp' in lacking_ops of Mine.*"],
    )


def test_a_missing_method_of_the_runtime_is_seen():
    conformance.check_runtime(get_backend("cpu"))
    backend = type("Bare", (ArrayAPIBackend,), {"name": "bare", "to_host": lambda self, array: array})(np)
    with pytest.raises(AssertionError, match="bare: Bare has no from_host: every backend must give these"):
        conformance.check_runtime(backend)


def test_what_a_kernel_itself_raises_is_what_the_error_says():
    def at(self, x, key, value, how="set", owned=False):
        raise IndexError("no writes here")

    with serving(planted(at=at)):
        x, value = tl.zeros(3, 2, 4, device="planted"), tl.ones(3, 3, 4, device="planted")  # they do not broadcast
        with pytest.raises(tl.errors.ArgumentError, match=r"index_put: the planted kernel refused .*: no writes here"):
            tl.ops.index_put(x, [tl.tensor([0, 1, 0], device="planted")], value, (1,))


def test_swapped_parameters_are_seen():
    backend = planted(gather=lambda self, x, index, dim: x)
    with pytest.raises(AssertionError, match=r"takes .*'x', 'index', 'dim'"):
        conformance.check_kernel(backend, REGISTRY["gather"])


def test_a_further_parameter_is_seen():
    backend = planted(gather=lambda self, x, dim, index, mode: x)
    with pytest.raises(AssertionError, match="asks for 'mode', which the op does not have"):
        conformance.check_kernel(backend, REGISTRY["gather"])


def test_a_misspelt_kernel_is_seen():
    conformance.check_strangers(get_backend("cpu"))
    with pytest.raises(AssertionError, match="planted: tahn: no op and no part of what core calls"):
        conformance.check_strangers(planted(tahn=lambda self, x: x))


def test_a_kernel_in_the_wrong_class_is_refused():
    with pytest.raises(TypeError, match=r"Misplaced\.exp2 is a kernel\. Put it into a subclass of ArrayKernels"):
        type("Misplaced", (NumpyBackend,), {"exp2": lambda self, x: x})


# the whole way, as a plugin's author goes it


def test_a_plugins_test_file_is_ten_lines(pytester):
    pytester.makepyfile(
        """
        import numpy
        from tapeloom.testing import Conformance
        from tapeloom_backend_numpy.backend import NumpyBackend, NumpyKernels

        class Kernels(NumpyKernels):
            def exp2(self, x):
                return numpy.exp(x)

        class Mine(NumpyBackend):
            kernels_class = Kernels

        class TestMine(Conformance):
            device = "mine"
            make_backend = staticmethod(lambda: Mine(numpy))
        """
    )
    result = pytester.runpytest_subprocess(
        "-q", "-p", "no:cacheprovider", "-k", "(value and ([exp2- or [log2-)) or (surface and hardtanh)", "--tb=line"
    )
    outcomes = result.parseoutcomes()
    assert outcomes["failed"] == 3, "float32, float64 and one more"
    assert outcomes["passed"] == 3 + 1
    result = pytester.runpytest_subprocess(
        "-q", "-p", "no:cacheprovider", *FULL, "-k", "value and ([exp2- or [log2-)", "--tb=line"
    )
    outcomes = result.parseoutcomes()
    assert outcomes["failed"] == len(TABLE["exp2"].dtypes), outcomes
    assert outcomes["passed"] == len(TABLE["log2"].dtypes)


def test_a_deviation_stands_in_the_xfail_file(pytester):
    pytester.makepyfile(
        test_mine="""
        import numpy
        from tapeloom.testing import Conformance
        from tapeloom_backend_numpy.backend import NumpyBackend, NumpyKernels

        class Kernels(NumpyKernels):
            def exp2(self, x):
                return numpy.exp(x)

        class Mine(NumpyBackend):
            kernels_class = Kernels

        class TestMine(Conformance):
            device = "mine"
            xfails = "xfails.txt"
            make_backend = staticmethod(lambda: Mine(numpy))
        """
    )
    pytester.makefile(".txt", xfails="# This library takes powers of e.\nvalue exp2-*\nvalue log2-float32\n")
    result = pytester.runpytest_subprocess(
        "-q", "-p", "no:cacheprovider", "-k", "value and (exp2- or log2-)", "--tb=line", "-rx"
    )
    outcomes = result.parseoutcomes()
    assert outcomes["xfailed"] == 3
    assert outcomes["failed"] == 1, "a listed test that passes is an error"
    result.stdout.fnmatch_lines(["*This library takes powers of e.*"])


ASKS_FOR = """
from tapeloom.testing import Conformance

class TestIt(Conformance):
    device = "{}"
"""
A_PLUGIN = """
from tapeloom.backend.hookspecs import hookimpl

TAPELOOM_API = (1, 0)

@hookimpl
def tapeloom_backend():
    {}
"""


@pytest.fixture
def suite(pytester, monkeypatch):
    """Run the suite for a device whose plugin, if any, has this body of its hook; the outcome and pytest's result."""

    def run(device, body=None):
        if body is not None:
            info = pytester.mkdir("toy-1.0.dist-info")
            (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
            (info / "entry_points.txt").write_text(f"[tapeloom.backends]\n{device} = toy\n")
            pytester.makepyfile(toy=A_PLUGIN.format(body))
            monkeypatch.syspath_prepend(str(pytester.path))
            monkeypatch.setenv("PYTHONPATH", str(pytester.path), prepend=os.pathsep)
        pytester.makepyfile(ASKS_FOR.format(device))
        result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider", "-rs")
        return result.parseoutcomes(), result

    return run


def test_a_backend_that_is_not_installed_fails_once_a_check(suite):
    outcomes, result = suite("nowhere")
    assert set(outcomes) == {"errors"} and outcomes["errors"] < 20 and result.ret
    result.stdout.fnmatch_lines(["*nowhere: device 'nowhere': no installed backend serves it.*"])


def test_a_backend_that_does_not_load_fails(suite):
    outcomes, result = suite("toy", "import a_library_that_is_not_there")
    assert set(outcomes) == {"errors"}
    result.stdout.fnmatch_lines(["*No module named 'a_library_that_is_not_there'*"])


def test_a_backend_that_finds_no_device_here_is_skipped(suite):
    outcomes, result = suite(
        "toy", "from tapeloom.errors import DeviceError; raise DeviceError('no toy on this machine')"
    )
    assert set(outcomes) == {"skipped"} and outcomes["skipped"] < 20
    result.stdout.fnmatch_lines(["SKIPPED*toy: no toy on this machine"])


def test_a_device_that_must_be_there_fails(suite, monkeypatch):
    monkeypatch.setenv("TAPELOOM_REQUIRE", "cpu,toy")
    outcomes, result = suite(
        "toy", "from tapeloom.errors import DeviceError; raise DeviceError('no toy on this machine')"
    )
    assert set(outcomes) == {"errors"}
    result.stdout.fnmatch_lines(["*toy: no toy on this machine*"])
