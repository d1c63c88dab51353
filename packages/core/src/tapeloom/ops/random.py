"""Random tensors. Every draw takes its bits from a ``Generator`` (the default one unless given), the same on each device.

Uniform numbers, integers, masks and permutations are computed on the device from integer words; normal numbers are made
on the host and moved, since log, sin and cos differ in the last bit from library to library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, host, shapes
from tapeloom.backend.plugins import resolve_device
from tapeloom.dtypes import DType
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.generator import Generator, default_generator
from tapeloom.host_random import (
    integer_range,
    normal_words,
    probability_threshold,
    uniform_bounds,
    uniform_words,
)
from tapeloom.ops.arguments import as_number, as_tensor_of, no_more
from tapeloom.tape.alias import check_writable
from tapeloom.tape.alias import inplace as put
from tapeloom.tape.kind import kind_of
from tapeloom.tape.op import OPS, function, op
from tapeloom.tape.policy import FLOATING_ONLY
from tapeloom.tape.tensor import Tensor, is_tensor, make

if TYPE_CHECKING:
    from tapeloom.devices import Device
    from tapeloom.tape.roles import Mask

    DeviceLike = Device | str | None

# draws: raw arrays of a size, dtype and device


def _reserved(name: str, generator: Generator | None, words: int) -> tuple[int, int]:
    if generator is None:
        return default_generator.reserve(words)
    if not isinstance(generator, Generator):
        raise ArgumentTypeError(f"{name}: generator must be a tapeloom.Generator or None, got {type(generator).__name__}.")
    return generator.reserve(words)


def _words(name: str, generator: Generator | None, words: int, device: Device) -> tuple[Any, Any]:
    """The backend of ``device`` and the next ``words`` words there."""
    backend: Any = kind_of(dtypes.float32, device).backend
    seed, offset = _reserved(name, generator, words)
    drawn = backend.random_words(seed, offset, words)
    return backend, drawn if backend.device_count() == 1 else backend.to_device(drawn, device)


def _floating(name: str, dtype: DType) -> DType:
    if not dtype.is_floating_point:
        raise DTypeError(f"{name}: only floating tensors can hold these numbers, got {dtype.name}. Give a floating dtype.")
    return dtype


def _unit(name: str, generator: Generator | None, size: tuple[int, ...], dtype: DType, device: Device) -> Tensor:
    _floating(name, dtype)
    backend, words = _words(name, generator, uniform_words(shapes.element_count(size), dtype), device)
    return make(backend.reshape(backend.unit_from_words(words, dtype), size), kind_of(dtype, device))


def _uniform(
    name: str, generator: Generator | None, size: tuple[int, ...], low: float, high: float, dtype: DType, device: Device
) -> Tensor:
    start, scale, top = uniform_bounds(name, low, high, _floating(name, dtype))
    backend, words = _words(name, generator, uniform_words(shapes.element_count(size), dtype), device)
    return make(backend.reshape(backend.uniform_from_words(words, start, scale, top, dtype), size), kind_of(dtype, device))


def _normal(
    name: str, generator: Generator | None, size: tuple[int, ...], mean: float, std: float, dtype: DType, device: Device
) -> Tensor:
    if not std >= 0:
        raise ArgumentError(f"{name}: std must not be negative, got {std}.")
    _floating(name, dtype)
    count = shapes.element_count(size)
    seed, offset = _reserved(name, generator, normal_words(count))
    kind = kind_of(dtype, device)
    return make(kind.backend.from_host(host.normal(seed, offset, size, mean, std, dtype), device), kind)


def _integers(
    name: str, generator: Generator | None, size: tuple[int, ...], low: int, high: int, dtype: DType, device: Device
) -> Tensor:
    span, wide = integer_range(name, low, high)
    first, last = _exact_range(dtype)
    if low < first or high - 1 > last:
        raise ArgumentError(f"{name}: {low} to {high - 1} does not fit {dtype.name}, which takes {first} to {last}.")
    count = shapes.element_count(size)
    backend, words = _words(name, generator, 2 * count if wide else count, device)
    numbers = backend.cast(backend.integers_from_words(words, low, span, wide), dtype)
    return make(backend.reshape(numbers, size), kind_of(dtype, device))


def _exact_range(dtype: DType) -> tuple[int, int]:
    """The integers that ``dtype`` holds exactly, all of them in between as well."""
    if dtype.is_floating_point:
        most = 2**dtype.significand
        return -most, most
    return int(dtype.min), int(dtype.max)


def _finished(made: Tensor, requires_grad: bool) -> Tensor:
    return made.requires_grad_() if requires_grad else made


def _options(dtype: Any, device: DeviceLike, default: DType) -> tuple[DType, Device]:
    return (default if dtype is None else dtypes.as_dtype(dtype)), resolve_device(device)


def _size(name: str, size: tuple[Any, ...]) -> tuple[int, ...]:
    if len(size) == 1 and not hasattr(type(size[0]), "__index__"):
        return shapes.as_size(name, size[0])
    return shapes.as_size(name, size)


# new tensors


@function(method=False)
def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform numbers in [0, 1)."""
    return _finished(
        _unit("rand", generator, _size("rand", size), *_options(dtype, device, dtypes.get_default_dtype())), requires_grad
    )


