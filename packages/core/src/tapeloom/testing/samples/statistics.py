"""Samples of statistics: Python's own sorting, counting and summing of the elements that one result stands for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, IndexingError, ShapeError
from tapeloom.testing.inputs import P, T, V
from tapeloom.testing.references import INF, NAN, built, folded
from tapeloom.testing.samples.reduction import EXACT, NAN_CASES, SPREAD, X, mean_of, no_elements, spread_of
from tapeloom.testing.table import COMPLEX, FLOATS, INTEGERS, NUMBERS, case, fails, row

# means

FORMS = [[X], [X, 1], [X, False], case(X, dim=(0, 2), keepdim=True, correction=0), case(T(0, 3), 0, grad=False), case(T(), grad=False)]


def _mean(x: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, correction: float = 1) -> Any:
    return folded(mean_of)(x, None if isinstance(dim, bool) else dim, keepdim)


SPREADS = SPREAD | {"gives": ("real", "same"), "budget": "chain"}
row("var_mean", *FORMS, reference=lambda *args, **named: (spread_of(*args, **named), _mean(*args, **named)), **SPREADS)
row("std_mean", *FORMS, reference=lambda *args, **named: (np.sqrt(spread_of(*args, **named)), _mean(*args, **named)), **SPREADS)
fails("var_mean", [X], DTypeError, "var_mean: expected floating tensors, got int64. Cast with .float() or .to(tapeloom.float64).", dtypes.int64)
fails("std_mean", case(X, unbiased=3), ArgumentTypeError, "std_mean: unbiased must be True or False, got 3.")
row("nanmean", *NAN_CASES, reference=folded(lambda values: mean_of([value for value in values if value == value])), budget="sum",
    magnitude=folded(lambda values: math.fsum(value for value in values if value == value)))
fails("nanmean", [X], DTypeError, "nanmean: expected a floating tensor, got int64. Cast it with .float(), or use mean.", dtypes.int64)

# order statistics


def _last(value: Any) -> Any:
    return value != value, value


def _order(values: list[Any]) -> list[int]:
    return sorted(range(len(values)), key=lambda place: _last(values[place]))


def _middle(values: list[Any]) -> int:
    order, missing = _order(values), sum(value != value for value in values)
    return order[len(values) - missing] if missing else order[(len(values) - 1) // 2]


def _middle_found(values: list[Any]) -> int:
    found = sum(value == value for value in values)
    return _order(values)[max(found - 1, 0) // 2]


def _most_frequent(values: list[Any]) -> int:
    best = max(values.count(value) for value in values)
    chosen = min((value for value in values if values.count(value) == best), key=_last)
    return max([place for place, value in enumerate(values) if value == chosen], default=values.index(chosen))


def _along(place: Callable[[list[Any]], int]) -> Callable[..., Any]:
    def reference(x: Any, dim: int = -1, keepdim: bool = False) -> Any:
        return folded(lambda values: values[place(values)])(x, dim, keepdim), folded(place)(x, dim, keepdim)

    return reference


def _of_all(place: Callable[[list[Any]], int]) -> Callable[..., Any]:
    return folded(lambda values: values[place(values)] if values else NAN)


def _either(place: Callable[[list[Any]], int]) -> Callable[..., Any]:
    return lambda x, dim=None, keepdim=False: _of_all(place)(x) if dim is None else _along(place)(x, dim, keepdim)


LINES = [[X, 1], case(X, -1, True), [T(), 0], [T(0, 3), 1]]
TIES = case(V([[2, 5, 5, 2, 5], [1, 1, 0, 0, 3]]), 1, only=NUMBERS, grad=False)
HOLES = case(V([[3.0, NAN, 1.0, NAN, 2.0], [NAN, 1.0, NAN, NAN, NAN], [INF, 1.0, -INF, 0.0, INF]]), 1, only=FLOATS, grad=False)
ALL_NAN = case(V([[NAN, NAN], [1.0, NAN]]), 1, only=FLOATS, grad=False)
MEDIANS: dict[str, Any] = {"gives": ("same", "int64"), "dtypes": NUMBERS, "budget": "exact"}
WHOLE: dict[str, Any] = {"dtypes": NUMBERS, "budget": "exact"}
for _name, _place in (("median", _middle), ("nanmedian", _middle_found)):
    row(f"{_name}_values", *LINES, TIES, HOLES, ALL_NAN, reference=_along(_place), **MEDIANS)
    row(f"{_name}_of_all", [X], [T(3)], [T()], case(T(0), only=FLOATS, grad=False), case(V([2.0, NAN, 1.0]), only=FLOATS, grad=False),
        reference=_of_all(_place), **WHOLE)
    row(_name, [X], *LINES[:3], [T(0, 3), 1], reference=_either(_place), **MEDIANS)
    no_elements(f"{_name}_values")
    text = f"{_name}_of_all: dim 0 of a tensor of shape (0,) is empty, and this reduction has no value for no elements. Reduce a dimension that has some."
    fails(f"{_name}_of_all", [T(0)], ShapeError, text, dtypes.int64)
    fails(_name, case(X, keepdim=True), ArgumentTypeError, f"{_name}: keepdim belongs to dim. Give dim, or leave keepdim out.")
    fails(_name, [X, 3], IndexingError, f"{_name}: dim 3 is out of range for a tensor of 3 dimensions. Give a dim from -3 to 2.")
row("mode", [X], *LINES, TIES, case(V([INF, 0.0, -INF, INF, 0.0]), only=FLOATS, grad=False), reference=_along(_most_frequent), gives=("same", "int64"), **EXACT)
no_elements("mode")


def _quantile(x: Any, q: Any, dim: Any = None, keepdim: bool = False, interpolation: str = "linear", skip: bool = False) -> Any:
    def one(values: list[Any], share: float) -> float:
        if skip:
            values = [value for value in values if value == value]
        if not values or any(value != value for value in values):
            return NAN
        ordered, rank = sorted(values), share * (len(values) - 1)
        below, above = ordered[math.floor(rank)], ordered[math.ceil(rank)]
        if interpolation == "nearest":
            return ordered[round(rank)]
        weight = {"lower": 0.0, "higher": 1.0, "midpoint": 0.5, "linear": rank % 1}[interpolation]
        return (1 - weight) * below + weight * above

    found = [folded(lambda values, share=share: one(values, share))(x, dim, keepdim) for share in np.ravel(q).tolist()]
    return np.array(found) if np.ndim(q) else found[0]


FEW = V([0.2, 0.3, 0.9])
SHARES = [[X, 0.3, 1], case(X, 1.0, dim=-1, keepdim=True), [X, FEW, 1, True], [T(), 0.5, 0], case(T(3), V(0.4), interpolation="lower")]
GAPS = V([[3.0, NAN, 1.0], [NAN, NAN, NAN], [4.0, 2.0, 1.0]])
WIDE: dict[str, Any] = {"dtypes": FLOATS[2:], "budget": "sum", "magnitude": lambda *args, **named: np.float64(4.0)}
row("quantile_of_lines", *[[T(2, 5), FEW, way, False] for way in ("linear", "midpoint")],
    *[case(T(2, 5), V([0.0, 0.33, 1.0]), way, skip, grad=False) for way, skip in (("lower", True), ("higher", False), ("nearest", False))],
    [T(2, 3), FEW, "linear", True], *[case(GAPS, FEW, "linear", skip, grad=False) for skip in (True, False)], case(T(0, 2), FEW, "linear", False, grad=False),
    reference=lambda x, q, way, skip: np.moveaxis(_quantile(x, q, -1, False, way, skip), 0, -1), without="0d", **WIDE)
row("quantile", *SHARES, case(T(3, 2), T(0, low=0, high=1), 0, expect=np.zeros((0, 2))), reference=_quantile, **WIDE)
row("nanquantile", *SHARES[2:4], case(GAPS, 0.4, 1, grad=False), reference=lambda *args, **named: _quantile(*args, **named, skip=True),
    without="empty", **WIDE)
for _name in ("quantile", "nanquantile"):
    text = f"{_name}: expected a float32 or float64 tensor, got int64. Cast it with .float()."
    fails(_name, [X, 0.5], DTypeError, text, dtypes.int64)
    fails(_name, [X, 1.5], ArgumentError, f"{_name}: q must lie between 0 and 1, got 1.5.")
    fails(_name, [X, V([0.5, NAN])], ArgumentError, f"{_name}: all of q must lie between 0 and 1.")
    text = f"{_name}: q is float64, and input float32; they must be the same. Cast q with .to(dtype)."
    fails(_name, [X, V([0.5], dtypes.float64)], DTypeError, text)
    text = f"{_name}: q must be a number or have at most one dimension, got shape (1, 1)."
    fails(_name, [X, V([[0.5]])], ShapeError, text)
    fails(_name, [T(3, 0), 0.5, 0], ShapeError, f"{_name}: input of shape (3, 0) has no elements, and so no quantile.")
    text = f"{_name}: interpolation must be 'linear', 'lower', 'higher', 'midpoint' or 'nearest', got 'cubic'."
    fails(_name, case(X, 0.5, interpolation="cubic"), ArgumentError, text)
    fails(_name, [X, 0.5, 3], IndexingError, f"{_name}: dim 3 is out of range for a tensor of 3 dimensions. Give a dim from -3 to 2.")

# covariance


def _cov(x: Any, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    rows = x if x.ndim == 2 else x.reshape(1, -1)
    count = rows.shape[1]
    often = np.ones(count, np.int64) if fweights is None else np.ravel(fweights)
    much = np.ones(count) if aweights is None else np.ravel(aweights)
    weights = [(f * a).item() for f, a in zip(often, much, strict=True)]
    total = sum(weights)
    free = total - correction * (sum(w * a.item() for w, a in zip(weights, much, strict=True)) / total if aweights is not None else 1)
    if not count:
        return np.full((len(rows), len(rows)), NAN).squeeze()
    lines = [[value - sum(w * v for w, v in zip(weights, line, strict=True)) / total for value in line] for line in rows.tolist()]

    def element(place: tuple[int, ...]) -> Any:
        a, b = lines[place[0]], lines[place[1]]
        sums = sum(w * v * u.conjugate() for w, v, u in zip(weights, a, b, strict=True))
        return sums / free if free > 0 else sums * INF if sums else NAN

    return built((len(rows), len(rows)), element).squeeze() if len(rows) else np.zeros((0, 0))


WEIGHTS = {"fweights": P([2, 1, 1, 3]), "aweights": T(4, low=0.5, high=2, dtype=dtypes.float64)}
COVARIANCES: dict[str, Any] = {"dtypes": (*INTEGERS, *FLOATS, *COMPLEX), "budget": "chain", "gives": "float",
                               "magnitude": lambda *args, **named: np.float64(64.0)}
row("cov", [T(3, 4)], case(T(4), correction=0, fweights=WEIGHTS["fweights"]),
    case(T(2, 4), **WEIGHTS, only=[dtypes.float64]), case(T(2, 0), grad=False), case(T(0, 2), grad=False), case(T(), grad=False),
    reference=_cov, **COVARIANCES)
fails("cov", [X], ShapeError, "cov: expected at most 2 dimensions (variables, observations), got shape (2, 3, 4).")
fails("cov", [T(2, 3)], DTypeError, "cov: bool tensors are not supported. Cast it with .float().", dtypes.bool_)
fails("cov", case(T(2, 3), fweights=T(3)), DTypeError, "cov: fweights must be integers, got float32. Cast them with .to(dtype).")
fails("cov", case(T(2, 3), aweights=P([1, 2, 3])), DTypeError, "cov: aweights must be floating, got int64. Cast them with .to(dtype).")
fails("cov", case(T(2, 3), fweights=P([1, 2])), ShapeError, "cov: fweights has shape (2,); give one number for each of the 3 observations.")
fails("cov", case(T(2, 3), fweights=P([1, 2, -1])), ArgumentError, "cov: fweights must not be negative.")
fails("cov", case(T(2, 3), aweights=V([0.0, 0.0, 0.0])), ArgumentError, "cov: the weights sum to zero. Give some that do not.")
fails("cov", case(T(2, 3), correction=0.5), ArgumentTypeError, "cov: correction must be an int, got 0.5 of type float.")


def _corrcoef(x: Any) -> Any:
    products = np.atleast_2d(_cov(x))
    if not x.size or not x.ndim:
        return np.full(products.shape, NAN).squeeze()

    def element(place: tuple[int, ...]) -> Any:
        i, j = place
        return products[place].item() / math.sqrt(abs(products[i, i]) * abs(products[j, j]))

    return built(products.shape, element).squeeze()


row("corrcoef", [T(3, 5)], case(T(4), grad=False), case(T(2, 0), grad=False), case(T(), grad=False), reference=_corrcoef, grad=1, **COVARIANCES)
fails("corrcoef", [X], ShapeError, "corrcoef: expected at most 2 dimensions (variables, observations), got shape (2, 3, 4).")
