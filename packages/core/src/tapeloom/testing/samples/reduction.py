"""Samples of the reductions: each as Python's own sum, max or loop over the elements that one result stands for."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, IndexingError, ShapeError
from tapeloom.testing.inputs import T, V
from tapeloom.testing.references import INF, NAN, dims_of, either, folded
from tapeloom.testing.table import ALL, COMPLEX, EVERY, FLOATS, INEXACT, NUMBERS, case, fails, row

X = T(2, 3, 4)
OVER = [[X], [X, 1], [X, -1, True], [X, (0, 2)], case(X, dim=(0, 1), keepdim=True), case(X, axis=0, keepdims=True), [T()], [T(), 0]]
SOME = [[X], [X, 1], [X, -1, True], [X, (0, 2)], [T()], [T(3, 0), 0]]


def _named(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` also under NumPy's names of its arguments."""
    return lambda x, dim=None, keepdim=False, axis=None, keepdims=False, **rest: function(
        x, dim if axis is None else axis, keepdim or keepdims, **rest
    )


def bad_dims(name: str) -> None:
    """Dims out of range, and named twice."""
    fails(
        name,
        [X, 3],
        IndexingError,
        f"{name}: dim 3 is out of range for a tensor of 3 dimensions. Give a dim from -3 to 2.",
    )
    fails(name, [X, (0, -3)], ShapeError, f"{name}: dim (0, -3) names a dimension more than once. Name each dimension once.")


def no_elements(name: str, *rest: Any) -> None:
    """A reduction without a value for no elements."""
    fails(
        name,
        [T(3, 0), *(rest or (1,))],
        ShapeError,
        f"{name}: dim 1 of a tensor of shape (3, 0) is empty, and this reduction has no value for no elements. "
        f"Reduce a dimension that has some.",
    )


def _sum(values: list[Any]) -> Any:
    return math.fsum(values) if values and all(isinstance(value, float) for value in values) else sum(values)


def mean_of(values: list[Any]) -> Any:
    """The mean of a list, nan of none."""
    return _sum(values) / len(values) if values else NAN


EMPTY = [[T(0, 3)], [T(0, 3), 0], [T(0, 3), 1]]
CAST = [case(X, dtype=dtypes.float64, only=FLOATS), case(X, 1, dtype=dtypes.int32, only=[dtypes.bool_, dtypes.int64])]
row("sum", *OVER, *EMPTY, *CAST, reference=_named(folded(_sum)), gives="sum", dtypes=EVERY, budget="sum", magnitude=_named(folded(_sum)))
bad_dims("sum")
row("mean", *OVER, *[case(*item, grad=False) for item in EMPTY], CAST[0], reference=_named(folded(mean_of)), budget="sum", dtypes=INEXACT,
    magnitude=_named(folded(mean_of)))
bad_dims("mean")
fails(
    "mean",
    [X],
    DTypeError,
    "mean: expected floating tensors, got int64. Cast with .float(), or give dtype=tapeloom.float32.",
    dtypes.int64,
)
fails("mean", case(X, dtype=dtypes.int64), DTypeError,
      "mean: expected floating tensors, got int64. Cast with .float(), or give dtype=tapeloom.float32.")
row("prod", *OVER, *EMPTY, case(V([[2.0, 0.0, 3.0], [0.0, 0.0, 4.0]]), 1, only=FLOATS), reference=_named(folded(math.prod)),
    gives="sum", dtypes=EVERY, budget="sum")
bad_dims("prod")


HOLES = V([[1.0, NAN, 3.0], [NAN, NAN, NAN]])
NAN_CASES = [[X], [X, 1], [X, (0, 2), True], case(X, dim=-1, dtype=dtypes.float64, only=FLOATS), [T()], case(T(0, 3), 0, grad=False),
             case(HOLES, 1, only=FLOATS, grad=False)]
row("nansum", *NAN_CASES, reference=folded(lambda values: _sum([value for value in values if value == value])), gives="sum", dtypes=ALL,
    budget="sum", magnitude=folded(lambda values: _sum([value for value in values if value == value])))
fails("nansum", [X], DTypeError, "nansum: complex tensors are not supported. Sum the real and the imaginary part.", dtypes.complex64)


def _summed_to(x: Any, *size: Any) -> Any:
    size = size[0] if len(size) == 1 and not isinstance(size[0], int) else size
    lead = x.ndim - len(size)
    over = tuple(axis for axis in range(x.ndim) if axis < lead or size[axis - lead] != x.shape[axis])
    return (folded(_sum)(x, over, True) if over else x).reshape(size)


