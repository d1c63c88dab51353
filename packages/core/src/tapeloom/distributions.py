"""Our other distributions: what to run to install one, from the checkout that core itself came from, if it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: distribution -> its folder among the ``packages`` of a checkout
FOLDERS = {
    "tapeloom": "core",
    "tapeloom-nn": "nn",
    "tapeloom-data": "data",
    "tapeloom-backend-numpy": "backend-numpy",
    "tapeloom-backend-cupy": "backend-cupy",
    "tapeloom-backend-jax": "backend-jax",
}


def install_command(requirement: str, options: str = "") -> str:
    """The command that installs ``requirement``, such as ``"tapeloom-nn"`` or ``"tapeloom-backend-cupy[cuda13]"``."""
    from pathlib import Path

    name, bracket, extras = requirement.partition("==")[0].partition("[")
    packages = _packages() if name in FOLDERS else None
    words = ["pip install", *options.split()]
    if packages is not None:
        folder, here = packages / FOLDERS[name], Path.cwd()
        requirement = f"{folder.relative_to(here) if folder.is_relative_to(here) else folder}{bracket}{extras}"
        words.append("-e")
    return " ".join([*words, f"'{requirement}'" if bracket or " " in requirement else requirement])


def _packages() -> Path | None:
    """The folder ``packages`` of the checkout that core runs in or was installed from; None where it came otherwise."""
    import json
    from contextlib import suppress
    from importlib import metadata
    from pathlib import Path
    from urllib.parse import unquote, urlsplit

    places = [Path(__file__).resolve().parents[2]]
    with suppress(Exception):  # the metadata may be missing or damaged in any way
        origin = json.loads(metadata.distribution("tapeloom").read_text("direct_url.json") or "{}")
        places.append(Path(unquote(urlsplit(origin["url"]).path)))
    return next((core.parent for core in places if core.name == "core" and (core / "pyproject.toml").exists()), None)
