"""The annotations of an op's parameters, and what each means.

An op is declared by its signature. The annotation of a parameter says whether it is an input (a tensor) or a static
(a setting), and how a static is normalised before checks, kernels and rules see it: once, here, for every op.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tapeloom import dtypes, shapes
from tapeloom.errors import ArgumentTypeError, ShapeError

if TYPE_CHECKING:
    from tapeloom.keys import Key as Key  # noqa: PLC0414 - the stubs import it from here
    from tapeloom.tape.tensor import Tensor

    # inputs
    TensorLike = Tensor | bool | int | float  # a tensor or a number; numbers promote weakly
    Index = Tensor  # integers: takes no part in promotion, gets no gradient
    Mask = Tensor  # booleans: likewise
    # statics
    Dim = int  # one dimension, counted from 0
    Dims = int | Sequence[int] | None  # dimensions, a tuple counted from 0; None is all of them
    Size = int | Sequence[int]  # the size of a tensor
    Ints = int | Sequence[int]  # any tuple of ints
    Window = int | Sequence[int]  # one int for all spatial axes of (batch, channels, *spatial), or one for each
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


def _number(op: str, name: str, value: Any, ndim: int) -> Any:
    if isinstance(value, (bool, int, float)):
        return value
    item = getattr(value, "item", None)  # a 0-d tensor or host scalar stands for its number
    if item is not None:
        return item()
    raise ArgumentTypeError(f"{op}: {name} must be a number, got {value!r} of type {type(value).__name__}.")


def _float(op: str, name: str, value: Any, ndim: int) -> float:
    return float(_number(op, name, value, ndim))


def _text(op: str, name: str, value: Any, ndim: int) -> str:
    if isinstance(value, str):
        return value
    raise ArgumentTypeError(f"{op}: {name} must be a string, got {value!r}.")


def window(op: str, name: str, value: Any, ndim: int) -> tuple[int, ...]:
    """``value`` for each spatial axis of a tensor (batch, channels, *spatial) of ``ndim`` dimensions."""
    axes = ndim - 2
    if not 1 <= axes <= 3:
        raise ShapeError(
            f"{op}: expected (batch, channels, 1 to 3 spatial dimensions), got a tensor of {ndim} dimensions."
        )
    given = (value,) if type(value) is int else shapes.as_ints(op, name, value)
    if len(given) == axes:
        return given
    if len(given) != 1:
        others = ("", " or two", " or three")[axes - 1]
        raise ArgumentTypeError(f"{op}: {name} must be one int{others}, got {value!r}.")
    return given * axes


#: annotation -> normaliser(op name, parameter name, value, ndim of the first input)
STATICS: dict[str, Callable[[str, str, Any, int], Any]] = {
    "Dim": lambda op, name, value, ndim: shapes.normalize_dim(op, value, ndim),
    "Dims": lambda op, name, value, ndim: shapes.normalize_dims(op, value, ndim),
    "Size": lambda op, name, value, ndim: shapes.as_size(op, value),
    "Ints": lambda op, name, value, ndim: shapes.as_ints(op, name, value),
    "Window": window,
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
