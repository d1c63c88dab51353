"""Samples of the random functions: recorded draws of seed 7. The same seed gives the same numbers on every device, always.

Uniform numbers, integers, masks and permutations are equal to the last bit; normal numbers are made on the host.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tapeloom import dtypes
from tapeloom.dtypes import bfloat16, complex64, complex128, float16, float32, float64
from tapeloom.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tapeloom.generator import Generator
from tapeloom.op.registry import FUNCTIONS
from tapeloom.testing.inputs import T, V
from tapeloom.testing.table import COMPLEX, FLOATS, INEXACT, NUMBERS, case, fails, row


def seeded(name: str, on_copy: bool = False) -> Callable[..., Any]:
    """The function ``name`` with a generator of seed 7; ``on_copy``: of a copy of the tensor that it changes."""
    def call(*args: Any, **named: Any) -> Any:
        if on_copy:
            args = (args[0].clone(), *args[1:])
        return FUNCTIONS[name].call(*args, generator=Generator().manual_seed(7), **named)

    return call


EXACT: dict[str, Any] = {"budget": "exact", "grad": 0}
#: the first six uniform numbers of seed 7, in each dtype
UNIFORM = {
    float32: [0.16372650861740112, 0.8720734119415283, 0.9722633361816406, 0.2953653335571289, 0.31412768363952637, 0.4200976490974426],
    float64: [0.8720734548204873, 0.29536538151378355, 0.4200976785072422, 0.4053922457839946, 0.0828426870273763, 0.6966328926282271],
    float16: [0.16357421875, 0.8720703125, 0.97216796875, 0.294921875, 0.31396484375, 0.419921875],
    bfloat16: [0.16015625, 0.87109375, 0.96875, 0.29296875, 0.3125, 0.41796875],
}
NORMAL = [-0.570250515347539, 1.9461275500051387, -0.8648582783972415, 0.5846463546242237]
INTEGERS, WIDE = [12, 86, 97, 26, 27, 39], [958854903849, 324757671416, 461902282320]


def _pairs(values: list[float]) -> Any:
    return np.array(values[0::2]) + 1j * np.array(values[1::2])


def _shaped(shape: tuple[int, ...], values: Any) -> Any:
    return np.array(values).reshape(shape)


PAIRS = {complex64: _pairs(UNIFORM[float32]), complex128: _pairs(UNIFORM[float64])}
NORMAL_PAIRS = _pairs(NORMAL) / math.sqrt(2)
ANY: dict[str, Any] = {"dtypes": INEXACT}
row("rand", *[case(3, expect=pairs, only=[kind]) for kind, pairs in PAIRS.items()], *[case(2, 3, expect=_shaped((2, 3), values), only=[kind]) for kind, values in UNIFORM.items()], case((), expect=0.16372650861740112, only=[float32]),
    case(0, 3, expect=np.zeros((0, 3))), calls=seeded("rand"), maker=True, **ANY, **EXACT)
row("rand_like", *[case(T(3), expect=pairs, only=[kind]) for kind, pairs in PAIRS.items()], *[case(T(2, 3), expect=_shaped((2, 3), values), only=[kind]) for kind, values in UNIFORM.items()], case(T(), expect=0.16372650861740112, only=[float32]),
    case(T(0, 3), expect=np.zeros((0, 3))), calls=seeded("rand_like"), **ANY, **EXACT)
NORMALS: dict[str, Any] = {"budget": "rounded", "grad": 0}
row("randn", case(2, 2, expect=_shaped((2, 2), NORMAL), only=FLOATS), case((), expect=NORMAL[0], only=FLOATS), case(2, expect=NORMAL_PAIRS, only=COMPLEX), case(0, 3, expect=np.zeros((0, 3))), calls=seeded("randn"), maker=True, **ANY, **NORMALS)
row("randn_like", case(T(2, 2), expect=_shaped((2, 2), NORMAL), only=FLOATS), case(T(), expect=NORMAL[0], only=FLOATS), case(T(2), expect=NORMAL_PAIRS, only=COMPLEX), case(T(0, 3), expect=np.zeros((0, 3))), calls=seeded("randn_like"), **ANY, **NORMALS)
for _name in ("rand", "randn"):
    fails(_name, [3, -1], ShapeError, f"{_name}: size (3, -1) has the negative length -1. Give lengths of 0 or more.")
    fails(_name, [2.5], ArgumentTypeError, f"{_name}: size must be an int, got 2.5 of type float.")
    text = "only floating tensors can hold these numbers, got int64. Give a floating dtype."
    fails(_name, [3], DTypeError, f"{_name}: {text}", dtypes.int64)
    fails(f"{_name}_like", [T(3)], DTypeError, f"{_name}_like: {text}", dtypes.int64)
    fails(f"{_name}_like", [3], ArgumentTypeError, f"{_name}_like: input must be a tensor, got int. Make it one with tapeloom.tensor(...).")
row("normal", case(T(4, low=0, high=0), T(low=1, high=1), expect=NORMAL, only=FLOATS), case(V([1, 1, 1, 1]), 2.0, expect=[1 + 2 * n for n in NORMAL], only=FLOATS),
    case(V([0, 0], float32), V([1, 1], float64), expect=NORMAL[:2], only=FLOATS), case(T(low=0, high=0), 1.0, expect=NORMAL[0], only=FLOATS), case(T(0, 3), 1.0, expect=np.zeros((0, 3))),
    case(V([1j, 0]), 2.0, expect=2 * NORMAL_PAIRS + [1j, 0], only=COMPLEX), calls=seeded("normal"), gives="first", dtypes=INEXACT, **NORMALS | {"budget": "sum"})
fails("normal", [0.0, T(2)], DTypeError, "normal: std must be real, got a complex64 tensor. Give its abs().", complex64)
fails("normal", [0.0, 1.0], ArgumentTypeError, "normal: give a size, or tensors for mean or std.")
fails("normal", [0.0, -1.0, (2,)], ArgumentError, "normal: std must not be negative, got -1.0.")
fails("normal", [T(3), V([1.0, -1.0, 1.0])], ArgumentError, "normal: std must not be negative anywhere.")
fails("normal", ["0", 1.0, (2,)], ArgumentTypeError, "normal: mean must be a number, got '0' of type str.")
fails("normal", [T(3), "1"], ArgumentTypeError, "normal: std must be a number, got '1' of type str.")
fails("normal", [T(3), 1.0, (3,)], ArgumentTypeError, "normal: size cannot be given together with tensors for mean or std.")
row("randint", case(-5, 100, (2, 3), expect=_shaped((2, 3), INTEGERS)), case(0, 2**40, (3,), expect=WIDE, only=[dtypes.int64]), case(-5, 100, (), expect=12),
    case(10, (0, 3), expect=np.zeros((0, 3))), calls=seeded("randint"), maker=True, dtypes=[dtypes.int8, dtypes.int32, dtypes.int64, float16, float32], **EXACT)
fails("randint", [5, 5, (2,)], ArgumentError, "randint: low must be below high, got low=5 and high=5; high itself is never drawn.")
fails("randint", [5, (-2,)], ShapeError, "randint: size (-2,) has the negative length -2. Give lengths of 0 or more.")
fails("randint", [5], ArgumentTypeError, "randint: expected randint(high, size) or randint(low, high, size), size being a tuple of ints.")
fails("randint", [0, 3.5, (2,)], ArgumentTypeError, "randint: high must be an int, got 3.5 of type float.")
fails("randint", [0, 300, (2,)], ArgumentError, "randint: 0 to 299 does not fit uint8, which takes 0 to 255.", dtypes.uint8)
row("randint_like", case(T(2, 3), -5, 100, expect=_shaped((2, 3), INTEGERS)), case(T(), -5, 100, expect=12), case(T(0, 3), high=10, expect=np.zeros((0, 3))),
    calls=seeded("randint_like"), dtypes=[dtypes.int16, dtypes.int64, bfloat16, float32], **EXACT)
fails("randint_like", [T(3), 5, 3], ArgumentError, "randint_like: low must be below high, got low=5 and high=3; high itself is never drawn.")
fails("randint_like", [T(3), 2.5], ArgumentTypeError, "randint_like: high must be an int, got 2.5 of type float.")
fails("randint_like", [3, 5], ArgumentTypeError, "randint_like: input must be a tensor, got int. Make it one with tapeloom.tensor(...).")
row("randperm", case(7, expect=[4, 1, 6, 3, 2, 5, 0]), case(0, expect=np.zeros(0)), case(1, expect=[0]), calls=seeded("randperm"), maker=True, dtypes=NUMBERS,
    without="0d", **EXACT)
fails("randperm", [-1], ArgumentError, "randperm: n must not be negative, got -1.")
fails("randperm", [2.5], ArgumentTypeError, "randperm: n must be an int, got 2.5 of type float.")
fails("randperm", [300], ArgumentError, "randperm: the numbers up to 299 do not fit uint8. Give a wider dtype.", dtypes.uint8)
COINS = [1, 0, 0, 1, 0, 0, 0, 0]
row("bernoulli", case(T(8, low=0.3, high=0.3), expect=COINS), case(T(2, 4), 0.3, expect=_shaped((2, 4), COINS)), case(T(low=0.3, high=0.3), expect=1),
    case(T(0, 3), 0.5, expect=np.zeros((0, 3))), calls=seeded("bernoulli"), **EXACT)
fails("bernoulli", [V([1.5])], ArgumentError, "bernoulli: the probabilities must be from 0 to 1.")
fails("bernoulli", [T(3), 2.0], ArgumentError, "bernoulli: the probability must be from 0 to 1, got p=2.0.")
fails("bernoulli", [T(3), "0.5"], ArgumentTypeError, "bernoulli: p must be a number, got '0.5' of type str.")
fails("bernoulli", [T(3)], DTypeError, "bernoulli: only floating tensors can hold these numbers, got int64. Give a floating dtype.", dtypes.int64)

# in place, on a copy

row("uniform_", case(T(2), -1, 3, expect=_pairs([-0.3450939655303955, 2.4882936477661133, 2.8890533447265625, 0.18146133422851562]), only=[complex64]), case(T(4), -1, 3, expect=[-0.3450939655303955, 2.4882936477661133, 2.8890533447265625, 0.18146133422851562], only=[float32]),
    case(T(6), expect=UNIFORM[float64], only=[float64]), case(T(), expect=0.16372650861740112, only=[float32]), case(T(0, 3), expect=np.zeros((0, 3))),
    calls=seeded("uniform_", True), dtypes=[float32, float64, complex64], **EXACT)
fails("uniform_", [T(3), 2.0, 1.0], ArgumentError, "uniform_: low=2.0 is above high=1.0. Give low <= high.")
fails("uniform_", [T(3), "0"], ArgumentTypeError, "uniform_: low must be a number, got '0' of type str.")
row("normal_", case(T(2, 2), expect=_shaped((2, 2), NORMAL), only=FLOATS), case(T(4), 1.0, 2.0, expect=[1 + 2 * n for n in NORMAL], only=FLOATS), case(T(), expect=NORMAL[0], only=FLOATS),
    case(T(2), 1.0, 2.0, expect=1 + 2 * NORMAL_PAIRS, only=COMPLEX),
    case(T(0, 3), expect=np.zeros((0, 3))), calls=seeded("normal_", True), **ANY, **NORMALS)
fails("normal_", [T(3), 0.0, -1.0], ArgumentError, "normal_: std must not be negative, got -1.0.")
fails("normal_", [T(3), "0"], ArgumentTypeError, "normal_: mean must be a number, got '0' of type str.")
row("bernoulli_", case(T(8), 0.3, expect=COINS), case(T(8), T(low=0.3, high=0.3), expect=COINS), case(T(), 0.3, expect=1), case(T(0, 3), expect=np.zeros((0, 3))),
    calls=seeded("bernoulli_", True), **EXACT)
row("random_", case(T(4), 10, expect=[1, 8, 9, 2]), case(T(6), -5, 100, expect=INTEGERS), case(T(), 10, expect=1), case(T(0, 3), 10, expect=np.zeros((0, 3))),
    calls=seeded("random_", True), dtypes=[dtypes.int8, dtypes.int64, float32], **EXACT)
fails("bernoulli_", [T(3), 2.0], ArgumentError, "bernoulli_: the probability must be from 0 to 1, got p=2.0.")
fails("bernoulli_", [T(3), "0.5"], ArgumentTypeError, "bernoulli_: p must be a number, got '0.5' of type str.")
fails("bernoulli_", [T(3), T(2, low=0, high=1)], ShapeError,
      "bernoulli_: shapes (2,) and (3,) do not broadcast (axis -1: 2 vs 3). Reshape one operand, or give that axis the size 1.")
fails("bernoulli_", [T(3), T(2, 3, low=0, high=1)], ShapeError,
      "bernoulli_: p of shape (2, 3) does not broadcast to input of shape (3,). Give one of that shape.")
fails("random_", [T(3), 5, 2], ArgumentError, "random_: low must be below high, got low=5 and high=2; high itself is never drawn.")
fails("random_", [T(3), 2.5], ArgumentTypeError, "random_: high must be an int, got 2.5 of type float.")
fails("random_", [T(3), 1, 2, 3], ArgumentTypeError, "random_: takes 3 positional arguments, got 4. Signature: random_(self, low=0, high=None, *, generator=None)")
fails("random_", [T(3), 0, 300], ArgumentError, "random_: 0 to 299 does not fit uint8, which takes 0 to 255.", dtypes.uint8)
