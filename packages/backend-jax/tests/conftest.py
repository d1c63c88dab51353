"""Fixtures of the XLA backend's tests: the backend itself, and a count of what XLA compiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import pytest

from tapeloom.backend.plugins import get_backend

_COMPILED = [0]


def _count(event: str, duration: float, **_: Any) -> None:
    if event == "/jax/core/compile/backend_compile_duration":
        _COMPILED[0] += 1


jax.monitoring.register_event_duration_secs_listener(_count)


@pytest.fixture
def backend() -> Any:
    """The installed backend for ``xla``."""
    return get_backend("xla")


@pytest.fixture
def compilations() -> Callable[[Callable[[], Any]], int]:
    """How many programs XLA compiles while a function runs."""

    def during(function: Callable[[], Any]) -> int:
        before = _COMPILED[0]
        function()
        return _COMPILED[0] - before

    return during
