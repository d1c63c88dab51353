"""What convolution and pooling share: windows over the spatial dimensions of (batch, channels, *spatial).

There are one to three spatial dimensions. A setting is one int for all of them, or one for each.
"""

from __future__ import annotations

from typing import Any

from tapeloom import shapes
from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of

#: the spatial dimensions by their number
AXES = {1: "length", 2: "height, width", 3: "depth, height, width"}


def batched(name: str, rank: int, input: Any) -> Any:
    """``input``, which must have ``rank`` spatial dimensions, with a batch dimension."""
    as_tensor_of(name, input, "input")
    if not rank < input.ndim < rank + 3:
        raise ShapeError(
            f"{name}: expected input (batch, channels, {AXES[rank]}) or (channels, {AXES[rank]}), "
            f"got shape {input.shape}."
        )
    if 0 in input.shape[-rank:]:
        raise ShapeError(f"{name}: input of shape {input.shape} has a spatial dimension of length 0.")
    return input if input.ndim == rank + 2 else OPS.unsqueeze(input, 0)


def unbatched(out: Any, rank: int, input: Any) -> Any:
    """``out`` without the batch dimension that ``input`` did not have."""
    return out if input.ndim == rank + 2 else OPS.squeeze(out, 0)


def setting(name: str, rank: int, parameter: str, value: Any) -> tuple[int, ...]:
    """A setting as a tuple of ``rank`` ints."""
    return shapes.per_axis(name, parameter, value, rank)


def at_least(name: str, least: int, **values: tuple[int, ...]) -> None:
    """Refuse settings below ``least``, which is 0 or 1."""
    for setting, value in values.items():
        if min(value) < least:
            wanted = "be at least 1" if least else "not be negative"
            raise ArgumentError(f"{name}: {setting} must {wanted}, got {value}.")
