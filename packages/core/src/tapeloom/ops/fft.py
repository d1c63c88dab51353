"""Fourier transforms: three ops over any dimensions, and PyTorch's functions, which pad or crop and then call one of them.

An op keeps lengths but for the last of its dimensions between real and complex numbers: of the transform of n real numbers
``fft_real`` keeps the first n // 2 + 1, whose conjugates the others are, and ``fft_half`` takes as many.

Source: J. Cooley, J. Tukey, "An algorithm for the machine calculation of complex Fourier series", Mathematics of
Computation 19, 1965.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.backend.plugins import resolve_device
from tapeloom.call.op import function, primitive
from tapeloom.errors import ArgumentError, DTypeError, IndexingError, ShapeError
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.ops.creation import arange
from tapeloom.ops.repeating import roll

if TYPE_CHECKING:
    from tapeloom.devices import DeviceLike
    from tapeloom.dtypes import DTypeLike
    from tapeloom.op.parameter import Amounts, Axes, Dim
    from tapeloom.tensors.tensor import Tensor

Ints = tuple[int, ...]

#: norm -> the norm under which the transform in the other direction has the same factor: that of the adjoint
OTHER_WAY = {"backward": "forward", "ortho": "ortho", "forward": "backward"}

# the ops: ``norm`` says where the factor 1 / n stands, as in PyTorch


@primitive(takes="complex", complex="as written")
def fft_complex(input: Tensor, dim: Axes, inverse: bool, norm: str) -> Tensor:
    """The transform of complex numbers along ``dim``, or the inverse one."""
fft_complex.gradient(
    input=lambda g, dim, inverse, norm, ops: ops.fft_complex(g, dim, not inverse, OTHER_WAY[norm])
)


@primitive(takes="floating", gives="complex")
def fft_real(input: Tensor, dim: Axes, norm: str) -> Tensor:
    """The transform of real numbers along ``dim``: of the last of these the first half."""
fft_real.gradient(input=lambda g, input_shape, dim, norm, ops: _from_half_gradient(g, input_shape, dim, norm, ops))


@primitive(takes="complex", gives="real", complex="as written")
def fft_half(input: Tensor, dim: Axes, n: int, norm: str) -> Tensor:
    """The inverse of ``fft_real``: real numbers, ``n`` of them along the last ``dim``."""
fft_half.gradient(
    input=lambda g, dim, n, norm, ops: ops.scale_mirrored(ops.fft_real(g, dim, OTHER_WAY[norm]), dim[-1], n, 2.0)
)


def _from_half_gradient(g: Any, input_shape: Ints, dim: Ints, norm: str, ops: Any) -> Any:
    n = input_shape[dim[-1]]
    return ops.fft_half(ops.scale_mirrored(g, dim[-1], n, 0.5), dim, n, OTHER_WAY[norm])


@primitive(complex="as written")
def scale_mirrored(input: Tensor, dim: Dim, n: int, factor: float) -> Tensor:
    """``input`` times ``factor`` where the half of a transform of length ``n`` stands for its mirror image too."""
scale_mirrored.gradient(input=lambda g, dim, n, factor, ops: ops.scale_mirrored(g, dim, n, factor))


# from the arguments of the functions to the ops


def _inexact(name: str, input: Any) -> Any:
    """``input``, integers as the default dtype. Raises DTypeError for the half types, as PyTorch's CPU does."""
    if as_tensor_of(name, input).dtype.half:
        raise DTypeError(f"{name}: {input.dtype.name} tensors have no Fourier transform. Cast with .float().")
    return input if input.dtype.inexact else OPS.cast(input, dtypes.get_default_dtype())


def _real(name: str, input: Any) -> Any:
    if as_tensor_of(name, input).is_complex():
        whole = name.replace("r", "").replace("h", "")
        raise DTypeError(f"{name}: expected a real tensor, got {input.dtype.name}. Use {whole}, or take .real first.")
    return _inexact(name, input)


def _complex(name: str, input: Any) -> Any:
    given = _inexact(name, input)
    return OPS.cast(given, given.dtype.complex)


def _norm(name: str, norm: Any) -> str:
    if norm is None:
        return "backward"
    if norm not in OTHER_WAY:
        raise ArgumentError(f"{name}: norm must be 'backward', 'ortho' or 'forward', got {norm!r}.")
    return str(norm)


