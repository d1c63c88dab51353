"""Dtype rules: which dtypes an op takes, in which it computes, and which its result has. The same on every backend."""

from __future__ import annotations

from collections.abc import Callable

from tapeloom import dtypes
from tapeloom.dtypes import BOOL, COMPLEX, FLOATING, INTEGER, DType
from tapeloom.errors import DTypeError

#: domain -> the categories of dtypes in it, and what to say of others
TAKES: dict[str, tuple[frozenset[int], str]] = {
    "any": (frozenset({BOOL, INTEGER, FLOATING, COMPLEX}), ""),
    "no bool": (
        frozenset({INTEGER, FLOATING, COMPLEX}),
        "bool tensors are not supported. Use a logical operation, or cast with .to(tapeloom.int64).",
    ),
    "integral": (
        frozenset({BOOL, INTEGER}),
        "expected integer or bool tensors, got {dtype}. Cast with .to(tapeloom.int64).",
    ),
    "integer": (frozenset({INTEGER}), "expected integer tensors, got {dtype}. Cast with .to(tapeloom.int64)."),
    "floating": (frozenset({FLOATING}), "expected floating tensors, got {dtype}. Cast with .float()"),
    "inexact": (frozenset({FLOATING, COMPLEX}), "expected floating tensors, got {dtype}. Cast with .float()"),
    "complex": (frozenset({COMPLEX}), "expected complex tensors, got {dtype}. Cast with .to(tapeloom.complex64)."),
}


def _float(dtype: DType) -> DType:
    return dtype if dtype.inexact else dtypes.get_default_dtype()


def _sum(dtype: DType) -> DType:
    return dtype if dtype.inexact else dtypes.int64


def _number(dtype: DType) -> DType:
    return dtypes.int64 if dtype is dtypes.bool_ else dtype


def _complex(dtype: DType) -> DType:
    return _float(dtype).complex


#: result -> from the promoted dtype, the one to compute in and the one of the result
GIVES: dict[str, Callable[[DType], tuple[DType, DType]]] = {
    "same": lambda dtype: (dtype, dtype),
    "first": lambda dtype: (dtype, dtype),  # the dtype of the first input, which the others are cast to
    "float": lambda dtype: (_float(dtype), _float(dtype)),  # integers and bool become the default dtype
    "sum": lambda dtype: (_sum(dtype), _sum(dtype)),  # integers and bool become int64
    "number": lambda dtype: (_number(dtype), _number(dtype)),  # bool becomes int64
    "bool": lambda dtype: (dtype, dtypes.bool_),
    "int64": lambda dtype: (dtype, dtypes.int64),
    "real": lambda dtype: (dtype, dtype.real),  # complex dtypes give the dtype of their parts
    "complex": lambda dtype: (_float(dtype), _complex(dtype)),
}
#: what an op does with complex tensors
COMPLEX_WORDS = {
    None: "refused",
    "analytic": "the rules are those for real numbers, and are run between two conjugations",
    "as written": "the rules hold for complex numbers as they are written",
}


class DTypeRule:
    """What an op takes and gives.

    ``moves``: elements are moved, not computed with, so that nothing is promoted, cast or rounded, and the result has the
    dtype of the first input (or the one that the op is given).
    """

    __slots__ = ("complex", "gives", "moves", "takes")

    def __init__(self, op: str, takes: str, gives: str, moves: bool, complex: str | None) -> None:
        for setting, value, valid in (
            ("takes", takes, TAKES),
            ("gives", gives, GIVES),
            ("complex", complex, COMPLEX_WORDS),
        ):
            if value not in valid:
                words = ", ".join(repr(word) for word in valid)
                raise TypeError(f"op {op!r}: {setting}={value!r} is none of {words}.")
        self.takes = takes
        self.gives = gives
        self.moves = moves
        self.complex = "as written" if moves else complex

    def apply(self, op: str, promoted: DType, asked: DType | None, castable: bool = False) -> tuple[DType, DType]:
        """The dtype to compute in and that of the result, for inputs that promote to ``promoted``.

        ``asked`` is the dtype that the call names, if it does; ``castable`` says whether it could, for the message.
        """
        if self.moves:
            return promoted, asked or promoted
        dtype = asked or promoted
        if dtype.category == COMPLEX and self.complex is None:
            raise DTypeError(
                f"{op}: complex tensors are not supported, got {dtype.name}. Take .real, .imag or .abs() first."
            )
        categories, message = TAKES[self.takes]
        if dtype.category not in categories:
            if message.endswith("Cast with .float()"):
                message += ", or give dtype=tapeloom.float32." if castable else " or .to(tapeloom.float64)."
            raise DTypeError(f"{op}: {message.format(dtype=dtype.name)}")
        if asked is not None and self.gives in ("sum", "float", "same"):
            return asked, asked
        return GIVES[self.gives](dtype)