row("sum_to_size", [X, 3, 1], [X, (2, 1, 4)], [X, [4]], [X, (2, 3, 4)], case(X, size=(1,)), [T(), ()], [T(0, 3), 1, 3],
    reference=lambda x, *dims, size=None: _summed_to(x, *(dims or (size,))), dtypes=(*FLOATS, *COMPLEX, dtypes.int64), budget="sum",
    magnitude=lambda x, *dims, size=None: _summed_to(x, *(dims or (size,))))
fails("sum_to_size", [X, 2], ShapeError,
      "sum_to_size: shapes (2,) and (2, 3, 4) do not broadcast (axis -1: 2 vs 4). Reshape one operand, or give that axis the size 1.")
fails("sum_to_size", [T(3), 2, 3], ShapeError, "sum_to_size: size (2, 3) does not broadcast to the shape (3,) of input, but the other way around.")


def _trace(x: Any) -> Any:
    return _sum([x[place, place].item() for place in range(min(x.shape))])


row("trace", [T(3, 3)], [T(2, 4)], [T(4, 2)], [T(0, 3)], reference=_trace, gives="sum", dtypes=(*NUMBERS, *COMPLEX), budget="sum",
    magnitude=_trace, without="0d")
fails("trace", [X], ShapeError, "trace: expected a matrix, got shape (2, 3, 4).")
fails("trace", [T(2, 2)], DTypeError, "trace: bool tensors are not supported. Cast it with .int().", dtypes.bool_)


def _most(values: list[Any]) -> Any:
    return NAN if any(value != value for value in values) else max(values)


def _least(values: list[Any]) -> Any:
    return NAN if any(value != value for value in values) else min(values)


SPECIAL = V([[1.0, NAN, 3.0], [-INF, 2.0, INF]])
EXACT: dict[str, Any] = {"dtypes": ALL, "budget": "exact"}
row("amax", *SOME[:-1], [T(0, 3), 1], case(SPECIAL, 1, only=FLOATS, grad=False), reference=_named(folded(_most)), **EXACT)
row("amin", *SOME[:-1], [T(0, 3), 1], case(SPECIAL, 1, only=FLOATS, grad=False), reference=_named(folded(_least)), **EXACT)
for _name in ("amax", "amin"):
    bad_dims(_name)
    no_elements(_name)


row("aminmax", [X], case(X, dim=1), case(X, dim=-1, keepdim=True), [T()], case(T(0, 3), dim=1), case(SPECIAL, dim=1, only=FLOATS, grad=False),
    reference=lambda x, dim=None, keepdim=False: (folded(_least)(x, dim, keepdim), folded(_most)(x, dim, keepdim)), gives=("same", "same"), **EXACT)
fails("aminmax", [X, 1], ArgumentTypeError, "aminmax: takes 1 positional argument, got 2. Signature: aminmax(input, *, dim=None, keepdim=False)")
fails("aminmax", [T(0)], ShapeError,
      "aminmax: dim 0 of a tensor of shape (0,) is empty, and this reduction has no value for no elements. Reduce a dimension that has some.")


