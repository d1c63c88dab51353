"""Samples of making tensors, and of conversions and in-place methods that are no ops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tapeloom as tl
from tapeloom import dtypes
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.testing.inputs import I, P, T, V
from tapeloom.testing.references import INF, NAN, built, each
from tapeloom.testing.table import ALL, COMPLEX, EVERY, FLOATS, INEXACT, NUMBERS, SIGNED, case, fails, row

MADE: dict[str, Any] = {"dtypes": EVERY, "budget": "exact", "grad": 0, "maker": True}
MOVED: dict[str, Any] = {"dtypes": EVERY, "budget": "exact"}


def _filled(value: Any) -> Callable[..., Any]:
    return lambda *size, **named: np.full(size[0] if size and not isinstance(size[0], int) else size, value)


for _name, _value in {"zeros": 0, "empty": 0, "ones": 1}.items():
    row(_name, [3, 4], [(2, 3)], [], [0, 3], reference=_filled(_value), **MADE)
    row(f"{_name}_like", [T(3, 4)], [T()], [T(0, 3)], case(T(3), dtype=dtypes.float64), dtypes=EVERY, budget="exact", grad=0,
        reference=lambda x, value=_value, **named: np.full(x.shape, value))
for _name in ("zeros", "empty", "ones"):
    fails(_name, [3, -1], ShapeError, f"{_name}: size (3, -1) has the negative length -1. Give lengths of 0 or more.")
    fails(_name, [2.5], ArgumentTypeError, f"{_name}: size must be an int, got 2.5 of type float.")
    fails(f"{_name}_like", [3], ArgumentTypeError, f"{_name}_like: input must be a tensor, got int. Make it one with tapeloom.tensor(...).")
KINDS_KNOWN = ", ".join(dtype.name for dtype in dtypes.ALL)
fails("ones", case(2, dtype="float31"), DTypeError,
      f"dtype: 'float31' is not a tapeloom dtype. Give one of {KINDS_KNOWN}, as tapeloom.float32 or by name.")
row("full", [(2, 3), 1], [(), 1], [(0, 3), 0], case((3,), 2.5, only=FLOATS), case((3,), 2.5j, only=COMPLEX), case((), V(1)), reference=lambda size, value: np.full(size, np.asarray(value)), **MADE)
fails("full", [(2,), 300], DTypeError, "full: the number 300 does not fit uint8 (0 to 255). Cast the tensor to a wider dtype first.", dtypes.uint8)
fails("full", [(2,), "x"], ArgumentTypeError, "full: fill_value must be a number, got 'x' of type str.")
fails("full", [(-2,), 1], ShapeError, "full: size (-2,) has the negative length -2. Give lengths of 0 or more.")
row("full_like", [T(3, 4), 1], [T(), 0], [T(0, 3), 1], dtypes=EVERY, budget="exact", grad=0, reference=lambda x, value: np.full(x.shape, value))
fails("full_like", [3, 1], ArgumentTypeError, "full_like: input must be a tensor, got int. Make it one with tapeloom.tensor(...).")
fails("full_like", [T(3), "x"], ArgumentTypeError, "full_like: fill_value must be a number, got 'x' of type str.")
fails("full_like", [T(3), T(3)], ArgumentTypeError, "full_like: fill_value must be a number, got Tensor of shape (3,).")
fails("full_like", [T(3), 70000.0], DTypeError,
      "full_like: the number 70000.0 does not fit float16 (-65504.0 to 65504.0). Cast the tensor to a wider dtype first.", dtypes.float16)
fails("full_like", [T(3), 300], DTypeError, "full_like: the number 300 does not fit uint8 (0 to 255). Cast the tensor to a wider dtype first.", dtypes.uint8)


def _range(start: Any = 0, end: Any = None, step: Any = 1) -> Any:
    start, end = (0, start) if end is None else (start, end)
    values = []
    while (start + len(values) * step - end) * step < 0:
        values.append(start + len(values) * step)
    return np.array(values)


row("arange", [5], [2, 7], [1, 10, 3], [0], case(5, 0, -2, only=SIGNED), case(end=3), case(0.0, 1.0, 0.25, only=FLOATS),
    reference=_range,
    dtypes=NUMBERS, budget="exact", grad=0, maker=True, without="0d")
fails("arange", [], ArgumentTypeError, "arange: end must be a number, got None of type NoneType.")
fails("arange", [0, 5, -1], ArgumentError, "arange: step -1 does not lead from 0 to 5.")
fails("arange", [INF], ArgumentError, "arange: start and end must be finite, got 0 and inf.")
fails("arange", [0, 3, 0.5], ArgumentError, "arange: step 0.5 does not lead from 0 to 3 in integers.", dtypes.int64)
fails("arange", [1e30], ArgumentError, f"arange: {int(1e30)} elements from 0 on are more than memory can hold.")
fails("arange", [250, 258], DTypeError, "arange: the number 257 does not fit uint8 (0 to 255). Cast the tensor to a wider dtype first.", dtypes.uint8)
fails("arange", [2], DTypeError, "arange: there is no range of bool numbers. Give an integer or a floating dtype.", dtypes.bool_)
fails("arange", [0, "5"], ArgumentTypeError, "arange: end must be a number, got '5' of type str.")
#: integers are rounded towards 0, and before them the ends
WHOLE = ([0, 10, 7, [0, 1, 3, 5, 6, 8, 10]], [5, -5, 4, [5, 1, -1, -5]], [0.5, 2.5, 5, [0, 0, 1, 1, 2]])
POWERS = ([0, 10, 4, 2, [1, 10, 101, 1024]], [0.5, 3.7, 4, -2, [1, -2, 4, -8]])
row("linspace", *[case(*given, expect=want, only=[dtypes.int64]) for *given, want in WHOLE], case(0, 1, 5, only=INEXACT), [3.0, -1.0, 3], [2, 7, 1], [0, 1, 0], case(0, 2 + 1j, 5, only=COMPLEX), dtypes=(dtypes.int64, *INEXACT), budget="rounded", grad=0, maker=True, without="0d",
    reference=lambda start, end, steps: np.array([start + (end - start) * i / max(steps - 1, 1) for i in range(steps)]))
fails("linspace", [0, 1, -1], ArgumentError, "linspace: steps must not be negative, got -1.")
fails("linspace", [0, 300, 3], DTypeError,
      "linspace: the number 300 does not fit uint8 (0 to 255). Cast the tensor to a wider dtype first.", dtypes.uint8)
fails("linspace", [0, 1, 2], DTypeError, "linspace: there is no range of bool numbers. Give an integer or a floating dtype.", dtypes.bool_)
fails("linspace", [0, "1", 3], ArgumentTypeError, "linspace: end must be a number, got '1' of type str.")
row("logspace", *[case(*given, expect=want, only=[dtypes.int64]) for *given, want in POWERS], case(0, 2, 5, only=INEXACT), case(3.0, -1.0, 3, 2, only=INEXACT), [2, 7, 1], [0, 1, 0],
    case(0, 2 + 1j, 5, base=2.0, only=COMPLEX), dtypes=(dtypes.int64, *INEXACT), budget="function", grad=0, maker=True, without="0d",
    reference=lambda start, end, steps, base=10.0: np.array([base ** (start + (end - start) * i / max(steps - 1, 1)) for i in range(steps)]))
fails("logspace", [0, 1, -1], ArgumentError, "logspace: steps must not be negative, got -1.")
fails("logspace", [0, 3, 2], DTypeError, "logspace: the number 1000.0 does not fit uint8 (0 to 255). Cast the tensor to a wider dtype first.", dtypes.uint8)
row("range", [1, 4], [5, 0, -2], [3, 3], case(0.0, 1.0, 0.25, only=FLOATS), case(0.5, 3.7, expect=[0, 1, 2, 3], only=[dtypes.int64]), case(1.5, 2, expect=[1, 2], only=[dtypes.int64]),
    reference=lambda start, end, step=1: _range(start, end + step / 2, step), dtypes=(dtypes.int64, *FLOATS), budget="exact", grad=0, maker=True, without="0d empty")
fails("range", [4, 1], ArgumentError, "range: step 1 does not lead from 4 to 1.")
fails("range", [0, 1, NAN], ArgumentError, "range: step nan does not lead from 0 to 1.")
fails("range", [0, INF], ArgumentError, "range: start and end must be finite, got 0 and inf.")
fails("range", [0, 3, 0.5], ArgumentError, "range: step 0 does not lead from 0 to 3 in integers.", dtypes.int64)
fails("range", [0, 2], DTypeError, "range: there is no range of bool numbers. Give an integer or a floating dtype.", dtypes.bool_)
row("eye", [3], [2, 4], [0], reference=lambda n, m=None: built((n, n if m is None else m), lambda i: float(i[0] == i[1])), **MADE | {"without": "0d"})
fails("eye", [-1], ShapeError, "eye: size (-1, -1) has the negative length -1. Give lengths of 0 or more.")
fails("eye", [2, 2.5], ArgumentTypeError, "eye: size must be an int, got 2.5 of type float.")
row("one_hot", [P([0, 2, 1])], [I(2, 3, below=4), 5], [P(1), 3], [I(0, below=3), 3], gives="int64", grad=0, dtypes=[dtypes.int64], budget="exact",
    reference=lambda x, classes=None: built((*x.shape, classes or int(x.max()) + 1), lambda i: int(x[i[:-1]] == i[-1])))
fails("one_hot", [P([0, 3]), 3], ShapeError, "one_hot: classes must lie in 0..2, got 0 to 3.")
fails("one_hot", [T(3)], DTypeError, "one_hot: input must hold integers, got float32. Cast it with .long().")
fails("one_hot", [3, 4], ArgumentTypeError, "one_hot: input must be a tensor, got int. Make it one with tapeloom.tensor(...).", dtypes.int64)
LISTS = [[[[1, 0], [0, 1]]], [1], [[[]]], [[True, False]]]
row("tensor", *LISTS, [V([[1, 0], [0, 1]])], reference=lambda data: np.asarray(data), **MADE | {"without": "empty"})
row("as_tensor", *LISTS, [V([[1, 0], [0, 1]])], reference=lambda data: np.asarray(data), **MADE | {"without": "empty"})
row("asarray", *LISTS, case(V([[1, 0], [0, 1]]), copy=True), case([1.0, 0.0], requires_grad=True, only=INEXACT), **MADE | {"without": "empty"},
    reference=lambda data, **named: np.asarray(data))
fails("asarray", case([1, 2], copy=False), ArgumentError,
      "asarray: this data cannot be shared: its dtype, device or kind is another. Leave out copy=False.")
row("scalar_tensor", [1], [True], case(2.5, only=FLOATS), case(2.5j, only=COMPLEX), reference=lambda s: np.asarray(s), **MADE | {"without": "empty"})
fails("scalar_tensor", [[1]], ArgumentTypeError, "scalar_tensor: s must be a number, got [1] of type list.")
fails("tensor", [[[1, 2], [3]]], ShapeError, "tensor: the nested lists have uneven lengths. All lists at one depth need the same length.")
fails("tensor", [[300]], DTypeError, "tensor: the number 300 does not fit uint8 (0 to 255). Give a wider dtype.", dtypes.uint8)
fails("tensor", [[1, 300.5]], DTypeError, "tensor: the number 300.5 does not fit uint8 (0 to 255). Give a wider dtype.", dtypes.uint8)
fails("tensor", [NAN], DTypeError, f"tensor: the number nan does not fit int64 ({-(2**63)} to {2**63 - 1}). Give a wider dtype.", dtypes.int64)
fails("tensor", [2.0**63], DTypeError, f"tensor: the number {2.0**63} does not fit int64 ({-(2**63)} to {2**63 - 1}). Give a wider dtype.", dtypes.int64)
fails("tensor", [[T(2), T(2)]], ShapeError,
      "tensor: a tensor of shape (2,) is among the data, where only tensors of one element, read as numbers, can be. Use tapeloom.stack.")
fails("as_tensor", [[[1, 2], [3]]], ShapeError, "as_tensor: the nested lists have uneven lengths. All lists at one depth need the same length.")
fails("as_tensor", [None], DTypeError, "as_tensor: expected numbers, nested lists of numbers, arrays or tensors, got NoneType None.")
LIKE: dict[str, Any] = {"dtypes": EVERY, "budget": "exact", "grad": 0}
row("new_zeros", [T(3), 2, 2], [T(), (2, 3)], [T(0), 0], reference=lambda x, *size: _filled(0)(*size), **LIKE)
row("new_ones", [T(3), 2, 2], [T(), (2, 3)], [T(0), 0], reference=lambda x, *size: _filled(1)(*size), **LIKE)
row("new_full", [T(3), (2, 2), 1], [T(), (), 0], [T(0), (0,), 1], reference=lambda x, size, value: np.full(size, value), **LIKE)
row("new_tensor", [T(3), [1, 0]], [T(), 1], [T(0), []], reference=lambda x, data: np.asarray(data), **LIKE)
row("new_empty", [T(3), 2, 2], [T(), (2, 3)], [T(0), 0], reference=lambda x, *size: _filled(0)(*size), **LIKE)
for _name in ("zeros", "ones", "empty"):
    fails(f"new_{_name}", [T(3), 2, -2], ShapeError, f"new_{_name}: size (2, -2) has the negative length -2. Give lengths of 0 or more.")
    fails(f"new_{_name}", [3, 2], ArgumentTypeError, f"new_{_name}: input must be a tensor, got int. Make it one with tapeloom.tensor(...).")
fails("new_full", [T(3), (2,), "x"], ArgumentTypeError, "new_full: fill_value must be a number, got 'x' of type str.")
fails("new_full", [T(3), (-2,), 1], ShapeError, "new_full: size (-2,) has the negative length -2. Give lengths of 0 or more.")
fails("new_tensor", [T(3), [[1, 2], [3]]], ShapeError, "new_tensor: the nested lists have uneven lengths. All lists at one depth need the same length.")

# conversions


def _converted(kind: Any) -> Callable[..., Any]:
    convert = complex if kind.is_complex else float if kind.inexact else bool if kind is dtypes.bool_ else int
    return lambda x, *rest, **named: each(convert)(x)


for _dtype in filter(lambda dtype: dtype.method, dtypes.ALL):
    _name = _dtype.method
    _cases = [[V([[0, 1], [1, 0]])], [V(1)]] if _dtype.is_complex else [[T(3, 4, low=0, high=4)], [T() if _dtype.is_signed else T(low=0, high=4)]]
    row(_name, *_cases, [T(0, 3)], reference=_converted(_dtype), gives=_dtype, budget="rounded" if _dtype in FLOATS else "exact",
        dtypes=EVERY if _dtype.is_complex or _dtype is dtypes.bool_ else ALL,  # from complex to real numbers they warn
        grad=2 if _name == "double" else 0)
    fails(_name, [T(3), 3], ArgumentTypeError, f"{_name}: takes 1 positional argument, got 2. Signature: {_name}(self)")
    fails(_name, case(T(3), dtype="int8"), ArgumentTypeError, f"{_name}: unexpected argument 'dtype'. Signature: {_name}(self)")
row("type_as", [T(3, 4), T(2, dtype=dtypes.float32)], [T(), T(dtype=dtypes.float32)], [T(0, 3), T(0, dtype=dtypes.float32)], reference=_converted(dtypes.float32),
    gives=dtypes.float32, dtypes=ALL, budget="rounded", grad=0)
fails("type_as", [T(3), 3], ArgumentTypeError, "type_as: other must be a tensor, got int. Make it one with tapeloom.tensor(...).")
row("to", [T(3, 4), dtypes.float32], [T(3, low=0, high=4), dtypes.int64], case(T(3), dtypes.float64, copy=True), [T(), dtypes.float32], [T(0, 3), dtypes.float32],
    reference=lambda x, kind, copy=False: _converted(kind)(x), gives="cast", dtypes=ALL, budget="rounded", grad=0)
fails("to", [T(3), 5], ArgumentTypeError, "to: expected a device, a dtype or a tensor, got 5.")
fails("to", case(T(3), shape=1), ArgumentTypeError, "to: unexpected argument 'shape'. Signature: to(self, *args, device=None, dtype=None, other=None, non_blocking=False, copy=False)")
row("contiguous", [T(3, 4)], [T()], [T(0, 3)], reference=lambda x: x, **MOVED)
row("is_contiguous", case(T(3, 4), expect=True), case(T(), expect=True), case(T(0, 3), expect=True), grad=0)

# in place, on a copy


def _on_copy(name: str) -> Callable[..., Any]:
    return lambda x, *rest: getattr(x.clone(), name)(*rest)


row("fill_", [T(3, 4), 1], [T(), 0], [T(0, 3), 1], [T(3, 4), V(1)], calls=_on_copy("fill_"), reference=lambda x, value: np.full(x.shape, np.asarray(value)), **MOVED)
fails("fill_", [T(3, 4), T(4)], ShapeError, "fill_: the value must have no dimensions, got shape (4,). Use .copy_(value).")
fails("fill_", [T(3), 300], DTypeError, "fill_: the number 300 does not fit uint8 (0 to 255). Cast the tensor to a wider dtype first.", dtypes.uint8)
fails("fill_", [T(3), "x"], ArgumentTypeError, "fill_: value must be a tensor or a number, got str.")
row("fill", [T(3, 4), 1], [T(), 0], [T(0, 3), 1], [T(3, 4), V(1)], reference=lambda x, value: np.full(x.shape, np.asarray(value)), **MOVED)
fails("fill", [T(3, 4), T(4)], ShapeError, "fill: the value must have no dimensions, got shape (4,). Use .copy_(value).")
row("get_device", case(T(3), expect=0), case(T(), expect=0), case(T(0), expect=0), calls=lambda x: tl.get_device(x) + x.is_cpu - (x.device.index or 0), grad=0)
fails("get_device", [3], ArgumentTypeError, "get_device: input must be a tensor, got int. Make it one with tapeloom.tensor(...).")
row("zero_", [T(3, 4)], [T()], [T(0, 3)], calls=_on_copy("zero_"), reference=lambda x: np.zeros(x.shape), **MOVED)
row("copy_", [T(3, 4), T(3, 4)], [T(3, 4), 1], [T(3, 4), T(4)], [T(), T()], [T(0, 3), T(3)], case(T(2, dtype=dtypes.float32), V([1, 0]), grad=False), gives="first",
    calls=_on_copy("copy_"), reference=lambda x, source: np.broadcast_to(source, x.shape), **MOVED)
fails("copy_", [T(3), "x"], ArgumentTypeError, "copy_: expected a tensor, got str.")
row("detach", [T(3, 4)], [T()], [T(0, 3)], reference=lambda x: x, **MOVED | {"grad": 0})
fails("detach", [1.0], ArgumentTypeError, "detach: self must be a tensor, got float. Make it one with tapeloom.tensor(...).")
row("detach_", [T(3, 4)], [T()], [T(0, 3)], calls=lambda x: x.clone().detach_(), reference=lambda x: x, **MOVED | {"grad": 0})
