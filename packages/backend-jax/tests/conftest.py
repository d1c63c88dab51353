"""Fixtures of the XLA backend's tests: the backend itself, and a count of what XLA compiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import pytest

from tapeloom.backend.plugins import get_backend

_COMPILED = [0]
_CLEARED = [0]


def _count(event: str, duration: float, **_: Any) -> None:
    if event == "/jax/core/compile/backend_compile_duration":
        _COMPILED[0] += 1


jax.monitoring.register_event_duration_secs_listener(_count)


@pytest.fixture(autouse=True)
def _bounded_memory() -> Iterator[None]:
    """JAX keeps every program, 1.5 MB each, and the conformance suite makes many thousands."""
    yield
    if _COMPILED[0] - _CLEARED[0] > 1000:
        jax.clear_caches()
        _CLEARED[0] = _COMPILED[0]


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
