"""What a sample says about its arguments, and how their values are drawn.

``T(3, 4)`` is a tensor of the dtype under test, ``I(4, below=3)`` one of positions (int64), ``M(3, 4)`` a bool mask,
``V([[1, 2]])`` a tensor of given values, ``P([1, 0])`` given positions. Lists and tuples of them are lists of tensors;
all else is passed as it is.
Values are drawn from a seed made of the op's name and the place in its table: the same in every run, on every device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from zlib import crc32

import numpy as np

from tapeloom import dtypes, host
from tapeloom.dtypes import DType

#: the range that values are drawn from where neither the input nor its row says otherwise
FLOAT_DOMAIN, INTEGER_DOMAIN = (-2.0, 2.0), (-6.0, 6.0)
#: how far a value stays from a kink, where a derivative jumps: far more than any step of a difference quotient
CLEARANCE = 0.05


class Input:
    """One tensor argument: its shape and where its values come from."""

    __slots__ = ("below", "data", "dtype", "grad", "high", "kind", "low", "shape")

    def __init__(self, kind: str, shape: tuple[int, ...], **given: Any) -> None:
        self.kind = kind
        self.shape = shape
        self.low: float | None = given.get("low")
        self.high: float | None = given.get("high")
        self.below: int = given.get("below", 1)
        self.data: Any = given.get("data")
        self.dtype: DType | None = given.get("dtype")
        self.grad: bool = given.get("grad", True)

    def __repr__(self) -> str:
        return f"{self.kind}{list(self.shape)}"

    def takes(self, dtype: DType) -> DType:
        """The dtype of this tensor when ``dtype`` is under test."""
        return self.dtype if self.dtype is not None else dtype


def T(
    *shape: int, low: float | None = None, high: float | None = None, dtype: DType | None = None, grad: bool = True
) -> Input:
    """A tensor of distinct values between ``low`` and ``high``, of the dtype under test unless ``dtype`` is given.

    Of complex numbers ``low`` and ``high`` bound the real parts.
    ``grad=False`` marks one that by definition gets no gradient.
    """
    return Input("T", shape, low=low, high=high, dtype=dtype, grad=grad)


def V(data: Any, dtype: DType | None = None) -> Input:
    """A tensor of the values ``data`` (nested lists or a number)."""
    return Input("V", np.asarray(data).shape, data=data, dtype=dtype)


def I(*shape: int, below: int) -> Input:  # noqa: E743 - beside T, V and M
    """A tensor of positions from 0 to ``below`` - 1, int64."""
    return Input("I", shape, below=below, dtype=dtypes.int64)


def P(data: Any, dtype: DType = dtypes.int64) -> Input:
    """Given positions (nested lists or a number)."""
    return Input("P", np.asarray(data).shape, data=data, dtype=dtype)


def M(*shape: int) -> Input:
    """A mask, bool, with both values in it where it has two elements."""
    return Input("M", shape, dtype=dtypes.bool_)


def seed_of(*names: object) -> int:
    """A seed that depends on nothing but ``names``."""
    return crc32(repr(names).encode())


def draw(spec: Input, dtype: DType, seed: int, domain: tuple[float, float] | None, kinks: Any) -> Any:
    """The values of ``spec`` as a host array when ``dtype`` is under test."""
    wanted = spec.takes(dtype)
    native = host.native(wanted)
    rng = np.random.default_rng(seed)
    count = int(np.prod(spec.shape))
    if spec.data is not None:
        return np.asarray(spec.data).astype(native)
    if spec.kind == "I":
        return rng.integers(0, spec.below, spec.shape).astype(native)
    if spec.kind == "M":
        return rng.permutation(np.arange(count) % 2 == 0).reshape(spec.shape)
    low, high = domain or (FLOAT_DOMAIN if wanted.inexact else INTEGER_DOMAIN)
    low, high = low if spec.low is None else spec.low, high if spec.high is None else spec.high
    if wanted.category == dtypes.BOOL:
        allowed = [value for value in (0, 1) if low <= value <= high] or [0, 1]
        return rng.choice(allowed, spec.shape).astype(native)
    if not wanted.inexact:
        least = max(np.ceil(low), 0 if not wanted.signed else low)
        most = max(np.floor(high), least)
        return rng.integers(int(np.ceil(least)), int(most) + 1, spec.shape).astype(native)
    values = _away_from(_spread(rng, low, high, count), kinks)
    if wanted.is_complex:
        values = values + 1j * _spread(rng, *FLOAT_DOMAIN, count)
    return values.reshape(spec.shape).astype(native)


def _spread(rng: np.random.Generator, low: float, high: float, count: int) -> Any:
    """Distinct values, evenly spread between ``low`` and ``high``, in any order."""
    places = rng.permutation(count) + 0.5 + 0.4 * (rng.random(count) - 0.5)
    return low + (high - low) * places / max(count, 1)


def _away_from(values: Any, kinks: Any) -> Any:
    if isinstance(kinks, str):
        step = {"integers": 1.0, "halves": 0.5}[kinks]
        whole = np.floor(values / step)
        return (whole + CLEARANCE + (1 - 2 * CLEARANCE) * (values / step - whole)) * step
    for kink in kinks:
        near = np.abs(values - kink) < CLEARANCE
        values = np.where(near, kink + np.where(values < kink, -CLEARANCE, CLEARANCE), values)
    return values


def mapped(argument: Any, convert: Callable[[Input], Any]) -> Any:
    """``argument`` with each Input in it, also within a list, converted."""
    if isinstance(argument, Input):
        return convert(argument)
    if isinstance(argument, (list, tuple)) and any(isinstance(item, (Input, list, tuple)) for item in argument):
        return [mapped(item, convert) for item in argument]
    return argument


def inputs_in(argument: Any) -> Iterator[Input]:
    """The Inputs in an argument."""
    if isinstance(argument, Input):
        yield argument
    elif isinstance(argument, (list, tuple)):
        for item in argument:
            yield from inputs_in(item)
