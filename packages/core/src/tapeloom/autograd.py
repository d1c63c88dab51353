"""Gradients as functions: ``backward`` and ``grad`` over the tape, as in PyTorch's ``torch.autograd``."""

from __future__ import annotations

from tapeloom.tape.backward import backward, grad

__all__ = ["backward", "grad"]
