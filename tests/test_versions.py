"""The six distributions agree: one version, exact pins, one licence, and the form that releases rely on."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "core": "tapeloom",
    "nn": "tapeloom-nn",
    "data": "tapeloom-data",
    "backend-numpy": "tapeloom-backend-numpy",
    "backend-cupy": "tapeloom-backend-cupy",
    "backend-jax": "tapeloom-backend-jax",
}


def pyproject(folder: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / "packages" / folder / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def bump() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tapeloom_bump", ROOT / "tools" / "bump.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of every file that holds the version."""
    files = [*ROOT.glob("packages/*/pyproject.toml"), ROOT / "packages/core/src/tapeloom/__init__.py"]
    for path in [*files, ROOT / "CHANGELOG.md"]:
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return tmp_path


def test_the_six_distributions_are_there() -> None:
    found = {
        path.parent.name: pyproject(path.parent.name)["project"]["name"] for path in ROOT.glob("packages/*/*.toml")
    }
    assert found == PACKAGES


def test_versions_pins_and_changelog_agree(bump: ModuleType) -> None:
    assert bump.disagreements() == []


def test_core_reports_the_version_that_was_installed(bump: ModuleType) -> None:
    import tapeloom

    assert tapeloom.__version__ == bump.current() == importlib.metadata.version("tapeloom")


@pytest.mark.parametrize("folder", PACKAGES)
def test_distribution_form(folder: str) -> None:
    project = pyproject(folder)["project"]
    assert project["requires-python"] == ">=3.11"
    assert project["license"] == "Apache-2.0"
    assert project["license-files"] == ["LICENSE"]
    assert "dynamic" not in project
    assert pyproject(folder)["build-system"]["build-backend"] == "hatchling.build"
    assert (
        (ROOT / "packages" / folder / project["readme"])
        .read_text(encoding="utf-8")
        .startswith(f"# {project['name']}\n")
    )


@pytest.mark.parametrize("folder", PACKAGES)
def test_licences_are_equal(folder: str) -> None:
    assert (ROOT / "packages" / folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("folder", PACKAGES)
def test_typed(folder: str) -> None:
    """py.typed stands in each sub-package; only core owns tapeloom/__init__.py."""
    source = ROOT / "packages" / folder / "src"
    tops = [path for path in source.iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert [path.name for path in tops] == [
        "tapeloom" if folder in ("core", "nn", "data") else f"tapeloom_{folder.replace('-', '_')}"
    ]
    if folder in ("nn", "data"):
        assert not (source / "tapeloom" / "__init__.py").exists()
        assert (source / "tapeloom" / "__init__.pyi").is_file()
        tops = [path for path in tops[0].iterdir() if path.is_dir() and path.name != "__pycache__"]
    for path in tops:
        assert (path / "py.typed").is_file(), path


def test_every_extra_of_core_names_ours() -> None:
    extras = pyproject("core")["project"]["optional-dependencies"]
    assert set(extras) == {"numpy", "jax", "cupy-cuda12", "cupy-cuda13", "nn", "data", "testing", "all-cpu"}
    light = {"numpy", "pluggy", "safetensors"}
    assert {re.match(r"[\w-]+", line)[0] for line in pyproject("core")["project"]["dependencies"]} == light  # type: ignore[index]


def test_bump_writes_every_place(bump: ModuleType, tree: Path) -> None:
    bump.bump("7.8.9rc1", tree)
    assert bump.current(tree) == "7.8.9rc1"
    assert bump.disagreements(tree) == []
    assert "## Unreleased\n\n## 7.8.9rc1 (2" in (tree / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"=={bump.current()}" not in "".join(
        path.read_text(encoding="utf-8") for path in tree.glob("packages/*/*.toml")
    )


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "packages/nn/pyproject.toml",
            '\nversion = "{}"',
            '\nversion = "9.9.9"',
            "packages/nn/pyproject.toml: version 9.9.9, core has {}",
        ),
        (
            "packages/data/pyproject.toml",
            '"tapeloom=={}"',
            '"tapeloom>={}"',
            "packages/data/pyproject.toml: pin 'tapeloom>={0}' should end in '=={0}'",
        ),
        (
            "packages/core/pyproject.toml",
            '"tapeloom-backend-cupy[cuda12]=={}"',
            '"tapeloom-backend-cupy[cuda12]"',
            "packages/core/pyproject.toml: pin 'tapeloom-backend-cupy[cuda12]' should end in '=={}'",
        ),
        (
            "packages/core/pyproject.toml",
            '"tapeloom-nn=={}"',
            '"tapeloom-mm=={}"',
            "packages/core/pyproject.toml: tapeloom requires tapeloom-mm, which is not in packages/",
        ),
        (
            "packages/core/src/tapeloom/__init__.py",
            '__version__ = "{}"',
            '__version__ = "9.9.9"',
            "packages/core/src/tapeloom/__init__.py: __version__ is 9.9.9, core has {}",
        ),
        ("CHANGELOG.md", "## {}", "## 9.9.9", "CHANGELOG.md: the newest release is 9.9.9, core has {}"),
    ],
)
def test_a_disagreement_is_named(bump: ModuleType, tree: Path, file: str, old: str, new: str, message: str) -> None:
    version = bump.current()
    text = (tree / file).read_text(encoding="utf-8")
    assert old.format(version) in text
    (tree / file).write_text(text.replace(old.format(version), new.format(version), 1), encoding="utf-8")
    assert bump.disagreements(tree) == [message.format(version)]