def _line(name: str, input: Any, n: Any, dim: Any) -> tuple[Any, Any]:
    """``n`` and ``dim`` of a transform along one dimension, as those of one along several."""
    if not as_tensor_of(name, input).ndim:
        raise IndexingError(f"{name}: a 0-d tensor has no dimension to transform along. Reshape it to (1,), or use fftn.")
    length = None if n is None else shapes.as_int(name, "n", n)
    if length is not None and length < 1:
        raise ShapeError(f"{name}: n must be at least 1, got {length}.")
    return length if length is None else (length,), (shapes.as_int(name, "dim", dim),)


def _places(name: str, input: Any, s: Any, dim: Any, half: bool = False) -> tuple[Ints, tuple[int | None, ...]]:
    """The dimensions to transform along, and the length of each where it is given.

    Raises ShapeError for a length below 1, and, with ``half``, where there is no dimension.
    """
    ndim = as_tensor_of(name, input).ndim
    sizes = None if s is None else shapes.as_ints(name, "s", s)
    if dim is not None:
        axes = shapes.normalize_axes(name, "dim", dim, ndim)
        if not ndim and dim not in ((), []):
            raise IndexingError(f"{name}: dim {dim} is out of range: a 0-d tensor has no dimensions.")
        if sizes is not None and len(sizes) != len(axes):
            raise ArgumentError(f"{name}: s {sizes} and dim {dim} must have the same length.")
    else:
        if sizes is not None and len(sizes) > ndim:
            raise ShapeError(f"{name}: s {sizes} has {len(sizes)} lengths, and a tensor of shape {input.shape} {ndim} dimensions.")
        axes = tuple(range(0 if sizes is None else ndim - len(sizes), ndim))
    if half and not axes:
        raise ShapeError(f"{name}: there must be at least one dimension to transform along.")
    given = tuple(None if length == -1 else length for length in sizes or (-1,) * len(axes))
    return axes, given


def _fitted(name: str, input: Any, axes: Ints, sizes: Sequence[int | None]) -> Any:
    """``input`` cropped, or padded with zeros at the end, to ``sizes`` along ``axes``."""
    pad = [0, 0] * input.ndim
    for axis, size in zip(axes, sizes, strict=True):
        length = input.shape[axis] if size is None else size
        if length < 1:
            raise ShapeError(f"{name}: cannot transform {length} numbers along dimension {axis}. Give a length of at least 1.")
        pad[2 * (input.ndim - 1 - axis) + 1] = length - input.shape[axis]
    return OPS.constant_pad(input, tuple(pad)) if any(pad) else input


def _full(name: str, input: Any, s: Any, dim: Any, norm: Any, inverse: bool) -> Tensor:
    given, how = _complex(name, input), _norm(name, norm)
    axes, sizes = _places(name, input, s, dim)
    fitted = _fitted(name, given, axes, sizes)
    return OPS.fft_complex(fitted, axes, inverse, how) if axes else OPS.clone(fitted)


def _to_half(name: str, input: Any, s: Any, dim: Any, norm: Any) -> Tensor:
    given, how = _real(name, input), _norm(name, norm)
    axes, sizes = _places(name, input, s, dim, half=True)
    return OPS.fft_real(_fitted(name, given, axes, sizes), axes, how)


