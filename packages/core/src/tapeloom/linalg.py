"""Linear algebra under the names of ``torch.linalg``: what the registry holds for this namespace."""

from __future__ import annotations

from tapeloom.errors import LinAlgError as LinAlgError  # noqa: PLC0414 - as in torch.linalg
from tapeloom.op.registry import public_names

globals().update(public_names("linalg"))
__all__ = sorted([*public_names("linalg"), "LinAlgError"])  # noqa: PLE0605 - the generated stub beside it is what checkers read
