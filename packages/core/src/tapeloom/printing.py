"""How a tensor prints: its values, truncated, and what cannot be seen in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import dtypes

if TYPE_CHECKING:
    from tapeloom.tensor.tensor import Tensor

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


def tensor_text(tensor: Tensor) -> str:
    """``tensor([[1., 2.]], device='xla:0', dtype=tapeloom.float64, grad_fn=<AddBackward>)``."""
    import numpy as np

    array = tensor.kind.backend.to_host(tensor.array)
    if tensor.dtype in (dtypes.bfloat16, dtypes.float16):
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
            formatter=None,
        )
        body = body.replace("\n\n", "\n")
    else:
        body = "[]"
    notes = []
    if not tensor.numel() and tensor.ndim != 1:
        notes.append(f"size={tuple(tensor.shape)}")
    if tensor.device.type != "cpu":
        notes.append(f"device='{tensor.device}'")
    if tensor.dtype not in (dtypes.get_default_dtype(), dtypes.int64, dtypes.bool_) or (
        not tensor.numel() and tensor.dtype is not dtypes.get_default_dtype()
    ):
        notes.append(f"dtype={tensor.dtype!r}")
    if tensor.grad_fn is not None:
        notes.append(f"grad_fn={tensor.grad_fn!r}")
    elif tensor.requires_grad:
        notes.append("requires_grad=True")
    return f"{head}{', '.join([body, *notes])})"
