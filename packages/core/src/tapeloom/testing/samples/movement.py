"""Samples of movement: which element of the input each element of the result is."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, IndexingError, ShapeError
from tapeloom.testing.inputs import T, V
from tapeloom.testing.references import broadcast_shape, built
from tapeloom.testing.table import EVERY, FLOATS, case, fails, row

X = T(2, 3, 4)
MOVED: dict[str, Any] = {"dtypes": EVERY, "budget": "exact"}


def _ints(values: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(values[0]) if len(values) == 1 and not isinstance(values[0], int) else tuple(values)


def _in_order(x: Any, shape: tuple[int, ...]) -> Any:
    """The elements of ``x`` in row-major order, in another shape; one length may be -1."""
    known = 1
    for length in shape:
        known *= length if length != -1 else 1
    full = tuple(x.size // known if length == -1 else length for length in shape)
    flat = [x[place] for place in np.ndindex(x.shape)]
    result = np.empty(full, x.dtype)
    for place, value in zip(np.ndindex(full), flat, strict=True):
        result[place] = value
    return result


row("reshape", [X, 6, 4], [X, (2, -1)], case(X, shape=(4, 3, 2)), [X, -1], [T(), 1, 1], [T(1), ()], [T(0, 3), 3, 0], [T(0, 3), 0],
    reference=lambda x, *size, **named: _in_order(x, _ints((named["shape"],) if named else size)), **MOVED)
fails("reshape", [X, 5, 5], ShapeError,
      "reshape: a tensor of shape (2, 3, 4) has 24 elements and cannot take the size (5, 5). Give a size with 24 elements.")
fails("reshape", [X, -1, -1], ShapeError, "reshape: size (-1, -1) has more than one -1. Only one length can be inferred.")
fails("reshape", [X, -2, 12], ShapeError, "reshape: size (-2, 12) has a negative length. Only one -1, for a length to infer, is allowed.")
fails("reshape", [T(0, 3), 0, -1], ShapeError,
      "reshape: the -1 in size (0, -1) is ambiguous for a tensor of shape (0, 3). Give the length.")
fails("reshape", [X, 6.0, 4], ArgumentTypeError, "reshape: shape must be an int, got 6.0 of type float.")
row("view_as", [X, T(6, 4)], [T(), T(1)], [T(0, 3), T(3, 0)], reference=lambda x, other: _in_order(x, other.shape), **MOVED)
row("reshape_as", [X, T(6, 4)], [T(), T(1)], [T(0, 3), T(3, 0)], reference=lambda x, other: _in_order(x, other.shape), **MOVED)
for _name in ("view_as", "reshape_as"):
    fails(_name, [X, T(5)], ShapeError,
          f"{_name}: a tensor of shape (2, 3, 4) has 24 elements and cannot take the size (5,). Give a size with 24 elements.")
    fails(_name, [X, (2, 12)], ArgumentTypeError, f"{_name}: other must be a tensor, got tuple. Make it one with tapeloom.tensor(...).")


def _flattened(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    if not x.ndim:
        return _in_order(x, (1,))
    end = end_dim % x.ndim
    return _in_order(x, (*x.shape[:start_dim], int(np.prod(x.shape[start_dim : end + 1])), *x.shape[end + 1 :]))


row("flatten", [X], [X, 1], [X, 0, 1], case(X, end_dim=-2), [T()], [T(0, 3)], reference=_flattened, **MOVED)
fails("flatten", [X, 2, 1], ArgumentError, "flatten: start_dim 2 comes after end_dim 1.")
fails("flatten", [3], ArgumentTypeError, "flatten: input must be a tensor, got int. Make it one with tapeloom.tensor(...).")
row("ravel", [X], [T()], [T(0, 3)], reference=lambda x: _in_order(x, (x.size,)), **MOVED)
fails("ravel", [[1, 2]], ArgumentTypeError, "ravel: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")
row("unflatten", [T(6, 4), 0, (2, 3)], [T(6, 4), -1, (2, -1)], [T(0, 4), 1, (2, 2)], without="0d",
    reference=lambda x, dim, sizes: _in_order(x, (*x.shape[: dim % 2], *sizes, *x.shape[dim % 2 + 1 :])), **MOVED)
fails("unflatten", [T(6, 4), 0, (4, 2)], ShapeError,
      "unflatten: a tensor of shape (6,) has 6 elements and cannot take the size (4, 2). Give a size with 6 elements.")
fails("unflatten", [T(6, 4), 0, ()], ShapeError,
      "unflatten: sizes is empty. Give a length for each new dimension, or use .squeeze(dim).")
fails("unflatten", [T(6, 4), 2, (2, 3)], IndexingError, "unflatten: dim 2 is out of range for a tensor of 2 dimensions. Give a dim from -2 to 1.")
fails("unflatten", [T(6, 4), 0, "23"], ArgumentTypeError, "unflatten: sizes must be an int, got '23' of type str.")
fails("unflatten", [T(), 0, (1,)], ShapeError, "unflatten: a 0-d tensor has no dimension to split. Use .reshape(sizes).")


def _permuted(x: Any, *dims: Any) -> Any:
    order = [dim % x.ndim for dim in _ints(dims)] if x.ndim else []
    place = [0] * len(order)

    def element(position: tuple[int, ...]) -> Any:
        for axis, index in zip(order, position, strict=True):
            place[axis] = index
        return x[tuple(place)]

    return built([x.shape[axis] for axis in order], element, x)


row("permute", [X, 2, 0, 1], [X, (1, 0, 2)], [X, -1, 1, 0], [T(), ()], [T(0, 3), 1, 0], reference=_permuted, **MOVED)
fails("permute", [X, 0, 1], ShapeError, "permute: dims (0, 1) do not name each of the 3 dimensions once.")
fails("permute", [X, 0, 1, 1], ShapeError, "permute: dims (0, 1, 1) do not name each of the 3 dimensions once.")
fails("permute", [X, 0, 1, 3], IndexingError, "permute: dim 3 is out of range for a tensor of 3 dimensions. Give a dim from -3 to 2.")


def _swapped(x: Any, dim0: int, dim1: int) -> Any:
    order = list(range(x.ndim))
    if order:
        order[dim0], order[dim1] = order[dim1], order[dim0]
    return _permuted(x, tuple(order))


row("transpose", [X, 0, 1], [X, -1, 0], [T(), 0, -1], [T(0, 3), 0, 1], reference=_swapped, **MOVED)
fails("transpose", [X, 0, 3], IndexingError, "transpose: dim 3 is out of range for a tensor of 3 dimensions. Give a dim from -3 to 2.")
fails("transpose", [X, 0, 1.5], ArgumentTypeError, "transpose: dim must be an int, got 1.5 of type float.")
fails("transpose", [[[1, 2]], 0, 1], ArgumentTypeError, "transpose: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")
row("t", [T(3, 4)], [T(3)], [T()], [T(0, 3)], reference=lambda x: _permuted(x, tuple(reversed(range(x.ndim)))), **MOVED)
fails("t", [X], ShapeError, "t: expected at most 2 dimensions, got shape (2, 3, 4). Use .transpose(dim0, dim1) or .mT.")
fails("t", [3], ArgumentTypeError, "t: input must be a tensor, got int. Make it one with tapeloom.tensor(...).")
row("movedim", case(X, 0, 2, expect=None), [X, (0, 1), (-1, 0)], [T(0, 3), 0, 1], [T(), 0, -1],
    reference=lambda x, source, destination: _permuted(x, (1, 2, 0) if x.ndim == 3 else tuple(reversed(range(x.ndim)))), **MOVED)
fails("movedim", [X, (0, 1), 2], ShapeError, "movedim: source (0, 1) and destination 2 must name as many different dimensions.")
fails("movedim", [X, 0, 3], IndexingError, "movedim: dim 3 is out of range for a tensor of 3 dimensions. Give a dim from -3 to 2.")


def _expanded(x: Any, *size: Any) -> Any:
    wanted = _ints(size)
    lead = len(wanted) - x.ndim
    full = tuple(x.shape[axis - lead] if length == -1 else length for axis, length in enumerate(wanted))
    return built(full, lambda place: x[tuple(0 if n == 1 else i for n, i in zip(x.shape, place[lead:], strict=True))], x)


row("expand", [T(3, 1), 3, 4], [T(3, 1), (2, -1, 4)], [T(), 2, 3], [T(), ()], [T(1, 3), 0, 3], [T(0, 1), -1, 2], reference=_expanded, **MOVED)
fails("expand", [T(3, 4), 6, 4], ShapeError,
      "expand: shape (3, 4) cannot be expanded to (6, 4). Only dimensions of length 1, and new ones in front, can be expanded.")
row("expand_as", [T(3, 1), T(2, 3, 4)], [T(), T(3)], [T(1), T(0)], reference=lambda x, other: _expanded(x, other.shape), **MOVED)
fails("expand_as", [T(3, 4), T(6, 4)], ShapeError,
      "expand_as: shape (3, 4) cannot be expanded to (6, 4). Only dimensions of length 1, and new ones in front, can be expanded.")
fails("expand_as", [T(3, 4), (6, 4)], ArgumentTypeError, "expand_as: other must be a tensor, got tuple. Make it one with tapeloom.tensor(...).")


def _broadcast(*tensors: Any) -> tuple[Any, ...]:
    shape = broadcast_shape(*(x.shape for x in tensors))
    return tuple(_expanded(x, shape) for x in tensors)


row("broadcast_tensors", [T(3, 1), T(4)], [T(), T(2, 3)], [T(0, 3), T(3)], reference=_broadcast, gives=("same", "same"), **MOVED)
fails("broadcast_tensors", [T(3, 4), T(2, 4)], ShapeError,
      "broadcast_tensors: shapes (3, 4) and (2, 4) do not broadcast (axis -2: 3 vs 2). Reshape one operand, or give that axis the size 1.")
fails("broadcast_tensors", [T(3), 1.0], ArgumentTypeError, "broadcast_tensors: tensors must be tensors, got float at position 1.")
row("squeeze", [T(1, 3, 1)], [T(1, 3, 1), 0], [T(1, 3, 1), (0, 2)], [T(1, 3, 1), 1], case(T(1, 3, 1), dim=-1), [T()], [T(), 0], [T(0, 1)],
    [T(1, 3, 1), ()],  # none of them
    reference=lambda x, *dims, **named: _squeezed(x, _ints(dims) if dims else (named["dim"],) if named else None), **MOVED)
fails("squeeze", [X, 3], IndexingError, "squeeze: dim 3 is out of range for a tensor of 3 dimensions. Give a dim from -3 to 2.")


def _squeezed(x: Any, dims: Any) -> Any:
    chosen = range(x.ndim) if dims is None or not x.ndim else [dim % x.ndim for dim in dims]
    return _in_order(x, tuple(n for axis, n in enumerate(x.shape) if not (axis in chosen and n == 1)))


def _unsqueezed(x: Any, dim: int) -> Any:
    axis = dim % (x.ndim + 1)
    return _in_order(x, (*x.shape[:axis], 1, *x.shape[axis:]))


row("unsqueeze", [X, 1], [X, -1], case(T(3, 4), dim=0), [T(), 0], [T(0, 3), 2], reference=_unsqueezed, **MOVED)
fails("unsqueeze", [X, 4], IndexingError, "unsqueeze: dim 4 is out of range for a tensor of 4 dimensions. Give a dim from -4 to 3.")

# joining


def _joined(tensors: list[Any], dim: int = 0) -> Any:
    kept = [x for x in tensors if x.shape != (0,)] or tensors
    axis = dim % kept[0].ndim
    pieces = [(x, i) for x in kept for i in range(x.shape[axis])]
    shape = (*kept[0].shape[:axis], len(pieces), *kept[0].shape[axis + 1 :])
    kind = np.result_type(*tensors) if len({x.dtype for x in tensors}) > 1 else kept[0].dtype

    def element(place: tuple[int, ...]) -> Any:
        x, i = pieces[place[axis]]
        return x[(*place[:axis], i, *place[axis + 1 :])]

    return built(shape, element, np.empty(0, kind))


MIXED = case((T(2, 3), T(2, 3, dtype=dtypes.float64)), 0, only=FLOATS)
row("cat", [(T(2, 3), T(1, 3))], [(T(2, 3), T(2, 1), T(2, 2)), 1], [(T(3, 4), T(3, 4)), -1], [(T(0, 3), T(2, 3))], [(T(0), T(2, 3))],
    case((T(0, dtype=dtypes.float64), T(2, 3)), 1, only=FLOATS),
    case((T(3), T(2)), dim=0), case(tensors=(T(3), T(2))), MIXED, reference=_joined, without="0d", **MOVED)
fails("cat", [()], ArgumentError, "cat: expected at least one tensor, got none.")
fails("cat", [(T(2, 3), T(2, 4))], ShapeError, "cat: tensor 1 has shape (2, 4) and tensor 0 has (2, 3); they may differ only in dim 0.")
fails("cat", [(T(), T())], ShapeError, "cat: 0-d tensors cannot be joined. Use tapeloom.stack.")
fails("cat", [T(2, 3)], ArgumentTypeError, "cat: tensors must be a list or tuple of tensors, got Tensor.")


def _stacked(tensors: list[Any], dim: int = 0) -> Any:
    axis = dim % (tensors[0].ndim + 1)
    return _joined([_unsqueezed(x, axis) for x in tensors], axis)


row("stack", [(T(2, 3), T(2, 3))], [(T(2, 3), T(2, 3)), 1], [(T(2, 3), T(2, 3)), -1], [(T(), T())], [(T(0, 3),)], reference=_stacked, **MOVED)
fails("stack", [(T(2, 3), T(3, 2))], ShapeError, "stack: tensor 1 has shape (3, 2) and tensor 0 has (2, 3); all must agree.")
fails("stack", [()], ArgumentError, "stack: expected at least one tensor, got none.")
fails("stack", [3], ArgumentTypeError, "stack: tensors must be a list or tuple of tensors, got int.")


def _rows(tensors: list[Any]) -> Any:
    return _joined([_in_order(x, (1, x.size)) if x.ndim < 2 else x for x in tensors], 0)


def _columns(tensors: list[Any]) -> Any:
    tensors = [_in_order(x, (1,)) if not x.ndim else x for x in tensors]
    return _joined(tensors, 0 if tensors[0].ndim == 1 else 1)


row("vstack", [(T(3), T(3))], [(T(2, 3), T(3))], [(T(), T())], [(T(0, 3), T(2, 3))], reference=_rows, **MOVED)
row("hstack", [(T(3), T(2))], [(T(2, 3), T(2, 1))], [(T(), T())], [(T(0), T(2))], reference=_columns, **MOVED)
fails("vstack", [(T(2, 3), T(4))], ShapeError, "vstack: tensor 1 has shape (1, 4) and tensor 0 has (2, 3); they may differ only in dim 0.")
fails("hstack", [(T(2, 3), T(3, 3))], ShapeError, "hstack: tensor 1 has shape (3, 3) and tensor 0 has (2, 3); they may differ only in dim 1.")
for _name in ("vstack", "hstack"):
    fails(_name, [(T(3), 1)], ArgumentTypeError, f"{_name}: tensors must be tensors, got int at position 1.")
    fails(_name, [3], ArgumentTypeError, f"{_name}: tensors must be a list or tuple of tensors, got int.")

# splitting


def _part(x: Any, dim: int, start: int, length: int) -> Any:
    axis = dim % x.ndim
    begin = start % x.shape[axis] if start < 0 else start
    shape = (*x.shape[:axis], length, *x.shape[axis + 1 :])
    return built(shape, lambda place: x[(*place[:axis], begin + place[axis], *place[axis + 1 :])], x)


row("narrow", [X, 1, 1, 2], [X, -1, 0, 3], [X, 0, -1, 1], [X, 2, 4, 0], [T(0, 3), 1, 1, 1], reference=_part, without="0d", **MOVED)
fails("narrow", [X, 1, 2, 2], ShapeError, "narrow: start 2 and length 2 do not lie within dim 1 of length 3.")
fails("narrow", [T(), 0, 0, 1], ShapeError, "narrow: a 0-d tensor has no dimension to take a part of.")


def _within(x: Any, dim: int, start: int, total: int) -> Any:
    result = np.zeros((*x.shape[:dim], total, *x.shape[dim + 1 :]), x.dtype)
    for place in np.ndindex(x.shape):
        result[(*place[:dim], start + place[dim], *place[dim + 1 :])] = x[place]
    return result


row("place", [X, 1, 2, 6], [X, 0, 0, 2], [T(0, 3), 1, 1, 5], reference=_within, without="0d", **MOVED)


def _selected(x: Any, dim: int, index: int) -> Any:
    axis = dim % x.ndim
    return _squeezed(_part(x, axis, index, 1), (axis,))


row("select", [X, 1, 2], [X, -1, -4], [T(0, 3), 1, 0], reference=_selected, without="0d", **MOVED)
fails("select", [X, 1, 3], IndexingError, "select: index 3 is out of range for dim 1 of length 3 (shape (2, 3, 4)).")
fails("select", [[1, 2], 0, 0], ArgumentTypeError, "select: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")


def _split(x: Any, sizes: Any, dim: int = 0) -> tuple[Any, ...]:
    axis = dim % x.ndim
    total = x.shape[axis]
    if isinstance(sizes, int):
        sizes = [min(sizes, total - begin) for begin in range(0, total, sizes)] or [0]
    return tuple(_part(x, axis, sum(sizes[:i]), length) for i, length in enumerate(sizes))


MANY = ("same",) * 4
row("split", [T(5, 3), 2], [T(5, 3), (1, 4)], [T(3, 4), 2, 1], [T(0, 3), 2], reference=_split, gives=MANY, without="0d", **MOVED)
fails("split", [T(5), (1, 3)], ShapeError, "split: the lengths (1, 3) do not add up to 5, the length of dim 0.")
fails("split", [T(5), 0], ArgumentError, "split: split_size must be positive, got 0.")
fails("split", [[1, 2], 1], ArgumentTypeError, "split: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")
fails("split", [T(), 1], ShapeError, "split: a 0-d tensor has no dimension to split.")
row("chunk", [T(5, 3), 2], [T(3, 4), 3, 1], [T(2, 3), 4], case(T(0, 3), 2, expect=(np.zeros((0, 3)), np.zeros((0, 3)))), gives=MANY,
    reference=lambda x, chunks, dim=0: _split(x, -(-x.shape[dim] // chunks), dim), without="0d", **MOVED)
fails("chunk", [T(5), 0], ArgumentError, "chunk: chunks must be at least 1, got 0.")
fails("chunk", [[1, 2], 1], ArgumentTypeError, "chunk: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")
fails("chunk", [T(), 1], ShapeError, "chunk: a 0-d tensor has no dimension to split.")
row("unbind", [T(2, 3)], [X, -1], [T(3), 0], [T(2, 0)], gives=MANY, without="0d",
    reference=lambda x, dim=0: tuple(_selected(x, dim, i) for i in range(x.shape[dim])), **MOVED)
fails("unbind", [T()], ShapeError, "unbind: a 0-d tensor has no dimension to take apart.")
fails("unbind", [[1, 2]], ArgumentTypeError, "unbind: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")

# padding, turning and repeating


def _source(mode: str, place: int, length: int) -> int | None:
    """Where padding takes its element from; None for the fill value."""
    if 0 <= place < length:
        return place
    if mode == "constant":
        return None
    if mode == "replicate":
        return min(max(place, 0), length - 1)
    if mode == "circular":
        return place % length
    return -place if place < 0 else 2 * (length - 1) - place


def _padded(x: Any, pad: Any, mode: Any = "constant", value: Any = None) -> Any:
    if not isinstance(mode, str):  # constant_pad has no mode
        mode, value = "constant", mode
    amounts = [(0, 0)] * x.ndim
    for position in range(0, len(pad), 2):
        amounts[x.ndim - 1 - position // 2] = (pad[position], pad[position + 1])
    shape = [before + n + after for n, (before, after) in zip(x.shape, amounts, strict=True)]

    def element(place: tuple[int, ...]) -> Any:
        own = [_source(mode, i - before, n) for i, n, (before, _) in zip(place, x.shape, amounts, strict=True)]
        return (value or 0) if None in own else x[tuple(own)]

    return built(shape, element, x)


row("constant_pad", [X, (1, 2)], [X, (1, 0, 0, 2), 3], [X, (-1, 1, 2, -1)], [X, ()], [T(), ()], [T(0, 3), (1, 1, 1, 0)], reference=_padded, **MOVED)
fails("constant_pad", [T(3), (1, 2, 3)], ArgumentError,
      "constant_pad: pad (1, 2, 3) must hold two numbers, before and after, for each padded dimension from the last one on; "
      "shape (3,) takes at most 2.")
fails("constant_pad", [T(3), (-2, -2)], ShapeError, "constant_pad: pad (-2, -2) takes more from dim 0 than its length 3.")
row("pad", [X, (1, 2)], [X, (1, 0, 0, 2), "constant", 3], *[[X, (1, 2, 2, 1), mode] for mode in ("reflect", "replicate", "circular")],
    *[[T(2, 4), amounts, mode] for mode in ("reflect", "replicate") for amounts in ((-1, 2), (3, -1))],
    case(V([[1.0, 2.0, 3.0, 4.0]]), (-1, 2), "circular", expect=[[2.0, 3.0, 4.0, 2.0, 3.0]], only=FLOATS, grad=True),
    case(V([[1.0, 2.0, 3.0, 4.0]]), (3, -1), "circular", expect=[[1.0, 2.0, 3.0, 1.0, 2.0, 3.0]], only=FLOATS, grad=True),
    [T(), ()], [T(0, 3), (1, 1)], reference=_padded, **MOVED)
fails("pad", [T(1, 4), (2, -3), "circular"], ShapeError, "pad: circular padding (2, -3) is longer than what is left of the dimension, 1.")
fails("pad", [T(3), (1, 0), "constant", -3], DTypeError,
      "pad: the number -3 does not fit uint8 (0 to 255). Cast the tensor to a wider dtype first.", dtypes.uint8)
fails("pad", [T(3), (1, 0), "constant", 2**40], DTypeError,
      "pad: the number 1099511627776 does not fit int8 (-128 to 127). Cast the tensor to a wider dtype first.", dtypes.int8)
fails("pad", [T(1, 3), (3, 0), "reflect"], ShapeError, "pad: reflect padding (3, 0) must be shorter than the dimension, 3.")
fails("pad", [T(1, 3), (4, 0), "circular"], ShapeError, "pad: circular padding (4, 0) is longer than the dimension, 3.")
fails("pad", [T(3), (1, 0), "mirror"], ArgumentError, "pad: mode must be 'constant', 'reflect', 'replicate' or 'circular', got 'mirror'.")
fails("pad", [T(3), (1, 0), "reflect", 1], ArgumentError, "pad: mode 'reflect' takes no value.")


def _flipped(x: Any, *dims: Any) -> Any:
    axes = [dim % x.ndim for dim in _ints(dims)]
    return built(x.shape, lambda place: x[tuple(x.shape[a] - 1 - i if a in axes else i for a, i in enumerate(place))], x)


row("flip", [X, 0], [X, (0, -1)], [X, 1, 2], case(X, dims=(1,)), [T(), ()], [T(0, 3), 0],
    reference=lambda x, *dims, **named: _flipped(x, *(dims or (named["dims"],))), **MOVED)
fails("flip", [X, 3], IndexingError, "flip: dim 3 is out of range for a tensor of 3 dimensions. Give a dim from -3 to 2.")


def _rolled(x: Any, shifts: Any, dims: Any = None) -> Any:
    if dims in (None, ()):
        return _in_order(_rolled(_in_order(x, (x.size,)), shifts, 0), x.shape)
    moves = dict(zip([dim % x.ndim for dim in _ints((dims,))], _ints((shifts,)), strict=True))
    return built(x.shape, lambda place: x[tuple((i - moves.get(a, 0)) % x.shape[a] for a, i in enumerate(place))], x)


row("roll", [X, 1], [X, 2, 1], [X, (1, -1), (0, 2)], [X, 7, -1], [T(), 1], [T(0, 3), 1, 0], [X, 1, ()], reference=_rolled, **MOVED)
row("roll_along", [X, 1, 1], [X, -2, -1], [X, 0, 0], [T(0, 3), 1, 0], reference=_rolled, without="0d", **MOVED)
fails("roll", [X, (1, 2), 0], ArgumentError, "roll: 2 shifts and 1 dims were given; give one shift for each dim.")
fails("roll", [T(), 1, 0], ShapeError, "roll: a 0-d tensor has no dimension to roll along.")


def _repeated(x: Any, *sizes: Any) -> Any:
    times = _ints(sizes)
    lead = len(times) - x.ndim
    shape = [t * (1 if a < lead else x.shape[a - lead]) for a, t in enumerate(times)]
    return built(shape, lambda place: x[tuple(i % n for i, n in zip(place[lead:], x.shape, strict=True))], x)


row("repeat", [T(2, 3), 2, 1], [T(3), (2, 2)], [T(), 3], [T(2, 3), 0, 1], [T(0, 3), 2, 2], reference=_repeated, **MOVED)
fails("repeat", [X, 2], ShapeError, "repeat: 1 sizes were given for 3 dimensions. Give at least one for each.")
fails("repeat", [[1, 2], 2], ArgumentTypeError, "repeat: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")
row("tile", [T(2, 3), 2], [T(3), (2, 2)], [T(), 3], [T(0, 3), 2, 2],
    reference=lambda x, *dims: _repeated(x, (1,) * (x.ndim - len(_ints(dims))) + _ints(dims)), **MOVED)
fails("tile", [X, -1], ShapeError, "tile: size (-1,) has the negative length -1. Give lengths of 0 or more.")
fails("tile", [X, 1.5], ArgumentTypeError, "tile: size must be an int, got 1.5 of type float.")
fails("tile", [[1, 2], 2], ArgumentTypeError, "tile: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")

# for gradient rules


def _reduced(x: Any, size: Any) -> Any:
    lead = x.ndim - len(size)
    result = np.zeros(size, x.dtype)
    for place in np.ndindex(x.shape):
        result[tuple(0 if n == 1 else i for n, i in zip(size, place[lead:], strict=True))] += x[place]
    return result


row("reduce_to", [X, (3, 1)], [X, ()], [X, (2, 1, 4)], [T(), ()], [T(0, 3), (1, 3)], reference=_reduced, budget="sum",
    magnitude=_reduced)
row("zeros_of", [(2, 3), T(4)], [(), T()], [(0, 3), T(0)], reference=lambda size, like: np.zeros(size), grad=0, **MOVED)
row("full_of", [T(2, 3), 1], [T(), 0], [T(0, 3), 1], reference=lambda like, value: np.full(like.shape, value), grad=0, **MOVED)
