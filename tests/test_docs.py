"""Every Python block of the pages runs, and the README keeps its promises."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import tapeloom as tl

ROOT = Path(__file__).resolve().parents[1]
READMES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("packages/*/README.md"))]
PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_runs(page):
    """By the tool that the docs environment uses; a block that needs a package that is not here is left out."""
    command = [sys.executable, "-W", "error", "tools/docs_check.py", page]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stdout + done.stderr


def test_the_readme_begins_with_ten_lines_of_code_and_has_the_two_set_up_commands():
    text = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"^```(\w+)[^\n]*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    language, first = blocks[0]
    assert text.index(first) < text.index("\n## "), "code comes first"
    assert language == "python" and len([line for line in first.splitlines() if line.strip()]) == 10
    commands = [body.strip() for language, body in blocks if language in ("shell", "sh", "bash")]
    assert commands[:2] == [
        "python -m pip install -e packages/core -e packages/backend-numpy -e packages/nn -e packages/data "
        "&& python examples/digits.py",
        "python -m pip install tox && python -m tox",
    ]


def test_links_between_pages_lead_somewhere():
    broken = []
    for page in PAGES:
        path = ROOT / page
        for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", path.read_text("utf-8")):
            if not (path.parent / target).exists():
                broken.append(f"{page}: {target}")
    assert not broken


def test_no_block_is_left_out_without_a_reason():
    """``no-run`` is for fragments that stand without their imports: few, and never on a page's first block."""
    for page in PAGES:
        fences = re.findall(r"^```(python[^\n]*)$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
        assert sum("no-run" in fence for fence in fences) <= max(1, len(fences) // 2), page


def test_generated_blocks_are_up_to_date():
    command = [sys.executable, "tools/make_docs.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stdout + done.stderr


#: module or class -> the page of the API that lists its public names
API = {
    "tapeloom": "functions",
    "tapeloom.linalg": "functions",
    "tapeloom.fft": "functions",
    "tapeloom.signal.windows": "functions",
    "tapeloom.special": "functions",
    "tapeloom.accelerator": "functions",
    "tapeloom.Tensor": "tensor",
    "tapeloom.autograd": "autograd",
    "tapeloom.autograd.functional": "autograd",
    "tapeloom.func": "func",
    "tapeloom.nn": "nn",
    "tapeloom.nn.functional": "nn",
    "tapeloom.nn.init": "nn",
    "tapeloom.nn.utils": "nn",
    "tapeloom.optim": "optim",
    "tapeloom.optim.lr_scheduler": "optim",
    "tapeloom.data": "data",
    "tapeloom.data.datasets": "data",
    "tapeloom.errors": "errors",
}


@pytest.mark.parametrize("place", API)
def test_the_api_lists_every_public_name(place):
    owner = tl.Tensor if place == "tapeloom.Tensor" else import_module(place)
    listed = (ROOT / "docs" / "reference" / "api" / f"{API[place]}.md").read_text("utf-8")
    if place == "tapeloom":
        listed += (ROOT / "docs" / "reference" / "dtypes.md").read_text("utf-8").replace("tl.", "")
    names = getattr(owner, "__all__", None) or [name for name in dir(owner) if not name.startswith("_")]
    named = {*re.findall(r"`(\w+)[`(]", listed)}
    slots = {*tl.Tensor.__slots__} if owner is tl.Tensor else set()
    own = {name for name in names if not inspect.ismodule(getattr(owner, name))} - {"annotations"}
    elsewhere = {name for name in own if owner is not tl.errors and hasattr(tl.errors, name)}
    missing = own - named - slots - elsewhere
    assert not missing


def test_every_page_is_in_the_table_of_contents():
    docs = ROOT / "docs"
    named = set()
    for page in ("index", "reference/api"):
        for block in re.findall(
            r"^```{toctree}\n(.*?)^```", (docs / f"{page}.md").read_text("utf-8"), re.DOTALL | re.M
        ):
            folder = (docs / page).parent
            named |= {str((folder / line).relative_to(docs)) for line in block.split() if "/" in line}
    pages = {str(path.relative_to(docs).with_suffix("")) for path in docs.rglob("*.md")}
    assert pages - {"index"} == named


def test_pages_install_from_a_clone():
    """Until there is a release; and CuPy always in one spelling."""
    for page in {*PAGES, *READMES}:
        for line in (ROOT / page).read_text("utf-8").splitlines():
            _, found, command = line.partition("pip install")
            assert not found or "tapeloom" not in command, f"{page}: {line}"
            assert not found or "cupy" not in command or '-e "packages/backend-cupy[cuda13]"' in command, (
                f"{page}: {line}"
            )
