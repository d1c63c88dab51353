"""The conformance suite on the CuPy backend: on a GPU where there is one, and over NumPy with the kernels' twins."""

import numpy
import pytest

from tapeloom.testing import Conformance

cupy_backend = pytest.importorskip("tapeloom_backend_cupy.backend", reason="tapeloom-backend-cupy is not installed")


class TestCupyOverNumpy(Conformance):
    device = "cuda"
    xfails = "xfails_cupy.txt"

    @staticmethod
    def make_backend():
        return cupy_backend.CupyBackend(numpy)


class TestCupy(Conformance):
    device = "cuda"
    xfails = "xfails_cupy.txt"
