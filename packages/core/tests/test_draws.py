"""The distributions of what is drawn on the host: near their own, and far from others.

Seeds are fixed, so that nothing is left to chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from tapeloom import host, host_draws
from tapeloom.dtypes import float64
from tapeloom.generator import Generator

COUNT = 20_000


def drawn(kind: str, *settings: Any) -> Any:
    return host.drawn(kind, Generator().manual_seed(11).reserve, float64, *settings)


def distance(values: Any, below: Callable[[float], float]) -> float:
    """The Kolmogorov-Smirnov statistic: of the right distribution above 1.95 once in a thousand times."""
    probabilities = np.array([below(float(value)) for value in np.sort(values)])
    steps = np.arange(len(values) + 1) / len(values)
    return float(max((probabilities - steps[:-1]).max(), (steps[1:] - probabilities).max())) * math.sqrt(len(values))


def deviation(values: Any, probability: Callable[[int], float]) -> float:
    """The chi-squared statistic of whole numbers, in standard deviations from its mean."""
    most = int(values.max())
    expected = np.array([probability(k) for k in range(most + 1)]) * len(values)
    counts = np.bincount(values.astype(int), minlength=most + 1)
    many = expected >= 10
    rest = len(values) - expected[many].sum(), len(values) - counts[many].sum()
    terms = [*((counts - expected)[many] ** 2 / expected[many]), (rest[1] - rest[0]) ** 2 / max(rest[0], 10)]
    freedom = len(terms) - 1
    return (sum(terms) - freedom) / math.sqrt(2 * freedom)


CONTINUOUS: dict[str, tuple[tuple[float, ...], tuple[float, ...], Callable[..., float]]] = {
    "exponential": ((2.0,), (2.2,), lambda x, rate: -math.expm1(-rate * x)),
    "cauchy": ((1.0, 2.0), (1.2, 2.0), lambda x, median, sigma: 0.5 + math.atan((x - median) / sigma) / math.pi),
    "log_normal": ((1.0, 0.5), (1.0, 0.55), lambda x, mean, std: NormalDist(mean, std).cdf(math.log(x))),
    "gumbel": ((), (0.1,), lambda x, middle=0.0: math.exp(-math.exp(middle - x))),
}


@pytest.mark.parametrize("kind", CONTINUOUS)
def test_continuous_distributions(kind: str) -> None:
    settings, others, below = CONTINUOUS[kind]
    values = drawn(kind, COUNT, *settings)
    assert distance(values, lambda x: below(x, *settings)) < 1.95
    assert distance(values, lambda x: below(x, *others)) > 3


def poisson(k: int, rate: float) -> float:
    return math.exp(k * math.log(rate) - rate - math.lgamma(k + 1))


def binomial(k: int, n: int, p: float) -> float:
    return math.comb(n, k) * p**k * (1 - p) ** (n - k) if k <= n else 0.0


@pytest.mark.parametrize("rate", [0.3, 4.0, 9.99, 10.0, 25.0, 400.0])
def test_poisson(rate: float) -> None:
    values = drawn("poisson", np.full(COUNT, rate))
    assert abs(deviation(values, lambda k: poisson(k, rate))) < 4
    assert deviation(values, lambda k: poisson(k, rate * 1.1)) > 10


@pytest.mark.parametrize(("n", "p"), [(1, 0.3), (12, 0.5), (12, 0.9), (25, 0.4), (60, 0.8), (900, 0.25)])
def test_binomial(n: int, p: float) -> None:
    values = drawn("binomial", np.full(COUNT, float(n)), np.full(COUNT, p))
    assert abs(deviation(values, lambda k: binomial(k, n, p))) < 4
    assert deviation(values, lambda k: binomial(k, n, p * 0.9)) > 10


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_geometric(p: float) -> None:
    values = drawn("geometric", COUNT, p)
    assert abs(deviation(values, lambda k: p * (1 - p) ** (k - 1) if k else 0.0)) < 4
    assert deviation(values, lambda k: 0.9 * p * (1 - 0.9 * p) ** (k - 1) if k else 0.0) > 10


WEIGHTS = np.array([1.0, 2.0, 0.0, 5.0, 0.5])


def test_multinomial_with_replacement() -> None:
    values = drawn("multinomial", WEIGHTS[None], COUNT, True)[0]
    assert not (values == 2).any()
    assert abs(deviation(values, lambda k: WEIGHTS[k] / WEIGHTS.sum())) < 4
    assert deviation(values, lambda k: [1, 2, 0, 4, 0.5][k] / 7.5) > 10


def test_multinomial_without_replacement() -> None:
    """The first place by the weights, the second by those that are left: by all pairs."""
    pairs = drawn("multinomial", np.tile(WEIGHTS, (COUNT, 1)), 2, False)
    values = pairs[:, 0] * 5 + pairs[:, 1]

    def probability(pair: float, weights: Any = WEIGHTS) -> float:
        first, second = divmod(int(pair), 5)
        total = weights.sum()
        return weights[first] / total * weights[second] / (total - weights[first]) if first != second else 0.0

    assert not (pairs[:, 0] == pairs[:, 1]).any()
    assert abs(deviation(values, probability)) < 4
    assert deviation(values, lambda pair: probability(pair, np.array([1, 2, 0, 4, 0.5]))) > 10


def test_a_place_of_weight_zero_is_never_drawn_with_replacement() -> None:
    """Even by the largest uniform number, and where rounding makes it the sum itself."""
    for u in (0.0, 1 - 2.0**-53):
        made = host_draws.multinomial(
            np, lambda n, u=u: np.full(n, u), np.array([[0.0, 0.1, 0.3, 0.0], [0.0, 0, 0, 2]]), 3, True
        )
        assert made.tolist() == [[1 if u == 0 else 2] * 3, [3] * 3]


def test_large_rates_and_counts_are_drawn_too() -> None:
    for value in (1e6, 1e12, 1e17):
        values = drawn("poisson", np.full(1000, value))
        assert abs(values.mean() / value - 1) < 5 / math.sqrt(1000 * value) + 1e-15
        values = drawn("binomial", np.full(1000, value), np.full(1000, 0.25))
        assert abs(values.mean() / (0.25 * value) - 1) < 5 * math.sqrt(0.75 / (250 * value)) + 1e-15


def test_what_is_left_of_a_factorial_by_stirlings_formula() -> None:
    n = np.arange(1.0, 31)
    exact = [
        math.log(math.factorial(k - 1)) - (k - 0.5) * math.log(k) + k - 0.5 * math.log(2 * math.pi)
        for k in range(1, 31)
    ]
    np.testing.assert_allclose(host_draws._rest(np, n), exact, atol=1e-13)
