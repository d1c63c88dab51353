"""Fused kernels on NumPy where fewer passes pay: the shared text is right, these write over what they alone hold."""

from __future__ import annotations

from typing import Any

from tapeloom.backend.kernels import ArrayKernels

Array = Any

_FEW = 32  # classes


class Fused(ArrayKernels):
    """The linear layer and the common case of cross-entropy."""

    def linear(self, x: Array, weight: Array, bias: Array | None) -> Array:
        out = self.xp.matmul(x, weight.T)
        if bias is not None:
            if not out.ndim:
                return out + bias
            out += bias  # ours alone: no temporary
        return out

    def cross_entropy_rows(
        self,
        x: Array,
        target: Array,
        weight: Array | None,
        ignore_index: int,
        reduction: str,
        label_smoothing: float | None,
    ) -> tuple[Array, tuple[Array, Array, Array]]:
        general = super().cross_entropy_rows
        if weight is not None or label_smoothing or reduction != "mean":
            return general(x, target, weight, ignore_index, reduction, label_smoothing)
        np = self.xp
        count, classes = x.shape
        # labels to be ignored: those that could be taken for an index are looked for, others are none and stand out below
        if -classes <= ignore_index < classes and np.count_nonzero(target == ignore_index):
            return general(x, target, weight, ignore_index, reduction, label_smoothing)
        rows = np.arange(count)
        try:
            if classes <= _FEW:  # short rows reduce slowly: one class after the other, all rows at once
                lowered = x.T.copy()
                top = np.maximum.reduce(lowered, axis=0)
                lowered -= top
                picked = lowered[target, rows]
                sums = np.add.reduce(np.exp(lowered, out=lowered), axis=0)
            else:
                top = np.maximum.reduce(x, axis=1)
                lowered = x - top[:, None]
                picked = lowered[rows, target]
                sums = np.add.reduce(np.exp(lowered, out=lowered), axis=1)
        except IndexError:
            return general(x, target, weight, ignore_index, reduction, label_smoothing)
        log_sum = np.log(sums, out=sums)
        total = x.dtype.type(count)
        return np.add.reduce(log_sum - picked) / total, (top[:, None], log_sum[:, None], total)

    def cross_entropy_backward(
        self,
        g: Array,
        x: Array,
        target: Array,
        weight: Array | None,
        top: Array,
        log_sum: Array,
        total: Array,
        ignore_index: int,
        reduction: str,
        label_smoothing: float | None,
    ) -> Array:
        # with no weight, "mean" divides by the number of rows that count: all of them?
        if weight is not None or label_smoothing or reduction != "mean" or total != x.shape[0]:
            return super().cross_entropy_backward(
                g, x, target, weight, top, log_sum, total, ignore_index, reduction, label_smoothing
            )
        np = self.xp
        slope = np.subtract(x, top, order="C")  # contiguous, so that one index a row, the cheapest, can be made
        slope -= log_sum
        np.exp(slope, out=slope)
        slope.reshape(-1)[np.arange(0, slope.size, x.shape[1]) + target] -= 1
        slope *= g / total
        return slope
