"""The conformance suite: on the CuPy backend over NumPy (everything but the CUDA text), and on a GPU where there is one."""

from __future__ import annotations

import importlib
import os

import numpy
import pytest

from tapeloom.backend.runtime import Backend
from tapeloom.testing import Conformance
from tapeloom_backend_cupy.backend import CupyBackend


def missing_gpu() -> str:
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        return f"cupy is not installed: {error}"
    return "" if cupy.cuda.is_available() else "cupy.cuda.is_available() is False: no CUDA GPU or no driver"


class TestCupyOverNumpy(Conformance):
    device = "cuda"

    @staticmethod
    def make_backend() -> Backend:
        return CupyBackend(numpy)


@pytest.mark.gpu
@pytest.mark.skipif(bool(missing_gpu()) and os.environ.get("TAPELOOM_REQUIRE") != "cuda", reason=missing_gpu())
class TestCupy(Conformance):
    device = "cuda"
