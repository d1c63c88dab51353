"""The docs hold: every example runs, every code block runs, every page builds.

python tools/docs_check.py            all of it
python tools/docs_check.py PATH …     only these pages, examples and folders of them, without docstrings and build

* examples/*.py are run as programs.
* Python blocks of README.md, docs/**/*.md and packages/*/README.md are run, page by page, each page in a namespace of
  its own. In a block with >>> the printed results are compared; any other is just run. A block that is not to be run
  says so: ```python no-run. One that needs a package which the docs environment lacks names it:
  ```python needs-cupy.
* The docstrings of the installed tapeloom packages: their >>> examples.
* Sphinx builds docs/ with warnings as errors.

Exits with 1 and the failures where something does not hold; having nothing to check is a failure too.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib
import importlib.util
import os
import pkgutil
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE_SECONDS = 180
FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,}|~{3,}) *(?P<info>[^`]*)$")
LANGUAGES = {"python", "py", "pycon"}
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


class Block(NamedTuple):
    """A Python block of a page: its text, the number of its first line, the words after the language."""

    text: str
    line: int
    words: list[str]


def blocks(text: str) -> Iterator[Block]:
    """The Python blocks of a Markdown page, in order; an unclosed one raises ValueError."""
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        opening = FENCE.match(lines[number])
        number += 1
        if opening is None:
            continue
        start, closing = number, re.compile(rf" *{re.escape(opening['ticks'])}+ *$")
        while number < len(lines) and closing.match(lines[number]) is None:
            number += 1
        if number == len(lines):
            raise ValueError(f"line {start}: a code block without an end")
        language, *words = opening["info"].split() or [""]
        if language in LANGUAGES:
            indent = len(opening["indent"])
            yield Block("".join(f"{line[indent:]}\n" for line in lines[start:number]), start + 1, words)
        number += 1


def wanted(block: Block) -> bool:
    """Whether a block is to be run here; a word that means nothing raises ValueError."""
    run = True
    for word in block.words:
        if word.startswith("needs-"):
            run = run and importlib.util.find_spec(word.removeprefix("needs-")) is not None
        elif word == "no-run":
            run = False
        else:
            raise ValueError(f"line {block.line - 1}: {word!r} after ```python; known: no-run, needs-PACKAGE")
    return run


def run_page(path: Path) -> tuple[int, list[str]]:
    """Run a page's blocks, in an empty folder; returns how many ran, and the failures."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        return run_blocks(path, os.path.relpath(path, ROOT))


