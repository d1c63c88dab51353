"""The base of the schedulers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from types import FunctionType
from typing import Any

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.call.explain import checked
from tapeloom.errors import ArgumentError, ArgumentTypeError, StateError
from tapeloom.shapes import as_int

from ..optimizer import Optimizer

__all__ = ["LRScheduler"]

EPOCH_WARNING = "step(epoch) is there for old programs. Call step() without an argument once an epoch."


def value_of(lr: Any) -> Any:
    """The rate as it is now: a Tensor may get another value in place."""
    return lr.detach().clone() if isinstance(lr, Tensor) else lr


def as_epochs(name: str, what: str, value: Any, least: int | None = None) -> int:
    """A number of epochs; a float that is whole, such as that of ``epochs / 2``, is one too."""
    epochs = int(value) if isinstance(value, float) and value.is_integer() else as_int(name, what, value)
    if least is not None and epochs < least:
        raise ArgumentError(f"{name}: {what} is {value}; it must be at least {least}.")
    return epochs


def check_optimizer(name: str, optimizer: Any) -> None:
    """Raises ArgumentTypeError unless it is an optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise ArgumentTypeError(f"{name}: the first argument must be an Optimizer, got {type(optimizer).__name__}.")


def each_group(name: str, what: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """A value for each group: one for all of them, or a list."""
    groups = len(optimizer.param_groups)
    each = list(value) if isinstance(value, (list, tuple)) else [value] * groups
    if len(each) != groups:
        raise ArgumentError(f"{name}: {what} has {len(each)} values for {groups} groups; give one, or one for each.")
    return [value_of(item) for item in each]


def set_value(group: dict[str, Any], key: str, value: Any) -> None:
    """Gives a setting of a group another value; a Tensor stays the same."""
    if isinstance(group[key], Tensor):
        with tl.no_grad():
            group[key].copy_(tl.as_tensor(value, dtype=group[key].dtype, device=group[key].device))
    else:
        group[key] = value


def attributes_of(fn: Any) -> dict[str, Any] | None:
    """What is saved of something that can be called: the attributes of an object; None for a function."""
    return None if isinstance(fn, FunctionType) or not hasattr(fn, "__dict__") else dict(vars(fn))


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

    _unsaved: tuple[str, ...] = ("optimizer", "_began_at")
    _required: tuple[str, ...] = ("last_epoch", "base_lrs")

    @checked
    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        name = type(self).__name__
        check_optimizer(name, optimizer)
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", value_of(group["lr"]))
            elif "initial_lr" not in group:
                raise StateError(
                    f"{name}: last_epoch={last_epoch} continues a schedule, but group {number} has no 'initial_lr'. "
                    "Load the optimizer's state first, or leave last_epoch out."
                )
        self.optimizer = optimizer
        self.base_lrs: list[Any] = [value_of(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._began_at = optimizer._step_count
        self._begin()

    def get_lr(self) -> list[Any]:
        """The rate of each group at `last_epoch`, from the rates that the groups have now."""
        raise NotImplementedError

    def get_last_lr(self) -> list[Any]:
        """The rate that this scheduler last gave each group."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Goes to the next epoch and sets the rates.

        Args:
            epoch: go to this one instead, by the closed form of the schedule if it has one. For old programs; it warns.
        """
        if self.last_epoch == 0 and self.optimizer._step_count == self._began_at:
            warnings.warn(
                f"{type(self).__name__}.step() was called before optimizer.step(): the first learning rate is "
                "passed over. Call optimizer.step() first.",
                UserWarning,
                stacklevel=2,
            )
        if epoch is not None:
            warnings.warn(f"{type(self).__name__}: {EPOCH_WARNING}", UserWarning, stacklevel=2)
        self._advance(epoch)

    def _begin(self) -> None:
        """The first rates."""
        self._is_initial = True
        try:
            self._advance()
        finally:
            self._is_initial = False

    def _undo(self) -> None:
        """Goes back by the step that a scheduler takes when it is made, for one that begins later."""
        self.last_epoch -= 1

    def _advance(self, epoch: int | None = None) -> None:
        """Goes to an epoch, the next one if none is given, and sets the rates."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        rates = self.get_lr() if epoch is None else self._get_closed_form_lr()
        self._set(rates)

    def _get_closed_form_lr(self) -> list[Any]:
        """The rates at `last_epoch` without regard to those now, where there is a formula; else those of `get_lr`."""
        return self.get_lr()

    def _set(self, rates: list[Any]) -> None:
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            set_value(group, "lr", lr)
        self._last_lr = self._current()

    def _current(self) -> list[Any]:
        return [value_of(group["lr"]) for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and functions: numbers and lists of numbers."""
        return {name: value for name, value in self.__dict__.items() if name not in self._unsaved}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what `state_dict()` gave. The learning rates themselves are part of the optimizer's state.

        Raises:
            StateError: it is of another number of groups or lacks something.
        """
        name = type(self).__name__
        if not isinstance(state_dict, Mapping) or not state_dict.keys() >= {*self._required}:
            needed = " and ".join(map(repr, self._required))
            raise StateError(f"{name}.load_state_dict: needs {needed}, as state_dict() gives.")
        if "base_lrs" in self._required and len(state_dict["base_lrs"]) != len(self.base_lrs):
            raise StateError(
                f"{name}.load_state_dict: the state has {len(state_dict['base_lrs'])} groups, "
                f"the optimizer {len(self.base_lrs)}."
            )
        known = self.__dict__.keys() - {*self._unsaved}
        self.__dict__.update({key: value for key, value in state_dict.items() if key in known})
