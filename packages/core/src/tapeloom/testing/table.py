"""The table of samples: for each op what to call it with, what must come out, and what must be refused.

A row is one call of ``row``; a case within it is a list of arguments (``case(...)`` where it needs keywords, or results
of its own). Rows are in ``samples/``, one file for each family of ops. Every test of an op is made from its row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tapeloom import dtypes
from tapeloom.dtypes import DType
from tapeloom.op.registry import FUNCTIONS, REGISTRY
from tapeloom.testing.inputs import Input, draw, inputs_in, mapped, seed_of

FLOATS: tuple[DType, ...] = dtypes.FLOATS
INTEGERS: tuple[DType, ...] = dtypes.INTEGERS
NUMBERS: tuple[DType, ...] = (*INTEGERS, *FLOATS)
SIGNED: tuple[DType, ...] = tuple(dtype for dtype in NUMBERS if dtype.is_signed)
ALL: tuple[DType, ...] = (dtypes.bool_, *INTEGERS, *FLOATS)
COMPLEX: tuple[DType, ...] = dtypes.COMPLEXES
INEXACT: tuple[DType, ...] = (*FLOATS, *COMPLEX)
EVERY: tuple[DType, ...] = dtypes.ALL
FLOAT64: tuple[DType, ...] = (dtypes.float64,)

#: allowed error by class of op, in units of the dtype's spacing at the magnitude of the result.
#: The reference is computed in float64; what it owes itself is part of the budget of float64.
BUDGETS = {
    "exact": 0,  # moved, chosen, compared, counted
    "rounded": 2,  # one or two correctly rounded operations
    "function": 8,  # a library's exp, sin, tanh, ...
    "sum": 16,  # sums of products over the sizes used here, at the magnitude of the sum of absolute values
    "chain": 32,  # several functions one after the other
    "series": 128,  # special functions by series, and functions with cancellation inside
}

TABLE: dict[str, Row] = {}


class Case:
    """One call: its arguments, keywords, and the expected results where the row's reference is not to be asked."""

    __slots__ = ("args", "expect", "grad", "kwargs", "number", "only", "row")

    def __init__(self, args: Sequence[Any], kwargs: dict[str, Any], expect: Any, only: Any, grad: bool) -> None:
        self.args = tuple(args)
        self.kwargs = kwargs
        self.expect = expect
        self.only: tuple[DType, ...] | None = only
        self.grad = grad
        self.number = 0
        self.row: Any = None

    def __repr__(self) -> str:
        parts = [repr(value) for value in self.args] + [f"{name}={value!r}" for name, value in self.kwargs.items()]
        return f"{self.row.name}({', '.join(parts)})"

    def inputs(self) -> Iterator[Input]:
        """The tensors among the arguments."""
        yield from inputs_in([*self.args, *self.kwargs.values()])

    def arguments(self, dtype: DType) -> tuple[list[Any], dict[str, Any]]:
        """Arguments and keywords with host arrays for the tensors."""
        row, count = self.row, iter(range(1000))

        def value(spec: Input) -> Any:
            return draw(spec, dtype, seed_of(row.name, self.number, next(count)), row.domain, row.kinks)

        return [mapped(item, value) for item in self.args], {name: mapped(v, value) for name, v in self.kwargs.items()}


def case(
    *args: Any, expect: Any = None, only: Sequence[DType] | None = None, grad: bool | None = None, **kwargs: Any
) -> Case:
    """A call with keywords. ``expect``: its results; ``only``: for these dtypes; ``grad``: whether gradients are checked."""
    return Case(args, kwargs, expect, only, (expect is None) if grad is None else grad)


class Failure:
    """One call that must be refused: with which exception and which whole message."""

    __slots__ = ("case", "dtype", "raises", "says")

    def __init__(self, made: Case, raises: type[Exception], says: str, dtype: DType) -> None:
        self.case = made
        self.raises = raises
        self.says = says
        self.dtype = dtype


class Row:
    """All samples of one op or public function."""

    __slots__ = (
        "budget",
        "calls",
        "cases",
        "domain",
        "dtypes",
        "failures",
        "gives",
        "grad",
        "kinks",
        "magnitude",
        "maker",
        "name",
        "reference",
        "without",
    )

    budget: Any
    calls: Callable[..., Any] | None
    domain: tuple[float, float] | None
    dtypes: tuple[DType, ...]
    gives: Any
    grad: int
    kinks: Any
    magnitude: Callable[..., Any] | None
    maker: bool
    reference: Callable[..., Any] | None
    without: list[str]

    def __init__(self, name: str, cases: Sequence[Case], settings: dict[str, Any]) -> None:
        self.name = name
        self.cases = tuple(cases)
        self.failures: list[Failure] = []
        for field, value in settings.items():
            setattr(self, field, value)
        for number, made in enumerate(self.cases):
            made.row, made.number = self, number

    @property
    def call(self) -> Callable[..., Any]:
        """The op or public function of this name, or what the row says."""
        return self.calls or self.op or FUNCTIONS[self.name].call

    @property
    def op(self) -> Any:
        """The op of this name, or None for a plain function over ops."""
        return None if self.calls else REGISTRY.get(self.name)

    def cases_for(self, dtype: DType, few: bool = False) -> Iterator[Case]:
        """The cases that ``dtype`` is tested with: all for the common dtypes (``few``: for float32), else the first.

        Cases for certain dtypes only are always among them.
        """
        some = [made for made in self.cases if made.only is None or dtype in made.only]
        common = dtypes.float32 if dtypes.float32 in self.dtypes else self.dtypes[-1]
        many = (common,) if few else (dtypes.float32, dtypes.float64, dtypes.int64, dtypes.bool_)
        wide = dtype in many or len(self.dtypes) < 3
        yield from some if wide else some[:1] + [made for made in some[1:] if made.only is not None and not few]


