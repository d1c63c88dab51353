"""What dropout keeps, as a mask: for ops that drop within themselves."""

from __future__ import annotations

from typing import Any

from tapeloom.host_random import probability_threshold
from tapeloom.op.registry import FUNCTIONS, OPS
from tapeloom.ops.creation import ones
from tapeloom.tensors.tensor import Tensor


def kept(name: str, like: Any, size: tuple[int, ...], p: float) -> Tensor:
    """A mask of ``size`` on the device of ``like``, False with probability ``p``. Raises ArgumentError for ``p`` outside 0 to 1."""
    probability_threshold(name, p)
    chosen = FUNCTIONS["dropout"].call(ones(*size, device=like.device), p)
    return OPS.ne(chosen, 0)
