"""Schedulers by a function of the epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from tapeloom import Tensor
from tapeloom.call.explain import checked
from tapeloom.errors import ArgumentError, ArgumentTypeError
from tapeloom.op.parameter import as_number

from ..optimizer import Optimizer
from .scheduler import LRScheduler, attributes_of, check_optimizer

__all__ = ["LambdaLR", "MultiplicativeLR"]

Factor: TypeAlias = Callable[[int], float]


class _ByFunction(LRScheduler):
    """A scheduler with a function for each group. Their state is saved where they are objects that have one."""

    _unsaved = (*LRScheduler._unsaved, "lr_lambdas")

    @checked
    def __init__(self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1) -> None:
        name = type(self).__name__
        check_optimizer(name, optimizer)
        groups = len(optimizer.param_groups)
        each = [lr_lambda] * groups if callable(lr_lambda) else lr_lambda
        if not isinstance(each, Sequence) or not all(map(callable, each)):
            raise ArgumentTypeError(
                f"{name}: lr_lambda must be a function of the epoch or a list of them, got {each!r}."
            )
        self.lr_lambdas = list(each)
        if len(self.lr_lambdas) != groups:
            raise ArgumentError(
                f"{name}: {len(self.lr_lambdas)} functions for {groups} groups; give one, or one for each."
            )
        super().__init__(optimizer, last_epoch)

    def _factors(self) -> list[Any]:
        factors: list[Any] = [fn(self.last_epoch) for fn in self.lr_lambdas]
        for factor in factors:
            if not isinstance(factor, Tensor):
                as_number(type(self).__name__, "what lr_lambda gives", factor)
        return factors

    def state_dict(self) -> dict[str, Any]:
        """The state. Functions have to be passed again: of objects that can be called their attributes are saved."""
        return {**super().state_dict(), "lr_lambdas": [attributes_of(fn) for fn in self.lr_lambdas]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what `state_dict()` gave, with the attributes of objects that can be called."""
        super().load_state_dict(state_dict)
        for fn, saved in zip(self.lr_lambdas, state_dict.get("lr_lambdas", ()), strict=False):
            if saved is not None:
                vars(fn).update(saved)


class LambdaLR(_ByFunction):
    """Sets the rates to base * lr_lambda(epoch).

    Args:
        optimizer: whose rates to change.
        lr_lambda: a function of the epoch, or one for each group.
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentError: another number of functions than of groups.
        ArgumentTypeError: something that is no function, or a function that gives no number.
    """

    def get_lr(self) -> list[Any]:
        """The rates at `last_epoch`."""
        return [base * factor for base, factor in zip(self.base_lrs, self._factors(), strict=True)]


class MultiplicativeLR(_ByFunction):
    """Multiplies the rates by lr_lambda(epoch), from the first epoch on.

    Args:
        optimizer: whose rates to change.
        lr_lambda: a function of the epoch, or one for each group.
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentError: another number of functions than of groups.
        ArgumentTypeError: something that is no function, or a function that gives no number.
    """

    def get_lr(self) -> list[Any]:
        """The rates at `last_epoch`."""
        if self._is_initial:
            return self._current()
        return [lr * factor for lr, factor in zip(self._current(), self._factors(), strict=True)]