@function(method=False)
def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers of mean 0 and standard deviation 1.

    Source: G. Box, M. Muller, "A note on the generation of random normal deviates", Annals of Mathematical Statistics
    29, 1958.
    """
    chosen, where = _options(dtype, device, dtypes.get_default_dtype())
    return _finished(_normal("randn", generator, _size("randn", size), 0.0, 1.0, chosen, where), requires_grad)


@function(method=False)
def randint(
    *bounds_and_size: Any,
    low: int = 0,
    high: int | None = None,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
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
    n: int, *, generator: Generator | None = None, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """The integers 0 to n - 1 in random order; int64."""
    count = shapes.as_int("randperm", "n", n)
    if count < 0:
        raise ArgumentError(f"randperm: n must not be negative, got {count}.")
    chosen, where = _options(dtype, device, dtypes.int64)
    if count - 1 > _exact_range(chosen)[1]:
        raise ArgumentError(f"randperm: the numbers up to {count - 1} do not fit {chosen.name}. Give a wider dtype.")
    backend, words = _words("randperm", generator, 2 * count, where)
    order = backend.cast(backend.permutation_from_words(words, count), chosen)
    return _finished(make(order, kind_of(chosen, where)), requires_grad)


def _like(name: str, x: Any, dtype: Any, device: DeviceLike) -> tuple[tuple[int, ...], DType, Device]:
    as_tensor_of(name, x)
    return x.shape, dtypes.as_dtype(dtype or x.dtype), x.device if device is None else resolve_device(device)


@function(method=False)
def rand_like(
    x: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform numbers in [0, 1) in the shape, dtype and device of ``x``."""
    return _finished(_unit("rand_like", generator, *_like("rand_like", x, dtype, device)), requires_grad)


