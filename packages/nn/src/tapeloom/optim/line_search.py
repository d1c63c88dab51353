"""A line search for the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from tapeloom import Tensor

__all__ = ["Point", "strong_wolfe"]


class Point(NamedTuple):
    """A point of the line: how far along it is, the value there, the gradient, and the slope along the line."""

    t: float
    value: float
    grad: Tensor
    slope: float


def strong_wolfe(
    evaluate: Callable[[float], Point],
    start: Point,
    t: float,
    reach: float,
    tolerance: float,
    turns: int,
    c1: float = 1e-4,
    c2: float = 0.9,
) -> tuple[Point, int]:
    """A point where the value has fallen enough and the slope is flat enough, or the best that was found.

    Args:
        evaluate: gives the point at a distance.
        start: the point at distance 0; its slope is negative.
        t: the distance to try first.
        reach: the largest element of the direction: brackets that move no parameter by `tolerance` end the search.
        tolerance: see `reach`.
        turns: how often the search may go on after the first point.
        c1: the part of the expected fall that is enough.
        c2: the part of the first slope that is flat enough.

    Returns:
        The point, and how many were evaluated.

    Source: J. Nocedal, S. Wright, "Numerical Optimization", 2nd ed., 2006, algorithms 3.5 and 3.6, with the safeguards of
    M. Schmidt's minFunc, 2005, as in PyTorch.
    """

    def high_up(point: Point) -> bool:
        return point.value > start.value + c1 * point.t * start.slope

    def flat(point: Point) -> bool:
        return abs(point.slope) <= -c2 * start.slope

    before, now, done = start, evaluate(t), 0
    while done < turns:  # until two points have such a point between them
        if high_up(now) or (done > 1 and now.value >= before.value):
            break
        if flat(now):
            return now, done + 1
        if now.slope >= 0:
            break
        t = _lowest(before, now, now.t + 0.01 * (now.t - before.t), now.t * 10)
        before, now, done = now, evaluate(t), done + 1
    else:
        before = start
    pair = [before, now]
    low = 0 if before.value <= now.value else 1
    stalled = False
    while done < turns:  # closing in
        left, right = sorted(point.t for point in pair)
        if (right - left) * reach < tolerance:
            break
        t = _lowest(pair[0], pair[1], left, right)
        margin = 0.1 * (right - left)
        near_an_end = min(right - t, t - left) < margin
        if near_an_end and (stalled or t >= right or t <= left):
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            near_an_end = False
        stalled = near_an_end
        now, done = evaluate(t), done + 1
        if high_up(now) or now.value >= pair[low].value:
            pair[1 - low] = now
            low = 0 if pair[0].value <= pair[1].value else 1
            continue
        if not flat(now) and now.slope * (pair[1 - low].t - pair[low].t) >= 0:
            pair[1 - low] = pair[low]
        pair[low] = now
        if flat(now):
            break
    return pair[low], done + 1


def _lowest(a: Point, b: Point, least: float, most: float) -> float:
    """Where the cubic through two points with their slopes is lowest, between `least` and `most`: else their middle.

    Source: Nocedal and Wright, eq. 3.59.
    """
    if a.t > b.t:
        a, b = b, a
    if a.t != b.t:
        mean = a.slope + b.slope - 3 * (a.value - b.value) / (a.t - b.t)
        square = mean * mean - a.slope * b.slope
        if square >= 0:
            root = math.sqrt(square)
            bend = b.slope - a.slope + 2 * root
            if bend:
                return min(max(b.t - (b.t - a.t) * ((b.slope + root - mean) / bend), least), most)
    return (least + most) / 2
