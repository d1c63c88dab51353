"""Sums of products by the letters of dimensions."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

from tapeloom import shapes
from tapeloom.call.op import function
from tapeloom.errors import ArgumentError, ArgumentTypeError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensors_of
from tapeloom.tensors.tensor import is_tensor

if TYPE_CHECKING:
    from tapeloom.tensors.tensor import Tensor

#: a dimension: a letter, or of those that an ellipsis stands for its place counted from the last, below 0
Label = str | int
LETTERS = string.ascii_uppercase + string.ascii_lowercase


@function(method=False, autocast={"cuda": "lower"})
def einsum(equation: str | Tensor, *operands: Any) -> Tensor:
    """Sums of products by an equation of letters: ``einsum("ij,jk->ik", x, y)`` is ``x @ y``.

    The letters name the dimensions of each operand. Those that are not behind the arrow are summed over; without an arrow
    stay those that occur once, in alphabetical order. A letter twice in one operand takes its diagonal. ``...`` stands for
    dimensions that broadcast, in front unless it is placed behind the arrow. The other form gives lists of numbers below
    52 for the letters, with ``Ellipsis``: ``einsum(x, [0, 1], y, [1, 2], [0, 2])``.

    Of three or more operands those two are multiplied first whose product adds least to what is held.

    Source: of that order, D. Smith, J. Gray, "opt_einsum: a Python package for optimizing contraction order for einsum-like
    expressions", Journal of Open Source Software 3, 2018: the greedy path.
    """
    if is_tensor(equation):
        equation, operands = _of_lists(equation, *operands)
    if not isinstance(equation, str):
        raise ArgumentTypeError(
            f"einsum: the equation must be a string, or a tensor of the form with lists, got {type(equation).__name__}."
        )
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    tensors = as_tensors_of("einsum", operands, "operands")
    parts, out = _parsed(equation, tensors)
    lengths: dict[Label, int] = {}
    for labels, tensor in zip(parts, tensors, strict=True):
        for label, length in zip(labels, tensor.shape, strict=True):
            known = lengths.get(label, 1)
            if known != length and 1 not in (known, length):
                what = f"{label!r}" if isinstance(label, str) else "a dimension of '...'"
                raise ShapeError(f"einsum: {what} has length {known} in one operand and {length} in another, in {equation!r}.")
            lengths[label] = length if known == 1 else known
    return _contracted([_own(tensor, labels, lengths) for tensor, labels in zip(tensors, parts, strict=True)], out, lengths)


def _of_lists(*arguments: Any) -> tuple[str, tuple[Any, ...]]:
    """The equation and the operands of the form with lists."""
    pairs, last = arguments[: len(arguments) // 2 * 2], arguments[len(arguments) // 2 * 2 :]

    def word(places: Any) -> str:
        if is_tensor(places) or not hasattr(places, "__iter__"):
            raise ArgumentTypeError(f"einsum: expected a list of numbers behind each operand, got {type(places).__name__}.")
        letters = []
        for place in places:
            number = -1 if place is Ellipsis else shapes.as_int("einsum", "a number in a list", place)
            if place is not Ellipsis and not 0 <= number < len(LETTERS):
                raise ArgumentError(f"einsum: the numbers in the lists must lie between 0 and {len(LETTERS) - 1}, got {number}.")
            letters.append("..." if place is Ellipsis else LETTERS[number])
        return "".join(letters)

    equation = ",".join(word(places) for places in pairs[1::2])
    return (f"{equation}->{word(last[0])}" if last else equation), pairs[::2]


def _parsed(equation: str, tensors: list[Any]) -> tuple[list[list[Label]], list[Label]]:
    """The labels of each operand, and those of the result."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    words = left.split(",")
    if len(words) != len(tensors):
        raise ArgumentError(f"einsum: the equation {equation!r} is of {len(words)} operands, and {len(tensors)} were given.")
    parts = []
    for place, (word, tensor) in enumerate(zip(words, tensors, strict=True)):
        named, dots, rest = _split(word, equation)
        spare = tensor.ndim - len(named) - len(rest)
        if spare < 0 or (spare and not dots):
            raise ShapeError(
                f"einsum: {word!r} in {equation!r} does not name the {tensor.ndim} dimensions of operand {place}, of shape "
                f"{tensor.shape}."
            )
        parts.append([*named, *range(-spare, 0), *rest])
    most = max((sum(isinstance(label, int) for label in labels) for labels in parts), default=0)
    if not arrow:
        every = [label for labels in parts for label in labels]
        return parts, [*range(-most, 0), *sorted(label for label in {*every} if isinstance(label, str) and every.count(label) == 1)]
    named, dots, rest = _split(right, equation)
    out = [*named, *(range(-most, 0) if dots else ()), *rest]
    known = {label for labels in parts for label in labels}
    for label in named + rest:
        if label not in known:
            raise ArgumentError(f"einsum: {label!r} stands behind the arrow of {equation!r}, and in no operand.")
        if out.count(label) > 1:
            raise ArgumentError(f"einsum: {label!r} stands twice behind the arrow of {equation!r}.")
    return parts, out


