"""Gradients by name, operations with gradients of one's own, and the search for nan: what PyTorch has under ``autograd``."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tapeloom.autograd import anomaly_mode, function, functional, graph
from tapeloom.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from tapeloom.autograd.function import Function, once_differentiable
from tapeloom.autograd.origins import why_no_grad
from tapeloom.modes import enable_grad, inference_mode, no_grad, set_grad_enabled
from tapeloom.tape.walk import backward, grad

__all__ = [
    "Function",
    "GradcheckError",
    "anomaly_mode",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "function",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "no_grad",
    "once_differentiable",
    "set_detect_anomaly",
    "set_grad_enabled",
    "why_no_grad",
]


def __getattr__(name: str) -> Any:
    """The checks of gradients, from ``tapeloom.testing``, which nothing loads before its use."""
    if name in ("GradcheckError", "gradcheck", "gradgradcheck"):
        return getattr(import_module("tapeloom.testing.gradients"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
