"""Schedulers: each changes the learning rates of an optimizer's groups when `step()` is called, usually once an epoch.

Call `scheduler.step()` after `optimizer.step()`. Names, arguments and values are those of `torch.optim.lr_scheduler`.
Every scheduler works on the rate that the groups have now, so several may be put upon one optimizer. A rate that is a
Tensor stays the same Tensor: it gets its new value in place, and is never read back to the host.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.call.explain import checked
from tapeloom.errors import ArgumentError, ArgumentTypeError, StateError
from tapeloom.op.parameter import as_number
from tapeloom.shapes import as_int

from .optimizer import Optimizer

__all__ = ["CosineAnnealingLR", "ExponentialLR", "LRScheduler", "LambdaLR", "MultiStepLR", "StepLR"]


def _value(lr: Any) -> Any:
    """The rate as it is now: a Tensor may get another value in place."""
    return lr.detach().clone() if isinstance(lr, Tensor) else lr


def _epochs(name: str, what: str, value: Any) -> int:
    """A number of epochs; a float that is whole, such as that of ``epochs / 2``, is one too."""
    return int(value) if isinstance(value, float) and value.is_integer() else as_int(name, what, value)


def _check_optimizer(name: str, optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise ArgumentTypeError(f"{name}: the first argument must be an Optimizer, got {type(optimizer).__name__}.")


class LRScheduler:
    """Base of the schedulers; a subclass gives the new rates in `get_lr`.

    Args:
        optimizer: whose learning rates to change.
        last_epoch: the number of the last epoch done, -1 at the start. To go on elsewhere, use `load_state_dict`.

    Attributes:
        base_lrs: the rate of each group at the start.
        last_epoch: how often `step()` was called.

    Raises:
        ArgumentTypeError: `optimizer` is none.
        StateError: `last_epoch` is given for an optimizer that was never scheduled.
    """

    @checked
    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        name = type(self).__name__
        _check_optimizer(name, optimizer)
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", _value(group["lr"]))
            elif "initial_lr" not in group:
                raise StateError(
                    f"{name}: last_epoch={last_epoch} continues a schedule, but group {number} has no 'initial_lr'. "
                    "Load the optimizer's state first, or leave last_epoch out."
                )
        self.optimizer = optimizer
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._began_at = optimizer._step_count
        self._is_initial = True
        self._advance()
        self._is_initial = False

    def get_lr(self) -> list[float]:
        """The rate of each group at `last_epoch`, from the rates that the groups have now."""
        raise NotImplementedError

    def get_last_lr(self) -> list[float]:
        """The rate that this scheduler last gave each group."""
        return self._last_lr

    def step(self) -> None:
        """Goes to the next epoch and sets the rates."""
        if self.last_epoch == 0 and self.optimizer._step_count == self._began_at:
            warnings.warn(
                f"{type(self).__name__}.step() was called before optimizer.step(): the first learning rate is "
                "passed over. Call optimizer.step() first.",
                UserWarning,
                stacklevel=2,
            )
        self._advance()

    def _advance(self) -> None:
        self.last_epoch += 1
        with tl.no_grad():
            for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
                if isinstance(group["lr"], Tensor):
                    group["lr"].copy_(tl.as_tensor(lr, dtype=group["lr"].dtype, device=group["lr"].device))
                else:
                    group["lr"] = lr
        self._last_lr = self._current()

    def _current(self) -> list[float]:
        return [_value(group["lr"]) for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and functions: numbers and lists of numbers."""
        return {name: value for name, value in self.__dict__.items() if name not in ("optimizer", "_began_at")}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what `state_dict()` gave. The learning rates themselves are part of the optimizer's state.

        Raises:
            StateError: it is of another number of groups or has no `last_epoch`.
        """
        name = type(self).__name__
        if not isinstance(state_dict, Mapping) or not state_dict.keys() >= {"last_epoch", "base_lrs"}:
            raise StateError(f"{name}.load_state_dict: needs 'last_epoch' and 'base_lrs', as state_dict() gives.")
        if len(state_dict["base_lrs"]) != len(self.base_lrs):
            raise StateError(
                f"{name}.load_state_dict: the state has {len(state_dict['base_lrs'])} groups, "
                f"the optimizer {len(self.base_lrs)}."
            )
        self.__dict__.update({key: value for key, value in state_dict.items() if key in self.__dict__})


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
        self.step_size = _epochs("StepLR", "step_size", step_size)
        if self.step_size < 1:
            raise ArgumentError(f"StepLR: step_size is {step_size}; it must be at least 1.")
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates at `last_epoch`."""
        factor = self.gamma if self.last_epoch and self.last_epoch % self.step_size == 0 else 1.0
        return [lr * factor for lr in self._current()]


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
        self.milestones = sorted(_epochs("MultiStepLR", "a milestone", epoch) for epoch in milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates at `last_epoch`."""
        factor = self.gamma ** self.milestones.count(self.last_epoch)
        return [lr * factor for lr in self._current()]


class ExponentialLR(LRScheduler):
    """Multiplies the rates by `gamma` every epoch."""

    @checked
    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates at `last_epoch`."""
        factor = 1.0 if self._is_initial else self.gamma
        return [lr * factor for lr in self._current()]


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

    def get_lr(self) -> list[float]:
        """The rates at `last_epoch`."""
        if self._is_initial:
            return self._current()
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # leaving the bottom, where the ratio is 0 / 0
            rise = (1.0 - math.cos(math.pi / self.T_max)) / 2.0
            return [lr + (base - self.eta_min) * rise for lr, base in zip(self._current(), self.base_lrs, strict=True)]
        ratio = self._height(self.last_epoch) / self._height(self.last_epoch - 1)
        return [self.eta_min + (lr - self.eta_min) * ratio for lr in self._current()]


class LambdaLR(LRScheduler):
    """Sets the rates to base * lr_lambda(epoch).

    Args:
        optimizer: whose rates to change.
        lr_lambda: a function of the epoch, or one for each group.
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentError: another number of functions than of groups.
        ArgumentTypeError: something that is no function, or a function that gives no number.
    """

    @checked
    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        _check_optimizer("LambdaLR", optimizer)
        groups = len(optimizer.param_groups)
        each = [lr_lambda] * groups if callable(lr_lambda) else lr_lambda
        if not isinstance(each, Sequence) or not all(map(callable, each)):
            raise ArgumentTypeError(
                f"LambdaLR: lr_lambda must be a function of the epoch or a list of them, got {each!r}."
            )
        self.lr_lambdas = list(each)
        if len(self.lr_lambdas) != groups:
            raise ArgumentError(
                f"LambdaLR: {len(self.lr_lambdas)} functions for {groups} groups; give one, or one for each."
            )
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates at `last_epoch`."""
        factors = [fn(self.last_epoch) for fn in self.lr_lambdas]
        for factor in factors:
            if not isinstance(factor, Tensor):
                as_number("LambdaLR", "what lr_lambda gives", factor)
        return [base * factor for base, factor in zip(self.base_lrs, factors, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """The state without the functions, which have to be passed again."""
        return {name: value for name, value in super().state_dict().items() if name != "lr_lambdas"}
