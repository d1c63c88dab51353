"""ArrayKernels: every kernel once, over an array module ``xp`` that follows NumPy's names.

Kernels are pure functions of arrays with the names of the ops. A backend subclasses this class, and overrides what differs
or can be faster; nothing here imports an array library. Kernels marked ``@composed`` are written over other kernels and
operators alone: the same text then runs on Tensors, with the ops as ``self``, which is how fused ops get their second
derivatives. All others are primitive: what ``xp`` must be able to do.
"""

from __future__ import annotations

from typing import Any

from tapeloom import dtypes
from tapeloom.backend.kernels.activation import Activation
from tapeloom.backend.kernels.complex_numbers import ComplexNumbers
from tapeloom.backend.kernels.elementwise import DIRECT, Direct, Elementwise
from tapeloom.backend.kernels.embedding import Embedding
from tapeloom.backend.kernels.indexing import Indexing
from tapeloom.backend.kernels.linalg import Linalg
from tapeloom.backend.kernels.loss import Loss
from tapeloom.backend.kernels.marks import composed, is_composed
from tapeloom.backend.kernels.movement import Movement
from tapeloom.backend.kernels.normalization import Normalization
from tapeloom.backend.kernels.random import Random
from tapeloom.backend.kernels.reduction import Reduction
from tapeloom.backend.kernels.window import Window
from tapeloom.dtypes import DType

__all__ = ["ArrayKernels", "composed", "is_composed"]


class ArrayKernels(
    Elementwise,
    ComplexNumbers,
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
):
    """The shared kernels over ``xp``; see the head of this package."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        for kernel, name in DIRECT.items():  # without a step between, where the class does not override them
            if getattr(type(self), kernel) is getattr(Direct, kernel) and hasattr(xp, name):
                setattr(self, kernel, getattr(xp, name))
        self._native = {dtype: self.native_dtype(dtype) for dtype in dtypes.ALL}
        self._by_native = {native: dtype for dtype, native in self._native.items() if native is not None}

    def native_dtype(self, dtype: DType) -> Any:
        """The library's object for ``dtype``; bfloat16 comes from ml_dtypes. None for a dtype that it lacks."""
        if dtype is dtypes.bfloat16:
            import ml_dtypes

            return self.xp.dtype(ml_dtypes.bfloat16)
        return self.xp.dtype(dtype.name)

    def native(self, dtype: DType) -> Any:
        """The array library's object for ``dtype``."""
        return self._native[dtype]

    def dtype_of(self, array: Any) -> DType:
        """The dtype of a raw array."""
        return self._by_native[array.dtype]

    def cast(self, x: Any, dtype: DType) -> Any:
        """``x`` in another dtype; of complex numbers made real the real part."""
        native = self._native[dtype]
        if x.dtype == native:
            return x
        if x.dtype.kind == "c" and not dtype.is_complex:  # libraries would warn; who converts for a user has done so
            return x != 0 if dtype is dtypes.bool_ else x.real.astype(native)
        return x.astype(native)

    def as_int64(self, x: Any) -> Any:
        """``x`` as int64."""
        return x if x.dtype == self._native[dtypes.int64] else x.astype(self._native[dtypes.int64])

    def copy(self, array: Any) -> Any:
        """A copy that shares nothing with ``array``."""
        return array.copy()
