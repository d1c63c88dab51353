"""Anomaly detection: which operation made the first nan, on which line of the user's program, in which module.

A watcher (see ``call.watch``): while it is on, all calls take the general path, each recorded node and each result remember
the place of their call (see ``origins``), and every gradient is looked at. While it is off nothing is paid.
"""

from __future__ import annotations

from typing import Any

from tapeloom.autograd.origins import Origin, note_cut, note_of, note_read_out, note_result, tensors_in
from tapeloom.call.op import Op
from tapeloom.call.watch import Watcher, active, having, operations, switch, switching
from tapeloom.errors import AnomalyError, ArgumentTypeError
from tapeloom.modes import MODES, enter, leave, mode, no_grad
from tapeloom.tensors.kind import Kind
from tapeloom.tensors.node import Node, hooks_of
from tapeloom.tensors.tensor import Tensor, make, read_array


class Anomaly(Watcher):
    """Notes the origin of every node and tensor, and looks for nan: in gradients, and with ``check_forward`` in results.

    With ``check_inf`` an infinity is an anomaly too.
    """

    def __init__(self, check_nan: bool = True, check_forward: bool = False, check_inf: bool = False) -> None:
        self.check_nan = check_nan
        self.check_forward = check_forward
        self.wrong = (NAN, INF) if check_inf else (NAN,)
        self.given: dict[int, list[Any]] = {}  # the arguments of the calls that run, by the list that they came in

    def before(self, op: Op[Any, Any], values: list[Any]) -> None:
        """Remember the arguments as they were given: before they are cast, their origin is known."""
        self.given[id(values)] = list(values)

    def after(self, op: Op[Any, Any], values: list[Any], result: Any) -> None:
        """Note where the call was made, and look for nan in its result."""
        given = self.given.pop(id(values), values)
        origin = Origin()
        for node in operations(result):
            hooks_of(node).origin = origin
        note_result(op, given, result, origin)
        found = _worst([_content(part) for part in tensors_in([result])]) if self.check_forward else FINITE
        if found in self.wrong:
            inputs = tensors_in(given)
            came = _worst([_content(tensor) for tensor in inputs])
            raise AnomalyError(
                f"{op.name}: the result holds {found}; its inputs hold {came}. It was called at {origin}. {_FORWARD[came]}"
                f"{_statistics(inputs)}"
            )

    def failed(self, op: Op[Any, Any], values: list[Any], error: Exception) -> None:
        """Add to the error where the operands were made."""
        for place, tensor in enumerate(tensors_in(self.given.pop(id(values), values))):
            note = note_of(tensor)
            if note is not None:
                error.add_note(
                    f"operand {place}, {tensor.dtype.name}{list(tensor.shape)}, was made by {note.made_by} at {note.origin}"
                )

    def cut(self, result: Tensor, source: Tensor, how: str) -> None:
        """Note that ``result`` leaves the history of ``source``."""
        note_cut(result, source, how)

    def read_out(self, source: Tensor, how: str) -> None:
        """Note that values left the tape."""
        note_read_out(how)

    def after_recording(self, node: Node) -> None:
        """Note where the call was made."""
        hooks_of(node).origin = Origin()

    def after_backward(self, node: Node, g: Any, pairs: list[tuple[Node, Any]]) -> None:
        """Look for nan in the gradients."""
        if not self.check_nan:
            return
        for edge, gradient in pairs:
            found = _content(gradient, edge.kind)
            if found in self.wrong:
                arrived = g if isinstance(g, list) else [g]
                came = _worst([_content(part, node.kind) for part in arrived if part is not None])
                place = next(place for place, other in enumerate(node.edges) if other is edge)
                raise AnomalyError(
                    f"backward: {node.name} returned {found} in the gradient of input {place} (shape {edge.shape}); the gradient "
                    f"that came to it holds {came}. {_called(node)} {_BACKWARD[came]}"
                    f"{_statistics([_tensor(part, node.kind) for part in arrived if part is not None])}"
                )

    def backward_failed(self, node: Node, error: Exception) -> None:
        """Add to the error which operation it was in the gradient of."""
        if not isinstance(error, AnomalyError):
            error.add_note(f"in the gradient of {node.plan.name}. {_called(node)}")


NAN, INF, FINITE = "nan", "inf", "only finite numbers"
#: what to do, by what came in
_FORWARD = {
    NAN: "Look for where they were made: in the data, or before the detection was on.",
    INF: "Look for where the inf was made.",
    FINITE: "Look at the values that it got there.",
}
_BACKWARD = {
    NAN: "That was given to backward, came from a hook, or is the sum of inf and -inf.",
    INF: "Look for where the inf was made: in an operation that took the result, whose derivative is not finite there.",
    FINITE: "Look at the values that it got there: its derivative is not finite at some of them.",
}


