"""``tapeloom.data`` under PyTorch's name."""

from tapeloom.data import *  # noqa: F403 - what is public is said once, there
from tapeloom.data import __all__ as __all__  # noqa: PLC0414
