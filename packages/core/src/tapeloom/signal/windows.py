"""Windows under the names of ``torch.signal.windows``: what the registry holds for this namespace."""

from __future__ import annotations

from tapeloom.op.registry import public_names

globals().update(public_names("signal.windows"))
__all__ = sorted(public_names("signal.windows"))  # noqa: PLE0605 - the generated stub beside it is what checkers read
