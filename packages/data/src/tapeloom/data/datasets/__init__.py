"""Ready datasets."""

from tapeloom.data.datasets.digits import Digits

__all__ = ["Digits"]
