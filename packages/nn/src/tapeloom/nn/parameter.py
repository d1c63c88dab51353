"""Tensors that a module owns: Parameter is trained, Buffer is only kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self, TypeGuard, TypeVar

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.devices import DeviceLike
from tapeloom.dtypes import DTypeLike
from tapeloom.errors import ArgumentTypeError
from tapeloom.printing import tensor_text
from tapeloom.tensors.alias import shared, unlink
from tapeloom.tensors.tensor import host_array

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter"]

T = TypeVar("T", bound=Tensor)


class Parameter(Tensor):
    """A Tensor that a `Module` registers as trainable when it is set as an attribute.

    Args:
        data: the initial value, of any shape; the parameter shares it as `data.detach()` would. None is an empty
            tensor of shape (0,).
        requires_grad: whether gradients are recorded; only a floating-point value can have them.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> weight = nn.Parameter(tl.zeros(2, 3))
        >>> weight.shape, weight.requires_grad, weight.is_leaf
        ((2, 3), True, True)
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        """A new handle on the value of `data`."""
        parameter = _shared(cls, tl.empty(0) if data is None else data)
        parameter.requires_grad = requires_grad
        return parameter

    def __repr__(self, *, tensor_contents: object = None) -> str:  # type: ignore[override]  # mypy finds both alike
        return f"Parameter containing:\n{tensor_text(self, host_array(self), 'tensor')}"


class Buffer(Tensor):
    """A Tensor that a `Module` registers as a buffer when it is set as an attribute.

    A buffer moves with its module and is saved with it, but is not trained: running statistics, masks, tables.

    Args:
        data: the initial value, of any shape; shared, as with `Parameter`.
        persistent: whether it belongs to the module's `state_dict()`.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> module = nn.Module()
        >>> module.mask = nn.Buffer(tl.ones(3), persistent=False)
        >>> [name for name, _ in module.named_buffers()], list(module.state_dict())
        (['mask'], [])
    """

    persistent: bool = True

    def __new__(cls, data: Tensor, persistent: bool = True) -> Buffer:
        """A new handle on the value of `data`."""
        buffer = _shared(cls, data)
        buffer.persistent = persistent
        return buffer

    def __repr__(self, *, tensor_contents: object = None) -> str:  # type: ignore[override]  # mypy finds both alike
        return tensor_text(self, host_array(self), "tensor")


class UninitializedParameter(Parameter):
    """A parameter whose shape is not known yet; the lazy layers have them until their first call.

    Args:
        requires_grad: see `Parameter`.
        device, dtype: where the value will live, and its dtype.

    Until `materialize` gives it a shape, it is an empty tensor.
    """

    def __new__(cls, requires_grad: bool = True, device: DeviceLike = None, dtype: DTypeLike = None) -> Self:
        """An empty one."""
        parameter = _shared(cls, tl.empty(0, device=device, dtype=dtype))
        parameter.requires_grad = requires_grad
        return parameter

    def materialize(self, shape: Sequence[int], device: DeviceLike = None, dtype: DTypeLike = None) -> None:
        """Gives it a shape, with values that are still to be set, and makes it a `Parameter`."""
        _materialize(self, shape, device, dtype)
        self.__class__ = Parameter  # type: ignore[assignment]

    def __repr__(self, *, tensor_contents: object = None) -> str:  # type: ignore[override]
        return "<UninitializedParameter>"


class UninitializedBuffer(Buffer):
    """A buffer whose shape is not known yet; see `UninitializedParameter`."""

    def __new__(
        cls, requires_grad: bool = False, device: DeviceLike = None, dtype: DTypeLike = None, persistent: bool = True
    ) -> Self:
        """An empty one."""
        buffer = _shared(cls, tl.empty(0, device=device, dtype=dtype))
        buffer.requires_grad = requires_grad
        buffer.persistent = persistent
        return buffer

    def materialize(self, shape: Sequence[int], device: DeviceLike = None, dtype: DTypeLike = None) -> None:
        """Gives it a shape, with values that are still to be set, and makes it a `Buffer`."""
        _materialize(self, shape, device, dtype)
        self.__class__ = Buffer  # type: ignore[assignment]

    def __repr__(self, *, tensor_contents: object = None) -> str:  # type: ignore[override]
        return "<UninitializedBuffer>"


def is_lazy(value: object) -> TypeGuard[UninitializedParameter | UninitializedBuffer]:
    """Whether a parameter or buffer has no shape yet."""
    return isinstance(value, (UninitializedParameter, UninitializedBuffer))


def _materialize(tensor: Tensor, shape: Sequence[int], device: DeviceLike, dtype: DTypeLike) -> None:
    tensor.data = tl.empty(tuple(shape), device=device or tensor.device, dtype=dtype or tensor.dtype)
    drop_aliases(tensor)


def _shared(cls: type[T], data: Tensor) -> T:
    """A handle of another class on the value of `data`, as `data.detach()` is one of its own class."""
    if not isinstance(data, Tensor):
        raise ArgumentTypeError(
            f"{cls.__name__}: data must be a Tensor, got {type(data).__name__}. Make one with tl.tensor."
        )
    return shared(cls, data)


def drop_aliases(tensor: T) -> T:
    """Forgets that a tensor shares its value: for one whose partner was made only to be handed over.

    A tensor that shares nothing takes the short path of in-place changes, in every step of an optimizer.
    """
    unlink(tensor)
    return tensor
