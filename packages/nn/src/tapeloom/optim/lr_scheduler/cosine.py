"""Schedulers along a cosine."""

from __future__ import annotations

import math
from typing import Any

from tapeloom.call.explain import checked
from tapeloom.errors import ArgumentError

from ..optimizer import Optimizer
from .scheduler import LRScheduler, as_epochs

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts"]


class CosineAnnealingLR(LRScheduler):
    """Lets the rates fall from base to `eta_min` along half a cosine in `T_max` epochs, and rise again after.

        lr(t) = eta_min + (base - eta_min) * (1 + cos(pi * t / T_max)) / 2

    Args:
        optimizer: whose rates to change.
        T_max: epochs of the fall, at least 1.
        eta_min: the least rate.
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentError: a T_max below 1.

    Source: I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, eq. 5. Each
    step goes from the rate before it by the ratio of the formula's two values, as in PyTorch.
    """

    @checked
    def __init__(self, optimizer: Optimizer, T_max: float, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        if not T_max >= 1:
            raise ArgumentError(f"CosineAnnealingLR: T_max is {T_max}; it must be at least 1.")
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def _height(self, epoch: int) -> float:
        return 1.0 + math.cos(math.pi * epoch / self.T_max)

    def get_lr(self) -> list[Any]:
        """The rates at `last_epoch`."""
        if self._is_initial:
            return self._current()
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # leaving the bottom, where the ratio is 0 / 0
            rise = (1.0 - math.cos(math.pi / self.T_max)) / 2.0
            return [lr + (base - self.eta_min) * rise for lr, base in zip(self._current(), self.base_lrs, strict=True)]
        ratio = self._height(self.last_epoch) / self._height(self.last_epoch - 1)
        return [self.eta_min + (lr - self.eta_min) * ratio for lr in self._current()]

    def _get_closed_form_lr(self) -> list[Any]:
        height = self._height(self.last_epoch) / 2.0
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Lets the rates fall from base to `eta_min` along half a cosine, again and again.

        lr(t) = eta_min + (base - eta_min) * (1 + cos(pi * T_cur / T_i)) / 2

    T_cur counts the epochs since the last restart. T_i, the epochs from there to the next, is `T_0` at first and
    `T_mult` times as much after each restart.

    Args:
        optimizer: whose rates to change.
        T_0: epochs to the first restart, at least 1.
        T_mult: the factor, at least 1.
        eta_min: the least rate.
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentError: T_0 or T_mult below 1.

    Source: I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, eq. 5.
    """

    @checked
    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_0 = self.T_i = as_epochs("CosineAnnealingWarmRestarts", "T_0", T_0, least=1)
        self.T_mult = as_epochs("CosineAnnealingWarmRestarts", "T_mult", T_mult, least=1)
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates at `T_cur`."""
        height = (1.0 + math.cos(math.pi * self.T_cur / self.T_i)) / 2.0
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Goes to the next epoch, or to any one, and sets the rates.

        Args:
            epoch: the epoch to go to; with parts of one, as in `epoch + batch / batches`, the rates change after each
                batch.
        """
        if epoch is not None and not epoch >= 0:
            raise ArgumentError(f"CosineAnnealingWarmRestarts: epoch is {epoch}; it must be at least 0.")
        self._advance(epoch)

    def _advance(self, epoch: float | None = None) -> None:
        if epoch is None and self.last_epoch >= 0:
            self.last_epoch += 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            epoch = 0 if epoch is None else epoch
            self.last_epoch = math.floor(epoch)
            self.T_cur, self.T_i = epoch, self.T_0
            if epoch >= self.T_0 and self.T_mult == 1:
                self.T_cur = epoch % self.T_0
            elif epoch >= self.T_0:  # the restarts so far are a geometric series
                restarts = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
                self.T_cur = epoch - self.T_0 * (self.T_mult**restarts - 1) / (self.T_mult - 1)
                self.T_i = self.T_0 * self.T_mult**restarts
        self._set(self.get_lr())
