"""The oracle: automatic differentiation so plain that it can be checked by reading.

A Value is a list of numbers and, for each value it was made from, the matrix of partial derivatives. Nothing is shared,
freed, summed early or reused.
"""

from __future__ import annotations


class Value:
    """Numbers, and how they depend on the leaves: leaf -> matrix of d number / d leaf element."""

    def __init__(self, numbers: list[float], jacobians: dict[int, list[list[float]]] | None = None) -> None:
        self.numbers = numbers
        self.jacobians = jacobians or {}


def leaf(name: int, numbers: list[float]) -> Value:
    size = len(numbers)
    return Value(numbers, {name: [[float(i == j) for j in range(size)] for i in range(size)]})


def combine(numbers: list[float], parts: list[tuple[Value, list[list[tuple[int, float]]]]]) -> Value:
    """A value each of whose numbers depends on numbers of ``parts``: for each, a list of (place, partial derivative)."""
    jacobians: dict[int, list[list[float]]] = {}
    for part, partials in parts:
        for name, rows in part.jacobians.items():
            total = jacobians.setdefault(name, [[0.0] * len(rows[0]) for _ in numbers])
            for i, dependencies in enumerate(partials):
                for place, partial in dependencies:
                    for j, entry in enumerate(rows[place]):
                        total[i][j] += partial * entry
    return Value(numbers, jacobians)


def unary(x: Value, numbers: list[float], slopes: list[float]) -> Value:
    return combine(numbers, [(x, [[(i, slope)] for i, slope in enumerate(slopes)])])


def add(x: Value, y: Value) -> Value:
    one = [[(i, 1.0)] for i in range(len(x.numbers))]
    return combine([a + b for a, b in zip(x.numbers, y.numbers, strict=True)], [(x, one), (y, one)])


def multiply(x: Value, y: Value) -> Value:
    numbers = [a * b for a, b in zip(x.numbers, y.numbers, strict=True)]
    by_y = [[(i, b)] for i, b in enumerate(y.numbers)]
    by_x = [[(i, a)] for i, a in enumerate(x.numbers)]
    return combine(numbers, [(x, by_y), (y, by_x)])


def pick(x: Value, places: list[int]) -> Value:
    """The numbers at ``places``: slices, permutations, indexing."""
    return combine([x.numbers[p] for p in places], [(x, [[(p, 1.0)] for p in places])])


def put(x: Value, places: list[int], y: Value) -> Value:
    """``x`` with the numbers of ``y`` at ``places``."""
    where = {place: i for i, place in enumerate(places)}
    numbers = [y.numbers[where[i]] if i in where else number for i, number in enumerate(x.numbers)]
    keep = [[] if i in where else [(i, 1.0)] for i in range(len(numbers))]
    take = [[(where[i], 1.0)] if i in where else [] for i in range(len(numbers))]
    return combine(numbers, [(x, keep), (y, take)])


def detach(x: Value) -> Value:
    return Value(list(x.numbers))
