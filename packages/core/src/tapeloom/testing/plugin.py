"""A pytest plugin for whoever asks for it: the fixture ``tapeloom_device``, options for devices and for the whole suite.

    pytest_plugins = ["tapeloom.testing.plugin"]        # in the conftest.py beside the settings of pytest

It is no entry point: a test run that does not ask for it knows nothing of tapeloom. No backend is loaded until a test
wants a device.
"""

from __future__ import annotations

import os

import pytest

from tapeloom.backend.plugins import report, resolve_device
from tapeloom.errors import TapeloomError

OPTION = "--tapeloom-device"
FULL = "--tapeloom-full"
FIXTURE = "tapeloom_device"


def required() -> list[str]:
    """The device types that must be there: those of the environment variable TAPELOOM_REQUIRE, with commas between."""
    return os.environ.get("TAPELOOM_REQUIRE", "").split(",")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--tapeloom-device`` and ``--tapeloom-full``."""
    group = parser.getgroup("tapeloom")
    group.addoption(
        FULL, action="store_true", help="run the conformance suite for every dtype of each op, and all its cases"
    )
    group.addoption(
        OPTION,
        action="append",
        metavar="DEVICE",
        help=f"run tests with the fixture `{FIXTURE}` on this device (may be repeated; default: all usable ones)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a device that cannot be used, before anything is collected."""
    for name in config.getoption(OPTION) or ():
        try:
            resolve_device(name)
        except TapeloomError as error:
            raise pytest.UsageError(f"{OPTION} {name}: {error}") from None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise the fixture ``tapeloom_device`` over the devices that can be used."""
    if FIXTURE in metafunc.fixturenames:
        metafunc.parametrize(FIXTURE, devices(metafunc.config), scope="session")


def devices(config: pytest.Config) -> list[object]:
    """The device types to run on: those that the option names, else each installed one; the unusable skip with a reason."""
    asked = config.getoption(OPTION)
    if asked:
        return list(asked)
    found: list[object] = []
    for row in report():
        name = row["device"]
        if row["usable"]:
            found.append(name)
        elif name in required():
            raise pytest.UsageError(f"TAPELOOM_REQUIRE={name}, and it cannot be used: {row['problem']}.")
        elif row["distribution"]:
            found.append(pytest.param(name, marks=pytest.mark.skip(reason=f"{name}: {row['problem']}")))
    return found
