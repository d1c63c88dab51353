"""Windows of signal processing, under ``torch``'s names and those of ``torch.signal.windows``; ``host_windows`` makes them.

A window is symmetric, or one period of its repetition: then its last number is the one before the first comes again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, host, shapes
from tapeloom.backend.plugins import resolve_device
from tapeloom.call.op import function
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError
from tapeloom.op.parameter import as_number
from tapeloom.ops.creation import from_host

if TYPE_CHECKING:
    from tapeloom.devices import DeviceLike
    from tapeloom.dtypes import DTypeLike
    from tapeloom.tensors.tensor import Tensor

HANN = (0.5, 0.5)
BLACKMAN = (0.42, 0.5, 0.08)
#: Source: A. Nuttall, "Some windows with very good sidelobe behavior", IEEE Transactions on Acoustics, Speech and Signal
#: Processing 29, 1981: the minimum 4-term window with a continuous first derivative.
NUTTALL = (0.3635819, 0.4891775, 0.1365995, 0.0106411)

Options = tuple["DTypeLike", "DeviceLike", bool]  # dtype, device and requires_grad of what is made


def _window(name: str, count: int, periodic: Any, options: Options, shape: str, *settings: Any) -> Tensor:
    dtype, device, requires_grad = options
    chosen = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    if not chosen.is_floating_point:
        raise DTypeError(f"{name}: a window holds floating numbers, got dtype {chosen.name}. Give a floating dtype.")
    made = host.window(shape, count, bool(periodic), chosen, *settings)
    return from_host(made, chosen, resolve_device(device), requires_grad)


def _length(name: str, parameter: str, value: Any) -> int:
    count = shapes.as_int(name, parameter, value)
    if count < 0:
        raise ArgumentError(f"{name}: {parameter} must not be negative, got {count}.")
    return count


def _setting(name: str, parameter: str, value: Any) -> float:
    return float(as_number(name, parameter, value))


# torch's names: periodic unless told otherwise


def _periodic(name: str, window_length: Any, periodic: Any, options: Options, shape: str, *settings: Any) -> Tensor:
    return _window(name, _length(name, "window_length", window_length), periodic, options, shape, *settings)


@function(method=False)
def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """A triangle from 0 to 1 and back."""
    return _periodic("bartlett_window", window_length, periodic, (dtype, device, requires_grad), "triangle")


@function(method=False)
def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """``0.42 - 0.5 cos(x) + 0.08 cos(2 x)``, x going round once."""
    return _periodic("blackman_window", window_length, periodic, (dtype, device, requires_grad), "cosines", *BLACKMAN)


@function(method=False)
def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *,
    dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``alpha - beta cos(x)``, x going round once."""
    terms = _setting("hamming_window", "alpha", alpha), _setting("hamming_window", "beta", beta)
    return _periodic("hamming_window", window_length, periodic, (dtype, device, requires_grad), "cosines", *terms)


