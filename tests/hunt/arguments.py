"""Random arguments: sample cases that are changed a little, or values drawn by the role of each parameter."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import numpy as np
from data import Array, Call, DType, fitted
from subjects import Parameter, Subject

import tapeloom as tl
from tapeloom import dtypes
from tapeloom.testing.inputs import Input, mapped

INEXACT = [dtype.name for dtype in (*dtypes.FLOATS, *dtypes.COMPLEXES)]
ALL = [dtype.name for dtype in dtypes.ALL]
#: drawn often: what programs use
COMMON = (
    ["float32"] * 6 + ["float64"] * 4 + ["int64"] * 3 + ["bool"] * 2 + ["int32", "float16", "bfloat16", "complex64"]
)
SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    math.inf,
    -math.inf,
    math.nan,
    1e-7,
    1e-30,
    1e30,
    88.0,
    -104.0,
    20.5,
]
WORDS: dict[str, list[Any]] = {
    "reduction": ["mean", "sum", "none", "none", "max"],
    "mode": ["constant", "reflect", "replicate", "circular", "wrap"],
    "approximate": ["none", "tanh", "exact"],
    "rounding_mode": [None, "floor", "trunc", "ceil"],
    "padding": ["same", "valid", 0, 1, 2],
    "p": [2, 1, 0, 0.5, -1, 3, 1.5, math.inf, -math.inf, "fro", 2.0, None],
    "indexing": ["ij", "xy"],
}

#: parameters that must fit the others: samples say how
FITTING = {"weight", "target", "index", "indices", "kernel_size", "normalized_shape", "mat2", "vec", "data"}


class Draw:
    """Random arguments from one source of random numbers."""

    def __init__(self, seed: str) -> None:
        self.random = Random(seed)
        #: whether something was drawn that hardly fits
        self.strange = False
        self.numbers = np.random.Generator(np.random.PCG64(self.random.getrandbits(64)))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.random.random() < probability

    # shapes

    def length(self) -> int:
        """The length of a dimension."""
        return (
            self.random.choice([0, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5]) if self.chance(0.5) else self.random.randint(1, 4)
        )

    def shape(self) -> tuple[int, ...]:
        """A shape of 0 to 4 dimensions."""
        return tuple(self.length() for _ in range(self.random.choice([0, 1, 1, 2, 2, 2, 3, 3, 4])))

    def beside(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """A shape that broadcasts with ``shape``, mostly."""
        if self.chance(0.5):
            return shape
        if self.chance(0.06):
            return self.shape()
        made = tuple(1 if self.chance(0.3) else length for length in shape)
        made = made[self.random.randint(0, len(made)) if self.chance(0.4) else 0 :]
        return (self.length(), *made) if self.chance(0.1) else made

    # tensors

    def dtype(self) -> str:
        """The name of a dtype."""
        return self.random.choice(COMMON if self.chance(0.7) else ALL)

    def values(self, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        """Values for a tensor of ``dtype``."""
        size = math.prod(shape)
        kind = getattr(tl, dtype) if dtype != "bool" else tl.bool_
        style = self.random.random()
        rng = self.numbers
        if dtype == "bool":
            return (rng.random(size) < 0.5).reshape(shape)
        if not kind.inexact:
            info = tl.iinfo(kind)
            if style < 0.8:
                drawn = rng.integers(-6 if info.min else 0, 7, size)
            else:
                top = min(info.max, 2**63 - 1)  # the values are held as int64
                pool = [info.min, top, 0, 1, 2, 3, top - 1, info.min + 1, top // 2]
                drawn = np.array([self.random.choice(pool) for _ in range(size)], dtype=np.int64)
            return drawn.reshape(shape)
        if style < 0.6:
            drawn = rng.normal(size=size) * self.random.choice([1, 1, 1, 0.3, 5])
        elif style < 0.75:
            drawn = rng.integers(-3, 4, size) * 1.0  # ties, zeros, kinks
        else:
            many = rng.random(size) < self.random.choice([0.15, 1.0])
            drawn = np.where(many, rng.choice(SPECIAL, size), rng.normal(size=size))
        if kind.is_complex:
            drawn = drawn + 1j * (rng.normal(size=size) if self.chance(0.8) else rng.integers(-2, 3, size))
        return fitted(drawn, dtype).reshape(shape)

    def array(self, dtype: str, shape: tuple[int, ...], values: np.ndarray | None = None) -> Array:
        """A tensor of this shape, perhaps as a view, perhaps one that needs a gradient."""
        steps: list[Any] = []
        base = shape if values is None else values.shape
        if values is None and shape and self.chance(0.3):
            way = self.random.choice(["permute", "step", "offset", "expand", "pick"])
            dim = self.random.randrange(len(shape))
            before = (slice(None),) * dim
            if way == "permute":
                order = self.random.sample(range(len(shape)), len(shape))
                base = tuple(shape[order.index(d)] for d in range(len(shape)))
                steps = [("permute", tuple(order))]
            elif way == "step" and shape[dim]:
                base = (*shape[:dim], shape[dim] * 2 - self.random.randint(0, 1), *shape[dim + 1 :])
                steps = [("index", (*before, slice(None, None, 2)))]
            elif way == "offset":
                base = (*shape[:dim], shape[dim] + 1, *shape[dim + 1 :])
                steps = [("index", (*before, slice(1, None)))]
            elif way == "expand":
                base = (*shape[:dim], 1, *shape[dim + 1 :])
                steps = [("expand", shape)]
            elif way == "pick":
                base = (*shape[:dim], 2, *shape[dim:])
                steps = [("index", (*before, 1))]
        held = self.values(dtype, base) if values is None else values
        grad = "leaf" if dtype in INEXACT and self.chance(0.4) else ""
        return Array(held, dtype, tuple(steps), grad)

    def positions(self, shape: tuple[int, ...], below: int) -> Array:
        """A tensor of indices, now and then one out of range, or of another dtype."""
        low = -below if self.chance(0.15) else 0
        high = below + 1 if self.chance(0.06) else below
        drawn = self.numbers.integers(low, max(high, low + 1), shape)
        dtype = (
            "int64" if self.chance(0.88) else self.random.choice(["int32", "uint8", "int16", "float32", "bool", "int8"])
        )
        return Array(fitted(drawn, dtype), dtype)

    # by role

    def by_role(self, subject: Subject) -> tuple[list[Any], dict[str, Any]]:
        """Arguments for ``subject``, each drawn by what its annotation says."""
        self.base = self.shape()
        self.common = self.dtype()
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        named = False
        first = True
        for p in subject.parameters:
            if not p.required and p.kind != "starred" and self.chance(0.55):
                named = True
                continue
            value = self.role(p, first)
            first = False
            if p.kind == "starred":
                many = isinstance(value, (tuple, list))
                args += [value] if self.chance(0.5) or not many else list(value)
            elif (
                p.kind == "keyword"
                or named
                or (self.chance(0.15) and p.name not in ("self", "input") and not subject.base.startswith("__"))
            ):
                kwargs[p.name] = value
                named = True
            else:
                args.append(value)
        return args, kwargs

    def tensor(self, first: bool = True) -> Array:
        """A tensor like the others of this call, mostly."""
        dtype = self.common if self.chance(0.75) else self.dtype()
        return self.array(dtype, self.base if first else self.beside(self.base))

    def role(self, p: Parameter, first: bool) -> Any:
        """A value for one parameter."""
        role = p.role.replace(" | None", "")
        if role != p.role and self.chance(0.15):
            return None
        if p.name in ("p", "ord") and self.chance(0.8):
            return self.random.choice([value for value in WORDS["p"] if "str" in role or not isinstance(value, str)])
        if p.name in WORDS and role not in ("Tensor", "float", "TensorLike"):
            return self.random.choice(WORDS[p.name])
        rank = len(self.base)
        if role in ("Tensor", "Tensor | int"):
            return self.tensor(first)
        if role == "TensorLike":
            return self.tensor(first) if first or self.chance(0.7) else self.number()
        if role in ("Sequence[Tensor]", "Sequence[Index]"):
            return [self.tensor(self.chance(0.8)) for _ in range(self.random.randint(0 if self.chance(0.1) else 1, 3))]
        if role == "Index":
            return self.positions(self.beside(self.base), 3)
        if role == "Mask":
            shape = self.beside(self.base)
            dtype = "bool" if self.chance(0.9) else "uint8"
            return Array(fitted(self.numbers.random(shape) < 0.5, dtype), dtype)
        if role == "Key":
            return self.key()
        if "dim" in p.name and role in ("int", "Dim", "NewDim", "Position"):
            return self.dim(rank, role == "NewDim")
        if role in ("Dims", "Axes", "Order", "Dims | bool"):
            if role == "Order" and self.chance(0.8):
                return tuple(self.random.sample(range(rank), rank))
            if self.chance(0.5):
                return self.dim(rank)
            dims = [self.dim(rank) for _ in range(self.random.randint(0, min(rank + 1, 3)))]
            return dims if self.chance(0.3) else tuple(dims)
        if role in ("Size", "Amounts"):
            if self.chance(0.4):
                return self.beside(self.base)
            sizes = [self.random.choice([-1, 0, 1, 1, 2, 2, 3, 4]) for _ in range(self.random.randint(0, 4))]
            return sizes if self.chance(0.2) else tuple(sizes) if self.chance(0.8) else self.random.randint(0, 4)
        if "Window" in role:
            return self.random.randint(1, 3) if self.chance(0.7) else tuple(self.random.randint(0, 3) for _ in range(2))
        if role in ("int", "Position"):
            return self.random.randint(-2, 5) if self.chance(0.9) else self.odd()
        if role == "bool":
            return self.chance(0.5) if self.chance(0.96) else self.odd()
        if role == "float":
            return self.random.choice([0.0, 0.1, 0.5, 1.0, 2, -1.0, 1e-5, 0.3]) if self.chance(0.9) else self.odd()
        if role in ("DType", "DTypeLike", "Cast", "DType | str | type") or (
            p.name in ("args", "dtype") and role == "Any"
        ):
            return DType(self.dtype())
        if role in ("Number", "Any"):
            return self.number()
        if role == "str":
            return self.random.choice(["none", "mean", "sum"])
        return self.number()

    def dim(self, rank: int, new: bool = False) -> int:
        """A dimension, now and then out of range."""
        rank += new
        if self.chance(0.06):
            return self.random.choice([rank, -rank - 1, rank + 2])
        return self.random.randint(-rank, rank - 1) if rank else self.random.choice([0, -1])

    def number(self) -> Any:
        """A Python number."""
        return self.random.choice(
            [
                0,
                1,
                2,
                -1,
                3,
                5,
                -7,
                True,
                False,
                0.5,
                -1.5,
                2.0,
                0.1,
                1e-3,
                math.inf,
                math.nan,
                -0.0,
                127,
                255,
                300,
                2**31,
                1j,
                2 - 1j,
            ]
            if self.chance(0.6)
            else [1, 2, 3, 0.5, -2, 1.5]
        )

    def odd(self) -> Any:
        """Something that hardly fits."""
        self.strange = True
        return self.random.choice(
            [None, True, False, 1.0, 0.5, -3, 7, "a", (), (1,), [0, 1], math.nan, 1j, 2**40, -(2**33)]
        )

    def key(self) -> Any:
        """A key for ``x[key]``."""

        def part(length: int) -> Any:
            return self.random.choice(
                [
                    lambda: self.random.randint(-length, max(length - 1, 0)),
                    lambda: slice(None),
                    lambda: slice(*sorted(self.random.sample(range(-1, 5), 2))),
                    lambda: slice(None, None, self.random.randint(1, 3)),
                    lambda: None,
                    lambda: ...,
                    lambda: self.positions(self.random.choice([(2,), (1,), (), (2, 1), (0,), (2, 2)]), max(length, 1)),
                    lambda: Array(self.numbers.random((length,)) < 0.5, "bool" if self.chance(0.8) else "uint8").but(),
                    lambda: [self.random.randint(0, max(length - 1, 0)) for _ in range(2)],
                    lambda: self.chance(0.5),
                ]
            )()

        count = self.random.randint(0, len(self.base) + (1 if self.chance(0.1) else 0))
        parts = [part(self.base[i] if i < len(self.base) else 2) for i in range(count)]
        for item in parts:
            if isinstance(item, Array) and item.dtype == "uint8" and item.values.dtype == bool:
                item.values = item.values.astype(np.int64)
        if self.base and self.chance(0.15):
            many = self.base[: self.random.randint(1, len(self.base))]
            return Array(self.numbers.random(many) < 0.5, "bool")
        return parts[0] if len(parts) == 1 and self.chance(0.7) else tuple(parts)

    # from samples

    def from_sample(self, subject: Subject) -> tuple[list[Any], dict[str, Any]]:
        """A case of a row of the table, with lengths, dtypes, values and some argument changed."""
        row = self.random.choice(subject.rows)
        case = self.random.choice(row.cases)
        kind = self.random.choice(row.dtypes) if self.chance(0.85) else dtypes.BY_NAME[self.dtype()]
        others = {2: 2, 3: 3, 4: 4, 5: 5}
        if self.chance(0.3) and all(spec.data is None for spec in case.inputs()):
            others = {length: self.random.randint(1, 6) if self.chance(0.5) else length for length in others}
        self.base, self.common = (2, 3), kind.name

        def length(value: Any) -> Any:
            return others.get(value, value)

        def change(spec: Input) -> Array:
            shape = tuple(map(length, spec.shape))
            if self.chance(0.05) and shape:
                place = self.random.randrange(len(shape))
                shape = self.random.choice(
                    [
                        shape[:place] + shape[place + 1 :],
                        (1, *shape),
                        (*shape[:place], self.length(), *shape[place + 1 :]),
                    ]
                )
            self.base = shape
            if spec.kind == "I":
                return self.positions(shape, length(spec.below))
            dtype = spec.takes(kind).name
            if spec.kind == "M":
                return Array(self.numbers.random(shape) < 0.5, "bool")
            if self.chance(0.06):
                dtype = self.dtype()
            if spec.data is not None:
                return self.array(dtype, spec.shape, fitted(np.asarray(spec.data), dtype))
            if spec.low is not None and spec.high is not None and self.chance(0.8):
                low, high = math.ceil(spec.low), max(math.floor(spec.high), math.ceil(spec.low))
                drawn = self.numbers.uniform(spec.low, spec.high, shape)
                if dtype not in INEXACT:
                    drawn = self.numbers.integers(low, high + 1, shape)
                return self.array(dtype, shape, fitted(drawn, dtype))
            return self.array(dtype, shape)

        def sizes(value: Any) -> Any:
            if (
                isinstance(value, (tuple, list))
                and value
                and all(type(item) is int for item in value)
                and others[3] != 3
            ):
                return type(value)(map(length, value))
            return DType(value.name) if isinstance(value, dtypes.DType) else value

        if row.name.startswith("x[key]"):
            args = [mapped(item, change) for item in case.args]
            args[1] = tuple(args[1]) if isinstance(args[1], list) else args[1]
        else:
            args = [sizes(mapped(item, change)) for item in case.args]
        kwargs = {name: sizes(mapped(item, change)) for name, item in case.kwargs.items()}
        names = [p.name for p in subject.parameters if p.kind == "plain"]
        if len(args) > 1 and self.chance(0.12) and len(args) <= len(names) and not subject.base.startswith("__"):
            last = self.random.randrange(1, len(args))
            kwargs = dict(zip(names[last : len(args)], args[last:], strict=False)) | kwargs
            args = args[:last]
        if self.chance(0.25):
            self.one_other(subject, args, kwargs)
        return args, kwargs

    def one_other(self, subject: Subject, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Replace one argument, drop it, or add one that was not given."""
        plain = [p for p in subject.parameters if p.kind == "plain"]
        missing = [
            p for p in subject.parameters if p.name not in kwargs and p not in plain[: len(args)] and not p.required
        ]
        way = self.random.random()
        if missing and way < 0.4:
            p = self.random.choice(missing)
            if p.kind != "starred":
                kwargs[p.name] = self.role(p, False)
            return
        if len(args) > 1 and way < 0.9:
            place = self.random.randrange(1, len(args))
            if place < len(plain):
                args[place] = self.role(plain[place], False) if self.chance(0.8) else self.odd()
        elif args and way < 0.95 and not subject.base.startswith("__"):
            args.pop()

    def call(self, subject: Subject, number: int) -> Call:
        """A random call of ``subject``."""
        sample = bool(subject.rows) and self.chance(0.8 if FITTING & {p.name for p in subject.parameters} else 0.5)
        args, kwargs = self.from_sample(subject) if sample else self.by_role(subject)
        if subject.method and not (args and isinstance(args[0], Array)):
            self.base, self.common = self.shape(), self.dtype()
            args = [self.tensor(), *args[1:]]
        call = Call(subject, args, kwargs, number, self.strange)
        if subject.base.startswith("__r") and subject.base != "__rmatmul__" and len(args) > 1:
            args[1] = self.number()  # Python asks the other side first where it is a tensor
        if subject.inplace and args and isinstance(args[0], Array):
            own = args[0].but(grad="inner") if args[0].grad and self.chance(0.85) else args[0]
            call.args[0] = own
        return call
