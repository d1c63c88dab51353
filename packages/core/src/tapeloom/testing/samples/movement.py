"""Samples of movement: which element of the input each element of the result is."""

from __future__ import annotations

from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, IndexingError, ShapeError
from tapeloom.testing.inputs import T
from tapeloom.testing.references import broadcast_shape, built
from tapeloom.testing.table import EVERY, case, fails, row

X = T(2, 3, 4)
MOVED: dict[str, Any] = {"dtypes": EVERY, "budget": "exact"}


def ints_of(values: tuple[Any, ...]) -> tuple[int, ...]:
    """Starred ints, or the one tuple of ints that may stand for them."""
    return tuple(values[0]) if len(values) == 1 and not isinstance(values[0], int) else tuple(values)


def in_order(x: Any, shape: tuple[int, ...]) -> Any:
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
    reference=lambda x, *size, **named: in_order(x, ints_of((named["shape"],) if named else size)), **MOVED)
fails("reshape", [X, 5, 5], ShapeError,
      "reshape: a tensor of shape (2, 3, 4) has 24 elements and cannot take the size (5, 5). Give a size with 24 elements.")
fails("reshape", [X, -1, -1], ShapeError, "reshape: size (-1, -1) has more than one -1. Only one length can be inferred.")
fails("reshape", [X, -2, 12], ShapeError, "reshape: size (-2, 12) has a negative length. Only one -1, for a length to infer, is allowed.")
fails("reshape", [T(0, 3), 0, -1], ShapeError,
      "reshape: the -1 in size (0, -1) is ambiguous for a tensor of shape (0, 3). Give the length.")
fails("reshape", [X, 6.0, 4], ArgumentTypeError, "reshape: shape must be an int, got 6.0 of type float.")
row("view_as", [X, T(6, 4)], [T(), T(1)], [T(0, 3), T(3, 0)], reference=lambda x, other: in_order(x, other.shape), **MOVED)
row("reshape_as", [X, T(6, 4)], [T(), T(1)], [T(0, 3), T(3, 0)], reference=lambda x, other: in_order(x, other.shape), **MOVED)
for _name in ("view_as", "reshape_as"):
    fails(_name, [X, T(5)], ShapeError,
          f"{_name}: a tensor of shape (2, 3, 4) has 24 elements and cannot take the size (5,). Give a size with 24 elements.")
    fails(_name, [X, (2, 12)], ArgumentTypeError, f"{_name}: other must be a tensor, got tuple. Make it one with tapeloom.tensor(...).")


def _flattened(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    if not x.ndim:
        return in_order(x, (1,))
    end = end_dim % x.ndim
    return in_order(x, (*x.shape[:start_dim], int(np.prod(x.shape[start_dim : end + 1])), *x.shape[end + 1 :]))


row("flatten", [X], [X, 1], [X, 0, 1], case(X, end_dim=-2), [T()], [T(0, 3)], reference=_flattened, **MOVED)
fails("flatten", [X, 2, 1], ArgumentError, "flatten: start_dim 2 comes after end_dim 1.")
fails("flatten", [3], ArgumentTypeError, "flatten: input must be a tensor, got int. Make it one with tapeloom.tensor(...).")
row("ravel", [X], [T()], [T(0, 3)], reference=lambda x: in_order(x, (x.size,)), **MOVED)
fails("ravel", [[1, 2]], ArgumentTypeError, "ravel: input must be a tensor, got list. Make it one with tapeloom.tensor(...).")
row("unflatten", [T(6, 4), 0, (2, 3)], [T(6, 4), -1, (2, -1)], [T(0, 4), 1, (2, 2)], without="0d",
    reference=lambda x, dim, sizes: in_order(x, (*x.shape[: dim % 2], *sizes, *x.shape[dim % 2 + 1 :])), **MOVED)
fails("unflatten", [T(6, 4), 0, (4, 2)], ShapeError,
      "unflatten: a tensor of shape (6,) has 6 elements and cannot take the size (4, 2). Give a size with 6 elements.")
fails("unflatten", [T(6, 4), 0, ()], ShapeError,
      "unflatten: sizes is empty. Give a length for each new dimension, or use .squeeze(dim).")
fails("unflatten", [T(6, 4), 2, (2, 3)], IndexingError, "unflatten: dim 2 is out of range for a tensor of 2 dimensions. Give a dim from -2 to 1.")
fails("unflatten", [T(6, 4), 0, "23"], ArgumentTypeError, "unflatten: sizes must be an int, got '23' of type str.")
fails("unflatten", [T(), 0, (1,)], ShapeError, "unflatten: a 0-d tensor has no dimension to split. Use .reshape(sizes).")


def _permuted(x: Any, *dims: Any) -> Any:
    order = [dim % x.ndim for dim in ints_of(dims)] if x.ndim else []
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
    wanted = ints_of(size)
    lead = len(wanted) - x.ndim
    full = tuple(x.shape[axis - lead] if length == -1 else length for axis, length in enumerate(wanted))
    return built(full, lambda place: x[tuple(0 if n == 1 else i for n, i in zip(x.shape, place[lead:], strict=True))], x)


row("expand", [T(3, 1), 3, 4], [T(3, 1), (2, -1, 4)], [T(), 2, 3], [T(), ()], [T(1, 3), 0, 3], [T(0, 1), -1, 2], reference=_expanded, **MOVED)
fails("expand", [T(3, 4), 6, 4], ShapeError,
      "expand: shape (3, 4) cannot be expanded to (6, 4). Only dimensions of length 1, and new ones in front, can be expanded.")
row("spread", [T(3, 1), (2, 3, 4)], [T(), (3,)], [T(0, 1), (0, 3)], reference=_expanded, **MOVED)
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
    reference=lambda x, *dims, **named: squeezed(x, ints_of(dims) if dims else (named["dim"],) if named else None), **MOVED)