@function(method=False)
def hann_window(
    window_length: int, periodic: bool = True, *, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """``(1 - cos(x)) / 2``, x going round once."""
    return _periodic("hann_window", window_length, periodic, (dtype, device, requires_grad), "cosines", *HANN)


@function(method=False)
def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, *,
    dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``I0(beta sqrt(1 - x**2)) / I0(beta)``, x going from -1 to 1; I0 is the modified Bessel function of order 0.

    Source: J. Kaiser, R. Schafer, "On the use of the I0-sinh window for spectrum analysis", IEEE Transactions on
    Acoustics, Speech and Signal Processing 28, 1980.
    """
    options = dtype, device, requires_grad
    return _periodic("kaiser_window", window_length, periodic, options, "kaiser", _setting("kaiser_window", "beta", beta))


# those of torch.signal.windows: symmetric unless told otherwise, float32 or float64


def _symmetric(name: str, M: Any, sym: Any, options: Options, shape: str, *settings: Any) -> Tensor:
    if options[0] is not None and dtypes.as_dtype(options[0]).half:
        raise DTypeError(f"{name}: expected dtype float32 or float64, got {dtypes.as_dtype(options[0]).name}.")
    return _window(name, _length(name, "M", M), not sym, options, shape, *settings)


def _positive(name: str, parameter: str, value: Any) -> float:
    number = _setting(name, parameter, value)
    if not number > 0:
        raise ArgumentError(f"{name}: {parameter} must be positive, got {number}.")
    return number


@function(namespace="signal.windows")
def bartlett(
    M: int, *, sym: bool = True, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """A triangle from 0 to 1 and back."""
    return _symmetric("bartlett", M, sym, (dtype, device, requires_grad), "triangle")


@function(namespace="signal.windows")
def blackman(
    M: int, *, sym: bool = True, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """``0.42 - 0.5 cos(x) + 0.08 cos(2 x)``, x going round once."""
    return _symmetric("blackman", M, sym, (dtype, device, requires_grad), "cosines", *BLACKMAN)


@function(namespace="signal.windows")
def cosine(
    M: int, *, sym: bool = True, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """Half a period of a sine, taken in the middle of each of its ``M`` parts."""
    return _symmetric("cosine", M, sym, (dtype, device, requires_grad), "arch")


@function(namespace="signal.windows")
def exponential(
    M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True,
    dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``exp(-|k - center| / tau)``. ``center``, the middle unless given, can only be given with ``sym=False``."""
    if sym and center is not None:
        raise ArgumentError(f"exponential: a symmetric window has its center in the middle, got center={center}. Give sym=False.")
    middle = None if center is None else _setting("exponential", "center", center)
    options = dtype, device, requires_grad
    return _symmetric("exponential", M, sym, options, "exponential", middle, _positive("exponential", "tau", tau))


@function(namespace="signal.windows")
def gaussian(
    M: int, *, std: float = 1.0, sym: bool = True, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """``exp(-(x / std)**2 / 2)``, x being the distance from the middle."""
    options = dtype, device, requires_grad
    return _symmetric("gaussian", M, sym, options, "gaussian", _positive("gaussian", "std", std))


@function(namespace="signal.windows")
def general_cosine(
    M: int, *, a: Sequence[float], sym: bool = True,
    dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``a[0] - a[1] cos(x) + a[2] cos(2 x) - …``, x going round once."""
    if isinstance(a, str) or not isinstance(a, Sequence):
        raise ArgumentTypeError(f"general_cosine: a must be a list or tuple of numbers, got {a!r}.")
    if not a:
        raise ArgumentError("general_cosine: a must hold at least one number.")
    terms = [_setting("general_cosine", "a", value) for value in a]
    return _symmetric("general_cosine", M, sym, (dtype, device, requires_grad), "cosines", *terms)


@function(namespace="signal.windows")
def general_hamming(
    M: int, *, alpha: float = 0.54, sym: bool = True,
    dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """``alpha - (1 - alpha) cos(x)``, x going round once."""
    share = _setting("general_hamming", "alpha", alpha)
    return _symmetric("general_hamming", M, sym, (dtype, device, requires_grad), "cosines", share, 1 - share)


@function(namespace="signal.windows")
def hamming(
    M: int, *, sym: bool = True, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """``0.54 - 0.46 cos(x)``, x going round once."""
    return _symmetric("hamming", M, sym, (dtype, device, requires_grad), "cosines", 0.54, 0.46)


@function(namespace="signal.windows")
def hann(
    M: int, *, sym: bool = True, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """``(1 - cos(x)) / 2``, x going round once."""
    return _symmetric("hann", M, sym, (dtype, device, requires_grad), "cosines", *HANN)


@function(namespace="signal.windows")
def kaiser(
    M: int, *, beta: float = 12.0, sym: bool = True, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """``I0(beta sqrt(1 - x**2)) / I0(beta)``, x going from -1 to 1; see ``tapeloom.kaiser_window``."""
    width = _setting("kaiser", "beta", beta)
    if not width >= 0:
        raise ArgumentError(f"kaiser: beta must not be negative, got {width}.")
    return _symmetric("kaiser", M, sym, (dtype, device, requires_grad), "kaiser", width)


@function(namespace="signal.windows")
def nuttall(
    M: int, *, sym: bool = True, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """The sum of four cosines that Nuttall found to have small side lobes."""
    return _symmetric("nuttall", M, sym, (dtype, device, requires_grad), "cosines", *NUTTALL)
