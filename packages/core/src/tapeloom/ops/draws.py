"""Random tensors of further distributions, drawn on the host so that a seed gives the same numbers on every device."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, host, shapes
from tapeloom.call.inplace import check_writable
from tapeloom.call.inplace import inplace as put
from tapeloom.call.op import function
from tapeloom.dtypes import DType
from tapeloom.errors import ArgumentError, DTypeError, ShapeError
from tapeloom.op.parameter import as_number
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.ops.random import floating_only, reserved
from tapeloom.tape.levels import per_sample
from tapeloom.tensors.kind import kind_of
from tapeloom.tensors.tensor import make

if TYPE_CHECKING:
    from tapeloom.devices import Device
    from tapeloom.generator import Generator
    from tapeloom.tensors.tensor import Tensor


def _drawn(
    name: str, kind: str, generator: Generator | None, size: tuple[int, ...], dtype: DType, device: Device, *settings: Any
) -> Tensor:
    """A draw of ``kind`` (see ``host_draws``) of ``size``."""
    reserve = functools.partial(reserved, name, generator)

    def draw(whole: tuple[int, ...], where: Device) -> Any:
        backend = kind_of(dtype, where).backend
        count = shapes.element_count(whole[: len(whole) - len(size)])  # one for each sample of vmap, or one
        made = [backend.from_host(host.drawn(kind, reserve, dtype, *settings).reshape(size), where) for _ in range(count)]
        return made[0] if len(whole) == len(size) else backend.call("reshape", backend.call("stack", made, 0), whole)

    return make(per_sample(device, size, draw), kind_of(dtype, device))


def gumbel_numbers(name: str, generator: Generator | None, size: tuple[int, ...], dtype: DType, device: Device) -> Tensor:
    """Gumbel numbers, for ``gumbel_softmax``."""
    return _drawn(name, "gumbel", generator, size, dtype, device, shapes.element_count(size))


def _values(name: str, input: Any, parameter: str = "input") -> Any:
    """The values of a floating tensor in float64 on the host."""
    floating_only(name, as_tensor_of(name, input, parameter).dtype)
    return input.detach().numpy(force=True).astype("float64")


# from tensors


@function()
def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None) -> Tensor:
    """``num_samples`` places of each row of ``input`` (n), or (rows, n), drawn by the weights there: int64.

    Weights need not add up to 1. Without ``replacement`` no place comes twice in a row; places of weight 0 come last.
    Raises ArgumentError for a weight that is negative or not finite, for a row of zeros, and for more samples than places.
    """
    weights = _values("multinomial", input)
    if input.ndim not in (1, 2):
        raise ShapeError(f"multinomial: expected weights (n) or (rows, n), got shape {input.shape}.")
    count, n = shapes.as_int("multinomial", "num_samples", num_samples), input.shape[-1]
    if count < 1:
        raise ArgumentError(f"multinomial: num_samples must be positive, got {count}.")
    if count > n and not (replacement and n):
        raise ArgumentError(f"multinomial: {count} samples of {n} places need replacement=True, and at least one place.")
    if not ((weights >= 0) & (weights < math.inf)).all():
        raise ArgumentError("multinomial: the weights must be finite and not negative.")
    rows = weights.reshape(-1, n)
    if not (rows.sum(1) > 0).all():
        raise ArgumentError("multinomial: the weights of a row must not all be 0.")
    size = (*input.shape[:-1], count)
    return _drawn("multinomial", "multinomial", generator, size, dtypes.int64, input.device, rows, count, bool(replacement))


@function(method=False)
def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """How many events there are where ``input`` are expected, element by element, in the dtype of ``input``.

    Raises ArgumentError for a rate that is negative or not finite.
    """
    rate = _values("poisson", input)
    if not ((rate >= 0) & (rate < math.inf)).all():
        raise ArgumentError("poisson: the rates must be finite and not negative.")
    return _drawn("poisson", "poisson", generator, input.shape, input.dtype, input.device, rate.reshape(-1))


@function(method=False)
def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """How many of ``count`` attempts succeed, each with probability ``prob``; the two broadcast and have one floating dtype.

    Raises ArgumentError for a count that is negative or not finite, and for a probability outside 0 to 1.
    """
    trials, chance = _values("binomial", count, "count"), _values("binomial", prob, "prob")
    if count.dtype is not prob.dtype:
        raise DTypeError(f"binomial: count and prob must have one dtype, got {count.dtype.name} and {prob.dtype.name}.")
    if not ((trials >= 0) & (trials < math.inf)).all():
        raise ArgumentError("binomial: the counts must be finite and not negative.")
    if not ((chance >= 0) & (chance <= 1)).all():
        raise ArgumentError("binomial: the probabilities must be from 0 to 1.")
    size = shapes.broadcast("binomial", count.shape, prob.shape)
    spread = [host.broadcast(values, size).reshape(-1) for values in (trials // 1, chance)]
    return _drawn("binomial", "binomial", generator, size, count.dtype, count.device, *spread)


# in place


def _positive(name: str, parameter: str, value: Any) -> float:
    number = float(as_number(name, parameter, value))
    if not number > 0:
        raise ArgumentError(f"{name}: {parameter} must be positive, got {number}.")
    return number


def _filled(name: str, self: Any, generator: Generator | None, *settings: float) -> Tensor:
    """``self`` filled with draws of the kind that ``name`` says."""
    kind = name.removesuffix("_")
    check_writable(kind, self)
    count = shapes.element_count(self.shape)
    return put(kind, self, _drawn(name, kind, generator, self.shape, self.dtype, self.device, count, *settings))


@function()
def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Give every element a number of density ``lambd * exp(-lambd x)``, in place. Raises ArgumentError unless lambd > 0."""
    floating_only("exponential_", as_tensor_of("exponential_", self, "self").dtype)
    return _filled("exponential_", self, generator, _positive("exponential_", "lambd", lambd))


@function()
def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Give every element the number of attempts that a success of probability ``p`` takes (1, 2, …), in place.

    What an integer dtype cannot hold becomes its largest number. Raises ArgumentError unless 0 < p < 1.
    """
    dtype = as_tensor_of("geometric_", self, "self").dtype
    if dtype is dtypes.bool_ or dtype.is_complex:
        raise DTypeError(f"geometric_: a {dtype.name} tensor cannot hold these numbers. Give an integer or a floating dtype.")
    chance = float(as_number("geometric_", "p", p))
    if not 0 < chance < 1:
        raise ArgumentError(f"geometric_: p must lie between 0 and 1, got {chance}.")
    return _filled("geometric_", self, generator, chance)


@function()
def cauchy_(self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Give every element a number of the Cauchy distribution, in place. Raises ArgumentError unless sigma > 0."""
    floating_only("cauchy_", as_tensor_of("cauchy_", self, "self").dtype)
    middle = float(as_number("cauchy_", "median", median))
    return _filled("cauchy_", self, generator, middle, _positive("cauchy_", "sigma", sigma))


@function()
def log_normal_(self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None) -> Tensor:
    """Give every element a number whose logarithm is normal, of this mean and deviation, in place.

    Raises ArgumentError unless std > 0.
    """
    floating_only("log_normal_", as_tensor_of("log_normal_", self, "self").dtype)
    middle = float(as_number("log_normal_", "mean", mean))
    return _filled("log_normal_", self, generator, middle, _positive("log_normal_", "std", std))
