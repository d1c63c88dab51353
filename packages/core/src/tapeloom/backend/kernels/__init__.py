"""ArrayKernels: every kernel once, over an array module ``xp``.

What is asked of ``xp``:

* The functions of the Array API standard, 2024.12 or newer, under its names, for arrays of every dtype that the backend has.
  Fourier transforms are its extension ``fft``. A kernel whose function is not there is lacking, except the ``EXTRAS`` of
  ``kernels.elementwise``, which the standard does not have either.
* Arrays that ``x[key] = value`` with ints and slices writes to. A library without that overrides the kernel ``at``.
* Shapes as tuples of ints, also that of ``xp.nonzero``'s result. A library that does not know it then overrides ``nonzero``.
* uint32 and uint64 with their arithmetic, for random numbers; else override the kernels of ``kernels.random``.
* Dtypes ``xp.float32`` and so on that can be keys of a dict; else override ``native_dtype``.
* ValueError, TypeError or IndexError for arrays that do not fit together: from these core makes its own errors.
* Beyond the standard four things that NumPy has, and that ``StandardKernels`` in ``kernels.standard`` does without:
  index arrays in any key, read, written and added to by ``xp.add.at`` and its like (kernels ``read`` and ``at``); arithmetic and order of
  bools, and logic of numbers; arrays whose ``.real`` and ``.imag`` can be written to (kernel ``complex``), and with a method
  ``.view(dtype)`` (kernel ``bitcast``); these two kernels a backend of ``StandardKernels`` gives itself.

Kernels are pure functions of arrays with the names of the ops. A backend subclasses this class, and overrides what differs
or can be faster; nothing here imports an array library. Kernels marked ``@composed`` are written over other kernels and
operators alone: the same text then runs on Tensors, with the ops as ``self``, which is how fused ops get their second
derivatives. All others are primitive: what ``xp`` must be able to do.
"""

from __future__ import annotations

from typing import Any

from tapeloom import dtypes
from tapeloom.backend.kernels.activation import Activation
from tapeloom.backend.kernels.bessel import Bessel
from tapeloom.backend.kernels.complex_numbers import ComplexNumbers
from tapeloom.backend.kernels.decomposition import Decomposition
from tapeloom.backend.kernels.diagonals import Diagonals
from tapeloom.backend.kernels.elementwise import DIRECT, EXTRAS, Direct, Elementwise
from tapeloom.backend.kernels.embedding import Embedding
from tapeloom.backend.kernels.fft import Fourier
from tapeloom.backend.kernels.fold import Fold
from tapeloom.backend.kernels.grid import Grid
from tapeloom.backend.kernels.indexing import Indexing
from tapeloom.backend.kernels.linalg import Linalg
from tapeloom.backend.kernels.loss import Loss
from tapeloom.backend.kernels.marks import composed, is_composed
from tapeloom.backend.kernels.masks import Masks
from tapeloom.backend.kernels.movement import Movement
from tapeloom.backend.kernels.normalization import Normalization
from tapeloom.backend.kernels.polynomials import Polynomials
from tapeloom.backend.kernels.random import Random
from tapeloom.backend.kernels.reduction import Reduction
from tapeloom.backend.kernels.regions import Regions
from tapeloom.backend.kernels.resize import Resize
from tapeloom.backend.kernels.scan import Scan
from tapeloom.backend.kernels.scattering import Scatter
from tapeloom.backend.kernels.solve import Solve
from tapeloom.backend.kernels.sorting import Sorting
from tapeloom.backend.kernels.special import Special
from tapeloom.backend.kernels.statistics import Statistics
from tapeloom.backend.kernels.window import Window
from tapeloom.dtypes import DType

__all__ = ["ArrayKernels", "composed", "is_composed"]


class ArrayKernels(
    Elementwise,
    ComplexNumbers,
    Special,
    Bessel,
    Polynomials,
    Reduction,
    Scan,
    Statistics,
    Movement,
    Diagonals,
    Indexing,
    Scatter,
    Masks,
    Sorting,
    Linalg,
    Fourier,
    Decomposition,
    Solve,
    Activation,
    Window,
    Normalization,
    Loss,
    Embedding,
    Random,
    Resize,
    Grid,
    Fold,
    Regions,
):
    """The shared kernels over ``xp``; see the head of this package."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        for kernel, name in DIRECT.items():  # without a step between, where the class does not override them
            if getattr(type(self), kernel) is getattr(Direct, kernel):
                found = getattr(xp, name, None)  # None: such a kernel is lacking
                if found is not None or kernel not in EXTRAS:
                    setattr(self, kernel, found)
        if not hasattr(xp, "fft"):
            for kernel in ("fft_complex", "fft_real", "fft_half"):
                if getattr(type(self), kernel) is getattr(Fourier, kernel):
                    setattr(self, kernel, None)
        self._native = {dtype: self.native_dtype(dtype) for dtype in dtypes.ALL}
        self._by_native = {native: dtype for dtype, native in self._native.items() if native is not None}

    def native_dtype(self, dtype: DType) -> Any:
        """What arrays of ``dtype`` have as ``.dtype``; None for a dtype that ``xp`` lacks. NumPy's bfloat16 is that of ml_dtypes."""
        as_dtype = getattr(self.xp, "dtype", None)  # no array has to be made where there is one, as in NumPy
        found = getattr(self.xp, dtype.name, None)
        if found is None and dtype is dtypes.bfloat16 and as_dtype:
            import ml_dtypes

            found = ml_dtypes.bfloat16
        if found is None:
            return None
        return as_dtype(found) if as_dtype else self.xp.empty((), dtype=found).dtype

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
        if not dtype.is_complex and self._by_native[x.dtype].is_complex:  # the user was warned where this was asked for
            return x != 0 if dtype is dtypes.bool_ else self._astype(self.xp.real(x), native)
        return self._astype(x, native)

    def _astype(self, x: Any, native: Any) -> Any:
        # the standard's function refuses NumPy's scalars, which stand for its arrays of no dimension
        return x.astype(native) if hasattr(x, "astype") else self.xp.astype(x, native)

    def as_int64(self, x: Any) -> Any:
        """``x`` as int64."""
        native = self._native[dtypes.int64]
        return x if x.dtype == native else self._astype(x, native)

    def copy(self, array: Any) -> Any:
        """A copy that shares nothing with ``array``."""
        return self.xp.asarray(array, copy=True)
