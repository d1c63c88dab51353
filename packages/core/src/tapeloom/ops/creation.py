"""Making tensors: from data, filled, ranges. None of them is recorded; all take ``dtype``, ``device``, ``requires_grad``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, host, shapes
from tapeloom.backend.plugins import resolve_device
from tapeloom.call.op import function
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.modes import MODES, tell_watchers
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.tensors.kind import kind_of
from tapeloom.tensors.tensor import Tensor, make, read_array

if TYPE_CHECKING:
    from tapeloom.devices import Device, DeviceLike
    from tapeloom.dtypes import DType, DTypeLike
    from tapeloom.op.parameter import Number, Size


def _finished(array: Any, dtype: DType, device: Device, requires_grad: bool) -> Tensor:
    made = make(array, kind_of(dtype, device))
    if requires_grad:
        made.requires_grad_()
    return made


def from_host(array: Any, dtype: DType, device: Device, requires_grad: bool = False) -> Tensor:
    """A tensor from a host (NumPy) array of just ``dtype``."""
    backend = kind_of(dtype, device).backend
    return _finished(backend.from_host(array, device), dtype, device, requires_grad)


@function(method=False)
def tensor(data: Any, *, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """A new tensor with a copy of ``data``: a number, nested lists, a NumPy array, a tensor.

    Without ``dtype``: bool for bools, int64 for ints, the default dtype for floats, complex64 (for a default of float64
    complex128) for complex numbers; arrays and tensors keep theirs.
    Raises ShapeError for lists of uneven lengths, DTypeError for data that is not numeric.
    """
    wanted = None if dtype is None else dtypes.as_dtype(dtype)
    if isinstance(data, Tensor):
        where = data.device if device is None else resolve_device(device)
        copied = data.detach().to(where, wanted or data.dtype, copy=True)
        made = _finished(read_array(copied), copied.dtype, where, requires_grad)
        if MODES.get().watchers:
            tell_watchers("cut", made, data, "tensor")
        return made
    array, found = host.array_from(data, wanted)
    return from_host(array, found, resolve_device(device), requires_grad)


@function(method=False)
def as_tensor(data: Any, dtype: DTypeLike = None, device: DeviceLike = None) -> Tensor:
    """``data`` as a tensor, sharing values with it where nothing has to be converted (NumPy arrays on the CPU, tensors)."""
    if isinstance(data, Tensor):
        return data.to(data.device if device is None else resolve_device(device), dtype or data.dtype)
    if host.is_array(data) and dtype is None and resolve_device(device).type == "cpu":
        return from_numpy(data)
    return tensor(data, dtype=dtype, device=device)


@function(method=False)
def asarray(
    obj: Any, *, dtype: DTypeLike = None, device: DeviceLike = None, copy: bool | None = None, requires_grad: bool | None = None
) -> Tensor:
    """``obj`` as a tensor, as ``as_tensor`` makes it; with ``copy=True`` always a copy, with ``copy=False`` never.

    ``requires_grad`` is that of a tensor unless given. Raises ArgumentError where ``copy=False`` cannot be done.
    """
    made = as_tensor(obj, dtype, device)
    shares = isinstance(obj, Tensor) or host.is_array(obj)
    if copy is False and not (shares and made.dtype.name == obj.dtype.name and made.device == getattr(obj, "device", "cpu")):
        raise ArgumentError("asarray: this data cannot be shared: its dtype, device or kind is another. Leave out copy=False.")
    if copy:
        made = OPS.clone(made)
    if requires_grad is None or made.requires_grad == requires_grad:
        return made
    return made.detach().requires_grad_(requires_grad)


@function(method=False)
def scalar_tensor(s: Number, *, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """A 0-d tensor of the number ``s``, of the default dtype unless given."""
    value = as_number("scalar_tensor", "s", s, dtypes.NUMBERS)
    return _filled("scalar_tensor", (), value, *_options(dtype, device, dtypes.get_default_dtype()), requires_grad)


@function(method=False)
def from_numpy(array: Any) -> Tensor:
    """A CPU tensor that shares memory with a NumPy array: it sees later writes to the array, and never writes to it."""
    if not host.is_array(array):
        raise ArgumentTypeError(f"from_numpy: expected a NumPy array, got {type(array).__name__}. Use tapeloom.tensor for other data.")
    lent, dtype = host.lend(array)
    return from_host(lent, dtype, resolve_device("cpu"))


@function(method=False)
def frombuffer(buffer: Any, *, dtype: DType | str | type, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A 1-d CPU tensor of a copy of ``count`` elements (-1: all) of a bytes-like object, from byte ``offset`` on."""
    wanted = dtypes.as_dtype(dtype)
    return from_host(host.array_from_buffer(buffer, wanted, count, offset), wanted, resolve_device("cpu"), requires_grad)


