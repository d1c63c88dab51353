"""The conformance suite on the XLA backend."""

from tapeloom.testing import Conformance


class TestJax(Conformance):
    device = "xla"
    xfails = "xfails.txt"
    compiles = True
