"""Linear algebra where NumPy needs a word: it warns of what overflows, and it has the reflections of a QR decomposition."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tapeloom.backend.kernels import ArrayKernels
from tapeloom.backend.kernels.decomposition import NOT_CONVERGED
from tapeloom.errors import LinAlgError

Array = Any

#: kernels of numpy.linalg, which computes in float64 and warns of what float32 cannot hold: here that is inf without a word
WARNING = (
    "cholesky_factor qr_factors svd_factors singular_values eigh_factors eigh_values eig_factors lu_decomposition solve_system "
    "inverse_info solve_triangle determinant sign_and_log cofactors pseudo_inverse matrix_exponential"
).split()


def _quiet(name: str) -> Callable[..., Any]:
    shared = getattr(ArrayKernels, name)

    @functools.wraps(shared)
    def run(self: Any, *values: Any) -> Any:
        with np.errstate(all="ignore"):
            return shared(self, *values)

    return run


class Decomposition(ArrayKernels):
    """The shared kernels without NumPy's warnings."""

    def _converging(self, name: str, x: Array, decompose: Callable[[Array], Any]) -> Any:
        if not np.isfinite(x).all():  # with a nan some LAPACKs iterate for ever
            raise LinAlgError(NOT_CONVERGED.format(name))
        return super()._converging(name, x, decompose)

    def geqrf(self, x: Array) -> tuple[Array, Array]:
        if 0 in x.shape:
            return super().geqrf(x)
        turned, tau = np.linalg.qr(x, mode="raw")  # LAPACK's, by blocks
        return turned.mT.astype(x.dtype), tau.astype(x.dtype)


for _name in WARNING:
    setattr(Decomposition, _name, _quiet(_name))
