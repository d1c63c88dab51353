"""That tools/torch_names.toml holds the names of the PyTorch that is installed."""

from __future__ import annotations

import runpy
import tomllib
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the oracle tests compare with PyTorch; install the group `torch`")
TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.mark.filterwarnings("ignore")  # of PyTorch's deprecated attributes
def test_the_recorded_names_are_those_of_pytorch():
    recorded = (TOOLS / "torch_names.toml").read_text("utf-8")
    assert recorded == runpy.run_path(str(TOOLS / "record_torch_names.py"))["record"]()


def test_every_exclusion_has_a_reason_and_names():
    for group in tomllib.loads((TOOLS / "torch_names.toml").read_text("utf-8"))["excluded"]:
        assert group["reason"] and group["names"].split(), group["group"]