def run_blocks(path: Path, page: str) -> tuple[int, list[str]]:
    """``run_page`` in the current folder."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    count, failures = 0, []
    for block in blocks(path.read_text(encoding="utf-8")):
        if not wanted(block):
            continue
        count += 1
        if ">>>" in block.text:
            test = doctest.DocTestParser().get_doctest(block.text, namespace, page, page, block.line - 1)
            failures += run_doctest(test)
            namespace.update(test.globs)
            continue
        try:
            exec(compile("\n" * (block.line - 1) + block.text, page, "exec", dont_inherit=True), namespace)
        except (Exception, SystemExit):  # noqa: BLE001 - whatever a page's code raises is the page's failure
            failures.append(f"{page}:{block.line}: the block raised\n{traceback.format_exc()}")
    return count, failures


def run_doctest(test: doctest.DocTest) -> list[str]:
    """The failures of one doctest."""
    report: list[str] = []
    doctest.DocTestRunner(verbose=False, optionflags=FLAGS).run(test, out=report.append, clear_globs=False)
    return ["".join(report)] if report else []


def run_docstrings() -> tuple[int, list[str]]:
    """Run the examples in the docstrings of tapeloom and of the NumPy backend."""
    from tapeloom.call.op import Op

    count, failures = 0, []
    finder = doctest.DocTestFinder(exclude_empty=True)
    seen: set[int] = set()
    names: list[str] = []
    for top in ("tapeloom", "tapeloom_backend_numpy"):
        path = importlib.import_module(top).__path__
        names += [top, *(found.name for found in pkgutil.walk_packages(path, f"{top}."))]
    for name in sorted(set(names)):
        if name.endswith("__main__"):
            continue
        try:
            module = importlib.import_module(name)
        except ImportError:  # pytest, hypothesis: the extra `testing`
            if name.startswith("tapeloom.testing"):
                continue
            raise
        tests = finder.find(module, name)
        for attribute, value in vars(module).items():
            # An op is an object with a docstring of its own, which the finder of the standard library passes over.
            if isinstance(value, Op) and id(value) not in seen:
                seen.add(id(value))
                where = f"{name}.{attribute}"
                text = value.__doc__ or ""
                tests.append(doctest.DocTestParser().get_doctest(text, vars(module), where, module.__file__, 0))
        for test in tests:
            if test.examples:
                count += 1
                failures += run_doctest(test)
    return count, failures


def run_example(path: Path) -> list[str]:
    """Run one example as a program, in an empty folder; returns the failure, if any."""
    name = os.path.relpath(path, ROOT)
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                [sys.executable, "-W", "error", str(path)],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=EXAMPLE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return [f"{name}: not done after {EXAMPLE_SECONDS} s"]
    return [] if done.returncode == 0 else [f"{name}: exit status {done.returncode}\n{done.stdout}"]


def build_pages() -> list[str]:
    """Build docs/ with Sphinx, warnings as errors; returns the failure, if any."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", f"{folder}/doctrees", "docs"]
        output = os.environ.get("TAPELOOM_DOCS_OUT") or f"{folder}/html"
        done = subprocess.run([sys.executable, *command, output], cwd=ROOT, check=False)
    return [] if done.returncode == 0 else ["docs: Sphinx reports the problems above"]


def expand(path: Path) -> list[Path]:
    """A folder's pages and examples; anything else as it is."""
    return sorted(path.rglob("*.md")) + sorted(path.rglob("*.py")) if path.is_dir() else [path]


def main(paths: list[str]) -> int:
    """Check what the command line names, or everything."""
    failures: list[str] = []

    def step(name: str, count: int, found: list[str], start: float) -> None:
        print(f"{name}: {count} run, {len(found)} failed, {time.perf_counter() - start:.1f} s", flush=True)
        failures.extend(found)

    def missing(what: str) -> None:
        if (ROOT / "README.md").is_file():
            failures.append(what)
        else:
            print(f"{what}: required as soon as there is a README.md")

    chosen = [found for path in paths for found in expand(Path(path).resolve())]
    pages = chosen or [
        ROOT / "README.md",
        *sorted(ROOT.glob("packages/*/README.md")),
        *sorted(ROOT.glob("docs/**/*.md")),
    ]
    examples = chosen if paths else sorted(ROOT.glob("examples/*.py"))
    ran = 0
    for page in (page for page in pages if page.suffix == ".md"):
        start = time.perf_counter()
        if page.is_file():
            try:
                count, found = run_page(page)
            except ValueError as error:
                count, found = 0, [f"{os.path.relpath(page, ROOT)}: {error}"]
            ran += count
            step(os.path.relpath(page, ROOT), count, found, start)
        else:
            missing(f"{os.path.relpath(page, ROOT)} does not exist")
    for example in (example for example in examples if example.suffix == ".py"):
        start = time.perf_counter()
        step(os.path.relpath(example, ROOT), 1, run_example(example), start)
    if not paths:
        if not ran:
            missing("no page has a Python block that runs")
        if not examples:
            missing("examples/ holds no program")
        start = time.perf_counter()
        step("docstrings", *run_docstrings(), start)
        start = time.perf_counter()
        if (ROOT / "docs" / "index.md").is_file():
            step("build", 1, build_pages(), start)
        else:
            missing("docs/index.md does not exist")
    for failure in failures:
        print(f"\nFAILED {failure}", file=sys.stderr)
    print(f"docs: {len(failures)} failed" if failures else "docs: all hold")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
