"""The short-time Fourier transform and its inverse."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from tapeloom import shapes
from tapeloom.call.op import function
from tapeloom.errors import ArgumentError, DTypeError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, require, within
from tapeloom.ops.creation import arange, ones, zeros
from tapeloom.ops.fft import fft, ifft, irfft, rfft
from tapeloom.ops.movement import transpose
from tapeloom.ops.repeating import pad

if TYPE_CHECKING:
    from tapeloom.tensors.tensor import Tensor

#: under a window that adds up to less than this nothing is left to divide by
LEAST = 1e-11


def _lengths(name: str, n_fft: Any, hop_length: Any, win_length: Any) -> tuple[int, int, int]:
    """The three lengths, the last two by default a quarter of the first and the first."""
    size = shapes.as_int(name, "n_fft", n_fft)
    hop = size // 4 if hop_length is None else shapes.as_int(name, "hop_length", hop_length)
    width = size if win_length is None else shapes.as_int(name, "win_length", win_length)
    if size < 1:
        raise ArgumentError(f"{name}: n_fft must be positive, got {size}.")
    if hop < 1:
        raise ArgumentError(f"{name}: hop_length must be positive, got {hop}.")
    if not 1 <= width <= size:
        raise ArgumentError(f"{name}: win_length must be from 1 to n_fft={size}, got {width}.")
    return size, hop, width


def _window(name: str, window: Any, width: int, size: int, signal: Any) -> Any:
    """``window`` (ones unless given) in the middle of ``size`` numbers, zeros around it."""
    if window is None:
        part = signal.dtype.real if signal.is_complex() else signal.dtype
        window = ones(width, dtype=part, device=signal.device)
    elif as_tensor_of(name, window, "window").shape != (width,):
        raise ShapeError(f"{name}: window must have shape ({width},), as win_length says, got {window.shape}.")
    left = (size - width) // 2
    return window if width == size else OPS.constant_pad(window, (left, size - width - left))


def _places(frames: int, size: int, hop: int, device: Any) -> Any:
    """Where the numbers of each frame stand in the signal, one frame after the other."""
    starts = OPS.unsqueeze(arange(0, frames * hop, hop, device=device), 1)
    return OPS.reshape(starts + arange(size, device=device), (frames * size,))


@function(autocast={"cpu": "float32"})
def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:
    """The Fourier transforms of frames of a signal (length) or of several (batch, length): (batch, frequencies, frames).

    A frame is ``n_fft`` long, starts ``hop_length`` after the one before (n_fft // 4) and is multiplied by ``window``,
    which stands in its middle and is ``win_length`` long (n_fft). ``center``: the signal is padded by n_fft // 2 at both
    ends as ``pad_mode`` of ``pad`` says; without it, ``align_to_window`` lets the first frame start so that the window
    begins with the signal. ``normalized`` divides by sqrt(n_fft). ``onesided``, True unless something is complex, keeps
    the first n_fft // 2 + 1 frequencies. ``return_complex=False`` gives ``view_as_real`` of the result; of real signals
    it must be said. Raises ShapeError for a signal shorter than a frame, ArgumentError for lengths that do not fit.

    Source: J. Allen, "Short term spectral analysis, synthesis, and modification by discrete Fourier transform", IEEE
    Transactions on Acoustics, Speech and Signal Processing 25, 1977.
    """
    if not as_tensor_of("stft", input).dtype.inexact or input.dtype.half:
        raise DTypeError(f"stft: expected a float32, float64 or complex signal, got {input.dtype.name}. Cast with .float().")
    if input.ndim not in (1, 2):
        raise ShapeError(f"stft: expected a signal (length) or signals (batch, length), got shape {input.shape}.")
    size, hop, width = _lengths("stft", n_fft, hop_length, win_length)
    taper = _window("stft", window, width, size, input)
    complex_ = input.is_complex() or taper.is_complex()
    if return_complex is None and not complex_:
        raise ArgumentError("stft: give return_complex=True for complex numbers, or return_complex=False for pairs of real ones.")
    half = not complex_ if onesided is None else bool(onesided)
    if half and complex_:
        raise ArgumentError("stft: of a complex signal or window the result cannot be onesided. Leave onesided away.")
    if center and align_to_window is not None:
        raise ArgumentError("stft: align_to_window is for center=False; with center the signal is padded already.")
    signal = input
    if center:
        signal = pad(signal, (size // 2, size // 2), pad_mode)
    if signal.shape[-1] < size:
        raise ShapeError(f"stft: the signal of length {signal.shape[-1]} is shorter than a frame, n_fft={size}.")
    if align_to_window:
        left = (size - width) // 2
        signal = OPS.constant_pad(signal, (left, size - width - left))
    frames = 1 + (signal.shape[-1] - size) // hop
    cut = OPS.index_select(signal, signal.ndim - 1, _places(frames, size, hop, signal.device))
    tapered = OPS.multiply(OPS.reshape(cut, (*signal.shape[:-1], frames, size)), taper)
    spectrum = (rfft if half else fft)(tapered, norm="ortho" if normalized else None)
    turned = transpose(spectrum, -2, -1)
    return OPS.view_as_real(turned) if return_complex is False else turned


@function()
def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Tensor:
    """The signal of which ``input``, (batch, frequencies, frames), is the ``stft``: (batch, length).

    The inverse transforms of the frames are multiplied by the window and added up where they overlap, and divided by the
    sum of the windows' squares: the signal whose ``stft`` is nearest. ``length`` crops it, or pads it with zeros.
    ``onesided`` is True unless ``input`` has ``n_fft`` frequencies; ``return_complex`` gives a complex signal.
    Raises ArgumentError where the squares of the windows add up to nearly 0.

    Source: D. Griffin, J. Lim, "Signal estimation from modified short-time Fourier transform", IEEE Transactions on
    Acoustics, Speech and Signal Processing 32, 1984.
    """
    if not as_tensor_of("istft", input).is_complex():
        raise DTypeError(f"istft: expected a complex tensor, got {input.dtype.name}. Make it one with view_as_complex.")
    if input.ndim not in (2, 3) or not input.numel():
        raise ShapeError(f"istft: expected (frequencies, frames) or (batch, frequencies, frames), not empty, got shape {input.shape}.")
    size, hop, width = _lengths("istft", n_fft, hop_length, win_length)
    if hop > width:
        raise ArgumentError(f"istft: hop_length must be at most win_length={width}, got {hop}.")
    taper = _window("istft", window, width, size, input)
    frequencies, frames = input.shape[-2:]
    half = frequencies != size if onesided is None else bool(onesided)
    wanted = size // 2 + 1 if half else size
    if frequencies != wanted:
        raise ShapeError(f"istft: expected {wanted} frequencies for n_fft={size} with onesided={half}, got shape {input.shape}.")
    if return_complex and half:
        raise ArgumentError("istft: a complex signal cannot be made of the frequencies of one side. Give all n_fft of them.")
    if taper.is_complex() and not return_complex:
        raise ArgumentError("istft: a complex window gives a complex signal. Give return_complex=True.")
    turned = transpose(input, -2, -1)
    norm = "ortho" if normalized else None
    if return_complex:
        pieces = ifft(turned, norm=norm)
    else:
        pieces = irfft(OPS.narrow(turned, turned.ndim - 1, 0, size // 2 + 1), size, norm=norm)
    pieces = OPS.multiply(pieces, taper)
    total = size + hop * (frames - 1)
    places = _places(frames, size, hop, input.device)
    added = _added(OPS.reshape(pieces, (*pieces.shape[:-2], frames * size)), places, total)
    squares = OPS.reshape(OPS.expand(OPS.multiply(taper, taper), (frames, size)), (frames * size,))
    weights = _added(squares, places, total)
    start = size // 2 if center else 0
    stop = total - start if length is None else start + shapes.as_int("istft", "length", length)
    there = min(stop, total)
    if there <= start:
        raise ArgumentError(f"istft: nothing is left of the signal: it would go from {start} to {there}.")
    added, weights = (OPS.narrow(each, each.ndim - 1, start, there - start) for each in (added, weights))
    require(
        within(OPS.abs(weights).detach(), LEAST, math.inf),
        lambda: ArgumentError("istft: where the windows overlap, their squares add up to nearly 0. Give another window or hop_length."),
    )
    signal = OPS.divide(added, weights)
    if stop > there:
        warnings.warn(f"istft: the signal is {there - start} long, and is padded with zeros to length={length}.", stacklevel=3)
        signal = OPS.constant_pad(signal, (0, stop - there))
    return signal


def _added(pieces: Any, places: Any, total: int) -> Any:
    """What stands in ``pieces`` along the last dimension, added up at its ``places`` among ``total``."""
    empty = zeros(*pieces.shape[:-1], total, dtype=pieces.dtype, device=pieces.device)
    return OPS.index_add(empty, pieces.ndim - 1, places, pieces)
