"""Bags of embeddings: the sum, mean or maximum of several rows of a table, and what is done to a table's rows and gradients."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tapeloom import dtypes
from tapeloom.call.inplace import rebind
from tapeloom.call.op import function, primitive
from tapeloom.errors import ArgumentError, DTypeError, IndexingError, ShapeError
from tapeloom.op.parameter import as_number
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, first_outside, require, within
from tapeloom.ops.creation import arange, tensor
from tapeloom.tensors.tensor import read_array

if TYPE_CHECKING:
    from tapeloom.tensors.tensor import Tensor

NAME = "embedding_bag"


@primitive
def scaled_back(input: Tensor, factor: Tensor) -> Tensor:
    """``input`` itself; its gradient is multiplied by ``factor``."""
scaled_back.gradient(input=lambda g, factor: g * factor)


def counts_of(indices: Tensor, rows: int) -> Tensor:
    """How often each of ``rows`` rows is among ``indices``, int64."""
    flat = OPS.reshape(indices, (-1,))
    return OPS.index_add(OPS.zeros_of((rows,), flat), 0, flat, OPS.full_of(flat, 1))


def scaled_by_frequency(picked: Tensor, indices: Tensor, rows: int) -> Tensor:
    """``picked``, the rows ``indices`` of a table: the gradient of each is divided by how often it was picked."""
    often = OPS.embedding_rows(OPS.unsqueeze(counts_of(indices, rows), 1), indices, None)
    return OPS.scaled_back(picked, 1 / OPS.cast(often, picked.dtype))


def renormalised_(weight: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> None:
    """Shorten the rows ``indices`` of the table ``weight`` whose norm is above ``max_norm`` to it, in place and off the tape."""
    table = weight.detach()
    norms = OPS.order_norm(table, norm_type, 1, True)
    long = OPS.logical_and(OPS.gt(norms, max_norm), OPS.unsqueeze(OPS.gt(counts_of(indices, table.shape[0]), 0), 1))
    rebind(weight, read_array(OPS.where(long, table * (max_norm / (norms + 1e-7)), table)))


@function(method=False)
def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or maximum (``mode``) of the rows of the table ``weight`` (rows, size) in each bag: shape (bags, size).

    ``input`` holds row numbers: a bag in each row of (bags, length), or all bags one after the other, of which ``offsets`` says where
    each begins; with ``include_last_offset`` also where the last one ends. An empty bag gives 0. ``per_sample_weights``, in
    the shape of ``input``, are factors of the rows of a sum. Rows ``padding_idx`` count for nothing and get no gradient.
    ``max_norm`` first shortens the rows used to this norm of order ``norm_type``, in place. ``scale_grad_by_freq`` divides the
    gradient of each row by how often it is used. ``sparse`` gradients do not exist.

    Raises ShapeError, DTypeError, IndexingError for a number that is no row, ArgumentError for settings that do not fit.
    """
    rows = _check_table(input, weight)
    if mode not in ("sum", "mean", "max"):
        raise ArgumentError(f"{NAME}: mode must be 'sum', 'mean' or 'max', got {mode!r}.")
    if sparse:
        raise ArgumentError(f"{NAME}: sparse gradients do not exist here. Leave sparse=False.")
    if mode == "max" and scale_grad_by_freq:
        raise ArgumentError(f"{NAME}: scale_grad_by_freq does not go with mode='max'.")
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise ArgumentError(f"{NAME}: padding_idx={padding_idx} is no row of a table of {rows} rows.")
    if per_sample_weights is not None:
        _check_factors(per_sample_weights, input, weight, mode)
    starts = _starts(input, offsets, include_last_offset)
    indices = OPS.cast(input, dtypes.int64)
    if max_norm is not None:
        renormalised_(weight, indices, as_number(NAME, "max_norm", max_norm), as_number(NAME, "norm_type", norm_type))
    places, there = _places(indices, starts)
    if padding_idx is not None:
        there = OPS.logical_and(there, OPS.ne(places, padding_idx % rows))
    picked = OPS.embedding_rows(weight, places, None)
    if scale_grad_by_freq:
        often = OPS.cast(there, dtypes.int64)
        often = OPS.index_add(OPS.zeros_of((rows,), often), 0, OPS.reshape(places, (-1,)), OPS.reshape(often, (-1,)))
        often = OPS.embedding_rows(OPS.unsqueeze(often, 1), places, None)
        picked = OPS.scaled_back(picked, 1 / OPS.cast(OPS.maximum(often, 1), picked.dtype))
    if per_sample_weights is not None:
        flat = OPS.reshape(per_sample_weights, (-1,))
        factors, _ = _places(flat, starts) if starts is not None else (per_sample_weights, None)
        picked = picked * OPS.unsqueeze(factors, 2)
    return _gathered(picked, OPS.unsqueeze(there, 2), mode)


