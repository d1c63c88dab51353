"""The CPU backend of tapeloom, on NumPy. This module is light: NumPy is imported when the backend is first asked for."""

from __future__ import annotations

from tapeloom.backend.hookspecs import hookimpl
from tapeloom.backend.runtime import Backend

TAPELOOM_API = (1, 0)


@hookimpl
def tapeloom_backend() -> Backend:
    """The backend for the device type ``cpu``."""
    import numpy

    from tapeloom_backend_numpy.backend import NumpyBackend

    return NumpyBackend(numpy)