def row(
    name: str,
    *cases: Case | list[Any],
    reference: Callable[..., Any] | None = None,
    gives: Any = "same",
    dtypes: Sequence[DType] = FLOATS,
    budget: str = "rounded",
    magnitude: Callable[..., Any] | None = None,
    low: float | None = None,
    high: float | None = None,
    kinks: Any = (),
    grad: int = 2,
    maker: bool = False,
    without: str = "",
    calls: Callable[..., Any] | None = None,
) -> Row:
    """Enter the samples of the op (or public function) ``name``.

    ``reference`` computes the expected results from host arrays (complex128, float64, int64 or bool) and the other
    arguments, not by the function that a kernel calls; None for rows whose cases all say what they expect. ``gives`` names the dtype
    rule of the result (see ``expected_dtype``). ``budget`` is a class of ``BUDGETS``, relative to the result, or to
    ``magnitude`` of the absolute values of the inputs where sums can cancel. ``low`` and ``high`` bound the values
    drawn, ``kinks`` are points without a derivative. ``grad`` is the order of gradients to check. ``maker``: the
    function makes tensors and takes ``dtype`` and ``device``. ``without`` lists the kinds of input (``empty``, ``0d``)
    that this op cannot take and so has no case of. ``calls`` is what to call where it bears no public name.
    """
    if name in TABLE:
        raise ValueError(f"samples: {name!r} has two rows. Put all its cases into one.")
    made = [
        Case(item.args, item.kwargs, item.expect, item.only, item.grad)  # of its own: rows may share cases
        if isinstance(item, Case)
        else Case(item, {}, None, None, True)
        for item in cases
    ]
    settings = {
        "reference": reference,
        "gives": gives,
        "dtypes": tuple(dtypes),
        "budget": BUDGETS[budget],
        "magnitude": magnitude,
        "domain": None if low is None or high is None else (low, high),
        "kinks": kinks,
        "grad": grad,
        "maker": maker,
        "calls": calls,
        "without": without.split(),
    }
    TABLE[name] = Row(name, made, settings)
    return TABLE[name]


def fails(
    name: str,
    arguments: Case | list[Any],
    raises: type[Exception],
    says: str,
    dtype: DType = dtypes.float32,
) -> None:
    """Enter a call of ``name`` that must be refused with exactly this exception and message."""
    made = arguments if isinstance(arguments, Case) else Case(arguments, {}, None, None, False)
    made.row = TABLE[name]
    made.number = 1000 + len(TABLE[name].failures)
    TABLE[name].failures.append(Failure(made, raises, says, dtype))


def expected_dtype(gives: Any, promoted: DType) -> DType:
    """The dtype of a result by PyTorch's rule ``gives``, for inputs that promote to ``promoted``.

    ``cast``, the dtype among the arguments, and ``first``, that of the first tensor, are resolved in ``checks``.
    ``same``: the promoted dtype. ``float``: integers and bool give float32. ``sum``: integers and bool give int64.
    ``number``: bool gives int64.
    The name of a dtype: always that one. ``real``: that of the parts of a complex dtype, else the same; ``real float``: also,
    integers and bool give float32. ``complex``: the complex dtype that holds it, complex64 of integers and bool.
    A DType: that one.
    """
    if isinstance(gives, DType):
        return gives
    if gives in ("same", "first"):
        return promoted
    if gives == "real":
        return promoted.real
    if gives == "complex":
        return (promoted if promoted.inexact else dtypes.float32).complex
    if gives in ("float", "real float"):
        kind = promoted.real if gives == "real float" else promoted
        return kind if promoted.inexact else dtypes.float32
    if gives == "number":
        return dtypes.int64 if promoted is dtypes.bool_ else promoted
    if gives == "sum":
        return promoted if promoted.inexact else dtypes.int64
    if gives in dtypes.BY_NAME:
        return dtypes.BY_NAME[gives]
    raise ValueError(f"samples: unknown dtype rule {gives!r}.")


def load() -> dict[str, Row]:
    """The whole table: imports the families in ``samples/``."""
    from importlib import import_module
    from pkgutil import iter_modules

    from tapeloom.testing import samples

    for module in iter_modules(samples.__path__):
        import_module(f"tapeloom.testing.samples.{module.name}")
    return TABLE
