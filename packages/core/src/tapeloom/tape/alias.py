"""Views, detached handles and in-place changes, over values that never change.

A view remembers its root tensor and the steps that lead from the root to it. An in-place change gives its handle a
new value; where handles are related, the change is written through to the root and every other view is taken anew.
Nothing that backward kept is ever overwritten, on any backend. What users see is PyTorch's aliasing.
"""

from __future__ import annotations

from typing import Any, TypeVar
from weakref import ref

from tapeloom.errors import ArgumentTypeError, DeviceError, DTypeError, InplaceError, ShapeError
from tapeloom.modes import MODES
from tapeloom.tape.node import Leaf, Node, hooks_of
from tapeloom.tape.op import OPS, Op
from tapeloom.tape.tensor import Tensor, extra_of, make

T = TypeVar("T", bound=Tensor)

DETACH: Any = None  # the step of a path that leaves the tape


def link(view: Tensor, base: Tensor, op: Any, statics: tuple[Any, ...]) -> None:
    """Remember that ``view`` is ``op(base, *statics)`` and shares its values."""
    held = base.extra
    if held is not None and held.base is not None:
        root, path = held.base, (*held.path, (op, statics))
    else:
        root, path = base, ((op, statics),)
    extra = extra_of(view)
    extra.base, extra.path = root, path
    views = extra_of(root).views
    if len(views) >= 16 and len(views) & (len(views) - 1) == 0:  # now and then drop those that are gone
        views[:] = [weak for weak in views if weak() is not None]
    views.append(ref(view))


def shared(cls: type[T], tensor: Tensor) -> T:
    """A handle of class ``cls`` on the same value, without history."""
    result = object.__new__(cls)
    result.array, result.kind, result.node, result.extra = tensor.array, tensor.kind, None, None
    link(result, tensor, DETACH, ())
    return result


def detached(tensor: Tensor) -> Tensor:
    """Another handle on the same value, without history."""
    return shared(Tensor, tensor)


def replace_data(tensor: Tensor, value: Tensor) -> None:
    """``tensor.data = value``: the handle takes over the value, and leaves the relations it had."""
    if not isinstance(value, Tensor):
        raise ArgumentTypeError(f"data: expected a tensor, got {type(value).__name__}.")
    if tensor.node is not None and not value.dtype.inexact:
        raise DTypeError(
            f"data: a tensor that requires a gradient must stay floating or complex, got {value.dtype.name}."
        )
    unlink(tensor)
    tensor.array, tensor.kind = value.array, value.kind
    if type(tensor.node) is Leaf:
        leaf = tensor.node
        if leaf.kind is not value.kind or leaf.shape != value.shape:
            leaf.kind, leaf.shape = value.kind, value.shape
    link(tensor, value, DETACH, ())


def unlink(tensor: Tensor) -> None:
    """Take ``tensor`` out of the relations it has; its views stay related to each other through a stand-in."""
    extra = tensor.extra
    if extra is None:
        return
    if extra.base is not None:
        root = extra_of(extra.base)
        root.views[:] = [weak for weak in root.views if weak() is not None and weak() is not tensor]
        extra.base, extra.path = None, ()
    if extra.views:
        alive = [view for weak in extra.views if (view := weak()) is not None]
        extra.views = []
        if alive:
            stand_in = make(tensor.array, tensor.kind)
            for view in alive:
                its = extra_of(view)
                its.base = stand_in
                extra_of(stand_in).views.append(ref(view))


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
    everywhere = OPS.greater(OPS.full_of(make(target.array, target.kind), 1), 0)
    return OPS.where(everywhere, value, target)  # type: ignore[no-any-return]


def check_writable(name: str, target: Tensor) -> None:
    """Raise InplaceError where an in-place change of ``target`` would lose a gradient."""
    if not MODES.get().grad:
        return
    extra = target.extra
    base = None if extra is None or any(step is DETACH for step, _ in extra.path) else extra.base
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
    if extra is None or (extra.base is None and not extra.views):
        target.array = value.array
        if recording:
            _recorded(target, value.node)
        return
    root, path = (target, ()) if extra.base is None else (extra.base, extra.path)
    off_tape = not recording or any(step is DETACH for step, _ in path)
    token = MODES.set(MODES.get().with_grad(not off_tape))
    try:
        changed = _written(root, path, value)
        views = [view for weak in extra_of(root).views if (view := weak()) is not None]
        fresh = [_replayed(changed, extra_of(view).path) for view in views]
    finally:
        MODES.reset(token)
    root.array = changed.array
    if not off_tape:
        _recorded(root, changed.node)
    for view, new in zip(views, fresh, strict=True):
        view.array = new.array
        if not off_tape and not any(step is DETACH for step, _ in extra_of(view).path):
            _recorded(view, new.node)
    if recording and off_tape and extra.base is not None:
        _recorded(target, value.node)  # a detached handle has a history of its own


def _recorded(tensor: Tensor, node: Node | None) -> None:
    """Give ``tensor`` its new place on the tape; that its gradient is to be kept goes with it."""
    old = tensor.node
    if node is not None and old is not None and type(old) is not Leaf and old.hooks is not None and old.hooks.retains:
        hooks_of(node).retains = True
    tensor.node = node


def _step(op: Op[Any, Any] | None, statics: tuple[Any, ...], base: Tensor) -> Tensor:
    return make(base.array, base.kind) if op is None else op(base, *statics)


def _replayed(root: Tensor, path: tuple[tuple[Any, tuple[Any, ...]], ...]) -> Tensor:
    """The view that ``path`` leads to, taken anew from ``root``."""
    current = make(root.array, root.kind, root.node)
    for op, statics in path:
        current = _step(op, statics, current)
    return current


def _written(root: Tensor, path: tuple[tuple[Any, tuple[Any, ...]], ...], value: Tensor) -> Tensor:
    """The root's new value when the view that ``path`` leads to becomes ``value``."""
    stations = [make(root.array, root.kind, root.node)]
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
