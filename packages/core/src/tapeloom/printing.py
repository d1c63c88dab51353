"""How a tensor prints: its values, truncated, and what cannot be seen in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import dtypes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tapeloom.tensors.tensor import Tensor

_options: dict[str, Any] = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80}


def set_printoptions(
    precision: int | None = None,
    threshold: int | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
) -> None:
    """Set how tensors print: digits, from how many elements on they are truncated, how many at each end, line width."""
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    _options.update({name: value for name, value in given.items() if value is not None})


def tensor_text(tensor: Tensor, array: Any) -> str:
    """``tensor([[1., 2.]], device='xla:0', dtype=tapeloom.float64, grad_fn=<AddBackward>)``; ``array`` holds the values."""
    import numpy as np

    if tensor.dtype.half:
        array = np.asarray(array, dtype="float32")
    head = f"{type(tensor).__name__.lower() if type(tensor).__name__ == 'Tensor' else type(tensor).__name__}("
    if tensor.numel():
        body = np.array2string(
            np.asarray(array),
            precision=_options["precision"],
            threshold=_options["threshold"],
            edgeitems=_options["edgeitems"],
            max_line_width=_options["linewidth"],
            separator=", ",
            prefix=head,
            floatmode="maxprec_equal" if tensor.dtype.is_floating_point else "maxprec",
            formatter={"complexfloat": _complex_text(np.asarray(array))} if tensor.dtype.is_complex else None,
        )
        body = body.replace("\n\n", "\n")
    else:
        body = "[]"
    notes = []
    if not tensor.numel() and tensor.ndim != 1:
        notes.append(f"size={tuple(tensor.shape)}")
    if tensor.device.type != "cpu":
        notes.append(f"device='{tensor.device}'")
    default = dtypes.get_default_dtype()
    if tensor.dtype not in (default, default.complex, dtypes.int64, dtypes.bool_) or (
        not tensor.numel() and tensor.dtype is not default
    ):
        notes.append(f"dtype={tensor.dtype!r}")
    if tensor.grad_fn is not None:
        notes.append(f"grad_fn={tensor.grad_fn!r}")
    elif tensor.requires_grad:
        notes.append("requires_grad=True")
    return f"{head}{', '.join([body, *notes])})"


# complex numbers: both parts as PyTorch prints them, each in a form and width of its own


def _complex_text(array: Any) -> Callable[[Any], str]:
    """What prints one element of a complex array."""
    if array.size > _options["threshold"]:
        array = _edges(array)
    real, imag = _part_text(array.real), _part_text(array.imag)

    def text(value: Any) -> str:
        second = f"{imag(float(value.imag))}j".lstrip()
        return real(float(value.real)) + (second if second[0] in "+-" else f"+{second}")

    return text


def _edges(array: Any) -> Any:
    """The elements of a truncated array that show."""
    shown = _options["edgeitems"]
    for axis, length in enumerate(array.shape):
        if length > 2 * shown:
            array = array.take([*range(shown), *range(length - shown, length)], axis)
    return array


def _part_text(values: Any) -> Callable[[float], str]:
    """What prints one real number among ``values``: as 3., 3.2500 or 3.2500e+00, whichever suits them all."""
    import numpy as np

    counted = values[np.isfinite(values) & (values != 0)].astype(np.float64)
    sizes = np.abs(counted)
    form, point = ".0f", "."
    if counted.size and (sizes.max() > 1000 * sizes.min() or sizes.max() > 1e8 or sizes.min() < 1e-4):
        form, point = f".{_options['precision']}e", ""
    elif (counted != np.ceil(counted)).any():
        form, point = f".{_options['precision']}f", ""

    def text(value: float) -> str:
        return format(value, form) + (point if np.isfinite(value) else "")

    width = max((len(text(value)) for value in counted.tolist()), default=1)
    return lambda value: text(value).rjust(width)
