"""Running results on NumPy: its functions accumulate in one pass, where the shared text takes log2(length) of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapeloom.backend.kernels.scan import Scan

Array = Any


class NativeScan(Scan):
    """Overrides of the kernels of running results."""

    gather: Any

    def accumulate(self, how: str, x: Array, dim: int) -> Array:
        if x.dtype.kind == "c":  # of which numpy.logaddexp knows nothing
            return super().accumulate(how, x, dim)
        return getattr(np, how).accumulate(x, axis=dim)

    def _running_extreme(self, how: str, x: Array, dim: int) -> tuple[Array, Array]:
        if not x.ndim or x.shape[dim] > np.iinfo(np.int32).max:
            return super()._running_extreme(how, x, dim)
        order = self.numbers(x)
        best = self.accumulate(how, order, dim)
        here = order == best  # where the extreme is met (again); nan is one
        if x.dtype.kind not in "iu":
            here |= x != x
        places: Any = self.places(x, dim)
        met = np.where(here, places.astype(np.int32), np.int32(0))  # fresh memory is what costs: half of it
        indices = np.maximum.accumulate(met, axis=dim, out=met).astype(np.int64)
        if order is x and (x.dtype.kind in "iu" or best.all()):
            return best, indices
        return self.gather(x, dim, indices), indices  # with the sign of the 0 that was met
