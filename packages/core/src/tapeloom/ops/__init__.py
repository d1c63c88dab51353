"""The families of ops. As ``tapeloom.ops.NAME`` every op can be reached, those too that only rules and other ops use."""

from __future__ import annotations

from typing import Any

from tapeloom.op.registry import REGISTRY


def __getattr__(name: str) -> Any:
    try:
        return REGISTRY[name]
    except KeyError:
        raise AttributeError(f"module 'tapeloom.ops' has no op {name!r}") from None
