"""The six distributions as a user gets them: build them, look inside, install the wheels, run a program.

python tools/dist_check.py              in a temporary folder
python tools/dist_check.py --out DIST   leaves the sdists and wheels in DIST, which has to be empty or missing

Builds every sdist, and every wheel from its sdist; `twine check --strict`; check-wheel-contents; each wheel holds
exactly the files of its src/ folder (the checker-only __init__.pyi of nn and data excepted), its licence and its entry
points; core, nn, data, the NumPy and the CuPy backend (without CuPy) installed from the wheels into a fresh virtual
environment; `pip check`; a small training run there, far from this tree; what came with them and how much room it takes;
tests/typing checked against that environment.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from email.parser import HeaderParser
from pathlib import Path

import bump

ROOT = Path(__file__).resolve().parent.parent
CACHES = {"__pycache__"}
OWNED_BY_CORE = ("tapeloom/__init__.py", "tapeloom/__init__.pyi")

PROGRAM = """
import importlib.metadata
import sys

import tapeloom as tl

heavy = {"numpy", "jax", "cupy", "pluggy"} & set(sys.modules)
assert not heavy, f"import tapeloom loaded {heavy}"

from tapeloom import nn, optim
import tapeloom.data
from tapeloom.utils.data import DataLoader

assert DataLoader is tapeloom.data.DataLoader

assert tl.__version__ == VERSION == importlib.metadata.version("tapeloom-nn")
backends = {found.name: found.value for found in importlib.metadata.entry_points(group="tapeloom.backends")}
assert backends == {"cpu": "tapeloom_backend_numpy", "cuda": "tapeloom_backend_cupy"}, backends

tl.manual_seed(0)
model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
x = tl.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = tl.tensor([[0.0], [1.0], [1.0], [0.0]])
for _ in range(200):
    optimizer.zero_grad()
    loss = ((model(x) - y) ** 2).mean()
    loss.backward()
    optimizer.step()
assert loss.item() < 0.01, f"exclusive or was not learned: loss {loss.item()}"
print(f"tapeloom {tl.__version__} from wheels learned exclusive or: loss {loss.item():.1e}")
"""


#: what core, nn, data and the NumPy backend may bring, and how much room it may take beside NumPy
LIGHT = {
    "ml_dtypes",
    "numpy",
    "pluggy",
    "safetensors",
    "tapeloom",
    "tapeloom-backend-numpy",
    "tapeloom-data",
    "tapeloom-nn",
    "tqdm",
}
LIGHT_MEGABYTES = 14

WEIGH = """
import importlib.metadata

for found in importlib.metadata.distributions():
    size = sum(file.locate().stat().st_size for file in found.files or () if file.locate().is_file())
    print(found.metadata["Name"], size)
"""


def run(command: Sequence[str | Path], cwd: Path = ROOT) -> str:
    """Run a command; its output, or an exit with it where the command fails."""
    words = [str(word) for word in command]
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        words, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"dist: {' '.join(words[:8])} … exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def build(folder: Path, out: Path) -> None:
    """Build a package's sdist, and its wheel from that sdist."""
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", out, folder])


def sources(folder: Path) -> set[str]:
    """What a package's wheel should hold, its .dist-info excepted."""
    found = {
        path.relative_to(folder / "src").as_posix()
        for path in (folder / "src").rglob("*")
        if path.is_file() and not CACHES & set(path.parts) and not path.name.startswith(".")
    }
    return found if folder.name == "core" else found - set(OWNED_BY_CORE)


def wrong_in(wheel: Path, folder: Path) -> list[str]:
    """How a wheel differs from what it should be."""
    project = bump.load(folder / "pyproject.toml")
    wrong = []
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = next(name.split("/")[0] for name in names if name.endswith(".dist-info/METADATA"))
        metadata = HeaderParser().parsestr(archive.read(f"{info}/METADATA").decode())
        points = f"{info}/entry_points.txt"
        entries = archive.read(points).decode() if points in names else ""
    content = {name for name in names if not name.startswith(f"{info}/")}
    expected = sources(folder)
    wrong += [f"{wheel.name}: lacks {name}" for name in sorted(expected - content)]
    wrong += [f"{wheel.name}: should not hold {name}" for name in sorted(content - expected)]
    if not any(name.endswith("/py.typed") for name in content):
        wrong.append(f"{wheel.name}: lacks py.typed")
    if f"{info}/licenses/LICENSE" not in names:
        wrong.append(f"{wheel.name}: lacks its licence")
    for group, points_of in {"console_scripts": project.get("scripts", {}), **project.get("entry-points", {})}.items():
        for name, value in points_of.items():
            if f"{name} = {value}" not in entries:
                wrong.append(f"{wheel.name}: lacks the entry point {name} = {value} of {group}")
    pins = [line for line in metadata.get_all("Requires-Dist", []) if line.startswith("tapeloom")]
    wrong += [
        f"{wheel.name}: requires {line!r}" for line in pins if f"=={bump.current()}" not in line.partition(";")[0]
    ]
    return wrong


