"""Complex parameters as formulas see them: real and imaginary parts side by side, in a last dimension of length 2."""

from __future__ import annotations

from typing import Any

import tapeloom as tl
from tapeloom import Tensor

__all__ = ["real_parts", "take_new"]


def real_parts(tensors: list[Tensor | None] | None) -> Any:
    """Real and imaginary parts side by side in the place of complex tensors: views, through which a step updates them."""
    if tensors is None:
        return None
    return [
        tl.view_as_real(tensor.detach()) if tensor is not None and tensor.is_complex() else tensor for tensor in tensors
    ]


def take_new(params: list[Tensor], column: list[Tensor | None] | None, part: list[Tensor | None] | None) -> None:
    """Puts the states with which a formula of real parts began into `column`, as complex as their parameters."""
    for position, param in enumerate(params):
        if column is not None and part is not None and column[position] is None and (new := part[position]) is not None:
            column[position] = tl.view_as_complex(new) if param.is_complex() else new
