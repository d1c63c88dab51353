"""Functions of each element: one of Tensor's for each name of the standard, of tensors that are promoted together."""

from __future__ import annotations

from collections.abc import Callable

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.array_api.data_types import together

#: the standard's names that take one tensor, and what computes them where that has another name
UNARY = {
    **dict.fromkeys(
        "abs acos acosh asin asinh atan atanh ceil conj cos cosh exp expm1 floor isfinite isinf isnan log log10 log1p log2 "
        "logical_not negative positive reciprocal signbit sin sinh sqrt square tan tanh trunc".split()
    ),
    "bitwise_invert": "bitwise_not",
    "sign": "sgn",
}
#: those that take two, each a tensor or a number
BINARY = {
    **dict.fromkeys(
        "add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor copysign divide floor_divide "
        "greater greater_equal hypot less less_equal logaddexp logical_and logical_or logical_xor maximum minimum multiply "
        "nextafter not_equal pow remainder subtract".split()
    ),
    "equal": "eq",
}


def _unary(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    def call(x: Tensor, /) -> Tensor:
        return function(x)

    return call


def _binary(name: str, function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def call(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
        return function(*together(name, x1, x2))

    return call


def _table() -> dict[str, Callable[..., Tensor]]:
    made = {}
    for name, known in {**UNARY, **BINARY}.items():
        function = getattr(tl, known or name)
        call = _unary(function) if name in UNARY else _binary(name, function)
        call.__name__ = call.__qualname__ = name
        call.__doc__ = function.__doc__
        made[name] = call
    return made


globals().update(_table())


def clip(x: Tensor, /, min: Tensor | float | None = None, max: Tensor | float | None = None) -> Tensor:
    """``x`` within bounds, in the dtype of ``x``."""
    bounds = [bound if bound is None else tl.asarray(bound, dtype=x.dtype, device=x.device) for bound in (min, max)]
    return x.clone() if bounds == [None, None] else tl.clip(x, *bounds)


def imag(x: Tensor, /) -> Tensor:
    """The imaginary parts of complex numbers."""
    return x.imag


def real(x: Tensor, /) -> Tensor:
    """The real parts; of real numbers, the numbers."""
    return x.real


def round(x: Tensor, /) -> Tensor:
    """The nearest integers, halves to the even one; of complex numbers for both parts."""
    return tl.complex(tl.round(x.real), tl.round(x.imag)) if x.is_complex() else tl.round(x)


__all__ = [*UNARY, *BINARY, "clip", "imag", "real", "round"]  # noqa: PLE0604 - names of the tables
