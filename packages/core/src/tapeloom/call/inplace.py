"""In-place changes. Nothing that backward kept is ever overwritten, on any backend; what users see is PyTorch's aliasing.

An in-place change gives its handle a new value. Where handles are related it is written to the memory that they share; if
anybody else holds that memory, or the backend's arrays never change, or the change is recorded, it is written through to
a new value of the root, and every other view is computed again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import RLock
from typing import Any, TypeVar

from tapeloom.errors import ArgumentTypeError, DeviceError, DTypeError, InplaceError, ShapeError
from tapeloom.modes import MODES
from tapeloom.op.registry import OPS
from tapeloom.tape.levels import Shared, lifted
from tapeloom.tensors.alias import DETACH, history, link, related, relatives, step_aside, unlink, writable_memory
from tapeloom.tensors.extra import Path
from tapeloom.tensors.node import Leaf, Node, hooks_of
from tapeloom.tensors.tensor import Tensor, among, extra_of, make, read_array, write_array, write_handles

T = TypeVar("T")

#: held while memory is looked at and written to, or values are rebound; readers take none
_lock = RLock()


def _renew_lock() -> None:
    global _lock  # noqa: PLW0603 - in a forked child, where the thread that held it does not live
    _lock = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


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
        if value.device is not target.device and value.device == target.device:  # levels of vmap
            value = lifted(value, target.device)
            if value.device is not target.device:
                raise shared_by_samples(name)
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


def shared_by_samples(name: str) -> InplaceError:
    """The error for a write into a tensor that the samples of a vmap share."""
    return InplaceError(
        f"{name}_: the samples of vmap share the tensor that is to be changed, and what is put into it is not the same for all of "
        f"them. Use the out-of-place form, or a tensor made from a batched one, such as x.new_zeros(size)."
    )


def become(name: str, target: Tensor, view: Callable[[Tensor], Tensor]) -> Tensor:
    """Make ``target`` what ``view``, one of the ops that give views, makes of it; returns ``target``.

    Handles related to it stay so, in the shapes that they have. What has a history always records this, as the nodes that
    made it know the shape it had. Raises InplaceError for a leaf that requires a gradient (while recording).
    """
    check_writable(name, target)
    leaf = target.node if type(target.node) is Leaf else None
    with _lock:
        value = view(target) if leaf else _with_grad(True, view, target)
        array, (op, statics) = read_array(value), extra_of(value).path[-1]
        unlink(value)
        if related(target):
            step_aside(target, op, statics)
        if leaf:
            leaf.shape = value.shape
        write_handles([target], [array], [leaf or _followed(target, value.node)])
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
    for tensor, what in ((target, "a leaf"), (history(target)[0], "a view of a leaf")):
        if type(tensor.node) is Leaf:
            raise InplaceError(
                f"{name}_: {what} that requires a gradient cannot be changed in place while operations are recorded. "
                f"Do it under tapeloom.no_grad(), or use the out-of-place form."
            )


def write(
    name: str, target: Tensor, value: Tensor, into: Callable[[Any, Any], object], changed: Callable[[], Tensor]
) -> None:
    """Put ``value`` into a part of ``target``: by ``into(array, its array)`` where the memory may be written to.

    Elsewhere ``target`` becomes ``changed()``, a copy with the part put in: where the write is recorded, where backward, a
    lent array or another thread holds the memory, and on backends whose arrays never change. Threads that write to
    disjoint parts of one tensor lose nothing.
    """
    with _lock:
        if not _written_to_memory(target, value, into):
            inplace(name, target, changed())


def assign(target: Tensor, value: Tensor) -> None:
    """Give ``target``, and every handle related to it, the ``value`` (of the same kind and shape)."""
    if target.extra is not None and type(target) is Shared:
        raise shared_by_samples("copy")
    if target.extra is None or not related(target):
        node = _followed(target, value.node) if MODES.get().grad else target.node
        write_array(target, read_array(value))
        target.node = node
        return
    with _lock:
        if not _written_to_memory(
            target, value, lambda array, new: target.kind.backend.call("at", array, (...,), new, "set", True)
        ):
            _rebind_all(target, value)


def _written_to_memory(target: Tensor, value: Tensor, into: Callable[[Any, Any], object]) -> bool:
    """Write to the memory that ``target`` shares with its relatives, if that may be done."""
    root, path = _root(target)
    apart = writable_memory(root)
    if (
        apart is None
        or among(target, apart)
        or any(op is not DETACH and op.write is None for op, _ in path)
        or (MODES.get().grad and _has_history(target, root, value))
    ):
        return False
    array = read_array(value)
    into(read_array(target), value.kind.backend.copy(array) if _root(value)[0] is root else array)
    for view in apart:
        write_array(view, read_array(_off_tape(_replayed, root, extra_of(view).path)))
    return True


def _rebind_all(target: Tensor, value: Tensor) -> None:
    """Give ``target`` and its relatives new arrays, and new places on the tape where they share its history."""
    root, _ = _root(target)
    top, path = history(target)
    followers = _followers(top, root)
    changed = _written(top, path, value)
    whole = changed if top is root else _off_tape(_written, root, extra_of(top).path, changed)
    others = [handle for handle in (root, *relatives(root)) if not among(handle, (top, *followers))]
    fresh = [changed, *(_replayed(changed, history(view)[1]) for view in followers)]
    fresh += [_off_tape(_replayed, whole, _root(handle)[1]) for handle in others]
    handles = [top, *followers, *others]
    nodes = [handle.node for handle in handles]
    if MODES.get().grad:
        own = len(handles) - len(others)
        nodes[:own] = [_followed(handle, new.node) for handle, new in zip(handles[:own], fresh, strict=False)]
    write_handles(handles, list(map(read_array, fresh)), nodes)


def _has_history(target: Tensor, root: Tensor, value: Tensor) -> bool:
    """Whether the tape has a place for what ``target`` is to be: for ``value``, or a handle of the same history."""
    top = history(target)[0]
    return any(handle.node is not None for handle in (value, top, *_followers(top, root)))


def _root(tensor: Tensor) -> tuple[Tensor, Path]:
    extra = tensor.extra
    return (tensor, ()) if extra is None or extra.base is None else (extra.base, extra.path)


def _followers(top: Tensor, root: Tensor) -> list[Tensor]:
    """The views whose history is that of ``top``."""
    return [view for view in relatives(root) if view is not top and history(view)[0] is top]


def _off_tape(function: Callable[..., T], *args: Any) -> T:
    return _with_grad(False, function, *args)


def _with_grad(enabled: bool, function: Callable[..., T], *args: Any) -> T:
    modes = MODES.get()
    try:
        MODES.set(modes.with_grad(enabled))
        return function(*args)
    finally:
        MODES.set(modes)


def rebind(tensor: Tensor, array: Any) -> None:
    """Give a tensor a new value of the same shape and kind, outside the tape: for optimizers and loading."""
    if tensor.extra is None:
        write_array(tensor, array)
    else:
        _off_tape(assign, tensor, make(array, tensor.kind))


def _followed(tensor: Tensor, node: Node | None) -> Node | None:
    """``node`` as the new place of ``tensor`` on the tape; the gradient it keeps, and that it keeps one, go with it."""
    old = tensor.node
    if node is not None and old is not None and type(old) is not Leaf and old.hooks is not None and old.hooks.retains:
        hooks = hooks_of(node)
        hooks.retains, hooks.retained = True, old.hooks.retained
        old.hooks.retains, old.hooks.retained = False, None
    return node


def _step(op: Any, statics: tuple[Any, ...], base: Tensor) -> Tensor:
    return make(read_array(base), base.kind) if op is None else op(base, *statics)


def _replayed(root: Tensor, path: Path) -> Tensor:
    """The view that ``path`` leads to, taken anew from ``root``."""
    current = make(read_array(root), root.kind, root.node)
    for op, statics in path:
        current = _step(op, statics, current)
    return current


def _written(root: Tensor, path: Path, value: Tensor) -> Tensor:
    """The root's new value when the view that ``path`` leads to becomes ``value``."""
    stations = [make(read_array(root), root.kind, root.node)]
    for op, statics in path[:-1]:
        stations.append(_step(op, statics, stations[-1]))
    for (op, statics), base in zip(reversed(path), reversed(stations), strict=False):
        if op is None:
            continue
        if op.write is None:
            raise InplaceError(
                f"{op.name}: this view cannot be written through: several of its elements may be one element of the "
                f"tensor it was taken from. Write to the tensor itself, or to a copy made with .clone()."
            )
        value = op.write(base, value, *statics)
    return value
