"""Schedulers that multiply the rates by factors: in steps, in ramps, by powers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tapeloom.call.explain import checked
from tapeloom.errors import ArgumentError, ArgumentTypeError

from ..optimizer import Optimizer
from .scheduler import LRScheduler, as_epochs

__all__ = ["ConstantLR", "ExponentialLR", "LinearLR", "MultiStepLR", "PolynomialLR", "StepLR"]


class StepLR(LRScheduler):
    """Multiplies the rates by `gamma` every `step_size` epochs.

    Args:
        optimizer: whose rates to change.
        step_size: epochs between two changes, at least 1.
        gamma: the factor.
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentError: a step_size below 1.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import optim
        >>> optimizer = optim.SGD([tl.zeros(1)], lr=1.0)
        >>> scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
        >>> rates = []
        >>> for epoch in range(5):
        ...     rates.append(scheduler.get_last_lr()[0])
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    @checked
    def __init__(self, optimizer: Optimizer, step_size: float, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size = as_epochs("StepLR", "step_size", step_size, least=1)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates at `last_epoch`."""
        factor = self.gamma if self.last_epoch and self.last_epoch % self.step_size == 0 else 1.0
        return [lr * factor for lr in self._current()]

    def _get_closed_form_lr(self) -> list[Any]:
        return [base * self.gamma ** (self.last_epoch // self.step_size) for base in self.base_lrs]


class MultiStepLR(LRScheduler):
    """Multiplies the rates by `gamma` at each of the epochs in `milestones`.

    Args:
        optimizer: whose rates to change.
        milestones: epochs in rising order; one given twice counts twice.
        gamma: the factor.
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentTypeError: milestones that are no list of ints.
    """

    @checked
    def __init__(
        self, optimizer: Optimizer, milestones: Sequence[float], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        if not isinstance(milestones, Iterable):
            raise ArgumentTypeError(f"MultiStepLR: milestones must be a list of ints, got {milestones!r}.")
        self.milestones = sorted(as_epochs("MultiStepLR", "a milestone", epoch) for epoch in milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates at `last_epoch`."""
        factor = self.gamma ** self.milestones.count(self.last_epoch)
        return [lr * factor for lr in self._current()]

    def _get_closed_form_lr(self) -> list[Any]:
        return [base * self.gamma ** bisect_right(self.milestones, self.last_epoch) for base in self.base_lrs]

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what `state_dict()` gave; PyTorch's has a dict of epochs and how often each counts."""
        super().load_state_dict(state_dict)
        if isinstance(self.milestones, Mapping):
            self.milestones = sorted(int(epoch) for epoch, count in self.milestones.items() for _ in range(count))


class ExponentialLR(LRScheduler):
    """Multiplies the rates by `gamma` every epoch.

    Args:
        optimizer: whose rates to change.
        gamma: the factor.
        last_epoch: see `LRScheduler`.
    """

    @checked
    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates at `last_epoch`."""
        factor = 1.0 if self._is_initial else self.gamma
        return [lr * factor for lr in self._current()]

    def _get_closed_form_lr(self) -> list[Any]:
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]


class ConstantLR(LRScheduler):
    """Multiplies the rates by `factor` for the first `total_iters` epochs.

    Args:
        optimizer: whose rates to change.
        factor: between 0 and 1.
        total_iters: how many epochs the rates stay small.
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentError: a factor out of its range.
    """

    @checked
    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        _check_factor("ConstantLR", "factor", factor)
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates at `last_epoch`."""
        if self.last_epoch == 0:
            return [lr * self.factor for lr in self._current()]
        if self.last_epoch != self.total_iters:
            return self._current()
        if self.factor == 0:  # nothing is left to be multiplied
            return list(self.base_lrs)
        return [lr * (1.0 / self.factor) for lr in self._current()]

    def _get_closed_form_lr(self) -> list[Any]:
        factor = 1.0 if self.last_epoch >= self.total_iters else self.factor
        return [base * factor for base in self.base_lrs]


class LinearLR(LRScheduler):
    """Multiplies the rates by a factor that goes from `start_factor` to `end_factor` in `total_iters` epochs.

    Args:
        optimizer: whose rates to change.
        start_factor: above 0, at most 1.
        end_factor: between 0 and 1.
        total_iters: epochs of the ramp.
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentError: a factor out of its range.
    """

    @checked
    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        _check_factor("LinearLR", "start_factor", start_factor, above=True)
        _check_factor("LinearLR", "end_factor", end_factor)
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates at `last_epoch`."""
        if self.last_epoch == 0:
            return [lr * self.start_factor for lr in self._current()]
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._current()
        rise = self.end_factor - self.start_factor
        ratio = 1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)
        return [lr * ratio for lr in self._current()]

    def _get_closed_form_lr(self) -> list[Any]:
        done = min(self.total_iters, self.last_epoch) / self.total_iters
        factor = self.start_factor + (self.end_factor - self.start_factor) * done
        return [base * factor for base in self.base_lrs]


class PolynomialLR(LRScheduler):
    """Lets the rates fall to 0 in `total_iters` epochs: base * (1 - t / total_iters)^power.

    Args:
        optimizer: whose rates to change.
        total_iters: epochs of the fall.
        power: that of the polynomial.
        last_epoch: see `LRScheduler`.
    """

    @checked
    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates at `last_epoch`."""
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._current()
        left = 1.0 - self.last_epoch / self.total_iters
        ratio = (left / (1.0 - (self.last_epoch - 1) / self.total_iters)) ** self.power
        return [lr * ratio for lr in self._current()]

    def _get_closed_form_lr(self) -> list[Any]:
        left = 1.0 - min(self.total_iters, self.last_epoch) / self.total_iters
        return [base * left**self.power for base in self.base_lrs]


def _check_factor(name: str, what: str, value: float, above: bool = False) -> None:
    """Raises ArgumentError for a factor that is not between 0 and 1, or that is 0 and must be `above`."""
    if not 0 <= value <= 1 or (above and value == 0):
        raise ArgumentError(
            f"{name}: {what} is {value}; it must be {'above' if above else 'at least'} 0 and at most 1."
        )
