"""The pytest plugin: ``--device`` and the fixture ``device``.

It is active in every test run of an environment with tapeloom, and so loads nothing until a test asks for a device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--device``."""
    parser.getgroup("tapeloom").addoption(
        "--device",
        action="append",
        metavar="DEVICE",
        help="run tests with the fixture `device` on this tapeloom device (may be repeated; default: all usable ones)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a device that cannot be used, before anything is collected."""
    asked = config.getoption("--device")
    if asked:
        import pytest

        from tapeloom.backend.plugins import resolve_device
        from tapeloom.errors import TapeloomError

        for name in asked:
            try:
                resolve_device(name)
            except TapeloomError as error:
                raise pytest.UsageError(f"--device {name}: {error}") from None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise the fixture ``device`` over the devices that can be used."""
    if "device" in metafunc.fixturenames and not _marked(metafunc, "device"):
        metafunc.parametrize("device", devices(metafunc.config), scope="session")


def _marked(metafunc: pytest.Metafunc, name: str) -> bool:
    """Whether the test parametrises ``name`` itself."""
    return any(name in str(mark.args[:1]) for mark in metafunc.definition.iter_markers("parametrize"))


def devices(config: pytest.Config) -> list[Any]:
    """The device types to run on: those of ``--device``, else every installed one, the unusable skipped with its reason."""
    import os

    import pytest

    from tapeloom.backend.plugins import report

    asked = config.getoption("--device")
    if asked:
        return list(asked)
    required = os.environ.get("TAPELOOM_REQUIRE", "").split(",")
    found = []
    for row in report():
        name = row["device"]
        if row["usable"]:
            found.append(name)
        elif name in required:
            raise pytest.UsageError(f"TAPELOOM_REQUIRE={name}, and it cannot be used: {row['problem']}.")
        elif row["distribution"]:
            found.append(pytest.param(name, marks=pytest.mark.skip(reason=f"{name}: {row['problem']}")))
    return found