def _content(value: Any, kind: Kind | None = None) -> str:
    """What numbers are in a Tensor, or in a raw array of the device of ``kind``."""
    value = _tensor(value, kind)
    if not value.kind.inexact:
        return FINITE
    with no_grad():
        values = make(read_array(value), value.kind)
        if values.isfinite().all():
            return FINITE
        return NAN if values.isnan().any() else INF


def _tensor(value: Any, kind: Kind | None) -> Tensor:
    if isinstance(value, Tensor):
        return value
    assert kind is not None
    return make(value, kind.of(value))


def _statistics(tensors: list[Tensor]) -> str:
    """A line for each tensor: how many nan, inf and zeros it holds, and the range of the finite numbers."""
    return "".join(f"\n  what came {place}: {_summary(tensor)}" for place, tensor in enumerate(tensors))


def _summary(tensor: Tensor) -> str:
    with no_grad():
        values = tensor.detach().abs() if tensor.is_complex() else tensor.detach()
        head = f"{tensor.dtype.name}{list(tensor.shape)}"
        if not tensor.numel() or not values.dtype.inexact:
            return f"{head}, {'no elements' if not tensor.numel() else f'from {values.min().item()} to {values.max().item()}'}"
        finite = values[values.isfinite()]
        counts = ", ".join(
            f"{count} {name}"
            for name, found in (("nan", values.isnan()), ("inf", values.isinf()), ("zeros", values == 0))
            if (count := int(found.sum().item()))
        )
        span = (
            f"finite from {finite.min().item():.6g} to {finite.max().item():.6g}" if finite.numel() else "none finite"
        )
        return f"{head}, {'sizes ' if tensor.is_complex() else ''}{span}{f'; {counts}' if counts else ''}"


def _worst(contents: list[str]) -> str:
    return next((content for content in (NAN, INF) if content in contents), FINITE)


def _called(node: Node) -> str:
    origin = None if node.hooks is None else node.hooks.origin
    if origin is None:
        return "It was recorded before anomalies were looked for; run forward within detect_anomaly too, to see where."
    return f"{node.plan.name} was called at {origin}."


# switching it


class set_detect_anomaly:
    """Switch anomaly detection on or off: at once when called, and until the end of the block when used with ``with``.

    Like all modes it holds for this thread. ``check_nan=False`` looks for no nan: errors in backward then carry a note of
    where their operation was called, and no more.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        for name, value in (("mode", mode), ("check_nan", check_nan)):
            if not isinstance(value, bool):
                raise ArgumentTypeError(f"set_detect_anomaly: {name} must be True or False, got {value!r}.")
        self._before = active(Anomaly)
        switch(Anomaly, Anomaly(check_nan) if mode else None, detect_anomaly)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc_info: object) -> None:
        switch(Anomaly, self._before, detect_anomaly)


class detect_anomaly(mode):
    """Within it a nan gradient is an AnomalyError, which says what made it and where that was called. Also a decorator.

    The forward pass must be run within it too. ``check_nan=False`` only notes in errors of backward where the operation
    was called; ``check_forward=True`` looks at the results of the forward pass as well, and ``check_inf=True`` takes inf
    for an anomaly too. Errors say where their operands were made; ``why_no_grad`` knows what cut a tape off. Slow: for
    finding a fault.

    Example:
        >>> import tapeloom as tl
        >>> x = tl.zeros(2, requires_grad=True)
        >>> with tl.autograd.detect_anomaly():
        ...     (x.sqrt() * 0).sum().backward()
        Traceback (most recent call last):
        ...
        tapeloom.errors.AnomalyError: backward: SqrtBackward returned nan in the gradient of input 0 (shape (2,)); ...
    """

    def __init__(self, check_nan: bool = True, check_forward: bool = False, check_inf: bool = False) -> None:
        self.settings = check_nan, check_forward, check_inf

    def __enter__(self) -> detect_anomaly:
        anomaly = Anomaly(*self.settings)
        with switching(Anomaly):
            enter(self, watchers=having(MODES.get(), Anomaly, anomaly))
        return self

    def __exit__(self, *exc_info: object) -> None:
        with switching(Anomaly):
            leave(self)

    def _arguments(self) -> tuple[Any, ...]:
        return self.settings


def is_anomaly_enabled() -> bool:
    """Whether anomalies are looked for now."""
    return active(Anomaly) is not None


def is_anomaly_check_nan_enabled() -> bool:
    """Whether gradients are checked for nan now."""
    anomaly = active(Anomaly)
    return anomaly is not None and anomaly.check_nan
