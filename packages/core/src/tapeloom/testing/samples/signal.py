"""Samples of windows and of the short-time Fourier transform: by their formulas, number by number and frame by frame."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import tapeloom as tl
from tapeloom import dtypes
from tapeloom.dtypes import float16, float32, float64
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.testing.inputs import T, V
from tapeloom.testing.references import fourier
from tapeloom.testing.table import COMPLEX, FLOATS, case, fails, row

# windows


def _bessel(x: float) -> float:
    return math.fsum((x / 2) ** (2 * k) / math.factorial(k) ** 2 for k in range(60))


def _cosines(*terms: float) -> Callable[..., float]:
    return lambda k, span: math.fsum((-1) ** i * a * math.cos(2 * math.pi * i * k / span) for i, a in enumerate(terms))


def _numbers(count: int, periodic: bool, value: Callable[..., float], *settings: float) -> Any:
    span = count if periodic else count - 1
    return np.array([value(k, span, *settings) for k in range(count)] if count > 1 else [1.0] * count)


SHAPES: dict[str, Any] = {
    "bartlett": lambda k, span: 1 - abs(2 * k / span - 1),
    "blackman": _cosines(0.42, 0.5, 0.08),
    "hamming": _cosines(0.54, 0.46),
    "hann": _cosines(0.5, 0.5),
    "kaiser": lambda k, span, beta=12.0: _bessel(beta * math.sqrt(1 - (2 * k / span - 1) ** 2)) / _bessel(beta),
    "cosine": lambda k, span: math.sin(math.pi * (k + 0.5) / (span + 1)),
    "exponential": lambda k, span, tau=1.0: math.exp(-abs(k - span / 2) / tau),
    "gaussian": lambda k, span, std=1.0: math.exp(-(((k - span / 2) / std) ** 2) / 2),
    "general_hamming": lambda k, span, alpha=0.54: _cosines(alpha, 1 - alpha)(k, span),
    "nuttall": _cosines(0.3635819, 0.4891775, 0.1365995, 0.0106411),
}
TERMS = [0.4, 0.3, 0.2]
#: of those with settings: how they are given, positionally to torch's names and by keyword to those of signal.windows
SETTINGS: dict[str, tuple[tuple[float, ...], dict[str, float]]] = {
    "kaiser": ((5.0,), {"beta": 5.0}),
    "exponential": ((), {"tau": 2.0}),
    "gaussian": ((), {"std": 2.0}),
    "general_hamming": ((), {"alpha": 0.7}),
}
# near its zeros a window is the difference of numbers near 1
WINDOWS: dict[str, Any] = {"maker": True, "grad": 0, "without": "0d", "budget": "sum", "magnitude": lambda *args, **settings: 1.0}
for _name, _shape in SHAPES.items():
    _positional, _named = SETTINGS.get(_name, ((), {}))
    _cases = [case(n, sym=sym, expect=_numbers(n, not sym, _shape)) for n, sym in ((5, True), (4, False), (0, True), (1, False))]
    if _named:
        _cases.append(case(5, **_named, expect=_numbers(5, False, _shape, *_named.values())))
    row(f"signal.windows.{_name}", *_cases, dtypes=(float32, float64), **WINDOWS)
    if _name in ("bartlett", "blackman", "hamming", "hann", "kaiser"):
        _cases = [case(n, expect=_numbers(n, True, _shape)) for n in (5, 4, 0, 1)]
        _cases.append(case(5, False, *_positional, expect=_numbers(5, False, _shape, *_positional)))
        row(f"{_name}_window", *_cases, dtypes=FLOATS, **WINDOWS)
        fails(f"{_name}_window", [-1], ArgumentError, f"{_name}_window: window_length must not be negative, got -1.")
        fails(f"{_name}_window", [2.5], ArgumentTypeError, f"{_name}_window: window_length must be an int, got 2.5 of type float.")
        fails(f"{_name}_window", [3], DTypeError, f"{_name}_window: a window holds floating numbers, got dtype int64. Give a floating dtype.",
              dtypes.int64)  # fmt: skip
row("signal.windows.general_cosine", case(5, a=TERMS, expect=_numbers(5, False, _cosines(*TERMS))), case(1, a=(0.5, 0.2), expect=[1.0]),
    case(4, a=TERMS, sym=False, expect=_numbers(4, True, _cosines(*TERMS))), case(0, a=TERMS, expect=np.zeros(0)), dtypes=(float32, float64),
    **WINDOWS)  # fmt: skip
for _name in (*SHAPES, "general_cosine"):
    _given: dict[str, Any] = {"a": TERMS} if _name == "general_cosine" else {}
    fails(f"signal.windows.{_name}", case(-1, **_given), ArgumentError, f"{_name}: M must not be negative, got -1.")
    fails(f"signal.windows.{_name}", case(3, **_given), DTypeError, f"{_name}: expected dtype float32 or float64, got float16.", float16)
fails("hamming_window", [5, True, "a"], ArgumentTypeError, "hamming_window: alpha must be a number, got 'a' of type str.")
for _name, _parameter, _text in (
    ("exponential", "tau", "must be positive"),
    ("gaussian", "std", "must be positive"),
    ("kaiser", "beta", "must not be negative"),
):
    fails(f"signal.windows.{_name}", case(5, **{_parameter: -1.0}), ArgumentError, f"{_name}: {_parameter} {_text}, got -1.0.")
fails("signal.windows.exponential", case(5, center=1.0), ArgumentError,
      "exponential: a symmetric window has its center in the middle, got center=1.0. Give sym=False.")  # fmt: skip
fails("signal.windows.general_cosine", case(5, a=[]), ArgumentError, "general_cosine: a must hold at least one number.")
fails("signal.windows.general_cosine", case(5, a=0.5), ArgumentTypeError, "general_cosine: a must be a list or tuple of numbers, got 0.5.")

# the transform of frames


def _stft(phases: bool) -> Callable[..., Any]:
    def transform(
        x: Any, n_fft: int, hop_length: Any = None, win_length: Any = None, window: Any = None, center: bool = True, pad_mode: str = "reflect",
        normalized: bool = False, onesided: Any = None, return_complex: Any = None, align_to_window: Any = None,
    ) -> Any:  # fmt: skip
        hop, width = hop_length or n_fft // 4, win_length or n_fft
        left = (n_fft - width) // 2
        taper = np.zeros(n_fft, x.dtype)
        taper[left : left + width] = 1 if window is None else window
        amount = (n_fft // 2,) * 2 if center else (left, n_fft - width - left) if align_to_window else (0, 0)
        mode: Any = pad_mode if center else "constant"
        x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [amount], mode=mode)
        frames = [x[..., start : start + n_fft] * taper for start in range(0, x.shape[-1] - n_fft + 1, hop)]
        spectrum = fourier(np.stack(frames, -1), -2, -1, phases) / (math.sqrt(n_fft) if normalized else 1)
        if onesided or (onesided is None and x.dtype.kind != "c"):
            spectrum = spectrum[..., : n_fft // 2 + 1, :]
        return np.stack([spectrum.real, spectrum.imag], -1) if return_complex is False else spectrum

    return transform


X, S = T(2, 9), T(2, 3, 4)
STFT: dict[str, Any] = {"budget": "sum", "without": "0d empty"}
row("stft", case(X, 4, 2, 3, T(3), normalized=True, return_complex=True, onesided=False), case(X, 4, return_complex=True, only=FLOATS),
    case(X, 5, 3, center=False, return_complex=True, only=FLOATS), case(T(9), 5, pad_mode="constant", onesided=False, return_complex=True),
    case(T(9), 4, 2, 2, T(2), center=False, return_complex=True, align_to_window=True, only=FLOATS),
    reference=_stft(True), magnitude=_stft(False), gives="complex", dtypes=(float32, float64, *COMPLEX), **STFT)  # fmt: skip
row("stft as pairs", case(X, 4, return_complex=False), reference=_stft(True), dtypes=(float32, float64), calls=tl.stft,
    magnitude=lambda x, *args, **settings: np.abs(x).sum(), **STFT)  # fmt: skip
fails("stft", [[1.0], 4], ArgumentTypeError, "stft: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")
fails("stft", [T(9), 4], DTypeError, "stft: expected a float32, float64 or complex signal, got int64. Cast with .float().", dtypes.int64)
fails("stft", [T(2, 2, 9), 4], ShapeError, "stft: expected a signal (length) or signals (batch, length), got shape (2, 2, 9).")
fails("stft", [T(9), 4], ArgumentError, "stft: give return_complex=True for complex numbers, or return_complex=False for pairs of real ones.")
fails("stft", case(T(9), 4, onesided=True), ArgumentError,
      "stft: of a complex signal or window the result cannot be onesided. Leave onesided away.", dtypes.complex64)  # fmt: skip
fails("stft", case(T(9), 4, align_to_window=True, return_complex=True), ArgumentError,
      "stft: align_to_window is for center=False; with center the signal is padded already.")  # fmt: skip
fails("stft", case(T(3), 4, center=False, return_complex=True), ShapeError, "stft: the signal of length 3 is shorter than a frame, n_fft=4.")
fails("stft as pairs", [T(9), 0], ArgumentError, "stft: n_fft must be positive, got 0.")
fails("stft as pairs", [T(9), 4, 0], ArgumentError, "stft: hop_length must be positive, got 0.")
fails("stft as pairs", [T(9), 4, 1, 5], ArgumentError, "stft: win_length must be from 1 to n_fft=4, got 5.")
fails("stft as pairs", [T(9), 4, 1, 3, T(4)], ShapeError, "stft: window must have shape (3,), as win_length says, got (4,).")


def _istft(phases: bool) -> Callable[..., Any]:
    def transform(
        spectrum: Any, n_fft: int, hop_length: Any = None, win_length: Any = None, window: Any = None, center: bool = True,
        normalized: bool = False, onesided: Any = None, length: Any = None, return_complex: bool = False,
    ) -> Any:  # fmt: skip
        hop, width = hop_length or n_fft // 4, win_length or n_fft
        taper = np.zeros(n_fft)
        taper[(n_fft - width) // 2 :][:width] = 1 if window is None else np.abs(window)
        half = spectrum[..., : n_fft // 2 + 1, :] + 0j
        if not return_complex:
            half[..., 0, :] = half[..., 0, :].real
            spectrum = np.concatenate([half, half[..., (n_fft - 1) // 2 : 0 : -1, :].conj()], -2)
            if n_fft % 2 == 0:
                spectrum[..., n_fft // 2, :] = spectrum[..., n_fft // 2, :].real
        frames = fourier(spectrum, -2, 1, phases) / (math.sqrt(n_fft) if normalized else n_fft)
        count = spectrum.shape[-1]
        signal, weights = np.zeros((*spectrum.shape[:-2], n_fft + hop * (count - 1)), complex), np.zeros(n_fft + hop * (count - 1))
        for frame in range(count):
            signal[..., frame * hop : frame * hop + n_fft] += frames[..., frame] * taper
            weights[frame * hop : frame * hop + n_fft] += taper**2
        cut = slice(n_fft // 2, -(n_fft // 2)) if center else slice(None)
        start = n_fft // 2 if center else 0
        if length is not None:
            cut = slice(start, start + length)
        signal = signal[..., cut] / weights[cut]
        more = 0 if length is None else max(length - signal.shape[-1], 0)
        signal = np.pad(signal, [(0, 0)] * (signal.ndim - 1) + [(0, more)])
        return signal if return_complex else signal.real

    return transform


ISTFT: dict[str, Any] = {"reference": _istft(True), "magnitude": _istft(False), "dtypes": COMPLEX, **STFT}
row("istft", case(S, 4, 2, 3, T(3, low=2, high=2, dtype=float32, grad=False), normalized=True), [T(3, 4), 5], case(S, 4, length=6, center=False), gives="real", **ISTFT)
row("istft of complex signals", case(T(2, 4, 3), 4, return_complex=True), calls=tl.istft, **ISTFT)
NEEDS = dtypes.complex64
fails("istft", [T(3, 4), 4], DTypeError, "istft: expected a complex tensor, got float32. Make it one with view_as_complex.")
fails("istft", [T(3, 0), 4], ShapeError,
      "istft: expected (frequencies, frames) or (batch, frequencies, frames), not empty, got shape (3, 0).", NEEDS)  # fmt: skip
fails("istft", [T(3, 4), 4, 3, 2], ArgumentError, "istft: hop_length must be at most win_length=2, got 3.", NEEDS)
fails("istft", [T(3, 4), 8], ShapeError, "istft: expected 5 frequencies for n_fft=8 with onesided=True, got shape (3, 4).", NEEDS)
fails("istft", case(T(3, 4), 4, length=0), ArgumentError, "istft: nothing is left of the signal: it would go from 2 to 2.", NEEDS)
fails("istft", case(T(3, 4), 4, window=V([0, 0, 0, 0], float32)), ArgumentError,
      "istft: where the windows overlap, their squares add up to nearly 0. Give another window or hop_length.", NEEDS)  # fmt: skip
fails("istft", case(T(3, 4), 4, window=T(4)), ArgumentError, "istft: a complex window gives a complex signal. Give return_complex=True.", NEEDS)
fails("istft of complex signals", case(T(3, 4), 4, return_complex=True), ArgumentError,
      "istft: a complex signal cannot be made of the frequencies of one side. Give all n_fft of them.", NEEDS)  # fmt: skip
