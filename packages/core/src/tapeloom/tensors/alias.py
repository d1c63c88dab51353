"""Which handles share a value: views, detached handles, and what they were taken from.

A view remembers its root tensor and the steps that lead from the root to it; the root knows its views weakly, so that no
cycle arises. What an in-place change does with these relations is in ``call.inplace``.
"""

from __future__ import annotations

import sys
from typing import Any, TypeVar
from weakref import ref

from tapeloom.tensors.tensor import Extra, Tensor, extra_of, make, make_of, read_array

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
    result = make_of(cls, read_array(tensor), tensor.kind)
    link(result, tensor, DETACH, ())
    return result


def leaves_tape(path: tuple[tuple[Any, tuple[Any, ...]], ...]) -> bool:
    """Whether a path leads through a detached handle."""
    return any(step is DETACH for step, _ in path)


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
            stand_in = make(read_array(tensor), tensor.kind)
            for view in alive:
                its = extra_of(view)
                its.base = stand_in
                extra_of(stand_in).views.append(ref(view))
    if extra.grad is None:
        tensor.extra = None


def related(tensor: Tensor) -> bool:
    """Whether any other handle that is alive shares the value of ``tensor``."""
    extra = tensor.extra
    if extra is None:
        return False
    if extra.base is not None:
        if not _held_alone(extra) or any(op is not None and op.write is None for op, _ in extra.path):
            return True  # a view that cannot be written through refuses writes also where it is alone
        # what it was taken from is gone but for this reference, as after ``p.data = p.data * 0.9``
        others = [view for weak in extra_of(extra.base).views if (view := weak()) is not None and view is not tensor]
        if others:
            return True
        extra.base, extra.path = None, ()
    extra.views[:] = [weak for weak in extra.views if weak() is not None]
    if extra.views:
        return True
    if extra.grad is None:
        tensor.extra = None  # the short path of in-place changes again
    return False


def _references(extra: Extra) -> int:
    return sys.getrefcount(extra.base)


def _calibrated() -> int:
    """What ``_references`` says of a base that nobody else holds; 0 where reference counts mean nothing."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return 0
    extra = Extra()
    extra.base = object.__new__(Tensor)
    alone = _references(extra)
    held = extra.base
    sound = _references(extra) == alone + 1
    del held
    return alone if sound else 0


_ALONE = _calibrated()


def _held_alone(extra: Extra) -> bool:
    return _references(extra) == _ALONE