def _check_table(input: Any, weight: Any) -> int:
    """How many rows the table has."""
    if as_tensor_of(NAME, weight, "weight").ndim != 2 or not weight.dtype.is_floating_point:
        raise ShapeError(
            f"{NAME}: weight must be a floating table of shape (rows, size), got {weight.dtype.name} of shape {weight.shape}."
        )
    if as_tensor_of(NAME, input).dtype.inexact or input.dtype is dtypes.bool_:
        raise DTypeError(
            f"{NAME}: input must hold row numbers, got {input.dtype.name}. Cast it with .long(); the table is the second argument."
        )
    rows: int = weight.shape[0]
    require(
        within(input, 0, rows),
        lambda: IndexingError(
            f"{NAME}: row {first_outside(input, 0, rows)} is out of range for a table of {rows} rows, which count from 0."
        ),
    )
    return rows


def _check_factors(factors: Any, input: Tensor, weight: Tensor, mode: str) -> None:
    if mode != "sum":
        raise ArgumentError(f"{NAME}: per_sample_weights go with mode='sum' alone, got {mode!r}.")
    if as_tensor_of(NAME, factors, "per_sample_weights").shape != input.shape:
        raise ShapeError(f"{NAME}: per_sample_weights must have the shape {input.shape} of input, got {factors.shape}.")
    if factors.dtype is not weight.dtype:
        raise DTypeError(f"{NAME}: per_sample_weights must be {weight.dtype.name} as weight is, got {factors.dtype.name}.")


def _starts(input: Tensor, offsets: Any, include_last: bool) -> list[int] | None:
    """Where each bag starts, and where the last one ends; None where each row of ``input`` is a bag."""
    if input.ndim == 2:
        if offsets is not None:
            raise ArgumentError(f"{NAME}: input of shape {input.shape} has a bag in each row. Leave offsets out, or flatten it.")
        return None
    if input.ndim != 1:
        raise ShapeError(f"{NAME}: input must have one or two dimensions, got shape {input.shape}.")
    if offsets is None or as_tensor_of(NAME, offsets, "offsets").ndim != 1 or offsets.dtype.inexact:
        raise ArgumentError(f"{NAME}: offsets must be a tensor of integers with one dimension, where each bag of input begins.")
    starts: list[int] = offsets.tolist()
    total = input.shape[0]
    if include_last and not starts:
        raise ArgumentError(f"{NAME}: with include_last_offset there must be one offset at least.")
    if starts and (starts[0] != 0 or starts != sorted(starts) or starts[-1] > total):
        raise ArgumentError(
            f"{NAME}: offsets must begin with 0, must not fall, and must be at most {total}, the length of input, got {starts}."
        )
    return starts if include_last else [*starts, total]


def _places(values: Tensor, starts: list[int] | None) -> tuple[Tensor, Tensor]:
    """``values`` as (bags, longest), and where in it a bag has an element."""
    if starts is None:
        return values, OPS.ne(OPS.full_of(values, 1), 0)
    lengths = [end - start for start, end in pairwise(starts)]
    longest = max(lengths, default=0)
    first = OPS.unsqueeze(tensor(starts[:-1], dtype=dtypes.int64, device=values.device), 1)
    steps = arange(longest, device=values.device)
    there = OPS.lt(steps, OPS.unsqueeze(tensor(lengths, dtype=dtypes.int64, device=values.device), 1))
    where = OPS.where(there, first + steps, 0)
    return OPS.reshape(OPS.index_select(values, 0, OPS.reshape(where, (-1,))), where.shape), there


def _gathered(picked: Tensor, there: Tensor, mode: str) -> Tensor:
    """The sum, mean or maximum over dim 1 of what is there; 0 of nothing."""
    if mode == "max" and picked.shape[1]:
        some = OPS.any(there, 1)
        return OPS.where(some, OPS.max_values(OPS.where(there, picked, float("-inf")), 1).values, 0)
    total = OPS.sum(OPS.where(there, picked, 0), 1)
    if mode != "mean":
        return total
    return total / OPS.maximum(OPS.sum(OPS.cast(there, picked.dtype), 1), 1)
