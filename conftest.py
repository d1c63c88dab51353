"""What the tests of all packages share: settings, and guards against tests that leave something behind."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

import tapeloom as tl
from tapeloom.backend.plugins import _default_device
from tapeloom.modes import MODES

os.environ.setdefault("TAPELOOM_TRACEBACK", "full")  # what fails here may well be a fault of ours

pytest_plugins = ["pytester", "tapeloom.testing.plugin"]

# No deadlines: these machines are shared, and how long an example takes says nothing. CI draws the same examples each time.
settings.register_profile("tapeloom", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("tapeloom")


@pytest.fixture
def device(tapeloom_device: str) -> str:
    """Each device that can be used, or those that ``--tapeloom-device`` names."""
    return tapeloom_device


@pytest.fixture(autouse=True)
def _leaves_nothing_behind() -> Iterator[None]:
    """Modes, default dtype and default device are after a test what they were before."""
    before = MODES.get(), tl.get_default_dtype(), _default_device[0]
    random = tl.get_rng_state()
    yield
    after = MODES.get(), tl.get_default_dtype(), _default_device[0]
    MODES.set(before[0])
    tl.set_default_dtype(before[1])
    _default_device[0] = before[2]
    tl.set_rng_state(random)
    assert after == before, "the test left a mode, the default dtype or the default device changed"
