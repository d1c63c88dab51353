"""Where PyTorch has what loads data: ``tapeloom.utils.data`` is ``tapeloom.data``."""

from tapeloom.utils import data

__all__ = ["data"]
__path__ = __import__("pkgutil").extend_path(__path__, __name__)
