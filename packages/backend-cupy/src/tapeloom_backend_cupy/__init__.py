"""The CUDA backend of tapeloom, on CuPy. This module is light: CuPy is imported when the backend is first asked for."""

from __future__ import annotations

from tapeloom.backend.hookspecs import hookimpl
from tapeloom.backend.runtime import Backend
from tapeloom.distributions import install_command
from tapeloom.errors import BackendError, DeviceError

TAPELOOM_API = (1, 0)


@hookimpl
def tapeloom_backend() -> Backend:
    """The backend for the device type ``cuda``. Without CuPy a BackendError, without a GPU a DeviceError, which say what to do."""
    try:
        import cupy
    except ImportError as error:
        command = install_command("tapeloom-backend-cupy[cuda13]")
        raise BackendError(
            f"backend 'cuda': CuPy cannot be imported ({error}). Run: {command} (or [cuda12], by your CUDA driver)",
            fix=command,
        ) from error
    if not cupy.cuda.is_available():
        raise DeviceError(
            f"backend 'cuda': CuPy {cupy.__version__} is installed and finds no usable GPU and driver. "
            f"Check nvidia-smi, and that the CuPy package fits the driver's CUDA version."
        )
    from tapeloom_backend_cupy.backend import CupyBackend

    return CupyBackend(cupy)
