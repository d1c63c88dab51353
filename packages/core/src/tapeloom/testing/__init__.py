"""Tools to prove that a backend, an op or a program of one's own is right.

``Conformance`` is the whole suite for a backend, as one class to inherit from; ``gradcheck`` and ``gradgradcheck``
compare gradients with differences; ``agree`` compares devices; ``plugin`` gives tests of one's own a device. Nothing here
is loaded before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tapeloom.testing.comparison import Comparison, compare
    from tapeloom.testing.conformance import Conformance
    from tapeloom.testing.differential import agree
    from tapeloom.testing.gradients import GradcheckError, gradcheck, gradgradcheck

_HOMES = {
    "Comparison": "comparison",
    "Conformance": "conformance",
    "GradcheckError": "gradients",
    "agree": "differential",
    "compare": "comparison",
    "gradcheck": "gradients",
    "gradgradcheck": "gradients",
}

__all__ = ["Comparison", "Conformance", "GradcheckError", "agree", "compare", "gradcheck", "gradgradcheck"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"tapeloom.testing.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'tapeloom.testing' has no attribute {name!r}")
