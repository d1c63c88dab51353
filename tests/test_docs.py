"""Every Python block of the pages runs, and the README keeps its promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
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
