"""The conformance suite on the NumPy backend."""

from tapeloom.testing import Conformance


class TestNumpy(Conformance):
    device = "cpu"
