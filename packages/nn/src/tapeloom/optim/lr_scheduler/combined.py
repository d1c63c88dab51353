"""Schedulers of schedulers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from tapeloom.call.explain import checked
from tapeloom.errors import ArgumentError, ArgumentTypeError, StateError

from ..optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .scheduler import LRScheduler, check_optimizer, set_value

__all__ = ["ChainedScheduler", "SequentialLR"]


class _Combined(LRScheduler):
    """What schedulers of schedulers share: the check, and a state with those of their parts."""

    _unsaved = (*LRScheduler._unsaved, "_schedulers")
    _required: tuple[str, ...] = ("_schedulers",)
    _schedulers: list[LRScheduler]

    def _take(self, schedulers: Any, optimizer: Optimizer | None) -> None:
        name = type(self).__name__
        if not isinstance(schedulers, Sequence) or not schedulers:
            raise ArgumentError(f"{name}: schedulers must be a list of at least one scheduler, got {schedulers!r}.")
        for number, each in enumerate(schedulers):
            if not isinstance(each, LRScheduler):
                raise ArgumentTypeError(f"{name}: scheduler {number} must be a scheduler, got {type(each).__name__}.")
            if isinstance(each, ReduceLROnPlateau):
                raise ArgumentError(
                    f"{name}: scheduler {number} is a ReduceLROnPlateau, whose step() needs a metric. Step it by itself."
                )
            if each.optimizer is not (optimizer or schedulers[0].optimizer):
                raise ArgumentError(f"{name}: scheduler {number} is of another optimizer. Give schedulers of one.")
        self._schedulers = list(schedulers)
        self.optimizer = optimizer or schedulers[0].optimizer

    def state_dict(self) -> dict[str, Any]:
        """The state, with those of the schedulers."""
        return {**super().state_dict(), "_schedulers": [each.state_dict() for each in self._schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what `state_dict()` gave."""
        name = type(self).__name__
        saved = state_dict.get("_schedulers") if isinstance(state_dict, Mapping) else None
        if isinstance(saved, Sequence) and len(saved) != len(self._schedulers):
            raise StateError(
                f"{name}.load_state_dict: the state has {len(saved)} schedulers, this one {len(self._schedulers)}."
            )
        super().load_state_dict(state_dict)
        for each, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            each.load_state_dict(state)


class ChainedScheduler(_Combined):
    """Steps several schedulers of one optimizer, one after the other: each works on what the one before has left.

    Args:
        schedulers: at least one.
        optimizer: that of the schedulers.

    Raises:
        ArgumentError: no scheduler, schedulers of several optimizers, or one that needs a metric.
    """

    @checked
    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        self._take(schedulers, optimizer)
        self._last_lr = self._current()

    def step(self) -> None:  # type: ignore[override]
        """Steps each scheduler."""
        for each in self._schedulers:
            each.step()
        self._last_lr = self._current()

    def _begin(self) -> None:
        self._advance()

    def _undo(self) -> None:
        for each in self._schedulers:
            each._undo()

    def _advance(self, epoch: int | None = None) -> None:
        for each in self._schedulers:
            each._advance(epoch)
        self._last_lr = self._current()


class SequentialLR(_Combined):
    """One scheduler after the other: from each milestone on the next one, which begins at its epoch 0.

    Args:
        optimizer: that of the schedulers.
        schedulers: at least one.
        milestones: the epochs at which the second one and those after it begin.
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentError: no scheduler, schedulers of several optimizers, one that needs a metric, or another number of
            milestones than one less than schedulers.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import optim
        >>> optimizer = optim.SGD([tl.zeros(1)], lr=1.0)
        >>> warm_up = optim.lr_scheduler.LinearLR(optimizer, 0.25, total_iters=3)
        >>> fall = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        >>> scheduler = optim.lr_scheduler.SequentialLR(optimizer, [warm_up, fall], milestones=[3])
        >>> rates = []
        >>> for epoch in range(6):
        ...     rates.append(scheduler.get_last_lr()[0])
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [0.25, 0.5, 0.75, 1.0, 0.5, 0.25]
    """

    _required = ("last_epoch", "_schedulers")

    @checked
    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        check_optimizer("SequentialLR", optimizer)
        self._take(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ArgumentError(
                f"SequentialLR: {len(milestones)} milestones for {len(schedulers)} schedulers; there must be one less."
            )
        self._milestones = list(milestones)
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:
            set_value(group, "lr", group["initial_lr"])
        self._undo_all()
        self._begin()

    def step(self) -> None:  # type: ignore[override]
        """Steps the scheduler whose turn it is."""
        self.last_epoch += 1
        self._go()

    def _go(self) -> None:
        current = self._turn()
        if self.last_epoch in self._milestones:
            current._advance(0)
        else:
            current.step()
        self._last_lr = current.get_last_lr()

    def _turn(self) -> LRScheduler:
        return self._schedulers[bisect_right(self._milestones, self.last_epoch)]

    def _begin(self) -> None:
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._begin()
        self._last_lr = first.get_last_lr()

    def _undo_all(self) -> None:
        for each in self._schedulers:
            each._undo()

    def _undo(self) -> None:
        self._undo_all()

    def _advance(self, epoch: int | None = None) -> None:
        if epoch is None:
            self.step()
            return
        self.last_epoch = epoch
        self._begin()