def _from_half(name: str, input: Any, s: Any, dim: Any, norm: Any, conjugate: bool = False) -> Tensor:
    given, how = _complex(name, input), _norm(name, norm)
    axes, sizes = _places(name, input, s, dim, half=True)
    n = 2 * (input.shape[axes[-1]] - 1) if sizes[-1] is None else sizes[-1]
    if n < 1:
        raise ShapeError(f"{name}: cannot make {n} numbers along dimension {axes[-1]}. Give a length of at least 1.")
    fitted = _fitted(name, given, axes, (*sizes[:-1], n // 2 + 1))
    if conjugate:
        fitted, how = OPS.conj(fitted), OTHER_WAY[how]
    return OPS.fft_half(fitted, axes, n, how)


def _to_half_conjugate(name: str, input: Any, s: Any, dim: Any, norm: Any) -> Tensor:
    return OPS.conj(_to_half(name, input, s, dim, OTHER_WAY[_norm(name, norm)]))


# along one dimension


@function(namespace="fft", autocast={"cpu": "float32"})
def fft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The discrete Fourier transform along ``dim``, of ``n`` numbers (as many as there are): complex.

    ``input`` is cropped, or padded with zeros. ``norm`` says which direction divides by n: ``"backward"`` (the default) the
    inverse, ``"forward"`` this one, ``"ortho"`` both by sqrt(n). Raises ShapeError for ``n`` below 1, DTypeError for half types.
    """
    return _full("fft", input, *_line("fft", input, n, dim), norm, inverse=False)


@function(namespace="fft", autocast={"cpu": "float32"})
def ifft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of ``fft``."""
    return _full("ifft", input, *_line("ifft", input, n, dim), norm, inverse=True)


@function(namespace="fft", autocast={"cpu": "float32"})
def rfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The first n // 2 + 1 numbers of ``fft`` of a real tensor; the others are their conjugates."""
    return _to_half("rfft", input, *_line("rfft", input, n, dim), norm)


@function(namespace="fft", autocast={"cpu": "float32"})
def irfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of ``rfft``: ``n`` real numbers along ``dim``, 2 (m - 1) of m unless given."""
    return _from_half("irfft", input, *_line("irfft", input, n, dim), norm)


@function(namespace="fft", autocast={"cpu": "float32"})
def hfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """``fft`` of numbers of which the first half is given, the others being their conjugates: ``n`` real ones."""
    return _from_half("hfft", input, *_line("hfft", input, n, dim), norm, conjugate=True)


@function(namespace="fft", autocast={"cpu": "float32"})
def ihfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of ``hfft``: the first half of ``ifft`` of a real tensor."""
    return _to_half_conjugate("ihfft", input, *_line("ihfft", input, n, dim), norm)


# along two


@function(namespace="fft", autocast={"cpu": "float32"})
def fft2(input: Tensor, s: Amounts | None = None, dim: Axes = (-2, -1), norm: str | None = None) -> Tensor:
    """``fftn`` along the last two dimensions."""
    return _full("fft2", input, s, dim, norm, inverse=False)


@function(namespace="fft", autocast={"cpu": "float32"})
def ifft2(input: Tensor, s: Amounts | None = None, dim: Axes = (-2, -1), norm: str | None = None) -> Tensor:
    """The inverse of ``fft2``."""
    return _full("ifft2", input, s, dim, norm, inverse=True)


@function(namespace="fft", autocast={"cpu": "float32"})
def rfft2(input: Tensor, s: Amounts | None = None, dim: Axes = (-2, -1), norm: str | None = None) -> Tensor:
    """``rfftn`` along the last two dimensions."""
    return _to_half("rfft2", input, s, dim, norm)


@function(namespace="fft", autocast={"cpu": "float32"})
def irfft2(input: Tensor, s: Amounts | None = None, dim: Axes = (-2, -1), norm: str | None = None) -> Tensor:
    """The inverse of ``rfft2``."""
    return _from_half("irfft2", input, s, dim, norm)


@function(namespace="fft", autocast={"cpu": "float32"})
def hfft2(input: Tensor, s: Amounts | None = None, dim: Axes = (-2, -1), norm: str | None = None) -> Tensor:
    """``hfftn`` along the last two dimensions."""
    return _from_half("hfft2", input, s, dim, norm, conjugate=True)


@function(namespace="fft", autocast={"cpu": "float32"})
def ihfft2(input: Tensor, s: Amounts | None = None, dim: Axes = (-2, -1), norm: str | None = None) -> Tensor:
    """The inverse of ``hfft2``."""
    return _to_half_conjugate("ihfft2", input, s, dim, norm)


# along any


@function(namespace="fft", autocast={"cpu": "float32"})
def fftn(input: Tensor, s: Amounts | None = None, dim: Axes | None = None, norm: str | None = None) -> Tensor:
    """The discrete Fourier transform along all of ``dim`` (unless given: the last ``len(s)``, or all), ``s`` long; see ``fft``.

    A length of -1 is that of ``input``. n of ``norm`` is the product of the lengths.
    """
    return _full("fftn", input, s, dim, norm, inverse=False)


@function(namespace="fft", autocast={"cpu": "float32"})
def ifftn(input: Tensor, s: Amounts | None = None, dim: Axes | None = None, norm: str | None = None) -> Tensor:
    """The inverse of ``fftn``."""
    return _full("ifftn", input, s, dim, norm, inverse=True)


@function(namespace="fft", autocast={"cpu": "float32"})
def rfftn(input: Tensor, s: Amounts | None = None, dim: Axes | None = None, norm: str | None = None) -> Tensor:
    """``fftn`` of a real tensor: along the last ``dim`` the first half, whose conjugates the others are."""
    return _to_half("rfftn", input, s, dim, norm)


@function(namespace="fft", autocast={"cpu": "float32"})
def irfftn(input: Tensor, s: Amounts | None = None, dim: Axes | None = None, norm: str | None = None) -> Tensor:
    """The inverse of ``rfftn``: real numbers, along the last ``dim`` 2 (m - 1) of m unless ``s`` is given."""
    return _from_half("irfftn", input, s, dim, norm)


@function(namespace="fft", autocast={"cpu": "float32"})
def hfftn(input: Tensor, s: Amounts | None = None, dim: Axes | None = None, norm: str | None = None) -> Tensor:
    """``fftn`` of numbers of which the first half along the last ``dim`` is given: real numbers; see ``hfft``."""
    return _from_half("hfftn", input, s, dim, norm, conjugate=True)


@function(namespace="fft", autocast={"cpu": "float32"})
def ihfftn(input: Tensor, s: Amounts | None = None, dim: Axes | None = None, norm: str | None = None) -> Tensor:
    """The inverse of ``hfftn``: the first half of ``ifftn`` of a real tensor."""
    return _to_half_conjugate("ihfftn", input, s, dim, norm)


# frequencies and their order


def _frequencies(
    name: str, n: Any, d: Any, dtype: DTypeLike, device: DeviceLike, requires_grad: bool, half: bool
) -> Tensor:
    count, spacing = shapes.as_size(name, (n,))[0], float(as_number(name, "d", d))
    chosen = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    if not chosen.is_floating_point:
        raise DTypeError(f"{name}: frequencies are floating numbers, got dtype {chosen.name}. Give a floating dtype.")
    places = arange(count // 2 + 1 if half else count, dtype=dtypes.int64, device=resolve_device(device))
    if not half:
        places = roll(places - count // 2, -(count // 2), 0)
    extent = count * spacing
    made = OPS.cast(places, chosen) * (1 / extent if extent else math.copysign(math.inf, extent))
    return made.requires_grad_() if requires_grad else made


@function(namespace="fft")
def fftfreq(
    n: int, d: float = 1.0, *, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """The frequencies of the ``n`` numbers of ``fft``, of samples ``d`` apart: 0, 1, …, …, -2, -1, over n d."""
    return _frequencies("fftfreq", n, d, dtype, device, requires_grad, half=False)


@function(namespace="fft")
def rfftfreq(
    n: int, d: float = 1.0, *, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """The frequencies of the n // 2 + 1 numbers of ``rfft``, of ``n`` samples ``d`` apart: 0, 1, … over n d."""
    return _frequencies("rfftfreq", n, d, dtype, device, requires_grad, half=True)


def _shifted(name: str, input: Any, dim: Any, back: bool) -> Tensor:
    ndim = as_tensor_of(name, input).ndim
    given = range(ndim) if dim is None else shapes.as_ints(name, "dim", dim)
    axes = [shapes.normalize_dim(name, axis, ndim) for axis in given]  # one may be named twice, as in roll
    if not axes or not ndim:
        raise ShapeError(f"{name}: there must be at least one dimension to shift along.")
    sign = -1 if back else 1
    return roll(input, [sign * (input.shape[axis] // 2) for axis in axes], axes)


@function(namespace="fft")
def fftshift(input: Tensor, dim: Axes | None = None) -> Tensor:
    """The numbers of ``fftn`` in the order of their frequencies, 0 in the middle, along ``dim`` (all)."""
    return _shifted("fftshift", input, dim, back=False)


@function(namespace="fft")
def ifftshift(input: Tensor, dim: Axes | None = None) -> Tensor:
    """The inverse of ``fftshift``."""
    return _shifted("ifftshift", input, dim, back=True)
