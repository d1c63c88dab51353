"""Handles: detached ones, and new values given to one in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tapeloom import dtypes
from tapeloom.call.inplace import become, check_writable, inplace, overwriting
from tapeloom.call.op import function
from tapeloom.errors import ArgumentTypeError, InplaceError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.ops.conversion import converted
from tapeloom.ops.creation import full_like
from tapeloom.ops.movement import t, transpose
from tapeloom.tape.transfer import transferred
from tapeloom.tensors.alias import DETACH, shared
from tapeloom.tensors.tensor import Tensor, leave_tape

if TYPE_CHECKING:
    from tapeloom.op.parameter import Axes, TensorLike


@function()
def detach(self: Tensor) -> Tensor:
    """The same values without their history; in-place changes of one show in the other."""
    return shared(Tensor, as_tensor_of("detach", self, "self"))


@function()
def detach_(self: Tensor) -> Tensor:
    """Take this tensor off its tape, in place. Raises InplaceError for a view, which belongs to the tensor it was taken from."""
    extra = as_tensor_of("detach_", self, "self").extra
    if extra is not None and any(step is not DETACH for step, _ in extra.path):
        raise InplaceError("detach_: a view cannot be detached in place: it shares the history of its base. Use .detach().")
    leave_tape(self)
    return self


def copied(self: Tensor) -> Tensor:
    """``copy.copy(self)``: another leaf on the same values, as in PyTorch; in-place changes of one show in the other."""
    made = shared(type(self), self)
    for name, value in getattr(self, "__dict__", {}).items():
        setattr(made, name, value)
    made.requires_grad = self.requires_grad
    return made


@function()
def contiguous(self: Tensor) -> Tensor:
    """The tensor itself: strides are the backend's business."""
    return as_tensor_of("contiguous", self, "self")


@function()
def is_contiguous(self: Tensor) -> bool:
    """Always True: strides are the backend's business."""
    as_tensor_of("is_contiguous", self, "self")
    return True


@function(method=False)
def get_device(input: Tensor) -> int:
    """The number of the device of ``input``; -1 on the CPU."""
    return as_tensor_of("get_device", input).get_device()


@function()
def fill_(self: Tensor, value: TensorLike) -> Tensor:
    """Give every element one value, in place."""
    check_writable("fill", self)
    if isinstance(value, Tensor):
        if value.ndim:
            raise ShapeError(f"fill_: the value must have no dimensions, got shape {value.shape}. Use .copy_(value).")
        value = converted(value, self.dtype)
        return inplace("fill", self, overwriting(self, OPS.expand(value, self.shape)))
    return inplace("fill", self, full_like(self, value))


@function(method=False)
def fill(input: Tensor, value: TensorLike) -> Tensor:
    """``value`` in the shape, dtype and on the device of ``input``, which gets a gradient of zeros."""
    return fill_(OPS.clone(as_tensor_of("fill", input)), value)


@function()
def zero_(self: Tensor) -> Tensor:
    """Give every element the value 0, in place."""
    return fill_(self, 0)


@function()
def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Give this tensor the values of ``src`` (broadcast, cast, moved), in place."""
    if isinstance(src, dtypes.NUMBERS):
        return fill_(self, src)
    check_writable("copy", self)
    if not isinstance(src, Tensor):
        raise ArgumentTypeError(f"copy_: expected a tensor, got {type(src).__name__}.")
    value = transferred(src, self.device)
    value = converted(value, self.dtype)
    if value.shape != self.shape:
        value = OPS.expand(value, self.shape)
    elif value.node is not None and value.node is src.node:
        value = OPS.reshape(value, value.shape)  # a place on the tape of its own
    return inplace("copy", self, overwriting(self, value))


# another shape, in place


@function()
def squeeze_(self: Tensor, dim: Axes | None = None) -> Tensor:
    """In place: ``squeeze``."""
    return become("squeeze", as_tensor_of("squeeze_", self, "self"), lambda x: OPS.squeeze(x) if dim is None else OPS.squeeze(x, dim))


@function()
def unsqueeze_(self: Tensor, dim: int) -> Tensor:
    """In place: ``unsqueeze``."""
    return become("unsqueeze", as_tensor_of("unsqueeze_", self, "self"), lambda x: OPS.unsqueeze(x, dim))


@function()
def t_(self: Tensor) -> Tensor:
    """In place: ``t``."""
    return become("t", as_tensor_of("t_", self, "self"), t)


@function(aliases=("swapaxes_", "swapdims_"))
def transpose_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    """In place: ``transpose``."""
    return become("transpose", as_tensor_of("transpose_", self, "self"), lambda x: transpose(x, dim0, dim1))
