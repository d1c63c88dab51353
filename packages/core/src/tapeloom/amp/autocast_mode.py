"""Autocast: within its blocks each op computes in the dtype that its word says (see ``op.precision``).

A watcher (see ``call.watch``) of the ops that have a word: before such a call it casts the inputs, and the casts are ops on
the tape, so that each gradient arrives in the dtype of its own tensor. While no block is open nothing is paid.

Source: P. Micikevicius et al., "Mixed precision training", ICLR 2018.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from tapeloom.backend.plugins import OFFICIAL, backend_types, is_available
from tapeloom.call.op import Op
from tapeloom.call.promote import cast
from tapeloom.call.watch import Watcher, active, as_given, having, switch, switching
from tapeloom.dtypes import FLOATING, DType, bfloat16, float16, float32, float64
from tapeloom.errors import ArgumentTypeError, DeviceError
from tapeloom.modes import MODES, enter, leave, mode
from tapeloom.op.registry import REGISTRY
from tapeloom.tensors.kind import kind_of
from tapeloom.tensors.node import Leaf
from tapeloom.tensors.tensor import Tensor, read_array

#: what a block can lower to
LOWER = (bfloat16, float16)


class Autocast(Watcher):
    """Casts the inputs of calls.

    ``settings`` has for each device type that was ever switched whether it is on, and its dtype. ``cache`` holds the casts of
    leaves: (leaf, dtype, whether it was recorded) -> (the array that was cast, the result); an array that the leaf does not
    hold any more makes no hit. ``depth`` counts the blocks around.
    """

    acts = True
    ops: Collection[Op[Any, Any]]

    def __init__(
        self,
        settings: dict[str, tuple[bool, DType]],
        cached: bool = True,
        cache: dict[Any, tuple[Any, Tensor]] | None = None,
        depth: int = 0,
        ops: Collection[Op[Any, Any]] = (),
    ) -> None:
        self.settings = settings
        self.cached = cached
        self.cache = {} if cache is None else cache
        self.depth = depth
        enabled = any(enabled for enabled, _ in settings.values())
        self.ops = (ops or frozenset(op for op in REGISTRY.values() if op.autocast)) if enabled else ()

    def of(self, device_type: str) -> tuple[bool, DType]:
        """Whether it is on for a device type, and the dtype there."""
        return self.settings.get(device_type) or _usual(device_type)

    @property
    def usual(self) -> bool:
        """Whether all is as without it."""
        settings = all(setting == _usual(device_type) for device_type, setting in self.settings.items())
        return settings and self.cached and not self.depth

    def changed(
        self, device_type: str, enabled: bool, dtype: DType, cached: bool | None = None, deeper: bool = False
    ) -> Autocast:
        """A watcher as this one, but for a device type. One for the outermost block has a cache of its own."""
        return Autocast(
            {**self.settings, device_type: (enabled, dtype)},
            self.cached if cached is None else cached,
            None if deeper and not self.depth else self.cache,
            self.depth + deeper,
            self.ops,  # as long as they are closed, they stay the same ones
        )

    def before(self, op: Op[Any, Any], values: list[Any]) -> None:
        """Cast the inputs."""
        places = [place for place, parameter in enumerate(op.parameters) if parameter.input == "value"]
        for place, value in zip(places, self.fitted(op.autocast, [values[place] for place in places]), strict=True):
            values[place] = value

    def call(self, words: dict[str, str], function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Cast the tensors among the arguments; the ops within the function then take them as they come."""
        tensor = next(_tensors_in([*args, *kwargs.values()]), None)
        if tensor is None or self.word(words, tensor) is None:
            return function(*args, **kwargs)
        fitted = self.fitted(words, [*args, *kwargs.values()])
        return as_given(function, *fitted[: len(args)], **dict(zip(kwargs, fitted[len(args) :], strict=True)))

    def word(self, words: dict[str, str], tensor: Tensor) -> str | None:
        """The word that is valid on the device of ``tensor`` now."""
        device_type = tensor.device.type
        return words.get("cuda" if device_type == "cuda" else "cpu") if self.of(device_type)[0] else None

    def fitted(self, words: dict[str, str], values: list[Any]) -> list[Any]:
        """``values`` with the tensors cast as the valid one of ``words`` says."""
        tensors = list(_tensors_in(values))
        word = self.word(words, tensors[0]) if tensors else None
        if word == "lower":
            target = self.of(tensors[0].device.type)[1]
        elif word == "float32" or (word == "promote" and len({each.dtype for each in tensors if _castable(each)}) > 1):
            target = float32  # which holds all others
        else:
            return values
        return [self.cast(value, target) for value in values]

    def cast(self, value: Any, target: DType) -> Any:
        """``value`` with the tensors in it cast that can be; a leaf by way of the cache."""
        if type(value) in (list, tuple):
            return type(value)([self.cast(item, target) for item in value])
        if not isinstance(value, Tensor) or value.dtype is target or not _castable(value):
            return value
        kind = kind_of(target, value.device)
        if not (self.cached and target.half and type(value.node) is Leaf and value.dtype is float32):
            return cast(value, kind)
        key, array = (value.node, target, MODES.get().grad), read_array(value)
        found = self.cache.get(key)
        if found is None or found[0] is not array:
            found = self.cache[key] = array, cast(value, kind)
        return found[1]


