"""Samples of Fourier transforms: by their definition, as products with a matrix of powers of a root of unity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.dtypes import float16, float32, float64
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, IndexingError, ShapeError
from tapeloom.testing.inputs import T
from tapeloom.testing.references import INF, NAN, fourier
from tapeloom.testing.table import COMPLEX, EVERY, FLOATS, case, fails, row

REAL = (float32, float64)


def _resized(x: Any, axis: int, length: int) -> Any:
    return np.stack([x.take(k, axis) if k < x.shape[axis] else np.zeros_like(x.take(0, axis)) for k in range(length)], axis)


def _whole(x: Any, axis: int, length: int) -> Any:
    """All ``length`` numbers of a transform of real ones, of which ``x`` are the first half: the others are their conjugates."""
    x = np.moveaxis(x, axis, -1)
    mirrored = x[..., 1 : (length + 1) // 2][..., ::-1]
    x = np.concatenate([x[..., :1].real, x[..., 1:], mirrored.conj()], -1)
    if length % 2 == 0:
        x[..., length // 2] = x[..., length // 2].real
    return np.moveaxis(x, -1, axis)


def _transform(kind: str, phases: bool = True) -> Callable[..., Any]:
    """The reference of ``kind``: (``""``, ``r``, ``ir``, …); without ``phases``, of absolute values: what a sum may lose."""
    inverse, half_in, half_out = kind in ("i", "ir", "ih"), kind in ("ir", "h"), kind in ("r", "ih")

    def transform(x: Any, s: Any = None, dim: Any = None, norm: Any = None) -> Any:
        sizes = [s] if isinstance(s, int) else s
        dim = [dim] if isinstance(dim, int) else dim
        axes = list(range(0 if sizes is None else x.ndim - len(sizes), x.ndim)) if dim is None else [d % x.ndim for d in dim]
        lengths = [x.shape[axis] if size in (None, -1) else size for axis, size in zip(axes, sizes or [-1] * len(axes), strict=True)]
        if half_in and (sizes is None or sizes[-1] in (None, -1)):
            lengths[-1] = 2 * (lengths[-1] - 1)
        sign = 1 if inverse else -1
        for place, (axis, length) in enumerate(zip(axes, lengths, strict=True)):
            last = half_in and place == len(axes) - 1
            x = _resized(x, axis, length // 2 + 1 if last else length)
            x = fourier(_whole(x, axis, length) if last else x, axis, sign, phases)
            if half_out and place == len(axes) - 1:
                x = _resized(x, axis, length // 2 + 1)
        count = float(np.prod(lengths))
        divided = {"ortho": 0.5, "forward": 0.0 if inverse else 1.0}.get(norm, 1.0 if inverse else 0.0)
        return (x.real if half_in else x) / count**divided

    return transform


def _line(kind: str, phases: bool = True) -> Callable[..., Any]:
    whole = _transform(kind, phases)
    return lambda x, n=None, dim=-1, norm=None: whole(x, None if n is None else [n], [dim], norm)


def _plane(kind: str, phases: bool = True) -> Callable[..., Any]:
    whole = _transform(kind, phases)
    return lambda x, s=None, dim=(-2, -1), norm=None: whole(x, s, dim, norm)


# the ops

row("fft_complex", [T(2, 3), (0, 1), False, "backward"], [T(3), 0, True, "ortho"], [T(0, 3), 1, False, "forward"],
    reference=lambda x, dim, inverse, norm: _transform("i" if inverse else "")(x, None, dim, norm),
    magnitude=lambda x, dim, inverse, norm: _transform("i" if inverse else "", False)(x, None, dim, norm),
    dtypes=COMPLEX, budget="sum", without="0d")  # fmt: skip
row("fft_real", [T(2, 3), (0, 1), "backward"], [T(4), 0, "ortho"], [T(0, 3), 1, "forward"],
    reference=lambda x, dim, norm: _transform("r")(x, None, dim, norm),
    magnitude=lambda x, dim, norm: _transform("r", False)(x, None, dim, norm), gives="complex", dtypes=REAL, budget="sum", without="0d")  # fmt: skip


def _half(phases: bool) -> Callable[..., Any]:
    whole = _transform("ir", phases)
    return lambda x, dim, n, norm: whole(x, [*(x.shape[axis] for axis in np.atleast_1d(dim)[:-1]), n], dim, norm)


row("fft_half", [T(2, 3), (0, 1), 4, "backward"], [T(3), 0, 5, "ortho"], [T(0, 2), 1, 2, "forward"],
    reference=_half(True), magnitude=_half(False), gives="real", dtypes=COMPLEX, budget="sum", without="0d")  # fmt: skip
row("scale_mirrored", [T(2, 3), 1, 4, 2.0], [T(3, 2), 0, 5, 0.5], [T(0, 2), 1, 2, 2.0], without="0d", dtypes=(*REAL, *COMPLEX),
    reference=lambda x, dim, n, factor: np.moveaxis(np.moveaxis(x, dim, -1) * np.where(np.isin(np.arange(x.shape[dim]), range(1, (n + 1) // 2)), factor, 1), -1, dim))  # fmt: skip

# the functions over them

X = T(2, 3, 4)
LINES: list[Any] = [[X, 5, 1], [X, 2, 0, "ortho"], case(X, n=3, norm="forward"), [T(0, 3)], [T(3), 1]]
PLANES: list[Any] = [[X], [X, (3, 2), (2, 0), "ortho"]]
MANY: list[Any] = [[X, (-1, 5)], case(X, s=3, norm="forward"), case(X, dim=(1, 0))]
FORMS: dict[str, tuple[list[Any], Callable[..., Any], str]] = {
    "": (LINES, _line, "0d"),
    "2": (PLANES, _plane, "0d empty"),
    "n": (MANY, _transform, "0d empty"),
}
for _form, (_cases, _reference, _without) in FORMS.items():
    for _kind in ("", "i", "r", "ir", "h", "ih"):
        _name, _real = f"{_kind}fft{_form}", _kind in ("r", "ih")
        row(
            f"fft.{_name}",
            *(_cases if _form != "n" or _kind else [*_cases, [T()]]),
            reference=_reference(_kind),
            magnitude=_reference(_kind, False),
            gives="real float" if _kind in ("ir", "h") else "complex",
            dtypes=REAL if _real else (dtypes.int64, *REAL, *COMPLEX),
            budget="sum",
            without=_without,
        )
        fails(f"fft.{_name}", [[1.0]], ArgumentTypeError, f"{_name}: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")
        fails(f"fft.{_name}", [T(3, 3)], DTypeError, f"{_name}: float16 tensors have no Fourier transform. Cast with .float().", float16)
        fails(f"fft.{_name}", case(T(3, 3), norm="unit"), ArgumentError, f"{_name}: norm must be 'backward', 'ortho' or 'forward', got 'unit'.")
        if _real:
            fails(f"fft.{_name}", [T(3, 3)], DTypeError,
                  f"{_name}: expected a real tensor, got complex64. Use {_name.replace('r', '').replace('h', '')}, or take .real first.", dtypes.complex64)  # fmt: skip
fails("fft.fft", [T(3, 4), 0], ShapeError, "fft: n must be at least 1, got 0.")
fails("fft.rfft", [T(3, 0)], ShapeError, "rfft: cannot transform 0 numbers along dimension 1. Give a length of at least 1.")
fails("fft.irfft", [T(3, 1)], ShapeError, "irfft: cannot make 0 numbers along dimension 1. Give a length of at least 1.")
fails("fft.ifft", [T()], IndexingError, "ifft: a 0-d tensor has no dimension to transform along. Reshape it to (1,), or use fftn.")
fails("fft.fft", [T(3), 2.5], ArgumentTypeError, "fft: n must be an int, got 2.5 of type float.")
fails("fft.fft", [T(3), None, 1], IndexingError, "fft: dim 1 is out of range for a tensor of 1 dimensions. Give a dim from -1 to 0.")
fails("fft.fft2", [T(3)], IndexingError, "fft2: dim -2 is out of range for a tensor of 1 dimensions. Give a dim from -1 to 0.")
fails("fft.fftn", [T(3, 4), (2,), (0, 1)], ArgumentError, "fftn: s (2,) and dim (0, 1) must have the same length.")
fails("fft.fftn", [T(3, 4), (1, 2, 3)], ShapeError, "fftn: s (1, 2, 3) has 3 lengths, and a tensor of shape (3, 4) 2 dimensions.")
fails("fft.fftn", case(T(3, 4), dim=(0, -2)), ShapeError, "fftn: dim (0, -2) names a dimension more than once. Name each dimension once.")
fails("fft.fftn", case(T(), dim=-1), IndexingError, "fftn: dim -1 is out of range: a 0-d tensor has no dimensions.")
fails("fft.fftn", [T(3, 4), (0, 2)], ShapeError, "fftn: cannot transform 0 numbers along dimension 0. Give a length of at least 1.")
fails("fft.rfftn", [T()], ShapeError, "rfftn: there must be at least one dimension to transform along.")

# frequencies and their order

MADE: dict[str, Any] = {"dtypes": FLOATS, "maker": True, "grad": 0, "without": "0d"}
row("fft.fftfreq", case(5, expect=[0, 0.2, 0.4, -0.4, -0.2]), case(4, 2.0, expect=[0, 0.125, -0.25, -0.125]), case(0, expect=np.zeros(0)),
    case(2, 0.0, expect=[NAN, -INF]), **MADE)  # fmt: skip
row("fft.rfftfreq", case(5, expect=[0, 0.2, 0.4]), case(4, 2.0, expect=[0, 0.125, 0.25]), case(0, expect=[NAN]), **MADE | {"without": "0d empty"})
for _name in ("fftfreq", "rfftfreq"):
    fails(f"fft.{_name}", [3], DTypeError, f"{_name}: frequencies are floating numbers, got dtype int64. Give a floating dtype.", dtypes.int64)
    fails(f"fft.{_name}", [-1], ShapeError, f"{_name}: size (-1,) has the negative length -1. Give lengths of 0 or more.")
    fails(f"fft.{_name}", [3, "1"], ArgumentTypeError, f"{_name}: d must be a number, got '1' of type str.")
for _name, _back in (("fftshift", 1), ("ifftshift", 0)):

    def _shifted(x: Any, dim: Any = None, back: int = _back) -> Any:
        for axis in range(x.ndim) if dim is None else np.atleast_1d(dim):
            middle = (x.shape[axis] + back) // 2
            x = np.concatenate([x.take(range(middle, x.shape[axis]), axis), x.take(range(middle), axis)], axis)
        return x

    row(f"fft.{_name}", [T(3, 4)], [T(3, 4), -2], [T(5, 2), (1, 0)], [T(0, 3)], reference=_shifted, dtypes=EVERY, budget="exact", without="0d")
    fails(f"fft.{_name}", [T()], ShapeError, f"{_name}: there must be at least one dimension to shift along.")
    fails(f"fft.{_name}", [1.0], ArgumentTypeError, f"{_name}: input must be a tensor, got float. Make it one with tapeloom.tensor(...).")
