"""Gradients by name: the functions that PyTorch's users find under ``autograd``."""

from __future__ import annotations

from tapeloom.tape.walk import backward, grad

__all__ = ["backward", "grad"]
