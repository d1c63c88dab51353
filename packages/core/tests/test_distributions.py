"""The commands in our hints: they install from the checkout that core came from, or from the package index."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tapeloom import distributions
from tapeloom.distributions import FOLDERS, install_command

SOURCE = Path(distributions.__file__)
PACKAGES = SOURCE.resolve().parents[3]
ASKS = "from tapeloom.distributions import install_command as c; print(c('tapeloom-nn'))"


@pytest.fixture
def checkout(monkeypatch):
    """Core runs in a checkout, and that is the current folder."""
    if not (PACKAGES / "core" / "pyproject.toml").exists():
        pytest.skip("core is installed from a wheel")
    monkeypatch.chdir(PACKAGES.parent)


@pytest.mark.usefixtures("checkout")
def test_from_a_checkout(monkeypatch, tmp_path):
    assert install_command("tapeloom-backend-jax") == "pip install -e packages/backend-jax"
    assert install_command("tapeloom-backend-cupy[cuda13]") == "pip install -e 'packages/backend-cupy[cuda13]'"
    assert install_command("tapeloom-nn==0.1.0", "--force-reinstall") == "pip install --force-reinstall -e packages/nn"
    assert install_command("toy-backend", "--upgrade") == "pip install --upgrade toy-backend"
    monkeypatch.chdir(tmp_path)
    assert install_command("tapeloom-nn") == f"pip install -e {PACKAGES / 'nn'}"


@pytest.mark.usefixtures("checkout")
def test_every_distribution_has_its_folder():
    assert {path.parent.name for path in PACKAGES.glob("*/pyproject.toml")} == set(FOLDERS.values())
    for name, folder in FOLDERS.items():
        assert f'name = "{name}"' in (PACKAGES / folder / "pyproject.toml").read_text("utf-8")


def asked(site, direct_url):
    """The command that a copy of core in a folder of its own gives, which was installed from ``direct_url``."""
    shutil.copytree(SOURCE.parent, site / "tapeloom", ignore=shutil.ignore_patterns("__pycache__", "testing"))
    info = site / "tapeloom-9.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tapeloom\nVersion: 9.9\n")
    if direct_url is not None:
        (info / "direct_url.json").write_text(json.dumps({"url": direct_url, "dir_info": {}}))
    program = f"import sys; sys.path.insert(0, {str(site)!r}); {ASKS}"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, text=True, env={}, cwd=site, check=True
    )
    return done.stdout.strip()


def test_from_the_index(tmp_path):
    assert asked(tmp_path, None) == "pip install tapeloom-nn"


@pytest.mark.usefixtures("checkout")
def test_core_was_copied_from_a_checkout(tmp_path):
    assert asked(tmp_path, (PACKAGES / "core").as_uri()) == f"pip install -e {PACKAGES / 'nn'}"
