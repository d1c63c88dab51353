"""Draws from distributions that need log, tan and the like, or an unknown number of words: made on the host for every device.

Nothing here imports an array library. Each function is given NumPy and ``uniforms``, which gives as many uniform numbers in
[0, 1) with 53 bits as it is asked for, the next of the stream each time. Results are float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tapeloom.host_random import normal_quantiles

Uniforms = Callable[[int], Any]

#: up to which mean the probabilities of whole numbers are added up until a uniform number is reached
_SUMMED = 10
#: as many of these sums as are ever needed: beyond, a probability is below 2**-64
_MOST = 100


def uniform_words(n: int) -> int:
    """How many words ``n`` numbers of ``uniform_from_words`` take."""
    return 2 * n


def uniform_from_words(np: Any, words: Any) -> Any:
    """Uniform numbers in [0, 1), one from every two words."""
    return (((words[1::2].astype(np.uint64) << 32) | words[0::2]) >> 11) * 2.0**-53


# one uniform number each


def exponential(np: Any, uniforms: Uniforms, count: int, rate: float) -> Any:
    """Of density ``rate * exp(-rate x)``."""
    return -np.log1p(-uniforms(count)) / rate


def geometric(np: Any, uniforms: Uniforms, count: int, p: float) -> Any:
    """How many attempts the first success takes, which each has with probability ``p``."""
    return np.maximum(np.ceil(np.log1p(-uniforms(count)) / math.log1p(-p)), 1.0)


def cauchy(np: Any, uniforms: Uniforms, count: int, median: float, sigma: float) -> Any:
    """Of density ``1 / (pi sigma (1 + ((x - median) / sigma)**2))``."""
    return median + sigma * np.tan(math.pi * (uniforms(count) - 0.5))


def log_normal(np: Any, uniforms: Uniforms, count: int, mean: float, std: float) -> Any:
    """Numbers whose logarithms are normal."""
    return np.exp(mean + std * _normal(np, uniforms, count))


def gumbel(np: Any, uniforms: Uniforms, count: int) -> Any:
    """Of distribution function ``exp(-exp(-x))``."""
    return -np.log(-np.log1p(-_inside(uniforms, count)))


def _inside(uniforms: Uniforms, count: int) -> Any:
    """Uniform numbers in (0, 1)."""
    return uniforms(count) + 2.0**-54


def _normal(np: Any, uniforms: Uniforms, count: int) -> Any:
    return normal_quantiles(np, _inside(uniforms, count))


# whole numbers


def poisson(np: Any, uniforms: Uniforms, rate: Any) -> Any:
    """How many events there are, of which ``rate`` are expected: an array of finite numbers that are not negative.

    Source of the method for large rates: W. Hörmann, "The transformed rejection method for generating Poisson random
    variables", Insurance: Mathematics and Economics 12, 1993 (algorithm PTRS).
    """
    out = np.zeros(len(rate))
    few = np.flatnonzero(rate < _SUMMED)
    mean = rate[few]
    out[few] = _by_sums(np, uniforms(len(few)), np.exp(-mean), lambda k: mean / (k + 1))
    many = np.flatnonzero(rate >= _SUMMED)
    mean = rate[many]
    b = 0.931 + 2.53 * np.sqrt(mean)
    a = -0.059 + 0.02483 * b
    height = 1.1239 + 1.1328 / (b - 3.4)
    within = 0.9277 - 3.6224 / (b - 2)

    def propose(places: Any) -> tuple[Any, Any]:
        u, v = uniforms(len(places)) - 0.5, uniforms(len(places))
        lam, slope, width, edge = mean[places], a[places], b[places], 0.5 - np.abs(u)
        k = np.floor((2 * slope / edge + width) * u + lam + 0.43)
        inner = (edge >= 0.07) & (v <= within[places])
        fits = (k >= 0) & ((edge >= 0.013) | (v <= edge))
        weight = np.log(v * height[places] / (slope / edge**2 + width))
        more = np.maximum(k, 0) + 1 - lam
        level = more - (k + 0.5) * np.log1p(more / lam) - 0.5 * np.log(2 * math.pi * lam) - _rest(np, lam + more)
        return k, inner | (fits & (weight <= level))

    out[many] = _accepted(np, propose, len(many))
    return out


def binomial(np: Any, uniforms: Uniforms, trials: Any, p: Any) -> Any:
    """How many of ``trials`` succeed, each with probability ``p``: arrays of finite whole numbers >= 0, and from 0 to 1.

    Source of the method for many successes: W. Hörmann, "The generation of binomial random variates", Journal of
    Statistical Computation and Simulation 46, 1993 (algorithm BTRS).
    """
    rare = np.minimum(p, 1 - p)  # of failures, where they are rarer
    out = np.zeros(len(trials))
    few = np.flatnonzero(trials * rare < _SUMMED)
    n, q = trials[few], rare[few]
    odds = q / (1 - q)
    none = np.exp(n * np.log1p(-q))
    out[few] = np.minimum(_by_sums(np, uniforms(len(few)), none, lambda k: np.maximum(n - k, 0) / (k + 1) * odds), n)
    many = np.flatnonzero(trials * rare >= _SUMMED)
    n, q = trials[many], rare[many]
    spread = np.sqrt(n * q * (1 - q))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * q
    height = (2.83 + 5.1 / b) * spread
    within = 0.92 - 4.2 / b
    mode = np.floor((n + 1) * q)
    tilt = np.log((n - mode + 1) / (mode + 1) * (q / (1 - q)))
    at_mode = _rest(np, mode + 1) + _rest(np, n - mode + 1)

    def propose(places: Any) -> tuple[Any, Any]:
        u, v = uniforms(len(places)) - 0.5, uniforms(len(places))
        total, slope, width, edge = n[places], a[places], b[places], 0.5 - np.abs(u)
        k = np.floor((2 * slope / edge + width) * u + total * q[places] + 0.5)
        fits = (k >= 0) & (k <= total)
        inner = (edge >= 0.07) & (v <= within[places])
        weight = np.log(v * height[places] / (slope / edge**2 + width))
        top = mode[places]
        near = np.clip(k, 0, total)
        ahead, left = near - top, total - near
        level = at_mode[places] - _rest(np, near + 1) - _rest(np, left + 1) + ahead * tilt[places]
        level -= (near + 0.5) * np.log1p(ahead / (top + 1)) + (left + 0.5) * np.log1p(-ahead / (total - top + 1))
        return k, fits & (inner | (weight <= level))

    out[many] = _accepted(np, propose, len(many))
    return np.where(p > 0.5, trials - out, out)


def _by_sums(np: Any, u: Any, first: Any, ratio: Callable[[int], Any]) -> Any:
    """The least k up to which the probabilities add up to more than ``u``.

    That of 0 is ``first``, and that of k + 1 is ``ratio(k)`` times that of k.
    """
    out, probability, total = np.zeros(len(u)), first, first
    for k in range(_MOST):
        beyond = u >= total
        if not beyond.any():
            break
        out[beyond] = k + 1
        probability = probability * ratio(k)
        total = total + probability
    return out


def _accepted(np: Any, propose: Callable[[Any], tuple[Any, Any]], count: int) -> Any:
    """What ``propose`` gives for each of ``count`` places, asked anew for those that it does not accept."""
    out, places = np.empty(count), np.arange(count)
    while places.size:
        values, fine = propose(places)
        out[places[fine]] = values[fine]
        places = places[~fine]
    return out


_SMALL = [0.0] + [math.lgamma(n) - (n - 0.5) * math.log(n) + n - 0.5 * math.log(2 * math.pi) for n in range(1, 16)]


def _rest(np: Any, n: Any) -> Any:
    """``log((n - 1)!) - ((n - 1 / 2) log(n) - n + log(2 pi) / 2)`` of whole numbers from 1 on, above 15 by Stirling's series.

    Probabilities are differences of logarithms of factorials; with this they are made of small terms alone.
    """
    large = np.maximum(n, 16.0)
    square = large * large
    series = (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / square) / square) / square) / large
    return np.where(n < 16, np.array(_SMALL)[np.minimum(n, 15).astype(int)], series)


# places


def multinomial(np: Any, uniforms: Uniforms, weights: Any, samples: int, replacement: bool) -> Any:
    """``samples`` places for each row of ``weights``, each drawn with a probability in proportion to its weight.

    Without ``replacement`` no place comes twice: those of the smallest exponential numbers with the weights as rates.
    Source: P. Efraimidis, P. Spirakis, "Weighted random sampling with a reservoir", Information Processing Letters 97, 2006.
    """
    rows, n = weights.shape
    if not replacement:
        waits = exponential(np, uniforms, rows * n, 1.0).reshape(rows, n)
        order = np.divide(waits, weights, out=np.full((rows, n), math.inf), where=weights > 0)
        return np.argsort(order, axis=1, kind="stable")[:, :samples]
    sums = np.cumsum(weights, axis=1)
    targets = uniforms(rows * samples).reshape(rows, samples) * sums[:, -1:]
    low = np.zeros((rows, samples), int)
    high = np.broadcast_to(n - 1 - np.argmax(weights[:, ::-1] > 0, axis=1)[:, None], low.shape)
    for _ in range(n.bit_length()):  # halve the places among which the first sum above the target is
        middle = (low + high) // 2
        beyond = np.take_along_axis(sums, middle, 1) <= targets
        low, high = np.where(beyond & (middle < high), middle + 1, low), np.where(beyond, high, middle)
    return low
