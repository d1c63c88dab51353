"""The conformance suite over array-api-strict: what the shared kernels ask of ``xp`` is the Array API standard."""

from __future__ import annotations

from typing import Any

import array_api_strict
import numpy as np
import pytest

import tapeloom as tl
from tapeloom.backend.arrayapi import ArrayAPIBackend
from tapeloom.backend.kernels.standard import StandardKernels
from tapeloom.testing import Conformance


class StrictKernels(StandardKernels):
    def complex(self, real, imag):
        part = np.result_type(np.asarray(real), np.asarray(imag))
        shape = np.broadcast_shapes(real.shape, imag.shape)
        out = np.empty(shape, np.result_type(part, np.complex64))
        out.real, out.imag = np.asarray(real), np.asarray(imag)
        return self.xp.asarray(out)


class StrictBackend(ArrayAPIBackend):
    name = "strict"
    device_type = "strict"
    kernels_class = StrictKernels
    lacking_dtypes = frozenset({tl.float16, tl.bfloat16})

    def from_host(self, array, device):
        return self.xp.asarray(np.array(array))

    def to_host(self, array):
        return np.asarray(array)


@pytest.mark.filterwarnings("ignore::RuntimeWarning:array_api_strict")
class TestStrict(Conformance):
    device = "strict"

    @staticmethod
    def make_backend():
        return StrictBackend(array_api_strict)