def install_and_run(wheels: dict[str, Path], scratch: Path) -> None:
    """Install all wheels but the JAX backend's (JAX is large) into a fresh environment, and use them there."""
    environment = scratch / "venv"
    venv.create(environment, with_pip=True)
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    # Files, not names: what an index serves under the same names and version can never take their place.
    files = [wheels[name] for name in sorted(wheels) if name != "backend-jax"]
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *files])
    run([python, "-m", "pip", "check"])
    elsewhere = scratch / "elsewhere"
    elsewhere.mkdir()
    program = elsewhere / "program.py"
    program.write_text(f"VERSION = {bump.current()!r}\n{PROGRAM}", encoding="utf-8")
    print(run([python, "-I", "-W", "error", program], elsewhere), end="")
    weigh(python)
    cache = scratch / "mypy"
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(cache), "--python-executable", str(python)]
    print(f"typing against the wheels: {run([*mypy, 'tests/typing'])}", end="")


def weigh(python: Path) -> None:
    """The light install brings nothing that is heavy, and little in all."""
    sizes = dict(line.rsplit(" ", 1) for line in run([python, "-I", "-c", WEIGH]).splitlines())
    for name in ("pip", "setuptools", "tapeloom-backend-cupy"):
        sizes.pop(name, None)
    if sizes.keys() != LIGHT:
        raise SystemExit(f"dist: the light install holds {sorted(sizes)}; {sorted(LIGHT)} was expected")
    megabytes = sum(int(size) for name, size in sizes.items() if name != "numpy") / 1e6
    print(f"the light install takes {megabytes:.1f} MB beside NumPy")
    if megabytes > LIGHT_MEGABYTES:
        raise SystemExit(f"dist: that is more than {LIGHT_MEGABYTES} MB: {sizes}")


def check(out: Path, scratch: Path) -> None:
    """All of it; exits with the first thing that is wrong."""
    folders = sorted(path.parent for path in bump.projects().values())
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda folder: build(folder, out), folders))
    files = sorted(str(path) for path in out.iterdir())
    if len(files) != 2 * len(folders):
        raise SystemExit(f"dist: {len(folders)} sdists and wheels were expected; there are {files}")
    run([sys.executable, "-m", "twine", "check", "--strict", *files])
    wheels = {}
    for folder in folders:
        name = bump.load(folder / "pyproject.toml")["name"].replace("-", "_")
        (wheels[folder.name],) = out.glob(f"{name}-{bump.current()}-*.whl")
    run([sys.executable, "-m", "check_wheel_contents", *wheels.values()])
    wrong = [line for folder in folders for line in wrong_in(wheels[folder.name], folder)]
    if wrong:
        raise SystemExit("dist:\n" + "\n".join(wrong))
    for wheel in wheels.values():
        print(f"{wheel.name}: {wheel.stat().st_size / 1024:.0f} KiB")
    install_and_run(wheels, scratch)


def main() -> None:
    """Run the command line described at the top of this file."""
    parser = argparse.ArgumentParser(description="Build and check the six distributions.")
    parser.add_argument("--out", type=Path, help="where the sdists and wheels stay; empty or missing")
    arguments = parser.parse_args()
    if arguments.out is not None and arguments.out.is_dir() and any(arguments.out.iterdir()):
        parser.error(f"{arguments.out} is not empty: an old file there could be taken for a new one")
    with tempfile.TemporaryDirectory() as folder:
        check(arguments.out.resolve() if arguments.out else Path(folder) / "dist", Path(folder))
    print("dist: all hold")


if __name__ == "__main__":
    main()
