"""JaxKernels: the texts that XLA compiles, one method for each op and each helper that core calls."""

from __future__ import annotations

from typing import Any

from tapeloom.backend.arrayapi import ArrayAPIBackend
from tapeloom_backend_jax.indexing import Indexing
from tapeloom_backend_jax.numeric import Numeric
from tapeloom_backend_jax.window import Window


class JaxKernels(Indexing, Window, Numeric, ArrayAPIBackend):
    """The shared kernels over jax.numpy, and what differs or is faster here. They run on tracers only.

    ``platform`` is JAX's name of where the programs will run: ``cpu``, ``gpu``, ``tpu``.
    """

    name = "jax"
    device_type = "xla"

    def __init__(self, xp: Any, platform: str) -> None:
        super().__init__(xp)
        self.platform = platform
