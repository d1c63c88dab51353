"""Running results: what stands at each place along ``dim`` is that of the elements up to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom.call.op import op
from tapeloom.ops.reduction import ValuesAndIndices

if TYPE_CHECKING:
    from tapeloom.op.parameter import Cast, Dim
    from tapeloom.tensors.tensor import Tensor


@op(gives="sum", complex="as written", inplace=True, autocast={"cuda": "float32"})
def cumsum(input: Tensor, dim: Dim, *, dtype: Cast = None) -> Tensor:
    """Running sums along ``dim``."""
cumsum.gradient(
    input=lambda g, dim, input_shape, ops: ops.flip(ops.cumsum(ops.flip(g, (dim,)), dim), (dim,)) if input_shape else g
)


def _ahead(x: Any, dim: int, by: int, ops: Any) -> Any:
    """``x`` moved ``by`` places towards the beginning, with zeros at the end."""
    length = x.shape[dim]
    return ops.place(ops.narrow(x, dim, by, length - by), dim, 0, length) if by < length else x * 0


def _solved(factor: Any, g: Any, dim: int, ops: Any) -> Any:
    """S with ``S_i = g_i + factor_i * S_{i+1}`` along ``dim``.

    For all i at once, by doubling: log2(length) steps.

    Source: P. Kogge, H. Stone, "A parallel algorithm for the efficient solution of a general class of recurrence
    equations", IEEE Transactions on Computers C-22, 1973.
    """
    total, by = g, 1
    while by < g.shape[dim]:
        total = total + factor * _ahead(total, dim, by, ops)
        factor = factor * _ahead(factor, dim, by, ops)
        by *= 2
    return total


def _cumprod_gradient(g: Any, input: Any, dim: int, out: Any, ops: Any) -> Any:
    # The gradient of element i is (the product before i) * S_i, where S_i = g_i + x_{i+1} * S_{i+1}: right also where
    # elements are 0.
    if not input.shape or not input.shape[dim]:
        return g
    one = ops.full_of(ops.narrow(input, dim, 0, 1), 1)
    before = ops.cat([one, ops.narrow(out, dim, 0, input.shape[dim] - 1)], dim)
    return _solved(_ahead(input, dim, 1, ops), g, dim, ops) * before


@op(gives="sum", complex="analytic", inplace=True, autocast={"cuda": "float32"})
def cumprod(input: Tensor, dim: Dim, *, dtype: Cast = None) -> Tensor:
    """Running products along ``dim``."""
cumprod.gradient(input=_cumprod_gradient)


def _logcumsumexp_gradient(g: Any, input: Any, dim: int, out: Any, ops: Any) -> Any:
    # That of element i is the sum of g_j * exp(x_i - out_j) over j >= i, which is exp(x_i - out_i) * S_i, where
    # S_i = g_i + exp(out_i - out_{i+1}) * S_{i+1}: of real numbers no factor is above 1, so that nothing overflows.
    if not input.shape or not input.shape[dim]:
        return g
    length = input.shape[dim]
    here, behind = ops.narrow(out, dim, 0, length - 1), ops.narrow(out, dim, 1, length - 1)
    gap = ops.where(ops.eq(here, behind), 0, here - behind)  # keeps inf - inf away
    factor = ops.place(ops.exp(gap), dim, 0, length)
    return _solved(factor, g, dim, ops) * ops.exp(input - out)


@op(takes="inexact", complex="analytic")
def logcumsumexp(input: Tensor, dim: Dim) -> Tensor:
    """The logarithms of the running sums of ``exp(input)`` along ``dim``, without overflow."""
logcumsumexp.gradient(input=_logcumsumexp_gradient)


def _met_gradient(g: Any, dim: int, out: Any, input_shape: Any, ops: Any) -> Any:
    return ops.scatter_add(ops.zeros_of(input_shape, g.values), dim, out.indices, g.values) if input_shape else g.values


@op(outputs=ValuesAndIndices)
def cummax(input: Tensor, dim: Dim) -> ValuesAndIndices:
    """The largest value so far along ``dim`` and where it is, the last of equal ones; from a nan on it is nan."""
cummax.gradient(input=_met_gradient)


@op(outputs=ValuesAndIndices)
def cummin(input: Tensor, dim: Dim) -> ValuesAndIndices:
    """The smallest value so far along ``dim`` and where it is, the last of equal ones; from a nan on it is nan."""
cummin.gradient(input=_met_gradient)