def _placed(pick: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    """Where ``pick`` finds its value first; nan comes before all others."""

    def place(values: list[Any]) -> int:
        for position, value in enumerate(values):
            if value != value:
                return position
        return values.index(pick(values))

    return folded(place)


def _along(pick: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    return lambda x, dim, keepdim=False: (folded(pick)(x, dim, keepdim), _placed(pick)(x, dim, keepdim))


TIES = case(V([[2, 5, 5], [1, 1, 0]]), 1, only=NUMBERS, grad=False)
LINES = [[X, 1], [X, -1, True], case(X, dim=0), [T(), 0], [T(0, 3), 1], TIES]
row("max_values", *LINES, reference=_along(_most), gives=("same", "int64"), **EXACT)
row("min_values", *LINES, reference=_along(_least), gives=("same", "int64"), **EXACT)
row("argmax_along", *LINES, case(SPECIAL, 1, only=FLOATS), reference=_placed(_most), gives="int64", grad=0, **EXACT)
row("argmin_along", *LINES, case(SPECIAL, 1, only=FLOATS), reference=_placed(_least), gives="int64", grad=0, **EXACT)
for _name in ("max_values", "min_values", "argmax_along", "argmin_along"):
    no_elements(_name)
row("argmax", [X], *LINES, case(X, keepdim=True), reference=_placed(_most), gives="int64", grad=0, **EXACT)
row("argmin", [X], *LINES, case(X, keepdim=True), reference=_placed(_least), gives="int64", grad=0, **EXACT)
for _name in ("argmax", "argmin"):
    fails(_name, [X, 3], IndexingError, f"{_name}: dim 3 is out of range for a tensor of 3 dimensions. Give a dim from -3 to 2.")
    fails(_name, [X, (0, 1)], ArgumentTypeError, f"{_name}: dim must be an int, got (0, 1) of type tuple.")
    fails(_name, [[1.0, 2.0]], ArgumentTypeError, f"{_name}: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")
    no_elements(_name)
    text = f"{_name}: dim 0 of a tensor of shape (0,) is empty, and this reduction has no value for no elements. Reduce a dimension that has some."
    fails(_name, [T(0)], ShapeError, text)


def _extreme(pick: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    def reference(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        if dim is None:
            return folded(pick)(x)
        if isinstance(dim, int):
            return _along(pick)(x, dim, keepdim)
        return np.array([pick(list(pair)) for pair in zip(x.ravel().tolist(), dim.ravel().tolist(), strict=True)]).reshape(x.shape)

    return reference


ASKED = [[X], [X, 1], case(X, dim=-1, keepdim=True), [T(3, 4), T(3, 4)], [T()], [T(0, 3), 1]]
row("max", *ASKED, reference=_extreme(_most), gives=("same", "int64"), **EXACT)
row("min", *ASKED, reference=_extreme(_least), gives=("same", "int64"), **EXACT)
for _name in ("max", "min"):
    text = f"{_name}: unexpected argument 'bogus'. Signature: {_name}(input, dim=None, keepdim=False, *, other=None)"
    fails(_name, case(X, bogus=1), ArgumentTypeError, text)
    text = f"{_name}: two tensors are compared element by element; dim and keepdim belong to one."
    fails(_name, [T(3), T(3), True], ArgumentTypeError, text)
    fails(_name, case(X, keepdim=True), ArgumentTypeError, f"{_name}: keepdim belongs to dim. Give dim, or leave keepdim out.")

TRUTH: dict[str, Any] = {"dtypes": EVERY, "budget": "exact", "grad": 0}
SPARSE = T(2, 3, 4, low=0, high=1)
COUNTED = [[SPARSE], [SPARSE, 1], [SPARSE, (0, 2)], [T()], [T(0, 3)], [T(0, 3), 0]]
row("all", *COUNTED, [X, 1, True], case(V([[0, 1], [2, 0]]), (), expect=[[False, True], [True, False]], only=[dtypes.int64]), reference=folded(all), gives="bool", **TRUTH)
row("any", *COUNTED, [X, 1, True], case(V([[0, 1], [2, 0]]), (), expect=[[False, True], [True, False]], only=[dtypes.int64]), reference=folded(any), gives="bool", **TRUTH)
row("count_nonzero", *COUNTED, reference=folded(lambda values: sum(bool(value) for value in values)), gives="int64", **TRUTH)
for _name in ("all", "any", "count_nonzero"):
    bad_dims(_name)

# spread


def _variance(values: list[Any], correction: float) -> float:
    mean = mean_of(values)
    total, free = math.fsum(abs(value - mean) ** 2 for value in values), len(values) - correction
    return total / free if values and free > 0 else INF if total else NAN


def spread_of(x: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, correction: float = 1) -> Any:
    """The variance, by every call form of ``var``."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    correction = correction if unbiased is None else float(unbiased)
    return folded(lambda values: _variance(values, correction))(x, dim, keepdim)


def _squares(x: Any, dim: Any = None, *rest: Any, **named: Any) -> Any:
    axes = dims_of(x, dim if not isinstance(dim, bool) else None)
    return np.broadcast_to(np.float64(8.0 * max(1, len(axes))), ())


row(
    "variance",
    [X],
    [X, 1],
    [X, (0, 2), 0.0, True],
    [X, -1, 2.0],
    [T(3, 1), 1, 0.0],
    case(T(3, 1), 1, grad=False),
    case(T(0, 3), 0, grad=False),
    case(T(), grad=False),
    reference=lambda x, dim=None, correction=1.0, keepdim=False: spread_of(x, dim, None, keepdim, correction),
    gives="real",
    dtypes=INEXACT,
    budget="chain",
    magnitude=_squares,
)
row("deviation", [X], [X, 1], [X, (0, 2), 0.0, True], [X, -1, 2.0], case(T(3, 1), 1, 0.0, grad=False), case(T(0, 3), 0, grad=False), case(T(), grad=False),
    reference=lambda x, dim=None, correction=1.0, keepdim=False: np.sqrt(spread_of(x, dim, None, keepdim, correction)), gives="real", dtypes=INEXACT, budget="chain", magnitude=_squares)
for _name in ("variance", "deviation"):
    bad_dims(_name)
    fails(_name, [X], DTypeError, f"{_name}: expected floating tensors, got int64. Cast with .float() or .to(tapeloom.float64).", dtypes.int64)
SPREAD: dict[str, Any] = {"magnitude": _squares, "gives": "real", "dtypes": INEXACT}
FORMS = [[X], [X, 1], [X, False], [X, 1, False], case(X, dim=(0, 2), keepdim=True, correction=0)]
EMPTIES = [case(T(0, 3), 0, grad=False), case(T(0, 3), 0, correction=-1, grad=False), case(T(), grad=False)]
FEW = [case(T(3, 2), 0, correction=3, grad=False), case(T(3, 2), 0, correction=4, grad=False), case(V([2.0, 2.0]), correction=2, only=FLOATS, grad=False)]
LARGE = case(V([300.0, 400.0, 1000.0, -2000.0]), only=FLOATS)
row("var", *FORMS, *EMPTIES, *FEW, reference=spread_of, budget="chain", **SPREAD)
row("std", *FORMS, *EMPTIES, *FEW, LARGE, reference=lambda *args, **named: np.sqrt(spread_of(*args, **named)), budget="chain", **SPREAD)
for _name in ("var", "std"):
    text = f"{_name}: unbiased=False and correction=2 were given. Give one of them."
    fails(_name, case(X, unbiased=False, correction=2), ArgumentError, text)
    text = f"{_name}: expected floating tensors, got int64. Cast with .float() or .to(tapeloom.float64)."
    fails(_name, [X], DTypeError, text, dtypes.int64)
    fails(_name, [X, 3], IndexingError, f"{_name}: dim 3 is out of range for a tensor of 3 dimensions. Give a dim from -3 to 2.")
    fails(_name, case(X, unbiased=3), ArgumentTypeError, f"{_name}: unbiased must be True or False, got 3.")
    fails(_name, case(X, 0, correction="n"), ArgumentTypeError, f"{_name}: correction must be a number, got 'n' of type str.")


def _logsumexp(values: list[Any]) -> float:
    top = max(values, default=-INF)
    return top if math.isinf(top) else top + math.log(math.fsum(math.exp(value - top) for value in values))


def _complex_logsumexp(values: list[complex]) -> complex:
    top = max(value.real for value in values)
    return top + cmath.log(sum(cmath.exp(value - top) for value in values))


row(
    "logsumexp",
    [X, 1],
    [X, (0, 2), True],
    case(X, dim=None),
    [T(), 0],
    [T(0, 3), 1],
    case(T(3, 0), 1, expect=[-INF] * 3),
    case(T(3, 0), (0, 1), True, expect=[[-INF]]),
    case(V([[1000.0, 1000.0], [-INF, -INF], [INF, 1.0]]), 1, expect=[1000 + math.log(2), -INF, INF], only=FLOATS[2:]),
    reference=folded(either(_logsumexp, _complex_logsumexp)),
    gives="float",
    dtypes=(*NUMBERS, *COMPLEX),
    budget="chain",
)
bad_dims("logsumexp")


def _norm(values: list[float], p: Any) -> float:
    if p in (INF, -INF):
        return (max if p > 0 else min)(abs(value) for value in values)
    if p == 0:
        return float(sum(value != 0 for value in values))
    p = 2 if p in ("fro", None) else p
    return math.fsum(abs(value) ** p for value in values) ** (1 / p)


ORDERS = (2, 1, 3, 0, INF, -INF)
OTHERS = [[X], [X, 2, 1], [X, 3, (0, 2), True], [T()], case(T(0, 3), grad=False), case(V([300.0, -400.0]), only=FLOATS), case(V([300.0, -400.0]), 3, only=FLOATS)]
NORMS: dict[str, Any] = {"gives": "real", "dtypes": INEXACT, "budget": "chain", "kinks": (0,)}
row("order_norm", *[[X, p] for p in (*ORDERS, 0.5, -1)], *OTHERS, **NORMS,
    reference=lambda x, p=2, dim=None, keepdim=False: folded(lambda values: _norm(values, p))(x, dim, keepdim))
row("norm", *[[X, p] for p in (*ORDERS, "fro", None)], *OTHERS, **NORMS,
    reference=lambda x, p=2, dim=None, keepdim=False: folded(lambda values: _norm(values, p))(x, dim, keepdim))
row("linalg.vector_norm", *[[X, p] for p in ORDERS], *OTHERS, **NORMS,
    reference=lambda x, ord=2, dim=None, keepdim=False: folded(lambda values: _norm(values, ord))(x, dim, keepdim))
fails("linalg.vector_norm", [X, "fro"], ArgumentTypeError, "vector_norm: the order must be a number, got 'fro'.")
fails("norm", [X, "l2"], ArgumentError, "norm: p must be a number, 'fro' or 'nuc', got 'l2'.")
for _order in (INF, -INF, -1.0):
    text = "dim 1 of a tensor of shape (3, 0) is empty, and this reduction has no value for no elements. Reduce a dimension that has some."
    fails("order_norm", [T(3, 0), _order, 1], ShapeError, f"order_norm: {text}")
    fails("norm", [T(3, 0), _order, 1], ShapeError, f"norm: {text}")
for _name in ("norm", "linalg.vector_norm"):
    text = f"{_name.split('.')[-1]}: dtype=float32 would narrow the float64 of input. Cast it yourself, or leave dtype out."
    fails(_name, case(X, dtype=dtypes.float32), DTypeError, text, dtypes.float64)
    text = f"{_name.split('.')[-1]}: expected floating tensors, got int64. Cast with .float() or .to(tapeloom.float64)."
    fails(_name, [X], DTypeError, text, dtypes.int64)


DISTANCES = {"gives": "real", "dtypes": INEXACT, "budget": "chain"}
row("dist", [T(2, 3), T(3)], [X, T(2, 3, 4), 3], case(T(4), T(4), p=INF), [T(), T(2), 1], case(T(0), T(0), grad=False), **DISTANCES,
    reference=lambda x, y, p=2: folded(lambda values: _norm(values, p))(x - y))
fails("dist", [T(3), 1.0], ArgumentTypeError, "dist: other must be a tensor, got float. Make it one with tapeloom.tensor(...).")
fails("dist", [T(3), T(3)], DTypeError, "dist: expected floating tensors, got int64. Cast with .float() or .to(tapeloom.float64).", dtypes.int64)


def _renormed(x: Any, p: float, dim: int, maxnorm: float) -> Any:
    sizes = folded(lambda values: _norm(values, p))(x, tuple(axis for axis in range(x.ndim) if axis != dim % x.ndim), True)
    return x * np.where(sizes > maxnorm, maxnorm / (sizes + 1e-7), 1)


RENORMED = [[T(3, 4), 2, 0, 1.5], [X, 1.0, -1, 3.0], case(X, p=3, dim=1, maxnorm=0.5), [T(2, 3), INF, 0, 1.0], case(T(0, 3), 2, 1, 1.0, grad=False)]
WITHIN: dict[str, Any] = {"dtypes": INEXACT, "budget": "chain", "magnitude": lambda *args, **named: np.float64(4.0), "without": "0d"}
row("renorm", *RENORMED, reference=_renormed, **WITHIN)
row("renorm_", *RENORMED[:1], reference=_renormed, calls=lambda x, *args: x.clone().renorm_(*args), **WITHIN | {"without": "0d empty"})
fails("renorm_", [T(3), 2, 0, 1.0], ShapeError, "renorm_: expected at least 2 dimensions, got shape (3,).")
fails("renorm", [T(3), 2, 0, 1.0], ShapeError, "renorm: expected at least 2 dimensions, got shape (3,).")
fails("renorm", [X, 0, 0, 1.0], ArgumentError, "renorm: p must be positive, got 0.")
fails("renorm", [X, 2, 0, -1.0], ArgumentError, "renorm: maxnorm must not be negative, got -1.0.")


def _normalized(x: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Any:
    return x / np.maximum(folded(lambda values: _norm(values, p))(x, dim, True), eps)


row("normalize", [X], [X, 3, 0], [X, INF, -1], case(X, dim=2, eps=100.0), [T(), 2, 0], [T(0, 3)], case(V([[300.0, -400.0]]), only=FLOATS),
    reference=_normalized, budget="chain", dtypes=INEXACT, kinks=(0,), magnitude=lambda x, *rest, **named: np.float64(4.0))
fails("normalize", [X, 2, 3], IndexingError, "normalize: dim 3 is out of range for a tensor of 3 dimensions. Give a dim from -3 to 2.")
fails("normalize", [[1.0]], ArgumentTypeError, "normalize: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")
fails("normalize", [X, "fro"], ArgumentTypeError, "normalize: the order must be a number, got 'fro'.")
fails("normalize", [X], DTypeError, "normalize: expected floating tensors, got int64. Cast with .float() or .to(tapeloom.float64).", dtypes.int64)
