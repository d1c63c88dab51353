"""Scattering: elements put, or folded together, where index tensors say, and taken from the flattened tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tapeloom import dtypes
from tapeloom.call.op import op
from tapeloom.errors import ArgumentError, DTypeError, ShapeError
from tapeloom.op.registry import OPS
from tapeloom.ops.arguments import as_tensor_of, shape_of
from tapeloom.ops.comparison import fillable
from tapeloom.ops.indexing import check_add, check_gather, check_range, check_select, gathered_in
from tapeloom.tensors.tensor import is_tensor, make

if TYPE_CHECKING:
    from tapeloom.dtypes import DType
    from tapeloom.op.parameter import Dim, Index, Number, TensorLike
    from tapeloom.op.schema import OpSchema
    from tapeloom.tensors.tensor import Tensor


def _putting(op: OpSchema, input: Any, dim: Any, index: Any, src: Any) -> tuple[Any, ...]:
    return input, dim, index, src if is_tensor(src) else fillable(op.name, input, src)


def _check_put(op: OpSchema, input: Tensor, dim: int, index: Tensor, src: Tensor) -> None:
    check_gather(op, input, dim, index, *((src,) if shape_of(src) else ()))


@op(moves=True, prepare=_putting, check=_check_put, inplace=True)
def scatter(input: Tensor, dim: Dim, index: Index, src: TensorLike) -> Tensor:
    """``input`` with the elements of ``src``, or the number ``value``, put where ``gather(input, dim, index)`` reads.

    ``reduce="add"`` adds them there instead, ``"multiply"`` multiplies. Where several meet at one place one is kept.
    """


def _sum_where(mark: Any, g: Any, ops: Any) -> Any:
    """The gradient of one number put where ``mark`` is 1: places that were named twice count once."""
    return ops.sum(ops.where(ops.eq(mark, 1), g, 0), tuple(range(len(g.shape))))


scatter.gradient(
    input=lambda g, dim, index, ops: ops.scatter(g, dim, index, ops.zero_of(g)),
    src=lambda g, dim, index, src_shape, ops: (
        gathered_in(g, dim, index, src_shape, ops)
        if src_shape
        else _sum_where(ops.scatter(ops.zeros_of(g.shape, g), dim, index, ops.full_of(ops.zero_of(g), 1)), g, ops)
    ),
)


@scatter.extend
def _(
    input: Tensor, dim: Dim, index: Index, src: TensorLike | None = None, *, value: Number | None = None, reduce: str | None = None
) -> Tensor:
    if (src is None) is (value is None):
        raise ArgumentError(f"scatter: give one of src and value, got {'none' if src is None else 'both'}.")
    given: Any = src if is_tensor(src) else _constant(input, value if src is None else src)
    if reduce is None:
        return OPS.scatter(input, dim, index, given)
    if reduce not in ("add", "multiply"):
        raise ArgumentError(f"scatter: reduce must be 'add' or 'multiply', got {reduce!r}. scatter_reduce has others.")
    if not given.ndim:
        given = OPS.expand(given, as_tensor_of("scatter", index, "index").shape)
    return OPS.scatter_reduce(input, dim, index, given, "sum" if reduce == "add" else "prod")


def _constant(input: Any, value: Any) -> Any:
    """A number, or a 0-d tensor, as one in the dtype of ``input``."""
    value, kind = fillable("scatter", input, value), input.kind
    return OPS.cast(value, kind.dtype) if is_tensor(value) else make(kind.backend.scalar(value, kind.dtype, kind.device), kind)


def _folding(op: OpSchema, input: Any, dim: Any, index: Any, src: Any, *rest: Any) -> tuple[Any, ...]:
    if is_tensor(input) and is_tensor(src) and src.dtype is not input.dtype:
        raise DTypeError(
            f"{op.name}: input is {input.dtype.name}, and {op.inputs[2]} is {src.dtype.name}; they must be the same. "
            f"Cast one of them with .to(dtype)."
        )
    return input, dim, index, src, *rest


def _check_reduction(op: OpSchema, dtype: DType, reduce: str, known: tuple[str, ...]) -> None:
    if reduce not in known:
        raise ArgumentError(f"{op.name}: reduce must be one of {', '.join(known)}, got {reduce!r}.")
    if dtype.is_complex and reduce in ("amax", "amin"):
        raise DTypeError(f"{op.name}: complex numbers have no order for reduce={reduce!r}, got {dtype.name}.")
    if dtype is dtypes.bool_ and reduce == "mean":
        raise DTypeError(f"{op.name}: bool tensors have no mean. Cast them with .float().")


def _check_fold(
    op: OpSchema, input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, include_self: bool
) -> None:
    _check_reduction(op, input.dtype, reduce, ("sum", "prod", "mean", "amax", "amin"))
    check_gather(op, input, dim, index, src)


@op(complex="analytic", prepare=_folding, check=_check_fold, inplace=True)
def scatter_reduce(
    input: Tensor, dim: Dim, index: Index, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """``input`` with the elements of ``src`` folded in where ``gather(input, dim, index)`` reads.

    ``reduce`` is ``"sum"``, ``"prod"``, ``"mean"``, ``"amax"`` or ``"amin"``. Without ``include_self`` the elements of ``input``
    at these places do not count. Means of integers are rounded down. Equal extremes share the gradient evenly.
    """


def _fold_gradient(
    g: Any, need: Any, input: Any, dim: int, index: Any, src: Any, reduce: str, include_self: bool, out: Any, ops: Any
) -> Any:
    if 0 in index.shape:
        return g, None, ops.zeros_of(src.shape, g)
    index, part = (x if x.shape else ops.reshape(x, (1,)) for x in (index, src))

    def read(x: Any) -> Any:
        return ops.gather(x, dim, index)

    def excluded(x: Any) -> Any:
        return x if include_self else ops.scatter(x, dim, index, ops.zero_of(x))

    for axis, length in enumerate(index.shape):
        part = part if part.shape[axis] == length else ops.narrow(part, axis, 0, length)
    if reduce == "sum":
        own, upstream = g, read(g)
    elif reduce == "mean":
        count = ops.scatter_add(excluded(ops.full_of(g, 1)), dim, index, ops.full_of(part, 1))
        own = g / count
        upstream = read(own)
    elif reduce == "prod":
        own = g * ops.scatter_reduce(ops.full_of(input, 1), dim, index, part, "prod", include_self=True)
        flat = ops.reshape(ops.full_of(input, 1), (-1,))
        numbers = ops.reshape(ops.cumsum(ops.cast(flat, dtypes.int64), 0), input.shape)
        upstream = read(g * input if include_self else g) * _others(part, read(numbers), ops)
    else:
        hit = excluded(ops.where(ops.eq(input, out), ops.full_of(input, 1), 0))
        hits = ops.where(ops.eq(part, read(out)), ops.full_of(part, 1), 0)
        shared = g / ops.scatter_add(hit, dim, index, hits)
        own, upstream = hit * shared, hits * read(shared)
    for axis, length in enumerate(src.shape):
        upstream = upstream if upstream.shape[axis] == length else ops.place(upstream, axis, 0, length)
    return excluded(own), None, upstream if src.shape else ops.reshape(upstream, ())


def _products_before(values: Any, groups: Any, ops: Any) -> Any:
    """For each element of a vector the product of those before it in its group; groups stand together."""
    length, width = values.shape[0], 1

    def before(x: Any, by: int) -> Any:
        return ops.place(ops.narrow(x, 0, 0, length - by), 0, by, length)

    def ahead(x: Any, by: int) -> Any:
        same = ops.eq(ops.narrow(groups, 0, by, length - by), ops.narrow(groups, 0, 0, length - by))
        return ops.where(ops.place(same, 0, by, length), before(x, by), 1)

    result = ahead(values, 1)
    while width < length:
        result, width = result * ahead(result, width), 2 * width
    return result


def _others(part: Any, numbers: Any, ops: Any) -> Any:
    """For each element the product of all others with its number in ``numbers``. Right also where elements are 0.

    Sorted by number, it is the product of those before times that of those after, each by steps of doubled width.
    """
    flat, numbers = ops.reshape(part, (-1,)), ops.reshape(numbers, (-1,))
    order = ops.argsort(numbers, 0, False)
    values, groups = ops.index(flat, [order], (0,)), ops.index(numbers, [order], (0,))
    after = ops.flip(_products_before(ops.flip(values, (0,)), ops.flip(groups, (0,)), ops), (0,))
    found = _products_before(values, groups, ops) * after
    return ops.reshape(ops.index_put(flat, [order], found, (0,), False), part.shape)


scatter_reduce.gradient(_fold_gradient)


def _check_index_reduce(
    op: OpSchema, input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, include_self: bool
) -> None:
    _check_reduction(op, input.dtype, reduce, ("prod", "mean", "amax", "amin"))
    check_add(op, input, dim, index, source)


@op(complex="analytic", composite=True, prepare=_folding, check=_check_index_reduce, inplace=True)
def index_reduce(
    input: Tensor, dim: Dim, index: Index, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """``input`` with the places of ``source`` along ``dim`` folded in at the places ``index`` (1-d integers).

    ``reduce`` is ``"prod"``, ``"mean"``, ``"amax"`` or ``"amin"``; otherwise as ``scatter_reduce``.
    """


def _check_copy(op: OpSchema, input: Tensor, dim: int, index: Tensor, source: Tensor) -> None:
    if not source.ndim and input.ndim == 1 and index.numel() == 1:
        check_select(op, input, dim, index)
    else:
        check_add(op, input, dim, index, source)


@op(moves=True, composite=True, check=_check_copy, inplace=True, autocast={"cpu": "promote"})
def index_copy(input: Tensor, dim: Dim, index: Index, source: Tensor) -> Tensor:
    """``input`` with the places of ``source`` along ``dim`` put at the places ``index`` (1-d integers)."""


def _filling(op: OpSchema, input: Any, dim: Any, index: Any, value: Any) -> tuple[Any, ...]:
    return input, dim, index, fillable(op.name, input, value)


def _check_fill(op: OpSchema, input: Tensor, dim: int, index: Tensor, value: Tensor) -> None:
    if shape_of(value):
        raise ShapeError(f"{op.name}: value must be a number or a 0-d tensor, got shape {value.shape}. Use index_copy.")
    if index.ndim > 1:
        raise ShapeError(f"{op.name}: index must have at most one dimension, got shape {index.shape}.")
    check_range(op.name, index, input.shape[dim] if input.ndim else 1, dim)


@op(gives="first", complex="as written", prepare=_filling, check=_check_fill, inplace=True)
def index_fill(input: Tensor, dim: Dim, index: Index, value: TensorLike) -> Tensor:
    """``input`` with ``value`` at the places ``index`` (1-d integers, negative ones from the end) along ``dim``."""
index_fill.gradient(
    input=lambda g, dim, index, ops: ops.index_fill(g, dim, index, ops.zero_of(g)),
    value=lambda g, dim, index, ops: _sum_where(
        ops.index_fill(ops.zeros_of(g.shape, g), dim, index, ops.full_of(ops.zero_of(g), 1)), g, ops
    ),
)


def _check_take(op: OpSchema, input: Tensor, index: Tensor) -> None:
    check_range(op.name, index, input.numel(), 0)


@op(moves=True, composite=True, check=_check_take)
def take(input: Tensor, index: Index) -> Tensor:
    """The elements of the flattened ``input`` at ``index``, in its shape; negative places count from the end."""


def _check_flat(op: OpSchema, input: Tensor, index: Tensor, source: Tensor, accumulate: bool) -> None:
    if source.numel() != index.numel():
        raise ShapeError(
            f"{op.name}: index has {index.numel()} elements and source has {source.numel()}; they need as many."
        )
    check_range(op.name, index, input.numel(), 0)


@op(moves=True, composite=True, check=_check_flat, inplace=True)
def put(input: Tensor, index: Index, source: Tensor, accumulate: bool = False) -> Tensor:
    """``input`` with the elements of ``source`` put, or with ``accumulate`` added, at ``index`` of the flattened tensor."""
