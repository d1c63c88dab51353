"""The conformance suite on the XLA backend."""

import pytest

from tapeloom.testing import Conformance

pytest.importorskip("tapeloom_backend_jax", reason="tapeloom-backend-jax is not installed")


class TestJax(Conformance):
    device = "xla"
    xfails = "xfails.txt"
    compiles = True
