"""How a tensor prints: as in PyTorch, its values, truncated, and then what cannot be seen in them."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tapeloom.tensors.tensor import Tensor

_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}
_LIMITS = {"precision": (0, 1000), "threshold": (0, math.inf), "edgeitems": (0, math.inf), "linewidth": (1, math.inf)}
_options: dict[str, Any] = {**_PROFILES["default"], "sci_mode": None}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors print. What is not given stays as it is, but for ``sci_mode``.

    Args:
        precision: digits after the point.
        threshold: of more elements than that only those at the ends are shown; ``math.inf`` shows all.
        edgeitems: how many are then shown at each end of a dimension.
        linewidth: characters of a line.
        profile: sets these four before the others count: ``"default"``, ``"short"`` or ``"full"``.
        sci_mode: whether numbers print as 1.5000e+00; None decides by their sizes.
    """
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    if profile is not None and profile not in tuple(_PROFILES):
        raise ArgumentError(f"set_printoptions: profile must be one of {', '.join(_PROFILES)}, got {profile!r}.")
    if sci_mode is not None and not isinstance(sci_mode, bool):
        raise ArgumentTypeError(f"set_printoptions: sci_mode must be True, False or None, got {sci_mode!r}.")
    counts = {name: _count(name, value) for name, value in given.items() if value is not None}
    _options.update(_PROFILES[profile] if profile is not None else {})
    _options.update(counts, sci_mode=sci_mode)


def _count(name: str, value: Any) -> Any:
    low, high = _LIMITS[name]
    if name == "threshold" and isinstance(value, float) and value == math.inf:
        return value
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ArgumentTypeError(f"set_printoptions: {name} must be an int, got {value!r}.")
    if not low <= value <= high:
        limits = f"{low} or more" if high == math.inf else f"from {low} to {high}"
        raise ArgumentError(f"set_printoptions: {name} must be {limits}, got {value!r}.")
    return operator.index(value)


def tensor_text(tensor: Tensor, array: Any, name: str | None = None) -> str:
    """``tensor([[1., 2.]], device='xla:0', dtype=tapeloom.float64, grad_fn=<AddBackward>)``; ``array`` holds the values.

    Before the bracket stands ``name``, for which a class of its own has its own.
    """
    import numpy as np

    own = type(tensor).__name__
    head = f"{name or ('tensor' if own == 'Tensor' else own)}("
    array = np.asarray(array, dtype="float32" if tensor.dtype.half else None)
    text = head + (_values_text(array, len(head)) if array.size else "[]")
    last_line = len(text) - text.rfind("\n") + 1  # as PyTorch counts
    for note in _notes(tensor):
        if last_line + len(note) + 2 > _options["linewidth"]:
            text += f",\n{' ' * len(head)}{note}"
            last_line = len(head) + len(note)
        else:
            text += f", {note}"
            last_line += len(note) + 2
    return f"{text})"


def _notes(tensor: Tensor) -> list[str]:
    """What cannot be seen in the values."""
    notes = []
    empty = not tensor.numel()
    default = dtypes.get_default_dtype()
    if tensor.device.type != "cpu":
        notes.append(f"device='{tensor.device}'")
    if (empty and tensor.ndim != 1) or not (empty or _options["edgeitems"]):
        notes.append(f"size={tuple(tensor.shape)}")
    if tensor.dtype not in ((default,) if empty else (default, default.complex, dtypes.int64, dtypes.bool_)):
        notes.append(f"dtype={tensor.dtype!r}")
    if tensor.grad_fn is not None:
        notes.append(f"grad_fn={tensor.grad_fn!r}")
    elif tensor.requires_grad:
        notes.append("requires_grad=True")
    return notes


def _values_text(array: Any, indent: int) -> str:
    """The elements of a host array, from column ``indent`` on; with dots where they are truncated."""
    shown = _options["edgeitems"]
    truncated = [array.size > _options["threshold"] and length > 2 * shown for length in array.shape]
    for axis, cut in enumerate(truncated):
        if cut:
            length = array.shape[axis]
            array = array.take([*range(shown), *range(length - shown, length)], axis)
    if not array.size:
        return "[...]"
    element, width = _element_text(array)

    def text(values: Any, axis: int) -> str:
        inner = len(truncated) - 1 - axis  # dimensions within this one
        if inner < 0:
            return element(values)
        parts = [text(value, axis + 1) for value in values]
        if truncated[axis]:
            parts.insert(shown, "..." if inner else " ...")
        column = " " * (indent + axis + 1)
        if inner:
            return "[" + (",".ljust(inner + 1, "\n") + column).join(parts) + "]"
        fit = max(1, (_options["linewidth"] - indent - axis) // (width + 2))
        lines = [", ".join(parts[first : first + fit]) for first in range(0, len(parts), fit)]
        return "[" + (",\n" + column).join(lines) + "]"

    return text(array.tolist(), 0)


def _element_text(array: Any) -> tuple[Callable[[Any], str], int]:
    """What prints one element of ``array``, and how wide."""
    if array.dtype.kind == "c":
        (real, real_width), (imag, imag_width) = _number_text(array.real), _number_text(array.imag)

        def text(value: complex) -> str:
            second = f"{imag(value.imag)}j".lstrip()
            return real(value.real) + (second if second[0] in "+-" else f"+{second}")

        return text, real_width + imag_width + 1
    if array.dtype.kind == "f":
        return _number_text(array)
    width = max(len(str(value)) for value in array.reshape(-1).tolist())
    return lambda value: str(value).rjust(width), width


def _number_text(values: Any) -> tuple[Callable[[float], str], int]:
    """What prints one number among ``values``, as 3., 3.2500 or 3.2500e+00, whichever suits them all; and how wide."""
    import numpy as np

    counted = values[np.isfinite(values) & (values != 0)].astype(np.float64)
    sizes = np.abs(counted)
    scientific = _options["sci_mode"]
    if scientific is None or not counted.size:
        scientific = bool(counted.size) and bool(
            sizes.max() > 1000 * sizes.min() or sizes.max() > 1e8 or sizes.min() < 1e-4
        )
    form, point = ".0f", "."
    if scientific:
        form, point = f".{_options['precision']}e", ""
    elif (counted != np.ceil(counted)).any():
        form, point = f".{_options['precision']}f", ""

    def text(value: float) -> str:
        return format(value, form) + (point if math.isfinite(value) else "")

    width = max((len(text(value)) for value in counted.tolist()), default=1)
    return lambda value: text(value).rjust(width), width
