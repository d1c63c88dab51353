"""The conformance suite on the XLA backend."""

from tapeloom.testing import Conformance


class TestXla(Conformance):
    device = "xla"
