"""Conversions: another dtype, another device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import dtypes
from tapeloom.backend.plugins import resolve_device
from tapeloom.call.op import function
from tapeloom.call.promote import promoted
from tapeloom.devices import Device, DeviceLike
from tapeloom.dtypes import DType
from tapeloom.errors import ArgumentTypeError
from tapeloom.host import python_number
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.tape.transfer import transferred
from tapeloom.tensors.tensor import Tensor

if TYPE_CHECKING:
    from tapeloom.op.parameter import TensorLike


@function(
    overloads=(
        "(self: Tensor, dtype: DType | str | type, non_blocking: bool = False, copy: bool = False) -> Tensor",
        "(self: Tensor, device: Device | str | int | None = None, dtype: DType | str | type | None = None, "
        "non_blocking: bool = False, copy: bool = False) -> Tensor",
        "(self: Tensor, other: Tensor, non_blocking: bool = False, copy: bool = False) -> Tensor",
    )
)
def to(
    self: Tensor, *args: Any, device: Any = None, dtype: Any = None, other: Any = None, non_blocking: bool = False, copy: bool = False
) -> Tensor:
    """This tensor in another dtype or on another device: ``to(dtype)``, ``to(device, dtype)``, ``to(other)``.

    The tensor itself where nothing changes, unless ``copy=True``. Conversions are recorded. ``non_blocking`` is taken for
    PyTorch's spelling.
    """
    as_tensor_of("to", self, "self")
    for value in (*args, other):
        if isinstance(value, Tensor):
            device, dtype = value.device, value.dtype
        elif isinstance(value, DType) or value in dtypes.NUMBERS:
            dtype = value
        elif isinstance(value, Device) or (isinstance(value, str) and value not in dtypes.BY_NAME):
            device = value
        elif isinstance(value, str):
            dtype = value
        elif isinstance(value, bool):
            pass  # non_blocking
        elif value is not None:
            raise ArgumentTypeError(f"to: expected a device, a dtype or a tensor, got {value!r}.")
    result = self
    if dtype is not None and dtypes.as_dtype(dtype) is not self.dtype:
        result = converted(result, dtypes.as_dtype(dtype))
    if device is not None:
        result = transferred(result, resolve_device(device))
    return OPS.clone(result) if copy and result is self else result


def converted(x: Tensor, dtype: DType) -> Tensor:
    """``x`` in another dtype, for a user who asked for it: warns, once, where imaginary parts are discarded."""
    if x.dtype is dtype:
        return x
    dtypes.warn_of_discarding(x.dtype, dtype)
    return OPS.cast(x, dtype)


def _converter(name: str, dtype: DType) -> None:
    def convert(self: Tensor) -> Tensor:
        as_tensor_of(name, self, "self")
        return converted(self, dtype)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"This tensor as {dtype.name}."
    function()(convert)


for _dtype in dtypes.ALL:
    if _dtype.method:
        _converter(_dtype.method, _dtype)


@function(method=False)
def result_type(tensor: TensorLike, other: TensorLike) -> DType:
    """The dtype that arithmetic gives for two tensors or numbers; those without dimensions count only by their category."""
    return promoted(OPS.add, python_number(tensor), python_number(other))


@function()
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """This tensor in the dtype of ``other`` and on its device; the tensor itself where nothing changes."""
    return to(self, as_tensor_of("type_as", other, "other"))


def tensor_type(self: Tensor, dtype: DType | str | type | None = None, non_blocking: bool = False) -> Any:
    """The name of its type, such as ``"tapeloom.FloatTensor"``; given a dtype, or such a name, the tensor as that type.

    A name says the device too: ``"tapeloom.cuda.FloatTensor"``. Prefer ``x.dtype`` and ``x.to(dtype)``.
    """
    if dtype is None:
        name = next(name for name, found in dtypes.BY_TENSOR_TYPE.items() if found is self.dtype)
        return f"tapeloom.{name}" if self.device.type == "cpu" else f"tapeloom.{self.device.type}.{name}"
    if isinstance(dtype, str) and (name := dtype.rpartition(".")[2]) in dtypes.BY_TENSOR_TYPE:
        place = dtype.split(".")[1:-1]
        return to(self, device=place[0] if place else "cpu", dtype=dtypes.BY_TENSOR_TYPE[name])
    return to(self, dtype=dtype)


@function()
def cpu(self: Tensor) -> Tensor:
    """This tensor on the CPU."""
    return transferred(as_tensor_of("cpu", self, "self"), resolve_device("cpu"))


@function()
def cuda(self: Tensor, device: DeviceLike = None) -> Tensor:
    """This tensor on a CUDA device."""
    return transferred(as_tensor_of("cuda", self, "self"), resolve_device("cuda" if device is None else device))