def _options(dtype: DTypeLike, device: DeviceLike, default: DType) -> tuple[DType, Device]:
    return (default if dtype is None else dtypes.as_dtype(dtype)), resolve_device(device)


def _size(name: str, size: tuple[Any, ...]) -> tuple[int, ...]:
    if len(size) == 1 and not hasattr(type(size[0]), "__index__"):
        return shapes.as_size(name, size[0])
    return shapes.as_size(name, size)


def _filled(name: str, size: tuple[int, ...], value: Any, dtype: DType, device: Device, requires_grad: bool) -> Tensor:
    backend = kind_of(dtype, device).backend
    array = backend.full(size, dtypes.storable(name, value, dtype), dtype, device)
    return _finished(array, dtype, device, requires_grad)


@function(method=False)
def zeros(*size: Size, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros."""
    return _filled("zeros", _size("zeros", size), 0, *_options(dtype, device, dtypes.get_default_dtype()), requires_grad)


@function(method=False)
def ones(*size: Size, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones."""
    return _filled("ones", _size("ones", size), 1, *_options(dtype, device, dtypes.get_default_dtype()), requires_grad)


@function(method=False)
def empty(*size: Size, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """A tensor to be filled later. Its values are zeros, so that nothing ever depends on what memory held."""
    return _filled("empty", _size("empty", size), 0, *_options(dtype, device, dtypes.get_default_dtype()), requires_grad)


@function(method=False)
def full(size: Size, fill_value: Number, *, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ``fill_value``; its dtype is that of the number unless given."""
    value = as_number("full", "fill_value", fill_value, dtypes.NUMBERS)
    return _filled("full", _size("full", (size,)), value, *_options(dtype, device, dtypes.of_number(value)), requires_grad)


@function(method=False)
def zeros_like(input: Tensor, *, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """Zeros in the shape, dtype and device of ``input``."""
    return _like("zeros_like", input, 0, dtype, device, requires_grad)


@function(method=False)
def ones_like(input: Tensor, *, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """Ones in the shape, dtype and device of ``input``."""
    return _like("ones_like", input, 1, dtype, device, requires_grad)


@function(method=False)
def empty_like(input: Tensor, *, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """A tensor to be filled later, in the shape, dtype and device of ``input``."""
    return _like("empty_like", input, 0, dtype, device, requires_grad)


@function(method=False)
def full_like(
    input: Tensor, fill_value: Number, *, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """``fill_value`` in the shape, dtype and device of ``input``."""
    return _like("full_like", input, as_number("full_like", "fill_value", fill_value, dtypes.NUMBERS), dtype, device, requires_grad)


def _like(name: str, input: Any, value: Any, dtype: DTypeLike, device: DeviceLike, requires_grad: bool) -> Tensor:
    where = as_tensor_of(name, input).device if device is None else resolve_device(device)
    return _filled(name, input.shape, value, dtypes.as_dtype(dtype or input.dtype), where, requires_grad)


@function(method=False)
def arange(
    start: Number | None = None,
    end: Number | None = None,
    step: Number = 1,
    *,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """``start``, ``start + step``, … below ``end``; ``arange(end)`` starts at 0. Ints give int64."""
    bounds = (("start", 0), ("end", start)) if end is None else (("start", 0 if start is None else start), ("end", end))
    first, last, by = (as_number("arange", parameter, value) for parameter, value in (*bounds, ("step", step)))
    floating = any(isinstance(value, float) for value in (first, last, by))
    chosen, where = _options(dtype, device, dtypes.get_default_dtype() if floating else dtypes.int64)
    _has_ranges("arange", chosen, dtypes.INTEGER, dtypes.FLOATING)
    whole = chosen.category == dtypes.INTEGER
    counted = dtypes.int64 if chosen is dtypes.int64 or not floating else dtypes.float64  # what PyTorch counts in
    first, last, by = (dtypes.fitting("arange", value, counted) for value in (first, last, by))
    if not (math.isfinite(first) and math.isfinite(last)):
        raise ArgumentError(f"arange: start and end must be finite, got {first} and {last}.")
    if not (first <= last if by > 0 else first >= last and by < 0) or (whole and abs(by) < 1):
        raise ArgumentError(f"arange: step {by} does not lead from {first} to {last}{_in_integers(chosen)}.")
    if counted is dtypes.int64:
        first, last, by = int(first), int(last), int(by)
    count = -((first - last) // by) if counted is dtypes.int64 else math.ceil((last - first) / by)
    return _stepped("arange", first, by, count, chosen, where, requires_grad)


def _stepped(name: str, first: Any, by: Any, count: int, dtype: DType, device: Device, requires_grad: bool) -> Tensor:
    """``count`` elements from ``first`` on, each ``by`` more than the one before; in integers both are rounded towards 0."""
    if count * dtype.itemsize >= 2**63:
        raise ArgumentError(f"{name}: {count} elements from {first} on are more than memory can hold.")
    if dtype.category == dtypes.INTEGER and count:
        first, by = int(first), int(by)
        for value in (first, first + by * (count - 1)):
            dtypes.fitting(name, value, dtype)
    array = kind_of(dtype, device).backend.arange(first, by, count, dtype, device)
    return _finished(array, dtype, device, requires_grad)


def _in_integers(dtype: DType) -> str:
    return " in integers" if dtype.category == dtypes.INTEGER else ""


def _has_ranges(name: str, dtype: DType, *categories: int) -> None:
    if dtype.category not in categories:
        raise DTypeError(f"{name}: there is no range of {dtype.name} numbers. Give an integer or a floating dtype.")


@function(method=False, name="range")
def closed_range(
    start: Number, end: Number, step: Number = 1, *, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """``start``, ``start + step``, … up to ``end``, which is included; of the default dtype unless given."""
    given = (("start", start), ("end", end), ("step", step))
    first, last, by = (as_number("range", name, value) for name, value in given)
    chosen, where = _options(dtype, device, dtypes.get_default_dtype())
    _has_ranges("range", chosen, dtypes.INTEGER, dtypes.FLOATING)
    if not (math.isfinite(first) and math.isfinite(last)):
        raise ArgumentError(f"range: start and end must be finite, got {first} and {last}.")
    if chosen.category == dtypes.INTEGER:
        first, last, by = int(first), int(last), int(by) if math.isfinite(by) else 0
    if not by or by != by or (last - first) / by < 0:
        raise ArgumentError(f"range: step {by} does not lead from {first} to {last}{_in_integers(chosen)}.")
    return _stepped("range", first, by, math.floor((last - first) / by) + 1, chosen, where, requires_grad)


@function(method=False)
def linspace(
    start: Number, end: Number, steps: int, *, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """``steps`` values from ``start`` to ``end``, both included; complex where one of these is."""
    first, last, count, chosen, where = _ends("linspace", start, end, steps, dtype, device)
    return from_host(host.linspace(first, last, count, chosen), chosen, where, requires_grad)


@function(method=False)
def logspace(
    start: Number,
    end: Number,
    steps: int,
    base: float = 10.0,
    *,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """``base`` to the powers of ``steps`` values from ``start`` to ``end``; complex where one of these is."""
    first, last, count, chosen, where = _ends("logspace", start, end, steps, dtype, device)
    number = float(as_number("logspace", "base", base))
    return from_host(host.logspace(first, last, count, number, chosen), chosen, where, requires_grad)


def _ends(name: str, start: Any, end: Any, steps: Any, dtype: DTypeLike, device: DeviceLike) -> tuple[Any, Any, int, DType, Device]:
    """What ``linspace`` and ``logspace`` are given: both ends as the dtype holds them, how many values, the dtype, the device."""
    count = shapes.as_int(name, "steps", steps)
    if count < 0:
        raise ArgumentError(f"{name}: steps must not be negative, got {count}.")
    given = (("start", start), ("end", end))
    first, last = (as_number(name, parameter, value, dtypes.NUMBERS) for parameter, value in given)
    default = dtypes.get_default_dtype()
    complex_ends = isinstance(first, complex) or isinstance(last, complex)
    chosen, where = _options(dtype, device, default.complex if complex_ends else default)
    _has_ranges(name, chosen, dtypes.INTEGER, dtypes.FLOATING, dtypes.COMPLEX)
    return dtypes.storable(name, first, chosen), dtypes.storable(name, last, chosen), count, chosen, where


@function(method=False)
def eye(n: int, m: int | None = None, *, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """Ones on the diagonal of an (n, m) matrix (m = n unless given), zeros elsewhere."""
    rows, columns = shapes.as_size("eye", (n, n if m is None else m))
    chosen, where = _options(dtype, device, dtypes.get_default_dtype())
    left = arange(rows, device=where)
    right = arange(columns, device=where)
    square = OPS.cast(OPS.eq(OPS.unsqueeze(left, 1), OPS.unsqueeze(right, 0)), chosen)
    return _finished(read_array(square), chosen, where, requires_grad)


@function(method=False)
def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """int64 rows with a one at the class that each element of ``input`` (integers from 0) names: shape (*input.shape, classes)."""
    if as_tensor_of("one_hot", input).dtype.category != dtypes.INTEGER:
        raise DTypeError(f"one_hot: input must hold integers, got {input.dtype.name}. Cast it with .long().")
    classes = int(input.max().item()) + 1 if num_classes == -1 else shapes.as_int("one_hot", "num_classes", num_classes)
    if input.numel() and (int(input.min().item()) < 0 or int(input.max().item()) >= classes):
        raise ShapeError(f"one_hot: classes must lie in 0..{classes - 1}, got {int(input.min().item())} to {int(input.max().item())}.")
    return OPS.cast(OPS.eq(OPS.unsqueeze(input, -1), arange(classes, device=input.device)), dtypes.int64)


def index_tensor(places: Any, input: Tensor) -> Tensor:
    """An int64 tensor of ``places`` on the device of ``input``."""
    return tensor(list(places), dtype=dtypes.int64, device=input.device)


# methods that make tensors like this one


@function()
def new_zeros(input: Tensor, *size: Size, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """Zeros of another size, in the dtype and on the device of ``input``."""
    as_tensor_of("new_zeros", input)
    return zeros(*size, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


@function()
def new_ones(input: Tensor, *size: Size, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """Ones of another size, in the dtype and on the device of ``input``."""
    as_tensor_of("new_ones", input)
    return ones(*size, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


@function()
def new_empty(input: Tensor, *size: Size, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """A tensor of another size, to be filled later, in the dtype and on the device of ``input``. Its values are zeros."""
    as_tensor_of("new_empty", input)
    return empty(*size, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


@function()
def new_full(
    input: Tensor, size: Size, fill_value: Number, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """``fill_value`` in another size, in the dtype and on the device of ``input``."""
    as_tensor_of("new_full", input)
    return full(size, fill_value, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


@function()
def new_tensor(input: Tensor, data: Any, *, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False) -> Tensor:
    """A copy of ``data`` in the dtype and on the device of ``input``."""
    as_tensor_of("new_tensor", input)
    return tensor(data, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)
