"""CupyKernels: the shared kernels over CuPy, with CUDA kernels of our own where CuPy has none or a slow one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from math import prod
from typing import Any

from tapeloom import dtypes
from tapeloom.backend.kernels import ArrayKernels
from tapeloom.backend.kernels.indexing import is_basic
from tapeloom_backend_cupy import cuda

Array = Any
Ints = tuple[int, ...]

#: what CUDA adds atomically: complex numbers by their parts, int64 as the unsigned numbers with the same bits
ATOMIC = frozenset({dtypes.int32, dtypes.int64, dtypes.float32, dtypes.float64, *dtypes.COMPLEXES})


class CupyKernels(ArrayKernels):
    """The kernels for ``cuda``. ``self.cuda`` holds the launchers of the CUDA kernels, over NumPy their twins."""

    def __init__(self, xp: Any) -> None:
        super().__init__(xp)
        self.cuda = cuda.functions_for(xp)

    def _floating(self, x: Array) -> bool:
        """Whether the CUDA kernels take ``x``."""
        return self.dtype_of(x).is_floating_point

    # what CuPy does otherwise than NumPy

    def where(self, condition: Array, x: Array, y: Array) -> Array:
        return self._bfloat16_kept(self.xp.where(condition, x, y), x, y)

    def tril(self, x: Array, diagonal: int) -> Array:
        return self._bfloat16_kept(super().tril(x, diagonal), x)

    def triu(self, x: Array, diagonal: int) -> Array:
        return self._bfloat16_kept(super().triu(x, diagonal), x)

    def _bfloat16_kept(self, chosen: Array, *arrays: Array) -> Array:
        """CuPy's ``where`` has no bfloat16: it chooses among float32 copies, which are the same numbers."""
        bfloat16 = self.native(dtypes.bfloat16)
        if any(getattr(array, "dtype", None) == bfloat16 for array in arrays):
            return self.cast(chosen, dtypes.bfloat16)
        return chosen

    def sum(self, x: Array, dim: Ints, keepdim: bool = False) -> Array:
        if not self.dtype_of(x).half:
            return super().sum(x, dim, keepdim)
        # the sum itself in float32, without a copy of x: CuPy may add up half types as they are
        return self.xp.sum(x, axis=dim, keepdims=keepdim, dtype=self.xp.float32).astype(x.dtype)

    def _sorted_places(self, x: Array, dim: int) -> Array:
        return self.xp.argsort(x, axis=dim, kind="stable")  # CuPy does not know the standard's keyword ``stable``

    def at(self, x: Array, key: Any, value: Array, how: str = "set", owned: bool = False) -> Array:
        if how not in ("set", "add"):  # at index arrays CuPy does not multiply, and has extremes of few dtypes
            return self.folded(x, key, value, how)
        if how != "add" or is_basic(key):
            return super().at(x, key, value, how, owned)
        dtype = self.dtype_of(x)
        if dtype in ATOMIC:
            total = x if owned else self.copy(x)
            self._add_at(total, key, self.cast(value, dtype))
            return total
        wide = dtypes.float32 if dtype.half else dtypes.int32
        total = self.cast(x, wide)
        self._add_at(total, key, self.cast(value, wide))
        return self.cast(total, dtype)

    def _add_at(self, total: Array, key: Any, value: Array) -> None:
        add_at = self.xp.add.at
        if self.dtype_of(total).is_complex:
            add_at(total.real, key, value.real)
            add_at(total.imag, key, value.imag)
        elif total.dtype == self.xp.int64:
            add_at(total.view(self.xp.uint64), key, value.view(self.xp.uint64))
        else:
            add_at(total, key, value)

    # CuPy's linear algebra says nothing of a matrix without a solution unless it is told to, and it has no svdvals

    def _raising(self) -> AbstractContextManager[Any]:
        if self.xp.__name__ != "cupy":
            return nullcontext()
        import cupyx

        return cupyx.errstate(linalg="raise")  # type: ignore[no-any-return]

    def _checked(
        self, function: Callable[[Array], Array], x: Array, explain: Callable[[Array], Array]
    ) -> tuple[Array, Array]:
        with self._raising():
            return super()._checked(function, x, explain)

    def _solved(self, compute: Callable[[], Array], x: Array, y: Array) -> tuple[Array, Array]:
        with self._raising():
            return super()._solved(compute, x, y)

    def _converging(self, name: str, x: Array, decompose: Callable[[Array], Any]) -> Any:
        with self._raising():
            return super()._converging(name, x, decompose)

    def singular_values(self, x: Array) -> Array:
        return self._converging("svd", x, lambda x: self.xp.linalg.svd(x, compute_uv=False))

    # kernels of our own

    def matmul(self, x: Array, y: Array) -> Array:
        # cupy.matmul casts batches of float16 to float32 and sends bfloat16 to its integer kernel
        return self.cuda.matmul(x, y) if self._floating(x) else self.xp.matmul(x, y)

    def softmax(self, x: Array, dim: int) -> Array:
        return self.cuda.softmax(x, dim) if x.ndim else super().softmax(x, dim)

    def log_softmax(self, x: Array, dim: int) -> Array:
        return self.cuda.log_softmax(x, dim) if x.ndim else super().log_softmax(x, dim)

    def cross_entropy_rows(
        self,
        x: Array,
        target: Array,
        weight: Array | None,
        ignore_index: int,
        reduction: str,
        label_smoothing: float | None,
    ) -> tuple[Array, tuple[Array, Array, Array]]:
        smoothing = label_smoothing or 0.0
        losses, log_sum_exp, factors = self.cuda.cross_entropy_forward(x, target, weight, ignore_index, smoothing)
        total = factors.sum()
        if reduction != "none":
            losses = losses.sum() / total if reduction == "mean" else losses.sum()
        return losses.astype(x.dtype), (log_sum_exp[:, :1], log_sum_exp[:, 1:], total)

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
        wide = g.astype(total.dtype)
        if reduction == "mean":
            wide = wide / total
        log_sum_exp = self.xp.concatenate([top, log_sum], axis=1)
        smoothing = label_smoothing or 0.0
        return self.cuda.cross_entropy_backward(wide, x, target, weight, log_sum_exp, ignore_index, smoothing)

    def max_pool_with_indices(
        self, x: Array, kernel_size: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
    ) -> tuple[Array, Array]:
        if len(kernel_size) != 2 or not self._floating(x):  # the CUDA kernel is for planes of floating numbers
            return super().max_pool_with_indices(x, kernel_size, stride, padding, dilation, ceil_mode)
        return self.cuda.max_pool2d_with_indices(x, kernel_size, stride, padding, dilation, ceil_mode)

    def max_pool_backward(self, upstream: Array, indices: Array, x_size: Ints) -> Array:
        if not self._floating(upstream):
            return super().max_pool_backward(upstream, indices, x_size)

        # the places count through all spatial axes, so that one long axis does for them
        def line(size: Ints) -> Ints:
            return (*size[:2], 1, prod(size[2:]))

        g, places = (array.reshape(line(array.shape)) for array in (upstream, indices))
        return self.cuda.max_pool2d_backward(g, places, line(x_size)).reshape(x_size)

    def embedding_backward(
        self, upstream: Array, indices: Array, num_embeddings: int, padding_idx: int | None
    ) -> Array:
        if not self._floating(upstream):
            return super().embedding_backward(upstream, indices, num_embeddings, padding_idx)
        return self.cuda.embedding_backward(upstream, indices, num_embeddings, padding_idx)

    def random_words(self, seed: int, offset: int, n: int) -> Array:
        return self.cuda.random_words(seed, offset, n)

    # optimizer formulas for all parameters of a group in one launch

    def fused_sgd(self, params: list[Array], grads: list[Array], momenta: list[Array], **settings: Any) -> Any:
        return self.cuda.fused_sgd(params, grads, momenta, **settings)

    def fused_adam(
        self,
        params: list[Array],
        grads: list[Array],
        exp_avgs: list[Array],
        exp_avg_sqs: list[Array],
        max_exp_avg_sqs: list[Array],
        **settings: Any,
    ) -> Any:
        return self.cuda.fused_adam(params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, **settings)
