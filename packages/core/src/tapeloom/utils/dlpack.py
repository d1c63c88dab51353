"""DLPack under PyTorch's names; both are in ``tapeloom`` itself too."""

from __future__ import annotations

from tapeloom.ops.interchange import from_dlpack, to_dlpack

__all__ = ["from_dlpack", "to_dlpack"]