def _split(word: str, equation: str) -> tuple[list[str], bool, list[str]]:
    """The letters before the ellipsis, whether there is one, and the letters behind it."""
    before, dots, behind = word.partition("...")
    for letter in before + behind:
        if letter not in LETTERS:
            raise ArgumentError(f"einsum: {equation!r} holds {letter!r}. Give letters, one '...' for each operand, ',' and '->'.")
    return list(before), bool(dots), list(behind)


Term = tuple[Any, list[Label]]


def _own(x: Any, labels: list[Label], lengths: dict[Label, int]) -> Term:
    """``x`` with each label once, and without those that it has length 1 of where others have more."""
    for label in sorted({*labels}, key=str):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            if x.shape[first] != x.shape[second]:
                raise ShapeError(f"einsum: {label!r} has length {x.shape[first]} and {x.shape[second]} in one operand, of shape {x.shape}.")
            x = OPS.diagonal(x, 0, first, second)
            labels = [other for place, other in enumerate(labels) if place not in (first, second)] + [label]
    spread = [axis for axis, label in enumerate(labels) if x.shape[axis] == 1 != lengths[label]]
    if spread:
        x = OPS.squeeze(x, tuple(spread))
    return x, [label for axis, label in enumerate(labels) if axis not in spread]


def _contracted(terms: list[Term], out: list[Label], lengths: dict[Label, int]) -> Any:
    while len(terms) > 1:
        i, j = _next_pair(terms, lengths, out)
        others = [term for place, term in enumerate(terms) if place not in (i, j)]
        kept = {*out, *(label for _, labels in others for label in labels)}
        terms = [*others, _product(terms[i], terms[j], kept, lengths)]
    x, labels = _kept(*terms[0], {*out})
    missing = [label for label in out if label not in labels]  # letters that have length 1 everywhere
    order = [labels.index(label) for label in out if label in labels]
    x = OPS.permute(x, tuple(order)) if order != list(range(len(order))) else x
    return OPS.reshape(x, tuple(lengths[label] for label in out)) if missing else x


def _next_pair(terms: list[Term], lengths: dict[Label, int], out: list[Label]) -> tuple[int, int]:
    """The two terms whose product is larger than both together by the least."""
    if len(terms) == 2:
        return 0, 1

    def size(labels: Any) -> int:
        return shapes.element_count(lengths[label] for label in labels)

    def added(i: int, j: int) -> int:
        kept = {*out}.union(*(labels for place, (_, labels) in enumerate(terms) if place not in (i, j)))
        first, second = {*terms[i][1]}, {*terms[j][1]}
        return size((first | second) & kept) - size(first) - size(second)

    return min(((i, j) for j in range(len(terms)) for i in range(j)), key=lambda pair: (added(*pair), pair))


def _kept(x: Any, labels: list[Label], kept: set[Label]) -> Term:
    """``x`` summed over the labels that are not kept."""
    gone = tuple(axis for axis, label in enumerate(labels) if label not in kept)
    return (OPS.sum(x, gone), [label for label in labels if label in kept]) if gone else (x, labels)


def _product(first: Term, second: Term, kept: set[Label], lengths: dict[Label, int]) -> Term:
    """The product of two terms, summed over the labels that are not kept: a batch of products of matrices."""
    x, of_x = _kept(*first, kept | {*second[1]})
    y, of_y = _kept(*second, kept | {*first[1]})
    both = [label for label in of_x if label in of_y]
    batch = [label for label in both if label in kept]
    summed = [label for label in both if label not in kept]
    rows = [label for label in of_x if label not in of_y]
    columns = [label for label in of_y if label not in of_x]

    def arranged(t: Any, labels: list[Label], *groups: list[Label]) -> Any:
        wanted = [label for group in groups for label in group]
        t = OPS.permute(t, tuple(labels.index(label) for label in wanted)) if wanted != labels else t
        return OPS.reshape(t, tuple(shapes.element_count(lengths[label] for label in group) for group in groups))

    left, right = arranged(x, of_x, batch, rows, summed), arranged(y, of_y, batch, summed, columns)
    product = OPS.matmul(left, right) if summed else OPS.multiply(left, right)
    labels = batch + rows + columns
    return OPS.reshape(product, tuple(lengths[label] for label in labels)), labels
