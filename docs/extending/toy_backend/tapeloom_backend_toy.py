"""A toy backend: NumPy that counts how often core calls each kernel. Device type ``toy``."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

from tapeloom.backend.arrayapi import ArrayAPIBackend
from tapeloom.backend.hookspecs import hookimpl
from tapeloom.backend.kernels import ArrayKernels
from tapeloom.backend.runtime import Backend
from tapeloom.devices import Device
from tapeloom.dtypes import DType
from tapeloom.op.schema import OpSchema

TAPELOOM_API = (1, 0)


class ToyKernels(ArrayKernels):
    """The shared kernels. All are inherited; one is here to show an override."""

    def linear(self, x: Any, weight: Any, bias: Any) -> Any:
        out = self.xp.einsum("...i,oi->...o", x, weight)  # no transposed copy of the weight
        return out if bias is None else out + bias


class ToyBackend(ArrayAPIBackend):
    """The runtime of these kernels over NumPy. ``calls`` says how often each op was computed here."""

    name = "toy"
    device_type = "toy"
    kernels_class = ToyKernels

    def __init__(self, xp: Any) -> None:
        super().__init__(xp)
        self.calls: Counter[str] = Counter()

    def versions(self) -> dict[str, str]:
        return {"numpy": self.xp.__version__}

    # transfer: what no array library has in common with another

    def from_host(self, array: Any, device: Device) -> Any:
        return self.xp.array(array)

    def to_host(self, array: Any) -> Any:
        return self.xp.asarray(array)

    # how kernels are run: core asks once for each op and dtype, and then calls what it was given

    def kernel_for(self, op: OpSchema, dtype: DType) -> Callable[..., Any]:
        run = super().kernel_for(op, dtype)

        def counted(*values: Any) -> Any:
            self.calls[op.name] += 1
            return run(*values)

        return counted


@hookimpl
def tapeloom_backend() -> Backend:
    """The backend for the device type ``toy``; libraries are imported here, when it is first asked for."""
    import numpy

    # NumPy warns of log(0) and 1 / 0; their results are -inf and inf, and nothing more is to be said.
    warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"tapeloom($|\.|_)")
    return ToyBackend(numpy)