fails("squeeze", [X, 3], IndexingError, "squeeze: dim 3 is out of range for a tensor of 3 dimensions. Give a dim from -3 to 2.")


def squeezed(x: Any, dims: Any) -> Any:
    """``x`` without its dimensions of length 1, or without those of ``dims``."""
    chosen = range(x.ndim) if dims is None or not x.ndim else [dim % x.ndim for dim in dims]
    return in_order(x, tuple(n for axis, n in enumerate(x.shape) if not (axis in chosen and n == 1)))


def unsqueezed(x: Any, dim: int) -> Any:
    """``x`` with a new dimension of length 1."""
    axis = dim % (x.ndim + 1)
    return in_order(x, (*x.shape[:axis], 1, *x.shape[axis:]))


row("unsqueeze", [X, 1], [X, -1], case(T(3, 4), dim=0), [T(), 0], [T(0, 3), 2], reference=unsqueezed, **MOVED)
fails("unsqueeze", [X, 4], IndexingError, "unsqueeze: dim 4 is out of range for a tensor of 4 dimensions. Give a dim from -4 to 3.")

row("broadcast_shapes", case((3, 1), (2, 1, 4), expect=(2, 3, 4)), case(2, (3, 1), expect=(3, 2)), case((0,), (), expect=(0,)), grad=0,
    without="0d empty")
fails("broadcast_shapes", [(3,), (2,)], ShapeError,
      "broadcast_shapes: shapes (3,) and (2,) do not broadcast (axis -1: 3 vs 2). Reshape one operand, or give that axis the size 1.")
fails("broadcast_shapes", [-1], ShapeError, "broadcast_shapes: size (-1,) has the negative length -1. Give lengths of 0 or more.")

# the bits as another dtype


def _bits(x: Any, kind: Any, size: Any = None) -> Any:
    """float32 in memory, read as another dtype: NumPy's reading, which these two rows are about."""
    shape = (*x.shape[:-1], x.shape[-1] * 4 // kind.itemsize) if size is None else size
    return np.frombuffer(x.astype(np.float32).tobytes(), kind.name).reshape(shape)


BITS: dict[str, Any] = {"gives": "cast", "grad": 0, "dtypes": [dtypes.float32], "budget": "exact"}
row("bitcast", [T(3, 4), dtypes.int32, (3, 4)], [T(3, 4), dtypes.int16, (3, 8)], [T(3, 4), dtypes.int64, (3, 2)], [T(), dtypes.int32, ()],
    [T(0, 2), dtypes.uint8, (0, 8)], reference=_bits, **BITS)
row("view as a dtype", [T(3, 4), dtypes.int16], case(T(2, 2), dtype=dtypes.complex64), [T(0, 2), dtypes.int32], without="0d",
    calls=lambda x, *given, **named: x.view(*given, **named), reference=lambda x, *given, **named: _bits(x, *given, *named.values()), **BITS)
fails("view as a dtype", [T(), dtypes.int16], ShapeError, "view: a 0-d tensor of float32 cannot be seen as int16, which has another size.")
fails("view as a dtype", [T(3), dtypes.int64], ShapeError,
      "view: the last dimension, of 3 elements of 4 bytes, does not divide into elements of 8 bytes (int64).")

# in place, on a copy


def _on_copy(name: str) -> Any:
    return lambda x, *given: getattr(x.clone(), name)(*given)


row("squeeze_", [T(1, 3, 1)], [T(1, 3, 1), 0], [T(1, 3, 1), (0, -1)], [T()], [T(0, 1)], calls=_on_copy("squeeze_"), **MOVED,
    reference=lambda x, dims=None: squeezed(x, dims if dims is None or isinstance(dims, tuple) else (dims,)))
row("unsqueeze_", [T(3, 4), 1], [T(), -1], [T(0, 3), 0], calls=_on_copy("unsqueeze_"), reference=unsqueezed, **MOVED)
row("t_", [T(3, 4)], [T(3)], [T()], [T(0, 3)], calls=_on_copy("t_"), reference=lambda x: _permuted(x, tuple(reversed(range(x.ndim)))), **MOVED)
row("transpose_", [X, 0, 2], [X, -1, 1], [T(), 0, 0], [T(0, 3), 0, 1], calls=_on_copy("transpose_"), reference=_swapped, **MOVED)
fails("squeeze_", [X, 3], IndexingError, "squeeze_: dim 3 is out of range for a tensor of 3 dimensions. Give a dim from -3 to 2.")
fails("unsqueeze_", [T(3), 2], IndexingError, "unsqueeze_: dim 2 is out of range for a tensor of 2 dimensions. Give a dim from -2 to 1.")
fails("t_", [X], ShapeError, "t_: expected at most 2 dimensions, got shape (2, 3, 4). Use .transpose(dim0, dim1) or .mT.")
fails("transpose_", [X, 0, 3], IndexingError, "transpose_: dim 3 is out of range for a tensor of 3 dimensions. Give a dim from -3 to 2.")

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
