"""Where tensors came from, noted while anomalies are looked for: the line of the call, and what cut a tape off.

``why_no_grad`` reads the notes, and errors name by them the lines that made the operands.
"""

from __future__ import annotations

from collections import deque
from typing import Any
from weakref import ref

from tapeloom.call.watch import CALLER
from tapeloom.call_site import call_site
from tapeloom.errors import ArgumentTypeError
from tapeloom.func.tree import flatten
from tapeloom.modes import MODES
from tapeloom.op.schema import OpSchema
from tapeloom.tensors.node import Leaf
from tapeloom.tensors.tensor import Tensor


class Origin:
    """Where something was called: the line, and the module if it was within one."""

    __slots__ = ("caller", "site")

    def __init__(self) -> None:
        self.site = call_site()
        caller = CALLER.get()
        self.caller = "" if caller is None else f", in {caller}"

    def __str__(self) -> str:
        return f"{self.site}{self.caller}"


class Note:
    """What is known of a tensor: what made it and where, and why no gradient can reach what it was made from."""

    __slots__ = ("cut", "made_by", "origin")

    def __init__(self, made_by: str, origin: Origin, cut: str = "") -> None:
        self.made_by = made_by
        self.origin = origin
        self.cut = cut


#: by the identity of a tensor; with a weak reference, whose death takes the note away (tensors compare by element)
_NOTES: dict[int, tuple[ref[Tensor], Note]] = {}
#: the last times that values left the tape for Python or NumPy
_READ_OUT: deque[str] = deque(maxlen=3)


def note_of(tensor: Tensor) -> Note | None:
    """The note of ``tensor``, if there is one."""
    found = _NOTES.get(id(tensor))
    return None if found is None or found[0]() is not tensor else found[1]


def write_note(tensor: Tensor, note: Note) -> None:
    """Note where ``tensor`` came from, as long as it is alive."""
    key = id(tensor)
    _NOTES[key] = ref(tensor, lambda gone: _NOTES.pop(key, None) if _NOTES.get(key, (None,))[0] is gone else None), note


def note_result(op: OpSchema, values: list[Any], result: Any, origin: Origin) -> None:
    """Note the results of a call of ``op``, and whether it cut the tape off."""
    inputs = tensors_in(values)
    history = any(tensor.node is not None for tensor in inputs)
    earlier = next((note.cut for tensor in inputs if (note := note_of(tensor)) is not None and note.cut), "")
    for part in tensors_in([result]):
        cut = ""
        if part.node is None:
            cut = f"{_why(op, part)} It was called at {origin}." if history else earlier
        if not any(part is tensor for tensor in inputs):
            write_note(part, Note(op.name, origin, cut))


def note_cut(result: Tensor, source: Tensor, how: str) -> None:
    """Note that ``result`` was taken from ``source`` without its history."""
    origin = Origin()
    if source.node is not None:
        write_note(
            result, Note(how, origin, f"{how} takes the values without their history. It was called at {origin}.")
        )
    elif (note := note_of(source)) is not None:
        write_note(result, Note(how, origin, note.cut))


def note_read_out(how: str) -> None:
    """Note that values of a tensor with a history went to Python or NumPy."""
    _READ_OUT.append(f"{how}, called at {Origin()}")


def tensors_in(values: Any) -> list[Tensor]:
    """The tensors among ``values`` and in the lists, tuples and dicts there."""
    return [leaf for leaf in flatten(values)[0] if isinstance(leaf, Tensor)]


def _why(op: OpSchema, result: Tensor) -> str:
    """Why a call on tensors with a history gave one without."""
    modes = MODES.get()
    if not result.kind.inexact:
        return f"{op.name} gives {result.dtype.name}, and only floating and complex tensors can have a gradient."
    if modes.inference:
        return f"{op.name} was called within inference_mode, where nothing is recorded."
    if not modes.grad:
        return f"{op.name} was called within no_grad (or set_grad_enabled(False)), where nothing is recorded."
    return f"{op.name} has no gradient for the inputs that require one."


def why_no_grad(tensor: Tensor) -> str:
    """Why no gradient reaches ``tensor``, or what it was made from: a text that says what, where and what to do.

    What cut a tape off, and the line of it, is known of tensors that were made within ``autograd.detect_anomaly()``.

    Example:
        >>> import tapeloom as tl
        >>> w = tl.ones(2, requires_grad=True)
        >>> with tl.autograd.detect_anomaly():
        ...     y = (w * 2).detach() + 1
        >>> print(tl.autograd.why_no_grad(y))  # doctest: +ELLIPSIS
        This tensor of shape (2,) has no history: detach takes the values without their history. It was called at ...
    """
    if not isinstance(tensor, Tensor):
        raise ArgumentTypeError(f"why_no_grad: expected a tensor, got {type(tensor).__name__}.")
    this = f"This tensor of shape {tensor.shape}"
    if tensor.node is not None:
        return _of_recorded(tensor, this)
    note = note_of(tensor)
    if note is not None and note.cut:
        return f"{this} has no history: {note.cut}"
    if not tensor.kind.inexact:
        return f"{this} is {tensor.dtype.name}: only floating and complex tensors can have a gradient. Convert it, with .float()."
    if note is not None:
        return (
            f"{this} was made by {note.made_by} at {note.origin}, from tensors that do not require a gradient. Call "
            f"requires_grad_() on those that it is to reach."
        )
    read = f" Values with a history were read out by {'; '.join(_READ_OUT)}." if _READ_OUT else ""
    debug = (
        ""
        if read
        else " Make it within tapeloom.autograd.detect_anomaly() to see what cut its history off, if it had one."
    )
    return f"{this} was made from data, and does not require a gradient. Call requires_grad_() on it.{read}{debug}"


def _of_recorded(tensor: Tensor, this: str) -> str:
    if type(tensor.node) is not Leaf:
        return (
            f"{this} requires a gradient: {tensor.node!r} made it. Its .grad is kept only after retain_grad(), called before "
            f"backward."
        )
    if tensor.grad is None:
        return (
            f"{this} is a leaf that requires a gradient, and its .grad is None: no backward has reached it since it was made, or "
            f"since zero_grad. Is the loss made from it? Ask why_no_grad(loss)."
        )
    return f"{this} is a leaf that requires a gradient, and has one in .grad."
