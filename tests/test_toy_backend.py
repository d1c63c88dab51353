"""The toy backend of the documentation: installed as a distribution, trained on, and put through the public suite."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tapeloom as tl
from tapeloom import nn, optim

TOY = Path(__file__).resolve().parents[1] / "docs" / "extending" / "toy_backend"


def write_metadata(folder: Path) -> None:
    """What an installer would leave in ``folder``, from the distribution's own pyproject.toml."""
    project = tomllib.loads((TOY / "pyproject.toml").read_text("utf-8"))["project"]
    name, version = project["name"], project["version"]
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = project["entry-points"].items()
    lines = [line for group, entries in groups for line in (f"[{group}]", *(f"{k} = {v}" for k, v in entries.items()))]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The toy backend, found by its entry point."""
    write_metadata(tmp_path)
    monkeypatch.syspath_prepend(str(TOY))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tl.get_backend("toy")
    tl.unregister_backend("toy")
    sys.modules.pop("tapeloom_backend_toy")


def losses(device: str, steps: int = 5) -> list[float]:
    """Train a small network on ``device``; the loss before each step."""
    tl.manual_seed(0)
    with tl.device(device):
        x, y = tl.randn(32, 4), tl.randint(0, 3, (32,))
        model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.LayerNorm(16), nn.Linear(16, 3))
        optimizer = optim.Adam(model.parameters(), lr=0.05)
        found = []
        for _ in range(steps):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            found.append(loss.item())
    return found


def test_it_trains_as_the_cpu_does(toy: Any) -> None:
    found = losses("toy")
    assert found == pytest.approx(losses("cpu"), rel=1e-5)
    assert found[-1] < found[0]
    assert toy.calls["linear"] == 10 and toy.calls["cross_entropy_rows"] == 5


def test_its_override_is_the_kernel_that_runs(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = tl.tensor([1.0, 2.0]), tl.tensor([[3.0, 4.0]], requires_grad=True)
    seen: list[str] = []
    einsum = toy.xp.einsum
    monkeypatch.setattr(toy.xp, "einsum", lambda *given: seen.append(given[0]) or einsum(*given))
    y = nn.functional.linear(x.to("toy"), weight.to("toy"))
    y.sum().backward()
    assert seen == ["...i,oi->...o"] and toy.calls["linear"] == 1
    assert y.tolist() == [11.0] and weight.grad is not None and weight.grad.tolist() == [[1.0, 2.0]]


def test_a_model_moves_to_it_and_back(toy: Any) -> None:
    model, x = nn.Linear(3, 2), tl.ones(1, 3)
    before = model(x)
    model.to("toy")
    there = model(x.to("toy"))
    assert str(there.device) == "toy" and tl.allclose(there.cpu(), before)
    assert tl.allclose(model.cpu()(x), before)


def test_it_passes_the_public_suite(tmp_path: Path) -> None:
    """Its own test file, a few ops of every family, in a process of its own."""
    write_metadata(tmp_path)
    path = os.pathsep.join([str(tmp_path), str(TOY), os.environ.get("PYTHONPATH", "")])
    chosen = "linear or exp or multiply or matmul or cross_entropy or index_put or conv2d or cumsum or no_strangers"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-k",
            chosen,
            str(TOY / "test_conformance.py"),
        ],
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
