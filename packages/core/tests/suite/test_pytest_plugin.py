"""The pytest plugin: light when it loads, and the fixture ``device`` over what can be used."""

from __future__ import annotations

import subprocess
import sys

LIGHT = """
import sys
before = set(sys.modules)
import tapeloom.testing.plugin, tapeloom.testing
heavy = {name.partition('.')[0] for name in set(sys.modules) - before} & {'numpy', 'jax', 'cupy', 'scipy', 'hypothesis', 'pytest'}
assert not heavy, heavy
"""
USES_DEVICE = """
import tapeloom as tl

def test_it(device):
    assert str(tl.ones(1, device=device).device).partition(":")[0] == device
"""
PARAMETRIZED = """
import pytest

@pytest.mark.parametrize("device", ["one", "two"])
def test_it(device):
    assert device in ("one", "two")
"""


def test_loading_it_loads_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr


def test_an_unknown_name_of_the_package():
    done = subprocess.run(
        [sys.executable, "-c", "from tapeloom.testing import nothing"], capture_output=True, text=True, check=False
    )
    assert "cannot import name 'nothing' from 'tapeloom.testing'" in done.stderr


def run(pytester, text, *arguments):
    pytester.makepyfile(text)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-rs", *arguments)


def test_the_fixture_runs_over_the_usable_devices(pytester):
    result = run(pytester, USES_DEVICE, "-v")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*test_it?cpu? PASSED*"])


def test_a_device_that_cannot_be_used_is_skipped_with_its_reason(pytester, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    result = run(pytester, USES_DEVICE)
    assert result.ret == 0
    if result.parseoutcomes().get("skipped"):
        result.stdout.fnmatch_lines(["SKIPPED*: *"])


def test_the_option_chooses(pytester):
    result = run(pytester, USES_DEVICE, "--device", "cpu")
    assert result.parseoutcomes() == {"passed": 1}


def test_the_option_refuses_what_cannot_be_used(pytester):
    result = run(pytester, USES_DEVICE, "--device", "nowhere")
    assert result.ret != 0
    result.stderr.fnmatch_lines(["ERROR: --device nowhere: device 'nowhere': no installed backend serves it.*"])


def test_tests_that_name_their_devices_keep_them(pytester):
    assert run(pytester, PARAMETRIZED).parseoutcomes() == {"passed": 2}
