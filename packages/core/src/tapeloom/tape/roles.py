"""The annotations of an op's parameters, and what each means.

An op is declared by its signature. The annotation of a parameter says whether it is an input (a tensor) or a static
(a setting), and how a static is normalised before checks, kernels and rules see it: once, here, for every op.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.errors import ArgumentTypeError

if TYPE_CHECKING:
    from tapeloom.keys import Key as Key  # noqa: PLC0414 - the stubs import it from here
    from tapeloom.tape.tensor import Tensor

    # inputs
    TensorLike = Tensor | bool | int | float | complex  # a tensor or a number; numbers promote weakly
    Index = Tensor  # integers: takes no part in promotion, gets no gradient
    Mask = Tensor  # booleans: likewise
    # statics
    Dim = int  # one dimension, counted from 0
    Dims = int | Sequence[int] | None  # dimensions, a tuple counted from 0; None is all of them
    Size = int | Sequence[int]  # the size of a tensor
    Ints = int | Sequence[int]  # any tuple of ints
    Pair = int | Sequence[int]  # one int for both spatial axes, or two
    Number = bool | int | float
    Position = int  # a place along a dimension, where a length would be a setting
    Cast = dtypes.DType | None  # the dtype to compute in: consumed by the dtype policy, not handed to the kernel
    DType = dtypes.DType

#: annotation -> how the input takes part: promoted, index, mask, or a list of promoted tensors
INPUTS = {
    "Tensor": "value",
    "Tensor | None": "value",
    "TensorLike": "value",
    "TensorLike | None": "value",
    "Sequence[Tensor]": "values",
    "Index": "index",
    "Index | None": "index",
    "Sequence[Index]": "indices",
    "Mask": "mask",
    "Mask | None": "mask",
}


def _bool(op: str, name: str, value: Any, ndim: int) -> bool:
    if type(value) is bool:
        return value
    raise ArgumentTypeError(f"{op}: {name} must be True or False, got {value!r}.")


def number(op: str, name: str, value: Any, types: tuple[type, ...] = dtypes.NUMBERS) -> Any:
    """``value`` as a Python number of ``types``; a 0-d tensor or host scalar stands for its number."""
    if not isinstance(value, dtypes.NUMBERS):
        item = getattr(value, "item", None)
        if item is None:
            raise ArgumentTypeError(f"{op}: {name} must be a number, got {value!r} of type {type(value).__name__}.")
        value = item()
    if isinstance(value, types):
        return value
    raise ArgumentTypeError(f"{op}: {name} must be a real number, got {value!r}.")


def _number(op: str, name: str, value: Any, ndim: int) -> Any:
    return value if isinstance(value, dtypes.REAL_NUMBERS) else number(op, name, value, dtypes.REAL_NUMBERS)


def _float(op: str, name: str, value: Any, ndim: int) -> float:
    return float(_number(op, name, value, ndim))


def _text(op: str, name: str, value: Any, ndim: int) -> str:
    if isinstance(value, str):
        return value
    raise ArgumentTypeError(f"{op}: {name} must be a string, got {value!r}.")


def pair(op: str, name: str, value: Any, ndim: int = 0) -> tuple[int, int]:
    """``value`` for both spatial axes."""
    if type(value) is int:
        return (value, value)
    given = shapes.as_ints(op, name, value)
    if len(given) == 1:
        return (given[0], given[0])
    if len(given) != 2:
        raise ArgumentTypeError(f"{op}: {name} must be one int or two, got {value!r}.")
    return (given[0], given[1])


#: annotation -> normaliser(op name, parameter name, value, ndim of the first input)
STATICS: dict[str, Callable[[str, str, Any, int], Any]] = {
    "Dim": lambda op, name, value, ndim: shapes.normalize_dim(op, value, ndim),
    "Dims": lambda op, name, value, ndim: shapes.normalize_dims(op, value, ndim),
    "Size": lambda op, name, value, ndim: shapes.as_size(op, value),
    "Ints": lambda op, name, value, ndim: shapes.as_ints(op, name, value),
    "Pair": pair,
    "Pair | None": lambda op, name, value, ndim: None if value is None else pair(op, name, value),
    "int": lambda op, name, value, ndim: shapes.as_int(op, name, value),
    "int | None": lambda op, name, value, ndim: None if value is None else shapes.as_int(op, name, value),
    "bool": _bool,
    "float": _float,
    "Position": lambda op, name, value, ndim: shapes.as_int(op, name, value),
    "Key": lambda op, name, value, ndim: value,
    "Number": _number,
    "Number | None": lambda op, name, value, ndim: None if value is None else _number(op, name, value, ndim),
    "str": _text,
    "DType": lambda op, name, value, ndim: dtypes.as_dtype(value),
    "Cast": lambda op, name, value, ndim: None if value is None else dtypes.as_dtype(value),
}

#: statics that are values: a compiling backend traces them (of a key, its numbers) instead of compiling for each
VALUE_STATICS = frozenset({"float", "Number", "Number | None", "Position", "Key"})
