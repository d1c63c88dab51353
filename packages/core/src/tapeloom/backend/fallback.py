"""Ops that a backend has no kernel for: an error, or computed on the host within ``tapeloom.host_fallback``."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, Any

from tapeloom.call_site import call_site
from tapeloom.devices import CPU
from tapeloom.errors import UnsupportedError
from tapeloom.modes import MODES
from tapeloom.op.registry import REGISTRY

if TYPE_CHECKING:
    from tapeloom.backend.runtime import Backend

#: (name of the backend, name of the op) of what was said to be computed on the host
_said: set[tuple[str, str]] = set()


def on_host(backend: Backend, name: str) -> Callable[..., Any]:
    """The kernel ``name`` computed on the host, where ``tapeloom.host_fallback`` is on; else an UnsupportedError."""

    def computed(*values: Any) -> Any:
        host: Backend | None = MODES.get().host_fallback
        if host is None or host.lacks(name):
            raise lacking(backend, name, host)
        if (backend.name, name) not in _said:
            _said.add((backend.name, name))
            site = call_site()
            text = f"{name}: computed on the host, for the backend {backend.name!r} has no kernel for it."
            warnings.warn_explicit(text, UserWarning, site.file, site.line)
        device = next((backend.device_of(array) for value in values for array in arrays_in(value)), None)
        there = [mapped(value, lambda array: host.from_host(backend.to_host(array), CPU)) for value in values]
        result = getattr(host.completed, name)(*there)
        return (
            result if device is None else mapped(result, lambda array: backend.from_host(host.to_host(array), device))
        )

    return computed


def lacking(backend: Backend, name: str, host: Backend | None) -> UnsupportedError:
    """The error for an op that ``backend`` has no kernel for, and ``host`` does not help with."""
    help = "Move the tensors to another device, for instance with .cpu()"
    if host is None:
        help += ", or run forward and backward within tapeloom.host_fallback(), which computes such ops on the host"
    error = UnsupportedError(
        f"{name}: the backend {backend.name!r} (device type {backend.device_type!r}) has no kernel for {name}. {help}."
    )
    error.lacking = name
    return error


def completed(backend: Backend) -> Any:
    """The kernels of ``backend``, with functions that compute on the host in the place of those that are lacking.

    Also of ops that are declared later. Kernels that are written over lacking ones then find those, too.
    """

    def missing(kernels: Any, name: str) -> Callable[..., Any]:
        if name not in REGISTRY:
            raise AttributeError(f"there is no kernel and no op named {name!r}")
        return on_host(backend, name)

    kernels = copy(backend.kernels)
    kernels.__class__ = type(type(kernels).__name__, (type(kernels),), {"__getattr__": missing})
    for name in filter(backend.lacks, tuple(REGISTRY)):
        setattr(kernels, name, on_host(backend, name))
    return kernels


def arrays_in(value: Any) -> list[Any]:
    """The arrays in a value: lists and tuples item by item."""
    if isinstance(value, (list, tuple)):
        return [array for item in value for array in arrays_in(item)]
    return [value] if is_array(value) else []


def mapped(value: Any, function: Callable[[Any], Any]) -> Any:
    """``value`` with ``function`` applied to each array in it."""
    if isinstance(value, (list, tuple)):
        items = [mapped(item, function) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return function(value) if is_array(value) else value


def is_array(value: Any) -> bool:
    """Whether ``value`` looks like an array."""
    return hasattr(value, "dtype") and hasattr(value, "shape")
