"""The conformance suite on array-api-strict: the shared kernels need the Array API standard, and nothing beyond it.

The library refuses what the standard does not have: NumPy's functions and methods, index arrays beside slices, writes at
index arrays, arithmetic on bools, slices beyond the end. The backend here is what the author of one over such a library writes.
"""

from __future__ import annotations

from typing import Any

import array_api_strict
import numpy as np
import pytest

import tapeloom as tl
from tapeloom.backend.arrayapi import ArrayAPIBackend
from tapeloom.backend.kernels.standard import StandardKernels
from tapeloom.devices import Device
from tapeloom.testing import Conformance


class StrictKernels(StandardKernels):
    """All kernels but one are inherited."""

    def complex(self, real: Any, imag: Any) -> Any:
        parts = np.stack(np.broadcast_arrays(np.asarray(real), np.asarray(imag)), axis=-1)
        dtype = np.result_type(parts, np.complex64)
        return self.xp.asarray(parts.view(dtype)[..., 0])


class StrictBackend(ArrayAPIBackend):
    """The runtime: what is lacking, and the way to the host and back."""

    name = "strict"
    device_type = "strict"
    kernels_class = StrictKernels
    lacking_dtypes = frozenset({tl.float16, tl.bfloat16})

    def from_host(self, array: Any, device: Device) -> Any:
        return self.xp.asarray(array, copy=True)

    def to_host(self, array: Any) -> Any:
        return np.asarray(array)


# the library computes with NumPy, which warns of log(0) and 1 / 0
@pytest.mark.filterwarnings("ignore::RuntimeWarning:array_api_strict")
class TestStrict(Conformance):
    device = "strict"

    @staticmethod
    def make_backend() -> StrictBackend:
        return StrictBackend(array_api_strict)
