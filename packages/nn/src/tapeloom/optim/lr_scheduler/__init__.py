"""Schedulers: each changes the learning rates of an optimizer's groups when `step()` is called, usually once an epoch.

Call `scheduler.step()` after `optimizer.step()`. Names, arguments and values are those of `torch.optim.lr_scheduler`.
Most schedulers work on the rate that the groups have now, so several may be put upon one optimizer. A rate that is a
Tensor stays the same Tensor: it gets its new value in place, and is never read back to the host.
"""

from .combined import ChainedScheduler, SequentialLR
from .cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from .cycles import CyclicLR, OneCycleLR
from .factors import ConstantLR, ExponentialLR, LinearLR, MultiStepLR, PolynomialLR, StepLR
from .functions import LambdaLR, MultiplicativeLR
from .plateau import ReduceLROnPlateau
from .scheduler import LRScheduler

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
