"""Random tensors. Every draw takes its bits from a ``Generator`` (the default one unless given), the same on each device.

Uniform numbers, integers, masks and permutations are computed on the device from integer words; normal numbers are made
on the host and moved, since log, sin and cos differ in the last bit from library to library.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, host, shapes
from tapeloom.backend.plugins import resolve_device
from tapeloom.call.inplace import check_writable
from tapeloom.call.inplace import inplace as put
from tapeloom.call.op import function
from tapeloom.dtypes import DType
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError, StateError
from tapeloom.generator import Generator, default_generator
from tapeloom.host_random import (
    integer_range,
    normal_words,
    probability_threshold,
    truncated_words,
    uniform_bounds,
    uniform_words,
)
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, require, within
from tapeloom.tape.levels import LEVELS, innermost, per_sample
from tapeloom.tensors.kind import kind_of
from tapeloom.tensors.tensor import Tensor, is_tensor, make, read_array

if TYPE_CHECKING:
    from tapeloom.devices import Device, DeviceLike
    from tapeloom.dtypes import DTypeLike
    from tapeloom.op.parameter import Size, TensorLike

# draws: raw arrays of a size, dtype and device


def reserved(name: str, generator: Generator | None, words: int) -> tuple[int, int]:
    """The seed and the first block of the next ``words`` words of ``generator``, or of the default one."""
    if any(level.randomness == "error" for level in LEVELS.get()):
        raise StateError(
            f"{name}: random numbers are drawn within vmap, which does not say for whom. Call vmap with randomness='different', which "
            f"gives each sample its own, or with randomness='same'."
        )
    if generator is None:
        return default_generator.reserve(words)
    if not isinstance(generator, Generator):
        raise ArgumentTypeError(f"{name}: generator must be a tapeloom.Generator or None, got {type(generator).__name__}.")
    return generator.reserve(words)


def words_on(name: str, generator: Generator | None, words: int, device: Device) -> tuple[Any, Any]:
    """The backend of ``device`` and the next ``words`` words there."""

    def draw(size: tuple[int, ...], where: Device) -> Any:
        count = shapes.element_count(size)
        backend = kind_of(dtypes.float32, where).backend
        drawn = backend.random_words(*reserved(name, generator, count), count, where)
        return drawn if len(size) == 1 else backend.call("reshape", drawn, size)

    return kind_of(dtypes.float32, device).backend, per_sample(device, (words,), draw)


def floating_only(name: str, dtype: DType) -> DType:
    """``dtype``, which must be floating."""
    if not dtype.is_floating_point:
        raise DTypeError(f"{name}: only floating tensors can hold these numbers, got {dtype.name}. Give a floating dtype.")
    return dtype


def _joined(parts: Tensor, dtype: DType) -> Tensor:
    """Complex numbers of ``dtype`` from their parts, side by side in the last dimension."""
    kind = kind_of(dtype, parts.device)
    return make(kind.backend.call("view_as_complex", read_array(parts)), kind)


def _unit(name: str, generator: Generator | None, size: tuple[int, ...], dtype: DType, device: Device) -> Tensor:
    if dtype.is_complex:
        return _joined(_unit(name, generator, (*size, 2), dtype.real, device), dtype)
    floating_only(name, dtype)
    backend, words = words_on(name, generator, uniform_words(shapes.element_count(size), dtype), device)
    return make(backend.call("reshape", backend.call("unit_from_words", words, dtype), size), kind_of(dtype, device))


def uniform_numbers(
    name: str, generator: Generator | None, size: tuple[int, ...], low: float, high: float, dtype: DType, device: Device
) -> Tensor:
    """Uniform numbers in [low, high)."""
    if dtype.is_complex:
        return _joined(uniform_numbers(name, generator, (*size, 2), low, high, dtype.real, device), dtype)
    start, scale, top = uniform_bounds(name, low, high, floating_only(name, dtype))
    backend, words = words_on(name, generator, uniform_words(shapes.element_count(size), dtype), device)
    return make(backend.call("reshape", backend.call("uniform_from_words", words, start, scale, top, dtype), size), kind_of(dtype, device))


def _normal(
    name: str, generator: Generator | None, size: tuple[int, ...], mean: float, std: float, dtype: DType, device: Device
) -> Tensor:
    if not std >= 0:
        raise ArgumentError(f"{name}: std must not be negative, got {std}.")
    if dtype.is_complex:  # half of the variance for each part
        made = _joined(_normal(name, generator, (*size, 2), 0.0, std / math.sqrt(2), dtype.real, device), dtype)
        return made + mean if mean else made
    floating_only(name, dtype)

    def draw(size: tuple[int, ...], where: Device) -> Any:
        place = reserved(name, generator, normal_words(shapes.element_count(size)))
        return kind_of(dtype, where).backend.from_host(host.normal(*place, size, mean, std, dtype), where)

    return make(per_sample(device, size, draw), kind_of(dtype, device))


def _integers(
    name: str, generator: Generator | None, size: tuple[int, ...], low: int, high: int, dtype: DType, device: Device
) -> Tensor:
    span, wide = integer_range(name, low, high)
    first, last = _exact_range(dtype)
    if low < first or high - 1 > last:
        raise ArgumentError(f"{name}: {low} to {high - 1} does not fit {dtype.name}, which takes {first} to {last}.")
    count = shapes.element_count(size)
    backend, words = words_on(name, generator, 2 * count if wide else count, device)
    numbers = backend.call("cast", backend.call("integers_from_words", words, low, span, wide), dtype)
    return make(backend.call("reshape", numbers, size), kind_of(dtype, device))


def _exact_range(dtype: DType) -> tuple[int, int]:
    """The integers that ``dtype`` holds exactly, all of them in between as well."""
    if dtype.is_floating_point:
        most = 2**dtype.significand
        return -most, most
    return int(dtype.min), int(dtype.max)


def _finished(made: Tensor, requires_grad: bool) -> Tensor:
    return made.requires_grad_() if requires_grad else made


def _options(dtype: DTypeLike, device: DeviceLike, default: DType) -> tuple[DType, Device]:
    return (default if dtype is None else dtypes.as_dtype(dtype)), innermost(resolve_device(device))


def _size(name: str, size: tuple[Any, ...]) -> tuple[int, ...]:
    if len(size) == 1 and not hasattr(type(size[0]), "__index__"):
        return shapes.as_size(name, size[0])
    return shapes.as_size(name, size)


# new tensors


@function(method=False)
def rand(
    *size: Size,
    generator: Generator | None = None,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform numbers in [0, 1); of complex numbers both parts."""
    return _finished(
        _unit("rand", generator, _size("rand", size), *_options(dtype, device, dtypes.get_default_dtype())), requires_grad
    )


