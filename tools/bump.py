"""One version for the six distributions: show it, check it, or set it.

python tools/bump.py            prints the version
python tools/bump.py --check    exits with 1 and a list where the places that hold it disagree
python tools/bump.py 0.2.0      writes it everywhere, then checks

The places: `version` and the pins on our own distributions in packages/*/pyproject.toml, `__version__` of core, and the
newest release in CHANGELOG.md, where setting a version turns the section "Unreleased" into that release.
"""

from __future__ import annotations

import argparse
import datetime
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
INIT = Path("packages/core/src/tapeloom/__init__.py")
CHANGELOG = Path("CHANGELOG.md")

VERSION = r"[0-9]+\.[0-9]+\.[0-9]+(?:(?:a|b|rc)[0-9]+)?"
STATIC = re.compile(rf'^(version = ")({VERSION})(")$', re.MULTILINE)
DUNDER = re.compile(rf'^(__version__(?:: str)? = ")({VERSION})(")$', re.MULTILINE)
PIN = re.compile(rf"\b(tapeloom(?:-[a-z]+)*(?:\[[a-z0-9,-]+\])?==)({VERSION})\b")
REQUIREMENT = re.compile(r"(tapeloom(?:-[a-z]+)*)(?:\[[a-z0-9,-]+\])?\s*(.*)")
RELEASE = re.compile(rf"^## ({VERSION})(?: \(\d{{4}}-\d{{2}}-\d{{2}}\))?$", re.MULTILINE)
UNRELEASED = re.compile(r"^## Unreleased$", re.MULTILINE)


def projects(root: Path = ROOT) -> dict[str, Path]:
    """Distribution name -> its pyproject.toml."""
    paths = sorted(root.glob("packages/*/pyproject.toml"))
    return {load(path)["name"]: path for path in paths}


def load(path: Path) -> dict[str, Any]:
    """The [project] table of a pyproject.toml."""
    project: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    return project


def requirements(project: dict[str, Any]) -> Iterator[str]:
    """Every requirement of a distribution, those of its extras included."""
    yield from project.get("dependencies", [])
    for extra in project.get("optional-dependencies", {}).values():
        yield from extra


def current(root: Path = ROOT) -> str:
    """The version of core, which all others follow."""
    version: str = load(projects(root)["tapeloom"])["version"]
    return version


def disagreements(root: Path = ROOT) -> list[str]:
    """One line for each place that differs from the version of core."""
    version = current(root)
    found = projects(root)
    wrong = []
    for name, path in found.items():
        project = load(path)
        where = path.relative_to(root)
        if project["version"] != version:
            wrong.append(f"{where}: version {project['version']}, core has {version}")
        for requirement in requirements(project):
            match = REQUIREMENT.fullmatch(requirement)
            if match is None:
                continue
            if match[1] not in found:
                wrong.append(f"{where}: {name} requires {match[1]}, which is not in packages/")
            if match[2] != f"=={version}":
                wrong.append(f"{where}: pin {requirement!r} should end in '=={version}'")
    dunder = DUNDER.search((root / INIT).read_text(encoding="utf-8"))
    if dunder is None or dunder[2] != version:
        wrong.append(f"{INIT}: __version__ is {dunder[2] if dunder else 'missing'}, core has {version}")
    release = RELEASE.search((root / CHANGELOG).read_text(encoding="utf-8"))
    if release is None or release[1] != version:
        wrong.append(f"{CHANGELOG}: the newest release is {release[1] if release else 'missing'}, core has {version}")
    return wrong


def bump(version: str, root: Path = ROOT) -> None:
    """Write ``version`` everywhere; every file is read and checked before the first one is written."""
    texts: dict[Path, str] = {}
    for path in projects(root).values():
        text, count = STATIC.subn(rf"\g<1>{version}\g<3>", path.read_text(encoding="utf-8"))
        if count != 1:
            raise SystemExit(f'bump: {path} should hold one line version = "X.Y.Z"; it holds {count}')
        texts[path] = PIN.sub(rf"\g<1>{version}", text)
    text, count = DUNDER.subn(rf"\g<1>{version}\g<3>", (root / INIT).read_text(encoding="utf-8"))
    if count != 1:
        raise SystemExit(f'bump: {INIT} should hold one line __version__ = "X.Y.Z"; it holds {count}')
    texts[root / INIT] = text
    text = (root / CHANGELOG).read_text(encoding="utf-8")
    release = RELEASE.search(text)
    if release is None or release[1] != version:
        heading = f"## Unreleased\n\n## {version} ({datetime.datetime.now(datetime.UTC):%Y-%m-%d})"
        text, count = UNRELEASED.subn(heading, text, count=1)
        if count != 1:
            raise SystemExit(f"bump: {CHANGELOG} has no section '## Unreleased' to release as {version}")
    texts[root / CHANGELOG] = text
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")


def main() -> int:
    """Run the command line described at the top of this file."""
    parser = argparse.ArgumentParser(description="The one version of the six distributions.")
    parser.add_argument("version", nargs="?", help="the new version, such as 0.2.0 or 0.2.0rc1")
    parser.add_argument("--check", action="store_true", help="only check that all places agree")
    arguments = parser.parse_args()
    if arguments.version is not None:
        if re.fullmatch(VERSION, arguments.version) is None:
            parser.error(f"{arguments.version!r} is not a version of the form X.Y.Z, X.Y.ZaN, X.Y.ZbN or X.Y.ZrcN")
        bump(arguments.version)
    elif not arguments.check:
        print(current())
        return 0
    wrong = disagreements()
    print("\n".join(wrong) or f"all at {current()}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
