"""What PyTorch has under ``utils``: ``checkpoint`` and ``dlpack`` here, and ``data`` where the package tapeloom-data is installed."""

import pkgutil
from importlib import import_module
from typing import Any

from tapeloom.utils import checkpoint, dlpack

__path__ = pkgutil.extend_path(__path__, __name__)
__all__ = ["checkpoint", "dlpack"]


def __getattr__(name: str) -> Any:
    if name == "data":
        return import_module("tapeloom.utils.data")
    raise AttributeError(f"module 'tapeloom.utils' has no attribute {name!r}")