@function(method=False)
def randn_like(
    x: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers of mean 0 and standard deviation 1 in the shape, dtype and device of ``x``."""
    size, chosen, where = _like("randn_like", x, dtype, device)
    return _finished(_normal("randn_like", generator, size, 0.0, 1.0, chosen, where), requires_grad)


@function(method=False)
def randint_like(
    x: Tensor,
    low: int,
    high: int | None = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """``randint_like(x, high)`` or ``(x, low, high)``: integers in the shape, dtype and device of ``x``."""
    lowest, highest = (0, low) if high is None else (low, high)
    size, chosen, where = _like("randint_like", x, dtype, device)
    lowest, highest = shapes.as_int("randint_like", "low", lowest), shapes.as_int("randint_like", "high", highest)
    return _finished(_integers("randint_like", generator, size, lowest, highest, chosen, where), requires_grad)


@function(method=False)
def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers: of numbers ``mean`` and ``std`` with a ``size``, or of tensors (one or both), which broadcast.

    Raises ArgumentError for a negative ``std``.
    """
    mean, std = (
        value if is_tensor(value) else float(as_number("normal", value, parameter))
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
        if std.numel() and not bool(OPS.all(OPS.greater_equal(std, 0))):
            raise ArgumentError("normal: std must not be negative anywhere.")
    elif not std >= 0:
        raise ArgumentError(f"normal: std must not be negative, got {std}.")
    model = mean.detach() * 1.0 + std.detach() if is_tensor(mean) and is_tensor(std) else mean if is_tensor(mean) else std
    drawn = _normal("normal", generator, model.shape, 0.0, 1.0, _floating("normal", model.dtype), model.device)
    std, mean = (value.detach() if is_tensor(value) else value for value in (std, mean))
    return drawn * std + mean


@function()
def bernoulli(x: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """Ones with the probabilities in ``x``, or all with probability ``p``, else zeros, in the shape and dtype of ``x``.

    Raises ArgumentError for a probability outside 0 to 1.
    """
    as_tensor_of("bernoulli", x)
    if p is not None:
        return _coins("bernoulli", x, p, generator)
    _floating("bernoulli", x.dtype)
    return _coins("bernoulli", x, x.detach(), generator)


def _coins(name: str, x: Tensor, p: Any, generator: Generator | None) -> Tensor:
    """Ones with probability ``p`` (a number, or a tensor that broadcasts to ``x``) like ``x``."""
    count = x.numel()
    if is_tensor(p):
        backend: Any = p.kind.backend
        if shapes.broadcast(name, p.shape, x.shape) != x.shape:
            raise ShapeError(f"{name}: p of shape {p.shape} does not broadcast to x of shape {x.shape}. Give one of that shape.")
        above_one = 1 + p.dtype.eps if p.dtype.is_floating_point else 2
        if p.numel() and not backend.in_range(p.array, 0, above_one):
            raise ArgumentError(f"{name}: the probabilities must be from 0 to 1.")
        threshold = backend.probability_thresholds(backend.reshape(backend.expand(p.array, x.shape), (count,)))
    else:
        threshold = probability_threshold(name, as_number(name, p, "p"))
    backend, words = _words(name, generator, count, x.device)
    ones = backend.cast(backend.bernoulli_from_words(words, threshold), x.dtype)
    return make(backend.reshape(ones, x.shape), x.kind)


# dropout


@op(dtype=FLOATING_ONLY, method=False)
def masked_scale(x: Tensor, mask: Mask, scale: float) -> Tensor:
    """``x * scale`` where ``mask`` is true, 0 elsewhere."""
masked_scale.gradient(x=lambda g, mask, scale, ops: ops.masked_scale(g, mask, scale))


@function(method=False)
def dropout(
    x: Any, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator: Generator | None = None, **names: Any
) -> Tensor:
    """With ``training``, each element becomes 0 with probability ``p`` and is divided by 1 - p otherwise; else ``x`` itself.

    Raises ArgumentError for ``p`` outside 0 to 1.

    Source: N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15, 2014;
    the division in training is in its section 10.
    """
    no_more("dropout", names)
    as_tensor_of("dropout", x)
    threshold = probability_threshold("dropout", as_number("dropout", p, "p"))
    if not training or not threshold:
        return x
    _floating("dropout", x.dtype)
    backend, words = _words("dropout", generator, x.numel(), x.device)
    mask = make(backend.reshape(backend.keep_from_words(words, threshold), x.shape), kind_of(dtypes.bool_, x.device))
    out = OPS.masked_scale(x, mask, 1 / (1 - p) if p < 1 else 0.0)
    return put("dropout", x, out) if inplace else out


# in place


@function()
def uniform_(x: Tensor, *bounds: float, generator: Generator | None = None, **names: float) -> Tensor:
    """``uniform_(low=0, high=1)``: give every element a uniform number in [low, high), in place.

    ``from`` and ``to`` are other spellings. Raises ArgumentError where low is above high.
    """
    low, high = _bounds("uniform_", bounds, names, 0.0, 1.0)
    low, high = as_number("uniform_", low, "low"), as_number("uniform_", high, "high")
    check_writable("uniform", as_tensor_of("uniform_", x))
    return put("uniform", x, _uniform("uniform_", generator, x.shape, low, high, x.dtype, x.device))


def _bounds(name: str, bounds: tuple[Any, ...], names: dict[str, Any], low: Any, high: Any) -> tuple[Any, Any]:
    values = [low, high]
    if len(bounds) > 2:
        raise ArgumentTypeError(f"{name}: takes at most two bounds, got {len(bounds)}.")
    values[: len(bounds)] = bounds
    for spelling, value in names.items():
        if spelling not in ("from", "a", "low", "to", "b", "high"):
            raise ArgumentTypeError(f"{name}: unexpected argument {spelling!r}. Give from= and to=.")
        values[spelling in ("to", "b", "high")] = value
    return values[0], values[1]


@function()
def normal_(x: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Give every element a normal number, in place. Raises ArgumentError for a negative ``std``."""
    mean, std = as_number("normal_", mean, "mean"), as_number("normal_", std, "std")
    check_writable("normal", as_tensor_of("normal_", x))
    return put("normal", x, _normal("normal_", generator, x.shape, mean, std, x.dtype, x.device))


@function()
def bernoulli_(x: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Give every element 1 with probability ``p`` (a number, or a tensor that broadcasts), else 0, in place."""
    check_writable("bernoulli", as_tensor_of("bernoulli_", x))
    return put("bernoulli", x, _coins("bernoulli_", x, p.detach() if is_tensor(p) else p, generator))


@function()
def random_(x: Tensor, *bounds: int, generator: Generator | None = None, **names: int) -> Tensor:
    """``random_()``, ``random_(high)``, ``random_(low, high)``: give every element a random integer, in place.

    It is from low (0) up to, not including, high (by default beyond all that the dtype holds exactly).
    """
    if len(bounds) == 1 and not names:
        low, high = 0, bounds[0]
    else:
        low, high = _bounds("random_", bounds, names, 0, None)
    as_tensor_of("random_", x)
    low = shapes.as_int("random_", "low", low)
    high = _exact_range(x.dtype)[1] + 1 if high is None else shapes.as_int("random_", "high", high)
    check_writable("random", x)
    return put("random", x, _integers("random_", generator, x.shape, low, high, x.dtype, x.device))
