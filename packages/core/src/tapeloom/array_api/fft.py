"""The standard's extension for Fourier transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import tapeloom as tl
from tapeloom import Device, DType, Tensor

Norm = Literal["backward", "ortho", "forward"]
#: transforms of one dimension, and of several
ONE = "fft ifft rfft irfft hfft ihfft".split()
MANY = "fftn ifftn rfftn irfftn".split()
#: shifts of the frequency 0
SHIFTS = "fftshift ifftshift".split()


def _one(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Tensor:
        return function(x, n, axis, norm)

    return call


def _many(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(
        x: Tensor, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
    ) -> Tensor:
        return function(x, s, axes, norm)

    return call


def _shift(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(x: Tensor, /, *, axes: int | Sequence[int] | None = None) -> Tensor:
        return function(x, axes)

    return call


def _table() -> dict[str, Callable[..., Tensor]]:
    made = {}
    for names, form in ((ONE, _one), (MANY, _many), (SHIFTS, _shift)):
        for name in names:
            function = getattr(tl.fft, name)
            call = made[name] = form(function)
            call.__name__ = call.__qualname__ = name
            call.__doc__ = function.__doc__
    return made


globals().update(_table())


def fftfreq(n: int, /, *, d: float = 1.0, dtype: DType | None = None, device: Device | None = None) -> Tensor:
    """The frequencies of ``fft``."""
    return tl.fft.fftfreq(n, d, dtype=dtype, device=device)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: DType | None = None, device: Device | None = None) -> Tensor:
    """The frequencies of ``rfft``."""
    return tl.fft.rfftfreq(n, d, dtype=dtype, device=device)


__all__ = [*ONE, *MANY, *SHIFTS, "fftfreq", "rfftfreq"]  # noqa: PLE0604 - names of the tables