def _usual(device_type: str) -> tuple[bool, DType]:
    return False, float16 if device_type == "cuda" else bfloat16


def _castable(tensor: Tensor) -> bool:
    return tensor.dtype.category == FLOATING and tensor.dtype is not float64


def _tensors_in(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors_in(value)


def _now() -> Autocast:
    return active(Autocast) or Autocast({})


# switching it


class autocast(mode):
    """Within it ops on the devices of ``device_type`` compute in mixed precision. Also a decorator.

    Matrix products, convolutions and the like cast their floating inputs to ``dtype``; losses and others that lose too much
    there compute in float32. float64 stays as it is, and so do the tensors themselves: gradients arrive in the dtype of
    each. Blocks nest, also with ``enabled=False``, in which nothing is cast. With ``cache_enabled`` a leaf that requires a
    gradient is cast once for all uses in the outermost block.

    Args:
        device_type: "cpu", "cuda", "xla" or that of another backend.
        dtype: bfloat16 or float16; None is float16 for cuda and bfloat16 elsewhere, unless set by `set_autocast_dtype`.
            Warns of any other dtype, and of cuda where there is none, and is not enabled then.
        enabled, cache_enabled: switches.

    Example:
        >>> import tapeloom as tl
        >>> weight = tl.ones(2, 2, requires_grad=True)
        >>> with tl.autocast("cpu", dtype=tl.bfloat16):
        ...     y = weight @ weight
        >>> y.dtype
        tapeloom.bfloat16
    """

    def __init__(
        self,
        device_type: str,
        dtype: DType | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        _known("autocast", device_type)
        if dtype is not None and not isinstance(dtype, DType):
            raise ArgumentTypeError(f"autocast: dtype must be a dtype or None, got {dtype!r}.")
        self.device_type = device_type
        self.dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        self.cache_enabled = is_autocast_cache_enabled() if cache_enabled is None else bool(cache_enabled)
        self.enabled = bool(enabled)
        if enabled and self.dtype not in LOWER:
            self._disable(f"dtype {self.dtype.name} is not supported; it must be bfloat16 or float16")
        elif enabled and device_type == "cuda" and not is_available("cuda"):
            self._disable("cuda is not available")

    def _disable(self, reason: str) -> None:
        warnings.warn(f"autocast: {reason}. Autocast is disabled.", stacklevel=3)
        self.enabled = False

    def __enter__(self) -> autocast:
        watcher = _now().changed(self.device_type, self.enabled, self.dtype, self.cache_enabled, deeper=True)
        with switching(Autocast):
            enter(self, watchers=having(MODES.get(), Autocast, watcher))
        return self

    def __exit__(self, *exc_info: object) -> None:
        ended = _now()
        with switching(Autocast):
            leave(self)
        if ended.depth and not _now().depth:
            ended.cache.clear()  # what was checkpointed may hold the watcher for longer

    def _arguments(self) -> tuple[Any, ...]:
        return self.device_type, self.dtype, self.enabled, self.cache_enabled


def _known(name: str, device_type: Any) -> None:
    if not isinstance(device_type, str):
        raise ArgumentTypeError(f"{name}: device_type must be a name such as 'cpu', got {device_type!r}.")
    if not is_autocast_available(device_type):
        raise DeviceError(
            f"{name}: there is no device type {device_type!r}. Known are {', '.join(sorted({*OFFICIAL, *backend_types()}))}."
        )


def is_autocast_available(device_type: str) -> bool:
    """Whether there can be devices of this type, so that ``autocast`` takes it."""
    return device_type in OFFICIAL or device_type in backend_types()


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether ``autocast`` is on for a device type."""
    _known("is_autocast_enabled", device_type)
    return _now().of(device_type)[0]


def set_autocast_enabled(device_type: str, enabled: bool) -> None:
    """Switch ``autocast`` for a device type on or off, in this thread."""
    _known("set_autocast_enabled", device_type)
    _set(_now().changed(device_type, bool(enabled), get_autocast_dtype(device_type)))


def get_autocast_dtype(device_type: str) -> DType:
    """The dtype that ``autocast`` casts to on a device type, where a block names none."""
    _known("get_autocast_dtype", device_type)
    return _now().of(device_type)[1]


def set_autocast_dtype(device_type: str, dtype: DType) -> None:
    """Set what ``autocast`` casts to on a device type, in this thread: bfloat16 or float16."""
    _known("set_autocast_dtype", device_type)
    if not isinstance(dtype, DType):
        raise ArgumentTypeError(f"set_autocast_dtype: dtype must be a dtype, got {dtype!r}.")
    _set(_now().changed(device_type, is_autocast_enabled(device_type), dtype))


def is_autocast_cache_enabled() -> bool:
    """Whether ``autocast`` casts a leaf that requires a gradient once for all its uses in a block."""
    return _now().cached


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Switch the cache of ``autocast`` on or off, in this thread."""
    now = _now()
    _set(Autocast(now.settings, bool(enabled), now.cache, now.depth, now.ops))


def clear_autocast_cache() -> None:
    """Forget the casts that ``autocast`` keeps."""
    _now().cache.clear()


def _set(watcher: Autocast) -> None:
    switch(Autocast, None if watcher.usual else watcher, autocast)


# functions with gradients of their own


def custom_fwd(fwd: Callable[..., Any] | None = None, *, device_type: str, cast_inputs: DType | None = None) -> Any:
    """For ``forward`` of an ``autograd.Function``: with ``cast_inputs`` its tensors come in that dtype. A decorator.

    In an autocast block for ``device_type`` floating tensors but those of float64 are cast, and ``forward`` runs with
    autocast off. Without ``cast_inputs``, and outside of such blocks, it runs as it is.
    """
    _known("custom_fwd", device_type)
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        enabled = is_autocast_enabled(device_type)
        ctx._autocast = enabled and cast_inputs is None, get_autocast_dtype(device_type)
        if cast_inputs is None or not enabled:
            return fwd(ctx, *args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(ctx, *_cast(args, device_type, cast_inputs), **_cast(kwargs, device_type, cast_inputs))

    return forward


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Any:
    """For ``backward`` of an ``autograd.Function``, which then runs under the autocast of its ``forward``. A decorator.

    ``forward`` is decorated with ``custom_fwd``.
    """
    _known("custom_bwd", device_type)
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def backward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        enabled, dtype = ctx._autocast
        with autocast(device_type, dtype, enabled):
            return bwd(ctx, *args, **kwargs)

    return backward


def _cast(value: Any, device_type: str, dtype: DType) -> Any:
    """``value`` with the tensors in it cast that can be, and are on such a device."""
    if isinstance(value, Tensor):
        fits = _castable(value) and value.device.type == device_type
        return cast(value, kind_of(dtype, value.device)) if fits else value
    if isinstance(value, Mapping):
        return {key: _cast(item, device_type, dtype) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_cast(item, device_type, dtype) for item in value)
    return value
