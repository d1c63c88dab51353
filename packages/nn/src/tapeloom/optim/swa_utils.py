"""Averages of a model's parameters over training, under the names of `torch.optim.swa_utils`.

    averaged = AveragedModel(model)
    scheduler = SWALR(optimizer, swa_lr=0.05)
    for epoch in range(epochs):
        train(model, optimizer)
        averaged.update_parameters(model)
        scheduler.step()
    update_bn(loader, averaged)

The averaged model is then evaluated, and saved, in the place of the model.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import tapeloom as tl
from tapeloom import Tensor
from tapeloom.call.explain import checked
from tapeloom.errors import ArgumentError
from tapeloom.nn import Module
from tapeloom.nn.layers.batch_norm import _BatchNorm

from .lr_scheduler.scheduler import LRScheduler, as_epochs, check_optimizer, each_group
from .optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

Average: TypeAlias = Callable[[Tensor, Tensor, Any], Tensor]
"""Gives the new average, from the average, the parameter, and how many parameters it is of."""

Averages: TypeAlias = Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]
"""The same for lists of one dtype and device, in place."""


def get_swa_avg_fn() -> Average:
    """The average in which all parameters weigh the same: a + (p - a) / (n + 1)."""

    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        with tl.no_grad():
            new: Tensor = averaged_param + (current_param - averaged_param) / (num_averaged + 1)
            return new

    return swa_update


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """The average in which a parameter weighs less the older it is: decay * a + (1 - decay) * p.

    Raises:
        ArgumentError: a decay that is not between 0 and 1.
    """
    _check_decay("get_ema_avg_fn", decay)

    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        with tl.no_grad():
            return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_multi_avg_fn() -> Averages:
    """What `get_swa_avg_fn` gives, for lists."""
    return _for_lists(get_swa_avg_fn())


def get_ema_multi_avg_fn(decay: float = 0.999) -> Averages:
    """What `get_ema_avg_fn` gives, for lists.

    Raises:
        ArgumentError: a decay that is not between 0 and 1.
    """
    _check_decay("get_ema_multi_avg_fn", decay)
    return _for_lists(get_ema_avg_fn(decay))


def _for_lists(average: Average) -> Averages:
    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], num_averaged: Any) -> None:
        with tl.no_grad():
            for mean, param in zip(averaged, current, strict=True):
                mean.copy_(average(mean, param, num_averaged))

    return update


def _check_decay(name: str, decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ArgumentError(f"{name}: decay is {decay}; it must be at least 0 and at most 1.")


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of those of the model at each `update_parameters`.

    Args:
        model: what to copy.
        device: where the averages are kept; that of each parameter unless given.
        avg_fn: gives a new average; by default all parameters weigh the same.
        multi_avg_fn: the same for lists, instead of `avg_fn`.
        use_buffers: average buffers, too, instead of copying them.

    Attributes:
        module: the model with the averages.
        n_averaged: how many parameters the averages are of.

    Raises:
        ArgumentError: both functions are given.

    Example:
        >>> import tapeloom as tl
        >>> from tapeloom import nn
        >>> from tapeloom.optim.swa_utils import AveragedModel
        >>> model = nn.Linear(1, 1, bias=False)
        >>> averaged = AveragedModel(model)
        >>> for value in (1.0, 2.0, 6.0):
        ...     _ = nn.init.constant_(model.weight, value)
        ...     averaged.update_parameters(model)
        >>> averaged(tl.ones(1)).tolist()
        [3.0]

    Source: P. Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI 2018,
    algorithm 1.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: Averages | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise ArgumentError("AveragedModel: give one of avg_fn and multi_avg_fn, not both.")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tl.tensor(0, dtype=tl.int64, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The model with the averages."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Takes the parameters of the model, as they are now, into the averages; the first ones are taken as they are."""
        averaged: list[Tensor] = [*self.module.parameters()]
        current: list[Tensor] = [*model.parameters()]
        own, new = list(self.module.buffers()), list(model.buffers())
        if self.use_buffers:
            averaged, current, own, new = averaged + own, current + new, [], []
        current = [param.detach().to(mean.device) for mean, param in zip(averaged, current, strict=True)]
        with tl.no_grad():
            if int(self.n_averaged):
                self._average(averaged, current)
            else:
                own, new = own + averaged, new + current
            for held, value in zip(own, new, strict=True):
                held.copy_(value)
            self.n_averaged += 1

    def _average(self, averaged: list[Tensor], current: list[Tensor]) -> None:
        if self.multi_avg_fn is None:
            average = self.avg_fn or get_swa_avg_fn()
            for mean, param in zip(averaged, current, strict=True):
                mean.copy_(average(mean.detach(), param, self.n_averaged.to(mean.device)))
            return
        kinds: dict[Any, tuple[list[Tensor], list[Tensor]]] = {}
        for mean, param in zip(averaged, current, strict=True):
            means, params = kinds.setdefault((mean.device, mean.dtype), ([], []))
            means.append(mean.detach())
            params.append(param)
        for means, params in kinds.values():
            self.multi_avg_fn(means, params, self.n_averaged.to(means[0].device))


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Computes the running statistics of all `BatchNorm` layers of a model anew, in one pass over the data.

    Args:
        loader: batches, or tuples and lists that begin with one.
        model: called with each batch, in training mode; after that it is in the mode that it was in.
        device: where batches are moved; nowhere unless given.
    """
    momenta = {module: module.momentum for module in model.modules() if isinstance(module, _BatchNorm)}
    if not momenta:
        return
    was_training = model.training
    model.train()
    for module in momenta:
        module.reset_running_stats()
        module.momentum = None  # the mean of all batches
    try:
        for batch in loader:
            x = batch[0] if isinstance(batch, (list, tuple)) else batch
            with tl.no_grad():
                model(x if device is None else x.to(device))
    finally:
        for module, momentum in momenta.items():
            module.momentum = momentum
        model.train(was_training)


class SWALR(LRScheduler):
    """Takes the rates from what they are to `swa_lr` in `anneal_epochs` epochs, and leaves them there.

    Args:
        optimizer: whose rates to change.
        swa_lr: the rate at the end, or one for each group.
        anneal_epochs: how many epochs it takes, at least 0.
        anneal_strategy: "cos" or "linear".
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentError: a setting out of its range.
    """

    @checked
    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        check_optimizer("SWALR", optimizer)
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(f'SWALR: anneal_strategy must be "cos" or "linear", got {anneal_strategy!r}.')
        for group, lr in zip(optimizer.param_groups, each_group("SWALR", "swa_lr", optimizer, swa_lr), strict=True):
            group["swa_lr"] = lr
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = as_epochs("SWALR", "anneal_epochs", anneal_epochs, least=0)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates at `last_epoch`, from those of the epoch before."""
        epoch = max(1, self.last_epoch) if self.anneal_epochs == 0 else self.last_epoch
        before, now = self._done(epoch - 1), self._done(epoch)
        rates = []
        for group, lr in zip(self.optimizer.param_groups, self._current(), strict=True):
            end = group["swa_lr"]
            start = end if before == 1 else (lr - before * end) / (1 - before)
            rates.append(end * now + start * (1 - now))
        return rates

    def _done(self, epoch: int) -> float:
        """How much of the way is done."""
        part = max(0.0, min(1.0, epoch / max(1, self.anneal_epochs)))
        return part if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * part)) / 2
