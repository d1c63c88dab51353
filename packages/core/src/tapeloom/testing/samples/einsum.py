"""Samples of ``einsum``: for each element of the result the sum over all letters that it does not have."""

from __future__ import annotations

from itertools import product
from typing import Any

from tapeloom.errors import ArgumentError, ArgumentTypeError, ShapeError
from tapeloom.testing.inputs import T
from tapeloom.testing.references import built
from tapeloom.testing.samples.linalg import SMALL
from tapeloom.testing.table import COMPLEX, NUMBERS, case, fails, row


def _einsum(equation: Any, *operands: Any) -> Any:
    """``...`` is one letter, Z, of one dimension here; lists are words of letters."""
    if not isinstance(equation, str):
        *pairs, last = equation, *operands
        *words, out = ["".join("..." if k is Ellipsis else chr(65 + k) for k in places) for places in (*pairs[1::2], last)]
        equation, operands = f"{','.join(words)}->{out}", tuple(pairs[::2])
    given, arrow, out = equation.replace(" ", "").replace("...", "Z").partition("->")
    words = given.split(",")
    if not arrow:
        letters = given.replace(",", "")
        out = "Z" * ("Z" in letters) + "".join(sorted(k for k in {*letters} - {"Z"} if letters.count(k) == 1))
    lengths: dict[str, int] = {}
    for word, x in zip(words, operands, strict=True):
        for letter, length in zip(word, x.shape, strict=True):
            lengths[letter] = max(lengths.get(letter, 0), length)

    def element(place: tuple[int, ...]) -> Any:
        fixed = dict(zip(out, place, strict=True))
        free = [letter for letter in lengths if letter not in fixed]
        total = 0
        for others in product(*(range(lengths[letter]) for letter in free)):
            at = fixed | dict(zip(free, others, strict=True))
            term = 1
            for word, x in zip(words, operands, strict=True):
                term = term * x[tuple(at[letter] if length > 1 else 0 for letter, length in zip(word, x.shape, strict=True))].item()
            total += term
        return total

    return built([lengths[letter] for letter in out], element, operands[0])


X, Y = T(3, 4, **SMALL), T(4, 2, **SMALL)
row(
    "einsum",
    ["ij,jk->ik", X, Y],
    ["bij,bjk", T(2, 3, 4, **SMALL), T(2, 4, 2, **SMALL)],
    ["...ii->i...", T(2, 3, 3, **SMALL)],
    ["i,j,ij", T(3, **SMALL), T(4, **SMALL), X],
    ["...k, kl -> ...l", T(1, 4, **SMALL), Y],
    ["ij->", X],
    ["bi,bi->b", T(2, 3, **SMALL), T(1, 3, **SMALL)],
    case(X, [0, 1], Y, [1, 2], [2, 0], grad=False),
    ["ij,jk", T(3, 0), T(0, 2)],
    ["ij,,->j", X, T(), T()],
    reference=_einsum,
    magnitude=_einsum,
    budget="chain",
    dtypes=(*NUMBERS, *COMPLEX),
)
fails("einsum", ["ij,jk", X, X], ShapeError, "einsum: 'j' has length 4 in one operand and 3 in another, in 'ij,jk'.")
fails("einsum", ["ii", X], ShapeError, "einsum: 'i' has length 3 in one operand and 4 in another, in 'ii'.")
fails("einsum", ["ii", T(1, 3)], ShapeError, "einsum: 'i' has length 1 and 3 in one operand, of shape (1, 3).")
fails("einsum", ["ij", X, X], ArgumentError, "einsum: the equation 'ij' is of 1 operands, and 2 were given.")
fails("einsum", ["ijk", X], ShapeError, "einsum: 'ijk' in 'ijk' does not name the 2 dimensions of operand 0, of shape (3, 4).")
fails("einsum", ["ij->k", X], ArgumentError, "einsum: 'k' stands behind the arrow of 'ij->k', and in no operand.")
fails("einsum", ["ij->ii", X], ArgumentError, "einsum: 'i' stands twice behind the arrow of 'ij->ii'.")
fails("einsum", ["i1->i", X], ArgumentError, "einsum: 'i1->i' holds '1'. Give letters, one '...' for each operand, ',' and '->'.")
fails("einsum", [3, X], ArgumentTypeError, "einsum: the equation must be a string, or a tensor of the form with lists, got int.")
