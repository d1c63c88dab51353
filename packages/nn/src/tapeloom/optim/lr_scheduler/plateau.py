"""A scheduler by what a metric does."""

from __future__ import annotations

import math
import warnings
from typing import Any

from tapeloom.call.explain import checked
from tapeloom.errors import ArgumentError, ArgumentTypeError, StateError

from ..optimizer import Optimizer
from .scheduler import EPOCH_WARNING, LRScheduler, check_optimizer, each_group, set_value

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(LRScheduler):
    """Multiplies the rates by `factor` when a metric has not become better for more than `patience` epochs.

    It looks at a number, and so reads a rate that is a Tensor back to the host when it changes it.

    Args:
        optimizer: whose rates to change.
        mode: whether a better metric is smaller, "min", or larger, "max".
        factor: below 1.
        patience: how many epochs without a better metric are let pass.
        threshold: how much better it must be to count.
        threshold_mode: "rel", as a part of the best metric, or "abs".
        cooldown: how many epochs after a change are not looked at.
        min_lr: the least rate, or one for each group.
        eps: smaller changes of a rate are left out.

    Raises:
        ArgumentError: a setting out of its range.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import optim
        >>> optimizer = optim.SGD([tl.zeros(1)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1, factor=0.5)
        >>> for loss in (3.0, 2.0, 2.0, 2.0):
        ...     optimizer.step()
        ...     scheduler.step(loss)
        >>> scheduler.get_last_lr()
        [0.5]
    """

    _required = ("last_epoch", "best", "num_bad_epochs")

    @checked
    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        check_optimizer("ReduceLROnPlateau", optimizer)
        if not factor < 1.0:
            raise ArgumentError(f"ReduceLROnPlateau: factor is {factor}; it must be below 1.")
        for what, value, known in (("mode", mode, ("min", "max")), ("threshold_mode", threshold_mode, ("rel", "abs"))):
            if value not in known:
                raise ArgumentError(f'ReduceLROnPlateau: {what} must be "{known[0]}" or "{known[1]}", got {value!r}.')
        self.optimizer = optimizer
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.eps = eps
        self.default_min_lr = None if isinstance(min_lr, (list, tuple)) else min_lr
        self.min_lrs = each_group("ReduceLROnPlateau", "min_lr", optimizer, min_lr)
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self.best = self.mode_worse
        self.cooldown_counter = 0
        self.num_bad_epochs = 0
        self.last_epoch = 0
        self._last_lr = self._current()

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Looks at the metric of one more epoch, a number or a Tensor that holds one."""
        try:
            current = float(metrics)
        except (TypeError, ValueError):
            raise ArgumentTypeError(
                f"ReduceLROnPlateau: metrics must be a number, got {type(metrics).__name__}."
            ) from None
        if epoch is not None:
            warnings.warn(f"ReduceLROnPlateau: {EPOCH_WARNING}", UserWarning, stacklevel=2)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(current):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = self._current()

    @property
    def in_cooldown(self) -> bool:
        """Whether a change is so new that metrics are not looked at."""
        return self.cooldown_counter > 0

    def _is_better(self, current: float) -> bool:
        sign = 1.0 if self.mode == "max" else -1.0
        if self.threshold_mode == "rel":
            bar = self.best * (1.0 + sign * self.threshold)
        else:
            bar = self.best + sign * self.threshold
        return current > bar if self.mode == "max" else current < bar

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        if len(self.min_lrs) != len(groups):
            if self.default_min_lr is None:
                raise StateError(
                    f"ReduceLROnPlateau: min_lr was given for {len(self.min_lrs)} groups, and the optimizer has "
                    f"{len(groups)} now. Set min_lrs to one for each."
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, least in zip(groups, self.min_lrs, strict=True):
            old = float(group["lr"])
            new = max(old * self.factor, least)
            if old - new > self.eps:
                set_value(group, "lr", new)
