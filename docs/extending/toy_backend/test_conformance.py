from tapeloom.testing import Conformance


class TestToy(Conformance):
    device = "toy"
