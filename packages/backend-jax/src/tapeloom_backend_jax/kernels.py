"""JaxKernels: the texts that XLA compiles, one for each kernel."""

from __future__ import annotations

from typing import Any

from tapeloom.backend.kernels import ArrayKernels
from tapeloom_backend_jax.decomposition import Decomposition
from tapeloom_backend_jax.indexing import Indexing
from tapeloom_backend_jax.numeric import Numeric
from tapeloom_backend_jax.window import Window


class JaxKernels(Indexing, Window, Decomposition, Numeric, ArrayKernels):
    """The shared kernels over jax.numpy, and what differs or is faster here. They run on tracers only.

    ``platform`` is JAX's name of where the programs will run: ``cpu``, ``gpu``, ``tpu``.
    """

    def __init__(self, xp: Any, platform: str) -> None:
        super().__init__(xp)
        self.platform = platform
