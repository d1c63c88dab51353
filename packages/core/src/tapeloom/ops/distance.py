"""Distances and angles between vectors: of pairs, of all pairs of two sets, of all pairs within one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import shapes
from tapeloom.call.op import function, op, primitive
from tapeloom.errors import ArgumentError, ShapeError
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of
from tapeloom.ops.creation import ones

if TYPE_CHECKING:
    from tapeloom.op.parameter import Dim, Index
    from tapeloom.tensors.tensor import Tensor

#: how ``cdist`` may compute Euclidean distances
MODES = (
    "use_mm_for_euclid_dist_if_necessary",
    "use_mm_for_euclid_dist",
    "donot_use_mm_for_euclid_dist",
)


@primitive(takes="floating", composite=True)
def cosine(x1: Tensor, x2: Tensor, dim: Dim, eps: float) -> Tensor:
    """``cosine_similarity`` of tensors of one shape."""


@function(method=False, autocast={"cuda": "float32"})
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """``sum(x1 * x2, dim) / (max(|x1|, eps) * max(|x2|, eps))``, the cosine of the angle of vectors along ``dim``; shapes broadcast.

    Raises ShapeError for shapes that do not broadcast.
    """
    as_tensor_of("cosine_similarity", x1, "x1")
    as_tensor_of("cosine_similarity", x2, "x2")
    size = shapes.broadcast("cosine_similarity", x1.shape, x2.shape)
    x1, x2 = (x if x.shape == size else OPS.expand(x, size) for x in (x1, x2))
    return OPS.cosine(x1, x2, dim, eps)


@op(takes="inexact", gives="real", complex="as written", composite=True, method=False)
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The norm of order ``p`` of ``x1 - x2 + eps`` over the last dimension; shapes broadcast.

    Raises ShapeError for shapes that do not broadcast.
    """


def _check_order(name: str, p: Any) -> float:
    p = float(as_number(name, "p", p))
    if not p >= 0:
        raise ArgumentError(f"{name}: p must not be negative, got {p}.")
    return p


@primitive(takes="floating", composite=True)
def all_distances(x1: Tensor, x2: Tensor, p: float) -> Tensor:
    """``cdist`` of checked arguments, by the differences of all pairs."""


@primitive(takes="floating", composite=True)
def all_distances_by_products(x1: Tensor, x2: Tensor) -> Tensor:
    """The Euclidean ``cdist`` of checked arguments, by a product of matrices."""
all_distances_by_products.gradient(
    x1=lambda g, x1, x2, out, ops: ops.all_distances_backward(g, x1, x2, out),
    x2=lambda g, x1, x2, out, ops: ops.all_distances_backward(ops.swap_last(g), x2, x1, ops.swap_last(out)),
)


@function(method=False, autocast="float32")
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = None) -> Tensor:
    """The distance of order ``p`` of each row of ``x1`` (…, n, size) from each row of ``x2`` (…, m, size): shape (…, n, m).

    p = 0 counts the places that differ, p = inf takes the largest difference. ``compute_mode`` says whether Euclidean distances
    come from a product of matrices, which is faster and less exact: "use_mm_for_euclid_dist",
    "donot_use_mm_for_euclid_dist", or as with None "use_mm_for_euclid_dist_if_necessary", where there are more than 25 rows.
    Raises ShapeError for shapes that do not fit, ArgumentError for a negative ``p`` or another mode.
    """
    p = _check_order("cdist", p)
    if compute_mode is not None and compute_mode not in MODES:
        raise ArgumentError(f"cdist: compute_mode must be None or one of {', '.join(map(repr, MODES))}, got {compute_mode!r}.")
    for label, x in {"x1": x1, "x2": x2}.items():
        if as_tensor_of("cdist", x, label).ndim < 2:
            raise ShapeError(f"cdist: {label} must have at least two dimensions, (…, rows, size), got shape {x.shape}.")
    if x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(f"cdist: the last dimensions must be the same, got shapes {x1.shape} and {x2.shape}.")
    shapes.broadcast("cdist", x1.shape[:-2], x2.shape[:-2])
    many = x1.shape[-2] > 25 or x2.shape[-2] > 25
    by_products = p == 2 and (compute_mode == MODES[1] or (compute_mode != MODES[2] and many))
    return OPS.all_distances_by_products(x1, x2) if by_products else OPS.all_distances(x1, x2, p)


@primitive(takes="floating", composite=True)
def distances_within(input: Tensor, first: Index, second: Index, p: float) -> Tensor:
    """The distance of order ``p`` of the rows that ``first`` numbers from those that ``second`` numbers."""


@function(method=False, autocast={"cuda": "float32"})
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The distance of order ``p`` of each row of ``input`` (n, size) from each later row: n * (n - 1) / 2 values.

    They are those above the diagonal of ``cdist(input, input, p)``, row by row. Raises ShapeError unless input has two
    dimensions, ArgumentError for a negative ``p``.
    """
    if as_tensor_of("pdist", input).ndim != 2:
        raise ShapeError(f"pdist: input must have two dimensions, (rows, size), got shape {input.shape}.")
    p = _check_order("pdist", p)
    rows = input.shape[0]
    pairs = OPS.nonzero(OPS.triu(ones(rows, rows, device=input.device), 1))
    return OPS.distances_within(input, pairs[:, 0], pairs[:, 1], p)
