"""Which handles share a value: views, detached handles, and what they were taken from.

A view remembers its root tensor and the steps that lead from the root to it; the root knows its views weakly, so that no
cycle arises. What an in-place change does with these relations is in ``call.inplace``.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, TypeVar
from weakref import ref

from tapeloom.modes import MODES, tell_watchers
from tapeloom.references import ALONE, references
from tapeloom.tensors.extra import Extra, Path
from tapeloom.tensors.node import Leaf
from tapeloom.tensors.tensor import Tensor, extra_of, make, make_of, read_array

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
    if op is not DETACH and held is not None and held.path:
        extra.detached = base if held.path[-1][0] is DETACH else held.detached
    views = extra_of(root).views
    if len(views) >= 16 and len(views) & (len(views) - 1) == 0:  # now and then drop those that are gone
        views[:] = [weak for weak in views if weak() is not None]
    views.append(ref(view))


def shared(cls: type[T], tensor: Tensor) -> T:
    """A handle of class ``cls`` on the same value, without history."""
    result = make_of(cls, read_array(tensor), tensor.kind)
    link(result, tensor, DETACH, ())
    if MODES.get().watchers:
        tell_watchers("cut", result, tensor, "detach")
    return result


def history(tensor: Tensor) -> tuple[Tensor, Path]:
    """The handle whose history a change of ``tensor`` continues, and the steps from there: its root or a detached one."""
    extra = tensor.extra
    if extra is None or extra.base is None or extra.path[-1][0] is DETACH:
        return tensor, ()
    if extra.detached is None:
        return extra.base, extra.path
    return extra.detached, extra.path[len(extra_of(extra.detached).path) :]


def relatives(root: Tensor) -> list[Tensor]:
    """The other handles that are alive on the value of ``root``."""
    return [] if root.extra is None else [view for weak in root.extra.views if (view := weak()) is not None]


def unlink(tensor: Tensor) -> None:
    """Take ``tensor`` out of the relations it has; its views stay related to each other through a stand-in."""
    if tensor.extra is not None:
        _replace(tensor, make(read_array(tensor), tensor.kind))
        _drop_if_empty(tensor, tensor.extra)


def step_aside(tensor: Tensor, op: Any, statics: tuple[Any, ...]) -> None:
    """Make ``tensor`` the view ``op(tensor, *statics)`` of what it was, for which a stand-in takes its place."""
    was = make(read_array(tensor), tensor.kind, tensor.node)
    _replace(tensor, was)
    link(tensor, was, op, statics)


def _replace(tensor: Tensor, stand_in: Tensor) -> None:
    """Put ``stand_in`` in the place of ``tensor``, which leaves the relations it had."""
    extra, its = extra_of(tensor), extra_of(stand_in)
    if extra.base is not None:
        root = extra_of(extra.base)
        root.views[:] = [weak for weak in root.views if weak() is not None and weak() is not tensor]
        root.views.append(ref(stand_in))
        for view in relatives(extra.base):
            if extra_of(view).detached is tensor:
                extra_of(view).detached = stand_in
    for view in relatives(tensor):
        extra_of(view).base = stand_in
    its.base, its.path, its.detached, its.views = extra.base, extra.path, extra.detached, extra.views
    extra.views = []
    _forget_base(extra)


def _forget_base(extra: Extra) -> None:
    extra.base, extra.path, extra.detached = None, (), None


def related(tensor: Tensor) -> bool:
    """Whether any other handle that is alive shares the value of ``tensor``."""
    extra = tensor.extra
    if extra is None:
        return False
    if extra.base is not None:
        if references([extra.base]) != [ALONE]:
            return True
        # what it was taken from is gone but for this reference, as after ``p.data = p.data * 0.9``
        if type(extra.base.node) is Leaf or any(op is not None and op.write is None for op, _ in extra.path):
            return True  # a view that refuses writes does so also where it is alone
        if any(view is not tensor for view in relatives(extra.base)):
            return True
        _forget_base(extra)
    extra.views[:] = [weak for weak in extra.views if weak() is not None]
    if extra.views:
        return True
    _drop_if_empty(tensor, extra)  # the short path of in-place changes again
    return False


def _drop_if_empty(tensor: Tensor, extra: Extra) -> None:
    if extra.grad is None and extra.leaf is None:
        tensor.extra = None


def writable_memory(root: Tensor) -> list[Tensor] | None:
    """Whether the memory of ``root`` may be written to, since handles alone hold it: then those that have a copy of it.

    None if anybody else does: what backward keeps, lent arrays and arrays that another thread computes with hold
    references of their own, and nobody must see them change.
    """
    if not ALONE or not root.kind.backend.owns_memory(read_array(root)):
        return None
    views = relatives(root)
    if not views:
        return [] if references([read_array(root)]) == [ALONE] else None
    arrays = [read_array(handle) for handle in (root, *views)]
    counts = references(arrays)
    base, handles = arrays[0], Counter(map(id, arrays))
    parts: set[int] = set()
    apart: list[Tensor] = []
    for view, array, count in zip(views, arrays[1:], counts[1:], strict=True):
        if array is base:
            continue
        if getattr(array, "base", None) is not base:
            apart.append(view)
        elif count == _held_by(handles[id(array)]):
            parts.add(id(array))
        else:
            return None
    return apart if counts[0] == _held_by(handles[id(base)]) + len(parts) else None


def _held_by(handles: int) -> int:
    """The count of an array that so many handles hold, each of them being in the list of the question."""
    return ALONE + 2 * (handles - 1)
