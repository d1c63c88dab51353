"""In-place changes over values that never change.

An in-place change gives its handle a new value; where handles are related, the change is written through to the root and
every other view is computed again. Nothing that backward kept is ever overwritten, on any backend. What users see is
PyTorch's aliasing.
"""

from __future__ import annotations

from typing import Any

from tapeloom.errors import ArgumentTypeError, DeviceError, DTypeError, InplaceError, ShapeError
from tapeloom.modes import MODES
from tapeloom.op.registry import OPS
from tapeloom.tensors.alias import DETACH, leaves_tape, link, related, unlink
from tapeloom.tensors.node import Leaf, Node, hooks_of
from tapeloom.tensors.tensor import Tensor, extra_of, make, read_array, write_array


def replace_data(tensor: Tensor, value: Tensor) -> None:
    """``tensor.data = value``: the handle takes over the value, and leaves the relations it had."""
    if not isinstance(value, Tensor):
        raise ArgumentTypeError(f"data: expected a tensor, got {type(value).__name__}.")
    if tensor.node is not None and not value.dtype.inexact:
        raise DTypeError(
            f"data: a tensor that requires a gradient must stay floating or complex, got {value.dtype.name}."
        )
    unlink(tensor)
    write_array(tensor, read_array(value))
    tensor.kind = value.kind
    if type(tensor.node) is Leaf:
        leaf = tensor.node
        if leaf.kind is not value.kind or leaf.shape != value.shape:
            leaf.kind, leaf.shape = value.kind, value.shape
    link(tensor, value, DETACH, ())


def inplace(name: str, target: Tensor, value: Tensor) -> Tensor:
    """Give ``target`` the new ``value``, computed by the op ``name``; returns ``target``.

    Raises InplaceError for a leaf that requires a gradient (while recording), ShapeError or DTypeError for a value
    that does not fit; then nothing has changed.
    """
    if not isinstance(target, Tensor):
        raise ArgumentTypeError(f"{name}_: expected a tensor to change, got {type(target).__name__}.")
    check_writable(name, target)
    if value.shape != target.shape:
        raise ShapeError(
            f"{name}_: the result has shape {value.shape} and cannot be put into a tensor of shape {target.shape}."
        )
    if value.kind is not target.kind:
        if value.device is not target.device:
            raise DeviceError(f"{name}_: the result is on {value.device}, and the tensor on {target.device}.")
        if value.dtype.category > target.dtype.category:
            raise DTypeError(
                f"{name}_: the result is {value.dtype.name} and cannot be put into a tensor of {target.dtype.name}. "
                f"Use the out-of-place form, or cast the tensor first."
            )
        value = OPS.cast(value, target.dtype)
    assign(target, value if value.node is not None else overwriting(target, value))
    return target


def overwriting(target: Tensor, value: Tensor) -> Tensor:
    """``value``, connected to the ``target`` that it overwrites, which still requires a gradient and gets zeros."""
    if target.node is None or not MODES.get().grad:
        return value
    everywhere = OPS.ne(OPS.full_of(make(read_array(target), target.kind), 1), 0)
    return OPS.where(everywhere, value, target)  # type: ignore[no-any-return]


def check_writable(name: str, target: Tensor) -> None:
    """Raise InplaceError where an in-place change of ``target`` would lose a gradient."""
    if not MODES.get().grad:
        return
    extra = target.extra
    base = None if extra is None or leaves_tape(extra.path) else extra.base
    for tensor, what in ((target, "a leaf"), (base, "a view of a leaf")):
        if tensor is not None and type(tensor.node) is Leaf:
            raise InplaceError(
                f"{name}_: {what} that requires a gradient cannot be changed in place while operations are recorded. "
                f"Do it under tapeloom.no_grad(), or use the out-of-place form."
            )


def assign(target: Tensor, value: Tensor) -> None:
    """Rebind ``target`` to ``value`` (same kind and shape), and every handle related to it."""
    recording = MODES.get().grad
    extra = target.extra
    if extra is None or not related(target):
        write_array(target, read_array(value))
        if recording:
            _recorded(target, value.node)
        return
    root, path = (target, ()) if extra.base is None else (extra.base, extra.path)
    off_tape = not recording or leaves_tape(path)
    token = MODES.set(MODES.get().with_grad(not off_tape))
    try:
        changed = _written(root, path, value)
        views = [view for weak in extra_of(root).views if (view := weak()) is not None]
        fresh = [_replayed(changed, extra_of(view).path) for view in views]
    finally:
        MODES.reset(token)
    write_array(root, read_array(changed))
    if not off_tape:
        _recorded(root, changed.node)
    for view, new in zip(views, fresh, strict=True):
        write_array(view, read_array(new))
        if not off_tape and not leaves_tape(extra_of(view).path):
            _recorded(view, new.node)
    if recording and off_tape and extra.base is not None:
        _recorded(target, value.node)  # a detached handle has a history of its own


def rebind(tensor: Tensor, array: Any) -> None:
    """Give a tensor a new value of the same shape and kind, outside the tape: for optimizers and loading."""
    if tensor.extra is None:
        write_array(tensor, array)
        return
    token = MODES.set(MODES.get().with_grad(False))
    try:
        assign(tensor, make(array, tensor.kind))
    finally:
        MODES.reset(token)


def _recorded(tensor: Tensor, node: Node | None) -> None:
    """Give ``tensor`` its new place on the tape; that its gradient is to be kept goes with it."""
    old = tensor.node
    if node is not None and old is not None and type(old) is not Leaf and old.hooks is not None and old.hooks.retains:
        hooks_of(node).retains = True
    tensor.node = node


def _step(op: Any, statics: tuple[Any, ...], base: Tensor) -> Tensor:
    return make(read_array(base), base.kind) if op is None else op(base, *statics)


def _replayed(root: Tensor, path: tuple[tuple[Any, tuple[Any, ...]], ...]) -> Tensor:
    """The view that ``path`` leads to, taken anew from ``root``."""
    current = make(read_array(root), root.kind, root.node)
    for op, statics in path:
        current = _step(op, statics, current)
    return current


def _written(root: Tensor, path: tuple[tuple[Any, tuple[Any, ...]], ...], value: Tensor) -> Tensor:
    """The root's new value when the view that ``path`` leads to becomes ``value``."""
    stations = [make(read_array(root), root.kind, root.node)]
    for op, statics in path[:-1]:
        stations.append(_step(op, statics, stations[-1]))
    for (op, statics), base in zip(reversed(path), reversed(stations), strict=False):
        if op is None:
            continue
        if op.write is None:
            raise InplaceError(
                f"{op.name}: this view cannot be written through: several of its elements are one element of the tensor "
                f"it was taken from. Write to the tensor itself, or to a copy made with .clone()."
            )
        value = op.write(base, value, *statics)
    return value
