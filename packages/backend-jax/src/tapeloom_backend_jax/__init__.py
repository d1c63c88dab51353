"""The XLA backend of tapeloom, on JAX. This module is light: JAX is imported when the backend is first asked for."""

from __future__ import annotations

from tapeloom.backend.hookspecs import hookimpl
from tapeloom.backend.runtime import Backend

TAPELOOM_API = (1, 0)


@hookimpl
def tapeloom_backend() -> Backend:
    """The backend for the device type ``xla``."""
    import jax.numpy

    from tapeloom_backend_jax.backend import JaxBackend

    return JaxBackend(jax.numpy)
