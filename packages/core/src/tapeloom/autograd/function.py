"""``Function`` and what belongs to it, where PyTorch's users import them from."""

from __future__ import annotations

from tapeloom.tape.function import Function, FunctionCtx, once_differentiable

__all__ = ["Function", "FunctionCtx", "once_differentiable"]
