"""Signals under the names of ``torch.signal``: the windows."""

from tapeloom.signal import windows

__all__ = ["windows"]
