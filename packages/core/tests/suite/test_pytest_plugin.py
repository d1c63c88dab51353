"""The pytest plugin: nothing without asking for it; with it, the fixture ``tapeloom_device`` over what can be used."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

CORE = Path(__file__).resolve().parents[2]
LIGHT = """
import sys
before = set(sys.modules)
import tapeloom.testing
heavy = {name.partition('.')[0] for name in set(sys.modules) - before} & {'numpy', 'jax', 'cupy', 'scipy', 'hypothesis', 'pytest'}
assert not heavy, heavy
"""
CONFTEST = 'pytest_plugins = ["tapeloom.testing.plugin"]'
USES_DEVICE = """
import tapeloom as tl

def test_it(tapeloom_device):
    assert str(tl.ones(1, device=tapeloom_device).device).partition(":")[0] == tapeloom_device
"""
#: a project that has tapeloom installed, and an option and a fixture of its own under the usual names
OWN_CONFTEST = """
import pytest

def pytest_addoption(parser):
    parser.addoption("--device", default="router")

@pytest.fixture
def device(request):
    return request.config.getoption("--device")
"""
OWN_TEST = """
import sys

def test_it(device):
    assert device == "switch"
    assert "tapeloom" not in sys.modules
"""


def test_loading_the_package_loads_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr


def test_an_unknown_name_of_the_package():
    done = subprocess.run(
        [sys.executable, "-c", "from tapeloom.testing import nothing"], capture_output=True, text=True, check=False
    )
    assert "cannot import name 'nothing' from 'tapeloom.testing'" in done.stderr


# who does not ask for it


def test_the_distribution_brings_no_plugin():
    project = tomllib.loads((CORE / "pyproject.toml").read_text("utf-8"))["project"]
    assert "pytest11" not in project.get("entry-points", {})


def test_a_project_with_a_device_option_and_fixture_of_its_own_runs_untouched(pytester):
    pytester.makeconftest(OWN_CONFTEST)
    pytester.makepyfile(OWN_TEST)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--device", "switch")
    assert result.parseoutcomes() == {"passed": 1}


# who asks


@pytest.fixture
def run(pytester, monkeypatch):
    """Run a test file whose conftest.py asks for the plugin, with no other plugin."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(text, *arguments):
        pytester.makeconftest(CONFTEST)
        pytester.makepyfile(text)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-rs", *arguments)

    return run


def test_the_fixture_runs_over_the_usable_devices(run):
    result = run(USES_DEVICE, "-v")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*test_it?cpu? PASSED*"])


def test_a_device_that_cannot_be_used_is_skipped_with_its_reason(run, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    result = run(USES_DEVICE)
    assert result.ret == 0
    if result.parseoutcomes().get("skipped"):
        result.stdout.fnmatch_lines(["SKIPPED*: *"])


def test_the_option_chooses(run):
    assert run(USES_DEVICE, "--tapeloom-device", "cpu").parseoutcomes() == {"passed": 1}


def test_the_option_refuses_what_cannot_be_used(run):
    result = run(USES_DEVICE, "--tapeloom-device", "nowhere")
    assert result.ret != 0
    result.stderr.fnmatch_lines(
        ["ERROR: --tapeloom-device nowhere: device 'nowhere': no installed backend serves it.*"]
    )


def test_it_goes_with_an_option_and_a_fixture_called_device(run, pytester):
    pytester.makeconftest(OWN_CONFTEST + CONFTEST)
    both = USES_DEVICE.replace("(tapeloom_device)", "(tapeloom_device, device)") + '    assert device == "switch"\n'
    pytester.makepyfile(both)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--device=switch", "--tapeloom-device=cpu")
    assert result.parseoutcomes() == {"passed": 1}
