"""Programs: Python functions of arrays, compiled by XLA once for each combination of settings.

The arguments of a program are of two sorts. *Settings* (sizes, dimensions, dtypes) shape what is compiled: each
combination has a compiled function of its own. *Operands* (arrays, lists of them, numbers that are values) are handed
over at each call, and new values compile nothing. JAX looks after the shapes and dtypes of operands itself.

A number that the function decides upon (``if momentum:``) cannot be an operand. The first call finds such numbers out,
and they become settings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import jax

Function = Callable[..., Any]

_eval_shape: Any = jax.eval_shape

#: annotations of operands; Position and Key are what roles calls values. All others are settings
OPERANDS = frozenset({"Array", "Array | None", "Arrays", "list[Array]", "Position", "Key"})
#: annotations of Python numbers, which are operands where they can be
NUMBERS = frozenset({"float", "Number", "Number | None"})


def sorts(annotations: Sequence[str]) -> tuple[list[int], list[int], list[int]]:
    """The positions of settings, of settings of no known type (``Any``), and of numbers."""
    settings: list[int] = []
    loose: list[int] = []
    numbers: list[int] = []
    for place, annotation in enumerate(annotations):
        if annotation in NUMBERS:
            numbers.append(place)
        elif annotation == "Any":
            loose.append(place)
        elif annotation not in OPERANDS:
            settings.append(place)
    return settings, loose, numbers


def of_method(name: str, method: Function) -> Function:
    """The program of a kernel by the annotations of its text, where ``Any`` stands for an operand."""
    hints = {key: str(hint) for key, hint in method.__annotations__.items() if key not in ("self", "return")}
    annotations = ["Array" if hint == "Any" else hint for hint in hints.values()]
    return compiled(name, method, len(annotations), *sorts(annotations))


def typed(value: Any) -> Any:
    """A hashable stand-in for a setting, under which 1, 1.0 and True differ, and 0.0 and -0.0."""
    kind = type(value)
    if kind is tuple or kind is list:
        return (kind, *(typed(item) for item in value))
    if kind is float:
        return kind, value.hex()
    return kind, value


def compiled(
    name: str,
    function: Function,
    count: int,
    settings: Sequence[int] = (),
    loose: Sequence[int] = (),
    numbers: Sequence[int] = (),
) -> Function:
    """``function`` of ``count`` positional arguments as a program; ``name`` is what profiles show.

    ``settings`` are the positions of settings, of which each has one type in all calls; ``loose`` are those of
    settings whose type may change from call to call; ``numbers`` those of Python numbers that should be operands.
    """
    function = _named(name, function)
    if not settings and not loose and not numbers:
        return _jit(function)
    if not numbers:
        return _keyed(name, function, count, settings, loose)
    return _Settling(name, function, count, settings, loose, numbers)


def with_defaults(program: Function, method: Function) -> Function:
    """``program``, made of ``method``, with the defaults of the method's last parameters."""
    defaults = method.__defaults__ if hasattr(method, "__func__") else None  # not of JAX's own functions
    if not defaults:
        return program
    count = len(method.__annotations__) - ("self" in method.__annotations__) - ("return" in method.__annotations__)

    def call(*args: Any) -> Any:
        missing = count - len(args)
        return program(*args, *defaults[-missing:]) if missing else program(*args)

    return call


def _jit(function: Function) -> Function:
    return jax.jit(function, inline=True)


def _named(name: str, function: Function) -> Function:
    def traced(*operands: Any) -> Any:
        return function(*operands)

    traced.__name__ = traced.__qualname__ = name
    return traced


def _keyed(name: str, function: Function, count: int, settings: Sequence[int], loose: Sequence[int]) -> Function:
    """The program of a function whose settings are known."""
    fixed = sorted({*settings, *loose})
    places = [place for place in range(count) if place not in fixed]
    operands_of = _getter(places)
    if not fixed:
        return _jit(function)
    key_of: Function = itemgetter(*fixed)
    if loose:
        strict = [place for place in fixed if place not in loose]

        def key_of(args: tuple[Any, ...]) -> Any:
            return *[args[place] for place in strict], *[typed(args[place]) for place in loose]

    cache: dict[Any, Function] = {}

    def build(args: tuple[Any, ...]) -> Function:
        values = [args[place] if place in fixed else None for place in range(count)]

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
    """A program with numbers: they are operands, except those that the function turns out to decide upon."""

    def __init__(
        self,
        name: str,
        function: Function,
        count: int,
        settings: Sequence[int],
        loose: Sequence[int],
        numbers: Sequence[int],
    ) -> None:
        self.function = function
        self.numbers = list(numbers)
        self.decided: list[int] = []
        self.make: Function = lambda decided: _keyed(name, function, count, settings, [*loose, *decided])
        self.program: Function = self.make([])

    def __call__(self, *args: Any) -> Any:
        try:
            return self.program(*args)
        except TypeError:  # also what JAX raises where a traced number would have to be known
            if not self.settle(args):
                raise
        return self(*args)

    def settle(self, args: tuple[Any, ...]) -> bool:
        """Find the numbers that cannot be traced, one by one, and make them settings; False if there are none."""
        open_ones = [place for place in self.numbers if place not in self.decided]
        blocking = [place for place in open_ones if not self._traces(args, [place])]
        if not blocking and not self._traces(args, open_ones):
            blocking = open_ones
        if not blocking or not self._traces(args, [place for place in open_ones if place not in blocking]):
            return False
        self.decided = [*self.decided, *blocking]
        self.program = self.make(self.decided)
        return True

    def _traces(self, args: tuple[Any, ...], places: list[int]) -> bool:
        """Whether the function can be traced with the numbers at ``places`` unknown."""
        varied = [place for place, value in enumerate(args) if place in places or _is_array(value)]

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


def _is_array(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_is_array(item) for item in value)
    return hasattr(value, "dtype") and hasattr(value, "shape")
