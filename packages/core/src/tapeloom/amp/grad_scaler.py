"""The scaling of gradients: a loss multiplied by a large number, so that gradients in float16 do not become 0.

Source: P. Micikevicius et al., "Mixed precision training", ICLR 2018, section 3.2.
"""

from __future__ import annotations

import math
import struct
import warnings
from collections.abc import Iterable
from typing import Any

from tapeloom.backend.plugins import is_available
from tapeloom.dtypes import float16, float32
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, StateError
from tapeloom.modes import no_grad
from tapeloom.op.registry import OPS
from tapeloom.ops.optimizer import Column, update_parameters
from tapeloom.tensors.tensor import Tensor

READY, UNSCALED, STEPPED = "ready", "unscaled", "stepped"


class _Progress:
    """How far one optimizer is in this iteration.

    ``found`` has for each device how many elements of its gradients are not finite; ``skips``: whether some are, read once.
    """

    def __init__(self) -> None:
        self.stage = READY
        self.found: list[Tensor] = []
        self._skips: bool | None = None

    @property
    def skips(self) -> bool:
        if self._skips is None:
            self._skips = any(found.item() for found in self.found)
        return self._skips


class GradScaler:
    """Scales losses, and divides the gradients by the same number before a step, which is left out if one is not finite.

    ``scaler.scale(loss).backward()``, ``scaler.step(optimizer)`` and ``scaler.update()`` stand for ``loss.backward()`` and
    ``optimizer.step()``. The scale falls where a step was left out, and grows when none was for a while.

    Args:
        device: the device type; on cuda, where there is none, the scaler warns and is disabled.
        init_scale: the scale to begin with.
        growth_factor: what the scale is multiplied by after ``growth_interval`` steps in a row; above 1.
        backoff_factor: what it is multiplied by where a step was left out; below 1.
        growth_interval: see ``growth_factor``.
        enabled: without it ``step`` is that of the optimizer, and all else does nothing.

    Example:
        >>> import tapeloom as tl
        >>> scaler = tl.amp.GradScaler("cpu", init_scale=1024.0)
        >>> scaler.scale(tl.tensor(2.0)).item()
        2048.0
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if enabled and device == "cuda" and not is_available("cuda"):
            warnings.warn("GradScaler: cuda is not available. The scaler is disabled.", stacklevel=2)
            enabled = False
        if enabled and not growth_factor > 1:
            raise ArgumentError(f"GradScaler: growth_factor must be above 1, got {growth_factor}.")
        if enabled and not backoff_factor < 1:
            raise ArgumentError(f"GradScaler: backoff_factor must be below 1, got {backoff_factor}.")
        self._device = device
        self._enabled = bool(enabled)
        self._scale = _single(init_scale)
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._growth_tracker = 0
        self._used = False
        self._progress: dict[Any, _Progress] = {}  # by optimizer

    def scale(self, outputs: Any) -> Any:
        """``outputs``, a tensor or an iterable of them, times the scale. Of a disabled scaler they are as they were."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            self._used = True
            return outputs * self._scale
        if not isinstance(outputs, Iterable):
            raise ArgumentTypeError(
                f"scale: expected a tensor or an iterable of tensors, got {type(outputs).__name__}."
            )
        scaled = (self.scale(output) for output in outputs)
        return type(outputs)(scaled) if isinstance(outputs, (list, tuple)) else scaled

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of the optimizer's parameters by the scale: for those who clip them before ``step``.

        Raises StateError where they are already, and DTypeError for gradients in float16.
        """
        if not self._enabled:
            return
        self._check_used("unscale_")
        progress = self._of(optimizer)
        if progress.stage == UNSCALED:
            raise StateError("unscale_: it was already called for this optimizer since the last update().")
        if progress.stage == STEPPED:
            raise StateError("unscale_: it must be called before step(), which was called for this optimizer already.")
        progress.found = _unscale(optimizer, 1 / self._scale if self._scale else math.inf)
        progress.stage = UNSCALED

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """``optimizer.step(*args, **kwargs)`` with unscaled gradients; it is left out, for None, if one is not finite.

        Raises StateError for a second step before ``update``, and where there is no gradient.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise ArgumentError("step: an enabled GradScaler takes no closure: a step cannot be left out half way.")
        self._check_used("step")
        progress = self._of(optimizer)
        if progress.stage == STEPPED:
            raise StateError("step: it was already called for this optimizer since the last update().")
        if progress.stage == READY:
            self.unscale_(optimizer)
        if not progress.found:
            raise StateError(
                "step: no parameter of this optimizer has a gradient. Call scaler.scale(loss).backward() first."
            )
        result = None if progress.skips else optimizer.step(*args, **kwargs)
        progress.stage = STEPPED
        return result

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """End the iteration: the scale falls, stays or grows, or becomes ``new_scale``.

        Raises StateError where no gradients were looked at.
        """
        if not self._enabled:
            return
        self._check_used("update")
        if new_scale is not None:
            self._scale = _single(_number(new_scale))
        else:
            every = [progress for progress in self._progress.values() if progress.found]
            if not every:
                raise StateError("update: no gradients were looked at since the last one. Call step(optimizer) first.")
            self._adapt(any(progress.skips for progress in every))
        self._progress = {}

    def _adapt(self, skipped: bool) -> None:
        if skipped:
            self._scale = _single(self._scale * self._backoff_factor)
            self._growth_tracker = 0
            return
        self._growth_tracker += 1
        if self._growth_tracker >= self._growth_interval:
            grown = _single(self._scale * self._growth_factor)
            self._scale = self._scale if grown == math.inf else grown
            self._growth_tracker = 0

    def _of(self, optimizer: Any) -> _Progress:
        return self._progress.setdefault(optimizer, _Progress())

    def _check_used(self, name: str) -> None:
        if not self._used:
            raise StateError(f"{name}: nothing was scaled yet. Call scaler.scale(loss).backward() first.")

    # settings and state

    def get_scale(self) -> float:
        """The scale; 1.0 of a disabled scaler."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by to grow."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set what the scale is multiplied by to grow."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by where a step was left out."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set what the scale is multiplied by where a step was left out."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many steps in a row the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set after how many steps in a row the scale grows."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether it scales."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """The scale and its settings, under PyTorch's names; empty of a disabled scaler. For after ``update``."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` gave; a disabled scaler takes nothing.

        Raises StateError for an empty one, which is that of a disabled scaler, and one that lacks an entry.
        """
        if not self._enabled:
            return
        missing = [name for name in self.state_dict() if name not in state_dict]
        if missing:
            raise StateError(
                f"load_state_dict: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing. "
                f"{'It may come from a disabled GradScaler.' if not state_dict else 'Give what state_dict() returned.'}"
            )
        self._scale = _single(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]

    def __getstate__(self) -> dict[str, Any]:
        if self._progress:
            raise StateError("GradScaler: it can be pickled between iterations, after update().")
        return self.__dict__.copy()


def _unscale(optimizer: Any, factor: float) -> list[Tensor]:
    """Multiply the gradients by ``factor``; for each device, how many of their elements are not finite."""
    grads = [param.grad for group in optimizer.param_groups for param in group["params"] if param.grad is not None]
    for grad in grads:
        if grad.dtype is float16:
            raise DTypeError(
                "unscale_: gradients in float16 cannot be unscaled. Keep the parameters in float32; autocast casts them."
            )
    found: Column = [None] * len(grads)
    update_parameters("unscale_", _unscaled, grads, grads, {"found": found}, {"factor": _single(factor)})
    of_device: dict[Any, list[Tensor]] = {}
    for flag in found:
        assert flag is not None
        of_device.setdefault(flag.device, []).append(flag if flag.dtype is float32 else flag.to(float32))
    with no_grad():
        return [OPS.sum(OPS.stack(flags)) for flags in of_device.values()]


def _unscaled(ops: Any, grad: Any, same: Any, found: Any, factor: Any) -> tuple[Any, Any]:
    """A gradient times ``factor``, and how many of its elements are not finite."""
    every = tuple(range(len(grad.shape)))
    return grad * factor, ops.sum(ops.where(ops.isfinite(grad), grad * 0, 1), every)


def _number(scale: Any) -> float:
    if isinstance(scale, Tensor):
        if scale.numel() != 1 or scale.requires_grad:
            raise ArgumentError("update: new_scale must be a number, or a tensor of one element without a gradient.")
        return float(scale.item())
    return float(scale)


def _single(value: float) -> float:
    """``value`` rounded to float32, as the scale is in PyTorch; infinity beyond its range."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.inf
