"""Programs: Python functions of arrays, compiled by XLA once for each combination of settings.

Each argument of a program is of one sort. A *setting* (a size, a dimension, a dtype) shapes what is compiled: each
combination has a compiled function of its own. An *operand* (an array, a list of them) is handed over at each call, and
so is a *value* (a number, a position), so that new ones compile nothing. JAX looks after the shapes and dtypes of
operands itself.

A value that the function decides upon (``if momentum:``) cannot be handed over. The first call finds such values out,
and they become settings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import jax
import numpy as np

from tapeloom.backend.fallback import arrays_in
from tapeloom.errors import StateError
from tapeloom.op.parameter import Parameter

Function = Callable[..., Any]

SETTING, OPERAND, VALUE = "setting", "operand", "value"

_eval_shape: Any = jax.eval_shape
_INT64_MAX = 2**63 - 1


def sorts(parameters: Sequence[Parameter]) -> list[str]:
    """The sorts of the parameters that a kernel gets."""
    return [OPERAND if p.input else VALUE if p.traced else SETTING for p in parameters if p.passed]


def typed(value: Any) -> Any:
    """A hashable stand-in for a value, under which 1, 1.0 and True differ, and 0.0 and -0.0."""
    kind = type(value)
    if kind is tuple or kind is list:
        return (kind, *(typed(item) for item in value))
    if kind is float:
        return kind, value.hex()
    if kind is complex:
        return kind, value.real.hex(), value.imag.hex()
    return kind, value


def compiled(name: str, function: Function, sorts: Sequence[str]) -> Function:
    """``function`` as a program that takes positional arguments of these sorts; ``name`` is what profiles show."""
    function = _named(name, function)
    if VALUE in sorts:
        return _Settling(name, function, sorts)
    return _keyed(name, function, sorts)


def _jit(function: Function) -> Function:
    return jax.jit(function, inline=True)


def _named(name: str, function: Function) -> Function:
    def traced(*operands: Any) -> Any:
        return function(*operands)

    traced.__name__ = traced.__qualname__ = name
    return traced


def _keyed(name: str, function: Function, sorts: Sequence[str], decided: Sequence[int] = ()) -> Function:
    """The program of a function whose settings are known: those declared, and the values ``decided`` upon."""
    settings = [place for place, sort in enumerate(sorts) if sort == SETTING]
    fixed = sorted({*settings, *decided})
    if not fixed:
        return _jit(function)
    places = [place for place in range(len(sorts)) if place not in fixed]
    operands_of = _getter(places)
    key_of: Function = itemgetter(*fixed)
    if decided:

        def key_of(args: tuple[Any, ...]) -> Any:
            return *[args[place] for place in settings], *[typed(args[place]) for place in decided]

    cache: dict[Any, Function] = {}

    def build(args: tuple[Any, ...]) -> Function:
        values = [args[place] if place in fixed else None for place in range(len(sorts))]

        def with_settings(*operands: Any) -> Any:
            full = list(values)
            for place, operand in zip(places, operands, strict=True):
                full[place] = operand
            return function(*full)

        return _jit(_named(name, with_settings))

    def call(*args: Any) -> Any:
        key = key_of(args)
        try:
            program = cache[key]
        except KeyError:
            program = cache.setdefault(key, build(args))
        return program(*operands_of(args))

    return call


def _getter(places: list[int]) -> Callable[[tuple[Any, ...]], Sequence[Any]]:
    """What takes the arguments at ``places`` out of all arguments, as a tuple."""
    if len(places) > 1:
        return itemgetter(*places)
    if places == [0]:
        return itemgetter(slice(0, 1))
    return lambda args: [args[place] for place in places]


class _Settling:
    """A program with values: they are handed over, except those that the function turns out to decide upon."""

    def __init__(self, name: str, function: Function, sorts: Sequence[str]) -> None:
        self.function = function
        self.values = [place for place, sort in enumerate(sorts) if sort == VALUE]
        self.decided: list[int] = []
        self.make: Function = lambda decided: _keyed(name, function, sorts, decided)
        self.program: Function = self.make([])

    def __call__(self, *args: Any) -> Any:
        try:
            return self.program(*args)
        except OverflowError:  # JAX makes int64 of Python's ints; what is larger is unsigned
            return self.program(*[np.uint64(arg) if type(arg) is int and arg > _INT64_MAX else arg for arg in args])
        except (TypeError, StateError):  # also what is raised where a traced number would have to be known
            if not self.settle(args):
                raise
        return self(*args)

    def settle(self, args: tuple[Any, ...]) -> bool:
        """Find the values that cannot be traced, one by one, and make them settings; False if there are none."""
        open_ones = [place for place in self.values if place not in self.decided and not arrays_in(args[place])]
        blocking = [place for place in open_ones if not self._traces(args, [place])]
        if not blocking and not self._traces(args, open_ones):
            blocking = open_ones
        if not blocking or not self._traces(args, [place for place in open_ones if place not in blocking]):
            return False
        self.decided = [*self.decided, *blocking]
        self.program = self.make(self.decided)
        return True

    def _traces(self, args: tuple[Any, ...], places: list[int]) -> bool:
        """Whether the function can be traced with the values at ``places`` unknown."""
        varied = [place for place, value in enumerate(args) if place in places or arrays_in(value)]

        def partly(*operands: Any) -> Any:
            full = list(args)
            for place, operand in zip(varied, operands, strict=True):
                full[place] = operand
            return self.function(*full)

        try:
            _eval_shape(partly, *[args[place] for place in varied])
        except Exception:  # noqa: BLE001 - whatever stops tracing, the call itself will say it
            return False
        return True
