"""What an operation and a training step cost: watched by ``tox -e bench``, never asserted."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from workloads import WORKLOADS, library

pytest.importorskip("pytest_benchmark", reason="pytest-benchmark is not installed; run: tox -e bench")


@pytest.mark.parametrize("name", WORKLOADS)
def test_workload(name, benchmark):
    """One workload on the default device."""
    workload, _, _ = WORKLOADS[name]
    work = workload(library("tapeloom"))
    work()
    benchmark(work)
