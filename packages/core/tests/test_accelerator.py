"""Asking what there is: ``tl.is_available``, ``tl.cuda`` and its sisters, ``tl.accelerator``."""

from __future__ import annotations

import subprocess
import sys

import numpy
import pytest

import tapeloom as tl
from tapeloom.backend.plugins import describe
from tapeloom_backend_numpy.backend import NumpyBackend


class Toy(NumpyBackend):
    """Two devices of a type of their own; it writes down what it is asked to do."""

    accelerates = True
    name = "toy"

    def __init__(self, count=2):
        super().__init__(numpy)
        self.count, self.asked = count, []

    def device_count(self):
        return self.count

    def current_index(self):
        return 0

    def device_name(self, device):
        return f"Toy {device.index}"

    def synchronize(self, device):
        self.asked.append(f"synchronize {device}")

    def empty_cache(self):
        self.asked.append("empty_cache")


@pytest.fixture
def toy():
    """A backend registered for ``cuda``, on whatever machine."""
    from tapeloom.backend.plugins import _backends

    before, backend = _backends.get("cuda"), Toy()
    tl.register_backend("cuda", backend)
    yield backend
    tl.unregister_backend("cuda")
    if before is not None:
        tl.register_backend("cuda", before)


@pytest.fixture
def alone(monkeypatch):
    """No installed backend accelerates anything."""
    monkeypatch.setattr("tapeloom.accelerator.backend_types", lambda: ["cpu"])
    monkeypatch.delenv("TAPELOOM_DEVICE", raising=False)


def test_is_available():
    assert tl.is_available("cpu") and tl.is_available() and tl.is_available(tl.device("cpu"))
    assert not tl.is_available("cpu:1") and not tl.is_available("nowhere")
    assert tl.is_available("xla") == describe("xla")["usable"] and tl.is_available("cuda") == describe("cuda")["usable"]
    with pytest.raises(tl.errors.DeviceError, match="is not a device"):
        tl.is_available("no name")


def test_a_device_type_that_is_there(toy):
    assert tl.cuda.is_available() and tl.cuda.device_count() == 2 and tl.cuda.current_device() == 0
    assert tl.cuda.get_device_name() == "Toy 0"
    assert tl.cuda.get_device_name(1) == tl.cuda.get_device_name("cuda:1") == "Toy 1"
    tl.cuda.synchronize()
    tl.cuda.synchronize(tl.device("cuda:1"))
    tl.cuda.empty_cache()
    assert toy.asked == ["synchronize cuda:0", "synchronize cuda:1", "empty_cache"]
    with pytest.raises(tl.errors.DeviceError, match=r"^cuda: device 'cpu' is of another type\. Give a cuda device"):
        tl.cuda.synchronize("cpu")
    with pytest.raises(tl.errors.DeviceError, match="sees 2 devices of this type"):
        tl.cuda.get_device_name(2)


def test_a_device_type_that_is_not_there(toy):
    toy.count = 0
    assert not tl.cuda.is_available() and tl.cuda.device_count() == 0
    tl.cuda.empty_cache()
    with pytest.raises(tl.errors.DeviceError, match="sees no device of this type"):
        tl.cuda.synchronize()


def test_the_cpu():
    assert tl.cpu.is_available() and tl.cpu.device_count() == 1 and tl.cpu.current_device() == 0
    assert isinstance(tl.cpu.get_device_name(), str)
    tl.cpu.synchronize()
    assert repr(tl.cpu) == "tapeloom.cpu" and repr(tl.xla) == "tapeloom.xla"


def test_seeding_a_device_type_is_seeding():
    tl.manual_seed(5)
    wanted = tl.get_rng_state()
    for seeds in (tl.cuda.manual_seed, tl.cuda.manual_seed_all, tl.cpu.manual_seed):
        tl.manual_seed(6)
        seeds(5)
        assert tl.get_rng_state() == wanted


def test_the_accelerator(toy, monkeypatch):
    monkeypatch.delenv("TAPELOOM_DEVICE", raising=False)
    assert tl.accelerator.is_available() and tl.accelerator.current_accelerator() is tl.device("cuda")
    assert tl.accelerator.device_count() == 2 and tl.accelerator.current_device_index() == 0
    tl.accelerator.synchronize()
    tl.accelerator.synchronize(1)
    tl.accelerator.empty_cache()
    assert toy.asked == ["synchronize cuda:0", "synchronize cuda:1", "empty_cache"]


@pytest.mark.usefixtures("alone")
def test_no_accelerator():
    assert not tl.accelerator.is_available() and tl.accelerator.current_accelerator() is None
    assert tl.accelerator.device_count() == 0
    for asks in (tl.accelerator.synchronize, tl.accelerator.current_device_index, tl.accelerator.empty_cache):
        with pytest.raises(tl.errors.DeviceError, match=r"^accelerator: there is none that can be used\."):
            asks()


@pytest.mark.usefixtures("alone")
def test_the_default_device_is_the_accelerator_that_was_chosen():
    tl.register_backend("toy", Toy())
    try:
        with tl.device("toy:1"):
            assert tl.accelerator.current_accelerator() is tl.device("toy")
    finally:
        tl.unregister_backend("toy")


def test_jax_on_a_cpu_is_no_accelerator(monkeypatch):
    monkeypatch.delenv("TAPELOOM_DEVICE", raising=False)
    if not tl.xla.is_available():
        pytest.skip("no backend for xla is installed")
    assert tl.xla.device_count() >= 1 and tl.xla.get_device_name()
    tl.xla.synchronize()
    accelerates = describe("xla")["versions"]["platform"] != "cpu"
    assert tl.get_backend("xla").accelerates == accelerates
    assert accelerates or tl.accelerator.current_accelerator() != "xla"


def test_the_names_load_no_backend():
    program = (
        "import sys, tapeloom as tl; tl.cuda, tl.accelerator.is_available; "
        "sys.exit(', '.join({'numpy', 'jax', 'cupy', 'pluggy'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