@function(method=False)
def randn(
    *size: Size,
    generator: Generator | None = None,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers of mean 0 and standard deviation 1, half of the variance of complex ones being that of each part.

    Source: G. Box, M. Muller, "A note on the generation of random normal deviates", Annals of Mathematical Statistics
    29, 1958.
    """
    chosen, where = _options(dtype, device, dtypes.get_default_dtype())
    return _finished(_normal("randn", generator, _size("randn", size), 0.0, 1.0, chosen, where), requires_grad)


_MADE = "generator: Generator | None = None, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False"


@function(
    method=False,
    overloads=(
        f"(high: int, size: Size, *, {_MADE}) -> Tensor",
        f"(low: int, high: int, size: Size, *, {_MADE}) -> Tensor",
    ),
)
def randint(
    *bounds_and_size: Any,
    low: int = 0,
    high: int | None = None,
    size: Size | None = None,
    generator: Generator | None = None,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """``randint(high, size)`` or ``randint(low, high, size)``: integers from low (0) up to, not including, high; int64.

    A number is the upper half of a random word times high - low. Raises ArgumentError unless low is below high.
    Source: D. Lemire, "Fast random integer generation in an interval", ACM Transactions on Modeling and Computer
    Simulation 29, 2019, without its rejection.
    """
    given = list(bounds_and_size)
    if size is None and given:
        size = given.pop()
    if len(given) == 2:
        low, high = given
    elif len(given) == 1 and high is None:
        high = given[0]
    elif len(given) == 1:
        low = given[0]
    if size is None or high is None or len(given) > 2:
        raise ArgumentTypeError("randint: expected randint(high, size) or randint(low, high, size), size being a tuple of ints.")
    lowest, highest = shapes.as_int("randint", "low", low), shapes.as_int("randint", "high", high)
    chosen, where = _options(dtype, device, dtypes.int64)
    made = _integers("randint", generator, shapes.as_size("randint", size), lowest, highest, chosen, where)
    return _finished(made, requires_grad)


@function(method=False)
def randperm(
    n: int, *, generator: Generator | None = None, dtype: DTypeLike = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """The integers 0 to n - 1 in random order; int64."""
    count = shapes.as_int("randperm", "n", n)
    if count < 0:
        raise ArgumentError(f"randperm: n must not be negative, got {count}.")
    chosen, where = _options(dtype, device, dtypes.int64)
    if count - 1 > _exact_range(chosen)[1]:
        raise ArgumentError(f"randperm: the numbers up to {count - 1} do not fit {chosen.name}. Give a wider dtype.")
    backend, words = words_on("randperm", generator, 2 * count, where)
    order = backend.call("cast", backend.call("permutation_from_words", words, count), chosen)
    return _finished(make(order, kind_of(chosen, where)), requires_grad)


def _like(name: str, input: Any, dtype: DTypeLike, device: DeviceLike) -> tuple[tuple[int, ...], DType, Device]:
    as_tensor_of(name, input)
    where = innermost(input.device if device is None else resolve_device(device))
    return input.shape, dtypes.as_dtype(dtype or input.dtype), where


@function(method=False)
def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform numbers in [0, 1) in the shape, dtype and device of ``input``."""
    return _finished(_unit("rand_like", generator, *_like("rand_like", input, dtype, device)), requires_grad)


@function(method=False)
def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers of mean 0 and standard deviation 1 in the shape, dtype and device of ``input``."""
    size, chosen, where = _like("randn_like", input, dtype, device)
    return _finished(_normal("randn_like", generator, size, 0.0, 1.0, chosen, where), requires_grad)


@function(method=False)
def randint_like(
    input: Tensor,
    low: int = 0,
    high: int | None = None,
    *,
    generator: Generator | None = None,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """``randint_like(input, high)`` or ``(input, low, high)``: integers in the shape, dtype and device of ``input``."""
    lowest, highest = (0, low) if high is None else (low, high)
    size, chosen, where = _like("randint_like", input, dtype, device)
    lowest, highest = shapes.as_int("randint_like", "low", lowest), shapes.as_int("randint_like", "high", highest)
    return _finished(_integers("randint_like", generator, size, lowest, highest, chosen, where), requires_grad)


@function(
    method=False,
    overloads=(
        f"(mean: float, std: float, size: Size, *, {_MADE}) -> Tensor",
        f"(mean: Tensor, std: Tensor | float = 1.0, *, {_MADE}) -> Tensor",
        f"(mean: float, std: Tensor, *, {_MADE}) -> Tensor",
    ),
)
def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Size | None = None,
    *,
    generator: Generator | None = None,
    dtype: DTypeLike = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers: of numbers ``mean`` and ``std`` with a ``size``, or of tensors (one or both), which broadcast.

    They have the dtype of ``mean`` where it is a tensor, else that of ``std``.

    Raises ArgumentError for a negative ``std``.
    """
    mean, std = (
        value if is_tensor(value) else float(as_number("normal", parameter, value))
        for parameter, value in (("mean", mean), ("std", std))
    )
    if not is_tensor(mean) and not is_tensor(std):
        if size is None:
            raise ArgumentTypeError("normal: give a size, or tensors for mean or std.")
        chosen, where = _options(dtype, device, dtypes.get_default_dtype())
        made = _normal("normal", generator, shapes.as_size("normal", size), mean, std, chosen, where)
        return _finished(made, requires_grad)
    if size is not None:
        raise ArgumentTypeError("normal: size cannot be given together with tensors for mean or std.")
    if is_tensor(std):
        if std.is_complex():
            raise DTypeError(f"normal: std must be real, got a {std.dtype.name} tensor. Give its abs().")
        below = OPS.logical_not(OPS.ge(std, 0))  # nan too
        require(within(below, 0, 1), lambda: ArgumentError("normal: std must not be negative anywhere."))
    elif not std >= 0:
        raise ArgumentError(f"normal: std must not be negative, got {std}.")
    given = [value for value in (mean, std) if is_tensor(value)]
    size = shapes.broadcast("normal", *(value.shape for value in given))
    drawn = _normal("normal", generator, size, 0.0, 1.0, given[0].dtype, given[0].device)
    std, mean = (value.detach() if is_tensor(value) else value for value in (std, mean))
    return OPS.cast(drawn * std + mean, given[0].dtype)


@function()
def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """Ones with the probabilities in ``input``, or all with probability ``p``, else zeros, in the shape and dtype of ``input``.

    Raises ArgumentError for a probability outside 0 to 1.
    """
    as_tensor_of("bernoulli", input)
    if p is not None:
        return _coins("bernoulli", input, p, generator)
    floating_only("bernoulli", input.dtype)
    return _coins("bernoulli", input, input.detach(), generator)


def _coins(name: str, input: Tensor, p: Any, generator: Generator | None) -> Tensor:
    """Ones with probability ``p`` (a number, or a tensor that broadcasts to ``input``) like ``input``."""
    count = input.numel()
    if is_tensor(p):
        backend = p.kind.backend
        if shapes.broadcast(name, p.shape, input.shape) != input.shape:
            raise ShapeError(f"{name}: p of shape {p.shape} does not broadcast to input of shape {input.shape}. Give one of that shape.")
        above_one = 1 + dtypes.finfo(p.dtype).eps if p.dtype.is_floating_point else 2
        require(within(p, 0, above_one), lambda: ArgumentError(f"{name}: the probabilities must be from 0 to 1."))
        spread = backend.call("reshape", backend.call("expand", read_array(p), input.shape), (count,))
        threshold = backend.call("probability_thresholds", spread)
    else:
        threshold = probability_threshold(name, as_number(name, "p", p))
    device = innermost(input.device)
    backend, words = words_on(name, generator, count, device)
    ones = backend.call("cast", backend.call("bernoulli_from_words", words, threshold), input.dtype)
    return make(backend.call("reshape", ones, input.shape), kind_of(input.dtype, device))


# in place


@function()
def uniform_(
    self: Tensor, low: float = 0.0, high: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Give every element a uniform number in [low, high), both parts of a complex one, in place.

    ``from`` and ``to``, or ``a`` and ``b``, are other spellings. Raises ArgumentError where low is above high.
    """
    low = as_number("uniform_", "low", low)
    high = as_number("uniform_", "high", high)
    check_writable("uniform", as_tensor_of("uniform_", self, "self"))
    return put("uniform", self, uniform_numbers("uniform_", generator, self.shape, low, high, self.dtype, self.device))


@function()
def normal_(input: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Give every element a normal number, in place. Raises ArgumentError for a negative ``std``."""
    mean, std = as_number("normal_", "mean", mean), as_number("normal_", "std", std)
    check_writable("normal", as_tensor_of("normal_", input))
    return put("normal", input, _normal("normal_", generator, input.shape, mean, std, input.dtype, input.device))


def truncated_normal_(name: str, input: Tensor, mean: float, std: float, low: float, high: float, generator: Generator | None) -> Tensor:
    """Give every element a normal number from ``low`` to ``high``, in place: for ``nn.init``."""
    dtype, device = floating_only(name, as_tensor_of(name, input).dtype), input.device
    check_writable(name.removesuffix("_"), input)

    def draw(size: tuple[int, ...], where: Device) -> Any:
        place = reserved(name, generator, truncated_words(shapes.element_count(size)))
        made = host.truncated_normal(*place, size, mean, std, low, high, dtype)
        return kind_of(dtype, where).backend.from_host(made, where)

    return put(name.removesuffix("_"), input, make(per_sample(device, input.shape, draw), input.kind))


@function()
def bernoulli_(input: Tensor, p: TensorLike = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Give every element 1 with probability ``p`` (a number, or a tensor that broadcasts), else 0, in place."""
    check_writable("bernoulli", as_tensor_of("bernoulli_", input))
    return put("bernoulli", input, _coins("bernoulli_", input, p.detach() if isinstance(p, Tensor) else p, generator))


@function()
def random_(self: Tensor, low: int = 0, high: int | None = None, *, generator: Generator | None = None) -> Tensor:
    """``random_()``, ``random_(high)``, ``random_(low, high)``: give every element a random integer, in place.

    It is from low (0) up to, not including, high (by default beyond all that the dtype holds exactly). ``from`` and
    ``to`` are other spellings.
    """
    as_tensor_of("random_", self, "self")
    if high is None and low:  # one number is the upper bound
        low, high = 0, low
    low = shapes.as_int("random_", "low", low)
    high = _exact_range(self.dtype)[1] + 1 if high is None else shapes.as_int("random_", "high", high)
    check_writable("random", self)
    return put("random", self, _integers("random_", generator, self.shape, low, high, self.dtype, self.device))
