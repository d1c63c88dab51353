"""Meeting other array libraries: DLPack, NumPy's functions, and the namespace of the Array API standard.

NumPy's functions read a tensor as ``.numpy()`` does and give what NumPy gives; one that would lose a gradient, or lies on
another device, is refused. Operators are the tensor's own: they take numbers, NumPy's too, and refuse arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from tapeloom.backend.plugins import get_backend, resolve_device
from tapeloom.call.op import function
from tapeloom.devices import Device, DeviceLike
from tapeloom.errors import ArgumentError, ArgumentTypeError, ExchangeError, TapeloomError
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.ops.conversion import to
from tapeloom.ops.creation import asarray
from tapeloom.tensors.kind import kind_of
from tapeloom.tensors.tensor import Tensor, make, read_array

#: DLPack's number of a kind of memory -> the device type that stands for it here unless one is given
MEMORY = {1: "cpu", 2: "cuda", 3: "cpu", 13: "cuda"}
#: what libraries raise where they cannot give or take an array
REFUSED = (BufferError, TypeError, ValueError, RuntimeError)


class _Capsule:
    """A capsule of ``to_dlpack`` as the object that libraries ask for one; it can be asked once."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **settings: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


@function(method=False)
def from_dlpack(ext_tensor: Any, *, device: DeviceLike = None, copy: bool | None = None) -> Tensor:
    """The array of another library, or a capsule of ``to_dlpack`` in host memory, as a tensor.

    It shares memory where its library's and that of the device do, unless ``copy=True``; as with ``from_numpy`` the tensor
    sees later writes to the array, and never writes to it. Without ``device``, memory of the host is ``cpu`` and that of a
    CUDA device ``cuda``; ``device="xla"`` takes a JAX array as it is.

    Raises ExchangeError where the array cannot be had: a dtype that one side lacks, or ``copy=False`` where a copy is needed.
    """
    if isinstance(ext_tensor, Tensor):
        return asarray(ext_tensor.detach(), device=device, copy=copy)
    if type(ext_tensor).__name__ == "PyCapsule":
        ext_tensor = _Capsule(ext_tensor)
    if not hasattr(ext_tensor, "__dlpack__"):
        raise ArgumentTypeError(
            f"from_dlpack: {type(ext_tensor).__name__} has no method __dlpack__. Use tapeloom.tensor(...) for other data."
        )
    try:
        memory, index = ext_tensor.__dlpack_device__()
        where = resolve_device(_home(int(memory), index) if device is None else device)
        backend = get_backend(where.type)
        array = backend.from_dlpack(ext_tensor, where, copy)
        return make(array, kind_of(backend.dtype_of(array), where))
    except TapeloomError:
        raise
    except REFUSED as error:
        raise ExchangeError(f"from_dlpack: {type(ext_tensor).__name__} could not be taken over: {error}") from error


def _home(memory: int, index: int) -> Device:
    if memory not in MEMORY:
        raise ExchangeError(f"from_dlpack: the array is in memory of DLPack's kind {memory}. Give the device to have it on.")
    return Device(MEMORY[memory]) if MEMORY[memory] == "cpu" else Device(MEMORY[memory], index)


@function(method=False)
def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule of the values of ``tensor``. Hand over the tensor itself where the other library takes it."""
    return dlpack_capsule(as_tensor_of("to_dlpack", tensor, "tensor"))


def dlpack_capsule(
    self: Tensor,
    *,
    stream: Any = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """The values as a DLPack capsule, which other libraries ask for.

    The memory is shared and marked as not to be written to; for one that does not ask for version 1 of DLPack, which has
    no such mark, it is copied. Raises ExchangeError for a tensor that requires a gradient, and where ``copy=False`` cannot be.
    """
    if self.node is not None:
        raise ExchangeError("__dlpack__: this tensor requires a gradient, which another library would lose. Use .detach().")
    try:
        return self.kind.backend.to_dlpack(
            read_array(self), stream=stream, max_version=max_version, dl_device=dl_device, copy=copy
        )
    except TapeloomError:
        raise
    except REFUSED as error:
        raise ExchangeError(f"__dlpack__: this {self.dtype.name} tensor cannot be handed over: {error}") from error


def dlpack_device(self: Tensor) -> tuple[int, int]:
    """DLPack's number of the kind of memory that the values are in, and the number of the device."""
    return self.kind.backend.dlpack_device(read_array(self))


# NumPy

#: functions of NumPy that ask for the form of a tensor, which needs no values, and their answers
FORM: dict[str, Callable[[Tensor], Any]] = {
    "shape": lambda x: x.shape,
    "ndim": lambda x: x.ndim,
    "size": lambda x: x.numel(),
    "iscomplexobj": lambda x: x.dtype.is_complex,
    "isrealobj": lambda x: not x.dtype.is_complex,
}


def numpy_function(
    self: Tensor, function: Callable[..., Any], types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What a function of NumPy gives that has a tensor among its arguments: it gets the values, as ``.numpy()`` gives them."""
    if function.__name__ in FORM and len(args) == 1 and not kwargs:
        return FORM[function.__name__](self)
    return function(*_values(args), **_values(kwargs))


def _values(given: Any) -> Any:
    if isinstance(given, Tensor):
        return given.numpy()
    if type(given) in (list, tuple):
        return type(given)(map(_values, given))
    return {name: _values(value) for name, value in given.items()} if type(given) is dict else given


# the Array API standard

#: the versions of the standard whose names and signatures ``tapeloom.array_api`` has
VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12", "2025.12")


def array_namespace(self: Tensor, /, *, api_version: str | None = None) -> Any:
    """The functions of the Array API standard for this tensor: ``tapeloom.array_api``."""
    if api_version is not None and api_version not in VERSIONS:
        raise ArgumentError(
            f"__array_namespace__: version {api_version!r} is not there. Ask for one of {', '.join(VERSIONS)}."
        )
    return import_module("tapeloom.array_api")


def to_device(self: Tensor, device: DeviceLike, /, *, stream: Any = None) -> Tensor:
    """This tensor on another device, as the Array API standard spells it; ``stream`` must be None."""
    if stream is not None:
        raise ArgumentError(f"to_device: there are no streams to choose from, got stream={stream!r}. Leave it out.")
    return to(self, device)
