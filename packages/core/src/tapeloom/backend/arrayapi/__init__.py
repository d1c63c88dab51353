"""ArrayAPIBackend: every kernel once, over an array module ``xp`` that follows NumPy's names.

A backend subclasses it, gives its module, and overrides only what differs or can be faster. Nothing here imports an
array library. Composites use only ``self.<kernel>`` and operators: the same text then runs on Tensors, with the ops as
``self``, which is how fused ops get their second derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tapeloom import dtypes
from tapeloom.backend.arrayapi.activation import Activation
from tapeloom.backend.arrayapi.elementwise import DIRECT, Elementwise
from tapeloom.backend.arrayapi.embedding import Embedding
from tapeloom.backend.arrayapi.indexing import Indexing
from tapeloom.backend.arrayapi.linalg import Linalg
from tapeloom.backend.arrayapi.loss import Loss
from tapeloom.backend.arrayapi.movement import Movement
from tapeloom.backend.arrayapi.normalization import Normalization
from tapeloom.backend.arrayapi.optimizer import Optimizer
from tapeloom.backend.arrayapi.random import Random
from tapeloom.backend.arrayapi.reduction import Reduction
from tapeloom.backend.arrayapi.window import Window
from tapeloom.backend.protocol import Backend
from tapeloom.devices import Device
from tapeloom.dtypes import DType

if TYPE_CHECKING:
    from tapeloom.tape.node import Node
    from tapeloom.tape.op import Op

Array = Any


class ArrayAPIBackend(
    Elementwise,
    Reduction,
    Movement,
    Indexing,
    Linalg,
    Activation,
    Window,
    Normalization,
    Loss,
    Embedding,
    Random,
    Optimizer,
    Backend,
):
    """The shared kernels over ``xp``; see the head of this package."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        for kernel, name in DIRECT.items():
            if not hasattr(type(self), kernel) and hasattr(xp, name):
                setattr(self, kernel, getattr(xp, name))
        self._native = {dtype: self.native_dtype(dtype) for dtype in dtypes.ALL}
        self._by_native = {native: dtype for dtype, native in self._native.items()}

    # dtypes

    def native_dtype(self, dtype: DType) -> Any:
        """The library's object for ``dtype``; bfloat16 comes from ml_dtypes."""
        if dtype is dtypes.bfloat16:
            import ml_dtypes

            return self.xp.dtype(ml_dtypes.bfloat16)
        return self.xp.dtype(dtype.name)

    def native(self, dtype: DType) -> Any:
        return self._native[dtype]

    def dtype_of(self, array: Array) -> DType:
        return self._by_native[array.dtype]

    def cast(self, x: Array, dtype: DType) -> Array:
        native = self._native[dtype]
        if x.dtype == native:
            return x
        if x.dtype.kind == "c" and not dtype.is_complex:  # libraries would warn; who converts for a user has done so
            return x != 0 if dtype is dtypes.bool_ else x.real.astype(native)
        return x.astype(native)

    def as_int64(self, x: Array) -> Array:
        return x if x.dtype == self._native[dtypes.int64] else x.astype(self._native[dtypes.int64])

    # narrow dtypes: computed in float32 and rounded once, as PyTorch's CPU kernels do

    #: the dtypes that this library computes poorly or not at all
    narrow_dtypes: frozenset[DType] = frozenset()
    #: the kernels that take them as they are nevertheless
    narrow_kernels: frozenset[str] = frozenset()

    def kernel_for(self, op: Op[Any, Any], dtype: DType) -> Callable[..., Any]:
        kernel = self.kernel(op)
        if dtype not in self.narrow_dtypes or op.moves or op.name in self.narrow_kernels:
            return kernel

        def wide(*values: Any) -> Any:
            result = kernel(*[self._widened(value) for value in values])
            if op.residuals:
                return self._narrowed(result[0], dtype), result[1]
            return self._narrowed(result, dtype)

        return wide

    def pull_for(self, dtype: DType) -> Callable[[Node, Array], list[tuple[Node, Array]]]:
        if dtype not in self.narrow_dtypes:
            return self.pull

        def wide(node: Node, g: Array) -> list[tuple[Node, Array]]:
            kept = node.kept
            node.kept = tuple(self._widened(value) for value in kept)
            try:
                pairs = self.pull(node, self._widened(g))
            finally:
                node.kept = kept
            return [(edge, self._narrowed(gradient, edge.kind.dtype)) for edge, gradient in pairs]

        return wide

    def _widened(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return type(value)(self._widened(item) for item in value)
        dtype = self._by_native.get(getattr(value, "dtype", None))
        return self.cast(value, dtypes.float32) if dtype in self.narrow_dtypes else value

    def _narrowed(self, value: Any, dtype: DType) -> Any:
        if isinstance(value, tuple):
            return tuple(self._narrowed(item, dtype) for item in value)
        found = self._by_native[value.dtype]
        return self.cast(value, dtype) if found is not dtype and found.is_floating_point else value

    # creation

    def scalar(self, value: bool | int | float, dtype: DType, device: Device) -> Array:
        return self.xp.asarray(value, dtype=self._native[dtype])

    def zeros(self, size: tuple[int, ...], dtype: DType, device: Device) -> Array:
        return self.xp.zeros(size, dtype=self._native[dtype])

    def full(self, size: tuple[int, ...], value: bool | int | float, dtype: DType, device: Device) -> Array:
        return self.xp.full(size, value, dtype=self._native[dtype])

    def arange(self, start: float, step: float, count: int, dtype: DType, device: Device) -> Array:
        """``start + i * step`` for ``count`` values, computed in int64 or float64 and then cast."""
        wide = dtypes.float64 if dtype.is_floating_point else dtypes.int64
        places = self.xp.arange(count, dtype=self._native[wide])
        return self.cast(places * step + start, dtype)

    def copy(self, array: Array) -> Array:
        return array.copy()
