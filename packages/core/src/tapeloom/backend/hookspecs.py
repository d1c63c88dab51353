"""The hooks that a backend plugin implements (with ``tapeloom.hookimpl``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from tapeloom.backend.runtime import Backend

hookspec = pluggy.HookspecMarker("tapeloom")
hookimpl = pluggy.HookimplMarker("tapeloom")


@hookspec(firstresult=True)
def tapeloom_backend() -> Backend:  # type: ignore[empty-body]
    """Return the plugin's backend; raise, saying what is missing, where it cannot be used. Import libraries in here."""
