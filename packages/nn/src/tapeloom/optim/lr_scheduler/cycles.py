"""Schedulers that let rates rise and fall, and momentum fall and rise with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from tapeloom.call.explain import checked
from tapeloom.errors import ArgumentError, ArgumentTypeError

from ..optimizer import Optimizer
from .scheduler import LRScheduler, as_epochs, attributes_of, check_optimizer, each_group, set_value

__all__ = ["CyclicLR", "OneCycleLR"]


class _Cycles(LRScheduler):
    """What both share: the momentum, which is beta1 where an optimizer has betas."""

    cycle_momentum: bool
    use_beta1: bool

    def _take_momentum(self, optimizer: Optimizer, base: Any, most: Any, begin: bool) -> tuple[list[Any], list[Any]]:
        """The least and the largest momentum of each group, with the largest set if the schedule begins."""
        name = type(self).__name__
        if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
            raise ArgumentError(
                f"{name}: cycle_momentum needs an optimizer with momentum or betas, and {type(optimizer).__name__} has "
                "neither. Pass cycle_momentum=False."
            )
        self.use_beta1 = "betas" in optimizer.defaults
        least, largest = (
            each_group(name, what, optimizer, value)
            for what, value in (("base_momentum", base), ("max_momentum", most))
        )
        if begin:
            for group, low, high in zip(optimizer.param_groups, least, largest, strict=True):
                self._set_momentum(group, high)
                group["max_momentum"], group["base_momentum"] = high, low
        return least, largest

    def _set_momentum(self, group: dict[str, Any], value: Any) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value


class CyclicLR(_Cycles):
    """Lets the rates go from `base_lr` to `max_lr` and back along straight lines, again and again.

    It is stepped after each batch. With `cycle_momentum` the momentum goes from `max_momentum` to `base_momentum` and back.

    Args:
        optimizer: whose rates to change.
        base_lr: the least rate, or one for each group.
        max_lr: the largest rate, or one for each group.
        step_size_up: steps from base to max.
        step_size_down: steps from max to base, as many unless given.
        mode: "triangular": all cycles are alike; "triangular2": each is half as high as the one before; "exp_range": the
            height is multiplied by `gamma` each step.
        gamma: see `mode`.
        scale_fn: a function that gives the height, instead of a mode.
        scale_mode: what `scale_fn` gets, the number of the "cycle", from 1, or of the "iterations", from 0.
        cycle_momentum: whether momentum, or beta1, changes too.
        base_momentum: the least momentum, or one for each group.
        max_momentum: the largest momentum, or one for each group.
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentError: an unknown mode, or an optimizer without momentum.

    Source: L. Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.
    """

    _unsaved = (*LRScheduler._unsaved, "_scale_fn_custom")

    @checked
    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer("CyclicLR", optimizer)
        if scale_fn is None and mode not in _SCALES:
            raise ArgumentError(f'CyclicLR: mode must be "triangular", "triangular2" or "exp_range", got {mode!r}.')
        if scale_fn is not None and not callable(scale_fn):
            raise ArgumentTypeError(f"CyclicLR: scale_fn must be a function, got {type(scale_fn).__name__}.")
        base_lrs = each_group("CyclicLR", "base_lr", optimizer, base_lr)
        self.max_lrs = each_group("CyclicLR", "max_lr", optimizer, max_lr)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, base_lrs, strict=True):
                set_value(group, "lr", lr)
        if cycle_momentum:
            self.base_momentums, self.max_momentums = self._take_momentum(
                optimizer, base_momentum, max_momentum, last_epoch == -1
            )
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The height of the cycle, or of the iteration, of number `x`."""
        custom = self._scale_fn_custom
        return custom(x) if custom is not None else _SCALES[self.mode](x, self.gamma)

    def get_lr(self) -> list[Any]:
        """The rates at `last_epoch`; it sets the momentum, too."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height = height * self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            ranges = zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True)
            for group, base, most in ranges:
                self._set_momentum(group, most - (most - base) * height)
        return [base + (most - base) * height for base, most in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """The state. A function has to be passed again: of an object that can be called its attributes are saved."""
        return {**super().state_dict(), "_scale_fn_custom": attributes_of(self._scale_fn_custom)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what `state_dict()` gave."""
        super().load_state_dict(state_dict)
        saved = state_dict.get("_scale_fn_custom")
        if saved is not None and self._scale_fn_custom is not None:
            vars(self._scale_fn_custom).update(saved)


_SCALES: dict[str, Callable[[float, float], float]] = {
    "triangular": lambda x, gamma: 1.0,
    "triangular2": lambda x, gamma: 1 / 2.0 ** (x - 1),
    "exp_range": lambda x, gamma: gamma**x,
}


class OneCycleLR(_Cycles):
    """Lets the rates rise to `max_lr` and fall again far below where they began, once in the whole training.

    It is stepped after each batch. With `cycle_momentum` the momentum falls and rises the other way.

    Args:
        optimizer: whose rates to change.
        max_lr: the largest rate, or one for each group.
        total_steps: the length of the cycle; or `epochs` times `steps_per_epoch`.
        epochs: see `total_steps`.
        steps_per_epoch: see `total_steps`.
        pct_start: the part of the cycle in which the rates rise, between 0 and 1.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: whether momentum, or beta1, changes too.
        base_momentum: the least momentum, or one for each group.
        max_momentum: the largest momentum, or one for each group.
        div_factor: the first rate is max_lr / div_factor.
        final_div_factor: the last rate is the first one / final_div_factor.
        three_phase: first fall as long as the rates rose, and then to the last rate.
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentError: a setting out of its range, an optimizer without momentum, or more steps than the cycle has.

    Source: L. Smith, N. Topin, "Super-convergence: very fast training of neural networks using large learning rates",
    2017, section 3; two phases as in fastai, as PyTorch.
    """

    @checked
    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer("OneCycleLR", optimizer)
        if total_steps is not None:
            self.total_steps = as_epochs("OneCycleLR", "total_steps", total_steps, least=1)
        elif epochs is not None and steps_per_epoch is not None:
            self.total_steps = as_epochs("OneCycleLR", "epochs", epochs, least=1) * as_epochs(
                "OneCycleLR", "steps_per_epoch", steps_per_epoch, least=1
            )
        else:
            raise ArgumentError("OneCycleLR: give total_steps, or epochs and steps_per_epoch.")
        if not 0 <= pct_start <= 1:
            raise ArgumentError(f"OneCycleLR: pct_start is {pct_start}; it must be at least 0 and at most 1.")
        if anneal_strategy not in _BETWEEN:
            raise ArgumentError(f'OneCycleLR: anneal_strategy must be "cos" or "linear", got {anneal_strategy!r}.')
        self._anneal_func_type = anneal_strategy
        top, end = float(pct_start * self.total_steps) - 1, self.total_steps - 1
        # the last step of each phase, with the keys of the rates and of the momentum that it leads from and to
        rise = (top, "initial_lr", "max_lr", "max_momentum", "base_momentum")
        if three_phase:
            self._phases = [
                rise,
                (2 * top, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
                (end, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
            ]
        else:
            self._phases = [rise, (end, "max_lr", "min_lr", "base_momentum", "max_momentum")]
        rates = each_group("OneCycleLR", "max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["initial_lr"] = rate / div_factor
                group["max_lr"] = rate
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._take_momentum(optimizer, base_momentum, max_momentum, last_epoch == -1)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates at `last_epoch`; it sets the momentum, too."""
        now = self.last_epoch
        if now > self.total_steps:
            raise ArgumentError(
                f"OneCycleLR: step {now} of a cycle of {self.total_steps}. Make it longer, or end here."
            )
        last = len(self._phases) - 1
        number = next((number for number, phase in enumerate(self._phases[:-1]) if now <= phase[0]), last)
        end, *keys = self._phases[number]
        began = self._phases[number - 1][0] if number else 0.0
        done = (now - began) / (end - began) if end != began else 1.0
        between = _BETWEEN[self._anneal_func_type]
        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                self._set_momentum(group, between(group[keys[2]], group[keys[3]], done))
        return [between(group[keys[0]], group[keys[1]], done) for group in self.optimizer.param_groups]


_BETWEEN: dict[str, Callable[[Any, Any, float], Any]] = {
    "cos": lambda start, end, part: end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1),
    "linear": lambda start, end, part: (end - start) * part + start,
}
